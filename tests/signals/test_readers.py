import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.charsense import read_charsense
from imuscribe.signals.readers.csv import read_csv
from imuscribe.signals.readers.motion_pen import read_motion_pen
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC

SIX = {"t": "time", **{name: name for name in (*ACC, *GYRO)}}
HEADER = "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"
ANDROSENSOR = [
    *(f"{s} {a} (m/s²)" for s in ("ACCELEROMETER", "GRAVITY") for a in "XYZ"),
    *(f"LINEAR ACCELERATION {a} (m/s²)" for a in "XYZ"),
    *(f"GYROSCOPE {a} (rad/s)" for a in "XYZ"),
    "MAGNETIC FIELD X (μT)",
    "Time since start in ms ",
    "YYYY-MO-DD HH-MI-SS_SSS",
]


def table(path, *lines, separator=",", encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(lines).replace(",", separator).encode(encoding))
    return path


def test_csv_with_named_columns_and_units(tmp_path):
    path = table(tmp_path / "r7.csv", "ms,x,y,z,note", "5,0,0,1,hi", "15,0,0.5,1,", "25,0,0,1,")
    columns = {"t": "ms", "acc_x": "x", "acc_y": "y", "acc_z": "z"}
    rec = read_csv(path, columns, acc_unit="g", time_unit="ms", label="A", subject="ann")
    assert (rec.id, rec.label, rec.subject, rec.gyro) == ("r7", "A", "ann", None)
    assert rec.t == pytest.approx([0, 0.01, 0.02])
    assert rec.acc[1] == pytest.approx([0, 9.80665 / 2, 0])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_separators_and_a_rate_instead_of_times(tmp_path, separator):
    lines = (HEADER, "0,0,0,1000,0,0,180", "0,0,0,1000,0,0,0")
    path = table(tmp_path / "a.csv", *lines, separator=separator)
    columns = {k: v for k, v in SIX.items() if k != "t"}
    rec = read_csv(path, columns, "mg", "deg/s", rate=50)
    assert rec.t.tolist() == [0, 0.02]
    assert rec.gyro[2, 0] == pytest.approx(np.pi)
    assert rec.acc[2] == pytest.approx([9.80665, 9.80665])


def test_csv_takes_units_from_the_header(tmp_path, caplog):
    header = "time (ms),acc_x (g),acc_y [g],acc_z(g),gyro_x (°/s),gyro_y (°/s),gyro_z (°/s)"
    path = table(tmp_path / "a.csv", header, "5,0,0,1,0,0,180", "15,0,0,1,0,0,0")
    rec = read_csv(path, SIX)
    assert rec.t == pytest.approx([0, 0.01])
    assert rec.acc[2, 0] == pytest.approx(9.80665) and rec.gyro[2, 0] == pytest.approx(np.pi)
    assert (read_csv(path, SIX, "g", "dps", "ms").data == rec.data).all()  # the same, said twice
    path = table(tmp_path / "b.csv", header, "5,0,0,1000,0,0,180", "15,0,0,1000,0,0,0")
    assert read_csv(path, SIX, "mg").acc[2, 0] == pytest.approx(9.80665)
    assert "--acc-unit 'mg' is taken, though the table says 'g'" in caplog.text


def test_brackets_that_hold_no_unit_need_one_beside_them(tmp_path):
    header = "time,acc_x (raw),acc_y (raw),acc_z (raw)"
    path = table(tmp_path / "a.csv", header, "0,0,0,1")
    columns = {name: SIX[name] for name in ("t", *ACC)}
    assert read_csv(path, columns, "g").acc[2, 0] == pytest.approx(9.80665)
    with pytest.raises(InputError, match="unit 'raw' is not one of acceleration"):
        read_csv(path, columns)
    twice = table(tmp_path / "b.csv", f"{header},acc_x (old)", "0,0,0,1,0")
    with pytest.raises(InputError, match=r"may be acc_x \(raw\) or acc_x \(old\)"):
        read_csv(twice, columns, "g")


