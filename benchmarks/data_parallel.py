"""Data parallel training: what is measured on this machine, and a model of it on many hosts.

Measured: seconds per iteration of ``minigraph train`` for every number of processes that is asked
for, each with one thread, once with the batch shared (as ``minigraph train`` does) and once with as
many rows for every process as one had; the bytes that are summed; the time of the sums; the time of
an iteration as a line in the number of rows, from several runs of one process.

Modelled, and not measured: an iteration on P hosts of one such process each, as

    seconds(rows) + ring(gradient) + (other sums) * doubling(a few numbers)
    ring(n)     = 2 (P - 1) * (latency + n / P / bandwidth)     2 (P - 1) / P * n bytes sent by each host
    doubling    = log2(P) * latency

or, for the gradient, if that takes less time (recursive halving and doubling: Rabenseifner),

    tree(n)     = 2 log2(P) * latency + 2 (P - 1) / P * n / bandwidth

Nothing overlaps, as in the trainer: the sum begins when the gradient is complete. Left out are hosts
of unequal speed, links that are shared, and reading and writing files.

    python benchmarks/data_parallel.py [--processes 2] [--latency 30e-6] [--bandwidth 1.25e9]

It takes about half a minute with two processes.

Source: Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in
MPICH, 2005, https://doi.org/10.1177/1094342005051521
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from minigraph import random, text
from minigraph.text.mpi import join

HOSTS = (8, 16, 32, 64, 128, 256, 512, 1024)
VOCABULARY = 65
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Counting:
    """A group that keeps the bytes and the seconds of every sum."""

    def __init__(self, group: text.Group) -> None:
        self.group, self.rank, self.size = group, group.rank, group.size
        self.bytes: list[int] = []
        self.seconds = self.processor = 0.0

    def allreduce(self, array: np.ndarray) -> None:
        start, busy = time.perf_counter(), time.process_time()
        self.group.allreduce(array)
        self.seconds += time.perf_counter() - start
        self.processor += time.process_time() - busy  # waiting for a sum keeps the processor busy
        self.bytes.append(array.nbytes)


def corpus(batch: int, seq: int) -> text.Corpus:
    """Two batches of random characters."""
    numbers = np.random.default_rng(1).integers(VOCABULARY, size=2 * batch * seq)
    numbers[:VOCABULARY] = np.arange(VOCABULARY)
    return text.Corpus.from_text("".join(chr(48 + number) for number in numbers.tolist()))


def work(given: dict[str, Any]) -> None:
    """Be one process of a run; the first prints what it measured."""
    group = Counting(join())
    steps = given.pop("steps")
    options = text.TrainingOptions(**given, train_frac=1, val_frac=0)
    trainer = text.Trainer(corpus(options.batch_size, options.seq_length), options, group)
    votes = np.zeros(2)

    def step() -> None:
        trainer.step()
        group.allreduce(votes)  # as a run does after each iteration: whether to save, whether to stop

    for _ in range(3):
        step()
    group.bytes.clear()
    group.seconds = group.processor = 0.0
    times, busy = [], time.process_time()
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    found = {
        "seconds": statistics.median(times), "in_sums": group.seconds / steps,
        "processor": (time.process_time() - busy - group.processor) / steps,
        "bytes": group.bytes[: len(group.bytes) // steps],
        "gradient": sum_seconds(group, trainer.model.flat.size, options.dtype),
        "small": sum_seconds(group, 1, "float64"),
    }
    if group.rank == 0:
        print(json.dumps(found))


def sum_seconds(group: text.Group, size: int, dtype: str) -> float:
    """Return the seconds of one sum that no process is late for."""
    array, times = np.zeros(size, dtype), []
    for _ in range(30):
        group.allreduce(np.zeros(1))
        start = time.perf_counter()
        group.allreduce(array)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def mpiexec() -> str:
    """Return the path of mpiexec, the one beside this Python first; end the program without one."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=beside)
    if found is None:
        sys.exit("there is no mpiexec: python -m pip install 'minigraph[mpi]', or --processes 1")
    return found


