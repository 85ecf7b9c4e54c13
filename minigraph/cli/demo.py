"""``minigraph demo``: two LSTM graphs, run, drawn, and their tables of gradients explained."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Optional

import click
import numpy as np
from rich.console import RenderableType
from rich.text import Text

from minigraph import debug, drawing, random
from minigraph.cli.failures import Failure, one_line
from minigraph.cli.show import show, show_json
from minigraph.cli.target import load
from minigraph.debug.measure import norm_of, shape_text
from minigraph.debug.report import group, number, text_table
from minigraph.errors import DrawingError
from minigraph.files.atomic import write_text
from minigraph.files.opening import open_regular
from minigraph.tables import Path as TablePath

SOURCE = "lstm_graphs.py"
GRAPHS = {
    "zaremba": "Zaremba's LSTM, 2 layers: Reshape, SplitTable, SelectTable",
    "narrow": "an LSTM cell whose gates are taken with Narrow",
}
_HEADERS = ("entry", "(Python)", "is the gradient of", "made at", "shape", ">norm")


def run_demo(folder: Path, as_json: bool) -> None:
    """Write the graphs' source and pictures into ``folder`` and print what there is to see."""
    source = _write_source(folder)
    refusals: set[str] = set()
    results = [_run(source, name, title, refusals) for name, title in GRAPHS.items()]
    for refusal in refusals:
        click.echo(f"minigraph: {refusal}", err=True)
    if as_json:
        show_json({"folder": str(folder), "source": str(source), "graphs": results})
        return
    for result in results:
        show(_section(result))
    show(_closing(folder, source))


def _write_source(folder: Path) -> Path:
    """Put the graphs where their reader can change them: nodes then know lines of that file."""
    text = resources.files("minigraph.cli").joinpath(SOURCE).read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / SOURCE
    if target.exists():
        with open_regular(target) as file:
            there = file.read(len(text.encode("utf-8")) + 1)
        if there.decode("utf-8", "replace").replace("\r\n", "\n") != text:
            raise Failure(f"{target} is not the demo's (changed?): move it away, or choose a folder with -o")
    write_text(target, text)
    return target


def _run(source: Path, name: str, title: str, refusals: set[str]) -> dict[str, Any]:
    """Run one graph forward and backward, draw it both ways and return what happened, as data."""
    random.manualSeed(1)
    net, input, _ = load(f"{source}:{name}")
    output = net.forward(input)
    known = random.randn(*np.shape(output[0]))
    # Only the gradient of the output itself is known: that of res, or of next_h. The rest is None.
    gradOutput = [known, [None] * len(output[1])] if name == "zaremba" else [None, known]
    net.zeroGradParameters()
    gradInput = net.backward(input, gradOutput)
    slots = [
        {
            "table": row.table, "path": row.path, "python_path": row.python_path, "node": row.node,
            "module": row.module, "location": row.location, "shape": row.shape,
            "norm": _norm_at(gradOutput if row.table == "gradOutput" else gradInput, row.position),
        }
        for row in debug.tables(net).rows
        if row.table in ("gradOutput", "gradInput") and row.entries is None
    ]
    trace = debug.trace(net, input, gradOutput)
    pictures = [
        _picture(net, source.parent / f"{name}-forward", title, refusals),
        _picture(trace, source.parent / f"{name}-backward", f"{title}: backward", refusals),
    ]
    check = debug.gradcheck(net, input)
    return {
        "name": name, "title": title, "nodes": len(net.forwardnodes),
        "parameters": sum(parameter.size for parameter in net.parameters()[0]),
        "slots": slots, "pictures": [str(path) for path in pictures],
        "gradcheck": {"ok": check.ok, "entries": sum(row.checked for row in check.rows)},
    }


def _picture(what: Any, base: Path, title: str, refusals: set[str]) -> Path:
    """Draw as SVG, or, noting why, write Graphviz source where nothing can lay it out."""
    try:
        return drawing.draw(what, base.with_suffix(".svg"), title=title)
    except DrawingError as error:
        refusals.add(one_line(str(error)))
        return drawing.draw(what, base.with_suffix(".dot"), title=title)


def _norm_at(gradient: Any, position: TablePath) -> Optional[float]:
    for index in position:
        gradient = gradient[index]
    return norm_of(gradient)


def _section(result: dict[str, Any]) -> RenderableType:
    check = result["gradcheck"]
    tables = [
        text_table(title, _HEADERS, [
            (
                slot["path"], slot["python_path"], slot["node"], slot["location"].split(" (split")[0],
                shape_text(slot["shape"]), number(slot["norm"]) or "None",
            )
            for slot in result["slots"] if slot["table"] == table
        ])
        for table, title in (
            ("gradOutput", "what backward takes, in the order of the output table"),
            ("gradInput", "what backward returns, in the order of the input table"),
        )
    ]
    verdict = "agree with" if check["ok"] else "DISAGREE with"
    return group(
        Text(f"{result['name']}: {result['title']}", style="bold cyan"),
        *tables,
        Text(
            f"{result['nodes']} nodes, {result['parameters']} parameters; "
            f"{check['entries']} gradients {verdict} finite differences\n"
            + "\n".join(result["pictures"])
        ),
        Text(""),
    )


def _closing(folder: Path, source: Path) -> RenderableType:
    return Text(
        f"The pictures are in {folder}. The graphs are in {source}: change them and run\n"
        f"  minigraph draw {source}:zaremba -o picture.svg"
    )
