"""Torch7's ``.t7`` files: ``load_t7`` and ``save_t7``."""

from minigraph.files.t7.load import load_t7
from minigraph.files.t7.save import save_t7
from minigraph.files.t7.values import Key, Storage, UnknownModule, UnknownObject

__all__ = ["Key", "Storage", "UnknownModule", "UnknownObject", "load_t7", "save_t7"]
