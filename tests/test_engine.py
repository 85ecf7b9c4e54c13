"""What graphs can do, seen from outside: nesting, sharing, copying, reuse of buffers."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from finite_differences import numeric_gradient
from golden_files import assert_close

import minigraph as mg
from minigraph import nn

RNG = np.random.default_rng(0)


def randn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def lstm_step(D: int, H: int) -> nn.gModule:
    x, c, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    gates = nn.CAddTable()([nn.Linear(D, 4 * H)(x), nn.Linear(H, 4 * H)(h)])
    i, f, o, g = nn.SplitTable(2)(nn.Reshape(4, H, True)(gates)).split(4)
    kept = nn.CMulTable()([nn.Sigmoid()(f), c])
    next_c = nn.CAddTable()([kept, nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])])
    next_h = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])
    return nn.gModule([x, c, h], [next_c, next_h])


# -- wiring --------------------------------------------------------------------------------


def test_operators_build_the_same_graph_as_calls() -> None:
    mg.manualSeed(1)
    a = -nn.Linear(3, 4)
    b = -nn.Identity()
    out = [a - nn.Tanh(), b] - nn.CAddTable() - nn.Linear(4, 2)
    by_operators = nn.gModule([a, b], [out])
    mg.manualSeed(1)
    a = nn.Linear(3, 4)()
    b = nn.Identity()()
    by_calls = nn.gModule([a, b], [nn.Linear(4, 2)(nn.CAddTable()([nn.Tanh()(a), b]))])
    x = [randn(2, 3), randn(2, 4)]
    np.testing.assert_array_equal(by_operators.forward(x), by_calls.forward(x))
    assert [n.label() for n in by_operators.forwardnodes] == [n.label() for n in by_calls.forwardnodes]


def test_one_input_and_one_output_are_not_wrapped_in_tables() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.MulConstant(2)(x)])
    X = randn(2, 3)
    np.testing.assert_array_equal(net.forward(X), 2 * X)
    np.testing.assert_array_equal(net.backward(X, np.ones((2, 3))), np.full((2, 3), 2.0))


def test_nested_tables_in_and_out() -> None:
    state = nn.Identity()()
    (first, inner) = state.split(2)
    (second,) = inner.split(1)
    out = mg.nest(nn.MulConstant(2)(first), [nn.MulConstant(3)(second)])
    net = nn.gModule([state], [out])
    a, b = randn(2), randn(3)
    result = net.forward([a, [b]])
    assert_close(result, [2 * a, [3 * b]], 0)
    assert_close(net.backward([a, [b]], [np.ones(2), [np.ones(3)]]), [2 * np.ones(2), [3 * np.ones(3)]], 0)


def test_tuples_are_accepted_and_lists_returned() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    net = nn.gModule((a, b), (nn.CAddTable()((a, b)), a))
    out = net.forward((np.ones(2), np.ones(2)))
    assert isinstance(out, list)
    gradInput = net.backward((np.ones(2), np.ones(2)), (np.ones(2), np.ones(2)))
    assert_close(gradInput, [2 * np.ones(2), np.ones(2)], 0)


def test_nest_forms() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    assert mg.nest(a) is a
    net = nn.gModule([a, b], [mg.nest(a, [b]), mg.nest([b])])
    assert_close(net.forward([np.ones(1), np.zeros(1)]), [[np.ones(1), [np.zeros(1)]], [np.zeros(1)]], 0)


def test_a_node_may_feed_one_consumer_twice_and_be_an_output_twice() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.CMulTable()([x, x]), x, x])
    X = randn(3)
    assert_close(net.forward(X), [X * X, X, X], 0)
    ones = np.ones(3)
    np.testing.assert_allclose(net.backward(X, [ones, 10 * ones, 100 * ones]), 2 * X + 110)


def test_one_module_called_at_several_nodes_shares_its_parameters() -> None:
    lin = nn.Linear(3, 3)
    x = nn.Identity()()
    hidden = nn.Tanh()(lin(x))
    net = nn.gModule([x], [lin(hidden), hidden])
    X, G = randn(2, 3), [randn(2, 3), randn(2, 3)]

    def loss() -> float:
        return sum(float(np.vdot(o, g)) for o, g in zip(net.forward(X), G))

    assert len(net.parameters()[0]) == 2
    net.zeroGradParameters()
    net.forward(X)
    gradInput = net.backward(X, G).copy()
    np.testing.assert_allclose(lin.gradWeight, numeric_gradient(loss, lin.weight), atol=1e-7)
    np.testing.assert_allclose(gradInput, numeric_gradient(loss, X), atol=1e-7)
    before = lin.weight.copy()
    net.updateParameters(0.5)
    np.testing.assert_allclose(lin.weight, before - 0.5 * lin.gradWeight)


def test_a_stateless_module_called_twice_keeps_both_outputs() -> None:
    tanh = nn.Tanh()
    x = nn.Identity()()
    first = tanh(x)
    net = nn.gModule([x], [first, tanh(first)])
    X = randn(4)
    assert_close(net.forward(X), [np.tanh(X), np.tanh(np.tanh(X))], 1e-15)


def test_sequential_with_one_module_twice() -> None:
    lin = nn.Linear(3, 3)
    net = nn.Sequential().add(lin).add(lin)
    X = randn(2, 3)
    W, b = lin.weight, lin.bias
    np.testing.assert_allclose(net.forward(X), (X @ W.T + b) @ W.T + b)
    assert len(net.parameters()[0]) == 2


def chain(*modules: nn.Module) -> nn.Sequential:
    made = nn.Sequential()
    for module in modules:
        made.add(module)
    return made


def _in_two_containers(shared: nn.Module) -> nn.Module:
    return nn.ConcatTable().add(chain(nn.MulConstant(2), shared)).add(chain(nn.MulConstant(3), shared))


def _beside_its_container(shared: nn.Module) -> nn.Module:
    return nn.ConcatTable().add(chain(nn.MulConstant(2), shared)).add(shared)


def _at_a_node_and_in_another(shared: nn.Module) -> nn.Module:
    x = nn.Identity()()
    return nn.gModule([x], [shared(x), chain(nn.MulConstant(2), shared)(x)])


def _in_a_graph_and_around_it(shared: nn.Module) -> nn.Module:
    x, y = nn.Identity()(), nn.Identity()()
    inner = nn.gModule([y], [shared(nn.MulConstant(2)(y))])
    return nn.gModule([x], [inner(x), shared(x)])


def _in_two_graphs(shared: nn.Module) -> nn.Module:
    graphs = []
    for factor in (2, 3):
        x = nn.Identity()()
        graphs.append(nn.gModule([x], [shared(nn.MulConstant(factor)(x))]))
    return nn.ConcatTable().add(graphs[0]).add(graphs[1])


def _put_there(shared: nn.Module) -> nn.Module:
    net = _in_two_containers(nn.Sigmoid())
    return net.replace(lambda module: shared if isinstance(module, nn.Sigmoid) else module)


@pytest.mark.parametrize("shared", [nn.Tanh, lambda: nn.Linear(3, 3)], ids=["Tanh", "Linear"])
@pytest.mark.parametrize("build", [
    _in_two_containers, _beside_its_container, _at_a_node_and_in_another, _in_a_graph_and_around_it,
    _in_two_graphs, _put_there,
])
def test_a_module_may_be_in_several_places_of_a_network(build: Any, shared: Any) -> None:
    module = shared()
    net = build(module)
    apart = net.clone("weight", "bias")  # with modules of its own everywhere
    apart.replace(lambda each: each.twin() if isinstance(each, type(module)) else each)
    X, G = randn(2, 3), [randn(2, 3), randn(2, 3)]
    outputs = [output.copy() for output in net.forward(X)]
    gradInput = net.backward(X, G).copy()
    for output, expected in zip(outputs, apart.forward(X)):
        np.testing.assert_array_equal(output, expected)
    assert not np.array_equal(*outputs)
    np.testing.assert_array_equal(gradInput, apart.backward(X, G))
    assert len(net.parameters()[0]) == len(module.parameters()[0])

    def loss() -> float:
        return sum(float(np.vdot(o, g)) for o, g in zip(net.forward(X), G))

    np.testing.assert_allclose(gradInput, numeric_gradient(loss, X), atol=1e-7)


def test_a_change_of_type_leaves_what_was_handed_in_alone() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    net = nn.gModule([x, y], [nn.Identity()([x, y])])
    input, gradOutput = [randn(2), randn(2)], [randn(2), randn(2)]
    given = [*input, *gradOutput]
    output = net.forward(input)
    net.backward(input, gradOutput)
    net.float()
    assert all(a is b for a, b in zip([*input, *gradOutput], given))
    assert output[0].dtype == np.float64 and net.output[0].dtype == np.float32


def test_a_criterion_may_be_at_several_nodes() -> None:
    criterion = nn.MarginCriterion(5)
    x, y, t = nn.Identity()(), nn.Identity()(), nn.Identity()()
    net = nn.gModule([x, y, t], [criterion([x, t]), nn.CriterionTable(criterion)([y, t])])
    X, Y, T = randn(2, 3), randn(2, 3), np.sign(randn(2, 3))
    net.forward([X, Y, T])
    gradients = net.backward([X, Y, T], [np.ones(1), np.full(1, 2.0)])
    np.testing.assert_allclose(gradients[0], -T / 6)
    np.testing.assert_allclose(gradients[1], -T / 3)


def test_a_gmodule_inside_another_graph() -> None:
    step = lstm_step(3, 2)
    x, c, h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    first = step([x, c, h])
    c1, h1 = first.split(2)
    c2, h2 = step([x, c1, h1]).split(2)
    net = nn.gModule([x, c, h], [c2, h2])
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    G = [randn(2, 2), randn(2, 2)]

    reference = step.clone()
    middle = reference.forward(inputs)
    expected = reference.clone().forward([inputs[0], *middle])
    assert_close(net.forward(inputs), expected, 1e-15)
    net.zeroGradParameters()
    gradInput = [g.copy() for g in net.backward(inputs, G)]

    def loss() -> float:
        return sum(float(np.vdot(o, g)) for o, g in zip(net.forward(inputs), G))

    for gradient, array in zip(gradInput, inputs):
        np.testing.assert_allclose(gradient, numeric_gradient(loss, array), atol=1e-7)
    for parameter, gradient in zip(*net.parameters()):
        np.testing.assert_allclose(gradient, numeric_gradient(loss, parameter), atol=1e-7)


def test_a_criterion_as_a_node() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    net = nn.gModule([x, y], [nn.ClassNLLCriterion()([nn.LogSoftMax()(x), y])])
    X, Y = randn(3, 4), np.array([1, 4, 2])
    loss = net.forward([X, Y])
    assert loss.shape == (1,)
    criterion = nn.CrossEntropyCriterion()
    assert loss[0] == pytest.approx(criterion.forward(X, Y), rel=1e-14)
    gradX, gradY = net.backward([X, Y], np.array([2.0]))
    np.testing.assert_allclose(gradX, 2 * criterion.backward(X, Y), rtol=1e-12)
    np.testing.assert_array_equal(gradY, np.zeros(3))


def test_custom_modules_take_part() -> None:
    class Cube(nn.Module):
        def updateOutput(self, input: Any) -> Any:
            self.output = input**3
            return self.output

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            self.gradInput = 3 * input**2 * gradOutput
            return self.gradInput

    class Scale(nn.Module):
        """Has a parameter, and returns nothing: what it keeps counts."""

        def __init__(self) -> None:
            super().__init__()
            self.weight, self.gradWeight = np.array([2.0]), np.zeros(1)

        def updateOutput(self, input: Any) -> None:  # type: ignore[override]
            self.output = input * self.weight

        def updateGradInput(self, input: Any, gradOutput: Any) -> None:  # type: ignore[override]
            self.gradInput = gradOutput * self.weight

        def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
            self.gradWeight += scale * np.vdot(input, gradOutput)

    x = nn.Identity()()
    net = nn.gModule([x], [Scale()(Cube()(x))])
    X = randn(4)
    np.testing.assert_allclose(net.forward(X), 2 * X**3)
    np.testing.assert_allclose(net.backward(X, np.ones(4), 0.5), 6 * X**2)
    assert net.parameters()[1][0][0] == pytest.approx(0.5 * np.sum(X**3))
    assert repr(net.modules[1]) == "Cube"


def test_two_networks_over_the_same_nodes() -> None:
    x = nn.Identity()()
    hidden = nn.Linear(3, 2)(x)
    whole = nn.gModule([x], [nn.Tanh()(hidden)])
    part = nn.gModule([x], [hidden])
    X = randn(2, 3)
    np.testing.assert_allclose(np.tanh(part.forward(X)), whole.forward(X))


# -- gradients -----------------------------------------------------------------------------


def test_none_is_a_zero_gradient_at_any_depth() -> None:
    x, s = nn.Identity()(), nn.Identity()()
    c, h = s.split(2)
    out = nn.CAddTable()([nn.Linear(3, 2)(x), h])
    net = nn.gModule([x, s], [out, mg.nest(nn.Tanh()(c), nn.CMulTable()([out, c]))])
    inputs = [randn(2, 3), [randn(2, 2), randn(2, 2)]]
    g, zero = randn(2, 2), np.zeros((2, 2))
    for sparse, dense in [
        ([g, None], [g, [zero, zero]]),
        ([None, [None, g]], [zero, [zero, g]]),
        ([None, [g, None]], [zero, [g, zero]]),
        (None, [zero, [zero, zero]]),
    ]:
        results = []
        for gradOutput in (sparse, dense):
            net.zeroGradParameters()
            net.forward(inputs)
            gradInput = net.backward(inputs, gradOutput)
            gradients = [a.copy() for a in net.parameters()[1]]
            results.append([[gradInput[0].copy(), [a.copy() for a in gradInput[1]]], gradients])
        assert_close(results[0], results[1], 0)


def test_zeros_for_none_are_never_written_into_a_gradient_given_before() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    net = nn.gModule([a, b], [mg.nest(a, b)])
    inputs = [randn(2), randn(2)]
    first, second = np.ones(2), np.full(2, 2.0)
    net.forward(inputs)
    net.backward(inputs, [first, None])
    net.forward(inputs)
    gradInput = net.backward(inputs, [None, second])
    assert_close(gradInput, [np.zeros(2), second], 0)
    assert_close([first, second], [np.ones(2), np.full(2, 2.0)], 0)


def test_select_table_from_the_end_leaves_earlier_gradients_alone() -> None:
    module, first, second = nn.SelectTable(-1), np.ones(2), np.full(2, 2.0)
    short, long = [randn(2), randn(2)], [randn(2), randn(2), randn(2)]
    module.forward(short)
    module.backward(short, first)
    module.forward(long)
    assert_close(module.backward(long, second), [np.zeros(2), np.zeros(2), second], 0)
    assert_close(first, np.ones(2), 0)


def test_a_plain_container_takes_none_too() -> None:
    net = nn.ConcatTable().add(nn.Linear(3, 2)).add(nn.Tanh())
    X = randn(2, 3)
    y = net.forward(X)[1]
    np.testing.assert_allclose(net.backward(X, [None, np.ones((2, 3))]), 1 - y**2)


def test_gradients_accumulate_until_zeroed_and_scale_counts() -> None:
    net = lstm_step(3, 2)
    inputs, G = [randn(2, 3), randn(2, 2), randn(2, 2)], [randn(2, 2), randn(2, 2)]
    net.zeroGradParameters()
    net.forward(inputs)
    net.backward(inputs, G)
    once = [g.copy() for g in net.parameters()[1]]
    net.forward(inputs)
    net.backward(inputs, G, 0.5)
    assert_close(net.parameters()[1], [1.5 * g for g in once], 1e-13)
    net.zeroGradParameters()
    assert all(not g.any() for g in net.parameters()[1])


def test_backward_never_writes_over_gradOutput() -> None:
    net = lstm_step(3, 2)
    inputs, G = [randn(2, 3), randn(2, 2), randn(2, 2)], [randn(2, 2), randn(2, 2)]
    kept = [g.copy() for g in G]
    net.forward(inputs)
    net.backward(inputs, G)
    assert_close(G, kept, 0)


def test_backward_update_steps_at_once() -> None:
    net, other = lstm_step(3, 2), None
    other = net.clone()
    inputs, G = [randn(2, 3), randn(2, 2), randn(2, 2)], [randn(2, 2), randn(2, 2)]
    net.zeroGradParameters()
    net.forward(inputs)
    net.backward(inputs, G)
    net.updateParameters(0.1)
    other.forward(inputs)
    other.backwardUpdate(inputs, G, 0.1)
    assert_close(other.parameters()[0], net.parameters()[0], 1e-14)


# -- parameters, copies, types -------------------------------------------------------------


def test_flat_parameters_are_views_both_ways() -> None:
    net = lstm_step(3, 2)
    before = [p.copy() for p in net.parameters()[0]]
    flat, gradFlat = net.getParameters()
    assert flat.size == sum(p.size for p in before)
    assert_close(net.parameters()[0], before, 0)
    flat[...] = 0.25
    assert all((p == 0.25).all() for p in net.parameters()[0])
    net.parameters()[1][0].fill(3)
    assert gradFlat[0] == 3
    net.reset()
    assert flat[0] != 0.25


def test_shared_parameters_are_flat_once() -> None:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.share(a, "weight", "gradWeight")
    net = nn.Sequential().add(a).add(b)
    flat, gradFlat = net.getParameters()
    assert flat.size == 9 + 3 + 3 == gradFlat.size
    assert a.weight is b.weight or np.shares_memory(a.weight, b.weight)
    flat.fill(7)
    assert (a.weight == 7).all() and (b.weight == 7).all() and (b.bias == 7).all()


def test_tied_transposed_weights_stay_tied() -> None:
    encoder, decoder = nn.Linear(4, 2, False), nn.Linear(2, 4, False)
    decoder.weight, decoder.gradWeight = encoder.weight.T, encoder.gradWeight.T
    net = nn.Sequential().add(encoder).add(nn.Tanh()).add(decoder)
    flat, _ = net.getParameters()
    assert flat.size == 8
    flat[...] = np.arange(8)
    np.testing.assert_array_equal(decoder.weight, encoder.weight.T)
    copy = net.clone().float()
    copy.modules[0].weight[0, 1] = 50
    assert copy.modules[2].weight[1, 0] == 50


def test_sharing_weights_but_not_gradients_is_refused() -> None:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.share(a, "weight")
    with pytest.raises(mg.errors.ArgumentError, match="share 'gradWeight'"):
        nn.Sequential().add(a).add(b).getParameters()


@pytest.mark.parametrize("copy", [lambda net: net.clone(), lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_equal_and_independent(copy: Any) -> None:
    net = lstm_step(3, 2)
    net.getParameters()
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    expected = [o.copy() for o in net.forward(inputs)]
    other = copy(net)
    assert [n.label() for n in other.forwardnodes] == [n.label() for n in net.forwardnodes]
    assert [n.location for n in other.backwardnodes] == [n.location for n in net.backwardnodes]
    net.parameters()[0][0].fill(0)
    assert_close(other.forward(inputs), expected, 0)


def test_a_clone_that_shares_follows_its_original() -> None:
    net = lstm_step(3, 2)
    flat, gradFlat = net.getParameters()
    other = net.clone("weight", "bias", "gradWeight", "gradBias")
    inputs, G = [randn(2, 3), randn(2, 2), randn(2, 2)], [randn(2, 2), randn(2, 2)]
    net.zeroGradParameters()
    other.forward(inputs)
    other.backward(inputs, G)
    assert np.abs(gradFlat).max() > 0
    flat *= 2
    assert_close(other.forward(inputs), net.forward(inputs), 0)


def test_share_between_networks_built_alike() -> None:
    one, two = lstm_step(3, 2), lstm_step(3, 2)
    two.share(one, "weight", "bias")
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    assert_close(one.forward(inputs), two.forward(inputs), 0)
    with pytest.raises(mg.errors.ArgumentError, match="not built alike"):
        two.share(nn.Sequential(), "weight")


def test_float_and_double() -> None:
    net = lstm_step(3, 2)
    net.getParameters()
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    expected = [o.copy() for o in net.forward(inputs)]
    assert net.float().type() == "torch.FloatTensor"
    out = net.forward([i.astype(np.float32) for i in inputs])
    assert all(o.dtype == np.float32 for o in out)
    assert_close(out, expected, 1e-6)
    gradInput = net.backward(inputs, [randn(2, 2), randn(2, 2)])
    assert all(g.dtype == np.float32 for g in (*gradInput, *net.parameters()[1]))
    assert net.double().parameters()[0][0].dtype == np.float64


def test_default_type() -> None:
    mg.setdefaulttensortype("torch.FloatTensor")
    try:
        assert nn.Linear(2, 2).weight.dtype == np.float32
    finally:
        mg.setdefaulttensortype("torch.DoubleTensor")
    assert nn.Linear(2, 2).weight.dtype == np.float64


def test_apply_find_list_replace() -> None:
    net = lstm_step(3, 2)
    linears, holders = net.findModules("nn.Linear")
    assert len(linears) == 2 and all(holder is net for holder in holders)
    seen: list[str] = []
    net.apply(lambda module: seen.append(module.typename()))
    assert seen == [m.typename() for m in net.listModules()] and seen[0] == "nn.gModule"
    net.replace(lambda m: nn.ReLU() if isinstance(m, nn.Tanh) else m)
    assert not net.findModules("nn.Tanh")[0] and len(net.findModules("nn.ReLU")[0]) == 2
    c, h = randn(2, 2), randn(2, 2)
    next_c, next_h = net.forward([randn(2, 3), c, h])
    assert (np.sign(next_h) >= 0).all()


def test_training_and_evaluate_reach_every_module() -> None:
    x = nn.Identity()()
    net = nn.gModule([x], [nn.Sequential().add(nn.Dropout(0.5))(x)])
    net.evaluate()
    X = np.ones((4, 4))
    np.testing.assert_array_equal(net.forward(X), X)
    net.training()
    assert set(np.unique(net.forward(X))) <= {0.0, 2.0}


def test_long_chains_neither_overflow_the_stack_nor_slow_down_copies() -> None:
    node = start = nn.Identity()()
    for _ in range(3000):
        node = nn.AddConstant(1)(node)
    net = nn.gModule([start], [node])
    assert net.forward(np.zeros(1))[0] == 3000
    assert net.clone().forward(np.zeros(1))[0] == 3000
    assert pickle.loads(pickle.dumps(net)).backward(np.zeros(1), np.ones(1))[0] == 1


def test_networkx_view() -> None:
    net = lstm_step(3, 2)
    graph = net.fg.to_networkx()
    assert set(graph.edges) == {(e.source.id, e.target.id) for e in net.fg.edges}
    linear = [k for k, d in graph.nodes(data=True) if d["module"] == "nn.Linear"]
    assert len(linear) == 2
    assert net.bg.to_networkx().reverse().edges == graph.edges


# -- buffers -------------------------------------------------------------------------------


def test_outputs_are_buffers_that_the_next_call_reuses() -> None:
    net = lstm_step(3, 2)
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    first = net.forward(inputs)[0]
    assert net.forward(inputs)[0] is first


def test_steady_state_allocates_next_to_nothing() -> None:
    B, H = 50, 650
    net = lstm_step(H, H).float()
    inputs = [randn(B, H).astype(np.float32) for _ in range(3)]
    G = [randn(B, H).astype(np.float32) for _ in range(2)]
    for _ in range(2):
        net.forward(inputs)
        net.backward(inputs, G)
    tracemalloc.start()
    try:
        for _ in range(3):
            net.forward(inputs)
            net.backward(inputs, G)
        tracemalloc.reset_peak()
        start, _ = tracemalloc.get_traced_memory()
        net.forward(inputs)
        net.backward(inputs, G)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One activation takes B*H*4 = 130 kB. What comes and goes at any moment is smaller: NumPy's
    # own loop buffer (8192 numbers, 33 kB), a bias sum (4*H numbers, 10 kB) and Python objects.
    assert peak - start < 64_000


def test_shapes_may_change_between_calls() -> None:
    net = lstm_step(3, 2)
    for B in (2, 5, 1, 2):
        inputs = [randn(B, 3), randn(B, 2), randn(B, 2)]
        assert net.forward(inputs)[0].shape == (B, 2)
        assert net.backward(inputs, [randn(B, 2), None])[0].shape == (B, 3)


def test_clear_state_forgets_everything() -> None:
    net = lstm_step(3, 2)
    inputs = [randn(2, 3), randn(2, 2), randn(2, 2)]
    net.forward(inputs)
    net.clearState()
    assert net.output is None and all(m.output is None for m in net.listModules())
    with pytest.raises(mg.errors.StateError, match="backward before forward"):
        net.backward(inputs, [None, None])
    assert net.forward(inputs)[0].shape == (2, 2)
