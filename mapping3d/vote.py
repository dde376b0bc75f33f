"""What a gallery's neighbours say about a query: scores and probabilities of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array

Float = NDArray[np.float64]


def nearness(distances: Array, items: NDArray[np.str_], labels: Sequence[str], k: int = 1) -> Float:
    """Return minus the mean distance to each label's `k` nearest items, shape (n, n_labels).

    With ``k=1`` the best label is that of the nearest item: the study's retrieval. More neighbours
    make one odd item count less.

    Parameters
    ----------
    distances : ndarray, shape (n, n_items)
        As `Gallery.distances` returns them.
    items : ndarray of str, shape (n_items,)
        The label of each item.
    labels : sequence of str
        Columns of the answer.
    k : int
        Neighbours of a label, or all it has.

    Raises
    ------
    InputError
        If a label has no item.
    """
    columns = []
    for label in labels:
        near = distances[:, items == label]
        if not near.shape[1]:
            raise InputError(
                f"label '{label}': no item in the gallery: enrol one or take it out of the labels"
            )
        if k < near.shape[1]:
            near = np.partition(near, k - 1, axis=1)[:, :k]
        columns.append(-near.mean(axis=1))
    return np.stack(columns, axis=1).astype(np.float64)


def log_posterior(scores: Float, temperature: float) -> Float:
    """Return log-probabilities of labels, shape as `scores`; every row sums to one."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(scores / temperature, axis=1), dtype=np.float64)


def fit_temperature(scores: Float, truth: Sequence[int]) -> float:
    """Return the temperature that makes known answers most likely.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        Of training people that the encoder was not fitted on.
    truth : sequence of int
        Column of the right label of each row.
    """
    from scipy.optimize import minimize_scalar

    rows, columns = np.arange(len(scores)), np.asarray(truth)

    def loss(logarithm: float) -> float:
        return float(-log_posterior(scores, np.exp(logarithm))[rows, columns].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-7, 3), method="bounded").x))


def ranks(distances: Array, items: NDArray[np.str_], truth: Sequence[str]) -> NDArray[np.int64]:
    """Return the rank, from one, of the nearest item of the right label among all items.

    Its reciprocal averages to the mean reciprocal rank; ``rank <= k`` is retrieval @k.

    Raises
    ------
    InputError
        If a right label has no item.
    """
    found = np.empty(len(distances), dtype=np.int64)
    for i, (row, label) in enumerate(zip(distances, truth, strict=True)):
        right = row[items == label]
        if not right.size:
            raise InputError(f"label '{label}': no item in the gallery: it cannot be retrieved")
        found[i] = 1 + int((row < right.min()).sum())
    return found
