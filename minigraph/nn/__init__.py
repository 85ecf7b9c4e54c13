"""Torch7's ``nn`` and nngraph's ``gModule``, under Torch's names."""

from minigraph.nn.container import Container
from minigraph.nn.containers import Bottle, Concat, DepthConcat, Parallel, Sequential
from minigraph.nn.criterions.classification import ClassNLLCriterion, CrossEntropyCriterion
from minigraph.nn.criterions.criterion import Criterion, ModuleFromCriterion
from minigraph.nn.criterions.regression import BCECriterion, MSECriterion
from minigraph.nn.decorators import Decorator, DontCast, NaN, PrintSize, Profile
from minigraph.nn.gmodule import gModule
from minigraph.nn.identity import Identity, JustElement, JustTable
from minigraph.nn.module import Module
from minigraph.nn.simple.arithmetic import Add, AddConstant, CAdd, CMul, Mul, MulConstant
from minigraph.nn.simple.dropout import Dropout
from minigraph.nn.simple.linear import Linear
from minigraph.nn.simple.lookup import LookupTable, OneHot
from minigraph.nn.simple.shape import Narrow, Replicate, Reshape, Select, View
from minigraph.nn.table.arithmetic import (
    CAddTable,
    CDivTable,
    CMaxTable,
    CMinTable,
    CMulTable,
    CSubTable,
)
from minigraph.nn.table.containers import ConcatTable, MapTable, ParallelTable
from minigraph.nn.table.structure import (
    FlattenTable,
    JoinTable,
    NarrowTable,
    SelectTable,
    SplitTable,
)
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
    "Abs", "Add", "AddConstant", "BCECriterion", "Bottle", "CAdd", "CAddTable", "CDivTable",
    "CMaxTable", "CMinTable", "CMul", "CMulTable", "CReLU", "CSubTable", "Clamp",
    "ClassNLLCriterion", "Concat", "ConcatTable", "Container", "Criterion", "CrossEntropyCriterion",
    "Decorator", "DepthConcat", "DontCast", "Dropout", "ELU", "Exp", "FlattenTable",
    "GatedLinearUnit", "GradientReversal", "HardShrink", "HardTanh", "Identity", "JoinTable",
    "JustElement", "JustTable", "LeakyReLU", "Linear", "Log", "LogSigmoid", "LogSoftMax",
    "LookupTable", "MSECriterion", "MapTable", "Module", "ModuleFromCriterion", "Mul",
    "MulConstant", "NaN", "Narrow", "NarrowTable", "OneHot", "PReLU", "Parallel", "ParallelTable",
    "Power", "PrintSize", "Profile", "RReLU", "ReLU", "ReLU6", "Replicate", "Reshape", "Select",
    "SelectTable", "Sequential", "Sigmoid", "SoftMax", "SoftMin", "SoftPlus", "SoftShrink",
    "SoftSign", "SpatialLogSoftMax", "SpatialSoftMax", "SplitTable", "Sqrt", "Square", "Tanh",
    "TanhShrink", "Threshold", "View", "gModule",
]
