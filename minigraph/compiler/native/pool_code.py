"""The native code of the pool: taking parts of a job, waking and resting.

A ticket holds the number of the job (high half) and of the next part to be taken (low half). A part is taken
by exchanging the ticket for the next one: that fails if the job has changed meanwhile, so that what was read
of the job before belongs to it. ``parts`` is 0 while a job is being written.
"""

from __future__ import annotations

import platform

from minigraph.compiler.native.llvm.function import Function, Value

# Places of the pool's state, in 64-bit words, each shared one in a cache line of its own.
TICKET, LAUNCH, JOB, DONE, SLEEPING, QUIT, SEMAPHORE, WORDS = 0, 2, 8, 16, 24, 32, 40, 48

#: How often a thread looks again before it gives its processor to another, or goes to sleep.
_SPINS, _IDLE_SPINS = 4000, 6000

_POOL = ("ptr", "pool")


def pool_code() -> str:
    """Return LLVM IR: ``launch`` runs a job, ``work`` is a worker, ``prepare`` begins, ``dismiss`` ends."""
    return "".join([_take(), _wake(), _launch(), _work(), _prepare(), _dismiss()])


def _place(f: Function, place: int) -> Value:
    return f.at(f["pool"], place, "i64")


def _relax(f: Function) -> None:
    """Tell the processor that this thread waits for another."""
    if platform.machine() == "x86_64":
        f.run("llvm.x86.sse2.pause", [], declare=True)
    elif platform.machine() == "aarch64":
        f.run("llvm.aarch64.hint", [f.value("i32", 1)], declare=True)


def _take() -> str:
    """Take the next part of the job and do it; whether there was any left."""
    f = Function("take", [_POOL], internal=True, returns="i1")
    ticket = f.shared(_place(f, TICKET))
    part = ticket & 0xFFFFFFFF
    parts = f.shared(_place(f, JOB + 3))
    function, table = (f.load("ptr", _place(f, JOB + k)) for k in (0, 1))
    T = f.load("i64", _place(f, JOB + 2))
    left = part.compare("ult", parts)
    with f.when(left), f.when(f.exchange(_place(f, TICKET), ticket, ticket + 1)):
        f.run_at(function, [table, T, part, parts])
        f.share_sum(_place(f, DONE), 1)
    return f.finish(left)


def _wake() -> str:
    f = Function("wake", [_POOL, ("i64", "count")], internal=True)
    with f.loop(0, f["count"]):
        f.call("sem_post", "i32", [_place(f, SEMAPHORE)])
    return f.finish()


def _launch() -> str:
    """Write a job, wake who sleeps, work until no part is left and wait for those that others took."""
    f = Function("launch", [_POOL, ("ptr", "f"), ("ptr", "table"), ("i64", "T"), ("i64", "parts")])
    f.share(0, _place(f, JOB + 3))
    number = f.emit("i64", f"lshr {f.shared(_place(f, TICKET))}, 32")
    f.share((number + 1) << 32, _place(f, TICKET))
    for k, what in enumerate(("f", "table", "T")):
        f.store(f[what], _place(f, JOB + k))
    f.share(0, _place(f, DONE))
    f.share(f["parts"], _place(f, JOB + 3))
    f.run("wake", [f["pool"], f.shared(_place(f, SLEEPING))])
    with f.repeat() as leave:
        leave(_not(f, f.call("take", "i1", [f["pool"]], declare=False)))
    spins = _counter(f)
    with f.repeat() as leave:
        leave(f.shared(_place(f, DONE)).compare("sge", f["parts"]))
        long = _count(f, spins).compare("sgt", _SPINS)
        with f.when(long):
            f.call("sched_yield", "i32", [])
        with f.when(_not(f, long)):
            _relax(f)
    return f.finish()


def _work() -> str:
    """Take parts; after a while without any, sleep until somebody wakes this thread."""
    f = Function("work", [_POOL])
    spins = _counter(f)
    with f.repeat() as leave:
        with f.when(f.call("take", "i1", [f["pool"]], declare=False)):
            f.store(f.value("i64", 0), spins)
        leave(f.shared(_place(f, QUIT)).compare("ne", 0))
        tired = _count(f, spins).compare("sgt", _IDLE_SPINS)
        with f.when(tired):
            f.share_sum(_place(f, SLEEPING), 1)
            # A job that was launched in between has not seen that this thread sleeps.
            late = f.call("take", "i1", [f["pool"]], declare=False)
            with f.when(_not(f, late)):
                f.call("sem_wait", "i32", [_place(f, SEMAPHORE)])
            f.share_sum(_place(f, SLEEPING), -1)
            f.store(f.value("i64", 0), spins)
        with f.when(_not(f, tired)):
            _relax(f)
    return f.finish()


def _prepare() -> str:
    f = Function("prepare", [_POOL])
    f.call("sem_init", "i32", [_place(f, SEMAPHORE), f.value("i32", 0), f.value("i32", 0)])
    return f.finish()


def _dismiss() -> str:
    f = Function("dismiss", [_POOL, ("i64", "count")])
    f.share(1, _place(f, QUIT))
    f.run("wake", [f["pool"], f["count"]])
    return f.finish()


def _not(f: Function, condition: Value) -> Value:
    return f.emit("i1", f"xor {condition}, true")


def _counter(f: Function) -> Value:
    counter = f.allocate("i64", 1, align=8)
    f.store(f.value("i64", 0), counter)
    return counter


def _count(f: Function, counter: Value) -> Value:
    """Count one more and return how many these are."""
    count = f.load("i64", counter) + 1
    f.store(count, counter)
    return count
