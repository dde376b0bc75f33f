"""Tables of text: how they are written, where recordings end, who and what they say."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.csv import read_csv, read_tables, recordings_of
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.readers.tables import Table
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY

ACCS = {"acc_x": "ax", "acc_y": "ay", "acc_z": "az"}
TIMED = {"t": "t", **ACCS}
G = STANDARD_GRAVITY


def layout(**values):
    return TableLayout.parse({"columns": TIMED, "acc_unit": "m/s^2"} | values, "test")


def write(path, *lines, end="\n", encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def still(n=30, rate=100, start=0.0, x=0.0):
    """Return the rows t, ax, ay, az of a device that lies still."""
    return [f"{start + i / rate:.3f},{x:.3f},0.000,9.810" for i in range(n)]


def test_empty_lines_end_recordings_if_that_is_said(tmp_path):
    rows = ["0,0,1"] * 20
    path = write(tmp_path / "three.csv", "ax,ay,az", *rows, "", *rows, " ", ",,", *rows)
    counted = layout(columns=ACCS, acc_unit="g", rate=20)
    with pytest.raises(InputError, match="2 empty lines, or names again, stand between rows"):
        read_tables(path, counted)
    found = read_tables(path, counted.model_copy(update={"split": ("blank-lines",)}))
    assert [(rec.id, rec.n_samples) for rec in found] == [
        ("three-1", 20),
        ("three-2", 20),
        ("three-3", 20),
    ]
    (whole,) = read_tables(path, counted.model_copy(update={"split": ("none",)}))
    assert whole.n_samples == 60


def test_names_written_again_stand_between_recordings(tmp_path):
    path = write(tmp_path / "a.csv", *["t,ax,ay,az", *still()] * 3)
    with pytest.raises(InputError, match="2 empty lines, or names again"):
        read_tables(path, layout())
    assert [rec.n_samples for rec in read_tables(path, layout(split=("blank-lines",)))] == [30] * 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_cut_within_a_character_keeps_its_encoding(tmp_path, encoding):
    rows = [f"{row},zoë" for row in still()]
    path = write(tmp_path / "a.csv", "t,ax,ay,az,who", *rows, encoding=encoding)
    path.write_bytes(path.read_bytes()[: -2 if encoding == "utf-8" else -3])
    assert read_tables(path, layout(subject="{who}", split=("none",)))[0].subject == "zoë"


def test_line_ends_written_twice_end_no_recordings(tmp_path):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *still(), end="\r\r\n")
    assert read_tables(path, layout())[0].n_samples == 30


def test_columns_say_what_and_who_as_text(tmp_path):
    takes = [("A", "007"), ("B", "007"), ("A", "1e3"), ("A", "1e3")]
    rows = [
        f"{k},{label},{person},{row}"
        for k, (label, person) in enumerate(takes)
        for row in still(start=0.0)
    ]
    path = write(tmp_path / "all.csv", "take,letter,person,t,ax,ay,az", *rows)
    said = layout(label="{letter}", subject="{person}")
    # Two takes of one letter by one person follow each other: nothing but the clock tells.
    with pytest.raises(InputError, match=r"data row 91 .* --split restarts"):
        read_tables(path, said)
    for split in ("column:take", "restarts"):
        found = read_tables(path, said.model_copy(update={"split": (split,)}))
        assert [(rec.label, rec.subject) for rec in found] == takes
        assert [rec.id for rec in found] == ["all-1", "all-2", "all-3", "all-4"]


def test_braces_in_a_name_are_only_text(tmp_path):
    path = write(tmp_path / "a.csv", "t,ax,ay,az,who", *(f"{row},{{file}}" for row in still()))
    assert read_tables(path, layout(subject="{who} {file}"))[0].subject == "{file} a"


def test_a_file_of_many_gigabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(5 << 30)  # holds nothing, takes no room
    with pytest.raises(InputError, match=r"is 5\.0 GiB, read whole: cut it into parts"):
        read_tables(path, layout())


def test_a_label_that_is_missing_is_told_and_kept(tmp_path, caplog):
    rows = [f"{row},{'null' if i < 15 else ''}" for i, row in enumerate(still())]
    path = write(tmp_path / "a.csv", "t,ax,ay,az,label", *rows)
    first, second = read_tables(path, layout(label="{label}"))
    assert (first.label, second.label) == ("null", "")
    assert "1 of 2 recordings have an empty label" in caplog.text


def test_rows_and_gaps_end_recordings(tmp_path, caplog):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *still(25), *still(25, start=3.0))
    found = read_tables(path, layout(split=("gap:1",)))
    assert [rec.n_samples for rec in found] == [25, 25]
    assert found[1].t[0] == 0
    found = read_tables(path, layout(split=("gap:1", "rows:10")))
    assert [rec.n_samples for rec in found] == [10, 10, 10, 10]
    assert "10 rows at the end of recordings are left out" in caplog.text
    with pytest.raises(InputError, match="fewer than one recording of rows:99"):
        read_tables(path, layout(split=("rows:99",)))


def test_names_of_files_and_folders_say_what_and_who(tmp_path):
    write(tmp_path / "s1" / "u007" / "B_right_01.csv", "t,ax,ay,az", *still())
    write(tmp_path / "s1" / "u012" / "A_left_02.csv", "t,ax,ay,az", *still())
    said = layout(name_pattern="{session}/u{subject}/{label}_{hand}_*", device="{hand} hand")
    first, second = read_tables(tmp_path, said)
    assert (first.label, first.subject, first.session) == ("B", "007", "s1")
    assert (second.label, second.subject, second.device) == ("A", "012", "left hand")
    assert first.id == "s1/u007/B_right_01"
    with pytest.raises(InputError, match=r"'A_left_02' is not as --name-pattern '\{label\}_\*\.x'"):
        read_tables(tmp_path / "s1" / "u012", layout(name_pattern="{label}_*.x"))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*_x", "names nothing"),
        ("{label}_{label}", "occurs twice"),
        ("{file}_{label}", "is taken"),
        ("{}_x", "is taken"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(tmp_path, pattern, message):
    path = write(tmp_path / "a_b.csv", "t,ax,ay,az", *still())
    with pytest.raises(InputError, match=message):
        read_tables(path, layout(name_pattern=pattern))


def test_a_name_with_more_parts_than_the_pattern_is_refused(tmp_path):
    path = write(tmp_path / "a_b_007_right.csv", "t,ax,ay,az", *still())
    with pytest.raises(InputError, match="is not as --name-pattern"):
        read_tables(path, layout(name_pattern="{label}_{subject}_{hand}"))


def test_foreign_files_in_a_folder_are_left_out_and_named(tmp_path, caplog):
    for name in ("1.csv", "2.TXT", "3.log", "4.dat"):
        write(tmp_path / name, "t,ax,ay,az", *still())
    write(tmp_path / "people.csv", "person,age", "007,30")
    write(tmp_path / "notes.md", "t,ax,ay,az")
    assert [rec.id for rec in read_tables(tmp_path, layout())] == ["1", "2", "3", "4"]
    (tmp_path / "._1.csv").write_bytes(b"Mac OS X\0\0 binary")
    write(tmp_path / "empty.log")
    write(tmp_path / "header.csv", "t,ax,ay,az")
    assert len(read_tables(tmp_path, layout())) == 4
    assert "files left out, without such a table (1): people.csv" in caplog.text
    assert "(4): ._1.csv, empty.log, header.csv, people.csv" in caplog.text
    write(tmp_path / "half.csv", "t,ax,ay", "0,0,0")
    with pytest.raises(InputError, match=r"half.csv: has no column 'az'"):
        read_tables(tmp_path, layout())
    with pytest.raises(InputError, match=r"people.csv: has no column 't'"):
        read_tables(tmp_path / "people.csv", layout())


def test_files_that_differ_in_their_ending_alone_keep_it(tmp_path):
    for name in ("a.csv", "a.txt"):
        write(tmp_path / name, "t,ax,ay,az", *still())
    assert [rec.id for rec in read_tables(tmp_path, layout())] == ["a.csv", "a.txt"]


@pytest.mark.parametrize(
    "last",
    ["0.300,0.0", "0.300,0.000,0.000,", "0.300,0.000,0.000,-", "0.300,0.000,0.000,9.8", "# end"],
)
def test_a_cut_last_row_is_left_out_and_named(tmp_path, caplog, last):
    path = tmp_path / "live.csv"
    path.write_text("\n".join(["t,ax,ay,az", *still(), last]))
    (rec,) = read_tables(path, layout())
    assert rec.n_samples == 30
    assert f"the last row is incomplete and left out: '{last.rstrip(',')}'" in caplog.text


@pytest.mark.parametrize("end", ["", "\n", "\n\0\0\0\0", "\n\n"])
def test_a_whole_last_row_is_kept(tmp_path, end):
    path = tmp_path / "live.csv"
    path.write_text("\n".join(["t,ax,ay,az", *still()]) + end)
    assert read_tables(path, layout())[0].n_samples == 30


def test_a_row_that_is_cut_elsewhere_is_refused_with_what_helps(tmp_path, caplog):
    rows = still()
    rows[7] = "0.070,0.000"
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *rows)
    with pytest.raises(InputError, match=r"acc_y is nan in data row 8 \(1 such rows\): --missing"):
        read_tables(path, layout())
    assert read_tables(path, layout(missing="drop"))[0].n_samples == 29
    (rec,) = read_tables(path, layout(missing="fill"))
    assert rec.n_samples == 30 or rec.n_samples == 29
    assert rec.acc[2] == pytest.approx(9.81)
    assert "1 rows with an empty cell" in caplog.text


def test_sensors_in_turns_are_filled_from_their_own_samples(tmp_path):
    # Acceleration in even rows, rotation in odd ones; both rise along a line.
    rows = [
        f"{i / 100:.2f}," + (f"{i / 100:.2f},0,9.81,,," if i % 2 == 0 else f",,,{i / 1000:.3f},0,0")
        for i in range(41)
    ]
    path = write(tmp_path / "a.csv", "t,ax,ay,az,gx,gy,gz", *rows)
    columns = TIMED | {"gyro_x": "gx", "gyro_y": "gy", "gyro_z": "gz"}
    (rec,) = read_tables(path, layout(columns=columns, gyro_unit="rad/s", missing="fill"))
    assert rec.t[-1] == pytest.approx(0.38, abs=0.011)
    assert np.diff(rec.acc[0]) == pytest.approx(np.diff(rec.t), abs=1e-5)
    assert np.diff(rec.gyro[0]) == pytest.approx(0.1 * np.diff(rec.t), abs=1e-6)


LINES = {
    "spaces": [f"0.0  0.0   9.81 {i} 3" for i in range(20)],
    "tabs": [f"0.0\t0.0\t9.81\t{i}\t3" for i in range(20)],
    "commas and a semicolon": [f"0.0,0.0,9.81,{i},3;" for i in range(20)],
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_columns_by_number_where_no_line_holds_names(tmp_path, lines):
    path = write(tmp_path / "log.txt", *lines)
    numbered = {"acc_x": "1", "acc_y": "2", "acc_z": "3"}
    (rec,) = read_tables(path, layout(columns=numbered, rate=50, header="none", label="{5}"))
    assert (rec.n_samples, rec.label) == (20, "3")
    assert rec.acc[2] == pytest.approx(9.81)


def test_a_preamble_is_skipped_to_the_line_that_holds_the_names(tmp_path):
    rows = [f"{i},0,0,1.0" for i in range(20)]
    path = write(tmp_path / "a.csv", "# logger 1", "# rate = 100, range = 4", "n,ax,ay,az", *rows)
    (rec,) = read_tables(path, layout(columns=ACCS, acc_unit="g", rate=100))
    assert rec.acc[2] == pytest.approx(G)
    keys = ["sep=,", "Device:,left hand", "Rate:,60Hz", "", "n,us,Acc_X,Acc_Y,Acc_Z"]
    rows = [f"{i},{3_300_000_000 + 16_667 * i},0,0,9.81" for i in range(20)]
    named = {"t": "us", "acc_x": "Acc_X", "acc_y": "Acc_Y", "acc_z": "Acc_Z"}
    path = write(tmp_path / "b.csv", *keys, *rows)
    (rec,) = read_tables(path, layout(columns=named, time_unit="us"))
    assert rec.rate == pytest.approx(60, rel=1e-3)


def test_a_header_behind_the_sign_of_a_comment(tmp_path):
    path = write(tmp_path / "a.txt", "# t ax ay az", *(row.replace(",", " ") for row in still()))
    assert read_tables(path, layout())[0].n_samples == 30
    rows = [*still(10), "# pause", *still(10, start=0.1)]
    path = write(tmp_path / "b.csv", "t,ax,ay,az", *rows)
    assert read_tables(path, layout(comment="#"))[0].n_samples == 20
    with pytest.raises(InputError, match="'# pause' in data row 11: not a number"):
        read_tables(path, layout())


def test_two_lines_before_numbers_alone(tmp_path):
    path = write(tmp_path / "a.csv", "1700000000.0, 1.0, 1.0", "32.0, 32.0, 32.0", *["0,0,64"] * 9)
    numbered = {"acc_x": "1", "acc_y": "2", "acc_z": "3"}
    said = layout(columns=numbered, acc_unit="1/64 g", rate=32, header="none", skip=2)
    (rec,) = read_tables(path, said)
    assert rec.n_samples == 9
    assert rec.acc[2] == pytest.approx(G)


def test_a_row_of_units(tmp_path):
    head = ["unit,unit,unit,unit", "T,T,Accel X,Accel Y", "RAW,CAL,CAL,CAL"]
    head = [line + "," + line.split(",")[-1].replace("Y", "Z") for line in head]
    units = "no units,mSecs,m/(sec^2),m/(sec^2),m/(sec^2)"
    rows = [f"{640 * i},{19.531 * i:.3f},0,0,9.81" for i in range(20)]
    path = write(tmp_path / "a.csv", *head, units, *rows)
    named = {"t": "T.1", "acc_x": "Accel X", "acc_y": "Accel Y", "acc_z": "Accel Z"}
    (rec,) = read_tables(path, layout(columns=named, acc_unit="", header=2, units_row=4))
    assert rec.rate == pytest.approx(51.2, rel=1e-3)
    assert rec.acc[2] == pytest.approx(9.81)
    with pytest.raises(InputError, match="'CAL' in data row 1: not a number: --units-row says"):
        read_tables(path, layout(columns=named))
    with pytest.raises(InputError, match="header is line 99, which is beyond the 25 there are"):
        read_tables(path, layout(columns=named, header=99))


def test_two_columns_of_one_name_are_told_apart(tmp_path, caplog):
    rows = [f"{row},0.5,0,0" for row in still()]
    path = write(tmp_path / "a.csv", "t,X,Y,Z, X, Y, Z", *rows)
    columns = {
        "t": "t",
        **dict(zip((*ACC, *GYRO), ("X", "Y", "Z", "X.1", "Y.1", "Z.1"), strict=True)),
    }
    (rec,) = read_tables(path, layout(columns=columns, gyro_unit="rad/s"))
    assert (rec.acc[2, 0], rec.gyro[0, 0]) == pytest.approx((9.81, 0.5))
    assert "column names occur again (X, Y, Z): those are X.1, Y.1, Z.1" in caplog.text


def test_decimal_commas_units_in_the_header(tmp_path):
    rows = [row.replace(",", ";").replace(".", ",") for row in still()]
    path = write(tmp_path / "a.csv", '"t (s)";"ax (m/s^2)";"ay (m/s^2)";"az (m/s^2)"', *rows)
    (rec,) = read_tables(path, layout(acc_unit=""))
    assert rec.rate == pytest.approx(100)
    assert rec.acc[2] == pytest.approx(9.81)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(tmp_path, encoding):
    path = write(
        tmp_path / "a.csv", "t,ax,ay,az,µ", *(f"{row},1" for row in still()), encoding=encoding
    )
    assert read_tables(path, layout())[0].n_samples == 30


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [
        ("2024-03-01T10:00:00.{:03d}", ""),
        ("2024-03-01 10:00:00.{:03d}Z", "iso"),
        ("2024-03-01 10:00:00.{:03d}+02:00", ""),
        ("2024/03/01 10:00:00.{:03d}", ""),
        ("10:00:00.{:03d}", "%H:%M:%S.%f"),
        ("9:00:00,{:03d}", ""),
        ("01/03/2024 10:00:00.{:03d}", "%d/%m/%Y %H:%M:%S.%f"),
    ],
)
def test_dates_are_times(tmp_path, stamp, unit):
    rows = [f"{stamp.format(10 * i)};0;0;9.81" for i in range(30)]
    path = write(tmp_path / "a.csv", "t;ax;ay;az", *rows)
    (rec,) = read_tables(path, layout(time_unit=unit))
    assert rec.t == pytest.approx(np.arange(30) / 100, abs=1e-6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("01.03.24 10:00:00,0,0,9.81", "--time-unit takes a pattern, such as '%d/%m/%Y"),
        ("0.3,0,0,9.81,7", "data row 31 has 5 cells, the header 4 names"),
        ("0.3,0,0,0x1", "'0x1' in data row 31: not a number"),
        ("0.1,0,0,9.81", "time goes back from 0.290 s to 0.100 s in data row 31"),
    ],
)
def test_rows_that_cannot_be_meant_are_named(tmp_path, row, message):
    rows = [*still(), row, *still(3, start=0.31)]
    with pytest.raises(InputError, match=re.escape(message)):
        read_tables(write(tmp_path / "a.csv", "t,ax,ay,az", *rows), layout())


def test_a_minus_as_printers_write_it(tmp_path):
    rows = [*still(x=1), "0.3,−1.5,0,9.81", "0.31,0,0,9.81"]
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *rows)
    assert read_tables(path, layout())[0].acc[0].min() == pytest.approx(-1.5)


def test_what_is_no_date_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", "10h,0,0,9.81", "11h,0,0,9.81")
    with pytest.raises(InputError, match="no time as ISO8601: --time-unit takes iso, or a pattern"):
        read_tables(path, layout(time_unit="iso"))


def test_a_rate_beats_a_column_called_t(tmp_path, caplog):
    path = write(tmp_path / "a.csv", "nr,ax,ay,az,q,t", *[f"{i},0,0,9.81,0,1" for i in range(20)])
    (rec,) = read_tables(path, layout(columns=ACCS, rate=100))
    assert rec.rate == pytest.approx(100)
    assert "columns not read: nr, q, t" in caplog.text


SENSORS = {"acc": "Total.csv", "gyro": "Gyro.csv"}
JOINED = {"t": "s", **dict(zip((*ACC, *GYRO), "xyzxyz", strict=True))}


def apart(folder, offset=0.0, gyro_rate=98):
    """Write acceleration x = t and rotation rate x = 2 t, each with a clock of its own."""
    acc = [f"{0.05 + i / 100:.6f},9.81,0,{0.05 + i / 100:.6f}" for i in range(200)]
    times = [0.07 + i / gyro_rate for i in range(2 * gyro_rate)]
    gyro = [f"{t + offset:.6f},0,0,{2 * t:.6f}" for t in times]
    write(folder / "Total.csv", "s,z,y,x", *acc)
    write(folder / "Gyro.csv", "s,z,y,x", *gyro)
    write(folder / "Gravity.csv", "s,z,y,x", *acc)
    write(folder / "Metadata.csv", "version,device", "3,phone")


@pytest.mark.parametrize("gyro_rate", [98, 50, 200])
def test_sensors_with_files_of_their_own_are_joined_by_time(tmp_path, gyro_rate):
    for name in ("A_2024-03-01", "B_2024-03-01"):
        apart(tmp_path / name, gyro_rate=gyro_rate)
    said = layout(
        columns=JOINED, gyro_unit="rad/s", files=SENSORS, name_pattern="{label}_{session}/*"
    )
    first, second = read_tables(tmp_path, said)
    assert [first.label, second.label] == ["A", "B"]
    assert first.id == "A_2024-03-01"
    assert first.rate == pytest.approx(max(100, gyro_rate), rel=0.02)
    assert first.duration == pytest.approx(1.97, abs=0.03)
    assert first.acc[2] == pytest.approx(9.81)
    assert first.gyro[0] == pytest.approx(2 * first.acc[0], abs=1e-4)


def test_a_sensor_may_be_moved_in_time(tmp_path):
    apart(tmp_path / "A", offset=100.0)
    said = {"columns": JOINED, "gyro_unit": "rad/s", "files": SENSORS}
    with pytest.raises(InputError, match="sensors share no time: acc from 0"):
        read_tables(tmp_path, layout(**said))
    (rec,) = read_tables(tmp_path, layout(**said, offsets={"gyro": -100.0}))
    assert rec.gyro[0] == pytest.approx(2 * rec.acc[0], abs=1e-4)


def test_files_of_sensors_side_by_side_and_rates_of_their_own(tmp_path):
    for take in ("7_A", "8_B"):
        write(tmp_path / f"{take}_acc.csv", "x,y,z", *["0,0,9.81"] * 101)
        write(tmp_path / f"{take}_gyro.csv", "x,y,z", *[f"{i / 1000},0,0" for i in range(51)])
    said = layout(
        columns={ours: theirs for ours, theirs in JOINED.items() if ours != "t"},
        gyro_unit="rad/s",
        files={"acc": "*_acc.csv", "gyro": "*_gyro.csv"},
        rates={"acc": 100.0, "gyro": 50.0},
        name_pattern="{subject}_{label}_*",
    )
    first, second = read_tables(tmp_path, said)
    assert (first.id, first.subject, first.label, second.label) == ("7_A", "7", "A", "B")
    assert first.gyro[0] == pytest.approx(0.05 * first.t, abs=1e-6)
    (tmp_path / "8_B_gyro.csv").unlink()
    with pytest.raises(InputError, match=r"8_B_acc.csv: has no \*_gyro.csv beside it"):
        read_tables(tmp_path, said)


def test_sensors_may_share_columns_and_take_turns_in_rows(tmp_path):
    rows = [f"{i / 100:.2f},Acc,{i / 100:.2f},0,9.81" for i in range(60)]
    rows += [f"{i / 50:.2f},Gyro,{i / 5000:.4f},0,0" for i in range(30)]
    rows.sort(key=lambda row: float(row.split(",")[0]))
    path = write(tmp_path / "a.csv", "s,type,x,y,z", *rows)
    said = {"columns": JOINED, "gyro_unit": "rad/s"}
    (rec,) = read_tables(path, layout(**said, rows={"acc": "type=Acc", "gyro": "type=Gyro"}))
    assert rec.duration == pytest.approx(0.58)
    assert rec.gyro[0] == pytest.approx(rec.acc[0] / 100, abs=1e-6)
    for rule, message in (
        ("type=Gyr", "no row has type=Gyr: did you mean 'Gyro'"),
        ("typ=Gyro", r"typ\S* is unknown: did you mean '\{type\}'"),
    ):
        with pytest.raises(InputError, match=message):
            read_tables(path, layout(**said, rows={"acc": "type=Acc", "gyro": rule}))


def test_times_may_be_called_otherwise_in_each_file(tmp_path):
    apart(tmp_path / "A")
    lines = (tmp_path / "A" / "Gyro.csv").read_text().replace("s,z,y,x", "time,z,y,x").splitlines()
    write(tmp_path / "A" / "Gyro.csv", *lines)
    said = {"columns": JOINED | {"gyro_t": "time"}, "gyro_unit": "rad/s", "files": SENSORS}
    (rec,) = read_tables(tmp_path, layout(**said))
    assert rec.gyro[0] == pytest.approx(2 * rec.acc[0], abs=1e-4)


def test_a_gap_of_one_sensor_is_not_made_up(tmp_path):
    apart(tmp_path / "A")
    lines = (tmp_path / "A" / "Gyro.csv").read_text().splitlines()
    write(tmp_path / "A" / "Gyro.csv", *lines[:50], *lines[150:])
    said = layout(columns=JOINED, gyro_unit="rad/s", files=SENSORS)
    (rec,) = read_tables(tmp_path, said)
    assert np.diff(rec.t).max() > 0.9


@pytest.mark.parametrize(
    ("unit", "value", "hint"),
    [
        ("mg", "16390", "is the unit '16384 LSB/g', not mg?"),
        ("m/s^2", "1", "was gravity removed, or is the unit g, not m/s^2?"),
        ("m/s^2", "1000", "is the unit mg, not m/s^2?"),
        ("g", "9.81", "is the unit m/s^2, not g?"),
    ],
)
def test_hints_leave_out_the_unit_in_use(tmp_path, unit, value, hint):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *[f"{i / 100},0,0,{value}" for i in range(30)])
    with pytest.raises(InputError) as caught:
        read_tables(path, layout(acc_unit=unit))
    assert hint in str(caught.value)


def test_a_rate_below_two_is_called_slow(tmp_path):
    path = write(tmp_path / "a.csv", "t (ms),ax,ay,az", *[f"{502 * i},0,0,9.81" for i in range(30)])
    with pytest.raises(InputError, match=r"rate is 1\.99 Hz, slower than 2 Hz"):
        read_tables(path, layout())


def test_a_long_pause_is_named_and_no_other_unit_of_time(tmp_path):
    times = [*(i / 100 for i in range(30)), *(3600 + i / 100 for i in range(30))]
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *[f"{t},0,0,9.81" for t in times])
    with pytest.raises(InputError) as caught:
        read_tables(path, layout())
    assert "pauses for 3600 s at 0.290 s: --split gap:SECONDS" in str(caught.value)
    assert "unit" not in str(caught.value)


def test_numbers_in_the_first_line_are_no_names_to_choose_from(tmp_path):
    path = write(tmp_path / "a.csv", *[f"{i / 100},0,0,9.81" for i in range(30)])
    with pytest.raises(InputError, match="first line is numbers: with --header none"):
        read_tables(path, layout())


def test_json_is_called_json(tmp_path):
    path = write(tmp_path / "a.csv", '{"payload": {"values": [[0, 0, 9.81], [0, 0, 9.81]]}}')
    with pytest.raises(InputError, match="is JSON, not a table: leave --layout out"):
        read_tables(path, layout())


def test_a_line_break_in_the_name_of_a_file_leaves_the_message_one_line(tmp_path):
    path = write(tmp_path / "a\nb.csv", "t,ax,ay,az", *[f"{i},0,0,9.81" for i in range(30)])
    with pytest.raises(InputError) as caught:
        read_tables(path, layout())
    assert "\n" not in str(caught.value) and "holds a control character" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"split": ("lines",)}, "did you mean 'blank-lines'"),
        ({"split": ("rows:0",)}, "did you mean 'rows:N'"),
        ({"split": ("none", "restarts")}, "'none' stands alone"),
        ({"split": ("column:tke",)}, r"\{tke\} is unknown"),
        ({"label": "{lettre}"}, r"\{lettre\} is unknown"),
        ({"header": "first"}, "a line of the file, from 1"),
        ({"header": 0}, "a line of the file, from 1"),
        ({"header": "none", "units_row": 2}, "no row of units"),
        ({"header": 3, "units_row": 2}, "comes after the header line"),
        ({"delimiter": "comm"}, "did you mean 'comma'"),
        ({"files": {"accel": "a.csv"}}, "sensor 'accel' is unknown: did you mean 'acc'"),
        ({"rows": {"acc": "type"}}, "write COLUMN=VALUE, such as type=Gyroscope"),
        ({"rows": {"acc": "a=b"}, "files": {"acc": "*"}}, "not both"),
        ({"offsets": {"gyro": 1.0}}, "has no file of its own"),
        ({"missing": "interpolate"}, "valid: refuse, drop, fill"),
        ({"encoding": "utf-99"}, "encoding 'utf-99' is unknown"),
        ({"columns": {**TIMED, "gyro_x": "ax"}, "files": {"acc": "*"}}, "a sensor has three"),
        ({"acc_unit": "LSB"}, "say how many make one, as in '16384 LSB/g'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_one_line(tmp_path, said, message):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *still())
    with pytest.raises(InputError, match=message) as caught:
        read_tables(path, layout(**said))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1\x00\x01\x02" + bytes(range(256)),
        b"PK\x03\x04\x00" * 9,
        b"\xff\xfe\x00",
        b"",
        b"\0" * 50,
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_tables(path, layout())
    assert "\n" not in str(caught.value)


def test_broken_recordings_may_be_left_out_and_are_counted(tmp_path, caplog):
    write(tmp_path / "a.csv", "t,ax,ay,az", *still())
    write(tmp_path / "b.csv", "t,ax,ay,az", *still(), "0,x,0,0", *still(3, start=1))
    write(tmp_path / "c.csv", "t,ax,ay,az", *(row.replace("9.810", "0.100") for row in still()))
    with pytest.raises(InputError, match=r"b.csv: column 'ax' holds 'x'"):
        read_tables(tmp_path, layout())
    assert [rec.id for rec in read_tables(tmp_path, layout(), most=1.0)] == ["a"]
    assert "2 of 3 recordings left out" in caplog.text


def test_one_recording_is_what_a_prediction_needs(tmp_path):
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *still())
    with pytest.raises(InputError, match="holds 3 recordings, one is needed"):
        read_csv(path, TIMED, "m/s^2", split=("rows:10",))


def test_a_frame_of_any_origin_becomes_recordings():
    frame = pd.DataFrame({"who": ["007"] * 3 + ["8"] * 3, "ax": 0.0, "ay": 0.0, "az": 1.0})
    said = layout(columns=ACCS, acc_unit="g", rate=50, subject="{who}", label="{file}")
    found = recordings_of(Table(frame, "made.mat"), said, "made", {"file": "made"})
    assert [(rec.id, rec.subject, rec.label) for rec in found] == [
        ("made-1", "007", "made"),
        ("made-2", "8", "made"),
    ]


def spelt(rows, delimiter, decimal, header, end, encoding, quoted):
    """Return a table as some program would write it."""
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    out = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    if header:
        out.writerow(["t", "ax", "ay", "az", "who"])
    for *numbers, who in rows:
        out.writerow([*(f"{value:.4f}".replace(".", decimal) for value in numbers), who])
    return text.getvalue().encode(encoding)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.floats(-19, 19)] * 2, st.floats(6, 14)), min_size=3, max_size=30
    ),
    who=st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6),
    form=st.sampled_from(
        [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")]
    ),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    quoted=st.booleans(),
)
def test_a_table_in_any_spelling_is_the_same_recording(
    tmp_path_factory, values, who, form, header, end, encoding, quoted
):
    rows = [(i / 100, *row, who) for i, row in enumerate(values)]
    path = tmp_path_factory.mktemp("spelt") / "a.csv"
    path.write_bytes(spelt(rows, *form, header, end, encoding, quoted))
    numbered = {"t": "1", "acc_x": "2", "acc_y": "3", "acc_z": "4"}
    said = {} if header else {"columns": numbered, "header": "none"}
    (rec,) = read_tables(path, layout(**said, subject="{who}" if header else "{5}"))
    assert rec.subject == who
    assert rec.t == pytest.approx(np.arange(len(values)) / 100)
    assert pytest.approx(np.array(values), abs=1e-4) == rec.acc.T


def test_columns_that_are_called_as_ours_need_no_naming(tmp_path):
    rows = [f"{i / 100},{i % 5},0.2,9.81,0.1,0.{i % 7},0.3" for i in range(60)]
    names = "time,Acc_X,Acc_Y,acc_z,gyro_x (rad/s),gyro_y (rad/s),gyro_z (rad/s)"
    path = write(tmp_path / "a.csv", names, *rows)
    with pytest.raises(InputError, match="no time column is named"):
        read_tables(path, layout(columns={}))
    (rec,) = read_tables(path, layout(columns={"t": "time"}))
    assert rec.channels == (*ACC, *GYRO) and rec.rate == pytest.approx(100)
    # What is named stays as it is named, and a sensor is whole or not there.
    part = write(tmp_path / "b.csv", "t,x,acc_y,acc_z,gyro_x", *[f"{row},0.1" for row in still()])
    (alone,) = read_tables(part, layout(columns={"acc_x": "x"}))
    assert alone.channels == ACC and alone.rate == pytest.approx(100)
    with pytest.raises(InputError, match="no column is named for acc_x"):
        read_tables(part, layout(columns={}))


@pytest.mark.parametrize("unit", ["", "%H:%M:%S.%f"])
def test_times_of_day_go_on_over_midnight(unit, tmp_path):
    times = [f"23:59:59.{i:02d}0" for i in range(80, 100)]
    times += [f"00:00:00.{i:02d}0" for i in range(20)]
    path = write(tmp_path / "a.csv", "t,ax,ay,az", *[f"{at},0.1,0,9.81" for at in times])
    (rec,) = read_tables(path, layout(time_unit=unit))
    assert rec.duration == pytest.approx(0.39) and rec.rate == pytest.approx(100)


def test_rows_of_two_sensors_in_turns_are_refused(tmp_path):
    rows = [f"{i // 2 / 100},{i % 5},0,9.81,{('a', 'g')[i % 2]}" for i in range(80)]
    path = write(tmp_path / "a.csv", "t,ax,ay,az,type", *rows)
    with pytest.raises(InputError, match=r"rows of 'type' \(a, g\) stand in turns.*--sensor-rows"):
        read_tables(path, layout())


def test_rows_of_two_devices_in_turns_are_told_apart_or_refused(tmp_path):
    rows = []
    for i in range(40):
        rows += [f"{i / 100},left,{i % 5},0,9.81", f"{i / 100 + 0.004:.3f},right,{i % 7},0,9.81"]
    path = write(tmp_path / "a.csv", "t,device,ax,ay,az", *rows)
    with pytest.raises(InputError, match=r"rows of 'device' \(left, right\) stand in turns"):
        read_tables(path, layout())
    found = read_tables(path, layout(device="{device}"))
    assert [(rec.device, rec.n_samples) for rec in found] == [("left", 40), ("right", 40)]
    assert all(rec.rate == pytest.approx(100) for rec in found)
    assert found[1].acc[0, :8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert len(read_tables(path, layout(split=["none"]))) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{(7 * i) % 30 / 100},0,0,9.81" for i in range(30)], "out of order: sort them by time"),
        ([f"{i // 100},0,0,9.81" for i in range(300)], "counts too coarsely.*give --rate"),
        ([f"{i / 100},{-999 if i == 9 else i % 3},0,9.81" for i in range(60)], "holds -999 in 1"),
        (['"1,000,000",0,0,9.81', '"1,010,000",0,0,9.81'], "commas between thousands"),
        ([*still(), "# end", "x"], "--comment '#'"),
    ],
)
def test_what_would_be_read_wrongly_is_refused_with_the_remedy(rows, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_tables(write(tmp_path / "a.csv", "t,ax,ay,az", *rows), layout())
