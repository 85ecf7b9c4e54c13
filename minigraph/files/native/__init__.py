"""minigraph's own format: one safetensors file, the structure as JSON in its header."""

from minigraph.files.native.reader import load
from minigraph.files.native.writer import save

__all__ = ["load", "save"]
