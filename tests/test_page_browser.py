"""The interactive page in a real browser: look, search, select, follow a slot, with mouse and keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Visit
from rendering import needs_svg

import minigraph as mg
from minigraph import nn
from minigraph.cli.lstm_graphs import narrow, zaremba

pytestmark = [pytest.mark.browser, needs_svg]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two pages: a small LSTM cell that has run both ways, and two layers that have not run."""
    folder = tmp_path_factory.mktemp("pages")
    mg.manualSeed(1)
    net, input = narrow()
    output = net.forward(input)
    net.backward(input, output)
    return {
        "cell": mg.draw(net, folder / "cell.html", title="LSTM cell"),
        "layers": mg.draw(zaremba(layers=2)[0], folder / "layers.html", title="Two layers"),
    }


@pytest.fixture
def cell(visit: Visit, pages: dict[str, Path]) -> Any:
    return visit.open(pages["cell"])


@pytest.fixture
def layers(visit: Visit, pages: dict[str, Path]) -> Any:
    return visit.open(pages["layers"])


def named(page: Any, *names: str) -> str:
    """Return a selector of the boxes of nodes with these names."""
    return ", ".join(f'.node[data-name="{name}"]' for name in names)


def marked(page: Any, name: str) -> set[str]:
    """Return the names of the nodes whose boxes or cells have a class."""
    return set(page.evaluate(
        """(name) => [...page.nodes.values()].filter((node) => (node.cell || node.element)
            .classList.contains(name)).map((node) => node.name).filter(Boolean)""", name
    ))


def panel(page: Any) -> str:
    return " ".join(page.locator(".panel:not([hidden])").inner_text().split())


def scale(page: Any) -> float:
    return float(page.evaluate("page.transform.scale"))


def test_it_opens_with_everything_in_sight(cell: Any) -> None:
    assert cell.title() == "LSTM cell" and cell.locator("h1").inner_text() == "LSTM cell"
    stage = cell.locator("#stage").bounding_box()
    for name in ("x", "next_c", "next_h"):
        box = cell.locator(named(cell, name)).bounding_box()
        assert box["x"] >= stage["x"] and box["y"] + box["height"] <= stage["y"] + stage["height"]
    assert "layer with weights" in panel(cell) and "144 parameters" in cell.locator(".facts").inner_text()


def test_a_node_tells_all_about_itself(cell: Any) -> None:
    cell.locator(named(cell, "i2h")).click()
    text = panel(cell)
    assert "i2h" in text and "nn.Linear(3 -> 16)" in text and "inputSize 3" in text
    assert re.search(r"weight \(16, 3\) float64 min \S+ max \S+ mean \S+ std \S+", text)
    assert "INPUTS 1 x #" in text and "FEEDS total #" in text and "as its input 1" in text
    assert "output (2, 16)" in text and "gradOutput (2, 16)" in text
    assert marked(cell, "selected") == {"i2h"} and marked(cell, "beside") == {"x", "total"}
    cell.locator(".panel .link", has_text="total").click()
    assert marked(cell, "selected") == {"total"}
    assert cell.evaluate("document.activeElement.id") == "panel-node"  # a reader goes on from there
    stage = cell.locator("#stage").bounding_box()
    cell.mouse.click(stage["x"] + 20, stage["y"] + 20)
    assert marked(cell, "selected") == set() and "The whole graph" in panel(cell)


def test_a_long_name_in_the_order_ends_in_dots(visit: Visit, tmp_path: Path) -> None:
    name = "a name that no column of the side bar has room for"
    x = nn.Identity()().annotate(name="x")
    net = nn.gModule([x], [nn.Log()(x).annotate(name=name)])
    with np.errstate(all="ignore"):
        net.forward(np.array([[-1.0]]))
    page = visit.open(mg.draw(net, tmp_path / "long.html"))
    item = page.locator(".order li", has_text=name)
    assert item.get_attribute("title") == name
    bar, number = page.locator("#side").bounding_box(), item.locator(".number").bounding_box()
    assert number["x"] + number["width"] < bar["x"] + bar["width"]
    assert item.locator(".name").evaluate("(each) => each.scrollWidth > each.clientWidth")
    item.get_by_role("button").click()
    assert "Role output Trouble \u26a0 NaN or Inf in the output" in panel(page)  # a mark, but not a role


