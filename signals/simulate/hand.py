"""How a hand moves: strokes become a smooth movement in the writing plane, then in the world.

Our own strokes move by the sigma-lognormal model (Plamondon 1995, *A kinematic theory
of rapid human movements*, Biol. Cybern. 72): every piece of a stroke is a movement whose progress
is a lognormal distribution function of time, and pieces overlap, so the hand slows down at corners
and rounds them. Pieces take time ∝ length^⅓, between isochrony and constant speed. Recorded pen
strokes keep their own timing; their missing pen-up moves follow the minimum-jerk polynomial
(Flash & Hogan 1985, *The coordination of arm movements*, J. Neurosci. 5).

In the world rows are right, forward, up, a right-handed triple; angles are yaw about up, pitch
about right, roll about forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.simulate.glyphs import Stroke, glyph

Float = NDArray[np.float64]
Plane = NDArray[np.float64]
"""A movement in the writing plane on the time grid, (3, n): right and up in heights of a capital;
lift is 0 while writing and rises to 1 in the middle of a pen-up move."""

GRID = 400.0
"""Samples a second of the movement from which sensor readings are taken."""
REFERENCE = 0.2
"""Metres that a movement covers in one `tempo`."""

_POINTS = 129  # that stand for a piece of a stroke
_RESOLUTION = 0.03  # heights of a capital over which the direction of a stroke is measured
_SMOOTH = 0.018  # seconds (Gaussian σ) of the muscles' low-pass: about 9 Hz
_PEN_SMOOTH = 0.010  # the same for recorded strokes: it also hides the tablet's steps
_PEN_HEIGHT = 0.007  # metres of a capital on paper
_PEN_TEMPO = 0.4  # at which recorded strokes keep the time that their size asks for
_TAIL = 2.576  # standard deviations about the mean that hold 99 % of a normal distribution


@dataclass(frozen=True)
class Piece:
    """A part of a stroke without a corner, or a move between strokes."""

    path: Stroke  # points at equal distances
    length: float  # in heights of a capital
    turn: float  # radians between the end of the piece before and the start of this one
    up: bool  # the pen is up


@cache
def template(char: str, variant: int) -> tuple[Piece, ...]:
    """Return the pieces of a character's template."""
    return cut(glyph(char, variant))


def cut(strokes: Sequence[Stroke]) -> tuple[Piece, ...]:
    """Cut strokes at corners and long bends into movements; join them by pen-up moves."""
    paths: list[tuple[Stroke, bool]] = []
    for stroke in strokes:
        if paths:
            paths.append((np.linspace(paths[-1][0][-1], stroke[0], _POINTS), True))
        paths += [(path, False) for path in _bends(stroke)]
    pieces = []
    heading = None
    for path, up in paths:
        start, stop = _headings(path)
        turn = 0.0 if heading is None else abs(_wrap(start - heading))
        pieces.append(Piece(path, _length(path), turn, up))
        heading = stop
    return tuple(pieces)


def sigma_lognormal(
    pieces: Sequence[Piece],
    height: float,
    tempo: float,
    fluency: float,
    skew: float,
    jitter: float,
    rng: np.random.Generator,
) -> Plane:
    """Move along pieces as overlapping lognormal strokes.

    A capital is `height` metres high and a movement of `REFERENCE` metres takes `tempo` seconds.
    Neighbouring pieces overlap by `fluency`, about 1; `skew`, the lognormal σ, is how early a
    movement is fastest; `jitter` is the relative standard deviation of every piece's duration.
    """
    from scipy.special import ndtr

    lengths = np.array([max(piece.length, 0.05) for piece in pieces])
    turns = np.array([piece.turn for piece in pieces])
    durations = tempo * np.cbrt(lengths * height / REFERENCE)
    durations *= np.exp(jitter * rng.standard_normal(len(pieces)))
    overlap = fluency * (0.15 + 0.4 * np.cos(turns / 2) ** 2)
    begins = np.concatenate([[0.0], np.cumsum(durations[:-1] * (1 - overlap[1:]))])
    t = np.arange(int(np.max(begins + durations) * GRID) + 1) / GRID

    # The pieces' durations span the central 99 % of their lognormals.
    scale = durations / (np.exp(_TAIL * skew) - np.exp(-_TAIL * skew))
    since = t - (begins - scale * np.exp(-_TAIL * skew))[:, None]
    progress = ndtr(np.log(np.maximum(since, 1e-9) / scale[:, None]) / skew)
    plane = np.tile([[x] for x in (*pieces[0].path[0], 0.0)], t.size)
    knots = np.linspace(0, 1, _POINTS)
    for piece, done in zip(pieces, progress, strict=True):
        for row, values in zip(plane[:2], piece.path.T, strict=True):
            row += np.interp(done, knots, values - values[0])
        if piece.up:
            plane[2] += 4 * done * (1 - done)
    return _smooth(plane, _SMOOTH)


