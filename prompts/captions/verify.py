"""Does an answer bear out the facts of a question? Words and numbers, read from any text.

An answer is read as *statements*: a word that counts for this kind of question, such as ``rises``
or ``least``, and the numbers that go with it. They follow it, or come before it where no number
follows the last word of a sentence ("3 rises, 2 falls"). Numbers and units are read as
`imuscribe.prompts.checking` reads them, so that 0.4 s may be 400 ms; the words are in
``trends.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from imuscribe.prompts.captions.questions import WORDINGS, Fact, Number, Question
from imuscribe.prompts.checking.words import sentences
from imuscribe.prompts.tables import any_of, tables
from imuscribe.signals.recording import CHANNELS

_QUANTITY = {"m/s²": "acc", "rad/s": "gyro", "s": "time", "Hz": "rate", "°": "angle", "": ""}
"""What `checking` calls the quantity of each unit."""
_ROUNDING = 1e-6
_CLAUSE = re.compile(r"[.;!?](?=\s|$)|\n")


def check_answer(question: Question, text: str) -> tuple[int, int]:
    """Count what an answer says rightly and wrongly.

    Parameters
    ----------
    question : Question
        Its facts are the truth.
    text : str
        Any answer to it.

    Returns
    -------
    right : int
        Facts of the question that the answer states, each with all its numbers within tolerance.
    wrong : int
        Statements that agree with no fact. A word without a number says nothing where all facts
        have numbers, or where it is said with a number too.
    """
    left = list(question.facts)
    needs_numbers = all(fact.numbers for fact in question.facts)
    said = list(_statements(question.kind, text))
    numbered = {what for what, numbers in said if numbers}
    wrong = 0
    for what, numbers in said:
        if not numbers and (needs_numbers or what in numbered):
            continue
        fitting = [fact for fact in question.facts if _agrees(fact, what, numbers)]
        still = next((fact for fact in fitting if fact in left), None)
        if still is not None:
            left.remove(still)
        elif not fitting:
            wrong += 1
    return len(question.facts) - len(left), wrong


def is_right(question: Question, text: str) -> bool:
    """Whether an answer states every fact of the question and nothing else."""
    return check_answer(question, text) == (len(question.facts), 0)


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Value:
    """A number in a text, in the unit of facts; no quantity where none was written."""

    start: int
    value: float
    quantity: str = ""


def _agrees(fact: Fact, what: str, numbers: list[_Value]) -> bool:
    if fact.what != what or len(fact.numbers) != len(numbers):
        return False
    return all(_is_near(truth, said) for truth, said in zip(fact.numbers, numbers, strict=True))


def _is_near(truth: Number, said: _Value) -> bool:
    if said.quantity and said.quantity != _QUANTITY[truth.unit]:
        return False
    return abs(said.value - truth.value) <= truth.tolerance + _ROUNDING


def _statements(kind: str, text: str) -> Iterator[tuple[str, list[_Value]]]:
    """Yield each word that counts, with its numbers, clause by clause."""
    pattern, names = _words(kind)
    numbers = _numbers(text)
    start = 0
    for end in [*(match.start() for match in _CLAUSE.finditer(text)), len(text)]:
        words = [
            (match.start(), names[int((match.lastgroup or "w0")[1:])])
            for match in pattern.finditer(text, start, end)
        ]
        values = [value for value in numbers if start <= value.start < end]
        start = end
        if not words:
            continue
        bounds = [place for place, _ in words]
        if values and values[-1].start < bounds[-1]:  # "3 rises, 2 falls"
            lows, highs = [-1, *bounds[:-1]], bounds
        else:
            lows, highs = [-1, *bounds[1:]], [*bounds[1:], end]
        for (_, name), low, high in zip(words, lows, highs, strict=True):
            yield name, [value for value in values if low <= value.start < high]


@cache
def _words(kind: str) -> tuple[re.Pattern[str], list[str]]:
    """Return what finds the words of a kind of answer, and the word of each of its groups."""
    said = tables(WORDINGS)
    names: list[str] = []
    forms: list[str] = []
    for group in said["read"][kind]:
        fillings = {"axes": "xyz", "channels": CHANNELS}.get(group, ("",))
        field = "{axis}" if group == "axes" else "{channel}"
        for filling in fillings:
            for name, listed in said["words"][group].items():
                forms.append(f"(?P<w{len(names)}>{any_of(listed)})".replace(field, filling))
                names.append(name.replace(field, filling))
    return re.compile(rf"(?<!\w){any_of(forms)}(?!\w)", re.IGNORECASE), names


@cache
def _written_out() -> re.Pattern[str]:
    return re.compile(rf"\b{any_of(tables(WORDINGS)['numbers'])}\b", re.IGNORECASE)


def _numbers(text: str) -> list[_Value]:
    """Return every number of a text in order, both ends of a range."""
    found = []
    for tokens in sentences(text, 0, len(text)):
        for token in tokens:
            if token.number_like:
                found.append(_Value(token.start, token.number, token.unit))
                if token.high is not None:
                    found.append(_Value(token.start, token.high, token.unit))
    names = tables(WORDINGS)["numbers"]
    for match in _written_out().finditer(text):
        found.append(_Value(match.start(), float(names.index(match[0].lower()))))
    return sorted(found, key=lambda value: value.start)
