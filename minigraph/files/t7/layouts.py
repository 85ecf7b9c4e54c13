"""Class by class: how Torch stores a module where that differs from its attributes here.

Source: the constructors of https://github.com/torch/nn
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from minigraph import nn
from minigraph.files.t7.constructed import (
    empty,
    longs,
    made,
    no_entries,
    no_sizes,
    pair,
    part,
    refused,
    save_bottle,
    save_convert,
    save_copy,
    save_crelu,
    save_criterion_table,
    save_index_linear,
    save_lookup,
    save_nll,
    save_partial,
    save_reshape,
    save_shuffle,
    save_weight_norm,
    sizes,
)
from minigraph.files.t7.limits import Limits
from minigraph.files.t7.loading import (
    finish_convert,
    finish_joining,
    finish_map,
    finish_matrix,
    finish_weight_norm,
    load_batch,
    load_convolution,
    load_copy,
    load_crelu,
    load_cross_entropy,
    load_dropout,
    load_layer_norm,
    load_lookup,
    load_margins,
    load_noise,
    load_parallel,
    load_partial,
    load_shuffle,
    load_transpose,
    load_upsampling,
    load_weights,
)
from minigraph.files.t7.values import Storage

Fields = dict[str, Any]


class Layout(NamedTuple):
    """What is special about a class.

    ``renamed`` maps our attributes to Torch's fields, ``foreign`` are fields of Torch's that mean
    nothing here and are kept, ``derived`` such that follow from others and are made anew,
    ``buffers`` attributes that are not stored, ``optional`` attributes that are ``None`` where the
    file has no such field, ``absent`` attributes that Torch has no field for, ``ignored`` such that
    change the numbers, with the only value that Torch knows, ``tables`` the activations that start as
    a table, ``held`` those that Torch makes once and shares: as ``save`` says; ``needs`` what a module
    must have when all are complete. ``load(module, fields, record, limits)`` changes the fields before
    they become attributes, ``finish(module, record, limits)`` completes the module, ``save(module)`` returns
    fields that Torch needs besides the attributes (as its constructor makes them).
    """

    renamed: dict[str, str] = {}
    foreign: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ignored: dict[str, Any] = {}
    load: Optional[Callable[[Any, Fields, Any, Limits], None]] = None
    finish: Optional[Callable[[Any, Any, Limits], None]] = None
    save: Optional[Callable[[Any], Fields]] = None
    tables: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def _neighbourhood(name: str, last: type) -> Layout:
    """Return the layout of a layer that Torch ends with ``last``, in its field ``name``."""
    return Layout(derived=(name, "divider"), save=made(
        **{name: lambda module: part(module, last()), "divider": lambda module: part(module, nn.CDivTable())},
        coef=lambda module: np.ones((1, 1, 1), module.dtype),
    ))


_BIAS = ("bias", "gradBias")
_ALL = ("weight", "gradWeight", *_BIAS)
_DIMENSIONS = ("nInputDims",)
_WINDOW = ("padT", "padH", "padW", "dilationT", "dilationH", "dilationW")
_LAMBDA = Layout(renamed={"lambda_": "lambda"})
_NOISE = Layout(load=load_dropout, save=made(noise=empty), buffers=("noise",),
                absent=("v1", "stochasticInference"))
_CLASSES = Layout(optional=("weights",), save=save_nll,
                  foreign=("output_tensor", "total_weight_tensor", "target"))
_SAME_SIZE_PAIR = Layout(save=made(gradInput=pair))
_UPSAMPLING = Layout(foreign=("inputSize", "outputSize"), save=made(
    inputSize=lambda module: sizes(0, 0, 0, 0), outputSize=lambda module: sizes(0, 0, 0, 0)))
_GRADIENT = ("gradInput",)
_TABLE = Layout(tables=_GRADIENT)
_TABLES = Layout(tables=("output", "gradInput"))
_BATCH = Layout(optional=_ALL, load=load_batch, foreign=("running_std",))
_KERNEL = Layout(optional=_BIAS, load=load_convolution, absent=("dilationH", "dilationW"),
                 foreign=("finput", "fgradInput"))
_INDICES = made(indices=lambda module: longs())
_PLAIN_WINDOW = Layout(absent=("dilationH", "dilationW", "dilationT"))

LAYOUTS: dict[type, Layout] = {
    nn.Add: Layout(save=made(_ones=lambda module: np.ones(1, module.dtype))),
    nn.BCECriterion: Layout(optional=("weights",)),
    nn.BatchNormalization: _BATCH,
    nn.Bilinear: Layout(optional=_BIAS, save=made(gradInput=pair)),
    nn.Bottle: Layout(save=save_bottle, foreign=("dimDelta", "inShape", "outShape")),
    nn.CAddTable: _TABLE, nn.CSubTable: _TABLE, nn.CMulTable: _TABLE, nn.CDivTable: _TABLE,
    nn.CMaxTable: Layout(
        tables=_GRADIENT, save=made(maxIdx=empty, mask=empty, maxVals=empty, gradMaxVals=empty),
        foreign=("maxIdx", "mask", "maxVals", "gradMaxVals")),
    nn.CMinTable: Layout(
        tables=_GRADIENT, save=made(minIdx=empty, mask=empty, minVals=empty, gradMaxVals=empty),
        foreign=("minIdx", "mask", "minVals", "gradMaxVals")),
    nn.CAddTensorTable: _TABLE,
    nn.CReLU: Layout(load=load_crelu, save=save_crelu, derived=("modules",), foreign=("batched",)),
    nn.ClassNLLCriterion: _CLASSES,
    nn.SpatialClassNLLCriterion: _CLASSES._replace(ignored={"ignoreIndex": -100}),
    nn.Concat: Layout(
        finish=finish_joining, save=made(outputSize=no_sizes), foreign=("outputSize", "size")),
    nn.ConcatTable: Layout(tables=("output",)),
    nn.Constant: Layout(optional=("nInputDim",)),
    nn.Convert: Layout(
        finish=finish_convert, save=save_convert, foreign=("converter", "modules", "batchMode"),
        derived=("inputBatchDim", "outputBatchDim", "nInputDim", "nOutputDim", "transposition")),
    nn.Copy: Layout(load=load_copy, save=save_copy, absent=("intype", "outtype", "passes", "forceCopy")),
    nn.CosineDistance: _SAME_SIZE_PAIR,
    nn.CosineEmbeddingCriterion: _SAME_SIZE_PAIR,
    nn.CriterionTable: Layout(save=save_criterion_table, held=_GRADIENT),
    nn.CrossEntropyCriterion: Layout(
        load=load_cross_entropy, save=lambda module: {"oldSizeAverage": module.sizeAverage}),
    nn.ClassSimplexCriterion: Layout(
        save=lambda module: {"_target": empty(module, module.nClasses)}),
    nn.DotProduct: _SAME_SIZE_PAIR,
    nn.Dropout: _NOISE,
    nn.SpatialDropout: _NOISE,
    nn.VolumetricDropout: _NOISE,
    nn.Euclidean: Layout(save=made(fastBackward=True), foreign=("fastBackward",)),
    nn.FlattenTable: Layout(
        tables=("output", "gradInput"), save=made(input_map=no_entries), foreign=("input_map",)),
    nn.GatedLinearUnit: Layout(optional=("dim",)),
    nn.GradientReversal: _LAMBDA,
    nn.HardShrink: _LAMBDA,
    nn.SoftShrink: _LAMBDA,
    nn.Index: _SAME_SIZE_PAIR,
    nn.JustElement: _TABLE,
    nn.JustTable: Layout(tables=("output",)),
    nn.LayerNormalization: Layout(load=load_layer_norm, absent=("nOutput", "affine", "bias", "eps")),
    nn.IndexLinear: Layout(save=save_index_linear, absent=("gradWeight",), foreign=(
        "gradWeightBuffer", "valuesBuffer", "normalizedValues", "sizesCache", "cumSumSizesCache",
    ), derived=("running",)),
    nn.JoinTable: Layout(optional=_DIMENSIONS, save=made(size=no_sizes), foreign=("size",), tables=_GRADIENT),
    nn.L1HingeEmbeddingCriterion: _SAME_SIZE_PAIR,
    nn.Linear: Layout(optional=_BIAS, finish=finish_matrix, needs=("weight",), foreign=("addBuffer",)),
    nn.LinearWeightNorm: Layout(
        optional=_BIAS, foreign=("norm", "scale", "dirty", "addBuffer"), absent=("gradWeight",),
        save=lambda module: {"norm": np.zeros_like(module.g), "scale": np.zeros_like(module.g)},
    ),
    nn.LookupTable: Layout(
        optional=("maxNorm", "normType"), load=load_lookup, save=save_lookup,
        foreign=("size", "batchSize", "inputs", "nBackward", "copiedInput", "accUpdate", "fastBackward"),
    ),
    nn.MM: _SAME_SIZE_PAIR,
    nn.MV: _SAME_SIZE_PAIR,
    nn.MapTable: Layout(
        save=lambda module: {
            "module": module.modules[0] if module.modules else None,
            "sharedparams": ["weight", "bias", "gradWeight", "gradBias"],
        },
        finish=finish_map,
        derived=("module", "sharedparams"), tables=("output", "gradInput"),
    ),
    nn.MarginRankingCriterion: Layout(
        save=lambda module: {"gradInput": [empty(module, 1), empty(module, 1)]}),
    nn.MaskedSelect: Layout(save=made(
        _maskIndices=lambda module: longs(), _maskIndexBuffer=lambda module: longs(),
        _maskIndexBufferCPU=lambda module: np.empty(0, np.float32), _gradBuffer=empty,
        _gradMask=lambda module: np.empty(0, np.uint8),
    )),
    nn.Max: Layout(optional=_DIMENSIONS),
    nn.MixtureTable: Layout(
        optional=("dim",), tables=_GRADIENT,
        save=made(size=no_sizes, size2=no_sizes, batchSize=0, backwardSetup=False),
        foreign=("size", "size2", "batchSize", "backwardSetup")),
    nn.ModuleCriterion: Layout(optional=("inputModule", "targetModule")),
    nn.ModuleFromCriterion: Layout(
        save=made(gradInput=pair, output=lambda module: empty(module, 1))),
    nn.MultiCriterion: Layout(load=load_weights, save=lambda module: {
        "weights": np.array(module.weights, np.float64).view(Storage)}, absent=("weights",)),
    nn.MultiLabelSoftMarginCriterion: Layout(
        optional=("weights",), load=load_margins, derived=("lsm", "nll", "sigmoid"),
        save=made(sigmoid=lambda module: part(module, nn.Sigmoid()))),
    nn.MultiLabelMarginCriterion: Layout(save=made(isTarget=empty), foreign=("isTarget", "output_tensor")),
    nn.MultiMarginCriterion: Layout(optional=("weights",)),
    nn.NarrowTable: _TABLES,
    nn.Padding: Layout(optional=("nInputDim",), save=made(outputSize=no_sizes), foreign=("outputSize",)),
    nn.PairwiseDistance: Layout(
        save=made(diff=empty), tables=_GRADIENT, absent=("p",),
        foreign=("diff", "outExpand", "grad", "ones")),
    nn.Parallel: Layout(
        finish=finish_joining, save=made(totalOutputSize=no_sizes),
        foreign=("size", "totalOutputSize")),
    nn.ParallelCriterion: Layout(load=load_parallel, tables=_GRADIENT),
    nn.ParallelTable: _TABLES,
    nn.PartialLinear: Layout(
        optional=(*_BIAS, "partition"), load=load_partial, save=save_partial,
        derived=("network", "allcolumns"), foreign=("addBuffer", "buffer"),
        absent=("weight", "gradWeight", "partition")),
    nn.PixelShuffle: Layout(load=load_shuffle, save=save_shuffle, absent=("scaleFactor", "upscale")),
    nn.RReLU: Layout(save=made(noise=empty), buffers=("noise",), load=load_dropout),
    nn.Profile: Layout(save=refused(
        "Torch7 cannot store the clock of nn.Profile: write its module instead, profile.modules[0]")),
    nn.ReLU: Layout(save=made(threshold=0, val=0), foreign=("threshold", "val")),
    nn.ReLU6: Layout(ignored={"min_val": 0, "max_val": 6}),
    nn.Replicate: Layout(optional=("ndim",)),
    nn.Reshape: Layout(optional=("batchMode",), save=save_reshape, foreign=("batchsize",)),
    nn.SelectTable: _TABLE,
    nn.SoftPlus: Layout(save=made(threshold=20)),
    nn.SparseLinear: Layout(
        save=made(sparseUpdate=0), tables=_GRADIENT,
        foreign=("lastInput", "gradWeightBuffer", "formatted_input", "sparseUpdate")),
    nn.SpatialConvolution: _KERNEL,
    nn.SpatialConvolutionLocal: Layout(optional=_BIAS, absent=("dilationH", "dilationW"),
                                       foreign=("finput", "fgradInput")),
    nn.SpatialConvolutionMM: Layout(optional=_BIAS, absent=("dilationH", "dilationW"),
                                    foreign=("finput", "fgradInput")),
    nn.SpatialConvolutionMap: Layout(absent=_WINDOW),
    nn.SpatialDepthWiseConvolution: Layout(optional=_BIAS, absent=("dilationH", "dilationW"),
                                           foreign=("finput", "fgradInput")),
    nn.SpatialDilatedConvolution: Layout(optional=_BIAS, foreign=("finput", "fgradInput")),
    nn.SpatialFullConvolution: Layout(
        optional=_BIAS, absent=("dilationH", "dilationW"), save=made(ones=empty),
        foreign=("finput", "fgradInput", "ones", "buffer", "zeroScalar")),
    nn.SpatialFullConvolutionMap: Layout(absent=(*_WINDOW, "adjW", "adjH")),
    nn.SpatialFractionalMaxPooling: Layout(
        optional=("outW", "outH", "ratioW", "ratioH"), save=made(newRandomPool=False)),
    nn.SpatialAveragePooling: _PLAIN_WINDOW,
    nn.VolumetricAveragePooling: Layout(
        absent=("dilationH", "dilationW", "dilationT"),
        ignored={
            "padT": 0, "padH": 0, "padW": 0, "ceil_mode": False, "count_include_pad": True, "divide": True,
        }),
    nn.SpatialMaxPooling: _PLAIN_WINDOW._replace(save=_INDICES),
    nn.SpatialDilatedMaxPooling: Layout(save=_INDICES),
    nn.VolumetricMaxPooling: _PLAIN_WINDOW._replace(save=_INDICES),
    nn.VolumetricDilatedMaxPooling: Layout(save=_INDICES),
    nn.SpatialSubSampling: Layout(absent=_WINDOW),
    nn.SpatialSubtractiveNormalization: _neighbourhood("subtractor", nn.CSubTable),
    nn.SpatialDivisiveNormalization: _neighbourhood("normalizer", nn.CDivTable),
    nn.SpatialUpSamplingBilinear: _UPSAMPLING,
    nn.SpatialUpSamplingNearest: _UPSAMPLING,
    nn.SplitTable: Layout(optional=_DIMENSIONS),
    nn.Squeeze: Layout(optional=("dim", "numInputDims")),
    nn.Sum: Layout(optional=_DIMENSIONS),
    nn.TanhShrink: Layout(save=made(tanh=lambda module: part(module, nn.Tanh())), derived=("tanh",)),
    nn.TemporalMaxPooling: Layout(ignored={"ceil_mode": False}),
    nn.Transpose: Layout(load=load_transpose),
    nn.Unsqueeze: Layout(optional=("numInputDims",)),
    nn.UpSampling: Layout(
        absent=("inputSize", "outputSize"), load=load_upsampling, save=made(
            inputSize=lambda module: sizes(*module.inputSize),
            outputSize=lambda module: sizes(*module.outputSize))),
    nn.VolumetricConvolution: Layout(
        optional=_BIAS, absent=("dilationT", "dilationH", "dilationW"), foreign=("finput", "fgradInput")),
    nn.VolumetricDilatedConvolution: Layout(optional=_BIAS, foreign=("finput", "fgradInput")),
    nn.VolumetricFullConvolution: Layout(
        optional=_BIAS, absent=("dilationT", "dilationH", "dilationW"),
        save=made(finput=empty, fgradInput=empty, ones=empty), foreign=("finput", "fgradInput", "ones")),
    nn.VolumetricFractionalMaxPooling: Layout(
        optional=("outT", "outW", "outH", "ratioT", "ratioW", "ratioH"), save=made(newRandomPool=False)),
    nn.WeightNorm: Layout(
        optional=("gradV", "gradG"), finish=finish_weight_norm, save=save_weight_norm,
        derived=("weight", "gradWeight", "bias", "gradBias", "viewIn", "viewOut", "otherDims")),
    nn.WeightedEuclidean: Layout(save=made(fastBackward=True), foreign=("fastBackward",)),
    nn.WhiteNoise: _NOISE._replace(load=load_noise),
    nn.ZipTable: _TABLES,
    nn.ZipTableOneToMany: Layout(
        tables=("output", "gradInput"), save=made(gradInputEl=empty), foreign=("gradInputEl",)),
}

_PLAIN = Layout()


def layout_of(cls: type) -> Layout:
    """Return what is special about a class, from the nearest of its bases that is listed."""
    for base in cls.__mro__:
        if base in LAYOUTS:
            return LAYOUTS[base]
    return _PLAIN
