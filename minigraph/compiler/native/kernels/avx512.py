"""An instruction that only AVX-512 has and that saves six others in every exponential.

(Its estimate of a reciprocal was tried in place of divisions: on Zen 5 the division is faster.)
"""

from __future__ import annotations

from typing import Optional

from minigraph.compiler.native.llvm.function import Function, Value

_LETTERS = {"<16 x float>": "ps", "<8 x double>": "pd"}


def scaled(function: Function, value: Value, exponent: Value) -> Optional[Value]:
    """``value * 2 ** exponent`` for whole numbers in ``exponent``, rounded once.

    None where the vectors do not fill AVX-512's registers; the caller then does without.
    """
    if value.type not in _LETTERS:
        return None
    every_lane = Value(function, "i16" if _LETTERS[value.type] == "ps" else "i8", "-1")
    rounding = Value(function, "i32", "4")  # as everywhere else
    name = f"llvm.x86.avx512.mask.scalef.{_LETTERS[value.type]}.512"
    arguments = [value, exponent, value, every_lane, rounding]
    return function.call(name, value.type, arguments)
