"""MkDocs hooks: a file of the repository that a page links to becomes a page of the site.

Pages link to ``../examples/lstm.py`` as readers of the repository need it. The site has no such
file, so each gets a page of its own, ``source/examples/lstm.py.md``, and the links lead there.
A link to a file that does not exist is left as it is, and the strict build refuses it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"\]\((?P<up>(?:\.\./)+)(?P<path>[\w./-]+\.(?:py|toml|cfg|json))(?=[)#])")


def _leads_out(page: str, link: "re.Match[str]") -> bool:
    """Tell whether a link of the page ``page`` goes to an existing file outside of docs."""
    depth = len(PurePosixPath(page).parents)
    return link["up"].count("../") == depth and (ROOT / link["path"]).is_file()


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file outside of docs that is linked to."""
    linked = {
        link["path"]
        for file in files.documentation_pages()
        for link in _LINK.finditer(file.content_string)
        if _leads_out(file.src_uri, link)
    }
    for path in sorted(linked):
        text = (ROOT / path).read_text(encoding="utf-8").rstrip()
        language = {".py": "python", ".json": "json"}.get(Path(path).suffix, "ini")
        page = (
            "---\nsearch:\n  exclude: true\nhide: [toc]\n---\n\n"
            f"# {path}\n\n````{language} linenums=\"1\"\n{text}\n````\n"
        )
        files.append(File.generated(
            config, f"source/{path}.md", content=page, inclusion=InclusionLevel.NOT_IN_NAV
        ))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files outside of docs to their pages."""

    def target(link: "re.Match[str]") -> str:
        if not _leads_out(page.file.src_uri, link):
            return link[0]
        return f"]({link['up'].removeprefix('../')}source/{link['path']}.md"

    return _LINK.sub(target, markdown)
