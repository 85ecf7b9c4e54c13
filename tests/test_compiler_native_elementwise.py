"""Fused elementwise regions and the vector functions in them against NumPy."""

from __future__ import annotations

import platform
from typing import Any, Callable, Optional

import numpy as np
import pytest
from native_calls import PROCESSORS, call, row_stride, sheet

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.fast

from minigraph.compiler.native.kernels.elementwise import PRIMITIVES, define_elementwise  # noqa: E402

DTYPES = ["float32", "float64"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


SMOOTH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp, "tanh": np.tanh, "sigmoid": sigmoid, "log": np.log, "log1p": np.log1p,
}  # fmt: skip
EXACT: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "sqrt": np.sqrt, "abs": np.abs, "floor": np.floor, "sign": np.sign, "maximum": np.maximum,
    "minimum": np.minimum, "greater": np.greater, "less": np.less, "greater_equal": np.greater_equal,
    "less_equal": np.less_equal, "equal": np.equal, "where": lambda c, a, b: np.where(c != 0, a, b),
}  # fmt: skip


def apply(primitive: str, *inputs: np.ndarray, width: Optional[int] = None, cpu: Optional[str] = None) -> Any:
    """One primitive of vectors of the same length."""
    out = np.full_like(inputs[0], 7)
    count = len(inputs)
    body = [(primitive, tuple(range(count)))]
    text = define_elementwise("f", out.dtype, body, ["full"] * count, [count], width=width)
    arguments: list[Any] = []
    for array in (*inputs, out):
        arguments += [array, array.size]
    call(text, "f", 1, out.size, *arguments, cpu=cpu)
    return out


def samples(dtype: str) -> np.ndarray:
    """Numbers of every size and sign, dense where the functions bend, and the special ones."""
    rng = np.random.default_rng(1)
    info = np.finfo(dtype)
    integer = np.uint32 if dtype == "float32" else np.uint64
    any_bits = rng.integers(0, np.iinfo(integer).max, 100_000, dtype=integer).view(dtype)
    edge = 1.1 * np.log(info.max)
    parts = [any_bits, rng.uniform(-edge, edge, 100_000), rng.normal(0, 1, 100_000)]
    parts.append([0.0, -0.0, np.inf, -np.inf, np.nan, info.tiny, -info.tiny, info.smallest_subnormal])
    parts.append([1.0, -1.0, np.nextafter(np.float64(-1), 0), info.max, info.min, info.eps])
    return np.concatenate([np.asarray(part, dtype) for part in parts])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SMOOTH)
def test_accuracy(name: str, dtype: str) -> None:
    x = samples(dtype)
    finer = np.float64 if dtype == "float32" else np.longdouble
    exact = SMOOTH[name](x.astype(finer))
    expected = exact.astype(dtype)
    result = apply(name, x)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(result[~finite], expected[~finite])
    errors = np.abs(result[finite] - exact[finite]) / np.spacing(np.abs(expected[finite]))
    # Where long double is double, the expected numbers have errors of their own.
    limit = 2.5 if np.finfo(finer).eps < np.finfo(dtype).eps else 4
    assert errors.max() <= limit, x[finite][errors.argmax()]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width,cpu", PROCESSORS)
def test_accuracy_on_other_processors(width: int, cpu: str, dtype: str) -> None:
    """Without fused multiply-adds, too."""
    x = samples(dtype)[50_000:]
    for name, function in SMOOTH.items():
        expected = function(x)
        result = apply(name, x, width=width, cpu=cpu)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(result[~finite], expected[~finite])
        errors = np.abs(result[finite] - expected[finite]) / np.spacing(np.abs(expected[finite]))
        assert errors.max() <= 4, (name, x[finite][errors.argmax()])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXACT)
def test_exact_primitives(name: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.5], dtype)
    inputs = []
    for shift in range(PRIMITIVES[name][0]):
        pairs = special.repeat(8) if shift % 2 else np.tile(special, 8)
        inputs.append(np.concatenate([pairs, rng.normal(0, 2, 1000).round(1).astype(dtype)]))
    expected = EXACT[name](*inputs).astype(dtype)
    np.testing.assert_array_equal(apply(name, *inputs), expected)


