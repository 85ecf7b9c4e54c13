"""The table of converters to ONNX: criterions as nodes.

A converter is called as ``converter(f, criterion, prediction, target, name)`` with a ``Formula`` and
returns the name of the loss, a number without dimensions.
"""

from __future__ import annotations

from typing import Any, Callable

from minigraph import nn
from minigraph.interop.onnx_formula import Formula
from minigraph.interop.walker import Unconvertible

Loss = Callable[[Formula, Any, Any, Any], str]


def loss_node(export: Any, m: Any, value: Any, name: str) -> str:
    """Convert a criterion that is a node: a loss of shape (1,)."""
    f = Formula(export, f"{name}.loss")
    prediction, target, _ = m.parts(value)
    return f("Reshape", loss(f, m.criterion, prediction, target), [1], called=name)


def loss(f: Formula, c: Any, x: Any, t: Any) -> str:
    """Return the loss of a criterion for a prediction and a target."""
    maker = CRITERIONS.get(type(c))
    if maker is None:
        raise Unconvertible(f"ONNX has no counterpart of {c.typename()}")
    return maker(f, c, x, t)


# -- one term for each element -----------------------------------------------------------------------


def _elementwise(terms: Callable[[Formula, Any, str, str], str]) -> Loss:
    """Return a converter of the mean or sum of terms, weighted where the criterion has weights."""

    def convert(f: Formula, c: Any, x: Any, t: Any) -> str:
        prediction = f.number(x)
        target = f.like(f.number(t), t.example, x.name, x.shape)
        each = terms(f, c, prediction, target)
        if getattr(c, "weights", None) is not None:
            each = f("Mul", each, f.export.weight(c.weights, f"{f.name}.weights"))
        return f.total(each, c.sizeAverage)

    return convert


def _difference(f: Formula, x: str, t: str) -> str:
    return f("Sub", x, t)


def _squares(f: Formula, c: Any, x: str, t: str) -> str:
    difference = _difference(f, x, t)
    return f("Mul", difference, difference)


def _weighted_squares(f: Formula, c: Any, x: str, t: str) -> str:
    return _squares(f, c, x, f("Mul", t, f.export.weight(c.weight, f"{f.name}.weight")))


def _distances(f: Formula, c: Any, x: str, t: str) -> str:
    return f("Abs", _difference(f, x, t))


def _smooth_distances(f: Formula, c: Any, x: str, t: str) -> str:
    distance = _distances(f, c, x, t)
    clipped = f("Min", distance, 1.0)
    return f("Mul", clipped, f("Sub", distance, f("Mul", clipped, 0.5)))


def _hinges(f: Formula, c: Any, x: str, t: str) -> str:
    return f("Max", f("Sub", float(c.margin), f("Mul", x, t)), 0.0)


def _divergences(f: Formula, c: Any, x: str, t: str) -> str:
    some = f("Greater", t, 0.0)
    logarithm = f("Log", f("Where", some, t, 1.0))
    # Without a target there is no term, whatever the input is.
    return f("Where", some, f("Mul", t, f("Sub", logarithm, x)), 0.0)


def _cross_entropies(f: Formula, c: Any, x: str, t: str) -> str:
    eps = float(c.eps)
    own = f("Mul", t, f("Log", f("Add", x, eps)))
    other = f("Mul", f("Sub", 1.0, t), f("Log", f("Add", f("Sub", 1.0, x), eps)))
    return f("Neg", f("Add", own, other))


