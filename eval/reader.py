"""A language model with an adapter, asked about recordings as they are; answers are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.errors import InputError
from signals.files import write_text
from signals.recording import Recording

_KEEP_EVERY = 128
"""Prompts after which answers are written down, so that an interruption loses few."""


class Reader:
    """Reads cleaned recordings with a trained adapter; the same text is never asked about twice.

    Parameters
    ----------
    adapter : str or Path
        A packaged name, or a folder written by `finetune.sft.train`.
    labels : sequence of str
        Columns of the answers; the adapter must know each.
    kept : Path
        JSON file that holds answers from one run to the next.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        If there is no such adapter, or it does not know a label.
    """

    def __init__(
        self, adapter: str | Path, labels: Sequence[str], kept: Path, progress: bool = True
    ) -> None:
        from finetune.packaged import adapter_path, weights_hash
        from prompts.serialize import build_serializer
        from recipes.schema import load_recipe

        self.adapter = adapter_path(adapter)
        self.recipe = load_recipe(str(self.adapter / "recipe.yaml"))
        known = self.recipe.label_set
        if unknown := [label for label in labels if label not in known]:
            raise InputError(
                f"adapter '{adapter}': does not know label '{unknown[0]}': it reads "
                f"{self.recipe.labels}"
            )
        self._columns = [known.index(label) for label in labels]
        self._serializer = build_serializer(self.recipe.text)
        self._progress = progress
        self._kept = kept
        self._scorer: Any = None
        self._builder: Any = None
        self._answers: dict[str, list[float]] = {}
        self._lengths: dict[str, int] = {}
        self.identity = weights_hash(adapter)
        if kept.is_file():
            stored = json.loads(kept.read_text(encoding="utf-8"))
            if stored["adapter"] == self.identity:
                self._answers, self._lengths = stored["answers"], stored["tokens"]

    def read(
        self, recordings: Sequence[Recording]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return log-probabilities (n, n_labels) and the tokens of each prompt (n,).

        Raises
        ------
        InputError
            If a recording is at another rate than the adapter has learnt from.
        """
        from scipy.special import log_softmax
        from tqdm import tqdm

        for rec in recordings:
            if abs(rec.rate - self.recipe.clean.rate) > 0.02 * self.recipe.clean.rate:
                raise InputError(
                    f"recording '{rec.id}': is at {rec.rate:.1f} Hz, the adapter reads "
                    f"{self.recipe.clean.rate:g} Hz: set clean.rate={self.recipe.clean.rate:g}"
                )
        serializer = self._serializer
        texts = serializer.encode([serializer.features(rec) for rec in recordings])
        keys = [sha256(text.encode()).hexdigest()[:24] for text in texts]
        new = list({key: text for key, text in zip(keys, texts, strict=True)}.items())
        new = [(key, text) for key, text in new if key not in self._answers]
        with tqdm(total=len(new), desc="reading", unit="rec", disable=not self._progress) as bar:
            for begin in range(0, len(new), _KEEP_EVERY):
                part = new[begin : begin + _KEEP_EVERY]
                self._ask(part)
                bar.update(len(part))
        scores = np.array([self._answers[key] for key in keys])[:, self._columns]
        return log_softmax(scores, axis=1), np.array([self._lengths[key] for key in keys])

    def _ask(self, part: Sequence[tuple[str, str]]) -> None:
        self._load()
        prompts = [self._builder.prompt(text) for _, text in part]
        scores = self._scorer.score(prompts, self.recipe.evaluate.batch_size)
        for (key, _), prompt, row in zip(part, prompts, scores.log_probs, strict=True):
            self._answers[key] = [round(float(value), 5) for value in row]
            self._lengths[key] = self._builder.n_tokens(prompt)
        stored = {"adapter": self.identity, "answers": self._answers, "tokens": self._lengths}
        write_text(self._kept, json.dumps(stored))

    def _load(self) -> None:
        """Load the model when something is to be asked, not before."""
        if self._scorer is not None:
            return
        from finetune.base import check_adapter, load_base
        from finetune.scoring import LabelScorer
        from prompts.templates import PromptBuilder

        check_adapter(self.adapter, self.recipe.model.base)
        model, tokenizer = load_base(self.recipe.model, self.adapter)
        self._builder = PromptBuilder(tokenizer, self.recipe.label_set, self.recipe.prompt)
        completions = [self._builder.completion(label) for label in self.recipe.label_set]
        self._scorer = LabelScorer(model, tokenizer, completions)
