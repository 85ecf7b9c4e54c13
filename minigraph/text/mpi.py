"""MPI: the group of processes that ``mpiexec`` started, on one host or on many.

Source: MPI: A Message-Passing Interface Standard, version 4.1, https://www.mpi-forum.org/docs/;
mpi4py, https://mpi4py.readthedocs.io
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from minigraph.errors import MissingExtraError, StateError
from minigraph.interop.extras import require
from minigraph.text.diagnosis import ELSEWHERE
from minigraph.text.group import Alone, Group

# What launchers tell a process: its number, how many there are, its number on its host.
_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),  # MPICH, Intel MPI, MS-MPI, Slurm's pmi2
    ("PMIX_RANK", "SLURM_NTASKS", "SLURM_LOCALID"),  # Slurm's pmix
)
# Seconds that a process whose run failed waits for the others to fail too.
_PATIENCE = 4.0
_MESSAGE = 4096  # bytes of a message that are exchanged


class Launch(NamedTuple):
    """What ``mpiexec`` told this process: ``local`` is its number among those on its host."""

    rank: int
    size: int
    local: int


def launched(environment: Mapping[str, str] = os.environ) -> Optional[Launch]:
    """Return how ``mpiexec`` started this process, None if it did not."""
    for names in _VARIABLES:
        rank, size, local = (environment.get(name, "") for name in names)
        if rank.isdecimal() and size.isdecimal():
            return Launch(int(rank), int(size), int(local if local.isdecimal() else rank))
    return None


def join() -> Group:
    """Return the group of the processes that ``mpiexec`` started, ``Alone`` without it.

    Raises ``MissingExtraError`` where it needs mpi4py or an MPI and does not find them, and
    ``StateError`` where ``mpiexec`` belongs to another MPI than mpi4py's.
    """
    launch = launched()
    if launch is None or launch.size == 1:
        return Alone()
    try:
        rc = require("mpi4py", "mpi").rc
        rc.initialize, rc.finalize = False, True  # begun below, once it is known to be the right MPI
        MPI = require("mpi4py.MPI", "mpi")
    except RuntimeError as error:  # mpi4py is there, the MPI library is not
        raise MissingExtraError(
            f"mpi4py finds no MPI library: python -m pip install 'minigraph[mpi]' ({error})"
        ) from error
    library = " ".join(re.split(r"[,\n\0]", MPI.Get_library_version())[0].split())
    # Another MPI than Open MPI would end the process, with words of its own, when it begins.
    foreign = "OMPI_COMM_WORLD_SIZE" in os.environ and "Open MPI" not in library
    if not foreign and not MPI.Is_initialized():
        MPI.Init_thread()
    if foreign or MPI.COMM_WORLD.size != launch.size:
        raise StateError(
            f"mpiexec started {launch.size} processes, but mpi4py's {library} does not find them: they are "
            "of different MPIs. Use the mpiexec of that one (the extra mpi brings "
            f"{Path(sys.executable).with_name('mpiexec')}), or set MPI4PY_LIBMPI to the library of the other"
        )
    return MPIGroup(MPI)


class MPIGroup:
    """The processes of MPI's world as a ``Group``.

    Sums are MPI's ``Allreduce``, which the standard requires to give every process the same bits.
    """

    def __init__(self, MPI: Any) -> None:
        self._world = MPI.COMM_WORLD.Dup()
        # Failures go another way than the sums, which may be under way when one process fails.
        self._failures = MPI.COMM_WORLD.Dup()
        self._in_place = MPI.IN_PLACE
        # The processes of a host share its cores; those of compiled programs are counted here.
        here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED).size
        os.environ.setdefault("MINIGRAPH_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // here)))
        self.rank: int = self._world.rank
        self.size: int = self._world.size

    def allreduce(self, array: np.ndarray) -> None:
        """Add up ``array`` over the processes, in place."""
        self._world.Allreduce(self._in_place, array)

    def fail(self, message: str, code: int) -> Optional[str]:
        """End the run of all processes because this one's failed; return what is to be told.

        Where all of them fail within moments of each other, they return and may end by themselves:
        rank 0 with the message to tell, the others with None. Where this one fails
        and the others go on, which would wait for it for ever, this tells ``message`` on stderr and
        ends all processes with the exit status ``code``.
        """
        mine = np.zeros(_MESSAGE, np.uint8)
        encoded = message.encode("utf-8", "backslashreplace")[:_MESSAGE]
        mine[: len(encoded)] = np.frombuffer(encoded, np.uint8)
        everyones = np.zeros((self.size, _MESSAGE), np.uint8)
        request = self._failures.Iallgather(mine, everyones)
        deadline = time.monotonic() + _PATIENCE
        while not request.Test():
            if time.monotonic() > deadline:
                self._abort(message, code)
            time.sleep(0.005)
        if self.rank > 0:
            return None
        return told([row.tobytes().rstrip(b"\0").decode(errors="replace") for row in everyones])

    def _abort(self, message: str, code: int) -> None:
        print(f"minigraph: process {self.rank} of {self.size}: {message}", file=sys.stderr, flush=True)
        time.sleep(1)  # mpiexec passes the line on before it ends everything
        self._world.Abort(code)


def told(messages: Sequence[str]) -> str:
    """Return which of the processes' messages is told: one that says where the trouble is."""
    rank, message = min(enumerate(messages), key=lambda entry: (ELSEWHERE in entry[1], entry[0]))
    return message if len(set(messages)) == 1 else f"process {rank} of {len(messages)}: {message}"
