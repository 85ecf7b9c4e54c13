"""Where the polynomial through values and slopes has its minimum."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, format_shape

_NEGLIGIBLE = 1e-12


def polyinterp(points: Any, xminBound: Optional[float] = None, xmaxBound: Optional[float] = None) -> float:
    """Return the minimum's position, given ``points`` of shape (N, 3): rows ``x, f, g``.

    The polynomial of degree 2 N - 1 with value f and slope g at each x is searched between
    ``xminBound`` and ``xmaxBound`` (default: the least and the greatest x). Two points
    without bounds use the closed formula of the cubic. Half way where there is no answer:
    values that are not finite, or points at the same place.

    Source: https://github.com/torch/optim/blob/master/polyinterp.lua
    """
    table = np.asarray(points, float)
    if table.ndim != 2 or table.shape[1] != 3 or len(table) == 0:
        raise ArgumentError(
            f"optim.polyinterp: points must have shape (N, 3), one row x, f, g a point, "
            f"got shape {format_shape(table.shape)}"
        )
    if len(table) == 2 and xminBound is None and xmaxBound is None:
        return _cubic(*sorted(table.tolist()))
    low = float(table[:, 0].min()) if xminBound is None else float(xminBound)
    high = float(table[:, 0].max()) if xmaxBound is None else float(xmaxBound)
    return _general(table, low, high)


def _cubic(near: list[float], far: list[float]) -> float:
    (x1, f1, g1), (x2, f2, g2) = near, far
    try:
        d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
        d2 = math.sqrt(d1 * d1 - g1 * g2)
        x = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    except (ZeroDivisionError, ValueError):
        x = math.nan
    return min(max(x, x1), x2) if math.isfinite(x) else (x1 + x2) / 2


def _general(points: np.ndarray, low: float, high: float) -> float:
    degree = 2 * len(points) - 1
    best, least = (low + high) / 2, math.inf
    if not np.isfinite(points).all():
        return best
    powers = np.arange(degree, -1, -1)
    x = points[:, :1]
    values = x**powers
    slopes = powers * x ** np.maximum(powers - 1, 0)
    try:
        polynomial = np.linalg.solve(np.vstack([values, slopes]), points[:, 1:].T.ravel())
    except np.linalg.LinAlgError:
        return best
    polynomial[np.abs(polynomial) <= _NEGLIGIBLE] = 0
    for candidate in (low, high, *points[:, 0], *_stationary(polynomial)):
        if low <= candidate <= high:
            value = float(np.polyval(polynomial, candidate))
            if value < least:
                best, least = float(candidate), value
    return best


def _stationary(polynomial: np.ndarray) -> np.ndarray:
    """Return the real roots of the derivative."""
    derivative = np.polyder(polynomial)
    derivative[np.abs(derivative) < _NEGLIGIBLE] = 0
    roots = np.roots(derivative)
    return roots[roots.imag == 0].real
