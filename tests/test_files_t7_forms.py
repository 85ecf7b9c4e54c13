"""Networks that Torch7 has no form for as they stand: what is written in their place does the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from t7_records import differences, read_records

import minigraph as mg
from minigraph import nn
from minigraph.errors import T7Error


def repeating() -> tuple[Any, Any]:
    mg.manualSeed(1)
    x = nn.Identity()().annotate(name="x")
    h = nn.Tanh()(nn.Linear(3, 3)(x)).annotate(name="h")
    total = nn.CAddTable()([h, h, x, h]).annotate(name="total")
    net = nn.gModule([x], [total, nn.CMulTable()([x, x]), total])
    return net, np.random.default_rng(0).normal(size=(2, 3))


def passes(net: Any, x: Any) -> list[np.ndarray]:
    net.zeroGradParameters()
    outputs = [output.copy() for output in net.forward(x)]
    gradient = net.backward(x, [output + k for k, output in enumerate(outputs)])
    return [*outputs, gradient.copy(), *(g.copy() for g in net.parameters()[1])]


def test_a_node_taken_twice_comes_back(tmp_path: Path, recwarn: Any) -> None:
    net, x = repeating()
    mg.save_t7(tmp_path / "net.t7", {"net": net, "again": net})
    back = mg.load_t7(tmp_path / "net.t7")
    assert back["again"] is back["net"]
    mg.save_t7(tmp_path / "again.t7", back)
    assert not differences(read_records(tmp_path / "net.t7"), read_records(tmp_path / "again.t7"))
    assert [n.label() for n in back["net"].forwardnodes] == [n.label() for n in net.forwardnodes]
    for mine, theirs in zip(passes(back["net"], x), passes(net, x)):
        np.testing.assert_array_equal(mine, theirs)
    mg.save_t7(tmp_path / "node.t7", {"net": net, "h": net.forwardnodes[3]})
    back = mg.load_t7(tmp_path / "node.t7")
    assert back["h"] in back["net"].forwardnodes
    assert not [w for w in recwarn if w.category is UserWarning]


def test_torch7_sees_a_node_taken_twice_behind_an_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x = repeating()
    mg.save_t7(tmp_path / "net.t7", net)
    monkeypatch.setattr("minigraph.files.t7.graphs.is_repeat", lambda data, sources: False)
    seen = mg.load_t7(tmp_path / "net.t7")
    assert len(seen.findModules("nn.Identity")[0]) == 5
    for node in seen.backwardnodes:
        assert len(set(node.children)) == len(node.children)
    for mine, theirs in zip(passes(seen, x), passes(net, x)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_a_copy_between_equal_types_copies_in_torch7(tmp_path: Path) -> None:
    mg.save_t7(tmp_path / "copy.t7", nn.Sequential().add(nn.Copy()).add(nn.Copy(None, None, True)))
    first, second = mg.load_t7(tmp_path / "copy.t7").modules
    assert first.passes and not second.passes
    x = np.ones((2, 3))
    assert first.forward(x) is x and second.forward(x) is not x
    fields = mg.load_t7(tmp_path / "copy.t7").modules[0]._torch["fields"]
    assert not {"updateOutput", "updateGradInput"} & set(fields)  # functions, which take the class's place


def test_the_advice_for_a_pixel_shuffle_that_goes_down_gives_its_numbers(tmp_path: Path) -> None:
    with pytest.raises(T7Error) as caught:
        mg.save_t7(tmp_path / "down.t7", nn.PixelShuffle(3, False))
    advice = re.findall(r"nn\.(?:View|Transpose)\([^)]*\)(?:\.setNumInputDims\(\d\))?", str(caught.value))
    net = nn.Sequential()
    for text in advice:
        net.add(eval(text.replace("/", "//"), {"nn": nn, "C": 2, "H": 6, "W": 9}))
    x = np.random.default_rng(0).normal(size=(4, 2, 6, 9))
    assert len(advice) == 3
    np.testing.assert_array_equal(net.forward(x), nn.PixelShuffle(3, False).forward(x))
    mg.save_t7(tmp_path / "down.t7", net)
