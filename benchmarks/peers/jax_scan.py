"""JAX: ``jit`` of ``value_and_grad`` of ``lax.scan`` over time, written in two ways.

``OneScan`` is the step of all layers as one would write it down. ``Hoisted`` has a scan for each layer,
and the product with its input for all time steps before that, which ``jit`` does not do by itself. Either
is the faster one for some sizes.
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


class _Jitted:
    """The compiled function; the first run compiles it."""

    def __init__(self, problem: Problem) -> None:
        self.cell, self.step = CELLS[problem.cell], STEPS[problem.cell]
        self.layers = range(1, problem.L + 1)

        def loss(given: Arrays, dy: Any) -> Any:
            return jnp.sum(self.top(given) * dy)

        self.function = jax.jit(jax.value_and_grad(loss))
        everything = {**problem.weights, "xs": problem.xs, **problem.states}
        self.given = {name: jnp.asarray(array) for name, array in everything.items()}
        self.dy = jnp.asarray(problem.dy)

    def top(self, given: Arrays) -> Any:
        """Return the top layer's h at all time steps."""
        raise NotImplementedError

    def start(self, given: Arrays, layer: int) -> tuple:
        return tuple(given[f"prev_{state}{layer}"] for state in self.cell.states)

    def advance(self, given: Arrays, layer: int, i2h: Any, x: Any, states: tuple) -> tuple:
        """Return a layer's next states."""
        peepholes = tuple(given[f"{name}_{layer}.weight"] for name in self.cell.peepholes)
        return self.step(i2h, _linear(given, f"h2h_{layer}", states[-1]), x, states, peepholes)

    def run(self) -> None:
        self.loss, self.gradients = jax.block_until_ready(self.function(self.given, self.dy))

    def answer(self) -> Answer:
        """Return what the last run computed."""
        return Answer(float(self.loss), {name: np.array(g) for name, g in self.gradients.items()})


class OneScan(_Jitted):
    """All layers of a time step inside one scan."""

    def top(self, given: Arrays) -> Any:
        def at(states: list[tuple], x: Any) -> tuple:
            following = []
            for layer, mine in zip(self.layers, states):
                following.append(self.advance(given, layer, _linear(given, f"i2h_{layer}", x), x, mine))
                x = following[-1][-1]
            return following, x

        return jax.lax.scan(at, [self.start(given, layer) for layer in self.layers], given["xs"])[1]


class Hoisted(_Jitted):
    """A scan for each layer, after the product of its input at all time steps."""

    def top(self, given: Arrays) -> Any:
        xs = given["xs"]
        for layer in self.layers:

            def at(states: tuple, now: tuple, layer: int = layer) -> tuple:
                after = self.advance(given, layer, *now, states)
                return after, after[-1]

            _, xs = jax.lax.scan(at, self.start(given, layer), (_linear(given, f"i2h_{layer}", xs), xs))
        return xs


def _linear(given: Arrays, name: str, x: Any) -> Any:
    return x @ given[f"{name}.weight"].T + given[f"{name}.bias"]
