"""Fused: sums of products rounded once for each term, as Torch7's BLAS computes short ones.

A line search that has nearly arrived compares losses that differ in their last bits, so where it ends
hangs on how every product before was rounded. On x86-64, BLAS multiplies and adds in one rounding
(fused multiply-add). Vectors shorter than a block of its kernels are summed one by one, and that order
can be followed; for longer ones it is the kernel's own, and these functions leave them to NumPy.
"""

from __future__ import annotations

import math

import numpy as np

from minigraph.optim.inplace import add_scaled, dot

#: The number of entries that OpenBLAS's kernels for x86-64 take at once.
_BLOCK = 32
#: Splits a float64 into halves whose products are exact: 2**27 + 1 (Veltkamp).
_SPLITTER = 134217729.0


def fused_add_scaled(target: np.ndarray, scale: float, values: np.ndarray, scratch: np.ndarray) -> None:
    """``target += scale * values``; a short float64 target with one rounding for each entry."""
    if _short(target):
        pairs = zip(target.ravel().tolist(), values.ravel().tolist())
        target[...] = np.reshape([_fma(scale, value, entry) for entry, value in pairs], target.shape)
    else:
        add_scaled(target, scale, values, scratch)


def fused_dot(first: np.ndarray, second: np.ndarray) -> float:
    """Return the sum of the products of all entries; short float64 arrays first to last."""
    if not _short(first):
        return dot(first, second)
    total = 0.0
    for one, other in zip(first.ravel().tolist(), second.ravel().tolist()):
        total = _fma(one, other, total)
    return total


def _short(array: np.ndarray) -> bool:
    return array.size < _BLOCK and array.dtype == np.float64


def _fma(first: float, second: float, third: float) -> float:
    """Return ``first * second + third``, rounded once (``math.fma`` of Python 3.13).

    The error of the product is a float64 too (Dekker), and ``fsum`` rounds once. Where a part of that
    is not finite, or too small for an exact error, the result is that of two roundings.
    Source: T. J. Dekker, A floating-point technique for extending the available precision, 1971
    """
    product = first * second
    a, b = _SPLITTER * first, _SPLITTER * second
    a_high, b_high = a - (a - first), b - (b - second)
    a_low, b_low = first - a_high, second - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    if not math.isfinite(error) or not math.isfinite(product + third):
        return product + third
    return math.fsum((product, error, third))
