"""Trends and questions: what is said of a signal is physically true of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.prompts.captions.questions import KINDS, questions
from imuscribe.prompts.captions.trends import (
    Levels,
    TrendConfig,
    cut,
    dominant_frequency,
    preamble,
    runs,
)
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, Recording

RATE = 50


def recording(seconds=2.0, rate=RATE, **channels):
    """Return a still device, face up, but for channels given as functions of time."""
    t = np.arange(round(seconds * rate)) / rate
    still = {name: 0.0 for name in (*ACC, *GYRO)} | {"acc_z": 9.81}
    rows = [np.asarray(channels.get(name, lambda t: 0 * t)(t)) + still[name] for name in still]
    return Recording("r", np.array(rows, dtype=np.float32), tuple(still), t)


def asked(rec, kind, channel=None, config=TrendConfig(), draws=200):
    """Ask until the channel is drawn."""
    rng = np.random.default_rng(0)
    for _ in range(draws):
        found = questions(rec, rng, config, [kind])
        if found and channel in (None, found[0].channel):
            return found[0]
    return None


def ramp(t):
    """Rest, rise by 4 m/s² in 0.8 s, rest."""
    return np.clip((t - 0.4) * 5, 0, 4)


def test_noise_below_the_tolerance_is_steady():
    noise = np.random.default_rng(0).normal(0, 0.05, 100)
    rec = recording(acc_x=lambda t: noise)
    assert [run.trend for run in runs(Levels(rec, TrendConfig()).of("acc_x"), 0.3)] == ["steady"]
    assert asked(rec, "counts", "acc_x").answer == "rises 0, falls 0, steady 1"


def test_runs_say_when_a_ramp_begins_and_ends():
    found = asked(recording(acc_x=ramp), "runs", "acc_x")
    assert found.answer == "steady 0.1-0.3 s, rises 0.3-1.3 s, steady 1.3-1.9 s"


def test_times_add_up_to_the_span_of_the_levels():
    assert asked(recording(acc_x=ramp), "times", "acc_x").answer == (
        "rises 1.0 s, falls 0.0 s, steady 0.8 s"
    )


def test_the_overall_trend_names_both_ends():
    assert asked(recording(acc_x=ramp), "overall", "acc_x").answer == "rises from 0.0 to 4.0 m/s²"


def test_turned_upside_down_what_rose_falls():
    rec = recording(acc_x=ramp)
    turned = rec.replace(data=-rec.data)
    for kind in ("trend", "overall"):
        for seed in range(20):
            up, down = (
                questions(r, np.random.default_rng(seed), kinds=[kind])[0] for r in (rec, turned)
            )
            opposite = {"rises": "falls", "falls": "rises", "steady": "steady"}
            assert down.facts[0].what == opposite[up.facts[0].what]


def test_the_range_says_when():
    rec = recording(gyro_y=lambda t: np.where(abs(t - 0.5) < 0.1, 3.0, 0))
    found = asked(rec, "range", "gyro_y")
    assert found.answer.endswith("greatest 3.0 rad/s at 0.5 s")
    assert asked(recording(), "range") is None  # nothing moves: its extremes are noise


@given(st.floats(1.5, 8), st.sampled_from([25, 50, 100]))
def test_a_swing_has_its_frequency_at_any_rate(frequency, rate):
    rec = recording(4, rate, acc_x=lambda t: 2 * np.sin(2 * np.pi * frequency * t))
    found = asked(rec, "frequency", "acc_x")
    assert found.facts[0].what == "frequency"
    assert abs(found.facts[0].numbers[0].value - frequency) < 0.1


def test_what_happens_once_has_no_rhythm():
    bump = np.exp(-((np.arange(100) / RATE - 1) ** 2) / 0.02)
    assert dominant_frequency(bump, RATE)[1] < 0.5
    assert asked(recording(acc_x=lambda t: 5 * bump), "frequency", "acc_x").answer == "no rhythm"
    assert asked(recording(), "frequency", "acc_x").answer == "no rhythm"


@pytest.mark.parametrize(
    ("down", "answer"),
    [((0, 0, 9.81), "+z up, tilt 0°"), ((0, -9.81, 0), "-y up, tilt 0°")],
)
def test_gravity_points_up_along_a_device_axis(down, answer):
    rec = recording()
    rec = rec.replace(data=np.vstack([np.tile(np.array([down]).T, rec.n_samples), rec.data[3:]]))
    assert asked(rec, "gravity").answer == answer


def test_the_tilt_is_an_angle():
    tilted = 9.81 * np.array([[np.sin(np.radians(30))], [0], [np.cos(np.radians(30))]])
    rec = recording()
    rec = rec.replace(data=np.vstack([np.tile(tilted, rec.n_samples), rec.data[3:]]))
    assert asked(rec, "gravity").answer == "+z up, tilt 30°"


@pytest.mark.parametrize("down", [(0, 0, 0.5), (6.9, 0, 7.0)], ids=["falling", "on an edge"])
def test_gravity_that_is_not_clear_is_not_asked_for(down):
    rec = recording()
    rec = rec.replace(data=np.vstack([np.tile(np.array([down]).T, rec.n_samples), rec.data[3:]]))
    assert asked(rec, "gravity") is None


def test_the_strongest_channel_is_named_with_its_deviation():
    swing = lambda size: lambda t: size * np.sin(2 * np.pi * 2 * t)  # noqa: E731
    rec = recording(gyro_x=swing(1.0), gyro_z=swing(2.0))
    assert asked(rec, "strongest").answer == "gyro_z, deviation 1.4 rad/s"
    # Equally strong: whichever were named would hang on noise.
    assert asked(recording(gyro_x=swing(1.0), gyro_z=swing(1.01)), "strongest") is None


def test_a_summary_says_it_all_in_sentences():
    found = asked(recording(acc_x=ramp), "summary", "acc_x")
    said = [(fact.what, *(n.value for n in fact.numbers)) for fact in found.facts]
    assert said[:2] == [("acc_x", 1.8), ("runs", 3)]
    assert said[2:5] == [("rises", 1.0), ("falls", 0.0), ("steady", 0.8)]
    assert said[5][0] == "rises"
    assert found.answer.count(". ") == 3


def test_a_recording_without_a_gyroscope_is_asked_about_what_it_has():
    rec = recording(acc_x=ramp)
    rec = rec.replace(data=rec.data[:3], channels=ACC)
    found = [q for seed in range(20) for q in questions(rec, np.random.default_rng(seed))]
    assert {q.channel for q in found} <= {*ACC, "acc"}
    assert {q.kind for q in found} == set(KINDS)
    gyro_only = rec.replace(channels=GYRO)
    assert "gravity" not in {q.kind for q in questions(gyro_only, np.random.default_rng(0))}


@given(st.integers(0, 10_000), st.floats(1, 6), st.sampled_from([20, 50, 64]))
def test_segments_are_whole_steps_within_the_bounds(seed, seconds, rate):
    rec, config = recording(seconds, rate), TrendConfig()
    segment, start = cut(rec, np.random.default_rng(seed), config)
    length = segment.duration + 1 / segment.rate
    assert config.least - 0.5 / rate <= length <= config.most + 1 / rate
    assert segment.t[0] == 0
    assert start + segment.duration <= rec.duration + 1e-9
    place = round(start * rate)
    np.testing.assert_array_equal(segment.data, rec.data[:, place : place + segment.n_samples])


def test_levels_do_not_depend_on_the_rate():
    coarse, fine = (
        Levels(recording(2, rate, acc_x=ramp), TrendConfig()).of("acc_x") for rate in (25, 100)
    )
    np.testing.assert_allclose(coarse, fine, atol=0.2)


def test_the_preamble_tells_the_segments_own_channels_length_and_rate():
    said = preamble(recording(2.4, 25))
    assert "6 channels (acc_x, acc_y, acc_z, gyro_x, gyro_y, gyro_z)" in said
    assert "2.4 s at 25 Hz" in said
    three = recording(1.0, 100).replace(data=recording(1.0, 100).data[:3], channels=ACC)
    assert "3 channels (acc_x, acc_y, acc_z), 1.0 s at 100 Hz" in preamble(three)
    assert preamble(three, which="brief") == "Motion-sensor signal, 1.0 s at 100 Hz."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cut(recording(0.5), np.random.default_rng(0)), "lasts 0.50 s"),
        (lambda: questions(recording(0.5), np.random.default_rng(0)), "need three"),
        (lambda: questions(recording(3, 4), np.random.default_rng(0)), "no sample within 0.2 s"),
        (lambda: TrendConfig.parse({"least": 0.4}), "need three steps"),
        (lambda: TrendConfig.parse({"least": 5.0}), "is below least"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
