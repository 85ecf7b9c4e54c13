"""What a trace's tensors become for the page: statistics and histograms of bounded size."""

from __future__ import annotations

import math
from typing import Any, Iterator, Optional, overload

import numpy as np

from minigraph.debug.measure import shape_of, shape_text
from minigraph.debug.report import plain
from minigraph.drawing.page.records.traces import Summary
from minigraph.drawing.page.records.values import Number, statistics
from minigraph.tables import leaves

BINS = 16
#: Up to so many entries a tensor is also written out.
WRITTEN = 12


def summary(value: Any, detailed: bool = True) -> Optional[Summary]:
    """Return what the page tells of a tensor or of all tensors of a table; ``None`` for nothing.

    If ``detailed``, with a histogram, and the entries of a tensor that has few.
    """
    arrays = list(tensors(value))
    if not arrays:
        return None
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    measured = statistics(numbers)
    finite = numbers[np.isfinite(numbers)]
    norm = measured["norm"]
    if norm == "inf":  # the squares overflow, the norm need not
        norm = plain(rms(finite) * math.sqrt(finite.size))
    found: Summary = {
        "shape": shape_text(shape_of(value)), "count": int(numbers.size),
        "nan": measured["nan"], "inf": measured["inf"],
        "zero": int(numbers.size - np.count_nonzero(numbers)), "rms": short(rms(finite)),
        "min": _rounded(finite.min()) if finite.size else None,
        "max": _rounded(finite.max()) if finite.size else None,
        "mean": short(measured["mean"]), "std": short(measured["std"]), "norm": short(norm),
    }
    if detailed and finite.size:
        found["bins"] = _bins(finite)
        if numbers.size <= WRITTEN:
            found["values"] = [short(float(number)) for number in numbers]
    return found


def tensors(value: Any) -> Iterator[np.ndarray]:
    """Yield the tensors of a table as arrays of float64."""
    for _, leaf in leaves(value):
        if leaf is not None:
            array = np.asarray(leaf)
            if array.dtype.kind in "fiub":
                yield array.astype(np.float64)


def rms(numbers: np.ndarray) -> float:
    """Return the root mean square, without overflow on the way; 0 for nothing."""
    largest = float(np.abs(numbers).max(initial=0.0))
    if not largest or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.mean(np.square(numbers / largest))))


@overload
def short(number: Number) -> Number: ...
@overload
def short(number: Optional[Number]) -> Optional[Number]: ...
def short(number: Optional[Number]) -> Optional[Number]:
    """Return a number with six digits; what JSON has no number for as text."""
    found: Optional[Number] = plain(_rounded(number)) if isinstance(number, float) else number
    return found


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def _bins(finite: np.ndarray) -> list[int]:
    low, high = float(finite.min()), float(finite.max())
    if not low < high:
        return [int(finite.size)]
    # Scaled first: the distance from low to high may be more than a float64 holds.
    scale = max(abs(low), abs(high))
    counts, _ = np.histogram(finite / scale, BINS, (low / scale, high / scale))
    return [int(count) for count in counts]
