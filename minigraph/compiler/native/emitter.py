"""The emitter: which kernel does an operation, on which rows, from where.

It writes the calls into the function of a stage. An operation is done at one time step (in a loop), over
a range of time steps at once, or, for the gradients of parameters, over everything.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Union

from minigraph.compiler.native.kernels import rows as row_kernels
from minigraph.compiler.native.kernels.elementwise import define_elementwise
from minigraph.compiler.native.kernels.gemm import define_gemm
from minigraph.compiler.native.kernels.pack import panel_width
from minigraph.compiler.native.llvm.function import Function
from minigraph.compiler.native.llvm.function import Value as Register
from minigraph.compiler.native.module import NativeModule, share
from minigraph.compiler.native.operands import Matrix, as_region, as_rows, region_shape
from minigraph.compiler.native.support import ROW_KERNELS, number_of
from minigraph.compiler.program.ir import Op, Value

Count = Union[Register, int]


class Emitter:
    """Writes the calls of kernels for operations into one function."""

    def __init__(self, module: NativeModule, f: Function) -> None:
        self._m, self._f = module, f
        self._frame, self._storage = module.frame, module.storage
        self._bases: dict[Any, Register] = {}

    def declare(self, op: Op) -> None:
        """Load the addresses that ``op`` needs, before any loop begins."""
        contents: list[Any] = [
            value for position, value in enumerate(op.inputs)
            if number_of(op, position) is None and not (op.primitive == "product" and position == 1)
        ]
        contents += op.outputs
        if op.primitive == "product":
            contents.append(self._m.slots.packed(op.inputs[1], op.attributes["transposed"]))  # type: ignore
            self._m.slots.of(op.inputs[1])
        if "parameter" in op.attributes:
            contents.append(("gradient", op.attributes["parameter"]))
        for content in contents:
            if content not in self._bases:
                place = self._f.at(self._f["table"], self._m.slots.of(content), "ptr")
                self._bases[content] = self._f.load("ptr", place)

    # -- where and how much --------------------------------------------------------------------------

    def at(self, op: Op, t: Register, first: Register, size: int, unit: int) -> None:
        """Do ``op`` at the time step ``t``, for ``size`` of ``unit`` samples from ``first`` on."""

        def place(value: Any, matrix: Matrix, type: str = self._m.scalar) -> Register:
            offset = t * matrix.time
            if matrix.kind in ("full", "column") and unit > 1 and self._m.threads > 1:
                offset = offset + first * (matrix.rows // unit * matrix.stride)
            return self._f.at(self._bases[value], offset, type)

        def rows(matrix: Matrix) -> Count:
            return matrix.rows // unit * size if unit > 1 else matrix.rows

        self._do(op, place, rows, lambda matrix: matrix)

    def over_time(self, op: Op, start: Register, stop: Register) -> None:
        """Do ``op`` for the time steps ``start`` to ``stop``, at once where the memory allows."""
        f, matrices = self._f, list(self._matrices(op))
        if all(m.rows == 1 or m.whole for m in matrices):
            steps = stop - start

            def place(value: Any, matrix: Matrix, type: str = self._m.scalar) -> Register:
                return f.at(self._bases[value], start * matrix.time, type)

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
        place: Callable[..., Register],
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
            number = number_of(op, position)
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
        kernel = self._m.kernel(
            ("elementwise", written, kinds, outputs),
            lambda name: define_elementwise(name, self._m.dtype, written, kinds, outputs),
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
        packed = self._m.slots.packed(op.inputs[1], op.attributes["transposed"])  # type: ignore[arg-type]
        base = op.inputs[2] if len(op.inputs) == 3 else None
        if base is not None and self._storage.based.get(op.output) is not base:
            # Row by row, like the product: as a region, a single column would be one row.
            self._along_rows(Op("copy2d", (base,), (op.output,)), place, rows, stretch)
        count = rows(y)
        kernel = self._gemm(count if isinstance(count, int) else None)
        first, second = place(op.inputs[0], x), place(op.output, y)
        x, y = stretch(x), stretch(y)
        panel = panel_width(self._m.dtype)
        f.run(kernel, [
            first, _i64(f, x.stride), _i64(f, 1),
            self._bases[packed], _i64(f, panel), _i64(f, packed.K * panel),
            second, _i64(f, y.stride),
            _i64(f, count), _i64(f, packed.N), _i64(f, packed.K), f.value("i32", int(base is not None)),
        ])

    def _gemm(self, M: Optional[int]) -> str:
        return self._m.kernel(
            ("gemm", M),
            lambda name: define_gemm(name, self._m.dtype, M, packed=True),
        )

    def _along_rows(self, op: Op, place: Any, rows: Any, stretch: Any) -> None:
        f = self._f
        define = getattr(row_kernels, f"define_{op.primitive}")
        kernel = self._m.kernel((op.primitive,), lambda name: define(name, self._m.dtype))
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
        kernel = self._m.kernel(("take",), lambda name: row_kernels.define_take(name, self._m.dtype))
        out = self._rows(op.output)
        per_step = index.size
        steps = Matrix("full", per_step, 1, 1, per_step if out.time else 0)
        f.run(kernel, [
            _i64(f, rows(out)), _i64(f, out.cols),
            self._bases[table], _i64(f, table.shape[1]),
            place(op.output, out), _i64(f, stretch(out).stride),
            place(index, steps, "i64"),
        ])

    # -- gradients of parameters ---------------------------------------------------------------------

    def sum(self, op: Op) -> None:
        """Add this thread's share of a parameter's gradient, over all rows and time steps."""
        f, parameter = self._f, op.attributes["parameter"]
        target = self._bases[("gradient", parameter)]
        matrix = self._rows(op.inputs[0])
        count: Count = f["T"] * matrix.rows if matrix.time else matrix.rows
        first = matrix.over_time()
        start, stop = share(f, f.value("i64", matrix.cols))
        width = stop - start
        source = f.at(self._bases[op.inputs[0]], start, self._m.scalar)
        if op.primitive == "accumulate":
            kernel = self._m.kernel(
                ("column_sum",), lambda name: row_kernels.define_column_sum(name, self._m.dtype)
            )
            out = f.at(target, start, self._m.scalar)
            arguments = [_i64(f, count), width, source, _i64(f, first.stride), out, f.value("i32", 1)]
        elif op.primitive == "accumulate_rows":
            kernel = self._m.kernel(
                ("scatter_add",), lambda name: row_kernels.define_scatter_add(name, self._m.dtype)
            )
            out = f.at(target, start, self._m.scalar)
            arguments = [
                _i64(f, count), width, out, _i64(f, parameter.shape[1]),
                source, _i64(f, first.stride), self._bases[op.inputs[1]],
            ]
        else:
            second = self._rows(op.inputs[1]).over_time()
            kernel = self._m.kernel(
                ("weight_gradient",),
                lambda name: define_gemm(name, self._m.dtype, packed=False),
            )
            panel = panel_width(self._m.dtype)
            arguments = [
                source, _i64(f, 1), _i64(f, first.stride),
                self._bases[op.inputs[1]], _i64(f, second.stride), _i64(f, panel),
                f.at(target, start * second.cols, self._m.scalar), _i64(f, second.cols),
                width, _i64(f, second.cols), _i64(f, count), f.value("i32", 1),
            ]
        f.run(kernel, arguments)


def _i64(f: Function, count: Count) -> Register:
    return f.value("i64", count)
