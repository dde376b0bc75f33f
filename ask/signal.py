"""What a query measures on the signal itself, in the pieces of time that it is about."""

from __future__ import annotations

import numpy as np

from imuscribe.ask.pieces import Pieces
from imuscribe.ask.query import Measure
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.statistics import statistics
from imuscribe.signals.recording import Recording

UNITS = {
    "peak": "m/s²",
    "cadence": "steps a minute",
    "tilt": "° from upright",
    "turns": "turns",
    "stillness": "of the time",
}
_STILL = 0.3
"""m/s²: half a second whose acceleration deviates by less is still."""
_LEAST = 8
"""Samples below which nothing is said."""


def measured(measure: Measure, rec: Recording, pieces: Pieces) -> float | None:
    """Return a measure of the signal over some time; None where too little of it is there.

    ``peak`` is the largest deviation of the size of acceleration from gravity's 9.81 m/s²;
    ``tilt`` the angle between the device's y axis and up; ``turns`` how often the device turned
    about itself in all; the others are means over the pieces by their length.
    """
    rec = rec.replace(t=rec.t - rec.t[0])
    values, weights = [], []
    for start, end in pieces:
        inside = (rec.t >= start) & (rec.t < end)
        if inside.sum() < _LEAST:
            continue
        piece = rec.replace(data=rec.data[:, inside], t=rec.t[inside])
        value = _of_piece(measure, piece)
        if value is not None:
            values.append(value)
            weights.append(end - start)
    if not values:
        return None
    if measure == "peak":
        return max(values)
    return sum(values) if measure == "turns" else float(np.average(values, weights=weights))


def _of_piece(measure: Measure, rec: Recording) -> float | None:
    acc = np.asarray(rec.acc, dtype=np.float64)
    if measure == "peak":
        return float(np.abs(np.linalg.norm(acc, axis=0) - 9.81).max())
    if measure == "tilt":
        mean = acc.mean(axis=1)
        return float(np.degrees(np.arccos(np.clip(mean[1] / np.linalg.norm(mean), -1, 1))))
    if measure == "turns":
        if rec.gyro is None:
            return None
        size = np.linalg.norm(np.asarray(rec.gyro, dtype=np.float64), axis=0)
        return float(np.trapezoid(size, rec.t) / (2 * np.pi))
    if measure == "stillness":
        n = max(2, round(rec.rate / 2))
        whole = acc[:, : acc.shape[1] // n * n].reshape(3, -1, n)
        return float((whole.std(axis=2).max(axis=0) < _STILL).mean()) if whole.size else None
    try:
        found = statistics(rec).get("steps a minute")
    except InputError:
        return None
    return None if found is None else found.value
