"""Data parallel training: processes under ``mpiexec`` follow the single one, and fail together."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from lm_runs import SMALL, TEXT, corpus, flags, log_lines, newest, options

import minigraph as mg
from minigraph import nn, text
from minigraph.cli import main
from minigraph.text.diagnosis import ELSEWHERE
from minigraph.text.mpi import Launch, launched, told
from minigraph.text.streams import keep_to_rows

_BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
MPIEXEC = shutil.which("mpiexec", path=_BESIDE)
together = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and mpiexec: python -m pip install 'minigraph[mpi]'",
)
# A batch of 5 rows is shared as 2 + 3. Dropout draws masks at every step.
OPTIONS = {"batch_size": 5, "dropout": 0.2, "dtype": "float64", "save_every": 1000}
PROGRAM = """
import os
from pathlib import Path
from minigraph.cli import main
from minigraph.text import mpi
mpi._PATIENCE = float(os.environ["PATIENCE"])
Path(f"process{mpi.launched().rank}").write_text(str(os.getpid()))
main()
"""


def mpiexec(folder: Path, *parts: list[str], patience: float = 3600) -> subprocess.Popen:
    """Start ``minigraph train`` in two processes under mpiexec; with two ``parts``, one process of each.

    A process that fails waits ``patience`` seconds for the other to fail too.
    """
    (folder / "t.txt").write_text(TEXT)
    python = [sys.executable, "-c", PROGRAM, "train"]
    command: list[str] = [str(MPIEXEC)]
    for part in parts:
        if len(command) > 1:
            command.append(":")
        command += ["-n", str(3 - len(parts)), *python, *part]
    environment = {
        **os.environ, "PYTHONPATH": str(Path(mg.__file__).parents[1]), "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1", "TERM": "dumb", "PATIENCE": str(patience),
        # Open MPI refuses root and more processes than cores unless told.
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )


def run(folder: Path, *parts: list[str], patience: float = 3600) -> tuple[int, str, str]:
    process = mpiexec(folder, *parts, patience=patience)
    try:
        out, err = process.communicate()
    finally:
        process.kill()
    return process.returncode, out, err


def arguments(**changes: Any) -> list[str]:
    given = {**SMALL, **OPTIONS, **changes}
    return ["t.txt", "--checkpoint-dir", "cv", "--log", "log.jsonl", *flags(given)]


def lines_of_ours(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("minigraph: ")]


def assert_close(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for mine, theirs in zip(found, expected):
        for name, value in theirs.items():
            assert mine[name] == pytest.approx(value, rel=1e-9), (name, theirs)


@together
def test_two_processes_give_the_losses_of_one_and_either_goes_on_with_the_others_run(
    tmp_path: Path,
) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    shared.mkdir()
    text.train(corpus(), options(**OPTIONS, max_iters=15), alone / "cv", alone / "log.jsonl")
    expected = log_lines(alone / "log.jsonl")
    assert sum("val_loss" in line for line in expected) == 3

    code, out, err = run(shared, arguments(max_iters=5))
    assert (code, err) == (0, "")
    assert out.count("done after iteration 5") == 1
    assert "2 processes share the 5 rows of every batch" in out
    text.train(corpus(), options(**OPTIONS, max_iters=10), shared / "cv", shared / "log.jsonl")
    code, out, err = run(shared, arguments(max_iters=15))
    assert (code, err) == (0, "")
    assert "going on from" in out

    assert_close(log_lines(shared / "log.jsonl"), expected)
    assert len(list((shared / "cv").glob("*.safetensors"))) == len(list((alone / "cv").glob("*.safetensors")))
    first, second = newest(alone / "cv"), newest(shared / "cv")
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        np.testing.assert_allclose(second.arrays[name], array, rtol=1e-7, atol=1e-11, err_msg=name)
    np.testing.assert_array_equal(first.arrays["random/stream"], second.arrays["random/stream"])


@together
def test_an_error_of_all_processes_is_told_once(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, arguments(batch_size=1))
    assert code == 2
    assert lines_of_ours(err) == [
        "minigraph: 2 processes cannot share --batch-size 1: each needs at least one row"
    ]
    code, _, err = run(tmp_path, arguments(learning_rate=1e308, decay_rate=0))
    assert code == 1
    (line,) = lines_of_ours(err)
    assert re.search(r"process 0 of 2: iteration 2: the loss is nan\. Inf in output of node \d+ 'i2h_1", line)
    assert "The last good state, after iteration 1, is in cv" in line
    assert newest(tmp_path / "cv").structure["iteration"] == 1


def test_the_process_that_knows_where_it_is_tells() -> None:
    elsewhere = f"the loss is nan, but every node's numbers are finite here: {ELSEWHERE}"
    assert told([elsewhere, "Inf in node 4", elsewhere]) == "process 1 of 3: Inf in node 4"
    assert told(["no such file", "no such file"]) == "no such file"
    assert told([elsewhere, elsewhere]) == elsewhere


@together
def test_a_process_that_fails_alone_ends_the_others(tmp_path: Path) -> None:
    missing = arguments()
    missing[0] = "missing.txt"
    code, _, err = run(tmp_path, arguments(), missing, patience=0.5)
    assert code != 0
    assert lines_of_ours(err) == ["minigraph: process 1 of 2: missing.txt: No such file or directory"]


@together
def test_processes_must_begin_alike(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, arguments(), arguments(seed=7))
    assert code == 2
    (line,) = lines_of_ours(err)
    assert "do not begin alike: all need the same flags and text" in line
    assert not list((tmp_path / "cv").glob("*.safetensors"))


@together
def test_a_killed_process_ends_the_others_and_the_run_goes_on(tmp_path: Path) -> None:
    process = mpiexec(tmp_path, arguments(max_iters=0, save_every=0))
    log = tmp_path / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(int((tmp_path / "process1").read_text()), signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0
    reached = newest(tmp_path / "cv").structure["iteration"]
    text.train(corpus(), options(**OPTIONS, max_iters=reached + 2), tmp_path / "cv", log)
    undisturbed = text.Trainer(corpus(), options(**OPTIONS))
    losses = [undisturbed.step().loss for _ in range(reached + 2)]
    assert reached >= 3
    found = [line["loss"] for line in log_lines(log) if "loss" in line]
    np.testing.assert_allclose(found, losses, rtol=1e-9)


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, None),
    ({"PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "0"}, Launch(1, 4, 0)),
    ({"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
      "PMIX_RANK": "5"}, Launch(5, 8, 1)),
    ({"PMIX_RANK": "2", "SLURM_NTASKS": "3", "SLURM_LOCALID": "2"}, Launch(2, 3, 2)),
    ({"PMI_RANK": "2", "PMI_SIZE": "3"}, Launch(2, 3, 2)),
    ({"SLURM_NTASKS": "3", "SLURM_LOCALID": "0"}, None),  # a batch script, without srun
])
def test_launchers(environment: dict[str, str], expected: Any) -> None:
    assert launched(environment) == expected


@pytest.mark.parametrize(("rank", "told"), [("0", 1), ("1", 0)])
def test_without_mpi4py_one_process_of_a_host_names_the_extra(
    rank: str, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"PMI_RANK": rank, "PMI_SIZE": "2", "MPI_LOCALRANKID": rank}.items():
        monkeypatch.setenv(name, value)
    for name in ("mpi4py", "mpi4py.MPI"):
        monkeypatch.setitem(sys.modules, name, None)
    result = CliRunner().invoke(main, ["train", *flags({**SMALL, "max_iters": 1})])
    assert result.exit_code == 2
    assert result.output.count("pip install 'minigraph[mpi]'") == told
    assert len(result.output.splitlines()) == told
    assert not list(tmp_path.iterdir())


def test_masks_of_rows_are_those_of_the_whole_batch() -> None:
    input = np.ones((7, 3))

    def masks(first: int, last: int) -> np.ndarray:
        net = nn.Sequential().add(nn.Dropout(0.5)).add(nn.Identity()).add(nn.Dropout(0.3))
        keep_to_rows(net, first, 7)
        mg.manualSeed(4)
        drawn = np.stack([net.forward(input[first:last]) for _ in range(5)])
        assert mg.random.uniform() == after
        return drawn

    net = nn.Sequential().add(nn.Dropout(0.5)).add(nn.Identity()).add(nn.Dropout(0.3))
    mg.manualSeed(4)
    whole = np.stack([net.forward(input) for _ in range(5)])
    after = mg.random.uniform()
    assert 0 < np.count_nonzero(whole) < whole.size
    for first, last in [(0, 7), (0, 2), (2, 3), (3, 7)]:
        np.testing.assert_array_equal(masks(first, last), whole[:, first:last])
