"""The writer: stages as LLVM functions, and one driver that runs stages in a row.

Every stage is a function ``stage(table, T, part, parts)``; see ``stages.py`` for what a part is. A
driver ``driver(table, T, parts, pool)`` runs its stages one after the other, sharing those that are
worth it. Nothing depends on the number of time steps.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from minigraph.compiler.codegen.operands import Matrix, as_region, as_rows, region_shape
from minigraph.compiler.codegen.pool import LAUNCH
from minigraph.compiler.codegen.slots import Slots
from minigraph.compiler.codegen.stages import Stage
from minigraph.compiler.codegen.support import ROW_KERNELS, number_of
from minigraph.compiler.ir import Op, Value
from minigraph.compiler.native import rows as row_kernels
from minigraph.compiler.native.builder import Function
from minigraph.compiler.native.builder import Value as Register
from minigraph.compiler.native.elementwise import define_elementwise
from minigraph.compiler.native.gemm import define_gemm
from minigraph.compiler.native.pack import define_pack, panel_width
from minigraph.compiler.native.vectors import LLVM_SCALARS
from minigraph.compiler.storage import Frame, Storage

Count = Union[Register, int]

#: Work (operations on numbers) that is worth handing a part of to another thread.
WORTH_SHARING = 400_000
#: Rows of a loop that a thread should have at least: a product of fewer does less work per load.
ROWS_PER_THREAD = 4

_PARAMETERS = [("ptr", "table"), ("i64", "T"), ("i64", "part"), ("i64", "parts")]


class Writer:
    """Writes the native module of one program, from the shapes and strides of ``frame``."""

    def __init__(self, frame: Frame, storage: Storage, dtype: np.dtype, threads: int, name: str) -> None:
        self._frame, self._storage, self._dtype = frame, storage, np.dtype(dtype)
        self._threads, self._name = threads, name
        self._scalar = LLVM_SCALARS[self._dtype.name]
        self._texts: list[str] = []
        self._kernels: dict[Any, str] = {}
        self._drivers = 0
        self._stages = 0
        self.slots = Slots()

    @property
    def text(self) -> str:
        """The whole module."""
        return "\n".join(self._texts)

    # -- stages and drivers ------------------------------------------------------------------------

    def driver(self, stages: Sequence[Stage]) -> str:
        """Write a function that runs ``stages``; return its name."""
        written = [(self._stage(stage), self._sharing(stage)) for stage in stages]
        name = f"{self._name}_driver{self._drivers}"
        self._drivers += 1
        self._texts.append(self._driver(name, written))
        return name

    def packing_driver(self) -> Optional[str]:
        """Write a function that packs what products read, after everything else; return its name."""
        if not self.slots.packs:
            return None
        size = sum(packed.K * packed.N for packed in self.slots.packs)
        name = f"{self._name}_pack_driver"
        self._texts.append(self._driver(name, [(self._packing(), (size, 0))]))
        return name

    def _driver(self, name: str, stages: Sequence[tuple[str, tuple[int, int]]]) -> str:
        parameters = [("ptr", "table"), ("i64", "T"), ("i64", "parts"), ("ptr", "pool")]
        f = Function(name, parameters)
        launch = f.load("ptr", f.at(f["pool"], LAUNCH, "i64")) if self._threads > 1 else None
        for stage, (fixed, per_step) in stages:
            alone = f.value("i1", 1)
            if launch is not None and fixed + per_step:
                work = f["T"] * per_step + fixed
                shared = work.compare("sgt", WORTH_SHARING) & f["parts"].compare("sgt", 1)
                alone = shared.compare("eq", 0)
                with f.when(shared):
                    function = Register(f, "ptr", f"@{stage}")
                    arguments = [f["pool"], function, f["table"], f["T"], f["parts"]]
                    f.run_at(launch, arguments)
            with f.when(alone):
                f.run(stage, [f["table"], f["T"], f.value("i64", 0), f.value("i64", 1)])
        return f.finish()

    def _sharing(self, stage: Stage) -> tuple[int, int]:
        """Return the stage's work (fixed, per time step); zeros where it cannot be shared."""
        by_sample = stage.kind == "loop" or (stage.kind == "rows" and self._frame.T is None)
        if by_sample and self._unit(stage) < ROWS_PER_THREAD * self._threads:
            return 0, 0
        work = sum(_work(op) for op in stage.ops)
        return (work, 0) if self._frame.T is None else (0, work)

    def _unit(self, stage: Stage) -> int:
        """Return the number of samples that the stage can be shared by; 1 where it cannot.

        Every value then has the samples as its first axis, and every kernel rows of whole samples.
        """
        sizes = set()
        for op in stage.ops:
            for value in (*op.inputs, *op.outputs):
                if value.varies:
                    sizes.add(value.shape[0] if value.ndim > 1 else 1)
        unit = sizes.pop() if len(sizes) == 1 else 1
        return unit if all(_rows_of(op) % unit == 0 for op in stage.ops) else 1

    def step(self, stage: Stage) -> str:
        """Write a function that does one time step, given in place of ``T``; return its name."""
        return self._stage(stage)

    def _stage(self, stage: Stage) -> str:
        name = f"{self._name}_stage{self._stages}"
        self._stages += 1
        f = Function(name, _PARAMETERS, internal=stage.kind != "step")
        emit = _Emitter(self, f)
        for op in stage.ops:
            emit.declare(op)
        if stage.kind == "loop" or (stage.kind == "rows" and self._frame.T is None):
            self._loop(stage, f, emit)  # without time: once around
        elif stage.kind == "step":
            for op in stage.ops:
                emit.at(op, f["T"], f.value("i64", 0), 1, 1)
        elif stage.kind == "rows":
            start, stop = self._share(f, f["T"])
            for op in stage.ops:
                emit.over_time(op, start, stop)
        else:
            for op in stage.ops:
                emit.sum(op)
        self._texts.append(f.finish())
        return name

    def _share(self, f: Function, count: Register) -> tuple[Register, Register]:
        """Return where this thread's part of ``count`` things begins and ends."""
        return count * f["part"] // f["parts"], count * (f["part"] + 1) // f["parts"]

    def _loop(self, stage: Stage, f: Function, emit: "_Emitter") -> None:
        unit = self._unit(stage)
        backwards = self._storage.program.backwards
        sizes = {unit}
        if unit >= ROWS_PER_THREAD * self._threads and self._threads > 1:
            bounds = [unit * part // self._threads for part in range(self._threads + 1)]
            sizes |= {stop - start for start, stop in zip(bounds, bounds[1:])}
        first = f.value("i64", unit) * f["part"] // f["parts"]
        count = f.value("i64", unit) * (f["part"] + 1) // f["parts"] - first
        for size in sorted(sizes):
            # Products are written for a known number of rows: one loop for each that occurs.
            with f.when(count.compare("eq", size)), f.loop(0, f["T"]) as step:
                t = f["T"] - 1 - step.index if backwards else step.index
                for op in stage.ops:
                    emit.at(op, t, first, size, unit)

    def _packing(self) -> str:
        """Write a stage that packs all parameters that products of this module read."""
        name = f"{self._name}_packing"
        f = Function(name, _PARAMETERS, internal=True)
        panel = panel_width(self._dtype)
        for packed in self.slots.packs:
            kernel = self.kernel(
                ("pack", packed.transposed),
                partial(define_pack, dtype=self._dtype, transpose=not packed.transposed),
            )
            panels = f.value("i64", -(-packed.N // panel))
            start, stop = (each * panel for each in self._share(f, panels))
            source = f.load("ptr", f.at(f["table"], self.slots.of(packed.parameter), "ptr"))
            target = f.load("ptr", f.at(f["table"], self.slots.of(packed), "ptr"))
            stride = packed.parameter.shape[1]
            source = f.at(source, start if packed.transposed else start * stride, self._scalar)
            target = f.at(target, start * packed.K, self._scalar)
            columns = f.smaller(stop, packed.N) - start
            some = columns.compare("sgt", 0)
            with f.when(some):
                f.run(kernel, [source, _i64(f, stride), target, _i64(f, packed.K), columns])
        self._texts.append(f.finish())
        return name

    def kernel(self, key: Any, define: Callable[[str], str]) -> str:
        """Return the name of a kernel, written the first time it is asked for."""
        if key not in self._kernels:
            name = self._kernels[key] = f"{self._name}_{key[0]}{len(self._kernels)}"
            self._texts.append(define(name))
        return self._kernels[key]


class _Emitter:
    """Writes the calls of kernels for operations into one function."""

    def __init__(self, writer: Writer, f: Function) -> None:
        self._w, self._f = writer, f
        self._frame, self._storage = writer._frame, writer._storage
        self._bases: dict[Any, Register] = {}

    def declare(self, op: Op) -> None:
        """Load the addresses that ``op`` needs, before any loop begins."""
        contents: list[Any] = [
            value for position, value in enumerate(op.inputs)
            if number_of(op, position) is None and not (op.primitive == "product" and position == 1)
        ]
        contents += op.outputs
        if op.primitive == "product":
            contents.append(self._w.slots.packed(op.inputs[1], op.attributes["transposed"]))  # type: ignore
            self._w.slots.of(op.inputs[1])
        if "parameter" in op.attributes:
            contents.append(("gradient", op.attributes["parameter"]))
        for content in contents:
            if content not in self._bases:
                place = self._f.at(self._f["table"], self._w.slots.of(content), "ptr")
                self._bases[content] = self._f.load("ptr", place)

    # -- where and how much --------------------------------------------------------------------------

    def at(self, op: Op, t: Register, first: Register, size: int, unit: int) -> None:
        """Do ``op`` at the time step ``t``, for ``size`` of ``unit`` samples from ``first`` on."""

        def place(value: Any, matrix: Matrix) -> Register:
            offset = t * matrix.time
            if matrix.kind in ("full", "column") and unit > 1 and self._w._threads > 1:
                offset = offset + first * (matrix.rows // unit * matrix.stride)
            return self._f.at(self._bases[value], offset, self._w._scalar)

        def rows(matrix: Matrix) -> Count:
            return matrix.rows // unit * size if unit > 1 else matrix.rows

        self._do(op, place, rows, lambda matrix: matrix)

    def over_time(self, op: Op, start: Register, stop: Register) -> None:
        """Do ``op`` for the time steps ``start`` to ``stop``, at once where the memory allows."""
        f, matrices = self._f, list(self._matrices(op))
        if all(m.rows == 1 or m.whole for m in matrices):
            steps = stop - start

            def place(value: Any, matrix: Matrix) -> Register:
                return f.at(self._bases[value], start * matrix.time, self._w._scalar)

            self._do(op, place, lambda m: steps * m.rows, lambda m: m.over_time())
            return
        with f.loop(start, stop) as step:
            self.at(op, step.index, f.value("i64", 0), 1, 1)

    def _matrices(self, op: Op) -> list[Matrix]:
        along = op.primitive == "product" or op.primitive in ROW_KERNELS
        values = [*op.inputs, *op.outputs]
        if op.primitive == "product":
            values.remove(op.inputs[1])
        if op.primitive == "take":
            values = [op.output]
        if along or op.primitive == "take":
            return [self._rows(value) for value in values]
        shape = op.outputs[0].shape
        return [
            self._region(value, shape) for position, value in enumerate(values)
            if position >= len(op.inputs) or number_of(op, position) is None
        ]

    def _rows(self, value: Value) -> Matrix:
        matrix = as_rows(self._frame, value)
        assert matrix is not None
        return matrix

    def _region(self, value: Value, shape: Sequence[int]) -> Matrix:
        matrix = as_region(self._frame, value, shape)
        assert matrix is not None
        return matrix

    # -- the kernels -----------------------------------------------------------------------------------

    def _do(
        self,
        op: Op,
        place: Callable[[Any, Matrix], Register],
        rows: Callable[[Matrix], Count],
        stretch: Callable[[Matrix], Matrix],
    ) -> None:
        if op.primitive == "product":
            self._product(op, place, rows, stretch)
        elif op.primitive in ROW_KERNELS:
            self._along_rows(op, place, rows, stretch)
        elif op.primitive == "take":
            self._take(op, place, rows, stretch)
        else:
            self._elementwise(op, place, rows, stretch)

    def _elementwise(self, op: Op, place: Any, rows: Any, stretch: Any) -> None:
        f, shape = self._f, op.outputs[0].shape
        body, results = op.attributes.get("body", ()), op.attributes.get("results", (0,))
        renamed: dict[int, Union[int, float]] = {}
        operands: list[tuple[Value, Matrix]] = []
        for position, value in enumerate(op.inputs):
            number = number_of(op, position) if op.primitive == "fused" else None
            if number is not None:
                renamed[position] = number
            else:
                renamed[position] = len(operands)
                operands.append((value, stretch(self._region(value, shape))))
        for k in range(len(body)):
            renamed[len(op.inputs) + k] = len(operands) + k
        targets = [(value, stretch(self._region(value, shape))) for value in op.outputs]
        kinds = tuple(matrix.kind for _, matrix in operands)
        written = tuple((name, tuple(renamed[each] for each in used)) for name, used in body)
        outputs = tuple(int(renamed[each]) for each in results)
        kernel = self._w.kernel(
            ("elementwise", written, kinds, outputs),
            lambda name: define_elementwise(name, self._w._dtype, written, kinds, outputs),
        )
        count, columns = region_shape(shape)
        whole = Matrix("full", count, columns, columns, targets[0][1].time)
        arguments = [_i64(f, rows(whole)), _i64(f, columns)]
        for value, matrix in (*operands, *targets):
            arguments += [place(value, matrix), _i64(f, matrix.stride)]
        f.run(kernel, arguments)

    def _product(self, op: Op, place: Any, rows: Any, stretch: Any) -> None:
        f = self._f
        x, y = self._rows(op.inputs[0]), self._rows(op.output)
        packed = self._w.slots.packed(op.inputs[1], op.attributes["transposed"])  # type: ignore[arg-type]
        base = op.inputs[2] if len(op.inputs) == 3 else None
        if base is not None and self._storage.based.get(op.output) is not base:
            self._elementwise(
                Op("copy", (base,), (op.output,)), place, rows, stretch
            )
        count = rows(y)
        kernel = self._gemm(count if isinstance(count, int) else None)
        first, second = place(op.inputs[0], x), place(op.output, y)
        x, y = stretch(x), stretch(y)
        panel = panel_width(self._w._dtype)
        f.run(kernel, [
            first, _i64(f, x.stride), _i64(f, 1),
            self._bases[packed], _i64(f, panel), _i64(f, packed.K * panel),
            second, _i64(f, y.stride),
            _i64(f, count), _i64(f, packed.N), _i64(f, packed.K), f.value("i32", int(base is not None)),
        ])

    def _gemm(self, M: Optional[int]) -> str:
        return self._w.kernel(
            ("gemm", M),
            lambda name: define_gemm(name, self._w._dtype, M, packed=True),
        )

    def _along_rows(self, op: Op, place: Any, rows: Any, stretch: Any) -> None:
        f = self._f
        define = getattr(row_kernels, f"define_{op.primitive}")
        kernel = self._w.kernel((op.primitive,), lambda name: define(name, self._w._dtype))
        values = list(op.inputs)
        if op.primitive.endswith("gradient"):
            values.reverse()  # the kernels take the output first, then its gradient
        matrices = [(value, self._rows(value)) for value in (*values, op.output)]
        arguments = [_i64(f, rows(matrices[0][1])), _i64(f, matrices[0][1].cols)]
        for value, matrix in matrices:
            arguments += [place(value, matrix), _i64(f, stretch(matrix).stride)]
        f.run(kernel, arguments)

    def _take(self, op: Op, place: Any, rows: Any, stretch: Any) -> None:
        f, (table, index) = self._f, op.inputs
        kernel = self._w.kernel(("take",), lambda name: row_kernels.define_take(name, self._w._dtype))
        out = self._rows(op.output)
        per_step = index.size
        steps = Matrix("full", per_step, 1, 1, per_step if out.time else 0)
        f.run(kernel, [
            _i64(f, rows(out)), _i64(f, out.cols),
            self._bases[table], _i64(f, table.shape[1]),
            place(op.output, out), _i64(f, stretch(out).stride),
            self._index(index, place, steps),
        ])

    def _index(self, index: Value, place: Any, steps: Matrix) -> Register:
        scalar, self._w._scalar = self._w._scalar, "i64"
        try:
            return place(index, steps)
        finally:
            self._w._scalar = scalar

    # -- gradients of parameters ---------------------------------------------------------------------

    def sum(self, op: Op) -> None:
        """Add this thread's share of a parameter's gradient, over all rows and time steps."""
        f, parameter = self._f, op.attributes["parameter"]
        target = self._bases[("gradient", parameter)]
        matrix = self._rows(op.inputs[0])
        count: Count = f["T"] * matrix.rows if matrix.time else matrix.rows
        first = matrix.over_time()
        start, stop = self._w._share(f, f.value("i64", matrix.cols))
        share = stop - start
        source = f.at(self._bases[op.inputs[0]], start, self._w._scalar)
        if op.primitive == "accumulate":
            kernel = self._w.kernel(
                ("column_sum",), lambda name: row_kernels.define_column_sum(name, self._w._dtype)
            )
            out = f.at(target, start, self._w._scalar)
            arguments = [_i64(f, count), share, source, _i64(f, first.stride), out, f.value("i32", 1)]
        elif op.primitive == "accumulate_rows":
            kernel = self._w.kernel(
                ("scatter_add",), lambda name: row_kernels.define_scatter_add(name, self._w._dtype)
            )
            out = f.at(target, start, self._w._scalar)
            arguments = [
                _i64(f, count), share, out, _i64(f, parameter.shape[1]),
                source, _i64(f, first.stride), self._bases[op.inputs[1]],
            ]
        else:
            second = self._rows(op.inputs[1]).over_time()
            kernel = self._w.kernel(
                ("weight_gradient",),
                lambda name: define_gemm(name, self._w._dtype, packed=False),
            )
            panel = panel_width(self._w._dtype)
            arguments = [
                source, _i64(f, 1), _i64(f, first.stride),
                self._bases[op.inputs[1]], _i64(f, second.stride), _i64(f, panel),
                f.at(target, start * second.cols, self._w._scalar), _i64(f, second.cols),
                share, _i64(f, second.cols), _i64(f, count), f.value("i32", 1),
            ]
        f.run(kernel, arguments)


def _i64(f: Function, count: Count) -> Register:
    return f.value("i64", count)


def _rows_of(op: Op) -> int:
    """Return how many rows the kernel for ``op`` sees at one time step."""
    shape = op.outputs[0].shape
    if op.primitive == "product" or op.primitive == "take" or op.primitive in ROW_KERNELS:
        return int(np.prod(shape[:-1], dtype=np.int64))
    return region_shape(shape)[0]


def _work(op: Op) -> int:
    """Return roughly how many operations on numbers ``op`` takes at one time step."""
    if op.primitive == "product":
        return 2 * op.output.size * op.inputs[0].shape[-1] // 16
    if op.primitive == "accumulate_product":
        return 2 * op.inputs[0].size * op.inputs[1].shape[-1] // 16
    size = max(value.size for value in (*op.inputs, *op.outputs))
    return size * (1 + 2 * len(op.attributes.get("body", ())))
