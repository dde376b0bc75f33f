"""LanHAR: windows and labels in one space, learnt from the source, or from a target as well."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from imuscribe.align.lanhar.model import adapt, align, load, save
from imuscribe.align.lanhar.words import LabelWords, SentenceReader, Windows, all_labels
from imuscribe.models.config import LanharConfig
from imuscribe.models.losses import info_nce, ranking
from imuscribe.models.sensor.turnless import PaperEncoder, TurnlessEncoder, otherwise
from imuscribe.models.text import WordEncoder
from imuscribe.prompts.captions.interpret import kind_of, label_texts, sentences_of
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.views import sequence
from imuscribe.signals.windows import WindowConfig, cut
from tests.eval.test_transfer import worn

CONFIG = LanharConfig(epochs=4, text_epochs=1)
READER = SentenceReader(WordEncoder(64))
LABELS = ("walking", "upstairs", "still")


def windows(name, people, gyro=True, turn=None, seed=0):
    recordings = worn(name, people, 20.0, turn, {x: x for x in LABELS}, gyro, 8.0, seed)
    found = cut(recordings, WindowConfig(seconds=4, stride=2))
    return found, Windows.of(found, np.stack([sequence(w, "upright", 80) for w in found]), READER)


@pytest.fixture(scope="module")
def source():
    return windows("a", ["p1", "p2", "p3", "p4"])[1]


@pytest.fixture(scope="module")
def model(source):
    return align(source, CONFIG, 0)


# Losses ------------------------------------------------------------------------------------------


def test_category_loss_of_hand_computed_triples():
    """Walking and running are near, lying is far: −ln σ(.8 − .1), −ln σ(.8 − .3)."""
    alike = torch.tensor([[1.0, 0.8, 0.1], [0.8, 1.0, 0.3], [0.1, 0.3, 1.0]])
    kinds = torch.tensor([0, 0, 1])
    near = (kinds[:, None] == kinds[None]) & ~torch.eye(3, dtype=torch.bool)
    far = kinds[:, None] != kinds[None]
    by_hand = (math.log(1 + math.exp(-0.7)) + math.log(1 + math.exp(-0.5))) / 2
    assert float(ranking(alike, near, far)) == pytest.approx(by_hand, rel=1e-5)
    assert float(ranking(alike, near & False, far)) == 0.0


def test_where_several_are_right_each_counts_alike():
    one, other = torch.eye(3)[[0, 0, 1]], torch.eye(3)[[0, 0, 1]]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    e = math.exp(1.0)
    by_hand = (2 * math.log((2 * e + 1) / e) + math.log((e + 2) / e)) / 3
    assert float(info_nce(one, other, 1.0, same)) == pytest.approx(by_hand, rel=1e-5)
    own = torch.eye(3).bool()
    assert float(info_nce(one, other, 1.0, own)) == pytest.approx(float(info_nce(one, other, 1.0)))


def test_kinds_are_those_of_the_paper():
    assert kind_of("walking") == kind_of("running") != kind_of("upstairs") == kind_of("downstairs")
    assert kind_of("still") == kind_of("lying") and kind_of("rowing") == "rowing"


@pytest.fixture(scope="module")
def every(source):
    return align(source, LanharConfig(epochs=1, text_epochs=1), 0).tower.inner[2].weight


@pytest.mark.parametrize("off", ["align", "labels", "windows", "wordings", "rebuild"])
def test_every_loss_of_the_text_encoder_can_be_switched_off(source, every, off):
    config = LanharConfig(epochs=1, text_epochs=1, losses={off: 0.0})
    without = align(source, config, 0).tower.inner[2].weight
    assert not torch.equal(without, every)


def test_with_no_loss_a_text_is_the_middle_of_its_sentences(source):
    off = dict.fromkeys(("align", "labels", "windows", "wordings", "rebuild"), 0.0)
    still = align(source, LanharConfig(epochs=1, losses=off), 0)
    one = READER.texts([["no rhythm", "no contacts"]])
    middle = READER.table[one.places[0]].mean(dim=0)
    assert torch.allclose(one.read(still.tower)[0], middle / middle.norm(), atol=1e-6)


# Learning ----------------------------------------------------------------------------------------


def test_other_people_are_read_and_the_order_of_labels_means_nothing(model):
    found = windows("b", ["q1", "q2"], seed=4)[1]
    first = model.log_proba(found, LabelWords.made(READER, LABELS))
    right = [LABELS[i] == label for i, label in zip(first.argmax(1), found.labels, strict=True)]
    assert np.mean(right) > 0.8
    np.testing.assert_allclose(np.exp(first).sum(axis=1), 1, rtol=1e-6)
    again = model.log_proba(found, LabelWords.made(READER, LABELS[::-1]))
    np.testing.assert_allclose(again[:, ::-1], first, atol=1e-5)


def test_the_same_seed_gives_the_same_weights(source, model):
    again = align(source, CONFIG, 0)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_an_upside_down_device_is_read_alike(model):
    over = np.diag([1.0, -1.0, -1.0])
    one, other = windows("b", ["q1"])[0], []
    for rec in one:
        data = np.concatenate([over @ rec.acc, over @ rec.gyro]).astype(np.float32)
        other.append(rec.replace(id=f"{rec.id} over", data=data))
    labels = LabelWords.made(READER, LABELS)
    found = [
        model.log_proba(
            Windows.of(some, np.stack([sequence(w, "upright", 80) for w in some]), READER), labels
        )
        for some in (one, other)
    ]
    np.testing.assert_allclose(*found, atol=1e-3)


def test_windows_without_a_gyroscope_are_learnt_and_read():
    found = windows("g", ["p1", "p2", "p3"], gyro=False)[1]
    assert found.signals.shape[1] == 3
    said = align(found, LanharConfig(epochs=4, text_epochs=1), 0)
    answers = said.log_proba(found, LabelWords.made(READER, LABELS)).argmax(axis=1)
    assert np.mean([LABELS[i] == x for i, x in zip(answers, found.labels, strict=True)]) > 0.6


def test_a_target_changes_nothing_unless_it_is_learnt_from(source, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    target = windows("c", ["z1", "z2"], seed=9)[1].called([""] * 18)
    labels = LabelWords.made(READER, LABELS)
    model.log_proba(target, labels)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    told = align(source, CONFIG, 0)
    adapt(told, source, target, 0, labels)
    assert not torch.equal(told.sensor.whole[1].weight, model.sensor.whole[1].weight)
    assert torch.equal(told.tower.inner[0].weight, model.tower.inner[0].weight)


def test_one_person_alone_can_teach():
    found = windows("a", ["p1"])[1]
    said = align(found, LanharConfig(epochs=2, text_epochs=1), 0)
    answers = said.log_proba(found, LabelWords.made(READER, [*LABELS, "running"]))
    assert np.isfinite(answers).all() and len(said.heard) == 9


def test_a_class_nobody_taught_is_answered_where_its_words_are_nearer(source):
    taught = source.some(np.flatnonzero(np.array(source.labels) != "still"))
    said = align(taught, CONFIG, 0)
    found = windows("b", ["q1", "q2"], seed=4)[1]
    answers = said.log_proba(found, LabelWords.made(READER, LABELS)).argmax(axis=1)
    still = np.array(found.labels) == "still"
    assert np.mean(answers[still] == 2) > 0.8 and np.mean(answers[~still] == 2) < 0.2
    with pytest.raises(InputError, match="none of them was learnt from"):
        said.log_proba(found, LabelWords.made(READER, ["still"]))


def test_a_model_is_read_back_under_its_key_alone(model, tmp_path):
    path = tmp_path / "lanhar.safetensors"
    save(model, path, "k", {"encoder": "words"})
    assert load(path, "other") is None
    found, labels = windows("b", ["q1"])[1], LabelWords.made(READER, LABELS)
    again = load(path, "k")
    assert again is not None
    np.testing.assert_array_equal(again.log_proba(found, labels), model.log_proba(found, labels))
    path.write_bytes(path.read_bytes()[:100])
    assert load(path, "k") is None


# Parts -------------------------------------------------------------------------------------------


def test_encoders_are_as_large_as_they_say():
    x = torch.randn(2, 6, 80)
    small, paper = TurnlessEncoder(6, 80, 384), PaperEncoder(6, 80, 384)
    assert small.eval()(x).shape == paper.eval()(x).shape == (2, 384)
    sizes = [sum(p.numel() for p in one.parameters()) for one in (small, paper)]
    assert 4 * sizes[0] < 5e6 and 11e6 < sizes[1] < 13e6


def test_a_window_worn_elsewhere_keeps_gravity_and_its_length():
    x = torch.zeros(64, 6, 80)
    x[:, [0, 2]] = 9.81
    x[:, 0] += torch.sin(torch.arange(80) * 0.6)
    torch.manual_seed(0)
    varied = otherwise(x, 0.8, 0.2, noise=0.0)
    assert varied.shape == x.shape
    assert torch.allclose(varied[:, 0].mean(dim=1), torch.tensor(9.81), atol=0.4)
    strength = varied[:, 0].std(dim=1) / x[:, 0].std(dim=1)
    assert 0.4 < strength.min() < 0.7 and 1.4 < strength.max() < 2.4
    assert torch.equal(otherwise(x, 0.8, 0.2, share=0.0), x)


def test_sentences_have_no_figures():
    text = (
        "Strength: gentle: 2.3 m/s² rms [ACC].\nRhythm: clear, at 1.90 Hz or 114 steps/min [ACC]."
    )
    assert sentences_of(text) == ("Strength: gentle: rms.", "Rhythm: clear, at or.")


def test_label_texts_that_are_empty_or_name_another_label_are_refused():
    with pytest.raises(InputError, match="an empty text"):
        label_texts(LABELS, {"walking": ["  "]})
    with pytest.raises(InputError, match="names 'upstairs', another label"):
        label_texts(LABELS, {"walking": ["Not walking upstairs."]})
    assert set(LABELS) < set(all_labels(LABELS))
