"""The words in which recordings are described: `phrases.yaml`, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import pi

from imuscribe.prompts.tables import tables
from imuscribe.signals.recording import STANDARD_GRAVITY

Roles = dict[str, str]
"""What a phrase may be, such as ``{"stat": "peak", "noun": "peak"}``."""

PHRASES = "checking/phrases.yaml"
_CONSTANTS = {"degree": pi / 180, "gravity": STANDARD_GRAVITY}


@dataclass(frozen=True)
class Lexicon:
    """The table of phrases, and what finding the longest of them takes."""

    table: dict[str, Roles]
    known: frozenset[str]
    """The words that occur in phrases."""
    begun: frozenset[str]
    """What longer phrases begin with."""


@cache
def lexicon() -> Lexicon:
    """Return every phrase with its roles."""
    table: dict[str, Roles] = {}
    for role, values in tables(PHRASES)["roles"].items():
        for value, listed in values.items() if isinstance(values, dict) else [("", values)]:
            for phrase in listed:
                table.setdefault(phrase, {})[role] = value
    for sensor, names in tables(PHRASES)["axes"].items():
        for name in names:
            for axis in "xyz":
                table[name.format(axis)] = {"axis": axis} | ({"sensor": sensor} if sensor else {})
    split = [phrase.split(" ") for phrase in table]
    begun = {" ".join(words[:n]) for words in split for n in range(1, len(words))}
    return Lexicon(table, frozenset(word for words in split for word in words), frozenset(begun))


def pattern(name: str) -> re.Pattern[str]:
    """Return one of the regular expressions of the file."""
    return re.compile("".join(tables(PHRASES)["patterns"][name]))


@cache
def units() -> tuple[tuple[str, str, float], ...]:
    """Return the form, the quantity and the factor of each unit, longer forms first."""
    return tuple(
        (form, quantity, _CONSTANTS[factor] if factor in _CONSTANTS else float(factor))
        for quantity, factor, form in tables(PHRASES)["units"]
    )
