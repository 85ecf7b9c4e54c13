"""Functions to minimise, and the optimisers by name."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph import optim

FIRST_ORDER = ("sgd", "nag", "asgd", "adam", "adamax", "adagrad", "adadelta", "rmsprop", "rprop")
ALL = (*FIRST_ORDER, "cg", "lbfgs")


def method(name: str) -> Callable[..., Any]:
    return getattr(optim, name)


def torch_linspace(start: float, end: float, count: int) -> np.ndarray:
    """``torch.linspace``, whose rounding differs from NumPy's in a last bit."""
    return start + np.arange(count) * (end - start) / (count - 1)


def golden_function(x: np.ndarray) -> tuple[float, np.ndarray]:
    a, b = torch_linspace(0.5, 3, 6), torch_linspace(-1, 1, 6)
    return float((a * (x - b) ** 2).sum() + np.sin(2 * x).sum()), 2 * a * (x - b) + 2 * np.cos(2 * x)


def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
    ridge = x[1:] - x[:-1] ** 2
    dx = np.zeros_like(x)
    dx[:-1] = -400 * x[:-1] * ridge - 2 * (1 - x[:-1])
    dx[1:] += 200 * ridge
    return float((100 * ridge**2 + (1 - x[:-1]) ** 2).sum()), dx


def quadratic(x: np.ndarray) -> tuple[float, np.ndarray]:
    return float((x * x).sum() / 2), x.copy()


def watched(function: Callable[..., Any], points: list[np.ndarray]) -> Callable[..., Any]:
    """Return ``function``, noting a copy of every x that it is called with."""

    def feval(x: np.ndarray) -> Any:
        points.append(x.copy())
        return function(x)

    return feval
