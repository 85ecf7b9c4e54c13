"""Corpus: a text as numbers, and the characters that they stand for."""

from __future__ import annotations

import codecs
import hashlib
import importlib
import io
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Union

import numpy as np

from minigraph.errors import ArgumentError
from minigraph.files.atomic import naming
from minigraph.files.headroom import check_room, size_text

#: What is trained on where no file is given: the reference text that comes with Python.
REFERENCE = "pydoc_data.topics"

# Bytes or characters that are looked at together: little beside a text that fills the memory.
_PART = 1 << 20


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a model, in sorted order; the first has the number 1, as in Torch."""

    characters: str

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str, what: str = "the text") -> np.ndarray:
        """Return the numbers of the characters of ``text``, shape ``(len(text),)``, int64.

        Raises ``ArgumentError`` naming the first character that is not among them.
        """
        known = _code_points(self.characters)
        points = _code_points(text)
        places = np.minimum(np.searchsorted(known, points), len(known) - 1)
        missing = np.flatnonzero(known[places] != points)
        if missing.size:
            first = int(missing[0])
            raise ArgumentError(
                f"{what} has {text[first]!r} (character {first + 1}), which the model does not know: "
                f"its {len(known)} characters are {self.characters!r}"
            )
        return places.astype(np.int64) + 1

    def decode(self, numbers: np.ndarray) -> str:
        """Return the text of 1-based numbers."""
        return "".join(self.characters[number - 1] for number in np.asarray(numbers).ravel().tolist())


@dataclass(frozen=True)
class Corpus:
    """A text to train on: its numbers ``(N,)`` (from 1), its vocabulary, and where it is from.

    The numbers are as small as the vocabulary lets them be: one byte each up to 255 characters.
    ``digest`` is the SHA-256 of the text: it tells whether a checkpoint was trained on this one.
    """

    codes: np.ndarray
    vocabulary: Vocabulary
    name: str
    digest: str

    @classmethod
    def from_text(cls, text: str, name: str = "the text") -> "Corpus":
        """Return the corpus of ``text``; raise ``ArgumentError`` if it is empty."""
        return cls._of(lambda: (text[at : at + _PART] for at in range(0, len(text), _PART)), name)

    @classmethod
    def from_file(cls, path: Union[str, Path]) -> "Corpus":
        """Return the corpus of a UTF-8 file, or of what a pipe gives until it ends.

        Raises ``ArgumentError`` if it is empty or not UTF-8, ``OSError`` if it cannot be read.
        """
        with open(path, "rb") as file, naming(path):
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            source = file if regular else _kept(file, path)
            return cls._of(lambda: _decoded(source, path), str(path))

    @classmethod
    def _of(cls, parts: Callable[[], Iterator[str]], name: str) -> "Corpus":
        """Read the text twice, part by part: which characters there are, then their numbers."""
        seen = np.zeros(sys.maxunicode + 1, bool)
        length = 0
        for part in parts():
            seen[_code_points(part)] = True
            length += len(part)
        if not length:
            raise ArgumentError(f"{name} is empty: there is nothing to train on")
        distinct = np.flatnonzero(seen)
        numbers = np.zeros(seen.size, np.min_scalar_type(distinct.size))
        numbers[distinct] = np.arange(1, distinct.size + 1)
        check_room(length * numbers.itemsize, lambda words: ArgumentError(f"{name} needs {words}"))
        codes = np.zeros(length, numbers.dtype)
        digest = hashlib.sha256()
        end = 0
        for part in parts():
            start, end = end, end + len(part)
            if end <= length:
                codes[start:end] = numbers[_code_points(part)]
            digest.update(_encoded(part))
        if end != length or not codes.all():
            raise ArgumentError(f"{name} changed while it was read: give it again when it is complete")
        return cls(codes, Vocabulary("".join(map(chr, distinct.tolist()))), name, digest.hexdigest())

    @classmethod
    def reference(cls) -> "Corpus":
        """Return the corpus of Python's own reference text, which every interpreter carries."""
        topics = importlib.import_module(REFERENCE).topics
        return cls.from_text("\n".join(topics[name] for name in sorted(topics)), REFERENCE)


def _decoded(file: BinaryIO, path: Union[str, Path]) -> Iterator[str]:
    """Yield the text of a UTF-8 file from its beginning; raise ``ArgumentError`` where it is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    last = False
    while not last:
        data = file.read(_PART)
        last = not data
        held = len(decoder.getstate()[0])
        try:
            yield decoder.decode(data, last)
        except UnicodeDecodeError as error:
            offset = file.tell() - len(data) - held + error.start
            raise ArgumentError(
                f"{path} is not UTF-8 text: byte 0x{error.object[error.start]:02x} at offset {offset} "
                f"({error.reason}); convert it first, for example with iconv -f LATIN1 -t UTF-8"
            ) from error


def _kept(file: BinaryIO, path: Union[str, Path]) -> BinaryIO:
    """Return in memory what can be read only once; raise ``ArgumentError`` where it is too much for it."""
    content = io.BytesIO()
    while data := file.read(_PART):
        there = size_text(content.tell())
        check_room(
            content.tell() + 16 * _PART,  # the numbers of what was read, and some more of it
            lambda words: ArgumentError(f"{path} goes on after {there}: it needs at least {words}"),  # noqa: B023
        )
        content.write(data)
    return content


def _encoded(text: str) -> bytes:
    # A lone surrogate cannot come from a file, but a str may hold one.
    return text.encode("utf-8", "surrogatepass")


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
