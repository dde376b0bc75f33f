"""How a device sits on its writer, found from a session's recordings without any label.

Heading found in each recording alone mirrors some letters and not the next. One rotation from
device to writer for a person, session and device cannot: the hand writes in a plane, the two large
directions of the covariance of velocity and acceleration over all recordings. Its normal says which
way the writer faces, gravity which way is up in it. Left open is the side from which it is written
on, or, for a level plane, a turn about up: a scorer is asked which of these makes the session's
letters likely.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.motion.frames import FrameConfig, Motion, Signal, middle, writing_motion
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Recording

Float = NDArray[np.float64]

Scorer = Callable[[Sequence[Recording]], float]
"""How likely recordings are that were turned into a candidate's axes: a log-likelihood."""

SESSION = FrameConfig(heading="session")
"""The writing frame of recordings that `mounted` has turned."""

_LEVEL = math.sin(math.radians(60))
"""Part of a plane's normal along gravity from which on it is level and any turn possible."""
_TURNS = 24
_FROM_ABOVE = 3.0
"""Log-odds, for a plane with a normal fully along gravity, that it is written on from above."""
_STROKES = 1.5
"""Independent strokes that a letter counts as when the plane's error is judged: so that the error
told is the one found, in simulated sessions of ten letters under all habits."""
_SCORED = 60
"""Recordings of a session that a scorer is asked about."""
_FEW, _WIDE, _UNSURE = 5, 20.0, 0.8
_APART = 30.0
"""Degrees between two ways of sitting in one session that are told."""


@dataclass(frozen=True, eq=False)
class Mount:
    """How a device sits on a writer.

    Attributes
    ----------
    subject, session, device : str
        Of whom, when, and which; empty where unknown.
    rotation : ndarray, shape (3, 3)
        Device axes to the writer's plane: right, up in it, towards the writer.
    slope : float
        Degrees that the plane leans forward: 0 upright, 90 level.
    spread : float
        Standard error of the plane's direction, degrees.
    sure : float
        Probability of the side, or turn, among all that were possible.
    recordings : int
        How many it was found from.
    doubts : tuple of str
        Why it may be wrong; empty where nothing speaks against it.
    """

    subject: str
    session: str
    device: str
    rotation: Float
    slope: float
    spread: float
    sure: float
    recordings: int
    doubts: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """Return everything as plain values, for a file."""
        return {**asdict(self), "rotation": self.rotation.tolist()}

    def turn(self, rec: Recording) -> Recording:
        """Return a recording in the axes of the writer's plane."""
        rows = [
            self.rotation @ rec.select(names)
            for names in (ACC, LIN_ACC, GYRO)
            if set(names) <= set(rec.channels)
        ]
        names = [n for group in (ACC, LIN_ACC, GYRO) for n in group if n in rec.channels]
        turned = dict(zip(names, np.concatenate(rows), strict=True))
        return rec.replace(data=np.stack([turned[name] for name in rec.channels]))


def find_mounts(recordings: Sequence[Recording], scorer: Scorer | None = None) -> list[Mount]:
    """Find the mount of every person, session and device; the order of recordings is no matter.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned, of any number of sessions; labels are not looked at.
    scorer : callable, optional
        How likely a session's recordings are in a candidate's axes; by default the way hands write
        (`rightward`).

    Raises
    ------
    InputError
        As `signals.motion.frames.writing_motion`.
    """
    sessions: dict[tuple[str, str, str], list[Recording]] = defaultdict(list)
    for rec in sorted(recordings, key=lambda rec: (rec.id, rec.content)):
        sessions[_key(rec)].append(rec)
    return [_found(key, own, scorer or rightward) for key, own in sorted(sessions.items())]


def mounted(
    recordings: Sequence[Recording], mounts: Sequence[Mount] | None = None
) -> list[Recording]:
    """Return recordings in the axes of their writers' planes, for ``heading: session``.

    Without `mounts` they are found from the recordings themselves; there must be one for each.
    """
    found = find_mounts(recordings) if mounts is None else mounts
    of = {(mount.subject, mount.session, mount.device): mount for mount in found}
    return [of[_key(rec)].turn(rec) for rec in recordings]


