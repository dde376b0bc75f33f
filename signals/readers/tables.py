"""What readers of text files share: a data set's files, delimited tables, numbers in SI units."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath
from imuscribe.signals.units import Quantity, unit_factor

if TYPE_CHECKING:
    import pandas as pd


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


def read_text(path: AnyPath) -> str:
    """Read a text file in UTF-8, or in Latin-1 where it is none."""
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_table(path: AnyPath) -> pd.DataFrame:
    """Read a delimited file with a header; names stripped, cells as they are."""
    import warnings

    import pandas as pd

    text = read_text(path)
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
    if table.empty:
        raise InputError(f"{path}: holds no rows: a recording needs samples")
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table


def in_si(
    table: pd.DataFrame, column: str, unit: str, quantity: Quantity, path: AnyPath
) -> NDArray[np.float64]:
    """Return a column in m/s², rad/s, seconds or radians; an empty cell is NaN."""
    values = numbers(table, column, path)
    try:
        return values * unit_factor(unit, quantity)
    except InputError as error:
        raise InputError(f"{path}: column '{column}': {error}") from None


def numbers(table: pd.DataFrame, column: str, path: AnyPath) -> NDArray[np.float64]:
    """Return a column as numbers; an empty cell is NaN, any other that is none is refused."""
    import pandas as pd

    found = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(found.isna() & table[column].notna())
    if wrong.size:
        cell = table[column].iloc[int(wrong[0])]
        raise InputError(
            f"{path}: column '{column}' holds {cell!r} in data row {wrong[0] + 1}: not a number"
            + (": write decimal points" if re.fullmatch(r"-?\d+,\d+", str(cell)) else "")
        )
    return found.to_numpy(dtype=np.float64)
