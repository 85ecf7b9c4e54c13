"""Streams: the random generators of a group's processes as one array, for checkpoints."""

from __future__ import annotations

import numpy as np

from minigraph import random
from minigraph.errors import StateError
from minigraph.text.group import Group

_WORDS = 624
_LENGTH = _WORDS + 4  # the words, the position, whether a normal is spare, and what it is made from


def gather_streams(group: Group) -> np.ndarray:
    """Return the state of the random stream of every rank, ``(size, 628)`` float64."""
    state = random.getRNGState()
    table = np.zeros((group.size, _LENGTH))
    mine = table[group.rank]
    mine[:_WORDS] = state["key"]  # 32-bit words, exact in float64
    mine[_WORDS] = state["pos"]
    if state["spare"] is not None:
        mine[_WORDS + 1] = 1
        mine[_WORDS + 2 :] = state["spare"]
    group.allreduce(table.reshape(-1))
    return table


def restore_stream(table: np.ndarray, group: Group, seed: int, drawing: bool) -> None:
    """Set this rank's random stream from ``gather_streams``.

    Raises ``StateError`` where the training draws random numbers (``drawing``) and the checkpoint is
    of another number of processes, whose streams cannot be continued.
    """
    if drawing and len(table) != group.size:
        raise StateError(
            f"the checkpoint is of {len(table)} process(es), these are {group.size}: with --dropout each "
            "draws its own random numbers, so a run goes on with as many as it began with"
        )
    row = table[min(group.rank, len(table) - 1)]
    random.setRNGState({
        "seed": seed,
        "key": row[:_WORDS].astype(np.uint32),
        "pos": int(row[_WORDS]),
        "spare": tuple(row[_WORDS + 2 :].tolist()) if row[_WORDS + 1] else None,
    })
