"""The writing frame: what the hand did, whatever way the device was held.

A gyroscope turns every sample into the axes of the first one; there the mean specific force of a
gesture that starts and ends at rest is gravity alone, so it gives *up*. The horizontal heading
comes either from a device axis or from the movement itself (`FrameConfig`). Subtracting
gravity leaves the hand's acceleration; integrating it gives velocity and the shape of the stroke.

Without a gyroscope the frame comes from gravity alone, as if the device did not turn: whatever it
turns is read as movement, so the frame is less exact, and the heading is that of a device axis.

People press "record" and write at once, often a little late: the hand already moves at the first
sample. What it moved with is found from the arm that carries it (`_start`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

Float = NDArray[np.float64]
Signal = Literal["acceleration", "velocity", "position", "rotation"]

_STILL = 0.05  # rotation rate (rad/s, root mean square) below which no pivot can be found
_RIDGE = 0.03  # share of the rotation power added to each axis of the pivot's least squares
_CALM = 0.01  # squares of the start velocity counted as error, relative to the mismatch's
_GRAVITY = 9.81
_TRUST = 1.0  # s²: gravity off by 1 m/s² is as bad as a mismatch of 1 m/s


class FrameConfig(Config):
    """How the horizontal directions of the writing frame are found.

    ``"motion"`` takes them from the movement and does not change when the device is held
    differently. ``"device"`` takes the device axis `right`, projected on the horizontal: right for
    devices that are always held the same way. ``"session"`` is for recordings in the axes of the
    writer's own plane, x to the right and y up in it, as `signals.motion.mount` turns those of a
    session. On a flat surface the arm hardly turns, so nothing in the movement tells right from
    forward and the device axis is the default. A pen is rolled between the fingers as everybody
    likes: ``"lean"`` takes the way the pen leans over the hand, its axis being the device's z;
    right-handed people's pens lean to the right and back.

    ``start`` says how a mid-air recording begins. ``"arm"``: the hand may be moving already, as
    fast as the turning arm tells. ``"rest"``: it is at rest. All end at rest, and writing on a flat
    surface, where the arm tells nothing, begins at rest too.
    """

    heading: Literal["motion", "device", "session"] = "motion"
    flat_heading: Literal["motion", "device", "lean"] = "device"
    right: Literal["+x", "-x", "+y", "-y", "+z", "-z"] = "+x"
    start: Literal["arm", "rest"] = "arm"


@dataclass(frozen=True)
class Motion:
    """A gesture in the writing frame: rows are right, up, forward.

    Attributes
    ----------
    t : ndarray of float64, shape (n_samples,)
        Seconds from the start.
    acceleration, velocity, position : ndarray of float32, shape (3, n_samples)
        m/s², gravity removed; m/s, zero at the end, and at the start unless the hand was moving by
        then; m, zero at the start.
    rotation : ndarray of float32, shape (3, n_samples)
        Rotation rate in rad/s about right, up and forward (right-hand rule about each).
    to_device : ndarray of float64, shape (n_samples, 3, 3)
        Turns a writing-frame column into device axes at that sample.
    gravity : ndarray of float32, shape (3,)
        The gravity that was removed, in device axes at the first sample, m/s², pointing up.
    case : str
        ``"2d"`` for a flat horizontal surface, anything else for mid-air.
    slope : float or None
        Radians that the writing plane leans forward, 0 upright and π/2 level; None where it is not
        looked for.
    """

    t: Float
    acceleration: Array
    velocity: Array
    position: Array
    rotation: Array
    to_device: Float
    gravity: Array
    case: str
    slope: float | None = None

    @property
    def rate(self) -> float:
        """Sampling rate in Hz."""
        return (len(self.t) - 1) / float(self.t[-1] - self.t[0])

    def plane(self, signal: Signal) -> Array:
        """Return a signal along the letter's own right and up, shape (2, n_samples).

        On a flat surface the letter's up is the writer's forward, in a plane that leans forward it
        is between up and forward. Rotation comes as the two rates
        that accompany writing right and up with an arm behind the hand: minus the rate about up,
        and the rate about right.
        """
        rows: Array = getattr(self, signal)
        if self.slope is not None:
            lean = np.array([np.cos(self.slope), np.sin(self.slope)], dtype=np.float32)
            across = lean @ rows[1:]
            return np.stack([-across, rows[0]] if signal == "rotation" else [rows[0], across])
        if signal == "rotation":
            return np.stack([-rows[1], rows[0]])
        return rows[[0, 2]] if self.case == "2d" else rows[[0, 1]]


def writing_motion(rec: Recording, config: FrameConfig = FrameConfig()) -> Motion:
    """Turn a cleaned recording into hand motion in the writing frame.

    Parameters
    ----------
    rec : Recording
        At a fixed rate; starts and ends near rest. Less exact without a gyroscope.
    config : FrameConfig
        How the heading is found.

    Raises
    ------
    InputError
        With fewer than three samples, or in free fall (no gravity to find).
    """
    return _motion(rec, config)


# Text, explanation and checks of one recording are asked for close together, each from its motion.
@lru_cache(maxsize=64)
def _motion(rec: Recording, config: FrameConfig) -> Motion:
    # Without a gyroscope the device counts as one that does not turn.
    gyro = np.zeros((3, rec.n_samples)) if rec.gyro is None else rec.gyro
    if rec.n_samples < 3:
        said = f"recording '{rec.id}': {rec.n_samples} samples: a frame needs 3 or more"
        raise InputError(said, "too short")
    dt = np.diff(rec.t)
    to_start = orientations(gyro.astype(np.float64), dt)
    force = np.einsum("tij,jt->it", to_start, rec.acc)
    rate = np.einsum("tij,jt->it", to_start, gyro)
    gravity = _mean(force, dt)
    strength = float(np.linalg.norm(gravity))
    if strength < 1.0:
        raise InputError(
            f"recording '{rec.id}': mean acceleration is {strength:.2f} m/s²: gravity (about "
            "9.81 m/s²) is missing; give acceleration with gravity included",
            "no gravity",
        )
    up = gravity / strength
    velocity = _integrate(force - gravity[:, None], dt)
    if config.start == "arm" and rec.case != "2d" and _turns(rate):
        # A start velocity that fades to rest is a mean acceleration taken for gravity so far.
        start = _start(velocity, rate, rec.t, gravity)
        left = 1 - rec.t / rec.t[-1]
        velocity += start[:, None] * left
        gravity += start / rec.t[-1]
        up = gravity / np.linalg.norm(gravity)
    linear = force - gravity[:, None]
    heading = config.flat_heading if rec.case == "2d" else config.heading
    if config.heading == "session":
        heading = "session"
    if heading == "motion" and rec.gyro is None:
        heading = "device"  # the pivot that tells right from left shows in rotation alone
    slope = None
    if heading == "session":
        x, y, _ = to_start[middle(rec.n_samples)].mean(axis=0).T
        right = _level(x, up, rec.id, "+x")
        slope = float(np.arctan2(y @ np.cross(up, right) / np.linalg.norm(right), y @ up))
    elif heading == "motion":
        right = _heading(velocity, rate, up)
    elif heading == "lean":
        lean = _level(to_start[:, :, 2].mean(axis=0), up, rec.id, "+z", least=1e-3)
        right = lean + np.cross(up, lean)  # half of a right angle from right-and-back to right
    else:
        axis = np.eye(3)["xyz".index(config.right[1])]
        right = _level(-axis if config.right[0] == "-" else axis, up, rec.id, config.right)
    right /= np.linalg.norm(right)
    frame = np.stack([right, up, np.cross(up, right)])
    return Motion(
        t=rec.t,
        acceleration=(frame @ linear).astype(np.float32),
        velocity=(frame @ velocity).astype(np.float32),
        position=(frame @ _integrate(velocity, dt)).astype(np.float32),
        rotation=(frame @ rate).astype(np.float32),
        to_device=np.transpose(to_start, (0, 2, 1)) @ frame.T,
        gravity=gravity.astype(np.float32),
        case=rec.case,
        slope=slope,
    )


def middle(n: int) -> slice:
    """Return the middle of `n` samples: what comes before and after is seldom the letter."""
    return slice(int(0.15 * n), max(int(0.85 * n), int(0.15 * n) + 3))


def _level(direction: Float, up: Float, recording: str, axis: str, least: float = 0.1) -> Float:
    """Return the horizontal part of a device axis, which is of length one."""
    level = direction - up * (up @ direction)
    if np.linalg.norm(level) < least:
        raise InputError(
            f"recording '{recording}': device axis {axis} points along gravity and gives "
            "no heading: choose another axis or heading: motion",
            "no heading",
        )
    return np.asarray(level)


def orientations(gyro: Float, dt: Float) -> Float:
    """Integrate body rates to rotations from device axes at each sample to those at the first.

    Each step turns about the mean rate of its two samples (exact for a constant rate). The running
    product is a prefix scan: log2(n) batched products instead of n small ones.
    """
    turn = (gyro[:, 1:] + gyro[:, :-1]) / 2 * dt
    product = np.concatenate([np.eye(3)[None], _exp(turn)])
    shift = 1
    while shift < len(product):
        product[shift:] = product[:-shift] @ product[shift:]
        shift *= 2
    return product


def _exp(turn: Float) -> Float:
    """Rodrigues' formula for rotation vectors of shape (3, n): matrices of shape (n, 3, 3)."""
    angle = np.linalg.norm(turn, axis=0)[:, None, None]
    x, y, z = turn
    zero = np.zeros_like(x)
    cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    first = np.sinc(angle / np.pi)
    second = np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross))


