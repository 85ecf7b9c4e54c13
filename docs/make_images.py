"""Draw the pictures of the docs again.

    python docs/make_images.py

A page that shows ``images/name.svg`` and whose code writes ``name.svg`` shows what its code draws.
The tests hold every picture against what is drawn anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples"), str(ROOT / "docs")]

import pages  # noqa: E402
import rooms  # noqa: E402
import slots  # noqa: E402


def main() -> None:
    for page in pages.PAGES:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for _ in pages.run(page):
                pass
            for picture in sorted(Path(folder).glob("*.svg")):
                if any(Path(link).name == picture.name for link in pages.links(page)):
                    # Tooltips tell where a node was made: in the repository, wherever that lies.
                    text = picture.read_text(encoding="utf-8").replace(f"{ROOT}{os.sep}", "")
                    (pages.IMAGES / picture.name).write_text(text, encoding="utf-8")
                    print(f"{pages.name_of(page)}: {picture.name}")
            os.chdir(ROOT)
    rooms.draw(pages.IMAGES / "rooms.svg")
    slots.draw(pages.IMAGES / "gradient-slots.svg")
    subprocess.run(
        ["minigraph", "draw", "examples/zaremba_lstm.py:two_layers", "-o", "docs/images/lstm.svg"], check=True
    )


if __name__ == "__main__":
    main()
