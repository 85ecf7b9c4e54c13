"""The table of converters to ONNX: shapes, tables, windows over images, and containers."""

from __future__ import annotations

from math import prod
from typing import Any, Sequence

import numpy as np

from minigraph import nn, rnn
from minigraph.interop.onnx_layers import rows_of, same
from minigraph.interop.walker import Converter, Unconvertible

_END = np.iinfo(np.int64).max

# -- shapes ------------------------------------------------------------------------------------------


def _reshaped(export: Any, value: Any, result: Any, name: str) -> str:
    """Give ``value`` the shape of ``result``; a dimension that depends on the batch stays free."""
    shape = export.constant(result.shaped(value), f"{name}.shape")
    return export.op("Reshape", [value.name, shape], name)


def _rearranged(export: Any, m: Any, value: Any, name: str) -> str:
    return _reshaped(export, value, export.result, name)


def _slice(export: Any, x: str, axis: int, start: int, end: int, name: str) -> str:
    numbers = [export.constant([n], f"{name}.{what}") for what, n in (
        ("start", start), ("end", end), ("axis", axis)
    )]
    return export.op("Slice", [x, *numbers], name)


def _narrow(export: Any, m: Any, value: Any, name: str) -> str:
    *before, window = m._slice(value.shape)
    other = m._slice(value.other.shape)[-1]
    size = value.shape[len(before)]
    end = window.stop
    if (window.start, window.stop) != (other.start, other.stop):
        if window.start != other.start or window.stop != size:
            raise Unconvertible("it narrows the batch by an amount that depends on its size")
        end = _END
    return _slice(export, value.name, len(before), window.start, end, name)


def _gather(export: Any, x: str, axis: int, position: int, name: str) -> str:
    return export.op("Gather", [x, export.constant(position, f"{name}.index")], name, axis=axis)


def _select(export: Any, m: Any, value: Any, name: str) -> str:
    *before, position = m._place(value.shape)
    return _gather(export, value.name, len(before), position, name)


def _replicate(export: Any, m: Any, value: Any, name: str) -> str:
    axis = m._axis(value.example.ndim)
    wide = export.op("Unsqueeze", [value.name, export.constant([axis], f"{name}.axis")], f"{name}.wide")
    sizes = [1] * (value.example.ndim + 1)
    sizes[axis] = m.nfeatures
    return export.op("Expand", [wide, export.constant(sizes, f"{name}.sizes")], name)


def _transpose(export: Any, m: Any, value: Any, name: str) -> str:
    order = np.empty((0,) * value.example.ndim)
    marks = np.arange(order.ndim)
    for first, second in m.permutations:
        a, b = (d - 1 if d > 0 else order.ndim + d for d in (first, second))
        marks[[a, b]] = marks[[b, a]]
    return export.op("Transpose", [value.name], name, perm=marks.tolist())


def _convert(export: Any, m: Any, value: Any, name: str) -> str:
    if "*" in m.inputShape or m.inputShape == m.outputShape:
        return value.name
    if len(m._axes) != value.example.ndim:
        raise Unconvertible("an input without a batch")
    moved = export.op("Transpose", [value.name], f"{name}.moved", perm=m._axes)
    if m.outputShape == "b" and set(m.inputShape) != {"b"}:
        return _gather(export, moved, 1, 0, name)
    return export.op("Reshape", [moved, export.constant(export.result.shaped(), f"{name}.shape")], name)


def _padding(export: Any, m: Any, value: Any, name: str) -> str:
    axis, position = m._parts(value.shape)
    size, rank = value.shape[axis], value.example.ndim
    filled = export.constant(float(m.value), f"{name}.value")
    if position in (0, size):
        pads = [0] * (2 * rank)
        pads[axis if position == 0 else rank + axis] = abs(m.pad)
        return export.op("Pad", [value.name, export.constant(pads, f"{name}.pads"), filled], name)
    if value.varying[axis]:
        raise Unconvertible("it pads in the middle of the batch")
    pads = [0] * (2 * rank)
    pads[rank + axis] = abs(m.pad)
    first = _slice(export, value.name, axis, 0, position, f"{name}.first")
    first = export.op("Pad", [first, export.constant(pads, f"{name}.pads"), filled], f"{name}.padded")
    second = _slice(export, value.name, axis, position, _END, f"{name}.second")
    return export.op("Concat", [first, second], name, axis=axis)


