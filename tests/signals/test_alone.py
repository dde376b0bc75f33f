"""The accelerometer alone: frame, text and views without a gyroscope."""

import numpy as np
import pytest

from imuscribe.finetune.rows import signals_of
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.recipes.load import load_recipe
from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.load import clean_all
from imuscribe.signals.motion.augment import augment
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.views import n_channels, sequence
from imuscribe.signals.recording import ACC, STANDARD_GRAVITY, Recording


def slid(turn=np.eye(3), n=120):
    """A device that is moved right, up and back without turning, held any way."""
    t = np.arange(n) / 60
    right, up = 3 * np.cos(2 * np.pi * t / t[-1]), 2 * np.sin(4 * np.pi * t / t[-1])
    force = np.stack([right, up, np.full(n, STANDARD_GRAVITY)])[[0, 2, 1]]
    return Recording("slid", (turn @ force).astype(np.float32), ACC, t)


def test_the_frame_of_a_device_that_does_not_turn_is_exact():
    # y is up, x is right: acceleration 3 m/s² to the right at first.
    motion = writing_motion(slid())
    assert motion.acceleration[:, 0] == pytest.approx([3, 0, 0], abs=0.1)
    assert motion.gravity == pytest.approx([0, STANDARD_GRAVITY, 0], abs=0.1)
    np.testing.assert_allclose(motion.velocity[:, [0, -1]], 0, atol=1e-3)
    assert not motion.rotation.any()


def test_it_is_the_frame_that_a_gyroscope_at_rest_gives():
    rec = slid()
    still = rec.replace(
        data=np.concatenate([rec.data, 0 * rec.data]),
        channels=(*ACC, "gyro_x", "gyro_y", "gyro_z"),
    )
    alone, turned = (writing_motion(r, FrameConfig(heading="device")) for r in (rec, still))
    np.testing.assert_allclose(alone.velocity, turned.velocity, atol=1e-6)


def test_a_heading_that_gravity_leaves_open_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"axis \+x points along gravity"):
        writing_motion(slid(np.eye(3)[[1, 0, 2]]))


def test_views_have_the_channels_they_say(letters):
    rec = clean(letters(1, 1, "A")[0])
    bare = clean(letters(1, 1, "A")[0], CleanConfig(gyroscope=False))
    assert bare.channels == ACC
    for view in ("movement", "writing", "raw", "physical", "upright"):
        assert len(sequence(rec, view)) == n_channels(view)
        assert len(sequence(bare, view)) == n_channels(view, gyroscope=False)


def test_text_and_varied_copies_are_made(letters):
    bare = clean(letters(1, 1, "C")[0], CleanConfig(gyroscope=False))
    assert build_serializer(TextConfig()).text(bare).startswith("velocity ")
    varied = augment(bare, np.random.default_rng(0))
    assert varied.channels == ACC and np.isfinite(varied.data).all()


def test_a_few_without_gyroscope_are_left_out_and_all_may_be_read_without(letters, caplog):
    first, second = letters(1, 1, "A-B")
    mixed = [first, second.replace(data=second.acc, channels=ACC)]
    assert clean_all(mixed, frame=FrameConfig(), where="m")[0].gyro is not None
    assert "clean.gyroscope=false" in caplog.text
    both = clean_all(mixed, CleanConfig(gyroscope=False), FrameConfig())
    assert [rec.channels for rec in both] == [ACC, ACC]


def test_sensor_tokens_refuse_channels_that_are_not_there(letters):
    recs = clean_all(letters(1, 1, "A-B"), CleanConfig(gyroscope=False))
    recipe = load_recipe("acc-letters")
    assert signals_of(recs, recipe).shape == (2, 4, 64)
    physical = load_recipe("acc-letters", ["sensor.view=physical"])
    with pytest.raises(InputError, match=r"sensor.gyroscope=false"):
        signals_of(recs, physical)
    alone = load_recipe("acc-letters", ["sensor.view=physical", "sensor.gyroscope=false"])
    assert alone.sensor is not None and alone.sensor.channels == 3
    assert signals_of(recs, alone).shape == (2, 3, 64)
