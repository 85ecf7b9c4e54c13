"""How the fields of some classes become attributes: other forms, older versions.

Each ``load_…(module, fields, record, limits)`` changes the fields before they become attributes, each
``finish_…(module, record, limits)`` completes a module that has them.

Source: https://github.com/torch/nn, the versions of each file
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files.t7.limits import Limits
from minigraph.files.t7.types import NAMES

Fields = dict[str, Any]


def _array(module: Any, name: str, record: Any, *ranks: int) -> np.ndarray:
    """Return an attribute that must be a tensor of one of these ranks."""
    value = getattr(module, name, None)
    if not isinstance(value, np.ndarray) or value.ndim not in ranks:
        raise T7Error(f"{record.class_name} has no {name} of {ranks} dimensions", record.offset)
    return value


def load_batch(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """Version 1 stored the inverse of the deviation."""
    if record.version < 2 and isinstance(fields.get("running_std"), np.ndarray):
        std = fields.pop("running_std")
        eps = float(fields.get("eps", 1e-5))
        fields["running_var"] = limits.derived(f"variance {eps}", std, lambda a: a**-2.0 - eps)
    fields.setdefault("affine", fields.get("weight") is not None)


def load_convolution(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """Old files have one ``padding`` for both directions and the weight as a matrix."""
    padding = fields.pop("padding", None)
    if padding is not None:
        fields.setdefault("padW", padding)
        fields.setdefault("padH", padding)
    planes: Any = [fields.get(name) for name in ("nOutputPlane", "nInputPlane", "kH", "kW")]
    for name in ("weight", "gradWeight"):
        value = fields.get(name)
        if isinstance(value, np.ndarray) and value.ndim == 2:
            fields[name] = limits.derived(f"{planes}", value, lambda a: a.reshape(planes))


def load_lookup(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    fields.setdefault("paddingValue", 0)
    fields["shouldScaleGradByFreq"] = bool(fields.get("shouldScaleGradByFreq", False))


def load_crelu(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    fields.setdefault("nInputDims", 3)  # its first version knew planes only
    fields.setdefault("inplace", False)


def load_cross_entropy(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """What was set at nll counts, unless sizeAverage was set after the last pass."""
    mean = fields.pop("sizeAverage", None)
    if mean != fields.pop("oldSizeAverage", mean):
        fields["nll"].sizeAverage = mean


def load_transpose(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    pairs = fields.get("permutations", [])
    if len(pairs) > 64 or any(len(pair) != 2 for pair in pairs):
        raise T7Error("nn.Transpose: its permutations are no pairs", record.offset)
    fields["permutations"] = [tuple(pair) for pair in pairs]


def load_partial(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """Torch keeps the weight in a small network of its own."""
    network: Any = fields.get("network")
    lookup = network.modules[0].modules[1]
    fields["weight"], fields["gradWeight"] = lookup.weight, lookup.gradWeight
    chosen = fields.pop("partition", None)
    if isinstance(chosen, np.ndarray) and not np.array_equal(chosen, fields.get("allcolumns", ())):
        rows = limits.derived("rows", chosen, lambda a: a.astype(np.int64) - 1)
        if rows.ndim != 1 or rows.size and not 0 <= rows.min() <= rows.max() < len(lookup.weight):
            raise T7Error("nn.PartialLinear: its partition does not fit", record.offset)
        module.partition = rows


def load_copy(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    for name, field in (("intype", "gradInput"), ("outtype", "output")):
        value = fields.get(field)
        dtype = value.dtype if isinstance(value, np.ndarray) else module.dtype
        setattr(module, name, f"torch.{NAMES[dtype]}Tensor")
    module.dontCast = bool(fields.pop("dontCast", False))
    # A Copy that copies nothing stores a function of its own in place of updateOutput.
    passes = fields.pop("passes", False) is True
    module.passes = "updateOutput" in fields or passes and module.intype == module.outtype
    for name in ("updateOutput", "updateGradInput"):
        fields.pop(name, None)


def load_weights(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """MultiCriterion keeps its weights in a storage."""
    if isinstance(fields.get("weights"), np.ndarray):
        if fields["weights"].size > 4096:
            raise T7Error("nn.MultiCriterion of too many weights", record.offset)
        fields["weights"] = fields["weights"].tolist()


def load_shuffle(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    if "upscaleFactor" in fields:
        fields["scaleFactor"] = fields.pop("upscaleFactor")
        fields.pop("upscaleFactorSquared", None)
    fields.setdefault("upscale", True)


def load_margins(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """Its first version was a Sigmoid and a BCECriterion."""
    nll = fields.get("nll")
    if nll is not None:
        fields.setdefault("weights", getattr(nll, "weights", None))
        fields.setdefault("sizeAverage", getattr(nll, "sizeAverage", True))


def load_dropout(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """What a file does not say is nil to Torch: evaluation, and the first version's scaling."""
    module.train = bool(fields.get("train", False))
    if isinstance(module, nn.Dropout):
        fields.setdefault("v2", False)


def load_noise(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    module.train = fields.get("train", True) is not False


def load_upsampling(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    for name in ("inputSize", "outputSize"):
        fields[name] = [int(size) for size in fields.get(name, [0] * 5)[:5]]


def load_parallel(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    fields["repeatTarget"] = bool(fields.get("repeatTarget", False))


def load_layer_norm(module: Any, fields: Fields, record: Any, limits: Limits) -> None:
    """The number of outputs stands at the layer that repeats the means."""
    fields["nOutput"] = fields["modules"][0].modules[1].modules[1].nfeatures


def finish_convert(module: Any, record: Any, limits: Limits) -> None:
    made = nn.Convert(module.inputShape, module.outputShape)
    module._axes = made._axes


def finish_joining(module: Any, record: Any, limits: Limits) -> None:
    """Its messages tell the constructor's arguments."""
    names = ("dimension", "inputDimension", "outputDimension")
    module._arguments = (tuple(vars(module)[name] for name in names if name in vars(module)), {})


def finish_map(module: Any, record: Any, limits: Limits) -> None:
    """In the file its copies have tensors of their own on the storages of the first."""
    for copied in module.modules[1:] if module.shared else ():
        copied.share(module.modules[0], "weight", "bias", "gradWeight", "gradBias")


def finish_matrix(module: Any, record: Any, limits: Limits) -> None:
    if "weight" in vars(module):
        _array(module, "weight", record, 2)


def finish_weight_norm(module: Any, record: Any, limits: Limits) -> None:
    """Torch leaves the inner module's weight out: it follows from v and g."""
    inner: Any = module.modules[0]
    shape = vars(module).pop("weightSize", None)
    v, g = _array(module, "v", record, 2), _array(module, "g", record, 1, 2)
    module.g = g.reshape(-1, 1)
    module.gradG = limits.zeros(module.g) if module.gradG is None else module.gradG.reshape(-1, 1)
    if module.gradV is None or module.gradV.shape != v.shape:
        module.gradV = limits.zeros(v)
    if not isinstance(getattr(inner, "weight", None), np.ndarray):
        if not isinstance(shape, tuple) or math.prod(shape) != v.size or min(shape) < 0:
            raise T7Error("nn.WeightNorm: the weight of its module is not in the file", record.offset)
        inner.weight, inner.gradWeight = np.empty(shape, v.dtype), np.zeros(shape, v.dtype)
        module.updateWeight()