def measure(processes: int, **given: Any) -> dict[str, Any]:
    """Run ``work`` in some processes of one thread each."""
    command = [sys.executable, __file__, "--work", json.dumps(given)]
    if processes > 1:
        command = [mpiexec(), "-n", str(processes), *command]
    threads = dict.fromkeys(ONE_THREAD, "1")
    done = subprocess.run(
        command, env={**os.environ, **threads}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True, check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def ring_bytes(processes: int, size: int) -> float:
    return 2 * (processes - 1) / processes * size


def communication(hosts: int, sums: list[int], latency: float, bandwidth: float) -> tuple[float, str]:
    """Return the modelled seconds of an iteration's sums, and how the gradient is summed."""
    gradient, rounds = max(sums), math.log2(hosts)
    ways = {
        "ring": 2 * (hosts - 1) * (latency + gradient / hosts / bandwidth),
        "tree": 2 * rounds * latency + ring_bytes(hosts, gradient) / bandwidth,
    }
    way = min(ways, key=lambda name: ways[name])
    return ways[way] + (len(sums) - 1) * rounds * latency, way


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rnn-size", type=int, default=128)
    parser.add_argument("--num-layers", type=int, default=2)
    parser.add_argument("--seq-length", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--processes", type=int, default=2, help="measure 1 to this many")
    parser.add_argument("--latency", type=float, default=30e-6, help="of a message between hosts, s")
    parser.add_argument("--bandwidth", type=float, default=1.25e9, help="of a host's link, bytes/s")
    parser.add_argument("--shared-batch", type=int, default=8192, help="the batch that hosts share")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(json.loads(arguments.work))
    if arguments.processes > 1:
        mpiexec()  # before anything is measured
    names = ("rnn_size", "num_layers", "seq_length", "dtype", "steps")
    given = {name: getattr(arguments, name) for name in names}
    batch, seq = arguments.batch_size, arguments.seq_length
    print(
        f"LSTM {arguments.num_layers}x{arguments.rnn_size}, T {seq}, vocabulary {VOCABULARY}, "
        f"{arguments.dtype}; {os.cpu_count()} cores, one thread a process; numpy {np.__version__}"
    )
    if hasattr(os, "getloadavg"):
        print(f"load before: {os.getloadavg()[0]:.2f}; it adds to every time below but the processor's")

    print("\nmeasured: processes on this machine (median seconds of an iteration)")
    print(f"{'':22}{'rows':>6} {'ms':>8} {'char/s':>8} {'speed-up':>8}  "
          "ms in sums (waiting too)  ms of processor outside them")
    alone = measure(1, batch_size=batch, **given)
    runs = {1: alone}
    for what, share in (("batch shared", True), ("batch grows", False)):
        for count in range(1, arguments.processes + 1):
            whole = batch if share else batch * count
            run = alone if count == 1 else measure(count, batch_size=whole, **given)
            if share:
                runs[count] = run
            speed = whole * seq / run["seconds"]
            ratio = speed / (batch * seq / alone["seconds"])
            print(
                f"{what}, {count} process(es){whole / count:>6g} {1e3 * run['seconds']:8.1f} {speed:8.0f} "
                f"{ratio:8.2f} {1e3 * run['in_sums']:25.2f} {1e3 * run['processor']:27.1f}"
            )

    sums = alone["bytes"]
    print(f"\nmeasured: {len(sums)} sums an iteration, of {', '.join(map(str, sums))} bytes")
    print("computed: bytes of the gradient that each process sends in a ring of P, 2 (P-1)/P of it")
    for count in (*range(2, arguments.processes + 1), *HOSTS):
        print(f"  {count:>4} {ring_bytes(count, max(sums)):12,.0f}")

    rows = sorted({max(1, batch // part) for part in (1, 2, 4, 8, 50)})
    times = [alone["seconds"] if r == batch else measure(1, batch_size=r, **given)["seconds"] for r in rows]
    per_row, fixed = np.polyfit(rows, times, 1, w=1 / np.array(times))
    print("\nmeasured: an iteration of one process is about "
          f"{1e3 * fixed:.2f} ms + {1e3 * per_row:.3f} ms a row")
    for r, seconds in zip(rows, times):
        print(f"  {r:>3} rows: {1e3 * seconds:8.2f} ms, the line says {1e3 * (fixed + per_row * r):8.2f}")
    passed = 5_000_000
    start = time.perf_counter()
    random.generator.skip(passed)
    skipping = (time.perf_counter() - start) / passed
    print(f"measured: with --dropout, {1e9 * skipping:.1f} ns for each entry of other rows' masks")

    for count in range(2, arguments.processes + 1):
        run = runs[count]
        told = fixed + per_row * math.ceil(batch / count) + run["gradient"] + (len(sums) - 1) * run["small"]
        print(
            f"check of the sum of parts, {count} processes here: {1e3 * told:.1f} ms from the line and the "
            f"sums alone ({1e3 * run['gradient']:.2f} and {1e3 * run['small']:.3f} ms), "
            f"{1e3 * run['seconds']:.1f} ms measured (the rest: processes here share caches, memory and load)"
        )

    latency, bandwidth = arguments.latency, arguments.bandwidth
    whole = arguments.shared_batch
    single = fixed + per_row * whole
    print(
        f"\nmodelled: hosts of one such process each; a message takes {1e6 * latency:g} us + bytes / "
        f"{bandwidth / 1e9:g} GB/s (--latency, --bandwidth).\nRows come from the line above; those marked ~ "
        f"lie beyond what was measured, as do the {single:.1f} s of one host that the speed-up is against."
    )
    print(f"{'':5}  {f'{batch} rows for each host':^36}   {f'{whole} rows shared':^38}")
    print(f"{'hosts':>5}  {'ms':>8} {'of it sums':>10} {'way':>5} {'efficiency':>10}"
          f"   {'rows':>7} {'ms':>8} {'of it sums':>10} {'speed-up':>9}")
    for hosts in HOSTS:
        moving, way = communication(hosts, sums, latency, bandwidth)
        grown = alone["seconds"] + moving
        part = math.ceil(whole / hosts)
        shared = fixed + per_row * part + moving
        rows_each = f"{'~' if part > batch else ''}{part}"
        print(
            f"{hosts:5d}  {1e3 * grown:8.1f} {1e3 * moving:10.2f} {way:>5} {alone['seconds'] / grown:10.1%}"
            f"   {rows_each:>7} {1e3 * shared:8.1f} {1e3 * moving:10.2f} {single / shared:9.1f}"
        )


if __name__ == "__main__":
    main()
