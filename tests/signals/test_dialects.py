import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers import reader
from imuscribe.signals.readers.dialects import MODULES, NAMES, dialect
from imuscribe.signals.readers.dialects.recognise import recognise
from imuscribe.signals.readers.dialects.streams import Stream, Take, joined
from imuscribe.signals.recording import STANDARD_GRAVITY

from .dialect_samples import SAMPLES, TURN, put, rows, table_of_dialects, times

G = STANDARD_GRAVITY
DOCS = Path(__file__).resolve().parents[2] / "docs" / "data-format.md"


@pytest.mark.parametrize("made", SAMPLES, ids=lambda made: made.name)
def test_a_sample_of_every_dialect_is_recognised_and_read_right(made, tmp_path):
    made.write(tmp_path)
    name, why = recognise(tmp_path)
    assert name == made.name and why.startswith("it holds ")
    recordings = dialect(name).read(tmp_path)
    assert len(recordings) == len({rec.id for rec in recordings}) == made.recordings
    assert {rec.label for rec in recordings} == made.labels
    assert {rec.subject for rec in recordings} == made.people
    for rec in recordings:
        assert rec.rate == pytest.approx(made.rate, rel=0.03)
        assert rec.acc.mean(axis=1) == pytest.approx([0, 0, G], abs=0.02)
        if rec.gyro is not None:
            assert rec.gyro.mean(axis=1) == pytest.approx([0, 0, TURN], abs=0.002)
    assert made.gyro == any(rec.gyro is not None for rec in recordings)


def test_every_dialect_has_a_sample_and_is_in_the_registry():
    for module, names in MODULES.items():
        held = import_module(f"imuscribe.signals.readers.dialects.{module}").DIALECTS
        assert sorted(one.name for one in held) == sorted(names)
    for name in NAMES:
        assert dialect(name).name == name and reader(name)
        assert dialect(name).source and dialect(name).what
    assert {made.name for made in SAMPLES} == {*NAMES} - {"magic-wand-strokes"}


def test_the_table_of_the_documentation_is_what_is_found():
    text = DOCS.read_text(encoding="utf-8")
    assert table_of_dialects() in text, "python -m tests.signals.dialect_samples writes the table"


@pytest.mark.parametrize("made", SAMPLES, ids=lambda made: made.name)
def test_a_file_cut_anywhere_is_read_or_refused_in_one_line(made, tmp_path):
    made.write(tmp_path)
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file())[:3]:
        whole = path.read_bytes()
        for cut in (0, len(whole) // 3, len(whole) - 7):
            path.write_bytes(whole[:cut])
            try:
                dialect(made.name).read(tmp_path)
            except InputError as error:
                assert "\n" not in str(error)
        path.write_bytes(whole)


def androsensor(path):
    next(made for made in SAMPLES if made.name == "androsensor").write(path)


def test_where_two_layouts_fit_both_are_named(tmp_path):
    androsensor(tmp_path / "ann" / "A")
    with pytest.raises(InputError, match=r"may be charsense \(.*\) or androsensor .*--layout"):
        recognise(tmp_path)
    androsensor(tmp_path / "all" / "RawDataset" / "ann" / "A")
    assert recognise(tmp_path / "all")[0] == "charsense"
    put(tmp_path / "mixed" / "a.csv", "Time (s),X (m/s^2),Y (m/s^2),Z (m/s^2)", "0,0,0,9.8")
    put(tmp_path / "mixed" / "b.csv", "aX,aY,aZ,gX,gY,gZ", "0,0,1,0,0,0")
    with pytest.raises(InputError, match=r"phyphox .* or nano33ble|nano33ble .* or phyphox"):
        recognise(tmp_path / "mixed")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("notes.txt", "bought milk\n", r"no known layout fits notes\.txt: give --layout csv"),
        ("mine.csv", "t,x,y,z\n0,0,0,1\n", r"no known layout fits mine\.csv"),
        ("export.zip", "PK", r"export\.zip: unpack it first"),
        ("readme.md", "hello", "holds no data files"),
        ("wanddata.json", '{"strokes": [{"strokePoints": [{"x": 0, "y": 0}]}]}', ""),
    ],
)
def test_what_is_no_known_layout_is_named(tmp_path, name, text, message):
    put(tmp_path / name, text)
    if not message:
        assert recognise(tmp_path)[0] == "magic-wand-strokes"
        with pytest.raises(InputError, match="strokes drawn on a plane"):
            reader("magic-wand-strokes")(tmp_path)
        return
    with pytest.raises(InputError, match=message) as caught:
        recognise(tmp_path)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_files_of_other_kinds_are_left_out_and_named(tmp_path, caplog):
    androsensor(tmp_path / "ann")
    put(tmp_path / "notes.txt", "bought milk")
    put(tmp_path / "other" / "table.csv", "a,b", "1,2")
    assert len(dialect("androsensor").read(tmp_path)) == 1
    assert "skipped, not androsensor: notes.txt, other/table.csv" in caplog.text