def test_a_separator_at_the_end_of_a_line_is_no_column(tmp_path):
    path = table(tmp_path / "a.csv", "t,acc_x,acc_y,acc_z", "0,0,0,9.8,", "0.1,0,0,9.8,,")
    columns = {name: name for name in ("t", *ACC)}
    assert read_csv(path, columns, "m/s^2").acc[2] == pytest.approx([9.8, 9.8])


NO_TIME = {ours: theirs for ours, theirs in SIX.items() if ours != "t"}


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ([HEADER, "0,0,0,1,0,0,0"], {"gyro_unit": ""}, r"give --gyro-unit \(rad/s or deg/s\)"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": {**SIX, "t": "tme"}}, "--column t=NAME"),
        ([HEADER, "0,0,0,1,0,0,0"], {"acc_unit": ""}, "acc_x: the unit of acceleration is missing"),
        ([HEADER, "0,0,0,1,0,0,0"], {"gyro_unit": ""}, "gyro_x: the unit of rotation is missing"),
        ([HEADER, "0,0,0,1,0,0,0"], {"time_unit": "hour"}, "unit 'hour' is not one of time"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": {**SIX, "t": "tme"}}, "did you mean 'time'"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": {**SIX, "gyr_x": "a"}}, "did you mean 'gyro_x'"),
        (["time,acc_x,b,c", "0,0,0,1"], {"columns": {"t": "time"}}, "for acc_y, acc_z: a sensor"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": {"acc_x": "acc_x"}}, "no time column"),
        ([HEADER, "0,0,0,1,0,0,0"], {"lable": "A"}, "did you mean 'label'"),
        ([HEADER, "0,0,0,1,0,0,0"], {"case": "5d"}, "case '5d' is unknown"),
        ([HEADER, "0,0,0,x,0,0,0"], {}, "'acc_z' holds 'x' in data row 1: not a number"),
        ([HEADER, '0,0,0,"9,8",0,0,0'], {}, "write decimal points"),
        ([HEADER, "0,1,0,1,0,1,0,9,8,0,1,0,1,0"], {}, "more cells than the header has names"),
        ([HEADER, "0,0,0,1,0,0,0"], {"rate": 50.0}, "has times in 'time': leave the rate out"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": NO_TIME, "rate": 0.0}, "rate is 0 Hz"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": NO_TIME, "rate": np.nan}, "rate is nan Hz"),
        ([HEADER, "0,0,0,1,0,0,0"], {"columns": {**SIX, "acc_x": "gyro_x"}}, "'gyro_x' is named"),
        ([HEADER, "0,0,0,,0,0,0"], {}, "acc_z is nan in data row 1"),
        ([HEADER, "1,0,0,1,0,0,0", "0,0,0,1,0,0,0"], {}, "time goes back"),
        ([HEADER], {}, "holds no rows"),
        ([""], {}, "is empty"),
    ],
)
def test_bad_csv_is_refused_in_one_line(tmp_path, lines, options, message):
    path = table(tmp_path / "a.csv", *lines)
    arguments = {"columns": SIX, "acc_unit": "g", "gyro_unit": "deg/s"} | options
    with pytest.raises(InputError, match=message) as caught:
        read_csv(path, **arguments)
    assert "\n" not in str(caught.value)


def test_missing_csv_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "a.csv", SIX, "g", "dps")


def androsensor(path, sep_line=False, encoding="utf-8", times=(13, 23, 33)):
    # acceleration 1, 2, 3; gravity 4, 5, 6; linear acceleration 7, 8, 9; rotation 0.1, 0.2, 0.3
    values = "1,2,3,4,5,6,7,8,9,0.1,0.2,0.3,11.6"
    rows = [f"{values},{ms},2020-06-14 00:03:40:037" for ms in times]
    header = ",".join(ANDROSENSOR)
    if encoding != "utf-8":
        header = header.replace("μ", "u")
    if sep_line:
        return table(path, "sep=;", header, *rows, separator=";", encoding=encoding)
    return table(path, header, *rows, encoding=encoding)


