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


def of_bytes(path: Path, corpus: str) -> Path:
    """Write the saved checkpoint as one of a model that was trained on ``corpus``, byte by byte."""
    content = mg.load_t7(SAVED)
    vocabulary = content["vocab"]
    known = {bytes([byte]) for byte in corpus.encode()}
    free = [character for character in sorted(vocabulary) if character.encode() not in known]
    for byte in sorted(known - {character.encode() for character in vocabulary}):
        vocabulary[byte] = vocabulary.pop(free.pop())
    mg.save_t7(path, content)
    assert any(isinstance(key, bytes) for key in mg.load_t7(path)["vocab"])
    return path


POEM = "Füllest wieder Busch und Tal\nstill mit Nebelglanz, löst endlich auch — 夜 — meine Seele ganz;\n"


def test_a_vocabulary_of_bytes_is_text_again(tmp_path: Path) -> None:
    saved = of_bytes(tmp_path / "bytes.t7", POEM)
    content = mg.load_t7(saved)
    sampler = Sampler(text.read_model(saved))
    numbers = sampler.vocabulary.encode(POEM).tolist()
    keys = {number: key for key, number in content["vocab"].items()}
    stored = [keys[number] for number in numbers]
    assert b"".join(key if isinstance(key, bytes) else key.encode() for key in stored) == POEM.encode()
    assert sampler.vocabulary.decode(np.array(numbers)) == POEM
    # As it comes: nothing before a character's last byte, and the whole at the end.
    comes = list(sampler.vocabulary.spell(iter(numbers[:5])))
    assert comes == ["F", "ü", "l", "l"]
    assert "".join(sampler.vocabulary.spell(numbers[:2])) == "F\N{REPLACEMENT CHARACTER}"
    with pytest.raises(mg.errors.ArgumentError, match=r"has 'ß' \(character 3\), which the model does not"):
        sampler.vocabulary.encode("süß")
    assert len("".join(sampler.sample(50, "Tal — 夜", seed=2)).encode()) >= 50


def test_the_command_line_samples_bytes_and_trains_on(tmp_path: Path) -> None:
    saved = of_bytes(tmp_path / "bytes.t7", POEM)
    ran = CliRunner().invoke(main, ["sample", str(saved), "--primetext", "löst — ", "--length", "40"])
    assert ran.exit_code == 0 and ran.output.startswith("löst — "), ran.output
    part = tmp_path / "part.txt"
    part.write_text("still — löst 夜\n" * 80, encoding="utf-8")  # not all that the model knows
    flags = ["--init-from", saved, "--checkpoint-dir", tmp_path / "cv", "--batch-size", 4, "--seq-length", 10]
    for iterations in (2, 3):  # the second goes on from the first
        ran = CliRunner().invoke(main, ["train", *map(str, [part, *flags, "--max-iters", iterations])])
        assert ran.exit_code == 0, ran.output
    facts = text.RunFacts.of(text.read_model(tmp_path / "cv"))
    assert facts.iteration == 3 and facts.vocabulary == text.RunFacts.of(text.read_model(saved)).vocabulary
    again = CliRunner().invoke(main, ["sample", str(tmp_path / "cv"), "--primetext", "夜", "--length", "9"])
    assert again.exit_code == 0 and again.output.startswith("夜"), again.output
    part.write_text("still — süß\n" * 80, encoding="utf-8")
    ran = CliRunner().invoke(main, ["train", *map(str, [part, *flags])])
    assert ran.exit_code == 2 and "part.txt has 'ß' (character 11), which the model does not" in ran.output


def test_the_order_of_a_vocabulary_is_its_own(tmp_path: Path) -> None:
    content = mg.load_t7(SAVED)
    content["vocab"]["a"], content["vocab"]["Z"] = content["vocab"]["Z"], content["vocab"]["a"]
    mg.save_t7(tmp_path / "odd.t7", content)
    vocabulary = Sampler(text.read_model(tmp_path / "odd.t7")).vocabulary
    assert vocabulary.encode("aZ").tolist() == [content["vocab"]["a"], content["vocab"]["Z"]]
