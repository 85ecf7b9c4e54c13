"""Problem: what every peer computes, from the same numbers, and how its answer is compared.

L layers of a cell over T time steps of B rows, everything of size H, float32. Given the sequence
``xs`` ``(T, B, H)``, the initial states ``(B, H)`` and ``dy`` ``(T, B, H)``, the gradient of the loss

    loss = (dy * hs).sum()        hs: the top layer's h at all time steps

a peer computes ``hs`` (or the loss) and the gradients of all parameters, of ``xs`` and of the states.

Per layer l the parameters are ``i2h_l.weight`` ``(G*H, H)`` and ``i2h_l.bias`` for the input, the same
as ``h2h_l`` for h, and what ``CELLS`` lists beyond them. The cells, gates in the order of the rows:

* lstm (i, f, o, g): ``c = f*c + i*g``, ``h = o*tanh(c)``;
* gru (r, z, n), as ``torch.nn.GRU`` has it: ``n = tanh(i2h_n + r*h2h_n)``, ``h = (1-z)*n + z*h``;
* highway (i, f, o, g, k), which no library has: an LSTM whose gates also look at the cell through
  weights of their own (peepholes: ``p_i*c``, ``p_f*c`` before the step, ``p_o*c`` after it) and whose
  h is mixed with the layer's input by one more gate: ``h = k*(o*tanh(c)) + (1-k)*x``.

Sources: Gers and Schmidhuber, Recurrent nets that time and count, 2000 (peepholes);
https://arxiv.org/abs/1505.00387 (highway gates); https://arxiv.org/abs/1406.1078 (GRU)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Cell(NamedTuple):
    """The number of gates, the names of the states (h last), of the peepholes' weights ``(H,)``."""

    gates: int
    states: tuple[str, ...]
    peepholes: tuple[str, ...] = ()


CELLS = {
    "lstm": Cell(4, ("c", "h")),
    "gru": Cell(3, ("h",)),
    "highway": Cell(5, ("c", "h"), ("peep_i", "peep_f", "peep_o")),
}

#: Largest difference allowed, in parts of the largest entry of the array (of the loss: of the sum of
#: its terms' sizes). float32 has 6e-8; sums of thousands of products and T steps of a recurrence grow it.
TOLERANCE = 1e-4


@dataclass
class Problem:
    """Numbers for a cell and sizes, drawn as PyTorch draws its layers' initial values."""

    cell: str
    T: int
    B: int
    H: int
    L: int
    weights: dict[str, np.ndarray] = field(init=False)
    xs: np.ndarray = field(init=False)
    dy: np.ndarray = field(init=False)
    states: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        draw, cell, bound = np.random.default_rng(1), CELLS[self.cell], self.H**-0.5
        T, B, H, G = self.T, self.B, self.H, cell.gates
        self.weights = {}
        for layer in range(1, self.L + 1):
            shapes = {f"{name}_{layer}.weight": (G * H, H) for name in ("i2h", "h2h")}
            shapes |= {f"{name}_{layer}.bias": (G * H,) for name in ("i2h", "h2h")}
            shapes |= {f"{name}_{layer}.weight": (H,) for name in cell.peepholes}
            for name, shape in shapes.items():
                self.weights[name] = draw.uniform(-bound, bound, shape).astype(np.float32)
        self.xs, self.dy = (draw.standard_normal((T, B, H), np.float32) for _ in range(2))
        self.states = {
            f"prev_{state}{layer}": 0.5 * draw.standard_normal((B, H), np.float32)
            for layer in range(1, self.L + 1) for state in cell.states
        }

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        return self.T, self.B, self.H, self.L


@dataclass
class Answer:
    """A loss and gradients: by the parameters' and states' names, and ``xs``."""

    loss: float
    gradients: dict[str, np.ndarray]


class Reference:
    """The right answer, from float64, and how far another one is from it."""

    def __init__(self, answer: Answer, size: float) -> None:
        """``size`` is the sum of the sizes of the loss's terms."""
        self.answer, self.size = answer, size

    def distance(self, answer: Answer) -> float:
        """Return the largest difference in parts of the size; see ``TOLERANCE``.

        Raises ``ValueError`` where gradients are missing or have another shape.
        """
        expected, got = self.answer.gradients, answer.gradients
        if expected.keys() != got.keys():
            raise ValueError(f"gradients that only one has: {sorted(expected.keys() ^ got.keys())}")
        distances = [abs(answer.loss - self.answer.loss) / self.size]
        for name, array in expected.items():
            if got[name].shape != array.shape:
                raise ValueError(f"{name}: shape {got[name].shape}, expected {array.shape}")
            distances.append(float(np.abs(got[name] - array).max() / np.abs(array).max()))
        return float(np.max(distances))  # NaN if any is
