"""Modules that share arrays go on sharing them, whatever is done to one of them, or are told."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import numpy as np
import pytest

import minigraph as mg
from minigraph import nn
from minigraph.errors import ArgumentError, StateError
from minigraph.rnn import clone_many

X = np.linspace(-1, 1, 6).reshape(2, 3)


def step() -> nn.gModule:
    x = nn.Identity()()
    return nn.gModule([x], [nn.Linear(3, 3)(nn.Dropout(0.5)(nn.Linear(3, 3)(x)))])


def arrays(net: Any) -> list[np.ndarray]:
    params, gradParams = net.parameters()
    return [*params, *gradParams]


def shared(net: Any, other: Any) -> bool:
    return all(a is b for a, b in zip(arrays(net), arrays(other)))


# -- clones ------------------------------------------------------------------------------------------


def test_clones_follow_getParameters() -> None:
    net = step().evaluate()
    clones = clone_many(net, 2)
    flat, gradFlat = net.getParameters()
    assert all(shared(net, clone) for clone in clones)
    flat *= 2
    np.testing.assert_array_equal(clones[0].forward(X), net.forward(X))
    clones[1].forward(X)
    clones[1].backward(X, np.ones((2, 3)))
    assert gradFlat.any()
    assert clones[0].getParameters()[0] is flat  # those of a clone are the same


def test_clones_follow_float_and_modes() -> None:
    net = step()
    clones = clone_many(net, 2)
    dropouts = [clone.findModules("nn.Dropout")[0][0] for clone in clones]
    nn.Sequential().add(net).evaluate()
    assert not any(dropout.train for dropout in dropouts)
    net.training()
    assert all(dropout.train for dropout in dropouts)
    net.float()
    assert [clone.type() for clone in clones] == ["torch.FloatTensor"] * 2
    assert all(shared(net, clone) for clone in clones)
    assert clones[0].evaluate().forward(X.astype(np.float32)).dtype == np.float32
    assert net.train and net.modules[0].train  # a clone does not lead


def test_whatever_uses_the_parameters_follows_getParameters() -> None:
    net = step()
    named = net.clone("weight", "bias", "gradWeight", "gradBias")
    by_hand, tied = nn.Linear(3, 3), nn.Linear(3, 3, False)
    by_hand.share(net.modules[1], "weight", "gradWeight")
    tied.weight, tied.gradWeight = net.modules[1].weight.T, net.modules[1].gradWeight.T
    flat, _ = net.getParameters()
    flat[...] = np.arange(flat.size)
    assert shared(net, named) and by_hand.weight is net.modules[1].weight
    np.testing.assert_array_equal(tied.weight, net.modules[1].weight.T)


def test_whatever_shares_parameters_is_converted_with_them() -> None:
    net, lone, other = step(), nn.Linear(3, 3), nn.Linear(3, 3)
    named = net.clone("weight", "bias")
    around = nn.Sequential().add(nn.Tanh()).add(other.share(net.modules[1], "weight")).add(nn.Linear(3, 2))
    net.float()
    for each in (named, around, around.get(1), around.get(3)):
        assert each.type() == "torch.FloatTensor"
    assert arrays(named)[0] is arrays(net)[0] and other.weight is net.modules[1].weight
    assert named.forward(X.astype(np.float32)).dtype == around.forward(X).dtype == np.float32
    assert lone.type() == "torch.DoubleTensor"
    around.double()
    assert net.type() == named.type() == "torch.DoubleTensor" and arrays(named)[0] is arrays(net)[0]


def test_what_DontCast_keeps_cannot_share_what_is_converted() -> None:
    inside, outside = nn.Linear(3, 3), nn.Linear(3, 3)
    kept = nn.Sequential().add(nn.DontCast(inside)).add(nn.Linear(3, 3))
    outside.share(inside, "weight")
    with pytest.raises(StateError, match="nn.Linear.* shares arrays with nn.Linear.* nn.DontCast keeps"):
        outside.float()
    assert outside.type() == kept.type() == "torch.DoubleTensor" and outside.weight is inside.weight
    assert outside.weight.dtype == np.float64


# -- flat arrays -------------------------------------------------------------------------------------


def descend(x: np.ndarray, gradient: np.ndarray) -> None:
    mg.optim.sgd(lambda _: (0.0, gradient), x)


def test_a_second_call_returns_the_same_arrays() -> None:
    net = nn.Sequential().add(nn.Linear(2, 3)).add(nn.Linear(3, 1))
    flat, gradFlat = net.getParameters()
    again = net.getParameters()
    assert again[0] is flat and again[1] is gradFlat
    part, _ = net.get(2).getParameters()  # a part of what is there
    part[...] = 5
    assert (flat[-4:] == 5).all() and net.getParameters()[0] is flat


def test_two_networks_over_one_module_cannot_both_have_flat_arrays() -> None:
    module = nn.Linear(2, 2)
    one, two = (nn.Sequential().add(module).add(nn.Linear(2, n)) for n in (2, 1))
    flat, gradFlat = one.getParameters()
    weight = module.weight
    with pytest.raises(ArgumentError, match="call getParameters.. once, on a container that holds both"):
        two.getParameters()
    assert module.weight is weight
    flat += 1
    assert (module.weight.ravel() == flat[:4]).all()
    both = nn.ParallelTable().add(one).add(two).getParameters()[0]
    assert both.size == flat.size + 3 and both[0] == module.weight[0, 0]
    with pytest.raises(ValueError, match="read-only"):  # it holds parameters no more
        flat += 1
    with pytest.raises(StateError, match="call getParameters.. again"):
        descend(flat, np.zeros_like(flat))
    with pytest.raises(StateError, match="return the one of the last getParameters"):
        descend(np.zeros_like(flat), gradFlat)
    del flat, gradFlat, both
    assert two.getParameters()[0].size == 9  # nobody holds another any more


def test_a_flat_array_from_before_float_is_read_only() -> None:
    net = nn.Linear(2, 2)
    flat, _ = net.getParameters()
    net.float()
    with pytest.raises(ValueError, match="read-only"):
        flat += 1
    now, _ = net.getParameters()
    now += 1
    assert now.dtype == np.float32 and net.bias[0] == now[-2]


def test_a_flat_array_that_share_takes_parameters_from_is_read_only() -> None:
    net, other = nn.Sequential().add(nn.Linear(2, 2)), nn.Linear(2, 2)
    flat, _ = net.getParameters()
    other.share(net.get(1), "weight")  # goes on using what lies there
    flat += 1
    net.get(1).share(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="read-only"):
        flat += 1


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n)) for n in (2, 4, 5)},
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_of_a_network_and_its_flat_arrays_belong_together(how: str) -> None:
    net = nn.Sequential().add(nn.Linear(2, 3)).add(nn.Tanh()).add(nn.Linear(3, 1))
    flat, gradFlat = net.getParameters()
    kept = flat.copy()
    for pick in (lambda net, f, g: (net, f, g), lambda net, f, g: (g, f, net)):
        pair: Any = pick(net, flat, gradFlat)
        for generation in range(3):
            pair = COPIES[how](pair)
            other, f, g = pair if isinstance(pair[0], nn.Sequential) else pair[::-1]
            f[...], g[...] = generation, -generation
            assert all((array == generation).all() for array in other.parameters()[0])
            assert all((array == -generation).all() for array in other.parameters()[1])
            assert other.getParameters()[0] is f
    np.testing.assert_array_equal(flat, kept)


@pytest.mark.parametrize("how", [*COPIES, "clone"])
def test_views_stay_views_in_copies(how: str) -> None:
    encoder, decoder, both = nn.Linear(4, 2, False), nn.Linear(2, 4, False), nn.Linear(4, 2, False)
    decoder.weight, decoder.gradWeight = encoder.weight.T, encoder.gradWeight.T
    both.share(encoder, "weight", "gradWeight")
    net = nn.Sequential().add(encoder).add(decoder).add(both)
    other = net.clone() if how == "clone" else COPIES[how](net)
    first, second, third = (module.weight for module in other.modules)
    first[0, 1] = 50
    assert second[1, 0] == 50 and third is first and encoder.weight[0, 1] != 50
    assert len(other.parameters()[0]) == 2 and other.getParameters()[0].size == 8


def test_a_shallow_copy_has_the_same_arrays() -> None:
    net = step().evaluate()
    net.getParameters()
    for original in (net, net.modules[1]):
        made = copy.copy(original)
        assert made is not original and shared(made, original)
        np.testing.assert_array_equal(made.forward(X), original.forward(X))


def test_a_pickle_holds_no_more_than_the_parameters() -> None:
    """Activations that are views of the caller's data are copied alone."""
    net = nn.Sequential().add(nn.Narrow(1, 1, 2)).add(nn.Linear(3, 1))
    net.forward(np.zeros((100_000, 3)))
    assert len(pickle.dumps(net)) < 10_000
