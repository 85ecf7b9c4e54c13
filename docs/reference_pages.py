"""MkDocs hook: the reference, a page for each room, made from what the package makes public.

Nothing is listed by hand: a new layer appears on its room's page with the next build.
"""

from __future__ import annotations

import inspect
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, Iterator

import minigraph as mg
from minigraph import nn

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

#: Pages for parts of ``nn``: the beginnings of the places where their classes are defined.
PLACES = {
    "modules": ("Modules and containers", (
        "nn.state", "nn.module", "nn.container", "nn.containers", "nn.decorators", "nn.identity",
        "nn.training", "nn.observer",
    )),
    "simple": ("Simple layers", ("nn.simple",)),
    "transfer": ("Transfer functions", ("nn.transfer",)),
    "table": ("Table layers", ("nn.table",)),
    "convolution": ("Convolution", ("nn.convolution",)),
    "normalisation": ("Normalisation", ("nn.normalisation",)),
    "criterions": ("Criterions", ("nn.criterions",)),
}
#: Pages for other rooms: the modules whose public names they show.
ROOMS = {
    "rnn": ("Recurrent networks", ("rnn",)),
    "optim": ("Optimisers", ("optim",)),
    "debug": ("Debugging", ("debug",)),
    "tables": ("Tables and random numbers", ("tables", "random")),
    "files": ("Files", ("files",)),
    "interop": ("Exchange", ("interop",)),
    "text": ("Language model", ("text",)),
    "errors": ("Errors", ("errors",)),
}
#: Pages of names that stand directly under ``mg``; those on no other page are on that of graphs.
NAMES = {
    "drawing": ("Drawing", ("draw", "dot")),
    "compiler": ("Compiler", ("compile", "compiler.Compiled", *(
        f"compiler.report.{name}"
        for name in ("PlanReport", "PlanProgram", "PlanSegment", "PlanOperation", "PlanBuffer", "PlanEdge")
    ))),
    "graph": ("Graphs and networks", ("nn.gModule", "Node", "Graph", "nest", "annotateNodes")),
}


def _is_public(name: str, value: Any) -> bool:
    return not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))


def _names_of(module: ModuleType) -> list[str]:
    """Return the public classes and functions of a room."""
    return [name for name in module.__all__ if _is_public(name, getattr(module, name))]


def _layers(places: tuple[str, ...]) -> Iterator[str]:
    """Yield ``nn.Name`` for the classes of ``nn`` defined in these places, place by place."""
    for place in places:
        for name, value in sorted(vars(nn).items()):
            home = getattr(value, "__module__", "").removeprefix("minigraph.")
            if _is_public(name, value) and (home == place or home.startswith(f"{place}.")):
                yield f"nn.{name}"


def pages() -> dict[str, tuple[str, list[str]]]:
    """Return the pages: ``{file: (title, names under minigraph)}``."""
    found = {file: (title, list(_layers(places))) for file, (title, places) in PLACES.items()}
    for file, (title, rooms) in ROOMS.items():
        names = [f"{room}.{name}" for room in rooms for name in _names_of(getattr(mg, room))]
        # What is called stands before what it returns.
        found[file] = (title, sorted(names, key=lambda name: inspect.isclass(attrgetter(name)(mg))))
    for file, (title, names) in NAMES.items():
        found[file] = (title, list(names))
    listed = {name.split(".")[-1] for _, names in found.values() for name in names}
    top = [name for name in mg.__all__ if _is_public(name, getattr(mg, name)) and name not in listed]
    found["graph"][1].extend(top)
    return found


def _shown(name: str) -> str:
    """Return a name as users write it: ``nn.Linear``, ``mg.rnn.lstm``."""
    return name if name.startswith("nn.") else f"mg.{name}"


def _home(name: str) -> str:
    """Return where a name is defined: ``optim.adam`` is a function, and a module of that name has it."""
    value = attrgetter(name)(mg)
    return f"{value.__module__}.{value.__qualname__}"


def _text(title: str, names: list[str]) -> str:
    blocks = [f'::: {_home(name)}\n    options:\n      heading: "{_shown(name)}"\n' for name in names]
    return f"# {title}\n\n" + "\n".join(blocks)


def _index(found: dict[str, tuple[str, list[str]]]) -> str:
    lines = [
        "# Reference", "",
        "Made from the docstrings. Two names are imported, and everything is reached from them:", "",
        "    import minigraph as mg", "    from minigraph import nn", "",
        "Torch's things keep Torch's names (`updateGradInput`, `gradOutput`, `nn.CAddTable`).", "",
    ]
    for file, (title, names) in found.items():
        links = ", ".join(f"[{_shown(name)}]({file}.md#{_home(name)})" for name in names)
        lines += [f"**[{title}]({file}.md)**: {links}", ""]
    return "\n".join(lines)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the reference to those of the site."""
    from mkdocs.structure.files import File  # here, so that the tests can ask for ``pages``

    found = pages()
    files.append(File.generated(config, "api/index.md", content=_index(found)))
    for file, (title, names) in found.items():
        files.append(File.generated(config, f"api/{file}.md", content=_text(title, names)))
    return files
