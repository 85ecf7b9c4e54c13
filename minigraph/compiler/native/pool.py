"""The pool: threads that share the parts of a native function; ``pool_code`` is what they run.

A job is a function called as ``f(table, T, part, parts)``. Whoever is free takes the next part: the
caller works too, so a job ends even if no other thread ever wakes (after a fork, on a busy machine).
Between jobs a worker spins for a moment, then sleeps.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from typing import Optional

import numpy as np

from minigraph.compiler.native.llvm.jit import Library, compile_ir
from minigraph.compiler.native.pool_code import LAUNCH, WORDS, pool_code


def thread_count() -> int:
    """Return how many threads compiled programs use: ``MINIGRAPH_NUM_THREADS``, or what BLAS would."""
    for name in ("MINIGRAPH_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Workers for jobs of up to ``threads`` parts; ``address`` is what native code is given.

    They wait on a POSIX semaphore, so elsewhere than on Linux the caller works alone.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads if sys.platform == "linux" else 1
        memory = np.zeros(WORDS + 8, np.uint64)
        start = -(memory.ctypes.data // 8) % 8  # a multiple of 64 bytes
        self._state = memory[start : start + WORDS]
        self.address = self._state.ctypes.data
        self._workers: list[threading.Thread] = []
        #: Held by who runs a job; others do without the workers.
        self.busy = threading.Lock()
        if self.threads > 1:
            self._library: Library = compile_ir(pool_code(), "pool")
            self._state[LAUNCH] = self._library.address("launch")
            self._start()

    def _start(self) -> None:
        self._library.function("prepare", ctypes.c_void_p)(self.address)
        work = self._library.function("work", ctypes.c_void_p)
        for number in range(1, self.threads):
            worker = threading.Thread(
                target=work, args=(self.address,), daemon=True, name=f"minigraph-{number}"
            )
            worker.start()
            self._workers.append(worker)

    def close(self) -> None:
        """Let the workers end."""
        if self._workers:
            self._library.function("dismiss", ctypes.c_void_p, ctypes.c_int64)(
                self.address, len(self._workers)
            )
            for worker in self._workers:
                worker.join(timeout=1.0)
            self._workers.clear()


_pool: Optional[Pool] = None
_lock = threading.Lock()


def shared_pool() -> Pool:
    """Return the one pool of this process, started when it is first asked for."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool(thread_count())
            atexit.register(_pool.close)
        return _pool


def _forget() -> None:
    """After a fork: the workers stayed behind, new ones are started when they are needed."""
    global _pool
    if _pool is not None:
        atexit.unregister(_pool.close)
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
