"""Timelines that several tests ask about."""

from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from imuscribe.ask.timeline import Span, Timeline, timeline_of

LABELS = ("Walking", "At home", "Computer work")
FIRST = date(2015, 11, 3)
"""A Tuesday."""


def days(n: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=i) for i in range(n))


def of_minutes(rows, n_days=1, labels=LABELS) -> Timeline:
    """A timeline of rows (label, first minute, minute after the last)."""
    spans = tuple(Span(60.0 * a, 60.0 * b, label) for label, a, b in rows)
    return Timeline(spans, labels, days(n_days))


@st.composite
def timelines(draw, most_days=3):
    n = draw(st.integers(1, most_days))
    last = n * 1440
    row = st.tuples(st.sampled_from(LABELS), st.integers(0, last - 1), st.integers(1, 400))
    rows = [(label, a, min(last, a + b)) for label, a, b in draw(st.lists(row, max_size=12))]
    return of_minutes(rows, n)


def two_days() -> Timeline:
    """Tuesday and Wednesday: two walks, a night over midnight, a shift that is called by a time."""

    def at(day, clock):
        return datetime.fromisoformat(f"2015-11-0{day} {clock}")

    return timeline_of(
        [
            (at(3, "08:00"), at(3, "09:30"), "Walking", 1.0),
            (at(3, "10:10"), at(3, "10:32"), "Walking", 1.0),
            (at(3, "22:50"), at(4, "06:40"), "Sleeping", 1.0),
            (at(4, "12:00"), at(4, "12:40"), "Night shift", 1.0),
            (at(4, "12:10"), at(4, "12:20"), "Blorping", 1.0),
        ]
    )
