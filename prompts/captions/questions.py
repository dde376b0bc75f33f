"""Questions about a stretch of signal, whose answers are computed from it.

SensorLLM (arXiv 2410.10624) teaches a language model to read a sensor's tokens with questions
about trends; here are also rhythm, gravity, range, spread and which channel moves most. Every
answer comes with its `Fact`s, so that `imuscribe.prompts.captions.verify` can tell whether any text
bears them out. A question whose answer would hang on noise (a change close to the tolerance, two
channels equally strong) is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from imuscribe.prompts.captions.trends import (
    TRENDS,
    Levels,
    Run,
    TrendConfig,
    dominant_frequency,
    runs,
    seconds,
    unit_of,
)
from imuscribe.prompts.tables import tables
from imuscribe.signals.config import Config
from imuscribe.signals.recording import ACC, SENSORS, Recording

Kind = Literal[
    "trend",
    "overall",
    "runs",
    "counts",
    "times",
    "range",
    "statistics",
    "frequency",
    "gravity",
    "strongest",
    "summary",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDINGS = "captions/trends.yaml"


class QaConfig(Config):
    """Which questions are asked, how many, and about what."""

    per_recording: int = Field(default=4, ge=1)
    """Questions a recording and epoch, each about a segment of its own."""
    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1)
    """Drawn alike; what a segment can't answer is not asked."""
    channels: tuple[str, ...] = ()
    """Channels that are shown and asked about; empty for all that a recording has."""
    preamble: Literal["full", "brief"] = "full"
    """What opens a prompt: channels, length, rate and what *steady* means, about 70 tokens; or
    length and rate alone, for a model that is trained on the rest."""
    trends: TrendConfig = TrendConfig()


_DRAWS = 8
"""How often a channel or a stretch is drawn before a question is given up."""


@dataclass(frozen=True)
class Number:
    """A measured value, in what unit, and how far a statement of it may be off."""

    value: float
    unit: str
    tolerance: float


@dataclass(frozen=True)
class Fact:
    """What an answer must say: a word, such as ``rises``, and the numbers that go with it."""

    what: str
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question about a segment and its true answer.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    channel : str
        A channel, or the sensor (``acc``, ``gyro``) where the question is about one.
    start, end : float
        Between which levels, seconds from the segment's first sample.
    question, answer : str
    facts : tuple of Fact
        What the answer says, exactly.
    """

    kind: Kind
    channel: str
    start: float
    end: float
    question: str
    answer: str
    facts: tuple[Fact, ...]


def questions(
    rec: Recording,
    rng: np.random.Generator,
    config: TrendConfig = TrendConfig(),
    kinds: Sequence[Kind] = KINDS,
) -> list[Question]:
    """Ask one question of each kind about a whole recording, in the order of `kinds`.

    Parameters
    ----------
    rec : Recording
        Such as `cut` returns; at least three steps long, no gap as long as a step.
    rng : Generator
        Draws channels, stretches and wordings.
    config : TrendConfig
    kinds : sequence of str
        Left out is what the recording can't answer: no accelerometer, no channel that moves, or
        nothing clear enough.

    Raises
    ------
    InputError
        If the recording is too short, or has a step without a sample.
    """
    signal = Levels(rec, config)
    found = []
    for kind in kinds:
        answered = _ANSWERS[kind](signal, rng)
        if answered is not None:
            found.append(_put(kind, answered, signal, rng))
    return found


# The answers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answered:
    """What is asked about, between which levels, and what is true of it."""

    channel: str
    first: int
    last: int
    facts: tuple[Fact, ...]
    said: dict[str, str]
    """The words that stand in the answer's form."""


def _put(kind: Kind, found: _Answered, signal: Levels, rng: np.random.Generator) -> Question:
    """Put the question and the answer into words."""
    wordings = tables(WORDINGS)
    start, end = signal.time(found.first), signal.time(found.last)
    said = {"channel": found.channel, "start": seconds(start), "end": seconds(end)} | found.said
    forms = wordings["answers"][kind]
    if kind == "summary":
        forms = [" ".join(str(rng.choice(sentence)) for sentence in forms)]
    asked = str(rng.choice(wordings["questions"][kind])).format(**said)
    return Question(kind, found.channel, start, end, asked, forms[0].format(**said), found.facts)


