"""What an encoder sees of a recording: a few equally long rows, however the device was held."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from imuscribe.mapping3d.analytic import flattened
from imuscribe.recipes.mapping import Side, ViewConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Array, Recording


def view(rec: Recording, config: ViewConfig, side: Side) -> Array:
    """Return one recording's rows, shape (n_channels, steps); it needs a gyroscope."""
    if config.space == "level":
        rows = _level(rec)
    else:
        motion = writing_motion(rec, config.frame)
        planes = [flattened(motion, signal) for signal in getattr(config, side)]
        rows = np.concatenate([p / (np.sqrt(np.mean(p**2)) + 1e-9) for p in planes])
    at = np.linspace(rec.t[0], rec.t[-1], config.steps)
    return np.stack([np.interp(at, rec.t, row) for row in rows]).astype(np.float32)


def views(
    recordings: Sequence[Recording], config: ViewConfig, side: Side, progress: bool = False
) -> Array:
    """Return the rows of many recordings, shape (n, n_channels, steps)."""
    from tqdm import tqdm

    bar = tqdm(recordings, f"preparing {side}", unit="rec", file=sys.stderr, disable=not progress)
    found = [view(rec, config, side) for rec in bar]
    return (
        np.stack(found) if found else np.empty((0, len(config.channels(side)), config.steps), "f4")
    )


def _level(rec: Recording) -> Array:
    """Split acceleration and rotation into what is along gravity and how much is across it."""
    gyro = rec.gyro
    if gyro is None:
        raise InputError(
            f"recording '{rec.id}': has no gyroscope: the encoder needs gyro_x, gyro_y, gyro_z"
        )
    gravity = rec.acc.mean(axis=1, dtype=np.float64)
    strength = float(np.linalg.norm(gravity))
    if strength < 1.0:
        raise InputError(
            f"recording '{rec.id}': mean acceleration is {strength:.2f} m/s²: gravity (about "
            "9.81 m/s²) is missing; give acceleration with gravity included"
        )
    up = gravity / strength
    rows = []
    for values in (rec.acc - gravity[:, None], gyro):
        along = up @ values
        across = np.linalg.norm(values - up[:, None] * along, axis=0)
        rows += [along, across]
    return np.stack(rows).astype(np.float32)
