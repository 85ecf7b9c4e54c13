"""What commands print: a report as a table, or with ``--json`` as JSON."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from minigraph.cli.failures import Failure
from minigraph.debug.report import Report, plain

_WIDE = 100_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def show(report: Any) -> None:
    """Print what rich knows to print, coloured on a terminal, as wide as it needs to be."""
    console = Console(width=_WIDE)
    with console.capture() as capture:
        console.print(report, soft_wrap=False)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def show_report(report: Report, as_json: bool) -> None:
    """Print a report in the form that was asked for."""
    if as_json:
        show_json(report.to_dict())
    else:
        show(report)


def show_json(value: Any) -> None:
    """Print ``value`` as JSON."""
    click.echo(json.dumps(plain(value), indent=2))


def open_in_browser(path: Path) -> None:
    """Open a file in the browser; raise ``Failure`` where there is none to open it."""
    if not webbrowser.open(path.resolve().as_uri()):
        raise Failure(f"{path} is written, but no browser could be started: open it yourself")
