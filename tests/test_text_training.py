"""Training: batches as char-rnn lays them out, its losses, every model, groups of processes."""

from __future__ import annotations

import threading
from typing import Any

import golden_files
import numpy as np
import pytest
from lm_runs import TEXT, corpus, options

import minigraph as mg
from minigraph import text
from minigraph.errors import ArgumentError, NumberError


def test_first_losses_are_those_of_char_rnn() -> None:
    # The beginning of each of the 50 rows that the text is cut into. The last batch, of which
    # training sees the first column alone, holds the characters that the rest lacks.
    beginnings = text.Corpus.from_file(golden_files.HERE / "char_rnn_20.txt")
    golden = golden_files.load("char_rnn")
    given = {name: golden["flags"][name] for name in golden["flags"] if name != "data"}
    given.update(train_frac=0.96, val_frac=0.04)
    trainer = text.Trainer(beginnings, text.TrainingOptions(**given))
    assert (trainer.batches.train, trainer.batches.validation) == (20, 1)
    losses = [trainer.step().loss for _ in range(20)]
    np.testing.assert_allclose(losses, golden["train_loss"][:20], rtol=0, atol=1e-7)
    # Had the state been carried over uncopied, the losses would be those of the published code.
    assert np.abs(np.subtract(losses, golden["train_loss_published_code"][:20])).max() > 1e-4


def test_batches_are_laid_out_in_rows() -> None:
    numbers = corpus("abcdefghijklmnopqrstuvwxyz")
    batches = text.Batches.cut(numbers, batch_size=2, seq_length=3, train_frac=0.5, val_frac=0.25)
    assert batches.x.shape == (4, 3, 2)
    assert (batches.train, batches.validation) == (2, 1)
    decode = numbers.vocabulary.decode
    assert [decode(x.T[0]) for x in batches.x] == ["abc", "def", "ghi", "jkl"]
    assert [decode(x.T[1]) for x in batches.x] == ["mno", "pqr", "stu", "vwx"]
    assert [decode(y.T[0]) for y in batches.y] == ["bcd", "efg", "hij", "klm"]
    assert [decode(y.T[1]) for y in batches.y] == ["nop", "qrs", "tuv", "wxa"]


def test_characters_are_numbered_in_sorted_order() -> None:
    found = corpus("hello, wörld\n")
    assert found.vocabulary.characters == "\n ,dehlorwö"
    assert found.vocabulary.encode("hö").tolist() == [6, 11]
    assert found.vocabulary.decode(found.codes) == "hello, wörld\n"
    with pytest.raises(ArgumentError, match=r"has 'x' \(character 2\), which the model does not know"):
        found.vocabulary.encode("hx")


def test_without_a_file_there_is_the_reference_text() -> None:
    reference = text.Corpus.reference()
    assert len(reference.codes) > 100_000
    assert "lambda" in reference.vocabulary.decode(reference.codes[:200_000])


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
def test_compiled_and_not_compiled_agree(model: str) -> None:
    losses = []
    for compiled in (True, False):
        trainer = text.Trainer(corpus(), options(model=model, dropout=0.3), compiled=compiled)
        losses.append([trainer.step().loss for _ in range(4)] + [trainer.validate()])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_model_learns(model: str, dtype: str) -> None:
    trainer = text.Trainer(corpus(), options(model=model, dtype=dtype, learning_rate=0.02, rnn_size=16))
    before = trainer.validate()
    losses = [trainer.step().loss for _ in range(60)]
    assert trainer.model.flat.dtype == dtype
    assert np.mean(losses[-5:]) < losses[0] - 0.5
    assert trainer.validate() < before - 0.5


def test_initial_parameters() -> None:
    trainer = text.Trainer(corpus(), options())
    model = trainer.model
    for layer in (1, 2):
        bias = model.parameters()[f"i2h_{layer}.bias"]
        assert (bias[6:12] == 1).all()
        assert np.abs(np.delete(bias, slice(6, 12))).max() < 0.08
    assert np.abs(model.parameters()["decoder.weight"]).max() < 0.08
    gru = text.Trainer(corpus(), options(model="gru")).model
    assert np.abs(gru.flat).max() < 0.08


def test_validation_is_the_mean_over_the_held_batches_with_the_state_carried_on() -> None:
    trainer = text.Trainer(corpus(), options(dropout=0.5))
    for _ in range(3):
        trainer.step()
    step, batches = trainer.model.step, trainer.batches
    step.evaluate()
    state = [np.zeros((4, 6)) for _ in range(4)]
    losses = []
    for batch in range(batches.train, batches.train + batches.validation):
        for x, y in zip(batches.x[batch], batches.y[batch]):
            *after, logprobs = step.forward([x, *state])
            state = [array.copy() for array in after]
            losses.append(-logprobs[np.arange(4), y - 1].mean())
    assert batches.validation == 6
    assert trainer.validate() == pytest.approx(np.mean(losses), rel=1e-12)


def test_validation_leaves_training_as_it_was() -> None:
    runs = []
    for validating in (False, True):
        trainer = text.Trainer(corpus(), options(dropout=0.4))
        for _ in range(6):
            trainer.step()
            if validating:
                trainer.validate()
        runs.append(trainer.losses)
    assert runs[0] == runs[1]


