"""The strokes of a letter in the writing frame: "down, then a clockwise loop to the right".

The path is cut where it turns sharply; between two cuts it is straight, a bow, or a loop. The
recording is brought to one clock first, so that its sampling rate changes no word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.prompts.captions.explain import compass, extent
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import ACC, GYRO, Recording

Values = NDArray[np.float64]
_POINTS = 64
"""Steps of equal length into which a path is divided."""
_AROUND = 3
"""Steps over which a corner may be rounded."""


class StrokeConfig(Config):
    """What a corner, a bow and a loop are."""

    clock: float = Field(default=0.005, gt=0, allow_inf_nan=False)
    """Seconds between the samples from which the movement is worked out."""
    slow: float = Field(default=0.1, gt=0, lt=1)
    """Share of the greatest speed below which the hand rests before and after."""
    corner: float = Field(default=70.0, gt=0, lt=180)
    """Degrees: a sharper turn ends a stroke."""
    bow: float = Field(default=60.0, gt=0)
    """Degrees a stroke turns in all from which it is a bow,"""
    loop: float = Field(default=280.0, gt=0)
    """and from which it is a loop."""
    hook: float = Field(default=0.4, ge=0, lt=1)
    """Share of its path by which a stroke comes away from where it began, if it is no hook."""
    shortest: float = Field(default=0.08, gt=0, lt=0.5)
    """Share of the path that a stroke has at least."""
    most: int = Field(default=8, ge=1)
    """Most strokes: of more, none is told."""
    reach: float = Field(default=2.5, gt=0)
    """Metres: a wider movement has drifted, and no stroke is told."""
    frame: FrameConfig = FrameConfig()


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke: its words, and from when to when it lasts, seconds."""

    word: str
    start: float
    end: float


def strokes_of(
    rec: Recording, present: NDArray[np.bool_], config: StrokeConfig = StrokeConfig()
) -> tuple[Stroke, ...]:
    """Return the strokes of a letter in order; none where the movement cannot be worked out.

    Parameters
    ----------
    rec : Recording
    present : ndarray of bool, shape (n_channels, n_samples)
        What is missing is bridged by the line between its neighbours.
    config : StrokeConfig
    """
    even = _even(rec, present, config.clock)
    if even is None:
        return ()
    try:
        motion = writing_motion(even, config.frame)
    except InputError:  # no gravity to tell up from
        return ()
    speed = np.linalg.norm(motion.plane("velocity"), axis=0)
    if extent(motion) > config.reach or not speed.max() > 0.05:
        return ()
    moving = np.flatnonzero(speed > config.slow * speed.max())
    path = motion.plane("position").astype(np.float64)[:, moving[0] : moving[-1] + 1]
    t = motion.t[moving[0] : moving[-1] + 1]
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=1), axis=0)))
    if len(t) < 5 or not along[-1] > 0:
        return ()
    places = np.linspace(0, along[-1], _POINTS + 1)
    times = np.interp(places, along, t)
    points = np.stack([np.interp(places, along, row) for row in path])
    for _ in range(2):
        points[:, 1:-1] = 0.25 * points[:, :-2] + 0.5 * points[:, 1:-1] + 0.25 * points[:, 2:]
    angles = np.arctan2(*np.diff(points, axis=1)[::-1])
    turns = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
    spans = _spans(turns, config)
    if len(spans) > config.most:
        return ()
    found: list[Stroke] = []
    for first, last in spans:
        word = _word(points[:, first : last + 1], turns[first : last - 1], config)
        start, end = round(float(times[first]), 3), round(float(times[last]), 3)
        if found and found[-1].word == word:  # a corner too soft to tell
            start = found.pop().start
        found.append(Stroke(word, start, end))
    return tuple(found)


def _even(rec: Recording, present: NDArray[np.bool_], clock: float) -> Recording | None:
    """Return acceleration and, where it is there, rotation on an even clock."""
    whole = [c for c, row in zip(rec.channels, present, strict=True) if row.any()]
    if not set(ACC) <= set(whole) or rec.duration < 5 * clock:
        return None
    channels = ACC + (GYRO if set(GYRO) <= set(whole) else ())
    grid = np.arange(int(rec.duration / clock + 1e-6) + 1) * clock
    t = rec.t - rec.t[0]
    rows = [(rec.data[k], present[k]) for k in map(rec.channels.index, channels)]
    data = np.stack([np.interp(grid, t[seen], row[seen]) for row, seen in rows])
    return rec.replace(data=data.astype(np.float32), t=grid, channels=channels)


def _spans(turns: Values, config: StrokeConfig) -> list[tuple[int, int]]:
    """Return the strokes between sharp turns, as first and last point."""
    around = np.convolve(turns, np.ones(_AROUND), "same")
    sharp = np.abs(around) > np.radians(config.corner)
    least = config.shortest * _POINTS
    cuts = [0]
    for k in np.argsort(-np.abs(around), kind="stable").tolist():
        place = k + 1
        if not sharp[k]:
            break
        if all(abs(place - cut) >= least for cut in [*cuts, _POINTS]):
            cuts.append(place)
    cuts = sorted(cuts)
    return list(zip(cuts, [*cuts[1:], _POINTS], strict=True))


def _word(points: Values, turns: Values, config: StrokeConfig) -> str:
    """Say what a stroke does."""
    # Turning at its ends is that of the corners.
    inner = turns[1:-1] if len(turns) > 6 else turns
    turned = float(np.degrees(inner.sum()))
    step, away = points[:, -1] - points[:, 0], points.mean(axis=1) - points[:, 0]
    # A cusp turns either way: a loop goes around its middle too.
    if abs(turned) >= config.loop and np.sign(turned) * winding(points) >= np.pi:
        sense = "clockwise" if turned < 0 else "counter-clockwise"
        return f"a {sense} loop {_to(_compass(away))}"
    length = float(np.linalg.norm(step))
    if length < config.hook * float(np.linalg.norm(np.diff(points, axis=1), axis=0).sum()):
        return f"a hook {_to(_compass(away))}"
    if abs(turned) < config.bow:
        return _compass(step)
    bulge = away - step * float(away @ step) / length**2  # only what is beside the line
    return f"{_compass(step)} in a bow {_to(_compass(bulge))}"


def winding(points: Values) -> float:
    """Return by how much a path of shape (2, n) goes around its middle, radians."""
    around = points - points.mean(axis=1, keepdims=True)
    angle = np.unwrap(np.arctan2(around[1], around[0]))
    return float(angle[-1] - angle[0])


def _compass(step: Values) -> str:
    return compass(step.astype(np.float32))


def _to(word: str) -> str:
    return f"to the {word}" if word in ("right", "left") else word
