"""Pen trajectories from a file as the strokes that simulated hands make.

The file is Parquet in the layout of the UNIPEN extract: one row a character with `writer`, `label`,
`rate_hz` (0 = unknown) and lists `x`, `y` (device units, y upward), `pen_down`, `stroke_start`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.simulate.glyphs import Stroke

if TYPE_CHECKING:
    import pyarrow as pa

_LISTS = ("x", "y", "pen_down", "stroke_start")
_COLUMNS = ("writer", "label", "rate_hz", *_LISTS)


@dataclass(frozen=True)
class PenSample:
    """One character as somebody wrote it."""

    strokes: tuple[Stroke, ...]  # in heights of the writer's capitals, from the lower left corner
    rate: float  # points a second; 0 where unknown


def read_pen(
    path: str | Path, labels: Sequence[str], people: int, repetitions: int
) -> list[tuple[int, str, dict[str, tuple[PenSample, ...]]]]:
    """Read the people who wrote most of the labels, in the file's order.

    At most so many `people`, and so many `repetitions` of a label from each; a person lacks the
    labels that they did not write. Returns each one's place among all the file's people, name, and
    samples by label.

    Raises
    ------
    InputError
        If the file is missing, is not Parquet, lacks a column, holds none of the labels, or its
        lists are no numbers or differ in length within a row.
    """
    file = _opened(path)
    heads = file.read(columns=["writer", "label"]).to_pydict()
    order = {name: i for i, name in enumerate(dict.fromkeys(heads["writer"]))}
    rows: dict[str, dict[str, list[int]]] = {}
    for row, (writer, label) in enumerate(zip(heads["writer"], heads["label"], strict=True)):
        if label in labels:
            found = rows.setdefault(writer, {}).setdefault(label, [])
            if len(found) < repetitions:
                found.append(row)
    if not rows:
        held = ", ".join(sorted(set(heads["label"])))
        raise InputError(f"pen strokes '{path}': holds none of {', '.join(labels)}: it has {held}")
    # Whoever wrote the most labels, then the most samples; a stable sort keeps the file's order.
    ranked = sorted(rows, key=lambda name: (-len(rows[name]), -sum(map(len, rows[name].values()))))
    chosen = sorted(ranked[:people], key=order.__getitem__)
    table = file.read(columns=list(_COLUMNS[2:])).combine_chunks()
    writers = []
    for name in chosen:
        # The unit comes from everything a person wrote, so it does not depend on the selection.
        everything = [row for row, writer in enumerate(heads["writer"]) if writer == name]
        unit = float(
            np.median([np.ptp(_lists(path, table, row)[:2], 1).max() for row in everything])
        )
        samples = {
            label: tuple(_sample(path, table, row, unit or 1.0) for row in found)
            for label, found in rows[name].items()
        }
        writers.append((order[name], name, samples))
    return writers


def _opened(path: str | Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = f"pen strokes '{path}'"
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"{where}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{where}: not a readable Parquet file: {reason}") from None
    schema = file.schema_arrow
    if missing := [name for name in _COLUMNS if name not in schema.names]:
        raise InputError(
            f"{where}: lacks the column {', '.join(missing)}: need {', '.join(_COLUMNS)}"
        )
    for name in _LISTS:
        kind = schema.field(name).type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            raise InputError(f"{where}: {name} is {kind}: need lists")
        inner = kind.value_type
        if not (pa.types.is_primitive(inner) or pa.types.is_null(inner)):
            raise InputError(f"{where}: {name} holds lists of {inner}: need numbers")
    return file


def _lists(path: str | Path, table: pa.Table, row: int) -> NDArray[np.float64]:
    """Return x, y, pen_down and stroke_start of a row, shape (4, n_points)."""
    lists = [np.array(table[name][row].as_py() or (), dtype=np.float64) for name in _LISTS]
    lengths = [len(values) for values in lists]
    if not lengths[0] or len(set(lengths)) > 1:
        raise InputError(
            f"pen strokes '{path}': row {row} has lists of {lengths} values for "
            f"{', '.join(_LISTS)}: they need one length above 0"
        )
    if not np.isfinite(lists).all():
        raise InputError(f"pen strokes '{path}': row {row} lacks a number: drop the row")
    return np.stack(lists)


def _sample(path: str | Path, table: pa.Table, row: int, unit: float) -> PenSample:
    """Return the strokes of a row in `unit`, without what the pen did in the air."""
    x, y, down, start = _lists(path, table, row)
    if not down.any():
        raise InputError(f"pen strokes '{path}': row {row} never has the pen down: drop the row")
    points = np.stack([x - x.min(), y - y.min()], axis=1) / unit
    ends = np.flatnonzero(start[1:]) + 1
    parts = zip(np.split(points, ends), np.split(down > 0, ends), strict=True)
    strokes = tuple(part[on] for part, on in parts if on.any())
    rate = table["rate_hz"][row].as_py() or 0.0
    return PenSample(strokes, max(float(np.nan_to_num(rate)), 0.0))