def test_learning_rate_decays_after_each_later_epoch() -> None:
    trainer = text.Trainer(corpus(), options(learning_rate_decay=0.5, learning_rate_decay_after=2))
    rates = []
    for _ in range(4 * trainer.batches.train):
        trainer.step()
        rates.append(trainer.learning_rate)
    assert trainer.batches.train == 24
    assert [rates[epoch * 24 - 1] for epoch in (1, 2, 3, 4)] == [0.002, 0.001, 0.0005, 0.00025]
    assert rates[46] == 0.002


def test_gradients_are_clipped_after_their_norm_is_taken() -> None:
    trainer = text.Trainer(corpus(), options(grad_clip=1e-3))
    step = trainer.step()
    assert np.abs(trainer.model.flat_gradient).max() == 1e-3
    assert step.grad_norm > np.linalg.norm(trainer.model.flat_gradient) * 1.01


class Ranks:
    """A group of threads; ``allreduce`` adds in rank order."""

    def __init__(self, size: int) -> None:
        self.parts: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)

    def member(self, number: int) -> text.Group:
        ranks = self

        class Member:
            rank, size = number, len(ranks.parts)

            def allreduce(self, array: np.ndarray) -> None:
                ranks.parts[number] = array.copy()
                ranks.barrier.wait()
                array[:] = sum(ranks.parts[1:], ranks.parts[0])
                ranks.barrier.wait()

        return Member()


def in_threads(ranks: Ranks, work: Any) -> list[Any]:
    results: list[Any] = [None] * len(ranks.parts)

    def run(rank: int) -> None:
        try:
            results[rank] = work(rank)
        finally:
            if results[rank] is None:
                ranks.barrier.abort()  # it failed: nobody waits for it

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("size", [2, 3])
def test_a_group_follows_the_single_process(size: int) -> None:
    given = options(batch_size=5)  # rows that cannot be shared evenly
    alone = text.Trainer(corpus(), given)
    steps = [alone.step() for _ in range(8)]
    ranks = Ranks(size)
    members = [text.Trainer(corpus(), given, ranks.member(rank)) for rank in range(size)]

    def work(rank: int) -> Any:
        mine = [members[rank].step() for _ in range(8)]
        return mine, members[rank].validate(), members[rank].arrays()

    held = alone.validate()
    for mine, validation, arrays in in_threads(ranks, work):
        for step, expected in zip(mine, steps):
            assert step.loss == pytest.approx(expected.loss, rel=1e-12)
            assert step.grad_norm == pytest.approx(expected.grad_norm, rel=1e-9)
        assert validation == pytest.approx(held, rel=1e-12)
        for name, array in alone.arrays().items():
            if not name.startswith("random/"):
                np.testing.assert_allclose(arrays[name], array, rtol=1e-8, atol=1e-12, err_msg=name)
    assert sum(member.batches.x.shape[2] for member in members) == 5


def test_more_processes_than_rows() -> None:
    with pytest.raises(ArgumentError, match="5 processes cannot share --batch-size 4"):
        text.Trainer(corpus(), options(), Ranks(5).member(0))


def test_a_number_that_is_not_finite_is_traced_to_its_node_and_changes_nothing() -> None:
    trainer = text.Trainer(corpus(), options(dropout=0.3))
    trainer.step()
    trainer.model.parameters()["h2h_2.weight"][3, 2] = np.nan
    stream, losses = mg.random.getRNGState(), list(trainer.losses)
    before = {name: array.copy() for name, array in trainer.arrays().items()}
    message = r"iteration 2: the loss is nan\. NaN in output of node \d+ 'h2h_2'"
    with pytest.raises(NumberError, match=message):
        trainer.step()
    assert (mg.random.getRNGState()["key"] == stream["key"]).all()
    assert mg.random.getRNGState()["pos"] == stream["pos"]
    assert (trainer.iteration, trainer.losses) == (1, losses)
    for name, array in trainer.arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    with pytest.raises(NumberError, match=r"the validation loss is nan\. NaN in output of node \d+ 'h2h_2'"):
        trainer.validate()
    assert not mg.nn.gModule.observers


@pytest.mark.parametrize(("changes", "message"), [
    ({"batch_size": 0}, "--batch-size must be a whole number, at least 1; got 0"),
    ({"seq_length": 2.5}, "--seq-length must be a whole number"),
    ({"dropout": 1}, "--dropout must be a probability"),
    ({"learning_rate": float("nan")}, "--learning-rate must be a finite number"),
    ({"grad_clip": 0}, "--grad-clip must be a finite number > 0"),
    ({"model": "transformer"}, "--model must be one of lstm, gru, rnn"),
    ({"train_frac": 0.9, "val_frac": 0.2}, "add up to more than 1"),
])
def test_options_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        options(**changes)


def test_a_text_must_hold_a_batch_to_train_on() -> None:
    with pytest.raises(ArgumentError, match="has 19 characters, fewer than one batch of 4 rows of 5"):
        text.Trainer(corpus(TEXT[:19]), options())
    with pytest.raises(ArgumentError, match=r"makes 1 batch\(es\) .* --train-frac 0.8 leaves none"):
        text.Trainer(corpus(TEXT[:20]), options())
    with pytest.raises(ArgumentError, match="the text is empty"):
        corpus("")
