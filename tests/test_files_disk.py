"""Where files are written and read: links, pipes and folders in their place, a disk that is full."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import networkx
import numpy as np
import pytest
from lm_runs import corpus, options

import minigraph as mg
from minigraph import interop, nn, text
from minigraph.errors import MinigraphError
from minigraph.text.curve import loss_curve

posix = pytest.mark.skipif(os.name != "posix", reason="such files are of POSIX")


def network(name: str = "x") -> nn.gModule:
    mg.manualSeed(1)
    x = nn.Identity()().annotate(name=name)
    return nn.gModule([x], [nn.Linear(40, 40)(x).annotate(name=f"{name}2")])


def _onnx(path: Path, net: Any) -> Any:
    pytest.importorskip("onnx")
    return interop.to_onnx(net, path, np.ones((2, 40)))


def _torch(path: Path, net: Any) -> Any:
    pytest.importorskip("torch")
    return interop.save_torch(net, path)


def _checkpoint(path: Path, net: Any) -> None:
    text.write_checkpoint(path, {"flat": net.getParameters()[0]}, {"name": net.forwardnodes[1].name})


#: All that write a file, by its name.
WRITERS: dict[str, Callable[[Path, Any], Any]] = {
    "net.safetensors": mg.save,
    "net.t7": mg.save_t7,
    "text.t7": lambda path, net: mg.save_t7(path, net, mode="ascii"),
    "checkpoint.safetensors": _checkpoint,
    "net.pt": _torch,
    "net.onnx": _onnx,
    "net.graphml": lambda path, net: interop.to_graphml(net, path),
    "net.svg": lambda path, net: mg.draw(net, path),
    "net.html": lambda path, net: mg.draw(net, path),
    "net.dot": lambda path, net: mg.draw(net, path),
}
every_writer = pytest.mark.parametrize("name", WRITERS)


@contextmanager
def full_disk(room: int = 300) -> Iterator[None]:
    """Let no file grow beyond so many bytes: writing more fails as it does on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@every_writer
def test_a_full_disk_names_the_file_and_leaves_the_old_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write, net = WRITERS[name], network()
    write(path, net)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with full_disk(), pytest.raises((OSError, MinigraphError)) as raised:
        write(path, net)
    assert str(path) in str(raised.value)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_full_disk_names_the_source_of_a_torch_file(tmp_path: Path) -> None:
    _torch(tmp_path / "net.pt", network())
    old = (tmp_path / "net.py").read_bytes()
    with full_disk(len((tmp_path / "net.pt").read_bytes())), pytest.raises(OSError) as raised:
        _torch(tmp_path / "net.pt", network())
    assert raised.value.filename == str(tmp_path / "net.py")
    assert (tmp_path / "net.py").read_bytes() == old


def test_a_full_disk_names_the_loss_curve(tmp_path: Path) -> None:
    result = text.train(corpus(), options(max_iters=1), tmp_path)
    old = result.curve.read_bytes()
    assert old.decode() == loss_curve(result.trainer.losses, result.trainer.validations)
    with full_disk(), pytest.raises(OSError) as raised:
        text.train(corpus(), options(max_iters=1), tmp_path)
    assert raised.value.filename == str(result.curve)
    assert result.curve.read_bytes() == old


@posix
@every_writer
def test_a_link_is_replaced_and_what_it_leads_to_stays(name: str, tmp_path: Path) -> None:
    path, target = tmp_path / name, tmp_path / "target"
    target.write_text("precious")
    path.symlink_to(target)
    WRITERS[name](path, network())
    assert target.read_text() == "precious"
    assert stat.S_ISREG(path.lstat().st_mode)


@posix
@every_writer
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_a_folder_is_not_replaced(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises((OSError, MinigraphError)) as raised:
        WRITERS[name](path, network())
    assert str(path) in str(raised.value)
    assert os.listdir(tmp_path) == [name]
    assert stat.S_ISFIFO(path.stat().st_mode) or path.is_dir()


def test_permissions_are_those_of_the_file_that_is_replaced_or_of_new_files(tmp_path: Path) -> None:
    path = tmp_path / "net"
    mg.save(path, network())
    (tmp_path / "new").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "new").stat().st_mode
    path.chmod(0o600)
    mg.save(path, network())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name != "posix"


def _load_torch(path: Path) -> Any:
    pytest.importorskip("torch")
    return interop.load_torch(path)


#: All that read a file which must be a regular one.
READERS: dict[str, Callable[[Path], Any]] = {
    "net.safetensors": mg.load, "net.t7": mg.load_t7, "checkpoint.safetensors": text.read_checkpoint,
    "net.pt": _load_torch,
}


@posix
@pytest.mark.parametrize("name", READERS)
def test_what_would_be_waited_for_is_refused_at_once(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="is not a regular file") as raised:
        READERS[name](tmp_path / name)
    assert raised.value.filename == str(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        READERS[name](tmp_path)


@posix
@pytest.mark.parametrize("name", READERS)
def test_a_link_that_the_user_names_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    WRITERS[name](tmp_path / "folder" / name, network())
    for file in (tmp_path / "folder").iterdir():  # a .pt has its source beside it
        (tmp_path / file.name).symlink_to(file)
    assert READERS[name](tmp_path / name) is not None


@posix
def test_a_pipe_beside_a_state_dict_is_not_waited_for(tmp_path: Path) -> None:
    _torch(tmp_path / "net.pt", network())
    (tmp_path / "net.py").unlink()
    os.mkfifo(tmp_path / "net.py")
    with pytest.raises(OSError, match="is not a regular file"):
        _torch(tmp_path / "net.pt", network())
    with pytest.raises(MinigraphError, match=r"net\.py, which .* wrote beside it, is missing"):
        interop.load_torch(tmp_path / "net.pt")


# -- names that no encoding has ------------------------------------------------------------------


ODD = "a\ud800b\udcff"


@every_writer
def test_a_name_with_lone_surrogates_is_written(name: str, tmp_path: Path) -> None:
    path, net = tmp_path / name, network(ODD)
    WRITERS[name](path, net)
    if name == "net.safetensors":
        names = [node.name for node in net.forwardnodes]
        assert ODD in names and [node.name for node in mg.load(path).forwardnodes] == names
    elif name.endswith(".t7"):
        found = mg.load_t7(path).forwardnodes[1].annotations["name"]
        assert found == ODD.encode("utf-8", "surrogatepass")  # Lua's strings are bytes
    elif name == "net.graphml":
        graph = networkx.read_graphml(path)
        assert graph.number_of_nodes() == len(net.forwardnodes)
    elif name == "checkpoint.safetensors":
        assert text.read_structure(path)["name"] == net.forwardnodes[1].name
    elif name == "net.pt":
        assert [node.name for node in interop.load_torch(path).forwardnodes] == [
            node.name for node in net.forwardnodes
        ]
    elif name != "net.onnx":
        assert "a\ufffdb\ufffd" in path.read_text(encoding="utf-8")
