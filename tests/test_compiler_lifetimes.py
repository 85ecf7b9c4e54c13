"""Lifetimes: what lives at the same time lies apart, and nothing else needs room of its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minigraph.compiler.memory.lifetimes import Tenant, offsets

TENANTS = st.lists(
    st.tuples(st.integers(1, 500), st.integers(0, 9), st.integers(0, 5)).map(
        lambda t: Tenant(t[0], t[1], t[1] + t[2])
    ),
    max_size=25,
)


@given(TENANTS)
def test_tenants_of_one_time_lie_apart(tenants: list[Tenant]) -> None:
    places, total = offsets(tenants)
    for a, (mine, tenant) in enumerate(zip(places, tenants)):
        assert mine % 64 == 0 and mine + tenant.size <= total
        for theirs, other in list(zip(places, tenants))[:a]:
            together = tenant.start <= other.end and other.start <= tenant.end
            if together:
                assert mine + tenant.size <= theirs or theirs + other.size <= mine


def test_a_chain_needs_the_room_of_two() -> None:
    chain = [Tenant(640, k, k + 1) for k in range(20)]
    places, total = offsets(chain)
    assert total == 2 * 640
    assert set(np.diff(places)) <= {640, -640}


def test_no_tenants_no_memory() -> None:
    assert offsets([]) == ([], 0)
