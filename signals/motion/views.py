"""A recording as the equally long sequences that networks and classifiers read."""

from __future__ import annotations

from typing import Literal

import numpy as np

from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.gravity import align, turnless
from imuscribe.signals.motion.warping import equally_long
from imuscribe.signals.recording import ACC, Array, Recording

View = Literal["movement", "writing", "raw", "physical", "upright"]
"""``movement``: velocity and acceleration along the letter's own right and up; ``writing``: those
and the rotation rate; ``raw``: the device's own channels, gravity included; ``physical``: the same
in m/s² and rad/s; ``upright``: beside these, of each sensor, the part along gravity, the size of
the part across it and the whole magnitude, which stay when the device is turned about gravity.

The rotation rate of a few people is a copy of their velocity, because they swing the device about
the elbow: a network that is given it learns the swing and is lost with anybody who moves otherwise.
"""

Groups = Literal["one", "signal", "channel"]
"""Which rows of a view belong together: all, those of one physical quantity, or each alone."""

Quantity = Literal["velocity", "acceleration", "rotation"]
QUANTITIES: dict[str, tuple[Quantity, ...]] = {
    "movement": ("velocity", "acceleration"),
    "writing": ("velocity", "acceleration", "rotation"),
}
"""The quantities of a view that is in the writing frame."""


PHYSICAL = ("physical", "upright")
"""Views that keep strength and gravity."""


def sequence(
    rec: Recording,
    view: View,
    steps: int = 64,
    frame: FrameConfig = FrameConfig(),
    seconds: float | None = None,
) -> Array:
    """Return one view of a cleaned recording, float32 of shape (n_channels, steps).

    The steps divide the whole recording, or its first `seconds`, with zeros behind a shorter one.

    Every physical quantity is divided by its root mean square over the recording: size and speed
    of writing are personal, direction is not; but not in ``physical`` and ``upright``, where
    strength and gravity tell activities apart. Without a gyroscope there is no rotation rate in any
    view.

    Raises
    ------
    InputError
        As `signals.motion.frames.writing_motion`, and `signals.motion.gravity.gravity_rotation` for
        ``upright``.
    """
    if view not in QUANTITIES:
        quantities = [rec.select(ACC)] + ([] if rec.gyro is None else [rec.gyro])
        if view == "upright":
            quantities += [np.stack(turnless(rows)) for rows in align(rec) if rows is not None]
    else:
        motion = writing_motion(rec, frame)
        told = [name for name in QUANTITIES[view] if rec.gyro is not None or name != "rotation"]
        quantities = [motion.plane(name) for name in told]
    relative = view not in PHYSICAL
    return equally_long(quantities, rec.t, steps, relative, seconds)


def n_channels(view: View, gyroscope: bool = True) -> int:
    """Return the rows of a view of recordings with or without a gyroscope."""
    if view in QUANTITIES:
        return 2 * len({*QUANTITIES[view]} - (set() if gyroscope else {"rotation"}))
    return (2 if view == "upright" else 1) * (6 if gyroscope else 3)


def device_rows(view: View, channels: int) -> int | None:
    """Return how many rows of a view of so many are the device's own axes, sensor after sensor.

    None of a view in the writing frame.
    """
    if view in QUANTITIES:
        return None
    return channels // 2 if view == "upright" else channels


def groups(view: View, kind: Groups, channels: int) -> tuple[tuple[int, ...], ...]:
    """Return the rows of each group of a view of so many rows; all groups are equally large.

    ``signal`` gives one group a quantity of the writing frame, else one a sensor: acceleration,
    then rotation, in ``upright`` with what of it is along gravity and across it.
    """
    if kind == "one":
        return (tuple(range(channels)),)
    if kind == "channel":
        return tuple((row,) for row in range(channels))
    axes = 2 if view in QUANTITIES else 3
    blocks = [tuple(range(row, row + axes)) for row in range(0, channels, axes)]
    sensors = (device_rows(view, channels) or channels) // axes
    return tuple(sum(blocks[sensor::sensors], ()) for sensor in range(sensors))
