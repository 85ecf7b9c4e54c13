"""Criterions, https://github.com/torch/nn/blob/master/doc/criterion.md: those of ``criterion_cases``."""

from __future__ import annotations

import numpy as np
from criterion_cases import CASES as CRITERION_CASES
from criterion_cases import Case as CriterionCase

from minigraph import nn
from minigraph.tables import copy_table
from registry.case import Case, normal, table


def takes_one(case: CriterionCase) -> bool:
    """Tell whether the first row of input and target make a batch of one."""
    x, t = case.input, case.target
    rows = isinstance(x, np.ndarray) and x.ndim > 1 and isinstance(t, np.ndarray) and len(x) == len(t)
    weights = getattr(case.make(), "weight", None)
    return rows and (weights is None or weights.ndim == 1)


def adopted(case: CriterionCase) -> Case:
    return Case(
        case.make,
        lambda rng: copy_table(case.input),
        lambda rng: copy_table(case.target),
        single=takes_one(case),
    )


CASES: dict[str, list[Case]] = {}
for _case in CRITERION_CASES:
    CASES.setdefault(type(_case.make()).__name__, []).append(adopted(_case))

CASES["CriterionTable"] = [
    Case(
        lambda: nn.CriterionTable(nn.MSECriterion()),
        table(normal(3, 4), lambda rng: rng.integers(1, 5, (3, 4))), single=True,
    ),
]
