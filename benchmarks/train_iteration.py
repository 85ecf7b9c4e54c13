"""One iteration of char-rnn's training, characters per second: against PyTorch, eager and ``nn.LSTM``.

An iteration is forward and backward over T characters in B rows, the clipping of the gradient and
a step of rmsprop, in float32, two layers, 65 characters. The sides take turns:

* minigraph eager: the trainer of ``minigraph train --no-compile``;
* minigraph compiled: that of ``minigraph train``, whose network is compiled (not timed the first time);
* PyTorch eager: the same modules, called step by step (one-hot, Linear, sigmoid, ...);
* PyTorch ``nn.LSTM``: its fused layers, the decoder over all time steps at once.

All start from the same parameters and read the same batches; their first losses are compared
before anything is timed. Medians over the rounds are printed, and minigraph's times over the others'.
Products this small gain little from a second thread, and lose much where other programs keep the
cores busy: ``--threads 1`` then says more.

    python benchmarks/train_iteration.py [--threads 2] [--rounds 15] [--native-blas] [--json FILE]

``--threads``, ``--native-blas`` and the variables that are printed: see ``compiled.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any, Callable

from compiled import COMPILED, EAGER, kernel_variables, use_threads

CONFIGURATIONS = [(64, 50, 25), (128, 50, 50)]  # hidden size, rows, time steps
VOCABULARY, LAYERS, RATE, DECAY, CLIP = 65, 2, 2e-3, 0.95, 5.0

#: Trains on the next batch and returns the loss.
Iteration = Callable[[], float]


def trainer(H: int, B: int, T: int, compiled: bool = False) -> Any:
    """Return minigraph's trainer on a random text, long enough for a few hundred batches."""
    import numpy as np

    from minigraph import text

    numbers = np.random.default_rng(0).integers(0, VOCABULARY, 400 * B * T)
    corpus = text.Corpus.from_text("".join(map(chr, numbers + 48)))
    return text.Trainer(corpus, text.TrainingOptions(
        rnn_size=H, num_layers=LAYERS, batch_size=B, seq_length=T, dtype="float32",
        learning_rate=RATE, decay_rate=DECAY, grad_clip=CLIP,
    ), compiled=compiled)


def minigraphs(source: Any) -> Iteration:
    return lambda: source.step().loss


def parameters_of(source: Any) -> dict[str, Any]:
    """Return copies of the trainer's parameters as PyTorch's, by name."""
    import torch

    return {name: torch.tensor(array) for name, array in source.model.parameters().items()}


def pytorchs(net: Any, start: Any, source: Any) -> Iteration:
    """Return PyTorch's iteration: ``net(x, state)`` gives log-probabilities ``(T*B, V)`` and a state."""
    import torch

    laid = source.batches.x, source.batches.y
    xs, ys = (torch.stack([torch.from_numpy(batch) for batch in batches]) - 1 for batches in laid)
    optimiser = torch.optim.RMSprop(net.parameters(), lr=RATE, alpha=DECAY, eps=1e-8)
    state, position = start, 0

    def run() -> float:
        nonlocal state, position
        batch = position % source.batches.train
        logprobs, after = net(xs[batch], state)
        loss = torch.nn.functional.nll_loss(logprobs, ys[batch].reshape(-1))
        optimiser.zero_grad()
        # char-rnn's gradient is that of the sum over time steps; its loss is their mean.
        (loss * len(xs[batch])).backward()
        torch.nn.utils.clip_grad_value_(net.parameters(), CLIP)
        optimiser.step()
        state, position = [entry.detach() for entry in after], position + 1
        return loss.item()

    return run


