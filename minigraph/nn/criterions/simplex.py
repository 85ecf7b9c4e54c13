"""ClassSimplexCriterion: classes as the corners of a simplex."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.criterions.classification import class_targets
from minigraph.nn.criterions.regression import MSECriterion
from minigraph.nn.simple.lookup import check_indices


def regular_simplex(n: int) -> np.ndarray:
    """Return the n+1 corners of a regular simplex in n dimensions, ``(n+1, n)``.

    They lie at distance 1 from the origin, which is their centre.
    Source: https://en.wikipedia.org/wiki/Simplex#Cartesian_coordinates_for_a_regular_n-dimensional_simplex_in_Rn
    """
    corners = np.zeros((n + 1, n))
    for k in range(n):
        own = np.sqrt(1 - np.dot(corners[k, :k], corners[k, :k]))
        corners[k, k] = own
        corners[k + 1 :, k] = (own * own - 1 - 1 / n) / own
    return corners


class ClassSimplexCriterion(MSECriterion):
    """The mean squared distance from an embedding to the corner that stands for the class.

    Input ``(nClasses,)`` with a 1-based class as target, or ``(B, nClasses)`` with targets
    ``(B,)``; normalise it to length 1 first (nn.Normalize). ``simplex`` holds the corners,
    ``(nClasses, nClasses)`` with a last column of zeros.
    Source: https://arxiv.org/abs/1506.08230
    """

    def __init__(self, nClasses: int) -> None:
        super().__init__()
        if nClasses != int(nClasses) or nClasses < 2:
            raise ArgumentError(f"nn.ClassSimplexCriterion needs at least 2 classes, got {nClasses}")
        self.nClasses = int(nClasses)
        self.simplex = np.zeros((self.nClasses, self.nClasses), self.dtype)
        self.simplex[:, :-1] = regular_simplex(self.nClasses - 1)

    def _embeddings(self, input: Any) -> np.ndarray:
        x = self._tensor(input, 1, 2)
        if x.shape[-1] != self.nClasses:
            raise InputError(
                f"{self!r} expects {self.nClasses} numbers for each sample, "
                f"got shape {format_shape(x.shape)}",
                "input", self.nClasses, x.shape,
            )
        return x

    def _pair(self, input: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        x = self._embeddings(input)
        labels = class_targets(self, target, (x.shape[0] if x.ndim == 2 else 1,))
        classes = check_indices(labels, self.nClasses, repr(self), "target")
        return x, self.simplex[classes].reshape(x.shape)

    def getPredictions(self, input: Any) -> np.ndarray:
        """Return the dot products with the corners, ``(B, nClasses)`` (B = 1 for one sample)."""
        return np.atleast_2d(self._embeddings(input)) @ self.simplex.T

    def getTopPrediction(self, input: Any) -> np.ndarray:
        """Return the 1-based class of the nearest corner for each sample, ``(B,)``, int64."""
        return self.getPredictions(input).argmax(1) + 1
