"""Files from strangers: every damage is a T7Error with its byte, soon, in little memory, and no more."""

from __future__ import annotations

import cProfile
import io
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_t7 import nets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from t7_bytes import boolean, ints, named, number, string, table, tensor

import minigraph as mg
from minigraph.errors import T7Error
from minigraph.files.t7.load import read_t7

FOLDER = Path(__file__).parent / "golden" / "t7"


def small_files() -> list[bytes]:
    """Return the small files of Torch7, and ones of our own with other classes."""
    files = [
        (FOLDER / f"{name}.t7").read_bytes()
        for name in ("values", "cyclic_shared", "lstm_io", "lstm_gmodule", "lstm_gmodule_ascii", "cnn_io")
    ]
    for make in nets():
        files += [written(make(), mode) for mode in ("binary", "ascii")]
    return files


def written(value: Any, mode: str = "binary") -> bytes:
    from minigraph.files.t7.save import Writer
    from minigraph.files.t7.sinks import AsciiSink, BinarySink

    file = io.BytesIO()
    Writer(BinarySink(file) if mode == "binary" else AsciiSink(file)).write(value)
    return file.getvalue()


FILES = small_files()


def attempt(data: bytes, **options: Any) -> Any:
    """Read ``data``; return its value, or the T7Error, which must tell a byte of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_t7(io.BytesIO(data), **options)
    except T7Error as error:
        assert error.offset is not None and 0 <= error.offset <= len(data), error
        return error


mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "delete", "insert", "copy", "int"]),
        st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.integers(1, 24),
    ),
    min_size=1, max_size=6,
)


def mutate(data: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    work = bytearray(data)
    for kind, place, byte, length in changes:
        at = int(place * len(work))
        if kind == "flip" and work:
            work[at] ^= 1 << byte % 8
        elif kind == "set" and work:
            work[at] = byte
        elif kind == "delete":
            del work[at : at + length]
        elif kind == "insert":
            work[at:at] = bytes([byte]) * length
        elif kind == "copy":
            source = (at * 7 + byte) % (len(work) + 1)
            work[at : at + length] = work[source : source + length]
        elif kind == "int":
            at -= at % 4
            work[at : at + 4] = ints(byte - 128 if byte % 2 else (byte << 23) - 2**30)
    return bytes(work)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), mutations, st.booleans())
def test_mutated_files_load_or_are_refused(data: bytes, changes: Any, referenced: bool) -> None:
    attempt(mutate(data, changes), referenced=referenced, skip_functions=True)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_load_or_are_refused(data: bytes, referenced: bool) -> None:
    attempt(data, referenced=referenced)


@pytest.mark.parametrize("number", range(len(FILES)))
def test_truncated_files_are_refused(number: int) -> None:
    data = FILES[number]
    for length in [*range(0, min(len(data), 120), 7), *range(120, len(data) - 2, max(len(data) // 25, 1))]:
        assert isinstance(attempt(data[:length]), T7Error), length


@pytest.mark.parametrize("number", range(0, len(FILES), 2))
def test_bit_flips_load_or_are_refused(number: int) -> None:
    data = FILES[number]
    rng = np.random.default_rng(number)
    for position in rng.integers(0, len(data), 25).tolist():
        attempt(mutate(data, [("flip", position / len(data), position % 8, 1)]))


# -- claims ----------------------------------------------------------------------------------


def frugally(data: bytes, **options: Any) -> Any:
    """Attempt to read; it must take neither many calls of functions nor much memory."""
    profile = cProfile.Profile()
    tracemalloc.start()
    profile.enable()
    try:
        found = attempt(data, **options)
    finally:
        profile.disable()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4e6 + 60 * len(data), peak
    assert sum(function.callcount for function in profile.getstats()) < 5_000 + 20 * len(data)
    return found


def raw_tensor(shape: tuple[int, ...], strides: tuple[int, ...], start: int, count: int = 4) -> bytes:
    longs = np.array([*shape, *strides, start], "<i8").tobytes()
    storage = ints(4, 2) + named("torch.DoubleStorage") + np.array([count], "<i8").tobytes() + bytes(32)
    return ints(4, 1) + named("torch.DoubleTensor") + ints(len(shape)) + longs + storage


HUGE = 2**31 - 1
CLAIMS = {
    "string": ints(2, HUGE), "negative string": ints(2, -1), "table": ints(3, 1, HUGE),
    "negative table": ints(3, 1, -5), "class name": ints(4, 1, HUGE),
    "long class name": ints(4, 1, 300) + b"x" * 300 + number(1),
    "storage": ints(4, 1) + named("torch.DoubleStorage") + np.array([2**40], "<i8").tobytes(),
    "negative storage": ints(4, 1) + named("torch.DoubleStorage") + np.array([-1], "<i8").tobytes(),
    "dimensions": ints(4, 1) + named("torch.DoubleTensor") + ints(HUGE),
    "negative dimensions": ints(4, 1) + named("torch.DoubleTensor") + ints(-1),
    "wrong magic": b"\x7fELF\x02\x01\x01", "pickle": b"\x80\x02c__builtin__\neval\n", "nothing": b"",
    "beyond storage": raw_tensor((5,), (1,), 1), "far start": raw_tensor((2,), (1,), 2**62),
    "before storage": raw_tensor((2,), (1,), -3), "negative stride": raw_tensor((2,), (-1,), 2),
    "negative size": raw_tensor((-2,), (1,), 1), "overflow": raw_tensor((2**40, 2**40), (2**40, 0), 1),
    "expanded": raw_tensor((2**60,), (0,), 1), "expanded twice": raw_tensor((2**40, 2**40), (0, 0), 1),
    "empty but huge": raw_tensor((0, 2**62), (1, 1), 1), "storage too long": raw_tensor((2,), (1,), 1, 2**33),
    "many dimensions": raw_tensor((1,) * 65, (1,) * 65, 1), "ascii string": b"2\n999999999\nx\n",
    "ascii storage": b"4\n1\n3\nV 1\n19\ntorch.DoubleStorage\n999999999\n1 2 3\n",
    "ascii number": b"1\nabc\n",
    "ascii overflow": b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n1\n" + b"9" * 30 + b"\n",
    "ascii long token": b"1\n" + b"9" * 100_000,
    "nil key": table(1, {ints(0): number(1)}), "nan key": table(1, {number(float("nan")): number(1)}),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_not_believed(name: str) -> None:
    assert isinstance(frugally(CLAIMS[name]), T7Error)


def test_a_tensor_on_something_else_is_refused() -> None:
    for storage in (number(3), ints(4, 2) + named("torch.FloatStorage") + bytes(8), ints(3, 2, 0)):
        data = ints(4, 1) + named("torch.DoubleTensor") + ints(1) + np.array([1, 1, 1], "<i8").tobytes()
        assert isinstance(frugally(data + storage), T7Error)


def test_deep_nesting_is_read_without_recursion() -> None:
    depth = 4_000
    tables = b"".join(ints(3, i + 1, 1) + number(1) for i in range(depth)) + ints(0)
    value = frugally(tables)
    assert isinstance(value, list)
    objects = b"".join(
        ints(4, 2 * i + 1) + named("x.Y") + ints(3, 2 * i + 2, 1) + number(1) for i in range(depth)) + ints(0)
    assert frugally(objects).class_name == "x.Y"
    bare = b"".join(ints(4, i + 1) + named("x.Y") for i in range(depth)) + ints(0)
    assert "x.Y is not known here" in str(frugally(bare))
    functions = b"".join(ints(8, i + 1, 0) for i in range(depth)) + ints(0)
    assert frugally(functions, skip_functions=True) is None
    assert isinstance(frugally(functions), T7Error)


# -- modules and networks --------------------------------------------------------------------


def module(name: str, index: int, **entries: bytes) -> bytes:
    payload = table(index + 1, {string(key): value for key, value in entries.items()})
    return ints(4, index) + named(name) + payload


def test_modules_nested_too_deep_are_refused() -> None:
    data = module("nn.Tanh", 1)
    for index in range(300, 0, -1):
        data = module("nn.Sequential", 10 * index, modules=table(10 * index + 2, {number(1): data}))
    assert "nested more than" in str(frugally(data))


def test_a_module_that_holds_itself_is_refused() -> None:
    data = module("nn.Sequential", 1, modules=table(3, {number(1): ints(4, 1)}))
    assert "holds itself" in str(frugally(data))


@pytest.mark.parametrize("data, message", [
    (module("nn.Sequential", 1, modules=number(1)), "something else than modules"),
    (module("nn.Sequential", 1, modules=table(3, {number(1): number(2)})), "something else"),
    (module("nn.Linear", 1, weight=number(1)), "no weight"),
    (module("nn.Linear", 1), "no weight"),
    (ints(4, 1) + named("nn.Linear") + number(1), "no table of fields"),
    (module("nn.gModule", 1), "a list was expected"),
    (module("nn.gModule", 1, outnode=number(1)), "expected"),
    (module("nn.PartialLinear", 1), "nn.PartialLinear"),
    (module("nn.Convert", 1, inputShape=number(1)), "nn.Convert"),
    (module("nn.Transpose", 1, permutations=table(3, {number(1): number(2)})), "nn.Transpose"),
    (module("nngraph.Node", 1), "a node was expected"),
    (module("graph.Edge", 1), "a node was expected"),
    (module("graph.Graph", 1), "a list was expected"),
    (module("nn.Tanh", 1, **{"a b": number(1)}), "a field 'a b'"),
])
def test_spoilt_objects_are_refused(data: bytes, message: str) -> None:
    error = frugally(data)
    assert isinstance(error, T7Error) and message in str(error)


def test_tables_that_refer_to_each_other_do_not_multiply_work() -> None:
    """Each table holds the next one ten times: walked as a tree it would never end."""
    laughs = number(1)
    for index in range(60, 0, -1):
        again = ints(3, 100 + index + 1) if index < 60 else number(1)
        entries = {number(k): again for k in range(2, 11)}
        laughs = table(100 + index, {number(1): laughs, **entries})
    for name in ("output", "weight", "_scratch", "modules"):
        found = frugally(module("nn.Tanh", 1, **{name: laughs}))
        assert isinstance(found, T7Error) and "too often" in str(found)
    assert isinstance(frugally(laughs), list)
    endless = table(7, {number(1): ints(3, 7)})
    assert isinstance(frugally(module("nn.Tanh", 1, output=endless)), mg.nn.Tanh)
    assert isinstance(frugally(module("nn.Tanh", 1, other=endless)), T7Error)
    ours = {string(k): v for k, v in {"_type": number(1), "output": endless, "gradInput": number(1)}.items()}
    assert isinstance(frugally(ints(4, 1) + named("x.Layer") + table(2, ours)), T7Error)


def test_objects_that_share_their_fields_are_refused() -> None:
    first = ints(4, 1) + named("nn.Tanh") + table(2, {string("a"): number(1)})
    second = ints(4, 3) + named("nn.Tanh") + ints(3, 2)
    assert "shares its table" in str(frugally(table(9, {number(1): first, number(2): second})))


def test_a_large_module_at_many_nodes_is_not_copied_without_end() -> None:
    x = mg.nn.Identity()()
    big = mg.nn.Sequential()
    for _ in range(300):
        big.add(mg.nn.Identity())
    node = x
    for _ in range(2):
        node = big(node)
    net = mg.nn.gModule([x], [node])
    for each in net.forwardnodes:
        if isinstance(each.module, mg.nn.Sequential):
            each.data.module = big  # as in Torch, where nothing is copied
    loaded = read_t7(io.BytesIO(written(net)))
    assert len({id(m) for m in loaded.modules if isinstance(m, mg.nn.Sequential)}) == 2
    node = x = mg.nn.Identity()()
    for _ in range(400):
        node = mg.nn.Identity()(node)
    net = mg.nn.gModule([x], [node])
    for each in net.forwardnodes[1:-1]:
        each.data.module = big
    with pytest.raises(T7Error, match="too often"):
        read_t7(io.BytesIO(written(net)))


def test_fields_replace_no_methods() -> None:
    found = attempt(module("nn.Tanh", 1, forward=string("x"), updateOutput=boolean(True)))
    assert found.forward(np.zeros(1)).tolist() == [0]


def test_many_sizes_and_missing_gradients_do_not_multiply_memory() -> None:
    """A thousand modules on one storage: nothing is copied for each of them."""
    storage = tensor("torch.DoubleTensor", 2, (250, 1000), bytes(2_000_000))
    entries = {number(1): module("nn.Linear", 10, weight=storage)}
    for i in range(2, 1000):
        entries[number(i)] = module("nn.Linear", 10 * i, weight=ints(4, 2))
    nets = frugally(table(1, entries))
    assert len(nets) == 999 and nets[0].weight is nets[998].weight


def test_a_network_that_feeds_itself_is_refused() -> None:
    own = table(1, {string("mapindex"): table(2, {number(1): ints(3, 1)})})
    looped = module(
        "nn.gModule", 50, outnode=module("nngraph.Node", 60, data=own),
        innode=ints(4, 60), forwardnodes=table(70, {}), backwardnodes=table(71, {}),
    )
    assert "cycle" in str(frugally(looped))


def test_two_networks_over_the_same_nodes_are_refused() -> None:
    net = FILES[3]
    nodes = {string(name): value for name, value in {
        "outnode": ints(4, 6), "innode": ints(4, 552), "nInputs": number(3),
        "forwardnodes": table(901, {}), "backwardnodes": table(902, {}),
    }.items()}
    twice = table(900, {
        number(1): net, number(2): ints(4, 903) + named("nn.gModule") + table(904, nodes)})
    assert "share a node" in str(attempt(twice))


def test_an_order_that_is_not_nngraphs_is_told(tmp_path: Path) -> None:
    net = mg.load_t7(FOLDER / "lstm_gmodule.t7")
    net.forwardnodes.reverse()
    net.forwardnodes.insert(0, net.forwardnodes.pop())
    with pytest.warns(UserWarning, match="order of forwardnodes"):
        read_t7(io.BytesIO(written(net)))
