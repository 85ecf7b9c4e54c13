"""A converted network as two files that need only PyTorch: a state dict, and Python source for it."""

from __future__ import annotations

import inspect
import io
import re
import textwrap
from pathlib import Path
from typing import Any

import torch
import torch.fx

from minigraph.files.atomic import replacing, write_text
from minigraph.interop.names import Unique, identifier
from minigraph.interop.pytorch.exporter.export import to_torch
from minigraph.interop.pytorch.files.structure import check_replaceable, source_path, structure_lines
from minigraph.interop.pytorch.runtime import functions as torch_functions
from minigraph.interop.pytorch.runtime import loss_modules as torch_loss_modules
from minigraph.interop.pytorch.runtime import losses as torch_losses
from minigraph.interop.pytorch.runtime import modules as torch_modules
from minigraph.interop.pytorch.runtime import planes as torch_planes
from minigraph.interop.pytorch.runtime import pooling as torch_pooling
from minigraph.interop.pytorch.runtime import sparse as torch_sparse
from minigraph.interop.pytorch.runtime import tables as torch_tables

_PARTS = (
    torch_functions, torch_tables, torch_losses, torch_loss_modules, torch_modules, torch_pooling,
    torch_sparse, torch_planes,
)

_HEAD = '''"""A network written by minigraph as PyTorch: ``load()`` returns it with the weights of {weights}.

This file needs only PyTorch. ``Net`` is the network without its weights.
"""

from __future__ import annotations

import math
import os
from math import inf, nan

import torch

'''


def save_torch(net: Any, path: Any) -> tuple[Path, Path]:
    """See ``minigraph.interop.save_torch``."""
    module = to_torch(net)
    path = Path(path)
    source = source_path(path)
    check_replaceable(source, _HEAD)
    text = source_of(module, path.name) + structure_lines(net, module.state_dict(), path)
    weights = io.BytesIO()  # PyTorch does not say what the system said where it cannot write
    torch.save(module.state_dict(), weights)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(weights.getbuffer())
    write_text(source, text)
    return path, source


def source_of(module: Any, weights: str) -> str:
    """Return Python source of a GraphModule made by ``to_torch``, whose weights lie beside it."""
    writer = _Writer()
    writer.network(module, "Net")
    helpers = "\n\n".join(_body(inspect.getsource(part)) for part in _PARTS)
    aliases = "".join(f"{alias} = {name}\n" for alias, name in sorted(writer.aliases.items()))
    return "\n".join([
        _HEAD.format(weights=weights) + helpers, "", aliases, *writer.classes, _loader(module, weights)
    ])


def _body(source: str) -> str:
    """Return what follows the docstring and the imports of a file."""
    start = re.search(r"^(?:def|class|#) ?", source, re.M)
    assert start is not None
    return source[start.start() :].rstrip() + "\n"


class _Writer:
    def __init__(self) -> None:
        self.classes: list[str] = []
        self.aliases: dict[str, str] = {}
        self._names = Unique(lambda name: any(hasattr(part, name) for part in _PARTS))
        self._known: dict[int, str] = {}

    def network(self, module: Any, wanted: str) -> str:
        """Write the class of a GraphModule, after those of the networks inside; return its name."""
        if id(module) in self._known:
            return self._known[id(module)]
        lines = ["def __init__(self):", "    super().__init__()"]
        for name, layer in module.named_children():
            lines.append(f"    self.{name} = {self._made(layer)}")
            for field, buffer in layer._buffers.items():
                made = ("num_batches_tracked", *getattr(layer, "computed", ()))  # as the layer makes them
                if buffer is not None and field not in made:
                    kind = "" if buffer.is_floating_point() else f", dtype={buffer.dtype}"
                    lines.append(f"    self.{name}.{field} = torch.zeros({tuple(buffer.shape)}{kind})")
        code = module.graph.python_code("self")
        for alias, value in code.globals.items():
            if getattr(value, "__module__", "").startswith("minigraph."):
                self.aliases[alias] = value.__name__
        own = self._names(wanted)
        body = textwrap.indent("\n".join(lines) + "\n" + code.src.rstrip(), "    ")
        body = re.sub(r";  \w+ = (?:\w+ = )*None", "", body)
        body = re.sub(r"\n(?:\s*\n)+", "\n\n", body)
        self.classes.append(f"\nclass {own}(torch.nn.Module):\n{body}\n")
        self._known[id(module)] = own
        return own

    def _made(self, layer: Any) -> str:
        """Return the expression that makes a layer."""
        kind, arguments, more = layer.construction
        module = "torch.nn." if kind.__module__.startswith("torch.") else ""
        written = [self._written(argument) for argument in arguments]
        written += [f"{key}={self._written(argument)}" for key, argument in more.items()]
        return f"{module}{kind.__name__}({', '.join(written)})"

    def _written(self, argument: Any) -> str:
        if isinstance(argument, torch.fx.GraphModule):
            return f"{self.network(argument, identifier(argument._get_name()))}()"
        if isinstance(argument, list):
            return "[" + ", ".join(self._written(entry) for entry in argument) + "]"
        return repr(argument)


def _loader(module: Any, weights: str) -> str:
    """Return the function that makes the network, ties what is shared and loads the weights."""
    lines = [
        "", "def load(path=None):",
        '    """Return the network with its weights, of the file beside this one unless told."""',
        "    net = Net()",
    ]
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owner, _, field = name.rpartition(".")
        if id(parameter) in first:
            held, _, theirs = first[id(parameter)].rpartition(".")
            lines.append(
                f"    net.get_submodule({owner!r}).{field} = net.get_submodule({held!r}).{theirs}"
            )
        else:
            first[id(parameter)] = name
    tensors = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    if tensors:
        lines.append(f"    net.to({tensors[0].dtype})")
        for name, layer in module.named_modules():
            own = [t for t in (*layer._parameters.values(), *layer._buffers.values()) if t is not None]
            other = [t for t in own if t.is_floating_point() and t.dtype != tensors[0].dtype]
            if other:
                lines.append(f"    net.get_submodule({name!r}).to({other[0].dtype})")
    lines += [
        f"    path = path or os.path.join(os.path.dirname(os.path.abspath(__file__)), {weights!r})",
        "    net.load_state_dict(torch.load(path, weights_only=True))",
        f"    net.train({module.training})",
    ]
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            lines.append(f"    net.get_parameter({name!r}).requires_grad_(False)")
    for name, child in module.named_modules():
        if name and child.training != module.training and not list(child.children()):
            lines.append(f"    net.get_submodule({name!r}).train({child.training})")
    return "\n".join([*lines, "    return net", ""])
