"""Claims that carry a number with a unit, and all that it may mean in the recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from prompts.claim_sentence import Frame, Sentence
from prompts.facts import Facts, Values, Window, turning_samples

if TYPE_CHECKING:
    from prompts.claims import CheckConfig

Verdict = Literal["supported", "contradicted", "unchecked"]


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One claim of a text.

    Parameters
    ----------
    kind : str
        ``value``, ``speed``, ``length``, ``time``, ``duration``, ``samples``, ``rate``,
        ``frequency``, ``gravity``, ``sign``, ``direction``, ``order``, ``count``, ``rest``,
        ``dominance``.
    start, end : int
        Where it stands: ``text[start:end]``.
    verdict : str
        ``supported``, ``contradicted`` or ``unchecked``.
    found : str
        What the recording says.
    """

    kind: str
    start: int
    end: int
    verdict: Verdict
    found: str = ""


UNITS = {"acc": "m/s²", "gyro": "rad/s", "speed": "m/s", "length": "m", "time": "s", "rate": "Hz"}
_EXTREME = ("max", "min", "peak", "valley")
_SURE = (*_EXTREME, "top", "mean", "median", "std", "rms", "span", "amplitude")
"""Statistics that say exactly what is meant."""


def read_values(sentence: Sentence, config: CheckConfig) -> Iterable[CheckedClaim]:
    """Judge every number of a sentence that no other rule has used."""
    readers = {"speed": _speed, "length": _length, "time": _time, "sample": _samples, "rate": _rate}
    for i, token in enumerate(sentence.tokens):
        if not token.number_like or (i in sentence.used and not _is_moment(sentence, i)):
            continue
        sensor = token.unit
        if not sensor and not (sentence.axes(i) and _tied(sentence, i)):
            continue  # a bare number that is of nothing in particular
        if token.unit in ("angle", "share", "jerk"):
            verdict: tuple[Verdict, str] = "unchecked", ""
            kind = "value"
        elif token.unit in readers:
            kind, verdict = readers[token.unit](sentence, i, config)
        else:
            kind, verdict = "value", _value(sentence, i, config)
        if kind:
            yield CheckedClaim(kind, token.start, token.end, *verdict)


def close(
    sentence: Sentence, i: int, values: Iterable[float], config: CheckConfig, least: float
) -> bool:
    """Whether number `i` is one of these values, within its tolerance."""
    token, sign = sentence.tokens[i], sentence.sign(i)
    stated = sign * abs(token.number) if sign else token.number
    for value in values:
        actual = value if token.signed or sign else abs(value)
        if abs(stated - actual) <= tolerance(sentence, i, stated, config, least):
            return True
    return False


def tolerance(
    sentence: Sentence, i: int, stated: float, config: CheckConfig, least: float
) -> float:
    """Return how far a number may be off: rounding, a share of it, and twice that if hedged."""
    hedged = sentence.hedged(i)
    share = config.hedged if hedged else config.relative
    return max(least * (2 if hedged else 1), share * abs(stated), sentence.tokens[i].half) + 1e-9


# Acceleration and rotation -----------------------------------------------------------------------


def _value(s: Sentence, i: int, config: CheckConfig) -> tuple[Verdict, str]:
    token, facts = s.tokens[i], s.facts
    sensor = s.sensor(i)
    if sensor == "derived" or (sensor == "speed" and not token.unit):
        return "unchecked", ""
    sensor = token.unit or ("gyro" if sensor == "gyro" else "acc")
    if sensor == "gyro" and facts.rec.gyro is None:
        return "unchecked", "no gyroscope"
    axes = s.axes(i)
    if "other" in axes or s.unsure(i):
        return "unchecked", ""
    if s.has("gravity") and not axes:
        return "unchecked", ""  # "gravity (9.8 m/s²)" is a constant of nature
    linear = s.sensor(i) == "linear"
    verdicts = [_one_axis(s, i, sensor, axis, linear, config) for axis in axes or [""]]
    for verdict in verdicts:
        if verdict[0] == "contradicted" and len(verdicts) == 1:
            return verdict
    if len(verdicts) > 1:  # "x and y stay below 2": all of them, but "x and y peak at 3 and 4"
        numbers = [t for t in s.tokens if t.number_like and t.unit == token.unit]
        if len(numbers) > 1:
            good = any(v[0] == "supported" for v in verdicts)
            return ("supported" if good else "unchecked"), ""
        for wanted in ("contradicted", "unchecked"):
            for verdict in verdicts:
                if verdict[0] == wanted:
                    return verdict
    return verdicts[0]


