"""Formulas of ONNX operators, and the pieces of them that several converters need."""

from __future__ import annotations

from typing import Any, Optional, Sequence


class Formula:
    """Writes operators in the order of their calls: ``f("Sub", x, 1.0)`` returns a value's name.

    Operands are names of values, or numbers and arrays, which become constants.
    """

    def __init__(self, export: Any, name: str) -> None:
        self.export = export
        self.name = name

    def __call__(self, kind: str, *operands: Any, called: str = "", **attributes: Any) -> str:
        """Add one operator; ``called`` names its value, which else is named after the operator."""
        names = [
            operand if isinstance(operand, str) else self.export.constant(operand, f"{self.name}.number")
            for operand in operands
        ]
        made: str = self.export.op(kind, names, called or f"{self.name}.{kind.lower()}", **attributes)
        return made

    def number(self, value: Any) -> str:
        """Return a value as numbers of the type that the file computes in."""
        if value.example.dtype.kind == "f":
            return str(value.name)
        return self("Cast", value.name, to=self.export.kind)

    def as_number(self, name: str) -> str:
        """Return truth values or whole numbers in the type that the file computes in."""
        return self("Cast", name, to=self.export.kind)

    def rows(self, name: str) -> str:
        """Return indices that count from 0 for those that count from 1."""
        return self("Sub", self("Cast", name, to=7), 1)

    def total(self, x: str, average: bool, axes: Optional[Sequence[int]] = None) -> str:
        """Return the sum or the mean, of everything or along axes that are dropped."""
        if average:
            more: dict[str, Any] = {} if axes is None else {"axes": list(axes)}
            return self("ReduceMean", x, keepdims=0, **more)
        operands = [x] if axes is None else [x, list(axes)]
        return self("ReduceSum", *operands, keepdims=0)

    def softplus(self, x: str) -> str:
        """Return log(1 + exp(x)), without overflow."""
        tail = self("Log", self("Add", self("Exp", self("Neg", self("Abs", x))), 1.0))
        return self("Add", self("Max", x, 0.0), tail)

    def one_hot(self, rows: str, count: int) -> str:
        """Return 1 where a new last dimension of ``count`` entries equals the index, else 0."""
        wide = self("Unsqueeze", rows, [-1])
        return self.as_number(self("Equal", wide, list(range(count))))

    def like(self, x: str, example: Any, of: str, shape: Sequence[int]) -> str:
        """Return ``x`` in the shape of the value ``of``, which is ``shape`` for the example."""
        if tuple(example.shape) == tuple(shape):
            return x
        return self("Reshape", x, self("Shape", of))
