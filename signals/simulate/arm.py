"""How an arm carries the hand: a movement in the plane becomes one in the world.

Axes in this module are right, forward, up: a right-handed triple. Angles are yaw about up, pitch
about right, roll about forward.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.simulate.hand import GRID

Float = NDArray[np.float64]


def wander(rng: np.random.Generator, n: int, low: float, high: float, rows: int = 3) -> Float:
    """Return `rows` random oscillations between `low` and `high` Hz of unit power, (rows, n)."""
    frequency = rng.uniform(low, high, (rows, 3, 1))
    phase = rng.uniform(0, 2 * np.pi, (rows, 3, 1))
    waves = np.sin(2 * np.pi * frequency * np.arange(n) / GRID + phase)
    return np.asarray(waves.sum(axis=1) * np.sqrt(2 / 3))


def mid_air(xy: Float, back: Float, lever: float, elevation: float) -> tuple[Float, Float]:
    """Write in mid-air: the hand moves on a sphere of radius `lever` about a pivot behind it.

    `xy` (2, n) are distances along the sphere to the right and up, `back` (n,) is by how much the
    hand is nearer to the pivot, all in metres. `elevation`, the angle of the arm above the
    horizontal in the middle of the letter, tilts the writing plane. Returns position (3, n) in
    metres and angles (3, n): yaw is negative to the right, pitch positive upward.
    """
    yaw, pitch = -xy[0] / lever, xy[1] / lever
    above = elevation + pitch
    direction = np.stack([-np.sin(yaw) * np.cos(above), np.cos(yaw) * np.cos(above), np.sin(above)])
    return (lever - back) * direction, np.stack([yaw, pitch, np.zeros_like(yaw)])


def table(xy: Float, lift: Float, pivot: float) -> tuple[Float, Float]:
    """Write on a flat surface: up the letter is forward, and the forearm turns about the elbow.

    As `mid_air`; `pivot` metres of sideways movement turn the device by one radian.
    """
    still = np.zeros_like(lift)
    return np.stack([xy[0], xy[1], lift]), np.stack([-xy[0] / pivot, still, still])


def turn(angles: Float, rates: Float) -> tuple[Float, Float]:
    """Turn a hand by yaw, then pitch, then roll, each about the axis the ones before left.

    Takes the angles (3, n) and their derivatives. Returns the orientation (n, 3, 3), hand axes to
    right, forward, up; and the body rates (3, n) about the hand's own right, forward, up.
    """
    (cy, cp, cr), (sy, sp, sr) = np.cos(angles), np.sin(angles)
    orientation = np.array(
        [
            [cy * cr - sy * sp * sr, -sy * cp, cy * sr + sy * sp * cr],
            [sy * cr + cy * sp * sr, cy * cp, sy * sr - cy * sp * cr],
            [-cp * sr, sp, cp * cr],
        ]
    )
    yaw, pitch, roll = rates
    rotation_rate = np.stack(
        [pitch * cr - yaw * cp * sr, roll + yaw * sp, pitch * sr + yaw * cp * cr]
    )
    return np.moveaxis(orientation, 2, 0), rotation_rate
