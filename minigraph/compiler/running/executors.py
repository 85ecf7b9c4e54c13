"""Executors: which one runs a plan, native code where there is a compiler for it, NumPy where not."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional

from minigraph.compiler.memory.storage import Frame
from minigraph.compiler.native.llvm import jit
from minigraph.compiler.numpy_executor.executor import NumpyExecutor
from minigraph.compiler.numpy_executor.module_calls import Callees
from minigraph.compiler.specialise import Plan, Specialisation


def native_wanted() -> bool:
    """Tell whether native code is used: with llvmlite, unless ``MINIGRAPH_NATIVE=0`` is set."""
    return jit.available() and os.environ.get("MINIGRAPH_NATIVE", "1") != "0"


class Programs:
    """The executable programs of a specialisation, made when they are first needed."""

    def __init__(self, specialisation: Specialisation, recurrent: bool) -> None:
        self._specialisation = specialisation
        self._recurrent = recurrent
        self._native: dict[int, Any] = {}
        self._model: Optional[Frame] = None

    def bind(
        self, plan: Plan, frame: Frame, backwards: bool, callees: Callees
    ) -> Callable[[], Any]:
        """Return a call that runs ``plan`` in ``frame``, which has its arrays."""
        if self._specialisation.fewer_calls or not native_wanted():
            return NumpyExecutor(plan.segments, frame, backwards, callees).run
        return self.native(plan, frame).bind(frame, backwards, callees)

    def native(self, plan: Plan, frame: Frame) -> Any:
        """Return the native program of ``plan``."""
        key = id(plan)
        if key not in self._native:
            from minigraph.compiler.native.native_program import NativeProgram

            model = self._modelled(plan, frame)
            dtype = self._specialisation.net.dtype
            self._native[key] = NativeProgram(plan.segments, plan.storage, model, dtype)
        return self._native[key]

    def _modelled(self, plan: Plan, frame: Frame) -> Frame:
        """Return a frame that shows the strides of all: of two time steps, where there is time."""
        if not self._recurrent:
            return frame
        if self._model is None:
            self._model = Frame(2)
            self._model.add(self._specialisation.forward.storage)
        if plan is not self._specialisation.forward:
            self._model.add(plan.storage)
        return self._model
