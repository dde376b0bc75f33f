"""Answers in words: short, as a sentence that says what was understood, and the spans they rest on.

Every number is one that `ask.execute` computed; a label is quoted as it stands in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from imuscribe.ask.days import day_name
from imuscribe.ask.execute import execute
from imuscribe.ask.pieces import Piece
from imuscribe.ask.query import CLOCK, PARTS, WEEKDAYS, Query
from imuscribe.ask.result import Kind, Result
from imuscribe.ask.timeline import DAY, Timeline
from imuscribe.signals.recording import Recording

_MEASURES = {
    "total": "time", "share": "share of the recorded time", "sessions": "number of sessions",
    "longest": "longest session", "shortest": "shortest session",
    "first_start": "first start", "first_end": "end of the first session",
    "last_start": "last start", "last_end": "last end", "peak": "peak acceleration beyond gravity",
    "cadence": "cadence", "tilt": "tilt", "turns": "turning", "stillness": "stillness",
}  # fmt: skip
_PICKS = {
    "most": "most {m}", "least": "least {m}", "list": "all with any", "count": "number with any",
    "every": "whether all have any", "order": "by {m}", "each": "{m} of each", "sum": "{m}, summed",
    "mean": "mean {m}", "max": "largest {m}", "min": "smallest {m}",
    "difference": "difference of {m}",
}  # fmt: skip
_COMPARE = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most", "=": "exactly"}
_ONE_DAY = Timeline((), (), (date(1970, 1, 1),))
_SHOWN = 20
"""Evidence spans that are listed."""


@dataclass(frozen=True)
class Answer:
    """What is said to a question."""

    short: str
    """``Wednesday``, ``1 hour 52 minutes``, ``twice``, ``no``, or ``can't tell``."""
    sentence: str
    """What was understood, and the answer, with its interval where the timeline is predicted."""
    evidence: tuple[str, ...]
    """Dates and clock times of what was counted."""
    query: Query | None
    """None where no query was understood."""
    result: Result

    def told(self) -> dict[str, Any]:
        """Return the answer as JSON takes it; evidence in seconds too."""
        return {
            "short": self.short,
            "sentence": self.sentence,
            "query": None if self.query is None else self.query.told(),
            "kind": self.result.kind,
            "value": self.result.value,
            "unit": self.result.unit,
            "low": self.result.low,
            "high": self.result.high,
            "agreement": self.result.agreement,
            "groups": [list(group) for group in self.result.groups],
            "evidence": [list(piece) for piece in self.result.evidence],
        }


def answer(query: Query, timeline: Timeline, recording: Recording | None = None) -> Answer:
    """Execute a query and put the result into words."""
    result = execute(query, timeline, recording)
    if result.kind == "cannot":
        return cannot(result.note, query)
    short = worded(result, query, timeline)
    sentence = f"{described(query)}: {short}"
    if result.low is not None and result.low != result.high:
        low, high = (
            _value(result.kind, x, result.unit, query, timeline) for x in (result.low, result.high)
        )
        sentence += f" (predicted; nine tenths of what else is likely: {low} to {high})"
    if result.agreement is not None:
        sentence += f" (predicted; {result.agreement:.0%} of what else is likely says the same)"
    sentence += f"; {result.note}" if result.note else ""
    pieces = result.evidence[:_SHOWN]
    evidence = [said_piece(piece, timeline) for piece in pieces]
    if len(result.evidence) > _SHOWN:
        evidence.append(f"and {len(result.evidence) - _SHOWN:,} more")
    return Answer(short, f"{sentence}.", tuple(evidence), query, result)


def cannot(reason: str, query: Query | None = None) -> Answer:
    """Return the answer that nothing can be told, and why."""
    return Answer("can't tell", f"Can't tell: {reason}", (), query, Result("cannot", note=reason))


def worded(result: Result, query: Query, timeline: Timeline) -> str:
    """Return the short answer."""
    if result.kind == "names":
        names = result.value
        if not names:
            return "none"
        alternatives = len(query.among or query.labels)
        if query.pick in ("most", "least") and 1 < len(names) == alternatives:
            return "the same"
        if query.pick == "list" and query.by == "day" and len(names) == len(result.groups) > 2:
            return "every day"
        return _joined([_name(name, query, timeline) for name in names])
    if result.kind == "spans":
        return (
            _joined([said_piece(piece, timeline, short=True) for piece in result.value]) or "never"
        )
    if result.kind == "each":
        measured = result.measured
        return ", ".join(
            f"{_name(name, query, timeline)} {_value(measured, value, '', query, timeline)}"
            for name, value in result.value
        )
    return _value(result.kind, result.value, result.unit, query, timeline)


def _value(kind: Kind, value: Any, unit: str, query: Query, timeline: Timeline) -> str:
    if kind == "yesno":
        return "yes" if value else "no"
    if value is None or (kind == "duration" and value == 0 and query.pick == "value"):
        return "never"
    if kind == "duration":
        return said_duration(value)
    if kind == "clock":
        # Of each day, and so of none: the clock alone.
        return said_clock(value, _ONE_DAY if query.by == "day" else timeline)
    if kind == "share":
        return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"
    if kind == "count":
        return _counted(int(value), query)
    return f"{value:.3g} {unit}".strip()


