"""Windows that slide over the last dimensions of a tensor: sizes, taps, checks, names.

A *window* has a kernel, a stride, a padding and a dilation along each axis it slides over. A
*tap* is one position of the kernel; the values it meets, one for each place of the window, are
a strided slice of the (padded) input. Whole layers are built from such slices, so that Python
loops over the few taps and never over pixels.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.tensors import resize

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """Kernel, stride, padding and dilation, one number for each axis, in the tensor's order."""

    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes

    @property
    def span(self) -> Sizes:
        """The extent of the kernel, from its first tap to its last."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))

    def places(self, size: Sizes, ceil: bool = False) -> Sizes:
        """Return how many places the window has along each axis of an input of this size.

        With ``ceil`` the last place may stick out of the padded input, but starts inside it.
        """
        found = []
        for n, span, stride, pad in zip(size, self.span, self.stride, self.pad):
            room = n + 2 * pad - span
            count = (-(-room // stride) if ceil else room // stride) + 1
            if ceil and (count - 1) * stride >= n + pad:
                count -= 1
            found.append(count)
        return tuple(found)

    def reach(self, places: Sizes) -> Sizes:
        """Return the size of a padded input that holds this many places."""
        return tuple((n - 1) * s + span for n, s, span in zip(places, self.stride, self.span))

    def taps(self, padded: np.ndarray, places: Sizes) -> Iterator[tuple[Sizes, np.ndarray]]:
        """Yield ``(position in the kernel, the values it meets)``, in row-major order."""
        for position in product(*map(range, self.kernel)):
            where: tuple[Any, ...] = (..., *self.slices(position, places))
            yield position, padded[where]

    def slices(self, position: Sizes, places: Sizes) -> tuple[slice, ...]:
        """Return the slices of the padded input that one tap meets."""
        return tuple(
            slice(k * d, k * d + (n - 1) * s + 1, s)
            for k, d, n, s in zip(position, self.dilation, places, self.stride)
        )


class Sliding(Module):
    """Base of layers whose window slides over the last dimensions of planes.

    Input is ``(C, *size)`` or ``(B, C, *size)``. The window's numbers are attributes with
    Torch's names: ``kW``, ``dW``, ``padW``, ``dilationW`` and so on for each axis of ``_axes``.
    """

    _axes: tuple[str, ...] = ("H", "W")

    #: What the constructor takes for a stride that is not given: the kernel's size, or 1.
    _stepsByKernel = False
    #: Whether a padding that is not given is that of the argument before, or 0.
    _padFollows = False

    padT = padH = padW = 0
    dilationT = dilationH = dilationW = 1

    def _numbers(self, prefix: str) -> Sizes:
        return tuple(int(getattr(self, prefix + axis)) for axis in self._axes)

    @property
    def _window(self) -> Window:
        return Window(*map(self._numbers, ("k", "d", "pad", "dilation")))

    def _order(self) -> list[str]:
        """Return the axes in the order of Torch's arguments: time, width, height."""
        return sorted(self._axes, key="TWH".index)

    def _setWindow(
        self,
        kernel: Sequence[int],
        stride: Sequence[Optional[int]],
        pad: Sequence[Optional[int]] = (0, 0, 0),
        dilation: Sequence[Optional[int]] = (1, 1, 1),
    ) -> None:
        """Set and check the window's attributes, given in the order of Torch's arguments."""
        before = 0
        for axis, k, d, p, e in zip(self._order(), kernel, stride, pad, dilation):
            p = default(p, before)
            before = p if self._padFollows else 0
            setattr(self, f"k{axis}", k)
            setattr(self, f"d{axis}", default(d, k if self._stepsByKernel else 1))
            setattr(self, f"pad{axis}", p)
            setattr(self, f"dilation{axis}", default(e, 1))
        self._checkWindow()

    def _checkWindow(self) -> None:
        """Raise ArgumentError unless kernel, stride and dilation are positive and padding is not negative."""
        kernel, stride, pad, dilation = self._window
        if min(*kernel, *stride, *dilation) < 1 or min(pad) < 0:
            raise ArgumentError(
                f"{self!r}: kernel {kernel}, stride {stride} and dilation {dilation} must be at "
                f"least 1 along each of {', '.join(self._axes)}, padding {pad} at least 0"
            )

    def _planes(self, input: Any, planes: Optional[int] = None, what: str = "input") -> np.ndarray:
        """Return ``input`` as ``(B, C, *size)`` (B is 1 without a batch), its C checked."""
        rank = len(self._axes) + 1
        x = self._tensor(input, rank, rank + 1, what=what)
        if planes is not None and x.shape[-rank] != planes:
            shape = ", ".join([str(planes), *self._axes])
            raise InputError(
                f"{self!r} expects {what} of {planes} plane(s), ({shape}) or (B, {shape}), "
                f"got {x.shape[-rank]} in shape {format_shape(x.shape)}",
                what, planes, x.shape[-rank],
            )
        if 0 in x.shape:
            raise InputError(
                f"{self!r} expects {what} that is not empty, got shape {format_shape(x.shape)}",
                what, "at least one entry", x.shape,
            )
        return x if x.ndim > rank else x[None]

    def _places(self, size: Sizes, ceil: bool = False) -> Sizes:
        """Return the output's size, at least 1 along each axis; else raise InputError."""
        window = self._window
        places = window.places(size, ceil)
        if min(places) < 1:
            padding = f" padded by {window.pad}" if any(window.pad) else ""
            raise InputError(
                f"{self!r}: an input of {' x '.join(self._axes)} {format_shape(size)}{padding} is "
                f"smaller than the kernel's extent {format_shape(window.span)}",
                "input", f"at least {window.span} with padding", size,
            )
        return places

    def _shaped(self, name: str, input: np.ndarray, shape: Sizes) -> np.ndarray:
        """Return the buffer ``name`` for ``shape`` behind the batch of ``input``, with the batch."""
        rank = len(self._axes) + 1
        batched = np.ndim(input) > rank
        batch = (input.shape[0],) if batched else ()
        buffer = resize(getattr(self, name), (*batch, *shape), self.dtype)
        setattr(self, name, buffer)
        return buffer if batched else buffer[None]

    def _padded(
        self, x: np.ndarray, reach: Sizes, name: str, value: float = 0.0
    ) -> np.ndarray:
        """Return ``x`` with ``value`` around it: the padding before, ``reach`` in all.

        That is ``x`` itself where it is large enough without padding; else it is copied into
        the buffer ``name``, which nothing else may write to.
        """
        pad = self._window.pad
        size = x.shape[2:]
        if not any(pad) and all(n >= r for n, r in zip(size, reach)):
            return x
        shape = (*x.shape[:2], *(max(p + n, r) for p, n, r in zip(pad, size, reach)))
        buffer = getattr(self, name)
        if buffer is None or buffer.shape[1:] != shape[1:] or len(buffer) < len(x) or (
            buffer.dtype != self.dtype
        ):
            buffer = np.full(shape, value, self.dtype)
            setattr(self, name, buffer)
        buffer = buffer[: len(x)]
        buffer[self._inside(pad, size)] = x
        for axis, (p, n) in enumerate(zip(pad, size), start=2):
            # An earlier, larger input may have left its values here.
            buffer[(slice(None),) * axis + (slice(p + n, None),)] = value
        return buffer

    @staticmethod
    def _inside(pad: Sizes, size: Sizes) -> tuple[Any, ...]:
        """Return the index of the input inside its padded copy."""
        return (..., *(slice(p, p + n) for p, n in zip(pad, size)))

    def _windowText(self, always: bool = False) -> str:
        """Write ``3x3, 1,1, 0,0`` in Torch's order; padding (and the stride, unless ``always``) if any."""
        padded = any(self._numbers("pad"))
        text = self._written("k", "x")
        if always or padded or set(self._numbers("d")) != {1}:
            text += ", " + self._written("d")
        if padded:
            text += ", " + self._written("pad")
        return text

    def _written(self, prefix: str, separator: str = ",") -> str:
        return separator.join(str(getattr(self, prefix + axis)) for axis in self._order())


def default(value: Optional[int], otherwise: int) -> int:
    """Return an optional constructor argument, ``otherwise`` where it is ``None`` (Lua's nil)."""
    return otherwise if value is None else value
