"""The table of converters to ONNX: containers, which are taken apart, and ``Unroll``."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from minigraph import nn, rnn
from minigraph.interop.onnx_loops import unroll
from minigraph.interop.onnx_structure import gather, reshaped
from minigraph.interop.walker import Converter, Unconvertible
from minigraph.tables import map_table


def _value(export: Any, like: Any, name: str, change: Any) -> Any:
    """Return the value ``name`` whose examples are those of ``like``, changed."""
    return type(like)(name, change(like.example), change(like.other))


def _concat(export: Any, m: Any, value: Any, name: str) -> Any:
    entries = export.parts(m, [value] * len(m.modules), name)
    axis = m.dimension - 1 if m.dimension > 0 else entries[0].example.ndim + m.dimension
    names = [entry.name for entry in entries]
    if isinstance(m, nn.DepthConcat):
        names = _centred(export, entries, axis, name)
    return type(entries[0])(export.op("Concat", names, name, axis=axis), *(
        m._join([getattr(entry, which) for entry in entries], m.dimension).copy()
        for which in ("example", "other")
    ))


def _centred(export: Any, entries: Sequence[Any], axis: int, name: str) -> list[str]:
    largest = [max(sizes) for sizes in zip(*(entry.shape for entry in entries))]
    names = []
    for entry in entries:
        room = [0 if k == axis else big - own for k, (big, own) in enumerate(zip(largest, entry.shape))]
        pads = [*(n // 2 for n in room), *(n - n // 2 for n in room)]
        names.append(
            export.op("Pad", [entry.name, export.constant(pads, f"{name}.pads")], f"{name}.centred")
            if any(pads) else entry.name
        )
    return names


def _layer_normalization(export: Any, m: Any, value: Any, name: str) -> Any:
    if any(value.varying):
        raise Unconvertible(
            "for a batch Torch's numbers depend on its size (see nn.LayerNormalization); "
            "give an example without a batch"
        )
    rows = _value(export, value, value.name, np.atleast_2d)
    if value.example.ndim == 1:
        rows = type(value)(reshaped(export, value, rows, f"{name}.rows"), rows.example, rows.other)
    result = rows
    for position in range(len(m.modules)):
        result = export.child(m, position, result, name)
    if value.example.ndim == 2:
        return result
    return type(value)(reshaped(export, result, value, name), result.example[0], result.other[0])


def _parallel(export: Any, m: Any, value: Any, name: str) -> Any:
    axis = m.inputDimension - 1 if m.inputDimension > 0 else value.example.ndim + m.inputDimension
    if value.varying[axis]:
        raise Unconvertible("it slices the batch")
    entries = []
    for position in range(value.shape[axis]):
        part = _value(
            export, value, gather(export, value.name, axis, position, f"{name}_{position + 1}"),
            lambda array, position=position: array.take(position, axis),
        )
        entries.append(export.child(m, position, part, name))
    out = m.outputDimension - 1 if m.outputDimension > 0 else entries[0].example.ndim + m.outputDimension
    joined = export.op("Concat", [entry.name for entry in entries], name, axis=out)
    return type(value)(joined, *(
        np.concatenate([getattr(entry, which) for entry in entries], out) for which in ("example", "other")
    ))


def _bottle(export: Any, m: Any, value: Any, name: str) -> Any:
    if value.example.ndim <= m.nInputDim:
        return export.child(m, 0, value, name)
    fused = _value(export, value, "", lambda array: m._fused(array, m.nInputDim))
    fused = type(value)(reshaped(export, value, fused, f"{name}.fused"), fused.example, fused.other)
    result = export.child(m, 0, fused, name)
    leading = value.example.ndim - m.nInputDim

    def unfused(array: np.ndarray, given: np.ndarray) -> np.ndarray:
        return array.reshape(*given.shape[:leading], -1, *array.shape[1:])

    whole = type(value)("", unfused(result.example, value.example), unfused(result.other, value.other))
    return type(value)(reshaped(export, result, whole, name, like=value), whole.example, whole.other)


def _weight_norm(export: Any, m: Any, value: Any, name: str) -> Any:
    m.updateOutput(map_table(lambda v: v.example, value))  # computes the weight, which is fixed now
    return export.child(m, 0, value, name)


def _map_table(export: Any, m: Any, value: Any, name: str) -> Any:
    return [export.convert(m.module, entry, name) for entry in value]


CONTAINERS: dict[type, Converter] = {
    nn.Concat: _concat,
    nn.DepthConcat: _concat,
    nn.LayerNormalization: _layer_normalization,
    nn.Parallel: _parallel,
    nn.Bottle: _bottle,
    nn.MapTable: _map_table,
    nn.WeightNorm: _weight_norm,
    nn.SpatialContrastiveNormalization: lambda export, m, value, name: export.convert(
        m.normalizer, value, name
    ),
    nn.DontCast: lambda export, m, value, name: export.child(m, 0, value, name),
    rnn.Unroll: unroll,
}