def test_a_slot_lights_what_it_feeds(layers: Any) -> None:
    layers.get_by_role("tab", name="Tables").click()
    layers.locator("[data-path='gradOutput[2][1]']").click()
    lit = marked(layers, "lit")
    assert {"l1.next_c", "l1.forget_gate", "l1.in_gate", "l1.transform", "l1.i2h", "l1.h2h", "x"} <= lit
    assert {"l1.prev_c", "l1.prev_h"} <= lit
    assert not {"l1.out_gate", "l1.next_h", "l2.i2h", "l2.prev_c", "res"} & lit
    text = panel(layers)
    assert "gradOutput[2][1] in Python gradOutput[1][0]" in text
    assert "arrives in gradInput[1], gradInput[2][1] and gradInput[2][2]" in text
    assert "Same place as output[2][1]" in text
    assert layers.evaluate("page.view") == "backward"
    layers.locator("[data-path='input[2][3]']").click()
    lit = marked(layers, "lit")
    assert {"l2.prev_c", "l2.next_c", "l2.next_h", "res", "next_s"} <= lit and "l1.next_c" not in lit
    assert layers.evaluate("page.view") == "forward" and "gets to output[1]" in panel(layers)
    layers.locator("[data-path='input[2][3]']").click()
    assert marked(layers, "lit") == set()


def test_an_entry_in_the_picture_is_a_slot(layers: Any) -> None:
    layers.evaluate("page.setView('backward')")
    layers.locator(named(layers, "prev_s")).locator(".cell").nth(1).click()
    assert layers.evaluate("page.slot.path") == "gradInput[2][2]"
    assert marked(layers, "selected") == {"l1.prev_h"}
    layers.keyboard.press("Escape")
    layers.evaluate("page.reveal([page.rows.get('output[2]').node])")
    layers.locator(named(layers, "next_s")).locator(".cell").nth(2).click()
    assert layers.evaluate("page.slot.path") == "gradOutput[2][3]"


def test_python_counts_from_zero(layers: Any) -> None:
    layers.get_by_role("tab", name="Tables").click()
    layers.get_by_role("button", name="Python, from 0").click()
    assert layers.locator("[data-path='gradOutput[2][1]']").inner_text() == "gradOutput[1][0]"


def test_search_finds_nodes_and_slots(layers: Any) -> None:
    layers.keyboard.press("/")
    layers.keyboard.type("next_h")
    options = layers.locator("#found [role=option]")
    assert "l1.next_h" in options.first.inner_text() and marked(layers, "found") == {"l1.next_h", "l2.next_h"}
    layers.keyboard.press("ArrowDown")
    layers.keyboard.press("Enter")
    assert marked(layers, "selected") == {"l2.next_h"} and marked(layers, "found") == set()
    box, stage = (layers.locator(each).bounding_box() for each in (named(layers, "l2.next_h"), "#stage"))
    assert stage["y"] <= box["y"] and box["y"] + box["height"] <= stage["y"] + stage["height"]
    layers.keyboard.press("/")
    layers.keyboard.type("gradinput[2][4]")
    layers.keyboard.press("Enter")
    assert layers.evaluate("page.slot.path") == "gradInput[2][4]"
    layers.keyboard.press("/")
    layers.keyboard.type("nowhere to be found")
    assert "Nothing of that" in layers.locator("#found").inner_text()
    layers.keyboard.press("Escape")
    assert layers.locator("#found").is_hidden()


def test_everything_can_be_done_with_keys(cell: Any) -> None:
    cell.keyboard.press("n")
    assert cell.evaluate("page.selected.role") == "in"
    way = [("Down", "prev_c"), ("Left", "x"), ("Down", "i2h"), ("Down", "total"), ("Up", "i2h")]
    for key, name in way:
        cell.keyboard.press(f"Arrow{key}")
        assert cell.evaluate("page.selected.name") == name
    assert "i2h" in cell.locator("#live").inner_text()
    before = scale(cell)
    cell.keyboard.press("+")
    assert scale(cell) == pytest.approx(1.25 * before)
    cell.keyboard.press("g")
    cell.keyboard.press("g")
    assert cell.evaluate("page.slot.path") == "gradOutput[2]"
    cell.keyboard.press("b")
    assert cell.evaluate("page.view") == "forward"
    cell.keyboard.press("?")
    assert "next slot of gradOutput" in cell.locator("dialog[open]").inner_text()
    cell.keyboard.press("Escape")
    cell.keyboard.press("Escape")
    assert cell.evaluate("[page.slot, page.selected]") == [None, None]
    cell.keyboard.press("s")
    assert cell.locator("#side").is_hidden()


