"""What max and average pooling share: a window that may stick out, and half of it padding."""

from __future__ import annotations

from typing import TypeVar

from minigraph.errors import ArgumentError
from minigraph.nn.convolution.geometry import Sliding

Self = TypeVar("Self", bound="Rounding")


class Rounding(Sliding):
    """Base of pooling layers with a sliding window; ``ceil_mode`` rounds the output's size up."""

    ceil_mode = False

    def ceil(self: Self) -> Self:
        """Let the last window stick out of the (padded) input; return the module."""
        self.ceil_mode = True
        return self

    def floor(self: Self) -> Self:
        """Leave out what does not fill a window (the default); return the module."""
        self.ceil_mode = False
        return self

    def _checkWindow(self) -> None:
        super()._checkWindow()
        kernel, _, pad, _ = self._window
        if any(p > k // 2 for p, k in zip(pad, kernel)):
            raise ArgumentError(
                f"{self!r}: padding {pad} must not exceed half of the kernel {kernel}"
            )

    def __repr__(self) -> str:
        return f"{self.typename()}({self._windowText(always=True)})"
