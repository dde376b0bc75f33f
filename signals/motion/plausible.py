"""Whether acceleration can be that of a device somebody moves: gravity in it, movement in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from imuscribe.signals.recording import ACC, STANDARD_GRAVITY, Recording

NO_GRAVITY = "no gravity"
ONLY_GRAVITY = "only gravity"
OUT_OF_REACH = "out of reach"
FACE_DOWN = "face down"

_REACH = 2000.0
"""m/s²: 200 g, further than any sensor for movement; 16 g is usual."""
_SPAN = 2.0
"""Seconds over which movement averages out and gravity stays."""
_NO_GRAVITY = 2.5
"""m/s²: the least of 6,000 recordings in 20 public data sets is 2.9, a fast throw."""
_NO_GRAVITY_ANYWHERE = 4.5
"""m/s²: the same at the median of one person's recordings; of phone letters without it 1.1."""
_FEW = 5
_RIGID = 0.01
"""m/s²: gravity that a phone computes keeps its length to the last digit; the steadiest of moved
sensors in the same data sets varies by 0.036."""
_DOWN, _MOSTLY = 0.7, 0.8
"""Cosine between mean acceleration and −z, and share of somebody's recordings, from which on a
device counts as held face down: nobody's does of 266 people in eleven public data sets."""
_MOVED, _TURNED = 0.3, 0.1
"""Standard deviations in m/s² and rad/s of a device that is not simply lying still."""


def doubts(rec: Recording) -> Iterator[tuple[str, str]]:
    """Yield what makes a recording's acceleration impossible: in two words, and with figures."""
    acc = rec.acc.astype(np.float64)
    far = np.argwhere(np.abs(acc.T) > _REACH)
    if far.size:
        sample, axis = far[0]
        yield (
            OUT_OF_REACH,
            f"{ACC[axis]} is {acc[axis, sample]:.3g} m/s² at sample {sample} ({len(far)} such): no "
            f"motion sensor reads beyond {_REACH:,.0f}: mend or drop these samples",
        )
        return
    mean = _mean_length(rec)
    if mean < _NO_GRAVITY:
        yield NO_GRAVITY, _lacking(mean)
    length = np.linalg.norm(acc, axis=0)
    moved = float(np.linalg.norm(acc.std(axis=1))) > _MOVED
    turned = rec.gyro is not None and float(np.linalg.norm(rec.gyro.std(axis=1))) > _TURNED
    if rec.n_samples > _FEW and length.std() < _RIGID and (moved or turned):
        yield (
            ONLY_GRAVITY,
            f"acceleration is {length.mean():.2f} m/s² long throughout though the device moves: it "
            "is gravity alone; add the movement: acc_x=gravity.x+userAcceleration.x",
        )


def without_gravity(recordings: Sequence[Recording]) -> dict[str, str]:
    """Return what is wrong with people whose recordings lack gravity, by subject.

    One fast gesture may look like it; a person's recordings together do not.
    """
    lengths: dict[str, list[float]] = defaultdict(list)
    for rec in recordings:
        lengths[rec.subject].append(_mean_length(rec))
    medians = {who: float(np.median(found)) for who, found in lengths.items() if len(found) >= _FEW}
    return {who: _lacking(m) for who, m in medians.items() if m < _NO_GRAVITY_ANYWHERE}


def face_down(recordings: Sequence[Recording]) -> dict[tuple[str, str], str]:
    """Return who nearly always holds a device face down, by (device, subject).

    It may be so. It is also what is read where acceleration counts the other way, which nothing
    else tells: turned over as a whole, acceleration still goes with the rotation rate.
    """
    down: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for rec in recordings:
        mean = rec.acc.mean(axis=1, dtype=np.float64)
        down[rec.device, rec.subject].append(bool(mean[2] < -_DOWN * np.linalg.norm(mean)))
    return {
        group: "acceleration along z is negative at rest: the device is held face down, or counts "
        "the other way (then import it with --acc-sign down)"
        for group, found in down.items()
        if np.mean(found) >= _MOSTLY
    }


def _mean_length(rec: Recording) -> float:
    """Return the length of the mean acceleration over some seconds, at the median; m/s²."""
    parts = min(rec.n_samples, max(1, round(rec.duration / _SPAN)))
    acc = rec.acc.astype(np.float64)
    means = [part.mean(axis=1) for part in np.array_split(acc, parts, axis=1)]
    return float(np.median(np.linalg.norm(means, axis=1)))


def _lacking(mean: float) -> str:
    return (
        f"mean acceleration is {mean:.2f} m/s², with gravity it is about {STANDARD_GRAVITY:.2f}: "
        "was gravity removed? Add it (acc_x=gravity.x+userAcceleration.x) or restore it from an "
        "attitude (--attitude)"
    )
