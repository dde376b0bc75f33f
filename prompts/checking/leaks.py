"""Does reasoning name its answer? Where a task forbids it, it must follow from the signal alone.

A label that is a word is looked for as one, in its usual forms ("walking", "walks"). A label of one
letter needs care: "A downward stroke" names nothing, nor does "the X axis" or "I count three
strokes"; "an A", "the letter a", "'A'" and "this is A." do.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NOUN = r"(?:letters?|capitals?|characters?|uppercase|lowercase|digits?|glyph|symbol|number)"
_CUE = (
    r"(?:conclusion|answer|label|prediction|guess|result|letter|character|digit)s?"
    r"(?:\s+(?:is|was|must be|should be|would be|reads))?\s*[:=]?"
)
_COPULA = (
    r"(?:it is|this is|it's|that is|looks like|reads as|shape of|form of|resembles|writes|wrote|"
    r"written as|forms?|forming|draws?|drawing|spells?|typical of|stands for|must be|therefore|"
    r"conclude|concluding|identif(?:y|ies|ied) as|for the|of the|of an?|like an?|for an?)"
)
_AXIS = (
    r"(?!\s*[-–]?\s*(?:axis|axes|acceleration|values?|component|direction|channel|rotation|,|and))"
)
_VERB = r"(?=\s+(?:is|has|was|would|consists|starts|begins|needs|requires|fits|matches|can)\b)"
_PRONOUN = r"(?!['’]|\s+[a-z])"


def leaks(text: str, label: str) -> tuple[tuple[int, int], ...]:
    """Find where a text names a label.

    Parameters
    ----------
    text : str
        The reasoning, without its conclusion.
    label : str
        The answer: a word or words ("sitting_down"), or one letter or digit.

    Returns
    -------
    tuple of (int, int)
        Start and end of each place; empty if the label is not named.
    """
    if not label:
        return ()
    return tuple(dict.fromkeys(m.span("label") for m in _pattern(label).finditer(text)))


@lru_cache(maxsize=1024)
def _pattern(label: str) -> re.Pattern[str]:
    return re.compile(_letter(label) if len(label) == 1 else _word(label))


def _word(label: str) -> str:
    """Match whole words in any case, joined by a space, hyphen or underscore, and their forms."""
    parts = re.split(r"[\s_-]+", label.strip("_- "))
    joined = r"[\s_-]+".join([_forms(parts[0]), *map(re.escape, parts[1:])])
    return rf"(?i)(?<![\w-])(?P<label>{joined})(?![\w-])"


def _forms(word: str) -> str:
    """Match "walking", "walks", "walked" and "walk" for any of them that ends in "ing"."""
    stem = word[:-3]
    if not word.lower().endswith("ing") or len(stem) < 2:
        return re.escape(word)
    short = stem[:-1] if len(stem) > 2 and stem[-1] == stem[-2] else stem
    return rf"(?:{re.escape(stem)}|{re.escape(short)}e?)(?:s|d|ed|ing)?"


def _letter(label: str) -> str:
    """Match one letter or digit where it can only be a name."""
    name = re.escape(label)
    either = f"[{re.escape(label.lower())}{re.escape(label.upper())}]"
    end = r"(?![\w'’])"
    ways = [
        rf"['\"“‘`*(\[>]{name}(?=['\"”’`*)\]<])",  # quoted, bold or in brackets
        rf"\b(?i:{_NOUN}|{_CUE})\s*['\"“‘`*]*{either}{end}",  # the letter a; answer: A
        rf"\b(?i:{_COPULA})\s+(?:an?\s+|the\s+)?['\"“‘`*]*{name}{end}(?!\s+[a-z]){_AXIS}",
        rf"(?<![\w-]){name}-(?:shaped?|like)\b",
        rf"^\s*['\"“‘`*]*{name}['\"”’`*.]*\s*$",  # alone on its line
    ]
    if label.isalpha():
        ways.append(rf"\b(?:[Aa]n?|[Tt]he|capital)\s+{name}{end}{_AXIS}(?!\s*[-–]?\w)")
        if label.isupper():
            ways.append(rf"\b(?:an?|the|capital)\s+{name}{end}{_AXIS}")
            ways.append(_alone(label, end))
    # The place of the letter itself is what is reported, hence the one group for all ways.
    every = "|".join(f"(?:{way})" for way in ways)
    return rf"(?m)(?P<label>{every})"


def _alone(label: str, end: str) -> str:
    """Match a capital that stands by itself, unless it may be an article, a pronoun or an axis."""
    if label == "A":
        # At the start of a sentence it is an article, unless a verb follows.
        return rf"(?<=[a-z,] )A{end}|(?<![\w-])A{end}{_VERB}"
    if label == "I":
        return rf"(?<=[a-z,] )I{end}{_PRONOUN}"
    if label in "XYZ":
        return rf"(?<![\w-]){label}{end}{_VERB}(?!\s+(?:is|has|was)\s+\w)"
    return rf"(?<![\w-]){label}{end}(?!\s*[=≈])(?![-–]\w)"
