"""Calibration learns a temperature and a preference for labels from answers with known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from imuscribe.models.calibrate import Calibration, fit_temperature, log_posterior


def answers(n=3000, n_labels=4, seed=0):
    """Honest log-probabilities: the truth of each row is drawn from them."""
    rng = np.random.default_rng(seed)
    log_probs = log_softmax(rng.normal(0, 2, (n, n_labels)), axis=1)
    truth = [int(rng.choice(n_labels, p=np.exp(row))) for row in log_probs]
    return log_probs, truth


def test_honest_answers_stay_as_they_are():
    log_probs, truth = answers()
    found = Calibration.fit(log_probs, truth)
    assert found.temperature == pytest.approx(1, abs=0.1)
    assert np.abs(found.bias - found.bias.mean()).max() < 0.15


def test_boasting_and_a_preference_are_undone():
    honest, truth = answers()
    bias = np.array([3.0, 0, 0, -3.0])
    distorted = log_softmax(2.5 * honest + bias, axis=1)
    found = Calibration.fit(distorted, truth)
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert np.abs(np.exp(found(distorted)) - np.exp(honest)).max() < 0.08
    right = (honest.argmax(1) == truth).mean()
    assert (distorted.argmax(1) == truth).mean() < right - 0.05
    assert (found(distorted).argmax(1) == truth).mean() == pytest.approx(right, abs=0.01)


def test_a_handful_of_answers_does_no_harm():
    log_probs, truth = answers(n=8)
    found = Calibration.fit(log_probs, truth)
    assert 0.3 < found.temperature < 3
    assert np.abs(found.bias).max() < 2


@given(st.integers(0, 50))
def test_rows_remain_probabilities(seed):
    log_probs, truth = answers(n=20, seed=seed)
    calibrated = Calibration.fit(log_probs, truth)(log_probs)
    assert np.allclose(np.exp(calibrated).sum(axis=1), 1)


def test_a_temperature_makes_probabilities_honest():
    """Scores drawn so that softmax(score / 0.3) is the truth give back 0.3."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 4))
    truth = [rng.choice(4, p=row) for row in np.exp(log_posterior(scores, 0.3))]
    assert fit_temperature(scores, truth) == pytest.approx(0.3, rel=0.05)
    np.testing.assert_allclose(np.exp(log_posterior(scores, 0.3)).sum(axis=1), 1)