def rightward(recordings: Sequence[Recording]) -> float:
    """Score by how hands write: letters end to the right of where they began, and below.

    And an arm that swings the device about the elbow swings it from behind: then the hand is in
    front of the pivot. Both are weak in one letter and add up over a session.
    """
    ends, pull, power = 0.0, 0.0, 1e-9
    for rec in recordings:
        motion = writing_motion(rec, SESSION)
        path, speed, turning = (motion.plane(name) for name in _CUES)
        right, up = (path[:, -1] - path[:, 0]) / max(float(np.ptp(path, axis=1).max()), 1e-6)
        ends += float(right - up)
        pull += float((speed * turning).sum())
        power += float(np.linalg.norm(speed) * np.linalg.norm(turning))
    swung = pull / power
    # Nothing is said by an arm that swings a little, one way or the other.
    return _ENDS * ends + _SWINGS * swung * abs(swung)


_ENDS, _SWINGS = 0.5, 3.0
"""Log-odds of a letter that ends its own width to the right and of a hand that swings as an arm."""
_CUES: tuple[Signal, ...] = ("position", "velocity", "rotation")
_ENDS_RIGHT, _ENDS_BELOW, _SWINGS = 0.6, 0.6, 0.6


def _key(rec: Recording) -> tuple[str, str, str]:
    return rec.subject, rec.session, rec.device


def _found(key: tuple[str, str, str], own: Sequence[Recording], scorer: Scorer) -> Mount:
    motions = [_somehow(rec) for rec in own]
    ups = np.stack([_unit(_held(motion)[:, 1]) for motion in motions])
    up = _unit(ups.sum(axis=0))
    reference = _reference(motions, up)
    base = np.stack([reference, up, np.cross(up, reference)])
    moved = np.concatenate([_moved(motion, reference) for motion in motions], axis=1)
    values, axes = np.linalg.eigh(moved @ moved.T)
    normal = axes[:, 0]
    candidates, priors = _candidates(normal)
    turns = [candidate @ base for candidate in candidates]
    asked = own[:: max(1, math.ceil(len(own) / _SCORED))]
    about = Mount(*key, np.eye(3), 0.0, _error(values, len(own)), 0.0, len(own))
    scores = np.array(priors)
    for i, rotation in enumerate(turns):
        scores[i] += scorer([_with(about, rotation).turn(rec) for rec in asked])
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    best = int(scores.argmax())
    right, across, _ = candidates[best]
    # Forward is up × right, in axes that are left-handed.
    slope = math.degrees(math.atan2(across @ -np.cross([0.0, 1.0, 0.0], right), across[1]))
    level = len(candidates) > 2
    # Neighbouring turns of a level plane are the same answer.
    sure = float(sum(shares[(best + i) % len(shares)] for i in ((-1, 0, 1) if level else (0,))))
    doubts = _doubts(values, about.spread, sure, ups, own, level)
    return Mount(*key, turns[best], slope, about.spread, sure, len(own), doubts)


def _with(about: Mount, rotation: Float) -> Mount:
    return Mount(about.subject, about.session, about.device, rotation, 0, 0, 0, 0)


def _somehow(rec: Recording) -> Motion:
    """Return the movement with any heading: it is turned afterwards."""
    axis = "xyz"[int(np.abs(rec.acc.mean(axis=1)).argmin())]
    config = {"heading": "device", "flat_heading": "device", "right": f"+{axis}"}
    return writing_motion(rec, FrameConfig.parse(config))


def _held(motion: Motion) -> Float:
    """Return what turns the writing frame into device axes, on average over the letter, (3, 3)."""
    return np.asarray(motion.to_device[middle(len(motion.t))].mean(axis=0))


def _reference(motions: Sequence[Motion], up: Float) -> Float:
    """Return a direction in device axes, across gravity and along the movement."""
    total = np.zeros((3, 3))
    for motion in motions:
        moved = _held(motion) @ motion.velocity
        total += moved @ moved.T / (np.trace(moved @ moved.T) + 1e-12)
    across = np.eye(3) - np.outer(up, up)
    _, axes = np.linalg.eigh(across @ total @ across)
    return _unit(across @ axes[:, -1])


