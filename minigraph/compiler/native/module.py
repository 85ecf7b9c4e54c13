"""The native module of one program while it is written: its texts, kernels and slots."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph.compiler.memory.storage import Frame, Storage
from minigraph.compiler.native.llvm.function import Function, Value
from minigraph.compiler.native.llvm.vectors import LLVM_SCALARS
from minigraph.compiler.native.slots import Slots

#: What every stage is called with: it does part ``part`` of ``parts``.
PARAMETERS = [("ptr", "table"), ("i64", "T"), ("i64", "part"), ("i64", "parts")]


class NativeModule:
    """Texts of LLVM functions, and what they are written from.

    ``frame`` shows the strides of all frames; ``scalar`` is LLVM's name of ``dtype``.
    """

    def __init__(
        self, frame: Frame, storage: Storage, dtype: np.dtype, threads: int, name: str
    ) -> None:
        self.frame, self.storage, self.dtype = frame, storage, dtype
        self.threads, self.name = threads, name
        self.scalar = LLVM_SCALARS[dtype.name]
        self.slots = Slots()
        self.texts: list[str] = []
        self._kernels: dict[Any, str] = {}

    def kernel(self, key: Any, define: Callable[[str], str]) -> str:
        """Return the name of a kernel, written the first time it is asked for."""
        if key not in self._kernels:
            name = self._kernels[key] = f"{self.name}_{key[0]}{len(self._kernels)}"
            self.texts.append(define(name))
        return self._kernels[key]


def share(f: Function, count: Value) -> tuple[Value, Value]:
    """Write where this thread's part of ``count`` things begins and ends."""
    return count * f["part"] // f["parts"], count * (f["part"] + 1) // f["parts"]
