"""Letters with known truth to spell words from: read off runs, or simulated and read now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.predictions import PREFIX
from imuscribe.models.calibrate import Calibration
from imuscribe.signals.errors import InputError, nearest
from imuscribe.words.letters import Confusion, Float, Int, RepeatFusion, log_softmax

if TYPE_CHECKING:
    import pandas as pd

    from imuscribe.recipes.words import AdaptRecipe, WordsRecipe

_FLOOR = -30.0
_REPEATS = 4
"""Stacks of each letter and person that a fusion is fitted on."""


@dataclass(frozen=True)
class LetterPool:
    """Recordings of letters as one or several predictors read them."""

    labels: tuple[str, ...]
    ids: NDArray[np.str_]
    subjects: NDArray[np.str_]
    truth: Int
    """Column of the letter written, (n,)."""
    readings: Float
    """Natural logarithms, normalised, (n, n_methods, n_labels)."""
    source: str
    """Whose letters, read by what."""

    @property
    def people(self) -> list[str]:
        """Everyone who wrote."""
        return sorted(set(self.subjects.tolist()))

    def recordings(self, person: str, letter: int) -> Int:
        """Return the rows of a person's recordings of a letter."""
        return np.flatnonzero((self.subjects == person) & (self.truth == letter))

    def writes(self, person: str) -> set[str]:
        """Return the letters that a person wrote at all."""
        return {self.labels[i] for i in set(self.truth[self.subjects == person].tolist())}

    def draw(self, person: str, word: str, k: int, rng: np.random.Generator) -> Int:
        """Draw k recordings of every letter of a word, shape (n_letters, k).

        None is used twice in a word while the person has others of that letter, and none twice in
        a position unless there are fewer than k.
        """
        drawn = np.zeros((len(word), k), dtype=np.int64)
        for letter in sorted(set(word)):
            positions = [i for i, c in enumerate(word) if c == letter]
            rows = rng.permutation(self.recordings(person, self.labels.index(letter)))
            taken = np.arange(len(positions) * k).reshape(len(positions), k) % len(rows)
            drawn[positions] = rows[taken]
        return drawn


@dataclass(frozen=True)
class Channel:
    """What training people teach about a reader: how sure to be, how repeats add up, what it mixes.

    A calibration for each method.
    """

    calibrations: tuple[Calibration, ...]
    fusion: RepeatFusion
    confusion: Confusion

    @classmethod
    def fit(
        cls, pool: LetterPool, people: Sequence[str], ks: Sequence[int], rng: np.random.Generator
    ) -> Channel:
        """Fit to the recordings of `people` alone; stacks of k recordings for every k of `ks`."""
        rows = np.flatnonzero(np.isin(pool.subjects, list(people)))
        truth = pool.truth[rows]
        calibrations = tuple(
            Calibration.fit(pool.readings[rows, m], truth.tolist())
            for m in range(pool.readings.shape[1])
        )
        read = _pooled(calibrations, pool.readings)
        stacks, right = [], []
        for k in ks:
            drawn = [
                (pool.draw(person, letter, k, rng)[0], pool.labels.index(letter))
                for person in people
                for letter in sorted(pool.writes(person))
                for _ in range(_REPEATS)
            ]
            stacks.append(read[np.array([rows for rows, _ in drawn])])
            right.append(np.array([letter for _, letter in drawn]))
        confusion = Confusion.fit(truth, read[rows].argmax(axis=1), len(pool.labels))
        return cls(calibrations, RepeatFusion.fit(stacks, right), confusion)

    def read(self, readings: Float) -> Float:
        """Return one calibrated distribution a recording, (n, n_labels), of all methods together.

        Methods are a product of experts with equal weights: each is calibrated on its own, and
        their common overconfidence is left to the fusion's temperature. Weights fitted to few
        people follow those people.
        """
        return _pooled(self.calibrations, readings)


def load_pool(recipe: WordsRecipe | AdaptRecipe, progress: bool = True) -> LetterPool:
    """Return the letters a word recipe names, of at least two people."""
    if recipe.letters == ("simulated",):
        pool = _simulated(recipe, progress)
    else:
        folders = [Path(folder) for folder in recipe.letters]
        frames = [frame for folder in folders for frame in _predictions(folder)]
        pool = pool_of_frames(frames, recipe.method, " + ".join(map(str, folders)))
    if len(pool.people) < 2:
        raise InputError(
            f"letters of {', '.join(pool.people)} alone: the channel is learnt from other people: "
            "give runs with at least two"
        )
    return pool


