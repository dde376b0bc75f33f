"""Whether a caption is true: every claim worked out again from the recording, one by one.

Nothing of how captions are written is used here but the bounds of its settings and its words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from imuscribe.prompts.captions.explain import UP
from imuscribe.prompts.captions.hierarchy.config import CaptionConfig, Event
from imuscribe.prompts.captions.hierarchy.filling import WORDS, Claim, level_word, named
from imuscribe.prompts.captions.hierarchy.fitting import Caption
from imuscribe.prompts.captions.hierarchy.levels import Mask, Values
from imuscribe.prompts.captions.hierarchy.strokes import winding
from imuscribe.prompts.captions.hierarchy.structure import sensors_of
from imuscribe.prompts.checking.claims import ClaimReport
from imuscribe.prompts.checking.config import CheckedClaim
from imuscribe.prompts.tables import tables
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Recording

_TOLD = ("label", "placement", "event")
"""Claims whose text comes from the data set and may hold a number."""
_NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?")


def recount(
    caption: Caption,
    rec: Recording,
    missing: Mask | None = None,
    events: Sequence[Event] = (),
) -> ClaimReport:
    """Check every claim of a caption, and that every number of its text is one.

    Parameters
    ----------
    caption : Caption
    rec : Recording
        The recording it is about, or another one.
    missing : ndarray of bool, optional
        True where a value is missing, as the caption was told.
    events : sequence of Event
        What was noted, as the caption was told.

    Returns
    -------
    ClaimReport
        Every claim of the caption, supported or contradicted; a number that claims nothing is
        contradicted.
    """
    truth, text = _Truth(rec, missing, events, caption.config), caption.text
    checked, covered = [], []
    for claim in caption.claims:
        said = text[claim.start : claim.end]
        if claim.value is not None and float(said) != claim.value:
            shown = f"{claim.value:g} where {said} is written"
        else:
            shown = truth.refutes(claim, said)
        checked.append(_checked(claim.kind, claim.start, claim.end, shown))
        if claim.value is not None or claim.kind in _TOLD:
            covered.append((claim.start, claim.end))
    names = {named(channel)[k] for channel in rec.channels for k in (0, 1)}
    covered += [m.span() for name in names for m in re.finditer(re.escape(name), text)]
    for found in _NUMBER.finditer(text):
        if not any(start <= found.start() and found.end() <= end for start, end in covered):
            checked.append(_checked("number", *found.span(), "nothing of the kind"))
    checked.sort(key=lambda claim: (claim.start, claim.end))
    return ClaimReport(text, tuple(checked))


def _checked(kind: str, start: int, end: int, shown: str) -> CheckedClaim:
    return CheckedClaim(kind, start, end, "contradicted" if shown else "supported", shown)


class _Truth:
    """What holds of a recording, worked out when asked."""

    def __init__(
        self,
        rec: Recording,
        missing: Mask | None,
        events: Sequence[Event],
        config: CaptionConfig,
    ) -> None:
        self.rec, self.events, self.config = rec, events, config
        self.t = rec.t - rec.t[0]
        lost = np.zeros(rec.data.shape, dtype=bool) if missing is None else np.asarray(missing)
        self.present = ~np.broadcast_to(lost, rec.data.shape)
        step = config.structure.seconds(rec.duration)
        n = int(rec.duration / step + 1e-6)
        self.edges = [k * step for k in range(n)] + [float(self.t[-1])]
        self.bridged = np.diff(self.t) <= config.structure.gap_of(self.t)
        self._levels: dict[str, Values] = {}

    def refutes(self, claim: Claim, said: str) -> str:
        """Return what the recording shows instead; nothing where the claim holds."""
        kind = claim.kind
        if claim.value is not None:
            shown = self._figure(claim)
            digits = len(said.partition(".")[2])
            slack = 0.5 * 10.0**-digits + 1e-9 * abs(shown)
            return "" if abs(shown - claim.value) <= slack + 1e-12 else f"{shown:.6g}"
        if kind in ("rises", "falls", "steady"):
            return "" if self._goes(claim) else "no such trend"
        if kind in ("peak", "drop"):
            return "" if self._stands_out(claim) else "none there"
        if kind == "point":
            at = np.abs(np.arange(5) / 4 - claim.since / max(self.rec.duration, 1e-9))
            words = [tables(WORDS)["points"][k] for k in np.flatnonzero(at < at.min() + 3e-3)]
            return "" if claim.word in words else words[0]
        if kind in ("height", "spread"):
            value = self._figure(claim._replace(kind="mean" if kind == "height" else "deviation"))
            word = level_word(kind, claim.channel, value)
            return "" if word == claim.word else word
        if kind == "part":
            parts = tables(WORDS)["parts"]
            share = self._figure(claim._replace(kind="missing"))
            word = [parts[bound] for bound in parts if share + 1e-9 >= float(bound)][-1]
            return "" if word == claim.word and share > 0 else f"{share:.1f} %"
        if kind == "stroke":
            return "" if self._goes_on_paper(claim) else "a hand that goes another way"
        return "" if self._holds(claim) else "otherwise"

    def _holds(self, claim: Claim) -> bool:
        """Whether a claim without a figure holds."""
        structure, rec = self.config.structure, self.rec
        if claim.kind == "calm":
            return self._wide(claim.channel) <= structure.tolerance(claim.channel)
        if claim.kind == "no peak":
            return not any(self._peaks(c, sign, -1e-3) for c in rec.channels for sign in (1, -1))
        if claim.kind == "nothing":
            return not any(self._events(c) for c in rec.channels)
        if claim.kind == "gone":
            names = sensors_of(rec.channels).get(claim.channel, (claim.channel,))
            return not any(self.present[rec.channels.index(name)].any() for name in names)
        if claim.kind == "no gyroscope":
            return not any(name.startswith("gyro_") for name in rec.channels)
        if claim.kind == "event":
            return any(
                claim.word == e.name
                and claim.since == e.start
                and claim.until == (e.start if e.end is None else e.end)
                for e in self.events
            )
        told = {"label": rec.label, "placement": rec.placement, "case": rec.case}
        given = " ".join(told[claim.kind].replace("_", " ").split())
        return claim.word.lower() == given.lower()

    # Numbers ------------------------------------------------------------------------------------

    def _figure(self, claim: Claim) -> float:
        """Return what a number should be, in its unit."""
        rec, kind = self.rec, claim.kind
        seconds = 60.0 if claim.unit == "min" else 1.0
        gap = rec.duration / (rec.n_samples - 1) if rec.n_samples > 1 else 0.0
        if kind == "time":
            return claim.since / seconds
        if kind == "length":
            return (rec.duration + gap) / seconds
        if kind == "rate":
            return 1 / gap
        if kind == "period":
            return gap
        if kind == "missing":
            names = sensors_of(rec.channels)[claim.channel]
            rows = [self.present[rec.channels.index(name)] for name in names]
            return float(100 * (1 - np.mean(rows)))
        if kind == "level":
            return self._mean(claim.channel, claim.since, claim.until)
        k = rec.channels.index(claim.channel)
        inside = self.present[k].copy()
        if claim.until > claim.since:
            inside &= (self.t >= claim.since - 1e-9) & (self.t <= claim.until + 1e-9)
        values = rec.data[k][inside].astype(np.float64)
        if kind == "deviation":
            return float(values.std())
        if kind == "constant" and np.ptp(values) > 1e-6 * max(1.0, float(abs(values[0]))):
            return float("nan")
        return float({"least": np.min, "greatest": np.max}.get(kind, np.mean)(values))

    def _mean(self, channel: str, since: float, until: float) -> float:
        """Return the mean of the line through a channel's samples between two times."""
        k = self.rec.channels.index(channel)
        row, seen, t = self.rec.data[k].astype(np.float64), self.present[k], self.t
        area = length = 0.0
        for i in np.flatnonzero(
            (t[:-1] < until) & (t[1:] > since) & seen[:-1] & seen[1:] & self.bridged
        ):
            a, b = max(since, t[i]), min(until, t[i + 1])
            ends = np.interp([a, b], t[i : i + 2], row[i : i + 2])
            area, length = area + (b - a) * float(ends.mean()), length + b - a
        enough = length >= self.config.structure.present * (until - since) - 1e-9
        return area / length if enough and length > 0 else float("nan")

    def levels(self, channel: str) -> Values:
        """Return the level of each bin; nan where it is missing."""
        if channel not in self._levels:
            spans = zip(self.edges, self.edges[1:], strict=False)
            self._levels[channel] = np.array([self._mean(channel, *span) for span in spans])
        return self._levels[channel]

    def _known(self, channel: str) -> Values:
        levels = self.levels(channel)
        known: Values = levels[np.isfinite(levels)]
        return known

    def _wide(self, channel: str) -> float:
        """Return the range of a channel's levels; 0 where they differ by rounding only."""
        known = self._known(channel)
        wide = float(np.ptp(known)) if known.size else 0.0
        return wide if known.size and wide > 2e-5 * np.abs(known).max() else 0.0

    # Trends -------------------------------------------------------------------------------------

    def _goes(self, claim: Claim) -> bool:
        first = int(np.argmin(np.abs(np.array(self.edges) - claim.since)))
        last = int(np.argmin(np.abs(np.array(self.edges) - claim.until)))
        return self._trend(claim.channel, first, last) == claim.kind

    def _trend(self, channel: str, first: int, last: int) -> str:
        """Return what a channel does from one edge of a bin to another."""
        wide = self._wide(channel)
        levels = self.levels(channel)[first:last]
        edges = np.array(self.edges[first : last + 1])
        middles, seen = 0.5 * (edges[1:] + edges[:-1]), np.isfinite(levels)
        if wide <= self.config.structure.tolerance(channel) or not (seen[0] and seen[-1]):
            return ""
        if 3 * seen.sum() < 2 * len(seen):
            return ""
        slope = float(np.polyfit(middles[seen], levels[seen], 1)[0])
        change, ends = slope * (middles[-1] - middles[0]), levels[-1] - levels[0]
        rounding = 1e-3 * wide + 2e-5 * float(np.abs(self._known(channel)).max())
        least = self.config.structure.change * wide - rounding
        if min(change, ends) > least:
            return "rises"
        if max(change, ends) < -least:
            return "falls"
        flat = self.config.structure.flat * wide + rounding
        return "steady" if np.ptp(levels[seen]) < flat else ""

    def _peaks(self, channel: str, sign: int, slack: float = 1e-3) -> list[int]:
        """Return the bins of peaks (1) or drops (-1), bounds being looser by a share of `slack`."""
        from scipy.signal import find_peaks

        config, known, wide = self.config.structure, self._known(channel), self._wide(channel)
        if len(known) < 3 or wide <= config.tolerance(channel):
            return []
        up = sign * (self.levels(channel) - known.mean())
        walls = np.where(np.isfinite(up), up, 9 * wide)  # what is missing is no low ground
        height, rises = config.height * wide * (1 - slack), config.prominence * wide * (1 - slack)
        found, more = find_peaks(walls, height=height, prominence=rises)
        good = []
        for k, prominence in zip(found.tolist(), more["prominences"].tolist(), strict=True):
            low = np.flatnonzero(~(up > up[k] - prominence * (0.5 - slack)))
            before, after = low[low < k].max(initial=-1), low[low > k].min(initial=len(up))
            if np.isfinite(up[k]) and after - before - 1 <= config.width:
                good.append(k)
        return good

    def _stands_out(self, claim: Claim) -> bool:
        place = int(np.argmin(np.abs(np.array(self.edges) - claim.since)))
        levels, width = self.levels(claim.channel), self.config.structure.width
        near = 1e-4 * self._wide(claim.channel)  # of equal levels, any is the peak
        return any(
            abs(k - place) < width and abs(levels[k] - levels[place]) <= near
            for k in self._peaks(claim.channel, 1 if claim.kind == "peak" else -1)
        )

    def _events(self, channel: str) -> bool:
        """Whether anything stands out in a channel."""
        config, n = self.config.structure, len(self.edges) - 1
        lengths = [round(s / (self.edges[1] - self.edges[0])) for s in config.windows] or [6, 8, 12]
        trends = any(
            self._trend(channel, a, a + length)
            for length in lengths
            if 3 <= length <= n
            for a in range(0, n - length + 1, max(1, length // 2))
        )
        return trends or any(self._peaks(channel, sign, -1e-3) for sign in (1, -1))

    # Strokes ------------------------------------------------------------------------------------

    @cached_property
    def _path(self) -> tuple[Values, Values]:
        """Times and positions in the letter's plane, at the recording's own rate."""
        assert self.config.strokes is not None
        rows = [
            np.interp(self.t, self.t[seen], row[seen]) if seen.any() else row * 0
            for row, seen in zip(self.rec.data, self.present, strict=True)
        ]
        motion = writing_motion(self.rec.replace(data=np.stack(rows)), self.config.strokes.frame)
        return motion.t - motion.t[0], motion.plane("position").astype(np.float64)

    def _goes_on_paper(self, claim: Claim) -> bool:
        """Whether the hand moves as a stroke says, give or take half a direction."""
        t, path = self._path
        times = np.linspace(claim.since, claim.until, 65)
        points = np.stack([np.interp(times, t, row) for row in path])
        along = np.append(0, np.cumsum(np.linalg.norm(np.diff(points, axis=1), axis=0)))
        even = np.linspace(0, along[-1], 25)
        points = np.stack([np.interp(even, along, row) for row in points])
        step = points[:, -1] - points[:, 0]
        if " loop" in claim.word:
            turned = winding(points)
            return abs(turned) > 0.75 * np.pi and (turned < 0) == claim.word.startswith("a clock")
        if " hook" in claim.word:
            step = points.mean(axis=1) - points[:, 0]
        way = np.array(UP[next(word for word in claim.word.split() if word in UP)])
        return bool(way @ step > 0.6 * np.linalg.norm(step))
