"""minigraph's own format: every module and graph comes back, order and numbers included."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import assert_graph, load
from module_registry import CASES
from registry.case import Case, same
from test_files_t7_modules import case_id, outcome, settle
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import nn
from minigraph.errors import FormatError
from minigraph.memory import root


def through(net: Any, folder: Path) -> Any:
    mg.save(folder / "net.safetensors", net)
    return mg.load(folder / "net.safetensors")


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_module_comes_back(case: Case, tmp_path: Path) -> None:
    module = case.fresh()
    back = through(module, tmp_path)
    assert type(back) is type(module)
    assert repr(back) == repr(module)
    settle(back, module)
    for mine, theirs in zip(outcome(case, back), outcome(case, case.fresh())):
        same(mine, theirs, 0)
    mg.save(tmp_path / "again.safetensors", through(back, tmp_path))
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "net.safetensors").read_bytes()


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_a_graph_comes_back(case: dict[str, Any], tmp_path: Path) -> None:
    net, _ = build_graph(case)
    back = through(net, tmp_path)
    for name in ("forwardnodes", "backwardnodes"):
        mine = [(node.id, node.label(), node.location) for node in getattr(back, name)]
        assert mine == [(node.id, node.label(), node.location) for node in getattr(net, name)]
    assert [edge[2] for edge in back.fg.edges] == [edge[2] for edge in net.fg.edges]
    nodes = {node.name: node for node in back.forwardnodes if node.name}
    assert_graph(back, nodes, case)


def lstm() -> tuple[nn.gModule, dict[str, str]]:
    mg.manualSeed(3)
    return mg.rnn.lstm(3, 4, layers=2, dropout=0.5)


def test_an_unrolled_net_comes_back(tmp_path: Path) -> None:
    net = mg.rnn.Unroll(*lstm())
    rng = np.random.default_rng(0)
    input = [rng.standard_normal((5, 2, 3)), *(np.zeros((2, 4)) for _ in range(4))]
    net.forward(input)
    back = through(net, tmp_path)
    assert back.feedback == net.feedback
    outputs = []
    for each in (net, back):
        mg.manualSeed(4)
        outputs.append(each.forward(input))
    same(outputs[0], outputs[1], 0)


def test_nested_graphs_and_shared_parameters_come_back(tmp_path: Path) -> None:
    x = nn.Identity()()
    shared = nn.Linear(3, 3)
    inner = nn.gModule([x], [nn.Tanh()(shared(x))])
    y = nn.Identity()()
    tied = nn.Linear(3, 3).share(shared, "weight", "gradWeight")
    outer = nn.gModule([y], [tied(inner(shared(y).annotate(name="first")))]).float().evaluate()
    flat, gradFlat = outer.getParameters()
    flat[:] = np.arange(flat.size) / 10
    back = through([outer, inner], tmp_path)
    assert back[0].findModules("nn.gModule")[0][1] is back[1]
    assert back[0].train is False and back[0].dtype == np.float32
    linears = back[0].findModules("nn.Linear")[0]
    assert len(linears) == 3 and linears[0].weight is linears[2].weight
    assert len({id(root(array)) for array in back[0].parameters()[0]}) == 1
    input = np.ones((2, 3), np.float32)
    same(back[0].forward(input), outer.forward(input), 0)


def test_annotations_and_numbers_that_json_has_not(tmp_path: Path) -> None:
    notes = {"limits": (float("inf"), -0.0), "graphAttributes": {"color": "red"}, "raw": b"\xff"}
    x = nn.Identity()().annotate(name="entrée", **notes)
    net = nn.gModule([x], [nn.Clamp(float("-inf"), 1.5)(x)])
    back = through(net, tmp_path)
    assert back.forwardnodes[1].annotations == {"name": "entrée", **notes}
    assert back.modules[1].min_val == float("-inf")


def test_a_network_of_torch7_is_kept(tmp_path: Path) -> None:
    net = mg.load_t7(Path(__file__).parent / "golden" / "t7" / "char_rnn_lstm_2x64.t7")["protos"]["rnn"]
    back = through(net, tmp_path)
    input = [np.array([3, 5]), *(np.full((2, 64), k / 5) for k in range(4))]
    same(back.forward(input), net.forward(input), 0)
    assert [n.location for n in back.forwardnodes] == [n.location for n in net.forwardnodes]
    for name, each in {"net": net, "back": back}.items():
        mg.save_t7(tmp_path / name, each.clearState())
    again = mg.load_t7(tmp_path / "back")
    same(again.forward(input), net.forward(input), 0)


def test_empty_arrays_come_back(tmp_path: Path) -> None:
    value = [np.empty((0, 3)), np.empty(0, np.int64), np.float32(1.5), np.ones(())]
    back = through(value, tmp_path)
    assert [np.shape(entry) for entry in back] == [(0, 3), (0,), (), ()] and back[2] == 1.5


# -- classes of the user's -------------------------------------------------------------------


@mg.files.register
class Scale(nn.Module):
    """A layer that a file may name."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.history = [np.zeros(2), {"inner": (1, nn.Tanh())}]

    def updateOutput(self, input: np.ndarray) -> np.ndarray:
        return self.factor * input


