"""Group: the processes that train one model together, each on its rows of every batch."""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np

from minigraph.errors import ArgumentError


class Group(Protocol):
    """What the trainer asks of a group of processes.

    ``rank`` counts from 0 to ``size - 1``; ``allreduce`` replaces a 1-d contiguous array by its sum
    over all ranks, in place, the same on every rank. Rank 0 alone writes files and progress.
    """

    @property
    def rank(self) -> int:
        """The number of this process."""

    @property
    def size(self) -> int:
        """How many processes there are."""

    def allreduce(self, array: np.ndarray) -> None:
        """Add up ``array`` over the processes, in place."""


class Alone:
    """The group of one process."""

    rank = 0
    size = 1

    def allreduce(self, array: np.ndarray) -> None:
        """Leave ``array`` as it is: it is the whole sum."""


def alike(group: Group, facts: bytes) -> bool:
    """Tell whether all processes called this with the same ``facts``; all get the same answer."""
    mine = np.frombuffer(hashlib.sha256(facts).digest(), np.uint16).astype(np.float64)
    total = mine.copy()
    group.allreduce(total)
    # The whole numbers are all the same exactly if each is their mean.
    odd = np.array([float((total != group.size * mine).any())])
    group.allreduce(odd)
    return not odd[0]


def rows_of(group: Group, batch_size: int) -> tuple[int, int]:
    """Return the first row of this rank and the one after its last; the ranks share them evenly.

    Raises ``ArgumentError`` if there are more ranks than rows.
    """
    if group.size > batch_size:
        raise ArgumentError(
            f"{group.size} processes cannot share --batch-size {batch_size}: each needs at least one row"
        )
    return batch_size * group.rank // group.size, batch_size * (group.rank + 1) // group.size
