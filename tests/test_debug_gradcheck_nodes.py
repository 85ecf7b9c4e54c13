"""debug.gradcheck: what is at a kink is no mistake, and the module that is wrong is named."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest
from module_registry import CASES, REGISTRY
from registry.case import Case

import minigraph as mg
from minigraph import nn
from minigraph.tables import copy_table, leaves

FIRST = [cases[0] for name, cases in REGISTRY.items() if hasattr(nn, name)]
#: Classes whose first case passes no gradient back to any input: there is nothing to be wrong.
CONSTANT = {"OneHot", "Constant", "ZeroGrad", "LookupTable", "IndexLinear", "SparseLinear", "Kmeans"}


def given(case: Case) -> tuple[Any, Any]:
    """Return the module of a case and its input; a criterion's is the pair with the target."""
    input, target = case.data()
    module = case.fresh()
    if isinstance(module, nn.Criterion):
        return module, [input, np.zeros(1) if target is None else target]
    return module, input


def planted(module: Any, method: str, spoil: Callable[[Any, Any], None]) -> Any:
    """Make ``module`` one of a class of its own, whose ``method`` lets ``spoil`` change the gradients.

    ``spoil`` is called with the gradients and the input.
    """
    base = type(module)

    def updateGradInput(self: Any, input: Any, gradOutput: Any) -> Any:
        self.gradInput = copy_table(base.updateGradInput(self, input, gradOutput))
        spoil(self.gradInput, input)
        return self.gradInput

    def accGradParameters(self: Any, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        before = [gradient.copy() for gradient in self.parameters()[1]]
        base.accGradParameters(self, input, gradOutput, scale)
        added = [gradient - old for gradient, old in zip(self.parameters()[1], before)]
        spoil(added, input)
        for gradient, old, new in zip(self.parameters()[1], before, added):
            gradient[...] = old + new

    methods = {"updateGradInput": updateGradInput, "accGradParameters": accGradParameters}
    module.__class__ = type("Planted", (base,), {method: methods[method]})
    return module


def one_entry(gradients: Any, input: Any) -> None:
    """Make the largest entry of the first gradient that is not zero 1 % too large."""
    for _, leaf in leaves(gradients):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and leaf.any():
            leaf.reshape(-1)[np.argmax(np.abs(leaf))] *= 1.01
            return


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.label}")
def test_right_gradients_of_the_registry(case: Case) -> None:
    report = mg.debug.gradcheck(*given(case), max_entries=3)
    assert report.ok and report.blamed == [], report


@pytest.mark.parametrize("part", ["updateGradInput", "accGradParameters"])
@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.name)
def test_one_wrong_entry_in_the_registry(case: Case, part: str) -> None:
    module, input = given(case)
    if part == "accGradParameters" and (isinstance(module, nn.Criterion) or not module.parameters()[0]):
        return
    if part == "updateGradInput" and case.name in CONSTANT:
        return
    node = planted(module, part, one_entry)(nn.Identity()()).annotate(name="wrong")
    x = node.children[0]
    net = nn.gModule([x], [nn.Identity()(node)])
    report = mg.debug.gradcheck(net, input, max_entries=1)
    assert not report.ok and report.blamed == [node], report


ZEROS, ONES = np.zeros((2, 3)), np.ones((2, 3))
#: Everything at a kink or a tie; the sides of it where the gradient is not zero.
KINKS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "ReLU": (nn.ReLU(), ZEROS, (1,)), "Abs": (nn.Abs(), ZEROS, (1, -1)),
    "PReLU": (nn.PReLU(), ZEROS, (1, -1)), "LeakyReLU": (nn.LeakyReLU(0.2), ZEROS, (1, -1)),
    "ELU": (nn.ELU(0.7), ZEROS, (1, -1)),
    "HardTanh": (nn.HardTanh(), ONES, (-1,)), "Clamp": (nn.Clamp(-1, 1), -ONES, (1,)),
    "ReLU6": (nn.ReLU6(), 6 * ONES, (-1,)), "HardShrink": (nn.HardShrink(1), ONES, (1,)),
    "SoftShrink": (nn.SoftShrink(1), ONES, (1,)), "Threshold": (nn.Threshold(0, 0), ZEROS, (1,)),
    "Sqrt": (nn.Sqrt(), ZEROS, (1,)), "CReLU": (nn.CReLU(1), ZEROS, (1, -1)),
    "largest of a table": (nn.CMaxTable(), [ONES, ONES.copy(), ONES.copy()], (1, -1)),
    "smallest of a table": (nn.CMinTable(), [ONES, ONES.copy()], (1, -1)),
    "largest": (nn.Max(2), ONES, (1,)),
    "pooling": (nn.SpatialMaxPooling(2, 2, 1, 1), np.ones((1, 4, 4)), (1,)),
    "no distance": (nn.PairwiseDistance(2), [ONES, ONES.copy()], (1, -1)),
    "sum of no distances": (nn.PairwiseDistance(1), [ONES, ONES.copy()], (1, -1)),
    "AbsCriterion": (nn.AbsCriterion(), [ONES, ONES.copy()], (1, -1)),
    "MarginCriterion": (nn.MarginCriterion(), [ONES, ONES.copy()], (-1,)),
    "HingeEmbedding": (nn.HingeEmbeddingCriterion(), [ONES, -ONES], (-1,)),
    "MultiMargin": (nn.MultiMarginCriterion(), [np.array([[0.0, 1, 0]]), np.array([2])], (1,)),
}


