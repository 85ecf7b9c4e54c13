"""The first-order optimisers against Torch7's numbers, the textbook and PyTorch; all golden rows."""

from __future__ import annotations

import platform
import sys
import tracemalloc
from typing import Any, Callable

import numpy as np
import pytest
from golden_files import load, value
from objectives import ALL, FIRST_ORDER, golden_function, method, quadratic, rosenbrock, torch_linspace

from minigraph import optim

# Several tests give every method the same config.
pytestmark = pytest.mark.filterwarnings("ignore:optim.[a-z]* does not use")

ROWS = load("rng_optim")["optim"]
SIZE = 7


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['method']}-{len(row.get('config') or {})}")
def test_golden_rows(row: dict[str, Any]) -> None:
    x = torch_linspace(2, -2, 6)
    config = dict(row.get("config") or {})
    # Around the minimum the loss is level to its last bit over 1e-8 in x: there the comparisons of
    # cg's line search hang on the last bits of sin and cos, which are the C library's.
    other_library = row["method"] == "cg" and (sys.platform, platform.machine()) != ("linux", "x86_64")
    for expected, loss in zip(row["x"], row["loss"]):
        result, losses = method(row["method"])(golden_function, x, config)
        assert result is x
        assert losses[0] == pytest.approx(loss, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(x, value(expected), rtol=0, atol=1e-8 if other_library else 1e-9)


def reference(
    name: str, c: dict[str, Any], x: np.ndarray, gradient: Callable[..., Any], steps: int
) -> np.ndarray:
    """Run the textbook form of a method with Torch's constants, all arrays fresh."""
    x = x.copy()
    zero = np.zeros_like(x)
    v, m, u = zero, zero, zero
    last, size = zero, np.full_like(x, c.get("stepsize", 0.1))
    eta = c.get("eta0", 1e-4)
    rate0 = c.get("learningRate", {"adamax": 2e-3, "rmsprop": 1e-2}.get(name, 1e-3))
    m = m + c.get("initialMean", 0)
    b1, b2 = c.get("beta1", 0.9), c.get("beta2", 0.999)
    for t in range(steps):
        momentum = c.get("momentum", 0.9 if name == "nag" else 0)
        at = x + momentum * v if name == "nag" else x
        g = gradient(at, t) + c.get("weightDecay", c.get("weightDecays", 0)) * at
        rate = rate0 / (1 + t * c.get("learningRateDecay", 0)) * c.get("learningRates", 1)
        if name == "sgd":
            damp = c.get("dampening", momentum)
            v = g if t == 0 else momentum * v + (1 - damp) * g
            x = x - rate * ((g + momentum * v) if c.get("nesterov") else v if momentum else g)
        elif name == "nag":
            v = momentum * v - rate * g
            x = x + v
        elif name == "asgd":
            decay = c.get("lambda", 1e-4)
            x = x * (1 - decay * eta) - eta * g
            eta = c.get("eta0", 1e-4) / (1 + decay * c.get("eta0", 1e-4) * (t + 1)) ** c.get("alpha", 0.75)
        elif name in ("adam", "adamax"):
            m = b1 * m + (1 - b1) * g
            corrected = m / (1 - b1 ** (t + 1))
            if name == "adam":
                u = b2 * u + (1 - b2) * g**2
                root = np.sqrt(u) + c.get("epsilon", 1e-8)
                x = x - rate * corrected * np.sqrt(1 - b2 ** (t + 1)) / root
            else:
                u = np.maximum(b2 * u, np.abs(g) + c.get("epsilon", 1e-38))
                x = x - rate * corrected / u
        elif name == "adagrad":
            u = u + g**2
            x = x - rate * g / (np.sqrt(u) + 1e-10)
        elif name == "rmsprop":
            alpha = c.get("alpha", 0.99)
            m = alpha * m + (1 - alpha) * g**2
            x = x - rate * g / (np.sqrt(m) + c.get("epsilon", 1e-8))
        elif name == "adadelta":
            rho, eps = c.get("rho", 0.9), c.get("eps", 1e-6)
            u = rho * u + (1 - rho) * g**2
            delta = np.sqrt(m + eps) / np.sqrt(u + eps) * g
            m = rho * m + (1 - rho) * delta**2
            x = x - delta
        elif name == "rprop":
            up, down = g * last > 0, g * last < 0
            size = size * np.where(up, c.get("etaplus", 1.2), np.where(down, c.get("etaminus", 0.5), 1))
            size = np.clip(size, c.get("stepsizemin", 1e-6), c.get("stepsizemax", 50))
            last = np.where(down, 0, g)
            x = x - np.sign(last) * size
    return x


VECTOR = np.linspace(0.2, 2, SIZE)
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in FIRST_ORDER),
    ("sgd", {"learningRate": 0.1, "learningRateDecay": 0.3, "weightDecay": 0.2}),
    ("sgd", {"learningRate": 0.1, "momentum": 0.8, "dampening": 0.3, "weightDecays": VECTOR}),
    ("sgd", {"learningRates": VECTOR, "momentum": 0.5, "dampening": 0, "nesterov": True, "weightDecay": 0.1}),
    ("sgd", {"learningRates": VECTOR, "learningRate": 0.05, "learningRateDecay": 0.1}),
    ("nag", {"learningRate": 0.05, "learningRateDecay": 0.2, "weightDecay": 0.3, "momentum": 0.6}),
    ("nag", {"learningRate": 0.05, "learningRates": VECTOR, "dampening": 0.9}),
    ("asgd", {"eta0": 0.1, "lambda": 0.3, "alpha": 0.5, "t0": 3}),
    ("adam", {"learningRate": 0.1, "learningRateDecay": 0.5, "weightDecay": 0.2}),
    ("adam", {"beta1": 0.5, "beta2": 0.7, "epsilon": 0.1, "learningRate": 0.3}),
    ("adam", {"beta1": 0, "beta2": 0.0}),
    ("adamax", {"learningRate": 0.1, "beta1": 0.5, "beta2": 0.7, "epsilon": 0.2, "weightDecay": 0.1}),
    ("adagrad", {"learningRate": 0.2, "learningRateDecay": 0.4, "weightDecay": 0.3}),
    ("adadelta", {"rho": 0.6, "eps": 0.01, "weightDecay": 0.3}),
    ("rmsprop", {"learningRate": 0.1, "alpha": 0.7, "epsilon": 0.1, "weightDecay": 0.2, "initialMean": 0.5}),
    ("rprop", {"stepsize": 0.3, "etaplus": 1.5, "etaminus": 0.4, "stepsizemax": 0.5, "stepsizemin": 0.1}),
]


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("name, config", CONFIGS, ids=lambda v: v if isinstance(v, str) else "+".join(v))
def test_first_order_methods_equal_the_textbook(
    name: str, config: dict[str, Any], separate: bool, dtype: Any, tolerance: float
) -> None:
    draw = np.random.default_rng(5)
    noise, x = draw.normal(size=(9, SIZE)), draw.normal(size=SIZE)
    expected = reference(name, config, x, lambda at, t: at + noise[t], 9)
    kept, state = dict(config), {} if separate else None
    moving = x.astype(dtype)
    grads = np.empty((9, SIZE), dtype)
    for t in range(9):
        def feval(at: np.ndarray, t: int = t) -> tuple[float, np.ndarray]:
            grads[t] = at + noise[t]
            return float(t), grads[t]

        seen = dict(kept)
        result, losses = method(name)(feval, moving, kept, state)
        assert result is moving and moving.dtype == dtype and losses == [float(t)]
        if separate:
            assert kept.keys() == seen.keys() and all(kept[key] is seen[key] for key in kept)
        if t == 0:
            # The gradient is the user's: the first was taken at the first x and is still there.
            np.testing.assert_array_equal(grads[0], (x.astype(dtype) + noise[0]).astype(dtype))
    np.testing.assert_allclose(moving, expected, rtol=tolerance, atol=tolerance)