class Secret(nn.Identity):
    """A layer that it may not."""


def test_a_registered_class_comes_back(tmp_path: Path) -> None:
    x = nn.Identity()()
    back = through(nn.gModule([x], [Scale(2.5)(x)]), tmp_path)
    np.testing.assert_array_equal(back.forward(np.ones(3)), [2.5, 2.5, 2.5])
    assert type(back.modules[1].history[1]["inner"][1]) is nn.Tanh


def test_an_unregistered_class_is_named_before_anything_is_written(tmp_path: Path) -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [Secret()(x).annotate(name="hidden")])
    path = tmp_path / "net.safetensors"
    path.write_text("old")
    with pytest.raises(FormatError, match=r"(?s)Secret.*register.*'hidden'.*test_files_native"):
        mg.save(path, net)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["net.safetensors"]


def test_an_attribute_that_a_file_cannot_hold_is_named(tmp_path: Path) -> None:
    layer = Scale(1.0)
    layer.callback = print  # type: ignore[attr-defined]
    with pytest.raises(FormatError, match=r"modules\[0\]\.callback is builtin_function"):
        mg.save(tmp_path / "net", nn.Sequential().add(layer))


def test_register_refuses_what_is_no_module_and_names_that_are_taken() -> None:
    with pytest.raises(mg.errors.ArgumentError, match="class of modules"):
        mg.files.register(int)
    namesake = type("Scale", (nn.Identity,), {"__module__": "elsewhere"})
    with pytest.raises(mg.errors.ArgumentError, match="'Scale' is the name"):
        mg.files.register(namesake)


def test_a_class_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mg.save(tmp_path / "net", Scale(1.0))
    monkeypatch.setattr("minigraph.files.registry._registered", {})
    with pytest.raises(FormatError, match="'Scale'.*register"):
        mg.load(tmp_path / "net")


# -- files that are wrong --------------------------------------------------------------------


