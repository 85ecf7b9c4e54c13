"""What must hold of every module and criterion: see ``module_registry``."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import pytest
from module_registry import CASES, MODULE_CASES, REGISTRY, public_classes
from registry.case import Case, arrays, same

from minigraph.errors import InputError, StateError
from minigraph.nn import Criterion
from minigraph.tables import copy_table, leaves, map_table


def of(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.name}-{case.label}")


every_case = of(CASES)
every_module = of(MODULE_CASES)


def test_every_public_class_has_a_case() -> None:
    assert public_classes() == set(REGISTRY)
    assert all(REGISTRY.values())


def run(case: Case, module: Any, input: Any, target: Any) -> tuple[Any, Any, Any]:
    """Run forward and backward; return copies of (output, gradInput, parameter gradients)."""
    input = copy_table(input)
    output = case.forward(module, input, target)
    g = target if case.target else case.gradient(output)
    output = copy_table(output)
    gradInput = copy_table(case.backward(module, input, g))
    grads = [] if case.target else copy_table(module.parameters()[1])
    return output, gradInput, grads


def differences(case: Case, module: Any, array: np.ndarray, input: Any, g: Any) -> dict[int, float]:
    """Return central differences of the loss for (at most 12) entries of ``array``."""
    rng = np.random.default_rng(5)
    picked = rng.permutation(array.size)[:12]
    result = {}
    for position in picked:
        index = np.unravel_index(position, array.shape)
        value = array[index]
        array[index] = value + case.step
        above = case.loss(module, copy_table(input), g)
        array[index] = value - case.step
        below = case.loss(module, copy_table(input), g)
        array[index] = value
        result[int(position)] = (above - below) / (2 * case.step)
    return result


def check_gradient(case: Case, computed: np.ndarray, numeric: dict[int, float], slope: float) -> None:
    scale = max(1.0, *(abs(value) for value in numeric.values())) if numeric else 1.0
    for position, value in numeric.items():
        found = computed.reshape(-1)[position]
        assert abs(found - slope * value) <= case.tolerance * scale * 10, (position, found, value)


@every_case
def test_gradients_are_finite_differences(case: Case) -> None:
    module = case.fresh()
    input, target = case.data()
    output, gradInput, grads = run(case, module, input, target)
    g = target if case.target else case.gradient(output)
    for array, computed in zip(arrays(input), arrays(gradInput)):
        numeric = differences(case, module, array, input, g)
        check_gradient(case, computed, numeric, case.slope)
    assert len(arrays(gradInput)) >= len(arrays(input))
    for parameter, computed in zip([] if case.target else module.parameters()[0], grads):
        check_gradient(case, computed, differences(case, module, parameter, input, g), 1.0)


@every_case
def test_runs_in_float32(case: Case) -> None:
    input, target = case.data()
    expected = run(case, case.fresh(), input, target)
    module = case.fresh().float()
    single = map_table(
        lambda leaf: leaf.astype(np.float32)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
        else leaf,
        input,
    )
    output, gradInput, grads = run(case, module, single, target)
    for array in arrays(gradInput if case.target else [output, gradInput]):
        assert array.dtype == np.float32
    for parameter, gradient in [] if case.target else zip(*module.parameters()):
        assert parameter.dtype == gradient.dtype
        assert parameter.dtype == np.float32 or case.name == "DontCast"
    same([output, gradInput, grads], list(expected), 2e-3)


@every_case
def test_does_not_need_contiguous_memory(case: Case) -> None:
    def spaced(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray) or not leaf.ndim:
            return leaf
        wide = np.full((*leaf.shape[:-1], 2 * leaf.shape[-1]), 7, leaf.dtype)
        wide[..., ::2] = leaf
        return np.asfortranarray(wide)[..., ::2]

    input, target = case.data()
    expected = run(case, case.fresh(), input, target)
    module = case.fresh()
    strided, where = map_table(spaced, input), map_table(spaced, target)
    output = copy_table(case.forward(module, strided, where))
    g = where if case.target else map_table(spaced, case.gradient(output))
    same(output, expected[0])
    same(case.backward(module, strided, g), expected[1])
    if not case.target:
        same(module.parameters()[1], expected[2])


@of([case for case in CASES if case.batch or case.single])
def test_takes_a_batch_of_one(case: Case) -> None:
    input, target = case.data()
    module = case.fresh()
    whole = run(case, module, input, target)
    first = map_table(lambda leaf: leaf[:1], input)
    output, gradInput, _ = run(case, case.fresh(), first, None if target is None else target[:1])
    same(map_table(np.ndim, output), map_table(np.ndim, whole[0]))
    for array in arrays([output, gradInput]):
        assert np.isfinite(array).all()
    if case.batch and not case.target:
        same(output, map_table(lambda leaf: leaf[:1], whole[0]))


@every_case
def test_leaves_its_arguments_alone(case: Case) -> None:
    module = case.fresh()
    input, target = case.data()
    given = [input] if target is None else [input, target]
    before = copy_table(given)
    output = case.forward(module, input, target)
    g = target if case.target else case.gradient(output)
    kept = copy_table(g)
    case.backward(module, input, g)
    if g is not None:
        same(g, kept)
    same(given, before)


#: Modules that hand on what they are given: the mask is not lost. (Entries without a criterion, too.)
HANDING_ON = {
    "ParallelCriterion",
    "Constant", "FlattenTable", "Identity", "JustElement", "JustTable", "NarrowTable", "PrintSize",
    "SelectTable", "ZeroGrad", "ZipTable", "ZipTableOneToMany",
}


@every_case
def test_masked_arrays_are_refused(case: Case) -> None:
    def masked(table: Any) -> Iterator[Any]:
        """Yield the table with each of its arrays in turn masked."""
        places = [path for path, leaf in leaves(table) if isinstance(leaf, np.ndarray)]
        for place in places:
            count = iter(leaves(table))
            yield map_table(lambda leaf: np.ma.array(leaf) if next(count)[0] == place else leaf, table)  # noqa: B023

    input, target = case.data()
    for given in masked(input) if case.name not in HANDING_ON else ():
        with pytest.raises(InputError, match="masked array, whose mask would be lost"):
            case.forward(case.fresh(), given, target)
    module = case.fresh()
    output = case.forward(module, input, target)
    for given in masked(target if case.target else case.gradient(output)):
        with pytest.raises(InputError, match="masked array, whose mask would be lost"):
            case.forward(module, input, given) if case.target else case.backward(module, input, given)


@every_module
def test_gradients_accumulate_with_scale(case: Case) -> None:
    input, _ = case.data()
    module = case.fresh()
    output, _, once = run(case, module, input, None)
    module = case.fresh()
    for _ in range(2):
        fresh = copy_table(input)
        g = case.gradient(case.forward(module, fresh))
        case.backward(module, fresh, g, 0.5)
    same(module.parameters()[1], once, 1e-9)
    module.zeroGradParameters()
    assert not any(gradient.any() for gradient in module.parameters()[1])


@every_case
def test_clone_is_independent(case: Case) -> None:
    input, target = case.data()
    module = case.fresh()
    expected = run(case, module, input, target)
    copied = case.fresh().clone()
    same(run(case, copied, input, target)[:2], expected[:2])
    assert type(copied) is type(module)
    if case.target:
        return
    for mine, theirs in zip(module.parameters()[0], module.clone().parameters()[0]):
        assert not np.shares_memory(mine, theirs)
    names = ("weight", "bias", "gradWeight", "gradBias")
    shared = module.clone(*names)
    for mine, theirs in zip(module.listModules(), shared.listModules()):
        for name in names:
            if isinstance(getattr(mine, name, None), np.ndarray):
                assert getattr(mine, name) is getattr(theirs, name)
    for mine, theirs in zip(module.parameters()[0], module.twin().parameters()[0]):
        assert mine is theirs


@every_module
def test_share(case: Case) -> None:
    module, other = case.fresh(), case.fresh()
    names = ("weight", "bias", "gradWeight", "gradBias")
    assert module.share(other, *names) is module
    for mine, theirs in zip(module.listModules(), other.listModules()):
        for name in names:
            if isinstance(getattr(mine, name, None), np.ndarray):
                assert getattr(mine, name) is getattr(theirs, name)
    input, _ = case.data()
    same(run(case, module, input, None)[0], run(case, case.fresh(), input, None)[0])


@every_case
def test_type_round_trip(case: Case) -> None:
    input, target = case.data()
    module = case.fresh()
    expected = run(case, module, input, target)
    assert module.float() is module and module.type() == "torch.FloatTensor"
    assert module.double() is module and module.type() == "torch.DoubleTensor"
    if not case.target:
        module.zeroGradParameters()
        for parameter, original in zip(module.parameters()[0], case.fresh().parameters()[0]):
            assert parameter.dtype == np.float64
            np.testing.assert_allclose(parameter, original, rtol=1e-6, atol=1e-6)
    same(run(case, module, input, target)[:2], list(expected[:2]), 2e-5)


@every_module
def test_training_and_evaluation(case: Case) -> None:
    module = case.fresh()
    input, _ = case.data()
    assert module.evaluate() is module
    assert not any(below.train for below in module.listModules())
    output = copy_table(case.forward(module, copy_table(input)))
    same(case.forward(module, copy_table(input)), output)
    gradInput = case.backward(module, copy_table(input), case.gradient(output))
    assert all(np.isfinite(array).all() for array in arrays([output, gradInput]))
    assert module.training() is module
    assert all(below.train for below in module.listModules())


@every_case
def test_clear_state_and_a_good_run(case: Case) -> None:
    input, target = case.data()
    module = case.fresh()
    expected = run(case, module, input, target)
    assert module.clearState() is module
    assert module.output is None and module.gradInput is None
    with pytest.raises(StateError, match="forward"):
        case.backward(module, input, target if case.target else case.gradient(expected[0]))
    if not case.target:
        module.zeroGradParameters()
    same(run(case, module, input, target), list(expected))


@every_module
def test_getparameters_keeps_the_function(case: Case) -> None:
    input, _ = case.data()
    expected = run(case, case.fresh(), input, None)
    module = case.fresh()
    flat, gradFlat = module.getParameters()
    assert flat.size == gradFlat.size == sum(p.size for p in module.parameters()[0])
    same(run(case, module, input, None), list(expected))
    before = flat.copy()
    module.updateParameters(0.5)
    np.testing.assert_allclose(flat, before - 0.5 * gradFlat, rtol=1e-12, atol=1e-12)


@every_case
def test_repr_names_the_class(case: Case) -> None:
    module = case.fresh()
    text = repr(module)
    assert " at 0x" not in text
    if module.typename() != "nn.ModuleFromCriterion":  # shows the criterion it wraps
        assert text.startswith(module.typename())
    if isinstance(module, Criterion):
        assert module.typename() == f"nn.{case.name}"
