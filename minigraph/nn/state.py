"""State: what modules and criterions share: arrays, their type, copies, checks of input."""

from __future__ import annotations

import copy
from typing import Any, Callable, Iterable, Optional, Sequence, TypeVar, Union

import numpy as np

from minigraph.errors import InputError, StateError, format_shape
from minigraph.memory import Region, Relocation
from minigraph.memory.flat import Placed, retire
from minigraph.nesting import retold
from minigraph.nn import sharing
from minigraph.tables import as_numeric, describe, describe_table, format_path, is_table
from minigraph.tensors import TENSOR_TYPES, check_module_type, getdefaulttensortype

Self = TypeVar("Self", bound="State")


class State:
    """An object that holds arrays, has a tensor type and remembers how it was constructed."""

    __slots__ = ("_thread", "_turn", "__dict__", "__weakref__")

    #: Attributes besides ``output`` and ``gradInput`` that hold intermediate results.
    _buffers: tuple[str, ...] = ()
    #: How many others this was put into; more than one may turn out to be parts of one (see ``distinct``).
    _holders: int = 0
    #: The NumPy dtype that is computed in.
    dtype: np.dtype
    _type: str
    _thread: int
    _turn: Any
    #: The version of Torch7's class of this name, which its files tell; subclasses start at 1 again.
    _torchVersion: int = 1
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
        made._thread, made._turn = 0, None
        sharing.born(made)
        return made

    def type(self: Self, name: Optional[str] = None) -> Union[str, Self]:
        """Return the tensor type's name, or convert every float array to ``name``.

        Arrays that share memory still do afterwards: other networks that use some of them, such
        as clones, are converted too. A flat array that ``getParameters`` returned before is no
        longer the parameters' and becomes read-only: call it again. Raises ``StateError`` where
        ``DontCast`` keeps one that shares them from being converted.
        """
        if name is None:
            return self._type
        check_module_type(name)
        dtype = TENSOR_TYPES[name]
        owners = self._owners(casting=True)
        if any(module._type != name for module in owners):
            owners, region = self._convertedWith(owners)
            retire(region)
            replace_arrays(owners, Relocation(lambda a: a.astype(dtype), lambda a: a.dtype.kind == "f"))
            for module in owners:
                module._setType(name)
        return self

    def _convertedWith(self, owners: Sequence["State"]) -> tuple[list["State"], Region]:
        """Return everything that shares arrays with ``owners``, these included, and where they lie."""
        found = {id(owner): owner for owner in owners}
        for clone in [clone for owner in owners for clone in sharing.clones_of(owner)]:
            found.update((id(owner), owner) for owner in clone._owners(casting=True))
        while True:
            region = Region([array for owner in found.values() for array in sharing.lasting(owner)])
            strangers = {id(other): other for other in sharing.sharers(region) if id(other) not in found}
            if not strangers:
                return list(found.values()), region
            networks = sharing.living()
            kept = {
                id(part) for network in networks if not network._castsBelow
                for part in network._owners() if part is not network
            }
            for network in networks:
                parts = {id(part): part for part in network._owners(casting=True)}
                if id(network) not in kept and parts.keys() & strangers.keys():
                    found.update(parts)
            for key, other in strangers.items():
                if key not in found:
                    raise StateError(
                        f"{self.headline()} shares arrays with {other.headline()}, which nn.DontCast keeps "
                        f"in {other.dtype}: they can have but one type"
                    )

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

    def clearState(self: Self) -> Self:
        """Forget outputs, gradients of inputs and other intermediate buffers; return the module."""
        for name in ("output", "gradInput", *self._buffers):
            setattr(self, name, None)
        self._thread = 0
        return self

    def twin(self: Self) -> Self:
        """Return a module with the same parameters and state but output buffers of its own.

        This is what a network uses when one module is put into it twice.
        """
        copied = self._copy(lambda array: True)
        copied.clearState()
        return copied

    def _distinct(self: Self, known: set[int]) -> Self:
        """Return this, or its twin if it is one of ``known``, to which it is added with what it holds."""
        if id(self) in known:
            return self.twin()
        known.add(id(self))
        return self

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

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: attributes, parts of a larger array as such."""
        passing = ("output", "gradInput", *self._buffers)
        return {
            name: value if name[0] == "_" or name in passing else _placed(value)
            for name, value in vars(self).items()
        }

    def __copy__(self) -> Any:
        made = type(self).__new__(type(self))
        vars(made).update(vars(self))
        return made

    def _leave(self) -> None:
        """Let go of the buffers of the thread that ran this before; it may still read them."""
        self.clearState()

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
        replace_arrays(self._owners(), function)

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
                    f"{self!r} expects a tensor as {what}, got {describe_table(input)}",
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



def distinct(parts: Iterable[Self]) -> list[Self]:
    """Return what goes into one network, with a twin of everything that is in it already, however deep.

    Two uses of one module would overwrite each other's outputs and gradients.
    """
    known: set[int] = set()
    return [part._distinct(known) for part in parts]


def held(parts: Sequence[Self], new: Self) -> Self:
    """Return ``new``, or a twin of it, to be put beside ``parts``; see ``distinct``."""
    if any(owner._holders > (owner is not new) for owner in new._owners()):
        new = distinct([*parts, new])[-1]
    new._holders += 1
    return new


def _placed(value: Any) -> Any:
    """Return an attribute with its arrays as ``Placed`` ones where they are parts of others."""
    if isinstance(value, np.ndarray):
        return Placed.of(value)
    if type(value) in (list, tuple) and any(isinstance(entry, np.ndarray) for entry in value):
        return type(value)(map(_placed, value))
    return value


def _collect(value: Any, found: dict[int, State], casting: bool) -> None:
    """Gather modules reachable from a module's attributes through lists and dicts, parents first."""
    left = [value]
    while left:
        value = left.pop()
        entries: Any = value
        if isinstance(value, State):
            if id(value) in found:
                continue
            found[id(value)] = value
            if casting and not value._castsBelow:
                continue
            entries = [held for name, held in vars(value).items() if name != "_arguments"]
        elif isinstance(value, dict):
            entries = list(value.values())
        left.extend(entry for entry in reversed(entries) if isinstance(entry, _HOLDERS))


_HOLDERS = (State, list, tuple, dict)


def made_with(module: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that a module was made with, those by position and those by name."""
    given: tuple[tuple[Any, ...], dict[str, Any]] = getattr(module, "_arguments", ((), {}))
    return given


def replace_arrays(owners: Iterable[State], function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace every array among the attributes of these modules by ``function(array)``."""
    for owner in owners:
        for name, value in vars(owner).items():
            if name != "_arguments":
                vars(owner)[name] = _map_arrays(function, value)


def _map_arrays(function: Callable[[np.ndarray], np.ndarray], value: Any) -> Any:
    """Apply ``function`` to the arrays in an attribute.

    A container in which something changes is replaced: it may be a table that the caller has handed in.
    """
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, list) or type(value) is tuple:
        made = [_map_arrays(function, entry) for entry in value]
        if all(new is old for new, old in zip(made, value)):
            return value
        return made if isinstance(value, list) else tuple(made)
    if isinstance(value, dict):
        entries = {key: _map_arrays(function, entry) for key, entry in value.items()}
        return value if all(entries[key] is old for key, old in value.items()) else entries
    return value
