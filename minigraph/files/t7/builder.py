"""From the records of a file to Python values: tables, tensors, modules, graphs.

No step follows a record into another one: first every record gets an empty value, then each is
filled from its parts, then the modules are completed, those held by others first.
"""

from __future__ import annotations

from typing import Any, Iterable, Union

from minigraph.errors import MinigraphError, T7Error
from minigraph.files.registry import class_of
from minigraph.files.t7.graphs import EDGE_CLASS, GRAPH_CLASS, NODE_CLASSES, GraphBuilder, is_node
from minigraph.files.t7.limits import Limits
from minigraph.files.t7.modules import check_whole, complete, settle_types
from minigraph.files.t7.reader import (
    FunctionRecord,
    HashRecord,
    ObjectRecord,
    Record,
    StorageRecord,
    TableRecord,
    TensorRecord,
    VecRecord,
)
from minigraph.files.t7.values import Key, Storage, UnknownModule, UnknownObject
from minigraph.graph import Graph, Node
from minigraph.nn import gModule
from minigraph.nn.state import State

# Containers in containers, at most: running them takes some of Python's stack for each.
_DEEPEST = 100


class Builder:
    """Turns ``records``, all objects of a file in its order, into values."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self._values: dict[int, Any] = {}
        self._limits = Limits(sum(len(record.items) + 1 for record in records))
        self._graphs = GraphBuilder(self.value, self._limits)

    def value(self, item: Any) -> Any:
        """Return the value of a record; anything else is one already."""
        return self._values.get(id(item)) if isinstance(item, Record) else item

    def build(self, roots: list[Any]) -> list[Any]:
        """Return the values of ``roots``, complete with all that they refer to."""
        for record in self._records:
            self._values[id(record)] = self._empty(record)
        objects = [record for record in self._records if isinstance(record, ObjectRecord)]
        self._check_fields(objects)
        for record in objects:
            if record.class_name == EDGE_CLASS:
                self._values[id(record)] = self._graphs.edge(record)
        for record in self._records:
            if isinstance(record, TableRecord):
                self._fill_table(record)
            elif isinstance(record, VecRecord):
                self.value(record).extend(self.value(item) for item in record.items)
        for record in objects:
            value = self.value(record)
            if isinstance(value, UnknownObject):
                value.fields = self.value(record.payload)
        self._complete_modules(objects)
        for record in objects:
            if is_node(record):
                self._graphs.fill_node(self.value(record), record)
        for record in objects:
            if record.class_name == GRAPH_CLASS:
                self._graphs.fill_graph(self.value(record), record)
        return [self.value(root) for root in roots]

    def _empty(self, record: Record) -> Any:
        if isinstance(record, TensorRecord):
            return record.array
        if isinstance(record, StorageRecord):
            return record.array.view(Storage)
        if isinstance(record, VecRecord):
            return []
        if isinstance(record, TableRecord):
            return [] if _is_list(record) else {}
        if isinstance(record, FunctionRecord):
            return None
        assert isinstance(record, ObjectRecord)
        if is_node(record):
            return Node(self._graphs.shell(self._graphs.data_of(record, record)))
        if record.class_name == GRAPH_CLASS:
            return Graph()
        if record.class_name == EDGE_CLASS:
            return None  # an Edge is made whole, when its two nodes are there
        known = class_of(record.class_name)
        if known is not None:
            made = known.__new__(known)
            made._holders = 1  # as far as can be told
            return made
        if not isinstance(record.payload, TableRecord):
            raise T7Error(
                f"{record.class_name} is not known here and stores itself in a form of its own: after "
                "its name stands no table of fields", record.offset,
            )
        names = set(record.fields())
        kind = UnknownModule if {"_type", "output", "gradInput"} <= names else UnknownObject
        return kind(record.class_name, version=record.version)

    def _check_fields(self, objects: list[ObjectRecord]) -> None:
        """Raise T7Error where two objects have one table of fields: each is looked through."""
        seen: set[int] = set()
        for record in objects:
            fields = record.payload
            if isinstance(fields, TableRecord) and not _is_plain(self.value(record)):
                if id(fields) in seen:
                    raise T7Error(f"{record.class_name} shares its table of fields", record.offset)
                seen.add(id(fields))

    def _fill_table(self, record: TableRecord) -> None:
        value = self.value(record)
        pairs = record.pairs()
        if isinstance(value, list):
            value.extend(self.value(item) for _, item in sorted(pairs, key=lambda pair: pair[0]))
            return
        crowded = any(type(key) is int and key in (0, 1) for key, _ in pairs)
        for key, item in pairs:
            if key is None or key != key:
                raise T7Error("a table with a key that is nil or not a number", record.offset)
            if isinstance(key, Record) or (crowded and isinstance(key, bool)):
                key = Key(self.value(key) if isinstance(key, Record) else key)
            value[key] = self.value(item)

    # -- modules -----------------------------------------------------------------------------

    def _complete_modules(self, objects: list[ObjectRecord]) -> None:
        held = {
            id(self.value(record)): record for record in objects
            if isinstance(self.value(record), State)
        }
        for record in self._inside_out(list(held.values())):
            module = self.value(record)
            if isinstance(module, UnknownModule):
                if not self._limits.is_tree(module.fields, record.offset):
                    raise T7Error(f"{record.class_name}: tables that never end", record.offset)
                continue
            try:
                complete(module, record, self.value(record.payload), self._limits)
                if isinstance(module, gModule):
                    self._graphs.network(module, record)
                self._limits.check_walk(module, record.offset)
            except T7Error:
                raise
            except _SPOILT as error:
                raise T7Error(
                    f"{record.class_name} cannot be made of what the file holds: "
                    f"{type(error).__name__}: {error}", record.offset,
                ) from error
        for record in held.values():
            check_whole(self.value(record), record)
        settle_types([self.value(record) for record in held.values()])

    def _inside_out(self, modules: list[ObjectRecord]) -> Iterable[ObjectRecord]:
        """Return the records of modules, those that others hold before these.

        Raises ``T7Error`` for a module that holds itself and for nesting that would exhaust
        Python's stack when it runs.
        """
        order: list[ObjectRecord] = []
        open_: set[int] = set()
        done: set[int] = set()
        for start in modules:
            stack = [(start, iter(self._below(start)))] if id(start) not in done else []
            open_.update(id(record) for record, _ in stack)
            while stack:
                record, below = stack[-1]
                for inner, runs in below:
                    if id(inner) in open_:
                        if runs:
                            raise T7Error(f"{inner.class_name} holds itself", inner.offset)
                        continue
                    if id(inner) not in done:
                        if len(stack) >= _DEEPEST:
                            raise T7Error(
                                f"modules nested more than {_DEEPEST} deep", inner.offset
                            )
                        open_.add(id(inner))
                        stack.append((inner, iter(self._below(inner))))
                        break
                else:
                    stack.pop()
                    open_.discard(id(record))
                    done.add(id(record))
                    order.append(record)
        return order

    def _below(self, record: ObjectRecord) -> list[tuple[ObjectRecord, bool]]:
        """Return the records of the modules that a module holds: its fields, and lists of them.

        Each comes with whether the module runs it (``modules``, the nodes of a network).
        """
        fields = record.payload
        found: list[tuple[Any, bool]] = []
        for name, item in fields.pairs() if isinstance(fields, TableRecord) else ():
            entries = item.items[1::2] if isinstance(item, TableRecord) else [item]
            self._limits.spend(len(entries), record.offset)
            found += [(entry, name == "modules") for entry in entries]
        if isinstance(self.value(record), gModule):
            nodes = record.fields().get("forwardnodes")
            for node in self._graphs.as_list(nodes, record, record):
                data = self._graphs.data_of(node, record)
                found += [(value, True) for key, value in data.pairs() if key in ("module", "criterion")]
        return [
            (entry, runs) for entry, runs in found
            if isinstance(entry, ObjectRecord) and isinstance(self.value(entry), State)
        ]


# What our own classes raise when they are given fields of the wrong kind.
_SPOILT: tuple[type[Exception], ...] = (
    MinigraphError, TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError,
    RecursionError,
)

Value = Union[None, bool, int, float, str, bytes, list, dict, Any]


def is_known(class_name: str) -> bool:
    """Tell whether objects of this class become something else than records."""
    return class_name in (*NODE_CLASSES, GRAPH_CLASS, EDGE_CLASS) or class_of(class_name) is not None


def _is_plain(value: Any) -> bool:
    """Tell whether an object is a record that nothing looks into."""
    return isinstance(value, UnknownObject) and not isinstance(value, State)


def _is_list(record: TableRecord) -> bool:
    """Tell whether a table is a list: its keys are 1, 2, … n."""
    if isinstance(record, HashRecord):
        return False
    keys = record.items[0::2]
    return all(type(key) is int for key in keys) and set(keys) == set(range(1, len(keys) + 1))
