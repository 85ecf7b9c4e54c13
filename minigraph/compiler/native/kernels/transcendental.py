"""exp, log, log1p, tanh and sigmoid of whole vectors, in float32 and float64, without branches.

All rest on one reduction: ``x = n ln 2 + r`` with ``|r| <= ln 2 / 2``, ln 2 taken in two parts so that
``r`` is exact to the last bit, and ``exp(r) - 1 = r + r² q(r)`` with a polynomial ``q`` of near-minimax
coefficients. ``tanh`` is ``e / (e + 2)`` with ``e = exp(2|x|) - 1``, accurate for small ``x`` too because
``e`` never loses digits; ``sigmoid`` uses ``exp(-|x|)``, which cannot overflow. Measured errors: at
most 2.5 ulp over all numbers, including subnormal results; infinities and NaN as
in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from minigraph.compiler.native.kernels import avx512
from minigraph.compiler.native.llvm.function import Function, Value, split_type, with_scalar


@dataclass(frozen=True)
class _Format:
    """What the formulas need to know of a floating-point format."""

    integer: str
    mantissa_bits: int
    bias: int
    ln2: tuple[float, float]  # the first part has so few digits that its product with n is exact
    exp_bounds: tuple[float, float]  # beyond these the result is 0 or infinite
    tanh_bound: float  # from here on the result rounds to 1
    q: tuple[float, ...]  # (exp(r) - 1 - r) / r², lowest power first
    log_series: tuple[float, ...]  # (log((1 + s) / (1 - s)) - 2 s) / s³ in powers of s²


_FORMATS = {
    "float": _Format(
        "i32", 23, 127, (0.693145751953125, 1.4286068203094173e-06), (-104.0, 89.0), 9.2,
        (0.5, 0.16666576845993977, 0.04166655443768594, 0.008363202971575855, 0.0013926213466332444),
        (0.6666666655352537, 0.4000012263369878, 0.2855073084477381, 0.2333291280436864),
    ),
    "double": _Format(
        "i64", 52, 1023, (0.693147180559663, 2.8235290563031577e-13), (-746.0, 710.0), 19.2,
        (0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326112, 0.001388888888888373,
         0.0001984126987490126, 2.4801587325605324e-05, 2.7557255297969643e-06, 2.755727357010214e-07,
         2.5105259538448494e-08, 2.0914717341716378e-09),
        (0.6666666666666666, 0.4000000000000089, 0.2857142857079543, 0.2222222239356661,
         0.18181795442371984, 0.1538625044794019, 0.13268485680654427, 0.13089629160674623),
    ),
}  # fmt: skip
_LOG2_E = 1.4426950408889634


def _format(x: Value) -> _Format:
    return _FORMATS[split_type(x.type)[1]]


def _polynomial(function: Function, coefficients: Sequence[float], x: Value) -> Value:
    """Horner's rule, lowest power first."""
    result = function.value(x.type, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = function.multiply_add(result, x, coefficient)
    return result


class _Exponent:
    """A whole number ``n`` in each lane, known as a floating-point number and as an integer.

    AVX-512 has one instruction that multiplies by a power of two; elsewhere the power is put together from
    bits.
    """

    def __init__(self, function: Function, number: Value, integer: Value) -> None:
        self._function, self._number, self._integer = function, number, integer

    def power(self) -> Value:
        """``2 ** n`` where that is a normal number."""
        one = self._function.value(self._number.type, 1.0)
        return avx512.scaled(self._function, one, self._number) or self._power_from_bits(self._integer)

    def times(self, value: Value) -> Value:
        """``value * 2 ** n``, rounded once, also where the result is subnormal or infinite."""
        scaled = avx512.scaled(self._function, value, self._number)
        if scaled is not None:
            return scaled
        # In two steps, so that such a result comes out of the last product.
        half = self._integer >> 1
        return value * self._power_from_bits(half) * self._power_from_bits(self._integer - half)

    def _power_from_bits(self, n: Value) -> Value:
        format = _format(self._number)
        return ((n + format.bias) << format.mantissa_bits).cast("bitcast", self._number.type)


def _reduced(function: Function, x: Value) -> tuple[_Exponent, Value]:
    """``n`` and ``exp(r) - 1`` for ``x = n ln 2 + r``; a NaN stays in the second."""
    format = _format(x)
    # Adding this number leaves the nearest integer in the low bits: rounding and conversion in one.
    magic = function.value(x.type, 1.5 * 2.0**format.mantissa_bits)
    shifted = function.multiply_add(x, _LOG2_E, magic)
    n = shifted - magic
    r = function.multiply_add(n, -format.ln2[0], x)
    r = function.multiply_add(n, -format.ln2[1], r)
    integer = with_scalar(x.type, format.integer)
    count = shifted.cast("bitcast", integer) - magic.cast("bitcast", integer)
    less_one = function.multiply_add(r * r, _polynomial(function, format.q, r), r)
    return _Exponent(function, n, count), less_one


def _at_most(function: Function, x: Value, bound: float) -> Value:
    """The smaller of the two; a NaN stays."""
    return function.select(x.compare("ogt", bound), bound, x)


def _at_least(function: Function, x: Value, bound: float) -> Value:
    return function.select(x.compare("olt", bound), bound, x)


def exp(function: Function, x: Value) -> Value:
    """e to the power x."""
    return _exp_below(function, _at_most(function, x, _format(x).exp_bounds[1]))


def _exp_below(function: Function, x: Value) -> Value:
    """The exponential of numbers that are known not to exceed the upper bound."""
    n, less_one = _reduced(function, _at_least(function, x, _format(x).exp_bounds[0]))
    return n.times(less_one + 1.0)


def tanh(function: Function, x: Value) -> Value:
    """The hyperbolic tangent."""
    magnitude = _at_most(function, function.intrinsic("fabs", x), _format(x).tanh_bound)
    n, less_one = _reduced(function, magnitude + magnitude)
    scale = n.power()
    e = function.multiply_add(scale, less_one, scale - 1.0)
    return function.intrinsic("copysign", e / (e + 2.0), x)


def sigmoid(function: Function, x: Value) -> Value:
    """1 / (1 + exp(-x)), without overflow and with full relative accuracy for very negative x."""
    e = _exp_below(function, -function.intrinsic("fabs", x))
    numerator = function.select(x.compare("olt", 0.0), e, 1.0)
    return numerator / (e + 1.0)


def log(function: Function, x: Value) -> Value:
    """The natural logarithm: -inf at 0, NaN below."""
    format = _format(x)
    bits = format.mantissa_bits
    integer = with_scalar(x.type, format.integer)
    subnormal = x.compare("olt", 2.0 ** (1 - format.bias))
    scaled = function.select(subnormal, x * 2.0 ** (bits + 2), x).cast("bitcast", integer)
    # x = 2**k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), read off the bits.
    root_half = function.value(x.type, 0.5**0.5).cast("bitcast", integer)
    k = (scaled - root_half) >> bits
    f = (scaled - (k << bits)).cast("bitcast", x.type) - 1.0
    k = k - function.select(subnormal, function.value(integer, bits + 2), 0)
    exponent = k.cast("sitofp", x.type)
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    rest = s * function.multiply_add(z, _polynomial(function, format.log_series, z), half_square)
    low = function.multiply_add(exponent, format.ln2[1], rest)
    result = function.multiply_add(exponent, format.ln2[0], f - (half_square - low))
    infinite = float("inf")
    result = function.select(x.compare("oeq", 0.0), -infinite, result)
    result = function.select(x.compare("olt", 0.0), float("nan"), result)
    # True for a NaN as well: both stay what they are.
    return function.select(x.compare("ueq", infinite), x, result)


def log1p(function: Function, x: Value) -> Value:
    """log(1 + x), accurate for small x."""
    total = x + 1.0
    # What the sum lost, relative to it, is what the logarithm lacks.
    lost = function.select(
        function.intrinsic("fabs", x).compare("olt", 1.0), x - (total - 1.0), 1.0 - (total - x)
    )
    result = log(function, total)
    corrected = result + lost / total
    usual = (total.compare("ogt", 0.0)) & (total.compare("one", float("inf")))
    return function.select(usual, corrected, result)
