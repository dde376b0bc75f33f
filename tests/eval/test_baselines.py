"""Baselines: each learns a plain task, answers with probabilities, and repeats itself."""

import numpy as np
import pytest

from imuscribe.eval.methods.baselines import BASELINES, Baseline, Views
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO

LABELS = ("C", "M", "Z")


@pytest.fixture(scope="module")
def study(letters):
    """Return cleaned letters of four people: three that train and one that is tested."""
    cleaned = [clean(rec) for rec in letters(4, 5, "C,M,Z")]
    person = sorted({rec.subject for rec in cleaned})[-1]
    train = [rec for rec in cleaned if rec.subject != person]
    return train, [rec for rec in cleaned if rec.subject == person]


@pytest.fixture(scope="module")
def views():
    return Views(build_serializer(TextConfig()))


def truth(recordings):
    return np.array([LABELS.index(rec.label) for rec in recordings])


@pytest.mark.parametrize("name", BASELINES)
def test_reads_letters_of_a_person_it_never_saw(name, study, views):
    train, test = study
    log_probs = Baseline(name, views, LABELS).fit(train).log_proba(test)
    assert log_probs.shape == (len(test), 3)
    assert np.isfinite(log_probs).all()
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-6)
    assert (log_probs.argmax(axis=1) == truth(test)).mean() >= 0.75


@pytest.mark.parametrize("name", ["random-forest", "cnn", "dtw-1nn"])
def test_same_seed_same_answers(name, study, views):
    train, test = study
    first, second = (Baseline(name, views, LABELS, 3).fit(train).log_proba(test) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_temperature_makes_margins_honest_without_changing_answers(study, views):
    train, test = study
    svm = Baseline("svm", views, LABELS).fit(train)
    calibrated = svm.log_proba(test)
    svm.temperature = 0.01
    sharp = svm.log_proba(test)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), sharp.argmax(axis=1))
    assert not np.allclose(calibrated, sharp)


def test_one_training_person_is_enough(study, views):
    train, test = study
    alone = [rec for rec in train if rec.subject == train[0].subject]
    log_probs = Baseline("svm", views, LABELS).fit(alone).log_proba(test)
    assert np.isfinite(log_probs).all()


def test_a_label_nobody_wrote_is_the_least_likely(study, views):
    train, test = study
    log_probs = Baseline("random-forest", views, (*LABELS, "X")).fit(train).log_proba(test)
    assert (log_probs[:, 3] == log_probs.min(axis=1)).all()


def test_sequences_do_not_tell_how_large_a_letter_was(study):
    rec = study[0][0]
    raw = Views(build_serializer(TextConfig()), "raw", steps=16)
    double = rec.replace(data=rec.data * np.float32(2))
    one, two = raw.sequences([rec, double])
    assert one.shape == (6, 16)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_baselines_read_what_there_is_but_not_both_kinds_together(study):
    rec = study[0][0]
    bare = rec.replace(data=rec.select(ACC), channels=ACC)
    serializer = build_serializer(TextConfig())
    assert Views(serializer).sequences([rec]).shape == (1, 6, 64)
    assert Views(serializer).sequences([bare]).shape == (1, 4, 64)  # no rotation rate
    with pytest.raises(InputError, match=r"has no gyroscope, others have: clean\.gyroscope"):
        Views(serializer).sequences([rec, bare])
    assert Views(serializer, "raw").sequences([bare]).shape == (1, 3, 64)
    assert set(GYRO).isdisjoint(bare.channels)


def test_copies_are_learnt_from(study, views):
    train, _ = study
    baseline = Baseline("dtw-1nn", views, LABELS).fit(train[:-1], copies=train[-1:])
    # The copy is in the pool: its own nearest neighbour is at distance zero.
    distances = -baseline._model.decision_function(views.sequences(train[-1:]))
    assert distances.min() == pytest.approx(0, abs=1e-6)


def test_a_text_twice_as_fine_decodes_to_the_same_shape(study):
    rec = study[0][0]
    coarse, fine = (
        Views(build_serializer(TextConfig(format="digits", steps=steps, digits=3)), steps=16)
        for steps in (16, 32)
    )
    assert coarse.decoded([rec]).shape == (1, 3 * 16)
    np.testing.assert_allclose(coarse.decoded([rec]), fine.decoded([rec]), atol=0.01)


def test_only_the_decoding_baseline_reads_digits(study):
    train, test = study
    views = Views(build_serializer(TextConfig(format="digits")))

    def accuracy(name):
        log_probs = Baseline(name, views, LABELS).fit(train).log_proba(test)
        return (log_probs.argmax(axis=1) == truth(test)).mean()

    assert accuracy("text-ngram") == pytest.approx(1 / 3)
    assert accuracy("text-svm") > 1 / 3


@pytest.mark.parametrize("name", ["svm", "minirocket", "text-ngram"])
def test_one_recording_a_label_is_enough_to_learn_from(name, study, views):
    train, test = study
    one = [next(rec for rec in train if rec.label == label) for label in ("C", "M")]
    log_probs = Baseline(name, views, ("C", "M")).fit(one).log_proba(test)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-6)
