"""Reader for tables of text, of whatever columns, units and layout."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.files import AnyPath
from imuscribe.signals.quality import check_units
from imuscribe.signals.readers.attitude import ANGLES, QUATERNION
from imuscribe.signals.readers.columns import (
    FOREIGN,
    Part,
    check_layout,
    columns_of,
    completed,
    ours,
    parts_of,
)
from imuscribe.signals.readers.form import form_of
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.readers.sources import (
    Source,
    filled_in,
    marks,
    path_names,
    properties,
    sources,
)
from imuscribe.signals.readers.split import (
    check_clock,
    in_turns,
    joined,
    pieces,
    refuse_turns,
    without_gaps,
)
from imuscribe.signals.readers.tables import (
    Table,
    in_seconds,
    in_si,
    numbers,
    read_table,
    read_text,
    rows_of,
)
from imuscribe.signals.recording import ACC, CHANNELS, GYRO, SENSORS, Recording
from imuscribe.signals.units import Quantity, known_factor, unit_factor

Float = NDArray[np.float64]

_UNIT_OPTIONS: dict[Quantity, tuple[str, str, str]] = {
    "acceleration": ("--acc-unit", "m/s^2, g or mg", "acc_x (g)"),
    "rotation": ("--gyro-unit", "rad/s or deg/s", "gyro_x (deg/s)"),
    "time": ("--time-unit", "s, ms, us or ns", "t (ms)"),
    "angle": ("--angle-unit", "rad or deg", "roll (deg)"),
}
_QUANTITIES: dict[str, Quantity] = {
    "t": "time",
    **dict.fromkeys(GYRO, "rotation"),
    **dict.fromkeys(ANGLES, "angle"),
}
_SHOWN = 10
# Files of a folder in which columns are sought that are called as ours are.
_LOOKED_AT = 20
_log = logging.getLogger(__name__)


class _Piece(NamedTuple):
    """The rows of one recording: name, what is said of it, times, channels, units they were in."""

    name: str
    texts: dict[str, str]
    t: Float
    values: dict[str, Float]
    units: dict[Quantity, str]


def read_tables(source: AnyPath, layout: TableLayout, most: float = 0.0) -> list[Recording]:
    """Read the recordings of a text file, or of every text file in a folder.

    In a folder, files with none of the columns, or no text at all, are left out and named. What was
    taken, renamed or left out otherwise is told in warnings.

    Parameters
    ----------
    source : path-like
        A file, or a folder with files that end as `sources.ENDINGS` say.
    layout : TableLayout
        Which column is what, how the text is written, where recordings end, what they are called.
    most : float
        Share of the recordings that may be left out with a warning where they cannot be used.

    Raises
    ------
    InputError
        If a column or a unit is missing or unknown, a cell is not a number, what the table holds
        contradicts `layout`, or more than `most` of the recordings are in units that cannot be.
    """
    from tqdm import tqdm

    found = sources(source, layout)
    layout = _with_our_names(layout, found)
    check_layout(layout)
    read: list[_Piece] = []
    refused: list[InputError] = []
    foreign: dict[str, InputError] = {}
    notes: dict[str, list[str]] = {}
    for item in tqdm(found, desc="read", unit="file", disable=len(found) == 1):
        told: list[str] = []
        try:
            read += _read(item, layout, told)
        except InputError as error:
            if error.reason == FOREIGN:
                foreign[item.first.name] = error
            elif most:
                refused.append(error)
            else:
                raise
        for note in dict.fromkeys(told):
            notes.setdefault(note, []).append(item.first.name)
    if not read and foreign:
        raise next(iter(foreign.values()))
    for note, files in notes.items():
        more = f" and {len(files) - 1:,} more files" if len(files) > 1 else ""
        _log.warning("%s%s: %s", files[0], more, note)
    if foreign:
        shown = ", ".join([*foreign][:_SHOWN]) + (", …" if len(foreign) > _SHOWN else "")
        _log.warning("files left out, without such a table (%d): %s", len(foreign), shown)
    name = Path(source).name

    def made(piece: _Piece) -> Recording:
        return check_units(_recording(piece, layout), piece.units)

    return usable(read, made, name, most, refused=refused)


def recordings_of(
    table: Table,
    layout: TableLayout,
    name: str,
    names: Mapping[str, str] | None = None,
    notes: list[str] | None = None,
) -> list[Recording]:
    """Return the recordings of one table.

    Parameters
    ----------
    table : Table
        As `tables.read_table` returns it, or made of a frame of any origin.
    layout : TableLayout
        Of which all but the form of a text matters.
    name : str
        Becomes the id of the recording; of several, with a number at its end.
    names : mapping of str to str, optional
        What ``{names}`` in texts such as `label` stand for beside the columns of the table.
    notes : list of str, optional
        What there is to tell is added to it.

    Raises
    ------
    InputError
        If a column or a unit is missing or unknown, a cell is not a number, or what the table holds
        contradicts `layout`.
    """
    told = notes if notes is not None else []
    found = _pieces(table, layout, layout.columns, layout.rate, names or {}, told)
    return [_recording(piece, layout) for piece in _named(found, name)]


def read_csv(
    path: AnyPath,
    columns: Mapping[str, str],
    acc_unit: str = "",
    gyro_unit: str = "",
    time_unit: str = "",
    rate: float | None = None,
    acc_sign: str = "",
    **more: Any,
) -> Recording:
    """Read one recording from a text file; `more` are other fields of `TableLayout`.

    Raises
    ------
    InputError
        As `read_tables`, or if the file holds several recordings.
    """
    named = {"acc_unit": acc_unit, "gyro_unit": gyro_unit, "time_unit": time_unit}
    said = {"columns": dict(columns), "rate": rate, "acc_sign": acc_sign, **named, **more}
    found = read_tables(path, TableLayout.parse(said, str(path)))
    if len(found) > 1:
        raise InputError(
            f"{path}: holds {len(found)} recordings, one is needed: make a data set of them with "
            "'imuscribe data import'"
        )
    return found[0]


def _with_our_names(layout: TableLayout, found: Sequence[Source]) -> TableLayout:
    """Add columns that were not named and that a file calls as we do, such as ``acc_x (g)``."""
    if layout.apart or layout.header == "none":
        return layout
    for source in found[:_LOOKED_AT]:
        try:
            text = read_text(source.first, layout.encoding)
            form = form_of(text, layout, lambda names: bool(ours(names)), source.first)
            own = ours(form.names)
        except InputError:
            continue  # told when the file is read
        left = set(own) - set(layout.columns)
        left -= {"t"} if layout.rate is not None else set()
        left -= set(ACC) if layout.attitude else set()
        left = {name for name in left if own[name] not in layout.columns.values()}
        # Of the accelerometer what is there, for what is missing to be told; of others all or none.
        for names in SENSORS.values():
            if names != ACC and not (set(names) & set(layout.columns) or set(names) <= left):
                left -= set(names)
        if left:
            return layout.model_copy(
                update={"columns": layout.columns | {name: own[name] for name in sorted(left)}}
            )
    return layout


def _read(source: Source, layout: TableLayout, notes: list[str]) -> list[_Piece]:
    """Read one file, or the files of sensors that belong together."""
    found: list[list[_Piece]] = []
    for sensor, path in source.files.items():
        columns = columns_of(sensor, layout)

        def fits(headers: Sequence[str], columns: Mapping[str, str] = columns) -> bool:
            try:
                return bool(parts_of(headers, columns))
            except InputError:
                return False

        names: dict[str, str] = {}
        unlike: InputError | None = None
        try:
            names = path_names(source.first, layout.name_pattern)
        except InputError as error:
            unlike = error
        table = read_table(path, layout, fits, _text_columns(layout, names))
        if unlike is not None:  # unless the file is no such table at all
            parts_of(table.frame.columns, columns, table.where, table.units)
            raise unlike
        if layout.rows:
            table = rows_of(table, *layout.rows[sensor].split("=", 1))
        rate = layout.rates.get(sensor, layout.rate) if sensor else layout.rate
        own = _pieces(table, layout, columns, rate, names, notes)
        shift = layout.offsets.get(sensor, 0.0) if sensor else 0.0
        found.append([piece._replace(t=piece.t + shift) for piece in own])
    if len({len(own) for own in found}) > 1:
        files = zip(source.files.values(), found, strict=True)
        counts = ", ".join(f"{path.name} {len(own)}" for path, own in files)
        raise InputError(f"{source.first}: the files hold unlike numbers of recordings: {counts}")
    whole = []
    for together in zip(*found, strict=True):
        piece = together[0]
        if len(together) > 1:
            sensors = {s: (p.t, p.values) for s, p in zip(source.files, together, strict=True)}
            t, values = joined(sensors, str(source.first.parent))
            units = {quantity: unit for p in together for quantity, unit in p.units.items()}
            piece = piece._replace(t=t, values=values, units=units)
        whole.append(piece)
    return _named(whole, source.id)


def _pieces(
    table: Table,
    layout: TableLayout,
    columns: Mapping[str, str],
    rate: float | None,
    names: Mapping[str, str],
    notes: list[str],
) -> list[_Piece]:
    """Cut a table into recordings, its columns in SI units."""
    frame = table.frame
    parts = parts_of(frame.columns, columns, table.where, table.units)
    # A rate that was said leaves no unit of time to doubt.
    units: dict[Quantity, str] = {} if rate is None else {"time": ""}
    values = {ours: _values(table, ours, parts[ours], layout, units, notes) for ours in parts}
    t = values.pop("t") if rate is None else np.arange(len(frame)) / rate
    texts = properties(names) | layout.texts
    of_text = _text_columns(layout, names)
    for name in of_text:
        if name not in frame.columns:
            known = [f"{{{known}}}" for known in (*names, *frame.columns)]
            raise InputError(
                f"{table.where}: {{{name}}} is unknown: {nearest(f'{{{name}}}', known)}"
            )
    keys = {name: [str(cell) for cell in frame[name]] for name in of_text}
    if order := in_turns(keys):
        t, values = t[order], {name: row[order] for name, row in values.items()}
        keys = {name: [column[i] for i in order] for name, column in keys.items()}
        notes.append(f"rows of {', '.join(keys)} stand in turns: they are put together")
    found = pieces(len(frame), t, layout, table.breaks, keys, table.where)
    read = {part.header for channel in parts.values() for part in channel} | {*of_text}
    if left := [name for name in frame.columns if name not in read]:
        refuse_turns(frame, left, layout, table.where)
        notes.append(f"columns not read: {', '.join(left)}")
    if rest := len(frame) - sum(piece.stop - piece.start for piece in found):
        notes.append(f"{rest:,} rows at the end of recordings are left out: no whole --split rows")
    notes += table.notes
    made = []
    for piece in found:
        here = dict(names) | {name: column[piece.start] for name, column in keys.items()}
        filled = {name: filled_in(text, here, name) for name, text in texts.items()}
        own = {name: row[piece] for name, row in values.items()}
        own_t, own = without_gaps(t[piece], own, layout.missing, table.where, piece.start, notes)
        check_clock(own_t, table.where)
        made.append(_Piece("", filled, own_t, own, units))
    for name, text in texts.items():
        if (n := sum(not piece.texts[name] for piece in made)) and marks(text):
            notes.append(f"{n:,} of {len(made):,} recordings have an empty {name} ({text})")
    return made


def _recording(piece: _Piece, layout: TableLayout) -> Recording:
    values = completed(piece.values, layout.acc_sign, layout.attitude)
    channels = tuple(name for name in CHANNELS if name in values)
    data = np.stack([values[name] for name in channels]).astype(np.float32)
    t = piece.t - piece.t[:1]
    about: dict[str, Any] = piece.texts
    return Recording(id=piece.name, data=data, channels=channels, t=t, **about)


def _named(pieces: Sequence[_Piece], name: str) -> list[_Piece]:
    """Name recordings, several by a number at the end."""
    if len(pieces) == 1:
        return [pieces[0]._replace(name=name)]
    width = len(str(len(pieces)))
    return [piece._replace(name=f"{name}-{k:0{width}d}") for k, piece in enumerate(pieces, 1)]


def _text_columns(layout: TableLayout, names: Collection[str]) -> list[str]:
    """Return the columns whose cells stay text: in names, split at, or telling sensors apart."""
    named = [mark for text in layout.texts.values() for mark in marks(text) if mark not in names]
    split = [rule.removeprefix("column:") for rule in layout.split if rule.startswith("column:")]
    rows = [rule.split("=", 1)[0] for rule in layout.rows.values()]
    return list(dict.fromkeys([*named, *split, *rows]))


def _values(
    table: Table,
    ours: str,
    parts: Sequence[Part],
    layout: TableLayout,
    units: dict[Quantity, str],
    notes: list[str],
) -> Float:
    """Return a channel, a sum of columns, in SI units; NaN where a cell is empty."""
    quantity = _QUANTITIES.get(ours, "acceleration")
    given = {
        "acceleration": layout.acc_unit,
        "rotation": layout.gyro_unit,
        "time": layout.time_unit,
        "angle": layout.angle_unit,
    }[quantity]
    rows = []
    for sign, header, written in parts:
        if ours in QUATERNION:
            row = numbers(table.frame, header, table.where)
        else:
            unit = _unit(given, written, quantity, f"{table.where}: {ours}", notes)
            units[quantity] = unit or "s"
            if quantity == "time":
                row = in_seconds(table.frame, header, unit, table.where)
            else:
                row = in_si(table.frame, header, unit, quantity, table.where)
        rows.append(sign * row)
    return np.asarray(np.sum(rows, axis=0))


def _unit(given: str, written: str, quantity: Quantity, where: str, notes: list[str]) -> str:
    """Return the unit as given or, where none is, as the table says."""
    option, units, example = _UNIT_OPTIONS[quantity]
    if not (given or written):
        if quantity == "time":
            return ""
        raise InputError(
            f"{where}: the unit of {quantity} is missing: give {option} ({units}), "
            f"or write it into the header: '{example}'"
        )
    # Brackets may hold something else, as in "ax (filtered)".
    known = known_factor(written, quantity)
    plain = given and "%" not in given and given != "iso"
    if plain and known not in (None, unit_factor(given, quantity)):
        notes.append(f"{option} '{given}' is taken, though the table says '{written}'")
    return given or written
