"""What a caption tells of a recording: figures of its channels, trends, peaks and drops, strokes.

After SensorLM (arXiv 2506.09108), whose captions know one-minute days only. Here every length is in
seconds. Trends and peaks are looked for in *levels*, the means of a channel over bins of time: the
signal between two samples is the line between them, so that the same movement has the same levels
at any sampling rate. What is missing counts nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from imuscribe.prompts.captions.hierarchy.levels import (
    Mask,
    Values,
    extremes,
    figures_of,
    levels_of,
    present_of,
    rounded,
)
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import SENSORS, Recording

_BINS = (1, 2, 5)
"""A bin lasts one of these times a power of ten, seconds; from half a minute on, these:"""
_LONG_BINS = (30, 60, 120, 300, 600, 1200, 2400, 3600)
_AIM = 32
"""About so many bins a recording."""
_FEWEST = 3
"""Levels by which a channel is known to be steady, and its peaks can be seen."""


class StructureConfig(Config):
    """What counts as a trend, a peak or a drop. Lengths follow from the recording where None."""

    bin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds of a bin; None: a round number, about a 32nd of the recording."""
    windows: tuple[float, ...] = ()
    """Seconds of the stretches in which trends are looked for; empty: 6, 8 and 12 bins."""
    change: float = Field(default=0.2, gt=0, le=1)
    """Share of a channel's range by which it rises or falls within a stretch."""
    flat: float = Field(default=0.1, gt=0, lt=1)
    """Share of a channel's range within which it holds steady."""
    overlap: float = Field(default=0.3, ge=0, lt=1)
    """Share of the shorter of two trends of a channel that may lie in the other."""
    trends: int = Field(default=3, ge=0)
    """Most trends a channel."""
    height: float = Field(default=0.6, ge=0, lt=1)
    """Share of the range by which a peak rises above the channel's mean."""
    prominence: float = Field(default=0.5, ge=0, le=1)
    """Share of the range by which a peak stands out of what is around it."""
    width: int = Field(default=4, ge=1)
    """Bins: a peak is no wider at half its prominence."""
    apart: int = Field(default=5, ge=1)
    """Bins between two peaks of a channel; of nearer ones the higher stays."""
    most: int = Field(default=7, ge=1)
    """Most trends, peaks and drops of a sensor: the longest."""
    acceleration: float = Field(default=0.3, ge=0)
    """m/s²: a channel whose levels differ by less is steady."""
    rotation: float = Field(default=0.1, ge=0)
    """The same in rad/s."""
    present: float = Field(default=0.5, gt=0, le=1)
    """Share of a bin that must be present for its level to count."""

    gap: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds without a sample that a line may bridge; None: five times the usual."""

    def gap_of(self, t: Values) -> float:
        """Return how long a line between two samples may be."""
        usual = float(np.median(np.diff(t))) if len(t) > 1 else 0.0
        return 5 * usual + 1e-9 if self.gap is None else self.gap

    def tolerance(self, channel: str) -> float:
        """Return the range of levels below which a channel is steady."""
        return {"gyro": self.rotation, "acc": self.acceleration, "lin": self.acceleration}.get(
            channel.split("_")[0], 0.0
        )

    def seconds(self, length: float) -> float:
        """Return how long a bin is in a recording of `length` seconds."""
        if self.bin is not None:
            return self.bin
        aim = max(length, 1e-9) / _AIM
        power = 10.0 ** np.floor(np.log10(aim))
        choices = [k * power * step for k in (1, 10) for step in _BINS]
        choices = [c for c in choices if c < _LONG_BINS[0]] + [*_LONG_BINS]
        return float(f"{min(choices, key=lambda c: abs(np.log(c / aim))):.12g}")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a channel: it ``rises``, ``falls``, is ``steady``, has a ``peak`` or ``drop``.

    `start` and `end` are seconds from the recording's first sample; `first` and `last` are the
    levels of its first and its last bin, of a peak or drop both the farthest sample.
    """

    what: str
    channel: str
    start: float
    end: float
    first: float
    last: float
    head: float
    """Where its first bin ends, seconds,"""
    tail: float
    """and its last begins; of a peak or drop, between which times `first` was measured."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in one recording."""

    rec: Recording
    figures: dict[str, tuple[float, float, float, float] | None]
    """Mean, deviation, least and greatest of each channel; None where all of it is missing."""
    missing: dict[str, float]
    """Share of each channel that is missing, 0 to 1."""
    bin: float
    """Seconds of a bin."""
    n_bins: int
    n_levels: int
    """Bins of which a level is known, in the channel that has most."""
    events: tuple[Stretch, ...]
    """The longest trends, peaks and drops of each sensor, in order of time."""
    steady: tuple[str, ...]
    """Channels whose levels hardly differ."""
    truths: frozenset[tuple[str, str, float, float]]
    """Everything that holds of a stretch, told or not: what, channel, start, end."""


