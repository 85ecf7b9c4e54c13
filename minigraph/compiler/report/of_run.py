"""What was made to run, written down: programs with their executors and their memory."""

from __future__ import annotations

from typing import Optional

import numpy as np

from minigraph.compiler.memory.storage import Frame, is_view
from minigraph.compiler.native.pool import shared_pool
from minigraph.compiler.native.slots import Packed
from minigraph.compiler.native.stages import MixedLoop, Piece, Stage
from minigraph.compiler.program.ir import Constant, Op, Parameter, Value
from minigraph.compiler.program.primitives import kind_of
from minigraph.compiler.report.data import GROUPS, PlanBuffer
from minigraph.compiler.report.formulas import Names
from minigraph.compiler.report.of_program import program_report
from minigraph.compiler.report.plan_report import PlanReport
from minigraph.compiler.running.run import Run
from minigraph.compiler.specialise import BackwardPlan, Plan
from minigraph.memory import address, root


def report_of(run: Run) -> PlanReport:
    """Return the report of what ``run`` has made so far."""
    spec, frame = run.specialisation, run._frame
    assert frame is not None, "a plan is reported once it has run"
    backward = _bound(run)
    buffers, number_of = _buffers(run, frame)
    programs = []
    for name, plan in [("forward", spec.forward), *((_title(run, each), each.plan) for each in backward)]:
        programs.append(program_report(
            plan.program, plan.segments, name, spec.names, number_of, _native(run, plan, frame),
            frame.T is not None,
        ))
    native = any(_pieces(run, plan) is not None for plan in _plans(run))
    return PlanReport(
        type(spec.net).__name__, frame.T, np.dtype(spec.net.dtype).name,
        shared_pool().threads if native else 0, programs, buffers,
    )


def _title(run: Run, backward: BackwardPlan) -> str:
    """Return what a backward program starts from, if not from all outputs, and what it leaves out."""
    accumulates = any(
        kind_of(op).accumulation or op.attributes.get("accumulate", op.primitive == "call_back")
        for op in backward.plan.program.ops
    )
    outputs = zip(run.specialisation.output_values, backward.seeds)
    given = [value.name for value, seed in outputs if seed is not None]
    start = "" if len(given) == len(backward.seeds) else f" from {', '.join(given) or 'nothing'}"
    return f"backward{start}" + ("" if accumulates else ", the gradients of the inputs only")


def _native(run: Run, plan: Plan, frame: Frame) -> dict[Op, bool]:
    """Return of every operation that does something whether native code does it."""
    pieces = _pieces(run, plan)
    if pieces is None:
        return {
            op: False for segment in plan.segments for op in segment.ops
            if not is_view(op) and (op.primitive != "concat" or frame.copied[op])
        }
    found: dict[Op, bool] = {}
    for piece in pieces:
        for part in piece.parts if isinstance(piece, MixedLoop) else [piece]:
            ops = [part] if isinstance(part, Op) else part.ops
            found.update(dict.fromkeys(ops, isinstance(part, Stage)))
    return found


# -- memory ------------------------------------------------------------------------------------------


def _buffers(run: Run, frame: Frame) -> tuple[list[PlanBuffer], dict[Value, int]]:
    """Return the memory of a frame, and the number of the buffer that each value is in."""
    owner = _owners(run, frame)
    tenants: dict[Value, list[Value]] = {}
    for value, array in frame.arrays.items():
        if array.size and not isinstance(value, (Parameter, Constant)):
            home = value
            while home in owner:
                home = owner[home]
            tenants.setdefault(home, []).append(value)
    roles, names = _roles(run), Names()
    windows = {
        op.output for plan in _plans(run) for segment in plan.segments for op in segment.ops if is_view(op)
    }
    blocks: dict[int, int] = {}
    buffers, number_of = [], {}
    for number, values in enumerate(tenants.values(), 1):
        arrays = [frame.arrays[value] for value in values]
        bounds = [np.lib.array_utils.byte_bounds(array) for array in arrays]
        start, stop = min(first for first, _ in bounds), max(last for _, last in bounds)
        number_of.update(dict.fromkeys(values, number))
        memory = root(arrays[0])
        buffers.append(PlanBuffer(
            number, list(dict.fromkeys(names.of(value) for value in values if value not in windows)),
            _whole(max(arrays, key=lambda array: array.size), stop - start), stop - start,
            next((group for group in GROUPS if roles.get(group, set()) & set(values)), "scratch"),
            blocks.setdefault(id(memory), len(blocks) + 1), start - address(memory),
        ))
    for key, array in frame._scratch.items():
        called = [key.parameter.name + ".T" * (not key.transposed)] if isinstance(key, Packed) else []
        packed = called or (isinstance(key, tuple) and key[0] == "packed")
        group = "packed weights" if packed else "scratch"
        block = blocks.setdefault(id(array), len(blocks) + 1)
        buffers.append(PlanBuffer(len(buffers) + 1, called, array.shape, array.nbytes, group, block, 0))
    return buffers, number_of


def _whole(array: np.ndarray, size: int) -> tuple[int, ...]:
    """Return the shape of the memory that ``array`` is a part of: windows shifted in time need more steps."""
    return (array.shape[0] * size // array.nbytes, *array.shape[1:]) if array.ndim else ()


def _owners(run: Run, frame: Frame) -> dict[Value, Value]:
    """Return for every value that lives in another one's memory which that is."""
    owner: dict[Value, Value] = {}
    for plan in _plans(run):
        storage = plan.storage
        owner.update(storage.shifted)
        owner.update(storage.in_place)
        owner.update((base, product) for product, base in storage.based.items())
        for op in (op for segment in plan.segments for op in segment.ops):
            if is_view(op) and op not in frame.unviewed:
                owner[op.output] = op.inputs[0]
        for value, (concat, _) in storage.placed.items():
            owner[value] = concat.output
    return owner


def _roles(run: Run) -> dict[str, set[Value]]:
    spec, backward = run.specialisation, _bound(run)
    made = {value for op in spec.forward.program.ops for value in op.outputs}
    every = spec.backward([True] * len(spec.output_values))
    return {
        "inputs": set(spec.input_values),
        "outputs": set(spec.output_values),
        "saved for backward": made & set(every.plan.program.leaves()),
        "gradients given": {seed for each in backward for seed in each.seeds if seed is not None},
        "gradients returned": {value for each in backward for value in each.gradients if value is not None},
    }


# -- what a run has made so far ------------------------------------------------------------------------


def _bound(run: Run) -> list[BackwardPlan]:
    return [each for each in run.specialisation._backward.values() if id(each) in run._backwards]


def _plans(run: Run) -> list[Plan]:
    return [run.specialisation.forward, *(each.plan for each in _bound(run))]


def _pieces(run: Run, plan: Plan) -> Optional[list[Piece]]:
    """Return what native code was made of; ``None`` where NumPy runs the plan."""
    program = run._programs._native.get(id(plan))
    return None if program is None else program.pieces
