"""Saved activations: a watcher that notices when they are overwritten before backward.

A network keeps no copies: what a node took as its input in ``forward`` is read again in
``backward``. Output buffers are reused, so an array that came out of a network and went in
again, uncopied, changes when its owner next runs, and the gradients would silently be those
of other numbers. This watcher fingerprints what every node takes and gives, and looks again
when the backward pass starts.
"""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass, field
from typing import Any, NoReturn, Optional

import numpy as np

from minigraph import nn
from minigraph.debug.owners import Owners, Writer
from minigraph.errors import StateError
from minigraph.graph import Node, NodeData
from minigraph.memory import root
from minigraph.nn.observer import Observer
from minigraph.tables import Path, describe, format_path, format_python_path, is_table, leaves, map_table


class ChangedError(StateError):
    """A saved value is no longer what it was.

    ``path`` is its slot in Torch's notation, ``node`` the node that saved it, and ``writer``
    the node that has written to its memory since (``None`` if no node did).
    """

    def __init__(self, message: str, path: str, node: Node, writer: Optional[Node] = None) -> None:
        super().__init__(message)
        self.path = path
        self.node = node
        self.writer = writer


@dataclass(frozen=True)
class _Saved:
    """A leaf that a node took: where, the array, its fingerprint, and when."""

    node: Node
    path: Path
    array: np.ndarray
    mark: Any
    tick: int
    #: Whether the node only passes the memory on (a view): it reads no values in backward.
    passed_on: bool


@dataclass
class _Pass:
    """One forward pass of a network."""

    input: Any
    sources: dict[NodeData, list[NodeData]]
    marks: dict[NodeData, Any] = field(default_factory=dict)
    ticks: dict[NodeData, int] = field(default_factory=dict)
    saved: list[_Saved] = field(default_factory=list)
    #: Owners of memory that a node overwrote in place, as it declares (kept alive here).
    inplace: dict[int, np.ndarray] = field(default_factory=dict)
    tick: int = 0


class SavedValues(Observer):
    """The watcher; an element of ``gModule.observers`` in debug mode."""

    def __init__(self) -> None:
        self._tick = 0
        self._owners = Owners()
        self._passes: "weakref.WeakKeyDictionary[nn.gModule, _Pass]" = weakref.WeakKeyDictionary()

    # -- the forward pass ------------------------------------------------------------------

    def starting(self, net: nn.gModule, method: str, input: Any) -> None:
        if method == "updateOutput":
            sources = {node.data: [c.data for c in node.children] for node in net.backwardnodes}
            self._passes[net] = _Pass(input, sources, tick=self._tick)
            return
        record = self._passes.get(net)
        # Someone may have put other activations in place of those of the last forward.
        if record is not None and net.nodeState(net.forwardnodes[0]).input is record.input:
            self._verify(net, record)
            if method == "updateGradInput":
                self._compareInput(net, record, input)
                # A layer in place may put its input back in backward, so it is looked at once.
                record.saved = [s for s in record.saved if id(root(s.array)) not in record.inplace]

    def evaluated(self, net: nn.gModule, node: Node, input: Any, output: Any) -> None:
        record = self._passes.get(net)
        if record is None:  # the debug mode was switched on during this pass
            return
        data = node.data
        sources = record.sources[data]
        self._tick += 1
        if data.role in ("split", "select"):
            whole = record.marks[sources[0]]
            index = data.selectindex
            record.marks[data] = whole if index is None else whole[index - 1]
        else:
            self._take(net, record, node, input, output)
        record.ticks[data] = record.tick = self._tick

    def _take(self, net: nn.gModule, record: _Pass, node: Node, input: Any, output: Any) -> None:
        """Note what ``node`` took and gave; raise if what it took was not what was given to it."""
        taken, given = map_table(_mark, input), map_table(_mark, output)
        roots = {id(root(leaf)) for _, leaf in leaves(output) if isinstance(leaf, np.ndarray)}
        marks = [record.marks[source] for source in record.sources[node.data]]
        before = marks[0] if len(marks) == 1 else marks
        touched = set()
        for path, leaf in leaves(input):
            if not isinstance(leaf, np.ndarray):
                continue
            mark = _at(taken, path)
            if marks and _at(before, path) != mark:
                self._allow(net, record, node, path, leaf)
                touched.add(id(root(leaf)))
                record.inplace[id(root(leaf))] = root(leaf)
                self._owners.wrote(leaf, Writer(weakref.ref(net), node.id, self._tick, True))
            passed_on = id(root(leaf)) in roots or node.module is None
            record.saved.append(_Saved(node, path, leaf, mark, self._tick, passed_on))
        mine = {id(root(leaf)) for _, leaf in leaves(input) if isinstance(leaf, np.ndarray)} - touched
        for _, leaf in leaves(output):
            if isinstance(leaf, np.ndarray) and id(root(leaf)) not in mine:
                inplace = id(root(leaf)) in touched
                self._owners.wrote(leaf, Writer(weakref.ref(net), node.id, self._tick, inplace))
        record.marks[node.data] = given

    def _allow(self, net: nn.gModule, record: _Pass, node: Node, path: Path, leaf: np.ndarray) -> None:
        """Return if ``node`` changed its input in place as it declares; else raise."""
        sources = record.sources[node.data]
        source = sources[0] if len(sources) == 1 else sources[path[0]]
        writer = self._owners.last(leaf)
        if writer is not None and record.ticks[source] < writer.tick <= record.tick:
            self._overwritten(net, record, node, path, writer, "before the node could read it")
        if node.module is None or not _declares_inplace(node.module):
            slot = _slot(path, "input")
            raise ChangedError(
                f"{slot} of {node.describe()} was changed while the node ran; a module that "
                "overwrites its input must say so with an attribute inplace = True",
                format_path(path, "input"), node,
            )

    # -- the backward pass -----------------------------------------------------------------

    def _verify(self, net: nn.gModule, record: _Pass) -> None:
        # The network's own slots first: they tell the caller most.
        order = {"in": 0, "out": 1}
        for saved in sorted(record.saved, key=lambda s: order.get(s.node.data.role, 2)):
            if _mark(saved.array) != saved.mark:
                if saved.passed_on and id(root(saved.array)) in record.inplace:
                    continue  # whoever works in place has saved it again, as it left it
                writer = self._owners.last(saved.array)
                if writer is not None and writer.tick <= saved.tick:
                    writer = None
                self._overwritten(net, record, saved.node, saved.path, writer, "", saved)

    def _overwritten(
        self,
        net: nn.gModule,
        record: _Pass,
        node: Node,
        path: Path,
        writer: Optional[Writer],
        when: str,
        saved: Optional[_Saved] = None,
    ) -> NoReturn:
        table = "output" if node.data.role == "out" else "input"
        keeper, kept = node, ""
        if node.module is None:
            where = f"{_slot(path, table)} of the network"
            keeper = next((s.node for s in record.saved if _keeps(s, saved)), node)
            kept = f" (saved by {keeper.describe()})" if keeper is not node else ""
        else:
            where = f"{_slot(path, table)} of {node.describe()}"
        moment = when or "between forward and backward"
        raise ChangedError(
            f"{where} changed {moment}{kept}: {self._culprit(net, saved, writer)}",
            format_path(path, table), keeper, None if writer is None else writer.node,
        )

    def _culprit(self, net: nn.gModule, saved: Optional[_Saved], writer: Optional[Writer]) -> str:
        if writer is None:
            owner = None if saved is None else self._owners.last(saved.array)
            whose = "no node's buffer" if owner is None else f"the output buffer of {owner.describe(net)}"
            return (
                f"it is {whose}, and no node wrote to it since: your own code (or a module outside "
                "any graph) changed the array in place; pass a copy, or write into another array"
            )
        if writer.inplace:
            return (
                f"{writer.describe(net)} works in place and has overwritten it, but another node "
                "needs it as well; build that module without inplace"
            )
        return (
            f"it is the output buffer of {writer.describe(net)}, which ran again since; output "
            "buffers are reused, so pass a copy of what should outlive the next forward (.copy())"
        )

    def _compareInput(self, net: nn.gModule, record: _Pass, input: Any) -> None:
        """Raise unless backward was given the input that forward was given."""
        for path, mine, theirs in _pairs(record.input, input):
            if mine is theirs:
                continue
            if isinstance(mine, np.ndarray) and id(root(mine)) in record.inplace:
                continue
            difference = _difference(mine, theirs)
            if difference:
                raise ChangedError(
                    f"{_slot(path, 'input')} given to backward is not the one given to forward: "
                    f"{difference}; the gradients belong to the input of the last forward, so call "
                    "forward on this input first",
                    format_path(path, "input"), net.forwardnodes[0],
                )

    def failed(self, net: nn.gModule, method: str, node: Optional[Node], error: Exception) -> None:
        """A broken forward leaves nothing that backward could read."""
        if method == "updateOutput":
            self._passes.pop(net, None)


