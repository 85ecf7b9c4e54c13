"""Slot numbers that sit on the lines, near the consumer, clear of nodes and of each other."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import Iterator

from minigraph.drawing.picture import Picture
from minigraph.drawing.style import FONT_FAMILY, INK

_SVG = "{http://www.w3.org/2000/svg}"
_RADIUS = 6.5
_STEPS = 16
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")

Point = tuple[float, float]


class Badges:
    """Finds a place on each edge for its slot and draws it there."""

    def __init__(self, drawing: ET.Element) -> None:
        self.edges = {g.get("id", ""): g for g in drawing if g.get("class") == "edge"}
        self.boxes = [_bounds(g) for g in drawing if g.get("class") == "node"]
        self.taken: list[Point] = []

    def avoid_numbers(self) -> None:
        """Keep clear of the numbers written beside the edges."""
        for group in self.edges.values():
            for text in group.iter(f"{_SVG}text"):
                if text.get("class") == "number":
                    x, y = float(text.get("x", "0")), float(text.get("y", "0"))
                    self.boxes.append((x, y - 8, x + 5.8 * len(text.text or ""), y + 1))

    def place(self, picture: Picture) -> None:
        """Turn the slot written at the head of each edge into a badge on its line."""
        self.avoid_numbers()
        for position, edge in enumerate(picture.edges):
            group = self.edges.get(f"edge{position}")
            if group is None or not edge.slot or edge.target_port:
                continue
            path = group.find(f".//{_SVG}path")
            written = [text for text in group.iter(f"{_SVG}text") if text.text == str(edge.slot)]
            if path is None or not written:
                continue
            for parent in group.iter():
                if written[-1] in list(parent):
                    parent.remove(written[-1])
                    break
            color = path.get("stroke", INK)
            self._draw(group, str(edge.slot), self._free(path.get("d", ""), picture.backward), color)

    def _free(self, path: str, backward: bool) -> Point:
        """Return the point nearest to the consumer where a badge meets nothing."""
        points = list(reversed(list(_walk(path))))
        first, last = (13.0, 15.0) if backward else (8.0, 8.0)
        length = sum(map(math.dist, points, points[1:]))
        walked = 0.0
        choice = points[0]
        for before, point in zip(points, points[1:]):
            walked += math.dist(before, point)
            if walked < first:
                choice = point
            elif walked > length - last:
                break
            elif self._clear(point):
                self.taken.append(point)
                return point
        choice = self._beside(choice)
        self.taken.append(choice)
        return choice

    def _beside(self, point: Point) -> Point:
        """Return the nearest place to the right or left of ``point`` that is clear."""
        for step in range(7):
            for shift in (-step * 1.1 * _RADIUS, step * 1.1 * _RADIUS):
                place = (point[0] + shift, point[1])
                if self._clear(place):
                    return place
        return point

    def _clear(self, point: Point) -> bool:
        x, y = point
        if any(math.dist(point, other) < 2 * _RADIUS + 1 for other in self.taken):
            return False
        return not any(
            left - _RADIUS < x < right + _RADIUS and top - _RADIUS < y < bottom + _RADIUS
            for left, top, right, bottom in self.boxes
        )

    def _draw(self, group: ET.Element, slot: str, point: Point, color: str) -> None:
        x, y = point
        badge = ET.SubElement(group, f"{_SVG}g", {"class": "slot"})
        width = _RADIUS + 2.5 * (len(slot) - 1)
        ET.SubElement(badge, f"{_SVG}rect", {
            "x": f"{x - width:.2f}", "y": f"{y - _RADIUS:.2f}", "width": f"{2 * width:.2f}",
            "height": f"{2 * _RADIUS:.2f}", "rx": str(_RADIUS), "fill": "white", "stroke": color,
        })
        text = ET.SubElement(badge, f"{_SVG}text", {
            "x": f"{x:.2f}", "y": f"{y + 3.3:.2f}", "text-anchor": "middle", "fill": INK,
            "font-family": FONT_FAMILY, "font-size": "9.5", "font-weight": "bold",
        })
        text.text = slot


def _walk(path: str) -> Iterator[Point]:
    """Yield points along Graphviz's path: a start and cubic curves, three points each."""
    numbers = [float(number) for number in _NUMBER.findall(path)]
    points = list(zip(numbers[::2], numbers[1::2]))
    if not points:
        return
    yield points[0]
    for i in range(0, len(points) - 3, 3):
        a, b, c, d = points[i : i + 4]
        for step in range(1, _STEPS + 1):
            t = step / _STEPS
            u = 1 - t
            weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
            yield (
                sum(w * p[0] for w, p in zip(weights, (a, b, c, d))),
                sum(w * p[1] for w, p in zip(weights, (a, b, c, d))),
            )


def _bounds(group: ET.Element) -> tuple[float, float, float, float]:
    """Return ``(left, top, right, bottom)`` of what a node draws."""
    numbers: list[float] = []
    for shape in group.iter():
        if shape.tag == f"{_SVG}ellipse":
            cx, cy, rx, ry = (float(shape.get(key, "0")) for key in ("cx", "cy", "rx", "ry"))
            numbers += [cx - rx, cy - ry, cx + rx, cy + ry]
        else:
            numbers += map(float, _NUMBER.findall(shape.get("points") or shape.get("d") or ""))
    if not numbers:
        return (0.0, 0.0, 0.0, 0.0)
    return (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
