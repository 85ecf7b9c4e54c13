"""Recurrent networks, forward and backward: minigraph, eager and compiled, against who else runs them.

For cells, sizes (T, B, H, L) and peers, see ``peers/problem.py`` and the files beside it. Each peer
computes the same numbers in float32; before anything is timed its loss and all its gradients are
compared with those of float64 (``peers/problem.py`` has the tolerance). One that fails is not timed, and
the exit status is 1. Then the peers take turns, so that a machine that slows down slows all of them, and
the minimum and the median over the rounds are printed with the ratio of minigraph's time to the peer's:
below 1, minigraph is faster. Gradients of all parameters, the sequence and the initial states are part
of every run; compiling is not, its seconds are those of the first run. "BLAS alone" computes no answer:
its matrix products are a lower bound for what is built on that BLAS. With two threads and another program
at work, threads that wait for each other can take a hundred times as long: ``--threads 1`` says more.

    python benchmarks/compiled.py [--threads 1] [--cells lstm] [--rows 20,20,200,2 10,1,64,1]
        [--skip torch.compile@50,50,128,2 'minigraph eager'] [--rounds 7] [--json FILE]

``--threads`` sets the libraries' variables before they are imported and, where the system can, keeps
the process to that many cores. Variables that are set and choose the libraries' kernels are printed;
``OPENBLAS_CORETYPE=Haswell`` for example halves the speed of NumPy's products, not of the others', on
a processor with AVX-512: ``--native-blas`` lets OpenBLAS choose again. A peer whose library is missing
is left out with a line; so is ``torch.compile`` without a C++ compiler, and the compiled minigraph
until there is ``mg.compile``.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import sys
import time
from typing import Any, Callable, Optional

CELLS = ("lstm", "gru", "highway")
ROWS = ("20,20,200,2", "50,50,128,2", "20,20,650,2", "35,20,1500,2", "10,1,64,1")
#: Seconds between turns: Intel's OpenMP keeps its threads spinning for 0.2 s, which the next would pay.
PAUSE = 0.25
EAGER, COMPILED = "minigraph eager", "minigraph compiled"
#: Why a peer cannot run, or None.
Missing = Callable[[str], Optional[str]]


def use_threads(count: int, native_blas: bool) -> None:
    """Have every library that is imported from now on use this many threads, and kernels of its choice."""
    if native_blas:
        os.environ.pop("OPENBLAS_CORETYPE", None)
        os.environ.pop("OPENBLAS_L2_SIZE", None)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(count)
    if hasattr(os, "sched_setaffinity"):  # JAX has no variable: it counts the cores it may use
        cores = sorted(os.sched_getaffinity(0))
        if count > len(cores):
            sys.exit(f"--threads {count}, but this process may use {len(cores)} cores")
        os.sched_setaffinity(0, cores[:count])
    elif count == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def kernel_variables() -> dict[str, str]:
    """Return what the environment says about the libraries' kernels."""
    starts = ("OPENBLAS_", "MKL_", "DNNL_", "ONEDNN_", "ATEN_", "NPY_", "XLA_")
    return {name: value for name, value in os.environ.items()
            if name.startswith(starts) and not name.endswith("_NUM_THREADS")}


def version(package: str) -> Optional[str]:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def needs(package: str) -> Missing:
    return lambda cell: None if version(package) else f"{package} is not installed"


def needs_compiler(cell: str) -> Optional[str]:
    import minigraph

    return None if hasattr(minigraph, "compile") else "there is no mg.compile"


def needs_cxx(cell: str) -> Optional[str]:
    found = [name for name in (os.environ.get("CXX"), "g++", "c++", "clang++", "cl") if name]
    if not any(shutil.which(name) for name in found):
        return "there is no C++ compiler, which torch.compile needs"
    return needs("torch")(cell)


def needs_layer(cell: str) -> Optional[str]:
    return needs("torch")(cell) if cell in ("lstm", "gru") else "PyTorch has no such layer"


#: Name -> (what is missing, file, class, further arguments), in the order of their turns.
PEERS: dict[str, tuple[Missing, str, str, tuple]] = {
    EAGER: (lambda cell: None, "minigraph_nets", "Eager", ()),
    COMPILED: (needs_compiler, "minigraph_nets", "Compiled", ()),
    "torch eager": (needs("torch"), "torch_eager", "Eager", ()),
    "torch.compile": (needs_cxx, "torch_eager", "Compiled", ()),
    "torch.nn layer": (needs_layer, "torch_layers", "Layers", ()),
    "JAX one scan": (needs("jax"), "jax_scan", "OneScan", ()),
    "JAX hoisted": (needs("jax"), "jax_scan", "Hoisted", ()),
    "NumPy by hand": (
        lambda cell: None if cell == "lstm" else "written for the LSTM only", "numpy_lstm", "Lstm", ()),
    "BLAS alone": (lambda cell: None, "blas_alone", "Products", ("numpy",)),
    "BLAS alone, MKL": (needs("mkl"), "blas_alone", "Products", ("mkl",)),
}


def skipped(name: str, row: str, skip: list[str]) -> bool:
    return name in skip or f"{name}@{row}" in skip