def replay(strokes: Sequence[Stroke], rate: float, height: float, tempo: float) -> Plane:
    """Move along recorded pen strokes with their own timing.

    A letter much larger than on paper takes longer by the same law as our own movements,
    time ∝ length^⅓. Pen-up moves, which tablets don't record, are minimum-jerk. Strokes are in
    heights of a capital, sampled at `rate` Hz; `height` and `tempo` as for `sigma_lognormal`.
    """
    stretch = tempo / _PEN_TEMPO * np.cbrt(height / _PEN_HEIGHT)
    tau = np.linspace(0, 1, 33)
    minimum_jerk = _minimum_jerk(tau)
    times: list[Float] = []
    points: list[Float] = []
    now = 0.0
    for stroke in strokes:
        if points:
            last = points[-1][:2, -1:]
            move = stroke[:1].T - last
            takes = tempo * np.cbrt(max(float(np.hypot(*move[:, 0])), 0.05) * height / REFERENCE)
            times.append(now + takes * tau)
            lift = 4 * minimum_jerk * (1 - minimum_jerk)
            points.append(np.vstack([last + minimum_jerk * move, lift]))
            now += takes
        times.append(now + np.arange(len(stroke)) / rate * stretch)
        points.append(np.vstack([stroke.T, np.zeros(len(stroke))]))
        now = float(times[-1][-1])
    t = np.arange(int(now * GRID) + 2) / GRID
    knots = np.concatenate(times)
    plane = np.stack([np.interp(t, knots, row) for row in np.concatenate(points, axis=1)])
    return _smooth(plane, _PEN_SMOOTH * stretch)


def join(
    letters: Sequence[Plane], pace: float, fluency: float, apart: bool, rng: np.random.Generator
) -> tuple[Plane, Float]:
    """Write letters one after another; their movements and the moves between them add up.

    A pen-up move as long as a capital takes `pace` seconds, others by time ∝ length^⅓, and overlaps
    its letters by `fluency`, about 1. Letters stand `apart`, side by side, or one on top of the
    other. Returns the seconds (n_letters, 2) when each begins and ends as well.
    """
    placed = [letters[0][:2]]
    for letter in letters[1:]:
        shift = 0.0
        if apart:
            shift = placed[-1][0].max() - letter[0].min() + rng.uniform(0.12, 0.3)
        placed.append(letter[:2] + np.array([[shift], [0.0]]))
    moves = [after[:, 0] - before[:, -1] for before, after in pairwise(placed)]
    takes = [pace * np.cbrt(max(float(np.hypot(*move)), 0.05)) for move in moves]
    begins = [0]
    starts = []
    for letter, seconds in zip(letters, takes, strict=False):
        shared = 0.3 * fluency * seconds * rng.uniform(0.5, 1.2, 2)
        pause = rng.exponential(0.12) if rng.random() < 0.3 else 0.0
        starts.append(begins[-1] + letter.shape[1] + int((pause - shared[0]) * GRID))
        begins.append(starts[-1] + int((seconds - shared[1]) * GRID))
    spans = [(b, b + letter.shape[1]) for b, letter in zip(begins, letters, strict=True)]
    n = spans[-1][1]
    xy, lift = np.tile(placed[0][:, :1], n), np.zeros(n)
    for letter, (begin, stop) in zip(letters, spans, strict=True):
        xy[:, begin:stop] += letter[:2] - letter[:2, :1]
        xy[:, stop:] += letter[:2, -1:] - letter[:2, :1]
        lift[begin:stop] += letter[2]
    for move, seconds, start in zip(moves, takes, starts, strict=True):
        done = _minimum_jerk(np.clip((np.arange(n) - start) / (seconds * GRID), 0, 1))
        xy += move[:, None] * done
        lift += 4 * done * (1 - done)
    return np.vstack([xy, lift]), np.array(spans) / GRID


