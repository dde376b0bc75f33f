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
        texts = self._reader.texts(recordings)
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
        log_probs, lengths = self._reader.score([text for _, text in part])
        for (key, _), row, length in zip(part, log_probs, lengths, strict=True):
            self._answers[key] = [round(float(value), 5) for value in row]
            self._lengths[key] = int(length)
        stored = {"adapter": self.identity, "answers": self._answers, "tokens": self._lengths}
        write_text(self._kept, json.dumps(stored))
