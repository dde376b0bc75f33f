"""What acts on a sensor, and what it reports: after the Bosch BMI055 of the study's camera.

Figures are the data sheet's (BST-BMI055-DS000): noise 150 µg/√Hz and 0.014 °/s/√Hz, 12 bits over
±2 to ±16 g, 16.4 LSB a °/s over ±2000 °/s. Its zero offsets, ±70 mg and ±1 °/s as the part leaves
the factory, are smaller here because devices are calibrated before use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.recording import STANDARD_GRAVITY, Array

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """The truth behind one recording, at its sampling times.

    World rows are right, up, forward. In this order the axes are a left-handed triple, so
    `orientation` has determinant −1; products with its transpose are right all the same.
    """

    t: Float  # (n,), seconds
    position: Float  # (3, n), metres from the start
    acceleration: Float  # (3, n), linear, m/s²
    orientation: Float  # (n, 3, 3), device axes to world: world = orientation[k] @ device
    rotation_rate: Float  # (3, n), body rates in device axes, rad/s

    @property
    def force(self) -> Float:
        """Specific force in device axes, m/s², shape (3, n): what a perfect sensor reads."""
        gravity = np.array([0.0, STANDARD_GRAVITY, 0.0])[:, None]
        return np.asarray(np.einsum("nij,in->jn", self.orientation, self.acceleration + gravity))


def _six(acc: float, gyro: float) -> Float:
    """Return a figure of the accelerometer and one of the gyroscope for each channel, (6, 1)."""
    return np.repeat([acc, gyro], 3)[:, None]


# In m/s² and rad/s. What exceeds the range is clipped; a step is one least significant bit.
_NOISE = _six(150e-6 * STANDARD_GRAVITY, float(np.radians(0.014)))  # density: a unit by √Hz
_RANGE = _six(4 * STANDARD_GRAVITY, float(np.radians(2000)))
_STEP = _six(8 * STANDARD_GRAVITY / 2**12, float(np.radians(1 / 16.4)))
_OFFSET = _six(0.005 * STANDARD_GRAVITY, float(np.radians(0.1)))  # σ after calibration
_JITTER = 0.03  # standard deviation of a sample's time in sampling periods


def zero_offsets(rng: np.random.Generator) -> Float:
    """Draw the zero offsets of one device, shape (6,): accelerometer, then gyroscope."""
    return np.asarray(_OFFSET[:, 0] * rng.standard_normal(6))


def sample_times(duration: float, rate: float, rng: np.random.Generator) -> Float:
    """Return irregular sampling times from 0 to `duration` seconds at about `rate` Hz."""
    count = max(int(duration * rate), 1) + 1
    jitter = np.clip(_JITTER * rng.standard_normal(count), -0.4, 0.4)
    t = np.clip((np.arange(count) + jitter) / rate, 0, duration)
    t[0] = 0.0
    return np.asarray(t)


def readings(
    force: Float, rotation_rate: Float, rate: float, offsets: Float, rng: np.random.Generator
) -> Array:
    """Turn what acts on the device into what it reports: noisy, clipped, quantised, (6, n).

    A still device feels a specific `force` of 9.81 m/s² upward. The noise bandwidth is half of the
    sampling `rate` in Hz.
    """
    truth = np.concatenate([force, rotation_rate])
    noise = _NOISE * np.sqrt(rate / 2) * rng.standard_normal(truth.shape)
    noisy = truth + offsets[:, None] + noise
    codes = np.clip(
        np.round(noisy / _STEP), -np.floor(_RANGE / _STEP), np.floor(_RANGE / _STEP) - 1
    )
    return np.asarray(codes * _STEP, dtype=np.float32)
