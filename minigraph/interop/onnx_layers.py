"""The table of converters to ONNX: layers that compute.

A converter is called as ``converter(export, module, value, name)`` and returns the name of the
ONNX value of the module's output; ``export.result`` is that output for the two examples.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from minigraph import nn
from minigraph.interop.onnx_criterions import loss_node
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.walker import Converter, Unconvertible


def _op(kind: str, **attributes: Any) -> Converter:
    """Return a converter to one ONNX operator on the input alone."""
    return lambda export, m, value, name: export.op(kind, [value.name], name, **attributes)


def _with_number(kind: str, number: Callable[[Any], float]) -> Converter:
    """Return a converter to an operator of the input and one number."""
    return lambda export, m, value, name: export.op(
        kind, [value.name, export.constant(float(number(m)), f"{name}.number")], name
    )


def same(export: Any, m: Any, value: Any, name: str) -> str:
    """Pass the value on: the layer changes only gradients."""
    return value.name


# -- products ----------------------------------------------------------------------------------------


def _linear(export: Any, m: Any, value: Any, name: str) -> str:
    weight = export.weight(m.weight, f"{name}.weight")
    bias = None if m.bias is None else export.weight(m.bias, f"{name}.bias")
    if value.example.ndim == 2:
        return export.op("Gemm", [value.name, weight, *([bias] if bias else [])], name, transB=1)
    product = export.op("MatMul", [weight, value.name], f"{name}.product" if bias else name)
    return export.op("Add", [product, bias], name) if bias else product


def _weight_norm(export: Any, m: Any, value: Any, name: str) -> str:
    return _linear(export, m.toLinear(), value, name)


def _bilinear(export: Any, m: Any, value: Any, name: str) -> str:
    weight = export.weight(m.weight, f"{name}.weight")
    product = export.op(
        "Einsum", [value[0].name, weight, value[1].name], f"{name}.product", equation="bi,oij,bj->bo"
    )
    if m.bias is None:
        return product
    return export.op("Add", [product, export.weight(m.bias, f"{name}.bias")], name)


def _matrix(export: Any, value: Any, transposed: bool, name: str) -> str:
    if not transposed:
        return value.name
    rank = value.example.ndim
    return export.op("Transpose", [value.name], name, perm=[*range(rank - 2), rank - 1, rank - 2])


def _mm(export: Any, m: Any, value: Any, name: str) -> str:
    first = _matrix(export, value[0], m.transA, f"{name}.first")
    second = _matrix(export, value[1], m.transB, f"{name}.second")
    return export.op("MatMul", [first, second], name)


def _mv(export: Any, m: Any, value: Any, name: str) -> str:
    last = export.constant([-1], f"{name}.last")
    column = export.op("Unsqueeze", [value[1].name, last], f"{name}.column")
    matrix = _matrix(export, value[0], m.trans, f"{name}.matrix")
    product = export.op("MatMul", [matrix, column], f"{name}.product")
    return export.op("Squeeze", [product, last], name)


def _dot(export: Any, m: Any, value: Any, name: str) -> str:
    product = export.op("Mul", [entry.name for entry in value], f"{name}.product")
    axes = export.constant([-1], f"{name}.axis")
    return export.op("ReduceSum", [product, axes], name, keepdims=int(value[0].example.ndim == 1))


def _parameter(kind: str, field: str) -> Converter:
    """Return a converter of CAdd, Add, CMul and Mul: a parameter fitted to the input."""

    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        parameter = getattr(m, field)
        rank = value.example.ndim
        if parameter.size == 1:
            shape: tuple[int, ...] = (1,) * rank
        else:
            small, large = m._layout(parameter, value.example)
            batched = large != value.shape
            shape = (1, *value.shape[1:]) if batched else small
        return export.op(kind, [value.name, export.weight(parameter, f"{name}.{field}", shape)], name)

    return convert


# -- transfer functions --------------------------------------------------------------------------------


def _clip(export: Any, m: Any, value: Any, name: str) -> str:
    limits = [export.constant(float(x), f"{name}.limit") for x in (m.min_val, m.max_val)]
    return export.op("Clip", [value.name, *limits], name)


def _threshold(export: Any, m: Any, value: Any, name: str) -> str:
    above = export.op(
        "Greater", [value.name, export.constant(float(m.threshold), f"{name}.threshold")], f"{name}.above"
    )
    return export.op("Where", [above, value.name, export.constant(float(m.val), f"{name}.value")], name)


def _plus(export: Any, x: str, name: str) -> str:
    """Return log(1 + exp(x)); onnxruntime's operator for it is of single precision."""
    return Formula(export, name).softplus(x) if export.double else export.op("Softplus", [x], name)


