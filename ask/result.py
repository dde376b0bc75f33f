"""What executing a query gives: one typed value, and the spans that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from imuscribe.ask.pieces import Pieces

Kind = Literal[
    "duration", "clock", "count", "share", "number", "yesno", "names", "spans", "each", "cannot"
]


class CannotTell(Exception):
    """The timeline does not hold what is asked, or it isn't clear what is; says which."""


@dataclass(frozen=True)
class Result:
    """The computed answer of a query.

    `value` is seconds (duration), seconds from midnight of the timeline's first day (clock), a
    whole number (count), 0 to 1 (share), a number in `unit`, True or False (yesno), a tuple of
    labels, ISO dates, parts or hours (names; several where they are equal), of (start, end) in
    seconds (spans), or None: never, or nothing of that kind.
    """

    kind: Kind
    value: Any = None
    evidence: Pieces = ()  # type: ignore[assignment]
    """The measured pieces of time, in seconds."""
    groups: tuple[tuple[str, Any], ...] = ()
    """Every group that was measured with its value, in the measure's unit."""
    measured: Kind = "duration"
    """Of what kind the groups' values are."""
    unit: str = ""
    note: str = ""
    """Why nothing can be told, or what was taken for granted."""
    low: Any = None
    high: Any = None
    """Nine tenths of what else may have been lie between; None where the timeline was given."""
    agreement: float | None = None
    """Share of the other possible timelines with the same answer, where it is no number."""
