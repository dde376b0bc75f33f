"""The sentences of one recording, level by level; the seed and its id decide between wordings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from imuscribe.prompts.captions.hierarchy.config import CaptionConfig, Event
from imuscribe.prompts.captions.hierarchy.filling import (
    WORDS,
    Gap,
    Scale,
    Sentence,
    digits_of,
    event_sentence,
    fill,
    joined,
    level_word,
    named,
    number,
    said,
    short,
    stretch_sentence,
    stroke_gap,
    unit_of,
)
from imuscribe.prompts.captions.hierarchy.strokes import Stroke
from imuscribe.prompts.captions.hierarchy.structure import Findings, period, sensors_of
from imuscribe.prompts.tables import tables
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import GYRO

_LEAST = 1e-9


class Writer:
    """Writes what was found in one recording."""

    def __init__(
        self,
        found: Findings,
        config: CaptionConfig,
        events: Sequence[Event] = (),
        strokes: Sequence[Stroke] = (),
    ) -> None:
        self.found, self.rec, self.config = found, found.rec, config
        self.events, self.strokes = _checked(events, found), strokes
        self.scale = Scale.of(found, config.numbers)
        self.sensors = sensors_of(self.rec.channels)
        self.words = tables(WORDS)
        self._draw = random.Random(f"{config.seed} {self.rec.id}").random

    def sentences(self) -> list[Sentence]:
        """Return every sentence in order, whatever the budget."""
        parts = {
            "semantic": self._semantic,
            "structural": self._structural,
            "statistical": self._statistical,
        }
        told = [one for level in self.config.levels for one in parts[level]()]
        if not told:
            raise InputError(
                f"recording '{self.rec.id}': has no label, no placement and no events, so that the "
                "semantic level has nothing to say: add the level structural or statistical",
                "nothing to say",
            )
        return [*told, *self._extras()]

    # Levels -------------------------------------------------------------------------------------

    def _semantic(self) -> Iterator[Sentence]:
        rec = self.rec
        if rec.label:
            kind = "label" if not rec.case else "letter" if len(rec.label) == 1 else "shape"
            label = rec.label if rec.case else _plain(rec.label)
            yield self._said("semantic", kind, 0, label=said("label", label))
        if rec.placement:
            place = said("placement", _plain(rec.placement))
            yield self._said("semantic", "placement", 1, placement=place)
        if rec.case:
            wording = self._drawn(self.words["case"][rec.case])
            yield Sentence("semantic", *said("case", wording, word=rec.case), 2)
        # The longest come first; those that end up left out are the shortest.
        ordered = sorted(self.events, key=lambda e: (e.start - _end(e), e.start, e.name))
        for event in ordered[: self.config.most_events]:
            wording = self._drawn(self.words[self._kind(event.kind)])
            yield event_sentence(wording, event, self.scale, event.start, _end(event))

    def _structural(self) -> Iterator[Sentence]:
        found = self.found
        if self.strokes:
            told = stroke_gap([(one.word, one.start, one.end) for one in self.strokes])
            yield self._said("structural", "strokes", 0, strokes=told)
            return
        if found.n_levels < 3:
            yield self._said("structural", "too little", 0)
            return
        if found.steady:
            calm = [said("calm", named(c)[0], c) for c in found.steady]
            yield self._said("structural", "calm", 1, channels=joined(calm, ", "))
        elif not found.events:
            yield self._said("structural", "nothing", 0, claim="nothing")
        longest = found.rec.duration
        for one in found.events:
            wording = self._drawn(self.words[self._kind(one.what)])
            rank = 2 + longest - (one.end - one.start)
            yield stretch_sentence(wording, one, self.scale, one.start, one.end, rank)
        whole = not any(found.missing.values())  # what is missing may be a peak
        peaks = any(what in ("peak", "drop") for what, *_ in found.truths)
        if self.config.absent and whole and not peaks:
            yield self._said("structural", "no peak", 2 * longest + 9, claim="no peak")

    def _statistical(self) -> Iterator[Sentence]:
        if self.config.numbers:
            length = self.rec.duration + period(self.rec)
            value = length / 60 if self.scale.minutes else length
            length_gap = number("length", value, 2, self.scale.unit)
            yield self._said("statistical", "length", 2, length=length_gap, time=self.scale.unit)
        form = self._drawn(self.words["figures" if self.config.numbers else "figure words"])
        for rank, (sensor, channels) in enumerate(self.sensors.items()):
            if any(self.found.figures[c] for c in channels):
                parts = [self._figures(form, c, len(channels) > 1) for c in channels]
                unit = f", in {unit_of(sensor)}" if unit_of(sensor) else ""
                low, high = named(sensor)
                gaps: dict[str, Gap] = {"sensor": low, "Sensor": high, "unit": unit}
                gaps["channels"] = joined(parts, "; ")
                yield Sentence("statistical", *fill(form["sensor"], gaps), 2 * rank + 1)

    def _figures(self, form: dict[str, str], c: str, several: bool) -> Gap:
        """Say the figures of one channel."""
        gaps: dict[str, Gap] = {"axis": f"{short(c)} " if several else ""}
        if (figures := self.found.figures[c]) is None:
            return said("gone", fill(self.words["gone"], gaps)[0], c)
        mean, deviation, least, greatest = figures
        constant = greatest - least <= _LEAST * max(1.0, abs(mean))
        if self.config.numbers:
            digits = digits_of(c, max(abs(least), abs(greatest)))
            unit = unit_of(c)
            gaps["mean"] = number("constant" if constant else "mean", mean, digits, unit, c)
            gaps["deviation"] = number("deviation", deviation, digits, unit, c)
            gaps["least"] = number("least", least, digits, unit, c)
            gaps["greatest"] = number("greatest", greatest, digits, unit, c)
        else:
            gaps["height"] = said("height", level_word("height", c, mean), c)
            gaps["spread"] = said("spread", level_word("spread", c, deviation), c)
        return fill(form["constant" if constant else "channel"], gaps)

    def _extras(self) -> Iterator[Sentence]:
        """Say what is missing, how fast it was sampled, what is not there."""
        for sensor, channels in self.sensors.items():
            share = sum(self.found.missing[c] for c in channels) / len(channels)
            low, high = named(sensor)
            if share >= 1:
                yield self._said(
                    "extra", "all missing", 0, claim="gone", of=sensor, sensor=low, Sensor=high
                )
            elif share > 0 and self.config.numbers:
                digits = 1 if 0.0005 <= share < 0.9995 else 4
                percent = number("missing", 100 * share, digits, "%", sensor)
                yield self._said("extra", "missing", 0, percent=percent, sensor=low, Sensor=high)
            elif share > 0:
                bounds = [
                    bound for bound in self.words["parts"] if 100 * share + 1e-9 >= float(bound)
                ]
                part = said("part", self.words["parts"][bounds[-1]], sensor)
                yield self._said("extra", "missing words", 0, part=part, sensor=low)
        rate = self.rec.rate
        if self.config.rate and self.config.numbers and rate:
            if rate >= 1:
                yield self._said("extra", "rate", 3, rate=number("rate", rate, 1, "Hz"))
            else:
                yield self._said("extra", "slow rate", 3, period=number("period", 1 / rate, 1, "s"))
        if self.config.absent and not set(GYRO) & set(self.rec.channels):
            yield self._said("extra", "no gyroscope", 4, claim="no gyroscope")

    # Wordings -----------------------------------------------------------------------------------

    def _said(
        self, level: str, kind: str, rank: float, claim: str = "", of: str = "", **gaps: Gap
    ) -> Sentence:
        wording = self._drawn(self.words[kind])
        text, marks = fill(wording, gaps)
        if claim:
            marks = said(claim, text, of)[1] + marks
        return Sentence(level, text, marks, rank, wording)

    def _drawn(self, wordings: list[Any]) -> Any:
        return wordings[int(self._draw() * len(wordings))]

    def _kind(self, what: str) -> str:
        return what if self.config.numbers else f"{what} words"


def _end(event: Event) -> float:
    return event.start if event.end is None else event.end


def _checked(events: Sequence[Event], found: Findings) -> tuple[Event, ...]:
    """Refuse events that lie outside their recording."""
    length = found.rec.duration + period(found.rec)
    for event in events:
        if not (-1e-6 <= event.start <= _end(event) <= length + 1e-6) or not event.name.strip():
            raise InputError(
                f"recording '{found.rec.id}': event '{event.name}' from {event.start:g} to "
                f"{_end(event):g} s: needs a name and times within 0 to {length:.2f} s, in order"
            )
    return tuple(events)


def _plain(label: str) -> str:
    """Return a label as it is said: ``WALKING_UPSTAIRS`` is walking upstairs, A stays A."""
    words = " ".join(label.replace("_", " ").split())
    return words.lower() if len(words) > 1 and words.isupper() else words