@pytest.mark.parametrize("inner", ["RawDataset", "."])
def test_charsense_in_both_dialects(tmp_path, inner):
    base = tmp_path / inner
    androsensor(base / "ann" / "A" / "one.csv")
    androsensor(base / "ann" / "A" / "two.csv", sep_line=True)
    androsensor(base / "bob" / "7" / "one.csv", sep_line=True, encoding="latin-1")
    recordings = read_charsense(tmp_path)
    assert [(r.subject, r.label) for r in recordings] == [("ann", "A"), ("ann", "A"), ("bob", "7")]
    assert len({r.id for r in recordings}) == 3
    for rec in recordings:
        assert rec.t == pytest.approx([0, 0.01, 0.02])
        assert rec.acc[:, 0].tolist() == [1, 2, 3]
        assert rec.select(LIN_ACC)[:, 0].tolist() == [7, 8, 9]
        assert rec.gyro[:, 0] == pytest.approx([0.1, 0.2, 0.3])
        assert (rec.device, rec.case) == ("phone", "3d")


def test_charsense_with_a_rare_broken_file_goes_on_and_says_so(tmp_path, caplog):
    for i in range(199):
        androsensor(tmp_path / "ann" / "A" / f"{i}.csv")
    androsensor(tmp_path / "ann" / "B" / "glued.csv", times=(13, 23, 0))
    assert len(read_charsense(tmp_path)) == 199
    assert "glued" in caplog.text and "time goes back" in caplog.text


def test_charsense_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="not CharSense"):
        read_charsense(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_charsense(tmp_path / "absent")
    table(tmp_path / "ann" / "A" / "one.csv", "a,b", "1,2")
    with pytest.raises(InputError, match="no column for acc_x"):
        read_charsense(tmp_path)


def pen(number, ms, acc, gyro):
    return ",".join(map(str, (number, ms, 10, 20, 30, *acc, *gyro, 1, 0, 0, 0)))


def test_motion_pen_units_times_and_cancelled_sequences(tmp_path):
    still, turn = (0, 0, 1000), (0, 180, 0)
    table(
        tmp_path / "data" / "s1" / "a.csv",
        *(pen(0, 900, still, turn), pen(0, 15, still, turn), pen(0, 16, still, turn)),
        *(pen(1, 800, (1, 1, 1), turn), pen(1, 15, (1, 1, 1), turn), "#", "#"),
        *(pen(1, 700, (0, 500, 0), turn), pen(1, 20, (0, 500, 0), turn)),
    )
    table(tmp_path / "data" / "s2" / "b.csv", pen(0, 0, still, turn), pen(0, 16, still, turn))
    first, second, third = read_motion_pen(tmp_path)
    assert first.t == pytest.approx([0, 0.015, 0.031])
    assert first.acc[:, 0] == pytest.approx([0, 0, 9.80665])
    assert first.gyro[1, 0] == pytest.approx(np.pi)
    assert second.acc[:, 1] == pytest.approx([0, 9.80665 / 2, 0])
    assert second.t == pytest.approx([0, 0.02])
    assert [r.label for r in (first, second, third)] == ["a", "a", "b"]
    assert [r.subject for r in (first, second, third)] == ["s1", "s1", "s2"]
    assert {r.case for r in (first, second, third)} == {"2d"}
    named = read_motion_pen(tmp_path, people={"s1": "ann", "s2": "ann"})
    assert {r.subject for r in named} == {"ann"} and {r.session for r in named} == {"s1", "s2"}
    with pytest.raises(InputError, match="no session 's3'"):
        read_motion_pen(tmp_path, people={"s3": "ann"})


@pytest.mark.parametrize("line", ["0,1,2", "0,1,2,3,4,a,b,c,1,1,1,1,0,0,0"])
def test_motion_pen_rows_that_are_none_are_refused(tmp_path, line):
    table(tmp_path / "data" / "s1" / "a.csv", line)
    with pytest.raises(InputError, match="15") as caught:
        read_motion_pen(tmp_path)
    assert "\n" not in str(caught.value)


def test_motion_pen_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="not motion-pen"):
        read_motion_pen(tmp_path)
