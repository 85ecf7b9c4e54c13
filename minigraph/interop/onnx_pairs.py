"""The table of converters to ONNX: distances, and layers of two inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_structure import gather
from minigraph.interop.walker import Converter
from minigraph.nn.simple.shape import axis_of


def _sum(export: Any, x: str, axis: int, name: str, keep: bool = False) -> str:
    return export.op("ReduceSum", [x, export.constant([axis], f"{name}.axis")], name, keepdims=int(keep))


def _squares(export: Any, x: str, axis: int, name: str, keep: bool = False) -> str:
    """Return the sum of the squares along an axis."""
    return _sum(export, export.op("Mul", [x, x], f"{name}.squares"), axis, name, keep)


def _euclidean(export: Any, m: Any, value: Any, name: str) -> str:
    column = export.op("Unsqueeze", [value.name, export.constant([-1], f"{name}.last")], f"{name}.column")
    difference = export.op("Sub", [column, export.weight(m.weight, f"{name}.weight")], f"{name}.difference")
    if isinstance(m, nn.WeightedEuclidean):
        scales = export.weight(m.diagCov, f"{name}.diagCov")
        difference = export.op("Mul", [difference, scales], f"{name}.scaled")
    return export.op("Sqrt", [_squares(export, difference, -2, f"{name}.total")], name)


def _cosine(export: Any, m: Any, value: Any, name: str) -> str:
    norms = np.sqrt((m.weight**2).sum(1, keepdims=True)) + 1e-12
    unit = export.constant((m.weight / norms).T, f"{name}.weight")
    length = export.op("Sqrt", [_squares(export, value.name, -1, f"{name}.total", True)], f"{name}.length")
    guarded = export.op("Add", [length, export.constant(1e-12, f"{name}.eps")], f"{name}.guarded")
    product = export.op("MatMul", [value.name, unit], f"{name}.product")
    return export.op("Div", [product, guarded], name)


def _row_pair(export: Any, value: Any, name: str) -> list[str]:
    """Return both of a pair as batches of rows."""
    if value[0].example.ndim == 2:
        return [entry.name for entry in value]
    front = export.constant([0], f"{name}.front")
    return [export.op("Unsqueeze", [entry.name, front], f"{name}.rows") for entry in value]


def _cosine_distance(export: Any, m: Any, value: Any, name: str) -> str:
    first, second = _row_pair(export, value, name)
    eps = export.constant(1e-12, f"{name}.eps")
    sizes = [
        export.op("Add", [_squares(export, x, -1, f"{name}.total"), eps], f"{name}.guarded")
        for x in (first, second)
    ]
    length = export.op("Sqrt", [export.op("Mul", sizes, f"{name}.sizes")], f"{name}.length")
    dot = _sum(export, export.op("Mul", [first, second], f"{name}.product"), -1, f"{name}.dot")
    return export.op("Div", [dot, length], name)


def _pairwise_distance(export: Any, m: Any, value: Any, name: str) -> str:
    pair = _row_pair(export, value, name)
    size = export.op("Abs", [export.op("Sub", pair, f"{name}.difference")], f"{name}.size")
    if np.isinf(m.norm):
        return export.op("ReduceMax", [size], name, axes=[-1], keepdims=0)
    p = export.constant(float(m.norm), f"{name}.p")
    total = _sum(export, export.op("Pow", [size, p], f"{name}.powers"), -1, f"{name}.total")
    return export.op("Pow", [total, export.constant(1 / m.norm, f"{name}.root")], name)


def _mixture(export: Any, m: Any, value: Any, name: str) -> str:
    gater, experts = value
    rank = gater.example.ndim
    if isinstance(experts, list):
        names, wide = [expert.name for expert in experts], experts[0].example.ndim
    else:
        axis = axis_of(m.dim or rank, experts.example.ndim, m)
        names = [
            gather(export, experts.name, axis, position, f"{name}.expert")
            for position in range(experts.shape[axis])
        ]
        wide = experts.example.ndim - 1
    total = ""
    for position, expert in enumerate(names):
        index = export.constant([position], f"{name}.index")
        gate = export.op("Gather", [gater.name, index], f"{name}.gate", axis=rank - 1)
        if rank > 1 and wide > rank:
            axes = export.constant(list(range(2, wide)), f"{name}.axes")
            gate = export.op("Unsqueeze", [gate, axes], f"{name}.spread")
        last = position == len(names) - 1
        part = export.op("Mul", [gate, expert], name if last and not total else f"{name}.part")
        total = export.op("Add", [total, part], name if last else f"{name}.sum") if total else part
    return total


PAIRS: dict[type, Converter] = {
    nn.Euclidean: _euclidean,
    nn.WeightedEuclidean: _euclidean,
    nn.Cosine: _cosine,
    nn.CosineDistance: _cosine_distance,
    nn.PairwiseDistance: _pairwise_distance,
    nn.MixtureTable: _mixture,
}
