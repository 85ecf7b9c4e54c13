"""Diagnosis: where the first NaN or Inf of a pass arises."""

from __future__ import annotations

from typing import Callable

import numpy as np

from minigraph import nn
from minigraph.debug.names import named_parameters
from minigraph.debug.numbers import NumberWatch
from minigraph.errors import NumberError

#: Ends the message of a process that has nothing wrong in its own rows of the batch.
ELSEWHERE = "it arises in the sum over the batch or in another process's rows"


def diagnose(step: nn.gModule, run: Callable[[], object], iteration: int, what: str) -> NumberError:
    """Return the error that tells of the first number in ``run()`` that is not finite.

    ``run`` repeats the pass that went wrong, in iteration ``iteration``, and leaves the
    gradients of ``step``; ``what`` is the symptom. The message says which node it was and why.
    """
    watch = NumberWatch()
    nn.gModule.observers.append(watch)
    try:
        run()
    except NumberError as found:
        error = NumberError(f"iteration {iteration}: {what}. {found.message}")
        error.context.extend(found.context)
        return error
    finally:
        nn.gModule.observers.remove(watch)
    for entry in named_parameters(step):
        if not all(np.isfinite(gradient).all() for gradient in entry.gradients):
            return NumberError(
                f"iteration {iteration}: {what}. The gradient of the parameter {entry.name} is the first "
                "that is not finite, while all outputs and gradients between nodes are: its sum overflows"
            )
    return NumberError(
        f"iteration {iteration}: {what}, but every node's numbers are finite here: {ELSEWHERE}"
    )
