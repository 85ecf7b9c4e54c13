"""Call: one call of an optimiser: its x, its config and state tables, its buffers."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, StateError, format_shape
from minigraph.optim.objective import Feval, check_parameters, evaluate
from minigraph.optim.options import Options
from minigraph.tables import describe, refuse_mask
from minigraph.tensors import resize

Table = dict[str, Any]


class Call:
    """The arguments of ``mg.optim.<method>(feval, x, config, state)``, checked.

    ``options`` says which method, and which entries ``config`` and ``state`` may have.
    As in Torch the state is kept in ``config`` when no ``state`` is given. Arrays are kept
    in ``state`` under Torch's names: those that live from step to step (``memory``) and those
    that only carry intermediate values (``scratch``: no defined contents between steps).
    """

    def __init__(
        self, options: Options, feval: Feval, x: np.ndarray, config: Optional[Table], state: Optional[Table]
    ) -> None:
        method = options.method
        for name, table in (("config", config), ("state", state)):
            if table is not None and not isinstance(table, dict):
                raise ArgumentError(f"optim.{method}: {name} must be a dict or None, got {describe(table)}")
            options.check_names(table or {}, name)
        if not callable(feval):
            raise ArgumentError(f"optim.{method}: feval must be a function, got {describe(feval)}")
        self.method = method
        self.feval = feval
        self.x = check_parameters(x, method)
        self.config: Table = {} if config is None else config
        self.state: Table = self.config if state is None else state

    def evaluate(self, x: Optional[np.ndarray] = None) -> tuple[float, np.ndarray]:
        """Return the loss and the gradient at ``x`` (default: the call's own)."""
        return evaluate(self.feval, self.x if x is None else x, self.method)

    def memory(self, name: str, fill: float = 0.0) -> np.ndarray:
        """Return ``state[name]``, an array like x; a new one starts filled with ``fill``.

        Raises ``StateError`` if it is there but belongs to another x.
        """
        x = self.x
        array = self.state.get(name)
        if array is None:
            array = self.state[name] = np.full(x.shape, fill, x.dtype)
        elif not isinstance(array, np.ndarray) or array.shape != x.shape or array.dtype != x.dtype:
            raise StateError(
                f"optim.{self.method}: state[{name!r}] is {describe(array)}, x is {describe(x)}: a state "
                "belongs to the x it was made with, start another x with a fresh one (state={})"
            )
        return array

    def scratch(self, name: str, copies: int = 1, dtype: Any = None) -> np.ndarray:
        """Return ``state[name]``, an array like x (of that many copies), contents undefined."""
        x = self.x
        shape = x.shape if copies == 1 else (copies, *x.shape)
        array = self.state.get(name)
        fitting = resize(array if isinstance(array, np.ndarray) else None, shape, np.dtype(dtype or x.dtype))
        self.state[name] = fitting
        return fitting

    def vector(self, name: str) -> Optional[np.ndarray]:
        """Return ``config[name]``, one number for each entry of x, or None where it is not set."""
        value = self.config.get(name)
        if value is None:
            return None
        refuse_mask(value, f"config[{name!r}]")
        array = np.asarray(value)
        if array.dtype.kind not in "fiu" or array.shape != self.x.shape:
            raise ArgumentError(
                f"optim.{self.method}: config[{name!r}] must hold one number for each entry of x, "
                f"shape {format_shape(self.x.shape)}, got {describe(array)}"
            )
        return array

    def decayed(self, dfdx: np.ndarray, decay: Any) -> np.ndarray:
        """Return ``dfdx + decay * x``; ``decay`` is a number or an array like x.

        Torch adds the decay into ``dfdx`` itself, so that the gradient of the net changes
        under the user; here the sum goes to ``state['decayParameters']``.
        """
        if isinstance(decay, float) and decay == 0:
            return dfdx
        total = self.scratch("decayParameters")
        np.multiply(self.x, decay, out=total, casting="same_kind")
        total += dfdx
        return total

    def count(self, name: str) -> Any:
        """Return the counter ``state[name]``, 0 at first, and count one more."""
        value = self.state.get(name, 0)
        self.state[name] = value + 1
        return value
