"""Nested tables: lists (or tuples) of tensors, numbers and further tables.

A *leaf* is anything that is not a list or a tuple; ``None`` is a leaf that stands for
"nothing here" (a zero gradient). A *path* is a tuple of 0-based positions from the root.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

import numpy as np

from minigraph.errors import InputError, format_shape

__all__ = [
    "Path", "add_tables", "as_numeric", "check_numeric", "copy_into", "copy_table", "describe",
    "fill_none", "fit_gradient", "format_path", "format_python_path", "has_none", "is_table",
    "leaves", "map_table", "zeros_like",
]


def __dir__() -> list[str]:
    return __all__


Path = tuple[int, ...]


def is_table(value: Any) -> bool:
    """Tell whether ``value`` is a table (a list or a tuple)."""
    return isinstance(value, (list, tuple))


def leaves(table: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield ``(path, leaf)`` of every leaf, depth first, left to right."""
    if is_table(table):
        for position, entry in enumerate(table):
            yield from leaves(entry, (*path, position))
    else:
        yield path, table


def map_table(function: Callable[[Any], Any], table: Any) -> Any:
    """Return the table of ``function(leaf)``, nested like ``table`` (always with lists)."""
    if is_table(table):
        return [map_table(function, entry) for entry in table]
    return function(table)


def format_path(path: Path, root: str = "") -> str:
    """Write a path in Torch's 1-based notation: ``gradOutput[2][1]``."""
    return root + "".join(f"[{position + 1}]" for position in path)


def format_python_path(path: Path, root: str = "") -> str:
    """Write a path in Python's 0-based notation: ``gradOutput[1][0]``."""
    return root + "".join(f"[{position}]" for position in path)


def describe(value: Any) -> str:
    """Say in a few words what a table or leaf is: ``{(2, 3) float64, None}``."""
    if is_table(value):
        return "{" + ", ".join(describe(entry) for entry in value) + "}"
    if isinstance(value, np.ndarray):
        return f"{format_shape(value.shape)} {value.dtype}"
    if value is None:
        return "None"
    return f"{type(value).__name__} {value!r}" if np.isscalar(value) else type(value).__name__


def describe_table(table: Any) -> str:
    """Say what stands where a tensor is meant: a list of numbers is told from a table of tensors."""
    numbers = [isinstance(leaf, (int, float, np.number)) for _, leaf in leaves(table)]
    if numbers and all(numbers):
        return f"a list of numbers, which is a table here: write np.array({map_table(float, table)!r:.60})"
    return f"a table {describe(table)}"


def copy_table(table: Any) -> Any:
    """Return a table of copies; the arrays share no memory with those of ``table``."""
    return map_table(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, table)


def zeros_like(table: Any, buffer: Any = None) -> Any:
    """Return zeros nested like ``table``, reusing the arrays of ``buffer`` that fit."""
    if is_table(table):
        old = _entries(buffer, len(table))
        return [zeros_like(entry, previous) for entry, previous in zip(table, old)]
    if not isinstance(table, np.ndarray):
        return 0.0
    if not _fits(buffer, table):
        return np.zeros_like(table)
    buffer.fill(0)
    return buffer


def add_tables(first: Any, second: Any, buffer: Any = None) -> Any:
    """Return ``first + second``, leaf by leaf, written into ``buffer`` where it fits.

    ``None`` counts as zero: a leaf or subtable that is ``None`` on one side is taken
    (copied) from the other. ``buffer`` may be ``first`` itself to add in place.
    """
    if second is None:
        return first if buffer is first else copy_into(buffer, first)
    if first is None:
        return copy_into(buffer, second)
    if is_table(first):
        old = _entries(buffer, len(first))
        return [add_tables(a, b, c) for a, b, c in zip(first, second, old)]
    if not isinstance(first, np.ndarray) or first.dtype.kind != "f":
        return first + second  # a sum of integers and fractions is of fractions
    out = buffer if _fits(buffer, first) else np.empty_like(first)
    return np.add(first, second, out=out)


def copy_into(buffer: Any, table: Any) -> Any:
    """Return a copy of ``table``, reusing the arrays of ``buffer`` that fit."""
    if is_table(table):
        old = _entries(buffer, len(table))
        return [copy_into(previous, entry) for previous, entry in zip(old, table)]
    if not isinstance(table, np.ndarray):
        return table
    if not _fits(buffer, table):
        return table.copy()
    np.copyto(buffer, table)
    return buffer


def has_none(table: Any) -> bool:
    """Tell whether ``table`` is ``None`` or has a ``None`` entry at any depth."""
    if table is None:
        return True
    return is_table(table) and any(has_none(entry) for entry in table)


