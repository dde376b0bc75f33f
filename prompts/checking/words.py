"""How a text becomes tokens: phrases of the lexicon, and numbers with their unit.

Numbers are converted to seconds, m/s², rad/s, m/s, metres and Hz.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from imuscribe.prompts.checking.lexicon import Lexicon, Roles, lexicon, pattern, units


@dataclass(slots=True)
class Token:
    """One phrase or number that means something here; it stands at ``text[start:end]``."""

    start: int
    end: int
    roles: Roles = field(default_factory=dict)
    """What a phrase may be."""
    unit: str = ""
    """What a number measures: ``acc``, ``gyro``, ``speed``, ``length``, ``time``, ``rate``,
    ``sample``, ``angle``, ``share``, ``jerk``, or nothing."""
    number: float = 0.0
    high: float | None = None
    """The upper end of a range."""
    half: float = 0.0
    """Half a step of the number's last digit."""
    signed: bool = False
    """Whether the number came with a sign."""
    number_like: bool = False


@cache
def _scan() -> re.Pattern[str]:
    """Match the next word, number with unit, mark or end of a sentence of a lower-case text.

    Lower case is read faster than any case; spaces come first, as nothing begins there.
    """
    forms = "|".join(f"(?P<u{i}>{form})" for i, (form, _, _) in enumerate(units()))
    return re.compile(
        r" *(?:(?P<word>[^\W\d_]\w*(?:[-'’][^\W\d_]\w*)*)"
        r"|(?P<skip>\d+(?:st|nd|rd|th)\b|[23]-?d\b)"
        r"|(?P<number>(?<![\w.])(?:(?<![\w.)²°])[-+−–])?(?:\d+(?:\.\d+)?|\.\d+))(?![\d.]*\d)"
        rf"(?:[ \u00a0-]?(?:{forms})(?![\w/²^³]))?"
        r"|(?P<end>(?<!\bi\.e)(?<!\be\.g)(?<!approx)(?<!\bca)(?<!\bvs)[.;!?](?=\s|$)|\n+)"
        r"|(?P<mark>->|[~≈±,:()→–—+−≤≥<>=-]))"
    )


def sentences(text: str, start: int, end: int) -> Iterator[list[Token]]:
    """Read ``text[start:end]`` sentence by sentence; . ; ! ? and line breaks end one."""
    found: list[Token] = []
    words: list[tuple[str, int, int]] = []
    phrases = lexicon()
    known = phrases.known
    lowered = text.lower().replace("’", "'")
    if len(lowered) != len(text):  # some capitals are two letters when lowered
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    for match in _scan().finditer(lowered, start, end):
        kind = match.lastgroup
        if kind == "word" or kind == "mark":
            first, last = match.span(kind)
            word = match[kind]
            if word in known or "-" in word:
                words.append((word, first, last))
                continue
        if words:  # no phrase goes on beyond this
            found += _tokens(words, text, phrases)
            words = []
        if kind == "end":
            if found:
                yield _with_ranges(found, text)
            found = []
        elif kind != "word" and kind != "mark" and kind != "skip":
            found.append(_number(match))
    found += _tokens(words, text, phrases)
    if found:
        yield _with_ranges(found, text)


def _number(match: re.Match[str]) -> Token:
    digits = match["number"].replace("−", "-").replace("–", "-")
    unit, factor = "", 1.0
    if match.lastgroup != "number":
        _, unit, factor = units()[int((match.lastgroup or "u0")[1:])]
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


def _tokens(words: list[tuple[str, int, int]], text: str, phrases: Lexicon) -> list[Token]:
    """Match the longest phrases of the table, word by word."""
    table, begun = phrases.table, phrases.begun
    found: list[Token] = []
    i, n_words = 0, len(words)
    while i < n_words:
        word, start, end = words[i]
        i += 1
        phrase, longest, j = word, None, i
        while phrase in begun and j < n_words:
            phrase = f"{phrase} {words[j][0]}"
            j += 1
            if phrase in table:
                longest, end, i = phrase, words[j - 1][2], j
        if longest is not None:
            found.append(Token(start, end, table[longest]))
        elif word in table:
            if len(word) > 1 or not _is_name(text, start, end):
                found.append(Token(start, end, table[word]))
        elif "-" in word and word not in begun:
            for part in word.split("-"):  # of a compound such as "two-stroke"
                if part in table:
                    found.append(Token(start, start + len(part), table[part]))
                start += len(part) + 1
    return found


_NAMING = pattern("naming")


def _is_name(text: str, start: int, end: int) -> bool:
    """Whether a single letter is the name of a letter, as X in "the letter X" or in quotes."""
    if text[start:end].islower() and text[start:end] != "a" and "'" not in text[end : end + 1]:
        return False
    quoted = start > 0 and text[start - 1] in "'\"“‘*`" and text[end : end + 1] in tuple("'\"”’*`")
    return quoted or _NAMING.search(text, max(0, start - 14), start) is not None


# Ranges ------------------------------------------------------------------------------------------


def _with_ranges(tokens: list[Token], text: str) -> list[Token]:
    """Join "between 0.3 and 0.5 s" into one number with two ends, and name "sample 41"'s unit."""
    found: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.number_like:
            if i + 2 < len(tokens) and _is_range(found, tokens, i, text):
                other = tokens[i + 2]
                token = replace(
                    other,
                    start=token.start,
                    number=token.number * _factor(token, other, text),
                    high=other.number,
                    signed=token.signed or other.signed,
                )
                i += 2
            if not token.unit and found:
                token = _named_unit(token, found, text)
        found.append(token)
        i += 1
    return found


def _is_range(before: list[Token], tokens: list[Token], i: int, text: str) -> bool:
    first, link, second = tokens[i : i + 3]
    if "to" not in link.roles or not second.number_like or first.unit not in ("", second.unit):
        return False
    if text[first.end : link.start].strip() or text[link.end : second.start].strip():
        return False
    return "dash" in link.roles or any("from" in token.roles for token in before[-3:])


def _factor(first: Token, second: Token, text: str) -> float:
    """Return what a bare number must be multiplied with to share the unit of the next."""
    if first.unit or not second.unit:
        return 1.0
    digits = re.match(r"[-+−–]?[\d.]+", text[second.start : second.end])
    bare = float(digits.group().replace("−", "-").replace("–", "-")) if digits else second.number
    return second.number / bare if bare else 1.0


def _named_unit(token: Token, before: list[Token], text: str) -> Token:
    """Give a bare number the unit of the word before it: "sample 41", "t = 0.42"."""
    for back in before[-1:-4:-1]:
        word = text[back.start : back.end].lower()
        if "index" in back.roles:
            return replace(token, unit="sample")
        if word in ("t", "time", "at time"):
            return replace(token, unit="time")
        if not {"at", "from", "hedge"} & set(back.roles) and word not in ("=", "(", ":"):
            break
        if back.number_like:
            break
    return token
