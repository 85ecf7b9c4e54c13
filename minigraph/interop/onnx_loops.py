"""The converters of ``Unroll`` to ONNX: one Scan over any number of steps, or the steps in a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from minigraph.interop.onnx_structure import gather
from minigraph.interop.onnx_values import Value, named
from minigraph.interop.walker import Unconvertible
from minigraph.tables import copy_table, leaves, map_table


def unroll(export: Any, m: Any, value: Any, name: str) -> Any:
    """Write the loop: as a Scan, or its steps where ``export.unrolled`` asks for them."""
    entries = [value] if m.step.nInputs == 1 else list(value)
    outputs = (_steps if export.unrolled else _scan)(export, m, entries, name)
    return outputs[0] if m.step.nOutputs == 1 else outputs


# -- a loop ------------------------------------------------------------------------------------------


def _scan(export: Any, m: Any, entries: list[Any], name: str) -> list[Any]:
    """Write one step as the body of a Scan; the states go round, the outputs are stacked.

    Weights stay outside, where other parts of the graph may use them too.
    """
    whole = [value if m.step.nInputs > 1 else value[0] for value in (
        map_table(lambda v: v.example, entries), map_table(lambda v: v.other, entries)
    )]
    results = [_listed(copy_table(m.forward(input)), m.step.nOutputs) for input in whole]
    targets = list(m._feeds.values())
    first = [
        map_table(lambda v: _moment_of(v, 0, v.name), entry) if k in m._sequences else entry
        for k, entry in enumerate(entries)
    ]
    nodes, moment = export.nodes, export.moment
    export.nodes, export.moment = [], f"{moment}_t"
    given = [
        _arguments(export, entry, node.name or f"{name or 'input'}_{k}")
        for k, (entry, node) in enumerate(zip(first, m.step._network.inputs), 1)
    ]
    noted = len(export.reasons)
    outputs = _listed(export.convert(m.step, _bare(given), name), m.step.nOutputs)
    if len(export.reasons) > noted:
        export.nodes, export.moment = nodes, moment
        raise Unconvertible("its step cannot be written")
    arguments = [leaf for k in targets for leaf in _flat(given[k])]
    arguments += [leaf for k in m._sequences for leaf in _flat(given[k])]
    taken = {value.name for value in arguments}
    returned = [_result(export, leaf, taken) for k in m._feeds for leaf in _flat(outputs[k])]
    stacked = [_result(export, leaf, taken) for entry in outputs for leaf in _flat(entry)]
    body = helper.make_graph(
        export.nodes, f"{name or 'unroll'}_step", [export.info(value) for value in arguments],
        [export.info(value) for value in (*returned, *stacked)],
    )
    export.nodes, export.moment = nodes, moment
    labels = _labels(m, name)
    names = [
        (f"{label}_{'_'.join(str(p + 1) for p in path)}" if path else label)
        for label, entry in zip(labels, outputs) for path, _ in leaves(entry)
    ]
    made = export.loop(
        "Scan",
        [leaf.name for k in (*targets, *m._sequences) for leaf in _flat(entries[k])],
        [*(f"{name or 'unroll'}.last" for _ in returned), *names],
        f"{name or 'unroll'}.scan",
        body=body, num_scan_inputs=sum(len(_flat(entries[k])) for k in m._sequences),
    )
    arriving = iter(made[len(returned) :])
    nested = map_table(lambda leaf: next(arriving), results[0])
    return [named(*parts) for parts in zip(nested, *results)]


def _arguments(export: Any, entry: Any, label: str) -> Any:
    """Return what the step is given, under names of its own."""
    return _relabelled(entry, lambda path: export.names(
        "_".join([label, *(str(p + 1) for p in path)]) + export.moment
    ), ())


def _relabelled(entry: Any, name_of: Any, path: tuple[int, ...]) -> Any:
    if isinstance(entry, list):
        return [_relabelled(inner, name_of, (*path, k)) for k, inner in enumerate(entry)]
    return Value(name_of(path), entry.example, entry.other)


def _result(export: Any, value: Any, taken: set[str]) -> Any:
    """Return a value that may be an output of the body: made there, and not an output already."""
    if value.name in taken or not any(value.name in node.output for node in export.nodes):
        value = Value(export.op("Identity", [value.name], f"{value.name}.out"), value.example, value.other)
    taken.add(value.name)
    return value


# -- steps in a row ----------------------------------------------------------------------------------


def _steps(export: Any, m: Any, entries: list[Any], name: str) -> list[Any]:
    """Write the steps one after the other, as many as the example has."""
    step, moment = m.step, export.moment
    sequences = {k: entries[k] for k in m._sequences}
    first = _flat(next(iter(sequences.values())))[0]
    if first.varying[0]:
        raise Unconvertible("the number of time steps would have to be free")
    produced = []
    for t in range(first.shape[0]):
        export.moment = f"{moment}_t{t + 1}"
        for k, sequence in sequences.items():
            entries[k] = _at(export, sequence, t)
        outputs = _listed(export.convert(step, _bare(list(entries)), name), step.nOutputs)
        for source, target in m._feeds.items():
            entries[target] = outputs[source]
        produced.append(outputs)
    export.moment = moment
    return [_stack(export, list(column), label) for label, column in zip(_labels(m, name), zip(*produced))]


def _at(export: Any, sequence: Any, t: int) -> Any:
    if isinstance(sequence, list):
        return [_at(export, entry, t) for entry in sequence]
    return _moment_of(sequence, t, gather(export, sequence.name, 0, t, sequence.name))


def _moment_of(sequence: Any, t: int, name: str) -> Any:
    """Return what a sequence is at one time, as a value of this name."""
    return Value(name, np.asarray(sequence.example[t]), np.asarray(sequence.other[t]))


def _stack(export: Any, values: list[Any], name: str) -> Any:
    if isinstance(values[0], list):
        return [
            _stack(export, list(column), f"{name}_{k}") for k, column in enumerate(zip(*values), 1)
        ]
    front = export.constant([0], f"{name}.front")
    wide = [export.op("Unsqueeze", [value.name, front], f"{value.name}.wide") for value in values]
    return Value(
        export.op("Concat", wide, name, axis=0), np.stack([value.example for value in values]),
        np.stack([value.other for value in values]),
    )


# -- tables ------------------------------------------------------------------------------------------


def _labels(m: Any, name: str) -> list[str]:
    return [node.name or f"{name or 'output'}_{k}" for k, node in enumerate(m.step._network.outputs, 1)]


def _listed(value: Any, count: int) -> list[Any]:
    return [value] if count == 1 else list(value)


def _bare(entries: list[Any]) -> Any:
    return entries[0] if len(entries) == 1 else entries


def _flat(value: Any) -> list[Any]:
    return [leaf for _, leaf in leaves(value)]
