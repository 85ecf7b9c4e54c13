"""Facts: what a checkpoint says about its run, besides the arrays."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, Callable, Optional

from minigraph.errors import ArgumentError
from minigraph.text.checkpoint import Checkpoint, CheckpointError, parameters_of
from minigraph.text.options import TrainingOptions, flag
from minigraph.text.size import model_text, parameter_count


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


#: What is wanted of each fact but the options: a test of it, and its words.
_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "iteration": (_whole, "a whole number"),
    "position": (_whole, "a whole number"),
    "learning_rate": (
        lambda value: type(value) in (int, float) and 0 <= value <= sys.float_info.max, "a number, at least 0"
    ),
    "options": (lambda value: isinstance(value, dict), "a table"),
    "vocabulary": (
        lambda value: isinstance(value, str) and 0 < len(value) == len(set(value)), "distinct characters"
    ),
    "corpus": (lambda value: isinstance(value, str), "text"),
    "digest": (lambda value: isinstance(value, str), "text"),
    "init_from": (lambda value: value is None or isinstance(value, str), "text or nothing"),
}


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
        for name, (fits, words) in _WANTED.items():
            if not fits(values[name]):
                raise CheckpointError(
                    f"{checkpoint.path} does not hold a training run: {name} must be {words}, "
                    f"it is {values[name]!r:.60}"
                )
        try:
            options = TrainingOptions.from_dict(values["options"])
        except ArgumentError as error:
            raise CheckpointError(f"{checkpoint.path} does not hold a training run: {error}") from error
        facts = cls(**{**{field.name: values[field.name] for field in fields(cls)}, "options": options})
        facts._check_parameters(checkpoint)
        return facts

    def _check_parameters(self, checkpoint: Checkpoint) -> None:
        """Raise ``CheckpointError`` unless the parameters are as many as these options make: a model as
        large as the file's own contents may be built, and no other."""
        stored = sum(array.size for array in parameters_of(checkpoint.arrays).values())
        wanted = parameter_count(self.options, len(self.vocabulary))
        if stored != wanted:
            raise CheckpointError(
                f"{checkpoint.path} holds {stored} parameters, but its options are those of {wanted:.6g}: "
                f"{model_text(self.options)} for {len(self.vocabulary)} characters"
            )

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
