"""The trace player in a browser: open, step, play, marks, two traces, the time axis."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from browsing import Visit
from rendering import needs_svg
from test_debug_trace import zaremba
from test_page_player import chain, linear, shrinking

import minigraph as mg
from minigraph import nn

pytestmark = [pytest.mark.browser, needs_svg]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pages that the tests look at."""
    folder = tmp_path_factory.mktemp("pages")
    net, x, g = zaremba(1)
    trace = mg.debug.trace(net, x, g)
    mg.draw(trace, folder / "trace.html", title="trace")
    mg.draw([trace, mg.debug.trace(net, x, [g[0], None])], folder / "two.html", title="two")
    with np.errstate(all="ignore"):
        bad = mg.debug.trace(chain(linear(1.0), nn.Log(), linear(1.0)), np.array([[0.0, 1.0]]))
    mg.draw(bad, folder / "bad.html", title="bad")
    net, sequences, gradOutput = shrinking(12, 0.4)
    long = mg.debug.trace(net, sequences, gradOutput)
    mg.draw(long, folder / "unroll.html", title="unroll")
    sequences[0][5] += 1.0
    mg.draw([long, mg.debug.trace(net, sequences, 2 * gradOutput)], folder / "unrolls.html", title="unrolls")
    bundle = trace._repr_mimebundle_()  # type: ignore[attr-defined]
    (folder / "notebook.html").write_text(
        f"<!DOCTYPE html><html data-ready=yes><body>{bundle['text/html']}", encoding="utf-8"
    )
    return folder


@pytest.fixture
def opened(visit: Visit, pages: Path) -> Callable[..., Any]:
    """Return what opens one of the pages by its name."""
    return lambda name, **options: visit.open(pages / f"{name}.html", **options)


def text(page: Any, selector: str) -> str:
    return " ".join(page.locator(selector).first.inner_text().split())


def classes(page: Any, name: str) -> str:
    return page.locator(f'#graph0 .node[data-name="{name}"]').get_attribute("class")


def click_node(page: Any, name: str) -> None:
    """Bring a node into sight and click it."""
    page.evaluate("(name) => page.reveal([...page.nodes.values()].filter((node) => node.name === name)"
                  ".map((node) => node.id))", name)
    page.locator(f'#graph0 .node[data-name="{name}"]').click()


def badge_texts(page: Any) -> list[str]:
    return page.locator(".trace-badge text").all_text_contents()


def color(page: Any, name: str, inside: str = "#picture") -> str:
    return page.evaluate(
        """([name, inside]) => getComputedStyle([...document.querySelectorAll(`${inside} .node[data-name]`)]
            .find((node) => node.dataset.name === name).querySelector(".outline")).fill""", [name, inside])


# -- one trace -------------------------------------------------------------------------------


def test_the_whole_pass_is_shown_with_numbers_a_scale_and_the_parameters(opened: Any) -> None:
    page = opened("trace")
    assert text(page, ".trace-counter") == "backward: 31 events"
    assert len(badge_texts(page)) == page.locator("#picture .painted").count() > 20
    label = page.locator(".trace-legend").get_attribute("aria-label")
    assert label is not None and "logarithmic scale" in label
    assert "l1.i2h.weight" in text(page, ".trace-parameters")
    assert "No NaN or Inf" in text(page, ".trace-chips")


def test_stepping_shows_contributions_their_sum_and_what_is_passed_on(opened: Any) -> None:
    net, x, g = zaremba(1)
    trace = mg.debug.trace(net, x, g)
    page = opened("trace")
    page.keyboard.press("Home")
    while "l1.next_h" not in text(page, ".trace-now-panel h2"):
        page.keyboard.press(".")
    node = trace["l1.next_h"]
    assert text(page, ".trace-counter") == f"backward {node.order} of 31: passes on"
    rows = page.locator(".trace-table tbody tr").all_inner_texts()
    assert [re.sub(r"\s+", " ", row).strip().split(" (")[0] for row in rows] == [
        "from next_s, its input 2", "+ from res", "= the sum, its gradOutput",
        "↑ passed on to l1.out, input 1", "↑ passed on to l1.tanh_c, input 2",
    ]
    assert f"{node.norm:.3g}" in rows[2]
    assert "trace-active" in classes(page, "l1.next_h")
    assert page.locator(".trace-histogram rect").count() > 1
    assert "mean" in text(page, ".trace-facts")
    before = page.locator(".trace-badge:visible").count()
    page.keyboard.press(",")
    assert page.locator(".trace-badge:visible").count() == before - 1