def pool_of_frames(frames: Sequence[pd.DataFrame], methods: Sequence[str], name: str) -> LetterPool:
    """Return the letters of prediction tables, one row a recording and method."""
    import pandas as pd

    columns, *others = ([c for c in frame.columns if c.startswith(PREFIX)] for frame in frames)
    if any(other != columns for other in others):
        raise InputError(f"{name}: the runs have other labels: give runs of one experiment")
    table = pd.concat(frames)
    parts = []
    for method in methods:
        part = table[table["method"] == method].set_index("id")
        if part.empty:
            known = sorted(table["method"].unique())
            raise InputError(f"method '{method}': not in {name}: {nearest(method, known)}")
        if part.index.has_duplicates:
            raise InputError(
                f"{name}: recording {part.index[part.index.duplicated()][0]} is predicted twice by "
                f"{method}: give each fold once"
            )
        parts.append(part)
    common = reduce(pd.Index.intersection, [part.index for part in parts])
    readings = np.stack([_normalised(part.loc[common, columns].to_numpy()) for part in parts], 1)
    labels = tuple(c.removeprefix(PREFIX) for c in columns)
    first = parts[0].loc[common]
    return LetterPool(
        labels,
        common.to_numpy(dtype=np.str_),
        first["subject"].to_numpy(dtype=np.str_),
        np.array([labels.index(c) for c in first["label"]]),
        readings,
        f"{name}, read by {' × '.join(methods)}",
    )


def _predictions(folder: Path) -> list[pd.DataFrame]:
    import pandas as pd

    whole = folder / "predictions.parquet"
    files = [whole] if whole.is_file() else sorted(folder.glob("folds/*/*.parquet"))
    if not files:
        raise InputError(f"letters '{folder}': no predictions there: give a run's folder")
    return [pd.read_parquet(file) for file in files]


def _simulated(recipe: WordsRecipe | AdaptRecipe, progress: bool) -> LetterPool:
    """Let simulated people write and the recipe's adapter read what they wrote."""
    from imuscribe.finetune.adapters import adapter_path
    from imuscribe.finetune.lineage import read
    from imuscribe.finetune.reading import Reader
    from imuscribe.signals.labels import parse_labels
    from imuscribe.signals.simulate import simulate

    people = f"simulated with seed {recipe.simulate.seed}"
    learnt = read(adapter_path(recipe.adapter))
    if learnt is None or any(item["data"] == people for item in learnt):
        raise InputError(
            f"adapter '{recipe.adapter}': has learnt from people {people}, or does not say from "
            "whom: set another simulate.seed"
        )
    reader = Reader(recipe.adapter)
    labels = reader.labels
    if unread := set(parse_labels(recipe.simulate.labels)) - set(labels):
        raise InputError(
            f"simulate.labels has '{min(unread)}', which the adapter '{recipe.adapter}' does not "
            f"read: it reads {', '.join(labels)}"
        )
    recordings = simulate(recipe.simulate, progress)
    log_probs = reader.log_probs(recordings, progress)
    return LetterPool(
        labels,
        np.array([rec.id for rec in recordings]),
        np.array([rec.subject for rec in recordings]),
        np.array([labels.index(rec.label) for rec in recordings]),
        _normalised(log_probs[:, None].astype(np.float64)),
        f"people {people}, read by the adapter {recipe.adapter}",
    )


def _normalised(log_probs: Float) -> Float:
    """Return rows that sum to one; what ranks without probabilities gets some, no answer none."""
    finite = np.where(np.isnan(log_probs), -np.inf, log_probs)
    high = finite.max(axis=-1, keepdims=True)
    return log_softmax(np.maximum(finite - np.where(np.isfinite(high), high, 0.0), _FLOOR))


def _pooled(calibrations: Sequence[Calibration], readings: Float) -> Float:
    parts = [calibration(readings[:, m]) for m, calibration in enumerate(calibrations)]
    return log_softmax(np.sum(parts, axis=0))
