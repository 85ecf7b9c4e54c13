"""``kill -9`` at random moments: no checkpoint is ever unreadable, and the end is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Callable, Iterator

import pytest
from lm_runs import TEXT, assert_same_state, flags, log_lines, newest

from minigraph import text

KILLS = 20
OPTIONS = {
    "rnn_size": 8, "seq_length": 5, "batch_size": 4, "train_frac": 0.8, "val_frac": 0.2, "dropout": 0.2,
    "learning_rate_decay_after": 1, "eval_val_every": 20, "keep": 3,
}


class Runs:
    """Runs of ``minigraph`` in forked processes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.requests: IO[str] = process.stdin
        self.answers: IO[str] = process.stdout

    def start(self, arguments: list[str]) -> int:
        print(json.dumps(arguments), file=self.requests, flush=True)
        return int(self.answers.readline())

    def status(self) -> int:
        return int(self.answers.readline())


@pytest.fixture
def runs() -> Iterator[Runs]:
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forking_trainer.py"))], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        yield Runs(process)


def command(file: Path, folder: Path, iterations: int) -> list[str]:
    return [
        "train", str(file), "--checkpoint-dir", str(folder), "--log", str(folder / "log.jsonl"),
        "--max-iters", str(iterations), *flags(OPTIONS),
    ]


def log_size(folder: Path) -> int:
    log = folder / "log.jsonl"
    return log.stat().st_size if log.exists() else 0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX")
def test_killed_twenty_times_it_ends_as_if_nothing_had_happened(tmp_path: Path, runs: Runs) -> None:
    file, killed, whole = tmp_path / "text.txt", tmp_path / "killed", tmp_path / "whole"
    file.write_text(TEXT)
    moments = random.Random(1)
    reached: list[int] = []
    for kill in range(KILLS):
        before = log_size(killed)
        child = runs.start(command(file, killed, 10**6))
        if kill % 2:  # while it trains, however slow the machine; the others, at any moment
            wait_for(lambda: log_size(killed) != before)  # noqa: B023 (called at once)
        time.sleep(moments.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        assert runs.status() == signal.SIGKILL
        for path in killed.glob("*.safetensors"):
            assert text.read_checkpoint(path).structure["options"]["rnn_size"] == 8
        found = text.Folder(killed).newest(pytest.fail)
        reached.append(found.structure["iteration"] if found else 0)
    assert reached == sorted(reached)
    assert len(set(reached)) > KILLS / 4

    end = reached[-1] + 10
    for folder in (killed, whole):
        runs.start(command(file, folder, end))
        assert runs.status() == 0
    assert_same_state(newest(killed), newest(whole))
    assert log_lines(killed / "log.jsonl") == log_lines(whole / "log.jsonl")
    logged = [line["iteration"] for line in log_lines(killed / "log.jsonl") if "loss" in line]
    assert logged == list(range(1, end + 1))
