"""Objects that Torch7 saved, fresh and after a pass: their numbers, their fields, their memory.

``native.tar.xz`` holds measured cases with numbers beside each object; ``classes.tar.xz`` what Torch7
builds and runs for the cases of the registry.
"""

from __future__ import annotations

import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_files import HERE, build, load
from module_registry import CASES
from t7_records import apart, lacking, read_records

import minigraph as mg
from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files import UnknownObject
from minigraph.files.t7.reader import ObjectRecord, Record, TableRecord, TensorRecord
from minigraph.tables import map_table

#: Torch7 itself is wrong there, or ignores an argument.
DISPUTED = {
    "SpatialDepthWiseConvolution(2,1,3,3,2,2,1)", "Dropout(0.4,false,false,true)", "Cosine(4,3)",
    "Bilinear(3,2,2)",
}
FORMS = ("fresh", "run")


def names(archive: str) -> list[str]:
    with tarfile.open(HERE / "t7" / f"{archive}.tar.xz") as opened:
        return sorted(opened.getnames())


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch7")
    for archive in ("native", "classes"):
        with tarfile.open(HERE / "t7" / f"{archive}.tar.xz") as opened:
            for member in opened:
                found = opened.extractfile(member)
                assert found is not None
                (folder / member.name).write_bytes(found.read())
    return folder


def close(actual: Any, expected: Any, where: str) -> None:
    """Compare tables and tensors; a tensor of one sample may lack Torch's first dimension."""
    if isinstance(expected, (list, dict)):
        entries = list(expected.values()) if isinstance(expected, dict) else expected
        assert isinstance(actual, (list, tuple)) and len(actual) == len(entries), where
        for number, (mine, theirs) in enumerate(zip(actual, entries), 1):
            close(mine, theirs, f"{where}[{number}]")
        return
    mine, theirs = np.asarray(actual, float), np.asarray(expected, float)
    assert mine.size == theirs.size, f"{where}: {mine.shape}, Torch7 {theirs.shape}"
    np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, 1e-9, 1e-9, err_msg=where)


def check_numbers(record: dict[str, Any], form: str) -> None:
    module, input = record[form], record["input"]
    if record.get("criterion"):
        target = record.get("target")
        assert module.forward(input, target) == pytest.approx(record["output"], rel=1e-9, abs=1e-9)
        close(module.backward(input, target), record["gradInput"], "gradInput")
        return
    if record.get("seed") is not None:
        mg.manualSeed(record["seed"])
    if form == "run":
        module.zeroGradParameters()
    close(module.forward(input), record["output"], "output")
    scale = record.get("scale")
    gradInput = module.backward(input, record["gradOutput"], 1.0 if scale is None else scale)
    if not record["nograd"]:
        close(gradInput, record["gradInput"], "gradInput")
    if record.get("gradParams"):
        close(module.parameters()[1], record["gradParams"], "gradParams")


@pytest.mark.parametrize("name", names("native"))
def test_torch7s_objects_run_and_are_written_back_with_their_fields(
    name: str, unpacked: Path, tmp_path: Path
) -> None:
    record = mg.load_t7(unpacked / name)
    mg.save_t7(tmp_path / "untouched.t7", record, "ascii")
    for form in FORMS if record["name"] not in DISPUTED else ():
        check_numbers(record, form)
    mg.save_t7(tmp_path / "run.t7", record)
    theirs = read_records(unpacked / name)
    for back in ("untouched", "run"):
        ours = read_records(tmp_path / f"{back}.t7")
        assert not lacking(theirs, ours, values=back == "untouched")
        assert not apart(theirs, ours)


@lru_cache
def specs() -> dict[str, Any]:
    cases = [case for part in ("modules", "criterions") for case in load("modules")[part]]
    return {case["name"]: case["spec"] for case in cases if not case["spec"].get("children")}


@pytest.mark.parametrize("name", names("native"))
def test_what_is_built_from_the_same_arguments_has_the_same_fields(
    name: str, unpacked: Path, tmp_path: Path
) -> None:
    spec = specs().get(mg.load_t7(unpacked / name)["name"])
    if spec is not None and spec["type"] not in ("Sequential", "ConcatTable"):
        mg.save_t7(tmp_path / "built.t7", build(spec))
        theirs = dict(read_records(unpacked / name).pairs())["fresh"]
        assert not lacking(theirs, read_records(tmp_path / "built.t7"))


