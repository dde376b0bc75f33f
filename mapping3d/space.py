"""The space of embeddings: what fits into it, what lies nearest, what the nearest say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.recipes.mapping import Metric
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array

_TIE = 1e-5
"""Distances nearer to one another than this, which rounding may be, count as equal."""
_MOST = 1 << 26
"""Distances held at once while searching: a quarter of a gigabyte."""


@dataclass(frozen=True)
class Space:
    """Which space embeddings lie in: two galleries of one space can be merged."""

    encoder: str
    """Version of the encoder that made them."""
    channels: tuple[str, ...]
    """What it sees of the target condition."""
    rate: float
    """Hz of the recordings it sees."""
    size: int
    """Numbers of an embedding."""

    def check(self, other: Space, what: str) -> None:
        """Refuse another space, naming the first difference."""
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"{what}: its {name} is {_said(theirs)}, the gallery's is {_said(mine)}: "
                    "embed both with the same encoder"
                )


def check_numbers(embeddings: Array, names: Sequence[str]) -> None:
    """Refuse embeddings that are not finite numbers, naming the first."""
    wrong = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if wrong.size:
        raise InputError(
            f"embedding of {names[wrong[0]]} is not a number ({wrong.size} such): the encoder is "
            "damaged or was never trained; fit it again"
        )


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


def agreeing(
    x: Array, labels: NDArray[np.str_], least: float, metric: Metric, k: int = 20
) -> NDArray[np.int64]:
    """Return the places of items whose `k` nearest other items mostly have their label.

    At least the share `least` of them must; of a label of which no item has so many, those that
    have most are kept.
    """
    k = min(k, len(x) - 1)
    if k < 1:
        return np.arange(len(x))
    _, places = Index(x, [str(i) for i in range(len(x))], metric).nearest(x, k + 1)
    own = places == np.arange(len(x))[:, None]
    own[~own.any(axis=1), -1] = True  # so many lie at one point that it is not among its nearest
    others = places[~own].reshape(len(x), k)
    share = (labels[others] == labels[:, None]).mean(axis=1)
    most = {label: share[labels == label].max() for label in np.unique(labels)}
    enough = np.array([min(least, most[label]) for label in labels])
    return np.flatnonzero(share >= enough)


def nearness(
    distances: Array, items: NDArray[np.str_], labels: Sequence[str], k: int = 1
) -> NDArray[np.float64]:
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


def _units(x: Array) -> Array:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"
