"""A recording as the equally long sequences that networks and classifiers read."""

from __future__ import annotations

from typing import Literal

from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.warping import equally_long
from imuscribe.signals.recording import ACC, Array, Recording

View = Literal["movement", "writing", "raw", "physical"]
"""``movement``: velocity and acceleration along the letter's own right and up; ``writing``: those
and the rotation rate; ``raw``: the device's own channels, gravity included; ``physical``: the same
in m/s² and rad/s.

The rotation rate of a few people is a copy of their velocity, because they swing the device about
the elbow: a network that is given it learns the swing and is lost with anybody who moves otherwise.
"""

Quantity = Literal["velocity", "acceleration", "rotation"]
QUANTITIES: dict[str, tuple[Quantity, ...]] = {
    "movement": ("velocity", "acceleration"),
    "writing": ("velocity", "acceleration", "rotation"),
}
"""The quantities of a view that is in the writing frame."""


def sequence(
    rec: Recording, view: View, steps: int = 64, frame: FrameConfig = FrameConfig()
) -> Array:
    """Return one view of a cleaned recording, float32 of shape (n_channels, steps).

    Every physical quantity is divided by its root mean square over the recording: size and speed
    of writing are personal, direction is not; but not in ``physical``, where strength and gravity
    tell activities apart. ``movement`` and ``writing`` need a gyroscope.

    Raises
    ------
    InputError
        As `signals.motion.frames.writing_motion`.
    """
    if view in ("raw", "physical"):
        quantities = [rec.select(ACC)] + ([] if rec.gyro is None else [rec.gyro])
    else:
        motion = writing_motion(rec, frame)
        quantities = [motion.plane(name) for name in QUANTITIES[view]]
    return equally_long(quantities, rec.t, steps, relative=view != "physical")


def n_channels(view: View) -> int:
    """Return the rows of a view; of the device's own channels with a gyroscope."""
    return 2 * len(QUANTITIES[view]) if view in QUANTITIES else 6
