"""What is known of each letter of a word: readings checked, repeated ones fused, guesses weighed.

A word is a sequence of positions, each read k times. A reading is a log-probability for every
label, or only the label guessed. Either way a decoder gets `Letters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest

Float = NDArray[np.float64]
Int = NDArray[np.int64]

UNREADABLE = -1
"""Stands for the guess of a reading that names no label."""

_TOLERANCE = 1e-3
_FLOOR = -30.0
"""No reading excludes a letter: a probability of zero would outweigh all others."""


@dataclass(frozen=True)
class Letters:
    """The positions of one word."""

    labels: tuple[str, ...]
    """The alphabet, in the order of the columns."""
    log_probs: Float
    """Natural logarithms (n_positions, n_labels), the readings of a position fused; every row sums
    to one."""
    guesses: Int
    """The label each reading finds most likely, (n_positions, k); `UNREADABLE` for none."""

    def __post_init__(self) -> None:
        if self.log_probs.ndim != 2 or self.log_probs.shape[1] != len(self.labels):
            raise InputError(
                f"letters of shape {self.log_probs.shape}: need (n_positions, {len(self.labels)})"
            )
        if np.isnan(self.log_probs).any():
            raise InputError(f"position {_first(np.isnan(self.log_probs))}: a value is NaN")

    def __len__(self) -> int:
        return len(self.log_probs)

    @property
    def likeliest(self) -> str:
        """The most likely letter of every position, whatever word that makes."""
        return "".join(self.labels[i] for i in self.log_probs.argmax(axis=1))

    def check_alphabet(self, labels: Sequence[str]) -> None:
        """Refuse a decoder whose columns stand for other labels: it would spell other words."""
        if tuple(labels) != tuple(self.labels):
            raise InputError(
                f"the letters are of {''.join(self.labels)}, the decoder's of {''.join(labels)}: "
                "build the lexicon with the letters' labels, in their order"
            )


@dataclass(frozen=True)
class RepeatFusion:
    """A product of experts over the k readings of a position, with a calibrated temperature.

    ``log_softmax(Σ_k log p_k / (temperature · k^redundancy))``. Independent readings of a
    calibrated reader have redundancy 0; readings that say nothing new, all of the same odd habit of
    a hand, have 1: then k of them count as one.
    """

    temperature: float = 1.0
    redundancy: float = 0.0

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and np.isfinite(self.temperature)):
            raise InputError(f"temperature {self.temperature:g}: need a positive number")

    @classmethod
    def fit(cls, stacks: Sequence[Float], truth: Sequence[Int]) -> RepeatFusion:
        """Fit to positions of people who are not tested, by maximum likelihood.

        A stack (n, k, n_labels) for each number of readings k, and the columns (n,) of its right
        labels. With a single k the redundancy stays 0.
        """
        from scipy.optimize import minimize

        summed = [(stack.shape[1], stack.sum(axis=1)) for stack in stacks]

        def loss(x: Float) -> float:
            fused = [log_softmax(s / np.exp(x[0]) / k ** x[1]) for k, s in summed]
            right = [f[np.arange(len(t)), t] for f, t in zip(fused, truth, strict=True)]
            return -float(np.mean([r.mean() for r in right]))

        several = len({k for k, _ in summed}) > 1
        bounds = [(-3.0, 4.0), (0.0, 1.0) if several else (0.0, 0.0)]
        found = minimize(loss, [0.0, 0.5 if several else 0.0], bounds=bounds, method="L-BFGS-B").x
        return cls(float(np.exp(found[0])), float(found[1]))

    def __call__(self, readings: Float) -> Float:
        """Return the fused log-probabilities (n_positions, n_labels) of (n_positions, k, n_labels).

        A reading that is −inf throughout, an answer nobody could parse, says nothing.
        """
        parsed = np.isfinite(readings).any(axis=2, keepdims=True)
        k = np.maximum(parsed.sum(axis=1), 1)
        summed = np.where(parsed, np.maximum(readings, _FLOOR), 0.0).sum(axis=1)
        return log_softmax(summed / self.temperature / k**self.redundancy)

    def letters(self, labels: Sequence[str], readings: Float) -> Letters:
        """Return what a decoder needs of one word.

        Readings (n_positions, k, n_labels) or (n_positions, n_labels) are natural logarithms of
        probabilities; rows that are −inf throughout say nothing. InputError if there is no position
        or no reading, or a row does not sum to one.
        """
        checked = _checked_readings(labels, readings)
        named = np.where(np.isfinite(checked).any(axis=2), checked.argmax(axis=2), UNREADABLE)
        return Letters(tuple(labels), self(checked), named.astype(np.int64))


@dataclass(frozen=True)
class Confusion:
    """What a reader guesses for each letter: the channel of hard guesses.

    `log_probs` has a row for the letter written and a column for the guess.
    """

    log_probs: Float

    @classmethod
    def fit(cls, truth: Int, guesses: Int, n_labels: int, add: float = 0.3) -> Confusion:
        """Count guesses of people who are not tested; `add` of every guess are taken as seen."""
        counts = np.full((n_labels, n_labels), add)
        seen = guesses != UNREADABLE
        np.add.at(counts, (truth[seen], guesses[seen]), 1.0)
        return cls(np.log(counts / counts.sum(axis=1, keepdims=True)))

    def letters(self, labels: Sequence[str], guesses: Int | Sequence[Sequence[str]]) -> Letters:
        """Return what a decoder needs of one word read as hard guesses, k for every position.

        They are columns of labels (`UNREADABLE` says nothing) or labels (``""`` says nothing).
        """
        checked = _checked_guesses(labels, guesses)
        unread = (checked == UNREADABLE)[..., None]
        likelihood = np.where(unread, 0.0, self.log_probs.T[checked])  # of letters given the guess
        return Letters(tuple(labels), log_softmax(likelihood.sum(axis=1)), checked)


def log_softmax(scores: Float) -> Float:
    """Return the log-probabilities of scores: every row sums to one."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(scores, axis=-1))


