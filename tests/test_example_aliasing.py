"""examples/char_rnn_aliasing.py: the published char-rnn, to the loss, and how it is caught."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Callable

import golden_files
import numpy as np
import pytest
from rendering import CAN_DRAW

from minigraph import text


def test_losses_of_the_published_code(example: Callable[[str], ModuleType]) -> None:
    golden = golden_files.load("char_rnn")
    corpus = text.Corpus.from_file(golden_files.HERE / "char_rnn_20.txt")
    flags = {name: golden["flags"][name] for name in golden["flags"] if name != "data"}
    # What the file has of each row: 20 batches to train on and one that completes the alphabet.
    options = text.TrainingOptions(**{**flags, "train_frac": 0.96, "val_frac": 0.04})
    module = example("char_rnn_aliasing")
    for name, copying in (("train_loss", True), ("train_loss_published_code", False)):
        losses = module.Unrolled(corpus, options, copying).losses(20)
        np.testing.assert_allclose(losses, golden[name][:20], rtol=0, atol=1e-7)
    # The two runs differ by more than what they are compared to, from the third loss on.
    both = np.subtract(golden["train_loss"], golden["train_loss_published_code"])[2:20]
    assert np.abs(both).min() > 1e-6 and np.abs(both).max() > 1e-4


def test_it_runs_without_data(
    example: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # where the picture goes
    example("char_rnn_aliasing").main(["--iterations", "4"])
    lines = capsys.readouterr().out.splitlines()
    copied, aliased = np.array([line.split()[1:3] for line in lines[1:5]], float).T
    assert np.array_equal(copied[:2], aliased[:2]) and np.all(copied[2:] != aliased[2:])

    errors = {line.split()[0]: float(line.split()[1]) for line in lines if line.endswith(" %")}
    assert errors["h2h_1.weight"] > 1 and errors["h2h_2.weight"] > 1
    assert errors["decoder.weight"] == errors["decoder.bias"] == 0

    (message,) = (line for line in lines if "changed between forward and backward" in line)
    assert message.startswith("input[2] (input[1] in Python) of the network")
    assert "it is the output buffer of node " in message and "'next_c1'" in message
    assert "of the network 'step_25', which ran again since" in message
    if CAN_DRAW:
        picture = (tmp_path / lines[-1].rpartition(" ")[2]).read_text(encoding="utf-8")
        assert "failed here" in picture and "next_c1" in picture
