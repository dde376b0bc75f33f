"""A language model with an adapter, asked about cleaned recordings; its answers are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.reading import Reader
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording

_KEEP_EVERY = 128
"""Prompts after which answers are written down, so that an interruption loses few."""


class KeptReader:
    """Reads with an adapter that knows these labels; the same text is never asked about twice.

    Answers are kept in the JSON file `kept` from one run to the next.
    """

    def __init__(
        self, adapter: str | Path, labels: Sequence[str], kept: Path, progress: bool = True
    ) -> None:
        self._reader = Reader(adapter)
        self.recipe = self._reader.recipe
        known = self._reader.labels
        if unknown := [label for label in labels if label not in known]:
            raise InputError(
                f"adapter '{adapter}': does not know label '{unknown[0]}': it reads "
                f"{self.recipe.labels}"
            )
        self._columns = [known.index(label) for label in labels]
        self._progress = progress
        self._kept = kept
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

        Recordings are cleaned, and at the rate that the adapter has learnt from.
        """
        from scipy.special import log_softmax
        from tqdm import tqdm

        rate = self.recipe.clean.rate
        for rec in recordings:
            if abs(rec.rate - rate) > 0.02 * rate:
                raise InputError(
                    f"recording '{rec.id}': is at {rec.rate:.1f} Hz, the adapter reads "
                    f"{rate:g} Hz: set clean.rate={rate:g}"
                )
        texts = self._reader.texts(recordings)
        keys = [sha256(text.encode()).hexdigest()[:24] for text in texts]
        asked = dict(zip(keys, texts, strict=True))
        new = [key for key in asked if key not in self._answers]
        with tqdm(total=len(new), desc="reading", unit="rec", disable=not self._progress) as bar:
            for begin in range(0, len(new), _KEEP_EVERY):
                part = new[begin : begin + _KEEP_EVERY]
                self._ask(part, [asked[key] for key in part])
                bar.update(len(part))
        scores = np.array([self._answers[key] for key in keys])[:, self._columns]
        return log_softmax(scores, axis=1), np.array([self._lengths[key] for key in keys])

    def _ask(self, keys: Sequence[str], texts: Sequence[str]) -> None:
        """Read these texts and write all answers down."""
        prompts = self._reader.prompts(texts)
        rows, lengths = self._reader.score(prompts), self._reader.tokens(prompts)
        for key, row, length in zip(keys, rows, lengths, strict=True):
            self._answers[key] = [round(float(value), 5) for value in row]
            self._lengths[key] = int(length)
        stored = {"adapter": self.identity, "answers": self._answers, "tokens": self._lengths}
        write_text(self._kept, json.dumps(stored))
