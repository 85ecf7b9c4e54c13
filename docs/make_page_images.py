"""Make the pictures of the interactive page: ``python docs/make_page_images.py [FOLDER]``.

Needs Playwright, Chromium and Pillow. The pictures have few colours, so that they stay small.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

import minigraph as mg
from minigraph.cli.lstm_graphs import narrow, zaremba


class Scene(NamedTuple):
    """What is seen: the page, what is done there (keys, or JavaScript), colours and window."""

    page: Path
    keys: tuple[str, ...] = ()
    script: str = ""
    colors: str = "light"
    size: tuple[int, int] = (1280, 800)


def drawn(network: Any, title: str, path: Path) -> Path:
    """Draw the page of one of the demo's networks after a forward and a backward pass."""
    mg.manualSeed(1)
    net, input = network()
    net.backward(input, net.forward(input))
    return mg.draw(net, path, title=title)


def scenes(folder: Path) -> dict[str, Scene]:
    """Draw the pages and return the pictures to take of them, by name."""
    cell = drawn(narrow, "LSTM cell", folder / "cell.html")
    layers = drawn(zaremba, "LSTM, two layers", folder / "layers.html")
    node = "page.select([...page.nodes.values()].find((node) => node.name === 'next_c').id)"
    slot = "page.selectSlot('gradOutput[2][1]')"
    return {
        "page-node": Scene(cell, script=node),
        "page-slot": Scene(layers, script=slot),
        "page-slot-dark": Scene(layers, script=slot, colors="dark"),
        "page-search": Scene(layers, keys=("/", *"next")),
        "page-keys": Scene(cell, keys=("?",)),
        "page-narrow": Scene(cell, script="page.selectSlot('gradOutput[1]')", size=(420, 860)),
    }


def take(browser: Any, scene: Scene) -> Image.Image:
    """Return the picture of a scene."""
    width, height = scene.size
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scene.colors, reduced_motion="reduce"
    )
    page.goto(scene.page.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    for key in scene.keys:
        page.keyboard.press(key)
    if scene.script:
        page.evaluate(scene.script)
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def main(target: Path) -> None:
    """Write the pictures to a folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, scene in scenes(Path(folder)).items():
            path = target / f"{name}.png"
            take(browser, scene).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size} bytes")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
