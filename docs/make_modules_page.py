"""Write docs/modules.md: every module and criterion of Torch's nn, from the code and the tests.

    python docs/make_modules_page.py

A class counts as golden-tested when numbers of Torch7 for it stand in tests/golden, and as
gradchecked when the registry of tests/test_all_modules.py holds a case for it.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, Iterator

from minigraph import nn
from minigraph.nn.state import State

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "modules.md"

CHAPTERS = {
    "module": "Module and its protocol",
    "containers": "Containers",
    "transfer": "Transfer functions",
    "simple": "Simple layers",
    "table": "Table layers",
    "convolution": "Convolution layers",
    "criterion": "Criterions",
    "training": "Training",
    "nngraph": "nngraph",
}
#: The chapter of classes whose docstring names no page of Torch's manual, by their place here.
BY_PLACE = {
    "nn.module": "module", "nn.simple": "simple", "nn.transfer": "transfer", "nn.table": "table",
    "nn.convolution": "convolution", "nn.normalisation": "convolution",
    "nn.criterions": "criterion", "nn.container": "containers", "nn.decorators": "containers",
    "nn.gmodule": "nngraph", "nn.identity": "nngraph",
}
LEFT_OUT = {
    "GPUParallelTable, DataParallelTable": "GPU plumbing: there is no GPU tensor here",
    "Jacobian, SparseJacobian, hessian": "test tools of Torch; `mg.debug.gradcheck` takes their place",
}


def public_classes() -> dict[str, type]:
    """Return the classes of ``minigraph.nn`` by name."""
    return {
        name: value
        for name, value in sorted(vars(nn).items())
        if inspect.isclass(value) and issubclass(value, State)
    }


def golden_types() -> set[str]:
    """Return the types for which tests/golden holds numbers."""

    def types(spec: dict[str, Any]) -> Iterator[str]:
        yield spec["type"]
        for child in spec.get("children") or []:
            yield from types(child)

    folder = ROOT / "tests" / "golden"
    specs = [
        case["spec"]
        for file in ("modules.json", "modules_more.json")
        for name, cases in json.loads((folder / file).read_text()).items() if name != "disputed"
        for case in cases
    ]
    for graph in json.loads((folder / "graphs.json").read_text()):
        specs += [node["module"] for node in graph["nodes"] if "module" in node]
    return {name for spec in specs for name in types(spec)} | {"gModule"}


def gradchecked() -> set[str]:
    """Return the names of the classes in the tests' registry."""
    sys.path.insert(0, str(ROOT / "tests"))
    from module_registry import REGISTRY

    return set(REGISTRY)


def chapter_of(cls: type) -> str:
    """Return the key of the chapter that a class belongs to."""
    link = re.search(r"torch/nn/blob/master/doc/(\w+)\.md", cls.__doc__ or "")
    if link:
        return link[1]
    if "torch/nngraph" in (cls.__doc__ or ""):
        return "nngraph"
    place = cls.__module__.removeprefix("minigraph.")
    for prefix, key in BY_PLACE.items():
        if place.startswith(prefix):
            return key
    raise LookupError(f"{place}.{cls.__name__} belongs to no chapter: add it to BY_PLACE")


def arguments_of(cls: type) -> str:
    """Return the constructor's arguments as written in Python."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    ][1:]
    if cls.__init__ is object.__init__:
        parameters = []
    return str(inspect.Signature(parameters))


def page() -> str:
    """Return the text of the page."""
    classes, golden, checked = public_classes(), golden_types(), gradchecked()
    lines = [
        "# Torch's nn, module by module",
        "",
        "<!-- Written by docs/make_modules_page.py; change that, not this. -->",
        "",
        "Every name is Torch's and so are the arguments: dimensions and indexes count from 1.",
        "**Torch7** marks classes held against numbers measured with Torch7 itself, **gradcheck**",
        "those whose gradients are held against finite differences by the tests.",
        "",
        f"{len(classes)} classes; {len(golden & set(classes))} have Torch7's numbers, "
        f"{len(checked & set(classes))} are gradchecked.",
        "",
    ]
    for key, title in CHAPTERS.items():
        members = [(name, cls) for name, cls in classes.items() if chapter_of(cls) == key]
        lines += [f"## {title}", "", "| class | arguments | here | Torch7 | gradcheck |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for name, cls in members:
            place = cls.__module__.replace(".", "/") + ".py"
            lines.append(
                f"| `nn.{name}` | `{arguments_of(cls)}` | [{place}](../{place}) "
                f"| {'yes' if name in golden else ''} | {'yes' if name in checked else ''} |"
            )
        lines.append("")
    lines += ["## Left out on purpose", "", "| Torch | why |", "| --- | --- |"]
    lines += [f"| {names} | {reason} |" for names, reason in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
