"""Loops: an ``Unroll`` as one Scan over any number of steps, or as its steps in a row."""

from __future__ import annotations

from typing import Any, Optional

from onnx import helper

from minigraph.compiler.program.ir import Op
from minigraph.interop.names import dotted
from minigraph.interop.onnx.sizes import Unwritable


def loop(w: Any, op: Op) -> Optional[list[str]]:
    """Write the loop: as a Scan, or its steps where the writer is asked for these."""
    return _steps(w, op) if w.unrolled else _scan(w, op)


def _scan(w: Any, op: Op) -> Optional[list[str]]:
    """Write one step as the body of a Scan: the states go round, what is returned is stacked.

    Weights and sizes stay outside, where the step sees them.
    """
    step, twin = op.attributes["step"], w.twin.attributes["step"]
    targets = [target for _, target in step.fed]
    nodes, moment = w.nodes, w.moment
    w.nodes, w.moment = [], f"{moment}_t"
    names = [
        w.given(value, other, w.name_of(value)) for value, other in zip(step.given, twin.given)
    ]
    w.write(step.ops, twin.ops)
    if not all(map(w.known, step.returned)):
        w.nodes, w.moment = nodes, moment
        return None  # why is noted already
    order = [*(source for source, _ in step.fed), *range(len(step.returned))]
    taken = set(names)
    infos = []
    for position in order:
        value = step.returned[position]
        name = w.of(value)
        if name in taken or not any(name in node.output for node in w.nodes):
            name = w.add("Identity", [name], f"{name}.out")  # made here, and not an output already
        taken.add(name)
        infos.append(w.info(value, name))
    arguments = [*targets, *step.sequences]
    body = helper.make_graph(
        w.nodes, "step", [w.info(step.given[k], names[k]) for k in arguments], infos
    )
    w.nodes, w.moment = nodes, moment
    made = w.several(
        "Scan", [w.of(op.inputs[k]) for k in arguments],
        [*(f"{step.labels[source]}.last" for source, _ in step.fed), *step.labels],
        body=body, num_scan_inputs=len(step.sequences),
    )
    return list(made[len(step.fed) :])


def _steps(w: Any, op: Op) -> Optional[list[str]]:
    """Write the steps one after the other, as many as the example has."""
    step, twin = op.attributes["step"], w.twin.attributes["step"]
    T = op.inputs[step.sequences[0]].shape[0]
    if w.twin.inputs[step.sequences[0]].shape[0] != T:
        raise Unwritable("the number of time steps would have to be free")
    moment = w.moment
    values = [w.of(value) for value in op.inputs]
    produced: list[list[str]] = [[] for _ in step.returned]
    for t in range(T):
        w.moment = f"{moment}_t{t + 1}"
        for k, (value, other) in enumerate(zip(step.given, twin.given)):
            sliced = k in step.sequences
            now = w.add("Gather", [values[k], w.number(t)], f"{values[k]}", axis=0) if sliced else values[k]
            w.enter(value, other, now)
        w.write(step.ops, twin.ops)
        if not all(map(w.known, step.returned)):
            w.moment = moment
            return None
        for names, value in zip(produced, step.returned):
            names.append(w.of(value))
        for source, target in step.fed:
            values[target] = produced[source][-1]
    w.moment = moment
    return [_stacked(w, names, label) for names, label in zip(produced, step.labels)]


def _stacked(w: Any, names: list[str], label: str) -> str:
    wide = [w.add("Unsqueeze", [name, w.integers(0)], f"{name}.wide") for name in names]
    return str(w.add("Concat", wide, dotted(label), axis=0))
