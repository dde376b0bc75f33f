"""Reader for CSV files with a header, one recording each, of whatever columns and units."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import AnyPath
from imuscribe.signals.motion.attitude import ANGLES, QUATERNION
from imuscribe.signals.readers.columns import check_attitude, check_sign, completed, terms
from imuscribe.signals.readers.tables import in_si, numbers, read_table
from imuscribe.signals.recording import ACC, CHANNELS, GYRO, LIN_ACC, METADATA, SENSORS, Recording
from imuscribe.signals.units import Quantity, known_factor, unit_factor

_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]")
_UNIT_OPTIONS: dict[Quantity, tuple[str, str, str]] = {
    "acceleration": ("--acc-unit", "m/s^2, g or mg", "acc_x (g)"),
    "rotation": ("--gyro-unit", "rad/s or deg/s", "gyro_x (deg/s)"),
    "time": ("--time-unit", "s, ms, us or ns", "t (ms)"),
    "angle": ("--angle-unit", "rad or deg", "roll (deg)"),
}
_NAMES = ("t", *CHANNELS, *ANGLES, *QUATERNION)
_QUANTITIES: dict[str, Quantity] = {
    "t": "time",
    **dict.fromkeys(GYRO, "rotation"),
    **dict.fromkeys(ANGLES, "angle"),
}
_log = logging.getLogger(__name__)


def read_csv(
    path: AnyPath,
    columns: Mapping[str, str],
    acc_unit: str = "",
    gyro_unit: str = "",
    time_unit: str = "",
    rate: float | None = None,
    acc_sign: str = "",
    attitude: str = "",
    angle_unit: str = "",
    **metadata: str,
) -> Recording:
    """Read one recording from a delimited text file with a header line.

    Parameters
    ----------
    path : path-like
        Separated by commas, semicolons or tabs; a first line ``sep=;`` is understood.
    columns : mapping of str to str
        Our name (``t``, ``acc_x`` … ``gyro_z``, ``lin_acc_*``) to the file's column, whose unit in
        brackets may be left out: ``ax`` is also found as ``ax (g)``. Columns may be added and
        turned over: ``gravity.x+userAcceleration.x``, ``-ay``.
    acc_unit, gyro_unit, time_unit : str
        As in `signals.units`, where the header does not say; time is in seconds by default.
    rate : float, optional
        Hz, for a file without times.
    acc_sign : str
        ``"up"``: a device lying face up at rest reads +9.81 m/s² on z, the default; ``"down"``: it
        reads −9.81, as iPhones and Apple Watches do.
    attitude : str
        One of `signals.motion.attitude.Attitude`: gravity is restored from columns ``roll`` and
        ``pitch`` or ``qw`` … ``qz`` where only ``lin_acc_*`` was kept.
    angle_unit : str
        ``"rad"`` or ``"deg"``, where the header does not say.
    **metadata : str
        ``label``, ``subject``, ``session``, ``device``, ``case``, ``placement``; ``id`` is the
        file's name without its ending unless given.

    Raises
    ------
    InputError
        If a column or a unit is missing or unknown, or a cell is not a number.
    """
    check_sign(acc_sign)
    check_attitude(attitude, columns)
    _check(path, columns, rate, metadata, gravity=not attitude)
    table = read_table(path)
    if rate is not None and "t" in table.columns:
        raise InputError(f"{path}: has a column 't': leave the rate out, or rename the column")
    units: dict[Quantity, str] = {
        "acceleration": acc_unit,
        "rotation": gyro_unit,
        "time": time_unit,
        "angle": angle_unit,
    }
    values = {}
    for name, parts in _parts(table.columns, columns, path).items():
        quantity = _QUANTITIES.get(name, "acceleration")
        rows = []
        for sign, header, written in parts:
            if name in QUATERNION:
                rows.append(sign * numbers(table, header, path))
            else:
                unit = _unit(units[quantity], written, quantity, f"{path}: {name}")
                rows.append(sign * in_si(table, header, unit, quantity, path))
        values[name] = np.sum(rows, axis=0)
    values = completed(values, acc_sign, attitude)
    t = values["t"] if rate is None else np.arange(len(table)) / rate
    channels = tuple(name for name in CHANNELS if name in values)
    about = {key: text.strip() for key, text in {"id": Path(path).stem, **metadata}.items()}
    data = np.stack([values[name] for name in channels]).astype(np.float32)
    return Recording(data=data, channels=channels, t=t - t[0], **about)


def read_csvs(
    source: AnyPath, columns: Mapping[str, str] | None = None, **options: Any
) -> list[Recording]:
    """Read one file, or every CSV file in a folder, with the options of `read_csv`.

    In texts such as `label`, ``{file}``, ``{folder}`` and ``{parent}`` stand for the names of the
    file and its folders.
    """
    from tqdm import tqdm

    root = Path(source)
    files = sorted(root.rglob("*.csv")) if root.is_dir() else [root]
    if not files:
        raise InputError(f"{source}: holds no .csv files")
    columns, recordings = columns or {}, []
    for file in tqdm(files, desc="read", unit="file", disable=len(files) == 1):
        inside = file.relative_to(root) if root.is_dir() else Path(file.name)
        filled = {"id": inside.with_suffix("").as_posix(), **_filled(options, file.resolve())}
        recordings.append(read_csv(file, columns, **filled))
    headers = read_table(files[0]).columns
    parts = _parts(headers, columns, files[0]).values()
    read = {header for channel in parts for _, header, _ in channel}
    if left := [header for header in headers if header not in read]:
        _log.warning("columns not read (of %s): %s", files[0].name, ", ".join(left))
    return recordings


def _filled(options: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Fill the names of a file and its folders in the metadata."""
    folder = file.parent
    names = {"{file}": file.stem, "{folder}": folder.name, "{parent}": folder.parent.name}
    filled = dict(options)
    for key, text in options.items():
        for mark in re.findall(r"\{[^{}]*\}", text if key in METADATA else ""):
            if mark not in names:
                raise InputError(f"--{key} '{text}': {mark} is unknown: {nearest(mark, names)}")
            filled[key] = filled[key].replace(mark, names[mark])
    return filled


