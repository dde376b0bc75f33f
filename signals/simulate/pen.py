"""Pen trajectories from a file as the strokes that simulated hands make.

The file is Parquet in the layout of the UNIPEN extract: one row a character with `writer`, `label`,
`rate_hz` (0 = unknown) and lists `x`, `y` (device units, y upward), `pen_down`, `stroke_start`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from signals.errors import InputError
from signals.simulate.glyphs import Stroke

_COLUMNS = ("writer", "label", "rate_hz", "x", "y", "pen_down", "stroke_start")


@dataclass(frozen=True)
class PenSample:
    """One character as somebody wrote it.

    Attributes
    ----------
    strokes : tuple of ndarray, each of shape (n_points, 2)
        Right and up in heights of the writer's capitals, from the lower left corner.
    rate : float
        Points a second; 0 where unknown.
    """

    strokes: tuple[Stroke, ...]
    rate: float


@dataclass(frozen=True)
class PenWriter:
    """One person of a pen file.

    Attributes
    ----------
    name : str
        The file's name for the person.
    index : int
        Place among all the file's people, whoever is selected.
    samples : dict of str to tuple of PenSample
        Characters by label, in the file's order.
    """

    name: str
    index: int
    samples: dict[str, tuple[PenSample, ...]]


def read_pen(
    path: str | Path, labels: Sequence[str], people: int, repetitions: int
) -> list[PenWriter]:
    """Read the people who wrote most of the labels.

    Parameters
    ----------
    path : path-like
        The Parquet file.
    labels : sequence of str
        Characters wanted.
    people, repetitions : int
        At most so many people, and so many samples of a label from each.

    Returns
    -------
    list of PenWriter
        In the file's order. A person lacks the labels that they did not write.

    Raises
    ------
    InputError
        If the file is missing, is not Parquet, lacks a column, holds none of the labels, or a row's
        lists differ in length.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"pen strokes '{path}': no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"pen strokes '{path}': not a readable Parquet file: {reason}") from None
    missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise InputError(
            f"pen strokes '{path}': lacks the column {', '.join(missing)}: "
            f"need {', '.join(_COLUMNS)}"
        )
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
    table = file.read(columns=list(_COLUMNS))
    writers = []
    for name in chosen:
        samples = {
            label: tuple(_sample(path, row, table.slice(row, 1).to_pylist()[0]) for row in found)
            for label, found in rows[name].items()
        }
        writers.append(PenWriter(name, order[name], _in_capitals(samples)))
    return writers


def _sample(path: str | Path, row: int, values: Mapping[str, Any]) -> PenSample:
    x, y, down, start = (np.asarray(values[name], dtype=float) for name in _COLUMNS[3:])
    if not x.size or len({x.size, y.size, down.size, start.size}) > 1:
        raise InputError(
            f"pen strokes '{path}': row {row} has {x.size} x, {y.size} y, {down.size} pen_down and "
            f"{start.size} stroke_start: the lists need one length above 0"
        )
    if not down.any():
        raise InputError(f"pen strokes '{path}': row {row} never has the pen down: drop the row")
    points = np.stack([x, y], axis=1) - [x.min(), y.min()]
    ends = np.flatnonzero(start[1:]) + 1
    parts = zip(np.split(points, ends), np.split(down > 0, ends), strict=True)
    rate = float(values["rate_hz"] or 0)
    return PenSample(tuple(part[on] for part, on in parts if on.any()), rate if rate > 0 else 0.0)


def _in_capitals(
    samples: Mapping[str, tuple[PenSample, ...]],
) -> dict[str, tuple[PenSample, ...]]:
    """Divide by the median size of the writer's characters, the larger of height and width."""
    sizes = [
        np.ptp(np.concatenate(sample.strokes), axis=0).max()
        for group in samples.values()
        for sample in group
    ]
    unit = float(np.median(sizes)) or 1.0
    return {
        label: tuple(
            PenSample(tuple(stroke / unit for stroke in sample.strokes), sample.rate)
            for sample in group
        )
        for label, group in samples.items()
    }
