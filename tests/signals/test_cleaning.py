import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imuscribe.signals.cleaning import (
    CleanConfig,
    _kernel,
    clean,
    drop_repeats,
    resample,
    trim_idle,
)
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

SIX = (*ACC, *GYRO)


def still(seconds=2.0, rate=100.0):
    """A device that lies flat: gravity along z, no rotation."""
    n = int(seconds * rate) + 1
    data = np.zeros((6, n))
    data[2] = STANDARD_GRAVITY
    return Recording("still", data, SIX, np.arange(n) / rate)


def gesture(quiet=1.0, moving=1.0, rate=100.0, seed=0):
    """Rest, a smooth movement, rest; with a little sensor noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, 2 * quiet + moving, 1 / rate)
    phase = np.clip((t - quiet) / moving, 0, 1)
    bump = np.sin(np.pi * phase) ** 2 * np.sin(6 * np.pi * phase)
    data = rng.normal(scale=0.01, size=(6, len(t)))
    data[2] += STANDARD_GRAVITY
    data[0] += 5 * bump
    data[4] += 2 * bump
    return Recording("gesture", data, SIX, t)


def rotated(rec, rotation):
    turn = rotation.as_matrix()
    return rec.replace(data=np.concatenate([turn @ rec.acc, turn @ rec.gyro]))


def test_rows_that_hold_nothing_new_are_dropped():
    acc = np.array([[0, 0, 1, 1, 2, 2.0]] * 3)
    rec = Recording("r", acc, ACC, np.arange(6) / 100)
    out = drop_repeats(rec)
    assert out.t.tolist() == [0, 0.02, 0.04, 0.05]
    assert out.acc[0].tolist() == [0, 1, 2, 2]


def test_a_held_sensor_follows_its_own_new_values():
    acc = np.array([[0, 1, 2, 3, 4.0]] * 3)
    gyro = np.array([[0, 0, 2, 2, 4.0]] * 3)
    rec = Recording("r", np.concatenate([acc, gyro]), SIX, np.arange(5) / 100)
    out = drop_repeats(rec)
    assert out.n_samples == 5
    assert out.gyro[0].tolist() == [0, 1, 2, 3, 4]
    assert out.acc[0].tolist() == [0, 1, 2, 3, 4]


def test_undoing_sample_and_hold_comes_closer_to_the_movement():
    t = np.arange(0, 3, 0.01)

    def movement(at):
        return np.stack([np.sin(9 * at + k) for k in range(6)])

    acc_at, gyro_at = t[np.searchsorted(t, np.arange(0, 3, 0.026)) - 1], t[::3]
    held = np.empty((6, len(t)))
    for rows, fresh in ((slice(0, 3), np.unique(acc_at)), (slice(3, 6), gyro_at)):
        held[rows] = movement(fresh[np.searchsorted(fresh, t, side="right") - 1])[rows]
    rec = Recording("r", held, SIX, t)
    error = [
        np.abs(out.data - movement(out.t))[:, 5:-5].mean()
        for out in (resample(rec, 50), resample(drop_repeats(rec), 50))
    ]
    assert error[1] < error[0] / 3


def test_a_still_device_is_not_mistaken_for_sample_and_hold():
    rec = still()
    assert drop_repeats(rec).n_samples == rec.n_samples
    out = clean(rec)
    assert np.linalg.norm(out.acc, axis=0) == pytest.approx(STANDARD_GRAVITY, rel=1e-6)


@pytest.mark.parametrize("rate", [20.0, 50.0, 64.0, 100.0, 130.0])
def test_resampling_keeps_slow_movement_at_every_rate(rate):
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.008, 0.012, 300))
    wave = np.sin(2 * np.pi * 2 * (t - t[0]))
    out = resample(Recording("r", np.stack([wave] * 3), ACC, t), rate)
    assert out.t[0] == 0 and np.allclose(np.diff(out.t), 1 / rate)
    assert out.duration == pytest.approx(t[-1] - t[0], abs=1 / rate)
    inner = slice(int(0.2 * rate), -int(0.2 * rate))
    assert np.abs(out.acc[0] - np.sin(2 * np.pi * 2 * out.t))[inner].max() < 0.05


def test_what_the_new_rate_cannot_carry_does_not_fold_back():
    t = np.arange(0, 3, 0.005)
    # 45 Hz sampled at 50 Hz without a filter would look like 5 Hz.
    wave = np.sin(2 * np.pi * 45 * t)
    out = resample(Recording("r", np.stack([wave] * 3), ACC, t), 50)
    assert np.abs(out.acc[0, 10:-10]).max() < 0.02


def test_resampling_at_the_same_rate_changes_nothing():
    rec = gesture(rate=50)
    out = resample(rec, 50)
    assert np.allclose(out.data, rec.data, atol=1e-5) and out.n_samples == rec.n_samples


def test_samples_at_one_time_are_averaged():
    rec = Recording("r", np.array([[0, 1, 3, 4.0]] * 3), ACC, [0, 0.02, 0.02, 0.04])
    assert resample(rec, 50).acc[0].tolist() == [0, 2, 4]


def test_trimming_keeps_the_movement_and_a_margin():
    rec = gesture(quiet=1.0, moving=1.0)
    out = trim_idle(rec)
    assert out.t[0] == 0
    # The slow first and last tenth of a smooth move is quiet too.
    assert 0.7 < out.duration < 1.2
    kept = np.abs(out.acc[0]) ** 2
    assert kept.sum() > 0.99 * (np.abs(rec.acc[0]) ** 2).sum()


def test_trimming_a_recording_without_idle_ends_keeps_it_whole():
    t = np.arange(150) / 100
    rec = Recording("r", np.stack([np.sin(9 * t + k) for k in range(6)]), SIX, t)
    assert trim_idle(rec).n_samples == rec.n_samples


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_cleaning_does_the_same_however_the_device_is_held(seed):
    rotation = Rotation.random(random_state=seed)
    rec = gesture(quiet=0.6, moving=0.8, seed=seed % 7)
    held = rec.data[:, np.arange(rec.n_samples) // 3 * 3]
    for each in (rec, rec.replace(data=held)):
        first, second = clean(rotated(each, rotation)), rotated(clean(each), rotation)
        assert first.n_samples == second.n_samples
        assert np.allclose(first.data, second.data, atol=1e-3)


@given(
    quiet=st.floats(0.0, 1.0),
    moving=st.floats(0.05, 1.0),
    minimum=st.floats(0.05, 2.5),
    threshold=st.floats(0.01, 0.9),
    margin=st.floats(0, 0.5),
)
@settings(max_examples=60)
def test_trimming_never_goes_below_the_minimum(quiet, moving, minimum, threshold, margin):
    rec = gesture(quiet, moving)
    config = CleanConfig(min_duration=minimum, trim_threshold=threshold, trim_margin=margin)
    out = trim_idle(rec, config)
    assert out.duration >= min(minimum, rec.duration) - 1e-9
    assert out.n_samples <= rec.n_samples


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InputError, match=r"lasts 0\.150 s.*0\.2 s"):
        clean(still(0.15))
    t = np.concatenate([np.arange(0, 1, 0.01), np.arange(2, 3, 0.01)])
    gap = Recording("r", np.ones((3, len(t))), ACC, t)
    with pytest.raises(InputError, match=r"gap of 1\.010 s at 0\.990 s exceeds 0\.5 s"):
        clean(gap)
    assert clean(gap, CleanConfig(max_gap=1.1)).rate == pytest.approx(50)
    with pytest.raises(InputError, match="not positive"):
        resample(still(), 0)
    with pytest.raises(InputError, match="no extent in time"):
        resample(Recording("r", np.ones((3, 2)), ACC, [0.0, 0.0]), 50)


def test_real_recordings_come_out_at_the_rate_asked_for(shared_data):
    from imuscribe.signals.readers.parquet import load

    for name in ("charsense", "motion_pen", "sp_sw_har"):
        for rec in load(shared_data(f"{name}.parquet"))[::200]:
            out = clean(rec)
            assert out.rate == pytest.approx(50)
            assert out.duration > 0.2 - 1 / 50
            assert np.isfinite(out.data).all()


@pytest.mark.parametrize("k", [2, 5, 40])
def test_the_low_pass_is_scipys_windowed_sinc(k):
    from scipy.signal import firwin

    assert np.allclose(_kernel(k), firwin(12 * k + 1, 0.8 / k), atol=1e-12)
