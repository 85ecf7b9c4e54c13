"""Torch7's ``nn`` and nngraph's ``gModule``, under Torch's names."""

from minigraph.nn.container import Container
from minigraph.nn.containers import Bottle, Concat, DepthConcat, Parallel, Sequential
from minigraph.nn.convolution.connection import (
    SpatialConvolutionMap,
    SpatialFullConvolutionMap,
    tables,
)
from minigraph.nn.convolution.dense import (
    SpatialConvolution,
    SpatialConvolutionMM,
    SpatialDilatedConvolution,
    VolumetricConvolution,
    VolumetricDilatedConvolution,
)
from minigraph.nn.convolution.depthwise import SpatialDepthWiseConvolution
from minigraph.nn.convolution.full import SpatialFullConvolution, VolumetricFullConvolution
from minigraph.nn.convolution.gathered import (
    SpatialAdaptiveMaxPooling,
    SpatialFractionalMaxPooling,
    VolumetricFractionalMaxPooling,
)
from minigraph.nn.convolution.local import SpatialConvolutionLocal
from minigraph.nn.convolution.padding import (
    SpatialReflectionPadding,
    SpatialReplicationPadding,
    SpatialZeroPadding,
    VolumetricReplicationPadding,
)
from minigraph.nn.convolution.pooling_average import (
    SpatialAveragePooling,
    SpatialSubSampling,
    VolumetricAveragePooling,
)
from minigraph.nn.convolution.pooling_lp import FeatureLPPooling, SpatialLPPooling
from minigraph.nn.convolution.pooling_max import (
    SpatialDilatedMaxPooling,
    SpatialMaxPooling,
    VolumetricDilatedMaxPooling,
    VolumetricMaxPooling,
)
from minigraph.nn.convolution.pooling_temporal import TemporalDynamicKMaxPooling, TemporalMaxPooling
from minigraph.nn.convolution.separable import SpatialAdaptiveAveragePooling
from minigraph.nn.convolution.temporal import (
    TemporalConvolution,
    TemporalRowConvolution,
    TemporalSubSampling,
)
from minigraph.nn.convolution.unpooling import SpatialMaxUnpooling, VolumetricMaxUnpooling
from minigraph.nn.convolution.upsampling import (
    PixelShuffle,
    SpatialUpSamplingBilinear,
    SpatialUpSamplingNearest,
    UpSampling,
)
from minigraph.nn.criterions.classification import (
    ClassNLLCriterion,
    CrossEntropyCriterion,
    SpatialClassNLLCriterion,
)
from minigraph.nn.criterions.composite import (
    CriterionTable,
    ModuleCriterion,
    MultiCriterion,
    ParallelCriterion,
)
from minigraph.nn.criterions.criterion import Criterion, ModuleFromCriterion
from minigraph.nn.criterions.embedding import (
    CosineEmbeddingCriterion,
    DistanceRatioCriterion,
    HingeEmbeddingCriterion,
    L1HingeEmbeddingCriterion,
    MarginRankingCriterion,
)
from minigraph.nn.criterions.margin import (
    MarginCriterion,
    MultiLabelMarginCriterion,
    MultiMarginCriterion,
    SoftMarginCriterion,
)
from minigraph.nn.criterions.regression import (
    AbsCriterion,
    BCECriterion,
    DistKLDivCriterion,
    L1Cost,
    MSECriterion,
    MultiLabelSoftMarginCriterion,
    SmoothL1Criterion,
    SpatialAutoCropMSECriterion,
    WeightedMSECriterion,
)
from minigraph.nn.criterions.simplex import ClassSimplexCriterion
from minigraph.nn.decorators import GPU, Decorator, DontCast, NaN, PrintSize, Profile
from minigraph.nn.gmodule import gModule
from minigraph.nn.identity import Identity, JustElement, JustTable
from minigraph.nn.module import Module
from minigraph.nn.normalisation.batch import (
    BatchNormalization,
    SpatialBatchNormalization,
    VolumetricBatchNormalization,
)
from minigraph.nn.normalisation.contrastive import (
    SpatialContrastiveNormalization,
    SpatialDivisiveNormalization,
    SpatialSubtractiveNormalization,
)
from minigraph.nn.normalisation.layer import LayerNormalization
from minigraph.nn.normalisation.lrn import SpatialCrossMapLRN
from minigraph.nn.normalisation.norm import Normalize
from minigraph.nn.simple.arithmetic import Add, AddConstant, CAdd, CMul, Mul, MulConstant
from minigraph.nn.simple.bilinear import Bilinear
from minigraph.nn.simple.constant import Constant, L1Penalty, WhiteNoise, ZeroGrad
from minigraph.nn.simple.conversion import Convert, Copy
from minigraph.nn.simple.dimensions import (
    Collapse,
    Contiguous,
    Padding,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from minigraph.nn.simple.distances import Cosine, Euclidean, WeightedEuclidean
from minigraph.nn.simple.dropout import Dropout, SpatialDropout, VolumetricDropout
from minigraph.nn.simple.indexing import Index, MaskedSelect
from minigraph.nn.simple.indexlinear import IndexLinear
from minigraph.nn.simple.kmeans import Kmeans
from minigraph.nn.simple.linear import Linear
from minigraph.nn.simple.lookup import LookupTable, OneHot
from minigraph.nn.simple.matrix import MM, MV
from minigraph.nn.simple.maxout import Maxout
from minigraph.nn.simple.partial import PartialLinear
from minigraph.nn.simple.reduction import Max, Mean, Min, Sum
from minigraph.nn.simple.shape import Narrow, Replicate, Reshape, Select, View
from minigraph.nn.simple.sparse import SparseLinear
from minigraph.nn.simple.weightnorm import LinearWeightNorm, WeightNorm
from minigraph.nn.table.arithmetic import (
    CAddTable,
    CDivTable,
    CMaxTable,
    CMinTable,
    CMulTable,
    CSubTable,
)
from minigraph.nn.table.containers import ConcatTable, MapTable, ParallelTable
from minigraph.nn.table.mixture import MixtureTable
from minigraph.nn.table.pairs import CosineDistance, DotProduct, PairwiseDistance
from minigraph.nn.table.structure import (
    FlattenTable,
    JoinTable,
    NarrowTable,
    SelectTable,
    SplitTable,
)
from minigraph.nn.table.zipping import CAddTensorTable, ZipTable, ZipTableOneToMany
from minigraph.nn.training import StochasticGradient
from minigraph.nn.transfer.gates import GatedLinearUnit, GradientReversal
from minigraph.nn.transfer.pointwise import (
    ELU,
    Abs,
    Clamp,
    Exp,
    HardShrink,
    HardTanh,
    LeakyReLU,
    Log,
    LogSigmoid,
    Power,
    ReLU,
    ReLU6,
    Sigmoid,
    SoftPlus,
    SoftShrink,
    SoftSign,
    Sqrt,
    Square,
    Tanh,
    TanhShrink,
    Threshold,
)
from minigraph.nn.transfer.rectifiers import CReLU, PReLU, RReLU
from minigraph.nn.transfer.softmax import (
    LogSoftMax,
    SoftMax,
    SoftMin,
    SpatialLogSoftMax,
    SpatialSoftMax,
)

__all__ = [
    "Abs", "AbsCriterion", "Add", "AddConstant", "BCECriterion", "BatchNormalization", "Bilinear",
    "Bottle", "CAdd", "CAddTable", "CAddTensorTable", "CDivTable", "CMaxTable", "CMinTable", "CMul",
    "CMulTable", "CReLU", "CSubTable", "Clamp", "ClassNLLCriterion", "ClassSimplexCriterion",
    "Collapse", "Concat", "ConcatTable", "Constant", "Container", "Contiguous", "Convert", "Copy",
    "Cosine", "CosineDistance", "CosineEmbeddingCriterion", "Criterion", "CriterionTable",
    "CrossEntropyCriterion", "Decorator", "DepthConcat", "DistKLDivCriterion",
    "DistanceRatioCriterion", "DontCast", "DotProduct", "Dropout", "ELU", "Euclidean", "Exp",
    "FeatureLPPooling", "FlattenTable", "GPU", "GatedLinearUnit", "GradientReversal", "HardShrink",
    "HardTanh", "HingeEmbeddingCriterion", "Identity", "Index", "IndexLinear", "JoinTable",
    "JustElement", "JustTable", "Kmeans", "L1Cost", "L1HingeEmbeddingCriterion", "L1Penalty",
    "LayerNormalization", "LeakyReLU", "Linear", "LinearWeightNorm", "Log", "LogSigmoid",
    "LogSoftMax", "LookupTable", "MM", "MSECriterion", "MV", "MapTable", "MarginCriterion",
    "MarginRankingCriterion", "MaskedSelect", "Max", "Maxout", "Mean", "Min", "MixtureTable",
    "Module", "ModuleCriterion", "ModuleFromCriterion", "Mul", "MulConstant", "MultiCriterion",
    "MultiLabelMarginCriterion", "MultiLabelSoftMarginCriterion", "MultiMarginCriterion", "NaN",
    "Narrow", "NarrowTable", "Normalize", "OneHot", "PReLU", "Padding", "PairwiseDistance",
    "Parallel", "ParallelCriterion", "ParallelTable", "PartialLinear", "PixelShuffle", "Power",
    "PrintSize", "Profile", "RReLU", "ReLU", "ReLU6", "Replicate", "Reshape", "Select",
    "SelectTable", "Sequential", "Sigmoid", "SmoothL1Criterion", "SoftMarginCriterion", "SoftMax",
    "SoftMin", "SoftPlus", "SoftShrink", "SoftSign", "SparseLinear",
    "SpatialAdaptiveAveragePooling", "SpatialAdaptiveMaxPooling", "SpatialAutoCropMSECriterion",
    "SpatialAveragePooling", "SpatialBatchNormalization", "SpatialClassNLLCriterion",
    "SpatialContrastiveNormalization", "SpatialConvolution", "SpatialConvolutionLocal",
    "SpatialConvolutionMM", "SpatialConvolutionMap", "SpatialCrossMapLRN",
    "SpatialDepthWiseConvolution", "SpatialDilatedConvolution", "SpatialDilatedMaxPooling",
    "SpatialDivisiveNormalization", "SpatialDropout", "SpatialFractionalMaxPooling",
    "SpatialFullConvolution", "SpatialFullConvolutionMap", "SpatialLPPooling", "SpatialLogSoftMax",
    "SpatialMaxPooling", "SpatialMaxUnpooling", "SpatialReflectionPadding",
    "SpatialReplicationPadding", "SpatialSoftMax", "SpatialSubSampling",
    "SpatialSubtractiveNormalization", "SpatialUpSamplingBilinear", "SpatialUpSamplingNearest",
    "SpatialZeroPadding", "SplitTable", "Sqrt", "Square", "Squeeze", "StochasticGradient", "Sum",
    "Tanh", "TanhShrink", "TemporalConvolution", "TemporalDynamicKMaxPooling", "TemporalMaxPooling",
    "TemporalRowConvolution", "TemporalSubSampling", "Threshold", "Transpose", "Unsqueeze",
    "UpSampling", "View", "VolumetricAveragePooling", "VolumetricBatchNormalization",
    "VolumetricConvolution", "VolumetricDilatedConvolution", "VolumetricDilatedMaxPooling",
    "VolumetricDropout", "VolumetricFractionalMaxPooling", "VolumetricFullConvolution",
    "VolumetricMaxPooling", "VolumetricMaxUnpooling", "VolumetricReplicationPadding", "WeightNorm",
    "WeightedEuclidean", "WeightedMSECriterion", "WhiteNoise", "ZeroGrad", "ZipTable",
    "ZipTableOneToMany", "gModule", "tables",
]


def __dir__() -> list[str]:
    return __all__
