"""A language model asked about words: how likely each is, and which one the guesses mean.

The latter is the air-writing study's way. Section 4.2 of arXiv 2504.02878 says that the predictions
are given to the model again as candidates of each letter; the wording is not given, so this one is
ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from imuscribe.recipes.words import LanguageModelConfig
from imuscribe.words.decode.lexicon import fold
from imuscribe.words.letters import Float, Letters

_OPENING = "The word is"
"""Stands before a word that has no context of its own."""
_UNREAD = "?"


class LanguageModelWords:
    """The words of one language model; an `InputError` says if it, or its adapter, is not there."""

    def __init__(self, config: LanguageModelConfig) -> None:
        from imuscribe.finetune.adapters import adapter_path
        from imuscribe.finetune.base import load_base
        from imuscribe.finetune.scoring import ContinuationScorer

        self.config = config
        folder = None if config.adapter is None else adapter_path(config.adapter)
        self.model, self.tokenizer = load_base(config.model, folder)
        self._scorer = ContinuationScorer(self.model, self.tokenizer)
        self._known: dict[tuple[str, str], float] = {}

    def scores(self, context: str, words: Sequence[str]) -> Float:
        """Return the natural-log probability of each word, in lower case, after a context.

        All words that are new in the context are scored in one pass.
        """
        new = [word for word in dict.fromkeys(words) if (context, word) not in self._known]
        if new:
            prompt = context.rstrip() or _OPENING
            found = self._scorer.log_probs(prompt, [f" {word.lower()}" for word in new])
            self._known |= {(context, w): float(p) for w, p in zip(new, found, strict=True)}
        return np.array([self._known[context, word] for word in words])

    def aggregate(self, words: Sequence[Letters], progress: bool = False) -> list[str]:
        """Return the word that the model names for each word's guesses; ``""`` for none."""
        answers = self.answers(words, progress)
        return [
            parse_word(answer, len(letters), letters.labels)
            for answer, letters in zip(answers, words, strict=True)
        ]

    def answers(self, words: Sequence[Letters], progress: bool = False) -> list[str]:
        """Return what the model writes when it is asked as the study asks."""
        from imuscribe.finetune.scoring import generate

        prompts = [self._as_chat(aggregation_prompt(letters)) for letters in words]
        tokens, batch = self.config.max_new_tokens, self.config.batch_size
        return generate(self.model, self.tokenizer, prompts, tokens, batch, progress)

    def _as_chat(self, question: str) -> str:
        if not self.tokenizer.chat_template:
            return f"{question}\nWord:"
        messages = [{"role": "user", "content": question}]
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )


def aggregation_prompt(letters: Letters) -> str:
    """Return the prompt that lists the candidates of every letter and asks for the word."""
    lines = [
        f"Someone wrote an English word of {len(letters)} capital letters in the air. Each "
        "letter was read several times, sometimes wrongly. The candidates of each letter:"
    ]
    for i, guesses in enumerate(letters.guesses, 1):
        named = (letters.labels[g] if g >= 0 else _UNREAD for g in guesses)
        lines.append(f"Letter {i}: {', '.join(named)}")
    return "\n".join([*lines, "Which word was written? Answer with the word alone."])


def parse_word(answer: str, n_letters: int, labels: Sequence[str]) -> str:
    """Return the word an answer names, ``""`` if it names none.

    Taken is what stands in quotation marks, or else the last run of letters that is as long as the
    word: an answer may repeat the question or begin with "The word is", but it must spell the word.
    """
    quoted = re.findall(r"[\"'“‘]([^\"'”’]+)[\"'”’]", answer)
    runs = re.findall(r"\w+", fold(" ".join(quoted) or answer, labels))
    fitting = [run for run in runs if len(run) == n_letters and set(run) <= set(labels)]
    return fitting[-1] if fitting else ""
