"""Claims about axes: which carries gravity, which sign it has, which moves most."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from imuscribe.prompts.checking.config import UNSURE, CheckedClaim, Finding, decide, either
from imuscribe.prompts.checking.sentence import Sentence


def read_axes(s: Sentence) -> Iterable[CheckedClaim]:
    """Check what a sentence says of axes without a number."""
    yield from _gravity(s)
    yield from _signs(s)
    yield from _dominance(s)


# Gravity and signs -------------------------------------------------------------------------------


def _gravity(s: Sentence) -> Iterable[CheckedClaim]:
    for i in [*s.indices("upis"), *s.indices("gravity")]:
        named = [k for k in range(i + 1, len(s.tokens)) if s.plays(k, "axis")]
        if not named and not s.plays(i, "upis"):
            named = [k for k in range(i) if s.plays(k, "axis")]
        axes = [a for a in s.group(named[0]) if a in "xyz"] if named else []
        if not axes:
            continue
        at, mean = named[0], s.facts.mean
        top = int(np.abs(mean).argmax())
        found = f"gravity mainly on {'+' if mean[top] > 0 else '-'}{'xyz'[top]}"
        if s.guarded or s.negated(i) or s.negated(at) or s.sensor(i) == "linear" or s.has("back"):
            yield s.claim("gravity", [i, at], ("unchecked", found))
            continue
        carried = [abs(mean["xyz".index(a)]) / max(abs(mean[top]), 1e-9) for a in axes]
        good, bad = min(carried) >= 0.8, min(carried) < 0.6
        if s.plays(i, "upis"):
            sign = s.text[s.tokens[at].start - 1]
            value = mean["xyz".index(axes[0])]
            bad = bad or (sign in "+-−" and (value > 0) != (sign == "+"))
            good = good and not bad
        yield s.claim("gravity", [i, at], decide(good, bad, found))


def _signs(s: Sentence) -> Iterable[CheckedClaim]:
    places = [i for i in s.indices("sign") if i not in s.used]
    if len(places) == 2 and (s.has("then") or s.has("begin")) and not s.has("back"):
        signs = [s.tokens[i].roles["sign"] for i in places]
        if signs[0] != signs[1]:
            yield s.claim("order", places, _sign_order(s, places[0], signs[0]))
            return
    for i in places:
        yield s.claim("sign", [i], _sign(s, i))


def _sign_signal(s: Sentence, i: int) -> tuple[str, str] | None:
    """Return the sensor and axis whose sign is meant; None where that is not sure."""
    axes, sensor = s.axes(i), s.sensor(i)
    if len(axes) != 1 or axes[0] not in "xyz" or sensor in ("speed", "derived"):
        return None
    if s.guarded or s.negated(i) or (sensor == "gyro" and s.facts.rec.gyro is None):
        return None
    return (sensor if sensor in ("gyro", "linear") else "acc"), axes[0]


def _sign(s: Sentence, i: int) -> Finding:
    wanted = _sign_signal(s, i)
    if wanted is None:
        return UNSURE
    sensor, axis = wanted
    factor = 1.0 if s.tokens[i].roles["sign"] == "+" else -1.0
    values = factor * s.facts.signal(sensor, axis)
    about = factor * s.facts.signal("change" if sensor == "acc" else sensor, axis)
    largest = max(float(np.abs(about).max()), 1e-9)
    frame = s.frame(i)
    if frame is not None:
        first, last = s.window(frame)
        values, about = values[first : last + 1], about[first : last + 1]
    share = float((values > 0).mean())
    found = f"{axis} positive in {share if factor > 0 else 1 - share:.0%} of the samples"
    local = s.has("stat", "peak", "valley") or s.has("noun", "peak")
    turning = s.has("stat", "trend") or s.has("swings")
    if s.has("all", "always") or s.has("stat", "stay"):
        return decide(share >= 0.95, share < 0.9, found)
    if local or turning or (frame is not None and frame.point):
        most = max(float(values.max()), float(about.max()))
        return decide(most > 0.1 * largest, most < 0.03 * largest and most < 0.05, found)
    if s.has("all", "mostly"):
        return decide(share >= 0.5, share < 0.4, found)
    if frame is None and any(s.has(role) for role in ("noun", "begin", "finish", "then")):
        return "unchecked", found
    either = max(share, float((about > 0.05 * largest).mean()))
    return decide(share >= 0.5, either < 0.1, found)


def _sign_order(s: Sentence, i: int, first: str) -> Finding:
    wanted = _sign_signal(s, i)
    if wanted is None:
        return UNSURE
    sensor, axis = wanted
    values = s.facts.signal("change" if sensor == "acc" else sensor, axis)
    largest = float(np.abs(values).max())
    if largest < 0.05:
        return "unchecked", f"{axis} hardly changes"
    large = values[np.abs(values) > 0.3 * largest]
    positive = bool(large[0] > 0)
    both = bool((large > 0).any() and (large < 0).any())
    found = f"{axis} is first {'positive' if positive else 'negative'}"
    found += "" if both else " and keeps its sign"
    return either(both and positive == (first == "+"), found)


# The strongest axis ------------------------------------------------------------------------------


def _dominance(s: Sentence) -> Iterable[CheckedClaim]:
    if not s.has("most") or not s.has("axis") or not s.has("much") or s.has("gravity"):
        return
    for i in s.indices("most"):
        near = s.tokens[i : i + 6]
        if s.frames or any(t.number_like and t.unit in ("acc", "gyro", "") for t in near):
            continue  # "the strongest peak on x is 5 m/s²" is about the 5
        much = s.plays(i + 1, "much")
        if s.plays(i, "stat") and not (much or s.plays(i + 2, "much")):
            continue
        axes = s.axes(i + 1 if much else i)
        before = [k for k in range(i) if s.plays(k, "axis")]
        if before and not s.plays(i, "all"):
            axes = s.group(before[-1])
        finding = UNSURE
        if len(axes) == 1 and axes[0] in "xyz" and not (s.guarded or s.negated(i)):
            finding = _strongest(s, i, axes[0])
        yield s.claim("dominance", [i], finding)


def _strongest(s: Sentence, i: int, axis: str) -> Finding:
    """Check that an axis moves most, or least, by spread, range and strongest deflection."""
    facts, sensor = s.facts, s.sensor(i)
    if sensor in ("speed", "derived"):
        return UNSURE
    gyro = sensor == "gyro" and facts.rec.gyro is not None
    plain = [facts.signal("gyro" if gyro else "acc", a) for a in "xyz"]
    about = plain if gyro else [facts.signal("change", a) for a in "xyz"]
    measures = [
        [float(v.std()) for v in plain],
        [float(np.ptp(v)) for v in plain],
        [float(np.abs(v).max()) for v in about],
    ]
    if s.has("noun", "peak") or s.has("stat", "max"):
        measures.append([float(np.abs(v).max()) for v in plain])
    k = "xyz".index(axis)
    if max(measures[1]) < 1e-3:
        return UNSURE
    if s.tokens[i].roles["most"] == "least":
        fits = [m[k] <= 1.1 * min(m) + 1e-6 for m in measures]
    else:
        fits = [m[k] >= 0.9 * max(m) for m in measures]
    found = "std " + ", ".join(f"{a} {v:.2f}" for a, v in zip("xyz", measures[0], strict=True))
    return decide(fits[0] or sum(fits) >= 2, not any(fits), found)
