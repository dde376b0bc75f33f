"""A language model asked about words: how likely each is, and which one the guesses mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recipes.words import LanguageModelConfig
from words.aggregate import aggregation_prompt, parse_word
from words.letters import Letters

Float = NDArray[np.float64]

_MARK = "."
"""Scored beside the words of every call: differences to it compare words of different calls."""
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
        from finetune.base import load_base
        from finetune.packaged import adapter_path

        self.config = config
        folder = None if config.adapter is None else adapter_path(config.adapter)
        self.model, self.tokenizer = load_base(config.model, folder)
        self._known: dict[tuple[str, str], float] = {}

    def scores(self, context: str, words: Sequence[str]) -> Float:
        """Return the natural log of each word's probability after a context, up to a constant.

        The context is read once, and its key-value cache serves all words; they are scored in
        lower case. A word is scored once in a context.
        """
        from finetune.scoring import LabelScorer

        new = [word for word in dict.fromkeys(words) if (context, word) not in self._known]
        if new:
            labels = [_MARK, *(f" {word.lower()}" for word in new)]
            found = LabelScorer(self.model, self.tokenizer, labels)
            log_probs = found.score([context.rstrip() or _OPENING]).log_probs[0]
            for word, log_prob in zip(new, log_probs[1:] - log_probs[0], strict=True):
                self._known[context, word] = float(log_prob)
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
        from finetune.scoring import generate

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
