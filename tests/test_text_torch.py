"""Checkpoints that Torch7's char-rnn saved: they write text, and training goes on from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import minigraph as mg
from minigraph import text
from minigraph.cli import main
from minigraph.text.sampling import Sampler

GOLDEN = Path(__file__).parent / "golden"
SAVED = GOLDEN / "t7" / "char_rnn_lstm_2x64.t7"


def test_the_model_computes_what_the_saved_network_does() -> None:
    content = mg.load_t7(SAVED)
    sampler = Sampler(text.read_model(SAVED))
    network = content["protos"]["rnn"]
    network.evaluate()
    state = sampler.model.zero_state(1)
    theirs = [array.copy() for array in state]
    for character in "First Citizen:":
        number = content["vocab"][character]
        assert sampler.vocabulary.encode(character, "text").tolist() == [number]
        *theirs, expected = [o.copy() for o in network.forward([np.array([number]), *theirs])]
        *state, logprobs = [o.copy() for o in sampler.model.step.forward([np.array([number]), *state])]
        np.testing.assert_allclose(logprobs, expected, rtol=0, atol=1e-12)


def test_reading_leaves_the_random_stream_alone() -> None:
    mg.manualSeed(5)
    expected = mg.random.uniform()
    mg.manualSeed(5)
    text.read_model(SAVED)
    assert mg.random.uniform() == expected


def test_training_starts_from_it(tmp_path: Path) -> None:
    facts = text.RunFacts.of(text.read_model(SAVED))
    assert (facts.options.rnn_size, facts.options.num_layers, facts.iteration) == (64, 2, 300)
    options = text.TrainingOptions.from_dict(
        {**facts.options.to_dict(), "learning_rate": 1e-9, "max_iters": 1, "max_epochs": 1}
    )
    corpus = text.Corpus.from_file(GOLDEN / "char_rnn_20.txt")
    result = text.train(corpus, options, tmp_path / "cv", init_from=SAVED)
    saved = mg.load_t7(SAVED)["protos"]["rnn"].parameters()[0]
    for mine, theirs in zip(result.trainer.model.parameters().values(), saved):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


def test_the_command_line_takes_it() -> None:
    flags = ["--primetext", "The ", "--length", "20", "--seed", "3"]
    ran = CliRunner().invoke(main, ["sample", str(SAVED), *flags])
    assert ran.exit_code == 0 and ran.output.startswith("The ") and len(ran.output) == 4 + 20 + 1


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(text.CheckpointError, match="no checkpoint of char-rnn"):
        text.read_model(GOLDEN / "t7" / "cnn.t7")
    broken = tmp_path / "broken.t7"
    shutil.copy(SAVED, broken)
    with open(broken, "r+b") as file:
        file.truncate(1000)
    with pytest.raises(mg.errors.T7Error):
        text.read_model(broken)
