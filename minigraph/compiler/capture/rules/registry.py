"""Which modules the compiler knows, and how each is written with primitives."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Protocol, TypeVar

from minigraph.compiler.program.ir import Value
from minigraph.nn.module import Module


class NotLowered(Exception):
    """Raised by a rule for a case that it leaves to the module itself."""


class Writer(Protocol):
    """What a rule writes with: a ``Builder`` (all of its methods) that can also write whole modules."""

    dtype: Any
    #: Whether nothing will go backwards: the network is written as it is now, in evaluation, in one type.
    forward_only: bool

    def lower(self, module: Module, input: Any) -> Any:
        """Write ``module`` on ``input`` (values, nested as tables) and return its output, likewise."""

    def __getattr__(self, name: str) -> Any: ...


#: (writer, module, input) -> output; inputs and outputs are values, nested as the module's tables.
Rule = Callable[[Any, Any, Any], Any]
AnyRule = TypeVar("AnyRule", bound=Rule)

#: By class; a subclass that computes something else is not in it (see ``inherited``).
RULES: dict[type, Rule] = {}


def lowers(*classes: type) -> Callable[[AnyRule], AnyRule]:
    """Enter the decorated function as the rule for these classes of modules.

    A rule describes the forward pass only; gradients follow from the primitives. What it reads of
    the module besides parameters (``p`` of a dropout) is read once: a network whose settings change
    is compiled anew.
    """

    def enter(rule: AnyRule) -> AnyRule:
        for each in classes:
            assert each not in RULES, f"{each.__name__} is lowered twice"
            RULES[each] = rule
        return rule

    return enter


Entry = TypeVar("Entry")


def inherited(table: Mapping[type, Entry], cls: type) -> Optional[Entry]:
    """Return the entry of a class, or of the nearest base that it leaves as it is.

    It does so if it defines nothing anew of how the base runs: none of ``_RUNNING``, and no method that
    the base keeps to itself.
    """
    base = next((each for each in cls.__mro__ if each in table), None)
    if base is None:
        return None
    for each in cls.__mro__[: cls.__mro__.index(base)]:
        for name, defined in vars(each).items():
            own = name[0] == "_" and name[:2] != "__" and (callable(defined) or isinstance(defined, property))
            if name in _RUNNING or own and hasattr(base, name):
                return None
    return table[base]


#: What a module or criterion does when it runs, and with what.
_RUNNING = frozenset({
    "updateOutput", "updateGradInput", "accGradParameters", "forward", "backward", "parameters",
})


def is_value(entry: Any) -> bool:
    """Tell a tensor from a table."""
    return isinstance(entry, Value)


def need(condition: bool) -> None:
    """Leave the case to the module unless ``condition`` holds."""
    if not condition:
        raise NotLowered
