"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.optim.call import Call, Table
from minigraph.optim.objective import Feval
from minigraph.optim.options import Options, finite, nonnegative

_OPTIONS = Options(
    "asgd", (), "t ax eta_t mu_t tmp",
    eta0=nonnegative(1e-4), **{"lambda": nonnegative(1e-4)}, alpha=finite(0.75), t0=nonnegative(1e6),
)


def asgd(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of averaged SGD; return ``x`` and ``[loss before the step]``.

    ``x = (1 - lambda eta_t) x - eta_t dx``, then ``ax += mu_t (x - ax)``, with ``eta_t =
    eta0 / (1 + lambda eta0 t)^alpha`` and ``mu_t = 1 / max(1, t - t0)``. The average is
    ``state['ax']`` (Torch returns it as a third value too). ``config`` may hold ``eta0``
    (1e-4), ``lambda`` (1e-4), ``alpha`` (0.75) and ``t0`` (1e6). State: ``eta_t``, ``mu_t``,
    ``t``, ``ax``. ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md
    """
    call = Call(_OPTIONS, feval, x, config, state)
    eta0, decay, power, t0 = _OPTIONS.read(call.config)
    state = call.state
    loss, dfdx = call.evaluate()
    mean = call.memory("ax")
    scratch = call.scratch("tmp")
    eta = state.get("eta_t", eta0)
    mu = state.get("mu_t", 1.0)

    # The product comes first: dx may share memory with x.
    np.multiply(dfdx, eta, out=scratch)
    x *= 1 - decay * eta
    x -= scratch
    if mu == 1:
        mean[...] = x
    else:
        np.subtract(x, mean, out=scratch)
        scratch *= mu
        mean += scratch

    t = call.count("t") + 1
    state["eta_t"] = eta0 / (1 + decay * eta0 * t) ** power
    state["mu_t"] = 1 / max(1.0, t - t0)
    return x, [loss]
