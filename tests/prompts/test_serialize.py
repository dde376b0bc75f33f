"""Texts and their inverses: literal examples, error bounds for any input, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imuscribe.prompts.serialize import TextConfig, View, build_serializer
from imuscribe.prompts.serialize.strokes import NAMES, THRESHOLDS, codebook
from imuscribe.prompts.serialize.text import STEPS_PER_SAMPLE, time_means
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
MOTION = st.floats(-200, 200, width=32)


def recording(values, rate=50.0, channels=ACC):
    values = np.asarray(values, dtype=np.float32)
    return Recording("r", values, channels, np.arange(values.shape[1]) / rate, label="A")


def strokes(**view):
    return build_serializer(TextConfig(views=(View(**view),)))


def words_of(vectors, **view):
    """Return the words for (steps, 2) right/up vectors without the view's name."""
    array = np.asarray(vectors, dtype=np.float32).T
    return strokes(steps=array.shape[1], **view).encode([(array,)])[0].split()[1:]


# --- strokes -----------------------------------------------------------------------------------


def test_compass_words_of_eight_directions():
    around = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    unit = np.array(around) / np.linalg.norm(around, axis=1, keepdims=True)
    assert words_of(unit, levels=1) == ["N", "NE", "E", "SE", "S", "SW", "W", "NW"]


def test_sixteen_directions_name_the_points_between_by_the_hour():
    angle = np.arange(16) * np.pi / 8
    words = words_of(np.stack([np.sin(angle), np.cos(angle)], axis=1), levels=1, directions=16)
    assert " ".join(words) == "N I NE II E IV SE V S VII SW VIII W X NW XI"


