"""Models in files: Torch7's ``.t7`` and minigraph's own format."""

from minigraph.files.native import load, save
from minigraph.files.registry import register
from minigraph.files.t7 import Key, Storage, UnknownModule, UnknownObject, load_t7, save_t7

__all__ = [
    "Key", "Storage", "UnknownModule", "UnknownObject", "load", "load_t7", "register", "save",
    "save_t7",
]


def __dir__() -> list[str]:
    return __all__
