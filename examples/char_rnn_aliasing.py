"""The state that char-rnn carries over uncopied, and what that does to its training.

char-rnn unrolls a step by hand: T clones, one for each time step. After a batch it keeps the last
clone's state for the first clone of the next batch, with the remark that this need not be a
clone. It does: the state is the last clone's *output buffer*. The next forward pass reads it at
the first time step, overwrites it at the last, and the backward pass then comes to the first
time step and reads it again. Nothing fails, the loss goes down, and the gradients belong to
other numbers.

This runs both versions, shows where they part, and what ``mg.setDebug(True)`` says.

    python examples/char_rnn_aliasing.py
    python examples/char_rnn_aliasing.py --data input.txt --iterations 150 --rnn-size 64 --golden FILE

``--golden`` is a file of losses that Torch7 had on the same data with the same flags (here
``tests/golden/char_rnn.json``): ``train_loss`` with a copy, ``train_loss_published_code`` without.

Source: https://github.com/karpathy/char-rnn (train.lua, the end of ``feval``)
"""

from __future__ import annotations

import argparse
import json
from typing import Optional, Sequence

import numpy as np

import minigraph as mg
from minigraph import nn, optim, text
from minigraph.errors import StateError


class Unrolled:
    """char-rnn's training, unrolled by hand; ``copying`` says how the state is carried over."""

    def __init__(self, corpus: text.Corpus, options: text.TrainingOptions, copying: bool) -> None:
        self.batches = text.Batches.cut(
            corpus, options.batch_size, options.seq_length, options.train_frac, options.val_frac
        )
        mg.manualSeed(options.seed)
        self.model = text.build_model(options, len(corpus.vocabulary))
        self.model.initialise()
        # After build_model, which has moved the parameters into one flat array.
        self.clones = mg.rnn.clone_many(self.model.step, options.seq_length)
        for t, clone in enumerate(self.clones, 1):
            clone.name = f"step_{t}"
        self.criterions = mg.rnn.clone_many(nn.ClassNLLCriterion(), options.seq_length)
        self.copying = copying
        self.state = self.model.zero_state(options.batch_size)
        self.options = options
        self.iteration = 0
        self.config = {"learningRate": options.learning_rate, "alpha": options.decay_rate}

    def feval(self, _: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the next batch and the gradient of all parameters."""
        batch = self.iteration % self.batches.train
        xs, ys = self.batches.x[batch], self.batches.y[batch]
        inputs, predictions, loss, state = [], [], 0.0, self.state
        for x, y, clone, criterion in zip(xs, ys, self.clones, self.criterions):
            inputs.append([x, *state])
            *state, prediction = clone.forward(inputs[-1])
            predictions.append(prediction)
            loss += criterion.forward(prediction, y)

        self.model.flat_gradient.fill(0)
        later = [None] * len(state)  # nothing comes from after the last time step
        for t in reversed(range(len(xs))):
            gradient = self.criterions[t].backward(predictions[t], ys[t])
            _, *later = self.clones[t].backward(inputs[t], [*later, gradient])

        # The published code has no copy here.
        self.state = [array.copy() for array in state] if self.copying else state
        clip = self.options.grad_clip
        np.clip(self.model.flat_gradient, -clip, clip, out=self.model.flat_gradient)
        return loss / len(xs), self.model.flat_gradient

    def step(self) -> float:
        """Train on the next batch and return its loss."""
        _, (loss,) = optim.rmsprop(self.feval, self.model.flat, self.config)
        self.iteration += 1
        return loss

    def losses(self, count: int) -> np.ndarray:
        """Train on ``count`` batches and return their losses."""
        return np.array([self.step() for _ in range(count)])


def wrong_gradients(corpus: text.Corpus, options: text.TrainingOptions) -> dict[str, float]:
    """Return by parameter how far its gradient is off (relative) when it first is: at iteration 2."""
    found = []
    for copying in (True, False):
        run = Unrolled(corpus, options, copying)
        run.losses(2)
        gradients = run.model.step.parameters()[1]
        found.append(dict(zip(run.model.parameters(), [gradient.copy() for gradient in gradients])))
    right, wrong = found
    return {
        name: float(np.linalg.norm(wrong[name] - right[name]) / np.linalg.norm(right[name]))
        for name in right
    }


def caught(corpus: text.Corpus, options: text.TrainingOptions, copying: bool) -> Optional[str]:
    """Train on three batches in debug mode; return what it has to say, if anything."""
    mg.setDebug(True)
    try:
        Unrolled(corpus, options, copying).losses(3)
    except StateError as error:
        return str(error)
    finally:
        mg.setDebug(False)
    return None


def compare_with_torch7(path: str, options: text.TrainingOptions, runs: dict[str, np.ndarray]) -> None:
    """Print and check the largest differences from the losses in a file."""
    with open(path, encoding="utf-8") as file:
        golden = json.load(file)
    elsewhere = ("train_frac", "val_frac")  # they only say after how many batches it starts again
    other = {
        name: value for name, value in golden["flags"].items()
        if name not in elsewhere and getattr(options, name, value) != value
    }
    assert not other, f"the losses in {path} belong to other flags: {other}"
    for name, losses in runs.items():
        theirs = np.array(golden[name][: len(losses)])
        difference = np.abs(losses[: len(theirs)] - theirs).max()
        print(f"{name}: largest difference from Torch7 in {len(theirs)} losses {difference:.1e}")
        assert difference < 1e-6


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", metavar="FILE", help="a text; without it a piece of Python's manual")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--rnn-size", type=int, default=16)
    parser.add_argument("--train-frac", type=float, default=0.95)
    parser.add_argument("--golden", metavar="FILE", help="Torch7's losses on the same data")
    given = parser.parse_args(arguments)

    if given.data:
        corpus = text.Corpus.from_file(given.data)
    else:
        manual = text.Corpus.reference()
        corpus = text.Corpus.from_text(manual.vocabulary.decode(manual.codes[:40_000]))
    options = text.TrainingOptions(
        rnn_size=given.rnn_size, seq_length=25, batch_size=50, seed=123,
        train_frac=given.train_frac, val_frac=1 - given.train_frac,
    )

    copied = Unrolled(corpus, options, copying=True).losses(given.iterations)
    aliased = Unrolled(corpus, options, copying=False).losses(given.iterations)
    print("iteration  copied      uncopied    difference")
    shown = [0, 1, 2, 3, given.iterations // 2, given.iterations - 1]
    for k in sorted({k for k in shown if k < given.iterations}):
        print(f"{k + 1:9d}  {copied[k]:.8f}  {aliased[k]:.8f}  {aliased[k] - copied[k]:+.1e}")
    # The first batch starts from zeros that nobody overwrites; the second is the first with wrong
    # gradients, whose update shows in the loss of the third.
    assert np.array_equal(copied[:2], aliased[:2])
    assert np.all(copied[2:] != aliased[2:])
    assert copied[-1] < copied[0] and aliased[-1] < aliased[0]
    if given.golden:
        runs = {"train_loss": copied, "train_loss_published_code": aliased}
        compare_with_torch7(given.golden, options, runs)

    print("\nhow far the gradients of iteration 2 are off without a copy:")
    for name, error in wrong_gradients(corpus, options).items():
        print(f"  {name:15s} {100 * error:6.2f} %")

    # Copied, the debug mode has nothing to say.
    assert caught(corpus, options, copying=True) is None
    message = caught(corpus, options, copying=False)
    assert message is not None
    print(f"\nmg.setDebug(True), without a copy:\n{message}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