def _auto_crop(f: Formula, c: Any, x: Any, t: Any) -> str:
    rank = x.example.ndim
    room = [large - small for large, small in zip(t.shape[-2:], x.shape[-2:])]
    starts = [space // 2 for space in room]
    ends = [start + size for start, size in zip(starts, x.shape[-2:])]
    middle = f("Slice", f.number(t), starts, ends, [rank - 2, rank - 1])
    return f.total(_squares(f, c, f.number(x), middle), c.sizeAverage)


def _simplex(f: Formula, c: Any, x: Any, t: Any) -> str:
    corners = f("Gather", f.export.weight(c.simplex, f"{f.name}.simplex"), f.rows(t.name), axis=0)
    corners = f("Reshape", corners, f("Shape", x.name))
    return f.total(_squares(f, c, f.number(x), corners), c.sizeAverage)


def _no_target(f: Formula, c: Any, x: Any, t: Any) -> str:
    return f.total(f("Abs", f.number(x)), False)


# -- classes -----------------------------------------------------------------------------------------


def _samples(f: Formula, x: Any) -> str:
    """Return a prediction as a batch of rows."""
    return f.number(x) if x.example.ndim > 1 else f("Unsqueeze", f.number(x), [0])


def _likelihood(f: Formula, c: Any, x: Any, t: Any) -> str:
    if not c.sizeAverage:
        total, _ = _likelihood_sums(f, c, x, t)
        return total
    total, weight = _likelihood_sums(f, c, x, t)
    # Where no target counts the loss is 0, not 0 / 0.
    return f("Div", total, f("Where", f("Equal", weight, 0.0), 1.0, weight))


def _likelihood_sums(f: Formula, c: Any, x: Any, t: Any) -> tuple[str, str]:
    """Return the weighted sum over the samples, and the sum of their weights."""
    logarithms = _samples(f, x)
    whole = f("Cast", t.name, to=7)
    if x.example.ndim < 3:
        whole = f("Reshape", whole, [-1])
    counts = f("Not", f("Equal", whole, int(c.ignoreIndex)))
    rows = f("Where", counts, f("Sub", whole, 1), 0)
    picked = f("GatherElements", logarithms, f("Unsqueeze", rows, [1]), axis=1)
    weights = f.as_number(counts)
    if c.weights is not None:
        own = f("Gather", f.export.weight(c.weights, f"{f.name}.weights"), rows, axis=0)
        weights = f("Mul", weights, own)
    # Not a product with 0: a logarithm that does not count may be -inf.
    likely = f("Where", counts, f("Squeeze", picked, [1]), 0.0)
    return f("Neg", f.total(f("Mul", weights, likely), False)), f.total(weights, False)


def _cross_entropy(f: Formula, c: Any, x: Any, t: Any) -> str:
    scores = type(x)(x.name, c._scores(x.example, t.example), c._scores(x.other, t.other))
    if scores.example.ndim > 2:
        raise Unconvertible("scores that are not (C,) or (B, C)")
    values = f.number(x)
    if scores.shape != x.shape:
        values = f("Reshape", values, scores.shaped())
    logarithms = f("LogSoftmax", values, axis=-1)
    return _likelihood(f, c.nll, type(x)(logarithms, scores.example, scores.other), t)


def _multi_margin(f: Formula, c: Any, x: Any, t: Any) -> str:
    scores, count = _samples(f, x), x.shape[-1]
    rows = f("Reshape", f.rows(t.name), [-1])
    own = f("GatherElements", scores, f("Unsqueeze", rows, [1]), axis=1)
    excess = f("Max", f("Add", f("Sub", scores, own), float(c.margin)), 0.0)
    excess = f("Mul", excess, f("Sub", 1.0, f.one_hot(rows, count)))
    if c.p == 2:
        excess = f("Mul", excess, excess)
    if c.weights is not None:
        weights = f("Gather", f.export.weight(c.weights, f"{f.name}.weights"), rows, axis=0)
        excess = f("Mul", excess, f("Unsqueeze", weights, [1]))
    return _over_classes(f, excess, count, c.sizeAverage)


def _over_classes(f: Formula, excess: str, count: int, average: bool) -> str:
    """Return the sum divided by the number of classes, averaged over the samples or added up."""
    rows = f("Div", f.total(excess, False, [-1]), float(count))
    return f.total(rows, average)


def _multi_label_margin(f: Formula, c: Any, x: Any, t: Any) -> str:
    scores, count = _samples(f, x), x.shape[-1]
    labels = f("Cast", t.name, to=7)
    if x.example.ndim == 1:
        labels = f("Unsqueeze", labels, [0])
    ends = f("CumSum", f("Cast", f("Equal", labels, 0), to=7), 1)
    kept = f.as_number(f("Equal", ends, 0))
    rows = f("Max", f("Sub", labels, 1), 0)
    marks = f("Mul", f.one_hot(rows, count), f("Unsqueeze", kept, [-1]))
    others = f("Sub", 1.0, f("ReduceMax", marks, axes=[1], keepdims=1))
    own = f("Unsqueeze", f("GatherElements", scores, rows, axis=1), [-1])
    excess = f("Sub", f("Add", f("Unsqueeze", scores, [1]), 1.0), own)
    excess = f("Mul", f("Mul", f("Max", excess, 0.0), others), f("Unsqueeze", kept, [-1]))
    return _over_classes(f, f.total(excess, False, [1]), count, c.sizeAverage)


# -- pairs and distances -----------------------------------------------------------------------------


def _hinge_embedding(f: Formula, c: Any, x: Any, t: Any) -> str:
    distance = f.number(x)
    similar = f("Greater", f.like(f.number(t), t.example, x.name, x.shape), 0.0)
    return f.total(_either(f, c, similar, distance), c.sizeAverage)


def _either(f: Formula, c: Any, similar: str, distance: str) -> str:
    """Return a distance where the samples are similar, what the margin lacks where they are not."""
    return f("Where", similar, distance, f("Max", f("Sub", float(c.margin), distance), 0.0))


def _l1_hinge_embedding(f: Formula, c: Any, x: Any, t: Any) -> str:
    distance = f.total(f("Abs", f("Sub", f.number(x[0]), f.number(x[1]))), False)
    return f.total(_either(f, c, f("Greater", f.number(t), 0.0), distance), False)


def _cosine_embedding(f: Formula, c: Any, x: Any, t: Any) -> str:
    pair = [_samples(f, entry) for entry in x]
    units = [
        f("Div", rows, f("Sqrt", f("Add", f("ReduceSum", f("Mul", rows, rows), [1], keepdims=1), 1e-12)))
        for rows in pair
    ]
    cosines = f.total(f("Mul", *units), False, [1])
    similar = f("Greater", f("Reshape", f.number(t), [-1]), 0.0)
    far = f("Max", f("Sub", cosines, float(c.margin)), 0.0)
    return f.total(f("Where", similar, f("Sub", 1.0, cosines), far), c.sizeAverage)


def _margin_ranking(f: Formula, c: Any, x: Any, t: Any) -> str:
    first, second = (f.number(entry) for entry in x)
    labels = f.like(f.number(t), t.example, first, x[0].shape)
    short = f("Sub", float(c.margin), f("Mul", labels, f("Sub", first, second)))
    total = f.total(f("Max", short, 0.0), False)
    return _over_first(f, total, t) if c.sizeAverage and t.example.ndim else total


def _over_first(f: Formula, total: str, x: Any) -> str:
    """Divide by the size of the first dimension of ``x``."""
    size = f.as_number(f("Shape", x.name, start=0, end=1))
    return f("Div", total, f("Squeeze", size, [0]))


def _distance_ratio(f: Formula, c: Any, x: Any, t: Any) -> str:
    total = f.total(f.softplus(f("Sub", f.number(x[0]), f.number(x[1]))), False)
    return _over_first(f, total, x[0]) if c.sizeAverage and x[0].example.ndim else total


# -- criterions made of others -----------------------------------------------------------------------


def _weighted(f: Formula, c: Any, inputs: Any, targets: Any) -> str:
    """Return the weighted sum of the parts' losses."""
    total = ""
    for part, weight, x, t in zip(c.criterions, c.weights, inputs, targets):
        own = f("Mul", loss(f, part, x, t), float(weight))
        total = f("Add", total, own) if total else own
    return total or f.export.constant(0.0, f"{f.name}.none")


def _multi(f: Formula, c: Any, x: Any, t: Any) -> str:
    return _weighted(f, c, [x] * len(c.criterions), [t] * len(c.criterions))


def _parallel(f: Formula, c: Any, x: Any, t: Any) -> str:
    return _weighted(f, c, x, [t] * len(c.criterions) if c.repeatTarget or t is None else t)


def _of_modules(f: Formula, c: Any, x: Any, t: Any) -> str:
    if c.inputModule is not None:
        x = f.export.convert(c.inputModule, x, f"{f.name}.input")
    if c.targetModule is not None and c.needsTarget():
        t = f.export.convert(c.targetModule, t, f"{f.name}.target")
    return loss(f, c.criterion, x, t)


CRITERIONS: dict[type, Loss] = {
    nn.MSECriterion: _elementwise(_squares),
    nn.WeightedMSECriterion: _elementwise(_weighted_squares),
    nn.AbsCriterion: _elementwise(_distances),
    nn.SmoothL1Criterion: _elementwise(_smooth_distances),
    nn.MarginCriterion: _elementwise(_hinges),
    nn.SoftMarginCriterion: _elementwise(lambda f, c, x, t: f.softplus(f("Neg", f("Mul", x, t)))),
    nn.DistKLDivCriterion: _elementwise(_divergences),
    nn.BCECriterion: _elementwise(_cross_entropies),
    nn.MultiLabelSoftMarginCriterion: _elementwise(
        lambda f, c, x, t: f("Sub", f.softplus(x), f("Mul", x, t))
    ),
    nn.SpatialAutoCropMSECriterion: _auto_crop,
    nn.ClassSimplexCriterion: _simplex,
    nn.L1Cost: _no_target,
    nn.ClassNLLCriterion: _likelihood,
    nn.SpatialClassNLLCriterion: _likelihood,
    nn.CrossEntropyCriterion: _cross_entropy,
    nn.MultiMarginCriterion: _multi_margin,
    nn.MultiLabelMarginCriterion: _multi_label_margin,
    nn.HingeEmbeddingCriterion: _hinge_embedding,
    nn.L1HingeEmbeddingCriterion: _l1_hinge_embedding,
    nn.CosineEmbeddingCriterion: _cosine_embedding,
    nn.MarginRankingCriterion: _margin_ranking,
    nn.DistanceRatioCriterion: _distance_ratio,
    nn.MultiCriterion: _multi,
    nn.ParallelCriterion: _parallel,
    nn.ModuleCriterion: _of_modules,
}
