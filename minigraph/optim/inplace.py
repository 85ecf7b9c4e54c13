"""Arithmetic in place, through a scratch array: none of these allocates an array."""

from __future__ import annotations

import numpy as np


def add_scaled(target: np.ndarray, scale: float, values: np.ndarray, scratch: np.ndarray) -> None:
    """``target += scale * values``."""
    np.multiply(values, scale, out=scratch)
    target += scratch


def average(mean: np.ndarray, keep: float, values: np.ndarray, scratch: np.ndarray) -> None:
    """``mean = keep * mean + (1 - keep) * values``: an exponential moving average."""
    mean *= keep
    add_scaled(mean, 1 - keep, values, scratch)


def average_squares(mean: np.ndarray, keep: float, values: np.ndarray, scratch: np.ndarray) -> None:
    """``mean = keep * mean + (1 - keep) * values**2``."""
    mean *= keep
    np.multiply(values, values, out=scratch)
    scratch *= 1 - keep
    mean += scratch


def subtract_quotient(target: np.ndarray, scale: float, values: np.ndarray, divisor: np.ndarray) -> None:
    """``target -= scale * values / divisor``; ``divisor`` is used up."""
    np.divide(values, divisor, out=divisor)
    divisor *= scale
    target -= divisor


def dot(first: np.ndarray, second: np.ndarray) -> float:
    """Return the sum of the products of all entries."""
    return float(np.vdot(first, second))
