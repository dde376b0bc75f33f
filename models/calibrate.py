"""Calibration: what a model's log-probabilities are worth, learnt from training people only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_PRIOR = 0.1
"""Weight of the pull towards equal shares, in recordings: a handful of them outvotes it."""
_LEAST = -50.0
"""No part of a fusion rules a label out."""


def log_posterior(scores: NDArray[np.floating[Any]], temperature: float = 1.0) -> Float:
    """Return log-probabilities of labels, shape as `scores`; every row sums to one."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(scores / temperature, axis=1), dtype=np.float64)


def fit_temperature(
    scores: Float, truth: Sequence[int], bounds: tuple[float, float] = (-7, 3)
) -> float:
    """Return the temperature that makes known answers most likely (Guo et al. 2017).

    `scores` (n, n_labels) are of training people that the model was not fitted on, `truth` the
    columns of the right labels, `bounds` those of the temperature's logarithm.
    """
    from scipy.optimize import minimize_scalar

    rows, columns = np.arange(len(scores)), np.asarray(truth)

    def loss(logarithm: float) -> float:
        return float(-log_posterior(scores, np.exp(logarithm))[rows, columns].mean())

    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


@dataclass(frozen=True)
class Calibration:
    """``log_softmax(log_probs / temperature + bias)``: bias-corrected temperature scaling.

    Temperature alone (Guo et al. 2017, arXiv 1706.04599) changes how sure a model is, never what it
    answers. A model that has learnt little yet also prefers some labels whatever it reads; one bias
    a label takes that out (Alexandari et al. 2020, arXiv 1901.06852).

    Attributes
    ----------
    temperature : float
        Above one makes less sure.
    bias : ndarray of float64, shape (n_labels,)
        Added to each label's score.
    """

    temperature: float
    bias: Float

    @classmethod
    def fit(cls, log_probs: Float, truth: Sequence[int]) -> Calibration:
        """Fit to answers (n, n_labels), and the right columns, of people who are not tested.

        The likelihood is maximised with a standard normal prior on the biases and on the logarithm
        of the temperature, so a few recordings a label are enough.
        """
        from scipy.optimize import minimize
        from scipy.special import log_softmax, softmax

        _n, n_labels = log_probs.shape
        target = np.eye(n_labels)[np.asarray(truth)]

        def loss(x: Float) -> tuple[float, Float]:
            scaled = log_probs * np.exp(-x[0])
            scores = scaled + x[1:]
            error = softmax(scores, axis=1) - target
            slope = np.concatenate([[-(error * scaled).sum()], error.sum(axis=0)]) + x
            return float(x @ x / 2 - (log_softmax(scores, axis=1) * target).sum()), slope

        found = minimize(loss, np.zeros(n_labels + 1), jac=True, method="L-BFGS-B").x
        return cls(float(np.exp(found[0])), found[1:])

    def __call__(self, log_probs: Float) -> Float:
        """Return calibrated log-probabilities, shape (n, n_labels); every row sums to one."""
        return log_posterior(log_probs / self.temperature + self.bias)


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
        """Fit to two or more parts (n, n_labels), and the right columns, of people not tested.

        The parts must be honest: none may have learnt from these recordings, or it is trusted too
        much.
        """
        from scipy.optimize import minimize

        stacked = _stacked(parts)
        rows, columns = np.arange(stacked.shape[1]), np.asarray(truth)

        def loss(weights: Float) -> tuple[float, Float]:
            pooled = log_posterior(np.tensordot(weights, stacked, 1))
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
        stacked = _stacked(parts)
        if len(parts) != len(self.weights):
            raise ValueError(f"{len(parts)} parts for {len(self.weights)} weights")
        return log_posterior(np.tensordot(self.weights, stacked, 1))


def _stacked(parts: Sequence[Float]) -> Float:
    shapes = {part.shape for part in parts}
    if len(parts) < 2 or len(shapes) > 1:
        raise ValueError(f"parts of shapes {sorted(shapes)}: need two or more of one shape")
    return np.stack([np.maximum(part, _LEAST) for part in parts])
