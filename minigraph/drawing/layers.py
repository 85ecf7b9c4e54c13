"""Which nodes belong to one layer of a network, told from their names.

Names repeat from layer to layer with something that tells the layers apart: ``l1.i2h`` and
``l2.i2h``, ``layer1_i2h``, ``enc/fc``, ``i2h_1``, ``i2h[0]``, ``next_c1``. Each way of writing it
is tried; one counts only if the same stem (``i2h``) appears in at least two layers and at
least two layers hold two nodes or more, so that ``fc1, fc2, fc3`` stays ungrouped.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Mapping

# Each has the groups ``layer`` and ``stem``; a stem has a letter, so ``s.1`` is no layer.
_SCHEMES = [
    re.compile(r"(?P<layer>[^./:]+)[./:]+(?P<stem>.*[^\W\d].*)"),
    re.compile(r"(?P<layer>[^\W\d]+_?\d+)[_\- ](?P<stem>.*[^\W\d].*)"),
    re.compile(r"(?P<stem>.*[^\W\d].*?)[_\- ](?:l|layer)?_?(?P<layer>\d+)"),
    re.compile(r"(?P<stem>.*[^\W\d].*?)\[(?P<layer>\d+)\]"),
    re.compile(r"(?P<stem>.*[^\W\d])(?P<layer>\d+)"),
]


def layers_by_name(names: Mapping[int, str]) -> dict[int, str]:
    """Return the layer of each named node that belongs to one, ``{}`` if there are no layers.

    ``names`` maps numbers of nodes to names. The scheme that groups most nodes wins, the
    earlier one at a tie; it must reach at least half of the named nodes.
    """
    best: dict[int, str] = {}
    for scheme in _SCHEMES:
        grouped = _group(names, scheme)
        if len(grouped) > len(best) and 2 * len(grouped) >= len(names):
            best = grouped
    return best


def _group(names: Mapping[int, str], scheme: "re.Pattern[str]") -> dict[int, str]:
    stems: dict[str, set[str]] = defaultdict(set)
    layer_of: dict[int, str] = {}
    for number, name in names.items():
        match = scheme.fullmatch(name)
        if match:
            layer_of[number] = match["layer"]
            stems[match["layer"]].add(match["stem"])
    layers = [layer for layer, found in stems.items() if len(found) > 1]
    shared = set()
    for i, layer in enumerate(layers):
        for other in layers[i + 1 :]:
            shared |= stems[layer] & stems[other]
    if not shared:
        return {}
    return {number: layer for number, layer in layer_of.items() if layer in layers}


def spread(
    layer_of: Mapping[int, str],
    free: set[int],
    consumers: Mapping[int, set[int]],
    producers: Mapping[int, set[int]],
) -> dict[int, str]:
    """Return ``layer_of`` with the ``free`` (unnamed) nodes that lie inside a layer added.

    A free node joins the layer that all of its consumers, or else all of its producers, are in.
    """
    result = dict(layer_of)
    changed = True
    while changed:
        changed = False
        for neighbours in (consumers, producers):
            for number in sorted(free - result.keys()):
                around = {result.get(other, "") for other in neighbours.get(number, ())}
                if len(around) == 1 and "" not in around:
                    result[number] = around.pop()
                    changed = True
    return result


def natural_key(layer: str) -> list[tuple[int, str]]:
    """Return what sorts names with numbers as people do: ``l2`` before ``l10``."""
    parts = re.split(r"(\d+)", layer)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def layer_title(layer: str) -> str:
    """Return what a cluster is headed with: ``layer 1`` for a bare number, else the name."""
    return f"layer {layer}" if layer.isdigit() else layer
