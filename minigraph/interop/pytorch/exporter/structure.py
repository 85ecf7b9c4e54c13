"""The table of converters to PyTorch: layers without parameters, as functions, and containers."""

from __future__ import annotations

from typing import Any, Callable

import torch

from minigraph import nn, rnn
from minigraph.interop.pytorch.runtime import functions, modules, tables
from minigraph.interop.walker import Converter
from minigraph.rnn.reverse import Reverse


def _call(function: Callable[..., Any], *fields: Any) -> Converter:
    """Return a converter to a call; a field is an attribute's name, or a fixed value in a tuple."""

    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        arguments = [
            field[0] if isinstance(field, tuple) else getattr(m, field) for field in fields
        ]
        return export.call(function, value, *arguments, name=name)

    return convert


def _concat(join: Callable[..., Any]) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        outputs = export.parts(m, [value] * len(m.modules), name)
        if join is tables.depth_concat:
            return export.call(join, outputs, m.dimension, name=name)
        return export.call(join, outputs, m.dimension, None, name=name)

    return convert


def _layer_normalization(export: Any, m: Any, value: Any, name: str) -> Any:
    result = export.call(functions.rows, value, name=f"{name}_rows")
    for position in range(len(m.modules)):
        result = export.child(m, position, result, name)
    return export.call(functions.like_input, result, value, name=name)


def _map_table(export: Any, m: Any, value: Any, name: str) -> Any:
    if isinstance(value, list):
        twins = [m.module] * len(value)
        return [export.convert(twin, entry, name) for twin, entry in zip(twins, value)]
    return export.layer(modules.MapTable, export.inner(m.module), value=value, name=name)


def _parallel(export: Any, m: Any, value: Any, name: str) -> Any:
    branches = [export.inner(module) for module in m.modules]
    return export.layer(
        modules.Parallel, branches, m.inputDimension, m.outputDimension, value=value, name=name
    )


def _bottle(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Bottle, export.inner(m.modules[0]), m.nInputDim, value=value, name=name
    )


def _unroll(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        modules.Unroll, export.inner(m.step), m.step.nInputs, m.step.nOutputs,
        tuple(m._feeds.items()), value=value, name=name,
    )


def _bilinear_upsampling(export: Any, m: Any, value: Any, name: str) -> Any:
    size = None if m.scale_factor else (m.oheight, m.owidth)
    return export.call(functions.upsample_linear, value, m.scale_factor, size, 2, name=name)


def _upsampling(export: Any, m: Any, value: Any, name: str) -> Any:
    if m.mode == "nearest":
        return export.layer(
            torch.nn.Upsample, scale_factor=float(m.scale_factor), mode="nearest", value=value, name=name
        )
    size = None if m.scale_factor else tuple(n for n in (m.odepth, m.oheight, m.owidth) if n)
    return export.call(functions.upsample_linear, value, m.scale_factor, size, name=name)


def _convert(export: Any, m: Any, value: Any, name: str) -> Any:
    """Convert nn.Convert with its plan, made when it was constructed."""
    same_letters = set(m.inputShape) == set(m.outputShape)
    if "*" in m.inputShape or m.inputShape == m.outputShape:
        return value
    kind = "move" if same_letters else "first" if m.outputShape == "b" else "flatten"
    return export.call(
        functions.convert, value, tuple(m._axes), kind, m.inputShape.index("b"), m.outputShape.index("b"),
        name=name,
    )


def _copy(export: Any, m: Any, value: Any, name: str) -> Any:
    if m.passes or m.intype == m.outtype:
        return value
    kind = TYPES.get(m.outtype)
    if kind is None:
        return export.fail(f"it converts to {m.outtype}, through which PyTorch passes no gradient")
    return export.call(functions.to_type, value, kind, name=name)


def _dont_cast(export: Any, m: Any, value: Any, name: str) -> Any:
    """Convert nn.DontCast: a module in a type of its own between two conversions."""
    inner, outer = (TYPES.get(kind) for kind in (m.modules[0].type(), m.type()))
    if inner is outer:
        return export.child(m, 0, value, name)
    if not (m.castin and m.castout):
        return export.fail(
            f"it computes in {m.modules[0].dtype}, the network around it in {m.dtype}: give it castin and "
            "castout"
        )
    value = export.call(functions.cast, value, inner, name=f"{name}_in")
    return export.call(functions.cast, export.child(m, 0, value, name), outer, name=name)


