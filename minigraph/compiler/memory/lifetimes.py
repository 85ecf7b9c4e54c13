"""Lifetimes: values that are never needed at the same time share memory.

A value lives from the segment that computes it to the last segment that reads it. Within a segment
nothing is shared: its operations may run on several threads, each with rows of its own.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence


class Tenant(NamedTuple):
    """Something that needs ``size`` bytes from segment ``start`` to segment ``end``."""

    size: int
    start: int
    end: int


def offsets(tenants: Sequence[Tenant], alignment: int = 64) -> tuple[list[int], int]:
    """Return where each tenant lies in one block of memory, and how large that is.

    Largest first, each at the lowest place that nobody has who lives at the same time.
    Source: the greedy-by-size strategy of https://arxiv.org/abs/2001.03288
    """
    places = [0] * len(tenants)
    settled: list[tuple[int, int, Tenant]] = []
    total = 0
    for number in sorted(range(len(tenants)), key=lambda k: -tenants[k].size):
        tenant = tenants[number]
        place = 0
        for start, end, other in sorted(settled, key=lambda entry: entry[0]):
            apart = other.end < tenant.start or tenant.end < other.start
            if apart or end <= place:
                continue
            if start >= place + tenant.size:
                break
            place = -(-end // alignment) * alignment
        places[number] = place
        settled.append((place, place + tenant.size, tenant))
        total = max(total, place + tenant.size)
    return places, total
