"""Back-propagation through time, checked: a right backward, and a well-known wrong one.

The loss is the softmax cross-entropy of every output of an LSTM over T steps. The wrong
backward has two mistakes that code on the web keeps repeating, and that training hides well
(the loss still goes down):

* inside the loop over the steps it loops over all earlier steps once more, although the outer
  loop comes to them anyway, so that early steps are counted again and again;
* the gradient of the previous output takes one gate only, where it is the sum over all four.

``mg.debug.gradcheck`` compares every entry of every gradient with finite differences and
says which parameters are wrong. That the layer on top, Wy and by, passes even so tells where
to look: below it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cs231n_lstm import lstm_backward, lstm_forward, lstm_step_backward

import minigraph as mg
from minigraph import nn


def missing_sum_step(dnext_h, dnext_c, cache):
    """Do one step back as ``lstm_step_backward`` does, but for one gate's part of dprev_h."""
    dx, _, dprev_c, dWx, dWh, db = lstm_step_backward(dnext_h, dnext_c, cache)
    _, _, _, _, Wh, i, _, o, g, tanh_c = cache
    H = g.shape[1]
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    dprev_h = (dc * i * (1 - g**2)) @ Wh[:, 3 * H :].T  # WRONG: only g, and i, f, o are missing
    return dx, dprev_h, dprev_c, dWx, dWh, db


def inner_loop(dh, cache, step=lstm_step_backward):
    """Go back through time with a second loop over the steps inside the first."""
    T = dh.shape[1]
    dx = np.stack([np.zeros_like(saved[0]) for saved in cache], axis=1)
    dprev_h = np.zeros_like(dh[:, 0])
    dprev_c = np.zeros_like(dprev_h)
    dWx, dWh, db = 0.0, 0.0, 0.0
    for t in reversed(range(T)):
        dprev_h = dh[:, t] + dprev_h
        for s in reversed(range(t + 1)):  # WRONG: step t is all there is to do here
            dx_s, dprev_h, dprev_c, dWx_s, dWh_s, db_s = step(dprev_h, dprev_c, cache[s])
            dx[:, s] += dx_s
            dWx, dWh, db = dWx + dWx_s, dWh + dWh_s, db + db_s
    return dx, dprev_h, dWx, dWh, db


def missing_sum(dh, cache):
    """Go back through time once, as it should be, but with the step that leaves out gates."""
    return lstm_backward(dh, cache, missing_sum_step)


def both_mistakes(dh, cache):
    """Go back as the well-known code does."""
    return inner_loop(dh, cache, missing_sum_step)


class SoftmaxLSTM(nn.Module):
    """``[x (N, T, D), h0 (N, H)]`` -> the loss ``(1,)``, with the backward it is given.

    A module of one's own is checked like any other: its parameters are attributes, listed by
    ``parameters()``.
    """

    NAMES = ("Wx", "Wh", "b", "Wy", "by")

    def __init__(self, labels: np.ndarray, D: int, H: int, C: int, backward: Any) -> None:
        super().__init__()
        self.labels = labels
        self.lstm_backward = backward
        for name, shape in zip(self.NAMES, [(D, 4 * H), (H, 4 * H), (4 * H,), (H, C), (C,)]):
            setattr(self, name, mg.random.randn(*shape) * 0.5)
            setattr(self, "d" + name, np.zeros(shape))

    def parameters(self) -> tuple:
        gradients = [getattr(self, "d" + name) for name in self.NAMES]
        return [getattr(self, name) for name in self.NAMES], gradients

    def updateOutput(self, input: Any) -> np.ndarray:
        x, h0 = input
        self.h, self.cache = lstm_forward(x, h0, self.Wx, self.Wh, self.b)
        scores = self.h @ self.Wy + self.by
        scores -= scores.max(axis=2, keepdims=True)
        self.probabilities = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
        chosen = np.take_along_axis(self.probabilities, self.labels[..., None], axis=2)
        self.output = np.array([-np.log(chosen).sum() / len(x)])
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> list:
        dscores = self.probabilities.copy()
        one_hot = np.take_along_axis(dscores, self.labels[..., None], axis=2)
        np.put_along_axis(dscores, self.labels[..., None], one_hot - 1, axis=2)
        self.dscores = dscores * gradOutput / len(dscores)
        self.below = self.lstm_backward(self.dscores @ self.Wy.T, self.cache)
        self.gradInput = list(self.below[:2])
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        dWy = np.einsum("nth,ntc->hc", self.h, self.dscores)
        gradients = [*self.below[2:], dWy, self.dscores.sum(axis=(0, 1))]
        for total, gradient in zip(self.parameters()[1], gradients):
            total += scale * gradient


def make(backward: Any) -> tuple[SoftmaxLSTM, list]:
    """Return the module with this backward, and an input for it."""
    mg.manualSeed(17)
    N, T, D, H, C = 2, 4, 3, 4, 5
    input = [mg.random.randn(N, T, D), mg.random.randn(N, H)]
    labels = np.array([[mg.random.random(1, C) - 1 for _ in range(T)] for _ in range(N)])
    return SoftmaxLSTM(labels, D, H, C, backward), input


def right() -> tuple[SoftmaxLSTM, list]:
    """For ``minigraph check FILE.py:right``."""
    return make(lstm_backward)


def wrong() -> tuple[SoftmaxLSTM, list]:
    """For ``minigraph check FILE.py:wrong``."""
    return make(both_mistakes)


def wrong_arrays(backward: Any) -> list[str]:
    """Return the names of the parameters and input entries whose gradient is wrong, sorted."""
    return sorted(row.path for row in mg.debug.gradcheck(*make(backward)).rows if not row.ok)


def main() -> None:
    expected = {
        lstm_backward: [],
        inner_loop: ["Wh", "Wx", "b", "input[1]", "input[2]"],
        missing_sum: ["Wh", "Wx", "b", "input[1]", "input[2]"],
        both_mistakes: ["Wh", "Wx", "b", "input[1]", "input[2]"],
    }
    for backward, names in expected.items():
        found = wrong_arrays(backward)
        print(f"{backward.__name__:14s}" + ("passes" if not found else "WRONG: " + ", ".join(found)))
        assert found == names

    print("\nthe whole report on the well-known version, worst first:\n")
    print(mg.debug.gradcheck(*wrong()))


if __name__ == "__main__":
    main()
