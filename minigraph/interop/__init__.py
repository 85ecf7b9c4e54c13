"""Other worlds: PyTorch (extra ``torch``), ONNX (extra ``onnx``), networkx and GraphML.

PyTorch and ONNX are imported when a function here needs them, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigraph.interop.extras import require
from minigraph.nesting import retold

__all__ = [
    "from_torch", "load_torch", "save_torch", "to_graphml", "to_networkx", "to_onnx", "to_torch",
]


def __dir__() -> list[str]:
    return __all__


@retold
def to_torch(net: Any) -> Any:
    """Return ``net`` as a ``torch.fx.GraphModule`` that gives the same numbers and can be trained.

    Layers that PyTorch has are ``torch.nn`` layers with copies of the parameters (what is shared
    stays shared), everything else is a call in the graph; names come from annotations. Call it as
    ``net.forward`` is called, with tensors of the network's dtype: ``module(x)``, or
    ``module([a, [b, c]])``, or ``module(a, [b, c])``. Tables are lists, in and out. Indices and
    classes still count from 1. Each layer keeps its ``training`` flag. An ``Unroll`` becomes a
    module that loops over as many time steps as it is given.

    Raises ``ConversionError`` that lists every module that cannot be converted and why, and
    ``MissingExtraError`` where PyTorch is not installed.
    """
    require("torch", "torch")
    from minigraph.interop.pytorch.exporter import export as torch_export

    return torch_export.to_torch(net)


@retold
def save_torch(net: Any, path: Any) -> tuple[Path, Path]:
    """Write ``net`` for someone who has only PyTorch; return the paths of the two files.

    ``path`` (``model.pt``) is a state dict, and next to it ``model.py`` is the source of the graph
    with all it needs: ``import model; net = model.load()``. ``load_torch`` reads both back. Errors
    as of ``to_torch``, and ``ArgumentError`` where ``model.py`` is a file of someone else, before
    anything is written.
    """
    require("torch", "torch")
    from minigraph.interop.pytorch.files import source as torch_source

    return torch_source.save_torch(net, path)


def load_torch(path: Any) -> Any:
    """Return the network that ``save_torch`` wrote to ``path`` and to the source beside it.

    The structure is in comments of the source, which is not executed; the numbers are those of the
    state dict, of which only tensors are read. So a module that was trained in PyTorch comes back
    with ``torch.save(module.state_dict(), path)``. Gradients are zero.

    Raises ``FormatError`` for a state dict without such a source, for one of another network and
    for a file that holds more than tensors, and ``MissingExtraError`` where PyTorch is not installed.
    """
    require("torch", "torch")
    from minigraph.interop.pytorch.files import structure as stored_structure

    return stored_structure.load_torch(path)


def from_torch(module: Any) -> Any:
    """Return a network that computes what a ``torch.nn.Module`` does, with copies of its parameters.

    Known are the layers of this package, ``Sequential`` of them, and modules made of them that
    ``torch.fx`` can trace: arithmetic, ``cat``, ``split``, ``chunk``, ``view``, indexing and the
    like. The network takes what the module takes (indices of an ``Embedding`` count from 0), in
    float32 or float64 as the module. ``LSTMCell``, ``GRUCell`` and ``RNNCell`` become one step as
    ``mg.rnn`` makes it: ``[x, prev_c1, prev_h1]`` to ``[next_c1, next_h1]`` (without the c but for an
    LSTM). ``LSTM``, ``GRU`` and ``RNN`` become an ``Unroll`` of it: sequences ``(T, B, D)`` and an
    initial state ``(B, H)`` for each layer, ``[xs, c1, h1, c2, h2]``, to all states stacked, the last
    of which is PyTorch's output. With ``batch_first`` sequences are ``(B, T, …)``; with two
    directions the states are ``c1, h1, c1_reverse, h1_reverse, c2, …`` and PyTorch's output is one
    output more, the last. Inside a traced module they take and return what PyTorch's do.

    Raises ``ConversionError`` that lists everything that cannot be converted and why, and
    ``MissingExtraError`` where PyTorch is not installed.
    """
    require("torch", "torch")
    from minigraph.interop.pytorch.importer import trace as torch_import

    return torch_import.from_torch(module)


@retold
def to_onnx(
    net: Any, path: Any, example_input: Any, *, dtype: Any = "float32", unrolled: bool = False
) -> Path:
    """Write ``net`` in evaluation as an ONNX file; return its path.

    ``example_input`` is what ``net.forward`` takes; its first dimension is the batch and stays
    free, all other sizes become fixed. An ``Unroll`` becomes a loop (ONNX's Scan) over any number
    of time steps, the batch comes after the time; ``unrolled=True`` writes the steps one by one
    instead, as many as the example has. ``dtype`` is what the file computes in, ``'float32'`` or
    ``'float64'``, whatever the network's own type. The file was checked by ``onnx.checker``, and
    where onnxruntime is installed run, and is written whole or not at all. Values are named after
    annotated nodes; a table is one input or output for each tensor: ``state_1``, ``state_2``, or
    ``input_2_1`` where nodes have no name.

    Raises ``ConversionError`` that lists every module that cannot be converted and why, before
    anything is written, and ``MissingExtraError`` where onnx is not installed.
    """
    require("onnx", "onnx")
    from minigraph.interop.onnx import export

    return export.to_onnx(net, path, example_input, dtype, unrolled)


@retold
def to_networkx(net: Any) -> Any:
    """Return the forward graph of a gModule for networkx, with what the last forward left.

    As ``net.fg.to_networkx()``; nodes also carry ``description`` and, after a forward,
    ``shape`` (the output, as text: ``(2, 3)``, or ``{(2, 3), (2, 4)}`` for a table) and ``dtype``.
    """
    from minigraph.interop import graphml

    return graphml.to_networkx(net)


@retold
def to_graphml(net: Any, path: Any) -> Path:
    """Write the forward graph of a gModule as GraphML, whole or not at all; return the path.

    The attributes are those of ``to_networkx``. Gephi, yEd, Cytoscape and networkx read it.
    """
    from minigraph.interop import graphml

    return graphml.to_graphml(net, path)
