"""What files from elsewhere hold: package tds, classes of others, several objects, no .t7 at all."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from t7_bytes import INT, boolean, ints, number, string, table, tensor

import minigraph as mg
from minigraph import nn
from minigraph.errors import T7Error
from minigraph.files import UnknownObject


def long(count: int) -> bytes:
    return struct.pack("<q", count)


def own_form(name: str, index: int, payload: bytes, version: str = "V 1") -> bytes:
    """An object of a class that writes itself."""
    head = ints(4, index, len(version)) + version.encode()
    return head + ints(len(name)) + name.encode() + payload


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def hashed(index: int, *pairs: bytes) -> bytes:
    return own_form("tds.Hash", index, long(len(pairs) // 2) + b"".join(pairs), "V 0")


def listed(index: int, *entries: bytes) -> bytes:
    return own_form("tds.Vec", index, long(len(entries)) + b"".join(entries), "V 0")


# -- package tds ---------------------------------------------------------------------------------


def test_a_hash_is_a_dict_and_a_vec_a_list(tmp_path: Path) -> None:
    words = listed(3, string("the"), string("of"), number(1.5), listed(4))
    data = table(1, {
        string("word2id"): hashed(2, string("the"), number(1), string("of"), number(2)),
        string("id2word"): words,
        string("numbered"): hashed(5, number(1), string("a"), number(2), boolean(True)),
        string("none"): hashed(6),
        string("again"): ints(4, 3),
        string("weights"): listed(7, tensor("torch.FloatTensor", 8, (2,), np.array([1, 2], "<f4").tobytes())),
    })
    found = mg.load_t7(write(tmp_path / "vocabulary.t7", data))
    assert found["word2id"] == {"the": 1, "of": 2}
    assert found["id2word"] == ["the", "of", 1.5, []] and found["again"] is found["id2word"]
    assert found["numbered"] == {1: "a", 2: True} and found["none"] == {}
    assert found["weights"][0].tolist() == [1, 2]


def test_a_hash_in_the_text_encoding_and_with_longs_of_four_bytes(tmp_path: Path) -> None:
    lines = ["4", "1", "3", "V 0", "8", "tds.Hash", "2", "2", "1", "a", "1", "1", "2", "1", "b", "4", "2",
             "3", "V 0", "7", "tds.Vec", "1", "1", "0.5", ""]
    found = mg.load_t7(write(tmp_path / "text.t7", "\n".join(lines).encode()))
    assert found == {"a": 1, "b": [0.5]}
    small = own_form("tds.Vec", 1, INT.pack(2) + number(3) + number(4), "V 0")
    assert mg.load_t7(write(tmp_path / "small.t7", small)) == [3, 4]


def test_a_count_that_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    for count in (-1, 3, 2**40):
        data = own_form("tds.Vec", 1, long(count) + number(1), "V 0")
        with pytest.raises(T7Error, match="left in the file"):
            mg.load_t7(write(tmp_path / "bad.t7", data), long_size=8)


# -- classes of others ---------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [
    long(0), long(1) + number(2), long(5), number(3), string("text"), long(3) + number(1) * 3, b"",
    b"\x09" * 12,
], ids=lambda payload: payload.hex()[:24])
def test_a_class_that_stores_itself_in_its_own_way_is_an_error(payload: bytes, tmp_path: Path) -> None:
    data = own_form("far.Away", 1, payload)
    with pytest.raises(T7Error, match="far.Away"):
        mg.load_t7(write(tmp_path / "alone.t7", data))
    inside = table(7, {string("x"): data, string("y"): number(1)})
    with pytest.raises(T7Error):
        mg.load_t7(write(tmp_path / "inside.t7", inside))


def test_a_class_without_fields_is_a_record(tmp_path: Path) -> None:
    found = mg.load_t7(write(tmp_path / "x.t7", own_form("far.Away", 1, table(2, {}))))
    assert isinstance(found, UnknownObject) and found.class_name == "far.Away"


@pytest.mark.parametrize("fields", [{}, {string("size"): number(3)}, {string("train"): boolean(True)}])
def test_a_class_that_is_no_module_is_named_where_a_module_must_be(
    fields: dict[bytes, bytes], tmp_path: Path
) -> None:
    inner = own_form("far.Away", 10, table(11, fields))
    whole = table(2, {string("modules"): table(3, {
        number(1): own_form("nn.Tanh", 4, table(5, {})), number(2): inner,
    })})
    data = table(20, {string("model"): own_form("nn.Sequential", 1, whole)})
    with pytest.raises(T7Error, match=r"nn.Sequential .*modules\[2\].* far.Away.*not known here"):
        mg.load_t7(write(tmp_path / "net.t7", data))
    node = mg.nn.Identity()()
    net = nn.gModule([node], [nn.Tanh()(node)])
    net.forwardnodes[2].data.module = UnknownObject("far.Away", {"size": 3})  # type: ignore[assignment]
    mg.save_t7(tmp_path / "graph.t7", net)
    with pytest.raises(T7Error, match="nn.gModule.*far.Away"):
        mg.load_t7(tmp_path / "graph.t7")


# -- several objects, and what is left over --------------------------------------------------------


@pytest.mark.parametrize("mode", ["binary", "ascii"])
def test_objects_one_after_the_other(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "several.t7"
    parts = [[1, 2], "text", {"a": np.arange(3.0)}]
    data = b""
    for part in parts:
        mg.save_t7(path, part, mode)
        data += path.read_bytes()
    path.write_bytes(data.replace(b"4\n1\n3\nV 1\n17", b"4\n9\n3\nV 1\n17"))  # as one File numbers them
    with pytest.raises(T7Error, match="bytes follow the object.*several=True"):
        mg.load_t7(path)
    found = mg.load_t7(path, several=True, referenced=False)
    assert found[:2] == parts[:2] and found[2]["a"].tolist() == [0, 1, 2]
    mg.save_t7(path, parts[0], mode)
    assert mg.load_t7(path, several=True) == parts[:1]


def test_an_object_may_refer_to_one_of_an_earlier(tmp_path: Path) -> None:
    data = table(1, {string("a"): table(2, {})}) + table(3, {string("b"): ints(3, 2)})
    first, second = mg.load_t7(write(tmp_path / "x.t7", data), several=True)
    assert first["a"] is second["b"]


def test_bytes_after_the_object_name_the_class_that_may_have_left_them(tmp_path: Path) -> None:
    data = table(1, {string("x"): own_form("far.Away", 2, table(3, {}) + long(7))})
    with pytest.raises(T7Error, match="8 bytes follow.*far.Away"):
        mg.load_t7(write(tmp_path / "x.t7", data))


# -- no .t7 file -----------------------------------------------------------------------------------


def archive(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as opened:
            opened.writestr("archive/data.pkl", b"x")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tape:
            tape.addfile(tarfile.TarInfo("5.txt"))
    return buffer.getvalue()


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


OTHERS = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "pickle": pickle.dumps({"a": [1, 2]}),
    "pickle 0": pickle.dumps({"a": [1, 2]}, protocol=0),
    "pickle 1": pickle.dumps([1.5, "x"], protocol=1),
    "pickle 2": pickle.dumps(np.arange(3), protocol=2),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "zip": archive("zip"),
    "tar": archive("tar"),
    "gzip": gzip.compress(b"abc"),
    "NumPy": saved(np.arange(3)),
    "safetensors": long(10) + b'{"__metadata__": {}}',
    "web page": b"\n<!DOCTYPE html>\n<html><body>404</body></html>",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_called_what_it_is(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.t7", OTHERS[kind])
    for mode in (None, "binary", "ascii"):
        with pytest.raises(T7Error, match=f"no .t7 file but .*{kind.split()[0]}"):
            mg.load_t7(path, mode=mode)


def test_an_unknown_criterion_is_named_when_it_is_used(tmp_path: Path) -> None:
    stored = {"criterion": UnknownObject("far.Loss", {"margin": 1}), "_type": "torch.DoubleTensor"}
    mg.save_t7(tmp_path / "x.t7", UnknownObject("nn.CriterionTable", stored))
    with pytest.raises(AttributeError, match="far.Loss is of a class that is not known here"):
        mg.load_t7(tmp_path / "x.t7").forward([np.zeros(2), np.zeros(2)])
