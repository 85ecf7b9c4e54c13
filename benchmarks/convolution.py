"""Forward and backward of convolution, max pooling and batch normalisation, beside PyTorch's.

Run ``python benchmarks/convolution.py``; PyTorch (CPU) is optional. Both sides compute in float32
with the same number of threads (``OPENBLAS_NUM_THREADS``, or all), in turns, and the medians are
compared. A backward computes the gradients of the input and of the parameters. Keep the machine
free of other work: a matrix product waits for the slowest of its threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any, Callable

import numpy as np

from minigraph import nn

BATCH, SIZE = 16, 32
CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[Any], Any], int]] = {
    "SpatialConvolution 3->64 3x3": (
        lambda: nn.SpatialConvolution(3, 64, 3, 3, 1, 1, 1, 1),
        lambda torch: torch.nn.Conv2d(3, 64, 3, padding=1), 3,
    ),
    "SpatialConvolution 64->128 3x3": (
        lambda: nn.SpatialConvolution(64, 128, 3, 3, 1, 1, 1, 1),
        lambda torch: torch.nn.Conv2d(64, 128, 3, padding=1), 64,
    ),
    "SpatialMaxPooling 2x2": (
        lambda: nn.SpatialMaxPooling(2, 2, 2, 2), lambda torch: torch.nn.MaxPool2d(2), 64,
    ),
    "SpatialBatchNormalization 64": (
        lambda: nn.SpatialBatchNormalization(64), lambda torch: torch.nn.BatchNorm2d(64), 64,
    ),
}


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Mine:
    """A layer of minigraph with its input and gradient."""

    def __init__(self, module: nn.Module, x: np.ndarray) -> None:
        self.module, self.x = module.float(), x
        self.g = np.ones_like(self.module.forward(x))

    def forward(self) -> None:
        self.module.forward(self.x)

    def backward(self) -> None:
        self.module.backward(self.x, self.g)


class Theirs:
    """The same layer of PyTorch."""

    def __init__(self, module: Any, x: np.ndarray, torch: Any) -> None:
        self.module = module
        self.x = torch.tensor(x, requires_grad=True)
        self.y = module(self.x)
        self.g = torch.ones_like(self.y)

    def forward(self) -> None:
        self.y = self.module(self.x)

    def backward(self) -> None:
        self.x.grad = None
        self.y.backward(self.g)


def measure(sides: list[Any], repeats: int) -> list[tuple[float, float]]:
    """Return for each side the median milliseconds of forward and backward.

    The sides take turns in blocks of a few calls: the threads of one library spin for a while
    after its last call, and would slow the other's first calls, which are not counted.
    """
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in sides]
    while len(times[0][0]) < repeats:
        for side, (forward, backward) in zip(sides, times):
            for call in range(12):
                pair = seconds(side.forward), seconds(side.backward)
                if call > 3:
                    forward.append(pair[0])
                    backward.append(pair[1])
    return [(1e3 * statistics.median(f), 1e3 * statistics.median(b)) for f, b in times]


def import_torch() -> Any:
    """Return PyTorch with as many threads as BLAS uses here, or None where it is missing."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(int(os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count() or 1)))
    return torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    repeats = parser.parse_args().repeats
    torch = import_torch()
    rng = np.random.default_rng(0)
    print(f"batch {BATCH}, {SIZE} x {SIZE}, float32; medians of {repeats} in milliseconds")
    if torch is None:
        print("PyTorch is not installed: minigraph alone")
    print(f"{'':32}{'forward':>9}{'PyTorch':>9}{'backward':>10}{'PyTorch':>9}{'ratio of sums':>15}")
    for name, (build, build_torch, planes) in CASES.items():
        x = rng.standard_normal((BATCH, planes, SIZE, SIZE)).astype(np.float32)
        sides: list[Any] = [Mine(build(), x)]
        if torch is not None:
            sides.append(Theirs(build_torch(torch), x, torch))
        (forward, backward), *other = measure(sides, repeats)
        line = f"{name:32}{forward:9.2f}"
        if other:
            f, b = other[0]
            line += f"{f:9.2f}{backward:10.2f}{b:9.2f}{(forward + backward) / (f + b):14.2f}x"
        else:
            line += f"{'-':>9}{backward:10.2f}"
        print(line)


if __name__ == "__main__":
    main()
