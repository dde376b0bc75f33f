"""Executes queries on timelines, exactly: the only place where an answer's numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from imuscribe.ask.days import days_of, window
from imuscribe.ask.pieces import Piece, Pieces, intersect, length, subtract, union
from imuscribe.ask.query import CLOCK, PARTS, SIGNAL, Measure, Query
from imuscribe.ask.result import CannotTell, Kind, Result
from imuscribe.ask.signal import UNITS, measured
from imuscribe.ask.timeline import DAY, Timeline
from imuscribe.signals.errors import nearest
from imuscribe.signals.recording import Recording

KINDS: dict[str, Kind] = {
    "total": "duration", "longest": "duration", "shortest": "duration", "share": "share",
    "sessions": "count", **{name: "clock" for name in CLOCK}, **{name: "number" for name in SIGNAL},
}  # fmt: skip
_EQUAL = 1e-6
"""Seconds; what differs by less is equal."""


def execute(query: Query, timeline: Timeline, recording: Recording | None = None) -> Result:
    """Compute the answer of a query.

    Parameters
    ----------
    query : Query
    timeline : Timeline
        Where it is predicted (`Timeline.samples`), numbers get an interval and other answers the
        share of samples that agree.
    recording : Recording, optional
        The signal, for measures on it; its first sample is at 0 s of the timeline.

    Returns
    -------
    Result
        Of kind ``"cannot"`` with the reason in `note` where the timeline doesn't hold what is
        asked: a label, a date, a time of day, a signal.
    """
    try:
        found = _execute(query, timeline, recording)
    except CannotTell as reason:
        return Result("cannot", note=str(reason))
    if not timeline.samples or found.kind == "cannot":
        return found
    others = []
    for sample in timeline.samples:
        try:
            others.append(_execute(query, sample, recording).value)
        except CannotTell:
            others.append(None)
    if found.kind in ("duration", "clock", "count", "share", "number"):
        values = sorted(value for value in others if value is not None)
        if not values:
            return found
        last = len(values) - 1
        return replace(found, low=values[round(0.05 * last)], high=values[round(0.95 * last)])
    same = sum(value == found.value for value in others) / len(others)
    return replace(found, agreement=same)


@dataclass(frozen=True)
class _Group:
    """A group of a query: its name, the time it stands for, and what was measured in it."""

    name: str
    pieces: Pieces
    sessions: Pieces
    value: Any


def _execute(query: Query, timeline: Timeline, recording: Recording | None) -> Result:
    _check_labels(query, timeline)
    if query.measure in SIGNAL and recording is None:
        raise CannotTell(
            f"'{query.measure}' is measured on the signal, and there are labels alone: give the "
            "recording"
        )
    whole = window(query.when, timeline)
    groups = _groups(query, timeline, whole, recording)
    found = _picked(query, groups, timeline)
    note = "" if intersect(timeline.recorded, whole) else "nothing is recorded then"
    return replace(found, measured=KINDS[query.measure], note=note)


def _check_labels(query: Query, timeline: Timeline) -> None:
    named = (*query.labels, *query.during, *query.without, query.when.before, query.when.after)
    for label in filter(None, named):
        if label not in timeline.labels:
            raise CannotTell(f"'{label}' is not in this data: {nearest(label, timeline.labels)}")


def _selected(query: Query, timeline: Timeline, labels: Sequence[str]) -> Pieces:
    """Return the time that the labels of a query mean, within no window yet."""
    each = [timeline.by_label[label] for label in labels]
    if not labels:
        found = timeline.recorded
    elif query.join == "all":
        found = each[0]
        for pieces in each[1:]:
            found = intersect(found, pieces)
    else:
        found = each[0] if len(each) == 1 else union(p for pieces in each for p in pieces)
    if query.absent:
        found = subtract(timeline.recorded, found) if labels else []
    if query.during:
        found = intersect(found, union(p for x in query.during for p in timeline.by_label[x]))
    if query.without:
        found = subtract(found, union(p for x in query.without for p in timeline.by_label[x]))
    return found


def _groups(
    query: Query, timeline: Timeline, whole: Pieces, recording: Recording | None
) -> list[_Group]:
    """Measure every group of a query; there is one without a name where it has none."""

    def group(name: str, pieces: Pieces, within: Pieces, midnight: float = 0.0) -> _Group:
        inside = intersect(pieces, within)
        sessions = union(inside, timeline.gap)
        if query.measure == "share":
            recorded = length(intersect(timeline.recorded, within))
            value = length(inside) / recorded if recorded else None
        elif query.measure in SIGNAL:
            value = measured(query.measure, recording, inside) if recording and inside else None
        else:
            value = _measure(query.measure, inside, sessions, midnight)
        return _Group(name, inside, sessions, value)

    if query.by == "label":
        aside = {*query.during, *query.without, query.when.before, query.when.after}
        labels = query.labels or [x for x in timeline.labels if x not in aside]
        return [group(x, _selected(query, timeline, [x]), whole) for x in labels]
    pieces = _selected(query, timeline, query.labels)
    if query.by == "whole":
        return [group("", pieces, whole)]
    if query.by == "session":
        sessions = union(intersect(pieces, whole), timeline.gap)
        return [group("", intersect(pieces, [each]), [each]) for each in sessions]
    if query.by == "day" and query.among:
        times = [
            (
                name,
                [(timeline.begin(d), timeline.begin(d) + DAY) for d in days_of([name], timeline)],
            )
            for name in query.among
        ]
        return [group(n, pieces, intersect(whole, at), at[0][0]) for n, at in times]
    if query.by == "day":
        days = days_of(query.when.days, timeline) if query.when.days else timeline.days
        starts = [(day.isoformat(), timeline.begin(day)) for day in days]
        return [group(n, pieces, intersect(whole, [(t, t + DAY)]), t) for n, t in starts]
    _need_clock(timeline)
    hours = (
        {name: PARTS[name] for name in query.among or PARTS}
        if query.by == "part"
        else {f"{hour:02d}:00": ((hour, hour + 1),) for hour in range(24)}
    )
    within = {
        name: union(
            (timeline.begin(day) + a * 3600, timeline.begin(day) + b * 3600)
            for day in timeline.days
            for a, b in several
        )
        for name, several in hours.items()
    }
    return [group(name, pieces, intersect(whole, at)) for name, at in within.items()]


def _need_clock(timeline: Timeline) -> None:
    if not timeline.dated:
        raise CannotTell("the recording has no date or clock: only times since its start are known")


def _measure(measure: Measure, pieces: Pieces, sessions: Pieces, midnight: float) -> Any:
    if measure == "total":
        return length(pieces)
    if measure == "sessions":
        return len(sessions)
    if not sessions:
        return None
    if measure in ("longest", "shortest"):
        lengths = [end - start for start, end in sessions]
        return max(lengths) if measure == "longest" else min(lengths)
    one: Piece = sessions[0 if measure.startswith("first") else -1]
    return one[0 if measure.endswith("start") else 1] - midnight


def _passes(query: Query, group: _Group) -> bool:
    """Whether a group's value compares so; without a comparison, whether there is any of it."""
    value, amount = group.value, query.amount
    if not query.compare:
        return bool(group.sessions) and value is not None
    if value is None:
        return False
    if query.measure in CLOCK:
        value %= DAY
    passing: dict[str, bool] = {
        ">": value > amount + _EQUAL,
        ">=": value >= amount - _EQUAL,
        "<": value < amount - _EQUAL,
        "<=": value <= amount + _EQUAL,
        "=": abs(value - amount) <= _EQUAL,
    }
    return passing[query.compare]


