"""Every mistake the engine knows gives a message that teaches, and leaves the net usable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from golden_files import assert_close

import minigraph as mg
from minigraph import errors, nn

HERE = re.escape(__file__.rsplit("/", 1)[-1])
X = np.linspace(-1, 1, 6).reshape(2, 3)


def identity() -> Any:
    return nn.Identity()()


def dangling() -> Any:
    x = identity()
    h = nn.Linear(3, 3)(x)
    nn.Sigmoid()(h).annotate(name="forgotten")
    return nn.gModule([x], [nn.Tanh()(h)])


def unused_split() -> Any:
    s = identity()
    a, b, c = s.split(3)
    return nn.gModule([s], [nn.CAddTable()([a, b])])


def cycle() -> Any:
    x = identity()
    first = nn.CAddTable()([x]).annotate(name="first")
    second = nn.Tanh()(first).annotate(name="second")
    first.add(second)
    return nn.gModule([x], [second])


def unused_input() -> Any:
    x, y = identity(), identity().annotate(name="extra")
    return nn.gModule([x, y], [nn.Tanh()(x)])


def undeclared_input() -> Any:
    x, y = identity(), identity().annotate(name="hidden")
    return nn.gModule([x], [nn.CAddTable()([x, y])])


def input_with_inputs() -> Any:
    x = identity()
    return nn.gModule([nn.Tanh()(x).annotate(name="inner")], [nn.Tanh()(x)])


def same_input_twice() -> Any:
    x = identity()
    return nn.gModule([x, x], [nn.Tanh()(x)])


BUILDING: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "module as input": (
        lambda: nn.Tanh()(nn.Linear(2, 2)),
        ["nn.Linear\\(2 -> 2\\)", "second set of parentheses", r"inputs\[1\]"],
    ),
    "module in a list": (
        lambda: nn.CAddTable()([identity(), nn.Tanh()]),
        [r"inputs\[2\]", "second set of parentheses"],
    ),
    "module as output": (
        lambda: nn.gModule([identity()], [nn.Tanh()]),
        [r"outputs\[1\]", "second set of parentheses"],
    ),
    "module through minus": (lambda: [identity(), nn.Tanh()] - nn.CAddTable(), ["parentheses"]),
    "None in a list": (
        lambda: nn.CAddTable()([identity(), None]),
        [r"inputs\[2\]", "None", "misspelt variable"],
    ),
    "None as input": (lambda: nn.Tanh()(None), [r"inputs\[1\]", "None"]),
    "None in gModule": (lambda: nn.gModule([identity(), None], []), [r"inputs\[2\]", "None"]),
    "empty list": (lambda: nn.CAddTable()([]), ["empty list of inputs", "parentheses empty"]),
    "two arguments": (lambda: nn.CAddTable()(identity(), identity()), [r"module\(\[a, b\]\)"]),
    "an array": (lambda: nn.Tanh()(np.ones(3)), ["ndarray", r"forward\(\.\.\.\)"]),
    "a nested list": (lambda: nn.CAddTable()([identity(), [identity()]]), [r"mg\.nest"]),
    "no outputs": (lambda: nn.gModule([identity()], []), ["at least one node in outputs"]),
    "not a list": (lambda: nn.gModule(identity(), [identity()]), ["must be a list of nodes"]),
    "unused split outputs": (
        unused_split,
        [r"1 of split\(3\) outputs are unused", rf"declared at \S*{HERE}:\d+", rf"split at \S*{HERE}:\d+"],
    ),
    "dangling node": (dangling, ["'forgotten'", "does not connect to an output", HERE]),
    "unused input": (unused_input, [r"inputs\[2\] is unused", "'extra'"]),
    "undeclared input": (undeclared_input, ["'hidden'", "not among the inputs"]),
    "input with inputs": (input_with_inputs, ["'inner'", "must not have inputs"]),
    "same input twice": (same_input_twice, ["twice"]),
    "cycle": (cycle, ["cycle", "first -> second -> first|second -> first -> second"]),
    "nest of nothing": (lambda: mg.nest(), ["at least one node"]),
    "nest of a module": (lambda: mg.nest(identity(), nn.Tanh()), [r"nest\[2\]", "parentheses"]),
}


@pytest.mark.parametrize("name", BUILDING)
def test_building(name: str) -> None:
    build, patterns = BUILDING[name]
    with pytest.raises(errors.GraphError) as caught:
        build()
    for pattern in patterns:
        assert re.search(pattern, str(caught.value)), str(caught.value)


ARGUMENTS: dict[str, tuple[Callable[[], Any], str]] = {
    "Narrow dimension 0": (lambda: nn.Narrow(0, 1, 2), "dimension is 0.*count from 1"),
    "Narrow offset 0": (lambda: nn.Narrow(1, 0, 2), "offset is 0"),
    "Select 0": (lambda: nn.Select(1, 0), "index is 0"),
    "SelectTable 0": (lambda: nn.SelectTable(0), "index is 0"),
    "SplitTable 0": (lambda: nn.SplitTable(0), "dimension is 0"),
    "JoinTable 0": (lambda: nn.JoinTable(0), "dimension is 0"),
    "NarrowTable 0": (lambda: nn.NarrowTable(0, 1), "offset is 0"),
    "Concat 0": (lambda: nn.Concat(0), "dimension is 0"),
    "Replicate 0": (lambda: nn.Replicate(3, 0), "dim is 0"),
    "get 0": (lambda: nn.Sequential().add(nn.Tanh()).get(0), "index is 0"),
    "split 0": (lambda: identity().split(0), "number of entries"),
    "dimension of text": (lambda: nn.Narrow("1", 1), "must be an integer"),
    "Linear of nothing": (lambda: nn.Linear(0, 3), "at least 1"),
    "Dropout 1": (lambda: nn.Dropout(1), "below 1"),
    "type": (lambda: nn.Linear(2, 2).type("torch.IntTensor"), "modules compute in"),
    "graphAttributes": (lambda: identity().annotate(graphAttributes="red"), "must be a dict"),
    "add of a node": (lambda: nn.Sequential().add(identity()), "holds modules, got Node"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str) -> None:
    build, pattern = ARGUMENTS[name]
    with pytest.raises(errors.ArgumentError, match=pattern):
        build()


def network() -> nn.gModule:
    """{x, {c, h}} -> {y, {c, z}} with named nodes."""
    x, s = identity().annotate(name="x"), identity().annotate(name="s")
    c, h = s.split(2)
    z = nn.CAddTable()([nn.Linear(3, 2)(x).annotate(name="i2h"), h]).annotate(name="z")
    return nn.gModule([x, s], [nn.Tanh()(z), mg.nest(nn.Tanh()(c), z)])


GOOD = [X, [np.ones((2, 2)), np.zeros((2, 2))]]
GOOD_GRADIENT = [np.ones((2, 2)), [np.ones((2, 2)), np.ones((2, 2))]]

INPUTS: dict[str, tuple[Any, list[str]]] = {
    "too few inputs": ([X], ["expected a table of 2 inputs, got 1"]),
    "too many inputs": (
        [X, GOOD[1], X], ["Got 3 inputs instead of 2", "expected a table of 2 inputs, got 3"],
    ),
    "a tensor": (X, ["expected a table of 2 inputs", r"\(2, 3\) float64"]),
    "split of another length": (
        [X, [np.ones((2, 2))]],
        [r"split\(2\) cannot split a table of 1", HERE],
    ),
    "split of a tensor": ([X, np.ones((2, 2))], [r"split\(2\) needs a table"]),
    "a shape that does not fit": (
        [np.ones((2, 4)), GOOD[1]],
        ["'i2h'", r"nn.Linear\(3 -> 2\)", HERE + r":\d+", r"\(B, 3\)", r"\(2, 4\)"],
    ),
    "too many dimensions": ([np.ones((2, 2, 3)), GOOD[1]], ["'i2h'", r"\(2, 2, 3\)"]),
    "shapes that differ": (
        [X, [np.ones((2, 2)), np.ones((3, 2))]],
        ["'z'", r"input\[2\]", r"\(3, 2\)", r"\(2, 2\)"],
    ),
    "text": (["abc", GOOD[1]], [r"input\[1\] must hold real numbers"]),
    "objects": ([np.array([None, 1], object), GOOD[1]], [r"input\[1\] must hold real numbers.*object"]),
    "complex": ([X.astype(complex), GOOD[1]], ["real numbers.*complex128"]),
    "None": ([X, [None, GOOD[1][1]]], [r"input\[2\]\[1\] is None"]),
}


def test_masks_do_not_get_lost_elsewhere(tmp_path: Path) -> None:
    masked = np.ma.array(np.ones((2, 2)), mask=np.eye(2))
    layer = nn.Linear(2, 2)
    layer.weight = masked
    for call in (
        layer.zeroGradParameters, layer.getParameters, lambda: nn.SpatialSubtractiveNormalization(1, masked),
        lambda: nn.SpatialConvolutionMap(masked, 2, 2), lambda: nn.BCECriterion(masked[0]),
        lambda: mg.optim.sgd(lambda x: (0.0, x), masked), lambda: mg.save_t7(tmp_path / "x.t7", masked),
        lambda: mg.optim.adam(lambda x: (0.0, masked), np.ones((2, 2))),
        lambda: mg.save(tmp_path / "x", layer),
    ):
        with pytest.raises(errors.InputError, match="masked array, whose mask would be lost"):
            call()


def test_a_list_of_numbers_is_called_so() -> None:
    net, wanted = nn.gModule([x := identity()], [nn.Linear(2, 2)(x)]), r"write np.array\(\[\[0.0, 0.1\]\]\)"
    for call in (
        lambda: net.forward([[0.0, 0.1]]), lambda: nn.Linear(2, 2).forward([[0, 0.1]]),
        lambda: nn.MSECriterion().forward(np.ones((1, 2)), [[0.0, 0.1]]),
        lambda: (net.forward(np.ones((1, 2))), net.backward(np.ones((1, 2)), [[0.0, np.float64(0.1)]])),
    ):
        with pytest.raises(errors.InputError, match=f"a list of numbers, which is a table here: {wanted}"):
            call()
    with pytest.raises(errors.InputError, match="got a table"):
        net.forward([np.ones(2)])


@pytest.mark.parametrize("name", INPUTS)
def test_bad_inputs(name: str) -> None:
    bad, patterns = INPUTS[name]
    net = network()
    expected = [net.forward(GOOD)[0].copy(), net.forward(GOOD)[1][1].copy()]
    with pytest.raises(errors.InputError) as caught:
        net.forward(bad)
    for pattern in patterns:
        assert re.search(pattern, str(caught.value)), str(caught.value)
    with pytest.raises(errors.StateError, match="backward before forward"):
        net.backward(bad, GOOD_GRADIENT)
    out = net.forward(GOOD)
    assert_close([out[0], out[1][1]], expected, 0)


GRADIENTS: dict[str, tuple[Any, list[str]]] = {
    "too few": ([GOOD_GRADIENT[0]], ["gradOutput: expected a table of 2", "got 1"]),
    "too many": (
        [None, [None, None], None], ["Got 3 gradOutputs instead of 2", "expected a table of 2", "got 3"],
    ),
    "nested too few": ([None, [None]], [r"gradOutput\[2\]: expected a table of 2", "got 1"]),
    "a tensor for a table": ([None, np.ones((2, 2))], [r"gradOutput\[2\]: expected a table"]),
    "a table for a tensor": ([[None], [None, None]], [r"gradOutput\[1\]: expected a tensor"]),
    "a wrong shape": (
        [None, [None, np.ones((2, 3))]],
        [r"gradOutput\[2\]\[2\]", r"expected shape \(2, 2\)", r"got \(2, 3\)"],
    ),
    "text": ([np.full((2, 2), "a"), [None, None]], [r"gradOutput\[1\] must hold real numbers"]),
}


class Clipped(nn.Module):
    """Passes its input on; the gradient is what ``made`` makes of the right one."""

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.made = made

    def updateOutput(self, input: Any) -> Any:
        self.output = input
        return input

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = self.made(gradOutput)


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a column": (lambda g: g[:, :1], X, r"\(2, 1\) float64 as gradInput: .* like input, \(2, 3\)"),
    "a table": (lambda g: [g], X, r"\{\(2, 3\) float64\} as gradInput"),
    "an entry": (
        lambda g: [g[0], g[1].T], [X, X],
        r"\(3, 2\) float64 as gradInput\[2\]: .* input\[2\], \(2, 3\)",
    ),
    "one short": (lambda g: g[:1], [X, X], r"\{\(2, 3\) float64\} as gradInput: .* like input, \{"),
    "a tensor": (lambda g: g[0], [X, X], r"\(2, 3\) float64 as gradInput: .* like input, \{"),
}


@pytest.mark.parametrize("how", ["engine", "compiled", "container"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradInput_is_refused_where_it_was_made(name: str, how: str) -> None:
    made, input, pattern = WRONG[name]
    for module, refused in ((Clipped(made), True), (Clipped(lambda g: g), False)):
        x = identity()
        first: Any = nn.MapTable(nn.Linear(3, 3)) if isinstance(input, list) else nn.Linear(3, 3)
        net: Any = nn.gModule([x], [module(first(x)).annotate(name="clip")])
        if how == "container":
            net = nn.Sequential().add(first).add(module)
        net = mg.compile(net) if how == "compiled" else net
        for _ in range(2):
            output = net.forward(input)
            if not refused:
                net.backward(input, output)
                continue
            with pytest.raises(errors.InputError, match=pattern) as caught:
                net.backward(input, output)
            assert "Clipped: updateGradInput (" in str(caught.value) and re.search(HERE, str(caught.value))
            assert how == "container" or "'clip'" in str(caught.value)


@pytest.mark.parametrize("compiled", [False, True], ids=["engine", "compiled"])
def test_a_gradient_too_many_is_refused_when_gradients_accumulate(compiled: bool) -> None:
    net: Any = mg.compile(network()) if compiled else network()
    net.forward(GOOD)
    net.updateGradInput(GOOD, GOOD_GRADIENT)
    with pytest.raises(errors.InputError, match="Got 3 gradOutputs instead of 2"):
        net.accGradParameters(GOOD, [*GOOD_GRADIENT, None])
    net.accGradParameters(GOOD, GOOD_GRADIENT)


@pytest.mark.parametrize("make", [nn.ConcatTable, nn.ParallelTable])
@pytest.mark.parametrize("count", [1, 3])
def test_containers_take_one_gradient_for_each_module(make: Any, count: int) -> None:
    table = make().add(nn.Linear(3, 3)).add(nn.Tanh())
    input = X if make is nn.ConcatTable else [X, X]
    for net in (table, nn.Sequential().add(table)):
        net.forward(input)
        for method in (net.backward, net.updateGradInput, net.accGradParameters):
            with pytest.raises(errors.InputError, match=f"table of 2 entries.*got {count}"):
                method(input, [X] * count)


@pytest.mark.parametrize("name", GRADIENTS)
def test_bad_gradients(name: str) -> None:
    bad, patterns = GRADIENTS[name]
    net = network()
    net.zeroGradParameters()
    net.forward(GOOD)
    expected = [g.copy() for g in (net.backward(GOOD, GOOD_GRADIENT)[0], *net.parameters()[1])]
    net.zeroGradParameters()
    net.forward(GOOD)
    with pytest.raises(errors.InputError) as caught:
        net.backward(GOOD, bad)
    for pattern in patterns:
        assert re.search(pattern, str(caught.value)), str(caught.value)
    assert not any(g.any() for g in net.parameters()[1])
    again = [net.backward(GOOD, GOOD_GRADIENT)[0], *net.parameters()[1]]
    assert_close(again, expected, 0)


def test_error_carries_path_expected_and_got() -> None:
    net = network()
    net.forward(GOOD)
    with pytest.raises(errors.InputError) as caught:
        net.backward(GOOD, [None, [None, np.ones((2, 3))]])
    assert caught.value.path == "gradOutput[2][2]"
    assert caught.value.expected == (2, 2) and caught.value.got == (2, 3)


def test_backward_before_forward() -> None:
    for module in (network(), nn.Linear(3, 2), nn.Sequential().add(nn.Tanh())):
        with pytest.raises(errors.StateError, match="backward before forward"):
            module.backward(X, np.ones((2, 2)))
    with pytest.raises(errors.StateError, match="backward before forward"):
        nn.MSECriterion().backward(X, X)


def test_accumulating_before_the_gradient_is_refused() -> None:
    net = network()
    net.forward(GOOD)
    with pytest.raises(errors.StateError, match="accGradParameters before updateGradInput"):
        net.accGradParameters(GOOD, GOOD_GRADIENT)


def test_a_failed_forward_in_a_container_forbids_backward() -> None:
    net = nn.Sequential().add(nn.Tanh()).add(nn.Linear(3, 2))
    net.forward(X)
    with pytest.raises(errors.InputError, match=r"in module 2 of nn.Sequential"):
        net.forward(np.ones((2, 4)))
    with pytest.raises(errors.StateError):
        net.backward(X, np.ones((2, 2)))


def test_errors_of_custom_modules_name_the_node_and_keep_the_cause() -> None:
    class Moody(nn.Module):
        bad = True

        def updateOutput(self, input: Any) -> Any:
            if self.bad:
                raise ZeroDivisionError("not today")
            self.output = input
            return input

    moody = Moody()
    x = identity()
    net = nn.gModule([x], [moody(x).annotate(name="temper")])
    with pytest.raises(errors.NodeError, match="not today") as caught:
        net.forward(X)
    assert "'temper'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    moody.bad = False
    np.testing.assert_array_equal(net.forward(X), X)
    with pytest.raises(errors.NodeError, match="does not define updateGradInput"):
        net.backward(X, X)


def test_a_module_that_returns_too_few_gradients() -> None:
    class Greedy(nn.Module):
        def updateOutput(self, input: Any) -> Any:
            self.output = input[0] + input[1]
            return self.output

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            self.gradInput = [gradOutput]
            return self.gradInput

    a, b = identity(), identity()
    net = nn.gModule([a, b], [Greedy()([a, b])])
    net.forward([X, X])
    with pytest.raises(errors.InputError, match="Greedy: updateGradInput .*shaped like input"):
        net.backward([X, X], X)


def test_errors_inside_nested_networks_name_both_nodes() -> None:
    x = identity()
    inner = nn.gModule([x], [nn.Linear(3, 2)(x).annotate(name="core")])
    y = identity()
    outer = nn.gModule([y], [inner(y).annotate(name="shell")])
    with pytest.raises(errors.InputError) as caught:
        outer.forward(np.ones((2, 5)))
    message = str(caught.value)
    assert message.index("'core'") < message.index("'shell'")


def test_indices_out_of_range() -> None:
    table = nn.LookupTable(5, 2)
    for bad, pattern in [
        ([1, 6], r"index 6.*1\.\.5"), ([0, 1], r"index 0.*count from 1"), ([1.5, 2], "whole numbers.*1.5"),
    ]:
        with pytest.raises(errors.InputError, match=pattern):
            table.forward(np.array(bad))
    with pytest.raises(errors.InputError, match=r"target holds the index 5.*1\.\.3"):
        nn.ClassNLLCriterion().forward(X, np.array([1, 5]))
    with pytest.raises(errors.InputError, match=r"shape \(2,\).*got shape \(3,\)"):
        nn.ClassNLLCriterion().forward(X, np.array([1, 2, 3]))


def test_unpacking_a_node_says_split() -> None:
    with pytest.raises(TypeError, match=r"node\.split\(2\)"):
        a, b = identity()
