"""to_onnx: files that onnxruntime runs to the same numbers, for batches of any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from interop_cases import flat, largest, prepared
from module_registry import CASES, REGISTRY, public_classes
from registry.case import Case
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ArgumentError, ConversionError
from minigraph.tables import map_table

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.onnx

#: What is not written as ONNX, and why; docs/exchange.md says so.
REFUSED = {
    "SpatialFractionalMaxPooling": "drawn at random",
    "VolumetricFractionalMaxPooling": "drawn at random",
    # Alone, as the registry has them; after their pooling they are written.
    "SpatialMaxUnpooling": "its pooling layer does not run before it",
    "VolumetricMaxUnpooling": "its pooling layer does not run before it",
}
#: Classes with operators that onnxruntime has for float32 only.
SINGLE = {
    "SpatialAveragePooling", "SpatialConvolution", "SpatialConvolutionMM", "SpatialConvolutionMap",
    "SpatialContrastiveNormalization", "SpatialCrossMapLRN", "SpatialDepthWiseConvolution",
    "SpatialDilatedConvolution", "SpatialDivisiveNormalization", "SpatialFullConvolution",
    "SpatialFullConvolutionMap", "SpatialLPPooling", "SpatialSubSampling",
    "SpatialSubtractiveNormalization", "TemporalConvolution", "TemporalRowConvolution",
    "TemporalSubSampling", "VolumetricAveragePooling", "VolumetricConvolution",
    "VolumetricDilatedConvolution", "VolumetricFullConvolution",
}
FIRST = [case for cases in REGISTRY.values() for case in cases[:1]]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def run(path: Path, input: Any, dtype: Any = np.float32) -> list[np.ndarray]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    leaves = [_typed(np.asarray(leaf), dtype) for leaf in flat(input)]
    return session.run(None, dict(zip((entry.name for entry in session.get_inputs()), leaves)))


def _typed(array: np.ndarray, dtype: Any) -> np.ndarray:
    return array.astype(dtype if array.dtype.kind == "f" else np.int64)


def shapes(path: Path, which: str) -> list[tuple[str, list[Any]]]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(entry.name, entry.shape) for entry in getattr(session, f"get_{which}")()]


def difference(net: Any, path: Path, input: Any, dtype: Any = np.float32) -> float:
    twin = net.clone().evaluate()
    twin = twin.float() if dtype == np.float32 else twin.double()
    wanted = twin.forward(map_table(lambda leaf: _typed(np.asarray(leaf), dtype), input))
    return largest(flat(wanted), run(path, input, dtype))


def case_id(case: Case) -> str:
    return f"{case.name}-{case.label}"


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_graphs_give_the_same_numbers(case: dict[str, Any], tmp_path: Path) -> None:
    net, _ = build_graph(case)
    path = interop.to_onnx(net, tmp_path / "net.onnx", value(case["input"]))
    assert difference(net, path, value(case["input"])) < 1e-6


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_layers_give_the_same_numbers(case: Case, tmp_path: Path) -> None:
    module, input = prepared(case)
    stochastic = getattr(module, "stochastic_inference", False)
    if stochastic or case.name in REFUSED:
        with pytest.raises(ConversionError, match=REFUSED.get(case.name, "draws masks")):
            interop.to_onnx(module, tmp_path / "layer.onnx", input)
        assert not list(tmp_path.iterdir())
        return
    path = interop.to_onnx(module, tmp_path / "layer.onnx", input)
    assert difference(module, path, input) < 2e-6


@pytest.mark.parametrize("case", FIRST, ids=case_id)
def test_layers_in_double_precision(case: Case, tmp_path: Path) -> None:
    if case.name in REFUSED:
        return
    module, input = prepared(case)
    if case.name in SINGLE:
        with pytest.raises(ConversionError, match="onnxruntime runs .* in float32 only"):
            interop.to_onnx(module, tmp_path / "layer.onnx", input, dtype="float64")
        return
    path = interop.to_onnx(module, tmp_path / "layer.onnx", input, dtype="float64")
    assert difference(module, path, input, np.float64) < 1e-12


def test_every_class_is_written_or_in_the_list_of_those_that_are_not() -> None:
    assert {case.name for case in CASES} == public_classes()
    page = Path(__file__).parents[1].joinpath("docs", "exchange.md").read_text(encoding="utf-8")
    to_onnx = page[page.index("## To ONNX") : page.index("## networkx")]
    for name in REFUSED:
        assert name.replace("Spatial", "").replace("Volumetric", "") in to_onnx


@pytest.mark.parametrize("example", [None, [np.ones((2, 3)), None], "2x3"])
def test_an_example_without_numbers_is_refused(example: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="the example input must hold arrays of numbers, got"):
        interop.to_onnx(nn.Linear(3, 2), tmp_path / "a.onnx", example)
    assert not list(tmp_path.iterdir())


def test_a_type_that_is_not_one_is_refused(tmp_path: Path) -> None:
    for dtype in ("float16", "int64", "numbers"):
        with pytest.raises(ArgumentError, match="'float32' or 'float64'"):
            interop.to_onnx(nn.Tanh(), tmp_path / "a.onnx", np.ones(3), dtype=dtype)


@pytest.mark.parametrize("batched", (True, False))
def test_unpooling_puts_back_what_the_pooling_before_it_found(batched: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for rank, pool, unpool in (
        (2, nn.SpatialMaxPooling(2, 2), nn.SpatialMaxUnpooling),
        (3, nn.VolumetricMaxPooling(2, 2, 2), nn.VolumetricMaxUnpooling),
    ):
        net = nn.Sequential().add(pool).add(nn.Tanh()).add(unpool(pool))
        size = (2, *(4,) * rank)
        path = interop.to_onnx(net, tmp_path / "net.onnx", rng.normal(size=(3, *size) if batched else size))
        for batch in (1, 4):
            input = rng.normal(size=(batch, *size) if batched else size)
            assert difference(net, path, input) < 1e-6


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


def test_weights_that_two_convolutions_share_are_written_once(tmp_path: Path) -> None:
    first, second = nn.SpatialConvolution(3, 3, 3, 3), nn.SpatialConvolution(3, 3, 3, 3)
    second.share(first, "weight")
    net = nn.Sequential().add(first).add(nn.ReLU()).add(second)
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    path = interop.to_onnx(net, tmp_path / "net.onnx", x)
    assert [tuple(w.dims) for w in onnx.load(path).graph.initializer].count((3, 3, 3, 3)) == 1
    assert difference(net, path, x) < 1e-6


def sequences(batch: int, steps: int) -> list[np.ndarray]:
    rng = np.random.default_rng(batch + steps)
    return [rng.normal(size=(steps, batch, 3)), *(rng.normal(size=(batch, 4)) for _ in range(4))]


@pytest.mark.parametrize(("dtype", "tolerance"), ((np.float32, 1e-6), (np.float64, 1e-12)))
def test_unroll_is_a_loop_over_any_number_of_steps(dtype: Any, tolerance: float, tmp_path: Path) -> None:
    mg.manualSeed(1)
    net = mg.rnn.Unroll(*mg.rnn.lstm(3, 4, 2))
    path = interop.to_onnx(net, tmp_path / "loop.onnx", sequences(2, 5), dtype=dtype)
    assert shapes(path, "inputs")[:2] == [("x", ["time", "batch", 3]), ("prev_c1", ["batch", 4])]
    assert shapes(path, "outputs")[-1] == ("next_h2", ["time", "batch", 4])
    model = onnx.load(path)
    assert [node.op_type for node in model.graph.node] == ["Scan"]
    assert sum(w.name == "i2h_1.weight" for w in model.graph.initializer) == 1
    for batch, steps in ((2, 5), (2, 1), (1, 5), (7, 12)):
        assert difference(net, path, sequences(batch, steps), dtype) < tolerance


def test_a_loop_with_words_tables_and_layers_around_it(tmp_path: Path) -> None:
    mg.manualSeed(1)
    word, state = nn.Identity()().annotate(name="word"), nn.Identity()().annotate(name="state")
    c, h = state.split(2)
    both = nn.JoinTable(2)([nn.LookupTable(6, 3)(word), h])
    next_c = nn.CAddTable()([nn.Sigmoid()(nn.Linear(7, 4)(both)), c])
    next_h = nn.Tanh()(next_c)
    after = mg.nest(next_c, next_h).annotate(name="after")
    step = nn.gModule([word, state], [next_h.annotate(name="seen"), after])
    words, first = nn.Identity()().annotate(name="words"), nn.Identity()().annotate(name="first")
    seen, states = mg.rnn.Unroll(step, {"after": "state"})([words, first]).split(2)
    scores = nn.Bottle(nn.Linear(4, 6))(seen).annotate(name="scores")
    last = nn.Select(1, -1)(nn.SelectTable(2)(states)).annotate(name="last")
    net = nn.gModule([words, first], [scores, last])

    def example(batch: int, steps: int) -> list[Any]:
        rng = np.random.default_rng(batch)
        return [rng.integers(1, 7, (steps, batch)), [rng.normal(size=(batch, 4)) for _ in range(2)]]

    path = interop.to_onnx(net, tmp_path / "net.onnx", example(3, 4))
    assert shapes(path, "inputs") == [
        ("words", ["time", "batch"]), ("first_1", ["batch", 4]), ("first_2", ["batch", 4])
    ]
    assert shapes(path, "outputs") == [("scores", ["time", "batch", 6]), ("last", ["batch", 4])]
    for batch, steps in ((3, 4), (1, 1), (5, 9)):
        assert difference(net, path, example(batch, steps)) < 1e-6


def test_a_loop_in_a_loop(tmp_path: Path) -> None:
    mg.manualSeed(1)
    inner = mg.rnn.Unroll(*mg.rnn.gru(3, 4))
    xs, h = nn.Identity()().annotate(name="xs"), nn.Identity()().annotate(name="h")
    outer = nn.gModule([xs, h], [nn.Select(1, -1)(inner([xs, h])).annotate(name="next_h")])
    net, rng = mg.rnn.Unroll(outer, {"next_h": "h"}), np.random.default_rng(0)
    example = [rng.normal(size=(2, 3, 5, 3)), rng.normal(size=(5, 4))]
    path = interop.to_onnx(net, tmp_path / "net.onnx", example)
    assert difference(net, path, [rng.normal(size=(6, 3, 5, 3)), rng.normal(size=(5, 4))]) < 1e-6


def test_what_cannot_be_written_in_a_loop_is_told(tmp_path: Path) -> None:
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    drop = nn.Dropout(0.5, False, False, True)(nn.CAddTable()([x, h])).annotate(name="next")
    net = mg.rnn.Unroll(nn.gModule([x, h], [drop]), {"next": "h"})
    with pytest.raises(ConversionError) as caught:
        interop.to_onnx(net, tmp_path / "net.onnx", [np.ones((3, 2, 4)), np.ones((2, 4))])
    assert any("'next'" in what and "draws masks" in why for what, why in caught.value.reasons)


def test_unroll_writes_its_steps_where_that_is_asked_for(tmp_path: Path) -> None:
    mg.manualSeed(1)
    net = mg.rnn.Unroll(*mg.rnn.lstm(3, 4, 2))
    path = interop.to_onnx(net, tmp_path / "unrolled.onnx", sequences(2, 5), unrolled=True)
    assert shapes(path, "inputs")[:2] == [("x", [5, "batch", 3]), ("prev_c1", ["batch", 4])]
    assert shapes(path, "outputs")[-1] == ("next_h2", [5, "batch", 4])
    model = onnx.load(path)
    assert sum(w.name == "i2h_1.weight" for w in model.graph.initializer) == 1
    assert {"next_c1_t1", "next_c1_t5"} <= {name for node in model.graph.node for name in node.output}
    for batch in (2, 3):
        assert difference(net, path, sequences(batch, 5)) < 1e-6


def test_nested_tables_without_names(tmp_path: Path) -> None:
    net = nn.ParallelTable().add(nn.Identity()).add(nn.CAddTable())
    input = [np.ones((2, 3)), [np.ones((2, 3)), np.full((2, 3), 2.0)]]
    path = interop.to_onnx(net, tmp_path / "tables.onnx", input)
    assert [name for name, _ in shapes(path, "inputs")] == ["input_1", "input_2_1", "input_2_2"]
    assert [name for name, _ in shapes(path, "outputs")] == ["output_1", "output_2"]
    assert difference(net, path, input) == 0


def test_layers_that_onnx_has_are_recognised(tmp_path: Path) -> None:
    net = nn.Sequential().add(nn.SpatialConvolution(2, 3, 3, 3)).add(nn.SpatialBatchNormalization(3))
    net.add(nn.ELU()).add(nn.SpatialMaxPooling(2, 2)).add(nn.View(-1, 12)).add(nn.Linear(12, 4))
    rng = np.random.default_rng(0)
    path = interop.to_onnx(net, tmp_path / "cnn.onnx", rng.normal(size=(2, 2, 6, 6)))
    assert [node.op_type for node in onnx.load(path).graph.node] == [
        "Conv", "BatchNormalization", "Elu", "MaxPool", "Reshape", "Gemm", "Identity"
    ]
    assert difference(net, path, rng.normal(size=(5, 2, 6, 6))) < 1e-6


class Residual(nn.Sequential):
    """A container of its own modules, which runs as any other."""

    def __init__(self) -> None:
        super().__init__()
        self.add(nn.ConcatTable().add(nn.Identity()).add(nn.Linear(4, 4))).add(nn.CAddTable())


class Doubled(nn.Linear):
    def updateOutput(self, input: Any) -> np.ndarray:
        self.output = 2 * super().updateOutput(input)
        return self.output


def test_a_module_of_your_own_is_written_if_it_runs_as_its_base(tmp_path: Path) -> None:
    net, x = nn.Sequential().add(Residual()).add(nn.Tanh()), np.random.default_rng(0).normal(size=(3, 4))
    assert difference(net, interop.to_onnx(net, tmp_path / "net.onnx", x), x) < 1e-6
    with pytest.raises(ConversionError, match="Doubled is a class of your own without a rule"):
        interop.to_onnx(net.add(Doubled(4, 4)), tmp_path / "net.onnx", x)


def test_rows_of_limited_norm_are_written_as_they_are_looked_up(tmp_path: Path) -> None:
    table = nn.LookupTable(6, 4, 0, 0.5)
    path = interop.to_onnx(table, tmp_path / "table.onnx", np.array([1, 2, 6]))
    assert difference(table, path, np.array([4, 1, 1, 5])) < 1e-6


def test_copies_of_types_are_those_of_the_file(tmp_path: Path) -> None:
    def copy(outtype: str) -> nn.Sequential:
        return nn.Sequential().add(nn.Copy("torch.LongTensor", outtype, False, True)).add(nn.MulConstant(0.5))

    words = np.array([[1, 2], [3, 4]])
    net = copy("torch.DoubleTensor")
    assert difference(net, interop.to_onnx(net, tmp_path / "copy.onnx", words), words) == 0
    with pytest.raises(ConversionError, match="it converts to whole numbers"):
        interop.to_onnx(copy("torch.IntTensor"), tmp_path / "copy.onnx", words)


def test_a_batch_that_is_taken_apart_is_fixed(tmp_path: Path) -> None:
    net = nn.Sequential().add(nn.SplitTable(1)).add(nn.CAddTable())
    path = interop.to_onnx(net, tmp_path / "net.onnx", np.ones((3, 4)))
    assert shapes(path, "inputs") == [("input", [3, 4])]


def test_what_cannot_be_written_is_told_before_anything_is(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    x = nn.Identity()()
    a = nn.SpatialFractionalMaxPooling(2, 2, 4, 4)(x).annotate(name="a")
    b = nn.SpatialFractionalMaxPooling(2, 2, 2, 2)(nn.Tanh()(a)).annotate(name="b")
    with pytest.raises(ConversionError) as caught:
        interop.to_onnx(nn.gModule([x], [b]), path, np.ones((1, 6, 6)))
    places = [("'a'" in what, "'b'" in what) for what, _ in caught.value.reasons]
    assert places == [(True, False), (False, True)]
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_an_unroll_inside_a_graph_keeps_batch_and_time_free(tmp_path: Path) -> None:
    xs, h0 = nn.Identity()().annotate(name="xs"), nn.Identity()().annotate(name="h0")
    last = nn.Select(1, -1)(mg.rnn.Unroll(*mg.rnn.gru(3, 4))([xs, h0])).annotate(name="last")
    net, rng = nn.gModule([xs, h0], [last]), np.random.default_rng(0)
    example = [rng.normal(size=(5, 2, 3)), rng.normal(size=(2, 4))]
    path = interop.to_onnx(net, tmp_path / "gru.onnx", example)
    assert shapes(path, "inputs") == [("xs", ["time", "batch", 3]), ("h0", ["batch", 4])]
    assert difference(net, path, [rng.normal(size=(9, 7, 3)), rng.normal(size=(7, 4))]) < 1e-6
