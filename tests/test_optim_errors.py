"""What the optimisers refuse, what passes, and that neither corrupts x or the state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from objectives import ALL, FIRST_ORDER, method, quadratic, rosenbrock

from minigraph import optim
from minigraph.errors import ArgumentError, InputError, MinigraphError, StateError

# Several tests give every method the same config.
pytestmark = pytest.mark.filterwarnings("ignore:optim.[a-z]* does not use")


@pytest.mark.parametrize("name", ALL)
def test_a_nan_loss_passes_and_corrupts_nothing(name: str) -> None:
    x, state = np.linspace(1, 2, 4), {}
    config = {"lineSearch": optim.lswolfe, "maxIter": 7}
    for _ in range(3):
        _, losses = method(name)(lambda x: (math.nan, x.copy()), x, config, state)
        assert math.isnan(losses[0])
    assert np.isfinite(x).all()
    for _ in range(3):
        _, losses = method(name)(quadratic, x, config, state)
        assert math.isfinite(losses[0])
    assert np.isfinite(x).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("calls", [1, 2, 4])
def test_a_failing_feval_leaves_x_at_an_accepted_point(name: str, calls: int) -> None:
    x, state, config = np.linspace(1, 2, 4), {}, {"eta0": 0.1, "maxEval": 30}
    method(name)(quadratic, x, config, state)
    before, count = x.copy(), 0

    def fails(at: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt
        return rosenbrock(at)

    if name in FIRST_ORDER:
        count = calls - 1
    with pytest.raises(KeyboardInterrupt):
        method(name)(fails, x, config, state)
    if name in FIRST_ORDER or calls <= 2:
        np.testing.assert_array_equal(x, before)
    here = quadratic(x)[0]
    _, losses = method(name)(quadratic, x, config, state)
    # nag looks at the loss further on.
    assert losses[0] == here or name == "nag"
    assert np.isfinite(x).all()


BAD = [
    *((name, {"learningRate": bad}, "learningRate") for bad in (-0.1, math.nan, math.inf, "0.1", True, [1.0])
      for name in ("sgd", "adam", "rmsprop", "lbfgs") if not (name == "lbfgs" and bad == math.inf)),
    *((name, {key: 0.1}, rf"config\['{key}'\] is not an option, did you mean '{meant}'\?")
      for name, key, meant in (
          ("sgd", "learning_rate", "learningRate"), ("adam", "Beta1", "beta1"), ("sgd", "lr", "learningRate"),
          ("nag", "momentun", "momentum"), ("adam", "wd", "weightDecay"), ("adamax", "beta_2", "beta2"),
          ("adagrad", "decay", "weightDecay"), ("adadelta", "Rho", "rho"), ("rmsprop", "alfa", "alpha"),
          ("asgd", "lamda", "lambda"), ("rprop", "step_size", "stepsize"), ("lbfgs", "tolfun", "tolFun"),
          ("cg", "max_iter", "maxIter"),
      )),
    ("asgd", {"lr": 0.1}, "There are eta0, lambda, alpha, t0$"), ("sgd", {1: 0.1}, r"config\[1\]"),
    ("lbfgs", {"lineSearch": optim.lswolfe, "lineSearchOptions": {"C1": 0.1}}, r"options\['C1'\].*'c1'"),
    ("sgd", {"nesterov": True}, "nesterov"),
    ("sgd", {"nesterov": True, "momentum": 0.9}, "dampening"),
    ("sgd", {"weightDecay": 0.1, "weightDecays": np.ones(4)}, "both"),
    ("sgd", {"learningRates": np.ones(3)}, r"\(4,\)"), ("nag", {"learningRates": np.ones((1, 4))}, r"\(4,\)"),
    ("sgd", {"weightDecays": ["a"] * 4}, "weightDecays"), ("sgd", {"momentum": -1}, "momentum"),
    ("nag", {"momentum": 0}, "momentum"),
    ("adam", {"beta1": 1}, "beta1"), ("adamax", {"beta2": -0.1}, "beta2"),
    ("adagrad", {"weightDecay": -1}, "weightDecay"), ("adadelta", {"rho": 1.5}, "rho"),
    ("rmsprop", {"alpha": 1.5}, "alpha"), ("asgd", {"eta0": -1}, "eta0"), ("rprop", {"niter": 0}, "niter"),
    ("rprop", {"etaplus": 0.5}, "etaplus"), ("rprop", {"stepsizemin": 1, "stepsizemax": 0.5}, "stepsizemin"),
    ("rprop", {"stepsize": np.ones(4)}, "stepsize"), ("cg", {"maxIter": 0}, "maxIter"),
    ("cg", {"rho": 0.6}, "rho"), ("cg", {"ext": 1}, "ext"), ("cg", {"maxEval": -1}, "maxEval"),
    ("lbfgs", {"nCorrection": 0.5}, "nCorrection"), ("lbfgs", {"lineSearch": "wolfe"}, "lineSearch"),
    ("lbfgs", {"lineSearch": lambda *a: (1, 2)}, "must return"),
    ("lbfgs", {"lineSearch": optim.lswolfe, "lineSearchOptions": {"c1": 2}}, "c1"),
]


@pytest.mark.parametrize("name, config, words", BAD)
def test_a_bad_config_is_refused(name: str, config: dict[str, Any], words: str) -> None:
    x, state = np.ones(4), {}
    with pytest.raises(ArgumentError, match=words) as caught:
        method(name)(quadratic, x, config, state)
    assert f"optim.{name}" in str(caught.value) or "optim.lswolfe" in str(caught.value)
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "result, words",
    [((1.0, np.ones(3)), r"\(3,\)"), ((1.0, np.ones((4, 1))), r"\(4, 1\)"), ((1.0, None), "None"),
     ((1.0, [1.0] * 4), "array"), (1.0, r"\(loss, dx\)"), ((1.0, np.ones(4), 2), "loss, dx"),
     ((np.ones(2), np.ones(4)), "one number"), ((None, np.ones(4)), "one number"),
     (("3", np.ones(4)), "one number"), ((1.0, np.ones(4) * 1j), "array")],
)
def test_a_bad_feval_is_refused(name: str, result: Any, words: str) -> None:
    x = np.ones(4)
    state: dict[str, Any] = {}
    with pytest.raises(InputError, match=words):
        method(name)(lambda x: result, x, {}, state)
    np.testing.assert_array_equal(x, 1)
    method(name)(quadratic, x, {"maxIter": 2}, state)
    assert (x <= 1).all() and np.isfinite(x).all()


@pytest.mark.parametrize("name", ALL)
def test_bad_x_and_foreign_states_are_refused(name: str) -> None:
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for x in ([1.0, 2.0], np.arange(3), frozen, None):
        with pytest.raises(InputError, match=f"optim.{name}: x"):
            method(name)(quadratic, x)
    with pytest.raises(ArgumentError, match="config must be a dict"):
        method(name)(quadratic, np.ones(3), 0.1)
    with pytest.raises(ArgumentError, match="feval"):
        method(name)(3.0, np.ones(3))


@pytest.mark.parametrize("name", ALL)
def test_a_state_belongs_to_one_x(name: str) -> None:
    state: dict[str, Any] = {}
    config = {"momentum": 0.9}
    method(name)(quadratic, np.ones(3), config, state)
    for other in (np.ones(5), np.ones(3, np.float32)):
        before = other.copy()
        if name == "cg":
            # Nothing is remembered from call to call, as with sgd without momentum.
            assert optim.cg(quadratic, other, config, state)[1][-1] < before.size / 2
            optim.sgd(quadratic, other, {}, state)
        else:
            with pytest.raises(StateError, match="a state belongs to the x it was made with") as caught:
                method(name)(quadratic, other, config, state)
            assert isinstance(caught.value, MinigraphError)
            np.testing.assert_array_equal(other, before)


@pytest.mark.parametrize("name", ALL)
def test_unknown_entries_of_a_state_are_refused_and_the_methods_own_are_not(name: str) -> None:
    x, table = np.linspace(1, 2, 4), {}
    with pytest.raises(ArgumentError, match=r"state\['momento'\] is not an option"):
        method(name)(quadratic, x, {}, {"momento": 0.9})
    np.testing.assert_array_equal(x, np.linspace(1, 2, 4))
    for _ in range(3):  # all that a method keeps stands in the config from the second call on
        method(name)(rosenbrock, x, table)
    assert table
    for other in ALL:  # what one method leaves behind is no mistake for another one
        with pytest.raises(ZeroDivisionError):
            method(other)(lambda x: 1 / 0, np.ones(4), table)


def test_an_option_of_another_method_passes_with_a_warning() -> None:
    x, expected = np.ones(4), np.ones(4)
    optim.adam(quadratic, expected, {"learningRate": 0.1})
    with pytest.warns(UserWarning, match=r"adam does not use .*an option of sgd, nag") as seen:
        optim.adam(quadratic, x, {"learningRate": 0.1, "momentum": 0.9})
    assert len(seen) == 1 and seen[0].filename == __file__
    np.testing.assert_array_equal(x, expected)
