"""Networks beside what ``mg.compile`` makes of them: executors to run with, passes to compare."""

from __future__ import annotations

import functools
from typing import Any, Callable

import numpy as np
import pytest

import minigraph as mg
from minigraph.compiler.native import pool, writer
from minigraph.compiler.native.llvm import jit
from minigraph.random import generator
from minigraph.tables import copy_table, leaves

_native = [
    pytest.mark.fast,
    pytest.mark.skipif(not jit.available(), reason="llvmlite is not installed"),
]
NUMPY = pytest.param("numpy")
NATIVE = pytest.param("native", marks=_native)
THREADS = pytest.param("threads", marks=_native)
native_only = functools.reduce(lambda f, mark: lambda test: mark(f(test)), _native, lambda test: test)


@functools.cache
def two_threads() -> pool.Pool:
    return pool.Pool(2)


@functools.cache
def one_thread() -> pool.Pool:
    return pool.Pool(1)


def choose(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run compiled programs in NumPy, in native code, or in native code that shares all it can."""
    monkeypatch.setenv("MINIGRAPH_NATIVE", "0" if executor == "numpy" else "1")
    if executor != "numpy":
        monkeypatch.setattr(pool, "_pool", two_threads() if executor == "threads" else one_thread())
    if executor == "threads":
        monkeypatch.setattr(writer, "WORTH_SHARING", 0)
        monkeypatch.setattr(writer, "ROWS_PER_THREAD", 1)


def pair(make: Callable[[], Any], seed: int = 1) -> tuple[Any, Any]:
    """Return a network and, compiled, another one made alike."""
    made = []
    for _ in range(2):
        mg.manualSeed(seed)
        made.append(make())
    return made[0], mg.compile(made[1])


def one_pass(net: Any, input: Any, gradOutput: Any, seed: int = 7) -> list[Any]:
    """Return copies of output, gradInput, parameters' gradients, and the next random number."""
    mg.manualSeed(seed)
    net.zeroGradParameters()
    output = copy_table(net.forward(input))
    gradInput = copy_table(net.backward(input, gradOutput))
    drawn = float(generator.uniforms(1)[0])
    return [output, gradInput, [gradient.copy() for gradient in net.parameters()[1]], drawn]


def same(actual: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Compare tables; the tolerance is relative to each array's largest entry, at least 1."""
    actual, expected = dict(leaves(actual)), dict(leaves(expected))
    assert list(actual) == list(expected)
    for path, wanted in expected.items():
        assert np.shape(actual[path]) == np.shape(wanted), path
        assert np.asarray(actual[path]).dtype == np.asarray(wanted).dtype, path
        if np.size(wanted):
            scale = max(1.0, float(np.abs(wanted).max()))
            np.testing.assert_allclose(
                actual[path], wanted, rtol=0, atol=tolerance * scale, err_msg=str(path)
            )


def agree(
    net: Any, fast: Any, input: Any, gradOutput: Any, tolerance: float = 1e-12, times: int = 2
) -> None:
    """Compare a pass of both, the compiled one's several times, from the same random numbers."""
    expected = one_pass(net, input, gradOutput)
    for _ in range(times):
        actual = one_pass(fast, input, gradOutput)
        same(actual[:3], expected[:3], tolerance)
        assert actual[3] == expected[3], "the random stream went another way"


def failure(call: Callable[[], Any]) -> str:
    """Return type and text of what ``call`` raises, ``''`` if nothing."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
