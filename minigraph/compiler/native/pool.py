"""The pool: threads that share the parts of a native function, and the native code that does so.

A job is a function called as ``f(table, T, part, parts)``. Whoever is free takes the next part: the
caller works too, so a job ends even if no other thread ever wakes (after a fork, on a busy machine).
Between jobs a worker spins for a moment, then sleeps.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
from typing import Optional

import numpy as np

from minigraph.compiler.native.llvm.jit import Library, compile_ir

# Places of the pool's state, in 64-bit words, each shared one in a cache line of its own.
TICKET, LAUNCH, JOB, DONE, SLEEPING, QUIT, SEMAPHORE, WORDS = 0, 2, 8, 16, 24, 32, 40, 48


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
            self._library: Library = compile_ir(_TEXT, "pool")
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


# What a processor is told while it waits for another: its declaration and the call.
_RELAX_DECLARED, _RELAX = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}.get(platform.machine(), ("", ""))

# A ticket holds the number of the job (high half) and of the next part to be taken (low half). A part
# is taken by exchanging the ticket for the next one: that fails if the job has changed meanwhile, so
# what was read of the job before belongs to it. ``parts`` is 0 while a job is being written.
_TEXT = f"""
{_RELAX_DECLARED}
declare i32 @sem_init(ptr, i32, i32)
declare i32 @sem_wait(ptr)
declare i32 @sem_post(ptr)
declare i32 @sched_yield()

define internal i1 @take(ptr %pool) {{
entry:
  %ticket = load atomic i64, ptr %pool seq_cst, align 8
  %part = and i64 %ticket, 4294967295
  %job = getelementptr i64, ptr %pool, i64 {JOB}
  %parts.at = getelementptr i64, ptr %job, i64 3
  %parts = load atomic i64, ptr %parts.at seq_cst, align 8
  %f = load ptr, ptr %job, align 8
  %table.at = getelementptr i64, ptr %job, i64 1
  %table = load ptr, ptr %table.at, align 8
  %T.at = getelementptr i64, ptr %job, i64 2
  %T = load i64, ptr %T.at, align 8
  %left = icmp ult i64 %part, %parts
  br i1 %left, label %try, label %none
try:
  %next = add i64 %ticket, 1
  %pair = cmpxchg ptr %pool, i64 %ticket, i64 %next seq_cst seq_cst
  %won = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %won, label %mine, label %again
mine:
  call void %f(ptr %table, i64 %T, i64 %part, i64 %parts)
  %done = getelementptr i64, ptr %pool, i64 {DONE}
  %count = atomicrmw add ptr %done, i64 1 seq_cst
  br label %again
again:
  ret i1 true
none:
  ret i1 false
}}

define internal void @wake(ptr %pool, i64 %count) {{
entry:
  %semaphore = getelementptr i64, ptr %pool, i64 {SEMAPHORE}
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %post ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %post, label %end
post:
  %ignored = call i32 @sem_post(ptr %semaphore)
  %k.next = add i64 %k, 1
  br label %next
end:
  ret void
}}

define void @launch(ptr %pool, ptr %f, ptr %table, i64 %T, i64 %parts) {{
entry:
  %job = getelementptr i64, ptr %pool, i64 {JOB}
  %parts.at = getelementptr i64, ptr %job, i64 3
  store atomic i64 0, ptr %parts.at seq_cst, align 8
  %old = load atomic i64, ptr %pool seq_cst, align 8
  %number = lshr i64 %old, 32
  %following = add i64 %number, 1
  %ticket = shl i64 %following, 32
  store atomic i64 %ticket, ptr %pool seq_cst, align 8
  store ptr %f, ptr %job, align 8
  %table.at = getelementptr i64, ptr %job, i64 1
  store ptr %table, ptr %table.at, align 8
  %T.at = getelementptr i64, ptr %job, i64 2
  store i64 %T, ptr %T.at, align 8
  %done = getelementptr i64, ptr %pool, i64 {DONE}
  store atomic i64 0, ptr %done seq_cst, align 8
  store atomic i64 %parts, ptr %parts.at seq_cst, align 8
  %sleeping.at = getelementptr i64, ptr %pool, i64 {SLEEPING}
  %sleeping = load atomic i64, ptr %sleeping.at seq_cst, align 8
  call void @wake(ptr %pool, i64 %sleeping)
  br label %work
work:
  %took = call i1 @take(ptr %pool)
  br i1 %took, label %work, label %wait
wait:
  %spins = phi i64 [ 0, %work ], [ %spins.next, %spin.end ]
  %finished = load atomic i64, ptr %done seq_cst, align 8
  %all = icmp sge i64 %finished, %parts
  br i1 %all, label %end, label %spin
spin:
  %spins.next = add i64 %spins, 1
  %long = icmp sgt i64 %spins.next, 4000
  br i1 %long, label %yield, label %relax
yield:
  %yielded = call i32 @sched_yield()
  br label %spin.end
relax:
  {_RELAX}
  br label %spin.end
spin.end:
  br label %wait
end:
  ret void
}}

define void @work(ptr %pool) {{
entry:
  %sleeping.at = getelementptr i64, ptr %pool, i64 {SLEEPING}
  %semaphore = getelementptr i64, ptr %pool, i64 {SEMAPHORE}
  %quit.at = getelementptr i64, ptr %pool, i64 {QUIT}
  br label %look
look:
  %spins = phi i64 [ 0, %entry ], [ 0, %took ], [ %spins.next, %relax ], [ 0, %rest.end ]
  %got = call i1 @take(ptr %pool)
  br i1 %got, label %took, label %idle
took:
  br label %look
idle:
  %quit = load atomic i64, ptr %quit.at seq_cst, align 8
  %leaving = icmp ne i64 %quit, 0
  br i1 %leaving, label %end, label %stay
stay:
  %spins.next = add i64 %spins, 1
  %tired = icmp sgt i64 %spins.next, 6000
  br i1 %tired, label %rest, label %relax
relax:
  {_RELAX}
  br label %look
rest:
  %before = atomicrmw add ptr %sleeping.at, i64 1 seq_cst
  %late = call i1 @take(ptr %pool)
  br i1 %late, label %rest.end, label %sleep
sleep:
  %slept = call i32 @sem_wait(ptr %semaphore)
  br label %rest.end
rest.end:
  %after = atomicrmw sub ptr %sleeping.at, i64 1 seq_cst
  br label %look
end:
  ret void
}}

define void @prepare(ptr %pool) {{
  %semaphore = getelementptr i64, ptr %pool, i64 {SEMAPHORE}
  %ignored = call i32 @sem_init(ptr %semaphore, i32 0, i32 0)
  ret void
}}

define void @dismiss(ptr %pool, i64 %count) {{
entry:
  %quit.at = getelementptr i64, ptr %pool, i64 {QUIT}
  store atomic i64 1, ptr %quit.at seq_cst, align 8
  call void @wake(ptr %pool, i64 %count)
  ret void
}}
"""
