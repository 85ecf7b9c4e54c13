"""to_onnx: files that onnxruntime runs to the same numbers, for batches of any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from interop_cases import flat, is_criterion, largest, modules_of_the_registry, prepared
from registry.case import Case
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ConversionError
from minigraph.tables import map_table

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.onnx

#: What is not written as ONNX.
REFUSED = {
    "FeatureLPPooling", "IndexLinear", "MaskedSelect",
    "PartialLinear", "SparseLinear", "SpatialAdaptiveMaxPooling",
    "SpatialContrastiveNormalization", "SpatialConvolutionLocal", "SpatialConvolutionMap",
    "SpatialDivisiveNormalization", "SpatialFractionalMaxPooling", "SpatialFullConvolutionMap",
    "SpatialMaxUnpooling", "SpatialSubtractiveNormalization", "TemporalDynamicKMaxPooling",
    "VolumetricFractionalMaxPooling", "VolumetricMaxUnpooling",
}
LOSSES = {"MSECriterion", "ClassNLLCriterion", "CrossEntropyCriterion", "SpatialClassNLLCriterion"}
REGISTRY = [
    (name, case) for name, case in modules_of_the_registry()
    if case.name not in REFUSED and (case.name in LOSSES or not is_criterion(case))
]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def run(path: Path, input: Any) -> list[np.ndarray]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    leaves = [leaf.astype(np.float32 if leaf.dtype.kind == "f" else np.int64) for leaf in flat(input)]
    return session.run(None, dict(zip((entry.name for entry in session.get_inputs()), leaves)))


def shapes(path: Path, which: str) -> list[tuple[str, list[Any]]]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(entry.name, entry.shape) for entry in getattr(session, f"get_{which}")()]


def difference(net: Any, path: Path, input: Any) -> float:
    wanted = flat(net.clone().evaluate().float().forward(map_table(_single, input)))
    return largest(wanted, run(path, input))


def _single(leaf: Any) -> Any:
    array = np.asarray(leaf)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_graphs_give_the_same_numbers(case: dict[str, Any], tmp_path: Path) -> None:
    net, _ = build_graph(case)
    path = interop.to_onnx(net, tmp_path / "net.onnx", value(case["input"]))
    assert difference(net, path, value(case["input"])) < 1e-6


@pytest.mark.parametrize("case", [case for _, case in REGISTRY], ids=[name for name, _ in REGISTRY])
def test_layers_give_the_same_numbers(case: Case, tmp_path: Path) -> None:
    module, input = prepared(case)
    stochastic = getattr(module, "stochastic_inference", False)
    unbatched = case.name == "Convert" and case.data()[0].ndim < len(module.inputShape)
    limited = getattr(module, "maxNorm", None) is not None
    if stochastic or unbatched or limited:
        with pytest.raises(ConversionError):
            interop.to_onnx(module, tmp_path / "layer.onnx", input)
        assert not list(tmp_path.iterdir())
        return
    path = interop.to_onnx(module, tmp_path / "layer.onnx", input)
    assert difference(module, path, input) < 2e-6


def test_the_batch_is_free_and_names_are_those_of_the_nodes(tmp_path: Path) -> None:
    case = next(case for case in load("graphs") if case["name"] == "zaremba_lstm_2layers")
    net, _ = build_graph(case)
    example = value(case["input"])
    path = interop.to_onnx(net, tmp_path / "lstm.onnx", example)
    assert shapes(path, "inputs") == [
        ("x", ["batch", 4]), *((f"prev_s_{k}", ["batch", 4]) for k in range(1, 5))
    ]
    assert [name for name, _ in shapes(path, "outputs")] == [
        "res", "l1.next_c", "l1.next_h", "l2.next_c", "l2.next_h"
    ]
    names = {output for node in onnx.load(path).graph.node for output in node.output}
    assert {"l1.i2h", "l2.forget", "l1.next_c"} <= names
    for batch in (1, 7):
        rng = np.random.default_rng(batch)
        other = map_table(lambda leaf, rng=rng, batch=batch: rng.normal(size=(batch, 4)), example)
        assert difference(net, path, other) < 1e-6


def test_convolutions_of_any_batch(tmp_path: Path) -> None:
    net = nn.Sequential().add(nn.SpatialConvolution(2, 3, 3, 3)).add(nn.ReLU())
    net.add(nn.SpatialMaxPooling(2, 2)).add(nn.View(-1, 12)).add(nn.Linear(12, 4)).add(nn.LogSoftMax())
    rng = np.random.default_rng(0)
    path = interop.to_onnx(net, tmp_path / "cnn.onnx", rng.normal(size=(2, 2, 6, 6)))
    assert shapes(path, "inputs") == [("input", ["batch", 2, 6, 6])]
    assert shapes(path, "outputs") == [("output", ["batch", 4])]
    for batch in (1, 2, 9):
        assert difference(net, path, rng.normal(size=(batch, 2, 6, 6))) < 1e-6


def test_indices_and_shared_weights(tmp_path: Path) -> None:
    table, decoder = nn.LookupTable(6, 4), nn.Linear(4, 6)
    decoder.share(table, "weight")
    words = nn.Identity()().annotate(name="words")
    net = nn.gModule([words], [nn.LogSoftMax()(decoder(table(words))).annotate(name="scores")])
    path = interop.to_onnx(net, tmp_path / "lm.onnx", np.array([1, 2, 6]))
    model = onnx.load(path)
    assert [w.name for w in model.graph.initializer if w.name.endswith("weight")] == ["lookuptable.weight"]
    assert shapes(path, "inputs") == [("words", ["batch"])]
    assert difference(net, path, np.array([4, 4, 1, 5, 3])) < 1e-6


def test_unroll_writes_its_steps(tmp_path: Path) -> None:
    mg.manualSeed(1)
    net = mg.rnn.Unroll(*mg.rnn.lstm(3, 4, 2))
    rng = np.random.default_rng(0)

    def example(batch: int) -> list[np.ndarray]:
        return [rng.normal(size=(5, batch, 3)), *(rng.normal(size=(batch, 4)) for _ in range(4))]

    path = interop.to_onnx(net, tmp_path / "unrolled.onnx", example(2))
    assert shapes(path, "inputs")[:2] == [("x", [5, "batch", 3]), ("prev_c1", ["batch", 4])]
    assert shapes(path, "outputs")[-1] == ("next_h2", [5, "batch", 4])
    model = onnx.load(path)
    assert sum(w.name == "i2h_1.weight" for w in model.graph.initializer) == 1
    assert {"next_c1_t1", "next_c1_t5"} <= {name for node in model.graph.node for name in node.output}
    for batch in (2, 3):
        assert difference(net, path, example(batch)) < 1e-6


def test_nested_tables_without_names(tmp_path: Path) -> None:
    net = nn.ParallelTable().add(nn.Identity()).add(nn.CAddTable())
    input = [np.ones((2, 3)), [np.ones((2, 3)), np.full((2, 3), 2.0)]]
    path = interop.to_onnx(net, tmp_path / "tables.onnx", input)
    assert [name for name, _ in shapes(path, "inputs")] == ["input_1", "input_2_1", "input_2_2"]
    assert [name for name, _ in shapes(path, "outputs")] == ["output_1", "output_2"]
    assert difference(net, path, input) == 0


def test_a_batch_that_is_taken_apart_is_fixed(tmp_path: Path) -> None:
    net = nn.Sequential().add(nn.SplitTable(1)).add(nn.CAddTable())
    path = interop.to_onnx(net, tmp_path / "net.onnx", np.ones((3, 4)))
    assert shapes(path, "inputs") == [("input", [3, 4])]


def test_what_cannot_be_written_is_told_before_anything_is(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    x = nn.Identity()()
    a = nn.PartialLinear(3, 3)(x).annotate(name="a")
    b = nn.PartialLinear(3, 2)(nn.Tanh()(a)).annotate(name="b")
    with pytest.raises(ConversionError) as caught:
        interop.to_onnx(nn.gModule([x], [b]), path, np.ones((2, 3)))
    places = [("'a'" in what, "'b'" in what) for what, _ in caught.value.reasons]
    assert places == [(True, False), (False, True)]
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_an_unroll_inside_a_graph_keeps_the_batch_free(tmp_path: Path) -> None:
    xs, h0 = nn.Identity()().annotate(name="xs"), nn.Identity()().annotate(name="h0")
    last = nn.Select(1, -1)(mg.rnn.Unroll(*mg.rnn.gru(3, 4))([xs, h0])).annotate(name="last")
    net, rng = nn.gModule([xs, h0], [last]), np.random.default_rng(0)
    example = [rng.normal(size=(5, 2, 3)), rng.normal(size=(2, 4))]
    path = interop.to_onnx(net, tmp_path / "gru.onnx", example)
    assert shapes(path, "inputs") == [("xs", [5, "batch", 3]), ("h0", ["batch", 4])]
    assert difference(net, path, [rng.normal(size=(5, 7, 3)), rng.normal(size=(7, 4))]) < 1e-6