def _one_axis(
    s: Sentence, i: int, sensor: str, axis: str, linear: bool, config: CheckConfig
) -> tuple[Verdict, str]:
    token, stat, bound = s.tokens[i], s.stat(i), s.compare(i)
    if stat == "peak" and _topmost(s, i):
        stat = "top"
    if stat in ("range", "trend") and token.high is None:
        stat = ""
    least = config.rotation if sensor == "gyro" else config.acceleration
    plain, readings = _readings(s.facts, sensor, axis, linear)
    frame = s.frame(i) or _half(s)
    window = s.window(frame) if frame else None
    if bound and token.high is None:
        return _bounded(s, i, bound, stat, [_cut(p, window) for p in plain], sensor, config, least)
    if token.high is not None:
        return _ranged(s, i, stat, plain, readings, window, sensor, config, least)
    # The mean without gravity is nought by definition: nobody means that one.
    meant = plain if stat in ("mean", "median", "stay") else readings
    values = [_cut(reading, window) for reading in meant]
    told = _told(stat, [_cut(p, window) for p in plain], sensor, axis)
    wanted = list(_candidates(stat, values, window is not None))
    if close(s, i, wanted, config, least):
        return "supported", told
    if stat in _SURE:
        if frame is None and _is_local(s) and stat not in ("max", "min"):
            return _possible(s, i, readings, told, config, least)
        if stat in ("peak", "valley") and close(s, i, _small_extremes(values), config, least):
            return "unchecked", told
        return "contradicted", told
    if stat == "stay":
        return _stays(s, i, values, told, config, least)
    if frame is not None and frame.point:
        held = any(_inside(s, i, v, config, least) for v in values)
        return ("supported" if held else "contradicted"), _told(
            "", [_cut(p, window) for p in plain], sensor, axis
        )
    return _possible(s, i, values, told, config, least)


def _readings(
    facts: Facts, sensor: str, axis: str, linear: bool
) -> tuple[list[Values], list[Values]]:
    """Return the signals as measured, and all that may be meant."""
    if axis == "up":
        mean = facts.mean
        axis = "xyz"[int(np.abs(mean).argmax())]
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
    if set(names) & {"norm"}:
        norm = facts.signal("acc", "norm")
        every.append(norm - float(np.median(norm)))
    if linear and {"lin_acc_x", "lin_acc_y", "lin_acc_z"} <= set(facts.rec.channels):
        rows_ = facts.rec.select(("lin_acc_x", "lin_acc_y", "lin_acc_z")).astype(np.float64)
        every += [r for n, r in zip("xyz", rows_, strict=True) if not axis or n == axis]
    return plain, every


def _candidates(stat: str, values: Sequence[Values], windowed: bool) -> Iterable[float]:
    """Yield what a statistic of these signals may be."""
    for v in values:
        high, low = float(v.max()), float(v.min())
        if stat in ("max", "min"):
            yield from (high, low) if abs(low) > abs(high) or stat == "min" else (high,)
        elif stat == "top":
            yield from (high, low)
        elif stat in ("peak", "valley", "reach", "amplitude"):
            if stat == "amplitude":
                yield (high - low) / 2
                continue
            yield from (high, low)
            if not windowed:
                tops, bottoms = turning_samples(v, 0.2)
                yield from (float(v[k]) for k in (*tops, *bottoms))
        elif stat in ("mean", "median", "stay"):
            yield from (float(v.mean()), float(np.median(v)))
            if stat == "mean":
                yield float(np.abs(v).mean())
        elif stat == "std":
            yield float(v.std())
        elif stat == "rms":
            yield float(np.sqrt((v**2).mean()))
        elif stat == "span":
            yield high - low
        elif not windowed:
            yield from (float(v.mean()), float(np.median(v)), high, low)


def _small_extremes(values: Sequence[Values]) -> Iterable[float]:
    for v in values:
        tops, bottoms = turning_samples(v, 0.05)
        yield from (float(v[k]) for k in (*tops, *bottoms))


