"""The writer: stages as LLVM functions, and one driver that runs stages in a row.

Every stage is a function ``stage(table, T, part, parts)``; see ``stages.py`` for what a part is. A
driver ``driver(table, T, parts, pool)`` runs its stages one after the other, sharing those that are
worth it. Nothing depends on the number of time steps.
"""

from __future__ import annotations

from functools import partial
from typing import Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame, Storage
from minigraph.compiler.native.emitter import Emitter
from minigraph.compiler.native.kernels.pack import define_pack, panel_width
from minigraph.compiler.native.llvm.function import Function
from minigraph.compiler.native.llvm.function import Value as Register
from minigraph.compiler.native.module import PARAMETERS, NativeModule, share
from minigraph.compiler.native.operands import region_shape
from minigraph.compiler.native.pool_code import LAUNCH
from minigraph.compiler.native.stages import Stage
from minigraph.compiler.native.support import ROW_KERNELS
from minigraph.compiler.program.ir import Op

#: Work (operations on numbers) that is worth handing a part of to another thread.
WORTH_SHARING = 400_000
#: Rows of a loop that a thread should have at least: a product of fewer does less work per load.
ROWS_PER_THREAD = 4


class Writer:
    """Writes the native module of one program, from the shapes and strides of ``frame``."""

    def __init__(self, frame: Frame, storage: Storage, dtype: np.dtype, threads: int, name: str) -> None:
        self._module = NativeModule(frame, storage, np.dtype(dtype), threads, name)
        self._frame, self._storage, self._name, self._threads = frame, storage, name, threads
        self._drivers = 0
        self._stages = 0
        self.slots = self._module.slots

    @property
    def text(self) -> str:
        """The whole module."""
        return "\n".join(self._module.texts)

    # -- stages and drivers ------------------------------------------------------------------------

    def driver(self, stages: Sequence[Stage]) -> str:
        """Write a function that runs ``stages``; return its name."""
        written = [(self._stage(stage), self._sharing(stage)) for stage in stages]
        name = f"{self._name}_driver{self._drivers}"
        self._drivers += 1
        self._module.texts.append(self._driver(name, written))
        return name

    def packing_driver(self) -> Optional[str]:
        """Write a function that packs what products read, after everything else; return its name."""
        if not self.slots.packs:
            return None
        size = sum(packed.K * packed.N for packed in self.slots.packs)
        name = f"{self._name}_pack_driver"
        self._module.texts.append(self._driver(name, [(self._packing(), (size, 0))]))
        return name

    def _driver(self, name: str, stages: Sequence[tuple[str, tuple[int, int]]]) -> str:
        parameters = [("ptr", "table"), ("i64", "T"), ("i64", "parts"), ("ptr", "pool")]
        f = Function(name, parameters)
        launch = f.load("ptr", f.at(f["pool"], LAUNCH, "i64")) if self._threads > 1 else None
        for stage, (fixed, per_step) in stages:
            alone = f.value("i1", 1)
            if launch is not None and fixed + per_step:
                work = f["T"] * per_step + fixed
                shared = work.compare("sgt", WORTH_SHARING) & f["parts"].compare("sgt", 1)
                alone = shared.compare("eq", 0)
                with f.when(shared):
                    function = Register(f, "ptr", f"@{stage}")
                    arguments = [f["pool"], function, f["table"], f["T"], f["parts"]]
                    f.run_at(launch, arguments)
            with f.when(alone):
                f.run(stage, [f["table"], f["T"], f.value("i64", 0), f.value("i64", 1)])
        return f.finish()

    def _sharing(self, stage: Stage) -> tuple[int, int]:
        """Return the stage's work (fixed, per time step); zeros where it cannot be shared."""
        by_sample = stage.kind == "loop" or (stage.kind == "rows" and self._frame.T is None)
        if by_sample and self._unit(stage) < ROWS_PER_THREAD * self._threads:
            return 0, 0
        work = sum(_work(op) for op in stage.ops)
        return (work, 0) if self._frame.T is None else (0, work)

    def _unit(self, stage: Stage) -> int:
        """Return the number of samples that the stage can be shared by; 1 where it cannot.

        Every value then has the samples as its first axis, and every kernel rows of whole samples.
        """
        sizes = set()
        for op in stage.ops:
            for value in (*op.inputs, *op.outputs):
                if value.varies:
                    sizes.add(value.shape[0] if value.ndim > 1 else 1)
        unit = sizes.pop() if len(sizes) == 1 else 1
        return unit if all(_rows_of(op) % unit == 0 for op in stage.ops) else 1

    def step(self, stage: Stage) -> str:
        """Write a function that does one time step, given in place of ``T``; return its name."""
        return self._stage(stage)

    def _stage(self, stage: Stage) -> str:
        name = f"{self._name}_stage{self._stages}"
        self._stages += 1
        f = Function(name, PARAMETERS, internal=stage.kind != "step")
        emit = Emitter(self._module, f)
        for op in stage.ops:
            emit.declare(op)
        if stage.kind == "loop" or (stage.kind == "rows" and self._frame.T is None):
            self._loop(stage, f, emit)  # without time: once around
        elif stage.kind == "step":
            for op in stage.ops:
                emit.at(op, f["T"], f.value("i64", 0), 1, 1)
        elif stage.kind == "rows":
            start, stop = share(f, f["T"])
            for op in stage.ops:
                emit.over_time(op, start, stop)
        else:
            for op in stage.ops:
                emit.sum(op)
        self._module.texts.append(f.finish())
        return name

    def _loop(self, stage: Stage, f: Function, emit: Emitter) -> None:
        unit = self._unit(stage)
        backwards = self._storage.program.backwards
        sizes = {unit}
        if unit >= ROWS_PER_THREAD * self._threads and self._threads > 1:
            bounds = [unit * part // self._threads for part in range(self._threads + 1)]
            sizes |= {stop - start for start, stop in zip(bounds, bounds[1:])}
        first = f.value("i64", unit) * f["part"] // f["parts"]
        count = f.value("i64", unit) * (f["part"] + 1) // f["parts"] - first
        for size in sorted(sizes):
            # Products are written for a known number of rows: one loop for each that occurs.
            with f.when(count.compare("eq", size)), f.loop(0, f["T"]) as step:
                t = f["T"] - 1 - step.index if backwards else step.index
                for op in stage.ops:
                    emit.at(op, t, first, size, unit)

    def _packing(self) -> str:
        """Write a stage that packs all parameters that products of this module read."""
        name = f"{self._name}_packing"
        f = Function(name, PARAMETERS, internal=True)
        panel = panel_width(self._module.dtype)
        for packed in self.slots.packs:
            kernel = self._module.kernel(
                ("pack", packed.transposed),
                partial(define_pack, dtype=self._module.dtype, transpose=not packed.transposed),
            )
            panels = f.value("i64", -(-packed.N // panel))
            start, stop = (each * panel for each in share(f, panels))
            source = f.load("ptr", f.at(f["table"], self.slots.of(packed.parameter), "ptr"))
            target = f.load("ptr", f.at(f["table"], self.slots.of(packed), "ptr"))
            stride = packed.parameter.shape[1]
            source = f.at(source, start if packed.transposed else start * stride, self._module.scalar)
            target = f.at(target, start * packed.K, self._module.scalar)
            columns = f.smaller(stop, packed.N) - start
            some = columns.compare("sgt", 0)
            with f.when(some):
                f.run(kernel, [source, f.value("i64", stride), target, f.value("i64", packed.K), columns])
        self._module.texts.append(f.finish())
        return name


def _rows_of(op: Op) -> int:
    """Return how many rows the kernel for ``op`` sees at one time step."""
    shape = op.outputs[0].shape
    if op.primitive == "product" or op.primitive == "take" or op.primitive in ROW_KERNELS:
        return int(np.prod(shape[:-1], dtype=np.int64))
    return region_shape(shape)[0]


def _work(op: Op) -> int:
    """Return roughly how many operations on numbers ``op`` takes at one time step."""
    if op.primitive == "product":
        return 2 * op.output.size * op.inputs[0].shape[-1] // 16
    if op.primitive == "accumulate_product":
        return 2 * op.inputs[0].size * op.inputs[1].shape[-1] // 16
    size = max(value.size for value in (*op.inputs, *op.outputs))
    return size * (1 + 2 * len(op.attributes.get("body", ())))
