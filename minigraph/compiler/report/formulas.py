"""Operations as formulas: what people read in a plan."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence, Union

from minigraph.compiler.program.ir import Constant, Joined, Op, Parameter, Value

#: How two operands are written, and how tightly that binds.
_INFIX = {
    "greater": (">", 0), "less": ("<", 0), "equal": ("==", 0), "greater_equal": (">=", 0),
    "less_equal": ("<=", 0), "add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2),
    "power": ("**", 4),
}
_NEGATION, _ATOM = 3, 5
#: A longer part of a formula gets a line of its own.
_LONGEST_PART = 64


class _Text(NamedTuple):
    """A formula and how tightly its outermost operation binds."""

    text: str
    level: int = _ATOM

    def within(self, level: int) -> str:
        """Return the text for a place where something binds at ``level``, in brackets if need be."""
        return f"({self.text})" if self.level < level else self.text


class Names:
    """The names of values; those that have none are numbered ``v1``, ``v2``, …"""

    def __init__(self) -> None:
        self._numbered: dict[Value, str] = {}

    def of(self, value: Value) -> str:
        """Return what ``value`` is called; a constant is its number."""
        if isinstance(value, Constant):
            return _number(value)
        if value.name:
            return f"[{value.name}]" if ", " in value.name else value.name
        return self._numbered.setdefault(value, f"v{len(self._numbered) + 1}")


def _number(value: Constant) -> str:
    array = value.array
    if array.size == 1 or not any(array.strides):
        number = f"{float(array.flat[0]):g}"
        return number if not value.shape or array.size == 1 else f"{number} everywhere"
    return f"constant {'x'.join(map(str, value.shape))}"


def formulas(op: Op, names: Names) -> list[str]:
    """Return what ``op`` computes, a line for each result.

    What one pass computes on the way to its results is written into the formula that uses it, or has
    a line of its own if several do.
    """
    if op.primitive == "fused":
        return _body(op, names)
    if op.primitive in _EFFECTS:
        return [_EFFECTS[op.primitive](op, names)]
    operands = [_Text(names.of(value)) for value in op.inputs]
    made = ", ".join(names.of(value) for value in op.outputs)
    return [f"{made} = {_written(op.primitive, operands, op.attributes).text}"]


def _body(op: Op, names: Names) -> list[str]:
    texts = [_Text(names.of(value)) for value in op.inputs]
    body, results = op.attributes["body"], op.attributes["results"]
    uses = [number for _, used in body for number in used]
    lines = []
    for k, (primitive, used) in enumerate(body):
        number, value = len(op.inputs) + k, op.attributes["values"][k]
        written = _written(primitive, [texts[each] for each in used], {})
        if number in results or uses.count(number) > 1 or len(written.text) > _LONGEST_PART:
            lines.append(f"{names.of(value)} = {written.text}")
            written = _Text(names.of(value))
        texts.append(written)
    return lines


def _written(primitive: str, operands: Sequence[_Text], attributes: dict[str, Any]) -> _Text:
    if primitive in _INFIX:
        sign, level = _INFIX[primitive]
        first, second = operands
        return _Text(f"{first.within(level)} {sign} {second.within(level + 1)}", level)
    if primitive == "neg":
        return _Text(f"-{operands[0].within(_NEGATION)}", _NEGATION)
    plain = [operand.text for operand in operands]
    if primitive in _SPECIAL:
        return _Text(_SPECIAL[primitive](plain, attributes))
    return _Text(f"{primitive}({', '.join(plain)})")


def _atom(name: str) -> str:
    """Return a name that something can be hung on: with brackets if it is of several words."""
    return f"({name})" if " " in name else name


def _product(x: list[str], a: dict[str, Any]) -> str:
    product = f"{x[0]} @ {_atom(x[1])}{'' if a['transposed'] else '.T'}"
    return " + ".join([product, *x[2:]])


def _matmul(x: list[str], a: dict[str, Any]) -> str:
    first = f"{_atom(x[0])}.T" if a["transpose_first"] else x[0]
    second = f"{_atom(x[1])}.T" if a["transpose_second"] else x[1]
    return f"{first} @ {second}"


def _slice(x: list[str], a: dict[str, Any]) -> str:
    index = ["...", f"{a['start']}:{a['stop']}", *[":"] * (-a["axis"] - 1)]
    return f"{_atom(x[0])}[{', '.join(index)}]"


def _reduction(name: str) -> Callable[[list[str], dict[str, Any]], str]:
    def written(x: list[str], a: dict[str, Any]) -> str:
        axes = ", ".join(map(str, a["axes"]))
        return f"{name}({x[0]}, {'axis' if len(a['axes']) == 1 else 'axes'} {axes})"

    return written


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a number"


_SPECIAL: dict[str, Callable[[list[str], dict[str, Any]], str]] = {
    "product": _product,
    "matmul": _matmul,
    "slice": _slice,
    "sum": _reduction("sum"),
    "max": _reduction("max"),
    "reshape": lambda x, a: f"reshape({x[0]}, {_sizes(a['shape'])})",
    "expand": lambda x, a: f"expand({x[0]}, {_sizes(a['shape'])})",
    "transpose": lambda x, a: f"transpose({x[0]}, axes {', '.join(map(str, a['order']))})",
    "replace_gradient": lambda x, a: x[0],
    "copy": lambda x, a: f"copy({x[0]})",
    "take": lambda x, a: f"{_atom(x[0])}[{x[1]}]",
    "pick": lambda x, a: f"{_atom(x[0])}[..., {x[1]}]",
    "spread": lambda x, a: f"{x[0]} at {x[1]} of {a['size']}",
    "to_index": lambda x, a: f"index({x[0]}) of {a['count']}",
    "in_range": lambda x, a: f"{x[0]} within {a['low']:g} .. {a['high']:g}",
    "call": lambda x, a: f"{a['module'].typename()}({', '.join(x)})",
}


def gradient_name(parameter: Union[Parameter, Joined]) -> str:
    """Return the name of a parameter's gradient: ``i2h.gradWeight`` for ``i2h.weight``."""
    if isinstance(parameter, Joined):
        return f"[{', '.join(map(gradient_name, parameter.parts))}]"
    return parameter.name.removesuffix(parameter.attribute) + parameter.gradient


def _accumulated(op: Op, names: Names) -> str:
    added = names.of(op.inputs[0])
    return f"{gradient_name(op.attributes['parameter'])} += sum({added})"


def _accumulated_product(op: Op, names: Names) -> str:
    gradient, given = map(names.of, op.inputs)
    return f"{gradient_name(op.attributes['parameter'])} += {_atom(gradient)}.T @ {given}"


def _accumulated_rows(op: Op, names: Names) -> str:
    gradient, index = map(names.of, op.inputs)
    return f"{gradient_name(op.attributes['parameter'])}[{index}] += {gradient}"


def _called_back(op: Op, names: Names) -> str:
    module = op.attributes["call"].attributes["module"]
    made = ", ".join(names.of(value) for value in op.outputs)
    return f"{made} = {module.typename()}.backward({', '.join(map(names.of, op.inputs))})"


def _drawn(op: Op, names: Names) -> str:
    drawn = [f"{names.of(mask)} (p = {p:g})" for mask, p in zip(op.outputs, op.attributes["p"])]
    return f"draw {', '.join(drawn)}"


_EFFECTS: dict[str, Callable[[Op, Names], str]] = {
    "accumulate": _accumulated,
    "accumulate_product": _accumulated_product,
    "accumulate_rows": _accumulated_rows,
    "call_back": _called_back,
    "draw": _drawn,
}
