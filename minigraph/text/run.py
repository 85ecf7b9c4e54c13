"""Run: a training run from its start, or from its newest checkpoint, to its end."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, ContextManager, Optional, Union

import numpy as np

from minigraph.errors import NumberError, StateError
from minigraph.files.atomic import write_text
from minigraph.text.checkpoint import Checkpoint, CheckpointError, parameters_of
from minigraph.text.corpus import Corpus
from minigraph.text.curve import loss_curve
from minigraph.text.facts import RunFacts
from minigraph.text.folder import LATEST, Folder
from minigraph.text.group import Alone, Group, alike
from minigraph.text.log import TrainingLog
from minigraph.text.options import TrainingOptions
from minigraph.text.reporter import Reporter
from minigraph.text.sources import read_model
from minigraph.text.trainer import Interrupted, Trainer

CURVE = "loss.svg"

# A kill costs at most this share of what a process did (and --save-every seconds), ...
_LOST_SHARE = 0.1
# ... but saving takes at most this share of the time.
_SAVING_SHARE = 0.05


@dataclass(frozen=True)
class Result:
    """How a run ended: the trainer, whether all iterations are done, and the loss curve's path."""

    trainer: Trainer
    finished: bool
    curve: Path


def train(
    corpus: Corpus,
    options: Optional[TrainingOptions] = None,
    checkpoint_dir: Union[str, Path] = "cv",
    log: Union[str, Path, None] = None,
    init_from: Union[str, Path, None] = None,
    group: Optional[Group] = None,
    reporter: Optional[Reporter] = None,
    should_stop: Callable[[], bool] = lambda: False,
    compiled: bool = True,
    iterating: ContextManager[None] = nullcontext(),  # noqa: B008 (it does nothing)
) -> Result:
    """Train a character-level language model, or go on where an earlier run stopped.

    Where ``checkpoint_dir`` holds checkpoints of the same run (options that change the numbers, text
    and ``init_from``), the newest is gone on from: the outcome is that of one undisturbed run, bit
    for bit, however often it was killed. A log (JSON lines) is cut back to that checkpoint and
    appended to. ``init_from`` is a checkpoint whose parameters a new run starts with. When
    ``should_stop()``, asked after every iteration and during validations, is true, the state is saved
    and the run ends early; outside ``iterating``, a context, it is not asked. With a ``group`` every
    process calls this with the same arguments (and a ``checkpoint_dir`` that all can read); only
    rank 0 writes and reports.

    ``compiled`` runs the model as a compiled program: faster, with the same numbers to rounding.

    Raises ``ArgumentError`` for a corpus that is too short, ``StateError`` where the folder holds
    another run, ``CheckpointError`` for a damaged ``init_from``, and ``NumberError``, after
    saving, where a loss or gradient is not finite.
    """
    options = options or TrainingOptions()
    group = group or Alone()
    run = _Run(corpus, options, Path(checkpoint_dir), group, reporter or Reporter(), init_from, compiled)
    try:
        run.begin(None if log is None else Path(log))
        with iterating:
            run.iterate(should_stop)
        return run.end()
    finally:
        run.close()