def test_what_is_said_goes_before_what_files_say(tmp_path):
    androsensor(tmp_path / "ann" / "circle")
    (rec,) = dialect("androsensor").read(
        tmp_path, label="{folder}", subject="{parent}", device="tablet"
    )
    assert (rec.label, rec.subject, rec.device) == ("circle", "ann", "tablet")
    with pytest.raises(InputError, match=r"did you mean '\{folder\}'"):
        dialect("androsensor").read(tmp_path, label="{foler}")


def test_numbered_dashes_of_the_magic_wand_mean_100_samples_a_second(tmp_path):
    still = ["0.0,0.0,1000.0 "] * 50
    put(tmp_path / "output_ring_ann.txt", "-,-,-,1", *still, "", "-,-,-,2 ", *still)
    recordings = dialect("magic-wand").read(tmp_path)
    assert [rec.rate for rec in recordings] == pytest.approx([100, 100])
    assert recordings[0].acc.mean(axis=1) == pytest.approx([0, 0, G], abs=1e-3)


def test_acceleration_without_gravity_is_left_out_beside_that_with_it(tmp_path, caplog):
    for name in ("Accelerometer", "Linear Acceleration"):
        table = [[t, 0, 0, G * (name[0] == "A")] for t in times(150, 100)]
        header = ",".join(f'"{a}"' for a in ("Time (s)", *(f"{a} (m/s^2)" for a in "XYZ")))
        put(tmp_path / f"{name}.csv", header, *rows(table))
    (rec,) = dialect("phyphox").read(tmp_path)
    assert rec.acc[2] == pytest.approx(G) and not caplog.text
    (tmp_path / "Accelerometer.csv").unlink()
    assert recognise(tmp_path)[0] == "phyphox"
    with pytest.raises(InputError, match="record 'Acceleration with g'"):
        dialect("phyphox").read(tmp_path)


def test_the_first_exports_of_sensorlog_have_no_units(tmp_path):
    names = ["loggingTime", "loggingSample", *(f"accelerometerAcceleration{a}" for a in "XYZ")]
    table = [[f"2014-03-31 13:41:0{t:.3f} +0200", i, 0, 0, -1] for i, t in enumerate(times(99, 50))]
    put(tmp_path / "my_iPhone.csv", ",".join(names), *rows(table))
    assert recognise(tmp_path)[0] == "sensorlog"
    (rec,) = dialect("sensorlog").read(tmp_path)
    assert rec.acc[2] == pytest.approx(G, abs=1e-3) and rec.rate == pytest.approx(50)


def sensor_logger(folder, sensors, about=()):
    for name, (z, rate) in sensors.items():
        table = [[1709287200 * 10**9 + round(t * 1e9), t, z, 0, 0] for t in times(200, rate)]
        put(folder / f"{name}.csv", "time,seconds_elapsed,z,y,x", *rows(table))
    if about:
        put(folder / "Metadata.csv", *about)


STANDARD = ("version,platform,standardisation", "3,ios,true")


@pytest.mark.parametrize(
    ("sensors", "about", "warned"),
    [
        ({"Gravity": (-G, 100), "Accelerometer": (0, 100)}, (), True),
        ({"Gravity": (-G, 50), "Accelerometer": (0, 100)}, ("platform", "ios 17"), False),
        ({"Gravity": (G, 100), "Accelerometer": (0, 100)}, STANDARD, False),
        ({"TotalAcceleration": (G, 100), "Gyroscope": (TURN, 98)}, (), False),
        ({"TotalAcceleration": (-G, 100)}, ("platform", "ios 17"), False),
    ],
)
def test_iphones_count_down_unless_told_otherwise(tmp_path, caplog, sensors, about, warned):
    sensor_logger(tmp_path / "take", sensors, about)
    (rec,) = dialect("sensor-logger").read(tmp_path)
    assert rec.acc.mean(axis=1) == pytest.approx([0, 0, G], abs=1e-4)
    assert ("it is an iPhone's" in caplog.text) == warned


def test_the_watch_beside_the_phone_is_a_recording_of_its_own(tmp_path):
    sensor_logger(tmp_path / "take", {"TotalAcceleration": (G, 100)})
    names = [f"{k}{a}" for k in ("rotationRate", "gravity", "acceleration") for a in "XYZ"]
    table = [
        [1709287200 * 10**9 + round(t * 1e9), t, 0, 0, TURN, 0, 0, -1, 0, 0, 0]
        for t in times(100, 50)
    ]
    put(
        tmp_path / "take" / "WristMotion.csv",
        "time,seconds_elapsed," + ",".join(names),
        *rows(table),
    )
    phone, watch = dialect("sensor-logger").read(tmp_path)
    assert (phone.device, watch.device, watch.placement) == ("phone", "watch", "wrist")
    assert watch.acc[2].mean() == pytest.approx(G) and watch.gyro[2].mean() == pytest.approx(TURN)


