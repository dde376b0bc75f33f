"""Readers for CSV files and for the raw layouts of two public handwriting data sets."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.readers.parquet import CASES, CHANNELS, leave_out
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Recording
from imuscribe.signals.units import Quantity, to_si, unit_factor

if TYPE_CHECKING:
    import pandas as pd

METADATA = ("id", "label", "subject", "session", "device", "case")

_CHARSENSE_SENSORS = {
    "ACCELEROMETER": ACC,
    "LINEAR ACCELERATION": LIN_ACC,
    "GYROSCOPE": GYRO,
}
_PEN_COLUMNS = 15
_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]")
_UNIT_OPTIONS: dict[Quantity, tuple[str, str, str]] = {
    "acceleration": ("--acc-unit", "m/s^2, g or mg", "acc_x (g)"),
    "rotation": ("--gyro-unit", "rad/s or deg/s", "gyro_x (deg/s)"),
    "time": ("--time-unit", "s, ms, us or ns", "t (ms)"),
}


def read_csv(
    path: str | os.PathLike[str],
    columns: Mapping[str, str],
    acc_unit: str = "",
    gyro_unit: str = "",
    time_unit: str = "",
    rate: float | None = None,
    **metadata: str,
) -> Recording:
    """Read one recording from a delimited text file with a header line.

    Parameters
    ----------
    path : path-like
        Separated by commas, semicolons or tabs; a first line ``sep=;`` is understood.
    columns : mapping of str to str
        Our name (``t``, ``acc_x`` … ``gyro_z``, ``lin_acc_*``) to the file's column, whose unit in
        brackets may be left out: ``ax`` is also found as ``ax (g)``.
    acc_unit, gyro_unit, time_unit : str
        As in `signals.units`, where the header does not say; time is in seconds by default.
    rate : float, optional
        Hz, for a file without times.
    **metadata : str
        ``label``, ``subject``, ``session``, ``device``, ``case``; ``id`` is the file's name
        without its ending unless given.

    Raises
    ------
    InputError
        If a column or a unit is missing or unknown, or a cell is not a number.
    """
    for name in columns:
        if name not in ("t", *CHANNELS):
            raise InputError(f"column '{name}' is unknown: {nearest(name, ('t', *CHANNELS))}")
    for key in metadata:
        if key not in METADATA:
            raise InputError(f"'{key}' is no property of a recording: {nearest(key, METADATA)}")
    _check_case(metadata.get("case", ""))
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    if "t" not in columns and rate is None:
        raise InputError(f"{path}: no time column is named: give t=COLUMN or a rate in Hz")
    if "t" in columns and rate is not None:
        raise InputError(f"{path}: has times in '{columns['t']}': leave the rate out")
    if rate is not None and not (rate > 0 and np.isfinite(rate)):
        raise InputError(f"{path}: rate is {rate:g} Hz: it must be above 0")
    if twice := [name for name, n in Counter(columns.values()).items() if n > 1]:
        raise InputError(f"{path}: column '{twice[0]}' is named twice: each is one channel")
    channels = tuple(name for name in CHANNELS if name in columns)
    missing = [name for group in _sensors(channels) for name in group if name not in columns]
    if missing:
        raise InputError(f"{path}: no column is named for {', '.join(missing)}: a sensor has three")
    table = _table(path)
    if rate is not None and "t" in table.columns:
        raise InputError(f"{path}: has a column 't': leave the rate out, or rename the column")
    headers = {ours: _header(table, ours, theirs, path) for ours, theirs in columns.items()}
    rows = []
    for name in channels:
        column, written = headers[name]
        quantity: Quantity = "rotation" if name in GYRO else "acceleration"
        where = f"{path}: {name}"
        unit = _unit(gyro_unit if name in GYRO else acc_unit, written, quantity, where)
        rows.append(_convert(_numbers(table, column, path), unit, quantity, where))
    data = np.stack(rows)
    if "t" in columns:
        column, written = headers["t"]
        unit = _unit(time_unit, written, "time", f"{path}: t") or "s"
        t = _numbers(table, column, path) * unit_factor(unit, "time")
    else:
        t = np.arange(len(table)) / float(rate or 1)
    return _recording(data, channels, t, {"id": Path(path).stem, **metadata}, path)


def unread_columns(path: str | os.PathLike[str], columns: Mapping[str, str]) -> list[str]:
    """Return the columns of a CSV file that `read_csv` would leave, headers as they stand there."""
    table = _table(path)
    read = {_header(table, ours, theirs, path)[0] for ours, theirs in columns.items()}
    return [header for header in table.columns if header not in read]


def read_charsense(root: str | os.PathLike[str]) -> list[Recording]:
    """Read the CharSense layout: ``RawDataset/<person>/<character>/*.csv``.

    The files are AndroSensor exports, separated by commas or, after a line ``sep=;``, by
    semicolons; column names carry sensor and unit. Characters were written in the air.

    Raises
    ------
    InputError
        If no such files are found, or more than 1 % of them cannot be used.
    """
    base = _inside(root, "RawDataset")
    files = sorted(base.glob("*/*/*.csv"))
    if not files:
        raise InputError(f"{root}: holds no RawDataset/<person>/<character>/*.csv: not CharSense")

    jobs = []
    for path in files:
        person, label = path.parts[-3:-1]
        name = f"charsense-{person}-{label}-{path.stem}"
        jobs.append(partial(_androsensor, path, name, person, label))
    return _read_all(jobs, root)


def read_motion_pen(
    root: str | os.PathLike[str], people: Mapping[str, str] | None = None
) -> list[Recording]:
    """Read the motion-pen layout: ``data/<session>/<letter>.csv`` without header.

    A row is id, milliseconds since the row before, yaw, pitch, roll, acceleration x, y, z in mg,
    rotation rate x, y, z in deg/s, quaternion. Rows of one id are one recording; a row whose id is
    ``#`` cancels the recording before it. Letters were written on a flat surface.

    Parameters
    ----------
    root : path-like
        The repository or its ``data`` folder.
    people : mapping of str to str, optional
        Session to writer. The layout does not say who wrote, so a session not named here counts
        as a writer of its own; name those that one person wrote, or that person is on both sides
        of a split.

    Raises
    ------
    InputError
        If no such files are found, or more than 1 % of the recordings cannot be used.
    """
    base = _inside(root, "data")
    files = sorted(base.glob("*/*.csv"))
    if not files:
        raise InputError(f"{root}: holds no data/<session>/<letter>.csv: not motion-pen")
    sessions = {path.parent.name for path in files}
    for session in people or {}:
        if session not in sessions:
            raise InputError(f"{root}: has no session '{session}': {nearest(session, sessions)}")
    jobs = []
    for path in files:
        session = path.parent.name
        meta = {
            "label": path.stem,
            "subject": (people or {}).get(session, session),
            "session": session,
            "device": "stylus",
            "case": "2d",
        }
        for i, lines in enumerate(_pen_sequences(path)):
            name = {"id": f"motion-pen-{session}-{path.stem}-{i:02d}", **meta}
            jobs.append(partial(_pen, path, lines, name))
    return _read_all(jobs, root)


