"""Curve: the losses of a run as a picture (SVG)."""

from __future__ import annotations

import math
from typing import Sequence

from minigraph.drawing.style import CLUSTER_BORDER, FAINT, FAMILIES, FONT_FAMILY, FONT_SIZE, INK

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 44, 48
_POINTS = 300  # more would fall on the same pixels
_TRAIN = FAMILIES["weights"].border
_BAND = FAMILIES["weights"].fill
_HELD = FAMILIES["criterion"].border


def loss_curve(losses: Sequence[float], validations: Sequence[tuple[int, float]]) -> str:
    """Return an SVG of the training loss of every iteration and of the validation losses.

    ``losses`` begins with iteration 1; ``validations`` are pairs (iteration, loss). Of long runs a
    point is the mean of some iterations, on a band from their lowest to their highest loss.
    """
    spans = _spans(losses)
    values = [value for span in spans for value in span[1:]] + [loss for _, loss in validations]
    if not values:
        return _document([_text(_WIDTH / 2, _HEIGHT / 2, "no iteration has run", "middle")])
    ticks = _ticks(min(values), max(values))
    low, high = min(min(values), ticks[0]), max(max(values), ticks[-1])
    last = max(len(losses), 1)

    def x(iteration: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (iteration - 1) / max(last - 1, 1)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - low) / ((high - low) or 1)

    parts = [
        _text(_LEFT, 20, "loss", "start", INK),
        _text(_WIDTH / 2, _HEIGHT - 10, "iteration", "middle"),
    ]
    for tick in ticks:
        parts.append(f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="{CLUSTER_BORDER}"/>')
        parts.append(_text(_LEFT - 8, y(tick) + 4, f"{tick:.10g}", "end"))
    for tick in _ticks(1, last):
        if tick == int(tick) and 1 <= tick <= last:
            parts.append(_text(x(tick), _HEIGHT - _BOTTOM + 18, f"{int(tick)}", "middle"))
    edge = [(x(at), y(top)) for at, _, _, top in spans]
    edge += [(x(at), y(bottom)) for at, bottom, _, _ in reversed(spans)]
    parts.append(f'<path d="{_line(edge)}Z" fill="{_BAND}" stroke="none"/>')
    mean = [(x(at), y(value)) for at, _, value, _ in spans]
    parts.append(f'<path d="{_line(mean)}" fill="none" stroke="{_TRAIN}" stroke-width="1.5"/>')
    held = [(x(at), y(loss)) for at, loss in validations]
    parts.append(f'<path d="{_line(held)}" fill="none" stroke="{_HELD}" stroke-width="1.5"/>' if held else "")
    for (at, loss), (across, down) in zip(validations, held):
        parts.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3.5" fill="{_HELD}">'
            f"<title>validation after iteration {at}: {loss:.4f}</title></circle>"
        )
    parts.append(_legend("training", _TRAIN, _WIDTH - 220))
    parts.append(_legend("validation", _HELD, _WIDTH - 120))
    return _document(parts)


def _spans(losses: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Return (middle iteration, lowest, mean, highest) of at most ``_POINTS`` runs of iterations."""
    width = max(1, math.ceil(len(losses) / _POINTS))
    spans = []
    for start in range(0, len(losses), width):
        part = losses[start : start + width]
        middle = start + 1 + (len(part) - 1) / 2
        spans.append((middle, min(part), sum(part) / len(part), max(part)))
    return spans


def _ticks(low: float, high: float) -> list[float]:
    """Return some round numbers from about ``low`` to about ``high``."""
    raw = ((high - low) or abs(high) or 1) / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)] or [low]


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in points)


def _text(x: float, y: float, words: str, anchor: str, colour: str = FAINT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def _legend(words: str, colour: str, x: float) -> str:
    line = f'<path d="M{x} 16h18" stroke="{colour}" stroke-width="3"/>'
    return line + _text(x + 24, 20, words, "start", INK)


def _document(parts: Sequence[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="{FONT_FAMILY}" font-size="{FONT_SIZE}">',
        "<title>loss of a training run</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        *(part for part in parts if part),
        "</svg>\n",
    ])
