"""Files and folders that are either whole or absent, named safely, and their fingerprints."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from imuscribe.signals.errors import InputError

AnyPath = str | os.PathLike[str]

# Bytes of a file name made from a text; file systems take 255, and endings are added.
_LONGEST = 200
# Names that one operating system keeps for itself.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE)

# A folder on a network may be written to from several computers.
_HERE = f"{zlib.crc32(platform.node().encode()):08x}"
_UNFINISHED = re.compile(rf"\.(.+)\.(\d+)-{_HERE}\.(tmp|old)")
_swept: set[Path] = set()


def safe_name(text: str) -> str:
    """Turn any text from data or a recipe into one file name; `text_of_name` turns it back.

    Letters and digits of ASCII, ``_ - . + = @ ,`` and inner spaces stay; everything else becomes
    ``%`` and its bytes, as in an address: ``../x`` becomes ``%2E.%2Fx``. No result is empty,
    hidden, a path, or ``.`` and ``..``; a text too long for a file name is refused.
    """
    name = re.sub(r"[^A-Za-z0-9_.+=@, -]", _escaped, text)
    name = re.sub(r"^[ .]|[ .]$", _escaped, name)
    name = _DEVICES.sub(lambda m: _escaped(m)[:3] + m[0][1:], name, count=1) or "%"
    if len(name) > _LONGEST:
        raise InputError(
            f"'{text[:40]}…' is {len(text):,} characters long, too long for a file name: "
            f"use a shorter one, {_LONGEST} plain letters at most"
        )
    return name


def text_of_name(name: str) -> str:
    """Return the text that `safe_name` made a file name of."""
    return "" if name == "%" else unquote(name, errors="surrogatepass")


def inside(folder: Path, *texts: str) -> Path:
    """Return the path of a file or folder within `folder`, each part of it named by a text.

    A link within `folder` that leads out of it is refused.
    """
    path = folder.joinpath(*map(safe_name, texts))
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: a link leads out of {folder}: remove it, or choose another name")
    return path


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


@contextmanager
def atomic_path(path: AnyPath) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` only if the block succeeds.

    An exception, a full disk or Ctrl-C leaves the previous file as it was and no debris; that of a
    process that was killed is removed when the next one writes there. The folder is created when
    missing; what the operating system refuses to write is an `InputError`.
    """
    final = Path(path)
    temporary = _beside(final, "tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final.parent)
        yield temporary
        os.replace(temporary, final)
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: AnyPath, marker: str = "") -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` only if the block succeeds.

    The folder that was there stays until the new one stands. A link is replaced, never followed.
    Every such folder holds the file `marker`: one without it is somebody else's, and refused.
    """
    final = Path(path)
    temporary, old = _beside(final, "tmp"), _beside(final, "old")
    _sweep(final.parent)
    if final.exists() and not final.is_dir():
        raise InputError(f"{final}: is a file, and a folder is to be made: give another name")
    if marker and final.is_dir() and any(final.iterdir()) and not (final / marker).is_file():
        raise InputError(
            f"{final}: holds files but no {marker}, so it is not ours to replace: "
            "move it away, or give another name"
        )
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if final.is_symlink() or final.exists():
            final.rename(old)
        try:
            temporary.rename(final)
        except OSError:
            if old.is_symlink() or old.exists():
                old.rename(final)
            raise
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old, ignore_errors=True)


def _beside(final: Path, ending: str) -> Path:
    """Return where this process keeps what is to become, or was, a file or folder."""
    return final.with_name(f".{final.name}.{os.getpid()}-{_HERE}.{ending}")


def _refused(final: Path, error: OSError) -> InputError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return InputError(f"cannot write {final}: {final.parent} is a file, or in one: no folder")
    return InputError(f"cannot write {final}: {error.strerror or error}")


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left in a folder; once in a process."""
    if folder in _swept or sys.platform == "win32":  # where asking for a process may end it
        return
    _swept.add(folder)
    with suppress(OSError):
        for path in folder.iterdir():
            found = _UNFINISHED.fullmatch(path.name)
            if found is None or _runs(int(found[2])):
                continue
            whole = folder / found[1]
            if found[3] == "old" and not os.path.lexists(whole):  # killed between two renames
                path.rename(whole)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's
        pass
    return True


@contextmanager
def held(folder: AnyPath) -> Iterator[None]:
    """Keep a folder to this process: another one that would write there too is refused.

    The folder is created when missing. Nothing is left behind, however the process ends.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}: give another 'out'"
        ) from error
    with _locked(folder, f"'{folder}'", "another name or 'out'"):
        yield


@contextmanager
def held_file(path: AnyPath) -> Iterator[None]:
    """Keep a file that takes long to make to this process, by a hidden lock beside it.

    The lock goes when the process is done; one that a killed process leaves holds nobody up.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}: give another --out") from error
    with _locked(lock, f"'{path}'", "another --out"):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, what: str, instead: str) -> Iterator[None]:
    if sys.platform == "win32":  # where a folder cannot be locked
        yield
        return
    import fcntl

    busy = InputError(
        f"{what} is being written by another imuscribe command: wait until it ends, or give "
        f"{instead}"
    )
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # the other one was just done with its lock
        raise busy from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


def write_text(path: AnyPath, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def parsed_json(text: str | bytes) -> Any:
    """Return what a text in JSON holds; one that is damaged or nested too deep is a ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def sha256(path: AnyPath) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_dir() -> Path:
    """Return the folder for converted models and tokenizers: ``$IMUSCRIBE_CACHE`` or the user's."""
    return Path(os.environ.get("IMUSCRIBE_CACHE") or Path.home() / ".cache" / "imuscribe")
