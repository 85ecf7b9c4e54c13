"""Modules without a lowering: they run as they are, in their place in the program.

Such a module keeps what its backward needs in itself, so each time step has a twin of it, as each
time step of ``Unroll`` has.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

import numpy as np

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.program.ir import Op
from minigraph.errors import MinigraphError, NodeError
from minigraph.nn.module import Module
from minigraph.nn.sharing import forget
from minigraph.rnn.unroll import _moment
from minigraph.tables import check_gradInput, is_table, leaves, map_table


class OtherShape(Exception):
    """Something is of another shape (as MaskedSelect's output may be) or type than the program expects."""


class Callees:
    """The twins of every module that is called as it is."""

    def __init__(self) -> None:
        self._twins: dict[Module, list[Module]] = {}

    def at(self, module: Module, t: Optional[int]) -> Module:
        """Return the module for a time step; itself where there is no time."""
        if t is None:
            return module
        twins = self._twins.setdefault(module, [])
        while len(twins) <= t:
            twins.append(forget(module.twin()))
        return twins[t]


def bind_call(op: Op, frame: Frame, t: Optional[int], callees: Callees) -> Callable[[], None]:
    """Return a call of the module's ``updateOutput`` that copies what it returns to the frame."""
    input = map_table(lambda value: frame.at(value, t), op.attributes["input"])
    outputs = [frame.at(value, t) for value in op.outputs]
    return partial(_forward, op, callees.at(op.attributes["module"], t), input, outputs)


def bind_call_back(op: Op, frame: Frame, t: Optional[int], callees: Callees) -> Callable[[], None]:
    """Return a call of ``updateGradInput`` and ``accGradParameters``."""
    call = op.attributes["call"]
    count = len(call.inputs)
    input = map_table(lambda value: frame.at(value, t), call.attributes["input"])
    given = dict(zip(call.outputs, op.inputs[count:]))
    gradOutput = map_table(lambda value: frame.at(given[value], t), call.attributes["output"])
    targets = [frame.at(value, t) for value in op.outputs]
    module = callees.at(call.attributes["module"], t)
    lines = [] if t is None or frame.T is None else [_moment(t, frame.T)]
    return partial(_backward, op, module, input, gradOutput, targets, lines)


def _forward(op: Op, module: Module, input: Any, outputs: list[np.ndarray]) -> None:
    try:
        made = module.updateOutput(input)
        made = module.output if made is None else made
    except Exception as error:
        raise _told(op, "updateOutput", error, []) from error
    module.output = made
    values = [value for _, value in leaves(made)]
    if [np.shape(value) for value in values] != [target.shape for target in outputs]:
        raise OtherShape
    for target, value in zip(outputs, values):
        np.copyto(target, value, casting="unsafe")


def _backward(
    op: Op, module: Module, input: Any, gradOutput: Any, targets: list[np.ndarray], lines: list[str]
) -> None:
    method = "updateGradInput"
    try:
        made = module._differentiate(input, gradOutput)
        if module._foreign:
            check_gradInput(made, input, module._author)
        if op.attributes.get("accumulate", True):
            method = "accGradParameters"
            module.accGradParameters(input, gradOutput, 1.0)
    except Exception as error:
        raise _told(op, method, error, lines) from error
    paths = [path for path, _ in leaves(input)]
    for target, path in zip(targets, paths):
        value = _entry(made, path)
        if value is None or np.shape(value) != target.shape:
            target.fill(0)  # the gradient of an index, or none at all
        else:
            np.copyto(target, value, casting="unsafe")


def _entry(table: Any, path: tuple[int, ...]) -> Any:
    """Return the leaf at ``path``; ``None`` where the table is nested less deeply."""
    for position in path:
        if not is_table(table) or position >= len(table):
            return None
        table = table[position]
    return None if is_table(table) else table


def _told(op: Op, method: str, error: Exception, lines: list[str]) -> Exception:
    """Return the error with the node that it happened at, and ``lines`` about when."""
    failure = error if isinstance(error, MinigraphError) else NodeError.wrap(error)
    if op.node is not None:
        failure.context.append(f"in {method} of {op.node.describe()}")
    failure.context.extend(lines)
    return failure
