"""Torch7's random stream, bit for bit: its generator and draws over NumPy's MT19937.

Torch draws tensors element by element in row-major order, so a tensor draw equals as many
scalar draws. Logarithms and cosines go through ``math`` because NumPy's vectorised ones
differ from the C library's in the last bit.

Source: https://github.com/torch/torch7/blob/master/doc/random.md
"""

from __future__ import annotations

import math
import os
from typing import Any, Optional, Sequence, Union

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.tensors import TENSOR_TYPES, getdefaulttensortype

__all__ = [
    "Generator", "bernoulli", "cauchy", "exponential", "generator", "geometric", "getRNGState",
    "initialSeed", "logNormal", "manualSeed", "multinomial", "normal", "rand", "randn", "random",
    "randperm", "seed", "setRNGState", "uniform",
]


def __dir__() -> list[str]:
    return __all__


_TWO_PI = 2.0 * math.pi
_SCALE = 1.0 / 4294967296.0
_WORDS = 624


class Generator:
    """One random stream; the functions of this module use a shared one.

    All draws come from the 32-bit output of MT19937, as in Torch7: a uniform is one draw
    times 2**-32, two normals are made from two uniforms (Box-Muller) and the second is kept
    for the next call.
    """

    def __init__(self, seed: int = 5489) -> None:
        self._bits = np.random.MT19937()
        self._spare: Optional[tuple[float, float]] = None
        self.manualSeed(seed)

    def manualSeed(self, seed: int) -> None:
        """Restart the stream from ``seed`` (its low 32 bits, as in Torch7)."""
        self.initialSeed = int(seed)
        state: Any = np.random.RandomState(self.initialSeed & 0xFFFFFFFF).get_state(legacy=False)
        self._bits.state = state
        self._spare = None

    def getRNGState(self) -> dict[str, Any]:
        """Return the whole state: the generator's words, position and the spare normal."""
        state = self._bits.state["state"]
        return {
            "seed": self.initialSeed,
            "key": state["key"].copy(),
            "pos": int(state["pos"]),
            "spare": self._spare,
        }

    def setRNGState(self, state: dict[str, Any]) -> None:
        """Continue from a state that ``getRNGState`` returned."""
        key, position = np.asarray(state["key"], np.uint32), int(state["pos"])
        if key.shape != (_WORDS,) or not 0 <= position <= _WORDS:  # NumPy would read beyond its words
            raise ArgumentError(f"no state of a generator: {key.shape} words, the next one at {position}")
        self.initialSeed = state["seed"]
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        spare = state["spare"]
        self._spare = None if spare is None else (float(spare[0]), float(spare[1]))

    def raw(self, count: int) -> np.ndarray:
        """Return the next ``count`` 32-bit draws, uint64."""
        return self._bits.random_raw(count)

    def skip(self, count: int) -> None:
        """Pass over ``count`` 32-bit draws, as many uniforms; this needs no memory."""
        self._bits.random_raw(count, output=False)

    def uniforms(self, count: int) -> np.ndarray:
        """Return ``count`` draws from [0, 1), float64."""
        return self._bits.random_raw(count) * _SCALE

    def normals(self, count: int) -> np.ndarray:
        """Return ``count`` standard normal draws, float64."""
        result = np.empty(count)
        filled = 0
        if count and self._spare is not None:
            angle, radius = self._spare
            result[0] = radius * math.sin(_TWO_PI * angle)
            self._spare = None
            filled = 1
        pairs = (count - filled + 1) // 2
        uniforms = self.uniforms(2 * pairs)
        angles = uniforms[0::2]
        radii = np.sqrt(-2.0 * _each(math.log, 1.0 - uniforms[1::2]))
        turns = _TWO_PI * angles
        left = count - filled
        result[filled::2] = radii * _each(math.cos, turns)
        result[filled + 1 :: 2] = (radii * _each(math.sin, turns))[: left // 2]
        if left % 2:
            self._spare = (float(angles[-1]), float(radii[-1]))
        return result

    def exponentials(self, count: int, rate: float) -> np.ndarray:
        """Return ``count`` draws from the exponential distribution of this rate, float64."""
        return -1.0 / rate * _each(math.log, 1.0 - self.uniforms(count))

    def fillUniform(self, array: np.ndarray, a: float = 0.0, b: float = 1.0) -> np.ndarray:
        """Fill ``array`` in place with uniform draws from [a, b) and return it."""
        array[...] = (self.uniforms(array.size) * (b - a) + a).reshape(array.shape)
        return array

    def fillNormal(self, array: np.ndarray, mean: float = 0.0, stdv: float = 1.0) -> np.ndarray:
        """Fill ``array`` in place with normal draws and return it."""
        array[...] = (self.normals(array.size) * stdv + mean).reshape(array.shape)
        return array

    def fillBernoulli(self, array: np.ndarray, p: float = 0.5) -> np.ndarray:
        """Fill ``array`` in place with ones (probability ``p``) and zeros and return it."""
        array[...] = (self.uniforms(array.size) <= p).reshape(array.shape)
        return array


def _each(function: Any, values: np.ndarray) -> np.ndarray:
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


generator = Generator()
generator.manualSeed(int.from_bytes(os.urandom(4), "little"))


def manualSeed(seed: int) -> None:
    """Restart the shared stream: every later draw is the one Torch7 makes after this seed."""
    generator.manualSeed(seed)


def seed() -> int:
    """Seed the shared stream from the operating system and return the seed."""
    number = int.from_bytes(os.urandom(4), "little")
    generator.manualSeed(number)
    return number


def initialSeed() -> int:
    """Return the seed that the shared stream was last started from."""
    return generator.initialSeed


def getRNGState() -> dict[str, Any]:
    """Return the state of the shared stream."""
    return generator.getRNGState()


def setRNGState(state: dict[str, Any]) -> None:
    """Set the shared stream to a state that ``getRNGState`` returned."""
    generator.setRNGState(state)


def random(a: Optional[int] = None, b: Optional[int] = None) -> int:
    """Return a raw 32-bit draw; an integer of 1..a with one argument, a..b with two."""
    draw = int(generator.raw(1)[0])
    if a is None:
        return draw
    low, high = (1, a) if b is None else (a, b)
    if high < low:
        raise ArgumentError(f"random({low}, {high}): the upper bound must not be below the lower")
    return draw % (high + 1 - low) + low


def uniform(a: float = 0.0, b: float = 1.0) -> float:
    """Return a draw from [a, b)."""
    return float(generator.uniforms(1)[0]) * (b - a) + a


def normal(mean: float = 0.0, stdv: float = 1.0) -> float:
    """Return a draw from the normal distribution; raises ArgumentError unless stdv > 0."""
    if not stdv > 0:
        raise ArgumentError(f"normal: the standard deviation must be positive, got {stdv}")
    return float(generator.normals(1)[0]) * stdv + mean


def exponential(rate: float = 1.0) -> float:
    """Return a draw from the density rate * exp(-rate * x)."""
    return float(generator.exponentials(1, rate)[0])


def cauchy(median: float = 0.0, sigma: float = 1.0) -> float:
    """Return a draw from the Cauchy distribution."""
    return median + sigma * math.tan(math.pi * (float(generator.uniforms(1)[0]) - 0.5))


def logNormal(mean: float = 1.0, stdv: float = 2.0) -> float:
    """Return exp of a normal draw; raises ArgumentError unless stdv > 0."""
    return math.exp(normal(mean, stdv))


def geometric(p: float) -> int:
    """Return a draw from 1, 2, ...; Torch7's formula: int(log(1 - u) / log(p)) + 1."""
    if not 0 < p < 1:
        raise ArgumentError(f"geometric: p must lie between 0 and 1, got {p}")
    return int(math.log(1.0 - float(generator.uniforms(1)[0])) / math.log(p)) + 1


def bernoulli(p: float = 0.5) -> int:
    """Return 1 with probability ``p``, else 0."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"bernoulli: p must lie between 0 and 1, got {p}")
    return int(generator.uniforms(1)[0] <= p)


def rand(*sizes: int) -> np.ndarray:
    """Return a tensor of this shape of uniform draws, in the default type."""
    return generator.fillUniform(_new(sizes))


def randn(*sizes: int) -> np.ndarray:
    """Return a tensor of this shape of standard normal draws, in the default type."""
    return generator.fillNormal(_new(sizes))


def randperm(n: int) -> np.ndarray:
    """Return a random permutation of 1..n, shape ``(n,)``, in the default type."""
    order = np.arange(1, n + 1)
    for i, draw in enumerate(generator.raw(max(n - 1, 0)).tolist()):
        j = draw % (n - i) + i
        order[i], order[j] = order[j], order[i]
    return order.astype(TENSOR_TYPES[getdefaulttensortype()])


def multinomial(
    probabilities: Union[np.ndarray, Sequence[float]], n: int, replacement: bool = False
) -> np.ndarray:
    """Draw ``n`` indices, counted from 1, from the rows of ``probabilities``.

    ``probabilities`` is ``(K,)`` or ``(R, K)``, not negative, not necessarily summing to 1.
    Returns ``(n,)`` or ``(R, n)``, int64. Without replacement an index is drawn once a row.
    Raises ``ArgumentError`` for negative or all-zero rows and for more draws without
    replacement than there are positive entries.
    Source: https://github.com/torch/torch7/blob/master/doc/maths.md#torchmultinomial
    """
    table = np.atleast_2d(np.asarray(probabilities, np.float64))
    if np.any(table < 0) or not np.all(np.isfinite(table)) or np.any(table.sum(1) <= 0):
        raise ArgumentError("multinomial: every row needs finite entries >= 0 with a positive sum")
    if n < 1 or (not replacement and np.any((table > 0).sum(1) < n)):
        raise ArgumentError(
            f"multinomial: cannot draw {n} without replacement from rows with "
            f"{int((table > 0).sum(1).min())} positive entries"
        )
    result = np.empty((len(table), n), np.int64)
    if replacement:
        for row, weights in enumerate(table):
            result[row] = _pick(weights, generator.uniforms(n))
    else:
        table = table.copy()
        for draw in range(n):
            for row, uniform_draw in enumerate(generator.uniforms(len(table))):
                index = int(_pick(table[row], np.array([uniform_draw]))[0])
                result[row, draw] = index
                table[row, index - 1] = 0.0
    return result[0] if np.ndim(probabilities) == 1 else result


def _pick(weights: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Map uniform draws to 1-based indices through the cumulative distribution."""
    total = np.cumsum(weights)
    cumulative = total / total[-1]
    cumulative[np.flatnonzero(weights)[-1] :] = 1.0
    return np.searchsorted(cumulative, draws, side="left") + 1


def _new(sizes: Sequence[int]) -> np.ndarray:
    shape = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    return np.empty(shape, TENSOR_TYPES[getdefaulttensortype()])
