"""Native code: the builder's text, compiling, and the cache of object code."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.fast

from minigraph.compiler.native.llvm import object_cache  # noqa: E402
from minigraph.compiler.native.llvm.function import Function  # noqa: E402
from minigraph.compiler.native.llvm.jit import assembly, available, compile_ir  # noqa: E402
from minigraph.compiler.native.llvm.vectors import host_vector_width, vectors_of  # noqa: E402


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    monkeypatch.setenv("MINIGRAPH_CACHE", str(tmp_path))
    return tmp_path / "native"


def scale(name: str = "scale") -> str:
    """x[i] = by * x[i] for i < count."""
    function = Function(name, [("ptr", "x"), ("i64", "count"), ("double", "by")])
    with function.loop(0, function["count"]) as loop:
        place = function.at(function["x"], loop.index, "double")
        function.store(function.load("double", place) * function["by"], place)
    return function.finish()


def scaled(text: str, name: str = "scale") -> tuple[list[float], bool]:
    """What the function makes of 1, 2, 3 if told of the first two, and whether it came from the cache."""
    library = compile_ir(text, "test")
    x = np.array([1.0, 2.0, 3.0])
    function = library.function(name, ctypes.c_void_p, ctypes.c_int64, ctypes.c_double)
    function(x.ctypes.data, 2, 10.0)
    return x.tolist(), library.from_cache


def test_object_code_is_kept(cache: Path) -> None:
    assert available()
    assert scaled(scale()) == ([10.0, 20.0, 3.0], False)
    assert len(list(cache.glob("*.o"))) == 1
    assert scaled(scale()) == ([10.0, 20.0, 3.0], True)
    assert scaled(scale("other"), "other") == ([10.0, 20.0, 3.0], False)


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 5000])
def test_damaged_cache_is_compiled_again(cache: Path, damage: bytes) -> None:
    scaled(scale())
    (path,) = cache.glob("*.o")
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert scaled(scale()) == ([10.0, 20.0, 3.0], False)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert scaled(scale()) == ([10.0, 20.0, 3.0], False)


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINIGRAPH_CACHE", str(tmp_path / "file"))
    assert scaled(scale()) == ([10.0, 20.0, 3.0], False)
    assert not object_cache.save("key", b"code")


def test_cache_is_bounded(cache: Path) -> None:
    for number in range(5):
        assert object_cache.save(f"key{number}", bytes(1000), largest_size=3500)
    assert len(list(cache.iterdir())) == 3
    assert object_cache.load("key4") == bytes(1000)


def test_cache_folder_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAPH_CACHE")
    folder = object_cache.cache_folder()
    assert folder is not None and folder.parts[-2:] == ("minigraph", "native")


def test_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINIGRAPH_CACHE")
    monkeypatch.setattr(Path, "home", no_home)
    assert object_cache.cache_folder() is None
    assert scaled(scale()) == ([10.0, 20.0, 3.0], False)


def test_refused_text_names_the_module() -> None:
    with pytest.raises(RuntimeError, match="native module broken"):
        compile_ir("define void @f() { ret i32 0 }", "broken")
    with pytest.raises(KeyError, match="defines no function missing"):
        compile_ir(scale(), "test").address("missing")


def test_functions_of_one_module_may_share_declarations() -> None:
    texts = []
    for name, intrinsic in (("root", "sqrt"), ("other_root", "sqrt"), ("size", "fabs")):
        function = Function(name, [("ptr", "x")])
        value = function.intrinsic(intrinsic, function.load("double", function["x"]))
        function.store(value, function["x"])
        texts.append(function.finish())
    library = compile_ir("".join(texts), "roots")
    x = np.array([81.0])
    for name in ("root", "other_root"):
        library.function(name, ctypes.c_void_p)(x.ctypes.data)
    assert x[0] == 3


def test_loops_carry_values() -> None:
    """The sum of i for i < count, and of its squares, from a loop inside a condition."""
    function = Function("sums", [("ptr", "out"), ("i64", "count")])
    zero = function.value("i64", 0)
    with function.when(function["count"].compare("sgt", 2)):
        with function.loop(0, function["count"], 1, [zero, zero]) as loop:
            total, squares = loop.carried
            loop.carry([total + loop.index, squares + loop.index * loop.index])
        for place, result in enumerate(loop.results):
            function.store(result, function.at(function["out"], place, "i64"))
    library = compile_ir(function.finish(), "sums")
    sums = library.function("sums", ctypes.c_void_p, ctypes.c_int64)
    out = np.full(2, -1)
    sums(out.ctypes.data, 2)
    assert out.tolist() == [-1, -1]
    sums(out.ctypes.data, 5)
    assert out.tolist() == [10, 30]


def test_a_loop_must_carry_what_it_started_with() -> None:
    function = Function("sums", [("i64", "count")])
    with (
        pytest.raises(ValueError, match="carries 1 values"),
        function.loop(0, function["count"], 1, [function["count"]]),
    ):
        pass


def test_vectors_of_the_host() -> None:
    assert host_vector_width() in (16, 32, 64)
    assert vectors_of("float32", 32).type == "<8 x float>"
    assert vectors_of(np.float64, 64).type == "<8 x double>"
    with pytest.raises(ValueError, match="not in int64"):
        vectors_of("int64")
    with pytest.raises(ValueError, match="not 8"):
        vectors_of("float32", 8)


@pytest.mark.skipif(host_vector_width() != 64, reason="needs a processor with AVX-512")
def test_whole_registers_are_used() -> None:
    function = Function("twice", [("ptr", "x")])
    value = function.load("<16 x float>", function["x"])
    function.store(value + value, function["x"])
    assert "zmm" in assembly(function.finish())
