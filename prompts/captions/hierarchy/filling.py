"""Sentences out of wordings, and which part of them claims what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np

from imuscribe.prompts.captions.hierarchy.config import Event
from imuscribe.prompts.captions.hierarchy.structure import Findings, Stretch
from imuscribe.prompts.tables import tables

WORDS = "captions/hierarchy/words.yaml"


class Claim(NamedTuple):
    """What ``text[start:end]`` of a caption says.

    `kind` is a figure (``mean``, ``deviation``, ``least``, ``greatest``, ``constant``; ``level``, a
    mean from `since` to `until`, seconds, which also narrow down ``least`` and ``greatest``), a
    ``time``, ``length``, ``rate``, ``period`` or ``missing`` share. Without a number it is what a
    stretch does (``rises``, ``falls``, ``steady``, ``peak``, ``drop``), a ``point`` of time,
    ``height`` or ``spread`` in words, the ``part`` missing, ``calm``, ``nothing``, ``no peak``,
    ``no gyroscope``, ``gone``, a ``stroke``, or what was told (``label``, ``placement``, ``case``,
    ``event``).
    """

    kind: str
    start: int
    end: int
    value: float | None = None
    """The number as written, in `unit`."""
    unit: str = ""
    channel: str = ""
    """A channel or a sensor."""
    since: float = 0.0
    until: float = 0.0
    word: str = ""


Mark: TypeAlias = tuple[str, int, int, float | None, str, str, float, float, str]
"""The fields of a claim: a caption has many, and most are never looked at."""
Gap: TypeAlias = str | tuple[str, tuple[Mark, ...]]
"""What fills a gap of a wording: a text, or one of which parts claim something."""


class Sentence(NamedTuple):
    """A sentence of a caption."""

    level: str
    text: str
    marks: tuple[Mark, ...]
    rank: float = 0.0
    """What does not fit is left out from the highest rank down."""
    wording: str = ""
    about: Stretch | Event | None = None
    """What it tells, if that has a time of its own."""

    @property
    def claims(self) -> list[Claim]:
        """Its claims, their places counted from its start."""
        return [Claim(*mark) for mark in self.marks]


def fill(wording: str, gaps: Mapping[str, Gap]) -> tuple[str, tuple[Mark, ...]]:
    """Return a wording with its gaps filled, and what claims something."""
    parts = _parts(wording)
    return joined([gaps[part] if k % 2 else part for k, part in enumerate(parts)])


@cache
def _parts(wording: str) -> tuple[str, ...]:
    """Return a wording as text and names of gaps in turn."""
    return tuple(re.split(r"\{([^}]*)\}", wording))


def joined(gaps: Sequence[Gap], between: str = "") -> tuple[str, tuple[Mark, ...]]:
    """Return several as one."""
    pieces: list[str] = []
    marks: list[Mark] = []
    place = 0
    for gap in gaps:
        if isinstance(gap, str):
            text = gap
        else:
            text, found = gap
            marks += [
                (k, a + place, b + place, v, u, c, s, e, w) for k, a, b, v, u, c, s, e, w in found
            ]
        pieces.append(text)
        place += len(text) + len(between)
    return between.join(pieces), tuple(marks)


def said(
    kind: str, text: str, channel: str = "", since: float = 0.0, until: float = 0.0, word: str = ""
) -> tuple[str, tuple[Mark, ...]]:
    """Return a text that claims something without a number; `word` is the text if left out."""
    return text, ((kind, 0, len(text), None, "", channel, since, until, word or text),)


def number(
    kind: str,
    value: float,
    digits: int,
    unit: str = "",
    channel: str = "",
    since: float = 0.0,
    until: float = 0.0,
) -> tuple[str, tuple[Mark, ...]]:
    """Return a number as it is written, with its claim."""
    # A minus before what rounds to nothing would be a claim.
    value = round(value, digits) + 0.0
    text = f"{value:.{digits}f}"
    return text, ((kind, 0, len(text), value, unit, channel, since, until, ""),)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a caption writes time, and whether it writes numbers at all."""

    length: float
    """Seconds from the first sample to the last."""
    digits: int
    minutes: bool
    numbers: bool

    @classmethod
    def of(cls, found: Findings, numbers: bool) -> Scale:
        """Return minutes from ten of them on; as many digits as tell bins apart."""
        minutes = found.rec.duration >= 600
        step = found.bin / (60 if minutes else 1)
        digits = next((d for d in range(5) if abs(step - round(step, d)) < 1e-9), 4)
        return cls(found.rec.duration, digits, minutes, numbers)

    @property
    def unit(self) -> str:
        """Unit of times."""
        return "min" if self.minutes else "s"

    def time(self, seconds: float, finer: int = 0) -> Gap:
        """Return a time: a number, or a word where no numbers are wanted."""
        if self.numbers:
            value = seconds / 60 if self.minutes else seconds
            return number("time", value, self.digits + finer, self.unit, since=seconds)
        return said("point", point(seconds, self.length), since=seconds)


