"""Checkpoints: whole or not at all, refused when damaged; going on from them; logs in step."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lm_runs import TEXT, assert_same_state, corpus, log_lines, newest, no_timed_saves, options
from safetensors.numpy import save_file

from minigraph import text
from minigraph.errors import ArgumentError, NumberError, StateError

__all__ = ["no_timed_saves"]
pytestmark = pytest.mark.usefixtures("no_timed_saves")

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], np.uint32)}
STRUCTURE = {"iteration": 7, "vocabulary": "aä\n"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    text.write_checkpoint(path, ARRAYS, STRUCTURE)
    return path


def test_what_is_written_is_read(written: Path) -> None:
    found = text.read_checkpoint(written)
    assert found.structure == STRUCTURE
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)
    assert list(written.parent.iterdir()) == [written]


def test_truncated_files_are_refused_at_every_length(written: Path) -> None:
    whole = written.read_bytes()
    for length in [*range(0, len(whole), 23), len(whole) - 1]:
        written.write_bytes(whole[:length])
        with pytest.raises(text.CheckpointError, match="cannot be read"):
            text.read_checkpoint(written)


def test_every_changed_byte_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        written.write_bytes(changed)
        try:
            found = text.read_checkpoint(written)
        except text.CheckpointError:
            continue
        # Some bytes of the header are not contents: its padding, for example.
        assert found.structure == STRUCTURE
        assert all((found.arrays[name] == array).all() for name, array in ARRAYS.items())


def test_an_edited_value_is_named_as_such(written: Path) -> None:
    whole = written.read_bytes()
    assert whole.count(b'iteration\\": 7') == 1
    written.write_bytes(whole.replace(b'iteration\\": 7', b'iteration\\": 8'))
    with pytest.raises(text.CheckpointError, match="was changed after it was written"):
        text.read_checkpoint(written)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(2)}, foreign)
    with pytest.raises(text.CheckpointError, match="not a checkpoint of minigraph train"):
        text.read_checkpoint(foreign)
    save_file({"a": np.zeros(2)}, foreign, metadata={
        "format": "minigraph training checkpoint", "version": "9", "structure": "{}",
    })
    with pytest.raises(text.CheckpointError, match="version 9 of the checkpoint format"):
        text.read_checkpoint(foreign)
    foreign.write_text("not a checkpoint at all, but long enough to have a header")
    with pytest.raises(text.CheckpointError, match="cannot be read"):
        text.read_checkpoint(foreign)
    with pytest.raises(FileNotFoundError):
        text.read_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(
    written: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        text.write_checkpoint(written, ARRAYS, {"iteration": 8})
    monkeypatch.undo()
    assert text.read_checkpoint(written).structure == STRUCTURE
    assert list(written.parent.iterdir()) == [written]


# -- runs ----------------------------------------------------------------------------------


class Steps(text.Reporter):
    """Counts the iterations of a process."""

    count = 0

    def stepped(self, step: text.Step) -> None:
        self.count += 1


def run(folder: Path, stop_after: int = 10**9, **given: Any) -> text.Result:
    """Train; a graceful stop after some iterations of this process."""
    keywords = {name: given.pop(name) for name in ("init_from", "corpus") if name in given}
    steps = Steps()
    return text.train(
        keywords.pop("corpus", corpus()), options(**given), folder, folder / "log.jsonl",
        reporter=steps, should_stop=lambda: steps.count >= stop_after, **keywords,
    )


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
def test_a_run_in_pieces_is_the_run_in_one(tmp_path: Path, model: str) -> None:
    given = {"model": model, "dtype": "float32", "dropout": 0.3, "max_iters": 60}
    given["learning_rate_decay_after"] = 1
    whole = run(tmp_path / "whole", **given)
    assert whole.finished
    pieces = 0
    while True:
        pieces += 1
        result = run(tmp_path / "pieces", stop_after=7 * pieces, **given)
        if result.finished:
            break
    assert pieces == 4
    assert_same_state(newest(tmp_path / "whole"), newest(tmp_path / "pieces"))
    lines = log_lines(tmp_path / "pieces" / "log.jsonl")
    assert lines == log_lines(tmp_path / "whole" / "log.jsonl")
    assert [line["iteration"] for line in lines if "loss" in line] == list(range(1, 61))
    assert [line["iteration"] for line in lines if "val_loss" in line] == list(range(5, 61, 5))
    assert result.curve.read_text().startswith("<svg")


def test_a_run_that_is_stopped_wherever_it_can_be_is_the_run_in_one(tmp_path: Path) -> None:
    """After each iteration, and before each of the 6 batches of a validation."""
    run(tmp_path / "whole")
    stops = finished = 0
    while not finished:
        calls = iter(range(1, 10**9))
        stops += 1
        finished = text.train(
            corpus(), options(), tmp_path / "pieces", tmp_path / "pieces" / "log.jsonl",
            should_stop=lambda: next(calls) >= stops,  # noqa: B023 (called at once)
        ).finished
        validations = (tmp_path / "pieces" / "log.jsonl").read_text().count("val_loss")
        assert finished == (newest(tmp_path / "pieces").structure["iteration"] == 12 and validations == 3)
    assert stops > 7
    assert_same_state(newest(tmp_path / "whole"), newest(tmp_path / "pieces"))
    assert log_lines(tmp_path / "pieces" / "log.jsonl") == log_lines(tmp_path / "whole" / "log.jsonl")


def test_what_a_checkpoint_holds(tmp_path: Path) -> None:
    result = run(tmp_path, max_iters=9)
    found = newest(tmp_path)
    structure = found.structure
    assert (structure["iteration"], structure["position"]) == (9, 9)
    assert structure["options"]["rnn_size"] == 6
    assert structure["vocabulary"] == corpus().vocabulary.characters
    assert found.arrays["parameters/i2h_1.weight"].shape == (24, 28)
    assert found.arrays["optimiser/m"].shape == result.trainer.model.flat.shape
    assert found.arrays["state/prev_c2"].shape == (4, 6)
    assert found.arrays["history/losses"].tolist() == result.trainer.losses
    assert [name for name in found.arrays if name.startswith("state/")] == [
        "state/prev_c1", "state/prev_c2", "state/prev_h1", "state/prev_h2",
    ]


def test_damaged_checkpoints_are_passed_over_with_a_warning(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "latest.safetensors").unlink()
    files = sorted(tmp_path.glob("lm_*.safetensors"))
    assert len(files) == 3
    files[2].write_bytes(files[2].read_bytes()[:-5])
    edited = bytearray(files[1].read_bytes())
    edited[-1] ^= 255
    files[1].write_bytes(edited)
    warnings: list[str] = []
    found = text.Folder(tmp_path).newest(warnings.append)
    assert found is not None
    assert found.structure["iteration"] == 5
    assert len(warnings) == 2
    assert f"{files[2]} cannot be read" in warnings[0]
    assert f"{files[1]} was changed" in warnings[1]
    result = run(tmp_path)
    lines = log_lines(tmp_path / "log.jsonl")
    assert [line["iteration"] for line in lines if "loss" in line] == list(range(1, 13))
    assert len(result.trainer.losses) == 12


@pytest.mark.parametrize(("changes", "message"), [
    ({"rnn_size": 7}, "--rnn-size is 6 there and 7 here"),
    ({"seed": 1, "dropout": 0.1}, "--dropout is 0.0 there and 0.1 here; --seed is 123 there and 1 here"),
    ({"corpus": corpus(TEXT[:-1])}, "the text is another"),
    ({"init_from": "some.safetensors"}, "--init-from is None there and .*some.safetensors here"),
])
def test_another_run_is_not_mixed_in(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    run(tmp_path)
    log = (tmp_path / "log.jsonl").read_bytes()
    with pytest.raises(StateError, match=f"holds the checkpoints of another run: {message}"):
        run(tmp_path, **changes)
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_a_finished_run_stays_and_can_be_made_longer(tmp_path: Path) -> None:
    run(tmp_path, max_iters=10)
    again = run(tmp_path, max_iters=10)
    assert again.trainer.iteration == 10
    longer = run(tmp_path, max_iters=15)
    assert longer.trainer.losses == run(tmp_path / "other", max_iters=15).trainer.losses


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="Windows has no such locks")
    folder = text.Folder(tmp_path)
    folder.claim()
    with pytest.raises(StateError, match="another run is writing to"):
        run(tmp_path)
    folder.release()
    assert run(tmp_path).finished


def test_left_overs_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    (tmp_path / "latest.safetensors.123.part").write_bytes(b"half")
    run(tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_the_latest_checkpoint_is_that_of_the_end_and_the_same_in_every_run(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        run(tmp_path / folder)
    latest = (tmp_path / "a" / "latest.safetensors").read_bytes()
    assert text.read_checkpoint(tmp_path / "a" / "latest.safetensors").structure["iteration"] == 12
    assert (tmp_path / "b" / "latest.safetensors").read_bytes() == latest
    # A run that was killed between the checkpoint of its last validation and the latest.
    run(tmp_path / "c", stop_after=7)
    (last,) = (tmp_path / "a").glob("lm_*_epoch0.50_*.safetensors")
    (tmp_path / "c" / last.name).write_bytes(last.read_bytes())
    run(tmp_path / "c")
    assert (tmp_path / "c" / "latest.safetensors").read_bytes() == latest


def test_where_no_checkpoint_can_be_read_nothing_is_begun(tmp_path: Path) -> None:
    run(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-5])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(text.CheckpointError, match="no checkpoint in .* can be read: latest.safe"):
        run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_some_validation_checkpoints_are_kept_and_the_best(tmp_path: Path) -> None:
    folder = text.Folder(tmp_path)
    for epoch, loss in ((0.5, 2.0), (1.0, 1.5), (1.5, 1.7), (2.0, 1.8), (10.0, 3e9)):
        folder.save_validated(ARRAYS, STRUCTURE, "lstm", epoch, loss, keep=2)
    assert sorted(path.name for path in tmp_path.glob("lm_*")) == [
        "lm_lstm_epoch1.00_1.5000.safetensors", "lm_lstm_epoch10.00_3.000e+09.safetensors",
        "lm_lstm_epoch2.00_1.8000.safetensors",
    ]
    folder.save_validated(ARRAYS, STRUCTURE, "lstm", 11.0, 1.9, keep=0)
    assert len(list(tmp_path.glob("lm_*"))) == 4


def test_init_from_takes_the_parameters_only(tmp_path: Path) -> None:
    run(tmp_path / "first")
    start = text.Folder(tmp_path / "first").newest()
    assert start is not None
    # A folder stands for its newest checkpoint.
    result = run(tmp_path / "second", init_from=tmp_path / "first", stop_after=0, seed=5, batch_size=3)
    assert result.trainer.iteration == 1
    begun = text.Trainer(corpus(), options(seed=5, batch_size=3))
    begun.model.load({
        name.split("/")[1]: array for name, array in start.arrays.items() if name.startswith("parameters/")
    }, "")
    assert result.trainer.losses == [begun.step().loss]
    for changes, message in (
        ({"rnn_size": 7}, "--rnn-size is 6 there and 7 here"),
        ({"model": "gru"}, "--model is lstm there and gru here"),
        ({"corpus": corpus(TEXT + "Z")}, "the characters of the text are not those it knows"),
    ):
        with pytest.raises(text.CheckpointError, match=f"does not fit: {message}"):
            run(tmp_path / "third", init_from=start.path, **changes)


def test_a_run_that_goes_wrong_saves_the_last_good_state(tmp_path: Path) -> None:
    class Breaker(text.Reporter):
        def started(self, trainer: text.Trainer) -> None:
            self.trainer = trainer

        def stepped(self, step: text.Step) -> None:
            if step.iteration == 4:
                self.trainer._carried[1][0, 0] = np.inf

    class Spoiler(Breaker):
        def stepped(self, step: text.Step) -> None:
            if step.iteration == 4:
                self.trainer.model.flat[-1] = np.inf

    with pytest.raises(NumberError, match=r"(?s)iteration 5: .* Inf in input.*after iteration 4, is in"):
        text.train(corpus(), options(), tmp_path / "a", tmp_path / "a.jsonl", reporter=Breaker())
    assert newest(tmp_path / "a").structure["iteration"] == 4
    assert [line["iteration"] for line in log_lines(tmp_path / "a.jsonl")] == [1, 2, 3, 4]
    # Parameters that are not finite are never saved: the last good state is the older one.
    with pytest.raises(NumberError, match=r"(?s)left NaN or Inf in decoder.bias.*after iteration 3, is in"):
        text.train(corpus(), options(save_every=0), tmp_path / "b", reporter=Spoiler())
    assert newest(tmp_path / "b").structure["iteration"] == 3


def test_without_held_batches_there_is_no_validation(tmp_path: Path) -> None:
    result = run(tmp_path, train_frac=1, val_frac=0)
    assert result.trainer.batches.train == 30
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["latest.safetensors"]
    assert newest(tmp_path).structure["iteration"] == 12
    assert all("val_loss" not in line for line in log_lines(tmp_path / "log.jsonl"))


def test_a_checkpoint_that_is_of_no_run_is_refused(tmp_path: Path) -> None:
    text.write_checkpoint(tmp_path / "odd.safetensors", ARRAYS, STRUCTURE)
    with pytest.raises(text.CheckpointError, match="odd.safetensors does not hold a training run"):
        run(tmp_path)


# -- the log -------------------------------------------------------------------------------


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, stop_after=6)
    log = tmp_path / "log.jsonl"
    expected = log.read_bytes()
    with open(log, "ab") as file:
        file.write(b'{"iteration": 7, "loss": 1.0}\n{"iteration": 8, "lo')
    run(tmp_path, stop_after=0)
    lines = log.read_bytes()
    assert lines.startswith(expected)
    assert [json.loads(line)["iteration"] for line in lines[len(expected):].splitlines()] == [7]


def test_a_log_of_another_run_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"iteration": 1, "loss": 1.0}\n')
    with pytest.raises(ArgumentError, match="already holds a log, and this run starts at its beginning"):
        run(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    log.write_text("")
    run(tmp_path, stop_after=3)
    log.write_text("shopping list\n")
    with pytest.raises(ArgumentError, match=f"line 1 of {re.escape(str(log))} is not one of a training log"):
        run(tmp_path)
    assert log.read_text() == "shopping list\n"
