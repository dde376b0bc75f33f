"""What words of known spelling teach a decoder: its weights, and when it is to be believed.

Such words are of people who are not tested. Evidence is what a decoder reads: letters or a lattice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.decoding import Candidate
from imuscribe.words.letters import Float

Evidence = TypeVar("Evidence")

MISSED = -12.0
"""Log-probability of a right word that is not among the candidates."""
_WEIGHED = 50
"""Candidates among which the right word is looked for."""
_MOST = 15.0
"""Log-odds are cut here: more say the same."""


def likeliest_value(
    values: Iterable[float],
    decode: Callable[[float, Evidence, int], list[Candidate]],
    words: Sequence[tuple[Evidence, str]],
) -> float:
    """Return the value of a weight under which the right words are likeliest.

    ``decode(value, evidence, n_best)`` names candidates. Where no word fits, the right one counts
    as `MISSED`.
    """

    def log_prob(value: float, evidence: Evidence, word: str) -> float:
        try:
            candidates = decode(value, evidence, _WEIGHED)
        except InputError:
            return MISSED
        return max(next((c.log_prob for c in candidates if c.word == word), MISSED), MISSED)

    return max(values, key=lambda value: float(np.mean([log_prob(value, *w) for w in words])))


@dataclass(frozen=True)
class Confidence:
    """Probability that the first candidate is right: its log-odds on a fitted line (Platt, 1999).

    Slope 1 and offset 0 believe the decoder.
    """

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(cls, decoded: Sequence[tuple[Candidate, str]]) -> Confidence:
        """Fit to first candidates and the right words, with a weak prior on believing them."""
        from scipy.optimize import minimize

        x = _log_odds([candidate.log_prob for candidate, _ in decoded])
        y = np.array([candidate.word == word for candidate, word in decoded], dtype=np.float64)

        def loss(p: Float) -> float:
            z = p[0] * x + p[1]
            fit = np.logaddexp(0.0, z) - y * z
            return float(fit.sum() + ((p[0] - 1) ** 2 + p[1] ** 2) / 2)

        found = minimize(loss, [1.0, 0.0], bounds=[(0.0, 10.0), (-20.0, 20.0)]).x
        return cls(float(found[0]), float(found[1]))

    def __call__(self, candidate: Candidate) -> float:
        """Return the probability that a first candidate is right."""
        z = self.slope * _log_odds([candidate.log_prob])[0] + self.offset
        return float(1 / (1 + np.exp(-z)))


def _log_odds(log_probs: Sequence[float]) -> Float:
    p = np.minimum(np.asarray(log_probs, dtype=np.float64), -1e-12)
    return np.asarray(np.clip(p - np.log(-np.expm1(p)), -_MOST, _MOST))
