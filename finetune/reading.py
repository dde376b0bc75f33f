"""Reading recordings with a trained adapter: what they show, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from signals.errors import InputError
from signals.recording import Recording


def most_likely(
    recordings: Sequence[Recording], adapter: str | Path | None = None, n: int = 5
) -> list[list[tuple[str, float]]]:
    """Read recordings with a trained adapter.

    Parameters
    ----------
    recordings : sequence of Recording
        As recorded; they are cleaned as the training data was.
    adapter : str or Path, optional
        A packaged name, or a folder written by `finetune.sft.train`; its recipe says how signals
        are cleaned, written and asked about. The packaged one for letters when not given.
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
    from finetune.base import check_adapter, load_base
    from finetune.packaged import adapter_path
    from finetune.quick import load_quick
    from finetune.scoring import LabelScorer
    from prompts.serialize import build_serializer
    from prompts.templates import PromptBuilder
    from recipes.schema import load_recipe
    from signals.cleaning import clean

    folder = adapter_path(adapter)
    if not (folder / "recipe.yaml").is_file():
        raise InputError(f"{folder}: holds no recipe.yaml: give the folder of a trained adapter")
    recipe = load_recipe(str(folder / "recipe.yaml"))
    check_adapter(folder, recipe.model.base)
    serializer = build_serializer(recipe.text)
    cleaned = [clean(rec, recipe.clean) for rec in recordings]
    texts = serializer.encode([serializer.features(rec) for rec in cleaned])
    quick = None
    if not (recipe.prompt.chat or recipe.prompt.reasoning):  # then an answer is just the label
        quick = load_quick(recipe.model, folder, [f" {label}" for label in recipe.label_set])
    model: Any
    tokenizer: Any
    model, tokenizer = quick or load_base(recipe.model, folder)
    builder = PromptBuilder(tokenizer, recipe.label_set, recipe.prompt)
    scorer = LabelScorer(model, tokenizer, [builder.completion(c) for c in recipe.label_set])
    scores = scorer.score([builder.prompt(text) for text in texts], recipe.evaluate.batch_size)
    return [
        [(recipe.label_set[i], float(np.exp(row[i]))) for i in np.argsort(-row)[:n]]
        for row in scores.log_probs
    ]
