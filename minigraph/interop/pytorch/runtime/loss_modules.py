"""Torch7's criterions as layers that PyTorch has not, or has with other rules.

Where PyTorch has the layer, the class here is derived from it. This file needs only PyTorch: it is
written in front of the source of a converted network.
"""

from __future__ import annotations

import torch


def reduced(terms, reduction):
    """Return the mean of a loss's terms, or their sum."""
    return terms.mean() if reduction == "mean" else terms.sum()


class L1Loss(torch.nn.L1Loss):
    """nn.AbsCriterion: the slope is 1 where prediction and target are equal."""

    def forward(self, input, target):
        return reduced(torch.where(input >= target, input - target, target - input), self.reduction)


class CosineEmbeddingLoss(torch.nn.CosineEmbeddingLoss):
    """nn.CosineEmbeddingCriterion: where the cosine is the margin no gradient goes back."""

    def forward(self, input1, input2, target):
        lengths = ((input1 * input1).sum(1) + 1e-12) * ((input2 * input2).sum(1) + 1e-12)
        cosines = (input1 * input2).sum(1) / lengths.sqrt()
        terms = torch.where(target > 0, 1 - cosines, torch.relu(cosines - self.margin))
        return reduced(terms, self.reduction)


class HingeEmbeddingLoss(torch.nn.HingeEmbeddingLoss):
    """nn.HingeEmbeddingCriterion: where the distance is the margin the gradient goes back."""

    def forward(self, input, target):
        apart = torch.where(input > self.margin, torch.zeros_like(input), self.margin - input)
        return reduced(torch.where(target > 0, input, apart), self.reduction)


class MarginRankingLoss(torch.nn.MarginRankingLoss):
    """nn.MarginRankingCriterion: where the pair is apart by the margin the gradient goes back."""

    def forward(self, input1, input2, target):
        short = self.margin - target * (input1 - input2)
        return reduced(torch.where(short < 0, torch.zeros_like(short), short), self.reduction)


class WeightedMSELoss(torch.nn.Module):
    """nn.WeightedMSECriterion: the target is multiplied by the weight, as Torch does."""

    def __init__(self, shape, sizeAverage):
        super().__init__()
        self.sizeAverage = sizeAverage
        self.register_buffer("weight", torch.zeros(shape))

    def forward(self, pair):
        squares = (pair[0] - pair[1].detach().reshape(pair[0].shape) * self.weight) ** 2
        return squares.mean() if self.sizeAverage else squares.sum()


class ClassSimplexLoss(torch.nn.Module):
    """nn.ClassSimplexCriterion: squared distances to the corner that stands for the class."""

    def __init__(self, shape, sizeAverage):
        super().__init__()
        self.sizeAverage = sizeAverage
        self.register_buffer("simplex", torch.zeros(shape))

    def forward(self, pair):
        corners = self.simplex[pair[1].long().reshape(-1) - 1]
        squares = (pair[0] - corners.reshape(pair[0].shape)) ** 2
        return squares.mean() if self.sizeAverage else squares.sum()