def point(seconds: float, length: float) -> str:
    """Return the nearest point of a recording."""
    share = seconds / length if length > 0 else 0.0
    points: list[str] = tables(WORDS)["points"]
    return points[min(max(int(4 * share + 0.501), 0), 4)]


def stretch_sentence(
    wording: str, about: Stretch, scale: Scale, start: float, end: float, rank: float = 0.0
) -> Sentence:
    """Say what a channel does, from `start` to `end`: those of the stretch where it is true."""
    c = about.channel
    low, high = named(c)
    gaps: dict[str, Gap] = {"channel": low, "Channel": high, "time": scale.unit}
    if about.what in ("peak", "drop"):
        gaps["middle"] = scale.time(0.5 * (start + end), finer=1)
    else:
        gaps |= {"start": scale.time(start), "end": scale.time(end)}
    if scale.numbers and about.what != "steady":
        digits, unit = digits_of(c, max(abs(about.first), abs(about.last))), unit_of(c)
        gaps["unit"] = f" {unit}" if unit else ""
        if about.what in ("peak", "drop"):
            kind = "greatest" if about.what == "peak" else "least"
            gaps["first"] = number(kind, about.first, digits, unit, c, about.head, about.tail)
        else:
            head, tail = about.head - about.start, about.end - about.tail
            gaps["first"] = number("level", about.first, digits, unit, c, start, start + head)
            gaps["last"] = number("level", about.last, digits, unit, c, end - tail, end)
    text, marks = fill(wording, gaps)
    _, whole = said(about.what, text, c, start, end, about.what)
    return Sentence("structural", text, whole + marks, rank, wording, about)


def event_sentence(wording: str, about: Event, scale: Scale, start: float, end: float) -> Sentence:
    """Say what was noted, from `start` to `end`: its own where it is true."""
    name = said("event", about.name, since=start, until=end)
    high = capital(about.name), name[1]
    gaps: dict[str, Gap] = {"name": name, "Name": high, "time": scale.unit}
    gaps |= {"start": scale.time(start), "end": scale.time(end)}
    return Sentence("semantic", *fill(wording, gaps), 3 + 1 / (1 + end - start), wording, about)


def stroke_gap(strokes: list[tuple[str, float, float]]) -> Gap:
    """Say strokes in order, each from when to when."""
    gaps = [said("stroke", word, since=start, until=end) for word, start, end in strokes]
    return joined(gaps, ", then ")


# Names -------------------------------------------------------------------------------------------


@cache
def unit_of(channel: str) -> str:
    """Return the unit of a channel or sensor: m/s², rad/s, or nothing."""
    units = {"acc": "m/s²", "lin_acc": "m/s²", "gyro": "rad/s"}
    return units.get(channel) or units.get(channel.rpartition("_")[0], "")


@cache
def named(channel: str) -> tuple[str, str]:
    """Return a channel or a sensor in words, in a sentence and at its beginning."""
    words = tables(WORDS)
    sensor, _, axis = channel.rpartition("_")
    if sensor in words["sensors"]:
        name = f"{words['sensors'][sensor]} {words['along'][sensor]} {axis}"
    else:
        name = words["sensors"].get(channel, channel.replace("_", " "))
    return name, capital(name)


@cache
def short(channel: str) -> str:
    """Return a channel beside others of its sensor: "rotation z"."""
    sensor, _, axis = channel.rpartition("_")
    return f"{tables(WORDS)['sensors'][sensor]} {axis}"


def capital(text: str) -> str:
    """Return a text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def digits_of(channel: str, size: float) -> int:
    """Return how many digits after the point a value of a channel is written with."""
    if unit_of(channel) or size < 1e-9:
        return 2
    return int(np.clip(3 - np.ceil(np.log10(size)), 0, 9))


def level_word(what: str, channel: str, value: float) -> str:
    """Return the word for a figure: ``height`` of a mean, ``spread`` of a deviation."""
    return next(word for bound, word in _steps(what, unit_of(channel)) if value >= bound)


@cache
def _steps(what: str, unit: str) -> list[tuple[float, str]]:
    kind = {"m/s²": "acc", "rad/s": "gyro"}.get(unit, "other")
    steps = tables(WORDS)["words"][what][kind].items()
    return [(float(bound) - 1e-12, word) for bound, word in steps][::-1]
