"""A pool of two readers: what is worth nothing gets no say, what is known from both adds up."""

import numpy as np
import pytest
from scipy.special import log_softmax

from imuscribe.models.calibrate import Fusion


def readers(n: int, strength: tuple[float, ...], seed: int = 0):
    """Return the truth of `n` recordings and independent readers' log-probabilities of 5 labels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(5, size=n)
    parts = []
    for s in strength:
        evidence = rng.normal(size=(n, 5))
        evidence[np.arange(n), truth] += s
        parts.append(log_softmax(s * evidence, axis=1))
    return truth, parts


def accuracy(log_probs, truth) -> float:
    return float((log_probs.argmax(axis=1) == truth).mean())


def test_independent_honest_readers_are_multiplied():
    """Bayes' rule for equal priors: both weights are one, and the pool beats either."""
    truth, parts = readers(20_000, (1.5, 1.2))
    fusion = Fusion.fit(parts, truth)
    assert fusion.weights == pytest.approx((1, 1), abs=0.05)
    test_truth, test = readers(20_000, (1.5, 1.2), 1)
    pooled = accuracy(fusion(test), test_truth)
    assert pooled > max(accuracy(part, test_truth) for part in test) + 0.02


def test_a_reader_that_guesses_confidently_gets_no_weight():
    truth, (good,) = readers(2000, (2.0,))
    noise = log_softmax(5 * np.random.default_rng(9).normal(size=(2000, 5)), axis=1)
    fusion = Fusion.fit([good, noise], truth)
    assert fusion.weights[1] == pytest.approx(0, abs=0.03)
    assert accuracy(fusion([good, noise]), truth) >= accuracy(good, truth) - 0.005


def test_an_overconfident_copy_adds_nothing():
    truth, (good,) = readers(5000, (1.5,))
    sure = log_softmax(10 * good, axis=1)
    fusion = Fusion.fit([good, sure], truth)
    assert accuracy(fusion([good, sure]), truth) == accuracy(good, truth)


def test_rows_sum_to_one_and_a_label_ruled_out_by_one_stays_finite():
    part = np.log(np.array([[0.5, 0.5, 1e-300]]))
    part[0, 2] = -np.inf
    pooled = Fusion((0.5, 0.5))([part, np.log(np.array([[0.2, 0.3, 0.5]]))])
    assert np.isfinite(pooled).all() and np.exp(pooled).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="two or more"):
        Fusion.fit([part], [0])
    with pytest.raises(ValueError, match="3 parts for 2 weights"):
        Fusion((1.0, 1.0))([part] * 3)
