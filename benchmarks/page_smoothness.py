"""How smoothly a page of 1,000 nodes pans and zooms in Chromium.

    python benchmarks/page_smoothness.py [--nodes 1000] [--frames 180] [--keep page.html]

Builds a stack of LSTM layers with about that many nodes, runs it forward and backward, writes
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
from typing import Any

from playwright.sync_api import Page, sync_playwright

import minigraph as mg
from minigraph import nn

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
SIZE = 8

#: Records the time stamps of the frames that the browser shows while wheel events come in.
RECORD = """() => {
    window.stamps = [];
    window.recording = true;
    const tick = (now) => { window.stamps.push(now); if (window.recording) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
}"""
STOP = "() => { window.recording = false; return window.stamps; }"


def network(nodes: int) -> nn.gModule:
    """Return a deep LSTM step whose graph has at least ``nodes`` nodes."""
    x = nn.Identity()().annotate(name="x")
    below, states, outputs = x, [], []
    layer = 0
    while len(outputs) * 10 < nodes:
        layer += 1
        prev_c = nn.Identity()().annotate(name=f"l{layer}.prev_c")
        prev_h = nn.Identity()().annotate(name=f"l{layer}.prev_h")
        i2h = nn.Linear(SIZE, 4 * SIZE)(below).annotate(name=f"l{layer}.i2h")
        h2h = nn.Linear(SIZE, 4 * SIZE)(prev_h).annotate(name=f"l{layer}.h2h")
        gates = nn.Reshape(4, SIZE)(nn.CAddTable()([i2h, h2h])).annotate(name=f"l{layer}.gates")
        in_part, forget_part, out_part, new_part = nn.SplitTable(2)(gates).split(4)
        kept = nn.CMulTable()([nn.Sigmoid()(forget_part), prev_c])
        written = nn.CMulTable()([nn.Sigmoid()(in_part), nn.Tanh()(new_part)])
        next_c = nn.CAddTable()([kept, written]).annotate(name=f"l{layer}.next_c")
        next_h = nn.CMulTable()([nn.Sigmoid()(out_part), nn.Tanh()(next_c)]).annotate(name=f"l{layer}.next_h")
        states += [prev_c, prev_h]
        outputs += [next_c, next_h]
        below = next_h
    return nn.gModule([x, *states], outputs)


def write_page(nodes: int, path: Path) -> tuple[nn.gModule, float]:
    """Write the page of a network that has run; return the network and the seconds it took."""
    mg.manualSeed(1)
    net = network(nodes)
    input = [mg.random.randn(2, SIZE) for _ in range(net.nInputs)]
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
        page.evaluate("() => new Promise(requestAnimationFrame)")
    stamps = page.evaluate(STOP)
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
        print(f"{len(net.forwardnodes)} nodes, {len(net.fg.edges)} edges, page {path.stat().st_size / 1e6:.1f} MB, "
              f"written in {seconds:.1f} s")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(path.resolve().as_uri())
            page.wait_for_selector("html[data-ready]")
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            print(f"ready {time.perf_counter() - began:.2f} s after opening")
            page.mouse.move(440, 420)
            print(f"{'ms from frame to frame':<34} {'median':>7} {'95 %':>7} {'longest':>8} {'fps':>6}")
            wheel = page.mouse.wheel
            print(report("pan, all in sight", pan_in(page, "page.fit()", options.frames)))
            print(report("pan, readable size", pan_in(page, "page.zoom(1 / page.transform.scale)", options.frames)))
            page.evaluate("page.fit()")
            page.wait_for_timeout(400)
            page.keyboard.down("Control")
            half = options.frames // 2
            print(report("zoom in and out", measure(page, options.frames, lambda i: wheel(0, -8 if i < half else 8))))
            page.keyboard.up("Control")
            page.evaluate("page.selectSlot('gradOutput[2]')")
            page.wait_for_timeout(500)
            print(report("pan, the path of a slot lit", pan_in(page, "page.fit()", options.frames)))
            print(report("next node, next node, …", measure(page, 40, lambda i: page.keyboard.press("n"))))
            browser.close()


def pan_in(page: Page, before: str, frames: int) -> list[float]:
    """Return the frame times of a pan there and back, after the JavaScript ``before``."""
    page.evaluate(before)
    page.wait_for_timeout(500)
    return measure(page, frames, lambda i: page.mouse.wheel(6, 14 if i < frames // 2 else -14))


if __name__ == "__main__":
    main()
