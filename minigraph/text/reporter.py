"""Reporter: what is told about a run while it goes on."""

from __future__ import annotations

from pathlib import Path

from minigraph.text.trainer import Step, Trainer


class Reporter:
    """Told of everything that happens in a run. Each method does nothing; see ``progress`` for one
    that prints."""

    def started(self, trainer: Trainer) -> None:
        """The first iteration is about to run; ``trainer.iteration`` ran before, in an earlier process."""

    def stepped(self, step: Step) -> None:
        """An iteration is over."""

    def validated(self, iteration: int, loss: float) -> None:
        """The held batches were evaluated."""

    def saved(self, path: Path, iteration: int, validated: bool) -> None:
        """A checkpoint was written, after a validation or between two."""

    def said(self, message: str) -> None:
        """Something to tell the user once."""

    def warned(self, message: str) -> None:
        """Something that the user should look at."""

    def ended(self, trainer: Trainer) -> None:
        """No more iterations will run, for whatever reason."""
