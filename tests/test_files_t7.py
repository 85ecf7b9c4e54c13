"""Files that Torch7 wrote: all load, give Torch7's numbers, and are written back as they were."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import assert_close, assert_graph, load
from rendering import needs_svg
from t7_records import differences, read_records
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files import Key, Storage
from minigraph.files.t7.reader import ObjectRecord, Record
from minigraph.graph import Graph, Node
from minigraph.memory import root

FILES = sorted((Path(__file__).parent / "golden" / "t7").glob("*.t7"))
FOLDER = FILES[0].parent


def golden(name: str) -> Any:
    return mg.load_t7(FOLDER / f"{name}.t7", referenced="unreferenced" not in name)


# -- what the files hold ---------------------------------------------------------------------


def test_every_kind_of_value() -> None:
    values = golden("values")
    assert values[1] == 1.5 and type(values[1]) is float
    assert (values[2], values[3], values[4], values["name"]) == ("text", True, False, "top")
    assert values[5] == {"nested": [1, 2, [3]]}
    assert type(values[5]["nested"][0]) is int
    assert [(values[i].dtype.name, values[i].shape) for i in (6, 7, 8, 9, 11, 12)] == [
        ("int64", (3,)), ("uint8", (2,)), ("float32", (2, 3)), ("float64", (0,)),
        ("float64", (4, 4)), ("float64", (4,)),
    ]
    assert type(values[6]) is np.ndarray and values[6].tolist() == [1, 2, 3]
    assert type(values[10]) is Storage and values[10].tolist() == [1, 2]
    assert values[11].strides == (8, 32)  # a transposed tensor
    assert root(values[12]).size == 10 and values[12].base is not None  # a part of a storage


def test_sharing_and_cycles() -> None:
    top = golden("cyclic_shared")
    assert top["self"] is top
    assert top["a"] is top["b"]
    top["a"][0] = 7.0  # storages are memory that can be written to
    assert top["b"][0] == 7.0


@pytest.mark.parametrize("name, tolerance", [
    ("lstm_gmodule", 1e-12), ("lstm_gmodule_ascii", 1e-12), ("lstm_float", 1e-6)])
def test_the_lstm_gives_torch7s_numbers(name: str, tolerance: float) -> None:
    net, io = golden(name), golden("lstm_io")
    assert isinstance(net, nn.gModule)
    assert net.type() == ("torch.FloatTensor" if "float" in name else "torch.DoubleTensor")
    for _ in range(2):
        assert_close(net.forward(io["input"]), io["output"], tolerance)
        assert_close(net.backward(io["input"], io["gradOutput"]), io["gradInput"], tolerance)
    assert [node.name for node in net.forwardnodes if node.name] == ["i2h"]
    assert "oracle/t7_files.lua:4" in {node.location for node in net.forwardnodes}


@needs_svg
def test_the_lstm_can_be_looked_at(tmp_path: Path) -> None:
    net, io = golden("lstm_gmodule"), golden("lstm_io")
    mg.dot(net.fg, "lstm", tmp_path / "lstm")
    assert "i2h" in (tmp_path / "lstm.dot").read_text()
    text = str(mg.debug.tables(net))
    assert "input" in text and "gradInput" in text
    net.forward(io["input"])
    assert net.clone().forward(io["input"])[0].shape == (2, 4)
    assert net.float().forward([x.astype(np.float32) for x in io["input"]])[0].dtype == np.float32


@pytest.mark.parametrize("name", ["cnn", "cnn_unreferenced"])
def test_the_convolutional_network_gives_torch7s_numbers(name: str) -> None:
    net, io = golden(name), golden("cnn_io")
    assert_close(net.forward(io["input"]), io["output"], 1e-6)
    assert net.modules[3].size == (-1, 576)
    net.backward(io["input"], io["output"])  # the file has no outputs: a pass makes its own
    assert net.modules[0].weight.dtype == np.float32


def test_the_char_rnn_checkpoint_loads_whole() -> None:
    checkpoint = golden("char_rnn_lstm_2x64")
    assert checkpoint["opt"]["rnn_size"] == 64 and checkpoint["opt"]["model"] == "lstm"
    assert sorted(checkpoint["vocab"].values()) == list(range(1, 66))
    assert checkpoint["i"] == 300 and len(checkpoint["train_losses"]) == 300
    assert checkpoint["val_losses"] == {300: checkpoint["val_loss"]}
    net, criterion = checkpoint["protos"]["rnn"], checkpoint["protos"]["criterion"]
    state = [np.zeros((1, 64)) for _ in range(4)]
    text = [checkpoint["vocab"][letter] for letter in "the king and the queen shall not be here"]
    losses = []
    for letter, following in zip(text, text[1:]):
        *state, prediction = net.forward([np.array([letter]), *state])
        losses.append(criterion.forward(prediction, np.array([following])))
    np.testing.assert_allclose(np.exp(prediction).sum(1), 1)
    assert 1.5 < np.mean(losses) < checkpoint["val_loss"] + 0.2
    flat, gradFlat = net.getParameters()
    assert flat.size == gradFlat.size == 71041
    assert isinstance(net.modules[1], nn.OneHot)


def test_the_checkpoints_parameters_share_one_storage() -> None:
    net = golden("char_rnn_lstm_2x64")["protos"]["rnn"]
    owners = {id(root(parameter)) for parameter in net.parameters()[0]}
    assert len(owners) == 1  # char-rnn called getParameters before it saved


def test_storages_are_read_once(tmp_path: Path) -> None:
    storage = np.arange(1e6)
    views = [storage[k:].reshape(-1, 8) for k in range(0, 80, 8)]
    path = tmp_path / "large.t7"
    mg.save_t7(path, {"views": views, "storage": storage})
    assert path.stat().st_size < 8.01e6
    tracemalloc.start()
    back = mg.load_t7(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 8e6 <= kept <= peak < 8.2e6
    assert back["views"][9].flat[0] == 72


def test_a_checkpoint_takes_twice_its_size_at_most() -> None:
    """It has a megabyte of numbers, and nodes, modules and tables that are objects of Python."""
    path = FOLDER / "char_rnn_lstm_2x64.t7"
    mg.load_t7(path)
    tracemalloc.start()
    checkpoint = mg.load_t7(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept <= peak < 2 * path.stat().st_size
    assert checkpoint["i"] == 300


# -- written back ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_written_back_as_it_was(path: Path, tmp_path: Path) -> None:
    """Classes, versions, fields, numbers, strides, sharing: all but what a pass leaves at the nodes."""
    referenced = "unreferenced" not in path.stem
    mode = "ascii" if "ascii" in path.stem else "binary"
    back = tmp_path / "back.t7"
    mg.save_t7(back, mg.load_t7(path, referenced=referenced), mode, referenced)
    assert differences(read_records(path, referenced), read_records(back, referenced)) == []
    if "lstm_g" not in path.stem and "lstm_f" not in path.stem:
        assert abs(back.stat().st_size - path.stat().st_size) <= 16


def objects(root: Any) -> dict[str, dict[str, Any]]:
    """Return the fields of the first object of each class of nn below a record."""
    found: dict[str, dict[str, Any]] = {}
    seen, stack = set(), [root]
    while stack:
        record = stack.pop()
        if isinstance(record, Record) and id(record) not in seen:
            seen.add(id(record))
            stack += record.items
            if isinstance(record, ObjectRecord) and record.class_name.startswith("nn."):
                found.setdefault(record.class_name, record.fields())
    return found


FRESH = {
    "cnn": lambda: nn.Sequential().add(nn.SpatialConvolution(1, 4, 5, 5)).add(nn.ReLU())
    .add(nn.SpatialMaxPooling(2, 2, 2, 2)).add(nn.View(-1, 576)).add(nn.Linear(576, 10)).add(nn.LogSoftMax()),
    "char_rnn_lstm_2x64": lambda: [
        nn.ClassNLLCriterion(), nn.CAddTable(), nn.CMulTable(), nn.Reshape(4, 64), nn.SplitTable(2),
        nn.Sigmoid(), nn.Tanh(), nn.Identity(), nn.Linear(2, 2), mg.rnn.lstm(2, 2)[0],
    ],
}
# Fields that a pass made: a layer that never ran has none.
RAN = {"finput", "fgradInput", "indices", "iheight", "iwidth", "train"}


@pytest.mark.parametrize("name", FRESH)
def test_a_new_module_has_the_fields_that_torch_gives_it(name: str, tmp_path: Path) -> None:
    """Field names and kinds against Torch's own files, class by class."""
    mg.save_t7(tmp_path / "new.t7", FRESH[name]())
    ours = objects(read_records(tmp_path / "new.t7"))
    theirs = objects(read_records(FOLDER / f"{name}.t7"))
    assert len(ours) >= 7 and ours.keys() <= theirs.keys()
    for class_name, fields in ours.items():
        told = {field for field, value in fields.items() if value is not False}  # nil is false in Lua
        expected = {field for field, value in theirs[class_name].items() if value is not False}
        assert told - RAN == expected - RAN, class_name
        for field, value in fields.items():
            assert type(value) is type(theirs[class_name].get(field, value)), (class_name, field)


