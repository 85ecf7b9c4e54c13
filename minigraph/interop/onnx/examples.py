"""Examples of other sizes: what they change is what stays free in an ONNX file.

From the example that the user gives, others are made with more samples in the batch and, where
there is a loop over time, with more time steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from minigraph import nn, rnn
from minigraph.errors import MinigraphError
from minigraph.tables import is_table, leaves, map_table

#: Steps added to the time; the batch grows by other numbers, so that the two can be told apart.
_STEPS, _SAMPLES = 4, (1, 2, 3)


class Other(NamedTuple):
    """An input of other sizes, and what the sizes that differ are called: ``{(5, 9): 'time'}``."""

    input: Any
    names: dict[tuple[int, int], str]


@dataclass(frozen=True)
class _Axes:
    """Where the time and the batch of a tensor are; ``None`` where it has none."""

    time: Optional[int]
    batch: Optional[int]


def boundary(net: Any, which: str) -> list[Any]:
    """Return the nodes of the inputs or outputs of a network, which have names; else none."""
    inner = net.step if isinstance(net, rnn.Unroll) else net
    return list(getattr(inner._network, which)) if isinstance(inner, nn.gModule) else []


def other_examples(net: Any, example: Any) -> Iterator[Other]:
    """Yield inputs of other sizes that the network takes and treats alike, last the example itself.

    The first ones leave most free.
    """
    ranks = _ranks(net.forward(example))
    layouts = _layouts(net, example)
    loops = any(isinstance(module, rnn.Unroll) for module in net.listModules())
    for time, batch in ((True, True), (False, True), (True, False)):
        if time and not loops:
            continue
        for layout in layouts:
            for samples in _SAMPLES if batch else (0,):
                other = _grown(example, layout, _STEPS if time else 0, samples)
                if other is None:
                    break
                try:
                    alike = _ranks(net.forward(other.input)) == ranks
                except MinigraphError:
                    continue
                if alike:
                    yield other
                    break
    yield Other(example, {})


def _layouts(net: Any, example: Any) -> list[Any]:
    """Return the places where time and batch may be, as tables like the example."""
    front = map_table(lambda leaf: _Axes(None, 0), example)
    if isinstance(net, rnn.Unroll):
        entries = example if net.step.nInputs > 1 else [example]
        found = [
            map_table(lambda leaf, k=k: _Axes(0, 1) if k in net._sequences else _Axes(None, 0), entry)  # type: ignore[misc]
            for k, entry in enumerate(entries)
        ]
        return [found if net.step.nInputs > 1 else found[0]]
    if not any(isinstance(module, rnn.Unroll) for module in net.listModules()):
        return [front]

    def guessed(leaf: Any, least: int) -> _Axes:
        sequence = leaf.ndim >= (least if leaf.dtype.kind in "iu" else 3)
        return _Axes(0, 1) if sequence else _Axes(None, 0)

    return [
        map_table(lambda leaf: guessed(leaf, 2), example), map_table(lambda leaf: guessed(leaf, 3), example),
        front,
    ]


def _grown(example: Any, layout: Any, steps: int, samples: int) -> Optional[Other]:
    """Return the example with more steps and samples, the first ones repeated; None if it has neither."""
    names: dict[tuple[int, int], str] = {}
    for what, more in (("time", steps), ("batch", samples)):
        if not more:
            continue
        size = next((
            leaf.shape[axis]
            for (_, leaf), (_, at) in zip(leaves(example), leaves(layout))
            if (axis := getattr(at, what)) is not None and leaf.ndim > axis
        ), None)
        if size is None:
            return None
        names[size, size + more] = what
        example = _repeated(example, layout, what, size, more)
    return Other(example, names)


def _repeated(example: Any, layout: Any, what: str, size: int, more: int) -> Any:
    if is_table(example):
        return [_repeated(entry, at, what, size, more) for entry, at in zip(example, layout)]
    axis = getattr(layout, what)
    if axis is None or example.ndim <= axis or example.shape[axis] != size:
        return example
    return np.concatenate([example, *[example.take([0], axis)] * more], axis)


def _ranks(table: Any) -> Any:
    return [_ranks(entry) for entry in table] if is_table(table) else np.ndim(table)
