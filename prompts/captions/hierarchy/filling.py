"""Sentences out of wordings, and which part of them claims what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from imuscribe.prompts.captions.hierarchy.config import Event
from imuscribe.prompts.captions.hierarchy.structure import Findings, Stretch
from imuscribe.prompts.tables import tables

WORDS = "captions/hierarchy/words.yaml"


class Claim(NamedTuple):
    """What ``text[start:end]`` of a caption says.

    `kind` is a figure (``mean``, ``deviation``, ``least``, ``greatest``, ``constant``), ``level``
    (the mean from `since` to `until`, seconds), a ``time``, ``length``, ``rate``, ``period`` or
    ``missing`` share; or without a number what a stretch does (``rises``, ``falls``, ``steady``,
    ``peak``, ``drop``), a ``point`` of time, ``height`` or ``spread`` in words, ``part`` missing,
    ``calm``, ``nothing``, ``no peak``, ``no gyroscope``, ``gone``, a ``stroke``, or what was told
    (``label``, ``placement``, ``case``, ``event``).
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


class Sentence(NamedTuple):
    """A sentence of a caption; the places of its claims count from its own start."""

    level: str
    text: str
    claims: tuple[Claim, ...]
    rank: float = 0.0
    """What does not fit is left out from the highest rank down."""
    wording: str = ""
    about: Stretch | Event | None = None
    """What it tells, if that has a time of its own."""


Gap: TypeAlias = str | tuple[str, Claim | list[Claim]]
"""What fills a gap of a wording: a text, or one that claims something."""


def fill(wording: str, gaps: dict[str, Any]) -> tuple[str, tuple[Claim, ...]]:
    """Return a wording with its gaps filled, and the claims with their places."""
    pieces: list[str] = []
    claims: list[Claim] = []
    place = 0
    for k, part in enumerate(_parts(wording)):
        gap = part if k % 2 == 0 else gaps[part]
        if isinstance(gap, tuple):
            text, claim = gap
            if isinstance(claim, Claim):  # places by hand: `_replace` is slow
                claims.append(Claim(claim[0], place, place + len(text), *claim[3:]))
            else:
                claims += [Claim(c[0], c[1] + place, c[2] + place, *c[3:]) for c in claim]
        else:
            text = gap
        pieces.append(text)
        place += len(text)
    return "".join(pieces), tuple(claims)


@cache
def _parts(wording: str) -> tuple[str, ...]:
    """Return a wording as text and names of gaps in turn."""
    return tuple(re.split(r"\{([^}]*)\}", wording))


def joined(parts: Sequence[tuple[str, tuple[Claim, ...]]], between: str) -> tuple[str, list[Claim]]:
    """Return filled parts as one gap."""
    claims: list[Claim] = []
    place = 0
    for text, found in parts:
        claims += [Claim(c[0], c[1] + place, c[2] + place, *c[3:]) for c in found]
        place += len(text) + len(between)
    return between.join(text for text, _ in parts), claims


def number(
    kind: str,
    value: float,
    digits: int,
    unit: str = "",
    channel: str = "",
    since: float = 0.0,
    until: float = 0.0,
) -> Gap:
    """Return a number as it is written, with its claim."""
    # A minus before what rounds to nothing would be a claim.
    value = round(value, digits) + 0.0
    return f"{value:.{digits}f}", Claim(kind, 0, 0, value, unit, channel, since, until)


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
        word = point(seconds, self.length)
        return word, Claim("point", 0, 0, since=seconds, word=word)


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
    gaps: dict[str, Any] = {"channel": low, "Channel": high, "time": scale.unit}
    if about.what in ("peak", "drop"):
        gaps["middle"] = scale.time(0.5 * (start + end), finer=1)
    else:
        gaps |= {"start": scale.time(start), "end": scale.time(end)}
    if scale.numbers and about.what != "steady":
        digits, unit = digits_of(c, max(abs(about.first), abs(about.last))), unit_of(c)
        gaps["unit"] = f" {unit}" if unit else ""
        gaps["first"] = number("level", about.first, digits, unit, c, start, start + about.head)
        if about.what in ("rises", "falls"):
            gaps["last"] = number("level", about.last, digits, unit, c, end - about.tail, end)
    text, claims = fill(wording, gaps)
    whole = Claim(about.what, 0, len(text), channel=c, since=start, until=end, word=about.what)
    return Sentence("structural", text, (whole, *claims), rank, wording, about)


def event_sentence(wording: str, about: Event, scale: Scale, start: float, end: float) -> Sentence:
    """Say what was noted, from `start` to `end`: its own where it is true."""
    name = (about.name, Claim("event", 0, 0, since=start, until=end, word=about.name))
    high = (capital(about.name), name[1])
    gaps = {"name": name, "Name": high, "time": scale.unit, "start": scale.time(start)}
    text, claims = fill(wording, gaps | {"end": scale.time(end)})
    return Sentence("semantic", text, claims, 1e3 - (end - start), wording, about)


def stroke_gap(strokes: list[tuple[str, float, float]]) -> Gap:
    """Say strokes in order, each from when to when."""
    parts = []
    for word, start, end in strokes:
        claim = Claim("stroke", 0, len(word), since=start, until=end, word=word)
        parts.append((word, (claim,)))
    return joined(parts, ", then ")


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
