"""Products through CBLAS: every layout, added to what is there or not, with each library there is."""

import numpy as np
import pytest

from minigraph.compiler.numpy_executor import blas

LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(
        name != "numpy" and blas._load(name) is None, reason=f"there is no {name}"))
    for name in ("mkl", "openblas", "numpy")
]


def drawn(shape: tuple[int, int], layout: str, dtype: str) -> np.ndarray:
    """Return numbers, whose rows, columns or both lie apart in memory."""
    rows, columns = shape
    draw = np.random.default_rng(rows * 100 + columns)
    if layout == "transposed":
        return draw.standard_normal((columns, rows)).astype(dtype).T
    if layout == "window":
        return draw.standard_normal((rows, columns + 3)).astype(dtype)[:, 2 : 2 + columns]
    if layout == "gaps":
        return draw.standard_normal((rows * 2, columns * 2)).astype(dtype)[::2, ::2]
    if layout == "reversed":
        return draw.standard_normal(shape).astype(dtype)[::-1]
    if layout == "repeated":
        return np.broadcast_to(draw.standard_normal(columns).astype(dtype), shape)
    return draw.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(
    "sizes", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (0, 4, 5), (3, 0, 5)]
)
def test_every_layout(name: str, dtype: str, sizes: tuple[int, int, int], monkeypatch) -> None:
    monkeypatch.setenv("MINIGRAPH_BLAS", name)
    rows, inner, columns = sizes
    for one in ("plain", "transposed", "window", "gaps", "reversed", "repeated"):
        for other in ("plain", "transposed", "window", "gaps", "reversed", "repeated"):
            first, second = drawn((rows, inner), one, dtype), drawn((inner, columns), other, dtype)
            for into in ("plain", "transposed", "window", "gaps"):
                out = drawn((rows, columns), into, dtype)
                before = out.copy()
                exact = first.astype("d") @ second.astype("d")
                case = f"{one} {other} {into}"
                tolerance = 1e-5 if dtype == "f" else 1e-13
                blas.gemm(first, second, out, 1.0)()
                np.testing.assert_allclose(out, before + exact, atol=tolerance, err_msg=case)
                blas.gemm(first, second, out)()
                np.testing.assert_allclose(out, exact, atol=tolerance, err_msg=case)


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_lies_beside_the_destination_stays(name: str, monkeypatch) -> None:
    monkeypatch.setenv("MINIGRAPH_BLAS", name)
    whole = np.full((4, 9), 7.0)
    blas.gemm(np.ones((4, 3)), np.ones((3, 5)), whole[:, 2:7])()
    assert (whole[:, 2:7] == 3).all() and (whole[:, :2] == 7).all() and (whole[:, 7:] == 7).all()


@pytest.mark.parametrize("name", LIBRARIES)
def test_zero_times_what_was_there_is_nothing(name: str, monkeypatch) -> None:
    """Memory that was never written may hold anything, and 0 times NaN is NaN."""
    monkeypatch.setenv("MINIGRAPH_BLAS", name)
    out = np.full((2, 2), np.nan)
    blas.gemm(np.eye(2), np.eye(2), out)()
    np.testing.assert_array_equal(out, np.eye(2))


def test_a_product_keeps_its_arrays() -> None:
    out = np.empty((64, 64))
    product = blas.gemm(np.full((64, 64), 2.0), np.full((64, 64), 3.0), out)
    for _ in range(50):
        np.full((64, 64), -1.0)  # would take the place of operands that nobody keeps
    product()
    assert (out == 64 * 6).all()


def test_integers_and_mixed_types_are_numpys() -> None:
    out = np.zeros((2, 2))
    blas.gemm(np.ones((2, 3), np.float32), np.ones((3, 2)), out)()
    assert (out == 3).all()


def test_a_library_that_does_not_exist(monkeypatch) -> None:
    monkeypatch.setenv("MINIGRAPH_BLAS", "atlas")
    with pytest.raises(ValueError, match="one of mkl, openblas, numpy"):
        blas.chosen_blas()


def test_a_library_that_is_not_installed(monkeypatch) -> None:
    monkeypatch.setenv("MINIGRAPH_BLAS", "mkl")
    monkeypatch.setattr(blas, "_load", lambda name: None)
    with pytest.raises(ImportError, match="pip install mkl"):
        blas.chosen_blas()


@pytest.mark.parametrize("intel, first", [(True, "mkl"), (False, "openblas")])
def test_mkl_comes_first_on_processors_of_intel(intel: bool, first: str, monkeypatch) -> None:
    monkeypatch.delenv("MINIGRAPH_BLAS", raising=False)
    monkeypatch.setattr(blas, "_is_intel", lambda: intel)
    monkeypatch.setattr(blas, "_load", lambda name: blas.Blas(name, {}, int))
    found = blas.chosen_blas()
    assert found is not None and found.name == first


def test_without_any_library_numpy_does_it(monkeypatch) -> None:
    monkeypatch.delenv("MINIGRAPH_BLAS", raising=False)
    monkeypatch.setattr(blas, "_load", lambda name: None)
    out = np.ones((2, 2))
    blas.gemm(np.eye(2), np.eye(2), out, 1.0)()
    np.testing.assert_array_equal(out, 1 + np.eye(2))
