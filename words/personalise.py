"""Letters of a person read with that person's own recordings, labelled by decoded words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imuscribe.words.letters import Float, Int

Gallery = Mapping[int, int]
"""Recording → the letter it is taken for."""


@dataclass(frozen=True)
class OwnHand:
    """How much a person's own recordings say beside the predictors.

    ``a log p − s min(d_c, far)``: d_c is the distance to the nearest recording taken for letter c;
    `far` stands for letters without any.

    Parameters
    ----------
    trust, slope, far : float
        a, s and far.
    """

    trust: float
    slope: float
    far: float

    def read(self, log_probs: Float, distances: Float, gallery: Gallery) -> Float:
        """Return log-probabilities (n, n_labels) of a person's recordings.

        Parameters
        ----------
        log_probs : ndarray, shape (n, n_labels)
            As the predictors find them.
        distances : ndarray, shape (n, n)
            Between all recordings of the person; infinite on the diagonal.
        gallery : mapping
            Of rows to columns of labels.
        """
        from scipy.special import log_softmax

        near = _nearest(distances, gallery, log_probs.shape[1])
        return np.asarray(
            log_softmax(self.trust * log_probs - self.slope * np.minimum(near, self.far), axis=1)
        )

    @classmethod
    def fit(cls, people: Sequence[tuple[Float, Float, Int, Gallery, Int]]) -> OwnHand:
        """Fit to people who are not adapted to, by maximum likelihood.

        Parameters
        ----------
        people : sequence of tuple
            For each: log-probabilities, distances, true letters, a gallery, and the rows to read.
        """
        from scipy.optimize import minimize
        from scipy.special import log_softmax

        parts = []
        for log_probs, distances, truth, gallery, rows in people:
            near = _nearest(distances, gallery, log_probs.shape[1])[rows]
            parts.append((log_probs[rows], near, truth[rows]))
        log_probs, near, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
        usual = float(np.median(near[np.isfinite(near)]))

        def loss(x: Float) -> float:
            a, s, far = np.exp(x)
            scores = log_softmax(a * log_probs - s / usual * np.minimum(near, far * usual), axis=1)
            return -float(scores[np.arange(len(truth)), truth].mean())

        a, s, far = np.exp(minimize(loss, [0.0, 1.0, 0.0], method="Nelder-Mead").x)
        return cls(float(a), float(s / usual), float(far * usual))


def _nearest(distances: Float, gallery: Gallery, n_labels: int) -> Float:
    """Return the distance of every recording to the nearest of each letter; infinite for none."""
    near = np.full((len(distances), n_labels), np.inf)
    for row, letter in gallery.items():
        near[:, letter] = np.minimum(near[:, letter], distances[:, row])
    return near
