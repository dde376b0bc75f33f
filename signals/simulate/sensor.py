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


def six(acc: float, gyro: float) -> Float:
    """Return a figure of the accelerometer and one of the gyroscope for each channel, (6, 1)."""
    return np.repeat([acc, gyro], 3)[:, None]


@dataclass(frozen=True, eq=False)
class Part:
    """A sensor in m/s² and rad/s, accelerometer first; arrays of shape (6, 1)."""

    noise: Float
    """Density, a unit by √Hz."""
    limit: Float
    """What exceeds it is clipped."""
    step: Float
    """One least significant bit."""


BMI055 = Part(
    noise=six(150e-6 * STANDARD_GRAVITY, float(np.radians(0.014))),
    limit=six(4 * STANDARD_GRAVITY, float(np.radians(2000))),
    step=six(8 * STANDARD_GRAVITY / 2**12, float(np.radians(1 / 16.4))),
)
_OFFSET = six(0.005 * STANDARD_GRAVITY, float(np.radians(0.1)))  # σ after calibration
JITTER = 0.03
"""Standard deviation of a sample's time in sampling periods."""


def zero_offsets(rng: np.random.Generator) -> Float:
    """Draw the zero offsets of one device, shape (6,): accelerometer, then gyroscope."""
    return np.asarray(_OFFSET[:, 0] * rng.standard_normal(6))


def sample_times(
    duration: float, rate: float, rng: np.random.Generator, jitter: float = JITTER
) -> Float:
    """Return irregular sampling times from 0 to `duration` seconds at about `rate` Hz."""
    count = max(int(duration * rate), 1) + 1
    shift = np.clip(jitter * rng.standard_normal(count), -0.4, 0.4)
    t = np.clip((np.arange(count) + shift) / rate, 0, duration)
    t[0] = 0.0
    return np.asarray(t)


def readings(
    force: Float,
    rotation_rate: Float,
    rate: float,
    offsets: Float,
    rng: np.random.Generator,
    part: Part = BMI055,
) -> Array:
    """Turn what acts on the device into what it reports: noisy, clipped, quantised, (6, n).

    A still device feels a specific `force` of 9.81 m/s² upward. The noise bandwidth is half of the
    sampling `rate` in Hz.
    """
    truth = np.concatenate([force, rotation_rate])
    noise = part.noise * np.sqrt(rate / 2) * rng.standard_normal(truth.shape)
    noisy = truth + offsets[:, None] + noise
    most = np.floor(part.limit / part.step)
    codes = np.clip(np.round(noisy / part.step), -most, most - 1)
    return np.asarray(codes * part.step, dtype=np.float32)
