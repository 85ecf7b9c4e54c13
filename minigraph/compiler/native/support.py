"""What can be native: operations on matrices of one floating-point type that there is a kernel for."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.native.kernels.elementwise import PRIMITIVES as KERNELS
from minigraph.compiler.native.operands import Matrix, as_region, as_rows
from minigraph.compiler.program.ir import Constant, Op, Parameter

#: Operations along the last axis, with the kernel of each.
ROW_KERNELS = frozenset({"softmax", "log_softmax", "softmax_gradient", "log_softmax_gradient"})


def is_native(frame: Frame, op: Op, dtype: np.dtype) -> bool:
    """Tell whether there are kernels for ``op`` with the memory that it has in ``frame``."""
    known = {
        "fused": _fused, "product": _product, "copy": _copied, "expand": _copied, "concat": _concat,
        "take": _take, "accumulate": _accumulate, "accumulate_product": _accumulate_product,
        "accumulate_rows": _accumulate_rows,
    }
    if op.primitive in ROW_KERNELS:
        check = _along_rows
    elif op.primitive in known:
        check = known[op.primitive]
    else:
        return False
    if any(0 in value.shape for value in (*op.inputs, *op.outputs)):
        return False  # there is nothing to do, which NumPy knows best
    floating = [value for value in (*op.inputs, *op.outputs) if value.dtype.kind == "f"]
    return all(value.dtype == dtype for value in floating) and check(frame, op)


def number_of(op: Op, position: int) -> Optional[float]:
    """Return the operand as a number if ``op`` takes it as one: a constant with the same entry everywhere.

    Only elementwise kernels have numbers written into them; others read all operands from memory.
    """
    value = op.inputs[position]
    if op.primitive != "fused" or not isinstance(value, Constant):
        return None
    if value.array.size == 1 or not any(value.array.strides):
        return float(value.array.flat[0])
    return None


def _fused(frame: Frame, op: Op) -> bool:
    shape = op.outputs[0].shape
    if not all(primitive in KERNELS for primitive, _ in op.attributes["body"]):
        return False
    inputs = [
        as_region(frame, value, shape)
        for position, value in enumerate(op.inputs) if number_of(op, position) is None
    ]
    return all(matrix is not None for matrix in inputs) and all(
        full(as_region(frame, value, shape)) for value in op.outputs
    )


def full(matrix: Optional[Matrix]) -> bool:
    """Tell whether something can be written there."""
    return matrix is not None and (matrix.kind == "full" or (matrix.rows, matrix.cols) == (1, 1)
                                   or (matrix.kind == "row" and matrix.rows == 1))


def _copied(frame: Frame, op: Op) -> bool:
    shape = op.output.shape
    source = as_region(frame, op.inputs[0], shape)
    return op.inputs[0].dtype == op.output.dtype and source is not None and full(
        as_region(frame, op.output, shape)
    )


def _concat(frame: Frame, op: Op) -> bool:
    return not frame.copied[op]  # what is left to copy is rare, and NumPy's


def _product(frame: Frame, op: Op) -> bool:
    x, weight = op.inputs[:2]
    if not isinstance(weight, Parameter) or not frame.arrays[weight].flags.c_contiguous:
        return False
    return all(as_rows(frame, value) is not None for value in (x, op.output, *op.inputs[2:]))


def _along_rows(frame: Frame, op: Op) -> bool:
    return all(as_rows(frame, value) is not None for value in (*op.inputs, op.output))


def _take(frame: Frame, op: Op) -> bool:
    table, index = op.inputs
    return (
        isinstance(table, Parameter) and frame.arrays[table].flags.c_contiguous
        and frame.arrays[index].flags.c_contiguous and _even_rows(as_rows(frame, op.output))
    )


def _even_rows(matrix: Optional[Matrix]) -> bool:
    return matrix is not None and matrix.whole


def gradient_of(op: Op) -> np.ndarray:
    """Return the array that an accumulation adds to."""
    array: np.ndarray = op.attributes["parameter"].gradient_array
    return array


def _accumulate(frame: Frame, op: Op) -> bool:
    target = gradient_of(op)
    gradient = as_rows(frame, op.inputs[0])
    return (
        target.flags.c_contiguous and gradient is not None and _over_all(gradient)
        and target.size == gradient.cols == target.shape[-1]
    )


def _over_all(matrix: Matrix) -> bool:
    return matrix.rows == 1 or matrix.whole or matrix.time == 0


def _accumulate_product(frame: Frame, op: Op) -> bool:
    matrices = [as_rows(frame, value) for value in op.inputs]
    return gradient_of(op).flags.c_contiguous and all(m is not None and _over_all(m) for m in matrices)


def _accumulate_rows(frame: Frame, op: Op) -> bool:
    gradient, index = op.inputs
    return (
        gradient_of(op).flags.c_contiguous and frame.arrays[index].flags.c_contiguous
        and _even_rows(as_rows(frame, gradient))
    )
