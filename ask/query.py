"""What is asked, as a small typed query: `ask.execute` computes it, whoever wrote it.

A query measures some time (`measure` of `labels`, within `when`), once or for each group of `by`,
and says what is wanted of the groups (`pick`). All of it is plain JSON, so a language model can
write one, constrained to `json_schema`; no field can hold a number of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import field_validator, model_validator

from imuscribe.signals.config import Config

Measure = Literal[
    "total", "share", "sessions", "longest", "shortest",
    "first_start", "first_end", "last_start", "last_end",
    "peak", "cadence", "tilt", "turns", "stillness",
]  # fmt: skip
"""Seconds; share of recorded time; number; seconds; time of day; m/s², steps a minute, degrees
from upright, whole turns, share of time without motion."""
By = Literal["whole", "label", "day", "part", "hour", "session"]
Pick = Literal[
    "value", "most", "least", "list", "count", "every", "order", "each", "sum", "mean", "max",
    "min", "difference",
]  # fmt: skip
Part = Literal["morning", "afternoon", "evening", "night"]
Compare = Literal["", ">", ">=", "<", "<=", "="]

CLOCK = ("first_start", "first_end", "last_start", "last_end")
SIGNAL = ("peak", "cadence", "tilt", "turns", "stillness")
PARTS: dict[str, tuple[tuple[float, float], ...]] = {
    "morning": ((5, 12),),
    "afternoon": ((12, 17),),
    "evening": ((17, 21),),
    "night": ((0, 5), (21, 24)),
}
"""Hours of the day, as answers say them."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMED = (*WEEKDAYS, "weekend", "weekdays", "today", "yesterday", "first", "last")
_DATE = re.compile(r"(\d{4}-)?((0?[1-9]|1[0-2])-)?(0?[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?")


