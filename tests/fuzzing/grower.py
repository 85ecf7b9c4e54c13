"""Grows a graph node by node, each tried on an example, so that it fits and its numbers stay small.

Tables are nested up to four deep; modules are shared between nodes, and parameters between modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

import minigraph as mg
from fuzzing.kinds import DEEPEST, Kind, make
from fuzzing.layers import Chance, combining, criterion, depth, module_for, step, target
from minigraph import nn
from minigraph.errors import MinigraphError
from minigraph.graph import Node
from minigraph.nn.module import Module
from minigraph.tables import is_table, leaves, map_table


@dataclass(eq=False)
class Made:
    """A node with an example of its value; ``count`` for indices."""

    node: Node
    value: Any
    count: int = 0
    used: bool = False


class Grower:
    """Grows one graph."""

    def __init__(self, c: Chance, inner: int = 1) -> None:
        self.c = c
        #: Whether some modules are of another type than the network.
        self.mixed = c.maybe(0.02)
        self.inner = inner
        self.made: list[Made] = []
        self.modules: list[Module] = []

    def input(self, kind: Kind, batch: int) -> Made:
        """Add an input."""
        entry = Made(nn.Identity()(), make(kind, self.c, batch), 0 if is_table(kind) else kind.count)
        self.made.append(entry)
        return entry

    def floats(self) -> list[Made]:
        """What is not an index."""
        return [entry for entry in self.made if not entry.count]

    def tensors(self) -> list[Made]:
        return [entry for entry in self.floats() if not is_table(entry.value)]

    def add(self, module: Optional[Module], sources: list[Made]) -> Optional[Made]:
        """Call a module on nodes, if it takes such values."""
        if module is None:
            return None
        value = [entry.value for entry in sources] if len(sources) > 1 else sources[0].value
        try:
            module.training()
            found = map_table(np.copy, module.forward(value))
        except MinigraphError:
            return None
        finally:
            module.clearState()
        if not _modest(found):
            return None
        if self.mixed and self.c.maybe(0.3):
            module = nn.DontCast(module.float(), True) if self.c.maybe(0.3) else module.float()
        self.modules.append(module)
        made = Made(module([entry.node for entry in sources]), found)
        for entry in sources:
            entry.used = True
        self.made.append(made)
        return made

    def grow(self, count: int) -> None:
        """Add about ``count`` nodes."""
        for index in [entry for entry in self.made if entry.count]:
            self.lookup(index)
        for _ in range(count):
            if not self.floats():
                return
            self.c.rng.choice(
                [self.single, self.several, self.nested, self.split, self.again, self.loss, self.picked,
                 self.network],
                p=[0.48, 0.2, 0.07, 0.08, 0.07, 0.05, 0.02, 0.03],
            )()

    def lookup(self, index: Made) -> None:
        c = self.c
        table = nn.LookupTable(index.count, c.width(), c.one([0, 0, 1]))
        if c.maybe(0.05):
            table.setMaxNorm(1.0)
        self.add(nn.OneHot(index.count) if c.maybe(0.1) else table, [index])

    def single(self) -> None:
        entry = self.c.one(self.floats())
        self.add(module_for(self.c, entry.value), [entry])

    def several(self) -> None:
        """Combine nodes of one shape; where there is but one, with what a layer makes of it."""
        c = self.c
        first = c.one(self.tensors() or self.floats())
        if is_table(first.value):
            return
        alike = [entry for entry in self.tensors() if np.shape(entry.value) == np.shape(first.value)]
        chosen = c.some(alike, 1 + c.below(3)) if len(alike) > 1 else [first, first]
        if c.maybe(0.08) and first.value.ndim == 2:
            gates = nn.Sequential().add(nn.Linear(first.value.shape[1], len(chosen))).add(nn.SoftMax())
            gater, experts = self.add(gates, [first]), self.add(nn.FlattenTable(), chosen)
            if gater is not None and experts is not None:
                self.add(nn.MixtureTable(), [gater, experts])
        elif len(chosen) > 1:
            self.add(combining(c, [entry.value for entry in chosen]), chosen)

    def nested(self) -> None:
        """Make a table of nodes, some of them in a table of their own."""
        chosen = self.c.some(self.floats(), 1 + self.c.below(3))
        boxed = [self.c.maybe(0.3) for _ in chosen]
        value = [[entry.value] if box else entry.value for entry, box in zip(chosen, boxed)]
        if _modest(value):
            for entry in chosen:
                entry.used = True
            items = [[entry.node] if box else entry.node for entry, box in zip(chosen, boxed)]
            self.made.append(Made(mg.nest(items), value))

    def split(self) -> None:
        tables = [entry for entry in self.floats() if is_table(entry.value) and len(entry.value) <= 5]
        if tables:
            whole = self.c.one(tables)
            whole.used = True
            for node, value in zip(whole.node.split(len(whole.value)), whole.value):
                self.made.append(Made(node, value))

    def again(self) -> None:
        """Call a module once more, or one that has the same parameters, all or some."""
        c = self.c
        if not self.modules:
            return
        module = c.one(self.modules)
        every = "weight", "bias", "gradWeight", "gradBias"
        shared = c.one([None, None, every, ("weight", "gradWeight"), ("weight", "bias")])
        entry = c.one(self.floats())
        if isinstance(module, nn.LookupTable) and not is_table(entry.value) and c.maybe(0.7):
            tied = nn.Linear(module.weight.shape[1], module.weight.shape[0], False)
            self.add(tied.share(module, "weight", "gradWeight"), [entry])
            return
        if type(module) is nn.Linear and c.maybe(0.3):
            tied = nn.Linear(*module.weight.shape, False)
            tied.weight, tied.gradWeight = module.weight.T, module.gradWeight.T
            self.add(tied, [entry])
            return
        self.add(module if shared is None else module.clone(*shared), [entry])

    def loss(self) -> None:
        """Add a criterion: on classes where there are labels, else on what a node has."""
        c = self.c
        pairs = [
            (entry, labels) for entry in self.tensors() for labels in self.made
            if labels.count and entry.value.ndim == 2 and labels.value.shape == entry.value.shape[:1]
        ]
        if pairs and c.maybe(0.5):
            entry, labels = c.one(pairs)
            scores = self.add(nn.Linear(entry.value.shape[1], labels.count), [entry])
            weights = np.linspace(0.5, 1.5, labels.count) if c.maybe(0.5) else None
            kind = c.one([nn.CrossEntropyCriterion, nn.ClassNLLCriterion])
            if scores is not None and kind is nn.ClassNLLCriterion:
                scores = self.add(nn.LogSoftMax(), [scores])
            self.judge(kind(weights, c.maybe(0.5)), scores, labels)
            return
        entry = c.one(self.floats())
        made, into = criterion(c, entry.value)
        prediction = self.add(into, [entry])
        wanted = entry.value[0] if is_table(entry.value) else entry.value
        if prediction is None or is_table(wanted):
            return
        alike = [each for each in self.tensors() if each.value.shape == wanted.shape]
        if alike:
            self.judge(made, prediction, self.add(target(c, made), [c.one(alike)]))

    def judge(self, criterion: Any, prediction: Optional[Made], target: Optional[Made]) -> None:
        if prediction is not None and target is not None:
            node = self.c.one([nn.ModuleFromCriterion, nn.CriterionTable])(criterion)
            self.add(node, [prediction, target])

    def picked(self) -> None:
        """Pick entries: by an index, or by a mask, which gives another number of them each time."""
        c = self.c
        entry = c.one(self.tensors() or self.floats())
        if is_table(entry.value):
            return
        indices = [each for each in self.made if each.count and each.value.ndim == 1]
        if indices:
            index, axis = c.one(indices), c.below(entry.value.ndim)
            if entry.value.shape[axis] >= index.count:
                self.add(nn.Index(axis + 1), [entry, index])
        elif self.inner:
            mask = self.add(step(), [entry])
            if mask is not None:
                self.add(nn.MaskedSelect(), [entry, mask])

    def network(self) -> None:
        """Add a network inside the network, or one over time."""
        if not self.inner:
            return
        chosen = self.c.some(self.floats(), 1 + self.c.below(2))
        inside = Grower(self.c, self.inner - 1)
        inside.modules.extend(self.modules)
        inputs = [Made(nn.Identity()(), entry.value) for entry in chosen]
        inside.made.extend(inputs)
        if self.c.maybe(0.3) and not any(is_table(e.value) or e.value.ndim < 2 for e in chosen):
            for entry in inputs:
                entry.value = entry.value[0]
        inside.grow(3)
        net: Module = nn.gModule([entry.node for entry in inputs], inside.outputs())
        if self.c.maybe(0.1):
            net = mg.compile(net)
        over_time = any(mine.value is not entry.value for mine, entry in zip(inputs, chosen))
        self.add(mg.rnn.Unroll(net) if over_time and isinstance(net, nn.gModule) else net, chosen)

    def outputs(self) -> list[Node]:
        """What nothing uses, and some of the rest; in nested tables where there is much."""
        c = self.c
        left = [entry for entry in self.made if not entry.used]
        left += [entry for entry in self.floats() if entry.used and c.maybe(0.1)]
        nodes = [entry.node for entry in c.some(left, len(left))]
        nodes = nodes or [c.one(self.floats()).node]
        while len(nodes) > 3 or (len(nodes) > 1 and c.maybe(0.15)):
            taken, nodes = nodes[:2], nodes[2:]
            nodes.append(mg.nest(*taken))
        return nodes


def _modest(value: Any) -> bool:
    found = [leaf for _, leaf in leaves(value)]
    return (
        depth(value) <= DEEPEST and 0 < len(found) <= 10
        and all(leaf.size and leaf.ndim <= 4 for leaf in found) and sum(leaf.size for leaf in found) <= 200
        and all(np.isfinite(leaf).all() and np.abs(leaf).max() < 10 for leaf in found)
    )
