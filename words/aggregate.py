"""The air-writing study's way: tell an LLM every letter's guesses and let it name the word.

Section 4.2 of arXiv 2504.02878 says that the predictions are given to the model again as candidates
of each letter; the wording is not given, so this one is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from imuscribe.words.decode.lexicon import fold
from imuscribe.words.letters import Letters

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

    Taken is what stands in quotation marks, or else the last run of letters that is as long as the
    word: an answer may repeat the question or begin with "The word is", but it must spell the word.
    """
    quoted = re.findall(r"[\"'“‘]([^\"'”’]+)[\"'”’]", answer)
    runs = re.findall(r"\w+", fold(" ".join(quoted) or answer, labels))
    fitting = [run for run in runs if len(run) == n_letters and set(run) <= set(labels)]
    return fitting[-1] if fitting else ""
