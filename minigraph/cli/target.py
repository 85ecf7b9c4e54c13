"""FILE.py:NAME: run a user's file and take a network out of it."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Iterator, NamedTuple, Union

from minigraph import nn
from minigraph.cli.failures import Failure, describe
from minigraph.graph import Node

Kind = Union[type, tuple[type, ...]]


class Target(NamedTuple):
    """A network, the input that came with it (``None`` if there was none) and its name."""

    net: Any
    input: Any
    name: str


def load(reference: str, kind: Kind = nn.gModule) -> Target:
    """Return what ``FILE.py:NAME`` stands for; raise ``Failure`` for anything wrong with it.

    NAME is a network, the pair of a network and an input for it, or a function without
    arguments that returns either. ``kind`` is what counts as a network: a class, or several.
    """
    path, _, name = reference.rpartition(":")
    if not path or not name.isidentifier():
        raise Failure(f"{reference}: write FILE.py:NAME{_offer(Path(reference))}")
    module = run_file(Path(path))
    if not hasattr(module, name):
        raise Failure(f"{path} has no {name!r}{_names(module)}")
    value = getattr(module, name)
    if inspect.isfunction(value):
        value = _call(value, Path(path), name)
    net, input = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if not isinstance(net, kind):
        raise Failure(f"{path}:{name} is {_what(net)}, {_expectation(net, kind)}")
    return Target(net, input, name)


def run_file(path: Path) -> ModuleType:
    """Import a file as a module; what it prints goes to stderr. Raises ``Failure``."""
    if not path.is_file():
        raise Failure(f"{path}: {'that is a folder' if path.is_dir() else 'no such file'}")
    name = f"minigraph_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Failure(f"{path}: the name of a Python file ends in .py")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # the file may import its neighbours, as when it is run
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    _attempt(lambda: spec.loader.exec_module(module), path, "cannot be run")  # type: ignore[union-attr]
    return module


def _call(function: Callable[..., Any], path: Path, name: str) -> Any:
    if not _needs_nothing(function):
        raise Failure(
            f"{path}: {name}{inspect.signature(function)} needs arguments, "
            "name a function that can be called without any"
        )
    return _attempt(function, path, f"{name}() failed")


def _attempt(function: Callable[[], Any], path: Path, what: str) -> Any:
    """Call code of the user's; any exception becomes a Failure that names the line in ``path``."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return function()
    except (Exception, SystemExit) as error:
        place = path.resolve()
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).resolve() == place
        ]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        raise Failure(f"{where}: {what}: {describe(error)}", error) from error


def _needs_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True


def _candidates(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__
        if isinstance(value, nn.gModule) or (own and name != "main" and _needs_nothing(value)):
            yield name


def _names(module: ModuleType) -> str:
    found = ", ".join(_candidates(module))
    return f"; it has {found}" if found else ""


def _offer(path: Path) -> str:
    return _names(run_file(path)) if path.is_file() and path.suffix == ".py" else ""


def _what(value: Any) -> str:
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    return "None" if value is None else f"of type {type(value).__name__}"


def _expectation(value: Any, kind: Kind) -> str:
    """Say what NAME should have been instead."""
    if isinstance(value, Node):
        return "a node of a graph: make a network of it, nn.gModule([inputs], [outputs])"
    wanted = "module" if kind is nn.Module else "gModule"
    if isinstance(value, nn.Module):
        return "not a gModule: only a graph has nodes to show"
    return (
        f"expected a {wanted}, a pair of a {wanted} and its input, "
        "or a function without arguments that returns one of these"
    )
