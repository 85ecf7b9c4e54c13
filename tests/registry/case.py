"""What a case of the registry is: how to build a module, what to feed it, what to expect."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

import minigraph as mg
from minigraph.nn import Criterion
from minigraph.tables import is_table, leaves, map_table


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Standard normal numbers of this shape."""
    return lambda rng: rng.standard_normal(shape)


def positive(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Numbers between 0.2 and 1.8."""
    return lambda rng: rng.uniform(0.2, 1.8, shape)


def unit(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Numbers between 0.1 and 0.9."""
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def spread(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Distinct numbers at least 0.1 apart and off zero, in random order: safe where a layer compares."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        count = int(np.prod(shape))
        steps = (np.arange(count) - count // 2 + 0.37) * 0.23
        return rng.permutation(steps).reshape(shape)

    return draw


def fixed(value: Any) -> Callable[[np.random.Generator], Any]:
    """This very value (lists of numbers become arrays; use ``table`` for tables)."""
    return lambda rng: np.array(value)


def table(*entries: Callable[[np.random.Generator], Any]) -> Callable[[np.random.Generator], list[Any]]:
    """A table of these entries."""
    return lambda rng: [entry(rng) for entry in entries]


@dataclass(frozen=True)
class Case:
    """One module (or criterion) with an input, and what holds of it.

    ``input`` and ``target`` draw from a generator seeded by the case's name; leaves of an
    integer dtype are indices, not differentiated. ``batch`` says that the first dimension of
    every leaf is a batch whose samples do not influence each other; ``single`` that a batch of
    one is accepted all the same. ``slope`` is what gradInput is, as a multiple of the
    derivative (0 for ZeroGrad), ``penalty`` what the module adds to the loss by itself.
    ``tolerance`` is the relative error of the finite differences.
    """

    build: Callable[[], Any]
    input: Callable[[np.random.Generator], Any]
    target: Optional[Callable[[np.random.Generator], Any]] = None
    label: str = ""
    batch: bool = False
    single: bool = False
    slope: float = 1.0
    penalty: Callable[[Any], float] = lambda module: 0.0
    tolerance: float = 1e-6
    step: float = 1e-5
    name: str = ""

    def fresh(self) -> Any:
        """Build the module anew, always with the same parameters."""
        mg.manualSeed(1)
        module = self.build()
        if not isinstance(module, Criterion):
            for gradient in module.parameters()[1]:
                gradient.fill(0)
        return module

    def data(self) -> tuple[Any, Any]:
        """Return ``(input, target)``, always the same."""
        rng = np.random.default_rng(zlib.crc32((self.name + self.label).encode()))
        return self.input(rng), None if self.target is None else self.target(rng)

    def forward(self, module: Any, input: Any, target: Any = None) -> Any:
        """Run forward; random masks are the same each time."""
        mg.manualSeed(7)
        return module.forward(input, target) if self.target else module.forward(input)

    def backward(self, module: Any, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Run backward; for a criterion ``gradOutput`` is the target."""
        mg.manualSeed(8)
        if self.target:
            return module.backward(input, gradOutput)
        return module.backward(input, gradOutput, scale)

    def gradient(self, output: Any) -> Any:
        """Return a gradOutput nested like ``output``, always the same."""
        rng = np.random.default_rng(3)
        return map_table(lambda leaf: rng.standard_normal(np.shape(leaf)).astype(leaf.dtype), output)

    def loss(self, module: Any, input: Any, gradOutput: Any) -> float:
        """Return the number whose gradient backward computes."""
        output = self.forward(module, input, gradOutput)
        if self.target:
            return output
        products = zip(leaves(output), leaves(gradOutput))
        return sum(float(np.sum(o * g)) for (_, o), (_, g) in products) + self.penalty(module)


def arrays(value: Any) -> list[np.ndarray]:
    """Return the float arrays of a table."""
    return [
        leaf for _, leaf in leaves(value) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    ]


def same(actual: Any, expected: Any, tolerance: float = 1e-12, where: str = "") -> None:
    """Assert that two tables agree in nesting, shapes and numbers."""
    if is_table(expected):
        assert is_table(actual) and len(actual) == len(expected), where
        for position, (a, e) in enumerate(zip(actual, expected)):
            same(a, e, tolerance, f"{where}[{position}]")
    else:
        assert np.shape(actual) == np.shape(expected), f"{where}: {np.shape(actual)}"
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=where)
