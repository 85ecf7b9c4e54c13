"""Make the pictures of the trace player: ``python docs/make_player_images.py [FOLDER]``.

Needs Playwright, Chromium and Pillow. The pictures have few colours, so that they stay small.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import minigraph as mg
from minigraph import nn
from minigraph.cli.lstm_graphs import narrow

SIZE = {"width": 1280, "height": 800}


def cell_traces() -> list[Any]:
    """Trace one LSTM step twice: with a gradient for h, and with one for c by mistake."""
    mg.manualSeed(1)
    net, input = narrow()
    output = net.forward(input)
    gradient = mg.random.randn(*np.shape(output[1]))
    return [mg.debug.trace(net, input, given) for given in ([None, gradient], [gradient, None])]


def through_time() -> Any:
    """Trace 24 steps of an LSTM with a gradient for the last output only."""
    mg.manualSeed(1)
    step, feedback = mg.rnn.lstm(20, 16)
    net = mg.rnn.Unroll(step, feedback)
    last = np.zeros((24, 4, 16))
    last[-1] = 1.0
    input = [mg.random.randn(24, 4, 20), np.zeros((4, 16)), np.zeros((4, 16))]
    return mg.debug.trace(net, input, [None, last])


def logarithm_of_zero() -> Any:
    """Trace a network in which one branch makes Inf and another is dead."""
    mg.manualSeed(1)
    x = nn.Identity()().annotate(name="x")
    hidden = nn.ReLU()(nn.Linear(4, 4)(x).annotate(name="fc1")).annotate(name="relu")
    logs = nn.Linear(4, 3)(nn.Log()(hidden).annotate(name="log")).annotate(name="fc2")
    shifted = nn.AddConstant(-50)(nn.Linear(4, 3)(hidden).annotate(name="fc3")).annotate(name="shift")
    out = nn.CAddTable()([logs, nn.ReLU()(shifted).annotate(name="dead")]).annotate(name="y")
    with np.errstate(all="ignore"):
        return mg.debug.trace(nn.gModule([x], [out]), mg.random.randn(5, 4))


def scenes(folder: Path) -> dict[str, tuple[Path, str, str]]:
    """Draw the pages; return by picture the page, the colours and what is done there."""
    first, second = cell_traces()
    draw = {
        "cell": (first, "One LSTM step, backward"),
        "two": ([first, second], "The gradient for h, and by mistake for c"),
        "time": (through_time(), "LSTM over 24 time steps"),
        "bad": (logarithm_of_zero(), "A logarithm of zero, a dead unit"),
    }
    at = {name: mg.draw(what, folder / f"{name}.html", title=title) for name, (what, title) in draw.items()}
    step = "page.player.go(3)"
    return {
        "player": (at["cell"], "light", step),
        "player-dark": (at["cell"], "dark", step),
        "player-two": (at["two"], "light", ""),
        "player-time": (at["time"], "light", "page.player.goTo(12)"),
        "player-marks": (at["bad"], "light", "page.player.goToMark(page.traces[0].marks[1])"),
    }


def main(target: Path) -> None:
    """Write the pictures to a folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        for name, (path, colors, action) in scenes(Path(folder)).items():
            page = browser.new_page(viewport=SIZE, color_scheme=colors, reduced_motion="reduce")
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready=yes]")
            if action:
                page.evaluate(action)
            page.wait_for_timeout(600)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture = picture.quantize(240, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            picture.save(target / f"{name}.png", optimize=True)
            print(f"{target / name}.png: {(target / name).with_suffix('.png').stat().st_size} bytes")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
