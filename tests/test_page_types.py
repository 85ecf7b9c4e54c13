"""The contract between Python and the page's scripts: one set of types, and data that keeps to it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from page_types import PAGE, TYPES, faults, written
from rendering import needs_svg
from test_page import data_in
from test_page_browser import block
from test_page_player import shrinking, unrolled

import minigraph as mg
from minigraph import nn
from minigraph.cli.lstm_graphs import zaremba
from minigraph.drawing.page.records import PageData


def run_lstm() -> nn.gModule:
    net, input = zaremba(layers=1, size=2)
    net.backward(input, net.forward(input))
    return net


def broken() -> list[Any]:
    """Return two traces that part: one with Inf, and one without any gradient in a branch."""
    x = nn.Identity()().annotate(name="x", note="mine")
    logarithm = nn.Log()(x)
    net = nn.gModule([x], [nn.Linear(2, 2)(logarithm), nn.Tanh()(logarithm)])
    with np.errstate(all="ignore"):
        return [
            mg.debug.trace(net, np.array([[0.0, 1.0]]), [np.ones((1, 2)), None]),
            mg.debug.trace(net, np.ones((1, 2)), [np.ones((1, 2)), np.ones((1, 2))]),
        ]


def two_unrolled() -> list[Any]:
    net, input, gradOutput = shrinking(3)
    return [unrolled(3), mg.debug.trace(net, [input[0] + 1, input[1]], gradOutput)]


PAGES: dict[str, Callable[[], Any]] = {
    "a network before any pass": lambda: zaremba(layers=1, size=2)[0],
    "a network that ran": run_lstm,
    "a graph alone": lambda: zaremba(layers=1, size=2)[0].bg,
    "a network in a network": lambda: block("outer", block("inner", nn.Tanh())),
    "a trace": lambda: broken()[0],
    "two traces": broken,
    "two traces of an Unroll": two_unrolled,
}


@needs_svg
@pytest.mark.parametrize("case", PAGES)
def test_what_a_page_holds_is_what_the_types_say(case: str, tmp_path: Path) -> None:
    data = data_in(mg.draw(PAGES[case](), tmp_path / "page.html").read_text(encoding="utf-8"))
    assert list(faults(data, PageData)) == []


@needs_svg
def test_what_the_types_do_not_say_is_found(tmp_path: Path) -> None:
    data = data_in(mg.draw(unrolled(2), tmp_path / "page.html").read_text(encoding="utf-8"))
    for change, place in (
        (lambda page: page["graph"]["nodes"][0].pop("label"), r"data\.graph\.nodes\[0\]: "),
        (lambda page: page["graph"]["edges"][0].update(slot="1"), r"data\.graph\.edges\[0\]\.slot: "),
        (lambda page: page["traces"][0].update(more=1), r"data\.traces\[0\]: "),
        (lambda page: page["traces"][0]["heat"]["output"][0]["states"].append("odd"), r".*\[2\]: 'odd'"),
        (lambda page: page["traces"][0].update(reference=float("nan")), r".*reference: "),
    ):
        changed = copy.deepcopy(data)
        change(changed)
        (fault,) = faults(changed, PageData)
        assert re.match(place, fault), fault


def test_the_scripts_have_the_types_of_python() -> None:
    assert TYPES.read_text(encoding="utf-8") == written(), "run python tests/page_types.py"


@needs_svg
def test_every_file_of_the_front_end_is_on_the_page_once(tmp_path: Path) -> None:
    html = mg.draw(zaremba()[0], tmp_path / "page.html").read_text(encoding="utf-8")
    found = [path for path in (PAGE / "front").rglob("*.*") if path.suffix in (".js", ".css")]
    assert len(found) > 30
    assert {path.name: html.count(path.read_text(encoding="utf-8").strip()) for path in found} == {
        path.name: 1 for path in found
    }
