"""Train in a process of its own, again and again: import once, fork for every run.

Reads the arguments of ``minigraph`` as JSON, a line for each run, and prints the process's id, then,
when it has ended, its status as ``os.waitpid`` tells it.
"""

from __future__ import annotations

import json
import os
import sys

from minigraph.cli import main

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        main(json.loads(line))
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
