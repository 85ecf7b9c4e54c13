"""The one thing that pyproject.toml cannot say: PyPI shows the README, and its links must lead there too.

In the repository they are relative, so that they hold in every clone and branch. Here those that lead
to a file get the address that it has under the release's tag.
"""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
PICTURES = (".svg", ".png")


def from_anywhere(readme: str, repository: str, version: str) -> str:
    """Return the README with absolute links; those of pictures lead to the file, not to a page about it."""

    def absolute(link: "re.Match[str]") -> str:
        path = link["target"].partition("#")[0]
        if not path or not (ROOT / path).exists():
            return link[0]
        kind = "raw" if path.endswith(PICTURES) else "blob"
        return f"{link['opening']}{repository}/{kind}/v{version}/{link['target']}"

    return re.sub(r'(?P<opening>\]\(|\b(?:src|href)=")(?P<target>[^)\s"]+)', absolute, readme)


def line_of(path: str, pattern: str) -> str:
    """Return what the group of ``pattern`` matches in a file, which must have such a line."""
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.M)
    if found is None:
        raise SystemExit(f"no line of {path} matches {pattern}")
    return found[1]


setup(
    long_description=from_anywhere(
        (ROOT / "README.md").read_text(encoding="utf-8"),
        line_of("pyproject.toml", r'^Repository = "(.+)"'),
        line_of("minigraph/__init__.py", r'^__version__ = "(.+)"'),
    ),
    long_description_content_type="text/markdown",
)
