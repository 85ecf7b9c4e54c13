"""Cases of every criterion: how to make it, an input, a target, and the formula of its loss."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from minigraph import nn

STREAM = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return STREAM.normal(0, 1.5, shape)


def unit(*shape: int) -> np.ndarray:
    return STREAM.uniform(0.05, 0.95, shape)


def signs(*shape: int) -> np.ndarray:
    return STREAM.choice([-1.0, 1.0], shape)


def classes(count: int, *shape: int) -> np.ndarray:
    return STREAM.integers(1, count + 1, shape)


class Case(NamedTuple):
    """A criterion with an input and a target; ``loss(x, t)`` is what it should return."""

    make: Callable[[], Any]
    input: Any
    target: Any
    loss: Optional[Callable[[Any, Any], float]] = None
    label: str = ""


def summing(criterion: Any) -> Any:
    criterion.sizeAverage = False
    return criterion


def nll(weights: Any, average: bool, ignored: int = -100) -> Callable[[Any, Any], float]:
    def loss(x: np.ndarray, t: Any) -> float:
        rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) if x.ndim > 1 else x[None]
        total = weight = 0.0
        for row, label in zip(rows, np.ravel(t)):
            if label != ignored:
                w = 1.0 if weights is None else weights[label - 1]
                total, weight = total - w * row[label - 1], weight + w
        return total / weight if average else total

    return loss


def entropy(weights: Any, average: bool) -> Callable[[Any, Any], float]:
    def loss(x: np.ndarray, t: Any) -> float:
        x = x.reshape(-1, 4)
        return nll(weights, average)(x - np.log(np.exp(x).sum(1, keepdims=True)), t)

    return loss


def multi_margin(p: int, weights: Any, margin: float, average: bool) -> Callable[[Any, Any], float]:
    def loss(x: np.ndarray, t: Any) -> float:
        total = 0.0
        for row, label in zip(np.atleast_2d(x), np.ravel(t)):
            for i in range(len(row)):
                if i != label - 1:
                    term = max(0, margin - row[label - 1] + row[i]) ** p
                    total += term * (1 if weights is None else weights[label - 1])
        return total / (x.size if average else x.shape[-1])

    return loss


def multi_label_margin(average: bool) -> Callable[[Any, Any], float]:
    def loss(x: np.ndarray, t: Any) -> float:
        total = 0.0
        for row, labels in zip(np.atleast_2d(x), np.atleast_2d(t).tolist()):
            labels = labels[: labels.index(0)] if 0 in labels else labels
            for y in labels:
                total += sum(
                    max(0, 1 - row[y - 1] + row[i]) for i in range(len(row)) if i + 1 not in labels
                )
        return total / (x.size if average else x.shape[-1])

    return loss


def cosine(margin: float, average: bool) -> Callable[[Any, Any], float]:
    def loss(x: Any, t: Any) -> float:
        total = 0.0
        for a, b, y in zip(np.atleast_2d(x[0]), np.atleast_2d(x[1]), np.ravel(t)):
            c = a @ b / np.sqrt((a @ a) * (b @ b))
            total += 1 - c if y == 1 else max(0, c - margin)
        return total / (np.size(t) if average else 1)

    return loss


def ranking(margin: float, average: bool) -> Callable[[Any, Any], float]:
    return lambda x, t: float(
        np.maximum(0, -t * (x[0] - x[1]) + margin).sum() / (np.size(t) if average else 1)
    )


def bce(x: Any, t: Any, w: Any = 1) -> float:
    return -float(np.mean(w * (t * np.log(x) + (1 - t) * np.log(1 - x))))


def mse(x: Any, t: Any) -> float:
    return float(np.mean((x - t) ** 2))


def wide(x: np.ndarray) -> np.ndarray:
    """The same values in memory that is not contiguous."""
    return np.repeat(x, 2, -1)[..., ::2]


def smooth(x: Any, t: Any) -> float:
    d = abs(x - t)
    return float(np.where(d < 1, 0.5 * d * d, d - 0.5).mean())


W4, PAIR = np.array([0.5, 2.0, 1.0, 0.25]), [normal(3, 4), normal(3, 4)]
X, T = normal(3, 4), normal(3, 4)
LABELS, Y34 = classes(4, 3), signs(3, 4)
MULTI = np.array([[1, 3, 0, 2], [2, 0, 0, 0], [4, 3, 2, 1]])
IMAGES, PLACES = normal(2, 3, 2, 4), classes(3, 2, 2, 4)
CORNERS = nn.ClassSimplexCriterion(4).simplex
C = Case
CASES = [
    C(nn.AbsCriterion, X, T, lambda x, t: abs(x - t).mean()),
    C(lambda: nn.AbsCriterion(False), X, T.reshape(2, 6), lambda x, t: abs(x - t.reshape(3, 4)).sum()),
    C(nn.MSECriterion, X, T, mse),
    C(nn.MSECriterion, wide(X), wide(T), mse, "not contiguous"),
    C(lambda: nn.MSECriterion(False), normal(3), normal(3), lambda x, t: 3 * mse(x, t)),
    C(nn.SmoothL1Criterion, X, T, smooth),
    C(lambda: nn.SmoothL1Criterion(False), X, T, lambda x, t: 12 * smooth(x, t)),
    C(nn.DistKLDivCriterion, X, unit(3, 4), lambda x, t: (t * (np.log(t) - x)).mean()),
    C(lambda: summing(nn.DistKLDivCriterion()), normal(3), np.array([0.3, 0, 0.7]),
      lambda x, t: sum(b * (np.log(b) - a) for a, b in zip(x, t) if b > 0)),
    C(lambda: nn.WeightedMSECriterion(W4), X, T, lambda x, t: mse(x, W4 * t)),
    C(lambda: nn.WeightedMSECriterion(W4), normal(4), normal(4), lambda x, t: mse(x, W4 * t)),
    C(lambda: summing(nn.WeightedMSECriterion(T)), X, T, lambda x, t: 12 * mse(x, t * t)),
    C(nn.SpatialAutoCropMSECriterion, normal(2, 2, 3), normal(2, 5, 4),
      lambda x, t: mse(x, t[:, 1:3, 0:3])),
    C(lambda: nn.SpatialAutoCropMSECriterion(False), normal(2, 1, 2, 2), normal(2, 1, 2, 5),
      lambda x, t: 8 * mse(x, t[..., 1:3])),
    C(nn.L1Cost, X, None, lambda x, t: abs(x).sum()),
    C(nn.BCECriterion, unit(3, 4), (Y34 + 1) / 2, bce),
    C(lambda: nn.BCECriterion(W4), unit(3, 4), unit(3, 4), lambda x, t: bce(x, t, W4)),
    C(lambda: nn.BCECriterion(W4, False), unit(4), unit(4), lambda x, t: 4 * bce(x, t, W4)),
    C(nn.MultiLabelSoftMarginCriterion, X, (Y34 + 1) / 2, lambda x, t: bce(1 / (1 + np.exp(-x)), t)),
    C(lambda: nn.MultiLabelSoftMarginCriterion(W4, False), X, unit(3, 4),
      lambda x, t: 12 * bce(1 / (1 + np.exp(-x)), t, W4)),
    C(nn.MarginCriterion, X, Y34, lambda x, t: np.maximum(0, 1 - x * t).mean()),
    C(lambda: summing(nn.MarginCriterion(0.3)), normal(4), signs(4),
      lambda x, t: np.maximum(0, 0.3 - x * t).sum()),
    C(nn.SoftMarginCriterion, X, Y34, lambda x, t: np.log(1 + np.exp(-x * t)).mean()),
    C(lambda: nn.SoftMarginCriterion(False), normal(4), signs(4),
      lambda x, t: np.log(1 + np.exp(-x * t)).sum()),
    C(lambda: summing(nn.SoftMarginCriterion()), normal(4), signs(4),
      lambda x, t: np.log(1 + np.exp(-x * t)).sum()),
    C(nn.MultiMarginCriterion, X, LABELS, multi_margin(1, None, 1, True)),
    C(nn.MultiMarginCriterion, normal(4), 3, multi_margin(1, None, 1, True)),
    C(lambda: nn.MultiMarginCriterion(2, W4, 0.4), X, LABELS, multi_margin(2, W4, 0.4, True)),
    C(lambda: summing(nn.MultiMarginCriterion(1, W4, 2)), X, LABELS, multi_margin(1, W4, 2, False)),
    C(lambda: nn.MultiMarginCriterion(2), normal(4), np.array([2]), multi_margin(2, None, 1, True)),
    C(nn.MultiLabelMarginCriterion, X, MULTI, multi_label_margin(True)),
    C(lambda: summing(nn.MultiLabelMarginCriterion()), X, MULTI, multi_label_margin(False)),
    C(nn.MultiLabelMarginCriterion, normal(4), MULTI[0], multi_label_margin(True)),
    C(nn.ClassNLLCriterion, X, LABELS, nll(None, True)),
    C(nn.ClassNLLCriterion, normal(4), 2, nll(None, True)),
    C(lambda: nn.ClassNLLCriterion(W4), normal(4), np.array([2]), nll(W4, True)),
    C(lambda: nn.ClassNLLCriterion(W4), X, LABELS.astype(float), lambda x, t: nll(W4, True)(x, LABELS)),
    C(lambda: nn.ClassNLLCriterion(W4, False), X, LABELS[:, None], nll(W4, False)),
    C(lambda: nn.ClassNLLCriterion(None, True, 2), X, np.array([1, 2, 3]), nll(None, True, 2)),
    C(nn.CrossEntropyCriterion, X, LABELS, entropy(None, True)),
    C(nn.CrossEntropyCriterion, normal(4), 2, entropy(None, True)),
    C(nn.CrossEntropyCriterion, normal(1, 4), np.array([2]), entropy(None, True)),
    C(lambda: nn.CrossEntropyCriterion(W4, False), normal(3, 4, 1, 1), LABELS, entropy(W4, False)),
    C(lambda: summing(nn.CrossEntropyCriterion(W4)), X, LABELS, entropy(W4, False)),
    C(nn.SpatialClassNLLCriterion, IMAGES, PLACES, nll(None, True)),
    C(lambda: nn.SpatialClassNLLCriterion(W4[:3]), IMAGES, PLACES, nll(W4, True)),
    C(lambda: nn.SpatialClassNLLCriterion(W4[:3], False, 3), IMAGES, PLACES, nll(W4, False, 3)),
    C(lambda: nn.ClassSimplexCriterion(4), X, LABELS, lambda x, t: mse(x, CORNERS[t - 1])),
    C(lambda: summing(nn.ClassSimplexCriterion(4)), normal(4), 2, lambda x, t: 4 * mse(x, CORNERS[1])),
    C(nn.HingeEmbeddingCriterion, X, Y34,
      lambda x, t: np.where(t == 1, x, np.maximum(0, 1 - x)).mean()),
    C(lambda: summing(nn.HingeEmbeddingCriterion(0.5)), normal(4), signs(4),
      lambda x, t: np.where(t == 1, x, np.maximum(0, 0.5 - x)).sum()),
    C(nn.HingeEmbeddingCriterion, np.array([0.4]), -1, lambda x, t: 0.6),
    C(nn.L1HingeEmbeddingCriterion, PAIR, 1, lambda x, t: abs(x[0] - x[1]).sum()),
    C(lambda: nn.L1HingeEmbeddingCriterion(50), PAIR, -1, lambda x, t: 50 - abs(x[0] - x[1]).sum()),
    C(lambda: nn.L1HingeEmbeddingCriterion(0.1), PAIR, np.array([-1.0]), lambda x, t: 0),
    C(nn.CosineEmbeddingCriterion, PAIR, np.array([1, -1, 1]), cosine(0, True)),
    C(lambda: summing(nn.CosineEmbeddingCriterion(-0.9)), PAIR, np.array([-1, -1, 1]), cosine(-0.9, False)),
    C(lambda: nn.CosineEmbeddingCriterion(-0.5), [normal(4), normal(4)], 1, cosine(-0.5, True)),
    C(lambda: nn.CosineEmbeddingCriterion(-1), [normal(4), normal(4)], -1, cosine(-1, True)),
    C(nn.MarginRankingCriterion, [normal(1), normal(1)], 1, ranking(1, True)),
    C(lambda: nn.MarginRankingCriterion(2), [normal(1), normal(1)], -1, ranking(2, True)),
    C(lambda: nn.MarginRankingCriterion(0.7), [normal(5), normal(5)], signs(5), ranking(0.7, True)),
    C(lambda: summing(nn.MarginRankingCriterion()), [normal(5), normal(5)], signs(5), ranking(1, False)),
    C(nn.DistanceRatioCriterion, [unit(5), unit(5)], None,
      lambda x, t: -np.log(np.exp(-x[0]) / (np.exp(-x[0]) + np.exp(-x[1]))).mean()),
    C(lambda: nn.DistanceRatioCriterion(False), [unit(2, 3), unit(2, 3)], None,
      lambda x, t: -np.log(np.exp(-x[0]) / (np.exp(-x[0]) + np.exp(-x[1]))).sum()),
    C(lambda: nn.MultiCriterion().add(nn.MSECriterion(), 0.5).add(nn.AbsCriterion()), X, T,
      lambda x, t: 0.5 * mse(x, t) + abs(x - t).mean()),
    C(lambda: nn.MultiCriterion().add(nn.L1HingeEmbeddingCriterion(50)).add(
        nn.CosineEmbeddingCriterion(), 3), [PAIR[0][0], PAIR[1][0]], 1,
      lambda x, t: abs(x[0] - x[1]).sum() + 3 * cosine(0, True)(x, t)),
    C(lambda: nn.ParallelCriterion().add(nn.ClassNLLCriterion(), 0.5).add(nn.MSECriterion()),
      [X, T], [LABELS, X], lambda x, t: 0.5 * nll(None, True)(x[0], t[0]) + mse(x[1], t[1])),
    C(lambda: nn.ParallelCriterion(True).add(nn.MSECriterion()).add(nn.AbsCriterion(), 2), [X, 2 * T], T,
      lambda x, t: mse(x[0], t) + 2 * abs(x[1] - t).mean()),
    C(lambda: nn.ParallelCriterion().add(nn.MSECriterion()).add(
        nn.ParallelCriterion().add(nn.CosineEmbeddingCriterion())), [X, [PAIR], T], [T, [signs(3)]],
      lambda x, t: mse(x[0], t[0]) + cosine(0, True)(x[1][0], t[1][0])),
    C(lambda: nn.ModuleCriterion(nn.MSECriterion(), nn.Tanh(), nn.Square()), X, T,
      lambda x, t: mse(np.tanh(x), t * t)),
    C(lambda: nn.ModuleCriterion(nn.AbsCriterion(), None, nn.Square(), False), X, T,
      lambda x, t: abs(x - t * t).mean()),
    C(lambda: nn.ModuleCriterion(nn.MSECriterion(), nn.CAddTable()), [X, T], T,
      lambda x, t: mse(x[0] + x[1], t)),
]
