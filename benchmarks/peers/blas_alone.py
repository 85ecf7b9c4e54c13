"""BLAS alone: the matrix products that the problem needs, and nothing else.

For each layer: the input's product of all time steps as one, one product with h for each time step,
one with the gates' gradient for each time step back, and one each for the gradients of the input and
of the two weight matrices. They have the right shapes and arbitrary numbers; nothing is added to
anything, no answer comes out. A product that can be laid out in several ways (the weights as they are
or transposed to contiguous memory, rows or columns for the batch) is timed in each when the peer is
made, and run in the fastest.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from lstm_step import seconds

from peers.problem import CELLS, Problem

#: A product that is ready to run.
Ready = Callable[[], Any]
#: ``prepare(a, b, out)``: the product of float32 matrices, each contiguous or the transpose of such.
Prepare = Callable[[np.ndarray, np.ndarray, np.ndarray], Ready]
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


def prepare_of(blas: str) -> Prepare:
    """Return what prepares products of ``"numpy"``'s BLAS or ``"mkl"``; raise ``ImportError`` without it."""
    if blas == "numpy":
        return lambda a, b, out: functools.partial(np.matmul, a, b, out=out)
    if blas == "mkl":
        return _mkl()
    raise ValueError(f"no BLAS {blas!r}: numpy or mkl")


def _mkl() -> Prepare:
    found: Optional[Path] = None
    try:
        for file in importlib.metadata.files("mkl") or []:
            if file.name.startswith(("libmkl_rt.", "mkl_rt.")) and not file.name.endswith(".lib"):
                found = Path(str(file.locate()))
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError("mkl is not installed: python -m pip install mkl") from error
    if found is None:
        raise ImportError("the package mkl has no libmkl_rt")
    gemm = ctypes.CDLL(str(found)).cblas_sgemm
    gemm.restype = None
    Int, Float, Pointer = ctypes.c_int, ctypes.c_float, ctypes.c_void_p

    def layout(array: np.ndarray) -> tuple[int, int]:
        """Return CBLAS's number for plain or transposed, and the leading dimension."""
        return (111, array.strides[0] // 4) if array.strides[1] == 4 else (112, array.strides[1] // 4)

    def prepare(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Ready:
        (trans_a, lda), (trans_b, ldb) = layout(a), layout(b)
        assert out.strides[1] == 4
        return functools.partial(
            gemm, Int(101), Int(trans_a), Int(trans_b), Int(len(a)), Int(b.shape[1]), Int(len(b)), Float(1),
            Pointer(a.ctypes.data), Int(lda), Pointer(b.ctypes.data), Int(ldb), Float(0),
            Pointer(out.ctypes.data), Int(out.strides[0] // 4),
        )

    return prepare


class Products:
    """The products of a problem; ``chosen`` tells the layout of each kind."""

    def __init__(self, problem: Problem, blas: str = "numpy") -> None:
        T, B, H, L = problem.sizes
        wide, draw = CELLS[problem.cell].gates * H, np.random.default_rng(2)

        def numbers(*shape: int) -> np.ndarray:
            return draw.standard_normal(shape, np.float32)

        self.prepare = prepare_of(blas)
        self.chosen: dict[str, str] = {}
        self.ready: list[Ready] = []
        self.arrays: list[Triple] = []  # MKL is given addresses, which do not keep them
        for _ in range(L):
            weight, gates, dgates = numbers(wide, H), numbers(T, B, wide), numbers(T, B, wide)
            h, dh = numbers(T, B, H), numbers(T, B, H)
            packed = np.ascontiguousarray(weight.T)
            long_h, long_dh, long_gates, long_dgates = (
                array.reshape(T * B, -1) for array in (h, dh, gates, dgates)
            )
            # The batch in columns: each time step is the transpose of what it is above.
            h_c, dh_c = numbers(T, H, B), numbers(T, H, B)
            gates_c, dgates_c = numbers(T, wide, B), numbers(T, wide, B)
            self._add("input", {
                "weights as they are": [(long_h, weight.T, long_gates)],
                "weights packed": [(long_h, packed, long_gates)],
            })
            self._add("step", {
                "weights as they are": [(h[t], weight.T, gates[t]) for t in range(T)],
                "weights packed": [(h[t], packed, gates[t]) for t in range(T)],
                "columns": [(weight, h_c[t], gates_c[t]) for t in range(T)],
                "columns, weights packed": [(packed.T, h_c[t], gates_c[t]) for t in range(T)],
            })
            self._add("step back", {
                "weights as they are": [(dgates[t], weight, dh[t]) for t in range(T)],
                "weights packed": [(dgates[t], packed.T, dh[t]) for t in range(T)],
                "columns": [(weight.T, dgates_c[t], dh_c[t]) for t in range(T)],
                "columns, weights packed": [(packed, dgates_c[t], dh_c[t]) for t in range(T)],
            })
            self._add("input back", {
                "weights as they are": [(long_dgates, weight, long_dh)],
                "weights packed": [(long_dgates, packed.T, long_dh)],
            })
            dweight, dpacked = np.empty_like(weight), np.empty_like(packed)
            gradient = {
                "weights as they are": [(long_dgates.T, long_h, dweight)],
                "weights packed": [(long_h.T, long_dgates, dpacked)],
            }
            self._add("weights of the input", gradient)
            self._add("weights of h", gradient)

    def _add(self, what: str, layouts: dict[str, list[Triple]]) -> None:
        """Append the products in their fastest layout, which the first layer chooses."""
        if what not in self.chosen:
            times = {name: self._time(todo) for name, todo in layouts.items()}
            self.chosen[what] = min(times, key=lambda name: times[name])
        todo = layouts[self.chosen[what]]
        self.arrays += todo
        self.ready += [self.prepare(*triple) for triple in todo]

    def _time(self, todo: list[Triple]) -> float:
        ready = [self.prepare(*triple) for triple in todo]
        return seconds(lambda: _all(ready), 0.02)

    def run(self) -> None:
        _all(self.ready)


def _all(ready: list[Ready]) -> None:
    for product in ready:
        product()