def _counted(n: int, query: Query) -> str:
    if query.pick == "count" and query.by != "session":
        one = {"day": "day", "label": "label", "part": "part of the day", "hour": "hour"}[query.by]
        return f"{n} {one}{'s' if n != 1 else ''}"
    return {0: "never", 1: "once", 2: "twice"}.get(n, f"{n:,} times")


def said_duration(seconds: float) -> str:
    """Say a duration to the minute, below a minute to the second."""
    sign, seconds = ("minus " if seconds < 0 else ""), abs(seconds)
    if round(seconds) < 60:
        return f"{sign}{_units(round(seconds), 'second')}"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [_units(n, unit) for n, unit in ((hours, "hour"), (minutes, "minute")) if n]
    return sign + " ".join(parts)


def said_clock(seconds: float, timeline: Timeline) -> str:
    """Say a time as ``7:12 AM``, with the day where the timeline has several."""
    if not timeline.dated:
        return f"{seconds:.0f} s after the start"
    moment = timeline.moment(round(seconds / 60) * 60)
    hour = moment.hour % 12 or 12
    said = f"{hour}:{moment.minute:02d} {'AM' if moment.hour < 12 else 'PM'}"
    if len(timeline.days) == 1:
        return said
    return f"{_day(timeline.day_of(seconds), timeline)} {said}"


def said_piece(piece: Piece, timeline: Timeline, short: bool = False) -> str:
    """Say from when to when."""
    if not timeline.dated:
        return f"{piece[0]:.1f} to {piece[1]:.1f} s"
    # The end of a day belongs to it.
    day, last = timeline.day_of(piece[0]), timeline.day_of(piece[1] - 1e-3)
    one = Timeline((), (), (day,))
    start, end = (said_clock(at - timeline.begin(day), one) for at in piece)
    if short:
        before = f"{_day(day, timeline)} " if len(timeline.days) > 1 else ""
        return f"{before}{start} to {end}"
    after = "" if last == day else f" on {day_name(last)}"
    return f"{day_name(day)}, {start} to {end}{after}"


def described(query: Query) -> str:
    """Say in words what a query asks, as it was understood."""
    measure = _MEASURES[query.measure]
    joined = " and " if query.join == "all" else " or "
    if query.by == "label":
        what = f"each of {', '.join(map(_quoted, query.labels))}" if query.labels else "each label"
    else:
        what = joined.join(map(_quoted, query.labels)) or "anything"
    if query.absent:
        what = f"none of {what}" if len(query.labels) > 1 else f"not {what}"
    parts = [f"{measure} of {what}"]
    if query.pick != "value":
        by = query.by if not query.among else ", ".join(query.among)
        parts = [f"{by}: {_PICKS[query.pick].format(m=measure)} of {what}"]
    if query.during:
        parts.append(f"while {' or '.join(map(_quoted, query.during))}")
    if query.without:
        parts.append(f"without {' or '.join(map(_quoted, query.without))}")
    parts += _when(query)
    if query.compare:
        parts.append(f"{_COMPARE[query.compare]} {_amount(query)}?")
    if query.expect:
        parts.append(f"is it {query.expect}?")
    said = ", ".join(parts)
    return said[0].upper() + said[1:]


def _when(query: Query) -> list[str]:
    when = query.when
    parts = [", ".join(when.days)] if when.days else []
    for part in when.parts:
        hours = " and ".join(f"{a:02.0f}:00–{b:02.0f}:00" for a, b in PARTS[part])
        parts.append(f"{part} ({hours})")
    if when.since and when.since == when.until:
        parts.append(f"at {when.since}")
    else:
        parts += [f"from {when.since}"] if when.since else []
        parts += [f"until {when.until}"] if when.until else []
    parts += [f"before the first {_quoted(when.before)}"] if when.before else []
    parts += [f"after the first {_quoted(when.after)}"] if when.after else []
    return parts


def _amount(query: Query) -> str:
    if query.measure in CLOCK:
        return said_clock(query.amount % DAY, _ONE_DAY)
    if query.measure in ("total", "longest", "shortest"):
        return said_duration(query.amount)
    if query.measure == "share":
        return f"{100 * query.amount:g} %"
    return f"{query.amount:g}"


def _name(name: str, query: Query, timeline: Timeline) -> str:
    if query.by == "hour":
        return said_clock(int(name[:2]) * 3600.0, Timeline((), (), timeline.days[:1]))
    if query.by == "day" and not query.among:
        return _day(date.fromisoformat(name), timeline)
    return name


def _day(day: date, timeline: Timeline) -> str:
    """Say a day by its weekday alone where there is no other such day."""
    several = sum(other.weekday() == day.weekday() for other in timeline.days) > 1
    return day_name(day) if several else WEEKDAYS[day.weekday()]


def _units(n: int, unit: str) -> str:
    return f"{n} {unit}{'s' if n != 1 else ''}"


def _quoted(label: str) -> str:
    return f"'{label}'"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names)
