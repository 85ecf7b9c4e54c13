"""Other worlds: PyTorch (extra ``torch``), ONNX (extra ``onnx``), networkx and GraphML.

PyTorch and ONNX are imported when a function here needs them, not before.
"""

from __future__ import annotations

from typing import Any

from minigraph.interop.extras import require


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
    from minigraph.interop import torch_export

    return torch_export.to_torch(net)
