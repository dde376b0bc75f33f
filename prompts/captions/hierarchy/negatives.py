"""Captions that are false and differ from a true one in the order of events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imuscribe.prompts.captions.explain import UP
from imuscribe.prompts.captions.hierarchy.config import Event
from imuscribe.prompts.captions.hierarchy.filling import (
    Claim,
    Sentence,
    event_sentence,
    fill,
    stretch_sentence,
    stroke_gap,
)
from imuscribe.prompts.captions.hierarchy.fitting import Caption
from imuscribe.prompts.captions.hierarchy.structure import Stretch

_TRIES = 8


def hard_negative(caption: Caption, rng: np.random.Generator) -> Caption | None:
    """Return a false caption with the same numbers: its events change places in time.

    Trends change places with trends, peaks and drops with each other, events with events, strokes
    with strokes; wordings stay. `recount` finds it false. None where no order is sure to be false.
    """
    sentences = list(caption.sentences)
    groups: dict[str, list[int]] = defaultdict(list)
    for k, one in enumerate(sentences):
        groups[_group(one)].append(k)
    groups.pop("", None)
    changed = False
    for group, places in groups.items():
        if group == "strokes":
            changed |= _strokes(sentences, places[0], rng)
        elif len(places) > 1:
            changed |= _reorder(caption, sentences, places, rng)
    return replace(caption, sentences=tuple(sentences), tokens=None) if changed else None


def _group(one: Sentence) -> str:
    """Return what a sentence may change places with; nothing where it has no time."""
    if isinstance(one.about, Stretch):
        return "point" if one.about.what in ("peak", "drop") else "trend"
    if isinstance(one.about, Event):
        return "mood" if one.about.end is None else "event"
    return "strokes" if one.marks and one.marks[-1][0] == "stroke" else ""


def _reorder(
    caption: Caption, sentences: list[Sentence], places: list[int], rng: np.random.Generator
) -> bool:
    """Give the events of some sentences each other's times, if that makes one of them false."""
    told = [sentences[k] for k in places]
    abouts = [one.about for one in told]
    for _ in range(_TRIES):
        order = rng.permutation(len(places)).tolist()
        made = [_moved(caption, told[k], abouts[place]) for place, k in enumerate(order)]
        if any(_is_false(caption, one, abouts) for one in made):
            for k, one in zip(places, made, strict=True):
                sentences[k] = one
            return True
    return False


def _moved(caption: Caption, one: Sentence, slot: Stretch | Event | None) -> Sentence:
    """Return a sentence with the time of another one."""
    assert slot is not None
    start, end = slot.start, slot.start if slot.end is None else slot.end
    if isinstance(one.about, Stretch):
        return stretch_sentence(one.wording, one.about, caption.scale, start, end, one.rank)
    assert one.about is not None
    return event_sentence(one.wording, one.about, caption.scale, start, end)


def _is_false(caption: Caption, made: Sentence, abouts: Sequence[Stretch | Event | None]) -> bool:
    """Whether what a sentence says holds of no such stretch or event of the recording."""
    said = made.about
    if isinstance(said, Event):
        claim = next(c for c in made.claims if c.kind == "event")
        true = [
            (a.start, a.end or a.start)
            for a in abouts
            if isinstance(a, Event) and a.name == said.name
        ]
        return all(_times(caption, claim) != _points(caption, *times) for times in true)
    assert said is not None
    holds = [
        (a, b)
        for what, channel, a, b in caption.found.truths
        if (what, channel) == (said.what, said.channel)
    ]
    return all(_times(caption, made.claims[0]) != _points(caption, *times) for times in holds)


def _times(caption: Caption, claim: Claim) -> tuple[str, ...]:
    return _points(caption, claim.since, claim.until)


def _points(caption: Caption, start: float, end: float) -> tuple[str, ...]:
    """Return two times as the caption would write them."""
    return tuple(str(caption.scale.time(time)[0]) for time in (start, end, 0.5 * (start + end)))


def _strokes(sentences: list[Sentence], place: int, rng: np.random.Generator) -> bool:
    """Put strokes in another order."""
    one = sentences[place]
    strokes = [claim for claim in one.claims if claim.kind == "stroke"]
    for _ in range(_TRIES):
        order = rng.permutation(len(strokes)).tolist()
        words = [strokes[k].word for k in order]
        pairs = zip(words, strokes, strict=True)
        if any(_apart(word, true.word) for word, true in pairs):
            told = zip(words, strokes, strict=True)
            made = stroke_gap([(word, slot.since, slot.until) for word, slot in told])
            text, marks = fill(one.wording, {"strokes": made})
            sentences[place] = one._replace(text=text, marks=marks)
            return True
    return False


def _apart(word: str, true: str) -> bool:
    """Whether a stroke is clearly not another one."""
    kinds = [next((k for k in ("loop", "hook") if k in text), "") for text in (word, true)]
    if any(kinds):
        return "loop" in kinds and kinds[0] != kinds[1]
    one, other = (np.array(UP[text.split(" ")[0]]) for text in (word, true))
    return float(one @ other) < 0.3
