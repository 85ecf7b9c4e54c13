"""A program in native code: compiled once for all numbers of time steps, bound to a frame to run."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.storage import Frame, Storage
from minigraph.compiler.native.llvm.jit import compile_ir
from minigraph.compiler.native.pool import Pool, shared_pool
from minigraph.compiler.native.stages import MixedLoop, Stage, pieces
from minigraph.compiler.native.writer import Writer
from minigraph.compiler.numpy_executor.executor import NumpyExecutor
from minigraph.compiler.numpy_executor.module_calls import Callees
from minigraph.compiler.passes.fission import Segment

#: What drivers take, and functions for one time step.
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_STEP = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class NativeProgram:
    """The native functions of one program, and what NumPy does between them.

    ``model`` is a frame with the arrays of the program: their strides are those of every frame.
    """

    def __init__(self, segments: Sequence[Segment], storage: Storage, model: Frame, dtype: Any) -> None:
        self._pool: Pool = shared_pool()
        writer = Writer(model, storage, np.dtype(dtype), self._pool.threads, "program")
        #: In order: the name of a native driver, a segment for NumPy, or a list: the parts of a step,
        #: names of native functions and operations for NumPy.
        self._order: list[Any] = []
        stages: list[Stage] = []

        def end_run() -> None:
            if stages:
                self._order.append(writer.driver(stages))
                stages.clear()

        self.pieces = pieces(segments, model, np.dtype(dtype))
        for piece in self.pieces:
            if isinstance(piece, Stage):
                stages.append(piece)
                continue
            end_run()
            if isinstance(piece, MixedLoop):
                parts = piece.parts
                self._order.append([writer.step(p) if isinstance(p, Stage) else p for p in parts])
            else:
                self._order.append(piece)
        end_run()
        packing = writer.packing_driver()
        if packing is not None:
            self._order.insert(0, packing)
        self.text = writer.text
        self.slots = writer.slots
        self._functions: dict[str, Any] = {}
        if self.text:
            library = self._library = compile_ir(self.text, "program")
            self._functions = {
                name: library.function(name, *(_STEP if isinstance(item, list) else _ARGUMENTS))
                for item in self._order for name in (item if isinstance(item, list) else [item])
                if isinstance(name, str)
            }

    def bind(self, frame: Frame, backwards: bool, callees: Callees) -> Callable[[], None]:
        """Return a call that runs the program in ``frame``."""
        table, arrays = self.slots.table(frame)
        numpy = NumpyExecutor([], frame, backwards, callees)
        T = 1 if frame.T is None else frame.T
        instructions: list[Callable[[], Any]] = []
        for item in self._order:
            if isinstance(item, str):
                instructions.append(partial(
                    _share, self._functions[item], table.ctypes.data, T, self._pool.threads, self._pool
                ))
            elif isinstance(item, list):
                instructions.extend(self._mixed(item, table.ctypes.data, numpy, T, backwards))
            else:
                instructions.extend(numpy.bind(item, backwards))
        return partial(_run, instructions, (table, arrays))


    def _mixed(
        self, parts: list[Any], table: int, numpy: NumpyExecutor, T: int, backwards: bool
    ) -> Iterator[Callable[[], Any]]:
        """Yield the calls of a loop that is partly native."""
        for t in reversed(range(T)) if backwards else range(T):
            for part in parts:
                if isinstance(part, str):
                    yield partial(self._functions[part], table, t, 0, 1)
                else:
                    yield from numpy.bind_op(part, t)


def _share(function: Any, table: int, T: int, threads: int, pool: Pool) -> None:
    """Run a driver, with the workers unless somebody else's program has them."""
    if threads > 1 and pool.busy.acquire(blocking=False):
        try:
            function(table, T, threads, pool.address)
        finally:
            pool.busy.release()
    else:
        function(table, T, 1, pool.address)


def _run(instructions: Sequence[Callable[[], Any]], alive: Optional[Any]) -> None:
    """Run the instructions; ``alive`` is what native code points to."""
    for instruction in instructions:
        instruction()
