"""What readers of text files share: a data set's files, delimited tables, numbers in SI units."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.columns import FOREIGN
from imuscribe.signals.readers.form import Form, distinct, form_of
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.units import Quantity, unit_factor

if TYPE_CHECKING:
    import pandas as pd

_DATE = re.compile(r"\s*\d{4}[-/]?\d\d[-/]?\d\d[T ]\d\d:?\d\d")
_OF_DAY = re.compile(r"\s*\d?\d:\d\d:\d\d([.,]\d+)?\s*")
# Bytes of a text file; in memory it takes several times as much.
_LARGEST = 4 << 30
_DAY = 86_400.0
_NO_VALUES = (-999.0, -9999.0, -99999.0, 9999.0, 99999.0)
"""What some loggers write where they have no value,"""
_FAR = 5.0
"""if nothing else comes near."""
# What stands for a missing number; in a column of text it is text.
_EMPTY = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>")


@dataclass(frozen=True)
class Table:
    """A table as it stands in a file, before anything is known of its columns."""

    frame: pd.DataFrame
    """Cells as read; names are distinct."""
    where: str
    """Opens an error: the path of the file."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Column to what a row of units says of it."""
    breaks: tuple[int, ...] = ()
    """Rows that empty lines, or the names again, stand before."""
    notes: tuple[str, ...] = ()
    """What was left out or renamed, to be told."""


def files_of(root: AnyPath, layout: str, dialect: str) -> list[Path]:
    """Return the files of a data set that is given by its root or its first folder.

    `layout` is such as ``RawDataset/<person>/<character>/*.csv``.
    """
    base = Path(root)
    if not base.is_dir():
        raise InputError(f"{root}: no such folder")
    folder, pattern = re.sub(r"<\w+>", "*", layout).split("/", 1)
    files = sorted((base / folder if (base / folder).is_dir() else base).glob(pattern))
    if not files:
        raise InputError(f"{root}: holds no {layout}: not {dialect}")
    return files


def read_text(path: AnyPath, encoding: str = "") -> str:
    """Read a text file in UTF-8, UTF-16 or, where it is neither, Latin-1."""
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    try:
        if (size := Path(path).stat().st_size) > _LARGEST:
            raise InputError(f"{path}: is {size / 2**30:.1f} GiB, read whole: cut it into parts")
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    text = _decoded(raw, encoding, path)
    # A card that loses power leaves zeros behind the last row.
    text = text.rstrip("\0")
    if "\0" in text:
        where = text.index("\0")
        raise InputError(f"{path}: is not text: holds a NUL byte at {where}", FOREIGN)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decoded(raw: bytes, encoding: str, path: AnyPath) -> str:
    known = encoding or _encoding(raw)
    try:
        return raw.decode(known)
    except UnicodeDecodeError as error:
        utf = known.lower().startswith(("utf-8", "utf8", "utf-16", "utf16"))
        if utf and 0 < error.start > len(raw) - 4:  # cut in the middle of a character
            return raw[: error.start].decode(known, "ignore")
        if encoding or known != "utf-8-sig":
            why = f"is not {error.encoding}: byte {error.start} is none"
            raise InputError(f"{path}: {why}", FOREIGN) from None
        return raw.decode("latin-1")
    except UnicodeError:
        raise InputError(f"{path}: cannot be read as {encoding}", FOREIGN) from None
    except (LookupError, ValueError):  # a NUL is the latter
        raise InputError(f"{path}: encoding '{encoding}' is unknown: utf-8, utf-16, …") from None


def _encoding(raw: bytes) -> str:
    """Tell UTF-16 and UTF-32 by their mark or, without one, by the zeros beside plain letters."""
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = raw[:1000]
    if len(head) >= 4 and head[1::2].count(0) > 0.4 * len(head):
        return "utf-16-le"
    if len(head) >= 4 and head[::2].count(0) > 0.4 * len(head):
        return "utf-16-be"
    return "utf-8-sig"


