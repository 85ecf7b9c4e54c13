"""``kill -9`` at random moments: no checkpoint is ever unreadable, and the end is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Iterator, Optional

import pytest
from lm_runs import TEXT, assert_same_state, flags, log_lines, newest

from minigraph import text

KILLS = 21
OPTIONS = {
    "rnn_size": 8, "seq_length": 5, "batch_size": 4, "train_frac": 0.8, "val_frac": 0.2, "dropout": 0.2,
    "learning_rate_decay_after": 1, "eval_val_every": 20, "keep": 3,
}
#: Calls of functions before the first iteration, and from one to the next where each is saved, about.
BEGINNING, ITERATION = 80_000, 11_000


class Runs:
    """Runs of ``minigraph`` in forked processes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.requests: IO[str] = process.stdin
        self.answers: IO[str] = process.stdout

    def run(self, arguments: list[str], moment: Optional[tuple[int, int]] = None) -> int:
        """Run to the end, or until so many iterations and then so many calls were made; return the status."""
        print(json.dumps([arguments, moment]), file=self.requests, flush=True)
        return int(self.answers.readline())


@pytest.fixture
def runs() -> Iterator[Runs]:
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forking_trainer.py"))], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        yield Runs(process)


def command(file: Path, folder: Path, iterations: int, save_every: float = 30) -> list[str]:
    return [
        "train", str(file), "--checkpoint-dir", str(folder), "--log", str(folder / "log.jsonl"),
        "--max-iters", str(iterations), "--save-every", str(save_every), *flags(OPTIONS),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX")
def test_killed_twenty_times_it_ends_as_if_nothing_had_happened(tmp_path: Path, runs: Runs) -> None:
    file, killed, whole = tmp_path / "text.txt", tmp_path / "killed", tmp_path / "whole"
    file.write_text(TEXT)
    moments = random.Random(1)
    reached = 0
    for kill in range(KILLS):
        # In turn: before it trains, while every iteration is saved, and while time says when to save.
        iterations = moments.randint(1, 5) if kill % 3 else 0
        calls = moments.randint(1, ITERATION if iterations else BEGINNING)
        arguments = command(file, killed, reached + 30, save_every=0 if kill % 3 == 1 else 30)
        assert runs.run(arguments, (iterations, calls)) == signal.SIGKILL
        for path in killed.glob("*.safetensors"):
            assert text.read_checkpoint(path).structure["options"]["rnn_size"] == 8
        found = text.Folder(killed).newest(pytest.fail)
        now = found.structure["iteration"] if found else 0
        assert now >= reached + (iterations if kill % 3 == 1 else 0)
        reached = now
    assert reached > KILLS / 3

    for folder in (killed, whole):
        assert runs.run(command(file, folder, reached + 10)) == 0
    assert_same_state(newest(killed), newest(whole))
    assert log_lines(killed / "log.jsonl") == log_lines(whole / "log.jsonl")
    logged = [line["iteration"] for line in log_lines(killed / "log.jsonl") if "loss" in line]
    assert logged == list(range(1, reached + 11))
