"""What is no text: archives, which are unpacked, and formats that another program must convert."""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath

_READ = (".csv", ".tsv", ".txt", ".log", ".dat", ".json", ".mat", ".parquet")
_SHOWN = 10
_log = logging.getLogger(__name__)
_MOST_FILES, _MOST_BYTES, _MOST_RATIO = 20_000, 4 << 30, 200
"""Of one archive: recordings of text shrink to a tenth, and to a hundredth where nothing moves."""
_CHUNK = 1 << 20
_CONVERTED = {
    ".cwa": "Axivity's own format: export it as CSV in OmGui (Raw CSV) or with cwa-convert",
    ".gt3x": "ActiGraph's own format: export RAW CSV in ActiLife, or read it with pygt3x",
    ".agd": "ActiGraph's epochs, no samples: export RAW CSV of the .gt3x in ActiLife",
    ".cbor": "Edge Impulse in CBOR: export the data as JSON, or convert it with the package cbor2",
    ".bin": "a device's own format: convert it with its maker's program (GENEActiv: to CSV)",
    ".mtb": "Xsens's own format: export it as text in MT Manager",
    ".xlsx": "a workbook: save its sheet as CSV",
    ".xls": "a workbook: save its sheet as CSV",
    ".edf": "EDF: convert it to CSV with the package pyedflib",
    ".h5": "HDF5: write its arrays as CSV with the package h5py",
    ".npy": "a NumPy array, which says neither names nor units: write it as CSV with a header line",
    ".fit": "Garmin's own format: convert it with FitCSVTool",
}


def check_format(path: AnyPath) -> None:
    """Refuse a file of a format that is not read, and say what converts it."""
    file = Path(path)
    if file.is_file() and (how := _CONVERTED.get(file.suffix.lower())):
        raise InputError(f"{path}: {file.suffix.lower()} is not read: it is {how}")


@contextmanager
def unpacked(source: AnyPath) -> Iterator[Path]:
    """Yield a folder with what a zip, or a folder of nothing but zips, holds; else what was given.

    Each archive becomes a folder of its name. Only data files are unpacked, into a folder that is
    gone afterwards; sizes are read before and watched while unpacking.

    Raises
    ------
    InputError
        If an archive is damaged, encrypted, too large or packed too tightly, or a name in it leads
        out of its folder.
    """
    base = Path(source)
    zips = [base] if base.is_file() and base.suffix.lower() == ".zip" else []
    if base.is_dir():
        files = [path for path in sorted(base.rglob("*")) if path.is_file()]
        packed = [path for path in files if path.suffix.lower() == ".zip"]
        if any(path.suffix.lower() in _READ for path in files):
            left = packed + [path for path in files if path.suffix.lower() in _CONVERTED]
            _tell_left_out(base, left)
        else:
            zips = packed
    if not zips:
        yield base
        return
    with tempfile.TemporaryDirectory(prefix="imuscribe-") as place:
        root = Path(place) / base.stem
        for path in zips:
            inside = root if path == base else root / path.relative_to(base).with_suffix("")
            _unpack(path, inside)
        yield root


def _tell_left_out(base: Path, files: list[Path]) -> None:
    """Name what stands beside tables and is not read with them."""
    if files:
        shown = ", ".join(path.relative_to(base).as_posix() for path in files[:_SHOWN])
        more = f" and {len(files) - _SHOWN:,} more" if len(files) > _SHOWN else ""
        _log.warning(
            "%s: left out: %s%s: archives are read where nothing else is beside them",
            *(base, shown, more),
        )


def _unpack(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            if not members:
                nested = any(name.lower().endswith(".zip") for name in archive.namelist())
                hint = ": it holds zips, unpack it first" if nested else ""
                raise InputError(f"{path}: holds no {', '.join(_READ)} files{hint}")
            for member in members:
                target = folder.joinpath(*PurePosixPath(member.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(archive, member, target, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        encrypted = " (it may want a password)" if "password" in str(error) else ""
        raise InputError(
            f"{path}: cannot be unpacked{encrypted}: {str(error)[:100]}: unpack it first"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be unpacked: {error.strerror or error}") from None


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Return the data files of an archive, whose sizes and names are sound."""
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and PurePosixPath(member.filename).suffix.lower() in _READ
        and not member.filename.startswith("__MACOSX/")
    ]
    size, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if len(members) > _MOST_FILES or size > _MOST_BYTES or size > _MOST_RATIO * max(packed, 1024):
        raise InputError(
            f"{path}: unpacks {packed:,} bytes to {len(members):,} files of {size:,} bytes: more "
            "than recordings do; unpack it yourself if it is sound"
        )
    for member in members:
        parts = PurePosixPath(member.filename).parts
        bad = ("..", "/") if "\\" not in member.filename else parts
        if not parts or any(part in bad or ":" in part or "\0" in part for part in parts):
            raise InputError(
                f"{path}: '{member.filename}' leads out of its folder: unpack it first"
            )
    return members


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> None:
    """Unpack one file; one that holds more than it says is refused."""
    left = member.file_size
    with archive.open(member) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise InputError(f"{path}: '{member.filename}' is larger than it says: damaged")
            file.write(chunk)
    shutil.copystat(path, target)
