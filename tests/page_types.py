"""The types of the page's data for both sides: ``front/data.d.ts``, written from ``records``.

    python tests/page_types.py
"""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path
from textwrap import indent
from typing import Any, Iterator, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import minigraph.drawing.page

PAGE = Path(minigraph.drawing.page.__file__).parent
TYPES = PAGE / "front" / "data.d.ts"
RECORDS = [PAGE / "records" / name for name in ("values.py", "graph.py", "traces.py", "__init__.py")]

_HEAD = "// Written from minigraph/drawing/page/records by tests/page_types.py; change those, not this."
_PLAIN = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}


def written() -> str:
    """Return the text that ``front/data.d.ts`` should have."""
    types = "\n".join(part for path in RECORDS for part in _declarations(path))
    return f"{_HEAD}\n\ndeclare namespace Data {{\n{indent(types, '    ')}}}\n"


def _declarations(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    for statement in ast.parse("\n".join(lines)).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name, value = statement.targets[0].id, statement.value
            if isinstance(value, ast.Call):  # its keys are words that Python keeps for itself
                keys = dict(zip(*_items(value.args[1])))
                yield _interface(name, [], "", [f"    {key}: {kind};" for key, kind in keys.items()])
            elif isinstance(value, ast.Subscript):
                yield f"type {name} = {_type(value)};{_comment(lines[statement.lineno - 1])}\n"
        elif isinstance(statement, ast.ClassDef):
            mark = "?" if statement.keywords else ""  # total=False
            fields = [
                f"    {field.target.id}{mark}: {_type(field.annotation)};{_comment(lines[field.lineno - 1])}"
                for field in statement.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            ]
            bases = [base.id for base in statement.bases if isinstance(base, ast.Name)]
            bases = [base for base in bases if base != "TypedDict"]
            yield _interface(statement.name, bases, ast.get_docstring(statement) or "", fields)


def _items(node: ast.expr) -> tuple[list[str], list[str]]:
    assert isinstance(node, ast.Dict)
    keys = [str(key.value) for key in node.keys if isinstance(key, ast.Constant)]
    return keys, [_type(value) for value in node.values]


def _interface(name: str, bases: list[str], doc: str, fields: list[str]) -> str:
    head = f"/** {doc.replace('``', '`')} */\n" if doc else ""
    extends = f" extends {', '.join(bases)}" if bases else ""
    return f"{head}interface {name}{extends} {{\n" + "".join(f"{field}\n" for field in fields) + "}\n"


def _comment(line: str) -> str:
    code, mark, comment = line.partition("  # ")
    return f"  // {comment}" if mark else ""


def _type(node: ast.expr) -> str:
    """Return the TypeScript of an annotation."""
    if isinstance(node, ast.Name):
        return _PLAIN.get(node.id, node.id)
    assert isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name), ast.dump(node)
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if node.value.id == "Literal":
        return " | ".join(f'"{str(each.value)}"' for each in inside if isinstance(each, ast.Constant))
    kinds = [_type(each) for each in inside]
    if node.value.id in ("Optional", "Union"):
        return " | ".join([*kinds, "null"] if node.value.id == "Optional" else kinds)
    if node.value.id == "list":
        return f"({kinds[0]})[]" if "|" in kinds[0] else f"{kinds[0]}[]"
    assert node.value.id == "dict", node.value.id
    return f"Record<{kinds[0]}, {kinds[1]}>"


def faults(value: Any, kind: Any, place: str = "data") -> Iterator[str]:
    """Yield what JSON read back from a page has that ``kind`` does not allow, and the other way round."""
    origin, inside = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        hints, required = get_type_hints(kind), kind.__required_keys__
        if not isinstance(value, dict) or not required <= set(value) <= set(hints):
            yield f"{place}: {kind.__name__} has {sorted(hints)}, got {value!r:.200}"
        else:
            for key, entry in value.items():
                yield from faults(entry, hints[key], f"{place}.{key}")
    elif origin is Union:
        found = [list(faults(value, each, place)) for each in inside]
        if all(found):  # of the kind that fits best: the one whose fault lies deepest
            yield max((each[0] for each in found), key=lambda fault: len(fault.partition(": ")[0]))
    elif origin is list and isinstance(value, list):
        for k, entry in enumerate(value):
            yield from faults(entry, inside[0], f"{place}[{k}]")
    elif origin is dict and isinstance(value, dict):
        for key, entry in value.items():
            yield from faults(key, inside[0], place)
            yield from faults(entry, inside[1], f"{place}[{key!r}]")
    elif origin is Literal:
        if value not in inside:
            yield f"{place}: {value!r} is none of {inside}"
    elif kind is float:
        if type(value) not in (float, int) or not math.isfinite(value):
            yield f"{place}: expected a finite number, got {value!r:.200}"
    elif type(value) is not kind:
        yield f"{place}: expected {kind}, got {value!r:.200}"


if __name__ == "__main__":
    TYPES.write_text(written(), encoding="utf-8")
    sys.stdout.write(f"{TYPES}\n")
