"""State: what modules and criterions share: arrays, their type, copies, checks of input."""

from __future__ import annotations

import copy
from typing import Any, Callable, Optional, Sequence, TypeVar, Union

import numpy as np

from minigraph.errors import InputError, format_shape
from minigraph.memory import Relocation
from minigraph.nesting import retold
from minigraph.tables import as_numeric, describe, format_path, is_table
from minigraph.tensors import TENSOR_TYPES, check_module_type, getdefaulttensortype

Self = TypeVar("Self", bound="State")


class State:
    """An object that holds arrays, has a tensor type and remembers how it was constructed."""

    #: The NumPy dtype that is computed in.
    dtype: np.dtype
    _type: str
    #: Whether ``type()`` reaches the modules that this one holds.
    _castsBelow: bool = True
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    output: Any
    gradInput: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> "State":
        made = super().__new__(cls)
        made._arguments = (args, kwargs)
        made._setType(getdefaulttensortype())
        made.output = None
        made.gradInput = None
        return made

    def type(self: Self, name: Optional[str] = None) -> Union[str, Self]:
        """Return the tensor type's name, or convert every float array to ``name``.

        Arrays that share memory still do afterwards. A flat array that ``getParameters``
        returned before is no longer the parameters': call it again.
        """
        if name is None:
            return self._type
        check_module_type(name)
        dtype = TENSOR_TYPES[name]
        owners = self._owners(casting=True)
        if any(module._type != name for module in owners):
            _replace(owners, Relocation(lambda a: a.astype(dtype), lambda a: a.dtype.kind == "f"))
            for module in owners:
                module._setType(name)
        return self

    def _setType(self, name: str) -> None:
        self._type = name
        self.dtype = TENSOR_TYPES[name]

    def float(self: Self) -> Self:
        """Convert to float32; return the module."""
        self.type("torch.FloatTensor")
        return self

    def double(self: Self) -> Self:
        """Convert to float64; return the module."""
        self.type("torch.DoubleTensor")
        return self

    def clone(self: Self, *names: str) -> Self:
        """Return a deep copy that shares the arrays under these attribute names.

        ``clone('weight', 'bias', 'gradWeight', 'gradBias')`` shares parameters and gradients.
        """
        kept: dict[int, np.ndarray] = {}
        for module in self._owners():
            for name in names:
                value = getattr(module, name, None)
                if isinstance(value, np.ndarray):
                    kept[id(value)] = value
        return self._copy(lambda array: id(array) in kept)

    @retold
    def _copy(self: Self, keep: Callable[[np.ndarray], bool]) -> Self:
        """Deep copy; arrays that ``keep`` accepts are shared, views of one buffer stay views."""
        relocate = Relocation(np.copy)
        memo: dict[int, Any] = {}

        def note(array: np.ndarray) -> np.ndarray:
            memo[id(array)] = array if keep(array) else relocate(array)
            return array

        self._replaceArrays(note)
        return copy.deepcopy(self, memo)

    def _described(self) -> Any:
        """Return what is written to files and shown: this, or what it only runs in another way."""
        return self

    @retold
    def _owners(self, casting: bool = False) -> list["State"]:
        """Return every module reachable through attributes, this one first.

        With ``casting``, only those that follow a change of tensor type.
        """
        found: dict[int, State] = {}
        _collect(self, found, casting)
        return list(found.values())

    def _replaceArrays(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replace every array held by this module and those below by ``function(array)``."""
        _replace(self._owners(), function)

    @classmethod
    def typename(cls) -> str:
        """Return Torch's name of the type: ``'nn.Linear'``; a class of your own keeps its name."""
        return f"nn.{cls.__name__}" if cls.__module__.startswith("minigraph.nn") else cls.__name__

    def headline(self) -> str:
        """Return the first line of what is printed, which tells in messages which module is meant."""
        return repr(self).split("\n")[0]

    def __repr__(self) -> str:
        """Return what Torch prints: the type name, and the sizes where they matter."""
        return self.typename()

    def _tensor(
        self, input: Any, *ranks: int, what: str = "input", cast: bool = True
    ) -> np.ndarray:
        """Return ``input`` as an array of one of these ranks (if any), in this module's dtype.

        Without ``cast`` an array of numbers keeps its own dtype.
        """
        if type(input) is not np.ndarray:
            if is_table(input):
                raise InputError(
                    f"{self!r} expects a tensor as {what}, got a table {describe(input)}",
                    what, "tensor", describe(input),
                )
            if input is None:
                raise InputError(f"{self!r} expects a tensor as {what}, got None", what, "tensor", None)
        array = input
        if type(array) is not np.ndarray or array.dtype != self.dtype:
            array = as_numeric(input, what)
            if cast:
                array = array.astype(self.dtype)
        if ranks and array.ndim not in ranks:
            raise InputError(
                f"{self!r} expects {what} of {' or '.join(map(str, ranks))} dimension(s), "
                f"got shape {format_shape(array.shape)}",
                what, ranks, array.shape,
            )
        return array

    def _tensors(self, input: Any, what: str = "input") -> list[np.ndarray]:
        """Return the entries of a table of tensors, each of this module's dtype."""
        dtype = self.dtype
        return [
            entry
            if type(entry) is np.ndarray and entry.dtype is dtype
            else self._tensor(entry, what=format_path((i,), what))
            for i, entry in enumerate(self._table(input, what))
        ]

    def _table(self, input: Any, what: str = "input", length: Optional[int] = None) -> Sequence[Any]:
        """Return ``input`` if it is a table (of ``length`` entries, if given)."""
        if not is_table(input):
            raise InputError(
                f"{self!r} expects a table as {what}, got {describe(input)}",
                what, "table", describe(input),
            )
        if length is not None and len(input) != length:
            raise InputError(
                f"{self!r} expects a table of {length} entries as {what}, "
                f"got {len(input)}: {describe(input)}",
                what, length, len(input),
            )
        return input



def _collect(value: Any, found: dict[int, State], casting: bool) -> None:
    """Gather modules reachable from a module's attributes through lists and dicts."""
    if isinstance(value, State):
        if id(value) not in found:
            found[id(value)] = value
            if value._castsBelow or not casting:
                below = [held for name, held in vars(value).items() if name != "_arguments"]
                _collect(below, found, casting)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            if isinstance(entry, _HOLDERS):  # most hold nothing: no call for those
                _collect(entry, found, casting)
    elif isinstance(value, dict):
        _collect(list(value.values()), found, casting)


_HOLDERS = (State, list, tuple, dict)


def _replace(owners: Sequence[State], function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace every array among the attributes of these modules by ``function(array)``."""
    for owner in owners:
        for name, value in vars(owner).items():
            if name != "_arguments":
                vars(owner)[name] = _map_arrays(function, value)


def _map_arrays(function: Callable[[np.ndarray], np.ndarray], value: Any) -> Any:
    """Apply ``function`` to the arrays in an attribute; containers are changed in place."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, list):
        value[:] = [_map_arrays(function, entry) for entry in value]
    elif isinstance(value, dict):
        for key, entry in value.items():
            value[key] = _map_arrays(function, entry)
    elif type(value) is tuple:
        return tuple(_map_arrays(function, entry) for entry in value)
    return value
