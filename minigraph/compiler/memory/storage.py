"""Storage: where every value of a schedule lives.

The decisions do not depend on the number of time steps; ``Frame`` turns them into arrays for one
number of them (``None`` for a network without time).

A value that somebody outside its loop reads is *stacked*: it has an array ``(T, ...)``. Others of
a loop have the memory of one time step, used again at each. A value that is fed back shares memory
with the value that it becomes: the array has one time step more, and the two are windows on it,
shifted by one. Views are windows on their operand, and parts of a concatenation are computed where
they belong, if nothing else claims them.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Callable, Iterable, Optional, Sequence

import numpy as np

from minigraph.compiler.memory.lifetimes import Tenant, offsets
from minigraph.compiler.passes.fission import Segment
from minigraph.compiler.program.ir import Constant, Given, Joined, Op, Parameter, Program, Value
from minigraph.compiler.program.primitives import kind_of, lead, window
from minigraph.memory import address


def is_view(op: Op) -> bool:
    """Tell whether the result of ``op`` is a window on its operand."""
    return kind_of(op).view


class Storage:
    """The decisions for one program; see the module.

    ``saved`` are its values that another program reads.
    """

    def __init__(self, program: Program, segments: Sequence[Segment], saved: Iterable[Value]) -> None:
        self.program = program
        self.segments = list(segments)
        self._home = {value: seg for seg in segments for op in seg.ops for value in op.outputs}
        self._ops = [op for segment in segments for op in segment.ops]
        self._producer = {value: op for op in self._ops for value in op.outputs}
        self._readers: dict[Value, list[Op]] = {}
        for op in self._ops:
            for value in op.inputs:
                self._readers.setdefault(value, []).append(op)
        self._position = {op: k for k, op in enumerate(self._ops)}
        self._segment_of = {op: seg for seg in segments for op in seg.ops}
        outside = set(saved) | set(program.results)
        self.stacked = self._find_stacked(outside)
        self._follow_views()
        #: Values fed back through the memory of one time step, by the value they become.
        self.in_place: dict[Value, Value] = {}
        #: Values fed back through an array of ``T + 1`` steps, by the value they become.
        self.shifted: dict[Value, Value] = {}
        for source, targets in program.feedback.items():
            (target,) = targets
            (self.in_place if self._fits_in_place(source, target) else self.shifted)[target] = source
        for target, source in self.shifted.items():
            self.stacked.update((target, source))
        self.placed = self._find_placed()
        self._follow_views()
        self.based = self._find_based(outside)
        self._follow_views()
        self.lifetimes = self._find_lifetimes(outside)

    def _find_stacked(self, outside: set[Value]) -> set[Value]:
        """Return the values that need an array of all time steps."""
        stacked = {
            value for value, home in self._home.items()
            if not home.loop or value in outside
            or any(self._segment_of[op] is not home for op in self._readers.get(value, []))
        }
        fed = {target for targets in self.program.feedback.values() for target in targets}
        stacked.update(value for value in self.program.leaves() if value.varies)
        for target in fed - outside:
            homes = {self._segment_of[op] for op in self._readers.get(target, [])}
            if len(homes) <= 1 and all(home.loop for home in homes):
                stacked.discard(target)
        for op in reversed(self._ops):
            if is_view(op) and op.output in stacked and op.inputs[0].varies:
                stacked.add(op.inputs[0])
        return stacked

    def _follow_views(self) -> None:
        """A view is stacked where its operand is."""
        for op in self._ops:
            if is_view(op):
                change = self.stacked.add if op.inputs[0] in self.stacked else self.stacked.discard
                change(op.output)

    def _fits_in_place(self, source: Value, target: Value) -> bool:
        """Whether ``source`` may be written where ``target`` is: nobody reads that afterwards."""
        if {source, target} & self.stacked:
            return False
        writer = self._producer[source]
        for reader in self._reading(target):
            if reader is writer and writer.primitive == "fused":
                body, values = writer.attributes["body"], writer.attributes["values"]
                number = writer.inputs.index(target) if target in writer.inputs else -1
                last = max((k for k, (_, used) in enumerate(body) if number in used), default=-1)
                if number < 0 or last > values.index(source):
                    return False
            elif self._position[reader] >= self._position[writer]:
                return False
        return True

    def _reading(self, value: Value) -> list[Op]:
        """Return what reads ``value``, through views too."""
        readers: list[Op] = []
        ahead = [value]
        while ahead:
            for op in self._readers.get(ahead.pop(), []):
                if is_view(op):
                    ahead.append(op.output)
                else:
                    readers.append(op)
        return readers

    def _find_placed(self) -> dict[Value, tuple[Op, int]]:
        """Return the values that are computed inside the result of a concatenation, and where."""
        fed = set(self.program.feedback) | {t for each in self.program.feedback.values() for t in each}
        placed: dict[Value, tuple[Op, int]] = {}
        for op in self._ops:
            if op.primitive != "concat":
                continue
            for number, part in enumerate(op.inputs):
                whole = part
                while whole in self._producer and is_view(self._producer[whole]):
                    if self._producer[whole].primitive != "reshape":
                        break
                    whole = self._producer[whole].inputs[0]
                producer = self._producer.get(whole)
                if (
                    producer is not None and not is_view(producer) and whole not in placed
                    and whole not in fed and producer.primitive in ("fused", "product")
                    and self._segment_of[producer] is self._segment_of[op]
                    and (whole not in self.stacked or op.output in self.stacked)
                    and part.dtype == op.output.dtype
                    and op.inputs.count(part) == 1 and not self._claimed(whole, op)
                ):
                    placed[whole] = (op, number)
                    if op.output in self.stacked:
                        self.stacked.add(whole)
        return placed

    def _claimed(self, value: Value, op: Op) -> bool:
        """Whether ``value`` reaches the concatenation ``op`` in two ways."""
        return sum(reader is op for reader in self._reading(value)) > 1

    def _find_based(self, outside: set[Value]) -> dict[Value, Value]:
        """Return the products that are computed where what they start from lies.

        That is allowed where nobody else reads what they start from.
        """
        based: dict[Value, Value] = {}
        fed = set(self.program.feedback) | {t for each in self.program.feedback.values() for t in each}
        for op in self._ops:
            if op.primitive != "product" or len(op.inputs) != 3:
                continue
            base = op.inputs[2]
            made = self._producer.get(base)
            if (
                made is not None and not is_view(made) and made.primitive in ("fused", "product")
                and base not in outside and base not in fed and op.output not in fed
                and len(self._readers[base]) == 1 and base not in self.placed
                and op.output not in self.placed and base in self.stacked and op.output.shape == base.shape
                and base.dtype == op.output.dtype
            ):
                based[op.output] = base
                self.stacked.add(op.output)
        return based


    def _find_lifetimes(self, outside: set[Value]) -> dict[Value, tuple[int, int]]:
        """Return the first and last segment of every value that needs its memory only so long.

        Values that have no memory of their own count for the one whose memory it is. What is read
        from outside, fed back, or filled in once for all runs keeps its memory.
        """
        lives: dict[Value, tuple[int, int]] = {}
        owner = {base: product for product, base in self.based.items()}
        owner.update((value, concat.output) for value, (concat, _) in self.placed.items())
        owner.update((op.output, op.inputs[0]) for op in self._ops if is_view(op))

        def home(value: Value) -> Value:
            while value in owner:
                value = owner[value]
            return value

        kept = {home(value) for value in outside}
        for source, targets in self.program.feedback.items():
            kept.update(map(home, (source, *targets)))
        for number, segment in enumerate(self.segments):
            for op in segment.ops:
                if op.primitive == "concat" and any(isinstance(part, Constant) for part in op.inputs):
                    kept.add(home(op.output))
                if kind_of(op).call or kind_of(op).draws:
                    kept.update(map(home, (*op.inputs, *op.outputs)))  # a module may keep what it got
                for value in (*op.inputs, *op.outputs):
                    first, last = lives.get(home(value), (number, number))
                    lives[home(value)] = (min(first, number), max(last, number))
        computed = {home(value) for value in self._producer}
        return {value: life for value, life in lives.items() if value in computed and value not in kept}


class Frame:
    """The arrays of one or more programs for one number of time steps ``T`` (``None``: no time)."""

    def __init__(self, T: Optional[int]) -> None:
        self.T = T
        self.arrays: dict[Value, np.ndarray] = {}
        self.stacked: set[Value] = set()
        self.bytes = 0
        #: Concatenations of which some parts have to be copied still: the numbers of these parts.
        self.copied: dict[Op, list[int]] = {}
        #: Views that NumPy cannot make without a copy.
        self.unviewed: set[Op] = set()
        self._scratch: dict[Any, np.ndarray] = {}
        self._block = aligned((0,), np.uint8)
        self._shared: dict[Value, np.ndarray] = {}

    def at(self, value: Value, t: Optional[int]) -> np.ndarray:
        """Return the array of ``value`` at the time step ``t``, of all for ``None``."""
        array = self.arrays[value]
        return array if t is None or value not in self.stacked else array[t, ...]

    def add(self, storage: Storage) -> None:
        """Make arrays for all values of a program that have none yet."""
        self.storage = storage
        if self.T is not None:
            self.stacked |= storage.stacked
        for target, source in storage.shifted.items():
            self._shifted(storage.program, source, target)
        for target, source in storage.in_place.items():
            self.arrays[target] = self.arrays[source] = self._new(source.shape, source.dtype)
        for value in storage.program.leaves():
            if value not in self.arrays:
                self.arrays[value] = self._leaf(value)
        self._share(storage)
        for op in reversed(storage._ops):
            # A concatenation is met before what is computed in it, a product before its base.
            if not is_view(op):
                for value in op.outputs:
                    self._place(storage, op, value)
        for op in storage._ops:
            if is_view(op):
                self._view(op)
            elif op.primitive == "concat":
                self._finish_concat(storage, op)

    def _new(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        array = aligned(tuple(shape), dtype)
        self.bytes += array.nbytes
        return array

    def scratch(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the scratch array known by ``key``, made the first time."""
        if key not in self._scratch:
            self._scratch[key] = make()
            self.bytes += self._scratch[key].nbytes
        return self._scratch[key]

    def reserve(self, storages: Iterable[Storage]) -> None:
        """Make one block of memory for the values of limited life of all these programs.

        They run one after the other, and none reads what another left there.
        """
        self._enlarge(max(self._tenancy(storage)[1] for storage in storages))

    def _enlarge(self, size: int) -> None:
        if size > self._block.nbytes:
            self.bytes += size  # a smaller block stays: the programs added before use it
            self._block = aligned((size,), np.uint8)

    def _tenancy(self, storage: Storage) -> tuple[dict[Value, int], int]:
        """Return where in the block each value of limited life lies, and how large that must be."""
        values = [value for value in storage.lifetimes if value not in self.arrays]
        places, total = offsets([
            Tenant(self._size(storage, value), *storage.lifetimes[value]) for value in values
        ])
        return dict(zip(values, places)), total

    def _size(self, storage: Storage, value: Value) -> int:
        steps = self.T if self.T is not None and value in storage.stacked else 1
        return steps * value.size * value.dtype.itemsize

    def _share(self, storage: Storage) -> None:
        """Give the values of limited life their places in the block."""
        places, total = self._tenancy(storage)
        self._enlarge(total)
        for value, place in places.items():
            memory = self._block[place : place + self._size(storage, value)]
            self._shared[value] = memory.view(value.dtype).reshape(self._shape(value))

    def _shape(self, value: Value) -> tuple[int, ...]:
        steps = (self.T,) if value in self.stacked and self.T is not None else ()
        return (*steps, *value.shape)

    def _room(self, value: Value) -> np.ndarray:
        if value in self._shared:
            return self._shared[value]
        return self._new(self._shape(value), value.dtype)

    def _shifted(self, program: Program, source: Value, target: Value) -> None:
        assert self.T is not None
        if target in self.arrays:
            return
        both = self._new((self.T + 1, *source.shape), source.dtype)
        early, late = both[:-1], both[1:]
        self.arrays[source], self.arrays[target] = (early, late) if program.backwards else (late, early)

    def _leaf(self, value: Value) -> np.ndarray:
        if isinstance(value, Parameter):
            return value.array
        if isinstance(value, Constant):
            return value.array
        if isinstance(value, Joined):
            return self._new(value.shape, value.dtype)
        assert isinstance(value, Given), f"nothing computes {value}"
        return self._room(value)

    def _place(self, storage: Storage, op: Op, value: Value) -> None:
        if value not in self.arrays:
            place = self._part(storage, value) if value in storage.placed else None
            self.arrays[value] = self._room(value) if place is None else place
        if value in storage.based:
            self.arrays[storage.based[value]] = self.arrays[value]

    def _part(self, storage: Storage, value: Value) -> Optional[np.ndarray]:
        """Return the window on a concatenation that ``value`` is computed in."""
        concat, number = storage.placed[value]
        place = concat_windows(concat, self.arrays[concat.output])[number]
        return reshaped(place, lead(place, concat.output.ndim) + value.shape)

    def _view(self, op: Op) -> None:
        source = self.arrays[op.inputs[0]]
        if op.primitive == "reshape":
            steps = lead(source, op.attributes["rank"])
            made = reshaped(source, steps + op.attributes["shape"])
        else:
            made = kind_of(op).evaluate([source], None, op.attributes)
        if made is None:
            self.unviewed.add(op)
            made = self._room(op.output)
        self.arrays[op.output] = made

    def _finish_concat(self, storage: Storage, op: Op) -> None:
        """Fill in what never changes, and note what has to be copied at each run."""
        self.copied[op] = []
        for number, (part, place) in enumerate(zip(op.inputs, concat_windows(op, self.arrays[op.output]))):
            if isinstance(part, Constant):
                place[...] = self.arrays[part]
            elif not _same_memory(place, self.arrays[part]):
                self.copied[op].append(number)


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return zeros that begin at a cache line, so that vectors do not straddle two."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def concat_windows(op: Op, whole: np.ndarray) -> list[np.ndarray]:
    """Return where each operand of a concatenation lies in its result ``whole``."""
    axis = op.attributes["axis"]
    ends = list(accumulate(part.shape[axis] for part in op.inputs))
    return [window(whole, axis, start, stop) for start, stop in zip([0, *ends], ends)]


def reshaped(array: np.ndarray, shape: tuple[int, ...]) -> Optional[np.ndarray]:
    """Return a view of another shape, ``None`` where that would need a copy."""
    try:
        return array.reshape(shape, copy=False)
    except ValueError:
        return None
    except TypeError:  # NumPy before 2.1 has no such argument
        made = array.reshape(shape)
        return made if np.shares_memory(made, array) or made.size == 0 else None


def _same_memory(first: np.ndarray, second: np.ndarray) -> bool:
    return address(first) == address(second) and first.size == second.size