def _bounded(
    s: Sentence,
    i: int,
    bound: str,
    stat: str,
    plain: Sequence[Values],
    sensor: str,
    config: CheckConfig,
    least: float,
) -> tuple[Verdict, str]:
    """Judge "stays below 17", "exceeds 5", "a mean above 9"."""
    token = s.tokens[i]
    slack = tolerance(s, i, token.number, config, least)
    falls = stat in ("trend", "reach", "min", "valley")
    if stat in ("mean", "median", "std", "rms", "span"):
        values = [v for one in plain for v in _candidates(stat, [one], True)]
        low, high = min(values), max(values)
        told = f"{stat} {_numbers(values[:1])} {UNITS[sensor]}"
    elif bound == "floor" or (bound == "over" and stat in ("stay", "min")):
        low = high = min(float(v.min()) for v in plain)
        told = f"minimum {low:.2f} {UNITS[sensor]}"
        bound = "over"
    elif bound == "under" and falls:
        low = high = min(float(v.min()) for v in plain)
        told = f"minimum {low:.2f} {UNITS[sensor]}"
    else:
        tops = [float(v.max() if token.signed else np.abs(v).max()) for v in plain]
        above = bound in ("under", "ceiling")
        low, high = min(tops), max(tops)
        if above and not token.signed:
            low = min(float(v.max()) for v in plain)
        told = f"maximum {high:.2f} {UNITS[sensor]}"
    if bound == "over":
        return _sure(high >= token.number - slack, high < token.number - slack, told)
    return _sure(high <= token.number + slack, low > token.number + slack, told)


def _ranged(
    s: Sentence,
    i: int,
    stat: str,
    plain: Sequence[Values],
    readings: Sequence[Values],
    window: Window | None,
    sensor: str,
    config: CheckConfig,
    least: float,
) -> tuple[Verdict, str]:
    """Judge "between -4.6 and 4.6", "from 0.1 to 2.3"."""
    token = s.tokens[i]
    assert token.high is not None
    low, high = sorted((token.number, token.high))
    cut = [_cut(reading, window) for reading in readings]
    told = "; ".join(
        f"{v.min():.2f} to {v.max():.2f} {UNITS[sensor]}" for v in [_cut(plain[0], window)]
    )
    slack = max(tolerance(s, i, max(abs(low), abs(high)), config, least), 0.05 * (high - low))
    within = any(v.min() >= low - slack and v.max() <= high + slack for v in cut)
    exact = any(
        abs(low - min(v.min(), e[0])) <= slack or abs(low - e[0]) <= slack
        for v in cut
        for e in [(float(np.quantile(v, 0.02)), 0.0)]
        if abs(high - v.max()) <= slack or abs(high - float(np.quantile(v, 0.98))) <= slack
    )
    if exact:
        return "supported", told
    if stat == "stay":
        return _sure(within, not within, told)
    possible = any(v.min() - slack <= low and high <= v.max() + slack for v in cut)
    if stat == "trend" or (stat in ("reach", "") and window is not None):
        if window is None or stat != "trend":
            return ("unchecked" if possible else "contradicted"), told
        first, last = (float(plain[0][k]) for k in window)
        spread = max(slack, 0.1 * float(np.ptp(plain[0])))
        right = abs(first - token.number) <= spread and abs(last - token.high) <= spread
        return _sure(right, not possible, f"{first:.2f} to {last:.2f} {UNITS[sensor]}")
    if stat in ("range", "span", "peak", "max", "min") and not (_is_local(s) and window is None):
        return "contradicted", told
    return ("unchecked" if possible or within else "contradicted"), told


def _stays(
    s: Sentence, i: int, values: Sequence[Values], told: str, config: CheckConfig, least: float
) -> tuple[Verdict, str]:
    """Judge "stays near 0" where neither mean nor median is that."""
    stated = s.tokens[i].number
    slack = tolerance(s, i, stated, config, least)
    share = max(float((np.abs(v - stated) <= slack).mean()) for v in values)
    return _sure(False, share < 0.4, told)


def _possible(
    s: Sentence, i: int, values: Sequence[Values], told: str, config: CheckConfig, least: float
) -> tuple[Verdict, str]:
    """Refute only what the signal never is."""
    held = any(_inside(s, i, v, config, least) for v in values)
    return ("unchecked" if held else "contradicted"), told


def _inside(s: Sentence, i: int, values: Values, config: CheckConfig, least: float) -> bool:
    token, sign = s.tokens[i], s.sign(i)
    stated = sign * abs(token.number) if sign else token.number
    slack = tolerance(s, i, stated, config, least)
    low, high = float(values.min()) - slack, float(values.max()) + slack
    return low <= stated <= high or (not token.signed and not sign and low <= -stated <= high)


