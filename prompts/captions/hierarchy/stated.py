"""Which figures a text states in the words of captions, whoever wrote it, and whether they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from imuscribe.prompts.captions.hierarchy.filling import WORDS
from imuscribe.prompts.tables import tables

KINDS = ("mean", "deviation", "least", "greatest")
NEAR = 0.1
"""Share of a figure, or of the channel's deviation, by which a near one may be off."""
_NUMBER = r"[-−]?\d+(?:\.\d+)?"


class Stated(NamedTuple):
    """A figure of a channel as a text has it."""

    kind: str
    channel: str
    value: float
    digits: int


class Checked(NamedTuple):
    """How many figures a text states, how many are off by more than rounding, and by a tenth."""

    figures: int
    false: int
    far: int


def stated(text: str) -> list[Stated]:
    """Return the figures that a text states, in its order; of numbers elsewhere nothing is said."""
    sensors = {name: sensor for sensor, name in tables(WORDS)["sensors"].items()}
    names = "|".join(sorted(map(re.escape, sensors), key=len, reverse=True))
    heads = list(re.finditer(rf"\b({names})\b(?=[^.;:]*:)", text, re.IGNORECASE))
    found = {}
    for form in _forms():
        for match in form.finditer(text):
            before = [head for head in heads if head.end() <= match.start()]
            if before:
                channel = f"{sensors[before[-1][1].lower()]}_{match['axis']}"
                for kind in KINDS:
                    said = match[kind]
                    digits = len(said.partition(".")[2])
                    value = float(said.replace("−", "-"))
                    found[match.start(kind)] = Stated(kind, channel, value, digits)
    return [found[place] for place in sorted(found)]


def check_stated(text: str, figures: Mapping[str, tuple[float, ...] | None]) -> Checked:
    """Check the figures of a text against those of the recording.

    Parameters
    ----------
    figures : mapping
        Channel → mean, deviation, least and greatest, as `Findings.figures`; a figure of a channel
        that has none is false.
    """
    false = far = 0
    told = stated(text)
    for one in told:
        true = figures.get(one.channel)
        error = float("inf") if true is None else abs(one.value - true[KINDS.index(one.kind)])
        half = 0.5 * 10.0**-one.digits + 1e-9
        false += error > half
        size = 0.0 if true is None else max(abs(true[KINDS.index(one.kind)]), true[1])
        far += error > half + NEAR * size
    return Checked(len(told), false, far)


@cache
def _forms() -> tuple[re.Pattern[str], ...]:
    """Return every wording of a channel's figures as a pattern."""
    patterns = []
    for form in tables(WORDS)["figures"]:
        parts = re.split(r"\{([^}]*)\}", form["channel"])
        gaps = [rf"(?P<{name}>{_NUMBER})" if name in KINDS else "" for name in parts[1::2]]
        gaps = [
            r"\b(?P<axis>[xyz]) " if name == "axis" else gap
            for name, gap in zip(parts[1::2], gaps, strict=True)
        ]
        text = [re.escape(part) for part in parts[::2]]
        pairs = zip(text, [*gaps, ""], strict=True)
        patterns.append(re.compile("".join(a + b for a, b in pairs)))
    return tuple(patterns)
