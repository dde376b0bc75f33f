"""Figures with intervals: what was measured, on how many, and how sure one can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = dict[str, Any]

PersonTables = dict[str, NDArray[np.int_]]
"""Person → counts of that person's answers, shape (n_labels, n_labels + 1)."""

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""


class Interval(TypedDict):
    """A figure with its 95 % interval, as plain values for JSON.

    `low` and `high` are None where no interval exists (one person says nothing about people).
    `n` counts what was averaged over: recordings, or people.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def evaluate(
    labels: Sequence[str],
    y_true: Sequence[str],
    log_probs: Floats,
    subjects: Sequence[str],
    cases: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 1000,
    windows: bool = False,
) -> Values:
    """Judge the predictions of one method.

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
    windows : bool
        They are pieces of far fewer recordings: intervals of pooled figures are over people, too.

    Returns
    -------
    dict
        Plain values for JSON. ``labels``, ``n``, ``chance``. ``accuracy`` and ``top5``: pooled over
        recordings, Wilson interval. ``people``: accuracy averaged over people, interval by
        bootstrap over people. ``macro_f1``: over the labels that occur; ``f1`` is the same with an
        interval by bootstrap over people, where they are windows. ``per_class`` (recall),
        ``per_person``, and ``by_case`` (empty where all recordings are of one): Wilson intervals.
        ``confusion``: counts, row the true label, column the answer; unparsable answers are in no
        column. ``unparsable``: share of recordings without any answer. ``log_loss`` (in nats) and
        the expected ``calibration_error``: None where the method ranks labels without giving each
        a probability.

    Raises
    ------
    ValueError
        If nothing is to be judged, the lengths disagree, or a true label is not in `labels`.
    """
    scores = _checked(log_probs, len(y_true), len(labels))
    rows, truth = np.arange(len(y_true)), np.array([list(labels).index(x) for x in y_true])
    order = np.argsort(-scores, axis=1, kind="stable")
    answered = np.isfinite(scores).any(axis=1)
    correct = answered & (order[:, 0] == truth)
    in_top5 = np.isfinite(scores[rows, truth]) & (order[:, :5] == truth[:, None]).any(axis=1)
    # The last column is for unparsable answers, which are wrong but no label's.
    given = np.where(answered, order[:, 0], len(labels))
    tables = _counts(subjects, (truth, given), (len(labels), len(labels) + 1))
    shares = _shares(correct, y_true)
    by_case = _shares(correct, [case or "unknown" for case in cases])
    is_distribution = bool(np.isfinite(scores).all())
    sure = calibration_error(np.exp(scores.max(axis=1)), correct) if is_distribution else None
    if windows:
        near = _counts(subjects, (in_top5.astype(int),), (2,))
        pooled = _of_windows(tables, near, seed, resamples)
    else:
        hits = {"accuracy": correct, "top5": in_top5}
        pooled = {name: share(found.sum(), len(found)) for name, found in hits.items()}
    return {
        "labels": list(labels),
        "n": len(truth),
        "chance": 1 / len(labels),
        **pooled,
        "people": bootstrap_people(correct, subjects, seed, resamples),
        "macro_f1": float(_f1(tables.sum(axis=0))),
        "per_class": {labels[i]: shares[labels[i]] for i in np.unique(truth)},
        "per_person": _shares(correct, subjects),
        "by_case": by_case if len(by_case) > 1 else {},
        "confusion": tables.sum(axis=0)[:, :-1].tolist(),
        "unparsable": float(1 - answered.mean()),
        "log_loss": float(-scores[rows, truth].mean()) if is_distribution else None,
        "calibration_error": sure,
    }


def share(k: int, n: int) -> Interval:
    """Return k of n with its Wilson interval; 0 of 0 has none."""
    k, n = int(k), int(n)
    if not n:
        return Interval(value=0.0, low=None, high=None, n=0)
    low, high = wilson(k, n)
    return Interval(value=k / n, low=low, high=high, n=n)


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
    mean, n = float(means.mean()), len(means)
    if n < 2 or not resamples:
        return Interval(value=mean, low=None, high=None, n=n)
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    low, high = np.quantile(means[drawn].mean(axis=1), [0.025, 0.975])
    return Interval(value=mean, low=float(low), high=float(high), n=n)


def means_over_groups(
    groups: Sequence[PersonTables],
    others: Sequence[PersonTables] = (),
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Average accuracies and macro F1 over groups of answers, such as pairs of data sets.

    Groups may share people, and each has few of some label, so people are weighed, not drawn: the
    Bayesian bootstrap (Rubin, Annals of Statistics 9, 1981), one weight a person in all groups.

    Parameters
    ----------
    groups : sequence of dict
        As `person_tables` gives them.
    others : sequence of dict
        Of another method in the same groups: the figures are differences to it then, paired.
    seed, resamples : int
        Of the weights; 0 resamples give no bounds.

    Returns
    -------
    dict
        ``accuracy``, ``balanced`` (the mean over labels) and ``f1``; `n` counts answers.
    """
    tables, theirs = weighed(groups, seed, resamples), weighed(others, seed, resamples)
    n = int(sum(table[0].sum() for table in tables))
    means = {}
    for name, figure in (("accuracy", _accuracy), ("balanced", _balanced), ("f1", _f1)):
        values = np.mean([figure(table) for table in tables], axis=0)
        if others:
            values = values - np.mean([figure(table) for table in theirs], axis=0)
        means[name] = spread(values, n)
    return means