def _trend(s: Levels, rng: np.random.Generator) -> _Answered | None:
    for _ in range(_DRAWS):
        channel = s.draw(rng)
        first, last = sorted(int(i) for i in rng.choice(s.n, 2, replace=False))
        change = float(s.of(channel)[last] - s.of(channel)[first])
        if _is_clear(change, s, channel):
            word = s.word(change, channel)
            return _Answered(channel, first, last, (Fact(word),), {"trend": word})
    return None


def _overall(s: Levels, rng: np.random.Generator) -> _Answered | None:
    for _ in range(_DRAWS):
        channel = s.draw(rng)
        fact, said = _way(s, channel)
        if _is_clear(fact.numbers[1].value - fact.numbers[0].value, s, channel):
            return _Answered(channel, 0, s.n - 1, (fact,), said)
    return None


def _runs(s: Levels, rng: np.random.Generator) -> _Answered | None:
    if (drawn := _divided(s, rng)) is None:
        return None
    channel, found = drawn
    found = found[: s.config.most_runs]
    facts, said = [], []
    for run in found:
        start, end = s.time(run.first), s.time(run.last)
        facts.append(Fact(run.trend, (_moment(s, start), _moment(s, end))))
        said.append(f"{run.trend} {seconds(start)}-{seconds(end)} s")
    return _Answered(channel, 0, found[-1].last, tuple(facts), {"runs": ", ".join(said)})


def _counts(s: Levels, rng: np.random.Generator) -> _Answered | None:
    if (drawn := _divided(s, rng)) is None:
        return None
    channel, found = drawn
    words = [run.trend for run in found]
    facts = tuple(Fact(word, (Number(words.count(word), "", 0.0),)) for word in TRENDS)
    said = {word: str(words.count(word)) for word in TRENDS}
    return _Answered(channel, 0, s.n - 1, facts, said)


def _times(s: Levels, rng: np.random.Generator) -> _Answered | None:
    if (drawn := _divided(s, rng)) is None:
        return None
    channel, found = drawn
    facts, said = _shares(s, found)
    return _Answered(channel, 0, s.n - 1, facts, said)


def _range(s: Levels, rng: np.random.Generator) -> _Answered | None:
    moving = [c for c in s.rec.channels if np.ptp(s.of(c)) > s.config.tolerance(c)]
    if not moving:  # where its extremes lie is noise
        return None
    channel = str(rng.choice(moving))
    facts, said = [], {}
    for name, place in (("least", s.of(channel).argmin()), ("greatest", s.of(channel).argmax())):
        value, at = _number(s, s.of(channel)[place], channel), _moment(s, s.time(int(place)))
        facts.append(Fact(name, (value, at)))
        said[name] = f"{_decimal(value.value)} {value.unit} at {seconds(at.value)} s"
    return _Answered(channel, 0, s.n - 1, tuple(facts), said)


def _statistics(s: Levels, rng: np.random.Generator) -> _Answered:
    channel = s.draw(rng)
    values = s.raw(channel)
    found = {"mean": values.mean(), "deviation": values.std()}
    facts = tuple(Fact(name, (_number(s, value, channel),)) for name, value in found.items())
    said = {name: f"{_decimal(value)} {unit_of(channel)}" for name, value in found.items()}
    return _Answered(channel, 0, s.n - 1, facts, said)


def _frequency(s: Levels, rng: np.random.Generator) -> _Answered:
    channel = s.draw(rng)
    values, resolution = s.raw(channel), 1 / (s.n * s.config.step)
    strongest, share = dominant_frequency(values, s.rec.rate)
    if share < s.config.rhythm or values.std() <= s.config.tolerance(channel):
        return _Answered(channel, 0, s.n - 1, (Fact("no rhythm"),), {"rhythm": "no rhythm"})
    number = Number(round(strongest, 3), "Hz", max(0.2, 0.5 * resolution))
    said = {"rhythm": f"frequency {_decimal(strongest)} Hz"}
    return _Answered(channel, 0, s.n - 1, (Fact("frequency", (number,)),), said)


def _gravity(s: Levels, rng: np.random.Generator) -> _Answered | None:
    if not set(ACC) <= set(s.rec.channels):
        return None
    mean = np.array([s.raw(name).mean() for name in ACC])
    strength = float(np.linalg.norm(mean))
    second, first = np.sort(np.abs(mean))[1:]
    if strength < 5 or first < (1 + s.config.margin) * second:  # falling; or on an edge
        return None
    upright = int(np.abs(mean).argmax())
    axis = f"{'+' if mean[upright] > 0 else '-'}{'xyz'[upright]}"
    tilt = float(np.degrees(np.arccos(min(1.0, first / strength))))
    fact = Fact(axis, (Number(round(tilt, 3), "°", s.config.tilt),))
    return _Answered("acc", 0, s.n - 1, (fact,), {"axis": axis, "tilt": f"{tilt:.0f}"})


