"""Table layers: what the registry's common tests do not say, and what each refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, InputError

RNG = np.random.default_rng(9)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))


def test_pairs_agree_with_numpy() -> None:
    np.testing.assert_allclose(nn.DotProduct().forward([A, B]), (A * B).sum(1))
    lengths = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    np.testing.assert_allclose(nn.CosineDistance().forward([A, B]), (A * B).sum(1) / lengths)
    for p in (1, 2, 3.5, np.inf):
        distances = np.linalg.norm(A - B, p, axis=1)
        np.testing.assert_allclose(nn.PairwiseDistance(p).forward([A, B]), distances)
        np.testing.assert_allclose(nn.PairwiseDistance(p).forward([A[0], B[0]]), distances[:1])


@pytest.mark.parametrize(
    ("layer", "together"),
    [
        (nn.CAddTable, np.add), (nn.CSubTable, np.subtract), (nn.CMulTable, np.multiply),
        (nn.CDivTable, np.divide), (nn.CMaxTable, np.maximum), (nn.CMinTable, np.minimum),
    ],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["engine", "compiled"])
def test_tensors_meet_by_their_elements(layer: Any, together: Any, compiled: bool) -> None:
    a, b = nn.Identity()(), nn.Identity()()
    net: Any = nn.gModule([a, b], [layer()([a, b])])
    net = mg.compile(net) if compiled else net
    first, second = A[:2], RNG.uniform(1, 2, (2, 1, 4))
    np.testing.assert_array_equal(net.forward([first, second]), together(first, second[:, 0]))
    g = RNG.standard_normal((2, 4))
    gradients = [gradient.copy() for gradient in net.backward([first, second], g)]
    assert [gradient.shape for gradient in gradients] == [(2, 4), (2, 1, 4)]
    net.forward([first, second[:, 0]])
    for mine, same in zip(gradients, net.backward([first, second[:, 0]], g)):
        np.testing.assert_array_equal(mine.reshape(2, 4), same)
    for shape in ((2, 1), (1, 4), (4,), (1,), (3, 4)):  # NumPy would expand all but the last
        with pytest.raises(InputError, match=r"as many elements: input\[2\] has shape"):
            net.forward([first, np.ones(shape)])


def test_pairwise_distance_breaks_ties_at_random() -> None:
    net = nn.PairwiseDistance(1)
    a = np.ones(40)
    net.forward([a, a])
    mg.manualSeed(4)
    gradient = net.backward([a, a], np.ones(1))
    mg.manualSeed(4)
    expected = [2 * mg.random.random(2) - 3 for _ in range(40)]
    np.testing.assert_array_equal(gradient[0], expected)
    np.testing.assert_array_equal(gradient[1], -gradient[0])
    assert len(set(expected)) == 2


def test_mixture_of_a_table_and_of_a_tensor_agree() -> None:
    gater, experts = RNG.uniform(0, 1, (3, 2)), [A, B]
    table = nn.MixtureTable()
    y = table.forward([gater, experts])
    np.testing.assert_allclose(y, gater[:, :1] * A + gater[:, 1:] * B)
    g = RNG.standard_normal((3, 4))
    gaterGradient, expertGradients = table.backward([gater, experts], g)
    for axis in (1, 2):
        tensor = nn.MixtureTable(axis + 1)
        stacked = np.stack(experts, axis)
        np.testing.assert_allclose(tensor.forward([gater, stacked]), y)
        other, gradients = tensor.backward([gater, stacked], g)
        np.testing.assert_allclose(other, gaterGradient)
        np.testing.assert_allclose(gradients, np.stack(expertGradients, axis))
    single = nn.MixtureTable().forward([gater[0], [A[0], B[0]]])
    np.testing.assert_allclose(single, y[0])
    images = [RNG.standard_normal((3, 2, 5)) for _ in range(2)]
    np.testing.assert_allclose(
        nn.MixtureTable().forward([gater, images]),
        gater[:, 0, None, None] * images[0] + gater[:, 1, None, None] * images[1],
    )


def test_zip_and_unzip() -> None:
    a, b, c, d = (RNG.standard_normal(n) for n in (1, 2, 3, 4))
    zipped = nn.ZipTable().forward([[a, b], [c, d]])
    assert zipped[0][1] is c and zipped[1][0] is b
    net = nn.ZipTableOneToMany()
    pairs = net.forward([a, [b, c, d]])
    assert [pair[1] for pair in pairs] == [b, c, d] and all(pair[0] is a for pair in pairs)
    grads = [[np.full(1, i), entry] for i, entry in enumerate((b, c, d))]
    one, many = net.backward([a, [b, c, d]], grads)
    np.testing.assert_array_equal(one, [3])
    assert many[2] is d
    net.forward([a, []])
    np.testing.assert_array_equal(net.backward([a, []], [])[0], np.zeros(1))


def test_an_added_tensor_gets_the_sum_of_the_gradients() -> None:
    net = nn.CAddTensorTable()
    y = net.forward([A, [A, B]])
    np.testing.assert_allclose(y[1], A + B)
    gradient, entries = net.backward([A, [A, B]], [A, B])
    np.testing.assert_allclose(gradient, A + B)
    np.testing.assert_allclose(entries[0], A)


def test_gradients_in_a_graph() -> None:
    """One input feeds both sides of a pair; its gradient is their sum."""
    x, y = nn.Identity()(), nn.Identity()()
    net = nn.gModule([x, y], [nn.CosineDistance()([x, y]), nn.DotProduct()([x, x])])
    net.forward([A, B])
    gradient = net.backward([A, B], [None, np.ones(3)])
    np.testing.assert_allclose(gradient[0], 2 * A)
    np.testing.assert_allclose(gradient[1], 0 * B)


@pytest.mark.parametrize(
    ("net", "x", "path", "expected", "got"),
    [
        (nn.DotProduct(), [A, B[:2]], "input[2]", (3, 4), (2, 4)),
        (nn.DotProduct(), [A], "input", 2, 1),
        (nn.CosineDistance(), [A[None], B[None]], "input[1]", (1, 2), (1, 3, 4)),
        (nn.PairwiseDistance(2), A, "input", "table", "(3, 4) float64"),
        (nn.MixtureTable(), [A[:, :2], [A]], "input[2]", 2, 1),
        (nn.MixtureTable(), [A[:, :2], [A, B[:2]]], "input[2][2]", (3, 4), (2, 4)),
        (nn.MixtureTable(), [A[:2, :2], [A, B]], "input[2][1]", (3, 4), (3, 4)),
        (nn.MixtureTable(4), [A[:, :2], np.zeros((3, 2, 4))], "input", 4, 3),
        (nn.ZipTable(), [[A, B], [A]], "input", 2, [2, 1]),
        (nn.ZipTable(), [A, B], "input[1]", "table", "(3, 4) float64"),
        (nn.ZipTableOneToMany(), [A, B], "input[2]", "table", "(3, 4) float64"),
        (nn.CAddTensorTable(), [A, [A, B[0]]], "input[2][2]", (3, 4), (4,)),
    ],
)
def test_wrong_inputs(net: Any, x: Any, path: str, expected: Any, got: Any) -> None:
    with pytest.raises(InputError) as caught:
        net.forward(x)
    assert caught.value.path == path
    assert caught.value.expected == expected and caught.value.got == got


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.PairwiseDistance(0.5),
        lambda: nn.PairwiseDistance("2"),
        lambda: nn.MixtureTable(0),
    ],
)
def test_wrong_arguments(build: Any) -> None:
    with pytest.raises(ArgumentError):
        build()
