"""What an encoder sees of a recording: a few equally long rows, however the device was held."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from imuscribe.mapping3d.analytic import flattened
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import Array, Recording

Letter = Literal["velocity", "acceleration", "rotation"]


class ViewConfig(Config):
    """How a recording becomes the encoder's input.

    Attributes
    ----------
    space : {"plane", "level"}
        ``plane``: the signals of `source` and `target` along the right and up of the best writing
        plane, each divided by its root mean square; for gestures. ``level``: acceleration up and
        along the level, rotation about up and about the level, in m/s² and rad/s; for activities,
        whose strength counts and which have no writing direction.
    source, target : tuple of str
        Signals of the two conditions, ``plane`` only. Flat writing hardly turns the hand, so its
        rotation says nothing.
    steps : int
        Samples that every recording is brought to.
    """

    space: Literal["plane", "level"] = "plane"
    source: tuple[Letter, ...] = Field(default=("velocity", "acceleration"), min_length=1)
    target: tuple[Letter, ...] = Field(default=("velocity", "acceleration"), min_length=1)
    steps: int = Field(default=32, ge=8)
    frame: FrameConfig = FrameConfig()

    def channels(self, side: Side) -> tuple[str, ...]:
        """Return the names of the rows of a side."""
        if self.space == "level":
            return ("acc_up", "acc_level", "gyro_up", "gyro_level")
        return tuple(
            f"{signal}_{axis}" for signal in getattr(self, side) for axis in ("right", "up")
        )


Side = Literal["source", "target"]


def view(rec: Recording, config: ViewConfig, side: Side) -> Array:
    """Return one recording's rows, shape (n_channels, steps).

    Raises
    ------
    InputError
        Without a gyroscope, or as `signals.motion.frames.writing_motion`.
    """
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
