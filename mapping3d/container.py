"""A file of several parts whose damage is noticed: a zip with the SHA-256 of each."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
)
"""What reading wrong bytes raises, depending on where they are."""

_ABOUT, _SUMS = "about.json", "sha256"


def write(path: Path, about: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    """Write parts with what is said about them.

    Parameters
    ----------
    path : Path
        Replaced if it is there; not atomic.
    about : mapping
        Plain values.
    parts : mapping of str to bytes
    """
    sums = {name: sha256(part).hexdigest() for name, part in parts.items()}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(_ABOUT, json.dumps({**about, _SUMS: sums}))
        for name, part in parts.items():
            file.writestr(name, part)


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what `write` was given.

    Raises
    ------
    One of `DAMAGE`
        If the file is not whole; a wrong checksum is a ValueError that names the part.
    """
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read(_ABOUT))
        sums = about.pop(_SUMS)
        parts = {name: file.read(name) for name in sums}
    for name, part in parts.items():
        if sha256(part).hexdigest() != sums[name]:
            raise ValueError(f"checksum of its {name}")
    return about, parts