# Speed, length, time, rate -----------------------------------------------------------------------


def _speed(s: Sentence, i: int, config: CheckConfig) -> tuple[str, tuple[Verdict, str]]:
    facts, stat = s.facts, s.stat(i)
    if facts.motion is None or facts.speed is None or s.unsure(i):
        return "speed", ("unchecked", "")
    frame = s.frame(i)
    window = s.window(frame) if frame else None
    solid = np.linalg.norm(facts.motion.velocity, axis=0).astype(np.float64)
    speeds = [_cut(facts.speed, window), _cut(solid, window)]
    top = [float(v.max()) for v in speeds]
    told = f"peak speed {top[0]:.2f} m/s, mean {speeds[0].mean():.2f} m/s"
    bound = s.compare(i)
    slack = tolerance(s, i, s.tokens[i].number, config, config.speed)
    if bound in ("over", "floor"):
        return "speed", _sure(
            max(top) >= s.tokens[i].number - slack, max(top) < s.tokens[i].number - slack, told
        )
    if bound:
        return "speed", _sure(
            min(top) <= s.tokens[i].number + slack, min(top) > s.tokens[i].number + slack, told
        )
    values = [float(v.mean()) for v in speeds]
    if stat not in ("mean", "median"):
        phases = [p.peak for p in facts.explanation.phases if p.kind == "movement"]
        sides = [float(np.abs(row).max()) for row in facts.motion.velocity]
        values = [*top, *phases, *sides, *([] if stat else values)]
    if close(s, i, values, config, config.speed):
        return "speed", ("supported", told)
    beyond = s.tokens[i].number > max(top) + slack
    sure = (
        beyond
        or stat in ("mean", "median", "max")
        or (stat in ("peak", "reach") and not _is_local(s))
    )
    return "speed", (("contradicted" if sure else "unchecked"), told)


def _length(s: Sentence, i: int, config: CheckConfig) -> tuple[str, tuple[Verdict, str]]:
    facts = s.facts
    if facts.motion is None or facts.path is None or s.unsure(i):
        return "length", ("unchecked", "")
    frame = s.frame(i)
    steps = np.diff(facts.path, axis=1)
    whole = float(np.linalg.norm(steps, axis=0).sum())
    width, height = (float(v) for v in np.ptp(facts.path, axis=1))
    size = s.tokens[s.indices("size")[0]].roles["size"] if s.has("size") else ""
    slack = tolerance(s, i, s.tokens[i].number, config, config.length)
    bound = s.compare(i)
    if bound:
        return "length", ("unchecked", "")
    if frame is not None and not frame.point:
        window = s.window(frame)
        net = facts.step(window)
        cut = facts.path[:, window[0] : window[1] + 1]
        values = [float(np.linalg.norm(net)), *np.abs(net), *np.ptp(cut, axis=1)]
        values.append(float(np.linalg.norm(np.diff(cut, axis=1), axis=0).sum()))
        told = f"{values[0]:.2f} m from {frame.start:.2f} to {frame.end:.2f} s"
        good = close(s, i, values, config, config.length)
        return "length", _sure(good, not good, told)
    if size:
        value = {"wide": width, "tall": height, "path": whole}[size]
        told = f"{width:.2f} m wide, {height:.2f} m tall, path {whole:.2f} m"
        good = close(s, i, [value], config, config.length)
        return "length", _sure(good, not good, told)
    phases = [p.length for p in facts.explanation.phases if p.kind == "movement"]
    net = facts.step((0, facts.rec.n_samples - 1))
    told = "movements of " + ", ".join(f"{p:.2f}" for p in phases) + " m"
    if close(
        s,
        i,
        [*phases, width, height, facts.extent, whole, float(np.linalg.norm(net))],
        config,
        config.length,
    ):
        return "length", ("supported", told)
    return "length", (("contradicted" if s.tokens[i].number > whole + slack else "unchecked"), told)


