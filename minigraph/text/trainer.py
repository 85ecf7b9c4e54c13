"""Trainer: one iteration of char-rnn's training, and the whole of its state.

Source: https://github.com/karpathy/char-rnn (train.lua)
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

import numpy as np

from minigraph import nn, optim, random
from minigraph.compiler import compile
from minigraph.errors import InputError, NumberError
from minigraph.text.batches import Batches
from minigraph.text.checkpoint import parameters_of
from minigraph.text.corpus import Corpus
from minigraph.text.diagnosis import diagnose
from minigraph.text.group import Alone, Group, rows_of
from minigraph.text.model import build_model
from minigraph.text.options import TrainingOptions
from minigraph.text.streams import keep_to_rows, restore_stream, stream_array


class Interrupted(Exception):
    """A validation was left before its end, and is as if it had not begun."""


@dataclass(frozen=True)
class Step:
    """What one iteration was: ``epoch`` is fractional, ``grad_norm`` is before clipping."""

    iteration: int
    epoch: float
    loss: float
    grad_norm: float
    seconds: float


class Trainer:
    """A model in training: ``step()`` runs one iteration, ``validate()`` the held batches.

    With a ``group`` of several processes each computes its rows of every batch; the gradients
    are summed and the losses averaged over the group, so that all hold the same parameters. Then
    ``step``, ``validate``, ``arrays`` and ``restore`` must be called by all of them alike.

    The generator is seeded once, before the model is built. ``compiled`` runs the model as a
    compiled program; the numbers agree to rounding. Raises ``ArgumentError`` where the corpus is too
    short.
    """

    def __init__(
        self, corpus: Corpus, options: TrainingOptions, group: Optional[Group] = None,
        compiled: bool = True,
    ) -> None:
        self.corpus, self.options = corpus, options
        self.group: Group = Alone() if group is None else group
        first, last = rows_of(self.group, options.batch_size)
        self._first, self._last = first, last
        batches = Batches.cut(
            corpus, options.batch_size, options.seq_length, options.train_frac, options.val_frac
        )
        self.batches = batches if self.group.size == 1 else batches.rows(first, last)
        random.manualSeed(options.seed)
        self.model = build_model(
            options, len(corpus.vocabulary), rows=last - first, steps=options.seq_length,
            clones=0 if compiled else options.seq_length,
        )
        self.model.initialise()
        if self.group.size > 1:
            keep_to_rows(self.model.net, first, options.batch_size)
        self._net: nn.Module = compile(self.model.net) if compiled else self.model.net
        # Sums, which the batch's size divides, whatever part of the rows is here.
        self._criterion = nn.ClassNLLCriterion(None, False)
        self._criterion.type(self.model.net._type)
        self._carried = self.model.zero_state(last - first)
        self._config = {"learningRate": float(options.learning_rate), "alpha": float(options.decay_rate)}
        self._memory: dict[str, Any] = {}
        self._no_gradients: list[Any] = [None] * len(self.model.state_names)
        self._sums = np.zeros(1)
        self._grad_norm = 0.0
        self._stream = random.getRNGState()
        self.iteration = 0
        self.losses: list[float] = []
        self.validations: list[tuple[int, float]] = []

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration."""
        return self._config["learningRate"]

    @property
    def total(self) -> int:
        """The number of iterations after which training is over."""
        options = self.options
        whole = options.max_epochs * self.batches.train
        return min(whole, options.max_iters) if options.max_iters else whole

    def step(self) -> Step:
        """Train on the next batch and return what happened.

        Raises ``NumberError`` with the node where a loss or gradient is not finite; the trainer is
        then as it was before.
        """
        start = time.perf_counter()
        self._stream = random.getRNGState()
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                _, (loss,) = optim.rmsprop(self._objective, self.model.flat, self._config, self._memory)
        except NumberError:
            random.setRNGState(self._stream)
            raise
        # A copy: what forward returned is a buffer that the next forward overwrites, before the
        # backward pass reads the initial state again.
        for carried, output in zip(self._carried, self._net.output):
            carried[...] = output[-1]
        self.iteration += 1
        self.losses.append(loss)
        epoch = self.iteration / self.batches.train
        options = self.options
        if self.iteration % self.batches.train == 0 and epoch >= options.learning_rate_decay_after:
            self._config["learningRate"] *= options.learning_rate_decay
        return Step(self.iteration, epoch, loss, self._grad_norm, time.perf_counter() - start)

    def validate(self, should_stop: Callable[[], bool] = lambda: False) -> float:
        """Return the mean loss over the held batches, read left to right from a zero state.

        Raises ``Interrupted`` where ``should_stop()``, asked before each batch, is true, and
        ``NumberError`` with the node where the loss is not finite.
        """
        self._net.evaluate()
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                loss = self._mean(self._held(should_stop)) / self.batches.validation
                if not math.isfinite(loss):
                    what = f"the validation loss is {loss}"
                    raise diagnose(self.model.step, self._held, self.iteration, what)
        finally:
            self._net.training()
        self.validations.append((self.iteration, loss))
        return loss

    def _held(self, should_stop: Callable[[], bool] = lambda: False) -> float:
        """Run the held batches forward; return the sum of their losses here."""
        batches, total = self.batches, 0.0
        state = self.model.zero_state(self._last - self._first)
        for batch in range(batches.train, batches.train + batches.validation):
            if should_stop():
                raise Interrupted
            total += self._forward(batches.x[batch], batches.y[batch], state)
            for carried, output in zip(state, self._net.output):
                carried[...] = output[-1]
        return total

    # -- one evaluation ----------------------------------------------------------------------

    def _objective(self, _: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the next batch and the clipped gradient (a sum over time steps)."""
        batch, gradient = self.iteration % self.batches.train, self.model.flat_gradient
        loss = self._mean(self._pass(batch))
        self.group.allreduce(gradient)
        self._grad_norm = _norm(gradient)
        if not (math.isfinite(loss) and math.isfinite(self._grad_norm)):
            what = "the gradient is not finite" if math.isfinite(loss) else f"the loss is {loss}"
            raise diagnose(self.model.step, lambda: self._again(batch), self.iteration + 1, what)
        clip = self.options.grad_clip
        np.clip(gradient, -clip, clip, out=gradient)
        return loss, gradient

    def _pass(self, batch: int) -> float:
        """Run a batch forward and backward; return the sum of its losses here."""
        x, y = self.batches.x[batch], self.batches.y[batch]
        loss = self._forward(x, y, self._carried)
        net = self._net
        logprobs = net.output[-1]
        scores = logprobs.reshape(-1, logprobs.shape[-1])
        gradient = self._criterion.backward(scores, y.reshape(-1))
        gradient /= self.options.batch_size
        self.model.flat_gradient.fill(0)
        gradients = [*self._no_gradients, gradient.reshape(logprobs.shape)]
        net.backward([x, *self._carried], gradients)
        return loss

    def _forward(self, x: np.ndarray, y: np.ndarray, state: list[np.ndarray]) -> float:
        """Run a batch forward from ``state``; return the sum of its losses here."""
        logprobs = self._net.forward([x, *state])[-1]
        scores = logprobs.reshape(-1, logprobs.shape[-1])
        return self._criterion.forward(scores, y.reshape(-1))

    def _again(self, batch: int) -> None:
        """Repeat the pass of this step, with the same random numbers."""
        random.setRNGState(self._stream)
        self._pass(batch)

    def _mean(self, total: float) -> float:
        """Return the mean over time steps and all the group's rows of a sum of losses."""
        self._sums[0] = total
        self.group.allreduce(self._sums)
        return float(self._sums[0]) / (self.options.seq_length * self.options.batch_size)

    # -- the state of a run ------------------------------------------------------------------

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays that a checkpoint holds; those of parameters are no copies."""
        arrays = {f"parameters/{name}": array for name, array in self.model.parameters().items()}
        if "m" in self._memory:
            arrays["optimiser/m"] = self._memory["m"]
        for name, carried in zip(self.model.state_names, self._carried):
            arrays[f"state/{name}"] = self._whole(carried)
        arrays["random/stream"] = stream_array()
        arrays["history/losses"] = np.array(self.losses)
        arrays["history/validations"] = np.array(self.validations).reshape(-1, 2)
        return arrays

    def restore(self, arrays: Mapping[str, np.ndarray], iteration: int, learning_rate: float) -> None:
        """Go on from what ``arrays()`` returned, at this iteration and learning rate.

        Raises ``InputError``, and changes nothing, where these are not the arrays of such a trainer.
        """
        self._check_arrays(arrays, iteration)
        restore_stream(arrays["random/stream"], self.options.seed)
        self.model.load(parameters_of(arrays), "the checkpoint")
        self._memory.clear()
        if "optimiser/m" in arrays:
            self._memory["m"] = np.array(arrays["optimiser/m"])
        for name, carried in zip(self.model.state_names, self._carried):
            carried[...] = arrays[f"state/{name}"][self._first : self._last]
        self.losses = arrays["history/losses"].tolist()
        self.validations = [(int(at), loss) for at, loss in arrays["history/validations"].tolist()]
        self.iteration = iteration
        self._config["learningRate"] = learning_rate

    def _check_arrays(self, arrays: Mapping[str, np.ndarray], iteration: int) -> None:
        """Raise ``InputError`` unless these arrays are of the names, shapes and types of our own."""
        flat, rows = self.model.flat, self.options.batch_size
        mine = {f"parameters/{name}": array.shape for name, array in self.model.parameters().items()}
        for name, carried in zip(self.model.state_names, self._carried):
            mine[f"state/{name}"] = (rows, *carried.shape[1:])
        if iteration:
            mine["optimiser/m"] = flat.shape
        exact = {  # numbers in double precision, whatever the model's
            "random/stream": stream_array().shape, "history/losses": (iteration,),
            "history/validations": (np.size(arrays.get("history/validations", ())) // 2, 2),
        }
        for name in sorted({*mine, *exact, *arrays}):
            shape, dtype = (exact[name], np.float64) if name in exact else (mine.get(name), flat.dtype)
            wanted = "none of this name" if shape is None else f"{np.dtype(dtype)} {shape}"
            found = f"{arrays[name].dtype} {arrays[name].shape}" if name in arrays else "missing"
            if found != wanted:
                raise InputError(f"the checkpoint: {name} is {found}, expected {wanted}", name, wanted, found)
        for name in exact:
            if not np.isfinite(arrays[name]).all():
                raise InputError(f"the checkpoint: {name} is not finite", name)
        at = arrays["history/validations"][:, 0]
        if not ((at > 0) & (at <= iteration)).all():
            raise InputError(f"the checkpoint: its validations are not of iterations up to {iteration}")

    def _whole(self, part: np.ndarray) -> np.ndarray:
        """Return a state for all rows of the batch, of which this rank has ``part``."""
        if self.group.size == 1:
            return part
        whole = np.zeros((self.options.batch_size, part.shape[1]), part.dtype)
        whole[self._first : self._last] = part
        self.group.allreduce(whole.reshape(-1))
        return whole


def _norm(gradient: np.ndarray) -> float:
    """Return the Euclidean norm; it is finite if all entries are."""
    squares = float(np.dot(gradient, gradient))
    if math.isfinite(squares) or not np.isfinite(gradient).all():
        return math.sqrt(squares)
    return float(np.linalg.norm(gradient.astype(np.longdouble)))
