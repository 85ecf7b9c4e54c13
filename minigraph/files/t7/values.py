"""What a .t7 file can hold that Python has no type of its own for."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from minigraph.errors import StateError
from minigraph.nn.module import Module

#: Where a module keeps what it was loaded with and does not use: its Torch class and fields, and what
#: the file does not say (it says it again only where that was changed).
KEPT = "_torch"


class Storage(np.ndarray):
    """A Torch storage that stands by itself in a file: a 1-d array, sharing memory with its tensors.

    Tensors are plain arrays; the class only tells ``save_t7`` that a storage is meant.
    """


class Key:
    """A table key that a Python dict cannot hold: a table, a tensor, or a boolean beside 0 or 1.

    ``value`` is the key itself. Two keys are equal if they hold the very same object, as in Lua.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return f"Key({type(self.value).__name__} at {id(self.value):#x})"


class UnknownObject:
    """An object of a class that is not known here, as a record.

    ``class_name`` is Torch's name of the class, ``version`` the number that the file gives it
    (0 for files from before there were versions) and ``fields`` what was stored, as a rule a dict
    of its fields.
    """

    class_name: str
    version: int
    fields: Any

    def __init__(self, class_name: str, fields: Any = None, version: int = 1) -> None:
        self.class_name, self.fields, self.version = class_name, fields, version

    def __getattr__(self, name: str) -> NoReturn:
        known = vars(self).get("class_name", "this")
        raise AttributeError(f"{known} is of a class that is not known here: it has no {name!r}")

    def __repr__(self) -> str:
        names = ", ".join(map(str, self.fields)) if isinstance(self.fields, dict) else ""
        return f"<UnknownObject {self.class_name} {{{names}}}>"


class UnknownModule(UnknownObject, Module):
    """An UnknownObject that has the fields of a module, so that a container can hold it.

    The network around it can be looked at and drawn; running it raises ``StateError``.
    """

    def __init__(self, class_name: str, fields: Any = None, version: int = 1) -> None:
        Module.__init__(self)
        UnknownObject.__init__(self, class_name, fields, version)

    def updateOutput(self, input: Any) -> NoReturn:
        names = sorted(map(str, self.fields)) if isinstance(self.fields, dict) else []
        raise StateError(
            f"{self.class_name} cannot run: the file holds its fields {names}, but its class is not "
            "known here; replace it (net.replace), or write the class and pass it to "
            "mg.files.register before loading"
        )

    def __repr__(self) -> str:
        return self.class_name
