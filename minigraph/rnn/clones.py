"""Clones of a step: the same parameters, activations of their own."""

from __future__ import annotations

from typing import Any, Sequence, TypeVar

import numpy as np

from minigraph.errors import ArgumentError, StateError
from minigraph.nn import Criterion, Module
from minigraph.nn.sharing import add_clones
from minigraph.nn.state import State

Cloned = TypeVar("Cloned", bound=State)


def clone_many(net: Cloned, T: int) -> list[Cloned]:
    """Return ``T`` clones of ``net`` for unrolling by hand; ``net`` itself is not among them.

    The clones use the parameters of ``net``, their gradients and its statistics (running means)
    themselves, not copies, and have outputs and gradients of inputs of their own. They follow
    ``net``: its ``getParameters()``, ``float()``, ``training()`` and the like, but not a module or
    an attribute that is replaced. A criterion, which has no parameters, is copied whole. Raises
    ``ArgumentError`` for a ``T`` below 1 and for anything that is not a module or a criterion.
    Source: https://github.com/karpathy/char-rnn/blob/master/util/model_utils.lua
    """
    if isinstance(T, bool) or not isinstance(T, (int, np.integer)) or T < 1:
        raise ArgumentError(f"clone_many: T must be a whole number, at least 1; got {T!r}")
    if isinstance(net, Module):
        clones: Any = [net.twin() for _ in range(T)]
        add_clones(net, clones)
        return list(clones)
    if isinstance(net, Criterion):
        return [net.clone() for _ in range(T)]
    raise ArgumentError(f"clone_many clones a module or a criterion, got {type(net).__name__}")


class Settings:
    """What a network was set to at one moment: its modules, their arrays and public attributes.

    A clone goes on as it was made when a layer of the original is set to something else (another
    dropout probability, a weight assigned, a module replaced); ``hold`` tells whether that
    happened. Activations do not count.
    """

    def __init__(self, net: Module) -> None:
        self._seen = _settings(net)

    def hold(self, net: Module) -> bool:
        """Tell whether ``net`` still is as it was."""
        return _same(self._seen, _settings(net))


def follow(clones: Sequence[Module], net: Module) -> None:
    """Give ``clones`` the parameters of ``net`` if these were moved to other arrays since.

    Raises ``StateError`` if they are not of the same shapes and types any more.
    """
    theirs, mine = _parameters(clones[0]), _parameters(net)
    if len(theirs) == len(mine) and all(old is new for old, new in zip(theirs, mine)):
        return
    if [(a.shape, a.dtype) for a in theirs] != [(a.shape, a.dtype) for a in mine]:
        raise StateError(
            f"the parameters of {net.typename()} changed in number, shape or type since forward: "
            "call forward(input) again before backward"
        )
    moved = {id(old): new for old, new in zip(theirs, mine)}
    for clone in clones:
        clone._replaceArrays(lambda array: moved.get(id(array), array))


def _parameters(net: Module) -> list[np.ndarray]:
    params, gradParams = net.parameters()
    return [*params, *gradParams]


def _settings(net: Module) -> tuple[Any, ...]:
    seen: list[Any] = []
    for owner in net._owners():
        passing = ("output", "gradInput", *owner._buffers)
        seen.append(owner)
        seen.append(tuple(
            (name, _frozen(value)) for name, value in vars(owner).items()
            if name[0] != "_" and name not in passing
        ))
    return tuple(seen)


_PLAIN = (type(None), bool, int, float, str, np.generic, np.dtype, np.ndarray, State)


def _frozen(value: Any) -> Any:
    """Return what can be compared; lists as tuples, or a change in place would not show."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(entry) for entry in value)
    return value if isinstance(value, _PLAIN) else None


def _same(first: Any, second: Any) -> bool:
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    if type(first) is tuple:
        return len(first) == len(second) and all(map(_same, first, second))
    return not isinstance(first, (np.ndarray, State)) and bool(first == second)
