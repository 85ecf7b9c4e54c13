"""examples/zaremba_lm.py: its data, its model, its schedule, and that it learns."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Callable

import numpy as np
import pytest

SMALL = {
    "seed": 1, "size": 6, "layers": 2, "dropout": 0.0, "init_weight": 0.3, "lr": 0.5, "batch_size": 3,
    "seq_length": 4, "max_grad_norm": 5.0,
}


@pytest.fixture
def lm(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("zaremba_lm")


def test_words_and_columns(lm: ModuleType, tmp_path: Path) -> None:
    for split, words in {"train": " b a \n c b \n", "valid": " a d \n", "test": " e b \n"}.items():
        (tmp_path / f"ptb.{split}.txt").write_text(words)
    (train, valid, test), vocabulary = lm.numbered(lm.treebank(str(tmp_path)))
    assert vocabulary == {"b": 1, "a": 2, "<eos>": 3, "c": 4, "d": 5, "e": 6}
    assert [list(codes) for codes in (train, valid, test)] == [[1, 2, 3, 4, 1, 3], [2, 5, 3], [6, 1, 3]]
    # 11 words in 3 columns of 3 that begin at 0, 11/3 and 22/3, rounded.
    assert lm.columns(np.arange(11), 3).tolist() == [[0, 4, 7], [1, 5, 8], [2, 6, 9]]
    assert lm.columns(train, 1).shape == (6, 1)


def test_perplexity_is_that_of_single_steps(lm: ModuleType) -> None:
    model = lm.LanguageModel(9, argparse.Namespace(**SMALL))
    text = np.random.default_rng(0).integers(1, 10, (11, 2))
    state, total = model.zeros(2), 0.0
    step = model.net.step.clone()
    for x, y in zip(text, text[1:]):
        err, next_s = step.forward([x, y, state])
        total += err.item()
        state = [entry.copy() for entry in next_s]
    assert model.perplexity(text) == pytest.approx(math.exp(total / 10), rel=1e-5)


def test_a_step_follows_the_clipped_gradient_of_the_sum(lm: ModuleType) -> None:
    words = np.random.default_rng(0).integers(1, 10, (5, 3))
    for largest in (1e9, 0.1):
        model = lm.LanguageModel(9, argparse.Namespace(**{**SMALL, "max_grad_norm": largest}))
        model.net.double()
        model.flat, model.gradient = model.net.getParameters()
        before, state = model.flat.copy(), model.zeros(3)

        def loss(point: np.ndarray, model=model, state=state) -> float:
            model.flat[...] = point
            return 4 * model.evaluate(words, state)[0]

        gradient = np.zeros_like(before)
        for k in range(0, before.size, 37):
            nudge = np.zeros_like(before)
            nudge[k] = 1e-5
            gradient[k] = (loss(before + nudge) - loss(before - nudge)) / 2e-5
        model.flat[...] = before
        model.learn(words, state)
        scale = min(1.0, largest / model.norm)
        assert scale == 1 or scale < 0.5
        moved = (before - model.flat)[::37]
        np.testing.assert_allclose(moved, 0.5 * scale * gradient[::37], rtol=1e-5, atol=1e-8)


def test_it_learns_and_the_rate_decays(lm: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    lm.main(["--epochs", "3", "--size", "16", "--layers", "1", "--decay-after", "1"])
    printed = capsys.readouterr().out
    before, *after = map(float, re.findall(r"validation perplexity.*? ([\d.]+)$", printed, re.M))
    assert before == pytest.approx(500, rel=0.1)  # a guess among 500 words
    assert len(after) == 3 and max(after) < 0.4 * before and after[-1] < after[0]
    assert float(printed.rpartition(" ")[2]) < 0.4 * before
    rates = re.findall(r"lr ([\d.]+)", printed)
    assert rates == ["1"] * 10 + ["0.5"] * 5
    assert all(int(rate) > 0 for rate in re.findall(r"(\d+) words/s", printed))


def test_too_few_words(lm: ModuleType, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        (tmp_path / f"ptb.{split}.txt").write_text("a b c\n")
    with pytest.raises(SystemExit, match="make no batch of 20 x 20"):
        lm.main(["--data-dir", str(tmp_path)])
