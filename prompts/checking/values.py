"""Claims with an acceleration or a rotation rate: all that the number may mean is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from imuscribe.prompts.captions.explain import Span
from imuscribe.prompts.captions.facts import Facts, Values
from imuscribe.prompts.checking.config import UNSURE, CheckedClaim, Finding, decide, either
from imuscribe.prompts.checking.measures import MEASURES, check_moment
from imuscribe.prompts.checking.sentence import Frame, Number, Sentence

_Signals = Sequence[Values]
_DEFINITE = frozenset(
    ("max", "min", "peak", "valley", "top", "mean", "median", "std", "rms", "span", "amplitude")
)
"""Statistics that say exactly what is meant."""
_LEVEL = ("mean", "median", "stay")
_UNITS = {"acc": "m/s²", "gyro": "rad/s"}
_SPREAD: dict[str, Callable[[Values], float]] = {
    "std": lambda v: float(v.std()),
    "rms": lambda v: float(np.sqrt((v**2).mean())),
    "span": lambda v: float(np.ptp(v)),
}


def read_values(s: Sentence) -> Iterable[CheckedClaim]:
    """Check every number of a sentence that no other rule has used."""
    moments = {frame.token: frame for frame in s.frames}
    for i, token in enumerate(s.tokens):
        if i in moments:
            yield s.claim("time", [i], check_moment(s, moments[i]))
        elif not token.number_like or i in s.used:
            continue
        elif token.unit in MEASURES:
            kind, finding = MEASURES[token.unit](s, i)
            yield s.claim(kind, [i], finding)
        elif token.unit in ("angle", "share", "jerk"):
            yield s.claim("value", [i], UNSURE)
        elif token.unit or (s.axes(i) and _tied(s, i)):
            yield s.claim("value", [i], _value(s, i))


def _tied(s: Sentence, i: int) -> bool:
    """Whether a bare number is the value of something: "the mean of x is 0.5", "x = 0.5"."""
    if s.stat(i) in ("", "trend"):
        return "=" in s.text[s.tokens[i].start - 3 : s.tokens[i].start]
    return not s.plays(i + 1, "noun") and not s.plays(i - 1, "noun")


def _value(s: Sentence, i: int) -> Finding:
    """Check a number on every axis it is said of."""
    unit, named = s.tokens[i].unit, s.sensor(i)
    axes = s.axes(i)
    sensor = unit or ("gyro" if named == "gyro" else "acc")
    constant = s.has("gravity") and not axes  # "gravity (9.8 m/s²)" is a constant of nature
    if (
        named == "derived"
        or (named == "speed" and not unit)
        or (sensor == "gyro" and s.facts.rec.gyro is None)
        or "other" in axes
        or s.unsure(i)
        or constant
    ):
        return UNSURE
    number = Number(s, i, s.config.rotation if sensor == "gyro" else s.config.acceleration)
    findings = [_on_axis(number, sensor, axis, named == "linear") for axis in axes or [""]]
    if len(findings) == 1:
        return findings[0]
    if sum(t.number_like and t.unit == unit for t in s.tokens) > 1:
        # "x and y peak at 3 and 4": which belongs to which is not said.
        return decide(any(verdict == "supported" for verdict, _ in findings), False, "")
    order = ("contradicted", "unchecked", "supported")
    return min(findings, key=lambda finding: order.index(finding[0]))


def _on_axis(number: Number, sensor: str, axis: str, linear: bool) -> Finding:
    s, facts, stat = number.sentence, number.sentence.facts, number.stat
    if stat in ("peak", "") and s.topmost(number.i):
        stat = "top"
    if stat in ("range", "trend") and number.high is None:
        stat = ""
    frame = s.frame(number.i) or _edge(s)
    window = s.window(frame) if frame else None
    what = sensor, axis, linear
    plain, readings = facts.once(("readings", *what), lambda: _readings(facts, *what))
    finding = None
    if number.high is not None:
        finding = _ranged(number, stat, plain, readings, window)
    elif number.bound:
        finding = _bounded(number, stat, [_cut(p, window) for p in plain])
    if finding is not None:
        return finding[0], f"{finding[1]} {_UNITS[sensor]}"

    def meant() -> tuple[list[Values], list[float], str]:
        # The mean without gravity is nought by definition: nobody means that one.
        values = [_cut(v, window) for v in (plain if stat in _LEVEL else readings)]
        wanted = list(_candidates(facts, stat, values, window is not None))
        return values, wanted, _found(stat, [_cut(p, window) for p in plain], sensor, axis)

    values, wanted, found = facts.once(("meant", stat, *what, window), meant)
    if number.is_one_of(wanted):
        return "supported", found
    if stat in _DEFINITE:
        if frame is None and s.is_local() and stat not in ("max", "min", "top"):
            return decide(False, not any(number.is_within(v) for v in readings), found)
        small = stat in ("peak", "valley") and number.is_one_of(_extremes(facts, values, 0.05))
        return decide(False, not small, found)
    if stat == "stay":
        share = max(float((np.abs(v - number.value) <= number.slack).mean()) for v in values)
        return decide(False, share < 0.4, found)
    at_moment = frame is not None and frame.point
    possible = any(number.is_within(v) for v in values)
    return decide(at_moment and possible, not possible, found)


def _readings(
    facts: Facts, sensor: str, axis: str, linear: bool
) -> tuple[list[Values], list[Values]]:
    """Return the signals as measured, and all that may be meant."""
    if axis == "up":
        axis = "xyz"[int(np.abs(facts.mean).argmax())]
        if sensor == "acc" and facts.motion is not None:
            up = facts.motion.acceleration[1].astype(np.float64)
            plain = [facts.signal("acc", axis)]
            return plain, [*plain, facts.signal("change", axis), facts.signal("linear", axis), up]
    names = [axis] if axis else ["x", "y", "z", "norm"]
    if sensor == "gyro":
        rows = [facts.signal("gyro", name) for name in names]
        return rows, rows
    plain = [facts.signal("linear" if linear else "acc", name) for name in names]
    every = [*plain, *(facts.signal(s, n) for s in ("change", "linear") for n in names)]
    if "norm" in names:
        every.append(facts.signal("surplus", "norm"))
    if linear and axis in ("x", "y", "z") and f"lin_acc_{axis}" in facts.rec.channels:
        every.append(facts.rec.select((f"lin_acc_{axis}",))[0].astype(np.float64))
    return plain, every


def _candidates(facts: Facts, stat: str, values: _Signals, windowed: bool) -> Iterable[float]:
    """Yield what a statistic of these signals may be."""
    for v in values:
        high, low = float(v.max()), float(v.min())
        if stat == "max":
            yield from (high, low) if abs(low) > abs(high) else (high,)
        elif stat in ("min", "top", "peak", "valley", "reach"):
            yield from (high, low)
            if not windowed and stat not in ("min", "top"):
                yield from _extremes(facts, [v], 0.2)
        elif stat in _LEVEL:
            yield from (float(v.mean()), float(np.median(v)))
            if stat == "mean":
                yield float(np.abs(v).mean())
        elif stat in _SPREAD:
            yield _SPREAD[stat](v)
        elif stat == "amplitude":
            yield (high - low) / 2
        elif not windowed:
            yield from (float(v.mean()), float(np.median(v)), high, low)


def _extremes(facts: Facts, values: _Signals, share: float) -> Iterable[float]:
    """Yield the maxima and minima from which a signal comes back by a share of its range."""
    for v in values:
        tops, bottoms = facts.turning(v, share)
        yield from (float(v[k]) for k in (*tops, *bottoms))


def _bounded(number: Number, stat: str, plain: _Signals) -> Finding:
    """Check "stays below 17", "exceeds 5", "a mean above 9"."""
    bound, value, slack = number.bound, number.value, number.slack
    if stat in ("mean", "median", *_SPREAD):
        values = [v for one in plain for v in _candidates(number.sentence.facts, stat, [one], True)]
        low, high = min(values), max(values)
        found = f"{stat} {values[0]:.2f}"
    elif (
        bound == "floor"
        or (bound == "over" and stat in ("stay", "min"))
        or (bound == "under" and stat in ("trend", "reach", "min", "valley"))
    ):
        low = high = min(float(v.min()) for v in plain)
        found = f"minimum {low:.2f}"
    else:
        tops = [float(v.max() if number.signed else np.abs(v).max()) for v in plain]
        low, high = min(tops), max(tops)
        if number.upper:  # what never exceeds 5 may well be at -10
            low = min(float(v.max()) for v in plain)
            high = low if len(plain) == 1 else high
        found = f"maximum {high:.2f}"
    if number.upper:
        return decide(high <= value + slack, low > value + slack, found)
    return decide(high >= value - slack, high < value - slack, found)


def _ranged(
    number: Number, stat: str, plain: _Signals, readings: _Signals, window: Span | None
) -> Finding:
    """Check "between -4.6 and 4.6", "from 0.1 to 2.3"."""
    assert number.high is not None
    low, high = sorted((number.value, number.high))
    cut = [_cut(reading, window) for reading in readings]
    slack = max(number.slack, 0.05 * (high - low))
    ends = [(float(v.min()), float(v.max())) for v in cut]
    found = f"{ends[0][0]:.2f} to {ends[0][1]:.2f}"
    # Single samples beyond the rest are often left out of "between ... and ...".
    inner = [_bulk(v) for v in cut]
    if any(abs(low - a) <= slack and abs(high - b) <= slack for a, b in [*ends, *inner]):
        return "supported", found
    within = any(a >= low - slack and b <= high + slack for a, b in ends)
    if stat == "stay":
        return either(within, found)
    possible = any(a - slack <= low and high <= b + slack for a, b in ends)
    if stat == "trend" and window is not None:
        first, last = (float(plain[0][k]) for k in window)
        spread = max(slack, 0.1 * float(np.ptp(plain[0])))
        right = abs(first - number.value) <= spread and abs(last - number.high) <= spread
        return decide(right, not possible, f"{first:.2f} to {last:.2f}")
    if stat in ("trend", "reach", ""):
        return decide(False, not possible and not (within and not stat), found)
    local = number.sentence.is_local() and window is None
    return decide(False, not (local and (possible or within)), found)


def _bulk(values: Values) -> tuple[float, float]:
    """Return between what all but a fiftieth at either end lie."""
    ordered, few = np.sort(values), len(values) // 50
    return float(ordered[few]), float(ordered[-1 - few])


def _edge(s: Sentence) -> Frame | None:
    """Return the start or the end of the recording where a sentence speaks of that."""
    if s.has("half") or s.has("stat") or s.has("noun"):
        return None
    for role, start, end in (("begin", 0.0, 0.1), ("finish", 0.9, 1.0)):
        if s.has(role):
            length = s.facts.rec.duration
            return Frame(-1, start * length, end * length, 0.05, True, given=False)
    return None


def _cut(values: Values, window: Span | None) -> Values:
    return values if window is None else values[window[0] : window[1] + 1]


def _found(stat: str, plain: _Signals, sensor: str, axis: str) -> str:
    """Say what the recording shows where a claim about it was made."""
    name = {"norm": "strength", "up": "vertical"}.get(axis, axis)
    parts = []
    for label, v in zip([name] if axis else ["x", "y", "z", "strength"], plain, strict=False):
        if stat in _LEVEL:
            parts.append(f"{label} mean {v.mean():.2f}")
        elif stat in _SPREAD:
            parts.append(f"{label} {stat} {_SPREAD[stat](v):.2f}")
        else:
            parts.append(f"{label} from {v.min():.2f} to {v.max():.2f}")
    return f"{', '.join(parts)} {_UNITS[sensor]}"