def _reduce(kind: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        _, axis = m._input(value.example)
        keep = int(export.result.example.ndim == value.example.ndim)
        operator = "ReduceMean" if kind == "ReduceSum" and m.sizeAverage else kind
        if operator == "ReduceSum":
            axes = export.constant([axis], f"{name}.axis")
            return export.op(operator, [value.name, axes], name, keepdims=keep)
        return export.op(operator, [value.name], name, axes=[axis], keepdims=keep)

    return convert


def _constant(export: Any, m: Any, value: Any, name: str) -> str:
    held = export.weight(m.value, f"{name}.value")
    if not any(export.result.varying):
        return export.op("Identity", [held], name)
    shape = export.op("Shape", [value.name], f"{name}.sizes", start=0, end=1)
    whole = export.op(
        "Concat", [shape, export.constant(list(m.value.shape), f"{name}.rest")], f"{name}.shape", axis=0
    )
    return export.op("Expand", [held, whole], name)


def _index(export: Any, m: Any, value: Any, name: str) -> str:
    axis = m.dimension - 1 if m.dimension > 0 else m.dimension
    rows = rows_of(export, value[1].name, name)
    return export.op("Gather", [value[0].name, rows], name, axis=axis)


# -- tables ------------------------------------------------------------------------------------------


def _chain(kind: str) -> Converter:
    """Return a converter that applies an operator from left to right."""

    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        total = value[0].name
        for position, entry in enumerate(value[1:], 2):
            last = position == len(value)
            total = export.op(kind, [total, entry.name], name if last else f"{name}.of_{position}")
        return total

    return convert


def _split(export: Any, m: Any, value: Any, name: str) -> list[str]:
    axis = m.dimension - 1 if m.dimension > 0 else value.example.ndim + m.dimension
    axis += m.dimension > 0 and m.nInputDims is not None and value.example.ndim == m.nInputDims + 1
    if value.varying[axis]:
        raise Unconvertible("it splits the batch: how many entries there are would depend on it")
    return [
        _gather(export, value.name, axis, position, f"{name}_{position + 1}")
        for position in range(len(export.result))
    ]


def _join(export: Any, m: Any, value: Any, name: str) -> str:
    axis = m.dimension - 1 if m.dimension > 0 else value[0].example.ndim + m.dimension
    batched = getattr(m, "nInputDims", None) is not None and m.dimension > 0
    axis += batched and value[0].example.ndim == m.nInputDims + 1
    return export.op("Concat", [entry.name for entry in value], name, axis=int(axis))


def _flat(value: Any) -> list[Any]:
    return [leaf for entry in value for leaf in (_flat(entry) if isinstance(entry, list) else [entry])]


def _add_to_each(export: Any, m: Any, value: Any, name: str) -> list[str]:
    return [
        export.op("Add", [value[0].name, entry.name], f"{name}_{position}")
        for position, entry in enumerate(value[1], 1)
    ]


def _regroup(regroup: Any) -> Converter:
    return lambda export, m, value, name: regroup(m, value)


# -- windows -----------------------------------------------------------------------------------------


def _batched(export: Any, value: Any, rank: int, name: str, make: Any) -> str:
    """Apply an operator that needs a batch: ``make(x, name)``; one is put in front if there is none."""
    if value.example.ndim == rank:
        return make(value.name, name)
    front = export.constant([0], f"{name}.front")
    made = make(export.op("Unsqueeze", [value.name, front], f"{name}.batch"), f"{name}.of_batch")
    return export.op("Squeeze", [made, front], name)


def _parameters(export: Any, m: Any, weight: np.ndarray, bias: Any, name: str) -> list[str]:
    own = np.shares_memory(weight, m.weight) and weight.flags.c_contiguous
    label = f"{name}.weight"
    first = export.weight(m.weight, label, weight.shape) if own else export.constant(weight, label)
    return [first] if bias is None else [first, export.constant(bias, f"{name}.bias")]


def _convolution(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, dilation = m._window
    shape = (m.nOutputPlane, m.nInputPlane, *kernel)
    groups = 1
    weight, bias = m.weight, m.bias
    if isinstance(m, nn.SpatialDepthWiseConvolution):
        groups = m.nInputPlane
        weight = weight.swapaxes(0, 1).reshape(-1, 1, *kernel)
        bias = None if bias is None else bias.T.reshape(-1)
    else:
        weight = weight.reshape(shape)
    parameters = _parameters(export, m, weight, bias, name)
    return _batched(export, value, len(kernel) + 2, name, lambda x, n: export.op(
        "Conv", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *pad], dilations=list(dilation), group=groups,
    ))


def _full_convolution(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, _ = m._window
    adjust = m._numbers("adj")
    if isinstance(value, list):
        value, like = value
        sizes = like.shape[-len(kernel):]
        if any(like.varying[-len(kernel):]):
            raise Unconvertible("the output's size depends on the batch")
        adjust = tuple((n + 2 * p - k) % d for n, p, k, d in zip(sizes, pad, kernel, stride))
    parameters = _parameters(export, m, m.weight, m.bias, name)
    return _batched(export, value, len(kernel) + 2, name, lambda x, n: export.op(
        "ConvTranspose", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        pads=[*pad, *pad], output_padding=list(adjust),
    ))


def _frames(export: Any, m: Any, value: Any, name: str, make: Any) -> str:
    """Apply an operator along time to ``(…, T, F)``, which ONNX takes as ``(B, F, T)``."""
    rank = value.example.ndim
    order = [*range(rank - 2), rank - 1, rank - 2]
    swapped = export.op("Transpose", [value.name], f"{name}.frames", perm=order)
    inner = type(value)(swapped, value.example, value.other)
    made = _batched(export, inner, 3, f"{name}.window", make)
    return export.op("Transpose", [made], name, perm=order)


def _temporal_convolution(export: Any, m: Any, value: Any, name: str) -> str:
    groups = 1
    if isinstance(m, nn.TemporalConvolution):
        weight = m.weight.reshape(m.outputFrameSize, m.kW, m.inputFrameSize).transpose(0, 2, 1)
    elif isinstance(m, nn.TemporalSubSampling):
        groups = m.inputFrameSize
        weight = np.repeat(m.weight.reshape(-1, 1, 1), m.kW, 2)
    else:
        groups, weight = m.inputFrameSize, m.weight
    parameters = _parameters(export, m, weight, m.bias, name)

    def make(x: str, label: str) -> str:
        return export.op(
            "Conv", [x, *parameters], label, kernel_shape=[m.kW], strides=[m.dW], group=groups
        )

    if getattr(m, "featFirst", False):
        return _batched(export, value, 3, name, make)
    return _frames(export, m, value, name, make)


def _sub_sampling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, _, _ = m._window
    weight = np.broadcast_to(m.weight.reshape(-1, 1, 1, 1), (m.nInputPlane, 1, *kernel)).copy()
    parameters = _parameters(export, m, weight, m.bias, name)
    return _batched(export, value, 4, name, lambda x, n: export.op(
        "Conv", [x, *parameters], n, kernel_shape=list(kernel), strides=list(stride),
        group=m.nInputPlane,
    ))


def _ends(m: Any, size: Sequence[int], places: Sequence[int]) -> list[int]:
    """Return the padding behind each axis: what the last window needs where sizes are rounded up."""
    return [
        max(p, r - n - p) for p, r, n in zip(m._window.pad, m._window.reach(tuple(places)), size)
    ]


def _max_pooling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, dilation = m._window
    if isinstance(m, nn.TemporalMaxPooling):
        return _frames(export, m, value, name, lambda x, n: export.op(
            "MaxPool", [x], n, kernel_shape=[m.kW], strides=[m.dW]
        ))
    places = export.result.shape[-len(kernel):]
    ends = _ends(m, value.shape[-len(kernel):], places)
    return _batched(export, value, len(kernel) + 2, name, lambda x, n: export.op(
        "MaxPool", [x], n, kernel_shape=list(kernel), strides=list(stride), pads=[*pad, *ends],
        dilations=list(dilation),
    ))


def _average_pooling(export: Any, m: Any, value: Any, name: str) -> str:
    kernel, stride, pad, _ = m._window
    size, places = value.shape[-len(kernel):], export.result.shape[-len(kernel):]
    ends = _ends(m, size, places)
    share = m._share(size, places) * prod(kernel)

    def make(x: str, label: str) -> str:
        plain = bool(np.all(share == 1))
        mean = export.op(
            "AveragePool", [x], label if plain else f"{label}.mean", kernel_shape=list(kernel),
            strides=list(stride), pads=[*pad, *ends], count_include_pad=1,
        )
        return mean if plain else export.op("Mul", [mean, export.constant(share, f"{label}.share")], label)

    return _batched(export, value, len(kernel) + 2, name, make)


def _separable(export: Any, m: Any, value: Any, name: str) -> str:
    vertical, horizontal = m._maps(value.shape[-2:])
    across = export.constant(horizontal.T, f"{name}.horizontal")
    rows = export.op("MatMul", [value.name, across], f"{name}.rows")
    return export.op("MatMul", [export.constant(vertical, f"{name}.vertical"), rows], name)


def _nearest(export: Any, m: Any, value: Any, name: str) -> str:
    scales = export.constant([1.0, 1.0, float(m.scale_factor), float(m.scale_factor)], f"{name}.scales")
    return _batched(export, value, 4, name, lambda x, n: export.op(
        "Resize", [x, "", scales], n, mode="nearest", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ))


def _pixel_shuffle(export: Any, m: Any, value: Any, name: str) -> str:
    r = m.scaleFactor
    planes, height, width = value.shape[-3:]
    if m.upscale:
        cells, order = (planes // (r * r), r, r, height, width), (0, 1, 4, 2, 5, 3)
    else:
        cells, order = (planes, height // r, r, width // r, r), (0, 1, 3, 5, 2, 4)
    split = export.constant([-1, *cells], f"{name}.cells")
    apart = export.op("Reshape", [value.name, split], f"{name}.apart")
    moved = export.op("Transpose", [apart], f"{name}.moved", perm=order)
    shape = export.constant(
        [*([-1] if value.example.ndim == 4 else []), *export.result.shape[-3:]], f"{name}.shape"
    )
    return export.op("Reshape", [moved, shape], name)


def _border(mode: str) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        pairs = m._pairs()
        if mode != "constant" and min(min(pair) for pair in pairs) < 0:
            raise Unconvertible("it cuts entries off and adds others")
        other = [0] * (value.example.ndim - len(pairs))
        pads = [*other, *(a for a, _ in pairs), *other, *(b for _, b in pairs)]
        return export.op("Pad", [value.name, export.constant(pads, f"{name}.pads")], name, mode=mode)

    return convert


def _response(export: Any, m: Any, value: Any, name: str) -> str:
    return _batched(export, value, 4, name, lambda x, n: export.op(
        "LRN", [x], n, size=m.size, alpha=float(m.alpha), beta=float(m.beta), bias=float(m.k)
    ))


# -- containers ---------------------------------------------------------------------------------------


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
        rows = type(value)(_reshaped(export, value, rows, f"{name}.rows"), rows.example, rows.other)
    result = rows
    for position in range(len(m.modules)):
        result = export.child(m, position, result, name)
    if value.example.ndim == 2:
        return result
    return type(value)(_reshaped(export, result, value, name), result.example[0], result.other[0])


def _parallel(export: Any, m: Any, value: Any, name: str) -> Any:
    axis = m.inputDimension - 1 if m.inputDimension > 0 else value.example.ndim + m.inputDimension
    if value.varying[axis]:
        raise Unconvertible("it slices the batch")
    entries = []
    for position in range(value.shape[axis]):
        part = _value(
            export, value, _gather(export, value.name, axis, position, f"{name}_{position + 1}"),
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
    fused = type(value)(_reshaped(export, value, fused, f"{name}.fused"), fused.example, fused.other)
    result = export.child(m, 0, fused, name)
    leading = value.example.ndim - m.nInputDim

    def unfused(array: np.ndarray, given: np.ndarray) -> np.ndarray:
        return array.reshape(*given.shape[:leading], -1, *array.shape[1:])

    whole = type(value)("", unfused(result.example, value.example), unfused(result.other, value.other))
    shape = export.constant(whole.shaped(), f"{name}.shape")
    return type(value)(export.op("Reshape", [result.name, shape], name), whole.example, whole.other)


def _map_table(export: Any, m: Any, value: Any, name: str) -> Any:
    return [export.convert(m.module, entry, name) for entry in value]


def _unroll(export: Any, m: Any, value: Any, name: str) -> Any:
    """Write the steps one after the other, as many as the example has."""
    step, moment = m.step, export.moment
    entries = [value] if step.nInputs == 1 else list(value)
    sequences = {k: entries[k] for k in m._sequences}
    length = _first_leaf(next(iter(sequences.values()))).shape[0]
    produced = []
    for t in range(length):
        export.moment = f"{moment}_t{t + 1}"
        for k, sequence in sequences.items():
            entries[k] = _at(export, sequence, t)
        outputs = export.convert(step, entries[0] if step.nInputs == 1 else list(entries), name)
        outputs = [outputs] if step.nOutputs == 1 else outputs
        for source, target in m._feeds.items():
            entries[target] = outputs[source]
        produced.append(outputs)
    export.moment = moment
    nodes = step._network.outputs
    names = [node.name or f"{name or 'output'}_{k}" for k, node in enumerate(nodes, 1)]
    stacked = [_stack(export, list(column), label) for label, column in zip(names, zip(*produced))]
    return stacked[0] if step.nOutputs == 1 else stacked


def _first_leaf(value: Any) -> Any:
    return _first_leaf(value[0]) if isinstance(value, list) else value


def _at(export: Any, sequence: Any, t: int) -> Any:
    if isinstance(sequence, list):
        return [_at(export, entry, t) for entry in sequence]
    return _value(
        export, sequence, _gather(export, sequence.name, 0, t, sequence.name), lambda array: array[t]
    )


def _stack(export: Any, values: list[Any], name: str) -> Any:
    if isinstance(values[0], list):
        return [
            _stack(export, list(column), f"{name}_{k}") for k, column in enumerate(zip(*values), 1)
        ]
    front = export.constant([0], f"{name}.front")
    wide = [export.op("Unsqueeze", [value.name, front], f"{value.name}.wide") for value in values]
    return type(values[0])(
        export.op("Concat", wide, name, axis=0), np.stack([value.example for value in values]),
        np.stack([value.other for value in values]),
    )


SHAPES: dict[type, Converter] = {
    nn.Reshape: _rearranged,
    nn.View: _rearranged,
    nn.Squeeze: _rearranged,
    nn.Unsqueeze: _rearranged,
    nn.Collapse: _rearranged,
    nn.Narrow: _narrow,
    nn.Select: _select,
    nn.Replicate: _replicate,
    nn.Transpose: _transpose,
    nn.Convert: _convert,
    nn.Contiguous: same,
    nn.Padding: _padding,
    nn.Sum: _reduce("ReduceSum"),
    nn.Mean: _reduce("ReduceSum"),
    nn.Max: _reduce("ReduceMax"),
    nn.Min: _reduce("ReduceMin"),
    nn.Constant: _constant,
    nn.Index: _index,
    nn.SplitTable: _split,
    nn.JoinTable: _join,
    nn.NarrowTable: _regroup(lambda m, value: value[m.offset - 1 : m.offset - 1 + m.length]),
    nn.FlattenTable: _regroup(lambda m, value: _flat(value)),
    nn.ZipTable: _regroup(lambda m, value: [list(column) for column in zip(*value)]),
    nn.ZipTableOneToMany: _regroup(lambda m, value: [[value[0], entry] for entry in value[1]]),
    nn.CAddTensorTable: _add_to_each,
    nn.CAddTable: _chain("Add"),
    nn.CSubTable: _chain("Sub"),
    nn.CMulTable: _chain("Mul"),
    nn.CDivTable: _chain("Div"),
    nn.CMaxTable: _chain("Max"),
    nn.CMinTable: _chain("Min"),
    nn.SpatialConvolution: _convolution,
    nn.SpatialConvolutionMM: _convolution,
    nn.SpatialDilatedConvolution: _convolution,
    nn.SpatialDepthWiseConvolution: _convolution,
    nn.VolumetricConvolution: _convolution,
    nn.VolumetricDilatedConvolution: _convolution,
    nn.SpatialFullConvolution: _full_convolution,
    nn.VolumetricFullConvolution: _full_convolution,
    nn.TemporalConvolution: _temporal_convolution,
    nn.TemporalRowConvolution: _temporal_convolution,
    nn.TemporalSubSampling: _temporal_convolution,
    nn.SpatialSubSampling: _sub_sampling,
    nn.TemporalMaxPooling: _max_pooling,
    nn.SpatialMaxPooling: _max_pooling,
    nn.SpatialDilatedMaxPooling: _max_pooling,
    nn.VolumetricMaxPooling: _max_pooling,
    nn.VolumetricDilatedMaxPooling: _max_pooling,
    nn.SpatialAveragePooling: _average_pooling,
    nn.VolumetricAveragePooling: _average_pooling,
    nn.SpatialAdaptiveAveragePooling: _separable,
    nn.SpatialUpSamplingBilinear: _separable,
    nn.SpatialUpSamplingNearest: _nearest,
    nn.PixelShuffle: _pixel_shuffle,
    nn.SpatialZeroPadding: _border("constant"),
    nn.SpatialReplicationPadding: _border("edge"),
    nn.VolumetricReplicationPadding: _border("edge"),
    nn.SpatialReflectionPadding: _border("reflect"),
    nn.SpatialCrossMapLRN: _response,
}

CONTAINERS: dict[type, Converter] = {
    nn.Concat: _concat,
    nn.DepthConcat: _concat,
    nn.LayerNormalization: _layer_normalization,
    nn.Parallel: _parallel,
    nn.Bottle: _bottle,
    nn.MapTable: _map_table,
    nn.DontCast: lambda export, m, value, name: export.child(m, 0, value, name),
    rnn.Unroll: _unroll,
}
