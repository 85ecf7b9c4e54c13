"""The interactive page as data and as one file: what it holds, and that it holds together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rendering import needs_svg

import minigraph as mg
from minigraph import nn
from minigraph.cli import main
from minigraph.cli.lstm_graphs import zaremba
from minigraph.errors import DrawingError

pytestmark = needs_svg


def html_of(what: Any, folder: Path, **options: Any) -> str:
    return mg.draw(what, folder / "page.html", **options).read_text(encoding="utf-8")


def data_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


@pytest.fixture(scope="module")
def lstm() -> tuple[nn.gModule, Any]:
    mg.manualSeed(1)
    return zaremba(layers=2, size=4)


@pytest.fixture(scope="module")
def graph(lstm: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The data of the page of a two-layer LSTM after a forward and a backward pass."""
    net, input = lstm
    output = net.forward(input)
    net.zeroGradParameters()
    net.backward(input, output)
    return dict(data_in(html_of(net, tmp_path_factory.mktemp("page")))["graph"])


def node(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in graph["nodes"] if each["name"] == name)


def row(graph: dict[str, Any], path: str) -> dict[str, Any]:
    return next(each for each in graph["tables"][path.split("[")[0]] if each["path"] == path)


def test_every_node_says_what_it_is(graph: dict[str, Any], lstm: Any) -> None:
    net = lstm[0]
    assert [each["id"] for each in graph["nodes"]] == list(range(1, len(net.forwardnodes) + 1))
    i2h = node(graph, "l1.i2h")
    assert i2h["module"] == "nn.Linear(4 -> 16)" and i2h["type"] == "Linear"
    first, second = i2h["arguments"][:2]
    assert first == {"name": "inputSize", "value": "4"} and second == {"name": "outputSize", "value": "16"}
    assert i2h["family"] == "weights" and i2h["layer"] == "l1"
    assert i2h["location"] == next(each.location for each in net.forwardnodes if each.name == "l1.i2h")
    assert i2h["forwardOrder"] == 1 + [each.name for each in net.forwardnodes].index("l1.i2h")
    assert i2h["backwardOrder"] == 1 + [each.name for each in net.backwardnodes].index("l1.i2h")


def test_statistics_are_those_of_the_values(graph: dict[str, Any], lstm: Any) -> None:
    net = lstm[0]
    linear = next(each for each in net.forwardnodes if each.name == "l1.i2h").module
    weight = next(each for each in node(graph, "l1.i2h")["parameters"] if each["name"] == "weight")
    assert weight["value"]["shape"] == [16, 4] and weight["value"]["dtype"] == "float64"
    assert weight["value"]["min"] == linear.weight.min() and weight["value"]["max"] == linear.weight.max()
    assert weight["value"]["norm"] == pytest.approx(np.linalg.norm(linear.weight))
    assert weight["gradient"]["std"] == pytest.approx(linear.gradWeight.std())
    output = node(graph, "l1.i2h")["output"]
    assert output["mean"] == pytest.approx(linear.output.mean()) and output["count"] == linear.output.size
    assert node(graph, "l1.i2h")["gradOutput"]["shape"] == [3, 16]
    assert [each["shape"] for each in node(graph, "next_s")["output"]["entries"]] == [[3, 4]] * 4


def test_edges_and_boxes_match_the_picture(graph: dict[str, Any], lstm: Any, tmp_path: Path) -> None:
    html = html_of(lstm[0], tmp_path)
    drawn = {edge["element"] for edge in graph["edges"] if edge["element"]}
    assert drawn == set(re.findall(r'<g id="(edge\d+)"', html))
    boxes = {f"node{each['box']}" for each in graph["nodes"]}
    assert boxes == set(re.findall(r'<g id="(node\d+)"', html))
    total = sum(len(each.children) for each in lstm[0].bg.nodes)
    assert len(graph["edges"]) == total
    into = [edge for edge in graph["edges"] if edge["target"] == node(graph, "l1.gates")["id"]]
    assert {edge["slot"]: edge["source"] for edge in into} == {
        1: node(graph, "l1.i2h")["id"], 2: node(graph, "l1.h2h")["id"],
    }


def test_the_way_from_a_slot_to_its_node(graph: dict[str, Any]) -> None:
    def names(path: str) -> list[str]:
        nodes = {each["id"]: each for each in graph["nodes"]}
        return [nodes[number]["label"] for number in row(graph, path)["chain"]]

    assert names("output[2][2]") == names("gradOutput[2][2]") == ["l1.next_h", "next_s", "output"]
    assert names("output[1]") == ["res", "output"]
    assert names("gradInput[2][3]")[-3:] == ["prev_s", "split of prev_s", "l2.prev_c"]
    assert names("input[1]") == ["input", "split of input", "entry 1 of input", "x"]
    assert row(graph, "gradOutput[2][1]")["python"] == "gradOutput[1][0]"
    assert row(graph, "gradOutput[2][1]")["mirrors"] == "output[2][1]"


