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
from typing import BinaryIO, Callable, Iterable, Iterator, Optional, Union

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
    """The characters of a model, in the order of their numbers; the first has the number 1, as in Torch.

    A model of bytes, as char-rnn makes of any text, has single bytes above 127: each stands here as the
    surrogate that Python's ``surrogateescape`` makes of it, ``'\\udcc3'`` for the byte 0xc3.
    """

    characters: str

    def __len__(self) -> int:
        return len(self.characters)

    @property
    def has_bytes(self) -> bool:
        """Whether some of the characters are single bytes of others."""
        return any("\udc80" <= character <= "\udcff" for character in self.characters)

    def units(self, text: str) -> str:
        """Return ``text`` in terms of the model: what it does not know as bytes, if it knows bytes."""
        if not self.has_bytes:
            return text
        unknown = set(text) - set(self.characters)
        return text.translate({
            ord(character): _encoded(character).decode("ascii", "surrogateescape") for character in unknown
        })

    def encode(self, text: str, what: str = "the text") -> np.ndarray:
        """Return the numbers of the characters (or bytes) of ``text``, 1-d, int64.

        Raises ``ArgumentError`` naming the first character that is not among them.
        """
        numbers = self.numbers()
        found = numbers[_code_points(self.units(text))].astype(np.int64)
        if not found.all():
            place = next(i for i, one in enumerate(text) if not numbers[_code_points(self.units(one))].all())
            raise ArgumentError(
                f"{what} has {text[place]!r} (character {place + 1}), which the model does not know: "
                f"its {len(self)} characters are {self.characters!r}"
            )
        return found

    def numbers(self) -> np.ndarray:
        """Return the number of each code point, 0 where the model does not know it."""
        table = np.zeros(sys.maxunicode + 1, np.min_scalar_type(len(self)))
        table[_code_points(self.characters)] = np.arange(1, len(self) + 1)
        return table

    def decode(self, numbers: np.ndarray) -> str:
        """Return the text of 1-based numbers; bytes that are no UTF-8 become U+FFFD."""
        return "".join(self.spell(np.asarray(numbers).ravel().tolist()))

    def spell(self, numbers: Iterable[int]) -> Iterator[str]:
        """Yield the text of 1-based numbers as it comes: a character as soon as its last byte is there."""
        if not self.has_bytes:
            yield from (self.characters[number - 1] for number in numbers)
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for number in numbers:
            found = decoder.decode(self.characters[number - 1].encode("utf-8", "surrogateescape"))
            if found:
                yield found
        rest = decoder.decode(b"", True)
        if rest:
            yield rest


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
    def from_text(
        cls, text: str, name: str = "the text", vocabulary: Optional[Vocabulary] = None
    ) -> "Corpus":
        """Return the corpus of ``text``, in the numbers of ``vocabulary`` or of its own characters.

        Raises ``ArgumentError`` if it is empty or has characters that ``vocabulary`` lacks.
        """
        return cls._of(lambda: (text[at : at + _PART] for at in range(0, len(text), _PART)), name, vocabulary)

    @classmethod
    def from_file(cls, path: Union[str, Path], vocabulary: Optional[Vocabulary] = None) -> "Corpus":
        """Return the corpus of a UTF-8 file, or of what a pipe gives until it ends; see ``from_text``.

        Raises ``ArgumentError`` also if it is not UTF-8, ``OSError`` if it cannot be read.
        """
        with open(path, "rb") as file, naming(path):
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            source = file if regular else _kept(file, path)
            return cls._of(lambda: _decoded(source, path), str(path), vocabulary)

    @classmethod
    def _of(
        cls, parts: Callable[[], Iterator[str]], name: str, vocabulary: Optional[Vocabulary]
    ) -> "Corpus":
        """Read the text twice, part by part: which characters there are, then their numbers."""
        units: Callable[[str], str] = str if vocabulary is None else vocabulary.units
        seen = np.zeros(sys.maxunicode + 1, bool)
        length = 0
        for part in map(units, parts()):
            seen[_code_points(part)] = True
            length += len(part)
        if not length:
            raise ArgumentError(f"{name} is empty: there is nothing to train on")
        distinct = np.flatnonzero(seen)
        known = vocabulary or Vocabulary("".join(map(chr, distinct.tolist())))
        numbers = known.numbers()
        if not numbers[distinct].all():
            for part in parts():  # which raises, and tells of the first one
                known.encode(part, name)
        check_room(length * numbers.itemsize, lambda words: ArgumentError(f"{name} needs {words}"))
        codes = np.zeros(length, numbers.dtype)
        digest = hashlib.sha256()
        end = 0
        for part in parts():
            points = _code_points(units(part))
            start, end = end, end + len(points)
            if end <= length:
                codes[start:end] = numbers[points]
            digest.update(_encoded(part))
        if end != length or not codes.all():
            raise ArgumentError(f"{name} changed while it was read: give it again when it is complete")
        return cls(codes, known, name, digest.hexdigest())

    @classmethod
    def reference(cls, vocabulary: Optional[Vocabulary] = None) -> "Corpus":
        """Return the corpus of Python's own reference text, which every interpreter carries."""
        topics = importlib.import_module(REFERENCE).topics
        return cls.from_text("\n".join(topics[name] for name in sorted(topics)), REFERENCE, vocabulary)


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


def _kept(file: io.BufferedReader, path: Union[str, Path]) -> BinaryIO:
    """Return in memory what can be read only once; raise ``ArgumentError`` where it is too much for it."""
    content = io.BytesIO()
    while data := file.read1(_PART):  # what there is; Ctrl-C is heard between two reads
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
