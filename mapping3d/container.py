"""A file of several parts whose damage is noticed: a zip with the SHA-256 of each.

A new file takes the place of an old one only when it can be read back; the old one stays beside it.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path

_DAMAGE = (
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


Content = tuple[dict[str, Any], dict[str, bytes]]


def replace(path: Path, format: int, about: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    """Write parts with what is said about them; a whole file there is kept as ``NAME.previous``.

    What was written is read back and checked before it takes the old one's place, so a full disk or
    an interruption leaves the last good file.

    Parameters
    ----------
    path : Path
    format : int
        Which layout of parts this is.
    about : mapping
        Plain values.
    parts : mapping of str to bytes

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        _write(temporary, {"format": format, **about}, parts)
        _read(temporary)
        if path.is_file() and _is_whole(path):
            with atomic_path(_previous(path)) as kept:
                kept.write_bytes(path.read_bytes())


@contextmanager
def opened(path: Path, format: int, what: str) -> Iterator[Content]:
    """Yield what `replace` was given; what goes wrong with it inside the block is damage too.

    Parameters
    ----------
    path : Path
    format : int
        The layout that is understood.
    what : str
        What the file holds, for the message.

    Raises
    ------
    InputError
        If the file is not whole or has another layout; with the last good one, if there is.
    """
    try:
        about, parts = _read(path)
        if about["format"] != format:
            raise InputError(
                f"{what} {path}: has format {about['format']}, this version reads {format}"
            )
        yield about, parts
    except InputError:
        raise
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        last = _previous(path)
        hint = f"the last good one is {last}" if last.is_file() else "make it again"
        raise InputError(f"{what} {path}: is damaged or none ({reason}): {hint}") from None


def _write(path: Path, about: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    sums = {name: sha256(part).hexdigest() for name, part in parts.items()}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(_ABOUT, json.dumps({**about, _SUMS: sums}))
        for name, part in parts.items():
            file.writestr(name, part)


def _read(path: Path) -> Content:
    """Return what `_write` was given, or raise one of `_DAMAGE`."""
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read(_ABOUT))
        sums = about.pop(_SUMS)
        parts = {name: file.read(name) for name in sums}
    for name, part in parts.items():
        if sha256(part).hexdigest() != sums[name]:
            raise ValueError(f"checksum of its {name}")
    return about, parts


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except _DAMAGE:
        return False
    return True
