"""What people of known letters teach about a reader of somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.calibrate import Calibration
from imuscribe.words.letters import Confusion, Float, Int, RepeatFusion, log_softmax

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
            own = (self.subjects == person) & (self.truth == self.labels.index(letter))
            rows = rng.permutation(np.flatnonzero(own))
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


def _pooled(calibrations: Sequence[Calibration], readings: Float) -> Float:
    parts = [calibration(readings[:, m]) for m, calibration in enumerate(calibrations)]
    return log_softmax(np.sum(parts, axis=0))
