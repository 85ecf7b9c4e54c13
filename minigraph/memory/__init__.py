"""Which arrays share memory, kept intact when they are moved, converted, copied or made flat."""

from minigraph.memory.owners import Region, Relocation, address, root

__all__ = ["Region", "Relocation", "address", "root"]