@pytest.mark.parametrize("name", names("classes"))
def test_the_registry_in_torch7s_terms(name: str, unpacked: Path, tmp_path: Path) -> None:
    """Each layer has the fields that Torch7's constructor makes, and keeps apart what Torch7 does."""
    [case] = [case for case in CASES if f"{case.name}-{case.label}".replace(" ", "_") == name[:-3]]
    theirs = dict(read_records(unpacked / name).pairs())
    for form in FORMS:
        module = case.fresh()
        input, target = case.data()
        if form == "run":
            output = case.forward(module, input, target)
            case.backward(module, input, target if case.target else case.gradient(output))
        try:
            mg.save_t7(tmp_path / "ours.t7", module)
        except T7Error:
            assert case.name in ("PixelShuffle", "Profile", "SpatialClassNLLCriterion")
            return
        ours = read_records(tmp_path / "ours.t7")
        if form == "fresh":
            assert not lacking(theirs[form], ours, values=False)
        if form in theirs:
            assert not apart(theirs[form], ours)


# -- compositions --------------------------------------------------------------------------------


def branches() -> nn.Module:
    table = nn.ConcatTable().add(nn.Linear(4, 3)).add(nn.Sequential().add(nn.Identity()).add(nn.Linear(4, 3)))
    pick = nn.ConcatTable().add(nn.SelectTable(-1)).add(nn.NarrowTable(1, 2)).add(nn.SelectTable(1))
    summed = nn.ParallelTable().add(nn.Tanh()).add(nn.CAddTable()).add(nn.Identity())
    last = nn.Sequential().add(nn.FlattenTable()).add(nn.CAddTable())
    return nn.Sequential().add(table).add(pick).add(summed).add(last)


def zaremba() -> nn.Module:
    """A step of Zaremba's LSTM: states as a table, taken apart and put together again."""
    x, states = nn.Identity()(), nn.Identity()()
    prev_c, prev_h = nn.SplitTable(2)(states).split(2)
    gates = nn.CAddTable()([nn.Linear(4, 12)(x), nn.Linear(3, 12)(prev_h)])
    i, f, o, g = nn.SplitTable(2)(nn.Reshape(4, 3)(gates)).split(4)
    next_c = nn.CAddTable()([
        nn.CMulTable()([nn.Sigmoid()(f), prev_c]), nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])])
    next_h = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])
    return nn.gModule([x, states], [nn.Linear(3, 2)(next_h), nn.Identity()([next_c, next_h])])


def ran(net: nn.Module, input: Any) -> nn.Module:
    for _ in range(2):
        output = net.forward(input)
        net.backward(input, map_table(np.ones_like, output))
    return net


NETS = {
    "select": lambda: ran(nn.Sequential().add(nn.SelectTable(1)).add(nn.Linear(3, 2)), [np.ones((2, 3))] * 2),
    "branches": lambda: ran(branches(), np.ones((2, 4))),
    "zaremba": lambda: ran(zaremba(), [np.ones((2, 4)), np.ones((2, 2, 3))]),
    "map": lambda: ran(nn.MapTable(nn.Sequential().add(nn.Linear(3, 2))), [np.ones((2, 3))] * 3),
    "criterion": lambda: ran(nn.CriterionTable(nn.MSECriterion()), [np.ones(3), np.zeros(3)]),
}


@pytest.mark.parametrize("name", NETS)
def test_no_layer_lies_on_what_another_computed(name: str, tmp_path: Path) -> None:
    """SelectTable's gradient was once the memory of the next layer, which Torch7 fills with zeros first."""
    mg.save_t7(tmp_path / "net.t7", NETS[name]())
    owners: dict[int, Any] = {}
    stack, seen = [read_records(tmp_path / "net.t7")], set()
    while stack:
        record = stack.pop()
        if not isinstance(record, Record) or id(record) in seen:
            continue
        seen.add(id(record))
        stack += record.items
        if isinstance(record, ObjectRecord) and record.class_name.startswith("nn."):
            for field in ("output", "gradInput"):
                for tensor in tensors(record.fields().get(field)):
                    holder = owners.setdefault(id(tensor.items[0]), (record, field))
                    both = {holder[0].class_name, record.class_name}
                    if both != {"nn.CriterionTable", "nn.MSECriterion"}:  # Torch7 shares these from the first
                        assert holder == (record, field)
    assert owners


