"""Errors that teach: what was wrong, where, what was expected and what to do."""

from __future__ import annotations

from typing import Optional, Sequence

__all__ = [
    "ArgumentError", "ConversionError", "DrawingError", "FormatError", "GraphError", "InputError",
    "MinigraphError", "MissingExtraError", "NodeError", "NumberError", "StateError", "T7Error",
]


def __dir__() -> list[str]:
    return __all__


class MinigraphError(Exception):
    """Base of every error that minigraph raises on purpose.

    ``context`` holds one line for each place the error passed on its way out (the node
    that was being evaluated, the graph around that node), innermost first; ``str(error)``
    is the message followed by those lines.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.context: list[str] = []

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {line}" for line in self.context)])


class GraphError(MinigraphError, ValueError):
    """The wiring of a graph is wrong; raised while the graph is being built."""


class ArgumentError(MinigraphError, ValueError):
    """An argument of a module or function lies outside what Torch accepts."""


class InputError(MinigraphError, ValueError):
    """A value given to ``forward`` or ``backward`` does not fit.

    ``path`` is the table path in Torch's notation (``gradOutput[2][1]``), ``expected`` and
    ``got`` the two shapes, counts or types that disagree (each ``None`` where it says nothing).
    """

    def __init__(
        self,
        message: str,
        path: str = "",
        expected: Optional[object] = None,
        got: Optional[object] = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.expected = expected
        self.got = got


class NestingError(InputError):
    """A table or a module is nested too deeply to be walked, or contains itself."""


class StateError(MinigraphError, RuntimeError):
    """A call came at the wrong moment, or a saved activation is no longer what it was."""


class NodeError(MinigraphError, RuntimeError):
    """A module inside a graph raised an error of its own, kept as ``__cause__``."""

    @classmethod
    def wrap(cls, error: Exception) -> "NodeError":
        """Return a NodeError that tells of ``error``."""
        wrapped = cls(f"{type(error).__name__}: {error}")
        wrapped.__cause__ = error
        return wrapped


class NumberError(MinigraphError, ArithmeticError):
    """A NaN or an infinity was found where the debug mode looks for them."""


class MissingExtraError(MinigraphError, ImportError):
    """An optional package is needed that is not installed; the message names the extra."""


class ConversionError(MinigraphError, ValueError):
    """A network cannot be written in another format.

    ``reasons`` holds for each node or module at fault what it is and why.
    """

    def __init__(self, target: str, reasons: Sequence[tuple[str, str]]) -> None:
        count = "1 module" if len(reasons) == 1 else f"{len(reasons)} modules"
        lines = "".join(f"\n  {what}: {why}" for what, why in reasons)
        super().__init__(f"{count} cannot be converted ({target}):{lines}")
        self.reasons = list(reasons)


class DrawingError(MinigraphError, RuntimeError):
    """A picture could not be rendered."""


class T7Error(MinigraphError, ValueError):
    """A ``.t7`` file cannot be read, or a value cannot be written as one.

    ``offset`` is the byte at which a file went wrong, ``None`` where there is no such place.
    """

    def __init__(self, message: str, offset: Optional[int] = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.offset = offset


class FormatError(MinigraphError, ValueError):
    """A file is not one of minigraph's own, is damaged, or was written by a newer version."""


class CompilerWarning(UserWarning):
    """The compiler failed for a reason of its own, kept as ``__cause__``: the network runs uncompiled."""


def check_dimension(argument: int, what: str) -> int:
    """Return a Torch dimension or index (1-based, or negative); raise ArgumentError for 0."""
    if isinstance(argument, bool) or not hasattr(argument, "__index__"):
        raise ArgumentError(f"{what} must be an integer, got {argument!r}")
    number = argument.__index__()
    if number == 0:
        raise ArgumentError(
            f"{what} is 0: arguments of Torch modules count from 1 (the first is 1, the last -1)"
        )
    return number


def format_shape(shape: Sequence[int]) -> str:
    """Write a shape the way arrays print it: ``(2, 3)``, ``(5,)``, ``()``."""
    return str(tuple(int(n) for n in shape))
