"""The NumPy executor: a schedule as a list of calls with everything bound to its arrays.

It needs nothing but NumPy and runs every primitive. Loops over time are unrolled into the list.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional, Sequence

import numpy as np

from minigraph.compiler.calls import Callees, bind_call, bind_call_back
from minigraph.compiler.ir import Op
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.primitives import PRIMITIVES, UFUNCS
from minigraph.compiler.storage import Frame, is_view
from minigraph.random import generator

Instruction = Callable[[], Any]


class NumpyExecutor:
    """Runs the segments of one program in a frame."""

    def __init__(
        self, segments: Sequence[Segment], frame: Frame, backwards: bool, callees: Callees
    ) -> None:
        self._frame = frame
        self._callees = callees
        self._scratch: dict[tuple, list[np.ndarray]] = {}
        self._instructions: list[Instruction] = []
        for segment in segments:
            self._instructions.extend(self.bind(segment, backwards))

    def run(self) -> None:
        """Run everything once."""
        for instruction in self._instructions:
            instruction()

    def bind(self, segment: Segment, backwards: bool) -> list[Instruction]:
        """Return the calls that a segment is made of."""
        T = self._frame.T
        if not segment.loop or T is None:
            return [call for op in segment.ops for call in self._bind(op, None)]
        steps = reversed(range(T)) if backwards else range(T)
        return [call for t in steps for op in segment.ops for call in self._bind(op, t)]

    def _bind(self, op: Op, t: Optional[int]) -> list[Instruction]:
        frame = self._frame
        if op.primitive == "draw":
            return [partial(_draw, [frame.arrays[mask] for mask in op.outputs], op.attributes["p"], frame.T)]
        if op.primitive == "call":
            return [bind_call(op, frame, t, self._callees)]
        if op.primitive == "call_back":
            return [bind_call_back(op, frame, t, self._callees)]
        inputs = [frame.at(value, t) for value in op.inputs]
        if op.primitive.startswith("accumulate"):
            parameter = op.attributes["parameter"]
            target = getattr(parameter.module, parameter.gradient)
            return [self._accumulation(op, inputs, target)]
        if op.primitive == "fused":
            return self._fused(op, inputs, [frame.at(value, t) for value in op.outputs])
        out = frame.at(op.output, t)
        if op.primitive == "concat":
            return self._concat(op, inputs, out)
        if is_view(op):
            if op not in frame.unviewed:
                return []
            return [lambda: np.copyto(out, PRIMITIVES[op.primitive].evaluate(inputs, None, op.attributes))]
        if op.primitive == "product":
            return self._product(op, inputs, out)
        return [partial(PRIMITIVES[op.primitive].evaluate, inputs, out, op.attributes)]

    def _fused(self, op: Op, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> list[Instruction]:
        """Bind the entries of a region one by one; results that stay inside go to scratch memory."""
        body, results = op.attributes["body"], op.attributes["results"]
        where = dict(zip(results, outputs))
        values: list[Any] = list(inputs)
        last_use = {number: k for k, (_, used) in enumerate(body) for number in used}
        steps = np.broadcast_shapes(*(out.shape for out in outputs))
        dtype = outputs[0].dtype
        free: list[np.ndarray] = list(self._scratch.get((steps, dtype), []))
        instructions: list[Instruction] = []
        for k, (primitive, used) in enumerate(body):
            number = len(inputs) + k
            out = where.get(number)
            if out is None:
                out = free.pop() if free else self._new_scratch(steps, dtype)
            operands = [values[each] for each in used]
            values.append(out)
            if primitive in UFUNCS:
                instructions.append(partial(UFUNCS[primitive], *operands, out=out))
            else:
                instructions.append(partial(PRIMITIVES[primitive].evaluate, operands, out, {}))
            for each in dict.fromkeys(used):
                if each >= len(inputs) and each not in where and last_use[each] == k:
                    free.append(values[each])
        return instructions

    def _new_scratch(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        known = self._scratch.setdefault((shape, dtype), [])
        # Nothing is kept here from one operation to the next: all programs of a frame share it.
        key = ("scratch", shape, dtype, len(known))
        known.append(self._frame.scratch(key, lambda: np.empty(shape, dtype)))
        return known[-1]

    def _concat(self, op: Op, inputs: list[np.ndarray], out: np.ndarray) -> list[Instruction]:
        axis, start, calls = op.attributes["axis"], 0, []
        for number, part in enumerate(op.inputs):
            stop = start + part.shape[axis]
            if number in self._frame.copied[op]:
                window = out[(..., slice(start, stop)) + (slice(None),) * (-axis - 1)]
                calls.append(partial(np.copyto, window, inputs[number]))
            start = stop
        return calls

    def _product(self, op: Op, inputs: list[np.ndarray], out: np.ndarray) -> list[Instruction]:
        x, weight = inputs[:2]
        matrix = weight if op.attributes["transposed"] else weight.T
        target = out
        if len(inputs) == 3:
            free = self._scratch.get((out.shape, out.dtype))
            target = free[0] if free else self._new_scratch(out.shape, out.dtype)
        if x.ndim > 2 and x.flags.c_contiguous and target.flags.c_contiguous:
            flat = target.reshape(-1, target.shape[-1])
            calls = [partial(np.matmul, x.reshape(-1, x.shape[-1]), matrix, flat)]
        else:
            calls = [partial(np.matmul, x, matrix, target)]
        if len(inputs) == 3:
            calls.append(partial(np.add, target, inputs[2], out))
        return calls

    def _accumulation(self, op: Op, inputs: list[np.ndarray], target: np.ndarray) -> Instruction:
        if op.primitive == "accumulate_product":
            gradient, given = (x.reshape(-1, x.shape[-1]) for x in inputs)
            free = self._scratch.get((target.shape, target.dtype))
            product = free[0] if free else self._new_scratch(target.shape, target.dtype)
            return partial(_add_product, gradient.T, given, product, target)
        return partial(PRIMITIVES[op.primitive].evaluate, inputs, target, op.attributes)


def _add_product(first: np.ndarray, second: np.ndarray, product: np.ndarray, target: np.ndarray) -> None:
    np.matmul(first, second, out=product)
    target += product


def _draw(masks: list[np.ndarray], chances: Sequence[float], T: Optional[int]) -> None:
    """Draw all masks in the order of the random stream: time step by time step."""
    if T is None:
        for mask, p in zip(masks, chances):
            generator.fillBernoulli(mask, p)
        return
    for t in range(T):
        for mask, p in zip(masks, chances):
            generator.fillBernoulli(mask[t], p)