def test_phases_come_one_after_the_other(opened: Any) -> None:
    page = opened("trace")
    page.keyboard.press("Home")
    said = []
    for _ in range(4):
        page.keyboard.press(">")
        said.append(text(page, ".trace-counter"))
    assert said == [
        "backward 2 of 31: receives", "backward 2 of 31: sums", "backward 2 of 31: passes on",
        "backward 3 of 31: receives",
    ]
    assert page.locator(".trace-table tr.pending").count() == 2
    assert page.locator(".trace-dot").count() == 0  # nothing moves for who asked for that


def test_playing_moves_dots_along_the_lines_and_ends_with_the_whole_pass(opened: Any) -> None:
    page = opened("trace", reduced_motion="no-preference")
    page.keyboard.press(" ")
    page.wait_for_selector(".trace-dot")
    assert page.locator('[aria-label="Pause"]').count() == 1
    page.locator('[aria-label="Speed"]').select_option(label="30 nodes/s")
    page.locator(".trace-counter", has_text="backward: 31 events").wait_for()
    assert page.locator('[aria-label="Play"]').count() == 1


def test_the_slider_and_the_forward_pass(opened: Any) -> None:
    page = opened("trace")
    slider = page.locator(".trace-slider")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert text(page, ".trace-counter").startswith("backward 2 of 31")
    assert "next_s" in (slider.get_attribute("aria-valuetext") or "") + text(page, ".trace-now-panel h2")
    page.get_by_role("button", name="Forward").click()
    assert text(page, ".trace-counter").startswith("forward ")
    page.keyboard.press("End")
    assert text(page, ".trace-counter") == "forward: 31 events"
    click_node(page, "l1.gates")
    assert text(page, ".trace-now-panel h2").startswith("l1.gates")
    assert "its output" in text(page, ".trace-table")


def test_a_click_on_a_node_goes_there_and_stepping_lets_it_go(opened: Any) -> None:
    page = opened("trace")
    click_node(page, "l1.next_c")
    assert text(page, ".trace-now-panel h2").startswith("l1.next_c")
    page.keyboard.press(".")
    assert not text(page, ".trace-now-panel h2").startswith("l1.next_c")
    assert page.locator("#picture .selected").count() == 0


def test_colours_follow_the_theme(opened: Any) -> None:
    page = opened("trace")
    light = color(page, "l1.next_h")
    page.keyboard.press("d")
    assert page.locator("html[data-theme=dark]").count() == 1
    assert color(page, "l1.next_h") != light


# -- marks -----------------------------------------------------------------------------------


def test_marks_lead_to_the_first_bad_node_and_say_why(opened: Any) -> None:
    page = opened("bad")
    chips = page.locator(".trace-chip").all_inner_texts()
    assert len(chips) == 2 and all("Inf first at m2" in " ".join(chip.split()) for chip in chips)
    assert "⚑ first Inf" in badge_texts(page)
    page.locator(".trace-chip").nth(1).click()
    assert text(page, ".trace-counter").startswith("backward")
    assert "makes Inf from a finite gradient" in text(page, ".trace-why")
    assert "trace-first" in classes(page, "m2")
    page.locator(".trace-chip").nth(0).click()
    assert text(page, ".trace-counter").startswith("forward")
    assert "everything it was given is finite" in text(page, ".trace-why")
    page.locator(".trace-rules summary").click()
    assert "root mean square below 0.001 times" in text(page, ".trace-rules")


# -- two traces --------------------------------------------------------------------------------


def test_two_traces_side_by_side(opened: Any) -> None:
    page = opened("two")
    assert page.locator(".trace-copy .node").count() == page.locator("#graph0 .node").count()
    assert "quantities differ" in text(page, "#panel-difference")
    assert "they part at" in text(page, "#panel-difference")
    assert color(page, "next_s", "#graph0") != color(page, "next_s", ".trace-copy")
    assert color(page, "res", "#graph0") == color(page, "res", ".trace-copy")
    assert "⚑ first difference" in badge_texts(page)
    page.locator(".trace-differences .link").filter(has_text="l1.fc").first.click()
    heads = page.locator(".trace-table thead th").all_inner_texts()
    assert "norm, first" in heads and "second" in heads
    assert page.locator(".trace-histogram .second").count() >= 1
    page.locator('[aria-label="Which differences"]').select_option(label="parameter")
    assert all(
        "parameter" in row for row in page.locator(".trace-differences li").all_inner_texts()
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


# -- the time axis -------------------------------------------------------------------------------


def test_the_heat_map_from_the_keyboard(opened: Any) -> None:
    page = opened("unroll")
    grid = page.locator(".heat-grid")
    grid.focus()
    labels = page.locator(".heat-labels div").all_inner_texts()
    assert labels[0] == "t =" and "sum" in labels and "∂ back.weight" in labels
    for _ in range(labels.index("sum") - 1):
        page.keyboard.press("ArrowDown")
    assert text(page, ".heat-readout") == "sum, t = 12: norm 1.41"
    page.keyboard.press("ArrowLeft")
    assert text(page, ".heat-readout") == "sum, t = 11: norm 0.566"
    page.keyboard.press("Home")
    assert text(page, ".heat-readout").startswith("sum, t = 1: norm 5.9e−5 (vanishing)")
    page.keyboard.press("Enter")
    assert text(page, ".trace-now-panel h2").startswith("sum")
    assert text(page, ".trace-times") == "t = 1 of 12"


def test_the_heat_map_is_drawn_and_answers_the_mouse(opened: Any) -> None:
    page = opened("unroll")
    canvas = page.locator(".heat-grid canvas")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 5)
    assert re.search(r"t = 12: norm", text(page, ".heat-readout"))
    shades = page.evaluate("""() => {
        const canvas = document.querySelector(".heat-grid canvas");
        const row = canvas.height / document.querySelectorAll(".heat-labels div").length;
        const pen = canvas.getContext("2d");
        const {data} = pen.getImageData(0, Math.round(row) - 3, canvas.width, 1);
        const colors = Array.from({length: canvas.width}, (_, k) => data.slice(4 * k, 4 * k + 3).join());
        return new Set(colors).size;
    }""")
    assert shades > 6