def test_asgd_averages_after_t0() -> None:
    x, state = np.ones(3), {}
    path = []
    for _ in range(8):
        optim.asgd(quadratic, x, {"eta0": 0.2, "lambda": 0.0, "t0": 3}, state)
        path.append(x.copy())
    # mu is 1 up to step t0 + 2, then 1/2, 1/3, ...: the mean of the points from there on.
    np.testing.assert_allclose(state["ax"], np.mean(path[4:], axis=0), rtol=1e-14)


def test_rprop_takes_niter_steps_and_returns_their_losses() -> None:
    once, together = np.linspace(2, -2, 6), np.linspace(2, -2, 6)
    state: dict[str, Any] = {}
    losses = [optim.rprop(golden_function, once, {}, state)[1][0] for _ in range(5)]
    assert optim.rprop(golden_function, together, {"niter": 5})[1] == losses
    np.testing.assert_array_equal(once, together)


@pytest.mark.parametrize("name, config", CONFIGS, ids=lambda v: v if isinstance(v, str) else "+".join(v))
def test_first_order_steps_allocate_no_arrays(name: str, config: dict[str, Any]) -> None:
    x = np.linspace(-1, 1, 20_000)
    wide = {key: np.resize(v, x.shape) if isinstance(v, np.ndarray) else v for key, v in config.items()}
    gradient = np.cos(x)
    state: dict[str, Any] = {}
    for _ in range(3):
        method(name)(lambda x: (0.0, gradient), x, wide, state)
    tracemalloc.start()
    try:
        for _ in range(3):
            method(name)(lambda x: (0.0, gradient), x, wide, state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000, f"{peak} bytes, an array of x's size has {x.nbytes}"


TORCH = [
    ("sgd", {"learningRate": 0.1, "momentum": 0.8, "dampening": 0.0, "nesterov": True, "weightDecay": 0.1},
     "SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("sgd", {"learningRate": 0.1, "momentum": 0.8, "dampening": 0.3},
     "SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    ("asgd", {"eta0": 0.1, "lambda": 0.2, "alpha": 0.6, "t0": 3},
     "ASGD", {"lr": 0.1, "lambd": 0.2, "alpha": 0.6, "t0": 3}),
    ("adam", {"learningRate": 0.1, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.0, "weightDecay": 0.1},
     "Adam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 0.0, "weight_decay": 0.1}),
    ("adamax", {"learningRate": 0.1, "beta1": 0.8, "beta2": 0.9, "epsilon": 0.01, "weightDecay": 0.1},
     "Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 0.01, "weight_decay": 0.1}),
    ("adagrad", {"learningRate": 0.1, "learningRateDecay": 0.2, "weightDecay": 0.1},
     "Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "eps": 1e-10}),
    ("adadelta", {"rho": 0.8, "eps": 1e-3, "weightDecay": 0.1},
     "Adadelta", {"lr": 1.0, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("rmsprop", {"learningRate": 0.1, "alpha": 0.8, "epsilon": 1e-3, "weightDecay": 0.1},
     "RMSprop", {"lr": 0.1, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("rprop", {"stepsize": 0.2, "etaplus": 1.3, "etaminus": 0.4, "stepsizemax": 0.4, "stepsizemin": 0.05},
     "Rprop", {"lr": 0.2, "etas": (0.4, 1.3), "step_sizes": (0.05, 0.4)}),
    ("lbfgs", {"maxIter": 4, "maxEval": 40, "learningRate": 0.3, "tolFun": 0, "tolX": 0, "nCorrection": 3},
     "LBFGS", {"lr": 0.3, "max_iter": 4, "max_eval": 40, "tolerance_grad": 0, "tolerance_change": 0,
               "history_size": 3}),
    ("lbfgs", {"maxIter": 9, "maxEval": 4, "learningRate": 0.3, "tolFun": 0, "tolX": 0},
     "LBFGS", {"lr": 0.3, "max_iter": 9, "max_eval": 4, "tolerance_grad": 0, "tolerance_change": 0}),
]


@pytest.mark.torch
@pytest.mark.parametrize("name, config, theirs, options", TORCH, ids=[row[2] for row in TORCH])
def test_equals_pytorch(name: str, config: dict[str, Any], theirs: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x = np.linspace(2, -2, 6)
    parameter = torch.nn.Parameter(torch.tensor(x))
    optimiser = getattr(torch.optim, theirs)([parameter], **options)

    def closure() -> Any:
        loss, dx = golden_function(parameter.detach().numpy())
        parameter.grad = torch.tensor(dx)
        return torch.tensor(loss)

    # PyTorch keeps ASGD's rate in a float32 tensor.
    tolerance = 1e-6 if name == "asgd" else 1e-11
    for _ in range(10):
        optimiser.step(closure)
        method(name)(golden_function, x, config)
        np.testing.assert_allclose(x, parameter.detach().numpy(), rtol=tolerance, atol=tolerance)


ROSENBROCK = {
    "sgd": {"learningRate": 1e-3, "momentum": 0.9, "dampening": 0.0}, "nag": {"learningRate": 1e-3},
    "adam": {"learningRate": 0.02}, "adamax": {"learningRate": 0.03}, "adagrad": {"learningRate": 0.5},
    "rmsprop": {"learningRate": 1e-3}, "rprop": {},
}


@pytest.mark.parametrize("name", ROSENBROCK)
def test_first_order_methods_follow_rosenbrocks_valley(name: str) -> None:
    x, config = np.array([-1.0, 1.0]), dict(ROSENBROCK[name])
    for _ in range(4000):
        method(name)(rosenbrock, x, config)
    assert rosenbrock(x)[0] < 1e-3


@pytest.mark.parametrize("name", ALL)
def test_shapes_types_and_edges(name: str) -> None:
    empty = np.zeros(0)
    result, losses = method(name)(lambda x: (3.0, np.zeros(0)), empty, {"maxIter": 5})
    assert result is empty and losses[0] == 3.0
    still = np.ones(3)
    method(name)(lambda x: (2.0, np.zeros(3)), still, {"maxIter": 5, "lambda": 0})
    np.testing.assert_array_equal(still, 1)
    # A matrix, every other column of a larger one, moves as the flat vector does.
    store = np.zeros((2, 6))
    matrix, flat = store[:, ::2], np.arange(6.0)
    matrix[...] = flat.reshape(2, 3)
    config = {"eta0": 0.1, "maxIter": 3}
    states: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for _ in range(3):
        method(name)(quadratic, matrix, config, states[0])
        method(name)(quadratic, flat, config, states[1])
    np.testing.assert_allclose(matrix.ravel(), flat, rtol=1e-12, atol=1e-12)
    assert not store[:, 1::2].any() and (flat[1:] < np.arange(1.0, 6)).all()
    single, state = np.linspace(1, 2, 5, dtype=np.float32), {}
    method(name)(quadratic, single, config, state)
    arrays = [v for v in state.values() if isinstance(v, np.ndarray) and v.dtype != bool]
    assert arrays and {array.dtype for array in arrays} == {np.dtype(np.float32)}
    # A gradient that is x itself, a loss in an array, no config at all.
    alias, plain = np.linspace(1, 2, 5), np.linspace(1, 2, 5)
    _, losses = method(name)(lambda x: (np.array([0.5]), x), alias)
    method(name)(quadratic, plain)
    assert losses[0] == 0.5 and type(losses[0]) is float
    if name in FIRST_ORDER:
        np.testing.assert_allclose(alias, plain, rtol=1e-15)
