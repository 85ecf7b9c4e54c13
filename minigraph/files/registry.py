"""The classes that files may name: all of ``nn``, those of ``rnn``, and those that were registered.

Files hold names, never code: a name that is not here cannot be built.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Optional, TypeVar

from minigraph import nn, rnn
from minigraph.errors import ArgumentError
from minigraph.nn.state import State

Class = TypeVar("Class", bound=type)

_registered: dict[str, type[State]] = {}

#: Torch's other names of classes that we have.
_TORCH_NAMES = {
    "OneHot": nn.OneHot,  # char-rnn brought its own before nn had one
    "nngraph.JustElement": nn.JustElement,
    "nngraph.JustTable": nn.JustTable,
}

#: Layers of cudnn that store what those of nn do.
_CUDNN = (
    "LogSoftMax", "ReLU", "Sigmoid", "SoftMax", "SpatialAveragePooling",
    "SpatialBatchNormalization", "SpatialConvolution", "SpatialCrossMapLRN", "SpatialLogSoftMax",
    "SpatialMaxPooling", "SpatialSoftMax", "Tanh", "VolumetricAveragePooling",
    "VolumetricBatchNormalization", "VolumetricConvolution", "VolumetricMaxPooling",
)


def register(cls: Class) -> Class:
    """Let files name a module or criterion of your own; use as a decorator.

    ``mg.save`` writes the attributes of its instances and ``mg.load`` makes them anew without
    calling ``__init__``; ``mg.load_t7`` makes them of the Torch class of the same name
    (``typename()``) with the fields as attributes. Attributes must be what the file can hold:
    numbers, strings, arrays, modules, and lists, tuples and dicts of these. Names that start
    with an underscore are kept too; those listed in ``_buffers`` are not. Raises
    ``ArgumentError`` for anything that is not a module class, and for a name that is taken.
    """
    if not (inspect.isclass(cls) and issubclass(cls, State)):
        raise ArgumentError(f"register takes a class of modules or criterions, got {cls!r}")
    name = cls.typename()
    taken = known_classes().get(name) or _registered.get(name)
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ArgumentError(f"{name!r} is the name of {taken!r} already: give the class another name")
    _registered[name] = cls
    return cls


def is_method(cls: type, name: str) -> bool:
    """Tell whether an attribute of this name would take the place of a method or property.

    A property that can be set is an attribute.
    """
    found = getattr(cls, name, None)
    return callable(found) or isinstance(found, property) and found.fset is None


def name_of(cls: type) -> Optional[str]:
    """Return the name by which files call ``cls``, or ``None`` where they must not."""
    if cls is rnn.Unroll:
        return "rnn.Unroll"
    name: str = cls.typename()  # type: ignore[attr-defined]
    return name if class_named(name) is cls else None


def class_named(name: str) -> Optional[type[State]]:
    """Return the class of this name in a native file."""
    return known_classes().get(name) or _registered.get(name)


def class_of(torch_name: str) -> Optional[type[State]]:
    """Return the class for a Torch class name in a ``.t7`` file."""
    prefix, _, rest = torch_name.partition(".")
    if prefix == "cudnn" and rest in _CUDNN:
        torch_name = f"nn.{rest}"
    return _TORCH_NAMES.get(torch_name) or class_named(torch_name)


@lru_cache
def known_classes() -> dict[str, type[State]]:
    """Return the classes of ``nn`` and ``rnn`` that can be built, by name."""
    abstract = (nn.Module, nn.Container, nn.Criterion)
    found: dict[str, type[State]] = {
        f"nn.{name}": value for name, value in vars(nn).items()
        if inspect.isclass(value) and issubclass(value, State) and value not in abstract
    }
    return {**found, "rnn.Unroll": rnn.Unroll, "Reverse": rnn.Reverse}
