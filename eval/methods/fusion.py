"""Two readers of the same recording in one answer, weighted by how far each can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_PRIOR = 0.1
"""Weight of the pull towards equal shares, in recordings: a handful of them outvotes it."""


@dataclass(frozen=True)
class Fusion:
    """A logarithmic opinion pool: ``log p ∝ Σ wᵢ log pᵢ`` (Genest & Zidek 1986, Stat. Sci. 1).

    Where each part is wrong in its own way the product is right more often than either; a part
    that adds nothing gets no weight. A weight above one sharpens a part that is too unsure.

    Attributes
    ----------
    weights : tuple of float
        One a part, none below zero.
    """

    weights: tuple[float, ...]

    @classmethod
    def fit(cls, parts: Sequence[Float], truth: Sequence[int]) -> Fusion:
        """Fit the weights to answers whose truth is known, by people who are not tested.

        Parameters
        ----------
        parts : sequence of ndarray, each of shape (n, n_labels)
            Log-probabilities of the same recordings. They must be honest: no part may have learnt
            from these recordings, or it is trusted too much.
        truth : sequence of int
            Column of the right label of each row.

        Raises
        ------
        ValueError
            With fewer than two parts, or parts of different shapes.
        """
        from scipy.optimize import minimize
        from scipy.special import log_softmax

        _check(parts)
        stacked = np.stack([np.maximum(part, -50.0) for part in parts])
        rows, columns = np.arange(stacked.shape[1]), np.asarray(truth)

        def loss(weights: Float) -> tuple[float, Float]:
            pooled = log_softmax(np.tensordot(weights, stacked, 1), axis=1)
            spread = np.exp(pooled)
            expected = (spread[None] * stacked).sum(axis=2).sum(axis=1)
            right = stacked[:, rows, columns].sum(axis=1)
            away = weights - 1 / len(stacked)
            value = -pooled[rows, columns].sum() + _PRIOR * float(away @ away) / 2
            return float(value), expected - right + _PRIOR * away

        start = np.full(len(stacked), 1 / len(stacked))
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(stacked)
        )
        return cls(tuple(float(weight) for weight in found.x))

    def __call__(self, parts: Sequence[Float]) -> Float:
        """Return the pooled log-probabilities, shape (n, n_labels); every row sums to one."""
        from scipy.special import log_softmax

        _check(parts)
        if len(parts) != len(self.weights):
            raise ValueError(f"{len(parts)} parts for {len(self.weights)} weights")
        stacked = np.stack([np.maximum(part, -50.0) for part in parts])
        return np.asarray(log_softmax(np.tensordot(self.weights, stacked, 1), axis=1))


def _check(parts: Sequence[Float]) -> None:
    shapes = {part.shape for part in parts}
    if len(parts) < 2 or len(shapes) > 1:
        raise ValueError(f"parts of shapes {sorted(shapes)}: need two or more of one shape")