def test_every_primitive_is_tested() -> None:
    assert set(PRIMITIVES) == set(SMOOTH) | set(EXACT)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 16), (3, 15), (4, 33), (2, 100), (5, 0)])
def test_kinds_of_inputs(shape: tuple[int, int], strided: bool, dtype: str) -> None:
    """x * row + column, max of that and a scalar; two outputs, one of them of an inner value."""
    rng = np.random.default_rng(3)
    rows, columns = shape
    x, first, second = (sheet(rng, shape, dtype, strided) for _ in range(3))
    row, scalar = rng.normal(size=columns).astype(dtype), rng.normal(size=1).astype(dtype)
    column = sheet(rng, (rows, 1), dtype, strided)
    body = [("mul", (0, 1)), ("add", (4, 2)), ("maximum", (5, 3)), ("mul", (6, 0.5))]
    text = define_elementwise("f", dtype, body, ["full", "row", "column", "scalar"], [5, 7])
    arrays = [x, row_stride(x), row, 0, column, row_stride(column), scalar, 0]
    call(text, "f", rows, columns, *arrays, first, row_stride(first), second, row_stride(second))
    expected = x * row + column
    tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}
    np.testing.assert_allclose(first, expected, **tolerance)
    np.testing.assert_allclose(second, np.maximum(expected, scalar) * 0.5, **tolerance)
    if strided:
        for output in (first, second):
            assert np.isnan(output.base[:, :3]).all() and np.isnan(output.base[:, 3 + columns :]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 70), (1, 5), (4, 64)])
@pytest.mark.parametrize("strided", [False, True])
def test_outputs_in_the_memory_of_inputs(shape: tuple[int, int], strided: bool, dtype: str) -> None:
    """a, b = a + b, a - b."""
    rng = np.random.default_rng(4)
    a, b = (sheet(rng, shape, dtype, strided) for _ in range(2))
    expected = a + b, a - b
    text = define_elementwise("f", dtype, [("add", (0, 1)), ("sub", (0, 1))], ["full", "full"], [2, 3])
    both = [a, row_stride(a), b, row_stride(b)]
    call(text, "f", *shape, *both, *both)
    np.testing.assert_array_equal(a, expected[0])
    np.testing.assert_array_equal(b, expected[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_lstm_cell_on_views_of_the_gates(dtype: str) -> None:
    rng = np.random.default_rng(5)
    batch, hidden = 3, 37
    gates = rng.normal(0, 3, (batch, 4 * hidden)).astype(dtype)
    c = rng.normal(size=(batch, hidden)).astype(dtype)
    next_c, next_h = np.empty_like(c), np.empty_like(c)
    i, f, o, g = np.split(gates.astype(np.float64), 4, axis=1)
    expected_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    expected_h = sigmoid(o) * np.tanh(expected_c)
    body = [
        ("sigmoid", (0,)), ("sigmoid", (1,)), ("sigmoid", (2,)), ("tanh", (3,)),
        ("mul", (6, 4)), ("mul", (5, 8)), ("add", (9, 10)), ("tanh", (11,)), ("mul", (7, 12)),
    ]  # fmt: skip
    arguments: list[Any] = []
    for view in np.split(gates, 4, axis=1):
        arguments += [view, 4 * hidden]
    text = define_elementwise("cell", dtype, body, ["full"] * 5, [11, 13])
    call(text, "cell", batch, hidden, *arguments, c, hidden, next_c, hidden, next_h, hidden)
    tolerance = {"rtol": 16 * np.finfo(dtype).eps, "atol": 8 * np.finfo(dtype).eps}
    np.testing.assert_allclose(next_c, expected_c, **tolerance)
    np.testing.assert_allclose(next_h, expected_h, **tolerance)


@pytest.mark.parametrize(
    "body,kinds,outputs,message",
    [
        ([("cube", (0,))], ["full"], [1], "no primitive 'cube'"),
        ([("add", (0,))], ["full"], [1], "add takes 2 operands"),
        ([("neg", (1,))], ["full"], [1], "neg reads 1"),
        ([("neg", (0,))], ["table"], [1], "not 'table'"),
        ([("neg", (0,))], ["full"], [2], "output 2"),
    ],
)
def test_bodies_that_do_not_fit(body: Any, kinds: list[str], outputs: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        define_elementwise("f", "float32", body, kinds, outputs)
