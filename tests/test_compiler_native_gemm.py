"""Native matrix products and packing against NumPy: shapes with edges, strides, transposes, vector widths."""

from __future__ import annotations

import platform
from typing import Any, Optional

import numpy as np
import pytest
from native_calls import PROCESSORS, call, row_stride, sheet

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.fast

from minigraph.compiler.native.kernels.gemm import define_gemm, even_heights  # noqa: E402
from minigraph.compiler.native.kernels.pack import define_pack, packed_size, panel_width  # noqa: E402

SHAPES = [
    (1, 1, 1), (1, 256, 64), (2, 33, 5), (3, 7, 50), (5, 32, 16), (7, 65, 31), (13, 100, 4), (20, 200, 90),
    (29, 16, 3), (50, 48, 700), (64, 1, 8), (65, 17, 40), (131, 70, 333), (200, 31, 400),
]  # fmt: skip


def product(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    *,
    fixed: bool,
    packed: bool,
    accumulate: bool,
    a_transposed: bool = False,
    width: Optional[int] = None,
    cpu: Optional[str] = None,
) -> None:
    """C (+)= A B by the native kernel, with the shape fixed in the code or given by the call."""
    (M, N), K = c.shape, len(b)
    shape = (M, N, K) if fixed else (None, None, None)
    text = define_gemm("product", c.dtype, *shape, packed=packed, width=width)
    b_row, b_panel = row_stride(b), panel_width(c.dtype, width)
    if packed:
        copy = np.full(packed_size(c.dtype, K, N, width), np.nan, c.dtype)
        call(define_pack("pack", c.dtype, width=width), "pack", b, b_row, copy, K, N, cpu=cpu)
        b, b_row, b_panel = copy, panel_width(c.dtype, width), K * panel_width(c.dtype, width)
    strides = (1, row_stride(a)) if a_transposed else (row_stride(a), 1)
    sizes = (row_stride(c), M, N, K, accumulate)
    call(text, "product", a, *strides, b, b_row, b_panel, c, *sizes, cpu=cpu)


def check(shape: tuple[int, int, int], dtype: Any, strided: bool, **options: Any) -> None:
    """Compare with NumPy's product in float64, and see that nothing beside C is written."""
    M, N, K = shape
    rng = np.random.default_rng(M * N + K)
    a = sheet(rng, (K, M) if options.get("a_transposed") else (M, K), dtype, strided)
    b = sheet(rng, (K, N), dtype, strided)
    c = sheet(rng, (M, N), dtype, strided)
    left = a.T if options.get("a_transposed") else a
    expected = left.astype(np.float64) @ b.astype(np.float64) + (c if options["accumulate"] else 0)
    product(a, b, c, **options)
    size = np.abs(left.astype(np.float64)) @ np.abs(b.astype(np.float64)) + 1
    assert (np.abs(c - expected) <= 4 * np.sqrt(K + 1) * np.finfo(dtype).eps * size).all()
    if strided:
        around = c.base
        assert np.isnan(around[:, :3]).all() and np.isnan(around[:, 3 + N :]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_fixed_shapes(number: int, dtype: str) -> None:
    packed = (number % 2 == 0) == (dtype == "float32")
    check(SHAPES[number], dtype, strided=True, fixed=True, packed=packed, accumulate=number % 3 > 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("packed", [True, False])
def test_shapes_given_by_the_call(packed: bool, dtype: str) -> None:
    for number, shape in enumerate(SHAPES):
        check(shape, dtype, strided=number % 2 == 1, fixed=False, packed=packed, accumulate=number % 3 == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(10, 40, 30), (130, 70, 300), (257, 33, 20)])
def test_a_transposed(shape: tuple[int, int, int], dtype: str) -> None:
    """The gradient of a weight: dY' X, where A is read down its columns."""
    check(shape, dtype, strided=True, fixed=True, packed=False, accumulate=True, a_transposed=True)
    check(shape, dtype, strided=True, fixed=False, packed=True, accumulate=False, a_transposed=True)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width,cpu", PROCESSORS)
def test_narrower_vectors(width: int, cpu: str, dtype: str) -> None:
    for packed, fixed in [(True, True), (False, False)]:
        for shape in [(1, 40, 20), (7, 33, 9), (20, 24, 300), (70, 19, 50)]:
            options = {"packed": packed, "fixed": fixed, "accumulate": True}
            check(shape, dtype, strided=True, width=width, cpu=cpu, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (16, 32), (33, 31), (70, 100), (0, 4)])
def test_packing_a_transpose(shape: tuple[int, int], dtype: str) -> None:
    K, N = shape
    panel = panel_width(dtype)
    matrix = sheet(np.random.default_rng(0), (N, K), dtype, strided=True)
    packed = np.full(packed_size(dtype, K, N), np.nan, dtype)
    call(define_pack("pack", dtype, transpose=True), "pack", matrix, row_stride(matrix), packed, K, N)
    padded = np.zeros((K, -(-N // panel) * panel), dtype)
    padded[:, :N] = matrix.T
    expected = padded.reshape(K, -(-N // panel), panel).transpose(1, 0, 2)
    np.testing.assert_array_equal(packed.reshape(expected.shape), expected)


@pytest.mark.parametrize("rows", [0, 3, 80])
def test_nothing_to_multiply(rows: int) -> None:
    """No rows: nothing happens. No k: C is zero, or stays if the product is added."""
    for fixed in (True, False):
        c = np.ones((rows, 5))
        product(np.zeros((rows, 0)), np.zeros((0, 5)), c, fixed=fixed, packed=False, accumulate=True)
        assert (c == 1).all()
        product(np.zeros((rows, 0)), np.zeros((0, 5)), c, fixed=fixed, packed=False, accumulate=False)
        assert (c == 0).all()


def test_heights_of_tiles() -> None:
    assert even_heights(20, 14) == [10, 10]
    assert even_heights(50, 14) == [10] * 5
    assert even_heights(23, 14) == [12, 11]
    assert even_heights(1, 14) == [1]
    assert all(sum(even_heights(rows, 6)) == rows for rows in range(65))
