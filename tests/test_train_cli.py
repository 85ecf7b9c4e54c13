"""``minigraph train`` and ``minigraph sample`` as their users meet them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from lm_runs import SMALL, TEXT, corpus, flags, log_lines, newest, no_timed_saves, options
from rich.console import Console

import minigraph as mg
from minigraph import text
from minigraph.cli import main
from minigraph.text.curve import loss_curve
from minigraph.text.progress import LiveProgress, progress_reporter

__all__ = ["no_timed_saves"]
pytestmark = pytest.mark.usefixtures("no_timed_saves")


def minigraph(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def train(file: Path, folder: Path, *more: Any, **changes: Any) -> Result:
    return minigraph("train", file, "--checkpoint-dir", folder, *flags({**SMALL, **changes}), *more)


def test_train_prints_logs_saves_and_draws(file: Path, tmp_path: Path) -> None:
    folder, log = tmp_path / "cv", tmp_path / "logs" / "log.jsonl"
    result = train(file, folder, "--log", log)
    assert result.exit_code == 0
    assert "600 characters, 28 distinct; 24 batches to train on, 6 held for validation" in result.output
    assert re.search(
        r"\n1/12 \(epoch 0.042\), loss 3\.\d+, gradient norm [\d.]+, [\d.]+ iterations/s, 0:00:\d\d left\n",
        result.output,
    )
    assert f"done after iteration 12; the loss curve is {folder / 'loss.svg'}" in result.output
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line.keys() for line in lines if line["iteration"] == 5] == [
        {"iteration", "epoch", "loss", "grad_norm", "seconds"}, {"iteration", "val_loss"},
    ]
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12]
    assert all(line["seconds"] > 0 for line in lines if "loss" in line)
    assert lines[4]["epoch"] == pytest.approx(5 / 24)
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    values = [f"{line['val_loss']:.4f}" for line in lines if "val_loss" in line]
    kept = [f"lm_lstm_epoch{at}_{loss}.safetensors" for at, loss in zip(("0.21", "0.42", "0.50"), values)]
    assert names == ["latest.safetensors", *kept, "loss.svg"]


def test_train_without_a_file_reads_the_reference_text(tmp_path: Path) -> None:
    result = minigraph(
        "train", "--max-iters", 2, "--rnn-size", 4, "--batch-size", 100, "--train-frac", 0.5,
        "--val-frac", 0.01, "--checkpoint-dir", tmp_path,
    )
    assert result.exit_code == 0
    assert result.output.startswith("pydoc_data.topics: ")
    assert newest(tmp_path).structure["corpus"] == "pydoc_data.topics"


def test_the_same_command_goes_on(file: Path, tmp_path: Path) -> None:
    folder, log = tmp_path / "cv", tmp_path / "log.jsonl"
    train(file, folder, "--log", log, max_iters=7)
    result = train(file, folder, "--log", log)
    assert re.search(r"going on from .*/latest\.safetensors, iteration 7\n", result.output)
    train(file, tmp_path / "whole", "--log", tmp_path / "whole.jsonl")
    losses = [line["loss"] for line in log_lines(log) if "loss" in line]
    assert losses == [line["loss"] for line in log_lines(tmp_path / "whole.jsonl") if "loss" in line]
    other = train(file, folder, seed=7)
    assert (other.exit_code, other.output.count("\n")) == (2, 1)
    assert "--seed is 123 there and 7 here" in other.output


@pytest.mark.parametrize(("arguments", "message"), [
    (["--batch-size", "0"], "--batch-size must be a whole number, at least 1; got 0"),
    (["--batch-size", "many"], "'many' is not a valid integer"),
    (["--rnnsize", "4"], "No such option:? '?--rnnsize"),
    (["--model", "bert"], "--model must be one of lstm, gru, rnn; got 'bert'"),
    (["--dtype", "float16"], "--dtype must be one of float32, float64"),
    (["--learning-rate", "nan"], "--learning-rate must be a finite number >= 0; got nan"),
    (["--init-from", "none.safetensors"], "none.safetensors: No such file or directory"),
    (["--init-from", "{file}"], "text.txt cannot be read: .* no safetensors file"),
    (["--seq-length", "1000"], "has 600 characters, fewer than one batch of 50 rows of 1000"),
])
def test_wrong_flags_are_one_line(file: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    folder = tmp_path / "cv"
    result = minigraph(
        "train", file, "--checkpoint-dir", folder, *(word.format(file=file) for word in arguments)
    )
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert re.match(f"minigraph: .*{message}", result.output)
    assert not folder.exists()


@pytest.mark.parametrize(("contents", "message"), [
    (b"", "is empty: there is nothing to train on"),
    (b"short", "has 5 characters, fewer than one batch"),
    (b"caf\xe9 au lait", "is not UTF-8 text: byte 0xe9 at offset 3"),
    (None, "No such file or directory"),
])
def test_wrong_files_are_one_line(tmp_path: Path, contents: Any, message: str) -> None:
    path = tmp_path / "text.txt"
    if contents is not None:
        path.write_bytes(contents)
    result = minigraph("train", path, "--checkpoint-dir", tmp_path / "cv")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert f"minigraph: {path}" in result.output
    assert message in result.output


def test_numbers_that_go_wrong_are_one_line_and_status_1(file: Path, tmp_path: Path) -> None:
    result = train(file, tmp_path / "cv", "--log", tmp_path / "log", learning_rate=1e308, eval_val_every=50)
    assert result.exit_code == 1
    last = result.stderr
    assert last.count("\n") == 1
    assert re.match(r"minigraph: iteration 2: the loss is nan\. NaN in output of node \d+ 'i2h_1'", last)
    assert "The last good state, after iteration 0, is in" in last
    assert np.isfinite(newest(tmp_path / "cv").arrays["parameters/decoder.weight"]).all()
    assert [line["iteration"] for line in log_lines(tmp_path / "log")] == [1]


def test_init_from_brings_the_shape_along(file: Path, tmp_path: Path) -> None:
    train(file, tmp_path / "cv", model="gru")
    start = newest(tmp_path / "cv").path
    result = minigraph(
        "train", file, "--init-from", start, "--checkpoint-dir", tmp_path / "more", "--max-iters", 1,
        "--batch-size", 4, "--seq-length", 5,
    )
    assert result.exit_code == 0
    assert f"starting with the parameters of {start}" in result.output
    assert "gru of 2 layer(s) of 6" in result.output
    wrong = minigraph(
        "train", file, "--init-from", start, "--checkpoint-dir", tmp_path / "wrong", "--rnn-size", 9,
        "--batch-size", 4, "--seq-length", 5,
    )
    assert (wrong.exit_code, wrong.output.count("\n")) == (2, 1)
    assert "does not fit: --rnn-size is 6 there and 9 here" in wrong.output


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
def test_a_signal_saves_and_stops(file: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-c", "from minigraph.cli import main; main()", "train", str(file),
        "--checkpoint-dir", str(tmp_path / "cv"), *flags({**SMALL, "max_iters": 10**6}),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("iteration"):
                break
        run.send_signal(signal.SIGTERM)
        rest = run.stdout.read()
    assert run.returncode == 128 + signal.SIGTERM
    stopped = re.search(r"stopped after iteration (\d+); the same command goes on", rest)
    assert stopped
    assert newest(tmp_path / "cv").structure["iteration"] == int(stopped[1])


# -- progress and the curve ------------------------------------------------------------------


def test_on_a_terminal_progress_is_live(tmp_path: Path) -> None:
    out, err = StringIO(), StringIO()
    terminal = Console(file=out, force_terminal=True, width=100)
    reporter = progress_reporter(terminal, Console(file=err))
    assert isinstance(reporter, LiveProgress)
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    text.train(corpus(), options(), tmp_path, reporter=reporter)
    words = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", out.getvalue())
    assert "12/12" in words
    assert re.search(r"epoch 0\.50  loss 3\.\d{4}  gradient [\d.]+  [\d.]+ it/s", words)
    assert "iteration 12: validation loss 3." in words
    assert "broken.safetensors cannot be read" in err.getvalue()


def test_the_loss_curve_shows_every_loss() -> None:
    losses = [4.0 - 0.001 * at for at in range(2000)]
    root = ElementTree.fromstring(loss_curve(losses, [(1000, 3.1), (2000, 2.5)]))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{space}text")]
    assert {"loss", "iteration", "training", "validation", "2000", "2.5", "4"} <= set(texts)
    titles = [element.text for element in root.iter(f"{space}title")]
    assert "validation after iteration 1000: 3.1000" in titles
    line = next(e.get("d") for e in root.iter(f"{space}path") if e.get("stroke-width") == "1.5")
    heights = [float(point.split()[1]) for point in line[1:].split("L")]
    assert 100 < len(heights) <= 300
    assert heights == sorted(heights)  # the loss falls, so the line goes down the page
    for few in ([], [1.0], [2.0, 2.0]):
        ElementTree.fromstring(loss_curve(few, []))


# -- sample ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for model in ("lstm", "gru", "rnn"):
        folders[model] = tmp_path_factory.mktemp(model)
        given = options(model=model, rnn_size=24, learning_rate=0.02, max_iters=150, eval_val_every=150)
        text.train(corpus(), given, folders[model])
    return folders


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
def test_sample_writes_text_that_its_seed_determines(trained: dict[str, Path], model: str) -> None:
    arguments = ["sample", trained[model], "--primetext", "the ", "--length", 80, "--temperature", 0.5]
    first = minigraph(*arguments)
    assert first.exit_code == 0
    assert first.output.startswith("the ")
    assert len(first.output) == 4 + 80 + 1
    assert set(first.output[:-1]) <= set(TEXT)
    assert minigraph(*arguments).output == first.output
    assert minigraph(*arguments, "--seed", 4).output != first.output


def test_sampling_follows_char_rnn(trained: dict[str, Path]) -> None:
    checkpoint = newest(trained["lstm"])
    mine = "".join(text.Sampler(checkpoint).sample(60, "the q", temperature=0.7, seed=11))
    # sample.lua, line for line
    model = text.build_model(options(rnn_size=24), 28)
    model.load({n.split("/")[1]: a for n, a in checkpoint.arrays.items() if n.startswith("parameters/")}, "")
    model.step.evaluate()
    vocabulary = text.Vocabulary(checkpoint.structure["vocabulary"])
    mg.manualSeed(11)
    state = model.zero_state(1)
    for number in vocabulary.encode("the q"):
        *state, prediction = [array.copy() for array in model.step.forward([np.array([number]), *state])]
    theirs = ""
    for _ in range(60):
        probs = np.exp(prediction / 0.7).squeeze()
        probs /= probs.sum()
        (number,) = mg.random.multinomial(probs.astype(np.float32), 1)
        *state, prediction = [array.copy() for array in model.step.forward([np.array([number]), *state])]
        theirs += vocabulary.decode(number)
    assert mine == theirs


def test_temperature(trained: dict[str, Path]) -> None:
    sampler = text.Sampler(newest(trained["lstm"]))

    def sample(temperature: float, seed: int) -> str:
        return "".join(sampler.sample(100, "t", temperature, seed))

    greedy = sample(0, 1)
    assert greedy == sample(0, 2) == sample(1e-4, 3)
    assert len(set(sample(100, 1))) > len(set(greedy)) + 5


def test_without_primetext_any_character_may_come_first(trained: dict[str, Path]) -> None:
    sampler = text.Sampler(newest(trained["lstm"]))
    firsts = {"".join(sampler.sample(1, seed=seed)) for seed in range(60)}
    assert len(firsts) > 15


@pytest.mark.parametrize(("arguments", "message"), [
    (["--primetext", "THE"], "--primetext has 'T' (character 1), which the model does not know"),
    (["--temperature", "-1"], "--temperature must be a finite number >= 0, got -1.0"),
    (["--length", "-1"], "--length must be a whole number, at least 0; got -1"),
    (["--length", "x"], "'x' is not a valid integer"),
])
def test_sample_refuses_in_one_line(trained: dict[str, Path], arguments: list[str], message: str) -> None:
    result = minigraph("sample", trained["lstm"], *arguments)
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert message in result.output


def test_sample_refuses_what_is_no_model(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "latest.safetensors"
    broken.parent.mkdir()
    broken.write_bytes(b"half")
    for path, message in (
        (tmp_path, "holds no readable checkpoint"),
        (broken.parent, f"no checkpoint in {broken.parent} can be read: latest.safetensors. "),
        (tmp_path / "none.safetensors", "No such file or directory"),
        (tmp_path / "text.safetensors", "cannot be read"),
        (tmp_path / "bare.safetensors", "does not hold a training run: it lacks position"),
    ):
        if path.name.startswith("text"):
            path.write_text(TEXT)
        if path.name.startswith("bare"):
            text.write_checkpoint(path, {"a": np.zeros(1)}, {"iteration": 1})
        result = minigraph("sample", path)
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert message in result.output
