"""Figures of a window: right on a made gait, the same however the device is turned, at any rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.statistics import band, power, statistics, strongest
from imuscribe.signals.recording import ACC, GYRO, Recording


def gait(rate=50.0, seconds=4.0, hz=1.8, size=3.0, gyro=True):
    """Return steps of 3 m/s² along gravity, a sway half as fast, and a swing with each step."""
    t = np.arange(round(seconds * rate)) / rate
    beat = np.cos(2 * np.pi * hz * t)
    acc = np.stack([np.cos(np.pi * hz * t), 0.2 * np.sin(np.pi * hz * t), 9.81 + size * beat])
    turn = np.stack([0.1 * beat, np.abs(np.cos(np.pi * hz * t)) * 2, 0 * t])
    data = np.concatenate([acc, turn]) if gyro else acc
    return Recording("w", data.astype(np.float32), ACC + GYRO if gyro else ACC, t)


def turned(rec, rotation):
    rows = np.split(rec.data, len(rec.data) // 3)
    return rec.replace(data=np.concatenate([rotation @ three for three in rows]))


def test_a_made_gait_has_the_figures_it_was_made_with():
    found = {name: one.value for name, one in statistics(gait()).items()}
    assert found["step rate"] == pytest.approx(1.8, abs=0.05)
    assert found["steps a minute"] == pytest.approx(108, abs=3)
    assert found["between peaks"] == pytest.approx(1 / 1.8, abs=0.03)
    assert found["unevenness"] < 0.05
    assert found["body up rms"] == pytest.approx(3 / np.sqrt(2), rel=0.05)
    assert found["acc up mean"] == pytest.approx(9.81, abs=0.1)
    assert found["acc up range"] == pytest.approx(6, rel=0.02)
    # Within 0.2 s of a step the cosine has not come all the way down.
    reach = 1 - np.cos(2 * np.pi * 1.8 * 0.2)
    assert found["impact median"] == pytest.approx(3 * reach, rel=0.05)
    # The slope of 3 cos(2π · 1.8 t) has the rms 3 · 2π · 1.8 / √2.
    assert found["jerk up rms"] == pytest.approx(3 * 2 * np.pi * 1.8 / np.sqrt(2), rel=0.05)
    assert found["second harmonic"] < 0.01 and found["rhythm to rest"] > 10
    assert found["steps with a swing"] == 1 and found["lag size"] <= 0.05
    assert found["drift"] < 5


def test_every_figure_but_the_posture_stays_when_the_device_is_turned():
    plain = statistics(gait())
    for rotation in (*Rotation.random(5, random_state=1).as_matrix(), np.diag([1.0, -1.0, -1.0])):
        other = statistics(turned(gait(), rotation))
        assert other.keys() == plain.keys()
        for name, one in plain.items():
            if not name.startswith("posture"):
                assert other[name].value == pytest.approx(one.value, abs=0.02, rel=0.02), name


def test_figures_agree_between_rates_and_bear_units():
    slow, fast = statistics(gait(25.0)), statistics(gait(100.0))
    for name in ("step rate", "body up rms", "between peaks", "acc up range", "lag size"):
        assert slow[name].value == pytest.approx(fast[name].value, rel=0.08, abs=0.04), name
    assert {one.unit for one in fast.values()} == {
        *("m/s²", "m/s³", "rad/s", "rad", "Hz", "s", "°", "steps/min", "")
    }
    assert {one.origin for one in fast.values()} == {"ACC", "GYRO", "SYNC"}


def test_rest_has_no_rhythm_and_no_gyroscope_no_rotation():
    rest = gait(size=0.0).replace(data=np.tile([[0], [0], [9.81], [0], [0], [0]], 200))
    found = statistics(rest)
    assert "step rate" not in found and "impact median" not in found
    assert found["body rms"].value == pytest.approx(0, abs=1e-3)
    assert not any(name.startswith(("gyro", "lag")) for name in statistics(gait(gyro=False)))


@pytest.mark.parametrize("n", [8, 13, 30])
def test_short_windows_are_told_what_can_be(n):
    rec = gait()
    found = statistics(rec.replace(data=rec.data[:, :n], t=rec.t[:n]))
    assert all(np.isfinite(one.value) for one in found.values())


def test_what_says_nothing_is_refused():
    rec = gait()
    with pytest.raises(InputError, match="8 are needed"):
        statistics(rec.replace(data=rec.data[:, :7], t=rec.t[:7]))
    with pytest.raises(InputError, match="gravity"):
        statistics(rec.replace(data=rec.data - rec.data.mean(axis=1, keepdims=True)))


def test_a_band_keeps_what_is_in_it_and_its_place():
    t = np.arange(500) / 50
    slow, quick = np.sin(2 * np.pi * 0.1 * t), np.sin(2 * np.pi * 2 * t)
    kept = band(slow + quick, 50, 0.7, 3.0)
    assert np.abs(kept - quick)[50:-50].max() < 0.05
    assert strongest(slow + quick, 50, 0.7, 3.0) == pytest.approx(2, abs=0.02)
    # A sine of amplitude 1 has the power 1/2, all of it about its frequency.
    assert power(quick, 50, 1.5, 2.5) == pytest.approx(0.5, rel=0.02)
    assert strongest(quick[:20], 50, 0.7, 1.0) is None
