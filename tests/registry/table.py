"""Table layers, https://github.com/torch/nn/blob/master/doc/table.md."""

from __future__ import annotations

from minigraph import nn
from registry.case import Case, normal, positive, spread, table

two = table(normal(3, 4), normal(3, 4))
three = table(normal(4), normal(4), normal(4))
#: As many elements in other shapes: they meet in the order of their elements.
alike = table(normal(3, 4), normal(3, 1, 4), normal(3, 2, 2))

CASES = {
    "CAddTable": [
        Case(lambda: nn.CAddTable(), two, batch=True),
        Case(lambda: nn.CAddTable(True), three),
        Case(lambda: nn.CAddTable(), alike, label="elements", batch=True),
    ],
    "CSubTable": [
        Case(lambda: nn.CSubTable(), two, batch=True),
        Case(lambda: nn.CSubTable(), table(normal(3, 1, 4), normal(3, 4)), label="elements", batch=True),
    ],
    "CMulTable": [
        Case(lambda: nn.CMulTable(), two, batch=True), Case(lambda: nn.CMulTable(), three),
        Case(lambda: nn.CMulTable(), alike, label="elements", batch=True),
    ],
    "CDivTable": [
        Case(lambda: nn.CDivTable(), table(normal(3, 4), positive(3, 4)), batch=True),
        Case(lambda: nn.CDivTable(), table(normal(3, 4), positive(3, 2, 2)), label="elements", batch=True),
    ],
    "CMaxTable": [
        Case(lambda: nn.CMaxTable(), two, batch=True), Case(lambda: nn.CMaxTable(), three),
        Case(lambda: nn.CMaxTable(), alike, label="elements", batch=True),
    ],
    "CMinTable": [
        Case(lambda: nn.CMinTable(), two, batch=True), Case(lambda: nn.CMinTable(), three),
        Case(lambda: nn.CMinTable(), alike, label="elements", batch=True),
    ],
    "SplitTable": [
        Case(lambda: nn.SplitTable(2), normal(3, 2), batch=True),
        Case(lambda: nn.SplitTable(1, 1), normal(3, 2), batch=True),
    ],
    "JoinTable": [
        Case(lambda: nn.JoinTable(2), table(normal(3, 4), normal(3, 2)), batch=True),
        Case(lambda: nn.JoinTable(1, 1), table(normal(3, 4), normal(3, 2)), batch=True),
    ],
    "SelectTable": [Case(lambda: nn.SelectTable(-1), table(normal(3, 4), normal(3, 2)), batch=True)],
    "NarrowTable": [Case(lambda: nn.NarrowTable(2, 2), table(normal(3), normal(2), normal(4)))],
    "FlattenTable": [Case(lambda: nn.FlattenTable(), table(normal(3), table(normal(2), normal(4))))],
    "JustTable": [Case(lambda: nn.JustTable(), normal(3, 4), batch=True)],
    "JustElement": [Case(lambda: nn.JustElement(), table(normal(3, 4)), batch=True)],
    "MixtureTable": [
        Case(lambda: nn.MixtureTable(), table(normal(3, 2), two), batch=True),
        Case(lambda: nn.MixtureTable(), table(normal(3), three)),
        Case(lambda: nn.MixtureTable(), table(normal(3, 2), normal(3, 2, 4)), batch=True),
        Case(lambda: nn.MixtureTable(3), table(normal(3, 2), normal(3, 4, 2)), batch=True),
        Case(lambda: nn.MixtureTable(1), table(normal(3), normal(3, 4))),
    ],
    "ZipTable": [
        Case(lambda: nn.ZipTable(), table(table(normal(2), normal(3)), table(normal(4), normal(5)))),
    ],
    "ZipTableOneToMany": [
        Case(lambda: nn.ZipTableOneToMany(), table(normal(2), table(normal(3), normal(4)))),
    ],
    "CAddTensorTable": [
        Case(lambda: nn.CAddTensorTable(), table(normal(4), three)),
        Case(lambda: nn.CAddTensorTable(), table(normal(3, 4), alike), label="elements"),
    ],
    "DotProduct": [
        Case(lambda: nn.DotProduct(), two, batch=True),
        Case(lambda: nn.DotProduct(), table(normal(4), normal(4))),
    ],
    "CosineDistance": [
        Case(lambda: nn.CosineDistance(), two, batch=True),
        Case(lambda: nn.CosineDistance(), table(normal(4), normal(4))),
    ],
    "PairwiseDistance": [
        Case(lambda: nn.PairwiseDistance(2), two, batch=True, tolerance=1e-5),
        Case(lambda: nn.PairwiseDistance(1), table(spread(3, 4), positive(3, 4)), batch=True),
        Case(lambda: nn.PairwiseDistance(1.5), two, batch=True, tolerance=1e-5),
        Case(lambda: nn.PairwiseDistance(3), table(normal(4), normal(4)), tolerance=1e-5),
        Case(lambda: nn.PairwiseDistance(float("inf")), two, batch=True),
    ],
}
