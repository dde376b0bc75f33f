"""Says in words what a recording shows; every number is computed from the recording.

The air-writing study asked a language model to justify the known label, which yields fluent
reasons that need not be true. Here the reasons come first and from the signal alone: gravity,
rest, the movements with direction, length and speed, and the turning points. The label is named
only in the conclusion.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.signals.config import Config
from imuscribe.signals.motion.frames import FrameConfig, Motion, writing_motion
from imuscribe.signals.recording import Array, Recording

Span = tuple[int, int]
"""First and last sample, both included."""
Stray = tuple[float, int]
"""How far a path strays from the line between its ends, and at which sample."""
Mask = NDArray[np.bool_]

UP = {
    "right": (1.0, 0.0),
    "up-right": (0.7071, 0.7071),
    "up": (0.0, 1.0),
    "up-left": (-0.7071, 0.7071),
    "left": (-1.0, 0.0),
    "down-left": (-0.7071, -0.7071),
    "down": (0.0, -1.0),
    "down-right": (0.7071, -0.7071),
}
"""Compass words as steps (right, up)."""
COMPASS = tuple(UP)

_SENTENCES = {
    # Rests and movements follow each other without a gap: where one ends, the next starts.
    "rest": "To {0.end:.2f} s rest.",
    "movement": "To {0.end:.2f} s {0.direction} {0.length:.2f} m, peak {0.peak:.1f} m/s.",
    "still": "{0.start:.2f}-{0.end:.2f} s rest.",
    "pulse": "{0.start:.2f}-{0.end:.2f} s {0.direction} {0.peak:+.1f} m/s².",
}


class ExplainConfig(Config):
    """What counts as rest, as a turn, and how much is described."""

    max_phases: int = Field(default=5, ge=1)
    """Most movements described; 5 keep the text near 150 SmolLM2 tokens."""
    rest: float = Field(default=0.1, gt=0, lt=1)
    """Share of the peak speed (without gyroscope: acceleration) below which the hand rests."""
    min_speed: float = Field(default=0.05, ge=0)
    """Speed in m/s below which the hand rests in any case."""
    min_acceleration: float = Field(default=0.3, ge=0)
    """Acceleration in m/s² that is rest in any case, for recordings without gyroscope."""
    pause: float = Field(default=0.1, ge=0)
    """Shortest rest worth describing, in seconds."""
    tolerance: float = Field(default=0.1, gt=0, lt=1)
    """How far a movement may stray from a straight line, as a share of the gesture's extent."""
    turn: float = Field(default=30.0, gt=0, lt=180)
    """Smallest change of direction that is a turning point, in degrees."""
    reach: float = Field(default=2.5, gt=0)
    """Extent in m beyond any arm: integration has drifted, and no distance may be stated."""
    frame: FrameConfig = FrameConfig()


@dataclass(frozen=True)
class Phase:
    """A stretch of rest or of one movement, from `start` to `end` in s."""

    kind: str
    """``"rest"`` or ``"movement"``, which cover the recording; without gyroscope ``"still"`` or
    ``"pulse"`` (acceleration of one device axis), which may leave gaps or overlap."""
    start: float
    end: float
    direction: str = ""
    """Compass word of the net movement, or the device axis of a pulse; empty at rest."""
    length: float = 0.0
    """Net distance in the letter's plane, m."""
    peak: float = 0.0
    """Highest speed in m/s; for a pulse the signed extreme in m/s²."""

    @property
    def text(self) -> str:
        """The phase as a sentence."""
        return _SENTENCES[self.kind].format(self)


@dataclass(frozen=True)
class Explanation:
    """Reasoning about one recording, and the conclusion where the label is known."""

    reasoning: str
    label: str = ""
    phases: tuple[Phase, ...] = ()
    turns: int | None = None
    """Number of turning points; None where the movement cannot be integrated."""

    @property
    def text(self) -> str:
        """Reasoning first, then the conclusion if there is a label."""
        return f"{self.reasoning}\nConclusion: {self.label}" if self.label else self.reasoning