def test_both_directions_have_one_layout(cell: Any) -> None:
    def drawn() -> Any:
        return cell.evaluate("""() => [...document.querySelectorAll('.node')].map((node) => {
            const box = node.getBoundingClientRect(); return [node.id, box.x, box.y]; })""")

    def heads(way: str) -> int:
        return int(cell.locator(f".head.{way}:visible").count())

    before, edges = drawn(), cell.locator(".edge").count()
    assert (heads("forward"), heads("backward")) == (edges, 0)
    cell.get_by_role("button", name="Backward").click()
    assert (heads("forward"), heads("backward")) == (0, edges) and drawn() == before
    assert "ORDER OF THE BACKWARD PASS" in panel(cell).upper()


def test_dragging_and_zooming(cell: Any) -> None:
    before = cell.locator(named(cell, "gates")).bounding_box()
    stage = cell.locator("#stage").bounding_box()
    x, y = stage["x"] + 60, stage["y"] + 60
    cell.mouse.move(x, y)
    cell.mouse.down()
    cell.mouse.move(x + 40, y + 30, steps=4)
    cell.mouse.up()
    after = cell.locator(named(cell, "gates")).bounding_box()
    assert after["x"] - before["x"] == pytest.approx(40, abs=1)
    assert after["y"] - before["y"] == pytest.approx(30, abs=1)
    assert cell.evaluate("page.selected") is None
    old = scale(cell)
    cell.keyboard.down("Control")
    cell.mouse.wheel(0, -60)
    cell.keyboard.up("Control")
    cell.wait_for_function("(old) => page.transform.scale > 1.5 * old", arg=old)
    cell.get_by_role("button", name="Fit").click()
    cell.wait_for_function("(old) => Math.abs(page.transform.scale - old) < 0.01", arg=old)
    frame = cell.locator(".minimap").bounding_box()
    cell.keyboard.press("1")
    cell.mouse.click(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] - 12)
    box = cell.locator(named(cell, "next_h")).bounding_box()
    assert stage["y"] < box["y"] < stage["y"] + stage["height"]


def test_two_fingers_zoom(visit: Visit, pages: dict[str, Path]) -> None:
    page = visit.open(pages["cell"], viewport={"width": 420, "height": 860}, has_touch=True)
    before = scale(page)
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[int, int]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (180, 300), (240, 300))
    for spread in (20, 40, 60):
        touch("touchMove", (180 - spread, 300), (240 + spread, 300))
    touch("touchEnd")
    page.wait_for_function("(before) => page.transform.scale > 2 * before", arg=before)
    assert page.evaluate("page.selected") is None


def test_what_is_out_of_sight_costs_nothing(visit: Visit, tmp_path: Path) -> None:
    net, _ = zaremba(layers=8)
    page = visit.open(mg.draw(net, tmp_path / "deep.html"))
    page.evaluate("page.zoom(1 / page.transform.scale)")
    page.evaluate("page.select(page.rows.get('output[2][16]').node, {center: true})")
    page.wait_for_function("() => document.querySelectorAll('.node:not(.away)').length < 100")
    assert page.locator(".node").count() > 150
    assert page.locator(named(page, "l8.next_h")).is_visible()
    page.keyboard.press("0")
    page.wait_for_function("() => !document.querySelector('.node.away')")


