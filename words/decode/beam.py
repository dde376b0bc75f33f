"""Open vocabulary: any string of letters may be the word, and a character model says how likely."""

from __future__ import annotations

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.decoding import Candidate, Float, best
from imuscribe.words.decode.ngram import CharModel, Int
from imuscribe.words.letters import Letters


class BeamDecoder:
    """Beam search under ``Σ_i log p_i + w log p(word)``, p(word) by the character model.

    With a beam as wide as the number of all strings it is the exact search. Probabilities are
    shares of what the beam holds at the end, so a narrow one is too sure of itself.

    Parameters
    ----------
    model : CharModel
    prior_weight : float
        Exponent of the character model.
    width : int
        Hypotheses kept after every letter.
    """

    def __init__(self, model: CharModel, prior_weight: float = 1.0, width: int = 300) -> None:
        if width < 1:
            raise InputError(f"beam width {width}: keep at least 1 hypothesis")
        self.model = model
        self.prior_weight = prior_weight
        self.width = width

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely strings of as many letters."""
        words, scores = self.search(letters)
        return best(words, scores, n_best)

    def search(self, letters: Letters) -> tuple[list[str], Float]:
        """Return every hypothesis left at the end with its unnormalised log-probability."""
        model, weight = self.model, self.prior_weight
        letters.check_alphabet(model.labels)
        scores, states = np.zeros(1), np.array([model.start])
        spelt = np.zeros((1, 0), dtype=np.int64)
        for row in letters.log_probs:
            longer = scores[:, None] + weight * model.log_probs[states, :-1] + row
            kept = _best(longer.ravel(), self.width)
            before, letter = np.divmod(kept, len(row))
            scores = longer.ravel()[kept]
            states = model.following[states[before], letter]
            spelt = np.concatenate([spelt[before], letter[:, None]], axis=1)
        scores = scores + weight * model.log_probs[states, -1]
        return ["".join(letters.labels[i] for i in row) for row in spelt], scores


def _best(scores: Float, n: int) -> Int:
    if len(scores) <= n:
        return np.arange(len(scores))
    return np.argpartition(-scores, n - 1)[:n]
