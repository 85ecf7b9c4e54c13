"""Transfer functions, entry by entry.

At a kink the derivative is the one that Torch takes, so conditions are chosen with care: the
gradient of ``where`` goes to the side that was taken. A NaN stays one.
"""

from __future__ import annotations

from typing import Any, Callable

from minigraph import nn
from minigraph.compiler.capture.rules.gradient import with_slope
from minigraph.compiler.capture.rules.registry import lowers, need
from minigraph.compiler.program.builder import Operand
from minigraph.compiler.program.ir import Value


def _primitive(name: str) -> Callable[[Any, Any, Value], Value]:
    return lambda b, module, x: b.emit(name, x)


for _layer, _name in {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.Exp: "exp", nn.Log: "log"}.items():
    lowers(_layer)(_primitive(_name))


# -- piecewise linear --------------------------------------------------------------------------------


def rectified(b: Any, x: Value) -> Value:
    """Return the positive part; at 0 the derivative is 0."""
    return b.where(b.emit("less_equal", x, 0.0), 0.0, x)


def clipped(b: Any, x: Value, low: float, high: float) -> Value:
    """Limit ``x`` to ``low`` .. ``high``; at the bounds the derivative is 1."""
    return b.emit("minimum", b.emit("maximum", x, low), high)


def _leaking(b: Any, x: Value, slope: Operand) -> Value:
    return b.mul(x, b.where(b.emit("less_equal", x, 0.0), slope, 1.0))


@lowers(nn.ReLU)
def _relu(b: Any, module: nn.ReLU, x: Value) -> Value:
    return rectified(b, x)


@lowers(nn.HardTanh, nn.Clamp, nn.ReLU6)
def _hard_tanh(b: Any, module: nn.HardTanh, x: Value) -> Value:
    return clipped(b, x, module.min_val, module.max_val)


@lowers(nn.Threshold)
def _threshold(b: Any, module: nn.Threshold, x: Value) -> Value:
    return b.where(b.emit("greater", x, module.threshold), x, module.val)


@lowers(nn.LeakyReLU)
def _leaky_relu(b: Any, module: nn.LeakyReLU, x: Value) -> Value:
    return _leaking(b, x, module.negval)


@lowers(nn.RReLU)
def _rrelu(b: Any, module: nn.RReLU, x: Value) -> Value:
    need(not module.train)
    return _leaking(b, x, (module.lower + module.upper) / 2)


@lowers(nn.PReLU)
def _prelu(b: Any, module: nn.PReLU, x: Value) -> Value:
    slope = b.parameter(module, "weight")
    if not module.nOutputPlane or x.ndim <= 2:
        return _leaking(b, x, slope)
    planes = [0, *range(2, x.ndim), 1]  # the slopes are those of the last axis
    y = _leaking(b, b.transpose(x, planes), slope)
    return b.transpose(y, [planes.index(k) for k in range(x.ndim)])


@lowers(nn.CReLU)
def _crelu(b: Any, module: nn.CReLU, x: Value) -> Value:
    both = [rectified(b, x), rectified(b, b.emit("neg", x))]
    return b.concat(both, x.ndim - module.nInputDims)


@lowers(nn.Abs)
def _abs(b: Any, module: nn.Abs, x: Value) -> Value:
    return b.mul(x, b.where(b.emit("less", x, 0.0), -1.0, 1.0))


@lowers(nn.HardShrink)
def _hard_shrink(b: Any, module: nn.HardShrink, x: Value) -> Value:
    return b.where(b.emit("less_equal", b.emit("abs", x), module.lambda_), 0.0, x)


@lowers(nn.SoftShrink)
def _soft_shrink(b: Any, module: nn.SoftShrink, x: Value) -> Value:
    moved = b.sub(x, b.mul(b.emit("sign", x), module.lambda_))
    return b.where(b.emit("less_equal", b.emit("abs", x), module.lambda_), 0.0, moved)


# -- curved --------------------------------------------------------------------------------------------


@lowers(nn.TanhShrink)
def _tanh_shrink(b: Any, module: nn.TanhShrink, x: Value) -> Value:
    return b.sub(x, b.emit("tanh", x))


@lowers(nn.SoftSign)
def _soft_sign(b: Any, module: nn.SoftSign, x: Value) -> Value:
    return b.div(x, b.add(b.emit("abs", x), 1.0))


@lowers(nn.LogSigmoid)
def _log_sigmoid(b: Any, module: nn.LogSigmoid, x: Value) -> Value:
    # min(x, 0) - log(1 + exp(-|x|)), both parts with the derivative from the right at 0
    negative = b.emit("less", x, 0.0)
    tail = b.emit("log1p", b.emit("exp", b.mul(x, b.where(negative, 1.0, -1.0))))
    return b.sub(b.where(negative, x, 0.0), tail)


@lowers(nn.SoftPlus)
def _soft_plus(b: Any, module: nn.SoftPlus, x: Value) -> Value:
    steep = b.mul(x, module.beta)
    bent = b.emit("log1p", b.emit("exp", b.emit("minimum", steep, module.threshold)))
    y = b.where(b.emit("greater", steep, module.threshold), x, b.div(bent, module.beta))
    # Torch judges by the output where the slope is 1, which is so a little earlier.
    back = b.mul(y, -module.beta)
    slope = b.where(b.emit("less", back, -module.threshold), 1.0, b.emit("neg", b.emit("expm1", back)))
    return with_slope(b, y, x, slope)


@lowers(nn.ELU)
def _elu(b: Any, module: nn.ELU, x: Value) -> Value:
    bent = b.mul(b.emit("expm1", b.emit("minimum", x, 0.0)), module.alpha)
    return b.where(b.emit("less_equal", x, 0.0), bent, x)


@lowers(nn.Sqrt)
def _sqrt(b: Any, module: nn.Sqrt, x: Value) -> Value:
    # Where the slope is infinite, Torch passes nothing back.
    zero = b.emit("equal", x, 0.0)
    return b.where(zero, 0.0, b.emit("sqrt", b.where(zero, 1.0, x)))


@lowers(nn.Square)
def _square(b: Any, module: nn.Square, x: Value) -> Value:
    return b.mul(x, x)


@lowers(nn.Power)
def _power(b: Any, module: nn.Power, x: Value) -> Value:
    if module.pow not in (1, 2, 3, 4):
        return b.emit("power", x, module.pow)
    y = x
    for _ in range(int(module.pow) - 1):
        y = b.mul(y, x)
    return y


@lowers(nn.GatedLinearUnit)
def _gated_linear_unit(b: Any, module: nn.GatedLinearUnit, x: Value) -> Value:
    axis = (module.dim or x.ndim) - 1
    half = x.shape[axis] // 2
    first, second = b.slice(x, axis, 0, half), b.slice(x, axis, half, 2 * half)
    return b.mul(first, b.emit("sigmoid", second))