def weighed(groups: Sequence[PersonTables], seed: int, resamples: int) -> list[Floats]:
    """Return each group's counts as they are, and under weights of people, one a resample."""
    people = sorted({person for group in groups for person in group})
    drawn = np.random.default_rng(seed).exponential(size=(resamples, len(people)))
    weights = np.concatenate([np.ones((1, len(people))), drawn])
    if len(people) < 2:
        weights = weights[:1]
    of = dict(zip(people, weights.T, strict=True))
    return [
        np.tensordot(
            np.stack([of[person] for person in group], 1), np.stack(list(group.values())), 1
        )
        for group in groups
    ]


def spread(values: Floats, n: int) -> Interval:
    """Return the first value with the span of most others."""
    low, high = (
        map(float, np.quantile(values[1:], [0.025, 0.975])) if len(values) > 1 else (None, None)
    )
    return Interval(value=float(values[0]), low=low, high=high, n=n)


def macro_auroc(
    labels: Sequence[str],
    y_true: Sequence[str],
    scores: Floats,
    subjects: Sequence[str],
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Return the mean, over the labels that occur, of each one's area under the ROC curve.

    Each label against all others, ties counted half, over all windows; the interval is a bootstrap
    over people. A draw in which a label occurs nowhere, or everywhere, goes without it.

    Parameters
    ----------
    labels : sequence of str
        Columns of `scores`, shape (n, n_labels); more is more likely.
    """
    people, who = np.unique(np.array(list(subjects)), return_inverse=True)
    truth = np.array([list(labels).index(name) for name in y_true])
    times = np.ones((1, len(people)))
    if resamples and len(people) > 1:
        drawn = np.random.default_rng(seed).integers(len(people), size=(resamples, len(people)))
        counts = [np.bincount(row, minlength=len(people)) for row in drawn]
        times = np.concatenate([times, counts])
    areas = np.full((len(times), len(labels)), np.nan)
    for column in np.unique(truth):
        _, place = np.unique(scores[:, column], return_inverse=True)
        mine = np.zeros((2, len(people), place.max() + 1))
        np.add.at(mine, ((truth == column).astype(int), who, place), 1)
        others, own = times @ mine[0], times @ mine[1]
        below = np.cumsum(others, axis=1) - others / 2
        pairs = own.sum(axis=1) * others.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            areas[:, column] = (own * below).sum(axis=1) / pairs
    known = np.isfinite(areas)
    means = np.where(known, areas, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    low, high = (
        map(float, np.quantile(means[1:], [0.025, 0.975])) if len(means) > 1 else (None,) * 2
    )
    return Interval(value=float(means[0]), low=low, high=high, n=len(truth))


def person_tables(
    labels: Sequence[str],
    y_true: Sequence[str],
    y_given: Sequence[str],
    subjects: Sequence[str],
) -> PersonTables:
    """Count each person's answers, shape (n_labels, n_labels + 1): row the true label.

    The last column counts answers that are none of the labels.
    """
    place = {label: i for i, label in enumerate(labels)}
    truth = np.array([place[label] for label in y_true])
    given = np.array([place.get(label, len(labels)) for label in y_given])
    tables = _counts(subjects, (truth, given), (len(labels), len(labels) + 1))
    return dict(zip(sorted(set(subjects)), tables, strict=True))


def calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al., ICML 2017).

    The mean over bins, weighted by size, of |share correct − mean confidence|.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _shares(correct: NDArray[np.bool_], groups: Sequence[str]) -> dict[str, Interval]:
    """Return the share of correct answers in each group."""
    group = np.array(list(groups))
    each = {str(name): correct[group == name] for name in np.unique(group)}
    return {name: share(hits.sum(), len(hits)) for name, hits in each.items()}


def _checked(log_probs: Floats, n: int, n_labels: int) -> Floats:
    """Return scores of the right shape without NaN."""
    scores = np.asarray(log_probs, dtype=np.float64)
    if not n or scores.shape != (n, n_labels) or np.isnan(scores).any():
        raise ValueError(
            f"log_probs {scores.shape} without NaN must be (n, n_labels) for {n} recordings and "
            f"{n_labels} labels, n at least 1"
        )
    return scores


def _counts(
    subjects: Sequence[str], places: tuple[NDArray[np.int_], ...], shape: tuple[int, ...]
) -> NDArray[np.int_]:
    """Count each person's recordings by their places in a table, shape (n_people, *shape)."""
    people, who = np.unique(np.array(list(subjects)), return_inverse=True)
    counts = np.zeros((len(people), *shape), dtype=int)
    np.add.at(counts, (who, *places), 1)
    return counts


def _of_windows(
    tables: NDArray[np.int_], near: NDArray[np.int_], seed: int, resamples: int
) -> Values:
    """Return accuracy, macro F1 and top-5 accuracy of windows, from each person's counts."""
    figures: dict[str, tuple[NDArray[np.int_], Callable[[NDArray[np.int_]], Floats]]] = {
        "accuracy": (tables, _accuracy),
        "f1": (tables, _f1),
        "top5": (near, lambda counts: counts[..., 1] / counts.sum(axis=-1)),
    }
    return {
        name: _pooled_over_people(counts, figure, seed, resamples)
        for name, (counts, figure) in figures.items()
    }


def _pooled_over_people(
    tables: NDArray[np.int_],
    figure: Callable[[NDArray[np.int_]], Floats],
    seed: int,
    resamples: int,
) -> Interval:
    """Return a figure of counts added over people, with a bootstrap interval over people.

    `tables` has one table of counts a person first; `figure` takes any number of added tables.
    """
    n = len(tables)
    value, counted = float(figure(tables.sum(axis=0))), int(tables.sum())
    if n < 2 or not resamples:
        return Interval(value=value, low=None, high=None, n=counted)
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    times = np.stack([np.bincount(row, minlength=n) for row in drawn])
    low, high = np.quantile(figure(np.tensordot(times, tables, 1)), [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high), n=counted)


def _accuracy(tables: NDArray[Any]) -> Floats:
    """Return the share on the diagonal of confusion tables, shape (..., n_labels, n_answers)."""
    right = np.diagonal(tables, axis1=-2, axis2=-1).sum(axis=-1)
    return np.asarray(right / tables.sum(axis=(-2, -1)))


def _balanced(tables: NDArray[Any]) -> Floats:
    """Return the mean share of right answers over the labels that occur in each table."""
    actual, right = tables.sum(axis=-1), np.diagonal(tables, axis1=-2, axis2=-1)
    occurs = actual > 0
    shares = right / np.maximum(actual, 1e-12)
    return np.asarray((shares * occurs).sum(axis=-1) / occurs.sum(axis=-1))


def _f1(tables: NDArray[Any]) -> Floats:
    """Return the mean F1 of the labels that occur in each table; answers may have more columns."""
    n = tables.shape[-2]
    actual, right = tables.sum(axis=-1), np.diagonal(tables, axis1=-2, axis2=-1)
    f1 = 2 * right / np.maximum(actual + tables[..., :n].sum(axis=-2), 1e-12)
    occurs = actual > 0
    return np.asarray((f1 * occurs).sum(axis=-1) / occurs.sum(axis=-1))
