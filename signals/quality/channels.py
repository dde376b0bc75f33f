"""What single channels show: values held, an axis that is stuck, a range that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.cleaning import fresh_samples
from imuscribe.signals.quality.problem import CLIPPING, STUCK, Problem
from imuscribe.signals.recording import ACC, GYRO, SENSORS, STANDARD_GRAVITY, Recording

Bool = NDArray[np.bool_]
Values = NDArray[np.float32]

_OURS = {"acc": ACC, "gyro": GYRO}
_HELD_SHARE = 0.1
# No motion sensor's range ends below these, so a smaller maximum is no clipping.
_SMALLEST_RANGE = {"acc": 1.4 * STANDARD_GRAVITY, "gyro": np.deg2rad(100)}
_PINNED_RUN = 2
# Axes of one sensor differ by this much in where their range ends.
_SAME_RANGE = 0.97
# Standard deviation, m/s² and rad/s, of a sensor that is moved; in steps of its resolution, below
# which an axis may well keep its value.
_MOVED = {"acc": 0.3, "gyro": 0.1}
_STEPS = 10
_STUCK_SAMPLES, _STUCK_SECONDS, _PART, _NEARLY = 20, 1.0, 0.25, 0.9
# An axis that is clipped below its sensor's reach: so many samples in runs, and so many times more
# than at any other value near by, as no rounded peak has. Fitted on 3,645 recordings in twenty
# public data sets, so that none is said to be clipped where its sensor's range does not end.
_PILED_RUN, _PILED, _PILED_SHARE, _PILED_TIMES, _PILED_VALUES = 3, 10, 0.02, 3, 30
_NEAR = 0.1
# Of what the sensor reads at most, and of the channel's span: an extreme so low and so near the
# median is rest.
_LOW = 0.25


def fresh(rec: Recording) -> dict[str, Bool]:
    """Return for each sensor which of its samples are new, not held from the row before."""
    return {
        name: fresh_samples(rec.select(channels), rec.t)
        for name, channels in SENSORS.items()
        if set(channels) <= set(rec.channels)
    }


def reach_of(rec: Recording) -> dict[str, float]:
    """Return the largest magnitude that each sensor delivered; m/s², rad/s."""
    sensors = {"acc": rec.acc, "gyro": rec.gyro}
    return {name: float(np.abs(v).max()) for name, v in sensors.items() if v is not None}


def repeats(new: Mapping[str, Bool]) -> Iterator[Problem]:
    """Find sensors that hold their values; `new` is as `fresh` returns it."""
    held = {name: 1 - float(found.mean()) for name, found in new.items()}
    if max(held.values()) < _HELD_SHARE:
        return
    rows = 1 - float(np.logical_or.reduce(list(new.values())).mean())
    sensors = ", ".join(f"{name} {share:.0%}" for name, share in held.items())
    detail = f"values held from the row before: {sensors}; {rows:.0%} of rows hold nothing new"
    yield Problem("repeats", detail, max(held.values()))


def stuck(rec: Recording, new: Mapping[str, Bool]) -> Iterator[Problem]:
    """Find axes that keep one value, for a second or throughout, while their sensor is moved."""
    parts, most = [], 0.0
    for sensor, names, rows, values in _read(rec, new):
        unit = "m/s²" if sensor == "acc" else "rad/s"
        for i, name in enumerate(names):
            others = np.delete(values, i, 0)
            held = 0
            for start, stop in _runs(np.diff(values[i]) == 0):
                span = slice(start, stop + 1)
                n = stop + 1 - start
                long = rec.t[rows[stop]] - rec.t[rows[start]] >= _STUCK_SECONDS
                # Some gyroscopes read 0 wherever they turn little.
                part = long and n >= _PART * len(rows) and values[i, start] != 0
                enough = n >= _STUCK_SAMPLES and (part or n >= _NEARLY * len(rows))
                if enough and _moves(others[:, span], sensor):
                    held += n
                    at = float(values[i, start])
            if held:
                parts.append(f"{name} {held:,} of {len(rows):,} at {at:.4g} {unit}")
                most = max(most, held / len(rows))
    if parts:
        detail = f"samples that stay at one value while other axes move: {', '.join(parts)}"
        yield Problem(STUCK, detail, most)


def clipping(
    rec: Recording, new: Mapping[str, Bool], reach: Mapping[str, float]
) -> Iterator[Problem]:
    """Find runs of samples at a channel's extreme, where the sensor's range may end.

    Held rows are left out first, or sample-and-hold would look like clipping. What lies well below
    the sensor's `reach` is clipping only where samples pile up.
    """
    limits, parts = [], []
    pinned = np.zeros(rec.n_samples, bool)
    for sensor, names, rows, values in _read(rec, new):
        for i, name in enumerate(names):
            row = values[i]
            for extreme in (float(row.min()), float(row.max())):
                if abs(extreme) < max(_SMALLEST_RANGE[sensor], _SAME_RANGE * reach[sensor]):
                    at = _piled(row, extreme, np.delete(values, i, 0), sensor)
                else:
                    at = _standing(row, extreme, _PINNED_RUN)
                if at.any():
                    pinned[rows[at]] = True
                    limits.append(_limit(abs(extreme), sensor))
                    sign = "-" if extreme < 0 else ""
                    parts.append(f"{name} {int(at.sum())} at {sign}{limits[-1]}")
    if parts:
        detail = f"{int(pinned.sum())} samples stand at a limit: {', '.join(parts)}"
        yield Problem(CLIPPING, detail, float(pinned.mean()), tuple(dict.fromkeys(limits)))


def _read(
    rec: Recording, new: Mapping[str, Bool]
) -> Iterator[tuple[str, tuple[str, ...], NDArray[np.intp], Values]]:
    """Yield accelerometer and gyroscope: name, channels, which rows are new, the values there."""
    for sensor, names in _OURS.items():
        if sensor in new:
            rows = np.flatnonzero(new[sensor])
            yield sensor, names, rows, rec.select(names)[:, rows]


def _moves(others: Values, sensor: str) -> bool:
    """Tell whether other axes move, and by more than a few steps of what they resolve."""
    for row in others:
        steps = np.diff(np.unique(row))
        if steps.size and row.std() > max(_MOVED[sensor], _STEPS * float(np.median(steps))):
            return True
    return False


def _piled(row: Values, extreme: float, others: Values, sensor: str) -> Bool:
    """Mark samples that stand at the extreme while other axes move, if they are many for it."""
    none = np.zeros(len(row), bool)
    values, counts = np.unique(row, return_counts=True)
    away = abs(extreme - float(np.median(row)))
    most = max(float(np.abs(row).max()), float(np.abs(others).max()))
    rest = abs(extreme) < _LOW * most and away < _LOW * float(np.ptp(row))
    if len(values) < _PILED_VALUES or rest:
        return none
    at = _standing(row, extreme, _PILED_RUN)
    for start, stop in _runs(at):
        at[start:stop] = float(np.ptp(others[:, start:stop], axis=1).max()) > _MOVED[sensor]
    apart = np.abs(values - extreme)
    near = (apart > 1e-4 * abs(extreme)) & (apart <= _NEAR * float(np.ptp(values)))
    beside = int(counts[near].max()) if near.any() else 0
    n = int(at.sum())
    many = n >= max(_PILED, _PILED_SHARE * len(row), _PILED_TIMES * beside)
    return at if many else none


def _standing(row: Values, extreme: float, least: int) -> Bool:
    """Mark the samples in runs of at least so many that stand at the extreme, shape as `row`."""
    at = np.asarray(np.abs(row - extreme) <= 1e-4 * abs(extreme))
    for start, stop in _runs(at):
        at[start:stop] = stop - start >= least
    return at


def _runs(at: Bool) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _limit(value: float, sensor: str) -> str:
    if sensor == "acc":
        return f"{float(f'{value / STANDARD_GRAVITY:.2g}'):g} g"
    return f"{float(f'{np.rad2deg(value):.3g}'):g} deg/s"