@pytest.mark.parametrize("mode", ["binary", "ascii"])
def test_values_come_back(mode: str, tmp_path: Path) -> None:
    base = np.arange(12.0).reshape(3, 4)
    shared = {"deep": [1, [2, [3.5, None, "x"]]]}
    value = {
        "numbers": [0, -1, 2**53, 0.1, float("inf"), float("-inf"), -0.0, 1e-310],
        "text": ["", "π\n 5", b"\xff\x00", "a b"], "logic": [True, False],
        "views": [base[1:, ::2], base.T, np.broadcast_to(base[0], (3, 4)), base],
        "types": [np.arange(-2, 2).astype(t) for t in ("f2", "f4", "f8", "i1", "i2", "i4", "i8")],
        "bytes": np.array([0, 10, 32, 255], np.uint8), "storage": base.reshape(-1).view(Storage),
        "twice": [shared, shared], 7: "seven", True: "true", 2.5: "half", -1: "minus",
    }
    path = tmp_path / "values.t7"
    mg.save_t7(path, value, mode)
    back = mg.load_t7(path)
    assert back["numbers"] == value["numbers"] and str(back["numbers"][6]) == "-0.0"
    assert [type(x) for x in back["numbers"][:4]] == [int, int, int, float]
    assert (back["text"], back["logic"]) == (value["text"], value["logic"])
    for mine, theirs in zip(back["views"], value["views"]):
        assert mine.strides == theirs.strides and root(mine) is root(back["views"][3])
        np.testing.assert_array_equal(mine, theirs)
    assert root(back["storage"].view(np.ndarray)) is root(back["views"][0])
    for mine, theirs in zip(back["types"], value["types"]):
        assert mine.dtype == theirs.dtype and mine.tolist() == theirs.tolist()
    assert back["bytes"].tolist() == [0, 10, 32, 255]
    assert back["twice"][0] is back["twice"][1]
    assert back["twice"][0] == {"deep": [1, [2, {1: 3.5, 3: "x"}]]}
    assert (back[7], back[True], back[2.5], back[-1]) == ("seven", "true", "half", "minus")


