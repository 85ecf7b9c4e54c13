"""How the fields of some classes become attributes: other forms, older versions.

Each ``load_…(module, fields, record)`` changes the fields before they become attributes, each
``finish_…(module, record)`` completes a module that has them.

Source: https://github.com/torch/nn, the versions of each file
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files.t7.types import NAMES

Fields = dict[str, Any]


def _array(module: Any, name: str, record: Any, *ranks: int) -> np.ndarray:
    """Return an attribute that must be a tensor of one of these ranks."""
    value = getattr(module, name, None)
    if not isinstance(value, np.ndarray) or value.ndim not in ranks:
        raise T7Error(f"{record.class_name} has no {name} of {ranks} dimensions", record.offset)
    return value


def load_batch(module: Any, fields: Fields, record: Any) -> None:
    """Version 1 stored the inverse of the deviation."""
    if record.version < 2 and isinstance(fields.get("running_std"), np.ndarray):
        std = fields.pop("running_std")
        fields["running_var"] = std ** -2.0 - fields.get("eps", 1e-5)
    fields.setdefault("affine", fields.get("weight") is not None)


def load_convolution(module: Any, fields: Fields, record: Any) -> None:
    """Old files have one ``padding`` for both directions and the weight as a matrix."""
    padding = fields.pop("padding", None)
    if padding is not None:
        fields.setdefault("padW", padding)
        fields.setdefault("padH", padding)
    planes = [fields.get(name) for name in ("nOutputPlane", "nInputPlane", "kH", "kW")]
    for name in ("weight", "gradWeight"):
        value = fields.get(name)
        if isinstance(value, np.ndarray) and value.ndim == 2:
            fields[name] = value.reshape(planes)


def load_lookup(module: Any, fields: Fields, record: Any) -> None:
    fields.setdefault("paddingValue", 0)
    fields["shouldScaleGradByFreq"] = bool(fields.get("shouldScaleGradByFreq", False))


def load_crelu(module: Any, fields: Fields, record: Any) -> None:
    fields.setdefault("nInputDims", 3)  # its first version knew planes only
    fields.setdefault("inplace", False)


def load_transpose(module: Any, fields: Fields, record: Any) -> None:
    fields["permutations"] = [tuple(pair) for pair in fields.get("permutations", [])]


def load_partial(module: Any, fields: Fields, record: Any) -> None:
    """Torch keeps the weight in a small network of its own."""
    network = fields.get("network")
    lookup = [found for found in getattr(network, "listModules", list)() if hasattr(found, "weight")]
    if len(lookup) != 1:
        raise T7Error("nn.PartialLinear without its network", record.offset)
    fields["weight"], fields["gradWeight"] = lookup[0].weight, lookup[0].gradWeight
    chosen = fields.pop("partition", None)
    if isinstance(chosen, np.ndarray) and not np.array_equal(chosen, fields.get("allcolumns", ())):
        rows = chosen.astype(np.int64) - 1
        if rows.ndim != 1 or rows.size and not 0 <= rows.min() <= rows.max() < len(lookup[0].weight):
            raise T7Error("nn.PartialLinear: its partition does not fit", record.offset)
        module.partition = rows


def load_copy(module: Any, fields: Fields, record: Any) -> None:
    for name, field in (("intype", "gradInput"), ("outtype", "output")):
        value = fields.get(field)
        dtype = value.dtype if isinstance(value, np.ndarray) else module.dtype
        setattr(module, name, f"torch.{NAMES[dtype]}Tensor")
    module.dontCast = bool(fields.pop("dontCast", False))
    # A Copy that copies nothing stores a function of its own in place of updateOutput.
    module.passes = "updateOutput" in fields
    for name in ("updateOutput", "updateGradInput"):
        fields.pop(name, None)


def load_weights(module: Any, fields: Fields, record: Any) -> None:
    """MultiCriterion keeps its weights in a storage."""
    if isinstance(fields.get("weights"), np.ndarray):
        fields["weights"] = fields["weights"].tolist()


def load_shuffle(module: Any, fields: Fields, record: Any) -> None:
    if "upscaleFactor" in fields:
        fields["scaleFactor"] = fields.pop("upscaleFactor")
        fields.pop("upscaleFactorSquared", None)
    fields.setdefault("upscale", True)


def load_margins(module: Any, fields: Fields, record: Any) -> None:
    """Its first version was a Sigmoid and a BCECriterion."""
    nll = fields.get("nll")
    if nll is not None:
        fields.setdefault("weights", getattr(nll, "weights", None))
        fields.setdefault("sizeAverage", getattr(nll, "sizeAverage", True))


def load_dropout(module: Any, fields: Fields, record: Any) -> None:
    module.train = bool(fields.get("train", False))


def load_parallel(module: Any, fields: Fields, record: Any) -> None:
    fields["repeatTarget"] = bool(fields.get("repeatTarget", False))


def finish_convert(module: Any, record: Any) -> None:
    made = nn.Convert(module.inputShape, module.outputShape)
    module._axes = made._axes


def finish_matrix(module: Any, record: Any) -> None:
    _array(module, "weight", record, 2)


def finish_weight_norm(module: Any, record: Any) -> None:
    """Newer files leave the inner module's weight out: it follows from v and g."""
    inner = module.modules[0]
    v, g = _array(module, "v", record, 2), _array(module, "g", record, 1, 2)
    module.g = g.reshape(-1)
    module.gradG = np.zeros_like(module.g) if module.gradG is None else module.gradG.reshape(-1)
    if module.gradV is None or module.gradV.shape != v.shape:
        module.gradV = np.zeros_like(v)
    if not isinstance(getattr(inner, "weight", None), np.ndarray):
        raise T7Error("nn.WeightNorm: the weight of its module is not in the file", record.offset)