def _time(s: Sentence, i: int, config: CheckConfig) -> tuple[str, tuple[Verdict, str]]:
    """Judge a moment, or how long something lasts."""
    token, facts = s.tokens[i], s.facts
    moment = next((frame for frame in s.frames if frame.token == i), None)
    if moment is not None:
        return "time", _moment(s, i, moment, config)
    if s.unsure(i) or token.high is not None:
        return "duration", ("unchecked", "")
    slack = tolerance(s, i, token.number, config, config.time)
    told = f"{facts.rec.duration:.2f} s long"
    if token.number > facts.rec.duration + slack and not s.compare(i):
        return "duration", ("contradicted", told)
    if s.compare(i) and s.has("lasts"):
        over = s.compare(i) in ("over", "floor")
        gap = facts.rec.duration - token.number
        return "duration", _sure(
            (gap if over else -gap) >= -slack, (gap if over else -gap) < -slack, told
        )
    part = s.has("noun") or s.has("rest") or s.has("dir")
    if not part and (s.has("lasts") or s.has("self")):
        good = close(s, i, [facts.rec.duration], config, config.time)
        return "duration", _sure(good, not good, told)
    lengths = [p.end - p.start for p in facts.explanation.phases]
    good = s.has("lasts") and close(s, i, [facts.rec.duration, *lengths], config, 2 * config.time)
    return "duration", (("supported" if good else "unchecked"), told)


def _moment(s: Sentence, i: int, frame: Frame, config: CheckConfig) -> tuple[Verdict, str]:
    facts, token = s.facts, s.tokens[i]
    end = facts.rec.duration
    if frame.end > end + frame.slack and not s.guarded:
        unit = f"{facts.rec.n_samples} samples" if token.unit == "sample" else f"{end:.2f} s"
        return "contradicted", f"the recording ends after {unit}"
    stats = [k for k in s.indices("stat") if s.tokens[k].roles["stat"] in _EXTREME]
    if not frame.point or not stats or s.guarded or s.negated(i):
        return "unchecked", ""
    stat = min(stats, key=lambda k: (abs(k - i), k))
    word = s.tokens[stat].roles["stat"]
    word = "top" if word == "peak" and _topmost(s, stat + 1) else word
    sensor, axes = s.sensor(stat), s.axes(stat)
    if sensor == "derived" or "other" in axes:
        return "unchecked", ""
    places: list[int] = []
    signals: list[Values] = []
    if sensor == "speed":
        if facts.speed is None:
            return "unchecked", ""
        signals = [facts.speed]
    else:
        name = "gyro" if sensor == "gyro" and facts.rec.gyro is not None else "acc"
        if any(t.unit == "gyro" for t in s.tokens) and facts.rec.gyro is not None:
            name = "gyro"
        for axis in axes or [""]:
            signals += _readings(facts, name, axis, False)[1]
    for values in signals:
        places += _places(word, values, axes != [])
    t = facts.rec.t
    near = sorted({round(float(t[k]), 2) for k in places}, key=lambda at: abs(at - frame.start))
    if not near:
        return "unchecked", ""
    told = f"{word} at {', '.join(f'{at:.2f}' for at in near[:3])} s"
    off = abs(near[0] - frame.start)
    return _sure(off <= frame.slack + 1e-9, off > 1.5 * frame.slack, told)


def _places(word: str, values: Values, exact: bool) -> list[int]:
    """Return where such an extreme is: all places within a hundredth of the highest, or local."""
    spread = float(np.ptp(values))
    if spread < 1e-3:
        return []
    if word == "top":
        middle = np.abs(values - np.median(values))
        return [int(k) for k in np.flatnonzero(middle >= 0.97 * middle.max())]
    if word == "max":
        top = np.flatnonzero(values >= values.max() - 0.01 * spread)
        return [*top.tolist(), *([] if exact else [int(np.abs(values).argmax())])]
    if word == "min":
        return [int(k) for k in np.flatnonzero(values <= values.min() + 0.01 * spread)]
    tops, bottoms = turning_samples(values, 0.1)
    return [*tops, *bottoms, int(values.argmax()), int(values.argmin())]


def _samples(s: Sentence, i: int, config: CheckConfig) -> tuple[str, tuple[Verdict, str]]:
    moment = next((frame for frame in s.frames if frame.token == i), None)
    if moment is not None:
        return "time", _moment(s, i, moment, config)
    token, n = s.tokens[i], s.facts.rec.n_samples
    told = f"{n} samples"
    if s.guarded or s.negated(i) or token.high is not None or s.has("per"):
        return "samples", ("unchecked", told)
    bound = s.compare(i)
    if bound:
        over = bound in ("over", "floor")
        good = n >= token.number if over else n <= token.number
        return "samples", _sure(good, not good, told)
    part = s.has("noun", "move") or s.has("noun", "phase") or s.has("noun", "rest") or s.has("rest")
    good = close(s, i, [n], config, 1.5)
    wrong = token.number > n + 1.5 or (
        not part and not s.plays(i - 1, "first") and not s.plays(i - 1, "last")
    )
    return "samples", _sure(good, not good and wrong, told)