def read_table(
    path: AnyPath,
    layout: TableLayout = TableLayout(),
    fits: Callable[[Sequence[str]], bool] | None = None,
    text: Collection[str] = (),
) -> Table:
    """Read a delimited file; names are stripped and made distinct, cells are as they stand.

    Parameters
    ----------
    path : path-like
        A text file.
    layout : TableLayout
        Of which lines, delimiter, decimals and encoding matter here.
    fits : callable, optional
        Tells of the names in a line whether it may be the header, where `layout` does not say which
        line that is.
    text : collection of str
        Columns whose cells stay text: ``007`` is no number.

    Raises
    ------
    InputError
        If there is no such file, no row, or rows have more cells than there are names.
    """
    given = read_text(path, layout.encoding)
    form = form_of(given, layout, fits, path)
    if not form.rows:
        if given.lstrip()[:1] in ("{", "["):
            raise InputError(f"{path}: is JSON, not a table: leave --layout out", FOREIGN)
        raise InputError(f"{path}: holds no rows: a recording needs samples", FOREIGN)
    names, notes = distinct(form.names)
    if form.left_out:
        notes.append(f"the last row is incomplete and left out: '{form.left_out[:40]}'")
    units = {name: unit for name, unit in zip(names, form.units, strict=False) if unit}
    return Table(_frame(form, names, text, path), str(path), units, form.breaks, tuple(notes))


def rows_of(table: Table, column: str, value: str) -> Table:
    """Return the rows of a table whose cell in a column of text is a value."""
    if column not in table.frame.columns:
        raise InputError(
            f"{table.where}: has no column '{column}': {nearest(column, table.frame.columns)}"
        )
    cells = table.frame[column].astype(str)
    kept = np.flatnonzero(cells == value)
    if not kept.size:
        there = list(dict.fromkeys(cells))[:9]
        raise InputError(f"{table.where}: no row has {column}={value}: {nearest(value, there)}")
    breaks = tuple(sorted({int(i) for i in np.searchsorted(kept, table.breaks)} - {0, len(kept)}))
    return replace(table, frame=table.frame.iloc[kept].reset_index(drop=True), breaks=breaks)


def in_si(
    table: pd.DataFrame, column: str, unit: str, quantity: Quantity, path: AnyPath
) -> NDArray[np.float64]:
    """Return a column in m/s², rad/s, seconds or radians; an empty cell is NaN."""
    values = numbers(table, column, path)
    for mark in _NO_VALUES if quantity in ("acceleration", "rotation") else ():
        rows, others = np.flatnonzero(values == mark), np.abs(values[values != mark])
        if rows.size and others.size and abs(mark) > _FAR * np.nanmax(others, initial=0.0):
            raise InputError(
                f"{path}: column '{column}' holds {mark:g} in {rows.size:,} rows, the first of "
                f"them {rows[0] + 1}, far beyond the others: if it stands for no value, leave the "
                "cells empty"
            )
    try:
        return values * unit_factor(unit, quantity)
    except InputError as error:
        raise InputError(f"{path}: column '{column}': {error}") from None


