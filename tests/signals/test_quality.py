import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.quality import check_units, faults, inspect, summarise
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

SIX = (*ACC, *GYRO)


def make(name="r", n=200, t=None, acc_scale=1.0, gyro_scale=1.0, held=1, **about):
    """Two seconds of gentle movement with sensor noise, sound in every respect by default."""
    rng = np.random.default_rng(1)
    data = rng.normal(scale=0.3, size=(6, n))
    data[2] += STANDARD_GRAVITY
    data[:3] *= acc_scale
    data[3:] *= gyro_scale
    data = data[:, np.arange(n) // held * held]
    return Recording(name, data, SIX, np.arange(n) / 100 if t is None else t, **about)


def jolted(**scales):
    """The same, moved to and fro."""
    rec = make(**scales)
    data = rec.data.copy()
    data[0] += 5 * np.sin(6 * rec.t)
    return rec.replace(data=data)


def kinds(rec):
    return [problem.kind for problem in inspect(rec)]


def test_a_sound_recording_has_no_problems():
    assert inspect(make()) == []
    assert inspect(jolted()) == []


@pytest.mark.parametrize(
    ("rec", "kind", "detail"),
    [
        (make(acc_scale=1 / 9.80665), "implausible units", "is the unit g"),
        (make(acc_scale=101.97), "implausible units", "is the unit mg"),
        (make(gyro_scale=180 / np.pi * 3), "implausible units", "is the unit deg/s"),
        (make(gyro_scale=180 / np.pi, acc_scale=1.001), "implausible units", "is the unit deg/s"),
        (jolted(gyro_scale=np.pi / 180), "little rotation", "is the unit rad/s"),
        (make(held=3), "repeats", "acc 66%"),
        (make(n=12), "short", "0.110 s"),
        (make(t=np.cumsum(np.tile([0.005, 0.015], 100))), "irregular clock", "5.0 to 15.0 ms"),
        (make(t=np.sort(np.arange(200) // 2 * 2 / 100.0)), "zero steps", "50"),
        (make(t=np.r_[np.arange(100), np.arange(120, 220)] / 100.0), "gap", "longest 210 ms"),
    ],
)
def test_each_problem_is_found_and_described(rec, kind, detail):
    found = {problem.kind: problem.detail for problem in inspect(rec)}
    assert detail in found[kind]


def test_clipping_names_channel_limit_and_count():
    rec = make()
    data = rec.data.copy()
    data[3] = np.clip(10 * np.sin(rec.t * 9), -np.deg2rad(250), np.deg2rad(250))
    (problem,) = inspect(rec.replace(data=data))
    assert problem.kind == "clipping" and problem.limits == ("250 deg/s",)
    assert "gyro_x" in problem.detail
    pinned = (np.abs(data[3]) >= np.deg2rad(249.9)).mean()
    assert problem.share == pytest.approx(pinned, abs=0.02)


def test_a_peak_that_is_only_high_is_no_clipping():
    rec = make()
    data = rec.data.copy()
    data[3] = 10 * np.sin(rec.t * 9)
    assert inspect(rec.replace(data=data)) == []


def test_a_rounded_peak_is_no_clipping_once_the_sensor_is_seen_to_reach_further():
    rec = make()
    data = rec.data.copy()
    data[3] = np.round(4 * np.sin(rec.t * 9), 1)
    peak = rec.replace(data=data)
    assert kinds(peak) == ["clipping"]
    data[3] = 8 * np.sin(rec.t * 9)
    assert "clipping" not in summarise([peak, rec.replace(id="further", data=data)])["problems"]


def test_a_data_set_is_counted():
    recordings = [
        make("a", subject="p1", label="A", device="phone", case="3d"),
        make("b", subject="p1", label="B", device="phone", case="3d", held=2),
        make("c", subject="p2", label="A", device="watch", n=100),
    ]
    summary = summarise(recordings, [InputError("recording 'd': time goes back")])
    assert summary["recordings"] == 3
    assert summary["people"] == {"p1": 2, "p2": 1}
    assert summary["labels"] == {"A": 2, "B": 1}
    assert summary["devices"] == {"phone": 2, "watch": 1}
    assert summary["cases"] == {"": 1, "3d": 2}
    assert summary["rate"] == pytest.approx((100, 100, 100))
    assert summary["duration"] == pytest.approx((0.99, 1.99, 1.99))
    assert summary["problems"]["repeats"]["recordings"] == 1
    assert summary["problems"]["repeats"]["example"].startswith("b:")
    assert summary["problems"]["unusable"]["recordings"] == 1
    assert list(summary["problems"]) == ["repeats", "unusable"]


def test_real_flaws_are_found(shared_data):
    from imuscribe.signals.readers.parquet import load

    pen = summarise(load(shared_data("motion_pen.parquet"))[::20])["problems"]
    assert pen["irregular clock"]["recordings"] == 521
    assert {"250 deg/s", "2 g"} <= set(pen["clipping"]["limits"])
    phone = summarise(load(shared_data("charsense.parquet"))[::20])["problems"]
    assert phone["repeats"]["share"] == pytest.approx(0.69, abs=0.03)
    watch = summarise(load(shared_data("weda_fall.parquet"))[::20])["problems"]
    assert set(watch) <= {"repeats", "clipping"}
    spans = summarise(load(shared_data("sp_sw_har.parquet"))[::20])["problems"]
    assert {"zero steps", "gap", "irregular clock"} <= set(spans)
    assert "implausible units" not in {*pen, *phone, *watch, *spans}


@pytest.mark.parametrize(("channel", "value"), [(1, 0.0), (2, 9.75), (5, 0.0)])
def test_an_axis_that_stands_still_while_others_move_is_named_with_its_count(channel, value):
    rec = jolted()
    data = rec.data.copy()
    data[channel] = value
    data[4] += np.sin(3 * rec.t)
    (problem,) = [p for p in inspect(rec.replace(data=data)) if p.kind == "stuck axis"]
    assert f"{SIX[channel]} 200 of 200 at {value:.4g}" in problem.detail
    assert problem.share == 1
    (said,) = faults([rec.replace(data=data), rec])
    assert "stuck axis: 1 of 2 recordings" in said and SIX[channel] in said


def test_an_axis_that_stops_half_way_is_stuck_and_one_at_rest_is_not():
    rec = jolted()
    data = rec.data.copy()
    data[1, 80:] = data[1, 80]
    (problem,) = inspect(rec.replace(data=data))
    assert problem.kind == "stuck axis" and "acc_y 120 of 200" in problem.detail
    still = rec.data.copy()
    still[:, 80:] = still[:, [80]]
    assert "stuck axis" not in kinds(rec.replace(data=still))


def test_an_axis_that_is_clipped_far_below_the_others_is_found():
    rec = make()
    data = rec.data.copy()
    data[0] += 20 * np.sin(rec.t * 9)
    data[1] = np.clip(data[1] + 15 * np.sin(rec.t * 9 + 1), -6, 6)
    (problem,) = inspect(rec.replace(data=data), {"acc": 40.0, "gyro": 10.0})
    assert problem.kind == "clipping" and problem.limits == ("0.61 g",)
    assert "acc_y" in problem.detail and "acc_x" not in problem.detail


@pytest.mark.parametrize("limit", [2.0, 4.0])
def test_an_axis_that_is_clipped_within_ordinary_movement_is_found(limit):
    rec = jolted()
    data = rec.data.copy()
    data[0] = np.clip(data[0], -limit, limit)
    data[1] += np.sin(5 * rec.t)
    (problem,) = inspect(rec.replace(data=data))
    assert problem.kind == "clipping" and "acc_x" in problem.detail
    (said,) = faults([rec.replace(data=data)])
    assert said.startswith("clipping: 1 of 1 recordings, such as r: ")


@pytest.mark.parametrize(
    ("written", "rate", "hint"),
    [
        ("ms", 1.99, "check the times"),  # 1,990 Hz would be as odd
        ("s", 0.1, "is the time unit ms, not s"),
        ("ms", 0.1, "is the time unit us, not ms"),
    ],
)
def test_no_hint_names_a_unit_of_time_that_would_be_as_odd(written, rate, hint):
    with pytest.raises(InputError, match=hint):
        check_units(make(t=np.arange(200) / rate), {"time": written})
