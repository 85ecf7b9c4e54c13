"""to_torch: the same numbers forward and backward, names, sharing, modes, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from interop_cases import as_torch, compare_with_torch, flat, largest, modules_of_the_registry, prepared
from module_registry import public_classes
from registry.case import Case
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ConversionError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

#: Cases of the registry that are refused, and what the refusal says; anything else must convert.
REFUSED = {
    "SparseLinear-1": "doGradInput",
    "IndexLinear-2": "doGradInput",
}
DRAW_IN_TRAINING = {"Dropout", "SpatialDropout", "VolumetricDropout", "RReLU", "WhiteNoise"}
REGISTRY = modules_of_the_registry(whole=True)


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_graphs_give_the_same_numbers(case: dict[str, Any]) -> None:
    net, _ = build_graph(case)
    assert compare_with_torch(torch, net, value(case["input"]), value(case["gradOutput"])) < 1e-9


@pytest.mark.parametrize("case", [case for _, case in REGISTRY], ids=[name for name, _ in REGISTRY])
def test_layers_give_the_same_numbers(case: Case) -> None:
    module, input = prepared(case)
    refusal = REFUSED.get(f"{case.name}-{case.label}")
    if refusal is not None:
        with pytest.raises(ConversionError, match=f"(?s)nn.{case.name}.*{refusal}"):
            interop.to_torch(module)
        return
    if getattr(module, "stochastic_inference", False):
        assert interop.to_torch(module)(as_torch(torch, input)).shape == module.forward(input).shape
        return
    for mode in (module.evaluate, module.training):
        mode()
        if not (module.train and case.name in DRAW_IN_TRAINING):
            assert compare_with_torch(torch, module, input, case.gradient(module.forward(input))) < 1e-9


def test_the_registry_is_tested_whole() -> None:
    names = [name for name, _ in REGISTRY]
    assert {case.name for _, case in REGISTRY} == public_classes() and set(REFUSED) <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ["BatchNormalization", "SpatialBatchNormalization"])
def test_batch_normalisation_in_training_updates_the_same_statistics(kind: str) -> None:
    module = getattr(nn, kind)(3)
    x = np.random.default_rng(0).normal(size=(5, 3) if kind[0] == "B" else (2, 3, 4, 5))
    assert compare_with_torch(torch, module, x, np.ones_like(x) * x) < 1e-9
    twin = interop.to_torch(module)
    module.forward(x)
    twin(torch.tensor(x))
    (layer,) = [m for m in twin.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert largest([module.running_mean, module.running_var],
                   [layer.running_mean.numpy(), layer.running_var.numpy()]) < 1e-12


def two_layers() -> nn.gModule:
    x = nn.Identity()().annotate(name="x")
    hidden = nn.Tanh()(nn.Linear(4, 3)(x).annotate(name="i2h", description="input to hidden"))
    out = nn.Linear(3, 2)(nn.Dropout(0.5)(hidden)).annotate(name="l1.out")
    return nn.gModule([x], [out])


def test_layers_are_real_and_named_after_nodes() -> None:
    module = interop.to_torch(two_layers())
    assert isinstance(module, torch.fx.GraphModule)
    assert [(name, type(child)) for name, child in module.named_children()] == [
        ("i2h", torch.nn.Linear), ("tanh", torch.nn.Tanh), ("dropout", torch.nn.Dropout),
        ("l1_out", torch.nn.Linear),
    ]
    assert [node.name for node in module.graph.nodes][:2] == ["x", "i2h"]
    assert set(module.state_dict()) == {"i2h.weight", "i2h.bias", "l1_out.weight", "l1_out.bias"}
    (noted,) = [node for node in module.graph.nodes if node.name == "i2h"]
    assert noted.meta["minigraph"]["description"] == "input to hidden"
    assert "test_interop_torch.py" in noted.meta["minigraph"]["location"]


def test_it_can_be_trained_and_does_not_touch_the_network() -> None:
    net = two_layers()
    before = [p.copy() for p in net.parameters()[0]]
    module = interop.to_torch(net)
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    x, losses = torch.randn(8, 4, dtype=torch.float64), []
    for _ in range(20):
        loss = module.eval()(x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(np.array_equal(a, b) for a, b in zip(before, net.parameters()[0]))


def test_modes_and_types_follow_the_network() -> None:
    net = two_layers().float()
    net.modules[-2].evaluate()
    module = interop.to_torch(net)
    assert module.training and not module.dropout.training and module.i2h.training
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert not any(m.training for m in interop.to_torch(net.evaluate()).modules() if not list(m.children()))


def test_shared_parameters_stay_shared() -> None:
    table, decoder = nn.LookupTable(6, 4), nn.Linear(4, 6)
    decoder.share(table, "weight"), decoder.share(table, "gradWeight")
    decoder.gradWeight = table.gradWeight
    again = nn.Linear(6, 6)
    x = nn.Identity()()
    net = nn.gModule([x], [again(again(decoder(table(x))))])
    module = interop.to_torch(net)
    assert module.lookuptable.weight is module.linear.weight
    assert module.linear_1.weight is module.linear_2.weight
    assert len(list(module.parameters())) == 4
    index = np.array([1.0, 6.0, 3.0])
    assert compare_with_torch(torch, net, index, np.random.default_rng(0).normal(size=(3, 6))) < 1e-9
    assert module(torch.tensor([1, 6, 3])).shape == (3, 6)
    with pytest.raises(IndexError):
        module(torch.tensor([0]))


def test_several_inputs_come_as_one_table_or_one_by_one() -> None:
    case = next(case for case in load("graphs") if case["name"] == "zaremba_lstm_1layers")
    module = interop.to_torch(build_graph(case)[0])
    x, states = as_torch(torch, value(case["input"]))
    for given in ((x, states), ([x, states],), ((x, tuple(states)),)):
        out = module(*given)
        assert largest(flat(value(case["output"])), [t.detach().numpy() for t in (out[0], *out[1])]) < 1e-12


def test_nested_networks_and_containers() -> None:
    inner = two_layers()
    x, y = nn.Identity()(), nn.Identity()()
    branches = nn.Concat(2).add(nn.Sequential().add(inner).add(nn.Tanh())).add(nn.Linear(4, 2))
    table = nn.ParallelTable().add(branches).add(nn.Linear(3, 4))([x, y]).annotate(name="both")
    mapped = nn.MapTable(nn.Sequential().add(nn.Linear(4, 4)).add(nn.Tanh()))(table)
    net = nn.gModule([x, y], [nn.CAddTable()(mapped)]).evaluate()
    rng = np.random.default_rng(1)
    input = [rng.normal(size=(5, 4)), rng.normal(size=(5, 3))]
    assert compare_with_torch(torch, net, input, rng.normal(size=(5, 4))) < 1e-9


@pytest.mark.parametrize("cell, layers", [("lstm", 1), ("lstm", 2), ("gru", 2), ("rnn", 1)])
def test_unroll_loops_over_any_number_of_steps(cell: str, layers: int) -> None:
    mg.manualSeed(3)
    net = mg.rnn.Unroll(*getattr(mg.rnn, cell)(3, 4, layers))
    rng = np.random.default_rng(2)
    states = [rng.normal(size=(2, 4)) for _ in range(net.step.nInputs - 1)]
    for T in (1, 5):
        xs = rng.normal(size=(T, 2, 3))
        out = net.forward([xs, *states])
        gradient = mg.tables.map_table(lambda leaf: rng.normal(size=leaf.shape), out)
        assert compare_with_torch(torch, net, [xs, *states], gradient) < 1e-9


def test_unroll_inside_a_graph() -> None:
    step, feedback = mg.rnn.rnn(3, 4)
    xs, h0 = nn.Identity()(), nn.Identity()()
    hs = mg.rnn.Unroll(step, feedback)([xs, h0])
    net = nn.gModule([xs, h0], [nn.Bottle(nn.Linear(4, 2))(hs)])
    rng = np.random.default_rng(2)
    input = [rng.normal(size=(3, 2, 3)), rng.normal(size=(2, 4))]
    assert compare_with_torch(torch, net, input, rng.normal(size=(3, 2, 2))) < 1e-9


def test_criterions_take_classes_from_1() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    scores = nn.Linear(4, 3)(x)
    loss = nn.CrossEntropyCriterion()([scores, y]).annotate(name="loss")
    net = nn.gModule([x, y], [loss])
    input = [np.random.default_rng(0).normal(size=(5, 4)), np.array([1, 3, 2, 2, 1])]
    assert compare_with_torch(torch, net, input, np.array([2.0])) < 1e-9


def test_a_copy_and_compile_friendly_graph() -> None:
    module = interop.to_torch(two_layers()).eval()
    x = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    assert torch.allclose(torch.export.export(module, (x,)).module()(x), module(x))


class Mine(nn.Module):
    def updateOutput(self, input: Any) -> Any:
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        return gradOutput


def test_every_node_at_fault_is_listed() -> None:
    x = nn.Identity()().annotate(name="x")
    a = Mine()(x).annotate(name="a")
    b = nn.Sequential().add(nn.Tanh()).add(nn.SparseLinear(3, 3, True))(a).annotate(name="b")
    c = nn.Linear(3, 3)(b)
    with pytest.raises(ConversionError) as caught:
        interop.to_torch(nn.gModule([x], [c]))
    (first, why), (second, also) = caught.value.reasons
    assert "'a': Mine" in first and "test_interop_torch.py" in first and "class of your own" in why
    assert "module 2 of nn.Sequential" in second and "'b'" in second and "doGradInput" in also
    assert str(caught.value).startswith("2 modules cannot be converted (PyTorch):")