def _strongest(s: Levels, rng: np.random.Generator) -> _Answered | None:
    whole = [name for name, rows in SENSORS.items() if set(rows) <= set(s.rec.channels)]
    for sensor in rng.permutation(whole):
        rows = SENSORS[str(sensor)]
        spread = np.array([s.raw(name).std() for name in rows])
        order = np.argsort(-spread)
        channel, clear = rows[order[0]], (1 + s.config.margin) * spread[order[1]]
        if spread[order[0]] > max(clear, s.config.tolerance(channel)):
            number = _number(s, spread[order[0]], channel)
            said = {"strongest": channel, "deviation": f"{_decimal(number.value)} {number.unit}"}
            return _Answered(str(sensor), 0, s.n - 1, (Fact(channel, (number,)),), said)
    return None


def _summary(s: Levels, rng: np.random.Generator) -> _Answered | None:
    if (drawn := _divided(s, rng)) is None:
        return None
    channel, found = drawn
    length = (s.n - 1) * s.config.step
    times, said = _shares(s, found)
    way, ends = _way(s, channel)
    if not _is_clear(way.numbers[1].value - way.numbers[0].value, s, channel):
        return None
    facts = (Fact(channel, (_moment(s, length),)), Fact("runs", (Number(len(found), "", 0.0),)))
    ends["goes"] = "is steady" if way.what == "steady" else way.what
    said |= ends | {"length": seconds(length), "n_runs": str(len(found))}
    return _Answered(channel, 0, s.n - 1, (*facts, *times, way), said)


_ANSWERS: dict[Kind, Callable[[Levels, np.random.Generator], _Answered | None]] = {
    "trend": _trend,
    "overall": _overall,
    "runs": _runs,
    "counts": _counts,
    "times": _times,
    "range": _range,
    "statistics": _statistics,
    "frequency": _frequency,
    "gravity": _gravity,
    "strongest": _strongest,
    "summary": _summary,
}


def _is_clear(change: float, s: Levels, channel: str) -> bool:
    tolerance = s.config.tolerance(channel)
    return abs(abs(change) - tolerance) > s.config.margin * tolerance


def _divided(s: Levels, rng: np.random.Generator) -> tuple[str, list[Run]] | None:
    """Draw a channel none of whose steps is close to the tolerance, and return it and its runs."""
    for _ in range(_DRAWS):
        channel = s.draw(rng)
        if all(_is_clear(float(change), s, channel) for change in np.diff(s.of(channel))):
            return channel, runs(s.of(channel), s.config.tolerance(channel))
    return None


def _way(s: Levels, channel: str) -> tuple[Fact, dict[str, str]]:
    """Return the trend from the first level to the last, and its words."""
    ends = [float(s.of(channel)[i]) for i in (0, -1)]
    word = s.word(ends[1] - ends[0], channel)
    first, last = (_decimal(value) for value in ends)
    said = {"trend": word, "from": first, "to": last, "unit": unit_of(channel)}
    return Fact(word, tuple(_number(s, value, channel) for value in ends)), said


def _shares(s: Levels, found: list[Run]) -> tuple[tuple[Fact, ...], dict[str, str]]:
    """Return how long the runs of each trend are together, and the words."""
    length = {
        word: s.config.step * sum(run.last - run.first for run in found if run.trend == word)
        for word in TRENDS
    }
    facts = tuple(Fact(word, (_moment(s, length[word]),)) for word in TRENDS)
    return facts, {word: seconds(length[word]) for word in TRENDS}


def _number(s: Levels, value: float, channel: str) -> Number:
    """Return a value of a channel, and how far a statement of it may be off."""
    off = max(s.config.tolerance(channel), s.config.relative * abs(float(value)))
    return Number(round(float(value), 3), unit_of(channel), off)


def _moment(s: Levels, time: float) -> Number:
    """Return a time, which may be off by less than half a step."""
    return Number(round(time, 3), "s", 0.49 * s.config.step)


def _decimal(value: float) -> str:
    return f"{round(float(value), 1) + 0.0:.1f}"
