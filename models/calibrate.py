"""Calibration: what a model's log-probabilities are worth, learnt from training people only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


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
        """Fit to answers whose truth is known, by people who are not tested.

        The likelihood is maximised with a standard normal prior on the biases and on the logarithm
        of the temperature, so a few recordings a label are enough.

        Parameters
        ----------
        log_probs : ndarray, shape (n, n_labels)
            Natural logarithms.
        truth : sequence of int
            Column of the right label of each row.
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
        from scipy.special import log_softmax

        return np.asarray(log_softmax(log_probs / self.temperature + self.bias, axis=1))
