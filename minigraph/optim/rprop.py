"""Resilient propagation: steps by the sign of the gradient alone."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.optim.call import Call, Table
from minigraph.optim.objective import Feval
from minigraph.optim.options import Number, Options, positive, whole

_OPTIONS = Options(
    "rprop",
    state="stepsize delta sign psign nsign zsign dminmax dfdx",
    stepsize=positive(0.1),
    etaplus=Number(1.2, lambda value: 1 <= value < float("inf"), "a finite number >= 1"),
    etaminus=Number(0.5, lambda value: 0 < value <= 1, "a number in (0, 1]"),
    stepsizemax=positive(50.0), stepsizemin=positive(1e-6), niter=whole(1),
)


def rprop(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take ``niter`` steps of Rprop; return ``x`` and the loss before each step.

    ``config`` may hold ``stepsize`` (0.1, what every step starts from), ``etaplus`` (1.2),
    ``etaminus`` (0.5), ``stepsizemax`` (50), ``stepsizemin`` (1e-6) and ``niter`` (1). State:
    ``delta`` (the last gradient, 0 where its sign had changed), ``stepsize`` (an array: it
    replaces the number where the state is kept in ``config``, as in Torch), ``sign`` and the
    masks ``psign``, ``nsign``, ``zsign``, ``dminmax``. ``x`` is changed in place, ``dx``
    never (Torch writes zeros into it).

    Source: https://github.com/torch/optim/blob/master/doc/algos.md, Riedmiller & Braun 1993
    """
    call = Call(_OPTIONS, feval, x, config, state)
    started = "delta" in call.state
    initial, grow, shrink, largest, smallest, rounds = _OPTIONS.read(
        call.config, skip=("stepsize",) if started else ()
    )
    if smallest > largest:
        raise ArgumentError(f"optim.rprop: stepsizemin {smallest} is more than stepsizemax {largest}")

    losses = []
    for _ in range(int(rounds)):
        loss, dfdx = call.evaluate()
        if "delta" not in call.state:
            call.state["stepsize"] = np.full_like(x, initial)
        _step(call, dfdx, grow, shrink, largest, smallest)
        losses.append(loss)
    return x, losses


def _step(
    call: Call, dfdx: np.ndarray, grow: float, shrink: float, largest: float, smallest: float
) -> None:
    steps, last = call.memory("stepsize"), call.memory("delta")
    sign = call.scratch("sign")
    up, down, still, beyond = (
        call.scratch(name, dtype=np.bool_) for name in ("psign", "nsign", "zsign", "dminmax")
    )

    np.multiply(dfdx, last, out=sign)
    np.greater(sign, 0, out=up)
    np.less(sign, 0, out=down)
    np.equal(sign, 0, out=still)
    np.copyto(sign, grow, where=up)
    np.copyto(sign, shrink, where=down)
    np.copyto(sign, 1, where=still)
    steps *= sign
    for limit, outside in ((largest, np.greater), (smallest, np.less)):
        outside(steps, limit, out=beyond)
        np.copyto(steps, limit, where=beyond)

    np.copyto(last, dfdx)
    np.copyto(last, 0, where=down)
    np.sign(last, out=sign)
    sign *= steps
    call.x -= sign