@pytest.mark.parametrize("name", KINKS)
def test_right_gradients_at_a_kink(name: str) -> None:
    module, input, _ = KINKS[name]
    report = mg.debug.gradcheck(module, input)
    assert report.ok and report.blamed == [], report


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("factor", [1.01, -1])
def test_a_formula_wrong_on_one_side_of_the_kink_that_all_entries_are_at(name: str, factor: float) -> None:
    module, input, sides = KINKS[name]
    first = next(leaf for _, leaf in leaves(input)).copy()
    for side in sides:

        def spoil(gradients: Any, moved: Any, side: int = side) -> None:
            (_, gradient), (_, x) = next(leaves(gradients)), next(leaves(moved))
            gradient[(x - first) * side > 0] *= factor

        wrong = planted(module.clone(), "updateGradInput", spoil)
        report = mg.debug.gradcheck(wrong, input)
        assert not report.ok and len(report.blamed) == 1, (side, report)


def test_a_kink_is_counted_and_said_and_the_rest_compared() -> None:
    mg.manualSeed(1)
    net = nn.Sequential().add(nn.Linear(3, 5, False)).add(nn.ReLU()).add(nn.Linear(5, 2))
    x = mg.random.randn(4, 3)
    x[1] = 0
    report = mg.debug.gradcheck(net, x)
    row = report["input"]
    assert report.ok and (row.verdict, row.checked, row.kinks) == ("kink", 9, 3)
    assert all(each.verdict == "ok" and each.kinks == 0 for each in report.rows if each is not row)
    assert str(report).startswith("gradcheck: ok, 36 entries of 4 arrays agree, 3 at a kink")
    net.modules[1] = planted(net.get(2), "updateGradInput", one_entry)
    assert mg.debug.gradcheck(net, x).blamed[0].module is net.get(2)


@pytest.mark.parametrize("eps", [1e-6, 1e-4])
def test_kinks_that_the_step_reaches(eps: float) -> None:
    """The step of the difference crosses a kink that the point itself is beside."""
    mg.manualSeed(2)
    layer = nn.Linear(3, 4)
    x = mg.random.randn(2, 3)
    layer.bias -= layer.forward(x)[0] - 0.3 * eps  # the first row is 0.3 eps beyond the kinks
    assert mg.debug.gradcheck(nn.Sequential().add(layer).add(nn.ReLU()).add(nn.Linear(4, 2)), x, eps=eps).ok


class AtZero(nn.Module):
    """|x|, whose gradient is wrong at 0 alone."""

    def updateOutput(self, input: Any) -> Any:
        self.output = np.abs(input)
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = gradOutput * np.where(input == 0, 7, np.sign(input))
        return self.gradInput


