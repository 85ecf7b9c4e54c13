"""What a trace's tensors become for the page: statistics and histograms of bounded size."""

from __future__ import annotations

import math
from typing import Any, Iterator, Optional

import numpy as np

from minigraph.debug.measure import shape_of, shape_text
from minigraph.debug.report import plain
from minigraph.drawing.page.values import statistics
from minigraph.tables import leaves

BINS = 16
#: Up to so many entries a tensor is also written out.
WRITTEN = 12

Data = dict[str, Any]


def facts(value: Any, detailed: bool = True) -> Optional[Data]:
    """Return what the page tells of a tensor or of all tensors of a table; ``None`` for nothing.

    ``shape`` (text), ``count``, ``norm``, ``rms``, ``mean``, ``std``, ``min`` and ``max`` of the
    finite entries, how many are ``nan``, ``inf`` or exactly ``zero``; if ``detailed`` also
    ``bins``, the counts of 16 bins of equal width from ``min`` to ``max``, and the ``values``
    of a tensor of few.
    """
    arrays = list(tensors(value))
    if not arrays:
        return None
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    found: Data = {"shape": shape_text(shape_of(value)), "count": int(numbers.size), **statistics(numbers)}
    finite = numbers[np.isfinite(numbers)] if found["nan"] or found["inf"] else numbers
    found["zero"] = int(numbers.size - np.count_nonzero(numbers))
    found["rms"] = rms(finite)
    if found["norm"] == "inf":  # the squares overflow, the norm need not
        found["norm"] = plain(found["rms"] * math.sqrt(finite.size))
    if detailed and finite.size:
        found["bins"] = _bins(finite)
        if numbers.size <= WRITTEN:
            found["values"] = [plain(float(number)) for number in numbers]
    return {key: short(entry) for key, entry in found.items()}


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


def short(value: Any) -> Any:
    """Return numbers with six digits; what JSON has no number for stays text."""
    if isinstance(value, float):
        return plain(float(f"{value:.6g}"))
    return [short(entry) for entry in value] if isinstance(value, list) else value


def _bins(finite: np.ndarray) -> list[int]:
    low, high = float(finite.min()), float(finite.max())
    if not low < high:
        return [int(finite.size)]
    # Scaled first: the distance from low to high may be more than a float64 holds.
    scale = max(abs(low), abs(high))
    counts, _ = np.histogram(finite / scale, BINS, (low / scale, high / scale))
    return [int(count) for count in counts]
