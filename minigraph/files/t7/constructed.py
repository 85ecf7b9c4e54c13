"""Fields that Torch's constructors make and our modules have no attribute for.

Torch reads and resizes them without asking whether they are there. Each ``save_…(module)``
returns fields by name.

Source: the constructors of https://github.com/torch/nn
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files.t7.activations import as_written
from minigraph.files.t7.values import Storage
from minigraph.nn.state import State
from minigraph.tensors import TENSOR_TYPES

Fields = dict[str, Any]


def empty(module: State, *shape: int) -> np.ndarray:
    """Return what ``torch.Tensor(...)`` makes: a tensor of the module's type."""
    return np.zeros(shape or (0,), module.dtype)


def sizes(*numbers: int) -> Storage:
    """Return a ``torch.LongStorage`` of these numbers."""
    return np.array(numbers, np.int64).view(Storage)


def longs() -> np.ndarray:
    """Return an empty ``torch.LongTensor``."""
    return np.empty(0, np.int64)


def save_lookup(module: Any) -> Fields:
    return {"_count": np.empty(0, np.int32), "_input": longs()}


def save_reshape(module: Any) -> Fields:
    return {"batchsize": sizes(0, *module.size)}


def save_nll(module: Any) -> Fields:
    return {
        "output_tensor": empty(module, 1), "total_weight_tensor": np.ones(1, module.dtype),
        "target": np.zeros(1, np.int64),
    }


def save_bottle(module: Any) -> Fields:
    return {
        "dimDelta": module.nInputDim - module.nOutputDim,
        "inShape": empty(module, module.nInputDim), "outShape": empty(module, module.nOutputDim),
    }


def save_partial(module: Any) -> Fields:
    lookup: Any = nn.LookupTable.__new__(nn.LookupTable)
    vars(lookup).update(
        weight=module.weight, gradWeight=module.gradWeight, paddingValue=0, maxNorm=None,
        normType=None, shouldScaleGradByFreq=False,
    )
    tables = nn.ParallelTable().add(nn.Identity()).add(lookup)
    columns = np.arange(1, module.outputsize + 1).astype(module.dtype)
    chosen = columns if module.partition is None else columns[module.partition]
    network = part(module, nn.Sequential().add(tables).add(nn.MM(False, True)))
    return {"network": network, "allcolumns": columns, "partition": chosen}


def save_crelu(module: Any) -> Fields:
    inner: nn.Container = nn.ConcatTable().add(nn.Identity()).add(nn.MulConstant(-1))
    parts = [inner, nn.JoinTable(2), nn.ReLU(module.inplace)]
    return {"modules": [part(module, entry) for entry in parts]}


def save_weight_norm(module: Any) -> Fields:
    inner = module.modules[0]
    fields: Fields = {
        "weightSize": sizes(*inner.weight.shape), "weight": inner.weight, "gradWeight": inner.gradWeight,
    }
    if module.bias is not None:
        fields |= {"bias": inner.bias, "gradBias": inner.gradBias}
    rows, rest = module.v.shape
    shape = list(inner.weight.shape)
    shape.insert(0, shape.pop(module.outputDim - 1))
    fields |= {"otherDims": rest, "viewIn": sizes(rows, rest), "viewOut": sizes(*shape)}
    return fields | {"_norm": empty(module, rows, 1), "_scale": empty(module, rows, 1)}


def save_convert(module: Any) -> Fields:
    """Torch makes the layer that converts at the first forward."""
    source, target = module.inputShape, module.outputShape
    fields: Fields = {
        "inputBatchDim": source.index("b") + 1, "outputBatchDim": target.index("b") + 1, "modules": [],
    }
    if source == "b*":
        return {**fields, "nInputDim": -1, "nOutputDim": -1, "transposition": True}
    fields |= {"nInputDim": len(source), "nOutputDim": len(target)}
    if len(source) == len(target):
        fields["transposition"] = set(source) == set(target)
    return fields


def save_criterion_table(module: Any) -> Fields:
    """Its gradient is a table of its criterion's, and that very tensor, from the first."""
    return {"gradInput": [as_written(module.criterion, "gradInput", empty(module))]}


def save_index_linear(module: Any) -> Fields:
    fields: Fields = {
        name: empty(module) for name in
        ("gradWeight", "gradWeightBuffer", "valuesBuffer", "normalizedValues")
    }
    running = {"cumSumSizes": [], "keys": [], "gradWeight": [], "counter": 1}
    return {
        **fields, "running": running, "sizesCache": [], "cumSumSizesCache": [],
    }


def save_copy(module: Any) -> Fields:
    """One that passes its input on has a Lua function for that in Torch; without it, it copies.

    The numbers are the same. ``passes`` is of no use to Torch: it says so to ``load_copy``.
    """
    fields: Fields = {
        "gradInput": np.empty(0, TENSOR_TYPES[module.intype]),
        "output": np.empty(0, TENSOR_TYPES[module.outtype]),
    }
    return {**fields, "passes": True} if module.passes else fields


def save_shuffle(module: Any) -> Fields:
    if not module.upscale:
        r = module.scaleFactor
        raise T7Error(
            "nn.PixelShuffle of Torch7 only goes up, upscale=False cannot be written; for input (B, C, H, W) "
            f"use nn.View(C, H/{r}, {r}, W/{r}, {r}).setNumInputDims(3), "
            "nn.Transpose([3, 4], [4, 6], [5, 6]) "
            f"and nn.View(C*{r * r}, H/{r}, W/{r}).setNumInputDims(5) one after the other"
        )
    return {"upscaleFactor": module.scaleFactor, "upscaleFactorSquared": module.scaleFactor**2}


def part(module: State, made: Any) -> Any:
    """Return a module that Torch builds into ``module``, in its type."""
    for inner in made.listModules():
        inner._setType(module._type)
    return made


def refused(reason: str) -> Callable[[Any], Fields]:
    """Return a ``save`` that raises T7Error."""
    def save(module: Any) -> Fields:
        raise T7Error(reason)

    return save


def made(**fields: Any) -> Callable[[Any], Fields]:
    """Return a ``save`` of fields that do not depend on the module; callables make a new value."""
    return lambda module: {
        name: value(module) if callable(value) else value for name, value in fields.items()
    }


def pair(module: Any) -> list[np.ndarray]:
    return [empty(module), empty(module)]


def no_sizes(module: Any) -> Storage:
    return sizes()


def no_entries(module: Any) -> list[Any]:
    """Return an empty table."""
    return []

