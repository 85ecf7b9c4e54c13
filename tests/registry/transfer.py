"""Transfer layers, https://github.com/torch/nn/blob/master/doc/transfer.md."""

from __future__ import annotations

from minigraph import nn
from registry.case import Case, normal, positive, spread

rows, apart, images = normal(3, 4), spread(3, 4), normal(2, 3, 2, 2)

CASES = {
    "Sigmoid": [Case(lambda: nn.Sigmoid(), rows, batch=True)],
    "LogSigmoid": [Case(lambda: nn.LogSigmoid(), rows, batch=True)],
    "Tanh": [Case(lambda: nn.Tanh(), rows, batch=True)],
    "TanhShrink": [Case(lambda: nn.TanhShrink(), rows, batch=True)],
    "SoftSign": [Case(lambda: nn.SoftSign(), rows, batch=True)],
    "SoftPlus": [
        Case(lambda: nn.SoftPlus(), rows, batch=True),
        Case(lambda: nn.SoftPlus(30), apart, batch=True),
    ],
    "ReLU": [
        Case(lambda: nn.ReLU(), apart, batch=True),
        Case(lambda: nn.ReLU(True), apart, batch=True),
    ],
    "ReLU6": [
        Case(lambda: nn.ReLU6(), spread(5, 12), batch=True),
        Case(lambda: nn.ReLU6(True), spread(5, 12), batch=True),
    ],
    "Threshold": [
        Case(lambda: nn.Threshold(0.1, -3), apart, batch=True),
        Case(lambda: nn.Threshold(0.1, -3, True), apart, batch=True),
    ],
    "HardTanh": [
        Case(lambda: nn.HardTanh(), apart, batch=True),
        Case(lambda: nn.HardTanh(-0.3, 0.7, True), apart, batch=True),
    ],
    "Clamp": [Case(lambda: nn.Clamp(-0.5, 0.5), apart, batch=True)],
    "HardShrink": [Case(lambda: nn.HardShrink(0.3), apart, batch=True)],
    "SoftShrink": [Case(lambda: nn.SoftShrink(0.3), apart, batch=True)],
    "ELU": [
        Case(lambda: nn.ELU(0.5), apart, batch=True),
        Case(lambda: nn.ELU(0.5, True), apart, batch=True),
    ],
    "LeakyReLU": [
        Case(lambda: nn.LeakyReLU(0.2), apart, batch=True),
        Case(lambda: nn.LeakyReLU(0.2, True), apart, batch=True),
    ],
    "PReLU": [
        Case(lambda: nn.PReLU(), apart, batch=True),
        Case(lambda: nn.PReLU(3), spread(2, 3, 2, 2), batch=True),
    ],
    "RReLU": [
        Case(lambda: nn.RReLU(), apart, single=True),
        Case(lambda: nn.RReLU(0.2, 0.3, True), apart),
    ],
    "CReLU": [
        Case(lambda: nn.CReLU(1), apart, batch=True),
        Case(lambda: nn.CReLU(3), spread(2, 2, 2)),
    ],
    "Abs": [Case(lambda: nn.Abs(), apart, batch=True)],
    "Exp": [Case(lambda: nn.Exp(), rows, batch=True)],
    "Log": [Case(lambda: nn.Log(), positive(3, 4), batch=True)],
    "Sqrt": [Case(lambda: nn.Sqrt(), positive(3, 4), batch=True)],
    "Square": [Case(lambda: nn.Square(), rows, batch=True)],
    "Power": [
        Case(lambda: nn.Power(3), rows, batch=True),
        Case(lambda: nn.Power(1.5), positive(3, 4), batch=True),
    ],
    "SoftMax": [
        Case(lambda: nn.SoftMax(), normal(4)),
        Case(lambda: nn.SoftMax(), rows, batch=True),
        Case(lambda: nn.SoftMax(), normal(3, 2, 2)),
        Case(lambda: nn.SoftMax(), images, batch=True),
    ],
    "LogSoftMax": [
        Case(lambda: nn.LogSoftMax(), normal(4)),
        Case(lambda: nn.LogSoftMax(), rows, batch=True),
        Case(lambda: nn.LogSoftMax(), images, batch=True),
    ],
    "SoftMin": [Case(lambda: nn.SoftMin(), rows, batch=True)],
    "SpatialSoftMax": [
        Case(lambda: nn.SpatialSoftMax(), images, batch=True),
        Case(lambda: nn.SpatialSoftMax(), normal(3, 2, 2)),
    ],
    "SpatialLogSoftMax": [
        Case(lambda: nn.SpatialLogSoftMax(), images, batch=True),
        Case(lambda: nn.SpatialLogSoftMax(), normal(3, 2, 2)),
    ],
    "GatedLinearUnit": [
        Case(lambda: nn.GatedLinearUnit(), rows, batch=True),
        Case(lambda: nn.GatedLinearUnit(2), normal(3, 4, 2), batch=True),
    ],
    "GradientReversal": [Case(lambda: nn.GradientReversal(0.5), rows, batch=True, slope=-0.5)],
}
