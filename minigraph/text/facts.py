"""Facts: what a checkpoint says about its run, besides the arrays."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Optional

from minigraph.errors import ArgumentError
from minigraph.text.checkpoint import Checkpoint, CheckpointError
from minigraph.text.options import TrainingOptions, flag


@dataclass(frozen=True)
class RunFacts:
    """The plain values that, with the arrays, are the whole state of a run.

    ``position`` is the number of the next batch (from 0), ``vocabulary`` the characters in order,
    ``corpus`` the name and ``digest`` the SHA-256 of the text, ``init_from`` where the first
    parameters came from.
    """

    iteration: int
    position: int
    learning_rate: float
    options: TrainingOptions
    vocabulary: str
    corpus: str
    digest: str
    init_from: Optional[str]

    def to_structure(self) -> dict[str, Any]:
        """Return the facts as a checkpoint keeps them."""
        return asdict(self)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "RunFacts":
        """Return the facts of a checkpoint; raise ``CheckpointError`` if it is not of a run."""
        values = dict(checkpoint.structure)
        missing = [field.name for field in fields(cls) if field.name not in values]
        if missing:
            raise CheckpointError(
                f"{checkpoint.path} does not hold a training run: it lacks {', '.join(missing)}"
            )
        try:
            options = TrainingOptions.from_dict(values["options"])
        except ArgumentError as error:
            raise CheckpointError(f"{checkpoint.path} does not hold a training run: {error}") from error
        return cls(**{**{field.name: values[field.name] for field in fields(cls)}, "options": options})

    def differences(self, other: "RunFacts") -> list[str]:
        """Return in what this run ("there") is another than ``other`` ("here"); empty if they are one."""
        theirs, mine = self.options.identity(), other.options.identity()
        found = _unlike(theirs, mine, tuple(mine))
        if self.init_from != other.init_from:
            found.append(f"--init-from is {self.init_from} there and {other.init_from} here")
        if self.digest != other.digest:
            found.append(f"the text is another ({self.corpus} there)")
        return found

    def model_differences(self, other: "RunFacts") -> list[str]:
        """Return in what this model is shaped otherwise than ``other``, or of other characters."""
        theirs, mine = self.options.to_dict(), other.options.to_dict()
        found = _unlike(theirs, mine, ("model", "rnn_size", "num_layers"))
        if self.vocabulary != other.vocabulary:
            found.append(f"the characters of {other.corpus} are not those it knows")
        return found


def _unlike(theirs: dict[str, Any], mine: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [
        f"{flag(name)} is {theirs[name]} there and {mine[name]} here"
        for name in names if theirs[name] != mine[name]
    ]
