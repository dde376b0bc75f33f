"""What a gallery's neighbours say about a query: scores of labels, and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array

Float = NDArray[np.float64]


def nearness(distances: Array, items: NDArray[np.str_], labels: Sequence[str], k: int = 1) -> Float:
    """Return minus the mean distance to each label's `k` nearest items, shape (n, n_labels).

    `distances` (n, n_items) are from `Gallery.distances`, `items` their labels. With ``k=1`` the
    best label is that of the nearest item: the study's retrieval. More neighbours make one odd item
    count less.
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


def ranks(distances: Array, items: NDArray[np.str_], truth: Sequence[str]) -> NDArray[np.int64]:
    """Return the rank, from one, of the nearest item of the right label among all items.

    Its reciprocal averages to the mean reciprocal rank; ``rank <= k`` is retrieval @k.
    """
    found = np.empty(len(distances), dtype=np.int64)
    for i, (row, label) in enumerate(zip(distances, truth, strict=True)):
        right = row[items == label]
        if not right.size:
            raise InputError(f"label '{label}': no item in the gallery: it cannot be retrieved")
        found[i] = 1 + int((row < right.min()).sum())
    return found
