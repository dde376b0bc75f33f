"""Does reasoning name its answer? Where a task forbids it, it must follow from the signal alone.

A label that is a word is looked for as one, in its usual forms ("walking", "walks"). A label of one
letter needs care: "A downward stroke" names nothing, nor does "the X axis" or "I count three
strokes"; "an A", "the letter a", "'A'" and "this is A." do (`naming` in `phrases.yaml`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from imuscribe.prompts.checking.lexicon import PHRASES
from imuscribe.prompts.tables import any_of, tables


def leaks(text: str, label: str) -> tuple[tuple[int, int], ...]:
    """Return start and end of each place where a text, without its conclusion, names a label.

    The label is a word or words ("sitting_down"), or one letter or digit.
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
    one_of = {name: any_of(forms) for name, forms in tables(PHRASES)["naming"].items()}
    cue = rf"{one_of['cues']}s?(?:\s+{one_of['links']})?\s*[:=]?"
    axis = rf"(?!\s*[-–]?\s*{one_of['axes']})"
    name = re.escape(label)
    either = f"[{re.escape(label.lower())}{re.escape(label.upper())}]"
    end = r"(?![\w'’])"
    ways = [
        rf"['\"“‘`*(\[>]{name}(?=['\"”’`*)\]<])",  # quoted, bold or in brackets
        rf"\b(?i:{one_of['nouns']}|{cue})\s*['\"“‘`*]*{either}{end}",  # the letter a; answer: A
        rf"\b(?i:{one_of['copulas']})\s+(?:an?\s+|the\s+)?['\"“‘`*]*{name}{end}(?!\s+[a-z]){axis}",
        rf"(?<![\w-]){name}-(?:shaped?|like)\b",
        rf"^\s*['\"“‘`*]*{name}['\"”’`*.]*\s*$",  # alone on its line
    ]
    if label.isalpha():
        ways.append(rf"\b(?:[Aa]n?|[Tt]he|capital)\s+{name}{end}{axis}(?!\s*[-–]?\w)")
        if label.isupper():
            ways.append(rf"\b(?:an?|the|capital)\s+{name}{end}{axis}")
            ways.append(_alone(label, end, rf"(?=\s+{one_of['verbs']}\b)"))
    # The place of the letter itself is what is reported, hence the one group for all ways.
    every = "|".join(f"(?:{way})" for way in ways)
    return rf"(?m)(?P<label>{every})"


def _alone(label: str, end: str, verb: str) -> str:
    """Match a capital that stands by itself, unless it may be an article, a pronoun or an axis."""
    if label == "A":
        # At the start of a sentence it is an article, unless a verb follows.
        return rf"(?<=[a-z,] )A{end}|(?<![\w-])A{end}{verb}"
    if label == "I":
        return rf"(?<=[a-z,] )I{end}(?!['’]|\s+[a-z])"
    if label in "XYZ":
        return rf"(?<![\w-]){label}{end}{verb}(?!\s+(?:is|has|was)\s+\w)"
    return rf"(?<![\w-]){label}{end}(?!\s*[=≈])(?![-–]\w)"
