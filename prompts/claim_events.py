"""Claims in words: gravity, signs, directions and their order, counts, rest, the strongest axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from prompts.claim_sentence import Frame, Sentence
from prompts.claim_values import CheckedClaim, Verdict
from prompts.facts import UP, Facts, Values, Window

if TYPE_CHECKING:
    from prompts.claims import CheckConfig

Judged = tuple[Verdict, str]

_SAME, _OTHER = 0.5, 0.2
"""Cosine from which a movement goes in a direction, and below which it does not."""


def read_events(sentence: Sentence, config: CheckConfig) -> Iterable[CheckedClaim]:
    """Judge what a sentence says without a unit; marks the numbers it uses."""
    yield from _gravity(sentence)
    yield from _counts(sentence)
    yield from _rest(sentence)
    yield from _directions(sentence)
    yield from _signs(sentence)
    yield from _dominance(sentence)


def _finding(s: Sentence, kind: str, tokens: list[int], judged: Judged) -> CheckedClaim:
    start = min(s.tokens[k].start for k in tokens)
    return CheckedClaim(kind, start, max(s.tokens[k].end for k in tokens), *judged)


def _sure(good: bool, bad: bool, told: str) -> Judged:
    return ("supported" if good else "contradicted" if bad else "unchecked"), told


# Gravity and signs -------------------------------------------------------------------------------


def _gravity(s: Sentence) -> Iterable[CheckedClaim]:
    for i in [*s.indices("upis"), *s.indices("gravity")]:
        named = [k for k in range(i + 1, len(s.tokens)) if s.plays(k, "axis")]
        if not named and not s.plays(i, "upis"):
            named = [k for k in range(i) if s.plays(k, "axis")]
        if not named:
            continue
        at = named[0]
        axes = [a for a in s.group(at) if a in "xyz"]
        if not axes:
            continue
        mean = s.facts.mean
        order = np.argsort(-np.abs(mean))
        top = "xyz"[order[0]]
        told = f"gravity mainly on {'+' if mean[order[0]] > 0 else '-'}{top}"
        if s.guarded or s.negated(i) or s.negated(at) or s.sensor(i) == "linear" or s.has("back"):
            yield _finding(s, "gravity", [i, at], ("unchecked", told))
            continue
        carried = [abs(mean["xyz".index(a)]) / max(abs(mean[order[0]]), 1e-9) for a in axes]
        good, bad = min(carried) >= 0.8, min(carried) < 0.6
        if s.plays(i, "upis"):
            sign = s.text[s.tokens[at].start - 1]
            value = mean["xyz".index(axes[0])]
            bad = bad or (sign in "+-−" and (value > 0) != (sign == "+"))
            good = good and not bad
        yield _finding(s, "gravity", [i, at], _sure(good, bad, told))


def _signs(s: Sentence) -> Iterable[CheckedClaim]:
    places = [i for i in s.indices("sign") if i not in s.used]
    if len(places) == 2 and (s.has("then") or s.has("begin")) and not s.has("back"):
        signs = [s.tokens[i].roles["sign"] for i in places]
        if signs[0] != signs[1]:
            yield _finding(s, "order", places, _sign_order(s, places[0], signs[0]))
            return
    for i in places:
        yield _finding(s, "sign", [i], _sign(s, i))


def _sign_signal(s: Sentence, i: int) -> tuple[str, str] | None:
    axes, sensor = s.axes(i), s.sensor(i)
    if len(axes) != 1 or axes[0] not in "xyz" or sensor in ("speed", "derived"):
        return None
    if sensor == "gyro":
        return ("gyro", axes[0]) if s.facts.rec.gyro is not None else None
    return ("linear" if sensor == "linear" else "acc"), axes[0]


def _sign(s: Sentence, i: int) -> Judged:
    wanted = _sign_signal(s, i)
    if wanted is None or s.guarded or s.negated(i):
        return "unchecked", ""
    sensor, axis = wanted
    factor = 1.0 if s.tokens[i].roles["sign"] == "+" else -1.0
    values = factor * s.facts.signal(sensor, axis)
    about = factor * s.facts.signal("change" if sensor == "acc" else sensor, axis)
    largest = max(float(np.abs(about).max()), 1e-9)
    frame = s.frame(i)
    window = s.window(frame) if frame else None
    if window is not None:
        values, about = (v[window[0] : window[1] + 1] for v in (values, about))
    share = float((values > 0).mean())
    told = f"{axis} positive in {share if factor > 0 else 1 - share:.0%} of the samples"
    local = s.has("stat", "peak") or s.has("stat", "valley") or s.has("noun", "peak")
    turning = s.has("stat", "trend") or any(
        s.word(k) in ("turns", "goes", "becomes", "swings") for k in range(len(s.tokens))
    )
    if s.has("all", "always") or s.has("stat", "stay"):
        return _sure(share >= 0.95, share < 0.9, told)
    if local or turning or (frame is not None and frame.point):
        most = max(float(values.max()), float(about.max()))
        return _sure(most > 0.1 * largest, most < 0.03 * largest and most < 0.05, told)
    if s.has("all", "mostly"):
        return _sure(share >= 0.5, share < 0.4, told)
    if frame is None and (s.has("noun") or s.has("begin") or s.has("finish") or s.has("then")):
        return "unchecked", told
    either = max(share, float((about > 0.05 * largest).mean()))
    return _sure(share >= 0.5, either < 0.1, told)


def _sign_order(s: Sentence, i: int, first: str) -> Judged:
    wanted = _sign_signal(s, i)
    if wanted is None or s.guarded or s.negated(i):
        return "unchecked", ""
    sensor, axis = wanted
    values = s.facts.signal("change" if sensor == "acc" else sensor, axis)
    large = np.flatnonzero(np.abs(values) > 0.3 * max(float(np.abs(values).max()), 1e-9))
    if float(np.abs(values).max()) < 0.05:
        return "unchecked", f"{axis} hardly changes"
    positive = values[large[0]] > 0
    both = bool((values[large] > 0).any() and (values[large] < 0).any())
    told = f"{axis} is first {'positive' if positive else 'negative'}"
    told += "" if both else " and keeps its sign"
    good = both and positive == (first == "+")
    return _sure(good, not good, told)


# Directions --------------------------------------------------------------------------------------


def _directions(s: Sentence) -> Iterable[CheckedClaim]:
    places = s.indices("dir")
    if not places:
        return
    facts = s.facts
    places = [i for i in places if i not in s.used]
    moved = s.has("move") or s.has("begin") or s.has("rest") or len(places) > 1
    about_force = s.has("sensor") and not s.has("noun", "move")
    if facts.path is None or s.guarded or not moved or about_force or facts.extent < 0.005:
        yield from (_finding(s, "direction", [i], ("unchecked", "")) for i in places)
        return
    shown = [p.direction for p in facts.explanation.phases if p.kind == "movement"]
    told = "movements " + (", ".join(shown) or "none")
    ordered = len(places) > 1 and (s.has("then") or s.has("begin")) and not s.has("back")
    if (
        ordered
        and all(_word(s, i) for i in places)
        and not s.frames
        and not any(s.negated(i) for i in places)
        and _in_turn(s, places)
    ):
        yield _finding(s, "order", places, _order(s, places, told))
        return
    for i in places:
        yield _finding(s, "direction", [i], _direction(s, i, told))


def _word(s: Sentence, i: int) -> str:
    """Return the compass word; on a table, away from the writer is up."""
    word = s.tokens[i].roles["dir"]
    if word in ("away", "near"):
        return {"away": "up", "near": "down"}[word] if s.facts.rec.case == "2d" else ""
    return word


def _in_turn(s: Sentence, places: list[int]) -> bool:
    """Whether the directions are told as a sequence and not as "up or left"."""
    return not any(" or " in s.gap(a, b) for a, b in itertools.pairwise(places))


def _order(s: Sentence, places: list[int], told: str) -> Judged:
    facts = s.facts
    words = [_word(s, i) for i in places]
    good, bad = facts.follows(words, 0.15), not facts.follows(words, 0.08)
    if s.has("begin") and min(s.indices("begin")) < places[0]:
        start = facts.first_direction(words[0])
        good, bad = good and start >= 0.3, bad or start < -0.2
    return _sure(good and not bad, bad, told)


def _direction(s: Sentence, i: int, told: str) -> Judged:
    facts, word = s.facts, _word(s, i)
    if s.negated(i) or not word:
        return "unchecked", told
    frame = s.frame(i)
    if frame is not None and not frame.point:
        window = s.window(frame)
        step = facts.step(window)
        length = float(np.linalg.norm(step))
        if length < 0.003:
            return "unchecked", told
        cosine = float(np.array(UP[word]) @ step) / length
        inside = facts.furthest(word, window) / max(facts.extent, 1e-9)
        told = f"{_compass(step)} {length:.2f} m from {frame.start:.2f} to {frame.end:.2f} s"
        return _sure(cosine >= _SAME, cosine < _OTHER and inside < 0.15, told)
    if frame is None and not s.has("noun", "turn") and not s.has("back"):
        before = range(max(0, i - 5), i)
        if any(s.plays(k, "begin") for k in before):
            cosine = facts.first_direction(word)
            return _sure(cosine >= _SAME, cosine < 0, told)
        if any(s.plays(k, "finish") for k in before):
            cosine = facts.last_direction(word)
            return _sure(cosine >= _SAME, cosine < 0, told)
    share = facts.furthest(word) / max(facts.extent, 1e-9)
    return _sure(share >= 0.15, share < 0.08, told)


def _compass(step: Values) -> str:
    from prompts.explain import compass

    return compass(step.astype(np.float32))


# Counts ------------------------------------------------------------------------------------------

_MANY = {
    "turn": "turning points",
    "move": "movements",
    "phase": "phases",
    "rest": "rests",
    "peak": "peaks",
    "valley": "valleys",
}


def _counts(s: Sentence) -> Iterable[CheckedClaim]:
    for i in s.indices("noun"):
        what = s.tokens[i].roles["noun"]
        if what == "sample":
            continue
        stated = _stated(s, i)
        if stated is None:
            continue
        low, high, at = stated
        axes = [a for a in s.axes(i) if a in "xyz" or a == "norm"]
        sensor = "gyro" if s.sensor(i) == "gyro" and s.facts.rec.gyro is not None else "acc"
        if s.sensor(i) == "speed":
            sensor, axes = "acc", []
        plausible = s.facts.count(what, sensor, axes[0] if len(axes) == 1 else "")
        if plausible is None or s.guarded or s.frames or _part(s, i):
            yield _finding(s, "count", [at, i], ("unchecked", ""))
            continue
        few, many = plausible
        told = f"{few} {_MANY[what]}" if few == many else f"{few} to {many} {_MANY[what]}"
        fits = low <= many and high >= few
        yield _finding(s, "count", [at, i], _sure(fits, not fits, told))


def _part(s: Sentence, i: int) -> bool:
    """Whether only a part of the things is counted: "two downward strokes", "two large peaks"."""
    return any(
        s.plays(k, "dir") or s.plays(k, "most") or s.plays(k, "sign") for k in (i - 1, i + 1)
    )


def _stated(s: Sentence, i: int) -> tuple[float, float, int] | None:
    """Return the fewest and most that are stated, and where: "4 peaks", "no pauses", "turns: 4"."""
    for j in (i - 1, i - 2, i - 3):
        if j < 0 or s.plays(j, "comma") or s.plays(j, "noun"):
            break
        token = s.tokens[j]
        if token.number_like and token.unit == "" and "." not in s.text[token.start : token.end]:
            s.used.add(j)
            low, high = token.number, token.high if token.high is not None else token.number
        elif "few" in token.roles:
            if s.plays(j - 1, "not") or s.plays(j - 1, "index"):
                return None
            low = high = float(token.roles["few"])
        elif s.word(j) in ("no", "without", "zero", "any") and j == i - 1:
            low = high = 0.0
        else:
            continue
        if len(s.gap(j, i)) > 28 or s.plays(j - 1, "index"):
            return None
        bound = s.compare(j)
        if bound in ("over", "floor"):
            strict = s.word(j - 1).startswith(("more", "over", "above", "exceed", "greater"))
            low, high = low + strict, float("inf")
        elif bound in ("under", "ceiling"):
            low = 0.0
        if s.hedged(j):
            low, high = low - 1, high + 1
        return low, high, j
    after = i + 1
    if s.plays(after, "comma") and s.text[s.tokens[after].start] == ":":
        after += 1
        if after < len(s.tokens) and s.tokens[after].number_like and not s.tokens[after].unit:
            s.used.add(after)
            return s.tokens[after].number, s.tokens[after].number, after
    return None


# Rest --------------------------------------------------------------------------------------------


def _rest(s: Sentence) -> Iterable[CheckedClaim]:
    counted = any(
        s.plays(k, "few") or s.is_number(k)
        for k in range(len(s.tokens))
        if s.plays(k + 1, "noun", "rest")
    )
    for i in s.indices("active"):
        calm = float(s.facts.resting.mean())
        frame = s.frame(i)
        judged: Judged = "unchecked", ""
        if not s.guarded and frame is None:
            longest = _longest(~s.facts.moving, s.facts)
            judged = _sure(calm < 0.7 and longest < 0.1, calm > 0.95, f"at rest for {calm:.0%}")
        yield _finding(s, "rest", [i], judged)
    for i in s.indices("rest"):
        if counted and s.plays(i, "noun"):
            continue
        yield _finding(s, "rest", [i], _at_rest(s, i))


def _at_rest(s: Sentence, i: int) -> Judged:
    facts = s.facts
    if s.guarded or s.has("axis") or ("no " not in s.word(i) and _denied(s, i)):
        return "unchecked", ""
    frame = s.frame(i)
    if frame is None:
        frame = _edge(s, i)
    if frame is None:
        longest = _longest(facts.resting, facts)
        return _sure(longest >= 0.05, longest == 0.0, f"longest rest {longest:.2f} s")
    window = s.window(frame)
    span = slice(window[0], window[1] + 1)
    calm, busy = float(facts.resting[span].mean()), float(facts.moving[span].mean())
    told = f"moving in {busy:.0%} of {frame.start:.2f} to {frame.end:.2f} s"
    if s.has("all", "always") and not frame.told:
        return _sure(calm >= 0.9, calm < 0.8 and busy > 0.2, told)
    if frame.point or not frame.told:
        calm = float(facts.resting[span].max()) if frame.point else calm
    return _sure(calm >= 0.7, calm < 0.4 and busy > 0.6, told)


def _denied(s: Sentence, i: int) -> bool:
    return s.negated(i) and not s.word(i).startswith(("no ", "not ", "does", "without"))


def _edge(s: Sentence, i: int) -> Frame | None:
    """Return the stretch that "at the start", "at the end" or "throughout" mean."""
    length = s.facts.rec.duration
    if s.has("all", "always"):
        return Frame(i, 0.0, length, 0.0, False, told=False)
    near = sorted(
        (abs(k - i), role)
        for role in ("begin", "finish")
        for k in s.indices(role)
        if abs(k - i) <= 4
    )
    if not near or (s.has("then") and s.has("dir")):
        return None
    if near[0][1] == "begin":
        return Frame(i, 0.0, min(0.05 * length, 0.1), 0.0, False, told=False)
    return Frame(i, max(0.95 * length, length - 0.1), length, 0.0, False, told=False)


def _longest(mask: np.ndarray[tuple[int], np.dtype[np.bool_]], facts: Facts) -> float:
    from prompts.explain import runs

    t = facts.rec.t
    step = 1 / facts.rec.rate if facts.rec.rate else 0.0
    return max((float(t[b] - t[a]) + step for a, b in runs(mask)), default=0.0)


# The strongest axis ------------------------------------------------------------------------------


def _dominance(s: Sentence) -> Iterable[CheckedClaim]:
    if not s.has("axis") or not s.has("much") or s.has("gravity"):
        return
    for i in s.indices("most"):
        if s.frames or any(
            t.number_like and t.unit in ("acc", "gyro", "") for t in s.tokens[i : i + 6]
        ):
            continue  # "the strongest peak on x is 5 m/s²" is about the 5
        if s.plays(i, "stat") and not (s.plays(i + 1, "much") or s.plays(i + 2, "much")):
            continue
        axes = s.axes(i)
        if s.plays(i + 1, "much"):
            axes = s.axes(i + 1)
        before = [k for k in range(i) if s.plays(k, "axis")]
        if before and not s.plays(i, "all"):
            axes = s.group(before[-1])
        judged: Judged = "unchecked", ""
        if len(axes) == 1 and axes[0] in "xyz" and not (s.guarded or s.negated(i) or s.frames):
            judged = _strongest(s, i, axes[0])
        yield _finding(s, "dominance", [i], judged)


def _strongest(s: Sentence, i: int, axis: str) -> Judged:
    facts = s.facts
    gyro = s.sensor(i) == "gyro" and facts.rec.gyro is not None
    if s.sensor(i) in ("speed", "derived"):
        return "unchecked", ""
    plain = [facts.signal("gyro" if gyro else "acc", a) for a in "xyz"]
    about = plain if gyro else [facts.signal("change", a) for a in "xyz"]
    measures = [
        [float(v.std()) for v in plain],
        [float(np.ptp(v)) for v in plain],
        [float(np.abs(v).max()) for v in about],
    ]
    if s.has("noun", "peak") or s.has("stat", "max"):
        measures.append([float(np.abs(v).max()) for v in plain])
    least = s.tokens[i].roles["most"] == "least"
    k = "xyz".index(axis)
    if max(measures[1]) < 1e-3:
        return "unchecked", ""
    if least:
        fits = [m[k] <= 1.1 * min(m) + 1e-6 for m in measures]
    else:
        fits = [m[k] >= 0.9 * max(m) for m in measures]
    told = "std " + ", ".join(f"{a} {v:.2f}" for a, v in zip("xyz", measures[0], strict=True))
    return _sure(fits[0] or sum(fits) >= 2, not any(fits), told)


__all__ = ["Judged", "Window", "read_events"]
