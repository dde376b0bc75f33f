"""How a text becomes tokens: phrases of the lexicon, and numbers with their unit.

Numbers are converted to seconds, m/s², rad/s, m/s, metres and Hz.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import pi

from imuscribe.prompts.checking.lexicon import BEGUN, KNOWN, TABLE, Roles
from imuscribe.signals.recording import STANDARD_GRAVITY


@dataclass(slots=True)
class Token:
    """One phrase or number that means something here.

    Parameters
    ----------
    start, end : int
        Where it stands in the text.
    roles : dict of str to str
        What it may be (``{"stat": "peak", "noun": "peak"}``); empty for numbers.
    unit : str
        Of a number: ``"acc"``, ``"gyro"``, ``"speed"``, ``"length"``, ``"time"``, ``"rate"``,
        ``"sample"``, ``"angle"``, ``"share"``, or empty.
    number, high : float
        The number, and the upper end if it is a range, in internal units.
    half : float
        Half a step of its last digit.
    signed, number_like : bool
        Whether it came with a sign; whether it is a number at all.
    """

    start: int
    end: int
    roles: Roles = field(default_factory=dict)
    unit: str = ""
    number: float = 0.0
    high: float | None = None
    half: float = 0.0
    signed: bool = False
    number_like: bool = False


# Longer forms first: the first that fits is taken.
_UNITS: tuple[tuple[str, str, float], ...] = (
    (r"m/s²|m/s\^2|m/s\*\*2|m/s2|m·s⁻²|m s⁻²|met(?:er|re)s? per second squared", "acc", 1.0),
    (r"m/s³|m/s\^3", "jerk", 1.0),
    (r"rad/s|radians? per second", "gyro", 1.0),
    (r"deg/s|°/s|dps|degrees? per second", "gyro", pi / 180),
    (r"cm/s", "speed", 0.01),
    (r"m/s|met(?:er|re)s? per second", "speed", 1.0),
    (r"milliseconds?|msec|ms", "time", 1e-3),
    (r"seconds?|secs?|s", "time", 1.0),
    (r"hertz|hz", "rate", 1.0),
    (r"samples?|data[ -]points?|time[ -]?steps?|readings", "sample", 1.0),
    (r"centimet(?:er|re)s?|cm", "length", 0.01),
    (r"millimet(?:er|re)s?|mm", "length", 1e-3),
    (r"met(?:er|re)s?|m", "length", 1.0),
    (r"degrees?|°|deg|radians?|rad", "angle", 1.0),
    (r"percent|%", "share", 1.0),
    (r"g(?:['’]?s)?", "acc", STANDARD_GRAVITY),
)
# For lower-case text, which is read faster than any case; spaces first, as nothing begins there.
_SCAN = re.compile(
    r" *(?:(?P<word>[^\W\d_]\w*(?:[-'’][^\W\d_]\w*)*)"
    r"|(?P<skip>\d+(?:st|nd|rd|th)\b|[23]-?d\b)"
    r"|(?P<number>(?<![\w.])(?:(?<![\w.)²°])[-+−–])?(?:\d+(?:\.\d+)?|\.\d+))(?![\d.]*\d)"
    r"(?:[ \u00a0-]?(?:"
    + "|".join(f"(?P<u{i}>{pattern})" for i, (pattern, _, _) in enumerate(_UNITS))
    + r")(?![\w/²^³]))?"
    r"|(?P<end>(?<!\bi\.e)(?<!\be\.g)(?<!approx)(?<!\bca)(?<!\bvs)[.;!?](?=\s|$)|\n+)"
    r"|(?P<mark>->|[~≈±,:()→–—+−≤≥<>=-]))"
)


def sentences(text: str, start: int, end: int) -> Iterator[list[Token]]:
    """Read ``text[start:end]`` sentence by sentence; . ; ! ? and line breaks end one."""
    found: list[Token] = []
    words: list[tuple[str, int, int]] = []
    lowered = text.lower().replace("’", "'")
    if len(lowered) != len(text):  # some capitals are two letters when lowered
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    for match in _SCAN.finditer(lowered, start, end):
        kind = match.lastgroup
        if kind == "word" or kind == "mark":
            first, last = match.span(kind)
            word = match[kind]
            if word in KNOWN or "-" in word:
                words.append((word, first, last))
                continue
        if words:  # no phrase goes on beyond this
            found += _tokens(words, text)
            words = []
        if kind == "end":
            if found:
                yield found
            found = []
        elif kind != "word" and kind != "mark" and kind != "skip":
            found.append(_number(match))
    found += _tokens(words, text)
    if found:
        yield found


def _number(match: re.Match[str]) -> Token:
    digits = match["number"].replace("−", "-").replace("–", "-")
    unit, factor = "", 1.0
    if match.lastgroup != "number":
        _, unit, factor = _UNITS[int((match.lastgroup or "u0")[1:])]
    decimals = len(digits.partition(".")[2])
    return Token(
        match.start("number"),
        match.end(),
        unit=unit,
        number=float(digits) * factor,
        half=0.5 * 10.0**-decimals * factor,
        signed=digits[0] in "+-",
        number_like=True,
    )


def _tokens(words: list[tuple[str, int, int]], text: str) -> list[Token]:
    """Match the longest phrases of the table, word by word."""
    found: list[Token] = []
    i, n_words = 0, len(words)
    while i < n_words:
        word, start, end = words[i]
        i += 1
        phrase, longest, j = word, None, i
        while phrase in BEGUN and j < n_words:
            phrase = f"{phrase} {words[j][0]}"
            j += 1
            if phrase in TABLE:
                longest, end, i = phrase, words[j - 1][2], j
        if longest is not None:
            found.append(Token(start, end, TABLE[longest]))
        elif word in TABLE:
            if len(word) > 1 or not _is_name(text, start, end):
                found.append(Token(start, end, TABLE[word]))
        elif "-" in word and word not in BEGUN:
            found += _parts(word, start)
    return found


def _parts(word: str, start: int) -> Iterator[Token]:
    """Match the parts of a compound that is not in the table, such as "two-stroke"."""
    for part in word.split("-"):
        roles = TABLE.get(part)
        if roles is not None:
            yield Token(start, start + len(part), roles)
        start += len(part) + 1


_NAMED = re.compile(
    r"(?:letter|capital|character|uppercase|conclusion:?|answer:?|label:?|an|a)\s+$", re.I
)


def _is_name(text: str, start: int, end: int) -> bool:
    """Whether a single letter is the name of a letter, as X in "the letter X" or in quotes."""
    if text[start:end].islower() and text[start:end] != "a" and "'" not in text[end : end + 1]:
        return False
    quoted = start > 0 and text[start - 1] in "'\"“‘*`" and text[end : end + 1] in tuple("'\"”’*`")
    return quoted or _NAMED.search(text, max(0, start - 14), start) is not None
