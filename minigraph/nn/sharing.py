"""Who shares arrays with whom: every module that lives, and the clones that were made of a network.

When a network's parameters move (``getParameters()``, ``float()``), whatever else uses them has to
move with them, or be told.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any, Callable, Iterator, Sequence

import numpy as np

from minigraph.memory import Region

_living: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()
#: By the id of a network: it, and the clones that follow it.
_clones: "dict[int, tuple[weakref.ref[Any], list[weakref.ref[Any]]]]" = {}


def born(module: Any) -> None:
    """Note a module or criterion that is being made."""
    _living[id(module)] = module


def settled(find: Callable[[], list[Any]]) -> list[Any]:
    """Return ``find()``, without what nobody holds any more and is only not collected yet."""
    if find():
        gc.collect()
    return find()


def forget(net: Any) -> Any:
    """Return a network that need not follow what becomes of arrays it shares: its maker watches them."""
    for module in net._owners():
        _living.pop(id(module), None)
    return net


def sharers(*regions: Region) -> list[Any]:
    """Return every living module with an attribute that overlaps ``regions``, buffers apart."""
    return [
        module for module in living()
        if any(region.touches(array) for array in lasting(module) for region in regions)
    ]


def living() -> list[Any]:
    """Return every module and criterion that there is."""
    found = [reference() for reference in _living.valuerefs()]
    return [module for module in found if module is not None]


def lasting(module: Any) -> Iterator[np.ndarray]:
    """Yield the arrays among a module's attributes that outlast its passes: parameters, statistics."""
    for name, value in list(vars(module).items()):
        if name[0] != "_" and name not in ("output", "gradInput") and name not in module._buffers:
            yield from _arrays(value)


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _arrays(entry)


def add_clones(net: Any, clones: Sequence[Any]) -> None:
    """Note clones that are to follow what ``net`` is set to."""
    key = id(net)
    kept = [*clones_of(net), *clones]
    _clones[key] = weakref.ref(net, lambda _: _clones.pop(key, None)), [*map(weakref.ref, kept)]


def clones_of(net: Any) -> list[Any]:
    """Return the clones of ``net`` that follow it and still live."""
    known, clones = _clones.get(id(net), (None, []))
    if known is None or known() is not net:
        return []
    return [clone for clone in (reference() for reference in clones) if clone is not None]
