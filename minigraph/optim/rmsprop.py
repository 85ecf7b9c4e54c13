"""RMSprop."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.optim.call import Call, Table
from minigraph.optim.inplace import average_squares, subtract_quotient
from minigraph.optim.objective import Feval
from minigraph.optim.options import Number, Options, nonnegative

_OPTIONS = Options(
    "rmsprop",
    state="m tmp decayParameters",
    learningRate=nonnegative(1e-2),
    alpha=Number(0.99, lambda value: 0 <= value <= 1, "a number in [0, 1]"),
    epsilon=nonnegative(1e-8), weightDecay=nonnegative(0.0), initialMean=nonnegative(0.0),
)


def rmsprop(
    feval: Feval, x: np.ndarray, config: Optional[Table] = None, state: Optional[Table] = None
) -> tuple[np.ndarray, list[float]]:
    """Take one step of RMSprop; return ``x`` and ``[loss before the step]``.

    ``config`` may hold ``learningRate`` (1e-2), ``alpha`` (0.99), ``epsilon`` (1e-8, added
    to the root), ``weightDecay`` (0) and ``initialMean`` (0, what ``m`` starts from). State:
    ``m`` (the mean square gradient), ``tmp``. ``x`` is changed in place, ``dx`` never.

    Source: https://github.com/torch/optim/blob/master/doc/algos.md
    """
    call = Call(_OPTIONS, feval, x, config, state)
    rate, alpha, epsilon, decay, initial = _OPTIONS.read(call.config)
    loss, dfdx = call.evaluate()
    m, scratch = call.memory("m", initial), call.scratch("tmp")
    dfdx = call.decayed(dfdx, decay)

    average_squares(m, alpha, dfdx, scratch)
    np.sqrt(m, out=scratch)
    scratch += epsilon
    subtract_quotient(x, rate, dfdx, scratch)
    return x, [loss]
