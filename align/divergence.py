"""How far data sets are apart, seen as raw samples, as figures and as words.

LanHAR reports a Kullback–Leibler divergence between two sets for signals and for texts. Such a
number means little by itself: what helps a transfer is that sets differ *less than activities do*.
So each divergence between sets, class by class, is told as a share of that between the classes of
one set.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DIRECTIONS = 8
"""Principal directions in which divergences are taken: as many as 30 windows can fill."""
_SHRINK = 0.1
"""Share of the mean square of all windows in every covariance."""
_FEWEST = 10
"""Windows of a class behind a Gaussian."""


def divergence(rows: Floats, sets: NDArray[np.str_], classes: NDArray[np.str_]) -> dict[str, float]:
    """Return the divergence between sets, between classes, and the first relative to the second.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        A representation of windows.
    sets, classes : ndarray of str, shape (n,)

    Returns
    -------
    dict
        ``sets``: mean over pairs of sets and their common classes of the symmetric KL divergence,
        in nats, of Gaussians in the first principal directions of all windows; ``classes``: the
        same over pairs of classes of one set; ``relative``: their ratio. Nothing if there are too
        few windows.
    """
    centred = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-9)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    seen = centred @ axes[:_DIRECTIONS].T
    seen = seen / np.sqrt((seen**2).mean())
    of = {}
    for name in np.unique(sets):
        for label in np.unique(classes):
            mine = seen[(sets == name) & (classes == label)]
            if len(mine) >= _FEWEST:
                of[str(name), str(label)] = _gaussian(mine)
    pairs: dict[str, list[float]] = {"sets": [], "classes": []}
    for a, b in combinations(of, 2):
        if (a[0] == b[0]) != (a[1] == b[1]):
            pairs["sets" if a[1] == b[1] else "classes"].append(_symmetric(of[a], of[b]))
    if not all(pairs.values()):
        return {}
    apart = {what: float(np.mean(found)) for what, found in pairs.items()}
    return apart | {"relative": apart["sets"] / max(apart["classes"], 1e-12)}


def divergences(
    views: Mapping[str, Floats], sets: NDArray[np.str_], classes: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """Return `divergence` of several representations of the same windows by name."""
    found = {name: divergence(rows, sets, classes) for name, rows in views.items()}
    return {name: one for name, one in found.items() if one}


def _gaussian(rows: Floats) -> tuple[Floats, Floats]:
    # Rest fills no direction, so what it lacks is lent by all windows, whose mean square is 1.
    covariance = np.cov(rows.T)
    return rows.mean(axis=0), (1 - _SHRINK) * covariance + _SHRINK * np.eye(len(covariance))


def _symmetric(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
    """Return half the sum of the two KL divergences of Gaussians; logarithms cancel."""
    inverse_a, inverse_b = np.linalg.inv(a[1]), np.linalg.inv(b[1])
    apart, d = a[0] - b[0], len(a[0])
    traces = np.trace(inverse_b @ a[1]) + np.trace(inverse_a @ b[1]) - 2 * d
    return float((traces + apart @ (inverse_a + inverse_b) @ apart) / 4)
