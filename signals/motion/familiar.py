"""How recordings move, in five figures, and whether another one is like them at all.

A model answers with one of its labels whatever it is shown. What lies far outside everything that
it learnt from is no such recording, and its answer means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imuscribe.signals.recording import Recording

UNITS = {
    "duration": "s",
    "gravity": "m/s²",
    "movement": "m/s²",
    "tempo": "Hz",
    "turning": "rad/s",
}
"""Figures of a recording: seconds, the length of its mean acceleration, the root mean square of
what is left, the mean frequency of that, and the root mean square of the rotation rate."""

_WIDER = 1.5
"""Times that a figure may lie outside of what was learnt from: people and devices differ."""
_LEAST = 0.05
"""Figures below are alike: nothing is still to a hundredth."""

Ranges = dict[str, tuple[float, float]]


def figures(rec: Recording) -> dict[str, float]:
    """Return the figures of a cleaned recording; no ``turning`` without a gyroscope."""
    acc = rec.acc.astype(np.float64)
    mean = acc.mean(axis=1)
    rest = acc - mean[:, None]
    power = (np.abs(np.fft.rfft(rest * np.hanning(rec.n_samples), axis=1)) ** 2).sum(axis=0)
    frequency = np.fft.rfftfreq(rec.n_samples, 1 / rec.rate) if rec.rate else np.zeros(len(power))
    found = {
        "duration": rec.duration,
        "gravity": float(np.linalg.norm(mean)),
        "movement": float(np.sqrt((rest**2).sum(axis=0).mean())),
        "tempo": float(power @ frequency / max(power.sum(), 1e-12)),
    }
    if rec.gyro is not None:
        turning = rec.gyro.astype(np.float64) ** 2
        found["turning"] = float(np.sqrt(turning.sum(axis=0).mean()))
    return found


def ranges(recordings: Sequence[Recording]) -> Ranges:
    """Return the least and the most of every figure that all of the recordings have."""
    rows = [figures(rec) for rec in recordings]
    names = [name for name in UNITS if all(name in row for row in rows)]
    columns = {name: [row[name] for row in rows] for name in names}
    return {name: (min(column), max(column)) for name, column in columns.items()}


def doubt(rec: Recording, known: Ranges) -> str:
    """Say in what a cleaned recording is unlike everything learnt from; empty where it is like it.

    Where the rotation rate was learnt from and is missing here, that is said too.
    """
    found = figures(rec)
    for name, (low, high) in known.items():
        if name not in found:
            return "has no gyroscope, which was learnt from"
        value = found[name]
        if value > max(high, _LEAST) * _WIDER or max(value, _LEAST) < low / _WIDER:
            unit = UNITS[name]
            return f"its {name} is {value:.2g} {unit}, learnt were {low:.2g} to {high:.2g} {unit}"
    return ""
