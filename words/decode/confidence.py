"""When to believe a decoded word, and when to say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imuscribe.words.decode.decoding import Candidate, Float

_MOST = 15.0
"""Log-odds are cut here: more say the same."""


@dataclass(frozen=True)
class Confidence:
    """Probability that the first candidate is right: its log-odds on a fitted line (Platt, 1999).

    Parameters
    ----------
    slope, offset : float
        1 and 0 believe the decoder.
    """

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(cls, log_probs: Sequence[float], correct: Sequence[bool]) -> Confidence:
        """Fit to words of people who are not tested, with a weak prior on believing the decoder."""
        from scipy.optimize import minimize

        x, y = _log_odds(np.asarray(log_probs)), np.asarray(correct, dtype=np.float64)

        def loss(p: Float) -> float:
            z = p[0] * x + p[1]
            fit = np.logaddexp(0.0, z) - y * z
            return float(fit.sum() + ((p[0] - 1) ** 2 + p[1] ** 2) / 2)

        found = minimize(loss, [1.0, 0.0], bounds=[(0.0, 10.0), (-20.0, 20.0)]).x
        return cls(float(found[0]), float(found[1]))

    def __call__(self, log_probs: Sequence[float] | Float) -> Float:
        """Return the probabilities that words of these log-probabilities are right."""
        z = self.slope * _log_odds(np.asarray(log_probs)) + self.offset
        return np.asarray(1 / (1 + np.exp(-z)))

    def accepts(self, candidates: Sequence[Candidate], threshold: float) -> bool:
        """Tell whether the first candidate is sure enough; otherwise ask for another recording."""
        return bool(self([candidates[0].log_prob])[0] >= threshold)


def _log_odds(log_probs: Float) -> Float:
    p = np.minimum(log_probs, -1e-12)
    return np.asarray(np.clip(p - np.log(-np.expm1(p)), -_MOST, _MOST))
