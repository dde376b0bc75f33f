"""Exact search among many embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.recording import Array

Metric = Literal["cosine", "euclidean"]

FAISS_FROM = 100_000
"""Items above which faiss searches, where it is installed; a matrix product is as fast below."""
_TIE = 1e-5
"""Distances nearer to one another than this, which rounding may be, count as equal."""


class Index:
    """What is needed to search the same embeddings again and again.

    Parameters
    ----------
    x : ndarray of float32, shape (n_items, size)
    names : sequence of str
        Of the items: those equally far come in the order of these.
    metric : {"cosine", "euclidean"}
        Distance is one minus the cosine, or Euclidean.
    """

    def __init__(self, x: Array, names: Sequence[str], metric: Metric) -> None:
        self._x = _units(x) if metric == "cosine" else x
        self._names = names
        self._cosine = metric == "cosine"
        self._faiss: Any = None

    def distances(self, queries: Array) -> Array:
        """Return the distance of every query to every item, shape (n, n_items)."""
        if self._cosine:
            return np.asarray(1 - _units(queries) @ self._x.T)
        square = (
            (queries**2).sum(axis=1)[:, None] + (self._x**2).sum(axis=1) - 2 * (queries @ self._x.T)
        )
        return np.asarray(np.sqrt(np.maximum(square, 0)))

    def nearest(self, queries: Array, k: int) -> tuple[Array, NDArray[np.int64]]:
        """Return distances and places of the `k` nearest items, nearest first, shapes (n, k).

        faiss, where installed, searches more than `FAISS_FROM` items; both are exact.
        """
        if len(self._x) > FAISS_FROM and (found := self._by_faiss(queries, k)) is not None:
            return found
        distance = self.distances(queries)
        rows = []
        for row in distance:
            farthest = np.partition(row, k - 1)[k - 1]
            near = np.flatnonzero(row <= farthest + _TIE)
            called = [self._names[j] for j in near]
            rows.append(near[np.lexsort((called, np.round(row[near] / _TIE)))][:k])
        places = np.stack(rows)
        return np.take_along_axis(distance, places, axis=1), places

    def _by_faiss(self, queries: Array, k: int) -> tuple[Array, NDArray[np.int64]] | None:
        """Search with faiss; None where it is not installed."""
        try:
            import faiss
        except ImportError:
            return None
        if self._faiss is None:
            kind = faiss.IndexFlatIP if self._cosine else faiss.IndexFlatL2
            self._faiss = kind(self._x.shape[1])
            self._faiss.add(self._x)
        found, places = self._faiss.search(_units(queries) if self._cosine else queries, k)
        return (1 - found if self._cosine else np.sqrt(np.maximum(found, 0))), places


def _units(x: Array) -> Array:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)
