"""Corpus: a text as numbers, and the characters that they stand for."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import numpy as np

from minigraph.errors import ArgumentError

#: What is trained on where no file is given: the reference text that comes with Python.
REFERENCE = "pydoc_data.topics"


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
    """A text to train on: its numbers ``(N,)`` (int64, from 1), its vocabulary, and where it is from.

    ``digest`` is the SHA-256 of the text: it tells whether a checkpoint was trained on this one.
    """

    codes: np.ndarray
    vocabulary: Vocabulary
    name: str
    digest: str

    @classmethod
    def from_text(cls, text: str, name: str = "the text") -> "Corpus":
        """Return the corpus of ``text``; raise ``ArgumentError`` if it is empty."""
        if not text:
            raise ArgumentError(f"{name} is empty: there is nothing to train on")
        points = _code_points(text)
        distinct = np.unique(points)
        vocabulary = Vocabulary("".join(map(chr, distinct.tolist())))
        codes = np.searchsorted(distinct, points).astype(np.int64) + 1
        return cls(codes, vocabulary, name, hashlib.sha256(_encoded(text)).hexdigest())

    @classmethod
    def from_file(cls, path: Union[str, Path]) -> "Corpus":
        """Return the corpus of a UTF-8 file.

        Raises ``ArgumentError`` if it is empty or not UTF-8, ``OSError`` if it cannot be read.
        """
        data = Path(path).read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{path} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start} "
                f"({error.reason}); convert it first, for example with iconv -f LATIN1 -t UTF-8"
            ) from error
        return cls.from_text(text, str(path))

    @classmethod
    def reference(cls) -> "Corpus":
        """Return the corpus of Python's own reference text, which every interpreter carries."""
        topics = importlib.import_module(REFERENCE).topics
        return cls.from_text("\n".join(topics[name] for name in sorted(topics)), REFERENCE)


def _encoded(text: str) -> bytes:
    # A lone surrogate cannot come from a file, but a str may hold one.
    return text.encode("utf-8", "surrogatepass")


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