def in_seconds(table: pd.DataFrame, column: str, unit: str, path: AnyPath) -> NDArray[np.float64]:
    """Return a column of times in seconds; dates count from 1970, times of day from midnight.

    `unit` is one of time, ``iso``, a pattern such as ``%H:%M:%S.%f``, or empty for what the cells
    are: dates if they begin with a year, month and day, times of day if they are hours, minutes and
    seconds, else seconds.
    """
    import pandas as pd

    cells = table[column].dropna().astype(str)
    first = cells.iloc[0] if len(cells) else ""
    by_pattern, by_date = "%" in unit, unit == "iso" or (not unit and _DATE.match(first))
    of_day = not unit and bool(_OF_DAY.fullmatch(first))
    if not (by_pattern or by_date or of_day):
        return in_si(table, column, unit or "s", "time", path)
    text = table[column].astype(str).str.strip().str.replace(r",(\d+)$", r".\1", regex=True)
    form = unit if by_pattern else "ISO8601"
    try:
        if of_day:
            steps = pd.to_timedelta(text, errors="coerce")
        else:
            times = pd.to_datetime(text, format=form, errors="coerce", utc=True)
            steps = times - pd.Timestamp(0, tz="UTC")
    except (ValueError, OverflowError) as error:
        raise InputError(f"--time-unit '{form}': {str(error)[:99]}: such as '%H:%M:%S'") from None
    wrong = np.flatnonzero(steps.isna() & table[column].notna())
    if wrong.size:
        cell = str(table[column].iloc[int(wrong[0])])
        raise InputError(
            f"{path}: column '{column}' holds {cell[:40]!r} in data row {wrong[0] + 1}: no time "
            f"as {'hours:minutes:seconds' if of_day else form}: --time-unit takes iso, or a "
            "pattern such as '%H:%M:%S.%f'"
        )
    seconds = np.asarray(steps.dt.total_seconds(), dtype=np.float64)
    if of_day or (by_pattern and not re.search("%[dj]", form)):
        # Midnight passes where a time of day falls by most of a day.
        passed = np.diff(seconds, prepend=seconds[:1]) < -_DAY / 2
        seconds = seconds + _DAY * np.cumsum(passed)
    return seconds


def numbers(table: pd.DataFrame, column: str, path: AnyPath) -> NDArray[np.float64]:
    """Return a column as numbers; an empty cell is NaN, any other that is none is refused."""
    import pandas as pd

    cells = table[column]
    if not pd.api.types.is_numeric_dtype(cells):
        cells = cells.astype(object).where(cells.isna(), cells.astype(str).str.replace("−", "-"))
    found = pd.to_numeric(cells, errors="coerce")
    wrong = np.flatnonzero(found.isna() & table[column].notna())
    if wrong.size:
        cell = str(table[column].iloc[int(wrong[0])])
        hint = ""
        if re.fullmatch(r"-?\d+,\d+", cell):
            hint = ": write decimal points, or say --decimal ','"
        elif re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d*)?", cell):
            hint = ": write numbers without commas between thousands"
        elif re.match(r"#|//|%", cell):
            hint = f": --comment '{cell[0]}' leaves such lines out"
        elif re.search(r"\d[:/]\d", cell):
            hint = ": --time-unit takes a pattern, such as '%d/%m/%Y %H:%M:%S.%f'"
        elif wrong[0] == 0 and len(found) > 1:
            hint = ": --units-row says which line holds units, --header which the names"
        raise InputError(
            f"{path}: column '{column}' holds {cell[:40]!r} in data row {wrong[0] + 1}: "
            f"not a number{hint}"
        )
    return found.to_numpy(dtype=np.float64)


def _frame(form: Form, names: list[str], text: Collection[str], path: AnyPath) -> pd.DataFrame:
    import warnings

    import pandas as pd

    numeric = [name for name in names if name not in text]
    try:
        with warnings.catch_warnings():
            # Cells beyond the header would be dropped, and the rest stand under wrong names.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO("\n".join(form.rows)),
                sep=r"\s+" if form.separator == " " else form.separator,
                decimal=form.decimal,
                header=None,
                names=names,
                index_col=False,
                dtype={name: str for name in names if name in text},
                keep_default_na=False,
                na_values={name: list(_EMPTY) for name in numeric},
                skipinitialspace=True,
                low_memory=False,
            )
    except pd.errors.ParserWarning:
        raise InputError(
            f"{path}: rows have more cells than the header has names: name every column; decimals "
            "need a point"
        ) from None
    except (ValueError, OverflowError) as error:  # pandas' own errors are values of no kind
        why = str(error).strip().splitlines()[-1]
        if more := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", why):
            why = f"data row {more[2]} has {more[3]} cells, the header {more[1]} names"
        raise InputError(f"{path}: not a table: {why}") from None
    for name in names:
        if name in text:
            frame[name] = frame[name].fillna("").str.strip()
    return frame