def _minimum_jerk(tau: Float) -> Float:
    return np.asarray(tau**3 * (10 - 15 * tau + 6 * tau**2))


def rest(plane: Plane, rng: np.random.Generator) -> tuple[Plane, float]:
    """Hold still for a while before and after; return the seconds before as well."""
    before, after = (int(seconds * GRID) for seconds in rng.uniform(0.15, 0.4, 2))
    return np.pad(plane, ((0, 0), (before, after)), mode="edge"), before / GRID


def wander(rng: np.random.Generator, n: int, low: float, high: float) -> Float:
    """Return random oscillations between `low` and `high` Hz of unit power, shape (3, n)."""
    frequency = rng.uniform(low, high, (3, 3, 1))
    phase = rng.uniform(0, 2 * np.pi, (3, 3, 1))
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


def _smooth(plane: Plane, sigma: float) -> Plane:
    """Low-pass with a Gaussian of `sigma` seconds: muscles don't follow instantly."""
    reach = int(np.ceil(4 * sigma * GRID))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma * GRID)) ** 2)
    rows = np.pad(plane, ((0, 0), (2 * reach, 2 * reach)), mode="edge")
    return np.stack([np.convolve(row, kernel / kernel.sum(), mode="valid") for row in rows])


def _bends(stroke: Stroke) -> list[Stroke]:
    """Cut one stroke where its direction jumps by 50° and share long bends out below 150°."""
    count = max(round(_length(stroke) / _RESOLUTION), 4)
    points = _resample(stroke, np.linspace(0, 1, count + 1))
    steps = np.diff(points, axis=0)
    turns = _wrap(np.diff(np.arctan2(steps[:, 1], steps[:, 0])))
    pair = np.abs(turns[:-1] + turns[1:])
    cuts = [0.0]
    sharp = -2
    for i in np.flatnonzero(pair > np.radians(50)):
        if i > sharp + 1:
            # Vertices i + 1 and i + 2 share the corner; it lies nearer to the sharper one.
            share = abs(turns[i + 1]) / (abs(turns[i]) + abs(turns[i + 1]))
            cuts.append((i + 1 + share) / count)
            sharp = i
    cuts.append(1.0)
    bent = np.concatenate([[0.0], np.cumsum(np.abs(turns)), [np.abs(turns).sum()]])
    where = np.arange(count + 1) / count
    paths = []
    for low, high in pairwise(cuts):
        inside = [low + 1.5 / count, high - 1.5 / count]
        first, last = np.interp(inside, where, bent) if inside[0] < inside[1] else (0.0, 0.0)
        n = int((last - first) / np.radians(150)) + 1
        shares = np.interp(np.linspace(first, last, n + 1)[1:-1], bent, where)
        for a, b in pairwise([low, *shares, high]):
            paths.append(_resample(stroke, np.linspace(a, b, _POINTS)))
    return paths


def _resample(path: Stroke, at: Float) -> Stroke:
    """Return the points at the shares `at` of the path's length."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = at * along[-1]
    return np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1)


def _headings(path: Stroke) -> tuple[float, float]:
    reach = len(path) // 8
    (x0, y0), (x1, y1) = path[reach] - path[0], path[-1] - path[-1 - reach]
    return float(np.arctan2(y0, x0)), float(np.arctan2(y1, x1))


def _length(path: Stroke) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _wrap(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi
