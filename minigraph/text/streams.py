"""Streams: the random numbers of a run, the same for one process and for many.

Every process of a group holds the stream of the one process that it stands for a part of. It
takes the numbers of its own rows from it and passes over those of the others, so that the masks of
dropout do not depend on how many processes share a batch, and a checkpoint holds one stream.
"""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph import nn, random

_WORDS = 624
_LENGTH = _WORDS + 4  # the words, the position, whether a normal is spare, and what it is made from


class DropoutOfRows(nn.Dropout):
    """Dropout of some rows of a batch: the rows from ``first`` on, of ``batch_size`` in all.

    Input ``(rows, ...)``. A forward draws the mask of the whole batch as ``nn.Dropout`` does and
    keeps that of its rows.
    """

    def __init__(self, p: Optional[float], first: int, batch_size: int) -> None:
        super().__init__(p)
        self.first, self.batch_size = first, batch_size

    def _draw(self, shape: tuple[int, ...]) -> np.ndarray:
        rows, entries = shape[0], int(np.prod(shape[1:]))
        random.generator.skip(self.first * entries)
        noise = super()._draw(shape)
        random.generator.skip((self.batch_size - self.first - rows) * entries)
        return noise


def keep_to_rows(net: nn.Module, first: int, batch_size: int) -> None:
    """Let every Dropout in ``net`` be one of the rows from ``first`` on, of ``batch_size``."""

    def of_rows(module: nn.Module) -> nn.Module:
        if type(module) is not nn.Dropout:
            return module
        mine = DropoutOfRows(module.p, first, batch_size)
        mine.type(module._type)
        return mine

    net.replace(of_rows)


def stream_array() -> np.ndarray:
    """Return the state of the random stream, ``(628,)`` float64."""
    state = random.getRNGState()
    array = np.zeros(_LENGTH)
    array[:_WORDS] = state["key"]  # 32-bit words, exact in float64
    array[_WORDS] = state["pos"]
    if state["spare"] is not None:
        array[_WORDS + 1] = 1
        array[_WORDS + 2 :] = state["spare"]
    return array


def restore_stream(array: np.ndarray, seed: int) -> None:
    """Set the random stream from ``stream_array``; ``seed`` is what it was started from."""
    random.setRNGState({
        "seed": seed,
        "key": array[:_WORDS].astype(np.uint32),
        "pos": int(array[_WORDS]),
        "spare": tuple(array[_WORDS + 2 :].tolist()) if array[_WORDS + 1] else None,
    })
