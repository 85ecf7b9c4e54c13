"""Normalising layers."""

from __future__ import annotations

from minigraph import nn
from registry.case import Case, normal

CASES = {
    "BatchNormalization": [
        Case(lambda: nn.BatchNormalization(4), normal(5, 4)),
        Case(lambda: nn.BatchNormalization(4, 1e-3, 0.2, False), normal(5, 4)),
        Case(lambda: nn.BatchNormalization(4).evaluate(), normal(5, 4), batch=True),
    ],
    "SpatialBatchNormalization": [
        Case(lambda: nn.SpatialBatchNormalization(3), normal(3, 3, 2, 2), single=True),
    ],
    "VolumetricBatchNormalization": [
        Case(lambda: nn.VolumetricBatchNormalization(2), normal(2, 2, 2, 1, 2), single=True),
    ],
    "LayerNormalization": [
        Case(lambda: nn.LayerNormalization(4), normal(3, 4), single=True),
        Case(lambda: nn.LayerNormalization(4, 0.5, 1e-6, False), normal(4)),
    ],
}