def tensors(value: Any) -> list[TensorRecord]:
    if isinstance(value, TensorRecord):
        return [value] if value.items[0] is not None else []
    entries = value.pairs() if isinstance(value, TableRecord) else []
    return [tensor for _, entry in entries for tensor in tensors(entry)]


def test_parameters_stay_shared(tmp_path: Path) -> None:
    first = nn.Linear(3, 3)
    net = nn.Sequential().add(first).add(nn.Tanh()).add(first.clone("weight", "gradWeight"))
    ran(net, np.ones((2, 3)))
    flat, _ = net.getParameters()
    mg.save_t7(tmp_path / "net.t7", {"net": net, "flat": flat})
    back = mg.load_t7(tmp_path / "net.t7")
    back["flat"].fill(2)
    assert (back["net"].modules[0].weight == 2).all() and (back["net"].modules[2].weight == 2).all()


# -- older files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("build, shape, fields", [
    (lambda: nn.SpatialMaxPooling(2, 2), (1, 4, 4), ("padW", "padH", "ceil_mode")),
    (lambda: nn.SpatialAveragePooling(2, 2, 2, 2), (1, 4, 4), ("padW", "padH", "count_include_pad")),
    (lambda: nn.SpatialFullConvolution(1, 2, 2, 2), (1, 3, 3), ("adjW", "adjH", "padW", "padH")),
    (lambda: nn.Threshold(0.1, 0.2), (3,), ("inplace",)),
    (lambda: nn.ReLU(), (3,), ("inplace",)),
    (lambda: nn.CAddTable(), None, ("inplace",)),
    (lambda: nn.Sum(1), (3, 2), ("sizeAverage",)),
    (lambda: nn.Replicate(2), (3,), ("dim",)),
    (lambda: nn.Add(3), (3,), ("scalar",)),
    (lambda: nn.WhiteNoise(1.0, 1e-12), (3,), ("train",)),
], ids=lambda value: "" if callable(value) else str(value))
def test_what_an_older_file_does_not_say(build: Any, shape: Any, fields: Any, tmp_path: Path) -> None:
    mg.manualSeed(1)
    module = build()
    mg.save_t7(tmp_path / "new.t7", module)
    content = read_records(tmp_path / "new.t7").payload
    stored = {key: value for key, value in content.pairs() if key not in fields}
    held = {name: getattr(module, name, None) for name in stored}
    arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
    plain = {key: value for key, value in stored.items() if not isinstance(value, Record)}
    mg.save_t7(tmp_path / "old.t7", UnknownObject(module.typename(), {**plain, **arrays}))
    old = mg.load_t7(tmp_path / "old.t7")
    input = [np.ones(2), np.ones(2)] if shape is None else np.arange(float(np.prod(shape))).reshape(shape)
    close(old.forward(input), module.forward(input), "output")
    assert repr(old) == repr(module)
    mg.save_t7(tmp_path / "again.t7", mg.load_t7(tmp_path / "old.t7"))
    written = dict(read_records(tmp_path / "again.t7").payload.pairs())
    assert not {"inplace", "scalar", "dim", "adjW"} & set(fields) & set(written)


def test_results_have_the_type_of_their_module(tmp_path: Path) -> None:
    """An array of doubles runs through a view as it is; Torch7 would not take it from the file."""
    net = nn.Sequential().add(nn.View(2, 2)).add(nn.Identity()).add(nn.Reshape(4)).add(nn.Linear(4, 2))
    net.float().add(nn.Copy("torch.FloatTensor", "torch.DoubleTensor", True, True))
    ran(net, np.ones((3, 4)))
    mg.save_t7(tmp_path / "net.t7", net)
    modules = dict(read_records(tmp_path / "net.t7").payload.pairs())["modules"]
    for _, module in modules.pairs():
        kinds = [module.fields()[name].array.dtype.name for name in ("output", "gradInput")]
        expected = ["float64", "float32"] if module.class_name == "nn.Copy" else ["float32"] * 2
        assert kinds == expected, module.class_name
