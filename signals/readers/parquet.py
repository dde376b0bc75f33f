"""The canonical Parquet layout: one row a recording, readable by `datasets` as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.files import AnyPath, atomic_path
from imuscribe.signals.quality import check_units
from imuscribe.signals.recording import ACC, CHANNELS, GYRO, LIN_ACC, METADATA, Recording, Segment
from imuscribe.signals.units import Quantity, to_si

_UNITS: dict[str, Quantity] = {"acc_unit": "acceleration", "gyro_unit": "rotation"}
_SENSORS = ((ACC, "acc_unit"), (LIN_ACC, "acc_unit"), (GYRO, "gyro_unit"))

SEGMENTS = ("seg_start", "seg_end", "seg_label")
"""Columns that say what was written when in a long recording: lists of one length."""
_BEYOND = 0.5
"""Seconds that a segment may end after the last sample: clocks of two devices differ."""

MAX_LEFT_OUT = 0.01
"""Share of unusable recordings in a data set that is left out with a warning; more is an error."""

BODY_SITES = (
    *("head", "ear", "neck", "chest", "back", "waist", "belt", "hip", "pocket", "shirt"),
    *("arm", "forearm", "elbow", "wrist", "hand", "finger", "thigh", "knee", "shin"),
    *("ankle", "foot"),
)
"""Placements that a file without a column for them may name at the end of its device."""

_BATCH = 512


def load(path: AnyPath, most: float = MAX_LEFT_OUT) -> list[Recording]:
    """Read recordings in the canonical layout, converted to m/s², rad/s and seconds.

    A row whose time goes back is two takes glued together and no recording; one that is far from
    gravity at the median is in another unit than it says. Where such rows are at most
    `most` of a file they are left out with a warning. In a file without a column
    ``placement`` a device ``phone-waist`` is a phone at the waist (`BODY_SITES`).

    Parameters
    ----------
    path : path-like
        A Parquet file as `save` writes it.
    most : float
        Share of the rows that may be left out.

    Raises
    ------
    InputError
        If the file is missing or not Parquet, a column or unit is missing or unknown, a row is
        inconsistent, or more than `most` of the rows cannot be used.
    """
    found, refused = scan(path)
    return usable(found, check_units, Path(path).name, most, refused=refused)


def scan(path: AnyPath) -> tuple[list[Recording], list[InputError]]:
    """Read like `load`, but return the errors of rows whose time goes back instead of judging."""
    recordings: list[Recording] = []
    refused: list[InputError] = []
    n = 0
    with _opened(path) as file:
        _check_columns(file.schema_arrow.names, path)
        for batch in file.iter_batches(_BATCH):
            rows = _rows(batch, path, n)
            n += batch.num_rows
            for row in rows:
                try:
                    recordings.append(Recording(**row))
                except InputError as error:
                    if not (row["t"][1:] < row["t"][:-1]).any():
                        raise
                    refused.append(error)
    if not recordings and not refused:
        raise InputError(f"{path}: holds no recordings: a data set needs one row or more")
    _check_ids(recordings, path)
    return recordings, refused


def labels_of(path: AnyPath, sessions: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the labels of a file in the canonical layout, of some sessions or of all, sorted.

    Only their columns are read. It is an InputError if the file cannot be read or has no labels.
    """
    with _opened(path) as file:
        names = [name for name in ("label", "session") if name in file.schema_arrow.names]
        table = file.read(columns=names)
        columns = {name: _texts(table[name], name, path) for name in names}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    chosen = [row for row in rows if not sessions or row.get("session") in sessions]
    found = {row.get("label", "") for row in chosen} - {""}
    if not found:
        of = f" of session {', '.join(sessions)}" if sessions else ""
        raise InputError(f"{path}: no recording{of} has a label: name the labels in the recipe")
    return tuple(sorted(found))