def _androsensor(path: Path, name: str, person: str, label: str) -> Recording:
    table = _table(path)
    rows: dict[str, NDArray[np.float32]] = {}
    times = [c for c in table.columns if c.startswith("Time since start")]
    for column in table.columns:
        match = re.fullmatch(r"([A-Z ]+) ([XYZ]) \((.+)\)", column)
        if match and match[1] in _CHARSENSE_SENSORS:
            group = _CHARSENSE_SENSORS[match[1]]
            quantity: Quantity = "rotation" if group is GYRO else "acceleration"
            values = _numbers(table, column, path)
            rows[group["XYZ".index(match[2])]] = _convert(
                values, match[3], quantity, f"{path}: {column}"
            )
    missing = [n for n in (*ACC, *GYRO) if n not in rows] + ([] if times else ["t"])
    if missing:
        raise InputError(f"{path}: has no column for {', '.join(missing)}: not a full export")
    unit = re.search(r"in (\w+)", times[0])
    t = _numbers(table, times[0], path) * unit_factor(unit[1] if unit else "", "time")
    channels = tuple(n for n in CHANNELS if n in rows)
    meta = {"id": name, "subject": person, "label": label, "device": "phone", "case": "3d"}
    return _recording(np.stack([rows[n] for n in channels]), channels, t, meta, path)


def _pen_sequences(path: Path) -> list[list[str]]:
    """Split a file into its sequences, without those that a ``#`` row cancels."""
    sequences: list[list[str]] = []
    current: str | None = None
    for line in _text(path).splitlines():
        key = line.split(",", 1)[0].strip()
        if key == "#":
            # A second '#' in a row still means the sequence that is already gone.
            if current is not None:
                sequences.pop()
            current = None
        elif key:
            if key != current:
                sequences.append([])
            sequences[-1].append(line)
            current = key
    return sequences


def _pen(path: Path, lines: list[str], meta: Mapping[str, str]) -> Recording:
    try:
        values = np.array([line.split(",")[:_PEN_COLUMNS] for line in lines], dtype=np.float64)
    except ValueError:
        raise InputError(
            f"{path}: sequence '{meta['id']}': a row is not {_PEN_COLUMNS} numbers: "
            "id, td, yaw, pitch, roll, ax, ay, az, gx, gy, gz, qx, qy, qz, qw"
        ) from None
    if values.shape[1] != _PEN_COLUMNS:
        raise InputError(f"{path}: rows have {values.shape[1]} columns: need {_PEN_COLUMNS}")
    data = np.concatenate(
        [to_si(values[:, 5:8].T, "mg", "acceleration"), to_si(values[:, 8:11].T, "dps", "rotation")]
    )
    # The first step leads from the sequence before.
    steps = np.concatenate([[0.0], values[1:, 1]]) / 1000
    return _recording(data, (*ACC, *GYRO), np.cumsum(steps), meta, path)


