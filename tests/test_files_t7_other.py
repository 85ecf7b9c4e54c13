"""Files of other times and machines: old layouts, GPUs, unknown classes, Lua functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from t7_bytes import boolean, ints, number, string, table, tensor
from t7_records import differences, read_records

import minigraph as mg
from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files import UnknownModule, UnknownObject

FOLDER = Path(__file__).parent / "golden" / "t7"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def fields(**more: bytes) -> bytes:
    empty = tensor("torch.DoubleTensor", 90, (), b"")
    return table(1, {
        string("_type"): string("torch.DoubleTensor"), string("output"): empty,
        string("gradInput"): ints(4, 90), **{string(name): value for name, value in more.items()},
    })


def torch_object(name: str, payload: bytes, version: bytes = b"V 1") -> bytes:
    header = ints(len(version)) + version if version else b""
    return ints(4, 77) + header + ints(len(name)) + name.encode() + payload


def test_objects_without_a_version(tmp_path: Path) -> None:
    path = write(tmp_path / "old.t7", torch_object("nn.Tanh", fields(), b""))
    net = mg.load_t7(path)
    assert type(net) is nn.Tanh and net.forward(np.zeros(2)).tolist() == [0, 0]


def test_longs_of_four_bytes(tmp_path: Path) -> None:
    for long_size in (None, 4):
        path = write(tmp_path / "small.t7", tensor(
            "torch.FloatTensor", 5, (2, 3), np.arange(6, dtype="<f4").tobytes(), long="<i4"))
        assert mg.load_t7(path, long_size=long_size).tolist() == [[0, 1, 2], [3, 4, 5]]
    path = write(tmp_path / "longs.t7", tensor(
        "torch.LongTensor", 5, (2,), np.array([5, -6], "<i4").tobytes(), long="<i4"))
    assert mg.load_t7(path).tolist() == [5, -6]
    with pytest.raises(T7Error):
        mg.load_t7(path, long_size=8)


def test_tensors_of_a_gpu_are_arrays(tmp_path: Path) -> None:
    data = np.array([1.5, 2.5], "<f4").tobytes()
    array = mg.load_t7(write(tmp_path / "a", tensor("torch.CudaTensor", 5, (2,), data)))
    assert array.dtype == np.float32 and array.tolist() == [1.5, 2.5]
    half = np.array([1.5], "<f2").tobytes()
    assert mg.load_t7(write(tmp_path / "b", tensor("torch.CudaHalfTensor", 5, (1,), half))).tolist() == [1.5]
    net = mg.load_t7(write(tmp_path / "c", torch_object("cudnn.ReLU", fields(
        _type=string("torch.CudaTensor"), inplace=boolean(False)))))
    assert type(net) is nn.ReLU and net.type() == "torch.FloatTensor"
    assert net.forward(np.array([-1, 2], np.float32)).tolist() == [0, 2]


def test_half_precision_modules_become_float(tmp_path: Path) -> None:
    weight = tensor("torch.HalfTensor", 20, (1, 2), np.array([1, 2], "<f2").tobytes())
    net = mg.load_t7(write(tmp_path / "half", torch_object("nn.Linear", fields(
        _type=string("torch.HalfTensor"), weight=weight))))
    assert net.type() == "torch.FloatTensor" and net.bias is None
    net.forward(np.ones((1, 2), np.float32))
    net.backward(np.ones((1, 2), np.float32), np.ones((1, 1), np.float32))
    assert net.gradWeight.tolist() == [[1, 1]] and net.weight.dtype == np.float32


def test_a_batch_normalisation_of_version_one(tmp_path: Path) -> None:
    std = tensor("torch.DoubleTensor", 20, (1,), np.array([0.5], "<f8").tobytes())
    mean = tensor("torch.DoubleTensor", 30, (1,), np.array([1.0], "<f8").tobytes())
    net = mg.load_t7(write(tmp_path / "bn", torch_object("nn.BatchNormalization", fields(
        running_std=std, running_mean=mean, eps=number(0.25), momentum=number(0.1),
        train=boolean(False)))))
    assert net.running_var.tolist() == [3.75] and net.affine is False
    np.testing.assert_allclose(net.forward(np.array([[3.0]])), [[1.0]])


def test_unknown_classes_are_records(tmp_path: Path) -> None:
    data = torch_object("my.Dataset", table(1, {string("size"): number(3)}), b"V 7")
    path = write(tmp_path / "unknown", data)
    found = mg.load_t7(path)
    assert isinstance(found, UnknownObject) and (found.class_name, found.version) == ("my.Dataset", 7)
    assert found.fields == {"size": 3} and "size" in repr(found)
    mg.save_t7(tmp_path / "back", found)
    assert not differences(read_records(path), read_records(tmp_path / "back"))


def test_unknown_modules_sit_in_containers(tmp_path: Path) -> None:
    stored = {"_type": "torch.DoubleTensor", "output": [], "gradInput": [], "k": 2}
    mystery = UnknownModule("my.Layer", stored)
    x = nn.Identity()()
    for name, net in {
        "sequential": nn.Sequential().add(nn.Tanh()).add(mystery),
        "graph": nn.gModule([x], [mystery(x)]),
    }.items():
        mg.save_t7(tmp_path / name, net)
        back = mg.load_t7(tmp_path / name)
        assert "my.Layer" in repr(back) and back.modules[1].fields["k"] == 2
        with pytest.raises(mg.errors.StateError, match="my.Layer cannot run"):
            back.forward(np.zeros(2))


def test_networks_of_an_older_nngraph(tmp_path: Path) -> None:
    """It put no split behind the inputs; their order stands at the inner node."""
    mg.manualSeed(1)
    modules = [nn.Identity(), nn.Linear(2, 3), nn.CSubTable(), nn.ModuleFromCriterion(nn.MSECriterion())]
    data: list[dict[Any, Any]] = [{"module": module, "annotations": {}} for module in modules]
    inner: dict[Any, Any] = {"data": [], "gradOutput": [], "mapindex": [data[1], data[0]]}
    out: dict[Any, Any] = {"input": [], "mapindex": [data[2], data[3]]}
    del data[3]["module"]
    data[3]["criterion"] = nn.MSECriterion()
    for entry, sources in zip(data, ([inner], [inner], [data[1], data[0]], [data[2], data[0]])):
        entry["mapindex"] = sources
    nodes = {id(d): UnknownObject("nngraph.Node", {"data": d, "children": [], "id": 0})
             for d in (inner, *data, out)}
    order = [nodes[id(d)] for d in (inner, *data, out)]
    graph = UnknownObject("nn.gModule", {
        "innode": order[0], "outnode": order[-1], "forwardnodes": order, "backwardnodes": order[::-1],
        "_type": "torch.DoubleTensor",
    })
    mg.save_t7(tmp_path / "old.t7", graph)
    with pytest.warns(UserWarning, match="order of"):  # the order here is none of nngraph's
        net = mg.load_t7(tmp_path / "old.t7")
    a, b = np.ones((1, 2)), np.zeros((1, 3))
    difference, loss = net.forward([a, b])
    np.testing.assert_allclose(difference, modules[1].forward(a) - b)
    np.testing.assert_allclose(loss, np.mean(difference**2))


def test_functions_are_refused_unless_skipped(tmp_path: Path) -> None:
    function = ints(8, 3, 4) + b"\x1bLua" + table(4, {})
    data = table(2, {string("f"): function, string("x"): number(1)})
    path = write(tmp_path / "function", data)
    with pytest.raises(T7Error, match="(?s)program.*skip_functions.*byte 21"):
        mg.load_t7(path)
    assert mg.load_t7(path, skip_functions=True) == {"f": None, "x": 1}


def test_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(mg.errors.ArgumentError, match="mode"):
        mg.load_t7(FOLDER / "values.t7", mode="text")
    with pytest.raises(mg.errors.ArgumentError, match="mode"):
        mg.save_t7(tmp_path / "x", 1, mode="text")
    with pytest.raises(mg.errors.ArgumentError, match="long_size"):
        mg.load_t7(FOLDER / "values.t7", long_size=6)