def save(recordings: Sequence[Recording], path: AnyPath) -> None:
    """Write recordings in the canonical layout; `load` returns them exactly.

    Raises
    ------
    InputError
        If there are none, an id repeats, a channel is not in the layout, or writing fails.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not recordings:
        raise InputError(f"{path}: no recordings to write: a data set needs one or more")
    _check_ids(recordings, path)
    for rec in recordings:
        if odd := [name for name in rec.channels if name not in CHANNELS]:
            raise InputError(
                f"recording '{rec.id}': channel '{odd[0]}' is not in the layout: "
                f"{nearest(odd[0], CHANNELS)}"
            )
        rec.select(ACC)
    columns: dict[str, Any] = {name: [getattr(r, name) for r in recordings] for name in METADATA}
    columns["acc_unit"] = ["m/s^2"] * len(recordings)
    columns["gyro_unit"] = ["rad/s" if r.gyro is not None else "" for r in recordings]
    columns["t"] = pa.array([r.t for r in recordings], pa.list_(pa.float64()))
    for name in CHANNELS:
        if any(name in r.channels for r in recordings):
            rows = [r.select((name,))[0] if name in r.channels else None for r in recordings]
            columns[name] = pa.array(rows, pa.list_(pa.float32()))
    if any(r.segments for r in recordings):
        for i, (name, kind) in enumerate(
            zip(SEGMENTS, (*[pa.float64()] * 2, pa.string()), strict=True)
        ):
            rows = [[segment[i] for segment in r.segments] or None for r in recordings]
            columns[name] = pa.array(rows, pa.list_(kind))
    with atomic_path(path) as temporary:
        try:
            table = pa.table(columns)
            pq.write_table(table, temporary, row_group_size=_BATCH, compression="zstd")
        except pa.ArrowException as error:
            raise InputError(f"cannot write {path}: {str(error).splitlines()[0]}") from None


@contextmanager
def _opened(path: AnyPath) -> Iterator[Any]:
    """Open a Parquet file; what goes wrong while it is read is one InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if Path(path).is_dir():
        ours = sorted(file.name for file in Path(path).glob("*.parquet"))
        hint = f"give one of its files, such as {ours[0]}" if ours else ""
        hint = hint or "make one file of it with 'imuscribe data import'"
        raise InputError(f"{path}: is a folder: {hint}")
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: {_siblings(path)}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: the name of a column is not UTF-8: write it again") from None
    except (OSError, pa.ArrowException):
        raise InputError(
            f"{path}: not a readable Parquet file: convert other formats with "
            "'imuscribe data import'"
        ) from None


def _check_columns(names: Sequence[str], path: AnyPath) -> None:
    if {"pen_down", "x", "y"} <= set(names):
        raise InputError(
            f"{path}: holds pen trajectories, not motion-sensor recordings: give it to the "
            "simulator instead ('imuscribe simulate OUT --strokes FILE')"
        )
    valid = (*METADATA, *_UNITS, "t", *CHANNELS, *SEGMENTS)
    for name in names:
        # pandas writes the index of a part of a table as a column of its own.
        if name not in valid and not re.fullmatch(r"__index_level_\d+__", name):
            raise InputError(f"{path}: unknown column '{name}': {nearest(name, valid)}")
    required = ["id", "t", *ACC, "acc_unit"]
    if set(GYRO) & set(names):
        required += [*GYRO, "gyro_unit"]
    if set(LIN_ACC) & set(names):
        required += LIN_ACC
    if set(SEGMENTS) & set(names):
        required += SEGMENTS
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"{path}: has no column {', '.join(missing)}: a recording needs id, t, acc_x, acc_y, "
            "acc_z and the unit of every sensor"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{path}: column '{Counter(names).most_common(1)[0][0]}' occurs twice")


def _rows(batch: Any, path: AnyPath, first: int) -> Iterator[dict[str, Any]]:
    """Yield the fields of one `Recording` a row, in SI units; `first` counts the rows before."""
    names = batch.schema.names
    text = {
        name: _texts(batch[name], name, path, first)
        for name in (*METADATA, *_UNITS)
        if name in names
    }
    lists = {name: _lists(batch[name], name, path) for name in ("t", *CHANNELS) if name in names}
    segments = _segments(batch, path) if SEGMENTS[0] in names else [None] * batch.num_rows
    for i in range(batch.num_rows):
        fields: dict[str, Any] = {name: text[name][i] for name in METADATA if name in text}
        device, hyphen, site = fields.get("device", "").rpartition("-")
        if "placement" not in fields and hyphen and site.lower() in BODY_SITES:
            fields |= {"device": device, "placement": site.lower()}
        where = f"{path}: recording '{fields['id']}'"
        if not fields["id"]:
            raise InputError(f"{path}: row {first + i} has an empty id: ids name recordings")
        if (t := lists["t"][i]) is None:
            raise InputError(f"{where}: has no times: t must be a list of seconds")
        present = {
            name: row[i] for name, row in lists.items() if name != "t" and row[i] is not None
        }
        for name, row in present.items():
            if len(row) != len(t):
                raise InputError(
                    f"{where}: {name} has {len(row)} values but t has {len(t)}: "
                    "all lists of a row need one length"
                )
        if (written := segments[i]) is not None:
            fields["segments"] = _joined(written, float(t[-1] - t[0]) if len(t) else 0.0, where)
        data = []
        for group, unit in _SENSORS:
            lacking = [name for name in group if name not in present]
            if len(lacking) == len(group) and group is not ACC:
                continue
            if lacking:
                raise InputError(f"{where}: {', '.join(lacking)} is empty: a sensor needs x, y, z")
            try:
                rows = np.stack([present[name] for name in group])
                data.append(to_si(rows, text[unit][i], _UNITS[unit]))
            except InputError as error:
                raise InputError(f"{where}: {unit}: {error}") from None
        yield {**fields, "data": np.concatenate(data), "channels": tuple(present), "t": t}