class Layers(nn.Module):
    """Two layers in one: at an input of zeros every hidden unit is at its kink."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.out = mg.random.randn(6, 3), mg.random.randn(6, 1)
        self.gradWeight = np.zeros((6, 3))

    def updateOutput(self, input: Any) -> Any:
        self.hidden = input @ self.weight.T
        self.output = np.maximum(self.hidden, 0) @ self.out
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.back = (gradOutput @ self.out.T) * (self.hidden > 0)
        self.gradInput = self.back @ self.weight
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        self.gradWeight += scale * self.back.T @ input


def test_what_no_slope_beside_a_kink_explains_is_wrong_and_many_kinks_in_one_module_are_not() -> None:
    x = np.array([[0.5, 0, -2], [0, 0, 0]])
    assert not mg.debug.gradcheck(AtZero(), x).ok
    mg.manualSeed(3)
    for _ in range(10):
        assert mg.debug.gradcheck(Layers(), x).ok


class Square(nn.Module):
    """Its gradient is 1 % too large."""

    def updateOutput(self, input: Any) -> Any:
        self.output = input * input
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = 2.02 * input * gradOutput
        return self.gradInput


def with_square() -> nn.gModule:
    x = nn.Identity()().annotate(name="x")
    squared = Square()(nn.Linear(3, 3)(x).annotate(name="fine")).annotate(name="sq")
    return nn.gModule([x], [nn.Tanh()(squared).annotate(name="y")])


def named(net: nn.gModule, name: str) -> Any:
    return next(node for node in net.forwardnodes if node.name == name)


def test_the_wrong_module_is_blamed_not_the_ones_before_it() -> None:
    mg.manualSeed(4)
    net = with_square()
    report = mg.debug.gradcheck(net, mg.random.randn(4, 3))
    node = named(net, "sq")
    assert report.blamed == [node] and report.blamed[0].module is node.module
    assert {row.path for row in report.rows if not row.ok} == {"input", "fine.weight", "fine.bias"}
    lines = str(report).splitlines()
    assert lines[0] == f"gradcheck: wrong at `sq`: Square, {node.location} (the gradient of input)"
    assert node.location.rpartition(":")[0].endswith("test_debug_gradcheck_nodes.py")
    (fault,) = report.to_dict()["faults"]
    assert fault == {
        "name": "sq", "module": "Square", "location": node.location, "arrays": ["input"], "composed": False,
    }


def test_several_are_blamed_in_order_of_execution() -> None:
    mg.manualSeed(4)
    x = nn.Identity()()
    first = planted(nn.Tanh(), "updateGradInput", one_entry)(x)
    second = planted(nn.Linear(3, 2), "accGradParameters", one_entry)(first)
    net = nn.gModule([x], [Square()(nn.Sigmoid()(second))])
    report = mg.debug.gradcheck(net, mg.random.randn(4, 3))
    expected = [node for node in net.forwardnodes if type(node.module).__name__ in ("Planted", "Square")]
    assert report.blamed == expected and len(expected) == 3
    assert [fault.arrays for fault in report.faults] == [("input",), ("weight",), ("input",)]


@pytest.mark.parametrize("wrap, name", [
    (lambda net: nn.Sequential().add(nn.Linear(3, 3)).add(net), "2/sq"),
    (lambda net: nn.gModule([x := nn.Identity()()], [net(nn.Tanh()(x)).annotate(name="inner")]), "inner/sq"),
    (lambda net: nn.ConcatTable().add(nn.Tanh()).add(nn.Sequential().add(net)), "2.1/sq"),
    (lambda net: mg.compile(net), "sq"),
])
def test_the_innermost_is_blamed(wrap: Callable[[Any], Any], name: str) -> None:
    mg.manualSeed(5)
    net = with_square()
    report = mg.debug.gradcheck(wrap(net), mg.random.randn(2, 3))
    if report.ok:  # the compiler has a rule of its own for every class that it knows
        pytest.fail(str(report))
    assert [fault.name for fault in report.faults] == [name]
    assert report.blamed == [named(net, "sq")]


def test_a_layer_of_a_container_is_blamed_by_its_place() -> None:
    mg.manualSeed(5)
    square = Square()
    x = nn.Identity()()
    node = nn.Sequential().add(nn.Linear(3, 3)).add(square)(x).annotate(name="block")
    report = mg.debug.gradcheck(nn.gModule([x], [node]), mg.random.randn(2, 3))
    assert [(fault.name, fault.location) for fault in report.faults] == [("block.2", node.location)]
    assert report.blamed[0].module is square and report.blamed[0].name == "block.2"


def test_containers_and_criterions_of_the_user_s_are_blamed_themselves() -> None:
    mg.manualSeed(6)
    x = mg.random.randn(2, 3)
    branches = nn.ConcatTable().add(nn.Linear(3, 3)).add(nn.Tanh())
    net = nn.Sequential().add(nn.Linear(3, 3)).add(planted(branches, "updateGradInput", one_entry))
    assert mg.debug.gradcheck(net.add(nn.CMulTable()), x).blamed[0].module is branches
    wrong = planted(nn.MSECriterion(), "updateGradInput", one_entry)
    for criterion, culprit in (
        (wrong, wrong), (nn.MultiCriterion().add(nn.AbsCriterion()).add(wrong, 0.5), wrong),
    ):
        report = mg.debug.gradcheck(criterion, [x, x + 1])
        module = report.blamed[0].module
        assert (module.criterion if isinstance(module, nn.ModuleFromCriterion) else module) is culprit


def test_the_node_of_a_step_is_blamed_for_an_unroll() -> None:
    mg.manualSeed(7)
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    total = nn.CAddTable()([nn.Linear(3, 2)(x), nn.Linear(2, 2)(h)])
    right = nn.gModule([x, h], [nn.Tanh()(total).annotate(name="next")])
    wrong = nn.gModule([x, h], [nn.Tanh()(Square()(total).annotate(name="sq")).annotate(name="next")])
    input = [mg.random.randn(3, 2, 3), mg.random.randn(2, 2)]
    assert mg.debug.gradcheck(mg.rnn.Unroll(right, {"next": "h"}), input).ok
    report = mg.debug.gradcheck(mg.rnn.Unroll(wrong, {"next": "h"}), input)
    assert report.blamed == [named(wrong, "sq")] and report.blamed[0] in wrong.forwardnodes


def test_layers_whose_gradient_is_not_the_derivative_on_purpose() -> None:
    mg.manualSeed(8)
    x = mg.random.randn(2, 3)
    for layer in (nn.GradientReversal(0.3), nn.ZeroGrad(), nn.L1Penalty(0.1), nn.L1Penalty(0.1, True, False)):
        net = nn.Sequential().add(nn.Linear(3, 3)).add(layer).add(nn.Linear(3, 2)).add(nn.Tanh())
        assert mg.debug.gradcheck(net, x).ok
    net.modules[1] = planted(nn.GradientReversal(0.3), "updateGradInput", one_entry)
    assert mg.debug.gradcheck(net, x).blamed[0].module is net.get(2)
    table = nn.LookupTable(4, 3, 2, 0.5)  # a row without gradient, rows of limited length
    assert mg.debug.gradcheck(nn.Sequential().add(table).add(nn.Tanh()), np.array([1, 2, 2, 4])).ok


def test_an_input_at_the_end_of_what_a_layer_takes() -> None:
    probabilities, target = np.array([[0.0, 0.5], [1.0, 0.25]]), np.array([[0.0, 1], [1, 0]])
    report = mg.debug.gradcheck(nn.BCECriterion(), [probabilities, target])
    assert report.ok and (report["input[1]"].checked, report["input[1]"].kinks) == (2, 2)


def test_rows_say_ok_up_to_the_tolerance_and_stand_in_the_order_announced() -> None:
    mg.manualSeed(9)
    for tolerance in (0.02, 1e-3):  # on either side of the one per cent
        report = mg.debug.gradcheck(with_square(), mg.random.randn(2, 3), tolerance=tolerance)
        errors = [row.max_rel_error for row in report.rows]
        assert errors == sorted(errors, reverse=True)
        assert [row.verdict for row in report.rows] == [
            "ok" if error <= tolerance else "WRONG" for error in errors
        ]
        assert max(errors) == pytest.approx(0.01, rel=0.02) and report.ok == (tolerance > 0.01)
        assert "wrong ones first, then by relative error" in str(report)


def test_the_module_and_its_clones_are_left_as_they_were() -> None:
    mg.manualSeed(10)
    net = with_square()
    before = [dict(vars(module)) for module in net.listModules()]
    mg.debug.gradcheck(net, mg.random.randn(2, 3))
    for module, attributes in zip(net.listModules(), before):
        assert set(vars(module)) == set(attributes)
        assert all(vars(module)[name] is value for name, value in attributes.items())


def test_a_module_that_spoils_what_others_read_is_found_as_a_whole() -> None:
    """Right by itself, it changes its input, which another node reads too."""

    class Doubling(nn.Module):
        def updateOutput(self, input: Any) -> Any:
            input *= 2
            self.output = input.copy()
            return self.output

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            self.gradInput = 2 * gradOutput
            return self.gradInput

    mg.manualSeed(11)
    x = nn.Identity()()
    shared = nn.Linear(3, 3)(x)
    net = nn.gModule([x], [nn.CAddTable()([Doubling()(shared), nn.Tanh()(shared)])])
    report = mg.debug.gradcheck(net, mg.random.randn(2, 3))
    assert not report.ok and report.blamed[0].module is net
    assert str(report).splitlines()[0].endswith("; every module in it is right by itself)")


def test_modules_that_return_nothing_and_modules_that_read_what_others_keep() -> None:
    class Quiet(nn.Module):
        def updateOutput(self, input: Any) -> None:
            self.output = np.maximum(input, 0)

        def updateGradInput(self, input: Any, gradOutput: Any) -> None:
            self.gradInput = gradOutput * (input > 0)

    mg.manualSeed(13)
    pool = nn.SpatialMaxPooling(2, 2, 2, 2)
    x = nn.Identity()()
    y = nn.SpatialMaxUnpooling(pool)(Quiet()(pool(nn.SpatialConvolution(1, 2, 3, 3, 1, 1, 1, 1)(x))))
    image = mg.random.randn(1, 4, 4)
    image[0, :2, :2] = 0
    report = mg.debug.gradcheck(nn.gModule([x], [y]), image)
    assert report.ok, report


def test_a_thousand_nodes() -> None:
    mg.manualSeed(12)
    x = nn.Identity()()
    h = x
    for _ in range(333):
        h = nn.CAddTable()([h, nn.MulConstant(0.01)(nn.Tanh()(h))])
    wrong = Square()(h).annotate(name="sq")
    report = mg.debug.gradcheck(nn.gModule([x], [wrong]), mg.random.randn(2, 2), max_entries=1)
    assert [fault.name for fault in report.faults] == ["sq"]
