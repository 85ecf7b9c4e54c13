"""One thread at a time: what a pass leaves in a network belongs to the thread that runs it.

A network keeps its outputs and whatever its backward needs, in buffers that the next pass writes
to. Another thread that comes while it runs is refused; one that comes later starts with fresh
buffers, so that what the thread before was given stays as it is.
"""

from __future__ import annotations

from functools import wraps
from threading import Lock, RLock, get_ident
from typing import Any, Callable, TypeVar, cast

from minigraph.errors import StateError
from minigraph.nn.sharing import lasting
from minigraph.tables import refuse_mask

Method = TypeVar("Method", bound=Callable[..., Any])

_making = Lock()


def exclusive(method: Method) -> Method:
    """Let a method of a module or criterion be run by one thread at a time; it may call itself."""

    @wraps(method)
    def run(self: Any, *arguments: Any, **named: Any) -> Any:
        turn = take_turn(self)
        try:
            return method(self, *arguments, **named)
        finally:
            turn.release()

    return cast(Method, run)


def take_turn(module: Any) -> Any:
    """Return the lock of a module or criterion, taken, to be released after the run.

    Raises ``StateError`` while another thread has it.
    """
    turn = module._turn or _turn_of(module)
    if not turn.acquire(False):
        raise StateError(
            f"{module.typename()} is being run by another thread: it keeps what a pass computes, so "
            "only one thread at a time may run it; give each thread a clone of its own, "
            "net.clone('weight', 'bias') has the same parameters"
        )
    if module._thread != get_ident():
        try:
            _take_over(module)
        except BaseException:
            turn.release()
            raise
    return turn


def _turn_of(module: Any) -> Any:
    with _making:
        module._turn = module._turn or RLock()
    return module._turn


def _take_over(module: Any) -> None:
    """Make the module this thread's: the first time, or after another thread."""
    if module._thread:
        module._leave()
    for owner in module._owners():
        for array in lasting(owner):
            refuse_mask(array, f"an array of {owner!r}")
    module._thread = get_ident()
