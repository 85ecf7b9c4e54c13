"""Kernels that work row by row, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_calls import call, row_stride, sheet

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.fast

from minigraph.compiler.native.kernels import rows  # noqa: E402

DTYPES = ["float32", "float64"]
SHAPES = [(0, 4), (1, 1), (3, 7), (4, 16), (2, 130), (5, 65)]


def arrays(count: int, shape: tuple[int, int], dtype: str) -> list[np.ndarray]:
    """Random windows of larger arrays."""
    rng = np.random.default_rng(shape[1])
    return [sheet(rng, shape, dtype, strided=True) for _ in range(count)]


def run(text: str, name: str, shape: tuple[int, int], *sheets: np.ndarray, more: Any = ()) -> None:
    arguments: list[Any] = []
    for array in sheets:
        arguments += [array, row_stride(array)]
    call(text, name, *shape, *arguments, *more)
    for array in sheets:
        assert np.isnan(array.base[:, :3]).all() and np.isnan(array.base[:, 3 + array.shape[1] :]).all()


def close(result: np.ndarray, expected: np.ndarray) -> None:
    eps = np.finfo(result.dtype).eps
    np.testing.assert_allclose(result, expected, rtol=16 * eps, atol=16 * eps)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: tuple[int, int], dtype: str) -> None:
    x, y, g, gx = arrays(4, shape, dtype)
    run(rows.define_softmax("f", dtype), "f", shape, x, y)
    close(y, softmax(x))
    run(rows.define_softmax_gradient("f", dtype), "f", shape, y, g, gx)
    close(gx, y * (g - (g * y).sum(axis=1, keepdims=True)))
    expected = softmax(x)
    run(rows.define_softmax("f", dtype), "f", shape, x, x)
    close(x, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_log_softmax(shape: tuple[int, int], dtype: str) -> None:
    x, y, g, gx = arrays(4, shape, dtype)
    x *= 20
    run(rows.define_log_softmax("f", dtype), "f", shape, x, y)
    shifted = x.astype(np.float64) - x.max(axis=1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    close(y, expected)
    run(rows.define_log_softmax_gradient("f", dtype), "f", shape, y, g, gx)
    close(gx, g - np.exp(y.astype(np.float64)) * g.sum(axis=1, keepdims=True))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_log_softmax_of_special_numbers() -> None:
    x = np.zeros((4, 20), "float32")
    x[0, 3], x[1, 3], x[2, 3], x[3] = np.nan, np.inf, -np.inf, 3e38
    y = np.empty_like(x)
    call(rows.define_log_softmax("f", "float32"), "f", 4, 20, x, 20, y, 20)
    assert np.isnan(y[0]).all() and np.isnan(y[1]).any()
    assert y[2, 3] == -np.inf and np.isfinite(np.delete(y[2], 3)).all()
    close(y[3], np.full(20, -np.log(20)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (50, 300)])
def test_column_sum(shape: tuple[int, int], dtype: str) -> None:
    (x,) = arrays(1, shape, dtype)
    out = np.full(shape[1] + 3, 2, dtype)
    run(rows.define_column_sum("f", dtype), "f", shape, x, more=(out, True))
    close(out[:-3], 2 + x.astype(np.float64).sum(axis=0))
    run(rows.define_column_sum("f", dtype), "f", shape, x, more=(out, False))
    close(out[:-3], x.astype(np.float64).sum(axis=0))
    assert (out[-3:] == 2).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 16, 37])
@pytest.mark.parametrize("first", [0, 1])
def test_rows_by_index(columns: int, first: int, dtype: str) -> None:
    (table,) = arrays(1, (6, columns), dtype)
    index = np.array([5, 0, 2, 2], np.int64)
    out, x = arrays(2, (4, columns), dtype)
    shape = (4, columns)
    run(rows.define_take("f", dtype, first), "f", shape, table, out, more=(index + first,))
    np.testing.assert_array_equal(out, table[index])
    expected = table.copy()
    np.add.at(expected, index, x)
    run(rows.define_scatter_add("f", dtype, first), "f", shape, table, x, more=(index + first,))
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_copy_and_fill(shape: tuple[int, int], dtype: str) -> None:
    x, out = arrays(2, shape, dtype)
    run(rows.define_copy2d("f", dtype), "f", shape, x, out)
    np.testing.assert_array_equal(out, x)
    fill = rows.define_fill("f", dtype)
    number = (ctypes_number(dtype, 2.5),)
    run(fill, "f", shape, out, more=number)
    assert (out == 2.5).all()


def ctypes_number(dtype: str, number: float) -> Any:
    """A number in C's type for a dtype."""
    return np.ctypeslib.as_ctypes_type(dtype)(number)
