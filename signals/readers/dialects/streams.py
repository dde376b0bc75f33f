"""From streams of sensors to recordings: one clock, split where the clock or the label breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import SENSORS, STANDARD_GRAVITY, Recording
from imuscribe.signals.units import Quantity, unit_factor

Numbers = NDArray[np.float64]

# Seconds without a sample of a sensor: longer ones are not bridged when sensors are joined.
_GAP = 0.5
# Seconds that part two takes in a stream of many.
BREAK = 2.0


@dataclass(frozen=True)
class Stream:
    """One sensor: times in seconds from any moment, shape (n,), values in SI, shape (3, n)."""

    t: Numbers
    values: Numbers

    def cut(self, chosen: slice | NDArray[np.bool_]) -> Stream:
        """Return the chosen samples."""
        return Stream(self.t[chosen], self.values[:, chosen])


@dataclass(frozen=True)
class Take:
    """What a file holds before it has a name: sensors by name (acc, gyro, lin_acc), properties."""

    sensors: Mapping[str, Stream]
    about: Mapping[str, str] = field(default_factory=dict)


def stream(t: ArrayLike, rows: ArrayLike, unit: str | float, sensor: str, sign: int = 1) -> Stream:
    """Return a stream of `rows`, shape (3, n), in a unit by name or by its size in SI."""
    quantity: Quantity = "rotation" if sensor == "gyro" else "acceleration"
    factor = unit if isinstance(unit, float) else unit_factor(unit, quantity)
    return Stream(np.asarray(t, np.float64), np.asarray(rows, np.float64) * (factor * sign))


def joined(take: Take, **about: Any) -> Recording:
    """Return a recording on the clock of the accelerometer.

    Samples that are not numbers go. Other sensors are read at the accelerometer's times by linear
    interpolation, in the time that all share; where one of them pauses for more than 0.5 s the
    accelerometer's samples go as well, so that the pause is seen.

    Raises
    ------
    InputError
        If there is no accelerometer, the sensors share no time, or a clock goes back.
    """
    where = f"recording '{about.get('id', '')}'"
    if "acc" not in take.sensors:
        raise InputError(f"{where}: has no acceleration with gravity", "no acceleration")
    whole = {name: _finite(one) for name, one in take.sensors.items()}
    for name, one in whole.items():
        if not one.t.size:
            raise InputError(f"{where}: {name} holds no numbers", "no samples")
        if (back := np.flatnonzero(np.diff(one.t) < 0)).size:
            raise InputError(
                f"{where}: the time of {name} goes back at sample {back[0] + 1}: "
                "split the recording there",
                "time goes back",
            )
    t = whole["acc"].t
    kept = np.ones(t.size, bool)
    for one in whole.values():
        kept &= (t >= one.t[0]) & (t <= one.t[-1])
        for at in np.flatnonzero(np.diff(one.t) > _GAP):
            kept &= (t <= one.t[at]) | (t >= one.t[at + 1])
    if kept.sum() < 2:
        raise InputError(f"{where}: its sensors share no time", "no common time")
    t, rows = t[kept], []
    names = [name for name in SENSORS if name in whole]
    for name in names:
        one = whole[name]
        same = name == "acc" or np.array_equal(one.t, whole["acc"].t)
        rows.append(
            one.values[:, kept] if same else np.stack([np.interp(t, one.t, v) for v in one.values])
        )
    channels = [channel for name in names for channel in SENSORS[name]]
    data = np.concatenate(rows).astype(np.float32)
    return Recording(data=data, channels=tuple(channels), t=t - t[0], **about)


def _finite(one: Stream) -> Stream:
    return one.cut(np.isfinite(one.values).all(0) & np.isfinite(one.t))


def runs(keys: Sequence[object] | NDArray[np.generic], t: Numbers, gap: float) -> Iterator[slice]:
    """Yield stretches of one key in which time neither goes back nor pauses for `gap` seconds."""
    values = np.asarray(keys)
    step = np.diff(t)
    cuts = np.flatnonzero((values[1:] != values[:-1]) | (step < 0) | (step > gap)) + 1
    for start, stop in zip([0, *cuts], [*cuts, len(values)], strict=True):
        if stop > start:
            yield slice(int(start), int(stop))


def with_gravity(free: Numbers, sensor_to_earth: object) -> Numbers:
    """Return acceleration with gravity in the sensor's frame, m/s², shape (3, n).

    `free` is acceleration without gravity in the earth's frame, z up; `sensor_to_earth` is a
    `scipy.spatial.transform.Rotation` of n turns.
    """
    total = free + np.array([[0.0], [0.0], [STANDARD_GRAVITY]])
    turned: Numbers = sensor_to_earth.inv().apply(total.T).T  # type: ignore[attr-defined]
    return turned