def _rate(s: Sentence, i: int, config: CheckConfig) -> tuple[str, tuple[Verdict, str]]:
    facts, token = s.facts, s.tokens[i]
    if s.guarded or s.negated(i) or s.compare(i) or token.high is not None:
        return "rate", ("unchecked", "")
    sampling = s.has("sampling") or any(t.unit == "sample" for t in s.tokens)
    if sampling and not s.has("dominant"):
        good = close(s, i, [facts.rec.rate], config, 0.02 * facts.rec.rate)
        return "rate", _sure(good, not good, f"{facts.rec.rate:.1f} Hz")
    if not s.has("dominant"):
        return "frequency", ("unchecked", "")
    found = facts.frequencies
    if not found:
        return "frequency", ("unchecked", "nothing moves")
    least = max(0.5 / max(facts.rec.duration, 1e-9), 0.1)
    told = "strongest at " + ", ".join(f"{f:.1f}" for f in sorted(set(np.round(found, 1)))) + " Hz"
    good = close(s, i, found, config, least)
    return "frequency", _sure(good, not good, told)


# Small things ------------------------------------------------------------------------------------


def _sure(good: bool, bad: bool, told: str) -> tuple[Verdict, str]:
    return ("supported" if good else "contradicted" if bad else "unchecked"), told


def _cut(values: Values, window: Window | None) -> Values:
    return values if window is None else values[window[0] : window[1] + 1]


def _half(s: Sentence) -> Frame | None:
    """Return the start or the end of the recording where a sentence speaks of that."""
    for role, start, end in (("begin", 0.0, 0.1), ("finish", 0.9, 1.0)):
        if s.has(role) and not s.has("half") and not s.has("stat") and not s.has("noun"):
            length = s.facts.rec.duration
            return Frame(-1, start * length, end * length, 0.05, True, told=False)
    return None


def _is_local(s: Sentence) -> bool:
    """Whether a sentence speaks of a part of the recording without saying from when to when."""
    return bool(
        s.has("noun", "move")
        or s.has("noun", "phase")
        or s.has("noun", "rest")
        or s.has("half")
        or s.has("begin")
        or s.has("finish")
        or (s.has("then", "") and s.has("back"))
    )


def _is_moment(s: Sentence, i: int) -> bool:
    return any(frame.token == i for frame in s.frames)


def _topmost(s: Sentence, i: int) -> bool:
    """Whether the highest of the peaks is meant."""
    for k in range(i - 1, max(i - 5, -1), -1):
        if s.tokens[k].number_like:
            return False
        if s.plays(k, "most", "most"):
            return True
    return False


def _tied(s: Sentence, i: int) -> bool:
    """Whether a bare number is the value of something: "the mean of x is 0.5", "x = 0.5"."""
    if s.stat(i) in ("", "trend"):
        return "=" in s.text[s.tokens[i].start - 3 : s.tokens[i].start]
    return not s.plays(i + 1, "noun") and not s.plays(i - 1, "noun")


def _told(stat: str, plain: Sequence[Values], sensor: str, axis: str) -> str:
    """Say what the recording shows where a claim about it was made."""
    name = {"": "", "norm": "strength ", "up": "vertical "}.get(axis, f"{axis} ")
    unit = UNITS[sensor]
    parts = []
    for label, v in zip([axis] if axis else ["x", "y", "z", "norm"], plain, strict=False):
        one = "" if axis else f"{label} "
        if stat in ("mean", "median", "stay"):
            parts.append(f"{one}mean {v.mean():.2f}")
        elif stat in ("std", "rms", "span"):
            value = {"std": v.std(), "rms": np.sqrt((v**2).mean()), "span": np.ptp(v)}[stat]
            parts.append(f"{one}{stat} {value:.2f}")
        else:
            parts.append(f"{one}{v.min():.2f} to {v.max():.2f}")
    return f"{name}{', '.join(parts)} {unit}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{v:.2f}" for v in values)
