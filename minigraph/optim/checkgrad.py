"""Compare a function's gradient with finite differences."""

from __future__ import annotations

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.optim.objective import Feval, check_parameters, evaluate


def checkgrad(feval: Feval, x: np.ndarray, eps: float = 1e-7) -> tuple[float, np.ndarray, np.ndarray]:
    """Return ``diff, dC, dC_est``: the relative error, the gradient at x, and its estimate.

    ``diff`` is ``norm(dC - dC_est) / norm(dC + dC_est)`` (0 where both are 0); ``dC_est``
    comes from central differences of step ``eps`` (1e-7 suits float64; float32 needs about
    1e-2). x is moved entry by entry and is as before at the end.

    Source: https://github.com/torch/optim/blob/master/checkgrad.lua
    """
    check_parameters(x, "checkgrad")
    if not 0 < eps < float("inf"):
        raise ArgumentError(f"optim.checkgrad: eps must be a finite number > 0, got {eps!r}")
    exact = evaluate(feval, x, "checkgrad")[1].copy()
    estimate = np.empty_like(exact)
    for index in np.ndindex(x.shape):
        value = x[index]
        try:
            x[index] = value + eps
            above = evaluate(feval, x, "checkgrad")[0]
            x[index] = value - eps
            below = evaluate(feval, x, "checkgrad")[0]
        finally:
            x[index] = value
        estimate[index] = (above - below) / (2 * eps)
    error, size = np.linalg.norm(exact - estimate), np.linalg.norm(exact + estimate)
    return (float(error / size) if error else 0.0), exact, estimate
