"""How the input and output tables of a network are nested, read off its graph.

Before anything has run, the nesting is known where nodes make tables (``mg.nest``, a
``ConcatTable``) or take them apart (``split``). A ``Slot`` is one place of such a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Optional, Sequence

from minigraph import nn
from minigraph.debug.names import module_text
from minigraph.graph import Node, NodeData

Entries = Optional[tuple["Slot", ...]]


@dataclass(frozen=True)
class Slot:
    """One place of a table: the node it belongs to and, if it is a table, its entries.

    ``entries`` is ``None`` for a tensor and where the graph does not say. ``hints`` are
    slots of single entries (by 0-based position) of a table of unknown length.
    """

    id: int
    label: str
    module: str
    location: str
    entries: Entries = None
    hints: dict[int, "Slot"] = field(default_factory=dict)
    #: Whether the slot stands for a node of the user's (not the whole of several outputs).
    real: bool = True

    @classmethod
    def of(cls, node: Node, entries: Entries = None) -> "Slot":
        """Return the slot of ``node``."""
        return cls(node.id, node.title(), module_text(node), node.location, entries)

    def entry(self, position: int) -> "Slot":
        """Return the slot at a 0-based position, of which nothing more need be known."""
        if self.entries is not None and position < len(self.entries):
            return self.entries[position]
        if position in self.hints:
            return self.hints[position]
        return replace(self, label=f"{self.label}[{position + 1}]", entries=None, hints={})


def input_nodes(net: nn.gModule) -> list[Node]:
    """Return the nodes that take the inputs, in order, as the forward graph holds them."""
    (first,) = _innode(net).children[:1]
    if net.nInputs == 1:
        return [first]
    return [part.children[0] for part in _parts(first)]


def output_nodes(net: nn.gModule) -> list[Node]:
    """Return the nodes that give the outputs, in order, as the backward graph holds them."""
    return _outnode(net).children


def input_structure(net: nn.gModule) -> Slot:
    """Return the slot of the whole input."""
    entries = tuple(_taken(node) for node in input_nodes(net))
    if net.nInputs == 1:
        return entries[0]
    return replace(Slot.of(_innode(net), entries), real=False)


def output_structure(net: nn.gModule) -> Slot:
    """Return the slot of the whole output."""
    known = {node.data: _taken(node) for node in input_nodes(net)}
    entries = tuple(_given(node, known) for node in output_nodes(net))
    if net.nOutputs == 1:
        return entries[0]
    return replace(Slot.of(_outnode(net), entries), real=False)


def _innode(net: nn.gModule) -> Node:
    return next(node for node in net.forwardnodes if node.data.role == "in")


def _outnode(net: nn.gModule) -> Node:
    return next(node for node in net.backwardnodes if node.data.role == "out")


def _parts(split: Node) -> list[Node]:
    """Return the parts of a split in order (of the forward graph, where each is a child)."""
    return sorted(set(split.children), key=lambda part: part.data.selectindex or 0)


# -- outputs: what a node gives -------------------------------------------------------------


def _given(node: Node, known: dict[NodeData, Slot]) -> Slot:
    """Return the slot of a node's output; ``known`` are the input nodes and what was found."""
    waiting = [node]  # a list of our own: a network may be deeper than Python lets functions nest
    while waiting:
        last = waiting[-1]
        missing = [] if last.data in known else [each for each in last.children if each.data not in known]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if last.data not in known:
            inputs = tuple(known[child.data] for child in last.children)
            whole = inputs[0] if len(inputs) == 1 else Slot.of(last, inputs or None)
            known[last.data] = Slot.of(last, _given_entries(last, whole))
    return known[node.data]


