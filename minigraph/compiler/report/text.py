"""The report of a plan as plain text, at most 100 columns wide."""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import Iterator, Sequence

from minigraph.compiler.report.data import PlanFacts, PlanOperation, PlanProgram, PlanSegment

WIDTH = 100
#: The spaces inside a name (``d next_h``, ``sums so far``), at which no line is broken.
_TOGETHER = re.compile(
    r"(?<=\bd) (?=\w)| (?=given\b|so far\b|from \w|\(\w+\)(?:$|[ ,]))|(?<= so) (?=far)|(?<= from) "
    r"|(?<=\bslope) (?=of )|(?<=\bslope of) "
)
_COLUMNS = "(columns: what is done, shape at one time step, buffers read > written, how and for which nodes)"
_HARD = "\u00a0"


def text_of(report: PlanFacts) -> str:
    """Return the whole report: programs, then memory."""
    lines = [*_wrapped(_head(report), "", WIDTH), _COLUMNS]
    for program in report.programs:
        lines += ["", *_program(program)]
    if report.backward is None:
        lines += ["", "backward: not run yet; it is made at the first backward(...)"]
    return "\n".join([*lines, "", *_memory(report)])


def _head(report: PlanFacts) -> str:
    steps = "" if report.steps is None else f"{report.steps} time step{'s'[: report.steps != 1]}, "
    threads = f"{report.threads} thread{'s'[: report.threads != 1]}"
    executor = f"native code, {threads}" if report.threads else "NumPy"
    return f"Plan of a compiled {report.network}: {steps}{report.dtype}, {executor}"


def _program(program: PlanProgram) -> Iterator[str]:
    yield program.name
    for words, nodes in (
        ("taken out of the loop", program.hoisted), ("called as they are", program.called)
    ):
        if nodes:
            yield from _wrapped(f"{words}: {', '.join(nodes)}", "  ", WIDTH)
    for segment in program.segments:
        rows = list(_rows(segment))
        # The columns of a segment are as wide as what is in them, within limits.
        sizes = [min(max([1, *(len(row[k]) for row in rows)]), most) for k, most in enumerate((16, 14, 16))]
        yield ""
        yield f"  {segment.when}{_executor(segment)}"
        for row in rows:
            yield from _columns(row, [*sizes, WIDTH - 4 - sum(sizes) - 6])


def _executor(segment: PlanSegment) -> str:
    found = {operation.native for operation in segment.operations} - {None}
    return {(True,): ": native code", (False,): ": NumPy"}.get(tuple(found), "")  # type: ignore[arg-type]


def _rows(segment: PlanSegment) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield kind, shape, buffers and words of every operation, windows that follow each other as one."""
    mixed = len({operation.native for operation in segment.operations} - {None}) > 1
    for windows, group in groupby(segment.operations, lambda operation: operation.kind == "window"):
        operations = list(group)
        if windows:
            nodes = dict.fromkeys(node for operation in operations for node in operation.nodes)
            buffers = dict.fromkeys(number for operation in operations for number in operation.reads)
            yield "window", "", _numbers(list(buffers)), [f"{', '.join(nodes) or 'a view'}: nothing to do"]
            continue
        for operation in operations:
            by = {True: " (native)", False: " (NumPy)"}.get(operation.native, "") if mixed else ""  # type: ignore
            yield operation.kind + by, _shape(operation.shape), _ways(operation), _words(operation)


def _words(operation: PlanOperation) -> list[str]:
    if operation.kind == "one pass" and operation.nodes:
        return [f"of {', '.join(operation.nodes)}", *operation.formulas]
    return operation.formulas


def _ways(operation: PlanOperation) -> str:
    return f"{_numbers(operation.reads)} > {_numbers(operation.writes)}".strip()


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _columns(row: tuple[str, str, str, list[str]], sizes: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row; a cell that is too long goes on below."""
    cells = [_wrapped(cell, "", size) for cell, size in zip(row[:3], sizes)]
    cells.append([line for words in row[3] for line in _wrapped(words, "", sizes[3])])
    for k in range(max(map(len, cells))):
        parts = [(cell[k] if k < len(cell) else "").ljust(size) for cell, size in zip(cells, sizes)]
        yield f"    {'  '.join(parts)}".rstrip()


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    hanging = indent + "  " if width > 20 else indent
    text = _TOGETHER.sub(lambda spaces: _HARD * len(spaces[0]), text)
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
    )
    return [line.replace(_HARD, " ") for line in lines] or [""]


def _memory(report: PlanFacts) -> Iterator[str]:
    """Yield what every group takes, then the buffers one by one."""
    yield f"memory: {report.total_bytes:,} bytes"
    for group, size in report.bytes.items():
        if size:
            yield f"  {group:<20}{size:>16,}"
    yield ""
    shared = [buffer for buffer in report.buffers if report.shares(buffer)]
    note = "  * in one block with others, for they are not needed at the same time"
    yield "buffers" + (note if shared else "")
    count = len(str(len(report.buffers)))
    shapes = min(max([5, *(len(_shape(buffer.shape)) for buffer in report.buffers)]), 16)
    for buffer in report.buffers:
        what = ", ".join(buffer.values) or buffer.group
        mark = "*" if buffer in shared else " "
        start = f"  {buffer.number:>{count}}{mark} {_shape(buffer.shape):<{shapes}} {buffer.bytes:>12,}  "
        first, *rest = _wrapped(f"{buffer.group}: {what}", "", WIDTH - len(start))
        yield start + first
        yield from (" " * len(start) + line for line in rest)
