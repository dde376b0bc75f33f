"""Where in a table one recording ends and the next begins, and sensors that keep their own time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.recording import CHANNELS, SENSORS

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]

# Share of rows before which time goes back that no clock starts again so often.
_OFTEN = 0.05
# Columns that may tell devices apart by number, and how many devices one file may hold.
_TELLS_APART = re.compile(r"device|sensor|node|imu|side|wrist|foot|hand|^id$", re.IGNORECASE)
_DEVICES = 12
_FEW, _STANDS = 20, 0.9
MAX_GAP = 0.5
"""Seconds without a sample of a sensor over which its values are not filled in."""


def pieces(
    n: int,
    t: Float,
    layout: TableLayout,
    breaks: Sequence[int] = (),
    keys: Mapping[str, Sequence[str]] = {},
    where: str = "",
) -> list[slice]:
    """Return the rows of each recording of a table, in order.

    Parameters
    ----------
    n : int
        Rows of the table.
    t : ndarray of float64, shape (n,)
        Seconds; NaN where a row has no time.
    layout : TableLayout
        Of which `split` matters here.
    breaks : sequence of int
        Rows that empty lines, or the names of columns again, stand before.
    keys : mapping of str to sequence of str
        Columns, by name, at whose every change a recording ends.
    where : str
        Opens an error.

    Raises
    ------
    InputError
        If empty lines or a clock that starts again tell of several recordings and `layout` does
        not say what to make of them, or there are fewer rows than one recording is to have.
    """
    split = layout.split
    if breaks and not split:
        raise InputError(
            f"{where}: {len(breaks):,} empty lines, or names again, stand between rows, the first "
            f"before data row {breaks[0] + 1}: --split blank-lines makes recordings there, "
            "--split none reads on"
        )
    starts = {0, *(breaks if "blank-lines" in split else ())}
    for column in keys.values():
        values = np.asarray(column, dtype=object)
        starts |= {int(i) + 1 for i in np.flatnonzero(values[1:] != values[:-1])}
    steps = np.diff(t)
    if "restarts" in split:
        starts |= {int(i) + 1 for i in np.flatnonzero(steps < 0)}
    for gap in [float(rule[4:]) for rule in split if rule.startswith("gap:")]:
        starts |= {int(i) + 1 for i in np.flatnonzero(steps > gap)}
    if back := [int(i) + 1 for i in np.flatnonzero(steps < 0) if int(i) + 1 not in starts]:
        i = back[0]
        how = "--split restarts makes recordings there, unless rows are out of order"
        if len(back) > _OFTEN * n:
            how = "rows are out of order: sort them by time"
        raise InputError(
            f"{where}: time goes back from {t[i - 1] - t[0]:.3f} s to {t[i] - t[0]:.3f} s in data "
            f"row {i + 1} ({len(back):,} such): {how}",
            "time goes back",
        )
    edges = [*sorted(starts), n]
    found = [slice(a, b) for a, b in pairwise(edges)]
    for size in [int(rule[5:]) for rule in split if rule.startswith("rows:")]:
        # What is left over at the end is no whole recording.
        found = [
            slice(start, start + size)
            for piece in found
            for start in range(piece.start, piece.stop - size + 1, size)
        ]
        if not found:
            raise InputError(f"{where}: holds {n:,} rows, fewer than one recording of rows:{size}")
    return found


def in_turns(keys: Mapping[str, Sequence[str]]) -> list[int]:
    """Return the rows by what columns say of them, if rows of several stand in turns; else none.

    So they do where nearly every other row is of another one than the row before.
    """
    if not keys:
        return []
    rows = list(zip(*keys.values(), strict=True))
    changes = sum(a != b for a, b in pairwise(rows))
    places = {row: i for i, row in enumerate(dict.fromkeys(rows))}
    if changes <= 0.4 * len(rows) or len(places) > 0.1 * len(rows):
        return []
    return sorted(range(len(rows)), key=lambda i: places[rows[i]])


def refuse_turns(
    frame: pd.DataFrame, columns: Sequence[str], layout: TableLayout, where: str
) -> None:
    """Refuse a table in which rows of several devices, or sensors, stand in turns unread."""
    import pandas as pd

    for name in columns:
        cells = [str(cell) for cell in frame[name]]
        there = list(dict.fromkeys(cells))
        named = not pd.api.types.is_numeric_dtype(frame[name]) or _TELLS_APART.search(name)
        if named and not layout.split and 2 <= len(there) <= _DEVICES and in_turns({name: cells}):
            raise InputError(
                f"{where}: rows of '{name}' ({', '.join(there[:3])}) stand in turns: --device "
                f"'{{{name}}}' tells them apart, --sensor-rows sensors; --split none reads on"
            )


def check_clock(t: Float, where: str) -> None:
    """Refuse times that stand still in most rows: a clock of whole seconds says nothing of them."""
    still = float(np.mean(np.diff(t) == 0)) if len(t) > _FEW else 0.0
    if still > _STANDS:
        raise InputError(
            f"{where}: {still:.0%} of rows have the time of the row before: its clock counts too "
            "coarsely: leave the times out and give --rate"
        )


def without_gaps(
    t: Float,
    values: Mapping[str, Float],
    missing: str,
    where: str = "",
    first: int = 0,
    notes: list[str] | None = None,
) -> tuple[Float, dict[str, Float]]:
    """Refuse rows with an empty cell, leave them out, or fill them.

    Parameters
    ----------
    t : ndarray of float64, shape (n_samples,)
        Seconds, and NaN where there is none.
    values : mapping of str to ndarray, shape (n_samples,)
        Channels, with NaN where a cell is empty.
    missing : str
        ``"refuse"``, ``"drop"`` the rows, or ``"fill"`` them by the line between a sensor's own
        samples, which sensors in turns need.
    where : str
        Opens an error.
    first : int
        Which row of the table the first is.
    notes : list of str, optional
        What there is to tell is added to it.

    Raises
    ------
    InputError
        If a cell is empty and that is to be refused, or no row is whole.
    """
    rows = {"t": t, **values}
    whole = np.isfinite(np.stack(list(rows.values()))).all(axis=0)
    if whole.all():
        return t, dict(values)
    told = notes if notes is not None else []
    n = int((~whole).sum())
    if missing == "refuse":
        i = int(np.argmin(whole))
        name = next(name for name, row in rows.items() if not np.isfinite(row[i]))
        raise InputError(
            f"{where}: {name} is {rows[name][i]} in data row {first + i + 1} ({n:,} such rows): "
            "--missing drop leaves them out, --missing fill draws a line over them",
            "not a number",
        )
    if missing == "drop" and whole.any():
        told.append(f"{n:,} rows with an empty cell are left out")
        return t[whole], {name: row[whole] for name, row in values.items()}
    sensors = {}
    groups = [*SENSORS.values(), tuple(name for name in values if name not in CHANNELS)]
    for names in groups:
        if own := {name: values[name] for name in names if name in values}:
            has = np.isfinite(np.stack([t, *own.values()])).all(axis=0)
            sensors[names[0][:-2]] = t[has], {name: row[has] for name, row in own.items()}
    told.append(f"{n:,} rows with an empty cell are filled")
    return joined(sensors, where)


def joined(
    sensors: Mapping[str, tuple[Float, Mapping[str, Float]]], where: str = ""
) -> tuple[Float, dict[str, Float]]:
    """Bring sensors, each with a clock of its own, onto the clock of the one with most samples.

    Parameters
    ----------
    sensors : mapping of str to (t, channels)
        Times of shape (n,), which never go back, in seconds from one common origin, and channels of
        that shape.
    where : str
        Opens an error.

    Returns
    -------
    t, channels
        Over the time that all sensors share. Samples that lie in a gap of another sensor of more
        than `MAX_GAP` seconds are left out: nothing is made up for it.

    Raises
    ------
    InputError
        If a sensor has no sample, or they share no time.
    """
    opening = f"{where}: " if where else ""
    for sensor, (t, _) in sensors.items():
        if not t.size:
            raise InputError(f"{opening}{sensor} has no samples: nothing to join")
    start = max(float(t[0]) for t, _ in sensors.values())
    stop = min(float(t[-1]) for t, _ in sensors.values())
    if start >= stop and len(sensors) > 1:
        origin = min(float(t[0]) for t, _ in sensors.values())
        spans = ", ".join(
            f"{sensor} from {t[0] - origin:.3f} to {t[-1] - origin:.3f} s"
            for sensor, (t, _) in sensors.items()
        )
        raise InputError(f"{opening}sensors share no time: {spans}: --offset moves one")
    inside = {sensor: int(((t >= start) & (t <= stop)).sum()) for sensor, (t, _) in sensors.items()}
    t = sensors[max(inside, key=lambda sensor: inside[sensor])][0]
    t = t[(t >= start) & (t <= stop)]
    keep = np.ones(len(t), bool)
    channels: dict[str, Float] = {}
    for own, rows in sensors.values():
        after = np.clip(np.searchsorted(own, t), 1, max(1, len(own) - 1))
        if len(own) > 1:
            keep &= (own[after] - own[after - 1] <= MAX_GAP) | np.isin(t, own)
        channels |= {name: np.interp(t, own, row) for name, row in rows.items()}
    return t[keep], {name: row[keep] for name, row in channels.items()}
