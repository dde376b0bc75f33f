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


@dataclass(frozen=True)
class PenWriter:
    """One person of a pen file."""

    name: str
    index: int  # place among all the file's people, whoever is selected
    samples: dict[str, tuple[PenSample, ...]]  # by label, in the file's order


def read_pen(
    path: str | Path, labels: Sequence[str], people: int, repetitions: int
) -> list[PenWriter]:
    """Read the people who wrote most of the labels, in the file's order.

    At most so many `people`, and so many `repetitions` of a label from each; a person lacks the
    labels that they did not write.

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
    shapes = _Shapes(str(path), file.read(columns=list(_COLUMNS[2:])))
    writers = []
    for name in chosen:
        # The unit comes from everything a person wrote, so it does not depend on the selection.
        everything = [row for row, writer in enumerate(heads["writer"]) if writer == name]
        unit = float(np.median([shapes.size(row) for row in everything])) or 1.0
        samples = {
            label: tuple(shapes.sample(row, unit) for row in found)
            for label, found in rows[name].items()
        }
        writers.append(PenWriter(name, order[name], samples))
    return writers


def _opened(path: str | Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"pen strokes '{path}': no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"pen strokes '{path}': not a readable Parquet file: {reason}") from None
    if missing := [name for name in _COLUMNS if name not in file.schema_arrow.names]:
        raise InputError(
            f"pen strokes '{path}': lacks the column {', '.join(missing)}: "
            f"need {', '.join(_COLUMNS)}"
        )
    return file


class _Shapes:
    """The lists of a pen file as flat arrays with one offset a row."""

    def __init__(self, path: str, table: pa.Table) -> None:
        self.path = path
        self.rate = np.nan_to_num(table.column("rate_hz").to_numpy().astype(float))
        self.lists = {name: self._flat(name, table.column(name)) for name in _LISTS}

    def _flat(self, name: str, chunks: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        import pyarrow as pa

        column = chunks.combine_chunks()
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
            raise InputError(f"pen strokes '{self.path}': {name} is {column.type}: need lists")
        try:
            flat = column.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            kind = column.type.value_type
            raise InputError(
                f"pen strokes '{self.path}': {name} holds lists of {kind}: need numbers"
            ) from None
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        return flat, np.concatenate([[0], np.cumsum(lengths)])

    def _row(self, row: int) -> list[NDArray[np.float64]]:
        lists = [flat[offsets[row] : offsets[row + 1]] for flat, offsets in self.lists.values()]
        lengths = [len(values) for values in lists]
        if not lengths[0] or len(set(lengths)) > 1:
            raise InputError(
                f"pen strokes '{self.path}': row {row} has lists of {lengths} values for "
                f"{', '.join(_LISTS)}: they need one length above 0"
            )
        if not np.isfinite(lists).all():
            raise InputError(f"pen strokes '{self.path}': row {row} lacks a number: drop the row")
        return lists

    def size(self, row: int) -> float:
        """Return the larger of a character's height and width in the file's unit."""
        x, y, *_ = self._row(row)
        return float(max(np.ptp(x), np.ptp(y)))

    def sample(self, row: int, unit: float) -> PenSample:
        """Return the strokes of a row in `unit`, without what the pen did in the air."""
        x, y, down, start = self._row(row)
        if not down.any():
            raise InputError(
                f"pen strokes '{self.path}': row {row} never has the pen down: drop the row"
            )
        points = np.stack([x - x.min(), y - y.min()], axis=1) / unit
        ends = np.flatnonzero(start[1:]) + 1
        parts = zip(np.split(points, ends), np.split(down > 0, ends), strict=True)
        strokes = tuple(part[on] for part, on in parts if on.any())
        return PenSample(strokes, float(max(self.rate[row], 0.0)))
