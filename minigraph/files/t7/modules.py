"""The fields of Torch's modules and the attributes of ours.

Most bear the same name. What differs is told here: fields that have another name or form, fields
that Torch needs and we do not, and attributes that old files lack. Torch's own scratch fields are
kept beside the module, so that a file that is loaded and saved again still has them.

Source: the constructors of https://github.com/torch/nn
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, Sequence

import numpy as np

from minigraph.errors import T7Error
from minigraph.files.registry import is_method
from minigraph.files.t7.activations import note_loaded
from minigraph.files.t7.layouts import layout_of
from minigraph.files.t7.limits import Limits
from minigraph.files.t7.reader import ObjectRecord
from minigraph.files.t7.types import TENSORS, cpu_type
from minigraph.files.t7.values import KEPT, Storage, UnknownObject
from minigraph.memory import Relocation
from minigraph.nn import Container, Criterion, Module, gModule
from minigraph.nn.state import State, replace_arrays
from minigraph.tables import leaves
from minigraph.tensors import TENSOR_TYPES

# Fields of a network that are made anew from its nodes.
WIRING = (
    "fg", "bg", "innode", "outnode", "forwardnodes", "backwardnodes", "nInputs", "modules", "verbose",
    "name",
)
_MOST_SIZES = 64


def complete(module: State, record: ObjectRecord, fields: Any, limits: Limits) -> None:
    """Give ``module``, which has no attributes yet, those that ``fields`` tell.

    ``fields`` is the table of ``record`` as a dict. Raises ``T7Error`` where it is none.
    """
    if not isinstance(fields, dict) and fields != []:
        raise T7Error(f"{record.class_name} holds no table of fields", record.offset)
    stored = {name: value for name, value in dict(fields).items() if isinstance(name, str)}
    layout = layout_of(type(module))
    name = stored.pop("_type", None)
    if not isinstance(name, str):
        name = _type_of_arrays(stored)
    name = cpu_type(name)
    if name in TENSOR_TYPES:
        module._type, module.dtype = name, TENSOR_TYPES[name]
    module._arguments = ((), {})
    if layout.load is not None:
        layout.load(module, stored, record, limits)
    ours = {torch: own for own, torch in layout.renamed.items()}
    buffers = {*getattr(module, "_buffers", ()), *layout.buffers}
    kept: dict[str, Any] = {}
    for attribute in buffers:
        setattr(module, attribute, None)
    for attribute, value in {**dict.fromkeys(layout.optional), **layout.ignored}.items():
        if getattr(module, attribute, None) is None:
            setattr(module, attribute, value)
    for field, value in stored.items():
        attribute = ours.get(field, field)
        if field in layout.derived:
            continue
        tree = limits.is_tree(value, record.offset)
        if attribute in ("output", "gradInput"):
            number = isinstance(value, (int, float)) and isinstance(module, Criterion)
            setattr(module, attribute, value if number else _activation(value) if tree else None)
            if tree and getattr(module, attribute) is None:
                kept[field] = value
        elif isinstance(module, gModule) and field in WIRING:
            continue
        elif (
            field[:1] == "_" or attribute in buffers or attribute in layout.foreign
            or is_method(type(module), attribute)
        ):
            kept.update({field: value} if tree else {})
        elif not field.isidentifier() or not tree:
            raise T7Error(f"{record.class_name} has a field {field!r:.80} that it cannot have", record.offset)
        else:
            setattr(module, attribute, _attribute(value, record))
    cls: Any = type(module)
    unsaid = {
        attribute: value for attribute, value in _defaults(cls).items()
        if attribute not in layout.absent and not hasattr(module, attribute)
    }
    vars(module).update(unsaid)
    if isinstance(module, Container) and not isinstance(module, gModule):
        _check_modules(module, record)
    if record.class_name != module.typename() or kept or unsaid:
        setattr(module, KEPT, {"class": record.class_name, "fields": kept, "unsaid": unsaid})
    if layout.finish is not None:
        layout.finish(module, record, limits)
    _add_gradients(module, limits)
    note_loaded(module)


@lru_cache(None)
def _defaults(cls: Any) -> dict[str, Any]:
    """Return what a layer of ours is where an older file does not say: its constructor's defaults."""
    if not cls.__module__.startswith("minigraph.nn"):
        return {}
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if type(p.default) in (bool, int, float)}


def _type_of_arrays(fields: dict[str, Any]) -> str:
    """Return the tensor type of a criterion, which does not store it: that of its gradInput."""
    arrays = [fields.get(name) for name in ("gradInput", "weights", "weight")]
    for leaf in (entry for value in arrays for entry in (value if isinstance(value, list) else [value])):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
            return next(name for name, dtype in TENSORS.items() if dtype == leaf.dtype)
    return "torch.DoubleTensor"


def _activation(value: Any) -> Any:
    """Return an output, or ``None`` where Torch keeps an empty tensor, an empty table or a number."""
    found = [leaf for _, leaf in leaves(value)] if not isinstance(value, dict) else []
    empty = [leaf for leaf in found if not isinstance(leaf, np.ndarray) or leaf.size == 0]
    return None if empty or not found else value


def _attribute(value: Any, record: ObjectRecord) -> Any:
    """Return a field as our modules hold it: a LongStorage of sizes is a tuple."""
    if isinstance(value, Storage) and value.dtype == np.int64:
        if value.size > _MOST_SIZES:
            raise T7Error(f"{record.class_name} has {value.size} sizes", record.offset)
        return tuple(value.tolist())
    return value


def _check_modules(module: Any, record: ObjectRecord) -> None:
    """Raise T7Error unless ``modules`` is a list of modules."""
    held = vars(module).setdefault("modules", [])
    wrong = f"{record.class_name} holds something else than modules"
    if not isinstance(held, list):
        raise T7Error(f"{wrong}: {held!r:.80}", record.offset)
    for number, entry in enumerate(held, 1):
        if isinstance(entry, UnknownObject) and not isinstance(entry, Module):
            raise T7Error(
                f"{wrong}: modules[{number}] is of the class {entry.class_name}, which is not known here and "
                "has none of a module's fields; mg.files.register takes a class of that name",
                record.offset,
            )
        if not isinstance(entry, Module):
            raise T7Error(f"{wrong}: modules[{number}] is {entry!r:.80}", record.offset)


def check_whole(module: State, record: ObjectRecord) -> None:
    """Raise T7Error where the file and what holds the module left out what it cannot run without."""
    for name in layout_of(type(module)).needs:
        if not hasattr(module, name):
            raise T7Error(f"{record.class_name} has no {name}", record.offset)


def _add_gradients(module: State, limits: Limits) -> None:
    """Make gradients of zeros for parameters that were stored without them."""
    for name, gradient in (("weight", "gradWeight"), ("bias", "gradBias")):
        value = vars(module).get(name)
        found = vars(module).get(gradient)
        if not hasattr(module, "parameters") or not isinstance(value, np.ndarray):
            continue
        if not isinstance(found, np.ndarray) or found.shape != value.shape:
            setattr(module, gradient, limits.zeros(value))


def settle_types(modules: Sequence[Any]) -> None:
    """Turn half-precision modules to float, the least that modules compute in."""
    half = [module for module in modules if getattr(module, "_type", "") == "torch.HalfTensor"]
    float32 = np.dtype(np.float32)
    replace_arrays(half, Relocation(lambda a: a.astype(float32), lambda a: a.dtype == np.float16))
    for module in half:
        module._setType("torch.FloatTensor")