def test_the_file_asks_for_nothing_and_ends_where_it_should(tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name="</script><script>alert(1)</script>", description="<b>&amp;\u2028")
    net = nn.gModule([x], [nn.Tanh()(x)])
    html = html_of(net, tmp_path, title="</title><i>")
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "@import" not in html
    assert "alert(1)</script>" not in html and "</title><i>" not in html
    assert html.count("<script") == 2 == html.count("</script>")
    data = data_in(html)
    assert data["title"] == "</title><i>"
    assert "</script><script>alert(1)</script>" in [each["name"] for each in data["graph"]["nodes"]]


def test_numbers_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name="x")
    net = nn.gModule([x], [nn.Log()(x)])
    with np.errstate(all="ignore"):
        net.forward(np.array([[-1.0, 0.0, 1.0, np.e]]))
    graph = data_in(html_of(net, tmp_path))["graph"]
    log = next(each for each in graph["nodes"] if each["type"] == "Log")
    assert (log["output"]["nan"], log["output"]["inf"]) == (1, 1)
    assert (log["output"]["min"], log["output"]["max"]) == (0.0, 1.0) and "nan" in log["marks"]


def test_before_any_pass_and_of_a_graph_alone(tmp_path: Path) -> None:
    net = zaremba()[0]
    graph = data_in(html_of(net, tmp_path))["graph"]
    assert graph["ran"] == {"forward": False, "backward": False}
    assert row(graph, "gradOutput[2]")["entries"] == 4
    data = data_in(html_of(net.bg, tmp_path, title="alone"))
    assert data["view"] == "backward" and data["graph"]["tables"] == {}
    assert len(data["graph"]["nodes"]) == len(net.bg.nodes)
    assert data_in(html_of(net, tmp_path, backward=True))["view"] == "backward"


def test_networks_inside_nodes_have_pages_of_their_own(tmp_path: Path) -> None:
    step, feedback = mg.rnn.lstm(2, 3)
    x, c, h = (nn.Identity()() for _ in range(3))
    unrolled = mg.rnn.Unroll(step, feedback)([x, c, h]).annotate(name="time")
    net = nn.gModule([x, c, h], [unrolled])
    data = data_in(html_of(net, tmp_path))
    [(key, [inside])] = data["inner"].items()
    assert node(data["graph"], "time")["id"] == int(key)
    assert {each["name"] for each in inside["data"]["graph"]["nodes"]} >= {"prev_c1", "next_h1"}
    assert "not kept for each time step" in inside["data"]["graph"]["absent"]
    assert inside["svg"].startswith("<svg") and inside["data"]["inner"] == {}


def test_colours_of_the_user_stay(tmp_path: Path) -> None:
    x = nn.Identity()()
    looks = {"fillcolor": "#123456", "URL": "https://torch.ch"}
    mine = nn.Tanh()(x).annotate(name="mine", graphAttributes=looks)
    html = html_of(nn.gModule([x], [nn.Sigmoid()(mine)]), tmp_path)
    group = re.search(r'<g id="node\d+" class="([^"]*)"[^>]*data-name="mine">.*?</text>', html, re.S)
    assert group is not None and "own-fill" in group[1] and 'fill="#123456"' in group[0]
    assert "var(--ink)" not in group[0]  # letters on a colour of the user's are the same by night


def test_a_notebook_shows_nets_with_tooltips(lstm: Any) -> None:
    for shown in (lstm[0], lstm[0].fg):
        html = shown._repr_html_()
        assert html.startswith("<div><svg ") and html.endswith("</svg>\n</div>") and "<?xml" not in html
        assert re.search(r"<title>node \d+ 'l1.i2h'\s+nn.Linear\(4 -&gt; 16\)", html)


@pytest.mark.parametrize("backward", [False, True])
def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backward: bool) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) is None)
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from minigraph.cli.lstm_graphs import narrow\ndef lstm():\n    return narrow()\n", encoding="utf-8"
    )
    arguments = ["draw", "net.py:lstm", "-o", "lstm.html", "--open", "--title", "One cell"]
    result = CliRunner().invoke(main, arguments + ["--backward"] * backward)
    assert result.exit_code == 0 and result.output.strip() == "lstm.html"
    assert opened == [(tmp_path / "lstm.html").as_uri()]
    data = data_in(Path("lstm.html").read_text(encoding="utf-8"))
    assert data["title"] == "One cell" and len(data["traces"]) == backward


def test_without_a_browser_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("from minigraph.cli.lstm_graphs import narrow\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["draw", "net.py:narrow", "-o", "lstm.html", "--open"])
    assert result.exit_code == 2 and "open it yourself" in result.stderr and Path("lstm.html").exists()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DrawingError, match="cannot draw Linear"):
        mg.draw(nn.Linear(2, 3), tmp_path / "page.html")
    with pytest.raises(DrawingError, match=r"\.html"):
        mg.draw(zaremba()[0], tmp_path / "page.pdf")
    assert not list(tmp_path.iterdir())
