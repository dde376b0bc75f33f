import numpy as np
import pytest

from imuscribe.signals.motion.augment import AugmentConfig, augment
from imuscribe.signals.motion.frames import writing_motion
from tests.signals.test_frames import arm_recording

NONE = AugmentConfig(turn=0, heading=0, stretch=0, warp=0, noise=0, tilt=0)


def varied(seed=0, **changes):
    rec = arm_recording()[0]
    config = NONE.model_copy(update=changes) if changes else AugmentConfig()
    return augment(rec, np.random.default_rng(seed), config)


def test_no_variation_returns_the_same_recording():
    rec = arm_recording()[0]
    assert np.allclose(augment(rec, np.random.default_rng(0), NONE).data, rec.data, atol=1e-4)


def test_the_same_generator_state_gives_the_same_recording():
    assert np.array_equal(varied(3).data, varied(3).data)
    assert not np.array_equal(varied(3).data, varied(4).data)


@pytest.mark.parametrize("seed", range(5))
def test_gravity_survives_every_variation(seed):
    motion = writing_motion(varied(seed))
    assert np.linalg.norm(motion.gravity) == pytest.approx(9.81, abs=0.15)


def test_a_tilted_device_writes_the_same_letter():
    plain = writing_motion(arm_recording()[0])
    tilted = writing_motion(varied(1, tilt=40.0))
    assert np.allclose(plain.velocity, tilted.velocity, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_warping_changes_the_pace_but_not_the_path(seed):
    plain, warped = writing_motion(arm_recording()[0]), writing_motion(varied(seed, warp=0.2))
    assert abs(warped.t[-1] / plain.t[-1] - 1) > 0.01
    for row in (0, 1):
        assert np.ptp(warped.position[row]) == pytest.approx(np.ptp(plain.position[row]), rel=0.15)


def test_turning_slants_the_letter_by_the_drawn_angle():
    plain = writing_motion(arm_recording()[0])
    angle = np.radians(np.random.default_rng(2).normal(0, [20.0, 0.0])[0])
    slanted = writing_motion(varied(2, turn=20.0))
    cos, sin = np.cos(angle), np.sin(angle)
    expected = np.array([[cos, -sin], [sin, cos]]) @ plain.velocity[:2]
    # The rotation seen by the gyroscope is untouched, so the heading may move a little.
    assert np.abs(slanted.velocity[1] - expected[1]).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(4))
def test_a_late_start_leaves_the_end_of_the_gesture(seed):
    rec = arm_recording()[0]
    late = varied(seed, late=0.6)
    assert 0.4 * rec.n_samples - 1 <= late.n_samples <= rec.n_samples
    assert late.t[0] == 0
    assert np.allclose(late.data, rec.data[:, -late.n_samples :], atol=1e-3)


def test_identity_of_the_recording_is_kept():
    rec = arm_recording()[0].replace(id="x", label="L", subject="p1", session="s1")
    out = augment(rec, np.random.default_rng(0))
    assert (out.id, out.label, out.subject, out.session) == ("x", "L", "p1", "s1")