def fit_gradient(gradient: Any, output: Any, root: str = "gradOutput", path: Path = ()) -> Any:
    """Return ``gradient`` checked and converted to match ``output``; ``None`` entries stay.

    Raises ``InputError`` naming the path for an entry too many or too few, a table where a
    tensor is meant, a wrong shape, or an array that holds no numbers. Arrays that already
    fit are returned as they are, not copied.
    """
    if gradient is None:
        return None
    if type(output) is np.ndarray:
        if type(gradient) is np.ndarray and gradient.shape == output.shape and gradient.dtype == output.dtype:
            return gradient
        return _fit_tensor(gradient, output, format_path(path, root))
    if not is_table(output):
        return gradient
    if not is_table(gradient) or len(gradient) != len(output):
        where = format_path(path, root)
        got = len(gradient) if is_table(gradient) else describe(gradient)
        counts = f"Got {got} {root}s instead of {len(output)}: " if is_table(gradient) and not path else ""
        raise InputError(
            f"{counts}{where}: expected a table of {len(output)} entries like the output "
            f"{describe(output)}, got {got}{' entries' if is_table(gradient) else ''} "
            "(pass None for a zero gradient)",
            where, len(output), got,
        )
    return [
        fit_gradient(entry, output[position], root, (*path, position))
        for position, entry in enumerate(gradient)
    ]


def check_gradInput(gradInput: Any, input: Any, owner: Callable[[], str], path: Path = ()) -> None:
    """Raise ``InputError`` unless ``gradInput`` has the nesting and the shapes of ``input``.

    ``owner()`` says what returned it. ``None`` anywhere is a zero gradient; what belongs to indices
    and plain numbers is not looked at.
    """
    if is_table(input) and is_table(gradInput) and len(gradInput) == len(input):
        for position, entry in enumerate(input):
            check_gradInput(gradInput[position], entry, owner, (*path, position))
        return
    if gradInput is None or not is_table(input) and (
        not isinstance(input, np.ndarray) or input.dtype.kind != "f"
        or not is_table(gradInput) and np.shape(gradInput) == input.shape
    ):
        return
    where = format_path(path, "gradInput")
    raise InputError(
        f"{owner()} returned {describe(gradInput)} as {where}: it must be nested and shaped like "
        f"{format_path(path, 'input')}, {describe(input)} (None is a zero gradient)",
        where, describe(input), describe(gradInput),
    )


def _fit_tensor(gradient: Any, output: np.ndarray, where: str) -> np.ndarray:
    if is_table(gradient):
        raise InputError(
            f"{where}: expected a tensor of shape {format_shape(output.shape)}, "
            f"got {describe_table(gradient)}",
            where, output.shape, describe(gradient),
        )
    array = as_numeric(gradient, where)
    if array.shape != output.shape and not array.size == output.size == 1:
        raise InputError(
            f"{where}: expected shape {format_shape(output.shape)} like the output, "
            f"got {format_shape(array.shape)}",
            where, output.shape, array.shape,
        )
    dtype = output.dtype if output.dtype.kind == "f" else array.dtype
    return array.astype(dtype, copy=False).reshape(output.shape)


def fill_none(
    gradient: Any, output: Any, zeros: Optional[dict[Path, Any]] = None, path: Path = ()
) -> Any:
    """Return ``gradient`` with zeros like ``output`` for ``None``.

    ``zeros`` keeps the zeros by path for the next call to use again. They are kept apart from
    the gradients, which are the caller's and must not be taken for buffers.
    """
    if gradient is None:
        filled = zeros_like(output, None if zeros is None else zeros.get(path))
        if zeros is not None:
            zeros[path] = filled
        return filled
    if not is_table(gradient):
        return gradient
    return [
        fill_none(entry, output[position], zeros, (*path, position))
        for position, entry in enumerate(gradient)
    ]


def check_numeric(table: Any, root: str = "input", path: Path = ()) -> None:
    """Raise ``InputError`` naming the path unless every leaf is a number or an array of numbers."""
    if type(table) is np.ndarray and table.dtype.kind in "fiub":
        return
    if is_table(table):
        for position, entry in enumerate(table):
            check_numeric(entry, root, (*path, position))
        return
    where = format_path(path, root)
    if table is None:
        raise InputError(f"{where} is None: expected a tensor", where, "tensor", None)
    as_numeric(table, where)


def as_numeric(value: Any, where: str) -> np.ndarray:
    """Return ``value`` as a real numeric array; raise ``InputError`` for anything else."""
    refuse_mask(value, where)
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise InputError(
            f"{where} is no tensor: its rows differ in length, {describe(value)}",
            where, "tensor", describe(value),
        ) from None
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{where} must hold real numbers, got an array of dtype {array.dtype}",
            where, "real numbers", str(array.dtype),
        )
    return array


def refuse_mask(value: Any, where: str) -> None:
    """Raise ``InputError`` for a masked array: what computes with it would lose its mask."""
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(
            f"{where} is a masked array, whose mask would be lost: fill it, {where}.filled(value), "
            "or pass the mask as an input of its own",
            where, "an array without a mask", describe(value),
        )


def _fits(buffer: Any, like: np.ndarray) -> bool:
    return (
        isinstance(buffer, np.ndarray) and buffer.shape == like.shape and buffer.dtype == like.dtype
        and buffer.flags.writeable
    )


def _entries(buffer: Any, count: int) -> list[Any]:
    return buffer if isinstance(buffer, list) and len(buffer) == count else [None] * count
