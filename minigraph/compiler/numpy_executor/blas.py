"""BLAS: matrix products that start from what lies in their destination, through the C interface.

``np.matmul`` cannot add to an array, so that ``c += a @ b`` costs a temporary and a pass over it. CBLAS
can. There are two that need no compiler: MKL, where the package ``mkl`` is installed, and the OpenBLAS
that NumPy's wheels bring along. ``MINIGRAPH_BLAS`` chooses: ``mkl``, ``openblas``, or ``numpy`` for none;
without it MKL on processors of Intel, where it is there, and OpenBLAS on others, on which MKL needs
twice the time. What there is not, such as OpenBLAS in a NumPy that was built on Accelerate, falls back to
``np.matmul``. Each BLAS uses as many threads as it is set to.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

#: A product with its arrays: call it to compute it once.
Product = Callable[[], Any]

_ROWS, _PLAIN, _TRANSPOSED = 101, 111, 112
_CHOICES = ("mkl", "openblas", "numpy")


@dataclass(frozen=True)
class Blas:
    """A library's products; ``integer`` is the type of its sizes."""

    name: str
    products: dict[str, Any]
    integer: Any


def chosen_blas() -> Optional[Blas]:
    """Return the BLAS in use, ``None`` for ``np.matmul``.

    Raises ``ValueError`` where ``MINIGRAPH_BLAS`` is none of its values, ``ImportError`` where it names
    one that is not there.
    """
    wanted = os.environ.get("MINIGRAPH_BLAS", "")
    if wanted not in ("", *_CHOICES):
        raise ValueError(f"MINIGRAPH_BLAS={wanted}: set it to one of {', '.join(_CHOICES)}, or not at all")
    if wanted == "numpy":
        return None
    if wanted:
        found = _load(wanted)
        if found is None:
            raise ImportError(f"MINIGRAPH_BLAS={wanted}: {_missing(wanted)}, or unset the variable")
        return found
    return (_load("mkl") if _is_intel() else None) or _load("openblas")


def _missing(name: str) -> str:
    if name == "mkl":
        return "the package mkl is not installed; do python -m pip install mkl"
    return "this NumPy brings no OpenBLAS along; set MINIGRAPH_BLAS=numpy"


@functools.cache
def _load(name: str) -> Optional[Blas]:
    """Return a library by its name, ``None`` where it is not there."""
    for path in _mkl_files() if name == "mkl" else _openblas_files():
        try:
            handle = ctypes.CDLL(str(path))
            if name == "mkl":
                return _bound(name, handle, "cblas_{}gemm", ctypes.c_int)
            return _bound(name, handle, "scipy_cblas_{}gemm64_", ctypes.c_int64)
        except (OSError, AttributeError):
            continue  # a file for another system, or of a build with other names: as if it were not there
    return None


def _bound(name: str, handle: ctypes.CDLL, symbol: str, integer: Any) -> Blas:
    products = {"f": getattr(handle, symbol.format("s")), "d": getattr(handle, symbol.format("d"))}
    for product in products.values():
        product.restype = None
    return Blas(name, products, integer)


def _mkl_files() -> list[Path]:
    try:
        files = importlib.metadata.files("mkl") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = [file for file in files if file.name.startswith(("libmkl_rt.", "mkl_rt."))]
    return [Path(str(file.locate())).resolve() for file in names if not file.name.endswith(".lib")]


def _openblas_files() -> list[Path]:
    package = Path(np.__file__).parent
    folders = [package.parent / "numpy.libs", package / ".dylibs"]
    return [path for folder in folders for path in sorted(folder.glob("*scipy_openblas64_*"))]


@functools.cache
def _is_intel() -> bool:
    if "GenuineIntel" in platform.processor():  # Windows
        return True
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def gemm(first: np.ndarray, second: np.ndarray, out: np.ndarray, beta: float = 0.0) -> Product:
    """Return a call that computes ``out = first @ second + beta * out`` for matrices of one dtype.

    ``beta`` 0 overwrites ``out``, whatever it holds. Everything is bound here; the call itself costs
    about a microsecond more than the product. Matrices that BLAS cannot read, for their rows and their
    columns have gaps or they are empty, are ``np.matmul``'s.
    """
    blas = chosen_blas()
    layouts = [_layout(array) for array in (first, second, out)]
    same = first.dtype == second.dtype == out.dtype and out.dtype.char in "fd"
    if blas is None or not same or None in layouts or layouts[2][0] != _PLAIN:  # type: ignore[index]
        return _by_numpy(first, second, out, beta)
    (trans_first, lead_first), (trans_second, lead_second), (_, lead_out) = layouts  # type: ignore[misc]
    Int = blas.integer
    Number = ctypes.c_float if out.dtype.char == "f" else ctypes.c_double
    return functools.partial(
        blas.products[out.dtype.char],
        ctypes.c_int(_ROWS), ctypes.c_int(trans_first), ctypes.c_int(trans_second),
        Int(first.shape[0]), Int(second.shape[1]), Int(first.shape[1]), Number(1),
        _pointer(first), Int(lead_first), _pointer(second), Int(lead_second), Number(beta),
        _pointer(out), Int(lead_out),
    )


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # NumPy has it keep the array alive


def _layout(array: np.ndarray) -> Optional[tuple[int, int]]:
    """Return CBLAS's number for plain or transposed and the leading dimension, ``None`` if it is neither."""
    (rows, columns), size = array.shape, array.itemsize
    down, right = array.strides
    if not array.size or down % size or right % size:
        return None
    if right == size or columns == 1:
        lead = down // size if rows > 1 else columns
        if lead >= columns:
            return _PLAIN, lead
    if down == size or rows == 1:
        lead = right // size if columns > 1 else rows
        if lead >= rows:
            return _TRANSPOSED, lead
    return None


def _by_numpy(first: np.ndarray, second: np.ndarray, out: np.ndarray, beta: float) -> Product:
    if beta == 0:
        return functools.partial(np.matmul, first, second, out)
    return functools.partial(_added, first, second, out, beta)


def _added(first: np.ndarray, second: np.ndarray, out: np.ndarray, beta: float) -> None:
    if beta != 1:
        out *= beta
    out += first @ second
