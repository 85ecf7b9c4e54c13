"""What tests of whole families share: central differences, and the classes of a package."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any, Callable

import numpy as np

from minigraph import nn


def numeric_gradient(run: Callable[[], float], array: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of ``run()`` with respect to ``array``, which is changed and restored."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(*array.shape):
        kept = array[index]
        array[index] = kept + step
        above = run()
        array[index] = kept - step
        gradient[index] = (above - run()) / (2 * step)
        array[index] = kept
    return gradient


def public_classes(package: ModuleType, base: type[Any]) -> set[str]:
    """The names of ``nn``'s subclasses of ``base`` that the modules of ``package`` use or define."""
    found = set()
    for info in pkgutil.iter_modules(package.__path__):
        module = import_module(f"{package.__name__}.{info.name}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, base) and hasattr(nn, name):
                found.add(name)
    return found - {base.__name__}
