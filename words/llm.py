"""A language model asked about words: how likely each is, and which one the guesses mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.recipes.words import LanguageModelConfig
from imuscribe.words.aggregate import aggregation_prompt, parse_word
from imuscribe.words.letters import Letters

Float = NDArray[np.float64]

_OPENING = "The word is"
"""Stands before a word that has no context of its own."""


class LanguageModelWords:
    """The words of one language model.

    Parameters
    ----------
    config : LanguageModelConfig

    Raises
    ------
    InputError
        If the model or its adapter cannot be found.
    """

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
        return generate(
            self.model,
            self.tokenizer,
            prompts,
            self.config.max_new_tokens,
            self.config.batch_size,
            progress,
        )

    def _as_chat(self, question: str) -> str:
        if not self.tokenizer.chat_template:
            return f"{question}\nWord:"
        messages = [{"role": "user", "content": question}]
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
