"""Objective: evaluate a user's function and check what it is given and what it returns."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph.errors import InputError, StateError, format_shape
from minigraph.memory.flat import is_retired
from minigraph.tables import describe, refuse_mask

#: ``feval(x) -> (loss, dx)``
Feval = Callable[[np.ndarray], tuple[Any, Any]]


def check_parameters(x: Any, method: str) -> np.ndarray:
    """Return ``x`` if it can be changed in place: a writable float array; else raise ``InputError``."""
    refuse_mask(x, "x")
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        raise InputError(
            f"optim.{method}: x must be a float array, because it is changed in place, got {describe(x)}",
            "x", "a float array", describe(x),
        )
    if is_retired(x):
        raise StateError(
            f"optim.{method}: x is a flat array that getParameters() returned before the parameters "
            "were moved or converted: call getParameters() again and use what that returns"
        )
    if not x.flags.writeable:
        raise InputError(
            f"optim.{method}: x is read-only, and it is changed in place: pass x.copy()",
            "x", "a writable array", "a read-only array",
        )
    return x


def evaluate(feval: Feval, x: np.ndarray, method: str) -> tuple[float, np.ndarray]:
    """Return ``feval(x)`` as a float and an array of ``x``'s shape and dtype.

    The array is the one that ``feval`` returned wherever its dtype is ``x``'s. Raises
    ``InputError`` for anything that is not a pair of one number and a gradient like ``x``.
    A NaN passes.
    """
    result = feval(x)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise InputError(
            f"optim.{method}: feval(x) must return (loss, dx), got {describe(result)}",
            "feval(x)", "(loss, dx)", describe(result),
        )
    loss, dx = result
    return loss if type(loss) is float else _loss(loss, method), _gradient(dx, x, method)


def _loss(loss: Any, method: str) -> float:
    if loss is not None and not isinstance(loss, (str, bytes)):
        refuse_mask(loss, "feval(x)[1]")
        array = np.asarray(loss)
        if array.size == 1 and array.dtype.kind in "fiu":
            return float(array.reshape(()))
    raise InputError(
        f"optim.{method}: the loss that feval returns must be one number, got {describe(loss)}",
        "feval(x)[1]", "one number", describe(loss),
    )


def _gradient(dx: Any, x: np.ndarray, method: str) -> np.ndarray:
    if type(dx) is np.ndarray and dx.dtype == x.dtype and dx.shape == x.shape:
        if not dx.flags.writeable and is_retired(dx):
            raise StateError(
                f"optim.{method}: the gradient that feval returns is a flat array of before the "
                "parameters were moved or converted: return the one of the last getParameters()"
            )
        return dx
    refuse_mask(dx, "feval(x)[2]")
    if not isinstance(dx, np.ndarray) or dx.dtype.kind not in "fiu":
        raise InputError(
            f"optim.{method}: the gradient that feval returns must be an array, got {describe(dx)}",
            "feval(x)[2]", x.shape, describe(dx),
        )
    if dx.shape != x.shape:
        raise InputError(
            f"optim.{method}: the gradient that feval returns has shape {format_shape(dx.shape)}, "
            f"x has {format_shape(x.shape)}: return one entry for each of x's",
            "feval(x)[2]", x.shape, dx.shape,
        )
    return dx.astype(x.dtype)
