"""What people answer to questions, read as values that a computed result can be compared with.

A person says "1.5 hours", "twice", "Friday the 6th", "watching TV" or "never", sometimes in several
pieces or in several forms one behind another. What was said is compared with the result of a query:
exactly, to the precision of the words, or within 5 % for durations and a quarter of an hour for
clock times, as people read them off a chart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date

from imuscribe.ask.answer import worded
from imuscribe.ask.days import days_of
from imuscribe.ask.query import WEEKDAYS, Query
from imuscribe.ask.result import CannotTell, Result
from imuscribe.ask.timeline import DAY, Timeline
from imuscribe.ask.wording.mentions import named, plain, slotted, stem, table, vocabulary, words_of
from imuscribe.ask.wording.times import find_times, spelt

NEAR = 0.05
"""Share that a duration may be off to count as near."""
_MINUTES = 5 * 60.0
"""Seconds that a clock time may be off to count as near."""
_NEVER = frozenset(
    ("never", "none", "no", "not", "didn't", "nothing", "zero", "0", "nobody", "nowhere")
)
_YES, _NO = (
    frozenset(("yes", "yeah", "true")),
    frozenset(("no", "nope", "never", "false", "none", "not")),
)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def normal(short: str) -> str:
    """Return a short answer with case, articles, punctuation and number words made alike."""
    text = spelt(plain(short)).replace("p.m.", "pm").replace("a.m.", "am")
    words = re.findall(r"[a-z0-9:'-]+", text)
    aside = ("a", "an", "the", "at", "on", "in", "with", "my")
    return " ".join(word for word in words if word not in aside) or text.strip()


def agrees(short: Sequence[str], result: Result, query: Query, timeline: Timeline) -> str:
    """Compare a person's short answer with a computed one.

    Parameters
    ----------
    short : sequence of str
        As SensorQA lists it: pieces of one answer, or forms of it.

    Returns
    -------
    str
        ``"exact"`` if it says the same, to the precision of its words; ``"near"`` if a duration is
        within 5 % or a clock time within five minutes; empty otherwise.
    """
    said = [text for text in short if text.strip()]
    if not said or result.kind == "cannot":
        return ""
    text = normal(", ".join(said))
    words = {*re.findall(r"[a-z0-9']+", text)}
    if result.kind == "yesno":
        if query.compare in (">", ">=", "<", "<=") and (side := _side(text)):
            return "exact" if (side == query.compare[0]) == bool(result.value) else ""
        first = normal(said[0]).split()[:1]
        yes, no = bool({*first} & _YES), bool({*first} & _NO)
        return "exact" if (yes or no) and yes == bool(result.value) and yes != no else ""
    empty = result.value is None or result.value == 0 or result.value == ()
    if empty and not isinstance(result.value, bool):
        return "exact" if words & _NEVER else ""
    if result.kind == "duration":
        return _duration(said, float(result.value))
    if result.kind == "count":
        return "exact" if _count(text) == result.value else ""
    if result.kind == "clock":
        return _clock(said, float(result.value))
    if result.kind == "share":
        found = re.search(r"(\d+(?:\.\d+)?) ?(?:%|percent)", " ".join(said))
        return _near(float(found[1]) / 100, result.value, 0.005) if found else ""
    if result.kind == "names":
        return _names(said, result, query, timeline)
    if result.kind == "spans" and len(result.value) == 1:
        start, end = result.value[0]
        times = _clocks(" ".join(said))
        if len(times) == 2:
            both = [_moment(times[0], start), _moment(times[1], end)]
            return "" if "" in both else "near" if "near" in both else "exact"
        return _moment(times[0], start) if len(times) == 1 else ""
    return "exact" if text == normal(worded(result, query, timeline)) else ""


def _side(text: str) -> str:
    """Return ``<`` for "under an hour", ``>`` for "more than an hour", or nothing."""
    if re.search(r"\b(less|under|below|shorter|fewer)\b", text):
        return "<"
    return ">" if re.search(r"\b(more|over|above|longer)\b", text) else ""


def _near(said: float, value: float, step: float) -> str:
    if abs(said - value) <= step:
        return "exact"
    return "near" if abs(said - value) <= NEAR * max(abs(value), 1e-9) else ""


def _duration(said: Sequence[str], value: float) -> str:
    """Compare a duration; the pieces are parts of it ("8 hours", "35 minutes") or forms of it."""
    readings = [seconds_of(text) for text in said]
    found = [reading for reading in readings if reading is not None]
    if not found:
        return ""
    whole = max(found, key=lambda r: r[1] == 1.0)  # the form with the finest unit
    finest = min(found, key=lambda reading: reading[1])
    several = len(found) > 1 and len({unit for _, unit in found}) == len(found)
    options = [finest, whole]
    if several and not any(re.search(r"\d.*\d", text) for text in said):
        options.append((sum(seconds for seconds, _ in found), finest[1]))
    best = ""
    for seconds, unit in options:
        judged = _near(seconds, value, unit / 2 if unit > 1 else 0.5)
        # "25 minutes" is 25 minutes and some seconds, cut off as often as rounded.
        if unit > 1 and 0 <= value - seconds < unit and len(found) >= 1 and unit <= 60:
            judged = "exact"
        best = best if best == "exact" else judged or best
    return best


def seconds_of(text: str) -> tuple[float, float] | None:
    """Read a duration: its seconds, and those of its smallest unit; None if it is none."""
    text = spelt(plain(text))
    clock = re.fullmatch(r"\s*(\d{1,2}):(\d\d):(\d\d)\s*", text)
    if clock:
        return 3600.0 * int(clock[1]) + 60.0 * int(clock[2]) + int(clock[3]), 1.0
    clock = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*", text)
    if clock:
        return 3600.0 * int(clock[1]) + 60.0 * int(clock[2]), 60.0
    found = re.findall(
        r"(half an?|an?|\d+(?:\.\d+)?) ?(h|m|s)(?:ours?|rs?|inutes?|ins?|econds?|ecs?)?\b", text
    )
    if not found:
        return None
    total = 0.0
    for number, unit in found:
        value = 0.5 if "half" in number else 1.0 if number in ("a", "an") else float(number)
        total += value * _UNITS[unit]
    if "and a half" in text:
        total += 0.5 * _UNITS[found[-1][1]]
    smallest = min(_UNITS[unit] for _, unit in found)
    return total, smallest / (2 if "." in text or "half" in text else 1)


def _count(text: str) -> int | None:
    if "every day" in text or "everyday" in text:
        return None
    found = re.search(r"\b(\d+)\b(?! ?(?::|hour|minute|second|am|pm|%))", text)
    return int(found[1]) if found else None


def _clocks(text: str) -> list[float]:
    """Return the seconds of the day of every clock time in a text."""
    text = spelt(plain(text)).replace("noon", "12:00 pm").replace("midnight", "12:00 am")
    pattern = r"(\d{1,2})(?:[:.](\d\d))?(?::\d\d)? ?:?([ap])\.?m|(\d{1,2}):(\d\d)"
    found = []
    for match in re.finditer(pattern, text):
        hour, minute = int(match[1] or match[4]), int(match[2] or match[5] or 0)
        if match[3] and hour <= 12:
            hour = hour % 12 + (12 if match[3] == "p" else 0)
        found.append(3600.0 * hour + 60.0 * minute)
    return found


def _clock(said: Sequence[str], value: float) -> str:
    times = _clocks(said[0]) or _clocks(" ".join(said))
    return _moment(times[0], value) if len(times) == 1 or (times and times[0] == times[-1]) else ""


def _moment(said: float, value: float) -> str:
    """Compare a time of day; one that is said to the hour is "around" then."""
    off = abs((said - value + DAY / 2) % DAY - DAY / 2)
    if off <= (60.0 if said % 900 else 450.0):
        return "exact"
    return "near" if off <= _MINUTES else ""


def _names(said: Sequence[str], result: Result, query: Query, timeline: Timeline) -> str:
    """Compare labels, days, parts of the day or hours."""
    text = ", ".join(said)
    same = {"same", "equal", "equally", "both", "tied", "neither"} & {*words_of(text)}
    if len(result.value) > 1 and same:
        return "exact"
    if query.by == "label":
        named = _labels(text, query, timeline)
    elif query.by == "day" and not query.among:
        if "every day" in text.lower() and len(result.value) == len(result.groups):
            return "exact"
        return "exact" if _same_days(text, result, timeline) else ""
    elif query.by == "hour":
        return (
            "exact"
            if any(f"{t // 3600:02.0f}:00" == result.value[0] for t in _clocks(text))
            else ""
        )
    elif query.by == "day":
        named = {_day_word(name) for name in _words_of_days(text)}
        return "exact" if named == {_day_word(name) for name in result.value} else ""
    else:
        named = {word.removesuffix("s") for word in words_of(text)} & {
            name for name, _ in result.groups
        }
    return "exact" if named == {*result.value} else ""


def _labels(text: str, query: Query, timeline: Timeline) -> set[str]:
    stems = [stem(word) for word in words_of(text) if word not in _joints()]
    try:
        # Who compares two labels means one of them by a word that others share.
        return {x for slot in slotted(named(stems, vocabulary(timeline.labels)))[1] for x in slot}
    except CannotTell:
        known = vocabulary(query.labels or timeline.labels)
        try:
            return {x for slot in slotted(named(stems, known))[1] for x in slot}
        except CannotTell:
            return set()


def _joints() -> frozenset[str]:
    return frozenset(table("lexicon.yaml")["joints"])


def _words_of_days(text: str) -> list[str]:
    try:
        found = find_times(
            " ".join(
                re.sub(r"\bsat\b", "saturday", re.sub(r"\bsun\b", "sunday", plain(text))).split()
            )
        )
    except CannotTell:
        return []
    return [*found.days, *found.among]


def _same_days(text: str, result: Result, timeline: Timeline) -> bool:
    """Whether an answer names the days of a result; a date beside a weekday wins over it."""
    wanted = [date.fromisoformat(day) for day in result.value]
    found: set[date] = set()
    for piece in re.split(r",| and |;", text):
        named = []
        for name in _words_of_days(piece):
            several = f"{name}s" if name in WEEKDAYS else name
            with suppress(CannotTell, ValueError):
                named.append({*days_of([several], timeline)})
        if not named:
            continue
        narrowest = min(named, key=len)
        meant = narrowest & {*wanted}
        if not meant:
            return False
        found |= meant
    return found == {*wanted}


def _day_word(name: str) -> str:
    return name.lower().removesuffix("s")