def _softplus(export: Any, m: Any, value: Any, name: str) -> str:
    if m.beta == 1:
        return _plus(export, value.name, name)
    beta = export.constant(float(m.beta), f"{name}.beta")
    plus = _plus(export, export.op("Mul", [value.name, beta], f"{name}.scaled"), f"{name}.plus")
    return export.op("Div", [plus, beta], name)


def _log_sigmoid(export: Any, m: Any, value: Any, name: str) -> str:
    plus = _plus(export, export.op("Neg", [value.name], f"{name}.negative"), f"{name}.plus")
    return export.op("Neg", [plus], name)


def _softsign(export: Any, m: Any, value: Any, name: str) -> str:
    if not export.double:
        return export.op("Softsign", [value.name], name)
    f = Formula(export, name)
    return f("Div", value.name, f("Add", f("Abs", value.name), 1.0), called=name)


def _elu(export: Any, m: Any, value: Any, name: str) -> str:
    if not export.double:
        return export.op("Elu", [value.name], name, alpha=float(m.alpha))
    f = Formula(export, name)
    below = f("Mul", f("Sub", f("Exp", f("Min", value.name, 0.0)), 1.0), float(m.alpha))
    return f("Add", f("Max", value.name, 0.0), below, called=name)


def _tanh_shrink(export: Any, m: Any, value: Any, name: str) -> str:
    return export.op("Sub", [value.name, export.op("Tanh", [value.name], f"{name}.tanh")], name)


def _shrink(soft: bool) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        limit = float(m.lambda_)
        bias = limit if soft else 0.0
        if not export.double:
            return export.op("Shrink", [value.name], name, lambd=limit, bias=bias)
        f, x = Formula(export, name), value.name  # attributes are of single precision
        below = f("Where", f("Less", x, -limit), f("Add", x, bias), 0.0)
        return f("Where", f("Greater", x, limit), f("Sub", x, bias), below, called=name)

    return convert


def _leaky(slope: Callable[[Any], float]) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        if not export.double:
            return export.op("LeakyRelu", [value.name], name, alpha=float(slope(m)))
        f, x = Formula(export, name), value.name
        return f("Add", f("Max", x, 0.0), f("Mul", f("Min", x, 0.0), float(slope(m))), called=name)

    return convert


def _prelu(export: Any, m: Any, value: Any, name: str) -> str:
    shape = m.slopes(value.example).shape
    return export.op("PRelu", [value.name, export.weight(m.weight, f"{name}.weight", shape)], name)


def _softmax(kind: str, negative: bool = False) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> str:
        x = export.op("Neg", [value.name], f"{name}.negative") if negative else value.name
        return export.op(kind, [x], name, axis=0 if value.example.ndim in (1, 3) else 1)

    return convert


def _glu(export: Any, m: Any, value: Any, name: str) -> str:
    axis = (m.dim or value.example.ndim) - 1
    first, second = export.op("Split", [value.name], f"{name}.half", outputs=2, axis=axis)
    return export.op("Mul", [first, export.op("Sigmoid", [second], f"{name}.gate")], name)


def _crelu(export: Any, m: Any, value: Any, name: str) -> str:
    positive = export.op("Relu", [value.name], f"{name}.positive")
    negative = export.op("Relu", [export.op("Neg", [value.name], f"{name}.turned")], f"{name}.negative")
    return export.op("Concat", [positive, negative], name, axis=value.example.ndim - m.nInputDims)


def _normalize(export: Any, m: Any, value: Any, name: str) -> str:
    size = export.op("Abs", [value.name], f"{name}.size")
    eps = export.constant(float(m.eps), f"{name}.eps")
    if np.isinf(m.p):
        norm = export.op("ReduceMax", [size], f"{name}.largest", axes=[-1], keepdims=1)
        return export.op("Div", [value.name, export.op("Add", [norm, eps], f"{name}.norm")], name)
    powers = export.op("Pow", [size, export.constant(float(m.p), f"{name}.p")], f"{name}.powers")
    total = export.op("ReduceSum", [powers, export.constant([-1], f"{name}.axis")], f"{name}.total")
    guarded = export.op("Add", [total, eps], f"{name}.guarded")
    norm = export.op("Pow", [guarded, export.constant(1 / m.p, f"{name}.root")], f"{name}.norm")
    return export.op("Div", [value.name, norm], name)