@pytest.mark.parametrize(
    ("name", "file", "lines", "message"),
    [
        (
            "phyphox",
            "Raw Data.csv",
            ["Time (s),Linear Acceleration x (m/s^2),y,z", "0,0,0,0"],
            "without gravity: record 'Acceleration with g'",
        ),
        (
            "actigraph",
            "a.csv",
            [
                "------------ Data File Created By ActiGraph GT3X+ at 30 Hz -----------",
                "Epoch Period (hh:mm:ss) 00:01:00",
            ],
            "holds counts of epochs",
        ),
        (
            "shimmer",
            "a.csv",
            ["S_Timestamp_Unix_CAL,S_Accel_LN_X_RAW", "ms,no_units", "0,1", "1,1"],
            "export calibrated data",
        ),
        (
            "xsens-mtw",
            "a.txt",
            ["// Update Rate", "PacketCounter\tAcc_X\tAcc_Y\tAcc_Z", "1\t0\t0\t9.8"],
            "its rate is unknown",
        ),
        ("edge-impulse", "a.json", ['{"payload": {"interval_ms": 0, "values": []}}'], "above 0"),
        ("edge-impulse", "a.json", ['{"payload": ['], "not JSON"),
        ("edge-impulse", "a.json", ['{"payload": {"values": 1}}'], "not edge-impulse"),
        (
            "empatica",
            "ACC.csv",
            ["1599466200.0,1599466200.0,1599466200.0", "0,0,0", *["0,0,64"] * 3],
            "0 Hz",
        ),
        (
            "sensor-logger",
            "Accelerometer.csv",
            ["time,seconds_elapsed,z,y,x", "1,0,0,0,0"],
            "gravity was not",
        ),
    ],
)
def test_what_cannot_be_read_right_is_refused(tmp_path, name, file, lines, message):
    put(tmp_path / file, *lines)
    with pytest.raises(InputError, match=message) as caught:
        dialect(name).read(tmp_path)
    assert "\n" not in str(caught.value)


def test_free_acceleration_of_a_tilted_sensor_gets_its_gravity_back(tmp_path):
    # Rolled by 90° about x, the sensor's y points up; turned by yaw, up stays up.
    header = (
        "PacketCounter,SampleTimeFine,Euler_X,Euler_Y,Euler_Z,FreeAcc_X,FreeAcc_Y,FreeAcc_Z,Status"
    )
    table = [[i, int(t), 90, 0, i, 0, 0, 1.0, 0] for i, t in enumerate(times(100, 60, size=1e-6))]
    put(tmp_path / "dot.csv", "DeviceTag:,1", "", header, *rows(table))
    (rec,) = dialect("xsens-dot").read(tmp_path)
    assert rec.acc.mean(axis=1) == pytest.approx([0, G + 1, 0], abs=1e-3)


def still(t, value):
    return Stream(np.asarray(t, float), np.tile([[0.0], [0.0], [value]], (1, len(t))))


def test_sensors_are_joined_in_the_time_they_share_and_pauses_stay():
    acc = still(times(300, 100), G)
    turning = np.array(times(294, 98, 0.5))
    gyro = Stream(turning, np.stack([0 * turning, 0 * turning, turning]))
    rec = joined(Take({"acc": acc, "gyro": gyro}), id="a")
    assert rec.duration == pytest.approx(2.49, abs=0.02)
    assert rec.gyro[2] == pytest.approx(rec.t + 0.5, abs=0.02)
    part = (turning < 1.0) | (turning > 1.8)
    rec = joined(Take({"acc": acc, "gyro": gyro.cut(part)}), id="a")
    assert np.diff(rec.t).max() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(
    ("acc", "gyro", "message"),
    [
        (still([0, 1, 2], G), still([5, 6, 7], 1), "share no time"),
        (still([0, 1, 2], G), still([0, 2, 1], 1), "the time of gyro goes back"),
        (still([0, 1, 2], np.nan), still([0, 1, 2], 1), "acc holds no numbers"),
    ],
)
def test_sensors_that_do_not_fit_are_refused(acc, gyro, message):
    with pytest.raises(InputError, match=message):
        joined(Take({"acc": acc, "gyro": gyro}), id="a")


def test_labels_stay_text_and_null_ones_are_left_out(tmp_path):
    names = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    table = [
        [i, 1424696633908 + i * 5, i * 5_000_000, 0, 0, G, "007", "nexus4", "n_1", label]
        for i, label in enumerate(["null"] * 50 + ["stand"] * 100)
    ]
    put(tmp_path / "Phones_accelerometer.csv", names, *rows(table))
    (rec,) = dialect("hhar").read(tmp_path)
    assert (rec.subject, rec.label, rec.n_samples) == ("007", "stand", 100)


def test_a_set_with_more_than_a_rare_broken_file_is_refused(tmp_path):
    made = next(one for one in SAMPLES if one.name == "sisfall")
    made.write(tmp_path)
    put(tmp_path / "SA01" / "D02_SA01_R01.txt", "not numbers at all")
    with pytest.raises(InputError, match=r"1 of 3 recordings cannot be used"):
        dialect("sisfall").read(tmp_path)


def test_json_of_other_programs_is_no_layout(tmp_path):
    put(tmp_path / "package.json", json.dumps({"name": "x"}))
    with pytest.raises(InputError, match=r"no known layout fits package\.json"):
        recognise(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        recognise(tmp_path / "absent")