def test_time_steps_and_arrivals(opened: Any) -> None:
    page = opened("unroll")
    page.keyboard.press("Home")
    assert text(page, ".trace-times") == "t = 12 of 12"
    page.keyboard.press("[")
    assert text(page, ".trace-times") == "t = 11 of 12"
    rows = page.locator(".trace-table tbody tr").all_inner_texts()
    assert "y from the caller" in rows[0] and "y from the h of time step 12" in rows[1]
    assert "0.566" in rows[1]
    page.locator(".trace-chip").first.click()
    assert text(page, ".trace-times") == "t = 5 of 12"
    assert "times the size of the one passed in" in text(page, ".trace-why")


def test_two_unrolls(opened: Any) -> None:
    page = opened("unrolls")
    assert ", t = 6" in text(page, "#panel-difference")
    page.get_by_role("button", name="difference", exact=True).click()
    page.locator(".heat-grid").focus()
    assert text(page, ".heat-readout").endswith("50.0 % apart")


# -- everywhere ----------------------------------------------------------------------------------


def test_the_page_in_a_notebooks_frame(opened: Any) -> None:
    page = opened("notebook")
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready=yes]").wait_for()
    assert frame.locator(".trace-counter").inner_text() == "backward: 31 events"


@pytest.mark.parametrize("name", ["trace", "two", "unroll"])
def test_a_narrow_window_has_no_sideways_scroll(opened: Any, name: str) -> None:
    page = opened(name, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Home")
    assert text(page, ".trace-counter").startswith("backward 1 of")
    assert page.locator("#stage").bounding_box()["height"] > 150  # the picture is still to be seen


# -- room --------------------------------------------------------------------------------------


def heights(page: Any) -> tuple[float, float]:
    """Return how high the picture's room and the strips under it are."""
    return tuple(page.locator(each).bounding_box()["height"] for each in ("#stage", "#under"))  # type: ignore


def all_in_sight(page: Any) -> bool:
    stage, picture = (page.locator(each).bounding_box() for each in ("#stage", "#picture"))
    return bool(
        picture["x"] >= stage["x"] and picture["x"] + picture["width"] <= stage["x"] + stage["width"]
        and picture["y"] >= stage["y"] and picture["y"] + picture["height"] <= stage["y"] + stage["height"]
    )


def test_a_trace_opens_whole_above_its_time_axis(opened: Any) -> None:
    page = opened("unroll")
    picture, strips = heights(page)
    assert picture > strips > 100 and all_in_sight(page)
    page.keyboard.press("s")  # without the side bar there is more room, and the picture takes it
    page.wait_for_function("page.transform.scale > 0 && document.getElementById('side').hidden")
    assert all_in_sight(page)


def test_the_border_under_the_picture_moves_with_keys_and_mouse(opened: Any) -> None:
    page = opened("unroll")
    picture, strips = heights(page)
    border = page.get_by_role("separator")
    border.focus()
    page.keyboard.press("ArrowUp")
    assert heights(page) == pytest.approx((picture - 24, strips + 24), abs=1)
    page.keyboard.press("Enter")
    assert heights(page)[1] == 0 and heights(page)[0] > picture + strips - 2
    assert border.get_attribute("aria-valuenow") == "99"
    page.keyboard.press("Enter")
    assert heights(page) == pytest.approx((picture, strips), abs=1)
    box = border.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 64)
    page.mouse.up()
    assert heights(page) == pytest.approx((picture + 60, strips - 60), abs=1)
    page.keyboard.press("Home")
    assert heights(page)[0] == pytest.approx(140, abs=1)