def explain(
    rec: Recording, label: str = "", config: ExplainConfig = ExplainConfig()
) -> Explanation:
    """Describe a cleaned recording in sentences that are all true of it.

    Parameters
    ----------
    rec : Recording
        With accelerometer. Without gyroscope, or where the movement is too long to be integrated
        (a walk), only the acceleration along the device axes is described.
    label : str
        Named in the conclusion; changes nothing before it.
    config : ExplainConfig
        What counts as rest and as a turn.

    Returns
    -------
    Explanation
        Text, and the phases it is made of; times in s, lengths in m, speeds in m/s, accelerations
        in m/s².

    Raises
    ------
    InputError
        If the recording has no acceleration, or no gravity to tell up from.
    """
    motion = None if rec.gyro is None else writing_motion(rec, config.frame)
    return describe(rec, motion, label, config)


def describe(
    rec: Recording, motion: Motion | None, label: str = "", config: ExplainConfig = ExplainConfig()
) -> Explanation:
    """Describe a recording whose movement, if any, is known already; see `explain`."""
    turns = None
    if motion is None or extent(motion) > config.reach:
        phases = _pulses(rec, config)
    else:
        phases, turns = _movements(motion, config)
    sentences = [_overview(rec), *(phase.text for phase in phases)]
    if turns is not None:
        sentences.append(f"Turning points: {turns}.")
    return Explanation(" ".join(sentences), label, tuple(phases), turns)


def _overview(rec: Recording) -> str:
    """Say which device axis points up: at rest an accelerometer measures gravity upward."""
    mean = rec.acc.mean(axis=1)
    axis = int(np.abs(mean).argmax())
    name = ("+" if mean[axis] >= 0 else "-") + "xyz"[axis]
    strength = float(np.linalg.norm(rec.acc, axis=0).mean())
    return f"{rec.duration:.2f} s, mean acceleration {strength:.2f} m/s², up is {name}."


def _movements(motion: Motion, config: ExplainConfig) -> tuple[list[Phase], int]:
    """Return rests and movements in order of time, and the number of turning points."""
    path, speed, rests, spans = _stretches(motion, config)
    tolerance = config.tolerance * extent(motion)
    strays: dict[Span, Stray] = {}
    every = _straighten(path, spans, tolerance, limit=len(speed), known=strays)
    described = _straighten(path, spans, tolerance, limit=config.max_phases, known=strays)
    phases = [Phase("rest", *_times(motion.t, span)) for span in rests]
    for first, last in described:
        step = path[:, last] - path[:, first]
        length = float(np.linalg.norm(step))
        direction = compass(step) if length >= 0.005 else "in place"
        peak = float(speed[first : last + 1].max())
        times = _times(motion.t, (first, last))
        phases.append(Phase("movement", *times, direction, length, peak))
    return sorted(phases, key=lambda phase: phase.start), _turns(path, every, config.turn)


def segments(motion: Motion, config: ExplainConfig) -> tuple[int, int]:
    """Return how many straight movements a gesture has, however many are described, and turns."""
    path, speed, _, spans = _stretches(motion, config)
    every = _straighten(path, spans, config.tolerance * extent(motion), len(speed), {})
    return len(every), _turns(path, every, config.turn)


def _stretches(
    motion: Motion, config: ExplainConfig
) -> tuple[Array, Array, list[Span], list[Span]]:
    """Return the path, the speed, the rests worth describing, and what is between them."""
    speed = np.linalg.norm(motion.plane("velocity"), axis=0)
    slow = np.asarray(speed < max(config.rest * float(speed.max()), config.min_speed))
    rests = _pauses(slow, motion.t, config)
    return motion.plane("position"), speed, rests, _between(rests, len(speed))


def extent(motion: Motion) -> float:
    """Return the diagonal of the box around the path in the letter's plane, m."""
    return float(np.linalg.norm(np.ptp(motion.plane("position"), axis=1)))


