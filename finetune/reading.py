"""Reading recordings with a trained adapter: what they show, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.errors import InputError
from signals.recording import Recording


class Reader:
    """A trained adapter, loaded once, that reads recordings as they come.

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
        from finetune.base import check_adapter, load_base
        from finetune.packaged import adapter_path
        from finetune.quick import load_quick
        from finetune.scoring import LabelScorer
        from prompts.serialize import build_serializer
        from prompts.templates import PromptBuilder
        from recipes.schema import load_recipe

        folder = adapter_path(adapter)
        if not (folder / "recipe.yaml").is_file():
            raise InputError(
                f"{folder}: holds no recipe.yaml: give the folder of a trained adapter"
            )
        self.recipe = recipe = load_recipe(str(folder / "recipe.yaml"))
        self.labels = recipe.label_set
        check_adapter(folder, recipe.model.base)
        self._serializer = build_serializer(recipe.text)
        quick = None
        if not (recipe.prompt.chat or recipe.prompt.reasoning):  # then an answer is just the label
            quick = load_quick(recipe.model, folder, [f" {label}" for label in self.labels])
        model: Any
        tokenizer: Any
        model, tokenizer = quick or load_base(recipe.model, folder)
        self._builder = PromptBuilder(tokenizer, self.labels, recipe.prompt)
        completions = [self._builder.completion(label) for label in self.labels]
        self._scorer = LabelScorer(model, tokenizer, completions)

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
        from signals.cleaning import clean

        cleaned = [clean(rec, self.recipe.clean) for rec in recordings]
        texts = self._serializer.encode([self._serializer.features(rec) for rec in cleaned])
        prompts = [self._builder.prompt(text) for text in texts]
        return self._scorer.score(prompts, self.recipe.evaluate.batch_size, progress).log_probs


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
