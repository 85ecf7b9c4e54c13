"""The capture of a network for ONNX: the compiler's, with loops and with operators that people look for.

An ``Unroll`` becomes one operation, ``loop``, which holds a step's operations. A layer that ONNX has an
operator for (see ``preferred.py``) becomes an ``operator``; every other one is written by its rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

import numpy as np

from minigraph.compiler.capture.capture import Capture, paired
from minigraph.compiler.capture.rules import inherited
from minigraph.compiler.program.ir import Constant, Given, Op, Value
from minigraph.compiler.program.naming import name_results
from minigraph.graph import Node
from minigraph.interop.names import type_name
from minigraph.interop.onnx.preferred import PREFERRED, REASONS
from minigraph.nn.container import Container
from minigraph.nn.convolution.unpooling import MaxUnpooling
from minigraph.nn.module import Module
from minigraph.rnn import Unroll
from minigraph.tables import leaves, map_table


class Step(NamedTuple):
    """One step of a loop: its operations, what it is given and what it returns, tensor by tensor.

    ``fed`` pairs the position of a tensor returned with that of the one given that it becomes;
    ``sequences`` are the positions of what comes anew at each step. ``labels`` name what is returned.
    """

    ops: list[Op]
    given: list[Value]
    returned: list[Value]
    fed: list[tuple[int, int]]
    sequences: list[int]
    labels: list[str]


class OnnxCapture(Capture):
    """Writes down a network in evaluation; what cannot be written is a ``refused`` operation."""

    forward_only = True

    def __init__(self, net: Module, trial: Module) -> None:
        super().__init__(net, trial)
        #: Pooling layers that are written already.
        self.pooled: set[int] = set()
        self._undone = {id(m.pooling) for m in net.listModules() if isinstance(m, MaxUnpooling)}
        self._where: list[str] = []
        self._told: Optional[Node] = None

    @staticmethod
    def name_of(node: Node) -> str:
        """Return a node's own name, or its module's type in lower case."""
        return node.name or (node.data.role if node.module is None else type_name(node.module))

    def lower(self, module: Module, input: Any) -> Any:
        told, within, start = self._told, self.within, len(self.ops)
        named = self.node is not None and self.node is not told
        self._where.append(self.node.describe() if named else module.headline())
        self._told = self.node
        try:
            if named or within or isinstance(module, Container):
                return self._written(module, input)
            self.within = type_name(module)
            output = self._written(module, input)
            name_results(output, self.within, self.ops[start:])
            return output
        finally:
            self._where.pop()
            self._told, self.within = told, within

    def _written(self, module: Module, input: Any) -> Any:
        if isinstance(module, Unroll):
            return self._loop(module, input)
        preferred = inherited(PREFERRED, type(module))
        made = None if preferred is None else preferred(self, module, input)
        return super().lower(module, input) if made is None else made

    def operator(
        self, kind: str, shape: Sequence[int], *inputs: Optional[Value], dtype: Any = None,
        result: tuple[int, int] = (0, 1), **settings: Any,
    ) -> Value:
        """Write one ONNX operator; an input that it does without is ``None``.

        ``result`` says which of its outputs is wanted, and how many it has.
        """
        made = Value(tuple(shape), np.dtype(dtype or self.dtype))
        given = tuple(value for value in inputs if value is not None)
        places = tuple(place for place, value in enumerate(inputs) if value is not None)
        attributes = {
            "kind": kind, "places": places, "result": result, "settings": settings, "where": self._here(),
        }
        self.ops.append(Op("operator", given, (made,), attributes, self.node))
        return made

    def max_pool(self, module: Module, x: Value, shape: Sequence[int], **settings: Any) -> Value:
        """Write a pooling; where the network undoes it, where the maxima were is kept."""
        self.pooled.add(id(module))
        made = Value(tuple(shape), self.dtype)
        undone = id(module) if id(module) in self._undone else None
        self.ops.append(Op("max_pool", (x,), (made,), {"undone": undone, "settings": settings}, self.node))
        return made

    def unpool(self, module: Any, x: Value) -> Value:
        """Write what puts values back where the pooling before found them."""
        made = Value(self.observed(module).shape, self.dtype)
        plane = len(module.pooling._axes)
        attributes = {"pooling": id(module.pooling), "rank": plane}
        self.ops.append(Op("unpool", (x,), (made,), attributes, self.node))
        return made

    def named(self, array: Any, what: str) -> Value:
        """Return numbers that the file holds as they are now, called ``what`` of the module."""
        value = self.constant(array)
        value.name = f"{self.within}.{what}" if self.within else what
        return value

    def whole(self, *numbers: int) -> Value:
        """Return a list of whole numbers."""
        array = np.array(numbers, np.int64)
        return Constant(array.shape, array.dtype, array=array)

    def call(self, module: Module, input: Any) -> Any:
        what = getattr(module, "criterion", module)
        own = not type(what).__module__.startswith("minigraph.")
        reason = REASONS.get(type(what)) or (
            f"{type(what).__name__} is a class of your own without a rule" if own
            else f"ONNX has no counterpart of {what.typename()}"
        )
        output = map_table(lambda array: Value(np.shape(array), self.dtype), self.observed(module))
        self._refuse(reason, [value for _, value in leaves(output)])
        return output

    def draw(self, shape: Sequence[int], p: float) -> Value:
        mask = Value(tuple(shape), self.dtype)
        self._refuse("it draws masks in evaluation", [mask])
        return mask

    def _refuse(self, reason: str, outputs: Sequence[Value]) -> None:
        attributes = {"where": self._here(), "reason": reason}
        self.ops.append(Op("refused", (), tuple(outputs), attributes, self.node))

    def _here(self) -> str:
        """Return where in the network this is, from the inside out."""
        return " in ".join(reversed(self._where))

    def _loop(self, module: Unroll, input: Any) -> Any:
        """Write a step into a list of its own; what the loop returns is known from the trial run."""
        trial: Any = self._probes[id(module)]
        step = module.step
        self._probes.update({id(mine): theirs for mine, theirs in paired(step, trial.clones[0])})
        entries = [input] if step.nInputs == 1 else list(input)
        given = [
            map_table(lambda v, k=k: Given(v.shape[k in module._sequences:], v.dtype), entry)  # type: ignore[misc]
            for k, entry in enumerate(entries)
        ]
        outer, self.ops = self.ops, []
        casts, self._casts = self._casts, {}
        produced = self.network(step, given if step.nInputs > 1 else given[0])
        ops, self.ops, self._casts = self.ops, outer, casts
        returned = [produced] if step.nOutputs == 1 else list(produced)
        taken, made = _Positions(given), _Positions(returned)
        body = Step(
            ops, taken.leaves, made.leaves,
            [pair for a, b in module._feeds.items() for pair in zip(made.of[a], taken.of[b])],
            [place for k in module._sequences for place in taken.of[k]],
            [
                "_".join([node.name or f"{self.within or 'output'}_{k}", *(str(p + 1) for p in path)])
                for k, (node, entry) in enumerate(zip(step._network.outputs, returned), 1)
                for path, _ in leaves(entry)
            ],
        )
        output = map_table(lambda array: Value(np.shape(array), self.dtype), trial.output)
        inputs = tuple(value for _, value in leaves(entries))
        outputs = tuple(value for _, value in leaves(output))
        self.ops.append(Op("loop", inputs, outputs, {"step": body}, self.node))
        return output


class _Positions:
    """The tensors of several entries in a row, and the positions of those of each entry."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self.leaves: list[Value] = []
        self.of: list[list[int]] = []
        for entry in entries:
            mine = [value for _, value in leaves(entry)]
            self.of.append(list(range(len(self.leaves), len(self.leaves) + len(mine))))
            self.leaves.extend(mine)