def _mean(values: Float, dt: Float) -> Float:
    """Time average by the trapezoidal rule, so that integrating ``values - mean`` ends at zero."""
    return np.asarray(((values[:, 1:] + values[:, :-1]) / 2 * dt).sum(axis=1) / dt.sum())


def _integrate(values: Float, dt: Float) -> Float:
    steps = (values[:, 1:] + values[:, :-1]) / 2 * dt
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(steps, axis=1)], axis=1)


def _turns(rate: Float) -> bool:
    """Whether there is enough rotation to find an arm's pivot."""
    return bool((rate**2).mean(axis=1).sum() > _STILL**2)


def _start(velocity: Float, rate: Float, t: Float, gravity: Float) -> Float:
    """Find how fast the hand moves at the first sample, m/s, from the way an arm moves a hand.

    A hand at the end of an arm that turns about a pivot moves with v = ω × ρ, where ρ points from
    the pivot to the hand. `velocity` was integrated as if from rest to rest and so lacks a start
    velocity v₀ that fades to zero; both unknowns follow from least squares over the gesture,
    min Σ |v + s v₀ − ω × ρ|² with s falling from one to zero. Small ridges settle what the gesture
    leaves open, and gravity's known strength, which v₀ / T was taken for, settles the upward part.
    """
    n, left = rate.shape[1], 1 - t / t[-1]
    strength = float(np.linalg.norm(gravity))
    slope = gravity / strength / t[-1]
    normal = np.empty((6, 6))
    normal[:3, :3] = (left @ left + _CALM * n) * np.eye(3) + _TRUST * n * np.outer(slope, slope)
    normal[:3, 3:] = np.cross(rate @ left, np.eye(3))
    normal[3:, :3] = normal[:3, 3:].T
    normal[3:, 3:] = _rotation_power(rate)
    known = _TRUST * n * (_GRAVITY - strength) * slope - velocity @ left
    pull = np.cross(velocity.T, rate.T).sum(axis=0)
    return np.asarray(np.linalg.solve(normal, np.concatenate([known, pull]))[:3])


