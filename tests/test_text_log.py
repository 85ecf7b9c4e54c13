"""The log of a training run: what it may be written to, and a disk that is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from click.testing import CliRunner
from lm_runs import SMALL, TEXT, flags, log_lines, newest, no_timed_saves

from minigraph.cli import main

__all__ = ["no_timed_saves"]
pytestmark = pytest.mark.usefixtures("no_timed_saves")


def train(tmp_path: Path, log: Any, **changes: Any) -> Any:
    (tmp_path / "text.txt").write_text(TEXT)
    arguments = ["train", tmp_path / "text.txt", "--checkpoint-dir", tmp_path / "cv", "--log", log]
    given = flags({**SMALL, **changes})
    return CliRunner().invoke(main, [*map(str, arguments), *given])


@pytest.mark.parametrize("kind", ["directory", "device", "link to a device", "pipe"])
def test_what_is_no_file_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    if kind == "directory":
        log.mkdir()
    elif os.name != "posix":
        return  # Windows has neither devices nor pipes in its folders
    elif kind == "device":
        log = Path("/dev/zero")
    elif kind == "link to a device":
        log.symlink_to("/dev/zero")
    else:
        os.mkfifo(log)
    result = train(tmp_path, log)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert result.output.startswith(f"minigraph: {log} is not a regular file")


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file grow beyond that many bytes: writing more fails as it does on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_that_cannot_grow_ends_the_run_and_room_lets_it_go_on(tmp_path: Path, small_files: int) -> None:
    log = tmp_path / "log"
    assert train(tmp_path, log, max_iters=1).exit_code == 0
    # A line of the log's own iteration fills the file up to a few bytes less than a line needs.
    padding = '{"iteration": 1, "val_loss": 1.0}'
    room = small_files - log.stat().st_size - 20
    with open(log, "a") as file:
        file.write(padding + " " * (room - len(padding) - 1) + "\n")
    result = train(tmp_path, log, max_iters=3)
    assert result.exit_code == 2
    assert result.stderr == f"minigraph: {log}: {os.strerror(errno.EFBIG)}\n"
    assert newest(tmp_path / "cv").structure["iteration"] == 1
    lines = log.read_bytes().splitlines(keepends=True)
    assert not lines[-1].endswith(b"\n")  # torn where the room ended
    log.write_bytes(lines[0] + lines[-1])  # without the padding there is room again
    assert train(tmp_path, log, max_iters=3).exit_code == 0
    assert [line["iteration"] for line in log_lines(log) if "loss" in line] == [1, 2, 3]
