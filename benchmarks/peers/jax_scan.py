"""JAX: ``jit`` of ``value_and_grad``, each layer a ``lax.scan`` over time.

The product with the input is taken for all time steps before the scan, as JAX's users do by hand;
``jit`` does not move it there.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from peers.problem import CELLS, Answer, Problem

#: Arrays by name, as in ``Problem``.
Arrays = dict[str, Any]


def _lstm(i2h: Any, h2h: Any, x: Any, states: tuple, peepholes: tuple) -> tuple:
    i, f, o, g = jnp.split(i2h + h2h, 4, 1)
    c = jax.nn.sigmoid(f) * states[0] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return c, jax.nn.sigmoid(o) * jnp.tanh(c)


def _gru(i2h: Any, h2h: Any, x: Any, states: tuple, peepholes: tuple) -> tuple:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = jnp.split(i2h, 3, 1), jnp.split(h2h, 3, 1)
    z = jax.nn.sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
    return ((1 - z) * n + z * states[0],)


def _highway(i2h: Any, h2h: Any, x: Any, states: tuple, peepholes: tuple) -> tuple:
    (c, _), (p_i, p_f, p_o) = states, peepholes
    i, f, o, g, k = jnp.split(i2h + h2h, 5, 1)
    c = jax.nn.sigmoid(f + p_f * c) * c + jax.nn.sigmoid(i + p_i * c) * jnp.tanh(g)
    k = jax.nn.sigmoid(k)
    return c, k * (jax.nn.sigmoid(o + p_o * c) * jnp.tanh(c)) + (1 - k) * x


STEPS = {"lstm": _lstm, "gru": _gru, "highway": _highway}


class Scan:
    """The compiled function; the first run compiles it."""

    def __init__(self, problem: Problem) -> None:
        cell, step, layers = CELLS[problem.cell], STEPS[problem.cell], range(1, problem.L + 1)

        def loss(given: Arrays, dy: Any) -> Any:
            xs = given["xs"]
            for layer in layers:
                weight, bias = given[f"h2h_{layer}.weight"], given[f"h2h_{layer}.bias"]
                peepholes = tuple(given[f"{name}_{layer}.weight"] for name in cell.peepholes)

                def at(states: tuple, now: tuple) -> tuple:
                    x, i2h = now
                    h2h = states[-1] @ weight.T + bias  # noqa: B023 (called at once)
                    after = step(i2h, h2h, x, states, peepholes)  # noqa: B023
                    return after, after[-1]

                i2h = xs @ given[f"i2h_{layer}.weight"].T + given[f"i2h_{layer}.bias"]
                start = tuple(given[f"prev_{state}{layer}"] for state in cell.states)
                _, xs = jax.lax.scan(at, start, (xs, i2h))
            return jnp.sum(xs * dy)

        self.function = jax.jit(jax.value_and_grad(loss))
        everything = {**problem.weights, "xs": problem.xs, **problem.states}
        self.given = {name: jnp.asarray(array) for name, array in everything.items()}
        self.dy = jnp.asarray(problem.dy)

    def run(self) -> None:
        self.loss, self.gradients = jax.block_until_ready(self.function(self.given, self.dy))

    def answer(self) -> Answer:
        """Return what the last run computed."""
        return Answer(float(self.loss), {name: np.array(g) for name, g in self.gradients.items()})
