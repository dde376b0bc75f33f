"""Claims with a speed, a length, a moment or duration, a number of samples, or a frequency."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imuscribe.prompts.captions.facts import Facts, Values
from imuscribe.prompts.checking.config import UNSURE, Finding, decide, either
from imuscribe.prompts.checking.sentence import Frame, Number, Sentence

Measured = tuple[str, Finding]
"""The kind of claim, and what became of it."""

_EXTREME = ("max", "min", "peak", "valley")


def _speed(s: Sentence, i: int) -> Measured:
    facts = s.facts
    if facts.motion is None or facts.speed is None or s.unsure(i):
        return "speed", UNSURE
    number = Number(s, i, s.config.speed)
    frame = s.frame(i)
    first, last = s.window(frame) if frame else (0, facts.rec.n_samples - 1)
    flat = facts.speed[first : last + 1]
    solid = np.linalg.norm(facts.motion.velocity[:, first : last + 1], axis=0)
    top = (float(flat.max()), float(solid.max()))
    found = f"peak speed {top[0]:.2f} m/s, mean {flat.mean():.2f} m/s"
    if number.bound:
        low, high = number.value - number.slack, number.value + number.slack
        return "speed", either(min(top) <= high if number.upper else max(top) >= low, found)
    level = (float(flat.mean()), float(solid.mean()))
    if number.stat in ("mean", "median"):
        return "speed", either(number.is_one_of(level), found)
    phases = [p.peak for p in facts.explanation.phases if p.kind == "movement"]
    sides = [float(np.abs(row).max()) for row in facts.motion.velocity]
    local = s.is_local() or number.stat != "max"
    others = [*phases, *sides, *(() if number.stat else level)] if local else []
    if number.is_one_of([*top, *others]):
        return "speed", ("supported", found)
    beyond = number.value > max(top) + number.slack
    definite = number.stat == "max" or (number.stat in ("peak", "reach") and not s.is_local())
    return "speed", decide(False, beyond or definite, found)


def _length(s: Sentence, i: int) -> Measured:
    facts = s.facts
    if facts.path is None or s.unsure(i) or s.compare(i):
        return "length", UNSURE
    number = Number(s, i, s.config.length)
    whole = _way(facts.path)
    width, height = (float(v) for v in np.ptp(facts.path, axis=1))
    frame = s.frame(i)
    if frame is not None and not frame.point:
        first, last = s.window(frame)
        cut = facts.path[:, first : last + 1]
        net = facts.step((first, last))
        straight = float(np.linalg.norm(net))
        found = f"{straight:.2f} m from {frame.start:.2f} to {frame.end:.2f} s"
        good = number.is_one_of([straight, *np.abs(net), *np.ptp(cut, axis=1), _way(cut)])
        return "length", either(good, found)
    if s.has("size"):
        nearest = min(s.indices("size"), key=lambda k: (k < i, abs(k - i)))
        size = s.tokens[nearest].roles["size"]
        good = number.is_one_of([{"wide": width, "tall": height, "path": whole}[size]])
        found = f"{width:.2f} m wide, {height:.2f} m tall, path {whole:.2f} m"
        return "length", either(good, found)
    moves = [p.length for p in facts.explanation.phases if p.kind == "movement"]
    net = facts.step((0, facts.rec.n_samples - 1))
    straight = float(np.linalg.norm(net))
    good = number.is_one_of([*moves, width, height, facts.extent, whole, straight])
    found = "movements of " + ", ".join(f"{length:.2f}" for length in moves) + " m"
    return "length", decide(good, number.value > whole + number.slack, found)


def _way(path: Values) -> float:
    return float(np.linalg.norm(np.diff(path, axis=1), axis=0).sum())


def _time(s: Sentence, i: int) -> Measured:
    """Check how long something lasts."""
    facts = s.facts
    number = Number(s, i, s.config.time)
    if s.unsure(i) or number.high is not None:
        return "duration", UNSURE
    length = facts.rec.duration
    found = f"{length:.2f} s long"
    if number.bound:
        good = (length - number.value) * (-1 if number.upper else 1) >= -number.slack
        return "duration", either(good, found) if s.has("lasts") else UNSURE
    if number.value > length + number.slack:
        return "duration", ("contradicted", found)
    of_a_part = s.has("noun") or s.has("rest") or s.has("dir")
    if not of_a_part and (s.has("lasts") or s.has("self")):
        return "duration", either(number.is_one_of([length]), found)
    parts = [phase.end - phase.start for phase in facts.explanation.phases]
    meant = of_a_part or s.has("lasts")
    return "duration", decide(meant and number.is_one_of([length, *parts]), False, found)


def check_moment(s: Sentence, frame: Frame) -> Finding:
    """Check that something is at a moment: it must be in the recording, and there."""
    facts, i, unit = s.facts, frame.token, s.tokens[frame.token].unit
    if frame.end > facts.rec.duration + frame.slack and not s.guarded:
        samples = f"{facts.rec.n_samples} samples"
        end = samples if unit == "sample" else f"{facts.rec.duration:.2f} s"
        return "contradicted", f"that it ends after {end}"
    place = _extreme_of(s, i)
    if not frame.point or place is None or s.guarded or s.negated(i):
        return UNSURE
    word, axes = s.tokens[place].roles["stat"], s.axes(place)
    word = "top" if word == "peak" and s.topmost(place + 1) else word
    signals = _signals(s, place, axes)
    places = [k for v in signals for k in _places(facts, word, v, bool(axes))]
    near = sorted({float(facts.rec.t[k]) for k in places}, key=lambda at: abs(at - frame.start))
    if not near:
        return UNSURE
    found = f"{word} at {', '.join(f'{at:.2f}' for at in near[:3])} s"
    off = abs(near[0] - frame.start)
    return decide(off <= frame.slack + 1e-9, off > 1.5 * frame.slack, found)


def _extreme_of(s: Sentence, i: int) -> int | None:
    """Return the peak, maximum … that is said to be at moment `i`: the last before, or the next."""
    places = [k for k in s.indices("stat") if s.tokens[k].roles["stat"] in _EXTREME]
    before = [k for k in places if k < i]
    if before and not any(frame.token in range(before[-1], i) for frame in s.frames):
        return before[-1]
    return next((k for k in places if k > i), None)


def _signals(s: Sentence, place: int, axes: list[str]) -> list[Values]:
    """Return the signals whose extreme may be meant."""
    facts, sensor = s.facts, s.sensor(place)
    if sensor == "derived" or "other" in axes:
        return []
    if sensor == "speed":
        return [] if facts.speed is None else [facts.speed]
    names = [axis for axis in axes if axis != "up"] or ["x", "y", "z", "norm"]
    turning = sensor == "gyro" or any(token.unit == "gyro" for token in s.tokens)
    kinds = ("gyro",) if turning and facts.rec.gyro is not None else ("acc", "change")
    return [facts.signal(kind, name) for kind in kinds for name in names]


def _places(facts: Facts, word: str, values: Values, exact: bool) -> list[int]:
    """Return where a signal has such an extreme; peaks may be local ones."""
    spread = float(np.ptp(values))
    if spread < 1e-3:
        return []
    if word == "top":
        height = np.abs(values - np.median(values))
        return list(np.flatnonzero(height >= 0.97 * height.max()))
    if word == "max":
        top = list(np.flatnonzero(values >= values.max() - 0.01 * spread))
        return top if exact else [*top, int(np.abs(values).argmax())]
    if word == "min":
        return list(np.flatnonzero(values <= values.min() + 0.01 * spread))
    tops, bottoms = facts.turning(values, 0.1)
    return [*tops, *bottoms, int(values.argmax()), int(values.argmin())]


def _samples(s: Sentence, i: int) -> Measured:
    number, n = Number(s, i, 1.5), s.facts.rec.n_samples
    found = f"{n} samples"
    if s.unsure(i) or number.high is not None:
        return "samples", UNSURE
    if number.bound:
        return "samples", either(n <= number.value if number.upper else n >= number.value, found)
    of_a_part = s.has("rest") or s.has("noun", "move", "phase", "rest")
    of_a_part = of_a_part or s.plays(i - 1, "first") or s.plays(i - 1, "last")
    good = abs(n - number.value) <= (number.slack if s.hedged(i) else 1.5)
    return "samples", decide(good, not of_a_part or number.value > n + 1.5, found)


def _rate(s: Sentence, i: int) -> Measured:
    rec = s.facts.rec
    sampling = s.has("sampling") or any(token.unit == "sample" for token in s.tokens)
    kind = "frequency" if s.has("dominant") or not sampling else "rate"
    if s.unsure(i) or s.compare(i) or s.tokens[i].high is not None:
        return kind, UNSURE
    if kind == "rate":
        return kind, either(Number(s, i, 0.0).is_one_of([rec.rate]), f"{rec.rate:.1f} Hz")
    frequencies = s.facts.frequencies
    if not s.has("dominant") or not frequencies:
        return kind, UNSURE
    good = Number(s, i, max(0.5 / max(rec.duration, 1e-9), 0.1)).is_one_of(frequencies)
    strongest = ", ".join(f"{f:.1f}" for f in sorted(set(np.round(frequencies, 1))))
    return kind, either(good, f"strongest at {strongest} Hz")


MEASURES: dict[str, Callable[[Sentence, int], Measured]] = {
    "speed": _speed,
    "length": _length,
    "time": _time,
    "sample": _samples,
    "rate": _rate,
}
"""What checks a number with such a unit."""