def edited(path: Path, edit: Any) -> Path:
    """Change the header and structure of a file, keeping its checksum right."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    from minigraph.files.native.layout import checksum

    with safe_open(path, framework="numpy") as file:
        header = dict(file.metadata())
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    graph = json.loads(header["graph"])
    edit(header, graph)
    header["graph"] = json.dumps(graph)
    header["checksum"] = checksum(header["graph"], arrays)
    save_file(arrays, path, metadata=header)
    return path


EDITS = {
    "newer": (lambda h, g: h.update(version="2"), "version 2.*newer"),
    "foreign": (lambda h, g: h.update(format="pt"), "mg.save did not write it"),
    "class": (lambda h, g: g["modules"][0].update({"class": "os.system"}), "not registered"),
    "method": (lambda h, g: g["modules"][0]["attributes"].update(forward=1), "'forward'"),
    "later module": (lambda h, g: g.update(root={"module": 99}), "IndexError"),
    "negative": (lambda h, g: g.update(root={"module": -1}), "number of an entry"),
    "outside": (lambda h, g: g["tensors"][0].update(shape=[9, 9], strides=[9, 1], offset=0), "reaches"),
    "huge": (lambda h, g: g["tensors"][0].update(shape=[2**60], strides=[0], offset=0), "storage of"),
    "type": (lambda h, g: g["modules"][0].update(type="torch.Gold"), "torch.Gold"),
    "wiring": (lambda h, g: g["modules"][-1]["network"].update(outputs=[]), "at least one node"),
    "structure": (lambda h, g: g.pop("modules"), "modules"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_wrong_structure_is_a_format_error(name: str, tmp_path: Path) -> None:
    edit, message = EDITS[name]
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Linear(2, 2)(x)])
    net.getParameters()
    mg.save(tmp_path / "net", net)
    with pytest.raises(FormatError, match=message):
        mg.load(edited(tmp_path / "net", edit))


@pytest.mark.parametrize(("save", "load"), [(mg.save, mg.load), (mg.save_t7, mg.load_t7)])
def test_a_small_file_is_no_endless_walk(save: Any, load: Any, tmp_path: Path) -> None:
    """60 containers, each of which holds the next one twice: a walk would meet 2**60 modules."""
    inner: nn.Module = nn.Identity()
    for _ in range(60):
        outer = nn.Sequential()
        outer.modules = [inner, inner]
        inner = outer
    save(tmp_path / "net", inner)
    with pytest.raises((FormatError, mg.errors.T7Error), match="hold each other in more than 1000000 ways"):
        load(tmp_path / "net")


def test_values_of_other_kinds_are_format_errors(tmp_path: Path) -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Tanh()(nn.Linear(2, 2)(x)).annotate(name="out", sizes=(1, 2.5))])
    mg.save(tmp_path / "net", net)
    whole, rng, refused = (tmp_path / "net").read_bytes(), random.Random(3), 0
    others = ["-1", "0", "2", "1e400", "9" * 25, "null", "[]", "{}", '"x"', '"\\ud800"', '{"dtype":"V9"}']

    def change(header: Any, graph: Any) -> None:
        text = json.dumps(graph)
        for _ in range(rng.randint(1, 3)):
            spans = [match.span() for match in re.finditer(r'-?\d+|"[A-Za-z_.]+"|null|true|false', text)]
            start, end = rng.choice(spans)
            text = text[:start] + rng.choice(others) + text[end:]
        try:
            changed = json.loads(text)
        except ValueError:
            return
        graph.clear()
        graph.update(changed)

    for _ in range(150):
        (tmp_path / "net").write_bytes(whole)
        try:
            mg.load(edited(tmp_path / "net", change))
        except FormatError as error:
            assert str(tmp_path / "net") in str(error)
            refused += 1
    assert refused > 30  # some changes make no JSON, and some do no harm


def test_damage_anywhere_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "net"
    mg.save(path, nn.Linear(4, 3))
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for position in [*range(0, 64), *rng.integers(0, len(whole), 200).tolist()]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(FormatError):
            mg.load(path)
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            mg.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        mg.load(tmp_path / "nothing")


def test_a_missing_folder_is_told_with_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "net.safetensors"
    with pytest.raises(FileNotFoundError) as raised:
        mg.save(path, nn.Linear(2, 2))
    assert raised.value.filename == str(path)


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    mg.save(path, nn.Linear(2, 2))
    old = path.read_bytes()

    def fail(*arguments: Any, **named: Any) -> None:
        Path(arguments[0]).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("minigraph.files.native.writer.write_safetensors", fail)
    with pytest.raises(OSError, match="disk full"):
        mg.save(path, nn.Linear(3, 3))
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["net"]
