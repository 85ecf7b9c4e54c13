"""to_onnx: a network as an ONNX file, checked and run before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from minigraph import nn
from minigraph.compiler.program.ir import Value
from minigraph.errors import ArgumentError, ConversionError
from minigraph.files.atomic import replacing
from minigraph.interop.names import dotted
from minigraph.interop.onnx.capture import OnnxCapture
from minigraph.interop.onnx.examples import Other, boundary, other_examples
from minigraph.interop.onnx.operators import OPERATORS
from minigraph.interop.onnx.sizes import Sizes, Unwritable
from minigraph.interop.onnx.writer import KINDS, Writer, alike
from minigraph.tables import leaves, map_table

OPSET = 17

Reasons = list[tuple[str, str]]


def to_onnx(net: Any, path: Any, example_input: Any, dtype: Any, unrolled: bool) -> Path:
    """Write ``net``; see ``minigraph.interop.to_onnx``."""
    if not isinstance(net, nn.Module):
        raise ArgumentError(f"to_onnx converts a module, got {type(net).__name__}")
    net = net._described().clone().evaluate().type(_tensor_type(dtype))
    example = map_table(lambda leaf: _as_input(leaf, net.dtype), example_input)
    net.clearState()
    reasons: Reasons = []
    # What ties the sizes together can still be written for the sizes of the example.
    for other in other_examples(net, example):
        model, reasons = _model(net, example, other, unrolled)
        if model is not None:
            onnx.checker.check_model(model, full_check=True)
            problem = _disagreement(net, model, example, other.input)
            if not problem:
                break
            reasons = [(repr(net), problem)]
    else:
        raise ConversionError("ONNX", reasons)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(model.SerializeToString())
    return Path(path)


def _tensor_type(dtype: Any) -> str:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in KINDS:
        raise ArgumentError(f"to_onnx: dtype is 'float32' or 'float64', got {dtype!r}")
    return "torch.FloatTensor" if found == np.float32 else "torch.DoubleTensor"


def _as_input(leaf: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(leaf)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"to_onnx: the example input must hold arrays of numbers, got {leaf!r}")
    return array.astype(dtype if array.dtype.kind == "f" else np.int64)


def _disagreement(net: Any, model: Any, *examples: Any) -> str:
    """Run the model, if onnxruntime is installed; say where it differs from the network, if it does."""
    try:
        import onnxruntime
    except ImportError:
        return ""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for example in examples:
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            names = [entry.name for entry in session.get_inputs()]
            found = session.run(None, dict(zip(names, (leaf for _, leaf in leaves(example)))))
        except Exception as error:  # onnxruntime raises classes of its own
            return f"onnxruntime cannot run it: {error}"
        wanted = [np.asarray(leaf) for _, leaf in leaves(net.forward(example))]
        if not all(a.shape == b.shape and np.allclose(a, b, 1e-3, 1e-4, equal_nan=True)
                   for a, b in zip(wanted, found)):
            return "onnxruntime does not give its numbers"
    return ""


def _captured(net: Any, input: Any) -> tuple[Any, Any, Any]:
    """Return the capture of a run on ``input``, with the values of the input and of the output."""
    trial = net.clone("weight", "bias", "gradWeight", "gradBias")
    trial.forward(input)
    capture = OnnxCapture(net, trial)
    given = capture.given(input)
    return capture, given, capture.lower(net, given)


def _model(net: Any, example: Any, other: Other, unrolled: bool) -> tuple[Any, Reasons]:
    """Return the ONNX model, or None and why not."""
    capture, given, result = _captured(net, example)
    twin, others, other_result = _captured(net, other.input)
    if not alike(capture.ops, twin.ops):
        return None, [(repr(net), "what it does depends on the batch")]
    w = Writer(net.dtype, Sizes(other.names), unrolled, OPERATORS)
    inputs = [value for _, value in leaves(given)]
    names = _input_names(net, example)
    for value, (_, theirs), name in zip(inputs, leaves(others), names):
        w.given(value, theirs, name)
        w.measure(value)
    w.write(capture.ops, twin.ops)
    if w.refused:
        return None, w.refused
    for (_, value), (_, theirs) in zip(leaves(result), leaves(other_result)):
        w.pair(value, theirs)
    try:
        outputs = _name_outputs(w, net, result, {w.of(value) for value in inputs})
    except Unwritable as reason:
        return None, [(repr(net), str(reason))]
    graph = helper.make_graph(
        w.nodes, dotted(type(net).__name__), [w.info(value, w.of(value)) for value in inputs],
        [w.info(value, name) for value, name in outputs], w.weights,
    )
    model = helper.make_model(
        graph, producer_name="minigraph", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
    )
    return model, []


def _input_names(net: Any, example: Any) -> list[str]:
    """Return the name of each tensor of the input: ``x``, or ``state_1`` of a table."""
    nodes = boundary(net, "inputs")
    entries = example if len(nodes) > 1 else [example]
    found: list[str] = []
    for k, entry in enumerate(entries):
        own = nodes[k].name if nodes else ""
        root = own or ("input" if len(entries) == 1 else f"input_{k + 1}")
        found.extend("_".join([root, *(str(p + 1) for p in path)]) for path, _ in leaves(entry))
    return found


def _name_outputs(w: Writer, net: Any, result: Any, inputs: set[str]) -> list[tuple[Value, str]]:
    """Return the outputs with their names; those that no node names get an Identity that has a name."""
    nodes = boundary(net, "outputs")
    entries = result if len(nodes) > 1 else [result]
    used = set(inputs)
    annotated = {
        dotted(node.name)
        for module in net.listModules() if isinstance(module, nn.gModule)
        for node in module.forwardnodes if node.name
    }
    found = []
    for k, entry in enumerate(entries):
        own = nodes[k].name if nodes else ""
        root = own or ("output" if len(entries) == 1 else f"output_{k + 1}")
        for path, value in leaves(entry):
            wanted = dotted("_".join([root, *(str(p + 1) for p in path)]))
            name = w.of(value)
            known = name == wanted or name in annotated and (path or not own)
            if name in used or not known:
                name = w.add("Identity", [name], wanted)
            used.add(name)
            found.append((value, name))
    return found