def test_nan_comes_back(tmp_path: Path) -> None:
    for mode in ("binary", "ascii"):
        mg.save_t7(tmp_path / "nan.t7", [float("nan"), np.array([np.nan, np.inf])], mode)
        number, array = mg.load_t7(tmp_path / "nan.t7")
        assert np.isnan(number) and np.isnan(array[0]) and np.isinf(array[1])


def test_none_in_a_list_is_a_hole_in_the_table(tmp_path: Path) -> None:
    mg.save_t7(tmp_path / "holes.t7", [1, None, 3])
    assert mg.load_t7(tmp_path / "holes.t7") == {1: 1, 3: 3}


def test_empty_storages_and_tensors_come_back(tmp_path: Path) -> None:
    for mode in ("binary", "ascii"):
        mg.save_t7(tmp_path / "empty.t7", [np.empty(0).view(Storage), np.empty((0, 3), np.float32), 1], mode)
        storage, array, one = mg.load_t7(tmp_path / "empty.t7")
        assert type(storage) is Storage and storage.size == array.size == 0 and one == 1
        assert array.dtype == np.float32


def test_a_file_without_references_repeats_what_is_shared(tmp_path: Path) -> None:
    shared = np.arange(3.0)
    mg.save_t7(tmp_path / "once.t7", [shared, shared], referenced=False)
    back = mg.load_t7(tmp_path / "once.t7", referenced=False)
    assert back[0] is not back[1] and back[0].tolist() == back[1].tolist() == [0, 1, 2]
    # Torch gives every repetition a number of its own, so that the argument may be forgotten.
    forgotten = mg.load_t7(FOLDER / "cnn_unreferenced.t7")
    io = golden("cnn_io")
    assert_close(forgotten.forward(io["input"]), io["output"], 1e-6)


def test_keys_that_python_cannot_hold(tmp_path: Path) -> None:
    key = [1, 2]
    top: dict[Any, Any] = {Key(key): "table", "key": key, 1: "one", Key(True): "true"}
    mg.save_t7(tmp_path / "keys.t7", top)
    back = mg.load_t7(tmp_path / "keys.t7")
    assert back[Key(back["key"])] == "table" and back["key"] == [1, 2]
    assert back[1] == "one" and back[Key(True)] == "true"