def _slot(path: Path, table: str) -> str:
    python = format_python_path(path, table)
    return table if not path else f"{format_path(path, table)} ({python} in Python)"


def _keeps(candidate: _Saved, saved: Optional[_Saved]) -> bool:
    """Tell whether a node computes with the memory of ``saved`` (and does not just pass it on)."""
    return (
        saved is not None and not candidate.passed_on
        and np.may_share_memory(candidate.array, saved.array)
    )


def _declares_inplace(module: nn.Module) -> bool:
    return any(getattr(below, "inplace", False) for below in module.listModules())


def _mark(leaf: Any) -> Any:
    """Return a fingerprint of a leaf's contents."""
    if not isinstance(leaf, np.ndarray):
        return leaf
    contents: Any = np.ascontiguousarray(leaf).reshape(-1).view(np.uint8)
    return leaf.shape, leaf.dtype.str, hashlib.blake2b(contents, digest_size=16).digest()


def _at(table: Any, path: Path) -> Any:
    for position in path:
        table = table[position]
    return table


def _difference(first: Any, second: Any) -> str:
    """Say how two leaves differ in nesting, shape or contents; ``''`` if they do not."""
    if not is_table(first) and not is_table(second) and np.shape(first) == np.shape(second):
        one, two = np.asarray(first), np.asarray(second)
        if one.dtype.kind in "fiub" and two.dtype.kind in "fiub":
            differs = (one != two) & ((one == one) | (two == two))
            if not differs.any():
                return ""
            index = tuple(int(i) for i in np.argwhere(differs)[0])
            return f"{two[index]} instead of {one[index]} at index {list(index)} (from 0)"
    return f"{describe(second)} instead of {describe(first)}"


def _pairs(first: Any, second: Any, path: Path = ()) -> Any:
    """Yield ``(path, leaf, leaf)``, and the tables themselves where they are nested differently."""
    if is_table(first) and is_table(second) and len(first) == len(second):
        for position, (one, two) in enumerate(zip(first, second)):
            yield from _pairs(one, two, (*path, position))
    else:
        yield path, first, second
