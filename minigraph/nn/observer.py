"""Observer: what may watch networks run (the debug mode, traces)."""

from __future__ import annotations

from typing import Any, Optional

from minigraph.graph import Node


class Observer:
    """Something told of every step of every network (``net``) while it is in ``gModule.observers``.

    Each method does nothing; a watcher overrides those it wants.
    """

    def starting(self, net: Any, method: str, input: Any) -> None:
        """A pass (``updateOutput``, ``updateGradInput``, ``accGradParameters``) begins."""

    def evaluated(self, net: Any, node: Node, input: Any, output: Any) -> None:
        """A node was computed in a forward pass."""

    def differentiated(self, net: Any, node: Node, gradOutput: Any, gradInput: Any) -> None:
        """A node summed its gradients to ``gradOutput`` and computed ``gradInput``."""

    def contributed(self, net: Any, node: Node, slot: int, source: Node, gradient: Any) -> None:
        """A node passed ``gradient`` on to ``source``, its input at the 0-based ``slot``.

        For a part of a split the slot is the entry it takes.
        """

    def failed(self, net: Any, method: str, node: Optional[Node], error: Exception) -> None:
        """A pass broke off, at ``node`` if at one."""
