"""Small texts and options for language models, and what is compared of their runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigraph import text

#: 600 characters, 28 distinct.
WORDS = (
    "the quick brown fox jumps over the lazy dog and then it sleeps in the warm sun while a bird sings "
    "to nobody at all from an old oak that was here before any of us came to live by the slow river, "
)
TEXT = (WORDS * 4)[:600]

SMALL = {
    "rnn_size": 6, "num_layers": 2, "seq_length": 5, "batch_size": 4, "max_iters": 12,
    "train_frac": 0.8, "val_frac": 0.2, "eval_val_every": 5, "save_every": 1e6,
}


@pytest.fixture
def no_timed_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after validations only, so that the files of a run do not depend on the machine's speed."""
    monkeypatch.setattr("minigraph.text.run._LOST_SHARE", 1e9)


def corpus(characters: str = TEXT) -> text.Corpus:
    return text.Corpus.from_text(characters)


def options(**changes: Any) -> text.TrainingOptions:
    return text.TrainingOptions(**{**SMALL, **changes})


def flags(values: dict[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def log_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log without the times, which no two runs share."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    return lines


def newest(folder: Path) -> text.Checkpoint:
    found = text.Folder(folder).newest()
    assert found is not None
    return found


def assert_same_state(first: text.Checkpoint, second: text.Checkpoint) -> None:
    """All that a run consists of is the same, bit for bit."""
    assert first.structure["iteration"] == second.structure["iteration"]
    assert first.structure["learning_rate"] == second.structure["learning_rate"]
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name], err_msg=name, strict=True)
