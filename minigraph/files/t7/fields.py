"""What Torch stores of a module: its class name and the table of its fields."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph.errors import T7Error
from minigraph.files.registry import class_named
from minigraph.files.t7.activations import SLOTS, as_written
from minigraph.files.t7.layouts import Layout, layout_of
from minigraph.files.t7.nodes import NodeWriter
from minigraph.files.t7.values import KEPT, Storage
from minigraph.nn import Criterion, gModule
from minigraph.nn.state import State
from minigraph.rnn import Unroll

_PRIVATE = ("dtype", "output", "gradInput", "observers", "nOutputs")
# What a user may set at a module, with a default at the class: Torch's constructors store it.
_SETTINGS = ("sizeAverage", "ceil_mode", "count_include_pad", "divide", "weightDecay")
_NNGRAPH = {"nn.JustElement": "nngraph.JustElement", "nn.JustTable": "nngraph.JustTable"}
# Classes whose constructor sets ``train``; for others it is a field once training() or evaluate() ran.
_TRAINED = (
    "nn.BatchNormalization", "nn.SpatialBatchNormalization", "nn.VolumetricBatchNormalization",
    "nn.Dropout", "nn.SpatialDropout", "nn.VolumetricDropout", "nn.RReLU", "nn.WhiteNoise",
)


def class_and_fields(module: State, nodes: NodeWriter) -> tuple[str, dict[str, Any], int]:
    """Return Torch's class name of a module, its fields and the version of its class.

    Raises ``T7Error`` for a class that Torch7 cannot have and that was not registered.
    """
    name = module.typename()
    if isinstance(module, Unroll) or class_named(name) is not type(module):
        advice = (
            "it unrolls with clones of a step, as char-rnn does; write {'step': net.step, 'feedback': "
            "net.feedback}" if isinstance(module, Unroll)
            else "pass the class to mg.files.register if Torch7 has one of this name"
        )
        raise T7Error(f"Torch7 has no class for {type(module).__name__} ({module!r:.80}): {advice}")
    layout = layout_of(type(module))
    kept = vars(module).get(KEPT, {})
    fields: dict[str, Any] = {} if layout.save is None else dict(layout.save(module))
    fields.update({
        field: value for field, value in kept.get("fields", {}).items() if field not in layout.held
    })
    for attribute, only in layout.ignored.items():
        if getattr(module, attribute) != only:
            raise T7Error(
                f"{name} of Torch7 has no {attribute}: it would compute with {only!r} instead of "
                f"{getattr(module, attribute)!r}"
            )
    skipped = {
        *_PRIVATE, *getattr(module, "_buffers", ()), *layout.absent, *layout.buffers, *layout.ignored,
    }
    unsaid = kept.get("unsaid", {})
    for attribute, value in vars(module).items():
        if attribute in unsaid and value == unsaid[attribute]:
            continue
        if attribute[0] != "_" and attribute not in skipped and value is not None:
            fields[layout.renamed.get(attribute, attribute)] = _field(value)
    for setting in _SETTINGS:
        if hasattr(module, setting) and setting not in skipped:
            fields[setting] = getattr(module, setting)
    if name in _TRAINED:
        fields["train"] = module.train  # type: ignore[attr-defined]
    _add_activations(module, fields, layout)
    if isinstance(module, gModule):
        fields.update(nodes.network(module))
    if not isinstance(module, Criterion):
        fields["_type"] = module._type
    stored = kept.get("class", "")
    if stored.startswith("cudnn.") or not stored:
        stored = _NNGRAPH.get(name, name)
    return stored, fields, vars(type(module)).get("_torchVersion", 1)


def _add_activations(module: State, fields: dict[str, Any], layout: Layout) -> None:
    """Add output and gradInput; where there is none, what the file had or the constructor makes."""
    for name in SLOTS:
        if name in layout.held:
            fields[name] = fields.pop(name)  # after what it is shared with
            continue
        first: Any = [] if isinstance(module, gModule) or name in layout.tables else np.empty(0, module.dtype)
        if isinstance(module, Criterion) and name == "output":
            first = 0
        if not isinstance(module, gModule) or name == "output" or module.gradInput is not None:
            fields[name] = as_written(module, name, fields.get(name, first))


def _field(value: Any) -> Any:
    """Return an attribute as Torch stores it: a tuple of sizes is a LongStorage."""
    if type(value) is tuple and all(type(entry) is int for entry in value):
        return np.array(value, np.int64).view(Storage)
    return value
