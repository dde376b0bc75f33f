"""SensorLM's losses on numbers one can check by hand, its mask, its texts, two processes as one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.models.config import AlignConfig
from imuscribe.models.losses import FAMILY, captioning, contrastive, gathered
from imuscribe.models.sensorlm.captions import (
    NUMBER,
    UNKNOWN,
    Texts,
    Vocabulary,
    clauses,
)
from imuscribe.models.sensorlm.network import Batch, SensorLM
from imuscribe.models.sensorlm.triads import TriadEncoder, magnitudes, triads
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, Recording

SENSOR = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
TEXT = torch.tensor([[0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]])
CAPTIONS = [
    "The activity is walking. Acceleration along x rises from 0.31 to 2.50 m/s².",
    "The activity is lying down. Nothing peaks and nothing drops.",
] * 2


def recording(seed: int = 0, gyro: bool = True, seconds: float = 4.0) -> Recording:
    rng = np.random.default_rng(seed)
    n = round(25 * seconds)
    data = rng.normal(size=(6 if gyro else 3, n))
    data[2] += 9.8
    return Recording(f"r{seed}", data, (*ACC, *GYRO)[: len(data)], np.arange(n) / 25)


def test_siglip_equals_its_double_loop():
    scale, bias = 10.0, -10.0
    total = 0.0
    for i, x in enumerate(SENSOR.tolist()):
        for j, y in enumerate(TEXT.tolist()):
            score = scale * (x[0] * y[0] + x[1] * y[1]) + bias
            total -= math.log(1 / (1 + math.exp(-(score if i == j else -score))))
    found = contrastive(SENSOR, TEXT, scale, bias, pairwise=True)
    assert found.item() == pytest.approx(total / 3, rel=1e-5)


def test_clip_is_how_surprising_each_row_and_each_text_is_among_all():
    scores = 5.0 * SENSOR @ TEXT.T
    rows = [
        -math.log(math.exp(s[i]) / sum(map(math.exp, s))) for i, s in enumerate(scores.tolist())
    ]
    texts = [
        -math.log(math.exp(s[i]) / sum(map(math.exp, s))) for i, s in enumerate(scores.T.tolist())
    ]
    assert contrastive(SENSOR, TEXT, 5.0).item() == pytest.approx((sum(rows) + sum(texts)) / 6)


def test_signals_of_equal_captions_are_not_pushed_apart():
    text = TEXT[[0, 0, 2]]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    apart = contrastive(SENSOR, text, 10.0, -5.0, pairwise=True)
    together = contrastive(SENSOR, text, 10.0, -5.0, pairwise=True, same=same)
    assert together < apart


def test_a_further_wrong_text_costs_as_much_as_it_is_like_the_signals():
    near, far = SENSOR[:1], -SENSOR[:1]
    plain = contrastive(SENSOR, TEXT, 10.0, -5.0, pairwise=True)
    costs = [
        contrastive(SENSOR, TEXT, 10.0, -5.0, pairwise=True, others=one) - plain
        for one in (near, far)
    ]
    assert costs[0] > costs[1] > 0


def test_captioning_is_the_mean_surprise_of_tokens_and_padding_costs_nothing():
    logits = torch.tensor([[[0.0, 2.0, 1.0], [1.0, 0.0, 0.0]]])
    ids = torch.tensor([[2, 0]])
    expected = math.log(1 + math.exp(2) + math.exp(1)) - 1
    assert captioning(logits, ids).item() == pytest.approx(expected)
    logits[0, 1] = 99.0
    assert captioning(logits, ids).item() == pytest.approx(expected)


def test_the_four_losses_are_weights_of_one():
    assert {name: (w.contrastive, w.captioning, w.pairwise) for name, w in FAMILY.items()} == {
        "clip": (1, 0, False),
        "siglip": (1, 0, True),
        "cap": (0, 1, False),
        "coca": (1, 2, False),
    }


# The mask -----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(-1e6, 1e6))
def test_what_is_not_seen_changes_nothing(seed, value):
    rng = np.random.default_rng(seed)
    torch.manual_seed(0)
    encoder = TriadEncoder(64, 16, 1, 0.0).eval()
    x = torch.from_numpy(rng.normal(size=(2, 2, 6, 64)).astype(np.float32))
    seen = torch.from_numpy(rng.random((2, 2, 64)) < 0.5)
    seen[:, 0, 0] = True
    seen[0, 1] = False  # a sensor that is missing altogether
    other = torch.where(seen[:, :, None], x, torch.full_like(x, value))
    other[0, 1] = torch.nan
    with torch.no_grad():
        (a, hidden), (b, _) = encoder(x, seen), encoder(other, seen)
    assert torch.equal(a[~hidden], b[~hidden]) and torch.isfinite(a[~hidden]).all()


def test_values_under_a_recordings_mask_change_nothing():
    rec, rng = recording(), np.random.default_rng(1)
    missing = np.zeros(rec.data.shape, dtype=bool)
    missing[1, 20:45] = missing[3:, 60:] = True
    changed = rec.replace(data=np.where(missing, rng.normal(0, 50, rec.data.shape), rec.data))
    (x, seen), (y, there) = triads(rec, 64, 4.0, missing), triads(changed, 64, 4.0, missing)
    assert np.array_equal(x, y) and np.array_equal(seen, there)
    assert not seen[0, 15:28].any() and not seen[1, 40:].any() and seen[0, 35:60].all()


def test_no_gyroscope_and_what_comes_after_the_end_are_missing_values():
    _, seen = triads(recording(gyro=False, seconds=2.0), 64, 4.0)
    assert not seen[1].any()
    assert seen[0, :30].all() and not seen[0, 34:].any()


def test_a_recording_of_missing_values_alone_is_one_line():
    rec = recording()
    with pytest.raises(InputError, match="recording 'r0': no acceleration is left: all values are"):
        triads(rec, 64, 4.0, np.ones(rec.data.shape, dtype=bool))
    with pytest.raises(InputError, match="give one value a channel and sample"):
        triads(rec, 64, 4.0, np.zeros(3, dtype=bool))


def test_twice_the_rate_is_almost_the_same_to_the_encoder():
    def moved(rate: float) -> Recording:
        t = np.arange(round(4 * rate)) / rate
        rows = [np.sin(2 * np.pi * f * t) for f in (1, 2, 1.5, 0.7, 1.2, 0.4)]
        rows[2] += 9.8
        return Recording("r", np.stack(rows), (*ACC, *GYRO), t)

    torch.manual_seed(0)
    encoder = TriadEncoder(128, 32, 2, 0.0).eval()
    found = []
    for rate in (25.0, 50.0):
        x, seen = triads(moved(rate), 128, 4.0)
        with torch.no_grad():
            found.append(
                encoder(torch.from_numpy(x)[None], torch.from_numpy(seen)[None])[0].mean(1)
            )
    assert torch.cosine_similarity(*found).item() > 0.99


# Texts --------------------------------------------------------------------------------------------


def test_a_vocabulary_writes_what_it_spells_and_reads_numbers_by_their_value():
    words = Vocabulary.of(CAPTIONS)
    for text in CAPTIONS:
        assert words.written(words.spell(text)[1:]) == text
    ids, values = words.read("Walking from -2.5 to 7 furlongs")
    assert ids.count(NUMBER) == 2 and values[2] == -2.5 and ids[-1] == UNKNOWN
    assert words.read("walking")[0] == words.read("WALKING")[0] != [UNKNOWN]


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_read_and_spelled(text):
    words = Vocabulary.of(CAPTIONS)
    ids, values = words.read(text)
    assert len(ids) == len(values) and all(map(math.isfinite, values))
    assert isinstance(words.written(words.spell(text)), str) and clauses(text or "x")


def test_near_numbers_are_near_and_far_ones_are_far():
    known = magnitudes(torch.tensor([3.10, 3.11, 7.90]))
    assert (known[0] - known[1]).norm() < (known[0] - known[2]).norm() / 3


def test_words_of_another_language_are_noticed():
    texts = Texts(Vocabulary.of(CAPTIONS), "words")
    assert texts.strange("schnelles Kreisen") and not texts.strange("the activity is walking")


# Both together ------------------------------------------------------------------------------------


def small(loss: str) -> SensorLM:
    torch.manual_seed(0)
    config = AlignConfig(
        loss=loss, text="words", width=16, layers=1, text_layers=1, size=8, dropout=0
    )
    return SensorLM(config, 32, Vocabulary.of(CAPTIONS))


def batch(network: SensorLM, rows: slice) -> Batch:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(4, 2, 6, 32)).astype(np.float32))[rows]
    texts = [f"{text} {i}" for i, text in enumerate(CAPTIONS)]
    spelled = [network.vocabulary.spell(text) for text in texts][rows]
    longest = max(map(len, spelled))
    return Batch(
        x,
        torch.ones(len(x), 2, 32, dtype=torch.bool),
        network.texts(texts[rows]),
        torch.arange(4)[rows],
        network.texts(texts[::-1][rows]),
        torch.tensor([True, False, True, True])[rows],
        torch.tensor([ids + [0] * (longest - len(ids)) for ids in spelled]),
    )


def _one_of_two(rank: int, folder: str, loss: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    from imuscribe.models.fit import _average

    network = small(loss)
    value = network.loss(batch(network, slice(rank, None, 2)))
    value.backward()
    optimizer = torch.optim.SGD(network.parameters())
    _average(optimizer)
    mean = gathered(value.detach()[None]).mean()
    if rank == 0:
        grads = {k: w.grad for k, w in network.named_parameters() if w.grad is not None}
        torch.save({"loss": mean, "grads": grads}, f"{folder}/found")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["siglip", "coca"])
def test_two_processes_learn_what_one_learns(tmp_path, loss):
    torch.multiprocessing.spawn(_one_of_two, args=(str(tmp_path), loss), nprocs=2)
    found = torch.load(tmp_path / "found", weights_only=True)
    network = small(loss)
    value = network.loss(batch(network, slice(None)))
    value.backward()
    assert found["loss"].item() == pytest.approx(value.item(), rel=1e-4)
    for name, weight in network.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(found["grads"][name], weight.grad, rtol=1e-3, atol=1e-5)
