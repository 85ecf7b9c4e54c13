"""Train in a process of its own, again and again: import once, fork for every run, and kill it.

Reads a JSON list, a line for each run: the arguments of ``minigraph``, and how many iterations and, after
them, calls of functions the run may make before it kills itself with SIGKILL (``None``: never). Such a
moment depends on what the run does and not on how fast. Prints the process's status as ``os.waitpid`` tells
it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from minigraph import text
from minigraph.cli import main


def kill_after(iterations: int, calls: int) -> None:
    """Kill this process when it has made so many iterations and then so many calls."""
    left = calls

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if not iterations:
        sys.setprofile(count)
        return
    step = text.Trainer.step

    def counted(trainer: text.Trainer) -> text.Step:
        nonlocal iterations
        if not iterations:
            sys.setprofile(count)
        iterations -= 1
        return step(trainer)

    text.Trainer.step = counted  # type: ignore[method-assign]


for line in sys.stdin:
    arguments, moment = json.loads(line)
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        if moment is not None:
            kill_after(*moment)
        main(arguments)
    print(os.waitpid(child, 0)[1], flush=True)