def _read_all(
    jobs: Iterable[Callable[[], Recording]], root: str | os.PathLike[str]
) -> list[Recording]:
    recordings: list[Recording] = []
    refused: list[InputError] = []
    for read in jobs:
        try:
            recordings.append(read())
        except InputError as error:
            refused.append(error)
    leave_out(refused, len(recordings) + len(refused), str(root))
    return recordings


def _table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a delimited file with a header; names stripped, cells as they are."""
    import warnings

    import pandas as pd

    text = _text(path)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):
        separator, text = first.strip()[4:5], rest
        first = text.partition("\n")[0]
    else:
        separator = max(",;\t", key=first.count)
    if not text.strip():
        raise InputError(f"{path}: is empty: a header line and rows are needed")
    # A separator that ends a line opens no column; a cell left out at the end is missing anyway.
    text = "\n".join(line.rstrip().rstrip(separator) or line for line in text.splitlines())
    try:
        with warnings.catch_warnings():
            # Cells beyond the header would be dropped, and the rest stand under wrong names.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(io.StringIO(text), sep=separator, index_col=False)
    except pd.errors.ParserWarning:
        raise InputError(
            f"{path}: rows have more cells than the header has names: name every column; decimals "
            "need a point"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a table: {str(error).strip().splitlines()[-1]}") from None
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table


def _text(path: str | os.PathLike[str]) -> str:
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _numbers(table: pd.DataFrame, column: str, path: str | os.PathLike[str]) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(numbers.isna() & table[column].notna())
    if wrong.size:
        cell = table[column].iloc[int(wrong[0])]
        raise InputError(
            f"{path}: column '{column}' holds {cell!r} in data row {wrong[0] + 1}: not a number"
            + (": write decimal points" if re.fullmatch(r"-?\d+,\d+", str(cell)) else "")
        )
    return numbers.to_numpy(dtype=np.float64)


def _header(
    table: pd.DataFrame, ours: str, theirs: str, path: str | os.PathLike[str]
) -> tuple[str, str]:
    """Return a column's whole header and the unit that stands in it, if one does."""
    split = {header: _WITH_UNIT.fullmatch(header) for header in table.columns}
    found = [header for header, match in split.items() if match and match[1] == theirs]
    if theirs in split:
        found = [theirs]
    if len(found) > 1:
        raise InputError(
            f"{path}: column '{theirs}' may be {' or '.join(found)}: name it with its unit"
        )
    if not found:
        instead = " or give --rate" if ours == "t" else ""
        raise InputError(
            f"{path}: has no column '{theirs}': {nearest(theirs, table.columns)} "
            f"(--column {ours}=NAME says which{instead})"
        )
    match = split[found[0]]
    return found[0], match[2] if match else ""


def _unit(given: str, written: str, quantity: Quantity, where: str) -> str:
    """Return the unit as given or, where none is, as written in the header."""
    option, units, example = _UNIT_OPTIONS[quantity]
    if quantity != "time" and not (given or written):
        raise InputError(
            f"{where}: the unit of {quantity} is missing: give {option} ({units}), "
            f"or write it into the header: '{example}'"
        )
    # Brackets may hold something else, as in "ax (filtered)".
    if given and _factor(written, quantity) not in (None, unit_factor(given, quantity)):
        raise InputError(
            f"{where}: {option} is '{given}' but the header says '{written}': leave {option} out"
        )
    return given or written


def _factor(text: str, quantity: Quantity) -> float | None:
    try:
        return unit_factor(text, quantity)
    except InputError:
        return None


def _convert(
    values: NDArray[np.float64], unit: str, quantity: Quantity, where: str
) -> NDArray[np.float32]:
    try:
        return to_si(values, unit, quantity)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _recording(
    data: NDArray[np.float32],
    channels: tuple[str, ...],
    t: NDArray[np.float64],
    meta: Mapping[str, str],
    path: str | os.PathLike[str],
) -> Recording:
    if not len(t):
        raise InputError(f"{path}: holds no rows: a recording needs samples")
    about = {key: text.strip() for key, text in meta.items()}
    return Recording(data=data, channels=channels, t=t - t[0], **about)


def _sensors(channels: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [ACC, *(group for group in (GYRO, LIN_ACC) if set(group) & set(channels))]


def _check_case(case: str) -> None:
    if case not in CASES:
        raise InputError(f"case '{case}' is unknown: valid: 2d, 3d or empty")


def _inside(root: str | os.PathLike[str], name: str) -> Path:
    """Return the folder `name` inside `root`, or `root` itself when it is that folder."""
    base = Path(root)
    if not base.is_dir():
        raise InputError(f"{root}: no such folder")
    return base / name if (base / name).is_dir() else base