def _rotation_power(rate: Float) -> Float:
    """Return Σ (|ω|²I − ωωᵀ) with a small ridge, the normal matrix of v = ω × ρ for ρ."""
    return np.asarray((1 + _RIDGE) * (rate**2).sum() * np.eye(3) - rate @ rate.T)


def _heading(velocity: Float, rate: Float, up: Float) -> Float:
    """Find the writer's right from the way an arm moves a hand, v = ω × ρ as in `_start`.

    From the pivot to the hand is forward: least squares over the gesture gives
    ρ = (Σ|ω|²I − ωωᵀ)⁻¹ Σ v × ω, with a small ridge for the direction the gesture left open.
    Without rotation there is no pivot: the principal horizontal axis of movement is right then,
    pointing where the faster strokes go.
    """
    if _turns(rate):
        pull = np.cross(velocity.T, rate.T).sum(axis=0)
        lever = np.linalg.solve(_rotation_power(rate), pull)
        right = np.cross(lever, up)
        if np.linalg.norm(right) > 1e-6:
            return np.asarray(right)
    level = velocity - np.outer(up, up @ velocity)
    values, axes = np.linalg.eigh(level @ level.T)
    if values[-1] < 1e-12:  # nothing moves: any horizontal direction is as good as another
        return np.asarray(np.cross(up, np.eye(3)[np.abs(up).argmin()]))
    right = axes[:, -1]
    return np.asarray(right if ((right @ level) ** 3).sum() >= 0 else -right)
