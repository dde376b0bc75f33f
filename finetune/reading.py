"""Reading recordings with a trained adapter: what they show, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.finetune.scoring import LabelScorer
    from imuscribe.prompts.ask.templates import PromptBuilder


class Reader:
    """A trained adapter that reads recordings as they come; the model is loaded when first asked.

    Parameters
    ----------
    adapter : str or Path, optional
        A packaged name, or a folder written by `finetune.sft.train`; its recipe says how signals
        are cleaned, written and asked about. The packaged one for letters when not given.

    Raises
    ------
    InputError
        If there is no such adapter.
    """

    def __init__(self, adapter: str | Path | None = None) -> None:
        from imuscribe.finetune.adapters import adapter_path
        from imuscribe.finetune.base import check_adapter
        from imuscribe.prompts.serialize import build_serializer
        from imuscribe.recipes.load import load_recipe

        self.adapter = folder = adapter_path(adapter)
        if not (folder / "recipe.yaml").is_file():
            raise InputError(
                f"{folder}: holds no recipe.yaml: give the folder of a trained adapter"
            )
        self.recipe = load_recipe(str(folder / "recipe.yaml"))
        self.labels = self.recipe.label_set
        check_adapter(folder, self.recipe.model.base)
        self._serializer = build_serializer(self.recipe.text)
        self._model: tuple[PromptBuilder, LabelScorer] | None = None

    def log_probs(
        self, recordings: Sequence[Recording], progress: bool = False
    ) -> NDArray[np.float32]:
        """Return the natural-log probability of every label, shape (n_recordings, n_labels).

        Parameters
        ----------
        recordings : sequence of Recording
            As recorded; they are cleaned as the training data was.
        progress : bool
            Show a progress bar.

        Raises
        ------
        InputError
            If a recording cannot be used.
        """
        from imuscribe.signals.cleaning import clean

        texts = self.texts([clean(rec, self.recipe.clean) for rec in recordings])
        return self.score(texts, progress)[0]

    def texts(self, recordings: Sequence[Recording]) -> list[str]:
        """Return cleaned recordings as the text that the adapter has learnt to read."""
        return self._serializer.encode([self._serializer.features(rec) for rec in recordings])

    def score(
        self, texts: Sequence[str], progress: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return log-probabilities (n, n_labels) of texts, and the tokens of each prompt (n,)."""
        builder, scorer = self._loaded()
        prompts = [builder.prompt(text) for text in texts]
        lengths = np.array([builder.n_tokens(prompt) for prompt in prompts], dtype=np.int64)
        return scorer.score(prompts, self.recipe.evaluate.batch_size, progress).log_probs, lengths

    def _loaded(self) -> tuple[PromptBuilder, LabelScorer]:
        if self._model is None:
            from imuscribe.finetune.base import load_base
            from imuscribe.finetune.quick import load_quick
            from imuscribe.finetune.scoring import LabelScorer
            from imuscribe.prompts.ask.templates import PromptBuilder

            recipe = self.recipe
            quick = None
            if not (recipe.prompt.chat or recipe.prompt.reasoning):  # an answer is just the label
                answers = [f" {label}" for label in self.labels]
                quick = load_quick(recipe.model, self.adapter, answers)
            model: Any
            tokenizer: Any
            model, tokenizer = quick or load_base(recipe.model, self.adapter)
            builder = PromptBuilder(tokenizer, self.labels, recipe.prompt)
            completions = [builder.completion(label) for label in self.labels]
            self._model = builder, LabelScorer(model, tokenizer, completions)
        return self._model


def most_likely(
    recordings: Sequence[Recording], adapter: str | Path | None = None, n: int = 5
) -> list[list[tuple[str, float]]]:
    """Read recordings with a trained adapter.

    Parameters
    ----------
    recordings : sequence of Recording
        As recorded.
    adapter : str or Path, optional
        As `Reader` takes it.
    n : int
        Labels to name.

    Returns
    -------
    list of list of (str, float)
        The most likely labels of each recording with their probabilities, best first.

    Raises
    ------
    InputError
        If there is no such adapter, or a recording cannot be used.
    """
    reader = Reader(adapter)
    return [
        [(reader.labels[i], float(np.exp(row[i]))) for i in np.argsort(-row)[:n]]
        for row in reader.log_probs(recordings)
    ]
