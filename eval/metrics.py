"""Figures with intervals: what was measured, on how many, and how sure one can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval.

    `low` and `high` are None where no interval exists (one person says nothing about people).
    `n` counts what was averaged over: recordings, or people.
    """

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Metrics:
    """Everything measured for one method.

    Parameters
    ----------
    labels : tuple of str
        Rows and columns of `confusion`.
    n, chance : int, float
        Test recordings; one over the number of labels.
    accuracy, top5 : Interval
        Pooled over recordings, Wilson interval.
    people : Interval
        Accuracy averaged over people, interval by bootstrap over people.
    macro_f1 : float
        Over the labels that occur in the test set.
    per_class, per_person : dict of str to Interval
        Accuracy (recall) of each label and each person, Wilson intervals.
    by_case : dict of str to Interval
        Accuracy of each case, such as ``2d`` and ``3d``; empty where all recordings are of one.
    confusion : tuple of tuple of int
        Counts, row the true label, column the answer; unparsable answers are in no column.
    unparsable : float
        Share of recordings without any answer; they count as wrong.
    log_loss, calibration_error : float or None
        In nats, and the expected calibration error; None where the method ranks labels
        without giving each a probability.
    """

    labels: tuple[str, ...]
    n: int
    chance: float
    accuracy: Interval
    people: Interval
    top5: Interval
    macro_f1: float
    per_class: dict[str, Interval]
    per_person: dict[str, Interval]
    by_case: dict[str, Interval]
    confusion: tuple[tuple[int, ...], ...]
    unparsable: float
    log_loss: float | None
    calibration_error: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def evaluate(
    labels: Sequence[str],
    y_true: Sequence[str],
    log_probs: Floats,
    subjects: Sequence[str],
    cases: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 1000,
) -> Metrics:
    """Judge predictions.

    Parameters
    ----------
    labels : sequence of str
        The label set, in the column order of `log_probs`.
    y_true, subjects : sequence of str
        True label and person of every recording.
    log_probs : ndarray, shape (n, n_labels)
        Log-probabilities, or any ranking scores with −inf for labels the method did not name.
        A row without a finite value is an unparsable answer and counts as wrong.
    cases : sequence of str
        Case of every recording; not given, there is one.
    seed, resamples : int
        Of the bootstrap over people.

    Raises
    ------
    ValueError
        If nothing is to be judged, the lengths disagree, or a true label is not in `labels`.
    """
    scores = np.asarray(log_probs, dtype=np.float64)
    if not len(y_true) or scores.shape != (len(y_true), len(labels)) or np.isnan(scores).any():
        raise ValueError(
            f"log_probs {scores.shape} without NaN must be (n, n_labels) for {len(y_true)} "
            f"recordings and {len(labels)} labels, n at least 1"
        )
    truth = np.array([list(labels).index(label) for label in y_true])
    who = np.array(list(subjects))
    how = np.array([case or "unknown" for case in cases])
    rows = np.arange(len(truth))
    order = np.argsort(-scores, axis=1, kind="stable")
    answered = np.isfinite(scores).any(axis=1)
    correct = answered & (order[:, 0] == truth)
    in_top5 = np.isfinite(scores[rows, truth]) & (order[:, :5] == truth[:, None]).any(axis=1)

    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth[answered], order[answered, 0]), 1)
    is_distribution = bool(np.isfinite(scores).all())
    return Metrics(
        labels=tuple(labels),
        n=len(truth),
        chance=1 / len(labels),
        accuracy=_share(correct),
        people=bootstrap_people(correct, subjects, seed, resamples),
        top5=_share(in_top5),
        macro_f1=_macro_f1(confusion, truth),
        per_class={
            label: _share(correct[truth == i]) for i, label in enumerate(labels) if i in truth
        },
        per_person={str(p): _share(correct[who == p]) for p in np.unique(who)},
        by_case={str(c): _share(correct[how == c]) for c in np.unique(how)}
        if len(set(how)) > 1
        else {},
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        unparsable=float(1 - answered.mean()),
        log_loss=float(-scores[rows, truth].mean()) if is_distribution else None,
        calibration_error=(
            calibration_error(np.exp(scores.max(axis=1)), correct) if is_distribution else None
        ),
    )


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of `k` successes out of `n`.

    Never leaves [0, 1] and stays sensible at 0 and `n` (Wilson, JASA 22, 1927).
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} successes out of {n}: need 0 <= k <= n and n >= 1")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the bound is exactly 0 or 1; rounding would miss it by 1e-17.
    return (0.0 if k == 0 else float(centre - half)), (1.0 if k == n else float(centre + half))


def bootstrap_people(
    values: Sequence[float] | NDArray[Any],
    subjects: Sequence[str],
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Average over people what was averaged within each, with a percentile bootstrap interval.

    People, not recordings, are drawn again: recordings of one hand are not independent. For two
    methods on the same recordings, pass the difference of their correctness: the interval is
    then the paired one.

    Parameters
    ----------
    values : sequence of float
        One a recording: 1 if correct, or a difference between two methods.
    subjects : sequence of str
        Who wrote it.
    seed : int
        Same seed, same interval.
    resamples : int
        Draws of people; 0 gives no bounds.

    Returns
    -------
    Interval
        `n` is the number of people; no bounds with fewer than two.
    """
    values, who = np.asarray(values, dtype=np.float64), np.array(list(subjects))
    means = np.array([values[who == person].mean() for person in np.unique(who)])
    if len(means) < 2 or not resamples:
        return Interval(float(means.mean()), None, None, len(means))
    drawn = np.random.default_rng(seed).integers(len(means), size=(resamples, len(means)))
    low, high = np.quantile(means[drawn].mean(axis=1), [0.025, 0.975])
    return Interval(float(means.mean()), float(low), float(high), len(means))


def calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al., ICML 2017).

    The mean over bins, weighted by size, of |share correct − mean confidence|.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _share(hits: NDArray[np.bool_]) -> Interval:
    k, n = int(hits.sum()), len(hits)
    return Interval(k / n, *wilson(k, n), n)


def _macro_f1(confusion: NDArray[np.int_], truth: NDArray[np.int_]) -> float:
    """Mean F1 of the labels that occur; unparsable answers lower recall through `truth`."""
    actual = np.bincount(truth, minlength=len(confusion))
    f1 = 2 * np.diag(confusion) / np.maximum(actual + confusion.sum(axis=0), 1)
    return float(f1[actual > 0].mean())
