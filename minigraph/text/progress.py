"""Progress: a run on the terminal, as a live line; in a file or a pipe, as plain lines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from minigraph.text.folder import loss_text
from minigraph.text.reporter import Reporter
from minigraph.text.size import model_text
from minigraph.text.trainer import Step, Trainer


def progress_reporter(console: Optional[Console] = None, errors: Optional[Console] = None) -> Reporter:
    """Return the reporter that suits where the output goes: ``console`` (default: stdout)."""
    out = console or Console(highlight=False)
    err = errors or Console(stderr=True, highlight=False)
    return LiveProgress(out, err) if out.is_terminal else PlainProgress(out, err)


class _Printer(Reporter):
    """What both ways of showing progress have in common."""

    def __init__(self, out: Console, err: Console) -> None:
        self.out, self.err = out, err
        self._total = 0
        self._first = 0
        self._start = time.monotonic()

    def started(self, trainer: Trainer) -> None:
        options, batches = trainer.options, trainer.batches
        self._total, self._first, self._start = trainer.total, trainer.iteration, time.monotonic()
        self._line(
            f"{trainer.corpus.name}: {len(trainer.corpus.codes)} characters, "
            f"{len(trainer.corpus.vocabulary)} distinct; {batches.train} batches to train on, "
            f"{batches.validation} held for validation"
        )
        self._line(
            f"{model_text(options)}, "
            f"{trainer.model.flat.size} parameters, {options.dtype}; {trainer.total} iterations"
        )
        if trainer.group.size > 1:
            self._line(f"{trainer.group.size} processes share the {options.batch_size} rows of every batch")

    def validated(self, iteration: int, loss: float) -> None:
        self._line(f"iteration {iteration}: validation loss {loss_text(loss)}")

    def saved(self, path: Path, iteration: int, validated: bool) -> None:
        if validated:
            self._line(f"iteration {iteration}: saved {path}")

    def said(self, message: str) -> None:
        self._line(message)

    def warned(self, message: str) -> None:
        self._line(f"minigraph: {message}", self.err)

    def _line(self, words: str, console: Optional[Console] = None) -> None:
        (console or self.out).print(words, markup=False, soft_wrap=True)

    def _rate(self, iteration: int) -> float:
        """Return iterations a second since this process began to train."""
        return (iteration - self._first) / max(time.monotonic() - self._start, 1e-9)


class PlainProgress(_Printer):
    """Lines: the first and the last iteration, and one about every ``seconds`` between them."""

    def __init__(self, out: Console, err: Console, seconds: float = 1.0) -> None:
        super().__init__(out, err)
        self._seconds = seconds
        self._shown = -seconds

    def stepped(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._shown < self._seconds and step.iteration != self._total:
            return
        self._shown = now
        rate = self._rate(step.iteration)
        self._line(
            f"{step.iteration}/{self._total} (epoch {step.epoch:.3f}), loss {loss_text(step.loss)}, "
            f"gradient norm {step.grad_norm:.3g}, {rate:.2f} iterations/s, "
            f"{_clock((self._total - step.iteration) / rate)} left"
        )


class LiveProgress(_Printer):
    """A line that is redrawn in place, below what else is printed."""

    def __init__(self, out: Console, err: Console) -> None:
        super().__init__(out, err)
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f}"), BarColumn(bar_width=20),
            _Numbers(table_column=Column(no_wrap=True)), TimeRemainingColumn(), console=out,
        )

    def started(self, trainer: Trainer) -> None:
        super().started(trainer)
        self._task = self._progress.add_task("", total=self._total, completed=trainer.iteration)
        self._progress.start()

    def stepped(self, step: Step) -> None:
        words = (
            f"epoch {step.epoch:.2f}  loss {loss_text(step.loss)}  gradient {step.grad_norm:.3g}  "
            f"{self._rate(step.iteration):.2f} it/s"
        )
        self._progress.update(self._task, completed=step.iteration, words=words)

    def ended(self, trainer: Trainer) -> None:
        self._progress.stop()


class _Numbers(ProgressColumn):
    """The loss and the like of the last iteration."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("words", ""))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