class When(Config):
    """Which part of the timeline is meant; everything where nothing is said."""

    days: tuple[str, ...] = ()
    """``Tuesday``, ``Tuesdays`` (all of them), ``2015-11-05``, ``11-05``, ``5`` (of the month),
    ``weekend``, ``weekdays``, ``today`` and ``yesterday`` (last and second last), ``first``."""
    parts: tuple[Part, ...] = ()
    since: str = ""
    """Clock, ``07:30``: on each of these days only from then on."""
    until: str = ""
    before: str = ""
    """A label: on each of these days only until its first session begins."""
    after: str = ""
    """A label: on each of these days only from when its first session ended."""

    @field_validator("days")
    @classmethod
    def _check_days(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            if day.removesuffix("s") not in _NAMED and day != "weekdays" and not _date(day):
                raise ValueError(f"'{day}' is no day: write Tuesday, 2015-11-05, 11-05 or today")
        return days

    @field_validator("since", "until")
    @classmethod
    def _check_time(cls, time: str) -> str:
        if time and (not _TIME.fullmatch(time) or clock(time) > 86_400):
            raise ValueError(f"'{time}' is no time of day: write 07:30, at most 24:00")
        return time


class Query(Config):
    """One question."""

    measure: Measure = "total"
    labels: tuple[str, ...] = ()
    """Whose time is measured; every label where none is named."""
    join: Literal["any", "all"] = "any"
    """Time in which any of the labels holds, or all at once."""
    during: tuple[str, ...] = ()
    """Only while one of these holds too."""
    without: tuple[str, ...] = ()
    """Only while none of these holds."""
    absent: bool = False
    """Recorded time in which the labels do not hold, instead."""
    when: When = When()
    by: By = "whole"
    """Measured once, or for each label, day, part of the day, hour or session."""
    among: tuple[str, ...] = ()
    """With ``day`` or ``part``: these alone, such as Monday and Tuesday."""
    pick: Pick = "value"
    """The value; the group with most or least; groups that hold it (or pass the comparison), how
    many they are, whether all do; all by size; each value; sum, mean, largest, smallest of the
    values; first minus second."""
    compare: Compare = ""
    """Yes or no: is the value so against `amount`?"""
    amount: float = 0.0
    """Seconds, seconds of the day, a number or a share, as the measure is."""
    expect: str = ""
    """With most or least: yes or no, is it this group?"""

    @model_validator(mode="after")
    def _check(self) -> Query:
        if (self.by == "whole") != (self.pick == "value"):
            raise ValueError("pick 'value' goes with by 'whole', every other pick with groups")
        if self.among and self.by not in ("day", "part"):
            raise ValueError("'among' needs by 'day' or 'part'")
        if self.by == "part" and set(self.among) - set(PARTS):
            raise ValueError(f"'among' with by 'part' takes {', '.join(PARTS)}")
        if self.by == "day":
            When(days=self.among)
        if self.compare and self.pick not in ("value", "list", "count", "every"):
            raise ValueError(f"'compare' does not go with pick '{self.pick}'")
        if self.expect and self.pick not in ("most", "least"):
            raise ValueError("'expect' needs pick 'most' or 'least'")
        if self.pick == "sum" and self.measure in CLOCK:
            raise ValueError("clock times have no sum: pick 'mean'")
        if self.pick == "difference" and max(len(self.among), len(self.labels)) != 2:
            raise ValueError("pick 'difference' needs two labels, or two days or parts in 'among'")
        return self

    def relabelled(self, names: dict[str, str]) -> Query:
        """Return the same question about other labels."""

        def new(labels: Sequence[str]) -> tuple[str, ...]:
            return tuple(names.get(label, label) for label in labels)

        when = self.when.model_copy(
            update={x: names.get(getattr(self.when, x), getattr(self.when, x))
                    for x in ("before", "after")}
        )  # fmt: skip
        changed = {x: new(getattr(self, x)) for x in ("labels", "during", "without")}
        expect = names.get(self.expect, self.expect) if self.by == "label" else self.expect
        return self.model_copy(update={**changed, "when": when, "expect": expect})

    def told(self) -> dict[str, Any]:
        """Return what was set, as JSON takes it; `Query.parse` reads it back."""
        return self.model_dump(mode="json", exclude_defaults=True)


def clock(time: str) -> float:
    """Return the seconds of the day of ``07:30`` or ``07:30:15``."""
    parts = [int(part) for part in time.split(":")]
    return float(sum(part * 60**i for part, i in zip(parts, (2, 1, 0), strict=False)))


CANNOT = ("not in this data", "not a question about it")
"""What a parser says instead of a query."""


def json_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of what a parser may say about data with these labels.

    Decoding is constrained to it: ``{"query": …}``, in which no label can be written that the data
    lacks, or ``{"cannot": …}``.
    """
    schema: dict[str, Any] = Query.model_json_schema()
    parts = schema.pop("$defs")
    label = {"type": "string", "enum": list(labels)}
    fields, when = schema["properties"], parts["When"]["properties"]
    for name in ("labels", "during", "without"):
        fields[name]["items"] = label
    for name in ("before", "after"):
        when[name] = {"type": "string", "enum": ["", *labels]}
    for name in ("since", "until"):
        when[name]["pattern"] = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)?$"
    day = "|".join([*WEEKDAYS, *(f"{name}s" for name in WEEKDAYS), *_NAMED[7:]])
    dates = "([0-9]{4}-)?([0-9]{2}-)?[0-9]{1,2}"
    when["days"]["items"] = {"type": "string", "pattern": f"^({day}|{dates})$"}
    cannot = {"type": "string", "enum": list(CANNOT)}
    return {
        "$defs": parts | {"Query": schema},
        "anyOf": [_only("query", {"$ref": "#/$defs/Query"}), _only("cannot", cannot)],
    }


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": False,
    }


def _date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    return found is not None and not (found[1] and not found[2])


assert set(get_args(Part)) == set(PARTS)