def test_light_and_dark(visit: Visit, pages: dict[str, Path]) -> None:
    page = visit.open(pages["cell"], color_scheme="dark")

    def colors() -> list[int]:
        """Return how light the paper, the letters and a node are, from 0 to 765."""
        found = page.evaluate("""() => [getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.body).color,
            getComputedStyle(document.querySelector('.node.weights .outline')).fill]""")
        return [sum(map(int, re.findall(r"\d+", color)[:3])) for color in found]

    paper, ink, node = colors()
    assert paper < 120 and ink > 600 and node < 300
    page.keyboard.press("d")
    paper, ink, node = colors()
    assert paper > 700 and ink < 200 and node > 600


def test_a_narrow_window_has_room_for_everything(visit: Visit, pages: dict[str, Path]) -> None:
    page = visit.open(pages["layers"], viewport={"width": 420, "height": 860})
    for wanted in ("#stage", "#side", "#search", ".tools", ".zoom"):
        box = page.locator(wanted).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 420 and box["y"] + box["height"] <= 860, wanted
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.get_by_role("tab", name="Tables").click()
    page.locator("[data-path='gradOutput[2][1]']").click()
    assert "l1.next_c" in marked(page, "lit")


def test_on_paper_there_is_all_of_it_and_no_controls(layers: Any) -> None:
    layers.evaluate("page.zoom(4)")
    layers.wait_for_selector(".away", state="attached")
    layers.emulate_media(media="print")
    layers.wait_for_function("() => !document.querySelector('.away')")
    picture = layers.locator("#picture").bounding_box()
    assert picture["x"] >= 0 and picture["width"] <= 1280
    assert layers.locator(".tools").is_hidden() and layers.locator(".zoom").is_hidden()
    assert layers.get_by_text("backward takes gradOutput").is_visible()


# -- networks inside nodes ---------------------------------------------------------------------


def block(name: str, inside: Any) -> Any:
    """Return a network of one input whose only module but Identity is ``inside``, called ``name``."""
    x = nn.Identity()().annotate(name=f"{name} in")
    net = nn.gModule([x], [inside(x).annotate(name=name)])
    net.name = name
    return net


def frame(page: Any, depth: int = 1) -> Any:
    """Return the page inside the page, ``depth`` deep, once it is ready."""
    for _ in range(depth):
        page = page.frame_locator("#inner iframe")
    page.locator("html[data-ready=yes]").wait_for()
    return page


def test_a_network_inside_a_node_opens_and_has_a_way_back(visit: Visit, tmp_path: Path) -> None:
    net = block("outer", nn.Sequential().add(block("middle", block("inmost", nn.Tanh()))).add(nn.Sigmoid()))
    net.forward(np.ones((2, 3)))
    page = visit.open(mg.draw(net, tmp_path / "nested.html", title="Nest"))
    page.locator(named(page, "outer")).click()
    assert "Open middle: 2 modules" in panel(page)
    page.locator(named(page, "outer")).dblclick()
    middle = frame(page)
    assert middle.locator("h1").inner_text() == "middle"
    assert middle.locator("#back").inner_text() == "\u2190 Nest"
    page.keyboard.press("n")  # the keys are those of the page inside
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert "middle" in middle.locator("#panel-node h2").inner_text()
    assert "output (2, 3)" in " ".join(middle.locator("#panel-node").inner_text().split())
    page.keyboard.press("Enter")
    inmost = frame(page, 2)
    assert inmost.locator("h1").inner_text() == "inmost" and inmost.locator(".node").count() == 4
    page.keyboard.press("Backspace")
    page.frame_locator("#inner iframe").locator("#inner").wait_for(state="detached")
    middle.locator("#back").click()
    page.locator("#inner").wait_for(state="detached")
    assert page.evaluate("document.activeElement.id") == "stage" and marked(page, "selected") == {"outer"}
    assert visit.complaints == []


def test_the_network_inside_opens_in_a_notebooks_frame(visit: Visit, tmp_path: Path) -> None:
    trace = mg.debug.trace(block("outer", block("inmost", nn.Tanh())), np.ones((2, 3)))
    shown = trace._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><html data-ready=yes><body>{shown}", encoding="utf-8")
    page = visit.open(path).frame_locator("iframe")
    page.locator(named(page, "outer")).dblclick()
    assert frame(page).locator("h1").inner_text() == "inmost"
    frame(page).locator("#back").click()
    page.locator("#inner").wait_for(state="detached")
    assert visit.complaints == []