def test_long_chains_need_no_stack(tmp_path: Path) -> None:
    chain: list[Any] = []
    for _ in range(20_000):
        chain = [chain]
    mg.save_t7(tmp_path / "chain.t7", chain)
    back, depth = mg.load_t7(tmp_path / "chain.t7"), 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 20_000


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_the_golden_graphs_come_back(case: dict[str, Any], tmp_path: Path, recwarn: Any) -> None:
    net, _ = build_graph(case)
    mg.save_t7(tmp_path / "net.t7", net)
    back = mg.load_t7(tmp_path / "net.t7")
    assert not [w for w in recwarn if w.category is UserWarning]  # the stored orders are nngraph's
    for name in ("forwardnodes", "backwardnodes"):
        mine = [(node.id, node.label()) for node in getattr(back, name)]
        assert mine == [(node.id, node.label()) for node in getattr(net, name)]
    mg.save_t7(tmp_path / "again.t7", back)
    first, second = (read_records(tmp_path / f"{name}.t7") for name in ("net", "again"))
    assert not differences(first, second)
    assert_graph(back, {node.name: node for node in back.forwardnodes if node.name}, case)


def test_a_long_network_is_written_and_read(tmp_path: Path) -> None:
    node = x = nn.Identity()()
    for _ in range(800):
        node = nn.AddConstant(1)(node)
    mg.save_t7(tmp_path / "long.t7", nn.gModule([x], [node]))
    assert mg.load_t7(tmp_path / "long.t7").forward(np.zeros(2)).tolist() == [800, 800]


def test_nested_networks_and_a_module_at_two_nodes(tmp_path: Path) -> None:
    x, y = nn.Identity()(), nn.Identity()()
    linear = nn.Linear(3, 3)
    inner = nn.gModule([x], [linear(nn.Tanh()(linear(x)))])
    net = nn.gModule([y], [nn.Sequential().add(inner).add(nn.Tanh())(y)])
    input, gradOutput = np.ones((2, 3)), np.full((2, 3), 0.5)
    mg.save_t7(tmp_path / "net.t7", {"inner": inner, "net": net})
    back = mg.load_t7(tmp_path / "net.t7")
    assert back["net"].modules[1].modules[0] is back["inner"]
    assert_close(back["net"].forward(input), net.forward(input), 0)
    assert_close(back["net"].backward(input, gradOutput), net.backward(input, gradOutput), 0)
    assert len({id(array) for array in back["net"].parameters()[0]}) == 2


def test_graphs_and_nodes_by_themselves(tmp_path: Path) -> None:
    net = golden("lstm_gmodule")
    mg.save_t7(tmp_path / "graph.t7", {"net": net, "fg": net.fg, "first": net.forwardnodes[0]})
    back = mg.load_t7(tmp_path / "graph.t7")
    assert isinstance(back["fg"], Graph) and isinstance(back["first"], Node)
    assert [n.id for n in back["fg"].nodes] == [n.id for n in net.fg.nodes]
    assert [edge.slot for edge in back["fg"].edges] == [edge.slot for edge in net.fg.edges]
    named = [node for node in back["fg"].nodes if node.name == "i2h"]
    assert named[0] in back["net"].forwardnodes
    mg.save_t7(tmp_path / "only.t7", net.fg)
    only = mg.load_t7(tmp_path / "only.t7")
    assert [node.label() for node in only.nodes][2:] == [node.label() for node in net.fg.nodes][2:]


@pytest.mark.parametrize("value, message", [
    ([{"a": lambda: 0}], r"function(.|\n)*at 1\.a"),
    (2**60, "beyond 2"), (np.zeros(2, complex), "complex128"), ({None: 1}, "key"),
    ({"x": {(1, 2): 3}}, "tuple"), (np.array(["x"]), "Torch7 has no tensors"),
])
def test_what_torch7_has_no_form_for_is_named(value: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "value.t7"
    path.write_bytes(b"old")
    with pytest.raises(T7Error, match=message):
        mg.save_t7(path, value)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_classes_that_torch7_has_not_are_named(tmp_path: Path) -> None:
    class Own(nn.Identity):
        pass

    with pytest.raises(T7Error, match="(?s)Own.*register.*at modules"):
        mg.save_t7(tmp_path / "own.t7", nn.Sequential().add(Own()))
    step, feedback = mg.rnn.lstm(2, 2)
    net = mg.rnn.Unroll(step, feedback)
    with pytest.raises(T7Error, match="unrolls with clones of a step.*net.step"):
        mg.save_t7(tmp_path / "unroll.t7", net)
    mg.save_t7(tmp_path / "step.t7", {"step": net.step, "feedback": net.feedback})
    back = mg.load_t7(tmp_path / "step.t7")
    assert mg.rnn.Unroll(back["step"], back["feedback"]).feedback == feedback
