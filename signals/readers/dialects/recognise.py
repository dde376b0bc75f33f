"""Which layout a file or folder is in, and why it is thought so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.dialects import NAMES, dialect
from imuscribe.signals.readers.dialects.entry import data_files, head_of
from imuscribe.signals.readers.dialects.packed import check_format
from imuscribe.signals.readers.sources import ENDINGS

# Of a folder of thousands the first few of each ending and depth tell enough.
_LOOKED_AT = 400
_OUR_NAMES = re.compile(r"^.*\bacc_x\b.*\bacc_y\b.*\bacc_z\b.*$", re.MULTILINE | re.IGNORECASE)
_ANDROSENSOR = r"ACCELEROMETER X \(m/s"


@dataclass(frozen=True)
class Signs:
    """What gives a layout away: how its files are named and what they begin with."""

    name: str
    files: str
    head: str = ""
    a_set: bool = False


_OURS = (
    Signs("parquet", r"[^/]+\.parquet", a_set=True),
    Signs("charsense", r"RawDataset/[^/]+/[^/]+/[^/]+\.csv", _ANDROSENSOR, a_set=True),
    Signs("charsense", r"[^/]+/[A-Za-z0-9]/[^/]+\.csv", _ANDROSENSOR),
    Signs("motion-pen", r"[^/]+/[a-z]\.csv", r"\A[\d.]+,(?:-?[\d.]+,){13}-?[\d.]+\s*$", a_set=True),
)


def recognise(path: AnyPath) -> tuple[str, str]:
    """Return the layout that a file or folder is in, and why.

    Raises
    ------
    InputError
        If there is no such path, no layout fits, or two fit alike.
    """
    root = Path(path)
    files = [root] if root.is_file() else _sample(root)
    signs = [*_OURS, *(Signs(d.name, d.files, d.head, d.a_set) for d in map(dialect, NAMES))]
    found: dict[str, tuple[bool, str]] = {}
    for file in files:
        full, head = file.resolve().as_posix(), None
        for one in signs:
            if one.name in found or not re.search(f"(?:^|/){one.files}$", full):
                continue
            head = head_of(file) if head is None and one.head else head
            match = re.search(one.head, head or "", re.MULTILINE) if one.head else None
            if one.head and not match:
                continue
            shown = file.name if root.is_file() else file.relative_to(root).as_posix()
            begins = f" with '{match[0].strip()[:40]}'" if match else ""
            found[one.name] = (one.a_set, f"{shown[-60:]}{begins}")
    # The folders and names of a published set leave no doubt; columns that others have too do.
    best = [name for name, (a_set, _) in found.items() if a_set] or list(found)
    if len(best) == 1:
        return best[0], f"it holds {found[best[0]][1]}"
    if best:
        first, second = best[:2]
        raise InputError(
            f"{root}: may be {first} ({found[first][1]}) or {second} ({found[second][1]}): "
            "say which with --layout"
        )
    if not files:
        for file in sorted(root.rglob("*")):
            check_format(file)
        raise InputError(f"{root}: holds no data files (.csv, .txt, .json, .mat, .zip, …)")
    for file in files:
        if file.suffix.lower() in ENDINGS and (match := _OUR_NAMES.search(head_of(file))):
            return "csv", f"{file.name} has our names, '{match[0].strip()[:40]}'"
    for file in files:
        check_format(file)
    names = ", ".join(file.name for file in files[:3])
    zipped = ": unpack it first" if all(file.suffix == ".zip" for file in files) else ""
    raise InputError(
        f"{root}: no known layout fits {names[:100]}{zipped}: give --layout csv and --column "
        "OURS=THEIRS, or a name of 'imuscribe data import --help'"
    )


def _sample(root: Path) -> list[Path]:
    """Return files of a folder, spread over it where they are many."""
    files = [*data_files(root), *sorted(root.glob("*.parquet"))]
    return files[:: max(1, len(files) // _LOOKED_AT)]
