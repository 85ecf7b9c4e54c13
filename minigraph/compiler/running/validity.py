"""The watch: has anything about a network changed that its programs were made for?"""

from __future__ import annotations

from operator import is_
from typing import Any

from minigraph.nn.module import Module
from minigraph.rnn.clones import Settings


class Watch:
    """Remembers the settings of a network's modules: a check costs a few microseconds.

    Compared are the very objects, first; only if one of them is another, or a module has got more
    attributes (buffers appear when it runs), are the settings compared by value.
    """

    def __init__(self, net: Module) -> None:
        self._net = net
        self._settings = Settings(net)
        self._remember()

    def _remember(self) -> None:
        self._seen: list[tuple[dict[str, Any], int, list[tuple[str, Any]]]] = []
        self._lists: list[tuple[list[Any], list[Any]]] = []
        for owner in self._net._owners():
            attributes = vars(owner)
            passing = ("output", "gradInput", *getattr(owner, "_buffers", ()))
            public = [
                (name, value) for name, value in attributes.items()
                if name[0] != "_" and name not in passing
            ]
            self._seen.append((attributes, len(attributes), public))
            self._lists.extend((value, list(value)) for _, value in public if type(value) is list)

    def holds(self) -> bool:
        """Tell whether everything is as it was."""
        if self._untouched():
            return True
        if not self._settings.hold(self._net):
            return False
        self._remember()
        return True

    def _untouched(self) -> bool:
        for attributes, count, public in self._seen:
            if len(attributes) != count:
                return False
            for name, value in public:
                if attributes.get(name) is not value:
                    return False
        return all(
            len(now) == len(before) and all(map(is_, now, before)) for now, before in self._lists
        )
