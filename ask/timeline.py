"""What somebody did when: labelled spans over one or several days, overlapping where they do.

Times are seconds from midnight of the first day, on the clock the data was written by, so a day is
86,400 s and a span may reach over midnight. Where no span is, nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from imuscribe.ask.pieces import Piece, Pieces, union
from imuscribe.signals.errors import InputError

DAY = 86_400.0
"""Seconds."""


@dataclass(frozen=True, order=True)
class Span:
    """A label that holds for some time: seconds from midnight of the timeline's first day."""

    start: float
    end: float
    label: str
    confidence: float = 1.0
    """Probability that the label is right, 0 to 1; 1 where it was given."""


@dataclass(frozen=True)
class Timeline:
    """Labelled spans, and what else is known of the time they stand in.

    Raises
    ------
    InputError
        If a span ends before it begins or has a label that is not among `labels`.
    """

    spans: tuple[Span, ...]
    """In order of their starts."""
    labels: tuple[str, ...]
    """All labels looked for, those that never held included."""
    days: tuple[date, ...]
    """Days that are covered, in order; the first begins at 0 s."""
    dated: bool = True
    """False: nobody knows the clock or the date, and 0 s is when recording began."""
    gap: float = 0.0
    """Seconds; pieces of one label that are no further apart are one session."""
    samples: tuple[Timeline, ...] = ()
    """What else may have been, drawn from a model's probabilities; none where labels were given."""

    def __post_init__(self) -> None:
        known = set(self.labels)
        for span in self.spans:
            if not span.end >= span.start:
                raise InputError(
                    f"a span of '{span.label}' ends {span.start - span.end:g} s before it begins: "
                    "give start and end in order"
                )
            if span.label not in known:
                raise InputError(f"a span's label '{span.label}' is not among the labels given")
        object.__setattr__(self, "spans", tuple(sorted(self.spans)))
        if not self.days:
            raise InputError("a timeline needs at least one day")

    @cached_property
    def by_label(self) -> dict[str, Pieces]:
        """The time of each label."""
        found: dict[str, list[Piece]] = {label: [] for label in self.labels}
        for span in self.spans:
            found[span.label].append((span.start, span.end))
        return {label: union(pieces) for label, pieces in found.items()}

    @cached_property
    def recorded(self) -> Pieces:
        """The time in which any label holds."""
        return union((span.start, span.end) for span in self.spans)

    def begin(self, day: date) -> float:
        """Return when a day begins."""
        return (day - self.days[0]).days * DAY

    def day_of(self, seconds: float) -> date:
        """Return the day that a time is in."""
        return self.days[0] + timedelta(days=int(seconds // DAY))

    def moment(self, seconds: float) -> datetime:
        """Return date and clock of a time."""
        return datetime.combine(self.days[0], datetime.min.time()) + timedelta(seconds=seconds)

    def relabelled(self, names: dict[str, str]) -> Timeline:
        """Return the same time under other labels."""
        return replace(
            self,
            spans=tuple(replace(span, label=names[span.label]) for span in self.spans),
            labels=tuple(names[label] for label in self.labels),
            samples=tuple(sample.relabelled(names) for sample in self.samples),
        )

    def shifted(self, days: int) -> Timeline:
        """Return the same clock times so many days later."""
        later = tuple(day + timedelta(days=days) for day in self.days)
        return replace(
            self, days=later, samples=tuple(sample.shifted(days) for sample in self.samples)
        )


def timeline_of(
    spans: Iterable[tuple[Any, Any, str, float]],
    labels: Sequence[str] = (),
    days: Sequence[date] = (),
    gap: float = 0.0,
) -> Timeline:
    """Build a timeline from spans as they stand in files.

    Parameters
    ----------
    spans : iterable of (start, end, label, confidence)
        Start and end are datetimes, or seconds from an unknown beginning; all of one kind. Times
        with a zone keep the zone of the first, so that durations are right when clocks change.
    labels : sequence of str
        Further labels, which never held; order is kept.
    days : sequence of date
        Further days that are covered.
    gap : float
        As in `Timeline`.

    Raises
    ------
    InputError
        If there is nothing, kinds are mixed, or a span ends before it begins.
    """
    rows = list(spans)
    if not rows and not (labels and days):
        raise InputError("no span there: give rows with start, end and label")
    dated = bool(days) or isinstance(rows[0][0], datetime)
    if any(isinstance(at, datetime) != dated for row in rows for at in row[:2]):
        raise InputError("some times are dates and some are seconds: write all of them alike")
    names = tuple(dict.fromkeys([*labels, *(str(row[2]) for row in rows)]))
    if not dated:
        found = tuple(Span(float(s), float(e), str(label), c) for s, e, label, c in rows)
        return Timeline(found, names, (date(1970, 1, 1),), dated=False, gap=gap)
    zone = rows[0][0].tzinfo if rows else None
    if any((at.tzinfo is None) != (zone is None) for row in rows for at in row[:2]):
        raise InputError("some times have a zone and some have none: write all of them alike")
    if zone is not None:
        offset = rows[0][0].utcoffset()
        local = [tuple((at - at.utcoffset() + offset).replace(tzinfo=None) for at in row[:2])
                 for row in rows]  # fmt: skip
    else:
        local = [row[:2] for row in rows]
    first = min([*days, *(start.date() for start, _ in local)])
    midnight = datetime.combine(first, datetime.min.time())
    found = tuple(
        Span((start - midnight).total_seconds(), (end - midnight).total_seconds(), str(label), c)
        for (start, end), (_, _, label, c) in zip(local, rows, strict=True)
    )
    touched = {start.date() for start, _ in local}
    touched |= {(end - timedelta(microseconds=1)).date() for start, end in local if end > start}
    return Timeline(found, names, tuple(sorted(touched | set(days))), gap=gap)