def _check(
    path: AnyPath,
    columns: Mapping[str, str],
    rate: float | None,
    metadata: Mapping[str, str],
    gravity: bool = True,
) -> None:
    """Refuse what is wrong before the file is read."""
    for name in columns:
        if name not in _NAMES:
            raise InputError(f"column '{name}' is unknown: {nearest(name, _NAMES)}")
    for key in metadata:
        if key not in METADATA:
            raise InputError(f"'{key}' is no property of a recording: {nearest(key, METADATA)}")
    if "t" not in columns and rate is None:
        raise InputError(f"{path}: no time column is named: give t=COLUMN or a rate in Hz")
    if "t" in columns and rate is not None:
        raise InputError(f"{path}: has times in '{columns['t']}': leave the rate out")
    if rate is not None and not (rate > 0 and np.isfinite(rate)):
        raise InputError(f"{path}: rate is {rate:g} Hz: it must be above 0")
    wanted = ACC if gravity else LIN_ACC
    sensors = [names for names in SENSORS.values() if names == wanted or set(names) & set(columns)]
    if missing := [name for names in sensors for name in names if name not in columns]:
        raise InputError(f"{path}: no column is named for {', '.join(missing)}: a sensor has three")


def _parts(
    headers: Iterable[str], columns: Mapping[str, str], path: AnyPath
) -> dict[str, list[tuple[float, str, str]]]:
    """Return the signs, headers and written units of the columns that make each channel."""
    matches = {header: _WITH_UNIT.fullmatch(header) for header in headers}
    known = {*matches, *(match[1] for match in matches.values() if match)}
    parts = {
        ours: [(sign, *_header(matches, ours, name, path)) for sign, name in terms(theirs, known)]
        for ours, theirs in columns.items()
    }
    used = Counter(header for channel in parts.values() for _, header, _ in channel)
    if twice := [header for header, n in used.items() if n > 1]:
        raise InputError(f"{path}: column '{twice[0]}' is named twice: each is part of one channel")
    return parts


def _header(headers: Iterable[str], ours: str, theirs: str, path: AnyPath) -> tuple[str, str]:
    """Return a column's whole header and the unit that stands in it, if one does."""
    split = {header: _WITH_UNIT.fullmatch(header) for header in headers}
    found = [header for header, match in split.items() if match and match[1] == theirs]
    found = [theirs] if theirs in split else found
    if len(found) > 1:
        raise InputError(
            f"{path}: column '{theirs}' may be {' or '.join(found)}: name it with its unit"
        )
    if not found:
        instead = " or give --rate" if ours == "t" else ""
        raise InputError(
            f"{path}: has no column '{theirs}': {nearest(theirs, split)} "
            f"(--column {ours}=NAME says which{instead})"
        )
    match = split[found[0]]
    return found[0], match[2] if match else ""


def _unit(given: str, written: str, quantity: Quantity, where: str) -> str:
    """Return the unit as given or, where none is, as written in the header."""
    option, units, example = _UNIT_OPTIONS[quantity]
    if not (given or written):
        if quantity == "time":
            return "s"
        raise InputError(
            f"{where}: the unit of {quantity} is missing: give {option} ({units}), "
            f"or write it into the header: '{example}'"
        )
    # Brackets may hold something else, as in "ax (filtered)".
    if given and known_factor(written, quantity) not in (None, unit_factor(given, quantity)):
        raise InputError(
            f"{where}: {option} is '{given}' but the header says '{written}': leave {option} out"
        )
    return given or written
