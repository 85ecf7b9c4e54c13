"""Vector registers: their width, how many there are, and the LLVM types of NumPy's dtypes."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

LLVM_SCALARS = {"float32": "float", "float64": "double"}


def width_from_features(features: dict[str, bool]) -> int:
    """Bytes of the widest vector register of a processor with these LLVM features."""
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") else 16


@functools.cache
def host_features() -> dict[str, bool]:
    """LLVM's features of the host's processor; none where LLVM cannot tell."""
    import llvmlite.binding as llvm

    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:
        return {}


def host_vector_width() -> int:
    """Bytes of the host's widest vector register: 64 with AVX-512, 32 with AVX2, else 16."""
    return width_from_features(host_features())


@dataclass(frozen=True)
class Vectors:
    """The vectors of one dtype: ``scalar`` is its LLVM type, ``lanes`` the numbers in a register."""

    scalar: str
    lanes: int
    width: int

    @property
    def type(self) -> str:
        """The LLVM type of a full register."""
        return f"<{self.lanes} x {self.scalar}>"

    @property
    def item_size(self) -> int:
        """Bytes of one number."""
        return self.width // self.lanes

    @property
    def registers(self) -> int:
        """How many registers a kernel may keep values in."""
        return 32 if self.width == 64 or platform.machine().lower() in ("arm64", "aarch64") else 16


def vectors_of(dtype: Any, width: Optional[int] = None) -> Vectors:
    """The vectors of a float32 or float64 dtype in registers of ``width`` bytes, by default the host's.

    Raises ValueError for any other dtype or width.
    """
    name = np.dtype(dtype).name
    if name not in LLVM_SCALARS:
        raise ValueError(f"native kernels compute in float32 or float64, not in {name}")
    if width is None:
        width = host_vector_width()
    if width not in (16, 32, 64):
        raise ValueError(f"a vector register has 16, 32 or 64 bytes, not {width}")
    return Vectors(LLVM_SCALARS[name], width // np.dtype(dtype).itemsize, width)
