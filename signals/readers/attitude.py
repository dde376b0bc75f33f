"""Which way is up in device axes, from attitude angles or quaternions.

Phones offer acceleration without gravity beside an attitude; up times 9.81 m/s² is the gravity that
such a file leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest

Float = NDArray[np.float64]
Attitude = Literal["core-motion", "android", "aerospace", "quaternion", "inverse-quaternion"]
"""``core-motion`` and ``android``: pitch about x and roll about y, as ``CMAttitude`` and
``SensorManager.getOrientation`` give them, whose pitches have opposite signs; ``aerospace``: roll
about x, then pitch about y, then yaw about z, which points up; ``quaternion`` turns device axes
into those of an earth whose z points up, ``inverse-quaternion`` those into the device's."""

ANGLES = ("roll", "pitch", "yaw")
QUATERNION = ("qw", "qx", "qy", "qz")


def needed(attitude: str) -> tuple[str, ...]:
    """Return the columns from which an attitude tells up; yaw tells nothing about it."""
    if attitude not in get_args(Attitude):
        raise InputError(
            f"attitude '{attitude}' is unknown: {nearest(attitude, get_args(Attitude))}"
        )
    return QUATERNION if attitude.endswith("quaternion") else ("roll", "pitch")


def up(values: Mapping[str, Float], attitude: str) -> Float:
    """Return the unit vector that points up in device axes, shape (3, n_samples).

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n_samples,)
        ``roll`` and ``pitch`` in radians, or ``qw``, ``qx``, ``qy``, ``qz`` of any common length.
    attitude : str
        What they mean, one of `Attitude`.

    Raises
    ------
    InputError
        If there is no such attitude, or a quaternion is zero.
    """
    rows = [np.asarray(values[name], dtype=np.float64) for name in needed(attitude)]
    if attitude.endswith("quaternion"):
        return _turned_up(np.stack(rows), attitude.startswith("inverse"))
    (sin_roll, sin_pitch), (cos_roll, cos_pitch) = np.sin(rows), np.cos(rows)
    if attitude == "aerospace":
        return np.stack([-sin_pitch, cos_pitch * sin_roll, cos_pitch * cos_roll])
    raised = sin_pitch if attitude == "core-motion" else -sin_pitch
    return np.stack([-cos_pitch * sin_roll, raised, cos_pitch * cos_roll])


def _turned_up(quaternion: Float, inverse: bool) -> Float:
    size = np.linalg.norm(quaternion, axis=0)
    if (size < 1e-6).any():
        at = int(np.argmax(size < 1e-6))
        raise InputError(f"the quaternion of sample {at} is zero: it turns nothing", "no attitude")
    w, x, y, z = quaternion / size
    if inverse:
        w = -w
    return np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z])
