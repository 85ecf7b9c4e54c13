"""Torch7's criterions as nodes: the pair of prediction and target made ready for PyTorch's losses.

Classes count from 1 in Torch and from 0 in PyTorch. This file needs only PyTorch.
"""

from __future__ import annotations

import torch

from minigraph.interop.pytorch.runtime.functions import rows


def prediction(pair):
    """Return what a loss compares."""
    return pair[0]


def target_like(pair):
    """Return the target in the shape of the prediction."""
    return pair[1].to(pair[0].dtype).reshape(pair[0].shape).detach()


def cropped(pair):
    """Return the middle of a target that may be larger than the prediction."""
    x, t = pair[0], pair[1]
    height, width = x.shape[-2:]
    top, left = (t.shape[-2] - height) // 2, (t.shape[-1] - width) // 2
    return t[..., top : top + height, left : left + width].to(x.dtype).detach()


def signs(pair):
    """Return the labels, 1 or -1, as a vector."""
    return pair[1].to(pair[0][0].dtype).reshape(-1).detach()


def as_rows(x, scalar):
    """Return one of a pair's inputs as a batch: of numbers if ``scalar``, else of vectors."""
    return x.reshape(-1) if scalar else rows(x)


def class_scores(pair):
    """Return log-probabilities or scores of classes as a batch."""
    return rows(pair[0])


def class_targets(pair, ignoreIndex):
    """Return classes counted from 0; those equal to ``ignoreIndex`` become ``ignored(...)``."""
    labels = pair[1].long()
    labels = labels if pair[0].ndim > 2 and labels.ndim == pair[0].ndim - 1 else labels.reshape(-1)
    if ignoreIndex is None:
        return labels - 1
    return torch.where(labels == ignoreIndex, ignored(ignoreIndex), labels - 1)


def ignored(ignoreIndex):
    """Return a number that is no class for what Torch ignores."""
    return -abs(int(ignoreIndex)) - 1


def label_sets(pair):
    """Return sets of classes counted from 0, ended by -1."""
    return (pair[1].long() - 1).reshape(pair[0].shape)


def scores(pair):
    """Return the scores of nn.CrossEntropyCriterion, without dimensions of size 1."""
    x = pair[0]
    single = pair[1].numel() == 1
    return rows(x.squeeze().reshape(-1) if single else x if x.ndim == 2 else x.squeeze())


def loss(value):
    """Return a loss as Torch does in a graph, shape (1,)."""
    return value.reshape(1)


def averaged(terms, sizeAverage):
    """Return the mean of a loss's terms, or their sum."""
    return terms.mean() if sizeAverage else terms.sum()


def binary_cross_entropy(pair, weights, sizeAverage):
    """nn.BCECriterion, which adds 1e-12 inside the logarithms, and to both factors of its slope."""
    x, t = pair[0], target_like(pair)
    now = x.detach()
    terms = -(t * (now + 1e-12).log() + (1 - t) * (1 - now + 1e-12).log())
    line = x * ((now - t) / (now + 1e-12) / (1 - now + 1e-12))
    terms = terms + (line - line.detach())
    return averaged(terms if weights is None else terms * terms.new_tensor(weights), sizeAverage)


def hinges(pair, margin, sizeAverage):
    """nn.MarginCriterion: max(0, margin - x * t)."""
    return averaged(torch.relu(margin - pair[0] * target_like(pair)), sizeAverage)


def with_target(value, takesTable):
    """Return a pair for a criterion without a target, whose node may take the prediction alone."""
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    if pair and (not takesTable or isinstance(value[0], (list, tuple))):
        return value
    return [value, None]


def l1_cost(pair):
    """nn.L1Cost: the sum of the absolute values."""
    return pair[0].abs().sum()


def divergences(pair, sizeAverage):
    """nn.DistKLDivCriterion: t * (log(t) - x); what is not positive in t adds nothing."""
    t = target_like(pair).clamp(min=0)
    return averaged(torch.nn.functional.kl_div(pair[0], t, reduction="none"), sizeAverage)


def weighted_sum(terms, weights):
    """nn.MultiCriterion and nn.ParallelCriterion: losses, each times its weight."""
    total = 0
    for term, weight in zip(terms, weights):
        total = total + weight * term
    return total


def l1_hinge(pair, margin):
    """nn.L1HingeEmbeddingCriterion: the L1 distance if the label is 1, what it lacks to ``margin`` if -1."""
    distance = (pair[0][0] - pair[0][1]).abs().sum()
    apart = torch.where(distance > margin, torch.zeros_like(distance), margin - distance)
    return torch.where(pair[1].reshape(()) > 0, distance, apart)


def distance_ratios(pair, sizeAverage):
    """nn.DistanceRatioCriterion: log(1 + exp(similar - dissimilar)), over the batch if averaged."""
    similar, dissimilar = pair[0]
    total = -torch.nn.functional.logsigmoid(dissimilar - similar).sum()
    return total / len(similar) if sizeAverage and similar.ndim else total
