"""An LSTM by hand in NumPy, as a careful user writes it for these sizes.

All arrays are made once. The input's products of all time steps are one, so are the weights'
gradients and the input's; h is multiplied by a contiguous copy of the transposed weights, made anew
in every run as the weights would change. One tanh does for all four gates, because
sigmoid(x) = tanh(x/2)/2 + 1/2 and the halves go into those copies. Time steps call ufuncs with
``out`` on whole slices, forward and backward.
"""

from __future__ import annotations

import numpy as np

from peers.problem import Answer, Problem


class _Layer:
    """One layer and its arrays; rows of gates are i, f, o, g."""

    def __init__(self, problem: Problem, layer: int) -> None:
        T, B, H, _ = problem.sizes
        self.sizes = T, B, H
        names = [f"{what}_{layer}.{kind}" for what in ("i2h", "h2h") for kind in ("weight", "bias")]
        self.weight_x, self.bias_x, self.weight_h, self.bias_h = (problem.weights[name] for name in names)

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, np.float32)

        self.packed_x, self.packed_h, self.bias = empty(H, 4 * H), empty(H, 4 * H), empty(4 * H)
        self.halves = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), H)
        self.gates, self.product = empty(T, B, 4 * H), empty(B, 4 * H)
        # Entry t is the state before step t.
        self.c, self.h, self.tanh_c = empty(T + 1, B, H), empty(T + 1, B, H), empty(T, B, H)
        self.c[0], self.h[0] = problem.states[f"prev_c{layer}"], problem.states[f"prev_h{layer}"]
        self.dgates, self.slopes = empty(T, B, 4 * H), empty(T, B, 3 * H)
        self.dh, self.dc, self.kept = empty(B, H), empty(B, H), empty(B, H)
        self.through, self.shown = empty(T, B, H), empty(T, B, H)
        self.dx, self.dweight_x, self.dweight_h = empty(T, B, H), empty(4 * H, H), empty(4 * H, H)
        self.dbias = empty(4 * H)

    def forward(self, xs: np.ndarray) -> np.ndarray:
        """Return h ``(T, B, H)``."""
        T, B, H = self.sizes
        self.xs, gates, product = xs.reshape(T * B, H), self.gates, self.product
        np.multiply(self.weight_x.T, self.halves, out=self.packed_x)
        np.multiply(self.weight_h.T, self.halves, out=self.packed_h)
        np.add(self.bias_x, self.bias_h, out=self.bias)
        self.bias *= self.halves
        np.matmul(self.xs, self.packed_x, out=gates.reshape(T * B, 4 * H))
        gates += self.bias
        for t in range(T):
            now, c = gates[t], self.c[t + 1]
            np.matmul(self.h[t], self.packed_h, out=product)
            now += product
            np.tanh(now, out=now)
            sigmoids = now[:, : 3 * H]
            sigmoids *= 0.5
            sigmoids += 0.5
            np.multiply(now[:, H : 2 * H], self.c[t], out=c)
            np.multiply(now[:, :H], now[:, 3 * H :], out=self.kept)
            c += self.kept
            np.tanh(c, out=self.tanh_c[t])
            np.multiply(now[:, 2 * H : 3 * H], self.tanh_c[t], out=self.h[t + 1])
        return self.h[1:]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return the gradient of ``xs`` for that of h at all time steps."""
        T, B, H = self.sizes
        gates, dgates, dh, dc, kept = self.gates, self.dgates, self.dh, self.dc, self.kept
        # What does not wait for the gradient of the next step: the slope of each gate times what the
        # gate is multiplied by, for all time steps at once.
        i, f, o, g = (gates[:, :, k * H : (k + 1) * H] for k in range(4))
        np.subtract(1, gates[:, :, : 3 * H], out=self.slopes)
        self.slopes *= gates[:, :, : 3 * H]
        self.slopes[:, :, :H] *= g
        self.slopes[:, :, H : 2 * H] *= self.c[:-1]
        self.slopes[:, :, 2 * H :] *= self.tanh_c
        np.multiply(g, g, out=self.through)
        np.subtract(1, self.through, out=self.through)
        self.through *= i
        np.multiply(self.tanh_c, self.tanh_c, out=self.shown)
        np.subtract(1, self.shown, out=self.shown)
        self.shown *= o
        dh[...], dc[...] = 0, 0
        for t in reversed(range(T)):
            now, slopes = dgates[t], self.slopes[t]
            dh += dy[t]
            np.multiply(dh, self.shown[t], out=kept)
            dc += kept
            np.multiply(dc, slopes[:, :H], out=now[:, :H])
            np.multiply(dc, slopes[:, H : 2 * H], out=now[:, H : 2 * H])
            np.multiply(dh, slopes[:, 2 * H :], out=now[:, 2 * H : 3 * H])
            np.multiply(dc, self.through[t], out=now[:, 3 * H :])
            dc *= f[t]
            np.matmul(now, self.weight_h, out=dh)
        rows = dgates.reshape(T * B, 4 * H)
        np.matmul(rows.T, self.xs, out=self.dweight_x)
        np.matmul(rows.T, self.h[:-1].reshape(T * B, H), out=self.dweight_h)
        np.add.reduce(rows, 0, out=self.dbias)
        np.matmul(rows, self.weight_x, out=self.dx.reshape(T * B, H))
        return self.dx


class Lstm:
    """The layers on top of each other."""

    def __init__(self, problem: Problem) -> None:
        self.xs, self.dy = problem.xs, problem.dy
        self.layers = [_Layer(problem, layer + 1) for layer in range(problem.L)]

    def run(self) -> None:
        self.hs = self.xs
        for layer in self.layers:
            self.hs = layer.forward(self.hs)
        gradient = self.dy
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        self.dx = gradient

    def answer(self) -> Answer:
        """Return what the last run computed."""
        gradients = {"xs": self.dx}
        for number, layer in enumerate(self.layers, 1):
            gradients |= {
                f"i2h_{number}.weight": layer.dweight_x, f"h2h_{number}.weight": layer.dweight_h,
                f"i2h_{number}.bias": layer.dbias, f"h2h_{number}.bias": layer.dbias,
                f"prev_c{number}": layer.dc, f"prev_h{number}": layer.dh,
            }
        copies = {name: array.copy() for name, array in gradients.items()}
        return Answer(float((self.dy * self.hs).sum(dtype=np.float64)), copies)
