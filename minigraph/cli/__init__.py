"""The command line: a thin face over the rest.

Commands import what they need when they run, so that ``minigraph --help`` answers at once.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Optional

import click

from minigraph import __version__
from minigraph.cli.failures import Command, Failure
from minigraph.cli.sample import sample
from minigraph.cli.show import json_option, open_in_browser, show_report
from minigraph.cli.train import train

_INPUT_HELP = (
    "Random input of these shapes: 2x3 is a tensor, [2x3,[2x4,2x4]] a table, "
    "2x3@10 whole numbers from 1 to 10."
)
_CHECK_HELP = "Check backward against finite differences; exit status 1 if it is wrong."
_TARGET_HELP = """

    FILE.py:NAME is a gModule, the pair (gModule, input), or a function without arguments that
    returns either.
    """

_DRAW_HELP = """
    It can also be a trace, or an Unroll, of which every time step is recorded if there is an input.
    With an input a page has the values of both passes; the gradient of every output is 1.
    """

input_option = click.option("--input", "shapes", metavar="SHAPES", help=_INPUT_HELP)
target_argument = click.argument("target", metavar="FILE.py:NAME")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Torch7's nn and nngraph in Python: build graphs of modules, run, draw and explain them."""
    if isinstance(sys.stdout, TextIOWrapper):  # names and texts may hold what its encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")


@main.command(cls=Command)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default="minigraph-demo",
    show_default=True, help="Folder for the pictures and the graphs' source.",
)
@json_option
def demo(folder: Path, as_json: bool) -> None:
    """Run, draw and explain two LSTM graphs.

    They are run forward and backward and drawn both ways; tables say which entry of the
    gradients belongs to which node.
    """
    from minigraph.cli.demo import run_demo

    run_demo(folder, as_json)


@main.command(
    cls=Command, short_help="Draw a graph as a picture or an interactive page.",
    help="Draw a graph as a picture or an interactive page." + _TARGET_HELP + _DRAW_HELP,
)
@target_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="What to write: .html (a page to explore), .svg (a picture) or .dot (Graphviz source).",
)
@click.option(
    "--backward", is_flag=True,
    help="Draw the way the gradients go; given an input, their norms, and in a page the pass to play.",
)
@click.option("--title", default="", help="A heading for the picture.")
@click.option("--open", "opened", is_flag=True, help="Open what was written in the browser.")
@input_option
def draw(
    target: str, output: Path, backward: bool, title: str, opened: bool, shapes: Optional[str]
) -> None:
    from minigraph import drawing
    from minigraph.cli.drawn import KINDS, drawn

    net, input = _load(target, shapes, 1, KINDS)
    what = drawn(net, input, backward, page=output.suffix == ".html")
    path = drawing.draw(what, output, backward=backward, title=title)
    click.echo(path)
    if opened:
        open_in_browser(path)


@main.command(cls=Command, help="Print which entry of which table, gradients too, is whose." + _TARGET_HELP)
@target_argument
@input_option
@json_option
def tables(target: str, shapes: Optional[str], as_json: bool) -> None:
    from minigraph import debug

    net, _ = _load_and_run(target, shapes)
    show_report(debug.tables(net), as_json)


@main.command(
    cls=Command, help=_CHECK_HELP + _TARGET_HELP, short_help="Check backward against finite differences."
)
@target_argument
@input_option
@click.option("--eps", default=1e-6, show_default=True, help="Step of the finite differences.")
@click.option("--tolerance", default=1e-6, show_default=True, help="Relative error allowed.")
@click.option("--seed", default=1, show_default=True, help="Seed of all random numbers.")
@json_option
def check(
    target: str, shapes: Optional[str], eps: float, tolerance: float, seed: int, as_json: bool
) -> None:
    from minigraph import debug, nn

    net, input = _load(target, shapes, seed, nn.Module)
    if input is None:
        raise Failure(
            f"{target} comes without an input: give --input SHAPES (such as --input [2x3,2x4]), "
            "or let the function return (net, input)"
        )
    report = debug.gradcheck(net, input, eps=eps, tolerance=tolerance)
    show_report(report, as_json)
    if not report.ok:
        raise SystemExit(1)


@main.command(cls=Command)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--part", help="Where in IN the network is, such as protos.rnn, if it is not all there is.")
@click.option(
    "--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True,
    help="What an ONNX file computes in.",
)
@input_option
def convert(
    source: Path, target: Path, part: Optional[str], dtype: str, shapes: Optional[str]
) -> None:
    """Convert a network between file formats, by their endings.

    IN is .t7, .safetensors (also a checkpoint of minigraph train: one time step of its network) or
    .pt (a state dict, with the .py next to it that minigraph wrote; none of it is executed); OUT is
    .t7, .safetensors, .pt (a state dict, and the source of the network as .py next to it), .onnx
    (which needs --input) or .graphml.
    """
    from minigraph.cli.convert import convert_file
    from minigraph.cli.shapes import random_input

    input = None if shapes is None else random_input(shapes)
    for path in convert_file(source, target, part, input, dtype):
        click.echo(path)


main.add_command(train)
main.add_command(sample)


def _load(target: str, shapes: Optional[str], seed: int, kind: Any) -> tuple[Any, Any]:
    """Return the network and an input for it: the one of ``--input``, else its own, else None."""
    from minigraph import random
    from minigraph.cli.shapes import random_input
    from minigraph.cli.target import load

    random.manualSeed(seed)
    net, input, _ = load(target, kind)
    return net, input if shapes is None else random_input(shapes)


def _load_and_run(target: str, shapes: Optional[str]) -> tuple[Any, Any]:
    """Return a gModule and its input (or None), after a forward pass if there is an input."""
    from minigraph import nn

    net, input = _load(target, shapes, 1, nn.gModule)
    if input is not None:
        net.forward(input)
    return net, input