def test_levels_are_relative_to_the_root_mean_square():
    # Root mean square of 0, 1, 2, 3 is 1.87: 1 is 0.53 of it, 2 is 1.07, 3 is 1.6.
    up = [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert words_of(up, levels=1) == ["rest", "rest", "N", "N"]
    assert words_of(up, levels=2) == ["rest", "north", "N", "N"]
    assert words_of(up, levels=3) == ["rest", "north", "North", "N"]


def test_still_and_single_steps():
    assert words_of([(0, 0)] * 3) == ["rest"] * 3
    assert words_of([(0, 0)], levels=3) == ["rest"]
    assert words_of([(-2, 0)], levels=2) == ["west"]  # alone, a step is exactly the mean
    assert words_of([(-2, 0)], levels=1) == ["W"]


def test_views_follow_each_other_in_the_order_configured():
    views = (View(signal="rotation", steps=1, levels=1), View(signal="velocity", steps=2, levels=1))
    one = np.float32([[1], [0]])
    two = np.float32([[0, 0], [1, -1]])
    serializer = build_serializer(TextConfig(views=views))
    assert serializer.encode([(one, two)]) == ["rotation E velocity N S"]
    again = serializer.decode("rotation E velocity N S")
    assert [a.shape for a in again] == [(2, 1), (2, 2)]


VIEWS = st.builds(
    View, steps=st.integers(1, 40), directions=st.sampled_from([8, 16]), levels=st.integers(1, 3)
)


@given(view=VIEWS, data=st.data(), elements=st.sampled_from([FINITE, MOTION]))
@settings(max_examples=150)
def test_strokes_keep_direction_and_level_within_the_stated_error(view, data, elements):
    array = data.draw(arrays(np.float32, (2, view.steps), elements=elements))
    serializer = build_serializer(TextConfig(views=(view,)))
    text = serializer.encode([(array,)])[0]
    assert len(text.split()) == 1 + view.steps
    (back,) = serializer.decode(text)
    assert back.shape == array.shape
    assert back.dtype == np.float32

    exact = array.astype(np.float64)
    speed = np.hypot(*exact)
    rms = np.sqrt((speed**2).mean())
    edges = np.array([*THRESHOLDS[view.levels], np.inf])
    decoded_speed = np.hypot(*back)
    level = np.searchsorted(edges, decoded_speed)
    slack = 1e-9 * rms
    assert (speed >= np.where(level > 0, edges[level - 1], 0) * rms - slack).all()
    assert ((speed <= edges[level] * rms + slack) | np.isinf(edges[level])).all()
    moving = level > 0
    turned = np.angle(np.exp(1j * (np.arctan2(*back) - np.arctan2(*exact))))
    assert (np.abs(turned[moving]) <= np.pi / view.directions + 1e-6).all()
    assert np.array_equal(back[:, ~moving], np.zeros((2, (~moving).sum())))


@given(
    array=arrays(np.float32, (2, 16), elements=st.floats(-10, 10, width=32)),
    power=st.integers(-20, 20),
)
@settings(max_examples=50)
def test_strokes_do_not_depend_on_the_scale(array, power):
    array = np.where(np.abs(array) < 1e-6, 0, array).astype(np.float32)
    serializer = strokes(steps=16)
    assert serializer.encode([(array,)]) == serializer.encode([(array * np.float32(2.0**power),)])


def test_a_quarter_turn_moves_every_word_two_points_clockwise():
    array = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
    view = View(steps=200, levels=2)
    book = codebook(view)
    before, after = (
        build_serializer(TextConfig(views=(view,))).encode([(a,)])[0].split()[1:]
        for a in (array, np.stack([array[1], -array[0]]))
    )
    for a, b in zip(before, after, strict=True):
        level, point = divmod(book.index(a) - 1, 8)
        assert b == (a if a == "rest" else book[1 + level * 8 + (point + 2) % 8])


def test_strokes_of_a_movement_say_where_it_went():
    # A level device, screen up: x right, y forward, z up. Up, then right, then down.
    t = np.arange(0, 1.5, 0.02)
    push = np.sin(2 * np.pi * (t % 0.5) / 0.5) * 4
    third = np.minimum((t / 0.5).astype(int), 2)
    acc = np.stack(
        [push * (third == 1), 0 * t, push * (third == 0) - push * (third == 2) + STANDARD_GRAVITY]
    )
    rec = Recording("r", np.vstack([acc, 0 * acc]), (*ACC, *GYRO), t, case="3d")
    config = TextConfig.parse(
        {"views": [{"steps": 3, "levels": 1}], "frame": {"heading": "device"}}
    )
    assert build_serializer(config).text(rec) == "velocity N E S"


def test_simulated_letters_read_alike_when_the_device_is_turned(letters):
    serializer = build_serializer(TextConfig())
    turn = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    for rec in map(clean, letters(1, 1, "A-C")):
        turned = rec.replace(
            data=np.vstack([turn @ rec.acc, turn @ rec.gyro]), channels=(*ACC, *GYRO)
        )
        before, after = serializer.text(rec).split(), serializer.text(turned).split()
        assert np.mean([a == b for a, b in zip(before, after, strict=True)]) > 0.95


# --- numbers -----------------------------------------------------------------------------------


def test_csv_rows_are_samples():
    rec = recording([[1, -0.0001], [2.25, 3], [9.81, 10]])
    text = build_serializer(TextConfig(format="csv", decimals=2)).text(rec)
    assert text == "1.00,2.25,9.81\n0.00,3.00,10.00"


def test_hours_are_refused_before_they_are_written_out():
    n = 3 * 3600 * 50
    data = np.broadcast_to(np.array([[0.0], [0.0], [9.81]], np.float32), (3, n))
    hours = Recording("long", data, ACC, np.arange(n) / 50)
    config = TextConfig(format="csv", channels=ACC)
    with pytest.raises(InputError, match="10,800 s are 1,620,000 numbers as csv") as caught:
        build_serializer(config).text(hours)
    assert len(str(caught.value)) < 300
    assert "set rate to 7.7 rows a second or less" in str(caught.value)
    fewer = build_serializer(config.model_copy(update={"rate": 1.0})).text(hours)
    assert fewer.count("\n") == 10_799


def test_csv_at_a_lower_rate_averages():
    rec = recording([np.tile([0.0, 2.0], 50), np.ones(100), np.arange(100) * 0.02])
    text = build_serializer(TextConfig(format="csv", rate=1, decimals=1)).text(rec)
    assert text == "1.0,1.0,0.5\n1.0,1.0,1.5"


@given(
    array=arrays(np.float32, st.tuples(st.just(3), st.integers(1, 12)), elements=MOTION),
    decimals=st.integers(0, 6),
)
@settings(max_examples=80)
def test_csv_is_exact_to_half_a_decimal(array, decimals):
    serializer = build_serializer(TextConfig(format="csv", decimals=decimals))
    (back,) = serializer.decode(serializer.encode([(array,)])[0])
    rounding = np.spacing(np.abs(array)).max()  # the decoded number is a float32 again
    assert np.abs(back.astype(float) - array).max() <= 0.5 * 10.0**-decimals + rounding


def test_digits_write_bounds_and_fixed_width_values():
    rec = recording([[0, 1], [-1, 1], [9.8, 9.8]])
    config = TextConfig(format="digits", steps=2, digits=2)
    array = np.float32([[0, 1], [-1, 1], [9.75, 9.75]])
    assert build_serializer(config).encode([(array,)]) == ["+0+10:0099\n-10+10:0099\n+97+98:5050"]
    assert len(build_serializer(config).text(rec).split("\n")) == 3


@given(
    array=arrays(np.float32, (3, 8), elements=MOTION),
    digits=st.integers(1, 3),
)
@settings(max_examples=80)
def test_digits_are_exact_to_half_a_step_and_never_clip(array, digits):
    config = TextConfig(format="digits", steps=8, digits=digits)
    serializer = build_serializer(config)
    (back,) = serializer.decode(serializer.encode([(array,)])[0])
    low = np.floor(array.astype(float).min(axis=1) * 10) / 10
    high = np.ceil(array.astype(float).max(axis=1) * 10) / 10
    bound = np.maximum(high - low, 0.1) / (10**digits - 1) / 2
    assert (np.abs(back - array).max(axis=1) <= bound + 2e-5).all()


@pytest.mark.parametrize("format", ["csv", "digits", "strokes"])
def test_statistics_keep_gravity(format, letters):
    rec = clean(letters(1, 1, "A")[0])
    serializer = build_serializer(TextConfig(format=format, stats=True))
    features = serializer.features(rec)
    text = serializer.encode([features])[0]
    assert text.split("\n")[-1].startswith("mean ")
    back = serializer.decode(text)
    assert [a.shape for a in back] == [a.shape for a in features]
    mean, std = back[-1].T
    assert np.allclose(mean, rec.acc.mean(axis=1), atol=0.0051)
    assert np.allclose(std, rec.acc.std(axis=1), atol=0.0051)
    assert 9 < np.linalg.norm(mean) < 11


def test_a_summary_is_mean_and_deviation_in_physical_units():
    rec = recording([[1, -1], [-0.01, -0.01], [9.7, 9.9]])
    serializer = build_serializer(TextConfig(format="summary", decimals=1))
    assert serializer.text(rec) == "mean 0.0 0.0 9.8 std 1.0 0.0 0.1"
    turned = rec.replace(data=rec.data[[2, 0, 1]])  # on its side: gravity is elsewhere
    assert serializer.text(turned) == "mean 9.8 0.0 0.0 std 0.1 1.0 0.0"


@given(array=arrays(np.float32, (3, 2), elements=MOTION), decimals=st.integers(0, 3))
@settings(max_examples=40)
def test_a_summary_is_exact_to_half_a_decimal(array, decimals):
    serializer = build_serializer(TextConfig(format="summary", decimals=decimals))
    (back,) = serializer.decode(serializer.encode([(array,)])[0])
    rounding = np.spacing(np.abs(array)).max()
    assert np.abs(back.astype(float) - array).max() <= 0.5 * 10.0**-decimals + rounding


# --- all formats -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "digits", "strokes", "summary"])
def test_a_batch_reads_as_its_members(format, letters):
    recordings = [clean(rec) for rec in letters(2, 2, "A-C")]
    serializer = build_serializer(TextConfig(format=format))
    features = [serializer.features(rec) for rec in recordings] * 60  # more than one block
    assert serializer.encode(features) == [serializer.text(rec) for rec in recordings] * 60
    assert serializer.encode([]) == []


@given(
    steps=st.integers(1, 30),
    values=arrays(np.float32, (2, 20), elements=st.floats(-100, 100, width=32)),
    gaps=arrays(np.float64, 19, elements=st.floats(0.001, 0.1)),
)
@settings(max_examples=60)
def test_time_means_keep_the_area_on_any_clock(steps, values, gaps):
    t = np.concatenate([[0.5], 0.5 + np.cumsum(gaps)])
    rec = Recording("r", values, ACC[:2], t)
    means = time_means(rec, values, steps)
    area = np.trapezoid(values.astype(float), t, axis=1)
    assert np.allclose(means.sum(axis=1) * rec.duration / steps, area, atol=1e-3)
    assert means.max() <= values.max() + 1e-3
    assert means.min() >= values.min() - 1e-3


def test_time_means_of_a_line_are_its_middles():
    rec = recording([np.linspace(0, 1, 11)], channels=ACC[:1])
    assert np.allclose(time_means(rec, rec.data, 4), [[0.125, 0.375, 0.625, 0.875]])


BAD_FEATURES = [
    ("strokes", (np.full((2, 4), np.nan),), "NaN or infinite"),
    ("strokes", (np.full((2, 4), np.inf),), "NaN or infinite"),
    ("strokes", (np.zeros((3, 4)),), "shapes"),
    ("strokes", (np.zeros((2, 0)),), "shapes"),
    ("strokes", (np.zeros((2, 4)), np.zeros((2, 4))), "1 arrays a recording"),
    ("digits", (np.full((3, 4), np.nan),), "NaN or infinite"),
    ("csv", (np.full((3, 4), np.inf),), "NaN or infinite"),
    ("csv", (np.zeros((2, 4)),), "shapes"),
    ("summary", (np.full((3, 2), np.nan),), "NaN or infinite"),
    ("summary", (np.zeros((2, 2)),), "shapes"),
    ("summary", (np.zeros((3, 4)),), "statistics of shape"),
]


@pytest.mark.parametrize(("format", "features", "reason"), BAD_FEATURES)
def test_bad_features_are_refused(format, features, reason):
    config = TextConfig(format=format, steps=4, views=(View(steps=4),))
    with pytest.raises(InputError, match=reason):
        build_serializer(config).encode([features])


BAD_TEXTS = [
    ("strokes", "velocity N N", "3 words where the views write 5"),
    ("strokes", "force N N N N", "'force' where 'velocity'"),
    ("strokes", "velocity N N N up", "'up' is no word"),
    ("strokes", "", "0 words"),
    ("digits", "+0+10:00000000\n+0+10:00000000", "2 lines for 3"),
    ("digits", "\n".join(["+0+10:000000"] * 3), "line 1"),
    ("csv", "1,2\n3,4", "rows of 3"),
    ("csv", "a,b,c", "rows of 3"),
    ("summary", "mean 1 2 std 3 4", "'mean … std …' of 3 channels"),
    ("summary", "mean 1 2 x std 3 4 5", "'x'"),
]


@pytest.mark.parametrize(("format", "text", "reason"), BAD_TEXTS)
def test_a_text_of_another_kind_is_refused(format, text, reason):
    config = TextConfig(format=format, steps=4, views=(View(steps=4),))
    with pytest.raises(InputError, match=reason):
        build_serializer(config).decode(text)


BAD_CONFIGS = [
    ({"format": "stroke"}, "format"),
    ({"views": [{"signal": "speed"}]}, "views.0.signal"),
    ({"views": [{"steps": 0}]}, "views.0.steps"),
    ({"views": [{"directions": 12}]}, "views.0.directions"),
    ({"views": [{"level": 2}]}, "did you mean 'levels'"),
    ({"views": []}, "views is empty"),
    ({"format": "csv", "channels": []}, "channels is empty"),
    ({"format": "summary", "channels": []}, "channels is empty"),
    ({"format": "summary", "stats": True}, "stats is true but summary is these figures already"),
    ({"decimals": 9}, "decimals"),
    ({"rate": 0}, "rate"),
]


@pytest.mark.parametrize(("values", "reason"), BAD_CONFIGS)
def test_a_bad_configuration_is_named(values, reason):
    with pytest.raises(InputError, match=reason):
        TextConfig.parse(values)


def test_recordings_that_cannot_be_told_are_refused():
    short = recording(np.ones((3, 3)))
    most = STEPS_PER_SAMPLE * 3
    build_serializer(TextConfig(format="digits", steps=most)).text(short)
    with pytest.raises(InputError, match=f"3 samples are too few .* at most {most}"):
        build_serializer(TextConfig(format="digits", steps=most + 1)).text(short)
    with pytest.raises(InputError, match="single instant"):
        build_serializer(TextConfig(format="digits")).text(recording(np.ones((3, 1))))
    with pytest.raises(InputError, match="no gyro_x: it holds acc_x"):
        build_serializer(TextConfig(format="csv", channels=("gyro_x",))).text(short)
    rotation = TextConfig(views=(View(signal="velocity"), View(signal="rotation")))
    with pytest.raises(InputError, match="no gyroscope"):
        build_serializer(rotation).text(recording(np.ones((3, 50))))


def test_every_signal_has_its_own_name():
    assert len(set(NAMES.values())) == 3


def test_real_letters_read_back(shared_data):
    from imuscribe.signals.readers.parquet import load

    serializer = build_serializer(TextConfig())
    recordings = [clean(rec) for rec in load(shared_data("charsense.parquet"))[:1000:50]]
    features = [serializer.features(rec) for rec in recordings]
    for written, text in zip(features, serializer.encode(features), strict=True):
        for view, (exact, back) in enumerate(zip(written, serializer.decode(text), strict=True)):
            # Alike in shape: the cosine between the signal and what the words say.
            cosine = (exact * back).sum() / np.linalg.norm(exact) / np.linalg.norm(back)
            assert cosine > 0.85, (view, text)
