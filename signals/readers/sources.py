"""Which files of a folder make which recording, and what their names say of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.recording import METADATA

ENDINGS = (".csv", ".tsv", ".txt", ".log", ".dat")
"""Of files that are looked at in a folder, in small or capital letters."""

_MARK = re.compile(r"\{([^{}]*)\}")
_PATH_NAMES = ("file", "folder", "parent")


@dataclass(frozen=True)
class Source:
    """What one recording, or several of one file, are read from."""

    id: str
    """Unique within the folder: the path inside it, without the ending."""
    files: dict[str, Path]
    """Sensor to its file; the only one is under ``""`` where sensors share a file and its rows."""

    @property
    def first(self) -> Path:
        """The file that names of files and folders are taken from."""
        return next(iter(self.files.values()))


def sources(root: AnyPath, layout: TableLayout) -> list[Source]:
    """Return what a file or folder holds; sensors with files of their own are put together.

    Raises
    ------
    InputError
        If there is nothing of that kind, or a sensor's file is not there beside another's.
    """
    base = Path(root)
    if layout.files:
        return _together(base, layout.files)
    sensors = tuple(layout.rows) or ("",)
    if not base.is_dir():
        return [Source(base.stem, dict.fromkeys(sensors, base))]
    files = sorted(
        path for path in base.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()
    )
    if not files:
        raise InputError(f"{root}: holds no {', '.join(ENDINGS)} files")
    ids = [path.relative_to(base).with_suffix("").as_posix() for path in files]
    twice = Counter(ids)
    return [
        Source(
            name if twice[name] == 1 else path.relative_to(base).as_posix(),
            dict.fromkeys(sensors, path),
        )
        for name, path in zip(ids, files, strict=True)
    ]


def filled_in(text: str, names: Mapping[str, str], option: str) -> str:
    """Put what is known in place of the ``{names}`` in a text."""
    for name in marks(text):
        if name not in names:
            braces = [f"{{{known}}}" for known in names]
            raise InputError(
                f"--{option} '{text}': {{{name}}} is unknown: {nearest(f'{{{name}}}', braces)}"
            )
    # In one pass: what a name stands for may hold braces itself.
    return _MARK.sub(lambda found: names[found[1]], text).strip()


def marks(text: str) -> list[str]:
    """Return the names that stand in braces in a text."""
    return _MARK.findall(text)


def path_names(path: Path, pattern: str) -> dict[str, str]:
    """Return what the path of a file says: its name, its folders, the parts of a pattern.

    Parameters
    ----------
    path : Path
        Of a file.
    pattern : str
        Such as ``{label}_{subject}_*`` for the name without its ending, or
        ``{subject}/{label}-{take}`` for that and the folder it is in. A part holds none of the
        characters that stand beside it in the pattern; ``*`` is anything.

    Raises
    ------
    InputError
        If the path is not as the pattern says, or the pattern names nothing or one thing twice.
    """
    path = path.absolute()
    known = {"file": path.stem, "folder": path.parent.name, "parent": path.parent.parent.name}
    if not pattern:
        return known
    levels = pattern.count("/")
    text = "/".join([*path.parts[-levels - 1 : -1], path.stem] if levels else [path.stem])
    match = _regex(pattern).fullmatch(text)
    if not match:
        raise InputError(f"{path.name}: '{text}' is not as --name-pattern '{pattern}' says")
    return known | {name: part for name, part in zip(marks(pattern), match.groups(), strict=True)}


def _regex(pattern: str) -> re.Pattern[str]:
    names = marks(pattern)
    if not names:
        raise InputError(f"--name-pattern '{pattern}': names nothing: write {{label}}_{{subject}}")
    for name in names:
        if names.count(name) > 1 or name in _PATH_NAMES or not name:
            why = "occurs twice" if names.count(name) > 1 else "is taken: choose another"
            raise InputError(f"--name-pattern '{pattern}': {{{name}}} {why}")
    made = ""
    parts = re.split(r"(\{[^{}]*\}|\*)", pattern)
    for before, part, after in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        beside = re.escape("/" + before[-1:] + after[:1])
        made += re.escape(before) + ("[^/]*" if part == "*" else f"([^{beside}]+)")
    return re.compile(made + re.escape(parts[-1]))


def properties(names: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a name that are called like a property of a recording."""
    return {name: text for name, text in names.items() if name in METADATA[1:]}


def _together(base: Path, patterns: Mapping[str, str]) -> list[Source]:
    """Find the files of sensors that belong together: in one folder, alike where ``*`` stands."""
    folder = base if base.is_dir() else base.parent
    found: dict[tuple[str, ...], dict[str, Path]] = {}
    for sensor, pattern in patterns.items():
        for key, path in _matching(folder, pattern):
            if sensor in found.setdefault(key, {}):
                raise InputError(f"{path}: is like {found[key][sensor].name}: which is {sensor}?")
            found[key][sensor] = path
    if not found:
        wanted = ", ".join(patterns.values())
        raise InputError(f"{base}: holds no {wanted}: --sensor-file says what they are called")
    for files in found.values():
        if missing := [sensor for sensor in patterns if sensor not in files]:
            there = next(iter(files.values()))
            raise InputError(
                f"{there}: has no {patterns[missing[0]]} beside it: --sensor-file {missing[0]}= "
                "says how the file is called"
            )
    return [
        Source("-".join(part for part in key if part) or folder.absolute().name, files)
        for key, files in sorted(found.items())
    ]


def _matching(folder: Path, pattern: str) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield files whose path ends as a pattern says, with what tells them apart."""
    regex = re.compile(
        r"(?:(.*)/)?" + "([^/]*)".join(map(re.escape, pattern.split("*"))), re.IGNORECASE
    )
    for path in sorted(folder.rglob("*")):
        match = regex.fullmatch(path.relative_to(folder).as_posix()) if path.is_file() else None
        if match:
            yield tuple(part or "" for part in match.groups()), path
