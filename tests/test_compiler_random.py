"""Random graphs and steps over time, called in any order: engine, NumPy plan, native code and PyTorch agree.

Set ``MINIGRAPH_FUZZ=100`` for a hundred times as many.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from typing import Any, Callable

import pytest
from compiling import NATIVE, NUMPY, THREADS, choose
from fuzzing.kinds import Grown
from fuzzing.networks import graph, unrolled
from fuzzing.passes import Difference
from fuzzing.series import check

from minigraph.compiler.program import vjps

TIMES = int(os.environ.get("MINIGRAPH_FUZZ", "1"))
#: How many networks, graphs and steps each; native code takes time to compile.
COUNTS = {"numpy": 30, "native": 5, "threads": 3}


def compare(make: Callable[..., Grown], executor: str, first: int, count: int) -> Counter[str]:
    """Compare networks of ``count`` seeds, a third of them in float32."""
    modes = ("engine", "numpy" if executor == "numpy" else "native")
    types = {seed: "double" if seed % 3 else "float" for seed in range(first, first + count)}
    return Counter(check(partial(make, seed, types[seed]), seed, modes) for seed in types)


@pytest.mark.parametrize("executor", [NUMPY, NATIVE, THREADS])
@pytest.mark.parametrize("make", [graph, unrolled])
def test_all_modes_agree(make: Any, executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(executor, monkeypatch)
    first = 1000 * list(COUNTS).index(executor) * TIMES
    found = compare(make, executor, first, COUNTS[executor] * TIMES)
    assert found["same"] > 0.8 * found.total()


def test_a_wrong_derivative_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = vjps.VJPS["tanh"]
    monkeypatch.setitem(vjps.VJPS, "tanh", lambda b, op, g: [b.mul(d, 1.01) for d in right(b, op, g)])
    with pytest.raises(Difference, match="instead of"):
        compare(graph, "numpy", 0, 60)
