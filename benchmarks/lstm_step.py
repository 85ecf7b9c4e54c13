"""One LSTM step as a graph, forward and backward, against the same modules in PyTorch eager.

Both sides run the same arithmetic in float32: two Linear layers, their sum cut into four
gates, sigmoids and tanhs, products and sums; gradients of all inputs and parameters are
accumulated. They take turns, and the ratio of the medians is printed.

    python benchmarks/lstm_step.py [--threads 2] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any, Callable

import numpy as np

import minigraph as mg
from minigraph import nn

SIZES = [(1, 64), (20, 200), (50, 128), (20, 650)]


def graph(H: int) -> nn.gModule:
    """The LSTM step ``{x, prev_c, prev_h} -> {next_c, next_h}`` with Reshape and SplitTable."""
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    gates = nn.CAddTable()([nn.Linear(H, 4 * H)(x), nn.Linear(H, 4 * H)(prev_h)])
    i, f, o, g = nn.SplitTable(2)(nn.Reshape(4, H, True)(gates)).split(4)
    kept = nn.CMulTable()([nn.Sigmoid()(f), prev_c])
    next_c = nn.CAddTable()([kept, nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])])
    next_h = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])
    return nn.gModule([x, prev_c, prev_h], [next_c, next_h])


def ours(B: int, H: int) -> Callable[[], None]:
    net = graph(H).float()
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((B, H)).astype(np.float32) for _ in range(3)]
    gradients = [rng.standard_normal((B, H)).astype(np.float32) for _ in range(2)]

    def run() -> None:
        net.forward(inputs)
        net.backward(inputs, gradients)

    return run


def torchs(B: int, H: int) -> Callable[[], None]:
    import torch

    i2h, h2h = torch.nn.Linear(H, 4 * H), torch.nn.Linear(H, 4 * H)
    inputs = [torch.randn(B, H, requires_grad=True) for _ in range(3)]
    gradients = [torch.randn(B, H) for _ in range(2)]
    leaves = [*inputs, *i2h.parameters(), *h2h.parameters()]
    for leaf in leaves:
        leaf.grad = torch.zeros_like(leaf)

    def run() -> None:
        x, prev_c, prev_h = inputs
        i, f, o, g = (i2h(x) + h2h(prev_h)).view(B, 4, H).unbind(1)
        next_c = torch.sigmoid(f) * prev_c + torch.sigmoid(i) * torch.tanh(g)
        next_h = torch.sigmoid(o) * torch.tanh(next_c)
        torch.autograd.backward([next_c, next_h], gradients)

    return run


def seconds(run: Callable[[], Any], budget: float) -> float:
    """Return seconds per call, over ``budget`` seconds or one call that takes longer.

    A first call is not counted, unless it takes many times the budget: what it warms is little then.
    """
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    if first > 4 * budget:
        return first
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= budget:
            return elapsed / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    mg.manualSeed(1)
    print(f"forward + backward of one LSTM step, float32, {arguments.threads} threads, ms")
    print(f"numpy {np.__version__}, torch {torch.__version__}")
    print(f"{'B':>4} {'H':>4} {'minigraph':>10} {'torch':>10} {'ratio':>6}")
    for B, H in SIZES:
        runs = [ours(B, H), torchs(B, H)]
        times: list[list[float]] = [[], []]
        for _ in range(arguments.rounds):
            for run, record in zip(runs, times):
                record.append(seconds(run, 0.15))
        mine, theirs = (1e3 * statistics.median(record) for record in times)
        print(f"{B:4d} {H:4d} {mine:10.3f} {theirs:10.3f} {mine / theirs:6.2f}")


if __name__ == "__main__":
    main()
