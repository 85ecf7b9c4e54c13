"""In which order are the gradients of the states, and where does the output's gradient go?

"My 2-layer LSTM returns states {cell_1, output_1, cell_2, output_2}; in which order are their
gradients? And if I only know the gradient of the output, do I pass it to `res`, to the last
state, or both?"

The answer, checked here for 1, 2 and 3 layers (docs/gradient-tables.md tells it in words):

* The order is the order of the tables. gradOutput is nested like the output, entry by entry,
  and gradInput like the input.
* Pass the gradient once: to `res`, with None (or zeros) for the states. Giving it to the last
  state instead is the same; giving it to both counts it twice.
"""

from __future__ import annotations

import numpy as np
from zaremba_lstm import zaremba_lstm

import minigraph as mg
from minigraph import nn
from minigraph.tables import copy_table, leaves

SIZE, BATCH = 3, 2


def make(layers: int) -> tuple[nn.gModule, list]:
    """Return a net of this many layers and an input for it."""
    mg.manualSeed(layers)
    states = [mg.random.randn(BATCH, SIZE) for _ in range(2 * layers)]
    return zaremba_lstm(layers, SIZE), [mg.random.randn(BATCH, SIZE), states]


def two_layers() -> tuple[nn.gModule, list]:
    """Return the net of the question: ``minigraph tables FILE.py:two_layers``."""
    return make(2)


def gradients(net: nn.gModule, input: list, gradOutput: list) -> list:
    """Run one forward and backward; return every gradient: of the input's leaves, then the weights."""
    net.forward(input)
    net.zeroGradParameters()
    gradInput = net.backward(input, gradOutput)
    return copy_table([leaf for _, leaf in leaves(gradInput)] + net.parameters()[1])


def order_of_the_states(layers: int) -> list[tuple[int, int]]:
    """Find, by finite differences, which state each entry of gradInput[2] belongs to.

    Returns pairs ``(entry, state)``, counted from 1.
    """
    net, input = make(layers)
    _, states = input
    gradOutput = [mg.random.randn(BATCH, SIZE), [mg.random.randn(BATCH, SIZE) for _ in states]]
    _, *gradStates = gradients(net, input, gradOutput)[: 1 + 2 * layers]

    def loss() -> float:
        res, next_s = net.forward(input)
        return sum(float((a * b).sum()) for a, b in zip([res, *next_s], [gradOutput[0], *gradOutput[1]]))

    numeric = []
    for state in states:
        slopes = np.empty_like(state)
        for index in np.ndindex(state.shape):
            kept = state[index]
            state[index] = kept + 1e-5
            above = loss()
            state[index] = kept - 1e-5
            slopes[index] = (above - loss()) / 2e-5
            state[index] = kept
        numeric.append(slopes)
    return [
        (entry, state)
        for entry, gradient in enumerate(gradStates, 1)
        for state, slopes in enumerate(numeric, 1)
        if np.abs(gradient - slopes).max() < 1e-8
    ]


def where_to_pass(layers: int) -> dict[str, float]:
    """Pass one known gradient of the output in four ways; compare each with the first.

    Returns ``{way: ratio}``: all gradients of that way are this multiple of the first way's,
    to the last bit (twice a number is exact).
    """
    net, input = make(layers)
    known = mg.random.randn(BATCH, SIZE)
    nothing = [None] * (2 * layers)
    zeros = [np.zeros_like(known) for _ in nothing]
    ways = {
        "to res, None for the states": [known, nothing],
        "to res, zeros for the states": [known, zeros],
        "to the last state only": [None, [*nothing[:-1], known]],
        "to both": [known, [*nothing[:-1], known]],
    }
    results = {way: gradients(net, input, gradOutput) for way, gradOutput in ways.items()}
    first = next(iter(results.values()))
    ratios = {}
    for way, found in results.items():
        ratio = float(found[0].flat[0] / first[0].flat[0])
        assert all(np.array_equal(a, ratio * b) for a, b in zip(found, first)), way
        ratios[way] = ratio
    return ratios


def two_time_steps(layers: int) -> float:
    """Back-propagate a loss on the outputs of two steps; return the largest error for the states.

    At each step the loss's gradient goes to `res`, and gradInput[2] of the step after goes to
    the states. This is where both are used, and nothing is counted twice: they are two
    different gradients, of the loss now and of the loss later.
    """
    first, (x1, states) = make(layers)
    second = first.clone("weight", "bias", "gradWeight", "gradBias")
    x2, weigh1, weigh2 = (mg.random.randn(BATCH, SIZE) for _ in range(3))

    def loss() -> float:
        res, next_s = first.forward([x1, states])
        later, _ = second.forward([x2, next_s])
        return float((res * weigh1).sum() + (later * weigh2).sum())

    loss()
    _, from_later = second.backward([x2, first.output[1]], [weigh2, [None] * (2 * layers)])
    _, gradStates = first.backward([x1, states], [weigh1, from_later])
    worst = 0.0
    for state, gradient in zip(states, gradStates):
        kept = state[0, 0]
        state[0, 0] = kept + 1e-5
        above = loss()
        state[0, 0] = kept - 1e-5
        worst = max(worst, abs((above - loss()) / 2e-5 - gradient[0, 0]))
        state[0, 0] = kept
    return worst


def main() -> None:
    for layers in (1, 2, 3):
        print(f"{layers} layer(s)")
        pairs = order_of_the_states(layers)
        print("  gradInput[2][k] is the gradient of prev_s[k]: k = " + ", ".join(str(k) for k, _ in pairs))
        assert pairs == [(k, k) for k in range(1, 2 * layers + 1)]

        ratios = where_to_pass(layers)
        for way, ratio in ratios.items():
            print(f"  {way:30s} {ratio:g} x the gradient")
        assert list(ratios.values()) == [1, 1, 1, 2]

        worst = two_time_steps(layers)
        print(f"  two time steps, loss to res and later gradients to the states: error {worst:.1e}")
        assert worst < 1e-8


if __name__ == "__main__":
    main()
