"""Checkpoints and folders from strangers: what they claim is checked before anything is built or opened."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from click.testing import CliRunner, Result
from lm_runs import SMALL, TEXT, corpus, flags, newest, no_timed_saves, options

import minigraph as mg
from minigraph import text
from minigraph.cli import main
from minigraph.errors import ArgumentError, FormatError, InputError, StateError
from minigraph.text.size import parameter_count

__all__ = ["no_timed_saves"]
pytestmark = pytest.mark.usefixtures("no_timed_saves")
posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and signals are of POSIX")
COMMAND = [sys.executable, "-c", "from minigraph.cli import main; main()"]
GOLDEN = Path(__file__).parent / "golden"


def minigraph(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(*arguments: Any) -> str:
    """Run a command that must fail in one line, and return this line."""
    result = minigraph(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> text.Checkpoint:
    folder = tmp_path_factory.mktemp("trained")
    text.train(corpus(), options(max_iters=3), folder, compiled=False)
    return newest(folder)


def edited(
    checkpoint: text.Checkpoint, folder: Path, facts: dict[str, Any], arrays: dict[str, Any]
) -> Path:
    """Write the checkpoint with other facts (of its options too) or arrays; None leaves one out."""
    structure = {**checkpoint.structure, "options": dict(checkpoint.structure["options"])}
    for name, value in facts.items():
        part = structure["options"] if name in structure["options"] else structure
        part[name] = value
        if name == "learning_rate":  # an option, and a fact of the moment
            structure[name] = value
    kept = {name: array for name, array in {**checkpoint.arrays, **arrays}.items() if array is not None}
    folder.mkdir(exist_ok=True)
    text.write_checkpoint(folder / "latest.safetensors", kept, structure)
    return folder / "latest.safetensors"


# -- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("layers", "size"), [(1, 5), (3, 4)])
def test_parameters_are_counted_before_they_are_made(model: str, layers: int, size: int) -> None:
    given = options(model=model, num_layers=layers, rnn_size=size)
    assert parameter_count(given, 28) == text.build_model(given, 28).flat.size


@pytest.mark.parametrize(("facts", "message"), [
    ({"num_layers": 2**31}, "holds 1396 parameters, but its options are those of .*: lstm of 2147483648 "),
    ({"rnn_size": 40_000}, r"its options are those of .*: lstm of 2 layer\(s\) of 40000 for 28 characters"),
    ({"rnn_size": 7}, "holds 1396 parameters, but its options are those of 1708: lstm"),
    ({"model": "gru"}, "holds 1396 parameters, but its options are those of 1096: gru"),
    ({"vocabulary": "ab"}, "for 2 characters"),
    ({"vocabulary": ""}, "vocabulary must be distinct characters, it is ''"),
    ({"vocabulary": "aab"}, "vocabulary must be distinct characters"),
    ({"vocabulary": 7}, "vocabulary must be distinct characters, it is 7"),
    ({"iteration": -1}, "iteration must be a whole number, it is -1"),
    ({"iteration": "x"}, "cannot be read: its iteration is 'x'|iteration must be a whole number"),
    ({"position": 1.5}, "position must be a whole number, it is 1.5"),
    ({"learning_rate": "fast"}, "learning_rate must be a number, at least 0, it is 'fast'"),
    ({"learning_rate": 10**400}, "learning_rate must be a number, at least 0, it is 1000"),
    ({"options": []}, r"options must be a table, it is \[\]"),
    ({"rnn_size": "big"}, "--rnn-size must be a whole number, at least 1; got 'big'"),
    ({"num_layers": [2]}, "--num-layers must be a whole number"),
    ({"num_layers": 10**100}, "--num-layers must be at most 9007199254740992"),
    ({"grad_clip": 10**400}, "--grad-clip must be at most 9007199254740992"),
    ({"dtype": {}}, "--dtype must be one of float32, float64"),
    ({"digest": None}, "digest must be text, it is None"),
    ({"init_from": 3}, "init_from must be text or nothing, it is 3"),
])
def test_facts_that_do_not_fit_are_one_line(
    trained: text.Checkpoint, tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    path = edited(trained, tmp_path / "cv", facts, {})
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    before = path.read_bytes()
    for command in (
        ["sample", path], ["train", file, "--init-from", path, "--checkpoint-dir", tmp_path / "b"],
        ["train", file, "--checkpoint-dir", tmp_path / "cv", *flags(SMALL)],
    ):
        assert re.search(message, refused(*command))
    assert path.read_bytes() == before and not (tmp_path / "b").exists()


@pytest.mark.parametrize(("arrays", "message"), [
    ({"optimiser/m": None}, "optimiser/m is missing, expected float64"),
    ({"optimiser/m": np.zeros(3)}, r"optimiser/m is float64 \(3,\), expected"),
    ({"state/prev_c1": np.zeros((2, 6))}, r"state/prev_c1 is float64 \(2, 6\), expected float64 \(4, 6\)"),
    ({"state/more": np.zeros(1)}, r"state/more is float64 \(1,\), expected none of this name"),
    ({"random/stream": np.full(628, 700.0)}, "no state of a generator: .* the next one at 700"),
    ({"random/stream": np.full(628, np.nan)}, "random/stream is not finite"),
    ({"history/losses": np.zeros(2)}, r"history/losses is float64 \(2,\), expected float64 \(3,\)"),
    ({"history/losses": np.zeros(3, np.float32)}, "history/losses is float32"),
    ({"history/validations": np.zeros(4)}, "history/validations is float64"),
    ({"history/validations": np.zeros(())}, "history/validations is float64"),
    ({"history/validations": np.full((1, 2), 1e300)}, "its validations are not of iterations up to 3"),
])
def test_arrays_that_do_not_fit_change_nothing(
    trained: text.Checkpoint, tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = edited(trained, tmp_path, {}, arrays)
    before = path.read_bytes()
    with pytest.raises((InputError, ArgumentError), match=message):
        text.train(corpus(), options(), tmp_path, compiled=False)
    assert path.read_bytes() == before
    trainer = text.Trainer(corpus(), options(), compiled=False)
    state = {name: array.copy() for name, array in trainer.arrays().items()}
    with pytest.raises((InputError, ArgumentError), match=message):
        trainer.restore(text.read_checkpoint(path).arrays, 3, 0.1)
    for name, array in trainer.arrays().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


@pytest.mark.parametrize(("changes", "message"), [
    ({"num_layers": 10**6}, r"lstm of 1000000 layer\(s\) of 128, over 50 time steps of 50 rows, needs at "
                            r"least 1\d\.\d TiB of memory, and .* are free"),
    ({"rnn_size": 10**9, "model": "gru"}, "gru of 2 layer.* of 1000000000, .* needs at least"),
    ({"rnn_size": 10**30}, "--rnn-size must be at most"),
])
def test_flags_that_no_memory_holds_are_one_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "text.txt").write_text(TEXT * 10)
    line = refused("train", tmp_path / "text.txt", "--checkpoint-dir", tmp_path / "cv", *flags(changes))
    assert re.search(message, line)
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".t7", ".pt", "checkpoint"])
def test_what_does_not_fit_the_memory_is_not_read(
    suffix: str, trained: text.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"net{suffix}"
    net = mg.nn.Linear(500, 500)
    readers: dict[str, Callable[[Path], Any]] = {
        ".safetensors": mg.load, ".t7": mg.load_t7, "checkpoint": text.read_checkpoint,
    }
    if suffix == ".pt":
        pytest.importorskip("torch")
        mg.interop.save_torch(net, path)
        readers[suffix] = mg.interop.load_torch
    elif suffix == "checkpoint":
        text.write_checkpoint(path, {"a": np.zeros(10**6)}, {})
    else:
        (mg.save if suffix == ".safetensors" else mg.save_t7)(path, net)
    readers[suffix](path)
    monkeypatch.setattr("minigraph.files.headroom.available", lambda: 2**20)
    with pytest.raises((FormatError, mg.errors.T7Error, text.CheckpointError), match=r"needs .* of memory"):
        readers[suffix](path)


@pytest.mark.parametrize(("opt", "message"), [
    ({"num_layers": 2**31}, "its options are those of"),
    ({"rnn_size": 40_000}, "its options are those of"),
    ({"rnn_size": float("inf")}, "its option rnn_size is inf"),
    ({"rnn_size": "x"}, "its option rnn_size is 'x'"),
    ({"seq_length": {}}, "its option seq_length is []"),
])
def test_options_of_char_rnn_are_checked_before_a_model_is_made(
    opt: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = mg.load_t7(GOLDEN / "t7" / "char_rnn_lstm_2x64.t7")
    content["opt"].update(opt)
    mg.save_t7(tmp_path / "other.t7", content)
    assert message in refused("sample", tmp_path / "other.t7")


def test_a_long_text_takes_little_more_memory_than_its_characters(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT * 10_000)  # 6 MB
    tracemalloc.start()
    try:
        found = text.Corpus.from_file(path)
        text.Batches.cut(found, 50, 50, 0.9, 0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.codes.nbytes == path.stat().st_size == len(found.codes)
    assert peak < 1.2 * found.codes.nbytes + 20e6  # for a part of the text, and tables of all characters


@pytest.mark.parametrize("characters", [200, 300, 70_000])
def test_numbers_are_right_whatever_their_width(characters: int) -> None:
    several = "".join(chr(0x100 + k + 2048 * (k >= 0xd700)) for k in range(characters))
    found = text.Corpus.from_text(several[::-1] + several)
    assert found.codes.itemsize == (1 if characters < 256 else 2 if characters < 2**16 else 4)
    assert found.codes.tolist() == [*range(characters, 0, -1), *range(1, characters + 1)]
    assert text.Batches.cut(found, 1, 10, 1, 0).x[0].dtype == np.int64


# -- links, pipes, signals ---------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", [".lock", "loss.svg", "latest.safetensors"])
def test_a_link_in_the_folder_leads_nowhere(name: str, tmp_path: Path) -> None:
    folder, target = tmp_path / "cv", tmp_path / "target"
    folder.mkdir()
    text.train(corpus(), options(max_iters=2), tmp_path / "other", compiled=False)
    target.write_bytes((tmp_path / "other" / "latest.safetensors").read_bytes())
    before = target.read_bytes()
    (folder / name).symlink_to(target)
    if name == "loss.svg":
        assert text.train(corpus(), options(max_iters=2), folder, compiled=False).finished
        assert stat.S_ISREG((folder / name).lstat().st_mode)
    else:
        with pytest.raises((OSError, StateError, text.CheckpointError), match="is a link, and links found"):
            text.train(corpus(), options(max_iters=2), folder, compiled=False)
        assert (folder / name).is_symlink()
    assert target.read_bytes() == before


@posix
def test_what_is_no_file_of_a_run_is_passed_over(tmp_path: Path) -> None:
    run = options(max_iters=12, keep=1)
    text.train(corpus(), run, tmp_path, compiled=False)
    outside = tmp_path / "outside"
    outside.write_bytes((tmp_path / "latest.safetensors").read_bytes())
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "link.safetensors").symlink_to(outside)
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "lm_lstm_epoch0.01_1.0000.safetensors").mkdir()
    (tmp_path / "lm_x_epoch1.2.3_e+e.safetensors").write_bytes(b"")
    (tmp_path / "latest.safetensors.1.part").mkdir()
    (tmp_path / "loss.svg.2.part").symlink_to(outside)
    warnings: list[str] = []
    found = text.Folder(tmp_path).newest(warnings.append)
    assert found is not None and found.structure["iteration"] == 12
    told = "\n".join(warnings)
    reasons = {"pipe": "is not a regular file", "link": "is a link", "folder": "Is a directory"}
    for name, reason in reasons.items():
        assert f"{name}.safetensors cannot be read: {reason}" in told
    before = outside.read_bytes()
    text.train(corpus(), options(max_iters=20, keep=1), tmp_path, compiled=False)
    assert outside.read_bytes() == before and not (tmp_path / "loss.svg.2.part").is_symlink()
    assert {"pipe.safetensors", "link.safetensors", "folder.safetensors"} <= set(os.listdir(tmp_path))


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_that_waits_for_its_text(number: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "text")
    # A shell that starts the tests in the background has Ctrl-C ignored.
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {COMMAND[-1]}"
    command = [sys.executable, "-c", program, "train", "text"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    with open(tmp_path / "text", "wb") as pipe:  # as soon as it is opened there
        pipe.write(b"the beginning of a text")
        pipe.flush()
        while process.poll() is None:  # Python misses one that comes between two of its steps
            process.send_signal(number)
            time.sleep(0.05)
    assert process.returncode in ({-number} if number == signal.SIGTERM else {-number, 1})
    assert os.listdir(tmp_path) == ["text"]


@posix
def test_a_text_may_come_through_a_pipe(tmp_path: Path) -> None:
    arguments = ["train", "/dev/stdin", "--checkpoint-dir", str(tmp_path / "cv"), *flags(SMALL)]
    subprocess.run([*COMMAND, *arguments], input=TEXT, text=True, check=True, capture_output=True)
    assert newest(tmp_path / "cv").structure["digest"] == corpus().digest