def _moved(motion: Motion, reference: Float) -> Float:
    """Return velocity and acceleration of the letter along reference, up and across, (3, n).

    Both of unit power, so that neither a large letter nor a quick one outweighs the others.
    """
    along = _held(motion).T @ reference
    angle = math.atan2(along[2], along[0])
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    rows = []
    for signal in (motion.velocity, motion.acceleration):
        moved = turn @ signal[:, middle(len(motion.t))]
        moved = moved - moved.mean(axis=1, keepdims=True)
        rows.append(moved / (np.linalg.norm(moved) + 1e-9))
    return np.concatenate(rows, axis=1)


def _candidates(normal: Float) -> tuple[list[Float], list[float]]:
    """Return rotations from reference, up, across to the plane's right, up, back, and log-odds."""
    up = np.array([0.0, 1.0, 0.0])
    found, priors = [], []
    if abs(normal[1]) < _LEVEL:
        for back in (normal, -normal):
            across = _unit(up - normal * normal[1])
            found.append(np.stack([_right(across, back), across, back]))
            priors.append(_FROM_ABOVE * float(back[1]))
        return found, priors
    back = normal * np.sign(normal[1])
    first = _unit(np.array([1.0, 0.0, 0.0]) - back * back[0])
    second = _right(back, first)
    for angle in 2 * np.pi * np.arange(_TURNS) / _TURNS:
        across = np.cos(angle) * first + np.sin(angle) * second
        found.append(np.stack([_right(across, back), across, back]))
        priors.append(0.0)
    return found, priors


def _right(up: Float, back: Float) -> Float:
    """Return up × back in a triple of axes that is left-handed: reference, up, across."""
    return np.asarray(-np.cross(up, back))


def _unit(vector: Float) -> Float:
    return np.asarray(vector / (np.linalg.norm(vector) + 1e-12))


def _error(values: Float, n: int) -> float:
    """Return the standard error in degrees of the direction with the least variance."""
    least, *others = (float(v) for v in np.maximum(values / (values.sum() + 1e-12), 1e-9))
    square = sum(least * v / max(v - least, 1e-6) ** 2 for v in others)
    return min(math.degrees(math.sqrt(square / (_STROKES * n))), 90.0)


def _doubts(
    values: Float, spread: float, sure: float, ups: Float, own: Sequence[Recording], level: bool
) -> tuple[str, ...]:
    said = []
    if len(own) < _FEW:
        said.append(f"{len(own)} recording{'s' * (len(own) > 1)}: {_FEW} or more are needed")
    if spread > _WIDE:
        said.append(f"no clear plane: its direction is known to {spread:.0f}° only")
    if sure < _UNSURE:
        what = "turned" if level else "mirrored"
        said.append(f"letters may be {what}: the {'turn' if level else 'side'} is {sure:.0%} sure")
    if (apart := _two_ways(ups)) > _APART:
        said.append(f"the device sits in two ways, {apart:.0f}° apart: make them two sessions")
    return tuple(said)


def _two_ways(ups: Float) -> float:
    """Return the degrees between two clear ways that gravity pointed in the device; 0 if one."""
    if len(ups) < 4:
        return 0.0
    cosines = np.clip(ups @ ups.T / np.outer(*[np.linalg.norm(ups, axis=1)] * 2), -1, 1)
    angles = np.degrees(np.arccos(cosines))
    i, j = np.unravel_index(int(angles.argmax()), angles.shape)
    first = angles[i] <= angles[j]
    if min(first.sum(), (~first).sum()) < 2:
        return 0.0
    a, b = (_unit(ups[group].sum(axis=0)) for group in (first, ~first))
    apart = float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))
    within = max(
        float(np.median(np.degrees(np.arccos(np.clip(ups[group] @ middle, -1, 1)))))
        for group, middle in ((first, a), (~first, b))
    )
    return apart if apart > 3 * within else 0.0