def _segments(batch: Any, path: AnyPath) -> list[Any]:
    """Return starts, ends and labels of each row; None where it has none."""
    import pyarrow as pa

    columns = []
    for name in SEGMENTS:
        kind = pa.string() if name == "seg_label" else pa.float64()
        try:
            columns.append(batch[name].cast(pa.list_(kind)).to_pylist())
        except (pa.ArrowException, UnicodeDecodeError):
            raise InputError(
                f"{path}: column '{name}' holds {batch[name].type}: it must hold a list a row, of "
                f"{'texts' if kind == pa.string() else 'seconds'}"
            ) from None
    rows = zip(*columns, strict=True)
    return [None if not any(row) else tuple(part or [] for part in row) for row in rows]


def _joined(written: Any, duration: float, where: str) -> tuple[Segment, ...]:
    """Return the segments of a row by their start."""
    lengths = [len(part) for part in written]
    if len(set(lengths)) > 1:
        raise InputError(
            f"{where}: seg_start, seg_end and seg_label have {lengths[0]}, {lengths[1]} and "
            f"{lengths[2]} values: each segment needs all three"
        )
    found = []
    for start, end, label in zip(*written, strict=True):
        if start is None or end is None or not end <= duration + _BEYOND:
            raise InputError(
                f"{where}: segment '{label or ''}' lasts from {start} to {end} s, the recording "
                f"{duration:.3f} s: give seconds from the start of the row"
            )
        found.append(Segment(float(start), float(end), str(label or "").strip()))
    return tuple(sorted(found))


def _texts(column: Any, name: str, path: AnyPath, first: int = 0) -> list[str]:
    """Return the cells of a column of text; empty where there is none."""
    cells = []
    for i, cell in enumerate(column):
        try:
            value = cell.as_py()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: column '{name}', row {first + i}: is not UTF-8 ({error.reason}): write "
                "the text again as UTF-8"
            ) from None
        cells.append("" if value is None else str(value).strip())
    return cells


def _lists(column: Any, name: str, path: AnyPath) -> list[Any]:
    """Split a list column into one array a row; None where the row has none."""
    import pyarrow as pa

    try:
        column = column.cast(pa.list_(pa.float64() if name == "t" else pa.float32()))
    except pa.ArrowException:
        raise InputError(
            f"{path}: column '{name}' holds {column.type}: it must hold a list of numbers a row"
        ) from None
    values = column.values.to_numpy(zero_copy_only=False)
    offsets = column.offsets.to_numpy()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return [
        values[start:stop] if ok else None
        for start, stop, ok in zip(offsets[:-1], offsets[1:], valid, strict=True)
    ]


def _check_ids(recordings: Sequence[Recording], path: AnyPath) -> None:
    for name, times in Counter(rec.id for rec in recordings).most_common(1):
        if times > 1:
            raise InputError(f"{path}: id '{name}' occurs twice: ids must be unique")


def _siblings(path: AnyPath) -> str:
    folder = Path(path).parent
    if Path(path).is_symlink():
        return f"it is a link to '{Path(path).readlink()}', which is not there"
    files = sorted(p.name for p in folder.glob("*.parquet")) if folder.is_dir() else []
    return nearest(Path(path).name, files) if files else f"no Parquet files in '{folder}'"
