"""What a recording shows, worked out once and asked many times.

A sentence such as "the peak on x is 5 m/s²" can be meant in several ways: with gravity or without,
upward or downward, the highest or one of the high ones. `Facts` gives every value a careful reader
could mean; a claim is wrong only if it fits none of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.captions.explain import (
    UP,
    ExplainConfig,
    Explanation,
    Mask,
    Span,
    describe,
    extent,
    runs,
    segments,
    standing_out,
)
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import Motion, writing_motion
from imuscribe.signals.recording import Recording

Values = NDArray[np.float64]
T = TypeVar("T")


class Facts:
    """What one recording shows, cleaned as it was when a text about it was written.

    `config` says what counts as rest and as a turn: that of the deterministic explainer.
    """

    def __init__(self, rec: Recording, config: ExplainConfig = ExplainConfig()) -> None:
        self.rec = rec
        self.config = config
        self._signals: dict[tuple[str, str], Values] = {}
        self._kept: dict[Hashable, Any] = {}

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """Return what has been worked out under this name, or work it out and keep it."""
        if question not in self._kept:
            self._kept[question] = answer()
        found: T = self._kept[question]
        return found

    @cached_property
    def explanation(self) -> Explanation:
        """What the deterministic explainer says."""
        return describe(self.rec, self._motion, config=self.config)

    @cached_property
    def motion(self) -> Motion | None:
        """The movement in the writing frame; None where it cannot be integrated."""
        motion = self._motion
        return None if motion is None or extent(motion) > self.config.reach else motion

    @cached_property
    def _motion(self) -> Motion | None:
        try:
            return None if self.rec.gyro is None else writing_motion(self.rec, self.config.frame)
        except InputError:  # too short, or no gravity to tell up from: its channels remain
            return None

    @cached_property
    def path(self) -> Values | None:
        """Position in the letter's plane, shape (2, n_samples), m."""
        return None if self.motion is None else self.motion.plane("position").astype(np.float64)

    @cached_property
    def speed(self) -> Values | None:
        """Speed in the letter's plane, m/s."""
        if self.motion is None:
            return None
        return np.asarray(np.linalg.norm(self.motion.plane("velocity"), axis=0))

    @cached_property
    def extent(self) -> float:
        """Diagonal of the box around the path, m."""
        return 0.0 if self.motion is None else extent(self.motion)

    # Signals ------------------------------------------------------------------------------------

    def signal(self, sensor: str, axis: str) -> Values:
        """Return the x, y, z or norm of a sensor.

        That is ``"acc"`` (with gravity), ``"change"`` (acceleration minus its median, as a pulse is
        described), ``"linear"`` (minus its mean), ``"gyro"``, or ``"surplus"`` (the norm minus its
        median).
        """
        key = sensor, axis
        if key not in self._signals:
            self._signals[key] = self._compute(sensor, axis)
        return self._signals[key]

    def _compute(self, sensor: str, axis: str) -> Values:
        gyro = self.rec.gyro
        rows = (gyro if sensor == "gyro" and gyro is not None else self.rec.acc).astype(np.float64)
        if sensor == "surplus":
            strength = np.linalg.norm(rows, axis=0)
            return np.asarray(strength - np.median(strength))
        if sensor == "change":
            rows = rows - np.median(rows, axis=1, keepdims=True)
        elif sensor == "linear":
            rows = rows - rows.mean(axis=1, keepdims=True)
        return np.asarray(
            np.linalg.norm(rows, axis=0) if axis == "norm" else rows["xyz".index(axis)]
        )

    def turning(self, values: Values, share: float) -> tuple[list[int], list[int]]:
        """Return `turning_samples`, kept where the values are one of the signals."""
        if not any(values is known for known in self._signals.values()):
            return turning_samples(values, share)
        return self.once(("turning", id(values), share), lambda: turning_samples(values, share))

    def window(self, start: float, end: float, slack: float = 0.0) -> Span:
        """Return the samples from `start` to `end` seconds, at least one."""
        times, step = self._times
        first = bisect_left(times, start - slack - step)
        last = bisect_right(times, end + slack + step) - 1
        first = min(max(first, 0), len(times) - 1)
        return first, min(max(last, first), len(times) - 1)

    @cached_property
    def _times(self) -> tuple[list[float], float]:
        """Moments of the samples, and half the time between two."""
        return self.rec.t.tolist(), 0.5 / self.rec.rate if self.rec.rate else 0.0

    @cached_property
    def mean(self) -> Values:
        """Mean acceleration on x, y and z: gravity, by and large."""
        return np.asarray(self.rec.acc.mean(axis=1, dtype=np.float64))

    @cached_property
    def strength(self) -> float:
        """Mean strength of the acceleration, m/s²."""
        return float(self.signal("acc", "norm").mean())

    # Where and how it moves ---------------------------------------------------------------------

    def step(self, window: Span) -> Values:
        """Return the net movement (right, up) within a window, m."""
        assert self.path is not None
        return np.asarray(self.path[:, window[1]] - self.path[:, window[0]])

    def furthest(self, direction: str, window: Span | None = None) -> float:
        """Return how far the hand once moved in a direction, m, whatever else it did."""
        assert self.path is not None
        first, last = window or (0, self.rec.n_samples - 1)
        along = np.array(UP[direction]) @ self.path[:, first : last + 1]
        return float((along - np.minimum.accumulate(along)).max())

    def follows(self, directions: list[str], share: float) -> bool:
        """Whether movements of at least `share` of the extent come in this order.

        Each is taken as early as it is complete, so that the rest has the most time left.
        """
        assert self.path is not None
        start, least = 0, share * self.extent
        for direction in directions:
            along = np.array(UP[direction]) @ self.path[:, start:]
            done = np.flatnonzero(along - np.minimum.accumulate(along) >= least)
            if not done.size:
                return False
            start += int(done[0])
        return True

    def direction(self, word: str, which: int) -> float:
        """Return the cosine between a direction and the first (0) or last (-1) movement."""
        moves = [p for p in self.explanation.phases if p.kind == "movement" and p.length >= 0.005]
        if not moves:
            return 0.0
        step = self.step(self.window(moves[which].start, moves[which].end))
        return float(np.array(UP[word]) @ step / max(float(np.linalg.norm(step)), 1e-9))

    def pulses(self, axis: str, sign: int) -> list[tuple[float, float]]:
        """Return from when to when acceleration stands out along an axis, as in `explain`."""
        change = [self.signal("change", a) for a in "xyz"]
        spans = self.once(
            ("pulses", axis, sign), lambda: standing_out(np.stack(change), axis, sign, self.config)
        )
        return [(self._times[0][first], self._times[0][last]) for first, last in spans]

    # Rest ---------------------------------------------------------------------------------------

    @cached_property
    def resting(self) -> Mask:
        """Samples at which a generous reader would say that nothing moves."""
        gyro = self.rec.gyro
        if self.speed is not None:
            calm = self.speed < max(0.2 * float(self.speed.max()), 0.08)
        else:
            change = self.signal("change", "norm")
            calm = change < max(0.15 * float(change.max()), 0.5)
        if gyro is not None:
            turning = self.signal("gyro", "norm")
            calm = calm & (turning < max(0.3 * float(turning.max()), 0.3))
        return np.asarray(calm)

    @cached_property
    def moving(self) -> Mask:
        """Samples at which a generous reader would say that something moves."""
        change = self.signal("linear", "norm")
        busy = change > max(0.1 * float(change.max()), 0.3)
        if self.speed is not None:
            busy |= self.speed > max(0.1 * float(self.speed.max()), 0.05)
        if self.rec.gyro is not None:
            busy |= self.signal("gyro", "norm") > 0.2
        return np.asarray(busy)

    # Counts -------------------------------------------------------------------------------------

    def count(self, what: str, sensor: str = "acc", axis: str = "") -> tuple[int, int] | None:
        """Return the fewest and the most of something that careful readers may count.

        That is a ``"turn"``, ``"move"``, ``"phase"``, ``"rest"``, ``"peak"`` or ``"valley"``; the
        last two on a sensor's axis, or on any. None where the movement cannot be integrated.
        """
        if what in ("peak", "valley"):
            return self.once((what, sensor, axis), lambda: self._peaks(what, sensor, axis))
        if what == "rest":
            return self.once(what, self._rests)
        return None if self.path is None else self.once(what, lambda: self._moves(what))

    def _moves(self, what: str) -> tuple[int, int]:
        assert self.motion is not None
        found = []
        for tolerance, turn in ((0.05, 20.0), (0.05, 60.0), (0.1, 30.0), (0.2, 20.0), (0.2, 60.0)):
            config = self.config.model_copy(update={"tolerance": tolerance, "turn": turn})
            moves, turns = segments(self.motion, config)
            found.append(turns if what == "turn" else moves)
        if what == "turn":
            return min(found), max(found)
        named = sum(phase.kind == "movement" for phase in self.explanation.phases)
        turned = self.count("turn") or (0, 0)
        low, high = min(*found, named, turned[0] + 1), max(*found, named, turned[1] + 1)
        return (low, high + self._rests()[1]) if what == "phase" else (low, high)

    def _rests(self) -> tuple[int, int]:
        last = self.rec.n_samples - 1
        counts = []
        for mask in (self.resting, ~self.moving):
            for least in (0.05, 0.1, 0.3):
                found = [s for s in runs(mask) if self.rec.t[s[1]] - self.rec.t[s[0]] >= least]
                inner = [s for s in found if s[0] > 0 and s[1] < last]
                counts += [len(found), len(inner)]
        named = sum(phase.kind in ("rest", "still") for phase in self.explanation.phases)
        return min(*counts, named), max(*counts, named)

    def _peaks(self, what: str, sensor: str, axis: str) -> tuple[int, int]:
        counts = []
        signals = [self.signal(sensor, a) for a in ([axis] if axis else ["x", "y", "z", "norm"])]
        if not axis and self.speed is not None:
            signals.append(self.speed)
        for values in signals:
            for share in (0.1, 0.2, 0.35, 0.5):
                high, low = turning_samples(values, share)
                counts += [len(low)] if what == "valley" else [len(high), len(low)]
                if what == "peak":
                    counts.append(len(high) + len(low))
        return min(counts), max(counts)

    @cached_property
    def frequencies(self) -> list[float]:
        """The strongest frequencies of the axes that move, Hz."""
        found = []
        sensors = ("acc", "gyro") if self.rec.gyro is not None else ("acc",)
        upright = "xyz"[int(np.abs(self.mean).argmax())]
        for sensor in sensors:
            most = max(float(self.signal(sensor, a).std()) for a in "xyz")
            for axis in "xyz":
                values = self.signal(sensor, axis)
                # Steps show in the vertical axis even where another swings more.
                share = 0.2 if axis == upright else 0.5
                if float(values.std()) < max(share * most, 1e-3):
                    continue
                padded = 8 * len(values)
                power = np.abs(np.fft.rfft(values - values.mean(), padded)) ** 2
                step = self.rec.rate / padded
                found.append(float(power.argmax()) * step)
                # Slower than that it only tells when something happens, not how often.
                slowest = int(max(0.5, 1.5 / self.rec.duration) / step)
                if slowest < len(power):
                    found.append((slowest + float(power[slowest:].argmax())) * step)
        return found


def turning_samples(values: Values, share: float) -> tuple[list[int], list[int]]:
    """Return the samples of clear maxima and of clear minima, each in order.

    Walking along the signal, an extreme counts once the signal has come back from it by `share` of
    its range. Ends count only as the far end of such a swing.
    """
    least = share * float(np.ptp(values))
    if least < 1e-3:
        return [], []
    high: list[int] = []
    low: list[int] = []
    top = bottom = 0
    heading = 0
    series = values.tolist()
    for i, value in enumerate(series):
        if value > series[top]:
            top = i
        if value < series[bottom]:
            bottom = i
        if heading >= 0 and series[top] - value >= least:
            if top > 0:
                high.append(top)
            heading, bottom = -1, i
            top = i
        elif heading <= 0 and value - series[bottom] >= least:
            if bottom > 0:
                low.append(bottom)
            heading, top = 1, i
            bottom = i
    return high, low
