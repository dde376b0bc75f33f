"""A continuous recording as stretches that may each be a letter: cut points and what a reader sees.

Hands do not stop between letters: in simulated mid-air words six tenths of the letters' bounds are
minima of speed, and there are as many minima inside letters. So cuts are the minima and, between
them, further ones so close that none is missed; which of them bound letters is left to the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import Motion
from imuscribe.signals.recording import Array
from imuscribe.words.letters import Float, Int

INSIDE = 40
"""Points of a view between the segment's ends."""
OUTSIDE = 8
"""Points of a view before the segment, and after it."""
CONTEXT = 0.16
"""Seconds that a view shows before the segment, and after it."""

_SMOOTH = 1.5
"""Samples (Gaussian σ) over which the rotation rate is smoothed before minima are looked for."""


@dataclass(frozen=True)
class Track:
    """A continuous movement in the writing frame, size and strength of the hand taken out."""

    rate: float
    """Hz."""
    rows: Float
    """Acceleration and rotation rate (6, n), each along right, the writing's up, and out of its
    plane; each triple with root mean square one over the recording."""

    @classmethod
    def of(cls, acceleration: Array | Float, rotation: Array | Float, rate: float) -> Track:
        """Return the track of two triples of rows, m/s² and rad/s."""
        parts = [np.asarray(x, dtype=np.float64) for x in (acceleration, rotation)]
        return cls(rate, np.concatenate([x / (np.sqrt(np.mean(x**2)) + 1e-9) for x in parts]))

    @classmethod
    def of_motion(cls, motion: Motion) -> Track:
        """Return the track of a recording's motion."""
        order = plane_first(motion.case)
        return cls.of(motion.acceleration[order], motion.rotation[order], motion.rate)

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.rows.shape[1])

    @cached_property
    def velocity(self) -> Float:
        """Integral of the acceleration, shape (3, n); drifts, so only for segments."""
        return np.asarray(np.cumsum(self.rows[:3], axis=1) / self.rate)

    def cuts(self, step: float) -> Int:
        """Return samples at which a letter may end and the next begin, the first and last included.

        Two neighbouring cuts are at most `step` seconds apart.
        """
        low = self._slow()
        kept = [0]
        for sample in low[low > step * self.rate / 2]:
            if sample - kept[-1] > step * self.rate / 2:
                kept.append(int(sample))
        if self.n - 1 - kept[-1] <= step * self.rate / 2 and len(kept) > 1:
            kept.pop()
        kept.append(self.n - 1)
        filled = [0]
        for before, after in pairwise(kept):
            parts = max(1, int(np.ceil((after - before) / (step * self.rate) - 1e-9)))
            filled += [before + round((after - before) * i / parts) for i in range(1, parts + 1)]
        return np.array(filled)

    def pauses(self, depth: float, apart: float) -> Int:
        """Return where the hand hardly turns, the first and the last sample included.

        That is: more slowly than `depth` times the recording's median rotation rate. Two pauses
        are `apart` seconds apart at least; the deeper one stays.
        """
        low = self._slow()
        low = low[self.turning[low] < depth * np.median(self.turning)]
        kept = [0, self.n - 1]
        for sample in low[np.argsort(self.turning[low], kind="stable")]:
            if min(abs(sample - other) for other in kept) >= apart * self.rate:
                kept.append(int(sample))
        return np.array(sorted(kept))

    @cached_property
    def turning(self) -> Float:
        """Smoothed rotation rate, shape (n,)."""
        from scipy.ndimage import gaussian_filter1d

        return np.asarray(gaussian_filter1d(np.linalg.norm(self.rows[3:], axis=0), _SMOOTH))

    def _slow(self) -> Int:
        """Return the minima of the rotation rate."""
        turning = self.turning
        return np.flatnonzero((turning[1:-1] <= turning[:-2]) & (turning[1:-1] < turning[2:])) + 1

    def views(self, begins: Int, ends: Int) -> Array:
        """Return what a reader sees of segments, shape (n_segments, 9, INSIDE + 2 · OUTSIDE).

        Channels: the six rows; the velocity in the plane; the logarithm of the duration in seconds.
        Acceleration and velocity are as if the segment began and ended at rest: what little of
        gravity is left over a long recording goes, as it does from an isolated letter. Beyond the
        recording all is still.
        """
        around = np.linspace(0, CONTEXT * self.rate, OUTSIDE, endpoint=False)
        inside = np.linspace(0, 1, INSIDE)
        first, last = begins[:, None].astype(float), ends[:, None].astype(float)
        length = np.maximum(last - first, 1.0)
        at = np.hstack(
            [first - CONTEXT * self.rate + around, first + inside * length, last + 1 + around]
        )
        rows = _at(self.rows, at, still=True)
        before, after = (_at(self.velocity, end, still=False) for end in (first, last))
        rows[:3] -= (after - before) / length * self.rate
        share = np.clip((at - first) / length, 0, 1)
        drift = before[:2] * (1 - share) + after[:2] * share
        velocity = _at(self.velocity[:2], at, still=False) - drift
        seconds = np.log(length / self.rate) * np.ones_like(at)
        made = np.concatenate([rows, 4 * velocity, seconds[None]])
        return np.ascontiguousarray(made.transpose(1, 0, 2), dtype=np.float32)


@dataclass(frozen=True)
class Durations:
    """How short and how long a letter may be, in seconds."""

    shortest: float
    longest: float

    @classmethod
    def fit(cls, seconds: Sequence[float] | Float) -> Durations:
        """Learn from letters of training people: all but one in two hundred on either side."""
        if not len(seconds):
            raise InputError("no letter to learn durations from: give training words")
        low, high = np.percentile(seconds, [0.5, 99.5])
        return cls(0.9 * float(low), 1.1 * float(high))

    def segments(self, cuts: Int, rate: float) -> Int:
        """Return pairs of cuts that may bound a letter, shape (n_segments, 2).

        Kept are those that lie on a way from the first cut to the last. Where the bounds allow
        none, the whole recording is the only segment.
        """
        length = (cuts[None, :] - cuts[:, None]) / rate
        joined = (length >= self.shortest) & (length <= self.longest)
        n = len(cuts)
        reached, reaches = np.zeros(n, bool), np.zeros(n, bool)
        reached[0] = reaches[-1] = True
        for i in range(1, n):
            reached[i] = (reached[:i] & joined[:i, i]).any()
        for i in range(n - 2, -1, -1):
            reaches[i] = (reaches[i + 1 :] & joined[i, i + 1 :]).any()
        joined &= reached[:, None] & reaches[None, :]
        return np.argwhere(joined) if joined.any() else np.array([[0, n - 1]])


def plane_first(case: str) -> list[int]:
    """Return the order of a motion's rows that puts the writing plane first."""
    return [0, 2, 1] if case == "2d" else [0, 1, 2]


def _at(rows: Float, where: Float, still: bool) -> Float:
    """Interpolate rows (n_rows, n) at fractional samples; beyond the ends 0 or the last value."""
    n = rows.shape[1]
    inside = np.clip(where, 0, n - 1)
    low = np.minimum(inside.astype(np.int64), max(n - 2, 0))
    share = inside - low
    found = rows[:, low] * (1 - share) + rows[:, np.minimum(low + 1, n - 1)] * share
    return np.asarray(np.where((where < 0) | (where > n - 1), 0.0, found) if still else found)
