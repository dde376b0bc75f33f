"""Along gravity: what turning the device cannot change, what it may, and physical truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.gravity import align, feature_names, features, gravity_rotation
from imuscribe.signals.motion.views import sequence
from imuscribe.signals.recording import ACC, GYRO, Recording

NAMES = np.array(feature_names())
OWN = np.array([name.split(":")[0] in (*ACC, *GYRO) for name in NAMES])
"""Figures of the device's own channels."""
ANGLE = st.floats(-np.pi, np.pi)


def window(turn=None, n=128, rate=50.0, gyroscope=True, seed=0):
    """Somebody who walks: steps at 2 Hz, gravity along +z unless the device is turned."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate
    steps = np.sin(2 * np.pi * 2 * t + rng.uniform(0, 6, size=(6, 1))) * rng.uniform(0.5, 2, (6, 1))
    rows = steps + 0.05 * np.sin(2 * np.pi * 5 * t + rng.uniform(0, 6, size=(6, 1)))
    rows[2] += 9.81
    turn = np.eye(3) if turn is None else turn
    data = np.vstack([turn @ rows[:3], turn @ rows[3:]])
    channels = (*ACC, *GYRO)
    return Recording("w", data, channels, t) if gyroscope else Recording("w", data[:3], ACC, t)


def value(name, rec):
    return features(rec)[list(feature_names(rec.gyro is not None)).index(name)]


@given(angle=ANGLE, seed=st.integers(0, 20))
def test_a_turn_about_gravity_changes_only_the_devices_own_channels(angle, seed):
    about = Rotation.from_euler("z", angle).as_matrix()
    level = gravity_rotation(window(seed=seed))  # mean gravity is a little off z while walking
    turned = window(level.T @ about @ level, seed=seed)
    before, after = features(window(seed=seed)), features(turned)
    np.testing.assert_allclose(after[~OWN], before[~OWN], rtol=2e-3, atol=2e-3)


@given(rotvec=arrays(np.float64, 3, elements=st.floats(-3.1, 3.1)), seed=st.integers(0, 20))
def test_however_the_device_is_held_the_vertical_part_is_the_same(rotvec, seed):
    turn = Rotation.from_rotvec(rotvec).as_matrix()
    for one, other in zip(align(window(seed=seed)), align(window(turn, seed=seed)), strict=True):
        np.testing.assert_allclose(other[2], one[2], atol=2e-4)
        np.testing.assert_allclose(np.hypot(*other[:2]), np.hypot(*one[:2]), atol=2e-4)


@given(direction=arrays(np.float64, 3, elements=st.floats(-1, 1)))
def test_the_rotation_is_a_rotation_the_shortest_and_brings_gravity_up(direction):
    if np.linalg.norm(direction) < 0.2:
        return
    acc = 9.81 * direction / np.linalg.norm(direction)
    rec = Recording("still", np.tile(acc[:, None], 4), ACC, np.arange(4.0))
    turn = gravity_rotation(rec)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ acc, [0, 0, 9.81], atol=1e-4)
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    assert angle == pytest.approx(np.arccos(np.clip(acc[2] / 9.81, -1, 1)), abs=1e-3)


@pytest.mark.parametrize("tilt", [0.0, 1e-12, 1e-6, 1e-3])
def test_upside_down_is_turned_up_however_exactly(tilt):
    acc = -9.81 * np.array([np.sin(tilt), 0, np.cos(tilt)])
    rec = Recording("down", np.tile(acc[:, None], 4), ACC, np.arange(4.0))
    turn = gravity_rotation(rec)
    np.testing.assert_allclose(turn @ rec.acc[:, 0], [0, 0, 9.81], atol=1e-4)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)


def test_without_gravity_there_is_no_up():
    with pytest.raises(InputError, match="is missing; give acceleration with gravity"):
        features(Recording("w", np.zeros((3, 8)), ACC, np.arange(8.0)))


def test_figures_are_finite_named_and_in_physical_units():
    rec = window()
    found = features(rec)
    assert found.shape == NAMES.shape and np.isfinite(found).all()
    assert value("acc size: mean", rec) == pytest.approx(np.linalg.norm(rec.acc, axis=0).mean())
    assert value("acc_z: mean", rec) == pytest.approx(9.81, abs=0.1)
    assert value("gyro up: peak frequency", rec) == pytest.approx(2, abs=0.4)
    assert value("acc_x: deviation", rec) == pytest.approx(rec.acc[0].std(), rel=1e-5)


def test_standing_and_lying_differ_in_the_devices_own_channels_alone():
    still = np.tile([[0.0], [0.0], [9.81]], 128)
    upright = Recording("a", still, ACC, np.arange(128) / 50)
    lying = Recording("b", still[::-1], ACC, np.arange(128) / 50)
    differ = ~np.isclose(features(upright), features(lying), atol=1e-4)
    assert {feature_names(False)[i] for i in np.flatnonzero(differ)} == {
        "acc_x: mean",
        "acc_z: mean",
    }


def test_the_same_movement_at_half_the_rate_has_the_same_figures():
    fast, slow = features(window(n=256, rate=50)), features(window(n=128, rate=25))
    plain = [i for i, name in enumerate(NAMES) if "power" not in name and "change" not in name]
    np.testing.assert_allclose(slow[plain], fast[plain], rtol=0.1, atol=0.1)


def test_an_accelerometer_alone_has_the_same_figures_of_acceleration():
    both, alone = features(window()), features(window(gyroscope=False))
    names = feature_names(gyroscope=False)
    assert len(alone) == len(names) and not any("gyro" in name for name in names)
    places = [list(NAMES).index(name) for name in names]
    np.testing.assert_allclose(alone, both[places], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_few_samples_give_finite_figures(n):
    data = np.random.default_rng(0).normal(size=(6, n)) + 5
    rec = Recording("few", data, (*ACC, *GYRO), np.arange(n) / 50)
    assert np.isfinite(features(rec)).all()


def test_the_upright_view_keeps_what_turning_the_device_does_not_change():
    one, other = (
        sequence(window(turn), "upright")
        for turn in (None, Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix())
    )
    assert one.shape == (12, 64)
    np.testing.assert_allclose(one[6:], other[6:], atol=2e-3)
    np.testing.assert_array_equal(one[:6], sequence(window(), "physical"))
    assert np.abs(one[:6] - other[:6]).max() > 1
    assert sequence(window(gyroscope=False), "upright").shape == (6, 64)
