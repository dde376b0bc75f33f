"""Claims about movement: directions and their order, counts, rest."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.captions.explain import UP, compass, runs
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.config import UNSURE, CheckedClaim, Finding, decide, either
from imuscribe.prompts.checking.lexicon import PHRASES
from imuscribe.prompts.checking.sentence import Frame, Sentence
from imuscribe.prompts.tables import tables

_SAME, _OTHER = 0.5, 0.2
"""Cosine from which a movement goes in a direction, and below which it does not."""


def read_moves(s: Sentence) -> Iterable[CheckedClaim]:
    """Check what a sentence says of movement; marks the numbers it uses as counts."""
    yield from _counts(s)
    yield from _rest(s)
    yield from _directions(s)


# Directions --------------------------------------------------------------------------------------


def _directions(s: Sentence) -> Iterable[CheckedClaim]:
    facts = s.facts
    places = [i for i in s.indices("dir") if i not in s.used]
    if not places:
        return
    several = len(places) > 1
    moved = s.has("move") or s.has("begin") or s.has("rest") or several
    about_force = s.has("sensor") and not s.has("noun", "move")
    if facts.path is None or s.guarded or not moved or about_force or facts.extent < 0.005:
        yield from (s.claim("direction", [i], UNSURE) for i in places)
        return
    shown = [p.direction for p in facts.explanation.phases if p.kind == "movement"]
    found = "movements " + (", ".join(shown) or "none")
    in_turn = s.has("then", "") or s.has("begin") or len(places) > 2
    if (
        several
        and in_turn
        and not s.has("back")
        and not s.frames
        and all(_word(s, i) and not s.negated(i) for i in places)
        and not any(" or " in s.gap(a, b) for a, b in pairwise(places))
    ):
        yield s.claim("order", places, _order(s, places, found))
        return
    for i in places:
        yield s.claim("direction", [i], _direction(s, i, found))


def _word(s: Sentence, i: int) -> str:
    """Return the compass word; on a table, away from the writer is up."""
    word = s.tokens[i].roles["dir"]
    if word in ("away", "near"):
        return {"away": "up", "near": "down"}[word] if s.facts.rec.case == "2d" else ""
    return word


def _order(s: Sentence, places: list[int], found: str) -> Finding:
    facts = s.facts
    words = [_word(s, i) for i in places]
    good, bad = facts.follows(words, 0.15), not facts.follows(words, 0.08)
    if s.has("begin") and min(s.indices("begin")) < places[0]:
        start = facts.direction(words[0], 0)
        good, bad = good and start >= 0.3, bad or start < -0.2
    return decide(good and not bad, bad, found)


def _direction(s: Sentence, i: int, found: str) -> Finding:
    facts, word = s.facts, _word(s, i)
    if s.negated(i) or not word:
        return "unchecked", found
    frame = s.frame(i)
    if frame is not None and not frame.point:
        window = s.window(frame)
        step = facts.step(window)
        length = float(np.linalg.norm(step))
        if length < 0.003:
            return "unchecked", found
        cosine = float(np.array(UP[word]) @ step) / length
        inside = facts.furthest(word, window) / max(facts.extent, 1e-9)
        way = compass(step.astype(np.float32))
        found = f"{way} {length:.2f} m from {frame.start:.2f} to {frame.end:.2f} s"
        return decide(cosine >= _SAME, cosine < _OTHER and inside < 0.15, found)
    if frame is None and not s.has("noun", "turn") and not s.has("back"):
        for role, which in (("begin", 0), ("finish", -1)):
            if any(s.plays(k, role) for k in range(max(0, i - 5), i)):
                cosine = facts.direction(word, which)
                return decide(cosine >= _SAME, cosine < 0, found)
    share = facts.furthest(word) / max(facts.extent, 1e-9)
    return decide(share >= 0.15, share < 0.08, found)


# Counts ------------------------------------------------------------------------------------------


def _counts(s: Sentence) -> Iterable[CheckedClaim]:
    for i in s.indices("noun"):
        what = s.tokens[i].roles["noun"]
        stated = None if what == "sample" else _stated(s, i)
        if stated is None:
            continue
        low, high, at = stated
        axes = [a for a in s.axes(i) if a in "xyz" or a == "norm"]
        sensor = s.sensor(i)
        axis = axes[0] if len(axes) == 1 and sensor != "speed" else ""
        sensor = "gyro" if sensor == "gyro" and s.facts.rec.gyro is not None else "acc"
        plausible = s.facts.count(what, sensor, axis)
        if plausible is None or s.guarded or s.frames or _part(s, i):
            yield s.claim("count", [at, i], UNSURE)
            continue
        few, many = plausible
        named = tables(PHRASES)["counted"][what]
        found = f"{few} {named}" if few == many else f"{few} to {many} {named}"
        fits = low <= many and high >= few
        yield s.claim("count", [at, i], either(fits, found))


def _part(s: Sentence, i: int) -> bool:
    """Whether only a part of the things is counted: "two downward strokes", "two large peaks"."""
    return any(s.plays(k, role) for k in (i - 1, i + 1) for role in ("dir", "most", "sign"))


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
    after = i + 2
    if s.plays(i + 1, "comma") and s.text[s.tokens[i + 1].start] == ":" and after < len(s.tokens):
        token = s.tokens[after]
        if token.number_like and not token.unit:
            s.used.add(after)
            return token.number, token.number, after
        if "few" in token.roles:
            return float(token.roles["few"]), float(token.roles["few"]), after
    return None


# Rest --------------------------------------------------------------------------------------------


def _rest(s: Sentence) -> Iterable[CheckedClaim]:
    for i in s.indices("active"):
        finding = UNSURE
        if not s.guarded and s.frame(i) is None:
            calm = float(s.facts.resting.mean())
            longest = _longest(~s.facts.moving, s.facts)
            found = f"at rest for up to {longest:.2f} s"
            finding = decide(calm < 0.7 and longest < 0.1, longest >= 0.2 or calm > 0.95, found)
        yield s.claim("rest", [i], finding)
    for i in s.indices("rest"):
        if s.plays(i, "noun", "rest") and (s.plays(i - 1, "few") or s.is_number(i - 1)):
            continue  # "two pauses" has been counted
        yield s.claim("rest", [i], _at_rest(s, i))


def _at_rest(s: Sentence, i: int) -> Finding:
    facts, word = s.facts, s.word(i)
    denied = s.negated(i) and not word.startswith(("no ", "not ", "does", "without"))
    if s.guarded or s.has("axis") or (denied and "no " not in word):
        return UNSURE
    frame = s.frame(i) or _edge(s, i)
    if frame is None:
        longest = _longest(facts.resting, facts)
        return decide(longest >= 0.05, longest == 0.0, f"longest rest {longest:.2f} s")
    window = s.window(frame)
    span = slice(window[0], window[1] + 1)
    calm, busy = float(facts.resting[span].mean()), float(facts.moving[span].mean())
    found = f"moving in {busy:.0%} of {frame.start:.2f} to {frame.end:.2f} s"
    if s.has("all", "always") and not frame.given:
        return decide(calm >= 0.9, calm < 0.8 and busy > 0.2, found)
    if frame.point:
        calm = float(facts.resting[span].max())
    return decide(calm >= 0.7, calm < 0.4 and busy > 0.6, found)


def _edge(s: Sentence, i: int) -> Frame | None:
    """Return the stretch that "at the start", "at the end" or "throughout" mean."""
    length = s.facts.rec.duration
    if s.has("all", "always"):
        return Frame(i, 0.0, length, 0.0, False, given=False)
    edges = [(abs(k - i), role) for role in ("begin", "finish") for k in s.indices(role)]
    distance, role = min(edges, default=(9, ""))
    if distance > 4 or (s.has("then") and s.has("dir")):
        return None
    if role == "begin":
        return Frame(i, 0.0, min(0.05 * length, 0.1), 0.0, False, given=False)
    return Frame(i, max(0.95 * length, length - 0.1), length, 0.0, False, given=False)


def _longest(mask: NDArray[np.bool_], facts: Facts) -> float:
    """Return how long the longest stretch of true samples lasts, s."""
    t = facts.rec.t
    step = 1 / facts.rec.rate if facts.rec.rate else 0.0
    return max((float(t[b] - t[a]) + step for a, b in runs(mask)), default=0.0)
