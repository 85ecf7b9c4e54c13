"""How smoothly a page of 1,000 nodes pans and zooms in Chromium.

    python benchmarks/page_smoothness.py [--nodes 1000] [--frames 180] [--keep page.html]

Takes the demo's stack of LSTM layers, with about that many nodes, runs it forward and backward, writes
its page and opens it in headless Chromium without a GPU (the worst case: all pixels are painted
by the processor). Then it pans and zooms with real wheel events, as fast as frames come, and
reports the time from frame to frame: the median, the 95th percentile and the longest, for each
movement. Also: the time to write the page, its size and the time until it can be used.
Needs ``playwright`` (from PyPI) and a Chromium.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator

from playwright.sync_api import Page, sync_playwright

import minigraph as mg
from minigraph import nn
from minigraph.cli.lstm_graphs import zaremba

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
NODES_PER_LAYER = 21
#: Milliseconds until what the page does after a movement is done.
REST = 1000
FRAME = "new Promise(requestAnimationFrame)"

#: Records the time stamps of the frames that the browser shows while wheel events come in.
RECORD = """() => {
    window.stamps = [];
    window.recording = true;
    const tick = (now) => { window.stamps.push(now); if (window.recording) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
}"""
STOP = "() => { window.recording = false; return window.stamps; }"


def write_page(nodes: int, path: Path) -> tuple[nn.gModule, float]:
    """Write the page of a network that has run; return the network and the seconds it took."""
    mg.manualSeed(1)
    net, input = zaremba(layers=round(nodes / NODES_PER_LAYER), size=8)
    output = net.forward(input)
    net.backward(input, output)
    mg.draw(nn.gModule([node := nn.Identity()()], [nn.Tanh()(node)]), path)  # Graphviz is compiled once
    began = time.perf_counter()
    mg.draw(net, path, title=f"{nodes} nodes")
    return net, time.perf_counter() - began


def measure(page: Page, frames: int, move: Any) -> list[float]:
    """Return the milliseconds from frame to frame while ``move(i)`` is called, once a frame."""
    page.evaluate(RECORD)
    for i in range(frames):
        move(i)
        page.evaluate(f"() => {FRAME}")
    stamps = sorted(set(page.evaluate(STOP)))  # one frame may call back more than once
    return [later - earlier for earlier, later in zip(stamps[2:], stamps[3:])]


def report(what: str, times: list[float]) -> str:
    """Return a line of the table."""
    ordered = sorted(times)
    median, high = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
    return f"{what:<34} {median:7.1f} {high:7.1f} {ordered[-1]:8.1f} {1000 / statistics.mean(ordered):6.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=180)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--keep", type=Path, help="Keep the page here.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "page.html"
        net, seconds = write_page(options.nodes, path)
        size = path.stat().st_size / 1e6
        print(f"{len(net.forwardnodes)} nodes, {len(net.fg.edges)} edges, page {size:.1f} MB, "
              f"written in {seconds:.1f} s")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(path.resolve().as_uri())
            page.wait_for_selector("html[data-ready]")
            page.evaluate(f"async () => {{ await {FRAME}; await {FRAME}; }}")
            print(f"ready {time.perf_counter() - began:.2f} s after opening")
            print(f"{'ms from frame to frame':<34} {'median':>7} {'95 %':>7} {'longest':>8} {'fps':>6}")
            for what, times in movements(page, options.frames):
                print(report(what, times))
            browser.close()


def movements(page: Page, frames: int) -> Iterator[tuple[str, list[float]]]:
    """Yield what is done on the page and its frame times."""
    page.mouse.move(440, 420)
    yield "pan, all in sight", pan_in(page, "page.fit()", frames)
    yield "pan, readable size", pan_in(page, "page.zoom(1 / page.transform.scale)", frames)
    page.evaluate("page.fit()")
    page.wait_for_timeout(REST)
    page.keyboard.down("Control")
    zoom = measure(page, frames, lambda i: page.mouse.wheel(0, -8 if i < frames // 2 else 8))
    page.keyboard.up("Control")
    yield "zoom in and out", zoom
    yield "pan, the path of a slot lit", pan_in(page, "page.selectSlot('gradOutput[2]')", frames)
    yield "next node, next node, …", measure(page, 40, lambda i: page.keyboard.press("n"))


def pan_in(page: Page, before: str, frames: int) -> list[float]:
    """Return the frame times of a pan there and back, after the JavaScript ``before``."""
    page.evaluate(before)
    page.wait_for_timeout(REST)
    return measure(page, frames, lambda i: page.mouse.wheel(6, 14 if i < frames // 2 else -14))


if __name__ == "__main__":
    main()