class _Run:
    """One call of ``train``."""

    def __init__(
        self, corpus: Corpus, options: TrainingOptions, path: Path, group: Group, reporter: Reporter,
        init_from: Union[str, Path, None], compiled: bool,
    ) -> None:
        self.leads = group.rank == 0
        self.reporter = reporter if self.leads else Reporter()
        self.options, self.group = options, group
        self.folder = Folder(path)
        self.log: Optional[TrainingLog] = None
        self.init_from = None if init_from is None else os.path.abspath(init_from)
        self.trainer = Trainer(corpus, options, group, compiled)
        self._saved_at = -1
        self._start = self._last_save = time.monotonic()
        self._save_seconds = 0.0

    def begin(self, log: Optional[Path]) -> None:
        """Load what there is to go on from and open the log."""
        if self.leads:
            self.folder.claim()
        trainer = self.trainer
        found = self.folder.newest(self.reporter.warned)
        if found is None:
            if self.init_from is not None:
                self._initialise(self.init_from)
        else:
            self._resume(found)
        self._agree()
        # An empty log is opened only after a checkpoint exists: a log with lines and no checkpoint
        # is another run's, never one that was killed early.
        if self.leads and log is not None:
            self.log = TrainingLog(log, None if found is None else trainer.iteration)
        if found is None or found.path.name != LATEST:  # or it was killed between the two
            self._save()
        self.reporter.started(trainer)

    def iterate(self, should_stop: Callable[[], bool]) -> None:
        """Run the iterations that are left, saving now and then."""
        trainer = self.trainer
        # An earlier process may have been stopped in the validation that was due.
        stopping = self._due() and not self._validate(should_stop)
        while trainer.iteration < trainer.total and not stopping:
            try:
                step = trainer.step()
            except NumberError as error:
                raise self._last_good(error) from error
            if self.log is not None:
                self.log.write(
                    iteration=step.iteration, epoch=step.epoch, loss=step.loss, grad_norm=step.grad_norm,
                    seconds=step.seconds,
                )
            self.reporter.stepped(step)
            saving, stopping = self._decide(should_stop())
            if self._due() and not stopping:
                stopping = not self._validate(should_stop)
            elif saving or stopping or self._round():
                self._check_parameters()
                self._save()

    def end(self) -> Result:
        """Draw the loss curve and return how the run ended."""
        trainer = self.trainer
        curve = self.folder.path / CURVE
        if self.leads:
            write_text(curve, loss_curve(trainer.losses, trainer.validations))
        return Result(trainer, trainer.iteration >= trainer.total and not self._due(), curve)

    def close(self) -> None:
        """Close the log and leave the folder."""
        self.reporter.ended(self.trainer)
        if self.log is not None:
            self.log.close()
        self.folder.release()

    # -- going on ----------------------------------------------------------------------------

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; raise ``StateError`` unless it is of this very run."""
        facts, trainer = RunFacts.of(checkpoint), self.trainer
        differences = facts.differences(self._facts())
        if differences:
            raise StateError(
                f"{self.folder.path} holds the checkpoints of another run: {'; '.join(differences)}. Give "
                "another --checkpoint-dir to start anew, or that run's flags and text to go on with it"
            )
        trainer.restore(checkpoint.arrays, facts.iteration, facts.learning_rate)
        self._saved_at = trainer.iteration
        self.reporter.said(f"going on from {checkpoint.path}, iteration {trainer.iteration}")

    def _initialise(self, path: str) -> None:
        """Take the parameters from a checkpoint of a model of the same shape and characters."""
        checkpoint = read_model(path)
        differences = RunFacts.of(checkpoint).model_differences(self._facts())
        if differences:
            raise CheckpointError(f"--init-from {path} does not fit: {'; '.join(differences)}")
        self.trainer.model.load(parameters_of(checkpoint.arrays), path)
        self.reporter.said(f"starting with the parameters of {path}")

    def _agree(self) -> None:
        """Raise ``StateError`` unless all processes of the group begin alike."""
        trainer = self.trainer
        facts = f"{trainer.corpus.digest} {self.options} {trainer.iteration} {trainer.learning_rate}"
        if not alike(self.group, facts.encode() + trainer.model.flat.tobytes()):
            raise StateError(
                "the processes do not begin alike: all need the same flags and text, the same "
                f"versions of minigraph and NumPy, and {self.folder.path} a folder that all of them see"
            )

    # -- saving ------------------------------------------------------------------------------

    def _decide(self, stop: bool) -> tuple[bool, bool]:
        """Return whether to save now and whether to stop: the same on every rank."""
        now, interval = time.monotonic(), self.options.save_every
        if interval > 0:
            interval = min(interval, _LOST_SHARE * (now - self._start))
            interval = max(interval, self._save_seconds / _SAVING_SHARE)
        votes = np.array([float(self.leads and now - self._last_save >= interval), float(stop)])
        self.group.allreduce(votes)
        return bool(votes[0]), bool(votes[1])

    def _round(self) -> bool:
        """Tell whether the last iteration is one after which there is a validation, if any batch is held."""
        at = self.trainer.iteration
        return at > 0 and (at % self.options.eval_val_every == 0 or at == self.trainer.total)

    def _due(self) -> bool:
        """Tell whether a validation is due that has not been done."""
        trainer = self.trainer
        done = any(at == trainer.iteration for at, _ in trainer.validations[-1:])
        return self._round() and trainer.batches.validation > 0 and not done

    def _validate(self, should_stop: Callable[[], bool]) -> bool:
        """Validate and save; return whether that was done, and not stopped."""
        trainer = self.trainer
        try:
            loss = trainer.validate(lambda: self._decide(should_stop())[1])
        except NumberError as error:
            raise self._last_good(error) from error
        except Interrupted:
            self._check_parameters()
            self._save()
            return False
        if self.log is not None:
            self.log.write(iteration=trainer.iteration, val_loss=loss)
        self.reporter.validated(trainer.iteration, loss)
        self._save((trainer.iteration / trainer.batches.train, loss))
        return True

    def _check_parameters(self) -> None:
        """Raise ``NumberError`` where the last update spoilt the parameters: that is not saved."""
        broken = self.trainer.model.broken()
        if broken:
            at, where = self.trainer.iteration, ", ".join(broken)
            raise self._last_good(NumberError(f"iteration {at}: rmsprop's step left NaN or Inf in {where}"))

    def _save(self, validated: Optional[tuple[float, float]] = None) -> Optional[Path]:
        """Write a checkpoint and return its path (None where this rank writes none)."""
        trainer, start = self.trainer, time.monotonic()
        arrays = trainer.arrays()
        path = None
        if self.leads:
            if self.log is not None:
                self.log.sync()
            structure = self._facts().to_structure()
            if validated is None:
                path = self.folder.save_latest(arrays, structure)
            else:
                path = self.folder.save_validated(
                    arrays, structure, self.options.model, *validated, self.options.keep
                )
            self.reporter.saved(path, trainer.iteration, validated is not None)
        self._saved_at = trainer.iteration
        self._last_save = time.monotonic()
        self._save_seconds = self._last_save - start
        return path

    def _facts(self) -> RunFacts:
        trainer = self.trainer
        return RunFacts(
            trainer.iteration, trainer.iteration % trainer.batches.train, trainer.learning_rate, self.options,
            trainer.corpus.vocabulary.characters, trainer.corpus.name, trainer.corpus.digest, self.init_from,
        )

    def _last_good(self, error: NumberError) -> NumberError:
        """Save the state before the iteration that went wrong; return the error with where it is."""
        if self._saved_at != self.trainer.iteration and not self.trainer.model.broken():
            self._save()
            self.group.allreduce(np.zeros(1))  # none ends before rank 0 has written it
        told = NumberError(
            f"{error}\nThe last good state, after iteration {self._saved_at}, is in {self.folder.path}: "
            "start another --checkpoint-dir with --init-from it and a lower --learning-rate or --grad-clip"
        )
        told.__cause__ = error
        return told
