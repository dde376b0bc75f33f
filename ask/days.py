"""Which time is meant by days, parts of the day, clock times and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from imuscribe.ask.pieces import Pieces, intersect, union
from imuscribe.ask.query import PARTS, WEEKDAYS, When, clock
from imuscribe.ask.result import CannotTell
from imuscribe.ask.timeline import DAY, Timeline


def days_of(names: Sequence[str], timeline: Timeline) -> list[date]:
    """Return the days of the timeline that names mean, in order.

    CannotTell if a day is not covered, or the data holds two days of that name.
    """
    if names and not timeline.dated:
        raise CannotTell("the recording has no date or clock: only times since its start are known")
    return sorted({day for name in names for day in _days(name, timeline)})


def day_name(day: date) -> str:
    """Return a day as it is written: ``Tuesday 10 November 2015``."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {day:%B %Y}"


def _days(name: str, timeline: Timeline) -> list[date]:
    covered = timeline.days
    if name == "weekend":
        found = [day for day in covered if day.weekday() >= 5]
    elif name == "weekdays":
        found = [day for day in covered if day.weekday() < 5]
    elif name in ("today", "last"):
        found = [covered[-1]]
    elif name == "yesterday":
        before = covered[-1] - timedelta(days=len(covered) > 1)  # a single day may be called so
        found = [day for day in covered if day == before]
    elif name == "first":
        found = [covered[0]]
    elif name in WEEKDAYS or name.removesuffix("s") in WEEKDAYS:
        found = [day for day in covered if WEEKDAYS[day.weekday()] == name.removesuffix("s")]
    else:
        parts = [int(part) for part in name.split("-")]
        found = [d for d in covered if [d.year, d.month, d.day][3 - len(parts) :] == parts]
    if not found:
        span = day_name(covered[0])
        if len(covered) > 1:
            span += f" to {day_name(covered[-1])}, {len(covered)} days"
        raise CannotTell(f"'{name}' is not in this data, which holds {span}")
    several = name.endswith("days") or name == "weekend"
    if len(found) > 1 and not several:
        raise CannotTell(
            f"'{name}' is {len(found)} days here: {' or '.join(map(day_name, found))}: which one?"
        )
    return found


def window(when: When, timeline: Timeline) -> Pieces:
    """Return the time within the timeline that is meant."""
    if not timeline.dated and (when.parts or when.since or when.until):
        raise CannotTell("the recording has no date or clock: only times since its start are known")
    if not timeline.dated and not when.days:
        end = max((span.end for span in timeline.spans), default=0.0)
        days = [(0.0, end)]
    else:
        chosen = days_of(when.days, timeline) if when.days else timeline.days
        days = [(timeline.begin(day), timeline.begin(day) + DAY) for day in chosen]
    found: Pieces = []
    for start, end in days:
        part = [(start, end)]
        if when.parts:
            hours = [(start + a * 3600, start + b * 3600) for p in when.parts for a, b in PARTS[p]]
            part = intersect(part, union(hours))
        if when.since or when.until:
            part = intersect(part, _between(when, start))
        if when.before:
            first = _first(when.before, timeline, part)
            part = intersect(part, [(start, first[0])]) if first else []
        if when.after:
            first = _first(when.after, timeline, part)
            part = intersect(part, [(first[1], end)]) if first else []
        found += part
    if not found and (when.before or when.after):
        raise CannotTell(f"there is no '{when.before or when.after}' then")
    return union(found)


def _between(when: When, midnight: float) -> Pieces:
    """Return the time between two clocks; from 22:00 to 02:00 is both ends of the day.

    One minute where they are the same.
    """
    since = clock(when.since) if when.since else 0.0
    until = clock(when.until) if when.until else DAY
    if since == until:
        until = since + 60
    if until < since:
        return [(midnight, midnight + until), (midnight + since, midnight + DAY)]
    return [(midnight + since, midnight + until)]


def _first(label: str, timeline: Timeline, part: Pieces) -> tuple[float, float] | None:
    """Return the first session of a label in some time."""
    sessions = union(intersect(timeline.by_label.get(label, []), part), timeline.gap)
    return sessions[0] if sessions else None
