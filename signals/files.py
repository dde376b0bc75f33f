"""Files that are either whole or absent, and their fingerprints."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signals.errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` only if the block succeeds.

    An exception, a full disk or Ctrl-C leaves the previous file as it was and no debris.

    Parameters
    ----------
    path : path-like
        The final file. Its folder is created when missing.

    Raises
    ------
    InputError
        If the operating system refuses to write (full disk, no permission).
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, final)
    except OSError as error:
        raise InputError(f"cannot write {final}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_dir() -> Path:
    """Return the folder for converted models and tokenizers: ``$IMUSCRIBE_CACHE`` or the user's."""
    return Path(os.environ.get("IMUSCRIBE_CACHE") or Path.home() / ".cache" / "imuscribe")
