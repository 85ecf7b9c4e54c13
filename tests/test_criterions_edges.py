"""Criterions at the edges: kinks, overflow, composites, and errors that name what is wrong."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from criterion_cases import IMAGES, LABELS, MULTI, PAIR, PLACES, W4, Y34, T, X, normal, unit

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError
from minigraph.tables import is_table


def test_simplex_corners_and_predictions() -> None:
    for n in (2, 3, 7):
        criterion = nn.ClassSimplexCriterion(n)
        angles = criterion.simplex @ criterion.simplex.T
        np.testing.assert_allclose(angles, np.eye(n) * n / (n - 1) - 1 / (n - 1), atol=1e-14)
        assert not criterion.simplex[:, -1].any()
        assert criterion.getTopPrediction(criterion.simplex).tolist() == list(range(1, n + 1))
        assert criterion.getTopPrediction(criterion.simplex[1]).tolist() == [2]
        np.testing.assert_allclose(criterion.getPredictions(criterion.simplex[0]), angles[:1], atol=1e-15)


def test_equal_tensors_get_random_signs_from_torchs_stream() -> None:
    x = np.zeros(6)
    mg.manualSeed(3)
    expected = [2 * mg.random.random(2) - 3 for _ in range(6)]
    assert set(expected) == {-1, 1}
    criterion = nn.L1HingeEmbeddingCriterion()
    criterion.forward([x, x], 1)
    mg.manualSeed(3)
    first, second = criterion.backward([x, x], 1)
    assert first.tolist() == expected
    assert second.tolist() == [-sign for sign in expected]


# The gradient where two branches meet, as THNN and nn's Lua write the comparison.
KINKS = [
    (nn.AbsCriterion, [1.0], [1.0], 1.0),
    (nn.SmoothL1Criterion, [2.0], [1.0], 1.0),
    (nn.MarginCriterion, [1.0], [1.0], 0.0),
    (nn.HingeEmbeddingCriterion, [1.0], [-1.0], -1.0),
    (nn.L1Cost, [0.0], None, 0.0),
    (nn.DistKLDivCriterion, [1.0], [0.0], 0.0),
    (nn.DistKLDivCriterion, [-np.inf], [-2.0], 0.0),
]


@pytest.mark.parametrize("make, x, t, slope", KINKS)
def test_gradient_at_a_kink(make: Any, x: list[float], t: Any, slope: float) -> None:
    target = None if t is None else np.array(t)
    criterion = make()
    criterion.forward(np.array(x), target)
    assert criterion.backward(np.array(x), target).item() == slope


def test_ranking_and_multi_margin_at_a_kink() -> None:
    ranks = nn.MarginRankingCriterion(1)
    pair = [np.array([2.0]), np.array([1.0])]
    assert ranks.forward(pair, 1) == 0
    assert [g.item() for g in ranks.backward(pair, 1)] == [-1, 1]
    multi, x = nn.MultiMarginCriterion(), np.array([2.0, 1.0])
    assert multi.forward(x, 1) == 0
    assert not multi.backward(x, 1).any()


@pytest.mark.filterwarnings("error")
def test_large_scores_neither_overflow_nor_warn() -> None:
    x, y = np.array([-900.0, 900.0, 900.0]), np.array([1.0, -1.0, 1.0])
    for criterion, target in [
        (nn.SoftMarginCriterion(), y),
        (nn.MultiLabelSoftMarginCriterion(), (y + 1) / 2),
        (nn.CrossEntropyCriterion(), 1),
        (nn.BCECriterion(), y > 0),
    ]:
        given = (x > 0) * 1.0 if isinstance(criterion, nn.BCECriterion) else x
        assert np.isfinite(criterion.forward(given, target))
        assert np.isfinite(criterion.backward(given, target)).all()
    ratio = nn.DistanceRatioCriterion()
    assert ratio.forward([x, -x]) == pytest.approx(1200)
    assert np.isfinite(ratio.backward([x, -x])).all()


def test_nothing_left_to_count_gives_no_gradient() -> None:
    for criterion, t in [
        (nn.ClassNLLCriterion(None, True, 2), np.full(3, 2)),
        (nn.ClassNLLCriterion(np.zeros(4)), LABELS),
    ]:
        assert criterion.forward(X, t) == 0
        assert not criterion.backward(X, t).any()


def test_a_criterion_added_twice_keeps_two_states() -> None:
    once = nn.CrossEntropyCriterion()
    both = nn.ParallelCriterion().add(once).add(once, 2)
    inputs, targets = [X, 2 * T], [LABELS, LABELS[::-1]]
    both.forward(inputs, targets)
    for gradient, x, t, weight in zip(both.backward(inputs, targets), inputs, targets, (1, 2)):
        once.forward(x, t)
        np.testing.assert_allclose(gradient, weight * once.backward(x, t), 1e-14)


def test_a_sum_of_nothing_is_zero() -> None:
    criterion = nn.MultiCriterion()
    assert criterion.forward(X, T) == 0
    assert not criterion.backward(X, T).any()


def test_composites_pass_their_type_on() -> None:
    class Loss(nn.MSECriterion):
        pass

    inner = nn.ModuleCriterion(Loss(), nn.Dropout(), nn.Sigmoid(), castTarget=False)
    inner.inputModule.noise = np.ones(2)
    outer = nn.MultiCriterion().add(nn.ParallelCriterion().add(inner)).float()
    assert inner.criterion.type() == inner.inputModule.type() == "torch.FloatTensor"
    assert inner.inputModule.noise.dtype == np.float32
    assert inner.targetModule.modules[0].type() == "torch.DoubleTensor"
    assert outer.clone().criterions[0].criterions[0].criterion is not inner.criterion
    assert nn.ModuleCriterion(Loss(), None, nn.Sigmoid()).float().targetModule.type() == "torch.FloatTensor"


def test_module_criterion_warns_of_parameters() -> None:
    with pytest.warns(UserWarning, match=r"does not update the parameters of nn\.Linear\(4 -> 2\)"):
        nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.MultiMarginCriterion(3), "p must be 1 or 2, got 3"),
        (lambda: nn.ClassSimplexCriterion(1), "at least 2 classes, got 1"),
        (lambda: nn.ClassSimplexCriterion(2.5), "at least 2 classes, got 2.5"),
        (lambda: nn.MultiCriterion().add(nn.Linear(1, 1)), "nn.MultiCriterion holds criterions, got Linear"),
        (lambda: nn.ModuleCriterion(nn.Linear(1, 1)), "needs a criterion, got Linear"),
        (lambda: nn.ClassNLLCriterion([1, 2]).forward(X, LABELS), "has 2 class weights, the input 4"),
        (lambda: nn.MultiMarginCriterion(1, [1, 2]).forward(X, LABELS), "has 2 class weights, the input 4"),
    ],
)
def test_arguments_are_checked(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


WRONG = [
    (nn.MSECriterion(), X, normal(3, 3), r"target of shape \(3, 4\) like the input, got \(3, 3\)"),
    (nn.MSECriterion(), X, None, "expects a tensor as target, got None"),
    (nn.MSECriterion(), X, [T], "expects a tensor as target, got a table"),
    (nn.MSECriterion(), [X], T, "expects a tensor as input, got a table"),
    (nn.MSECriterion(), X, np.full((3, 4), "a"), "target must hold real numbers"),
    (nn.L1Cost(), None, None, "expects a tensor as input, got None"),
    (nn.BCECriterion(), X, T, r"input holds -?[\d.]+, the valid range is 0\.\.1"),
    (nn.BCECriterion(), unit(2), np.array([0, 1.5]), r"target holds 1\.5, the valid range is 0\.\.1"),
    (nn.BCECriterion(), np.array([0.5, np.nan]), np.ones(2), "input holds nan, the valid range"),
    (nn.BCECriterion([1, 2]), unit(3), unit(3), r"weights of shape \(2,\) do not fit .* \(3,\)"),
    (nn.MultiLabelSoftMarginCriterion(), normal(2), np.array([2.0, 0]), r"target holds 2, the valid range"),
    (nn.WeightedMSECriterion(W4), normal(3), normal(3), r"weight of shape \(4,\) does not fit .* \(3,\)"),
    (nn.SpatialAutoCropMSECriterion(), normal(1, 3, 3), normal(1, 2, 5), r"at least as high .* \(1, 2, 5\)"),
    (nn.SpatialAutoCropMSECriterion(), normal(3, 3), normal(3, 3), r"3 or 4 dimension\(s\)"),
    (nn.MarginCriterion(), normal(2), np.array([1, 0]), "target holds 0, the valid values are 1 and -1"),
    (nn.SoftMarginCriterion(), normal(2), np.array([2, 1]), "target holds 2, the valid values are 1 and -1"),
    (nn.HingeEmbeddingCriterion(), normal(2), 1, r"expects 2 target\(s\), got 1"),
    (nn.HingeEmbeddingCriterion(), normal(2), np.array([1, 3]), "target holds 3, the valid values"),
    (nn.L1HingeEmbeddingCriterion(), PAIR, 0, "target holds 0, the valid values are 1 and -1"),
    (nn.L1HingeEmbeddingCriterion(), PAIR, Y34, r"expects 1 target\(s\), got 12"),
    (nn.CosineEmbeddingCriterion(), PAIR, np.array([1, 2, 1]), "target holds 2, the valid values"),
    (nn.CosineEmbeddingCriterion(), PAIR, 1, r"expects 3 target\(s\), got 1"),
    (nn.CosineEmbeddingCriterion(), [X, normal(4)], 1, r"two tensors of one shape, got \{\(3, 4\)"),
    (nn.CosineEmbeddingCriterion(), X, 1, "expects a table as input"),
    (nn.MarginRankingCriterion(), [normal(3), normal(3)], 1, r"expects 3 target\(s\), got 1"),
    (nn.MarginRankingCriterion(), [normal(3)], 1, "table of 2 entries as input, got 1"),
    (nn.DistanceRatioCriterion(), [normal(3), [X]], None, r"expects a tensor as input\[2\], got a table"),
    (nn.ClassNLLCriterion(), X, np.array([1, 5, 2]), r"index 5, the valid range is 1\.\.4"),
    (nn.ClassNLLCriterion(), X, np.array([0, 1, 2]), r"index 0, the valid range is 1\.\.4 .*count from 1"),
    (nn.ClassNLLCriterion(), X, np.array([1, 1.5, 2]), r"whole numbers as target, got 1\.5"),
    (nn.ClassNLLCriterion(), X, 2, r"targets of shape \(3,\), got shape \(\)"),
    (nn.ClassNLLCriterion(), normal(4), None, "target must hold real numbers"),
    (nn.ClassNLLCriterion(), normal(4), np.array([1, 2]), r"expects one target, got shape \(2,\)"),
    (nn.CrossEntropyCriterion(), X, np.array([1, 5, 2]),
     r"(?s)index 5, the valid range is 1\.\.4.*in nn\.CrossEntropyCriterion"),
    (nn.ClassNLLCriterion(), X, [[1], [1, 2]], "target is no tensor: its rows differ in length"),
    (nn.ClassNLLCriterion(), X, ["a", "b", "c"], "target must hold real numbers"),
    (nn.SpatialClassNLLCriterion(), IMAGES, PLACES[:, :1], r"targets of shape \(2, 2, 4\), got .*1, 4\)"),
    (nn.SpatialClassNLLCriterion(), IMAGES, PLACES + 3, r"the valid range is 1\.\.3"),
    (nn.SpatialClassNLLCriterion(), X, LABELS, r"4 dimension\(s\)"),
    (nn.MultiMarginCriterion(), X, np.array([1, 2]), r"targets of shape \(3,\), got shape \(2,\)"),
    (nn.MultiMarginCriterion(), normal(4), 5, r"index 5, the valid range is 1\.\.4"),
    (nn.MultiLabelMarginCriterion(), X, MULTI[:2], r"target of shape \(3, 4\) like the input"),
    (nn.MultiLabelMarginCriterion(), normal(4), np.array([1, 0, 9, 0]), "index 9, the valid range"),
    (nn.MultiLabelMarginCriterion(), normal(4), np.array([-1, 0, 0, 0]), "index -1, the valid range"),
    (nn.ClassSimplexCriterion(3), normal(4), 1, r"expects 3 numbers for each sample, got shape \(4,\)"),
    (nn.ClassSimplexCriterion(3), normal(3), 4, r"index 4, the valid range is 1\.\.3"),
    (nn.ParallelCriterion().add(nn.L1Cost()), X, [T], "table of 1 entries as input, one for each criterion"),
    (nn.ParallelCriterion().add(nn.L1Cost()), [X], [], "table of 1 entries as target, .* got {}"),
    (nn.MultiCriterion().add(nn.L1Cost()).add(nn.MSECriterion()), X, None,
     r"(?s)got None.*in criterion 2 of nn\.MultiCriterion: nn\.MSECriterion"),
]


@pytest.mark.parametrize("criterion, input, target, message", WRONG)
def test_wrong_input_and_targets_are_named(criterion: Any, input: Any, target: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        criterion.forward(input, target)
    assert criterion.output is None
    assert not is_table(criterion.gradInput)


def test_cross_entropy_hears_what_is_set_at_its_nll() -> None:
    criterion = nn.CrossEntropyCriterion()
    scores, target = np.zeros((2, 4)), np.array([1, 2])
    assert criterion.forward(scores, target) == pytest.approx(np.log(4))
    criterion.nll.sizeAverage = False
    assert criterion.forward(scores, target) == pytest.approx(2 * np.log(4))
    assert criterion.sizeAverage is False
    criterion.sizeAverage = True
    assert criterion.nll.sizeAverage and criterion.forward(scores, target) == pytest.approx(np.log(4))
