"""The air-writing study's way: tell an LLM every letter's guesses and let it name the word.

Section 4.2 of arXiv 2504.02878 says that the predictions are given to the model again as candidates
of each letter; the wording is not given, so this one is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from words.letters import Letters
from words.lexicon import fold

UNREAD = "?"


def aggregation_prompt(letters: Letters) -> str:
    """Return the prompt that lists the candidates of every letter and asks for the word."""
    lines = [
        f"Letter {i}: {', '.join(letters.labels[g] if g >= 0 else UNREAD for g in guesses)}"
        for i, guesses in enumerate(letters.guesses, 1)
    ]
    return "\n".join(
        [
            f"Someone wrote an English word of {len(letters)} capital letters in the air. Each "
            "letter was read several times, sometimes wrongly. The candidates of each letter:",
            *lines,
            "Which word was written? Answer with the word alone.",
        ]
    )


def parse_word(answer: str, n_letters: int, labels: Sequence[str]) -> str:
    """Return the word an answer names, ``""`` if it names none.

    Taken is the first run of letters in the alphabet that is as long as the word: an answer may
    repeat the question or explain itself, but it must spell the word.
    """
    letters = set(labels)
    runs = re.findall(r"\w+", fold(answer, labels))
    return next((run for run in runs if len(run) == n_letters and set(run) <= letters), "")