def eager(source: Any, H: int, B: int) -> Iteration:
    import torch

    weights = parameters_of(source)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.i2h = torch.nn.ModuleList(torch.nn.Linear(n, 4 * H) for n in (VOCABULARY, H))
            self.h2h = torch.nn.ModuleList(torch.nn.Linear(H, 4 * H) for _ in range(LAYERS))
            self.decoder = torch.nn.Linear(H, VOCABULARY)
            for layer in range(LAYERS):
                for what, linears in (("i2h", self.i2h), ("h2h", self.h2h)):
                    linears[layer].weight.data.copy_(weights[f"{what}_{layer + 1}.weight"])
                    linears[layer].bias.data.copy_(weights[f"{what}_{layer + 1}.bias"])
            self.decoder.weight.data.copy_(weights["decoder.weight"])
            self.decoder.bias.data.copy_(weights["decoder.bias"])

        def forward(self, xs: Any, state: Any) -> tuple[Any, Any]:
            predictions = []
            for x in xs:
                below = torch.nn.functional.one_hot(x, VOCABULARY).float()
                following = []
                for layer in range(LAYERS):
                    c, h = state[2 * layer : 2 * layer + 2]
                    gates = self.i2h[layer](below) + self.h2h[layer](h)
                    i, f, o, g = gates.view(len(x), 4, H).unbind(1)
                    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                    below = torch.sigmoid(o) * torch.tanh(c)
                    following += [c, below]
                state = following
                predictions.append(torch.log_softmax(self.decoder(below), 1))
            return torch.cat(predictions), state

    return pytorchs(Net(), [torch.zeros(B, H) for _ in range(2 * LAYERS)], source)


def fused(source: Any, H: int, B: int) -> Iteration:
    import torch

    weights = parameters_of(source)

    def swapped(rows: Any) -> Any:
        i, f, o, g = rows.chunk(4)
        return torch.cat([i, f, g, o])  # nn.LSTM's order

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(VOCABULARY, H, LAYERS)
            self.decoder = torch.nn.Linear(H, VOCABULARY)
            for layer in range(LAYERS):
                for what, short in (("i2h", "ih"), ("h2h", "hh")):
                    for kind in ("weight", "bias"):
                        mine = getattr(self.lstm, f"{kind}_{short}_l{layer}")
                        mine.data.copy_(swapped(weights[f"{what}_{layer + 1}.{kind}"]))
            self.decoder.weight.data.copy_(weights["decoder.weight"])
            self.decoder.bias.data.copy_(weights["decoder.bias"])

        def forward(self, xs: Any, state: Any) -> tuple[Any, Any]:
            one_hot = torch.nn.functional.one_hot(xs, VOCABULARY).float()
            hs, (h, c) = self.lstm(one_hot, (state[0], state[1]))
            return torch.log_softmax(self.decoder(hs.reshape(-1, H)), 1), [h, c]

    return pytorchs(Net(), [torch.zeros(LAYERS, B, H) for _ in range(2)], source)


def measure(H: int, B: int, T: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of an iteration, by side and round."""
    import numpy as np
    from lstm_step import seconds

    source = trainer(H, B, T)
    others = {"torch eager": eager(source, H, B), "torch nn.LSTM": fused(source, H, B)}
    runs = {EAGER: minigraphs(source), COMPILED: minigraphs(trainer(H, B, T, compiled=True)), **others}
    losses = np.array([[run() for run in runs.values()] for _ in range(5)])
    gap = float(np.abs(losses - losses[:, :1]).max())
    assert gap < 1e-3, f"not the same model: {losses}"
    print(f"\n{LAYERS}x{H}, B {B}, T {T} (first losses agree to {gap:.0e})")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, 0.3))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--native-blas", action="store_true", help="unset OPENBLAS_CORETYPE and _L2_SIZE")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    given = parser.parse_args()
    use_threads(given.threads, given.native_blas)  # before NumPy is imported
    import numpy as np
    import torch

    torch.set_num_threads(given.threads)
    print(f"one training iteration, float32, {given.threads} threads, {VOCABULARY} characters, medians")
    print(f"numpy {np.__version__}, torch {torch.__version__}")
    variables = kernel_variables()
    if variables:
        print("set: " + ", ".join(f"{name}={value}" for name, value in variables.items()))
    results = []
    for H, B, T in CONFIGURATIONS:
        times = measure(H, B, T, given.rounds)
        results.append({"layers": LAYERS, "H": H, "B": B, "T": T, "seconds": times})
        medians = {name: statistics.median(record) for name, record in times.items()}
        print(f"{'':18} {'ms':>8} {'characters/s':>13} {'eager/it':>9} {'compiled/it':>12}")
        for name, median in medians.items():
            print(f"{name:18} {1e3 * median:8.2f} {B * T / median:13,.0f} {medians[EAGER] / median:9.2f} "
                  f"{medians[COMPILED] / median:12.2f}")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"threads": given.threads, "variables": variables, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