def _given_entries(node: Node, whole: Slot) -> Entries:
    """Return the entries of the output of a node whose input is ``whole``."""
    module = node.module
    if module is None or isinstance(module, nn.Identity):
        position = node.data.selectindex
        return whole.entries if position is None else whole.entry(position - 1).entries
    if isinstance(module, nn.JustTable):
        return (whole,)
    if isinstance(module, (nn.JustElement, nn.SelectTable)) and whole.entries:
        count = len(whole.entries)
        index = 1 if isinstance(module, nn.JustElement) else module.index
        return whole.entry(index - 1 if index > 0 else count + index).entries
    if isinstance(module, nn.NarrowTable) and whole.entries:
        return whole.entries[module.offset - 1 : module.offset - 1 + module.length]
    return _module_gives(module, Slot.of(node))


def _module_gives(module: nn.Module, slot: Slot) -> Entries:
    """Return the entries of a module's output as far as the module alone says."""
    if isinstance(module, nn.gModule):
        return _inside(slot, output_structure(module)).entries
    if isinstance(module, (nn.ConcatTable, nn.ParallelTable)):
        return tuple(
            replace(slot.entry(i), entries=_module_gives(below, slot.entry(i)))
            for i, below in enumerate(module.modules)
        )
    if isinstance(module, nn.Sequential) and module.modules:
        return _module_gives(module.modules[-1], slot)
    return None


def _inside(outer: Slot, inner: Slot) -> Slot:
    """Return ``inner``, a slot of a network that is a module of the node of ``outer``."""
    entries = None if inner.entries is None else tuple(_inside(outer, e) for e in inner.entries)
    label = f"{outer.label}/{inner.label}" if inner.real else outer.label
    return replace(inner, id=outer.id, label=label, entries=entries, hints={}, real=True)


# -- inputs: what the consumers of a node take -------------------------------------------------


def _taken(node: Node) -> Slot:
    """Return the slot of the value that a node takes as its only input, named after the node."""
    slot = Slot.of(node)
    if node.module is not None and not isinstance(node.module, nn.Identity):
        return replace(slot, entries=_module_takes(node.module, slot))
    candidates: list[tuple[Slot, ...]] = []
    hints: dict[int, Slot] = {}
    for consumer in node.children:
        if consumer.data.role == "split":
            candidates.append(tuple(_taken(part) for part in _parts(consumer)))
        elif isinstance(consumer.module, nn.SelectTable) and consumer.module.index > 0:
            hints.setdefault(consumer.module.index - 1, Slot.of(consumer))
        elif len(consumer.data.mapindex) == 1 and consumer.module is not None:
            entries = _taken(consumer).entries if isinstance(consumer.module, nn.Identity) else (
                _module_takes(consumer.module, slot)
            )
            candidates.extend([] if entries is None else [entries])
    return replace(slot, entries=_merge(candidates, node), hints=hints)


def _merge(candidates: Sequence[tuple[Slot, ...]], node: Node) -> Entries:
    """Return the entries that the consumers agree on, by preference those with names."""
    if not candidates:
        return None
    first = candidates[0]
    alike = [entries for entries in candidates if len(entries) == len(first)]
    merged = []
    for position in range(len(first)):
        options = [entries[position] for entries in alike]
        anonymous = (f"{node.title()}[{position + 1}]", f"<select {position + 1}>")
        best = next((option for option in options if option.label not in anonymous), options[0])
        nested = best.entries or next((option.entries for option in options if option.entries), None)
        merged.append(replace(best, entries=nested))
    return tuple(merged)


def _module_takes(module: nn.Module, slot: Slot) -> Entries:
    """Return the entries of a module's input table as far as the module alone says."""
    if isinstance(module, nn.gModule):
        return _inside(slot, input_structure(module)).entries
    if isinstance(module, nn.ParallelTable):
        return tuple(
            replace(slot.entry(i), entries=_module_takes(below, slot.entry(i)))
            for i, below in enumerate(module.modules)
        )
    if isinstance(module, (nn.CSubTable, nn.CDivTable, nn.ModuleFromCriterion)):
        return (slot.entry(0), slot.entry(1))
    if isinstance(module, nn.Sequential) and module.modules:
        return _module_takes(module.modules[0], slot)
    return None