#: PyTorch's types of numbers by Torch's names.
TYPES = {
    "torch.DoubleTensor": torch.float64, "torch.FloatTensor": torch.float32,
    "torch.HalfTensor": torch.float16,
}

CALLS: dict[type, Converter] = {
    nn.DontCast: _dont_cast,
    nn.Abs: _call(functions.absolute),
    nn.Exp: _call(torch.exp),
    nn.Log: _call(torch.log),
    nn.Square: _call(torch.square),
    nn.Sqrt: _call(functions.sqrt),
    nn.Power: _call(torch.pow, "pow"),
    nn.AddConstant: _call(torch.add, "constant_scalar"),
    nn.MulConstant: _call(torch.mul, "constant_scalar"),
    nn.CReLU: _call(functions.crelu, "nInputDims"),
    nn.GradientReversal: lambda export, m, value, name: export.call(
        functions.scale_gradient, value, -m.lambda_, name=name
    ),
    nn.ZeroGrad: _call(functions.scale_gradient, (0,)),
    nn.L1Penalty: _call(functions.l1_penalty, "l1weight", "sizeAverage", "provideOutput"),
    nn.Normalize: _call(functions.normalize, "p", "eps"),
    nn.SpatialCrossMapLRN: _call(functions.local_response, "size", "alpha", "beta", "k"),
    nn.SpatialUpSamplingBilinear: _bilinear_upsampling,
    nn.UpSampling: _upsampling,
    nn.Reshape: _call(functions.reshape, "size", "batchMode"),
    nn.View: _call(functions.view, "size", "numInputDims"),
    nn.Narrow: _call(functions.narrow, "dimension", "index", "length"),
    nn.Select: _call(functions.select, "dimension", "index"),
    nn.Replicate: _call(functions.replicate, "nfeatures", "dim", "ndim"),
    nn.Squeeze: _call(functions.squeeze, "dim", "numInputDims"),
    nn.Unsqueeze: _call(functions.unsqueeze, "pos", "numInputDims"),
    nn.Collapse: _call(functions.collapse, "nInputDim"),
    nn.Transpose: lambda export, m, value, name: export.call(
        functions.transpose, value, tuple(map(tuple, m.permutations)), name=name
    ),
    nn.Contiguous: _call(functions.contiguous),
    nn.Convert: _convert,
    nn.Copy: _copy,
    nn.Padding: _call(functions.padding, "dim", "pad", "nInputDim", "value", "index"),
    nn.Sum: lambda export, m, value, name: export.call(
        functions.reduce, value, "mean" if m.sizeAverage else "sum", m.dimension, m.nInputDims,
        m.squeeze, name=name,
    ),
    nn.Max: _call(functions.reduce, ("max",), "dimension", "nInputDims"),
    nn.Min: _call(functions.reduce, ("min",), "dimension", "nInputDims"),
    nn.OneHot: _call(functions.one_hot, "outputSize"),
    nn.MM: _call(tables.mm, "transA", "transB"),
    nn.MV: _call(tables.mv, "trans"),
    nn.Index: _call(tables.index, "dimension"),
    nn.MaskedSelect: _call(tables.masked_select),
    nn.DotProduct: _call(tables.dot_product),
    nn.CosineDistance: _call(tables.cosine_distance),
    nn.SplitTable: _call(tables.split_table, "dimension", "nInputDims"),
    nn.JoinTable: _call(tables.join_table, "dimension", "nInputDims"),
    nn.NarrowTable: _call(tables.narrow_table, "offset", "length"),
    nn.FlattenTable: _call(tables.flatten_table),
    nn.CAddTable: _call(tables.add_table),
    nn.CSubTable: _call(tables.sub_table),
    nn.CMulTable: _call(tables.mul_table),
    nn.CDivTable: _call(tables.div_table),
    nn.CMaxTable: _call(tables.max_table),
    nn.CMinTable: _call(tables.min_table),
    nn.ZipTable: _call(tables.zip_table),
    nn.ZipTableOneToMany: _call(tables.zip_one_to_many),
    nn.CAddTensorTable: _call(tables.add_tensor_table),
    nn.MixtureTable: _call(tables.mixture_table, "dim"),
    nn.Concat: _concat(tables.join_table),
    nn.DepthConcat: _concat(tables.depth_concat),
    nn.LayerNormalization: _layer_normalization,
    nn.MapTable: _map_table,
    nn.Parallel: _parallel,
    nn.Bottle: _bottle,
    rnn.Unroll: _unroll,
    Reverse: _call(torch.flip, ((0,),)),
}
CALLS[nn.Mean] = CALLS[nn.Sum]