def prepare(cell: str, row: str, skip: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Make the peers, run each once and compare; return those to time and what is known of all."""
    from peers.minigraph_nets import reference
    from peers.problem import Problem

    problem = Problem(cell, *map(int, row.split(",")))
    right = reference(problem)
    made: dict[str, Any] = {}
    facts: dict[str, dict[str, Any]] = {}
    for name, (missing, module, kind, arguments) in PEERS.items():
        why = "skipped" if skipped(name, row, skip) else missing(cell)
        if why is not None:
            facts[name] = {"left_out": why}
            continue
        try:
            peer = getattr(importlib.import_module(f"peers.{module}"), kind)(problem, *arguments)
            facts[name] = first_run(peer, right)
            made[name] = peer
        except Exception as error:  # the other peers' numbers are worth having all the same
            facts[name] = {"failed": True, "left_out": f"FAILED: {type(error).__name__}: {error}"}
    return made, facts


def first_run(peer: Any, right: Any) -> dict[str, Any]:
    """Run a peer; return its seconds and its distance from the right answer, ValueError if too far."""
    from peers.problem import TOLERANCE

    start = time.perf_counter()
    peer.run()
    known = {"first_run": time.perf_counter() - start}
    if hasattr(peer, "answer"):
        known["distance"] = right.distance(peer.answer())
        if not known["distance"] <= TOLERANCE:
            raise ValueError(f"{known['distance']:.1e} away from the right answer")
    if hasattr(peer, "chosen"):
        known["layouts"] = peer.chosen
    return known


def measure(cell: str, row: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the facts and times of all peers."""
    from lstm_step import seconds

    made, facts = prepare(cell, row, given.skip)
    rounds: dict[str, list[float]] = {name: [] for name in made}
    gc.collect()
    for _ in range(given.rounds):
        for name, peer in made.items():
            time.sleep(PAUSE if given.threads > 1 else 0)
            rounds[name].append(seconds(peer.run, given.budget))
    for name, times in rounds.items():
        facts[name] |= {"minimum": min(times), "median": statistics.median(times), "rounds": times}
    return facts


def show(cell: str, row: str, facts: dict[str, dict[str, Any]]) -> None:
    print(f"\n{cell}, T,B,H,L = {row}")
    print(f"{'':17} {'min ms':>9} {'median ms':>9} {'eager/it':>9} {'compiled/it':>11} "
          f"{'first run s':>11} {'distance':>9}")
    for name, known in facts.items():
        if "left_out" in known:
            print(f"{name:17} {known['left_out']}")
            continue
        ratios = [
            f"{facts[mine]['median'] / known['median']:.2f}" if "median" in facts[mine] else ""
            for mine in (EAGER, COMPILED)
        ]
        distance = f"{known['distance']:.0e}" if "distance" in known else ""
        print(f"{name:17} {1e3 * known['minimum']:9.3f} {1e3 * known['median']:9.3f} {ratios[0]:>9} "
              f"{ratios[1]:>11} {known['first_run']:11.2f} {distance:>9}", flush=True)


def summary(results: list[dict[str, Any]]) -> None:
    """Print the medians of all rows, a column for each peer that ran."""
    names = [name for name in PEERS if any("median" in row["peers"][name] for row in results)]
    mine = COMPILED if COMPILED in names else EAGER
    print(f"\nmedian ms; in brackets {mine} / it\n")
    print("| " + " | ".join(["cell", "T,B,H,L", *names]) + " |")
    print("| --- " * (2 + len(names)) + "|")
    for row in results:
        own, entries = row["peers"][mine].get("median"), []
        for name in names:
            median = row["peers"][name].get("median")
            entry = "" if median is None else f"{1e3 * median:.3g}"
            entries.append(entry if not entry or not own or name == mine else f"{entry} ({own / median:.2f})")
        print("| " + " | ".join([row["cell"], row["row"], *entries]) + " |")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "processor": platform.processor() or platform.machine()}
    installed = {package: version(package) for package in ("numpy", "torch", "jax", "mkl", "numba")}
    return found | {package: number for package, number in installed.items() if number}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=0.3, help="seconds for each peer's turn")
    parser.add_argument("--native-blas", action="store_true", help="unset OPENBLAS_CORETYPE and _L2_SIZE")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="T,B,H,L")
    parser.add_argument(
        "--skip", nargs="+", default=[], metavar="PEER[@T,B,H,L]", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    given = parser.parse_args()
    for entry in given.skip:
        if entry.split("@")[0] not in PEERS:
            parser.error(f"--skip {entry}: no such peer; there are {', '.join(PEERS)}")
    use_threads(given.threads, given.native_blas)
    if version("torch"):
        import torch

        torch.set_num_threads(given.threads)
    variables = kernel_variables()
    facts = {"threads": given.threads, "versions": versions(), "variables": variables}
    print("forward and backward, float32, " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    load = f"; load before: {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    print(f"{given.threads} threads; {given.rounds} rounds of at least {given.budget} s for each peer{load}")
    if variables:
        print("set: " + ", ".join(f"{name}={value}" for name, value in variables.items()))
    results = []
    for cell in given.cells:
        for row in given.rows:
            results.append({"cell": cell, "row": row, "peers": measure(cell, row, given)})
            show(cell, row, results[-1]["peers"])
            if given.json:  # after every row, so that a run that is stopped leaves what it has
                with open(given.json, "w", encoding="utf-8") as file:
                    json.dump({**facts, "results": results}, file, indent=1)
    summary(results)
    if any("failed" in known for row in results for known in row["peers"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