def _pulses(rec: Recording, config: ExplainConfig) -> list[Phase]:
    """Return the strongest stretches of acceleration of single device axes, in order of time."""
    change = rec.acc - np.median(rec.acc, axis=1, keepdims=True)
    pulses = []
    for axis, sign in itertools.product("xyz", (1, -1)):
        for first, last in standing_out(change, axis, sign, config):
            extreme = sign * float((sign * change["xyz".index(axis), first : last + 1]).max())
            pulses.append(Phase("pulse", *_times(rec.t, (first, last)), axis, peak=extreme))
    strongest = sorted(pulses, key=lambda pulse: -abs(pulse.peak))[: config.max_phases]
    still = np.ones(rec.n_samples, dtype=bool)
    for pulse in pulses:
        still &= (rec.t < pulse.start) | (rec.t > pulse.end)
    rests = [Phase("still", *_times(rec.t, span)) for span in _pauses(still, rec.t, config)]
    return sorted([*strongest, *rests], key=lambda phase: phase.start)


def standing_out(
    change: NDArray[np.floating[Any]], axis: str, sign: int, config: ExplainConfig
) -> list[Span]:
    """Return where acceleration minus its median, shape (3, n), stands out along an axis."""
    least = max(config.rest * float(np.abs(change).max()), config.min_acceleration)
    return runs(sign * change["xyz".index(axis)] > least)


def compass(step: Array) -> str:
    """Return the compass word nearest to a step (right, up)."""
    angle = np.arctan2(step[1], step[0])
    return COMPASS[round(float(angle) / (np.pi / 4)) % 8]


def _pauses(still: Mask, t: NDArray[np.float64], config: ExplainConfig) -> list[Span]:
    """Return the rests worth describing: those at the ends and the longest between movements."""
    long = [span for span in runs(still) if t[span[1]] - t[span[0]] >= config.pause]
    inner = [(a, b) for a, b in long if a > 0 and b < len(t) - 1]
    dropped = sorted(inner, key=lambda span: t[span[0]] - t[span[1]])[config.max_phases // 2 :]
    return [span for span in long if span not in dropped]


def runs(mask: Mask) -> list[Span]:
    """Return the stretches of true samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _between(rests: list[Span], n: int) -> list[Span]:
    """Return the stretches between rests; neighbours share their border sample."""
    borders = [0, *(border for rest in rests for border in rest), n - 1]
    return [(a, b) for a, b in zip(borders[::2], borders[1::2], strict=True) if b > a]


def _straighten(
    path: Array, spans: list[Span], tolerance: float, limit: int, known: dict[Span, Stray]
) -> list[Span]:
    """Cut spans, always where the path strays most, until each is straight or `limit` is reached.

    Douglas and Peucker's line simplification, worst deviation first, so that a lower limit keeps
    the most telling turning points. `known` keeps what has been measured of this path.
    """
    spans = list(spans)
    while spans and len(spans) < limit:
        known |= {span: _stray(path, span) for span in spans if span not in known}
        strays = [known[span] for span in spans]
        worst = max(range(len(spans)), key=lambda i: strays[i][0])
        distance, cut = strays[worst]
        if distance <= tolerance:
            break
        first, last = spans[worst]
        spans[worst : worst + 1] = [(first, cut), (cut, last)]
    return spans


def _stray(path: Array, span: Span) -> Stray:
    """Return the largest distance of the path from the line between its ends, and where it is."""
    first, last = span
    points = path[:, first : last + 1] - path[:, [first]]
    line = points[:, -1]
    square = float(line @ line)
    along = np.clip(line @ points / square, 0, 1) if square > 0 else np.zeros(points.shape[1])
    distance = np.linalg.norm(points - line[:, None] * along, axis=0)
    where = int(distance.argmax())
    return float(distance[where]), first + where


def _turns(path: Array, spans: list[Span], degrees: float) -> int:
    steps = np.array([path[:, last] - path[:, first] for first, last in spans]).reshape(-1, 2)
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    change = np.abs((np.diff(angles) + np.pi) % (2 * np.pi) - np.pi)
    return int((change > np.radians(degrees)).sum())


def _times(t: NDArray[np.float64], span: Span) -> tuple[float, float]:
    return float(t[span[0]]), float(t[span[1]])