def _dropout(export: Any, m: Any, value: Any, name: str) -> str:
    if m.stochastic_inference:
        raise Unconvertible("it draws masks in evaluation")
    if isinstance(m, nn.Dropout) and (m.v2 or not m.p):
        return value.name
    return export.op("Mul", [value.name, export.constant(1.0 - m.p, f"{name}.kept")], name)


def _batch_norm(export: Any, m: Any, value: Any, name: str) -> str:
    count = len(m.running_mean)
    scale = np.ones(count) if m.weight is None else m.weight
    shift = np.zeros(count) if m.bias is None else m.bias
    statistics = [
        export.weight(array, f"{name}.{what}")
        for what, array in (
            ("weight", scale), ("bias", shift), ("mean", m.running_mean), ("var", m.running_var)
        )
    ]
    x = value.name
    if value.example.ndim < m.nDim:
        x = export.op("Unsqueeze", [x, export.constant([0], f"{name}.front")], f"{name}.batch")
    return export.op("BatchNormalization", [x, *statistics], name, epsilon=float(m.eps))


LAYERS: dict[type, Converter] = {
    nn.Linear: _linear,
    nn.LinearWeightNorm: _weight_norm,
    nn.Bilinear: _bilinear,
    nn.MM: _mm,
    nn.MV: _mv,
    nn.DotProduct: _dot,
    nn.Add: _parameter("Add", "bias"),
    nn.CAdd: _parameter("Add", "bias"),
    nn.Mul: _parameter("Mul", "weight"),
    nn.CMul: _parameter("Mul", "weight"),
    nn.AddConstant: _with_number("Add", lambda m: m.constant_scalar),
    nn.MulConstant: _with_number("Mul", lambda m: m.constant_scalar),
    nn.Power: _with_number("Pow", lambda m: m.pow),
    nn.Square: lambda export, m, value, name: export.op("Mul", [value.name, value.name], name),
    nn.Sqrt: _op("Sqrt"),
    nn.Abs: _op("Abs"),
    nn.Exp: _op("Exp"),
    nn.Log: _op("Log"),
    nn.Sigmoid: _op("Sigmoid"),
    nn.LogSigmoid: _log_sigmoid,
    nn.Tanh: _op("Tanh"),
    nn.TanhShrink: _tanh_shrink,
    nn.SoftSign: _softsign,
    nn.SoftPlus: _softplus,
    nn.ReLU: _op("Relu"),
    nn.ReLU6: _clip,
    nn.HardTanh: _clip,
    nn.Clamp: _clip,
    nn.Threshold: _threshold,
    nn.HardShrink: _shrink(False),
    nn.SoftShrink: _shrink(True),
    nn.ELU: _elu,
    nn.LeakyReLU: _leaky(lambda m: m.negval),
    nn.RReLU: _leaky(lambda m: (m.lower + m.upper) / 2),
    nn.PReLU: _prelu,
    nn.CReLU: _crelu,
    nn.GatedLinearUnit: _glu,
    nn.SoftMax: _softmax("Softmax"),
    nn.SpatialSoftMax: _softmax("Softmax"),
    nn.SoftMin: _softmax("Softmax", negative=True),
    nn.LogSoftMax: _softmax("LogSoftmax"),
    nn.SpatialLogSoftMax: _softmax("LogSoftmax"),
    nn.Normalize: _normalize,
    nn.BatchNormalization: _batch_norm,
    nn.SpatialBatchNormalization: _batch_norm,
    nn.VolumetricBatchNormalization: _batch_norm,
    nn.Dropout: _dropout,
    nn.SpatialDropout: _dropout,
    nn.VolumetricDropout: _dropout,
    nn.WhiteNoise: _with_number("Add", lambda m: m.mean),
    nn.GradientReversal: same,
    nn.ZeroGrad: same,
    nn.L1Penalty: same,
    nn.ModuleFromCriterion: loss_node,
    nn.CriterionTable: loss_node,
}
