"""The mapping that needs no training: a mid-air gesture laid flat.

Mid-air writing happens on a sphere about the arm's pivot, close to a plane that leans with the arm.
Seen in that plane's own right and up it is what a pen would draw on a table, where up the letter is
forward. So a 3D recording can be compared with 2D ones as it is, and turned into one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.motion.frames import FrameConfig, Motion, Signal, writing_motion
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Array, Recording

Float = NDArray[np.float64]

_UPRIGHT = 0.1
"""Share of the movement's power added to every direction but forward: an upright plane is assumed
as far as the gesture leaves its lean open, such as for I."""
_PIVOT = 0.9
"""Metres of sideways movement that turn a hand on a table by one radian (twice a forearm)."""
_RUN_UP = 0.1
"""Seconds from rest to the velocity of a gesture whose recording began late."""


def best_plane(motion: Motion) -> Float:
    """Return the plane a gesture was written in: its right and up in the writing frame.

    The normal carries the least power of the velocity, Σ(v·n)², with a ridge that draws it to the
    writer's forward; right stays level in it as far as it can. The two rows, shape (2, 3), are
    orthonormal; for a flat surface they are right and forward.
    """
    if motion.case == "2d":
        return np.array([[1.0, 0, 0], [0, 0, 1.0]])
    velocity = motion.velocity.astype(np.float64)
    power = velocity @ velocity.T
    ridge = _UPRIGHT * np.trace(power) + 1e-12
    _, axes = np.linalg.eigh(power + np.diag([ridge, ridge, 0.0]))
    # Rows are right, up, forward, a left-handed triple: no cross products, only projections.
    normal = axes[:, 0] * np.sign(axes[2, 0] or 1.0)
    right = np.array([1.0, 0, 0]) - normal[0] * normal
    right /= np.linalg.norm(right)
    up = np.array([0, 1.0, 0]) - normal[1] * normal
    up -= (up @ right) * right
    return np.stack([right, up / np.linalg.norm(up)])


def flattened(motion: Motion, signal: Signal) -> Array:
    """Return a signal along the right and up of the gesture's best plane, shape (2, n_samples).

    Rotation comes as `Motion.plane` gives it: the two rates that accompany writing.
    """
    if signal == "rotation":
        return motion.plane(signal)
    return np.asarray(best_plane(motion) @ getattr(motion, signal), dtype=np.float32)


def flat_equivalent(rec: Recording, frame: FrameConfig = FrameConfig()) -> Recording:
    """Return what a flat-lying sensor would have read for the same stroke on a table.

    Device x points right and z up, as in the study; up the letter is forward. A pen starts at rest:
    where the recording began late, a run-up of a tenth of a second is put before it.

    Parameters
    ----------
    rec : Recording
        Cleaned, in mid-air, with a gyroscope. One on a flat surface is returned as it is.
    frame : FrameConfig
        How the writing frame is found.

    Returns
    -------
    Recording
        Case ``"2d"``, six channels, the same id, label and person, at the same rate.

    Raises
    ------
    InputError
        As `signals.motion.frames.writing_motion`.
    """
    if rec.case == "2d":
        return rec
    motion = writing_motion(rec, frame)
    plane = best_plane(motion)
    velocity = plane @ motion.velocity
    acceleration = plane @ motion.acceleration
    n = max(1, round(_RUN_UP * motion.rate))
    # Speed rises as half a cosine, so that the acceleration has no step at rest.
    share = (np.arange(n) + 0.5) / n
    start = velocity[:, :1]
    velocity = np.concatenate([start * (1 - np.cos(np.pi * share)) / 2, velocity], axis=1)
    rising = start * np.pi * np.sin(np.pi * share) * motion.rate / (2 * n)
    acceleration = np.concatenate([rising, acceleration], axis=1)
    data = np.zeros((6, velocity.shape[1]), dtype=np.float32)
    data[:2] = acceleration
    data[2] = STANDARD_GRAVITY
    data[5] = -velocity[0] / _PIVOT
    return rec.replace(
        data=data, channels=(*ACC, *GYRO), t=np.arange(data.shape[1]) / motion.rate, case="2d"
    )
