"""Exact search among many embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.recipes.mapping import Metric
from imuscribe.signals.recording import Array

_TIE = 1e-5
"""Distances nearer to one another than this, which rounding may be, count as equal."""
_MOST = 1 << 26
"""Distances held at once while searching: a quarter of a gigabyte."""


class Index:
    """Embeddings (n_items, size) made ready to be searched again and again.

    Distance is one minus the cosine, or Euclidean; items equally far come in the order of `names`.
    """

    def __init__(self, x: Array, names: Sequence[str], metric: Metric) -> None:
        self._cosine = metric == "cosine"
        self._x = _units(x) if self._cosine else x
        self._names = names

    def distances(self, queries: Array) -> Array:
        """Return the distance of every query to every item, shape (n, n_items)."""
        if self._cosine:
            return np.asarray(1 - _units(queries) @ self._x.T)
        square = (
            (queries**2).sum(axis=1)[:, None] + (self._x**2).sum(axis=1) - 2 * (queries @ self._x.T)
        )
        return np.asarray(np.sqrt(np.maximum(square, 0)))

    def nearest(self, queries: Array, k: int) -> tuple[Array, NDArray[np.int64]]:
        """Return distances and places of the `k` nearest items, nearest first, shapes (n, k)."""
        distances, places = (
            np.empty((len(queries), k), np.float32),
            np.empty((len(queries), k), int),
        )
        rows = max(1, _MOST // len(self._x))
        for begin in range(0, len(queries), rows):
            for i, row in enumerate(self.distances(queries[begin : begin + rows]), begin):
                farthest = np.partition(row, k - 1)[k - 1]
                near = np.flatnonzero(row <= farthest + _TIE)
                called = [self._names[j] for j in near]
                places[i] = near[np.lexsort((called, np.round(row[near] / _TIE)))][:k]
                distances[i] = row[places[i]]
        return distances, places


def _units(x: Array) -> Array:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)
