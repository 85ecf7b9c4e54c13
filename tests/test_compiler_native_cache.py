"""The cache of object code: what is in it is run, so it must be whole and nobody else's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.fast

from minigraph.compiler.native.llvm import object_cache  # noqa: E402

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs user ids, modes and pipes")
CODE = b"object code"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache that holds ``CODE`` under ``key``."""
    monkeypatch.setenv("MINIGRAPH_CACHE", str(tmp_path))
    assert object_cache.save("key", CODE)
    return tmp_path / "native"


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 5000])
def test_damaged_code_is_absent(cache: Path, damage: bytes) -> None:
    path = cache / "key.o"
    whole = path.read_bytes()
    for content in (damage, whole[:-1], whole[:-1] + b"!", whole + b"!"):
        path.write_bytes(content)
        assert object_cache.load("key") is None
    assert object_cache.save("key", CODE) and object_cache.load("key") == CODE


def test_code_of_another_name_is_absent(cache: Path) -> None:
    object_cache.save("other", b"of another module")
    (cache / "other.o").replace(cache / "key.o")
    assert object_cache.load("key") is None


@posix
def test_only_this_user_can_write_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        monkeypatch.setenv("MINIGRAPH_CACHE", str(tmp_path / "open"))
        assert object_cache.save("key", CODE) and object_cache.load("key") == CODE
    finally:
        os.umask(before)
    folder = tmp_path / "open" / "native"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@posix
@pytest.mark.parametrize("mode", [0o722, 0o702, 0o720, 0o777])
def test_a_folder_that_others_can_write_is_not_used(cache: Path, mode: int) -> None:
    cache.chmod(mode)
    assert object_cache.load("key") is None
    assert not object_cache.save("new", CODE)
    assert [path.name for path in cache.iterdir()] == ["key.o"]
    cache.chmod(0o755)
    assert object_cache.load("key") == CODE


@posix
@pytest.mark.parametrize("mode", [0o622, 0o602, 0o620])
def test_a_file_that_others_can_write_is_replaced(cache: Path, mode: int) -> None:
    (cache / "key.o").chmod(mode)
    assert object_cache.load("key") is None
    assert object_cache.save("key", CODE) and object_cache.load("key") == CODE


@posix
def test_code_of_another_user_is_not_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(cache / "key.o", 65534, 65534)
        assert object_cache.load("key") is None
        os.chown(cache / "key.o", 0, 0)
        os.chown(cache, 65534, 65534)
    else:
        mine = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert object_cache.load("key") is None
    assert not object_cache.save("key", CODE)


@posix
def test_a_link_is_not_followed(cache: Path, tmp_path: Path) -> None:
    (cache / "key.o").rename(tmp_path / "elsewhere")
    (cache / "key.o").symlink_to(tmp_path / "elsewhere")
    assert object_cache.load("key") is None
    before = (tmp_path / "elsewhere").read_bytes()
    assert object_cache.save("key", b"new") and object_cache.load("key") == b"new"
    assert (tmp_path / "elsewhere").read_bytes() == before
    cache.rename(tmp_path / "moved")
    cache.symlink_to(tmp_path / "moved")
    assert object_cache.load("key") is None
    assert not object_cache.save("key", CODE)


@posix
def test_a_pipe_is_not_waited_for(cache: Path) -> None:
    (cache / "key.o").unlink()
    os.mkfifo(cache / "key.o")
    program = (
        "from minigraph.compiler.native.llvm import object_cache as c\n"
        "assert c.load('key') is None and c.save('key', b'new') and c.load('key') == b'new'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert stat.S_ISREG((cache / "key.o").stat().st_mode)


def test_a_folder_of_that_name(cache: Path) -> None:
    (cache / "key.o").unlink()
    (cache / "key.o").mkdir()
    assert object_cache.load("key") is None
    assert not object_cache.save("key", CODE)
    assert [path.name for path in cache.iterdir()] == ["key.o"]