def _picked(query: Query, groups: list[_Group], timeline: Timeline) -> Result:
    kind = KINDS[query.measure]
    unit = UNITS.get(query.measure, "")
    told = tuple((group.name, group.value) for group in groups if group.name)
    evidence = union(piece for group in groups for piece in group.sessions)

    def result(kind: Kind, value: Any, chosen: Sequence[_Group] | None = None) -> Result:
        pieces = evidence if chosen is None else union(p for g in chosen for p in g.sessions)
        return Result(kind, value, pieces, told, unit=unit if kind == "number" else "")

    if query.pick == "value":
        if query.compare:
            return result("yesno", _passes(query, groups[0]))
        return result(kind, groups[0].value)
    if query.pick in ("most", "least"):
        return _extreme(query, groups, result)
    passing = [group for group in groups if _passes(query, group)]
    if query.pick == "count":
        return result("count", len(passing), passing)
    if query.pick == "every":
        return result("yesno", len(passing) == len(groups) and bool(groups))
    if query.pick == "list":
        if query.by == "session":
            return result("spans", tuple(p for g in passing for p in g.sessions), passing)
        return result("names", tuple(group.name for group in passing), passing)
    held = [group for group in groups if group.value is not None]
    if query.pick == "order":
        held = sorted((g for g in held if g.sessions), key=lambda g: -g.value)
        return result("names", tuple(group.name for group in held), held)
    if query.pick == "each":
        return result("each", tuple((group.name, group.value) for group in groups))
    if query.pick == "difference":
        first, second = groups
        if first.value is None or second.value is None:
            raise CannotTell("one of the two never happened, so they cannot be compared")
        # Two clock times are a duration apart.
        return result("duration" if kind == "clock" else kind, first.value - second.value)
    values = [group.value for group in held]
    if not values:
        return result(kind, None)
    if query.pick == "mean" and kind == "count":
        kind, unit = "number", "times"
    if query.pick in ("sum", "mean"):
        return result(kind, sum(values) / (len(values) if query.pick == "mean" else 1))
    return result(kind, max(values) if query.pick == "max" else min(values))


def _extreme(query: Query, groups: list[_Group], result: Any) -> Result:
    """Return the group or groups with most or least; one that never held has neither.

    Alternatives that were named have least of it even where they have none.
    """
    named = bool(query.among) or (query.by == "label" and bool(query.labels))
    held = [g for g in groups if g.value is not None and (g.sessions or (named and g.value == 0))]
    if not any(group.sessions for group in held):
        return result("yesno", False) if query.expect else result("names", None, [])  # type: ignore[no-any-return]
    values = [group.value for group in held]
    best = max(values) if query.pick == "most" else min(values)
    chosen = [group for group in held if abs(group.value - best) <= _EQUAL]
    if query.expect:
        return result("yesno", [group.name for group in chosen] == [query.expect])  # type: ignore[no-any-return]
    if query.by == "session":
        return result("spans", tuple(p for g in chosen for p in g.sessions), chosen)  # type: ignore[no-any-return]
    return result("names", tuple(group.name for group in chosen), chosen)  # type: ignore[no-any-return]