def _checked_readings(labels: Sequence[str], readings: Float) -> Float:
    """Return readings as (n_positions, k, n_labels), each a distribution or −inf throughout."""
    try:
        array = np.asarray(readings, dtype=np.float64)
    except ValueError:
        raise InputError(
            "readings: positions of unequal size: give (n_positions, k, n_labels), padded with "
            "readings that are -inf throughout"
        ) from None
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or array.shape[2] != len(labels):
        raise InputError(
            f"readings of shape {array.shape}: need (n_positions, k, {len(labels)}), one "
            "log-probability a label"
        )
    _check_size(array.shape[0], array.shape[1])
    if np.isnan(array).any():
        raise InputError(f"position {_first(np.isnan(array))}: a log-probability is NaN")
    total = np.exp(np.minimum(array, 50.0)).sum(axis=2)
    wrong = (np.abs(total - 1) > _TOLERANCE) & np.isfinite(array).any(axis=2)
    if wrong.any() or np.isposinf(array).any():
        at = _first(wrong | np.isposinf(array).any(axis=2))
        raise InputError(
            f"position {at}: probabilities sum to {total[at - 1].max():.3g}, not to 1: give "
            "natural logarithms of probabilities, normalised over the labels"
        )
    return array


def _checked_guesses(labels: Sequence[str], guesses: Int | Sequence[Sequence[str]]) -> Int:
    """Return guesses as columns of labels, shape (n_positions, k)."""
    if not isinstance(guesses, np.ndarray):
        column = {label: i for i, label in enumerate(labels)} | {"": UNREADABLE}
        if unknown := [g for position in guesses for g in position if g not in column]:
            raise InputError(
                f"guess '{unknown[0]}': not in the alphabet: {nearest(unknown[0], labels)}"
            )
        k = max(map(len, guesses), default=0)
        padded = [[*position, *[""] * (k - len(position))] for position in guesses]
        rows = [[column[guess] for guess in position] for position in padded]
        guesses = np.array(rows, dtype=np.int64).reshape(len(rows), k)
    if guesses.ndim != 2:
        raise InputError(f"guesses of shape {guesses.shape}: need (n_positions, k)")
    _check_size(*guesses.shape)
    outside = (guesses < UNREADABLE) | (guesses >= len(labels)) | (guesses % 1 != 0)
    if outside.any():
        raise InputError(f"guess {guesses[outside][0]}: the alphabet has {len(labels)} labels")
    return guesses.astype(np.int64)


def _check_size(positions: int, k: int) -> None:
    if positions == 0:
        raise InputError("a word without positions: give the readings of at least one letter")
    if k == 0:
        raise InputError("k is 0: every position needs at least one reading")


def _first(wrong: NDArray[np.bool_]) -> int:
    """Return the number, from 1, of the first position where anything is wrong."""
    return int(wrong.reshape(len(wrong), -1).any(axis=1).argmax()) + 1
