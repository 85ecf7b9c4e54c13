"""Walker: goes through a network in its order of execution; a subclass converts each layer.

A *value* stands for a tensor in the format that is written. A table is a list of values where its
entries are known, or one value that stands for the whole table where they are not.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence

from minigraph import nn
from minigraph.errors import ConversionError
from minigraph.graph import Node
from minigraph.interop.names import type_name
from minigraph.tables import is_table

# (walker, module, value, name) -> value
Converter = Callable[[Any, Any, Any, str], Any]


class Unconvertible(Exception):
    """What a converter raises: why this module cannot be converted."""


class Walker:
    """Base of exporters: containers and wiring are handled here, layers by ``converters``.

    Every module that cannot be converted is noted with its reason, and the walk goes on, so that
    one error tells of all of them (``check``).
    """

    #: What it is called in messages.
    target = ""
    converters: Mapping[type, Converter]

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []
        self._where: list[str] = []
        self.node: Optional[Node] = None

    # -- what a subclass defines ---------------------------------------------------------------

    def entry(self, value: Any, position: int, name: str) -> Any:
        """Return the entry of a table at a 0-based position."""
        raise NotImplementedError

    def unknown(self, module: Any, value: Any) -> Any:
        """Return what stands for the output of a module that could not be converted."""
        raise NotImplementedError

    # -- the walk --------------------------------------------------------------------------------

    def convert(self, module: Any, value: Any, name: str) -> Any:
        """Return the value of ``module`` applied to ``value``; ``name`` is what it shall be called."""
        try:
            converter = self._find(module)
            return converter(self, module, value, name)
        except Unconvertible as reason:
            self._note(module, str(reason))
        except Exception:
            if not self.reasons:
                raise
            # A consequence of what could not be converted before; that is what is told.
        return self.unknown(module, value)

    def _find(self, module: Any) -> Converter:
        found = self.converters.get(type(module)) or STRUCTURE.get(type(module))
        if found is not None:
            return found
        for base, converter in STRUCTURE.items():
            # A subclass that adds nothing to how it runs (Maxout, SpatialLPPooling).
            if isinstance(module, base) and type(module).updateOutput is base.updateOutput:  # type: ignore[attr-defined]
                return converter
        if not type(module).__module__.startswith("minigraph."):
            raise Unconvertible(f"{type(module).__name__} is a class of your own without a converter")
        raise Unconvertible(f"{self.target} has no counterpart of {module.typename()}")

    def _note(self, module: Any, reason: str) -> None:
        self.reasons.append((" in ".join([*reversed(self._where)]) or module.headline(), reason))

    def check(self) -> None:
        """Raise ``ConversionError`` if anything could not be converted."""
        if self.reasons:
            raise ConversionError(self.target, self.reasons)

    # -- containers --------------------------------------------------------------------------------

    def network(self, net: nn.gModule, value: Any, name: str) -> Any:
        """Convert the nodes of a gModule one by one."""
        values: list[Any] = []
        for place, node, module, sources, select in net._forward:
            if len(sources) == 1:
                value = values[sources[0]]
            elif sources:
                value = [values[source] for source in sources]
            own = self.nodeName(node, name)
            if module is not None:
                outer, self.node = self.node, node
                self._where.append(node.describe())
                value = self.convert(module, value, own)
                self._where.pop()
                self.node = outer
            elif select is not None:
                value = self.entry(value, select, own)
            assert place == len(values)
            values.append(value)
        return values[-1]

    def nodeName(self, node: Node, scope: str) -> str:
        """Return a node's name within ``scope``, the name of the network around it."""
        own = node.name
        if not own and node.data.role == "select":
            source = node.data.mapindex[0].mapindex
            of = source[0] if source else None
            label = "" if of is None else str(of.annotations.get("name", "") or "")
            if not label:
                label = type_name(of.module) if of is not None and of.module is not None else "entry"
            own = f"{label}_{node.data.selectindex}"
        if not own:
            own = node.data.role if node.module is None else type_name(node.module)
        return f"{scope}_{own}" if scope else own

    def parts(self, container: Any, values: Sequence[Any], name: str) -> list[Any]:
        """Convert each module of a container on a value of its own."""
        return [
            self.child(container, position, value, name) for position, value in enumerate(values)
        ]

    def child(self, container: Any, position: int, value: Any, name: str) -> Any:
        """Convert one module of a container."""
        module = container.modules[position]
        self._where.append(f"module {position + 1} of {container.typename()}: {module.headline()}")
        scope = name if name and not _plain(name, container) else ""
        value = self.convert(module, value, f"{scope}_{type_name(module)}" if scope else type_name(module))
        self._where.pop()
        return value

    def entries(self, value: Any, count: int, name: str) -> list[Any]:
        """Return the ``count`` entries of a table."""
        if is_table(value):
            if len(value) != count:
                raise Unconvertible(f"a table of {count} entries is needed, this one has {len(value)}")
            return list(value)
        return [self.entry(value, position, f"{name}_{position + 1}") for position in range(count)]


def _plain(name: str, container: Any) -> bool:
    """Tell whether a name says no more than the container's type."""
    return name == type_name(container)


def _sequence(walker: Walker, module: Any, value: Any, name: str) -> Any:
    for position in range(len(module.modules)):
        value = walker.child(module, position, value, name)
    return value


def _same_input(walker: Walker, module: Any, value: Any, name: str) -> list[Any]:
    return walker.parts(module, [value] * len(module.modules), name)


def _each_entry(walker: Walker, module: Any, value: Any, name: str) -> list[Any]:
    return walker.parts(module, walker.entries(value, len(module.modules), name), name)


def _dont_cast(walker: Walker, module: Any, value: Any, name: str) -> Any:
    if module.modules[0].dtype != module.dtype:
        inner = module.modules[0].dtype
        raise Unconvertible(f"it computes in {inner}, the network around it in {module.dtype}")
    return walker.child(module, 0, value, name)


def _select(walker: Walker, module: Any, value: Any, name: str) -> Any:
    position = module.index - 1 if module.index > 0 else module.index
    if is_table(value) and not -len(value) <= position < len(value):
        raise Unconvertible(f"index {module.index} is out of range 1..{len(value)}")
    return walker.entry(value, position, name)


#: What only passes values on or regroups them.
STRUCTURE: dict[type, Converter] = {
    nn.gModule: lambda walker, module, value, name: walker.network(
        module, value, "" if _plain(name, module) else name
    ),
    nn.Sequential: _sequence,
    nn.ConcatTable: _same_input,
    nn.ParallelTable: _each_entry,
    nn.Decorator: lambda walker, module, value, name: walker.child(module, 0, value, name),
    nn.GPU: lambda walker, module, value, name: walker.child(module, 0, value, name),
    nn.NaN: lambda walker, module, value, name: walker.child(module, 0, value, name),
    nn.Profile: lambda walker, module, value, name: walker.child(module, 0, value, name),
    nn.DontCast: _dont_cast,
    nn.Identity: lambda walker, module, value, name: value,
    nn.PrintSize: lambda walker, module, value, name: value,
    nn.JustTable: lambda walker, module, value, name: [value],
    nn.JustElement: lambda walker, module, value, name: walker.entries(value, 1, name)[0],
    nn.SelectTable: _select,
}
