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
from minigraph.nn.transfer.pointwise import ELU, ReLU, Sigmoid, SoftPlus, SoftSign, Tanh
from minigraph.nn.transfer.softmax import LogSoftMax, SoftMax

__all__ = [
    "Add", "AddConstant", "BCECriterion", "Bottle", "CAdd", "CAddTable", "CDivTable", "CMaxTable",
    "CMinTable", "CMul", "CMulTable", "CSubTable", "ClassNLLCriterion", "Concat", "ConcatTable",
    "Container", "Criterion", "CrossEntropyCriterion", "Decorator", "DepthConcat", "DontCast",
    "Dropout", "ELU", "FlattenTable", "Identity", "JoinTable", "JustElement", "JustTable",
    "Linear", "LogSoftMax", "LookupTable", "MSECriterion", "MapTable", "Module",
    "ModuleFromCriterion", "Mul", "MulConstant", "NaN", "Narrow", "NarrowTable", "OneHot",
    "Parallel", "ParallelTable", "PrintSize", "Profile", "ReLU", "Replicate", "Reshape", "Select",
    "SelectTable", "Sequential", "Sigmoid", "SoftMax", "SoftPlus", "SoftSign", "SplitTable",
    "Tanh", "View", "gModule",
]
