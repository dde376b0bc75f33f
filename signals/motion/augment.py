"""Recordings as if the same hand had written the letter slightly differently.

The change is made to the motion, not to the numbers: linear acceleration and rotation rate are
turned, stretched and warped in the writing frame, gravity stays what it is, and the result is read
again by a device held a little differently. So every format downstream sees a possible recording.

People record otherwise than they did, too: with lead-ins, a sensor on the wrist, a fixed window.
`practised` puts a recording through such habits (`signals.simulate.habits`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.signals.cleaning import CleanConfig, clean, resample
from imuscribe.signals.config import Config
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Array, Recording, Segment
from imuscribe.signals.simulate.habits import HabitConfig, Habits
from imuscribe.signals.simulate.movement import Movement

Float = NDArray[np.float64]


class AugmentConfig(Config):
    """How far a varied recording may differ from the real one (standard deviations)."""

    turn: float = Field(default=10.0, ge=0, le=45)
    """Slant of the letter in its plane, degrees."""
    heading: float = Field(default=10.0, ge=0, le=45)
    """Turn of the writing plane about the vertical, degrees."""
    stretch: float = Field(default=0.15, ge=0, le=0.5)
    """Relative change of width against height."""
    warp: float = Field(default=0.15, ge=0, le=0.5)
    """Relative change of local speed along the gesture."""
    noise: float = Field(default=0.08, ge=0, le=1)
    """Smooth acceleration noise relative to the recording's own root mean square."""
    tilt: float = Field(default=10.0, ge=0, le=90)
    """Turn of the device in the hand, degrees."""
    late: float = Field(default=0.0, ge=0, le=0.9)
    """Most of the gesture, as a share of its time, that is missing at the beginning because the
    recording started late; the share is uniform between nothing and this. On CharSense, where most
    people did so, it makes simulated writers look like real ones."""
    habits: HabitConfig | None = Field(default=None, exclude_if=lambda given: given is None)
    """Habits of recording that it is put through afterwards, as of another person each time; null
    leaves it as it was recorded, and is left out of what names a result."""


def augment(
    rec: Recording,
    rng: np.random.Generator,
    config: AugmentConfig = AugmentConfig(),
    frame: FrameConfig = FrameConfig(),
    cleaning: CleanConfig | None = None,
) -> Recording:
    """Vary a cleaned recording; id, label and person stay, so splits by person stay honest.

    Parameters
    ----------
    rec : Recording
        At a fixed rate; with an accelerometer alone the device does not turn.
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same recording.
    config : AugmentConfig
        How far to vary.
    frame : FrameConfig
        How the writing frame is found.
    cleaning : CleanConfig, optional
        How recordings are cleaned, which those put through habits need again.

    Raises
    ------
    InputError
        As `signals.motion.frames.writing_motion`.
    """
    from scipy.spatial.transform import Rotation

    motion = writing_motion(rec, frame)
    turn, heading = np.radians(rng.normal(0, [config.turn, config.heading]))
    change = _turn(heading, 0, 2) @ _turn(turn, 0, 2 if rec.case == "2d" else 1)
    change = change @ np.diag(np.exp(rng.normal(0, config.stretch, 3)))
    speed = np.exp(_smooth(rng, (1, rec.n_samples), config.warp))
    slope = np.gradient(speed[0], motion.t)
    # The same path at another pace: v' = s·v, hence a' = dv'/dt' = s²·a + s·(ds/dt)·v.
    linear = change @ (speed**2 * motion.acceleration + speed * slope * motion.velocity)
    linear += _smooth(rng, linear.shape, config.noise * float(np.sqrt(np.mean(linear**2))))
    force = linear + np.linalg.norm(motion.gravity) * np.array([[0.0], [1.0], [0.0]])
    tilt = Rotation.from_rotvec(rng.normal(0, config.tilt, 3), degrees=True).as_matrix()
    to_device = tilt @ motion.to_device
    varied = dict(zip(rec.channels, rec.data, strict=True))
    varied.update(zip(ACC, np.einsum("tij,jt->it", to_device, force), strict=True))
    rotation = np.einsum("tij,jt->it", to_device, speed * motion.rotation)
    if rec.gyro is not None:
        varied.update(zip(GYRO, rotation, strict=True))
    warped = np.concatenate([[0.0], np.cumsum(np.diff(rec.t) / speed[0, 1:])])
    whole = resample(
        rec.replace(
            data=np.stack([varied[name] for name in rec.channels]),
            t=warped,
            segments=_warped(rec, warped),
        ),
        rec.rate,
    )
    whole = _late(whole, rng.uniform(0, config.late)) if config.late else whole
    if config.habits is None:
        return whole
    read = practised(whole, rng, Habits.draw(config.habits, rng), frame)
    return clean(read, cleaning or CleanConfig(rate=rec.rate, trim=False))


def practised(
    rec: Recording,
    rng: np.random.Generator,
    habits: Habits,
    frame: FrameConfig = FrameConfig(),
) -> Recording:
    """Return what a sensor reads if a person of some habits makes the movement of a recording.

    The whole recording counts as the letter; what was recorded before and after is not made up for.
    The result is as a sensor gives it and needs cleaning.

    Parameters
    ----------
    rec : Recording
        Cleaned; its frame is found as for `writing_motion`, which says what it raises.
    rng : numpy.random.Generator
        What differs from one recording of the person to the next.
    habits : Habits
        Of the person; `Habits.draw` makes one up.
    frame : FrameConfig
        How the writing frame is found.
    """
    motion = writing_motion(rec, frame)
    movement = Movement(
        dt=1 / motion.rate,
        position=motion.position.astype(np.float64),
        velocity=motion.velocity.astype(np.float64),
        acceleration=motion.acceleration.astype(np.float64),
        orientation=np.transpose(motion.to_device, (0, 2, 1)),
        spin=motion.rotation.astype(np.float64),
    )
    span = (0.0, float(movement.t[-1]))
    movement, written = habits.perform(movement, span, rng, flat=rec.case == "2d")
    t, truth, read = habits.sensed(movement, motion.rate, rng)
    linear = np.einsum("nij,in->jn", truth.orientation, truth.acceleration)
    rows = dict(zip((*ACC, *GYRO, *LIN_ACC), np.concatenate([read, linear]), strict=True))
    return rec.replace(
        data=np.stack([rows[name] for name in rec.channels]),
        t=t,
        segments=(Segment(*written, rec.label),),
    )


def _warped(rec: Recording, t: Float) -> tuple[Segment, ...]:
    """Return what was written when, on another clock of the same samples."""
    own = rec.t - rec.t[0]
    spans = ((*np.interp([s.start, s.end], own, t).tolist(), s.label) for s in rec.segments)
    return tuple(Segment(start, end, label) for start, end, label in spans if start < end)


def _late(rec: Recording, share: float) -> Recording:
    """Leave out the beginning, but keep what a frame needs: ten samples or all there are."""
    first = max(0, min(round(share * rec.n_samples), rec.n_samples - 10))
    return rec.part(first, rec.n_samples)


def _turn(angle: float, i: int, j: int) -> Array:
    """Rotate by `angle` radians in the plane of axes `i` and `j`."""
    matrix = np.eye(3, dtype=np.float32)
    matrix[[i, j], [i, j]] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def _smooth(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Array:
    """Noise of standard deviation `scale` that changes over about a sixth of the gesture."""
    knots = rng.normal(0, scale, (shape[0], 7))
    at = np.linspace(0, 6, shape[1])
    return np.stack([np.interp(at, np.arange(7), row) for row in knots]).astype(np.float32)
