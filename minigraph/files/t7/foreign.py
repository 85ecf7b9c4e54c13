"""What a file that is no .t7 file is, by its first bytes: a name ending in .t7 is no proof.

A .t7 file starts with the code of a value: 0 to 8 as an int, or as a digit in the text encoding.
"""

from __future__ import annotations

import re
from typing import Optional

#: As many bytes as are looked at.
HEAD = 512

_STARTS: tuple[tuple[bytes, str], ...] = (
    (
        rb"version https://git-lfs",
        "a Git LFS pointer: the file itself lies on the server of its repository; git lfs pull fetches it",
    ),
    (
        rb"PK\x03\x04|PK\x05\x06",
        "a zip archive: unpack it, or, if PyTorch's torch.save wrote it, read it with torch.load",
    ),
    (
        rb"\x80[\x01-\x05]|\((?:dp|lp|i|t)|c[\w.]+\n\w+\n|[\]}]q[\x00-\x20]",
        "a Python pickle: PyTorch's torch.save or pickle.dump wrote it; torch.load or pickle.load reads it",
    ),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file: the package h5py reads it"),
    (rb"\x1f\x8b", "compressed with gzip: unpack it first"),
    (rb"BZh[1-9]", "compressed with bzip2: unpack it first"),
    (rb"\xfd7zXZ\x00", "compressed with xz: unpack it first"),
    (rb"(?s).{257}ustar", "a tar archive: unpack it first"),
    (rb"\x93NUMPY", "an array of NumPy: numpy.load reads it"),
    (rb"(?s).{6}\x00\x00\{\s*\"", "a safetensors file: mg.load reads those of minigraph"),
    (rb"\s*<(?i:!doctype|html|\?xml)", "a web page: what should have been downloaded was not"),
)


def foreign_kind(start: bytes) -> Optional[str]:
    """Return what a file with these first bytes is where it is certainly no .t7 file."""
    return next((what for pattern, what in _STARTS if re.match(pattern, start)), None)
