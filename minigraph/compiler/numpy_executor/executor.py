"""The NumPy executor: a schedule as a list of calls with everything bound to its arrays.

It needs nothing but NumPy and runs every primitive. Loops over time are unrolled into the list.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame, concat_windows, is_view, reshaped
from minigraph.compiler.numpy_executor.blas import gemm
from minigraph.compiler.numpy_executor.module_calls import Callees, bind_call, bind_call_back
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.program.ir import Joined, Op, Value
from minigraph.compiler.program.primitives import PRIMITIVES, UFUNCS, kind_of
from minigraph.memory import address
from minigraph.random import generator

Instruction = Callable[[], Any]
#: From how many time steps and rows on the transposed weights of a loop are copied once a run.
WORTH_PACKING = 4


class NumpyExecutor:
    """Runs the segments of one program in a frame."""

    def __init__(
        self, segments: Sequence[Segment], frame: Frame, backwards: bool, callees: Callees
    ) -> None:
        self._frame = frame
        self._callees = callees
        self._scratch: dict[tuple, list[np.ndarray]] = {}
        self._instructions: list[Instruction] = []
        #: Copies of transposed weights, and what makes them at the start of each run.
        self._packed: dict[Any, np.ndarray] = {}
        self._packing: list[Instruction] = []
        self._joined: set[Value] = set()
        self._sums: dict[Value, np.ndarray] = {}
        self._quiet = bool(segments)
        for segment in segments:
            self._instructions.extend(self.bind(segment, backwards))
        self._instructions[:0] = self._packing

    def run(self) -> None:
        """Run everything once; a sigmoid whose exponential overflows is 0, as it should be."""
        with np.errstate(over="ignore"):
            for instruction in self._instructions:
                instruction()

    def bind(self, segment: Segment, backwards: bool) -> list[Instruction]:
        """Return the calls that a segment is made of."""
        T = self._frame.T
        if not segment.loop or T is None:
            return [call for op in segment.ops for call in self.bind_op(op, None)]
        steps = reversed(range(T)) if backwards else range(T)
        return [call for t in steps for op in segment.ops for call in self.bind_op(op, t)]

    def _join(self, value: Joined) -> None:
        """Have the parameters copied below each other at the start of each run."""
        self._joined.add(value)
        start = 0
        for part in value.parts:
            stop = start + part.shape[0]
            window = self._frame.arrays[value][start:stop]
            self._packing.append(partial(np.copyto, window, part.array))
            start = stop

    def bind_op(self, op: Op, t: Optional[int]) -> list[Instruction]:
        """Return the calls that an operation is at the time step ``t``, ``None`` for all at once."""
        frame = self._frame
        for value in op.inputs:
            if isinstance(value, Joined) and value not in self._joined:
                self._join(value)
        if op.primitive == "draw":
            return [partial(_draw, [frame.arrays[mask] for mask in op.outputs], op.attributes["p"], frame.T)]
        if op.primitive == "call":
            return [bind_call(op, frame, t, self._callees)]
        if op.primitive == "call_back":
            return [bind_call_back(op, frame, t, self._callees)]
        inputs = [frame.at(value, t) for value in op.inputs]
        if kind_of(op).accumulation:
            parameter = op.attributes["parameter"]
            if isinstance(parameter, Joined):
                return self._apart(op, inputs, parameter)
            target = parameter.gradient_array
            return self._accumulation(op, inputs, target)
        if op.primitive == "fused":
            return self._fused(op, inputs, [frame.at(value, t) for value in op.outputs])
        out = frame.at(op.output, t)
        if op.primitive == "concat":
            return self._concat(op, inputs, out)
        if is_view(op):
            if op not in frame.unviewed:
                return []
            return [lambda: np.copyto(out, kind_of(op).evaluate(inputs, None, op.attributes))]
        if op.primitive == "product":
            return self._product(op, inputs, out, t)
        return [partial(kind_of(op).evaluate, inputs, out, op.attributes)]

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
            operands = [values[each] for each in used]
            over = [
                values[each] for each in dict.fromkeys(used)
                if each >= len(inputs) and each not in where and last_use[each] == k
            ]
            out = where.get(number)
            if out is None:  # on top of an operand that nobody needs any more, which is in the cache
                out = over.pop() if over else free.pop() if free else self._new_scratch(steps, dtype)
            values.append(out)
            instructions.extend(self._elementwise(primitive, operands, out))
            free.extend(over)
        return instructions

    def _elementwise(self, primitive: str, operands: list[Any], out: np.ndarray) -> list[Instruction]:
        # Where a ufunc writes is its last positional operand; as a keyword, small calls take twice the time.
        if primitive in ("maximum", "minimum"):  # they mind
            return [partial(UFUNCS[primitive], *operands, out=out)]
        if primitive in UFUNCS:
            return [partial(UFUNCS[primitive], *operands, out)]
        if primitive == "sigmoid" and self._quiet:
            one = np.ones((), out.dtype)
            return [
                partial(np.negative, operands[0], out), partial(np.exp, out, out),
                partial(np.add, out, one, out), partial(np.divide, one, out, out),
            ]
        return [partial(PRIMITIVES[primitive].evaluate, operands, out, {})]

    def _new_scratch(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        known = self._scratch.setdefault((shape, dtype), [])
        # Nothing is kept here from one operation to the next: all programs of a frame share it.
        key = ("scratch", shape, dtype, len(known))
        known.append(self._frame.scratch(key, lambda: np.empty(shape, dtype)))
        return known[-1]

    def _concat(self, op: Op, inputs: list[np.ndarray], out: np.ndarray) -> list[Instruction]:
        places = concat_windows(op, out)
        return [partial(np.copyto, places[number], inputs[number]) for number in self._frame.copied[op]]

    def _product(
        self, op: Op, inputs: list[np.ndarray], out: np.ndarray, t: Optional[int]
    ) -> list[Instruction]:
        x, weight = inputs[:2]
        matrix = weight if op.attributes["transposed"] else self._transposed(weight, x, t)
        calls: list[Instruction] = []
        if len(inputs) == 3 and address(inputs[2]) != address(out):
            calls.append(partial(np.copyto, out, inputs[2]))
        beta = float(len(inputs) == 3)
        if x.ndim > 2 and x.size and out.size:
            rows, into = reshaped(x, (-1, x.shape[-1])), reshaped(out, (-1, out.shape[-1]))
            if rows is not None and into is not None:
                x, out = rows, into
        if x.ndim == 2:
            calls.append(gemm(x, matrix, out, beta))
        elif x.ndim == 1:
            calls.append(gemm(x[None], matrix, out[None], beta))
        elif beta:
            calls.append(partial(_add_matmul, x, matrix, out))
        else:
            calls.append(partial(np.matmul, x, matrix, out))
        return calls

    def _transposed(self, weight: np.ndarray, x: np.ndarray, t: Optional[int]) -> np.ndarray:
        """Return the transposed weight, for products at many time steps with contiguous rows.

        BLAS copies a weight that is not so at each of them, for half of the time that few rows need.
        """
        rows = x.size // max(1, x.shape[-1])
        if not self._quiet or t is None or min(self._frame.T or 0, rows) < WORTH_PACKING:
            return weight.T
        key = address(weight), weight.shape, weight.strides
        if key not in self._packed:
            packed = self._frame.scratch(("packed", key), lambda: np.empty(weight.shape[::-1], weight.dtype))
            self._packed[key] = packed
            self._packing.append(partial(np.copyto, packed, weight.T))
        return self._packed[key]

    def _apart(self, op: Op, inputs: list[np.ndarray], joined: Joined) -> list[Instruction]:
        """Compute the gradient of joined parameters, and add each one's part to what it has."""
        key = ("gradients", joined.shape, joined.dtype)
        whole = self._frame.scratch(key, lambda: np.empty(joined.shape, joined.dtype))
        calls: list[Instruction] = [partial(whole.fill, 0), *self._accumulation(op, inputs, whole)]
        start = 0
        for part in joined.parts:
            target = part.gradient_array
            calls.append(partial(np.add, target, whole[start : start + len(target)], target))
            start += len(target)
        return calls

    def _accumulation(self, op: Op, inputs: list[np.ndarray], target: np.ndarray) -> list[Instruction]:
        flat = [reshaped(x, (-1, x.shape[-1])) if x.size and x.ndim else None for x in inputs]
        gradient = flat[0]
        if op.primitive == "accumulate_product" and gradient is not None and flat[1] is not None:
            return [gemm(gradient.T, flat[1], target, 1.0)]
        if op.primitive == "accumulate" and gradient is not None and target.shape == gradient.shape[1:]:
            return self._sum_of_rows(op.inputs[0], gradient, target)
        return [partial(kind_of(op).evaluate, inputs, target, op.attributes)]

    def _sum_of_rows(self, value: Value, rows: np.ndarray, target: np.ndarray) -> list[Instruction]:
        """Add the sum of all rows, computed once for all biases that have the same gradient.

        An accumulation waits for no recurrence, so that it is never in a loop.
        """
        calls: list[Instruction] = []
        if value not in self._sums:
            total = self._sums[value] = np.empty(rows.shape[1:], rows.dtype)
            if rows.flags.c_contiguous:
                calls.append(partial(np.add.reduce, rows, 0, None, total))
            else:  # of which BLAS is faster to add up the rows
                calls.append(gemm(np.ones((1, len(rows)), rows.dtype), rows, total[None]))
        return [*calls, partial(np.add, target, self._sums[value], target)]


def _add_matmul(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> None:
    out += np.matmul(first, second)


def _draw(masks: list[np.ndarray], chances: Sequence[float], T: Optional[int]) -> None:
    """Draw all masks in the order of the random stream: time step by time step."""
    if T is None:
        for mask, p in zip(masks, chances):
            generator.fillBernoulli(mask, p)
        return
    for t in range(T):
        for mask, p in zip(masks, chances):
            generator.fillBernoulli(mask[t], p)