def sensors_of(channels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the channels of each sensor, in the order x, y, z; others stand alone.

    The order in which a recording keeps its channels changes nothing.
    """
    found = {}
    for sensor, names in SENSORS.items():
        if inside := tuple(name for name in names if name in channels):
            found[sensor] = inside
    known = {name for names in found.values() for name in names}
    return found | {name: (name,) for name in sorted(set(channels) - known)}


def period(rec: Recording) -> float:
    """Return seconds from one sample to the next."""
    return 1 / rec.rate if rec.rate else 0.0


def analyse(
    recordings: Sequence[Recording],
    config: StructureConfig = StructureConfig(),
    missing: Sequence[Mask | None] | None = None,
) -> list[Findings]:
    """Work out what captions tell; recordings of the same clock and channels go together.

    Parameters
    ----------
    recordings : sequence of Recording
    config : StructureConfig
    missing : sequence, optional
        For each recording a mask of shape (n_channels, n_samples), true where a value is missing,
        or (n_samples,), or None.

    Raises
    ------
    InputError
        If a mask has another shape, or leaves nothing of a recording.
    """
    masks = [None] * len(recordings) if missing is None else missing
    if len(masks) != len(recordings):
        raise InputError(f"{len(masks)} masks for {len(recordings)} recordings: give one each")
    groups: dict[Any, list[int]] = defaultdict(list)
    for i, rec in enumerate(recordings):
        groups[rec.channels, _clock(rec).tobytes()].append(i)
    found: dict[int, Findings] = {}
    for places in groups.values():
        for some in (places[k : k + 256] for k in range(0, len(places), 256)):
            batch = _Batch([recordings[i] for i in some], [masks[i] for i in some], config)
            found |= zip(some, batch.findings(), strict=True)
    return [found[i] for i in range(len(recordings))]


def _clock(rec: Recording) -> Values:
    """Return times from 0 on; those of windows that begin elsewhere are the same to the bit."""
    t: Values = np.round(rec.t - rec.t[0], 9)
    return t


class _Batch:
    """Recordings of one clock and the same channels, worked on as arrays."""

    def __init__(
        self, recs: list[Recording], masks: list[Mask | None], config: StructureConfig
    ) -> None:
        self.recs, self.config = recs, config
        self.channels = recs[0].channels
        self.t = _clock(recs[0])
        self.whole = all(mask is None for mask in masks)
        self.present: Mask = np.stack([present_of(*one) for one in zip(recs, masks, strict=True)])
        data = np.stack([rec.data for rec in recs]).astype(np.float64)
        self.data: Values = data if self.whole else np.where(self.present, data, 0.0)
        length = self.t[-1].item()
        self.step = config.seconds(length)
        self.n = int(length / self.step + 1e-6)
        # The last bin takes what is left, so that bins begin at round times.
        self.edges = np.append(np.arange(self.n) * self.step, self.t[-1])
        self.at: list[float] = np.round(self.edges, 9).tolist()

    def findings(self) -> list[Findings]:
        seen = None if self.whole else self.present
        figures, share = figures_of(self.data, seen)
        lines = np.diff(self.t) <= self.config.gap_of(self.t)
        exact = levels_of(self.t, self.data, seen, self.edges, self.config.present, lines)
        levels = rounded(exact)
        low, high = extremes(levels)
        tolerance = np.array([self.config.tolerance(c) for c in self.channels])
        wide = np.maximum(high - low, 0)
        moves = (wide > tolerance) & (wide > 0)
        trends = self._trends(levels, wide, moves)
        peaks = self._peaks(levels, wide, moves)
        known = np.isfinite(levels).sum(axis=2)
        flat = ~moves & (known >= max(_FEWEST, self.n / 2))
        names = [name for names in sensors_of(self.channels).values() for name in names]
        order = [(name, self.channels.index(name)) for name in names]
        found = []
        for i, rec in enumerate(self.recs):
            events, truths = self._chosen(i, exact[i], trends[i], peaks[i])
            rows = zip(self.channels, figures[i].tolist(), share[i].tolist(), strict=True)
            told: dict[str, Any] = {c: None if s >= 1 else tuple(row) for c, row, s in rows}
            steady = tuple(c for c, k in order if flat[i, k])
            most = int(known[i].max(initial=0))
            lost = dict(zip(self.channels, share[i].tolist(), strict=True))
            found.append(
                Findings(rec, told, lost, self.step, self.n, most, tuple(events), steady, truths)
            )
        return found

    def _trends(self, levels: Values, wide: Values, moves: Mask) -> list[list[_Found]]:
        """Return every stretch that rises, falls or is steady, for each recording."""
        found: list[list[_Found]] = [[] for _ in self.recs]
        middles = 0.5 * (self.edges[1:] + self.edges[:-1])
        lengths = [round(s / self.step) for s in self.config.windows] or [6, 8, 12]
        for length in sorted({n for n in lengths if 3 <= n <= self.n}):
            starts = np.arange(0, self.n - length + 1, max(1, length // 2))
            inside = starts[:, None] + np.arange(length)
            seen = levels[..., inside]
            weight = np.isfinite(seen)
            slope = _slopes(middles[inside], seen, weight)
            change = slope * (middles[starts + length - 1] - middles[starts])
            ends = seen[..., -1] - seen[..., 0]
            low, high = extremes(seen)
            usable = weight[..., 0] & weight[..., -1] & (weight.sum(axis=3) * 3 >= 2 * length)
            usable &= moves[..., None]
            least = self.config.change * wide[..., None] + 1e-9
            with np.errstate(invalid="ignore"):
                rises = usable & (change > least) & (ends > least)
                falls = usable & (change < -least) & (ends < -least)
                calm = usable & (high - low < self.config.flat * wide[..., None] - 1e-9)
            for what, which in (("rises", rises), ("falls", falls), ("steady", calm)):
                places = np.argwhere(which)
                score = wide[places[:, 0], places[:, 1]] * self.config.change
                if what != "steady":
                    score = np.abs(change[which])
                score = np.round(score, 9)
                at = starts[places[:, 2]].tolist()
                for (i, c, _), start, points in zip(
                    places.tolist(), at, score.tolist(), strict=True
                ):
                    found[i].append((what, c, start, start + length, points))
        return found

    def _peaks(self, levels: Values, wide: Values, moves: Mask) -> list[list[_Found]]:
        """Return the peaks and drops of each recording."""
        found: list[list[_Found]] = [[] for _ in self.recs]
        if self.n < _FEWEST:
            return found
        count = np.maximum(np.isfinite(levels).sum(axis=2), 1)
        mean = np.nansum(levels, axis=2) / count
        least = self.config.height * wide + 1e-9
        for what, sign in (("peak", 1.0), ("drop", -1.0)):
            up = sign * (levels - mean[..., None])
            with np.errstate(invalid="ignore"):
                inner = (up[..., 1:-1] > up[..., :-2]) & (up[..., 1:-1] >= up[..., 2:])
                high = inner & (up[..., 1:-1] > least[..., None]) & moves[..., None]
            for i, c in np.argwhere(high.any(axis=2)).tolist():
                places = (np.flatnonzero(high[i, c]) + 1).tolist()
                row = up[i, c].tolist()
                for k in peaks_of(row, places, float(wide[i, c]), self.config):
                    found[i].append((what, c, k, k + 1, row[k]))
        return found

    def _chosen(
        self, i: int, levels: Values, trends: list[_Found], peaks: list[_Found]
    ) -> tuple[list[Stretch], frozenset[tuple[str, str, float, float]]]:
        """Return what is told of one recording in order of time, and all that holds."""
        kept: dict[int, list[_Found]] = defaultdict(list)
        for one in sorted(trends, key=lambda f: (-f[4], f[2], f[3])):
            mine = kept[one[1]]
            if len(mine) < self.config.trends and not any(
                _shared(one, other) > self.config.overlap for other in mine
            ):
                mine.append(one)
        for one in peaks:
            kept[one[1]].append(one)
        events = []
        place = {name: c for c, name in enumerate(self.channels)}
        for names in sensors_of(self.channels).values():
            ours = [one for name in names for one in kept.get(place[name], ())]
            # The longest first, then the strongest: what does not fit is the least.
            ours.sort(key=lambda f: (f[2] - f[3], -f[4], f[2]))
            events += [self._event(i, one, levels) for one in ours[: self.config.most]]
        events.sort(key=lambda e: (e.start, e.end, e.channel))
        truths = frozenset(
            (f[0], self.channels[f[1]], self.at[f[2]], self.at[f[3]]) for f in [*trends, *peaks]
        )
        return events, truths

    def _event(self, i: int, one: _Found, levels: Values) -> Stretch:
        what, c, start, end, _ = one
        at = self.at
        if what in ("peak", "drop"):
            before, after = at[max(0, start - 1)], at[min(end + 1, self.n)]
            inside = (self.t >= before - 1e-9) & (self.t <= after + 1e-9) & self.present[i, c]
            if inside.any():
                values = self.data[i, c, inside]
                first = float(values.max() if what == "peak" else values.min())
                return Stretch(
                    what, self.channels[c], at[start], at[end], first, first, before, after
                )
        first, last = levels[c, start].item(), levels[c, end - 1].item()
        ends = at[start + 1], at[end - 1]
        return Stretch(what, self.channels[c], at[start], at[end], first, last, *ends)


_Found = tuple[str, int, int, int, float]
"""What, channel, first bin, bin after the last, score."""


def peaks_of(
    row: list[float], places: list[int], wide: float, config: StructureConfig
) -> list[int]:
    """Return which of some maxima of a row of levels are peaks, in order."""
    good = []
    for k in places:
        left = right = row[k]
        a = b = k
        while a > 0 and row[a - 1] <= row[k]:  # not of a level that is missing
            a -= 1
            left = min(left, row[a])
        while b < len(row) - 1 and row[b + 1] <= row[k]:
            b += 1
            right = min(right, row[b])
        prominence = row[k] - max(left, right)
        half = row[k] - prominence / 2
        first = last = k
        while first > 0 and row[first - 1] > half:
            first -= 1
        while last < len(row) - 1 and row[last + 1] > half:
            last += 1
        if prominence > config.prominence * wide + 1e-9 and last - first + 1 <= config.width:
            good.append(k)
    kept: list[int] = []
    for k in sorted(good, key=lambda k: (-row[k], k)):
        if all(abs(k - other) >= config.apart for other in kept):
            kept.append(k)
    return sorted(kept)


def _shared(one: _Found, other: _Found) -> float:
    both = min(one[3], other[3]) - max(one[2], other[2])
    return both / min(one[3] - one[2], other[3] - other[2])


def _slopes(times: Values, seen: Values, weight: Mask) -> Values:
    """Return the slope of the line of least squares through each stretch, shape (n, c, stretches).

    `times` has shape (stretches, bins); levels that are missing have no weight.
    """
    times = times - times.mean(axis=1, keepdims=True)
    if weight.all():
        slope: Values = np.einsum("ncmk,mk->ncm", seen, times) / (times**2).sum(axis=1)
        return slope
    value = np.where(weight, seen, 0.0)
    w = weight.astype(np.float64)
    s0, s1, s2 = w.sum(axis=3), (w * times).sum(axis=3), (w * times**2).sum(axis=3)
    y, ty = value.sum(axis=3), (value * times).sum(axis=3)
    slopes: Values = (s0 * ty - s1 * y) / np.maximum(s0 * s2 - s1**2, 1e-12)
    return slopes
