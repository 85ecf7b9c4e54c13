"""Nested tables: paths, sums, gradients that must fit; and arrays that share memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigraph import tables
from minigraph.errors import ArgumentError, InputError
from minigraph.memory import Relocation, root
from minigraph.memory.flat import Flat

arrays = st.integers(0, 3).map(lambda n: np.arange(float(n)))
nested = st.recursive(arrays, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8)


@given(nested)
def test_leaves_and_map_agree(table: Any) -> None:
    doubled = tables.map_table(lambda leaf: 2 * leaf, table)
    for (path, leaf), (other_path, other) in zip(tables.leaves(table), tables.leaves(doubled)):
        assert path == other_path
        np.testing.assert_array_equal(2 * leaf, other)


@given(nested)
def test_sums_reuse_the_buffer_and_leave_the_terms_alone(table: Any) -> None:
    kept = tables.copy_table(table)
    total = tables.add_tables(table, table)
    again = tables.add_tables(total, table, total)
    for (_, a), (_, b), (_, k) in zip(tables.leaves(again), tables.leaves(total), tables.leaves(kept)):
        assert a is b
        np.testing.assert_array_equal(a, 3 * k)
    for (_, leaf), (_, k) in zip(tables.leaves(table), tables.leaves(kept)):
        np.testing.assert_array_equal(leaf, k)


def test_none_is_zero_in_sums_and_gradients() -> None:
    one = np.ones(2)
    total = tables.add_tables([one, None], [None, [one]])
    np.testing.assert_array_equal(total[0], one)
    np.testing.assert_array_equal(total[1][0], one)
    assert total[0] is not one
    filled = tables.fill_none([None, [one, None]], [np.ones(3), [one, one]])
    np.testing.assert_array_equal(filled[0], np.zeros(3))
    assert filled[1][0] is one and not filled[1][1].any()
    assert tables.has_none([1, [None]]) and not tables.has_none([1, [2]])


def test_paths_in_both_notations() -> None:
    assert tables.format_path((1, 0), "gradOutput") == "gradOutput[2][1]"
    assert tables.format_python_path((1, 0), "outputs") == "outputs[1][0]"


def test_a_gradient_that_fits_is_not_copied_and_another_dtype_is_converted() -> None:
    gradient = np.ones((2, 2))
    assert tables.fit_gradient(gradient, np.zeros((2, 2))) is gradient
    assert tables.fit_gradient(gradient, np.zeros((2, 2), np.float32)).dtype == np.float32
    assert tables.fit_gradient(2.0, np.zeros(1)).shape == (1,)
    with pytest.raises(InputError, match=r"gradOutput\[1\]\[2\]"):
        tables.fit_gradient([[None, np.ones(3)]], [[np.ones(1), np.ones(2)]])


def test_describe() -> None:
    assert tables.describe([np.zeros((2, 3)), [None, 1.5]]) == "{(2, 3) float64, {None, float 1.5}}"


def test_relocation_keeps_views_of_one_buffer_views_of_one_buffer() -> None:
    buffer = np.arange(12.0)
    matrix, column, alone = buffer[:6].reshape(2, 3), buffer[:6].reshape(2, 3)[:, 1], np.ones(3)
    move = Relocation(lambda array: array.astype(np.float32))
    new = [move(a) for a in (matrix, column, alone, matrix)]
    assert new[0] is new[3] and new[0].dtype == np.float32
    assert root(new[0]) is root(new[1]) and not np.shares_memory(new[0], buffer)
    new[0][1, 1] = 99
    assert new[1][1] == 99
    np.testing.assert_array_equal(new[2], alone)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=1, max_size=6))
def test_flatten_keeps_values_and_overlaps(pieces: list[tuple[int, int]]) -> None:
    buffer = np.random.default_rng(0).standard_normal(16)
    views = [buffer[start : start + size] for start, size in pieces] + [np.ones((2, 2))]
    before = [view.copy() for view in views]
    made = Flat(views)
    flat = made.give(None)
    moved = [made.move(view) for view in views]
    covered = {i for start, size in pieces for i in range(start, start + size)}
    assert flat.size == len(covered) + 4
    for view, old in zip(moved, before):
        np.testing.assert_array_equal(view, old)
        assert not view.size or root(view) is root(flat)
    for i, (start, size) in enumerate(pieces):
        for j, (other, count) in enumerate(pieces):
            overlap = size and count and start < other + count and other < start + size
            assert bool(overlap) == np.shares_memory(moved[i], moved[j])


def test_flatten_refuses_mixed_dtypes() -> None:
    with pytest.raises(ArgumentError, match="several dtypes"):
        Flat([np.ones(1), np.ones(1, np.float32)])
