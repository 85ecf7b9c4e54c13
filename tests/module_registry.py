"""The registry: every public module and criterion of ``minigraph.nn`` with its cases.

To add cases, put them under the class's name in the ``CASES`` of a file in ``registry/``.
"""

from __future__ import annotations

import inspect
from dataclasses import replace

from registry import containers, convolution, criterions, normalisation, simple, table, transfer
from registry.case import Case

from minigraph import nn
from minigraph.nn.state import State

#: Base classes that compute nothing themselves.
ABSTRACT = {"Module", "Container", "Criterion"}

FAMILIES = (containers, simple, transfer, table, normalisation, convolution, criterions)


def public_classes() -> set[str]:
    """Return the names of the classes of ``minigraph.nn`` that a user can build and run."""
    found = {
        name
        for name, value in vars(nn).items()
        if inspect.isclass(value) and issubclass(value, State) and not name.startswith("_")
    }
    return found - ABSTRACT


def registered() -> dict[str, list[Case]]:
    """Return the cases of all families by class name."""
    gathered: dict[str, list[Case]] = {}
    for family in FAMILIES:
        for name, cases in family.CASES.items():
            assert name not in gathered, f"{name} is registered twice"
            gathered[name] = [
                replace(case, name=name, label=case.label or str(number))
                for number, case in enumerate(cases)
            ]
    return gathered


REGISTRY = registered()
CASES = [case for name, cases in REGISTRY.items() if hasattr(nn, name) for case in cases]
MODULE_CASES = [case for case in CASES if case.target is None]
