"""How modules are written with primitives: a file for each family of layers.

Importing this package enters all rules in ``registry.RULES``. A module without a rule is called
as it is.
"""

from minigraph.compiler.capture.rules import (  # noqa: F401
    containers,
    criterions,
    dense,
    dropout,
    images,
    lookup,
    margins,
    normalisation,
    pairs,
    reduction,
    shape,
    softmax,
    sparse,
    tables,
    templates,
    transfer,
)
from minigraph.compiler.capture.rules.registry import RULES, NotLowered, inherited, lowers

__all__ = ["RULES", "NotLowered", "inherited", "lowers"]
