"""Acceleration without gravity, gravity without movement, and readings beyond any sensor."""

import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.load import read
from imuscribe.signals.motion.plausible import face_down
from imuscribe.signals.quality import check_units, inspect, keep_usable, summarise
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

SIX = (*ACC, *GYRO)


def moved(seed=0, gravity=1.0, movement=1.0, n=250, **about):
    """A hand that moves and turns at 100 Hz: gravity and user acceleration, each times a factor."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 100
    tilt = 0.4 * np.sin(2 * t)
    g = STANDARD_GRAVITY * np.stack([0.8 * np.sin(tilt), 0.6 * np.sin(tilt), np.cos(tilt)])
    user = 5 * np.stack([np.sin(7 * t), np.cos(7 * t), 0.4 * np.sin(14 * t)])
    user += rng.normal(scale=0.05, size=(3, n))
    gyro = np.stack([-0.5 * np.cos(2 * t), 0.8 * np.cos(2 * t), 0.2 * np.sin(7 * t)])
    data = np.concatenate([gravity * g + movement * user, gyro]).astype(np.float32)
    return Recording(f"r{seed}", data, SIX, t, **about)


def kinds(rec):
    return {problem.kind for problem in inspect(rec)}


def test_gravity_with_movement_is_sound():
    assert kinds(moved()) == set()
    assert check_units(moved()) is not None


def test_gravity_alone_and_movement_alone_are_refused_and_named():
    with pytest.raises(InputError, match="it is gravity alone; add the movement") as caught:
        check_units(moved(movement=0))
    assert caught.value.reason == "only gravity"
    with pytest.raises(InputError, match="was gravity removed"):
        check_units(moved(gravity=0))
    assert kinds(moved(movement=0)) == {"only gravity"}
    assert kinds(moved(gravity=0)) == {"no gravity"}


def test_gravity_that_stands_still_while_the_gyroscope_turns_is_gravity_alone():
    rec = moved()
    data = rec.data.copy()
    data[:3] = np.array([0.2, -1.0, 9.75])[:, None]
    assert "only gravity" in kinds(rec.replace(data=data))
    at_rest = np.concatenate([data[:3], 0 * data[3:]])
    assert "only gravity" not in kinds(rec.replace(data=at_rest))


@pytest.mark.parametrize(("channel", "value"), [("acc_y", 1e30), ("acc_x", -1e9), ("acc_z", 3e3)])
def test_a_reading_beyond_any_sensor_is_refused_by_recording_and_sample(channel, value, tmp_path):
    recordings = [moved(seed) for seed in range(3)]
    data = recordings[1].data.copy()
    data[SIX.index(channel), 57] = value
    recordings[1] = recordings[1].replace(data=data)
    message = f"recording 'r1': {channel} is .* at sample 57 .* no motion sensor"
    with np.errstate(all="raise"), pytest.raises(InputError, match=message) as caught:
        check_units(recordings[1])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    save(recordings, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.parquet")
    assert summarise(recordings)["problems"]["out of reach"]["recordings"] == 1


def test_people_without_gravity_are_told_from_others(caplog):
    """Their recordings may pass one by one: letters cut in motion have a mean of their own."""
    ann = [moved(seed, subject="ann") for seed in range(6)]
    bob = [moved(seed + 10, gravity=0.35, subject="bob") for seed in range(6)]
    assert all(kinds(rec) == set() for rec in bob)
    with pytest.raises(InputError, match=r"6 of 12 .* cannot be used: no gravity \(6\)"):
        keep_usable([*ann, *bob], "mine")
    assert keep_usable([*ann, *bob], "mine", most=1) == ann
    assert "mine: 6 of 12 recordings left out: no gravity (6)\n  of bob (6)" in caplog.text
    with pytest.raises(InputError, match="cannot be used"):
        keep_usable(bob, "mine", most=1)
    assert summarise([*ann, *bob])["problems"]["no gravity"]["recordings"] == 6


def test_who_always_holds_a_device_face_down_may_have_the_opposite_sign():
    recordings = [moved(seed, subject="ann").replace(id=f"a{seed}") for seed in range(5)]
    assert face_down(recordings) == {}
    # Turned over as a whole, acceleration still goes with the rotation rate: only this tells.
    over = [
        rec.replace(data=np.concatenate([-rec.data[:3], rec.data[3:]]), subject="bob", id=f"b{i}")
        for i, rec in enumerate(recordings)
    ]
    (said,) = face_down([*recordings, *over]).values()
    assert "--acc-sign down" in said
    assert summarise([*recordings, *over])["problems"]["face down"]["recordings"] == 5
    # Now and then is how a hand moves.
    now_and_then = [rec.replace(subject="ann") for rec in over[:1]]
    assert face_down([*recordings, *now_and_then]) == {}
