"""Cases of recordings and files that researchers have, each as its user types it.

What a case needs more than a command for is tested where `ELSEWHERE` says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load, save
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "accel_only_hint": ("eval/test_predictors.py", ""),
    "adapter_weights": (
        "finetune/test_checked.py",
        "weights_that_are_not_the_adapters_are_one_line",
    ),
    "damaged_checkpoint": (
        "finetune/test_checked.py",
        "a_damaged_checkpoint_goes_on_from_the_one_before",
    ),
    "json": ("signals/test_dialects.py", ""),
    "label_comma": ("recipes/test_recipes.py", "labels_may_be_a_list_with_commas_inside"),
    "mathtext_id": (
        "eval/test_figures.py",
        "names_that_look_like_formulas_are_drawn_as_they_are",
    ),
    "mirrored_axes": ("signals/test_turning.py", ""),
    "numbered_people": (
        "recipes/test_recipes.py",
        "people_names_and_labels_are_texts_however_they_look",
    ),
    "slow": ("prompts/test_serialize.py", "hours_are_refused_before_they_are_written_out"),
    "token_plot": ("eval/test_figures.py", "points_stand_at_their_true_number_of_tokens"),
    "traversal_subject": (
        "imuscribe/test_hostile_names.py",
        "run_report_and_audit_stay_in_their_folders",
    ),
    "utf8_parquet": ("signals/test_parquet.py", "text_that_is_not_utf8_is_one_line"),
    "yaml_traceback": ("recipes/test_recipes.py", "what_is_no_yaml_is_one_line"),
    "zip_bomb": (
        "mapping3d/test_gallery.py",
        "a_file_that_would_unpack_to_far_more_is_refused_before_it_is_unpacked",
    ),
}

T = np.arange(220) / 100
MOVED = np.stack([2 * np.sin(6 * T), 1.5 * np.cos(5 * T), 9.81 + np.sin(4 * T)])
TURNED = np.stack([0.4 * np.cos(6 * T), 0.5 * np.sin(5 * T), 0.3 * np.sin(3 * T)])
AXES = ["--column", "acc_x=ax", "--column", "acc_y=ay", "--column", "acc_z=az"]
CSV = ["--layout", "csv"]
SI = ["--acc-unit", "m/s^2"]


def rows(*columns: np.ndarray, form: str = "{:.4f}", between: str = ",") -> list[str]:
    return [between.join(form.format(value) for value in row) for row in zip(*columns, strict=True)]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def imported(path: Path, *options: str) -> list[Recording]:
    out = path.parent / "out.parquet"
    run("data", "import", path, *options, "--out", out)
    return load(out)


def put(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("case", sorted(ELSEWHERE))
def test_a_case_is_tested_elsewhere(case: str) -> None:
    file, name = ELSEWHERE[case]
    assert f"def test_{name}" in (ROOT / file).read_text(encoding="utf-8")


def test_acc_1e30_names_recording_and_sample(tmp_path: Path) -> None:
    sound = Recording("r0", np.vstack([MOVED, TURNED]), (*ACC, *GYRO), T, label="A", subject="ann")
    data = sound.data.copy()
    data[1, 5] = 1e30
    path = tmp_path / "huge.parquet"
    save([sound, sound.replace(id="r1", data=data, label="B", subject="ben")], path)
    assert "out of reach" in run("data", "info", path)
    with pytest.raises(InputError, match=r"'r1': acc_y is 1e\+30 m/s² at sample 5 \(1 such\)"):
        run("run", "gestures", f"data={path}", "--dry-run")


@pytest.mark.parametrize("split", [(), ("--split", "blank-lines")])
def test_blank_lines(tmp_path: Path, split: tuple[str, ...]) -> None:
    gesture = rows(*(MOVED[:, :119] / STANDARD_GRAVITY), *np.rad2deg(TURNED[:, :119]))
    path = put(tmp_path / "circle.csv", "ax,ay,az,gx,gy,gz", *gesture, "", *gesture, "", *gesture)
    gyro = ["--column", "gyro_x=gx", "--column", "gyro_y=gy", "--column", "gyro_z=gz"]
    options = (*CSV, *AXES, *gyro, "--acc-unit", "g", "--gyro-unit", "deg/s", "--rate", "119")
    if not split:
        with pytest.raises(InputError, match=r"2 empty lines.*--split blank-lines"):
            imported(path, *options)
        return
    found = imported(path, *options, *split)
    assert [round(rec.duration, 2) for rec in found] == [0.99] * 3


def test_column_t_is_no_time_where_a_rate_is_said(tmp_path: Path) -> None:
    path = put(tmp_path / "letters.csv", "nr,ax,ay,az,q,t,z", *rows(T, *MOVED, T, T, T))
    (rec,) = imported(path, *CSV, *AXES, *SI, "--rate", "100")
    assert rec.rate == pytest.approx(100)


def test_columns_say_who(tmp_path: Path) -> None:
    who = [("A", "007"), ("B", "007"), ("A", "012"), ("B", "012")]
    takes = [f"{i},{','.join(one)},{row}" for i, one in enumerate(who) for row in rows(T, *MOVED)]
    path = put(tmp_path / "all.csv", "take,letter,person,t,ax,ay,az", *takes)
    with pytest.raises(InputError, match=r"time goes back .*--split restarts"):
        imported(path, *CSV, *AXES, *SI)
    names = ("--label", "{letter}", "--subject", "{person}")
    found = imported(path, *CSV, *AXES, *SI, "--split", "column:take", *names)
    assert [(rec.label, rec.subject) for rec in found] == who
    folder = tmp_path / "u07"
    put(folder / "B_007_right.csv", "t,ax,ay,az", *rows(T, *MOVED))
    put(folder / "people.csv", "person,age", "007,30")
    pattern = ("--name-pattern", "{label}_{subject}_{hand}")
    (named,) = imported(folder, *CSV, *AXES, *SI, *pattern)
    assert (named.label, named.subject) == ("B", "007")


def test_cut_last_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(tmp_path / "live.csv", "t,ax,ay,az", *rows(T, *MOVED))
    path.write_text(path.read_text() + "2.2000,0.0")
    (rec,) = imported(path, *CSV, *AXES, *SI)
    assert rec.n_samples == 220 and "live.csv: the last row is incomplete" in caplog.text


def test_gravity_apart(tmp_path: Path) -> None:
    tilt = 0.3 * np.sin(3 * T)
    gravity = -np.stack([np.sin(tilt), 0.1 * np.sin(2 * T), np.cos(tilt)])
    gravity /= np.linalg.norm(gravity, axis=0)
    user = np.stack([0.5 * np.sin(9 * T), 0.5 * np.cos(9 * T), 0.2 * np.sin(18 * T)])
    names = (
        "t,gravity.x,gravity.y,gravity.z,userAcceleration.x,userAcceleration.y,userAcceleration.z"
    )
    path = put(tmp_path / "motion.csv", names, *rows(T, *gravity, *user))

    def of(text: str) -> list[str]:
        return [w for a in "xyz" for w in ("--column", f"acc_{a}={text.replace('?', a)}")]

    options = (*CSV, "--column", "t=t", "--acc-unit", "g", "--acc-sign", "down")
    with pytest.raises(InputError, match="was gravity removed"):
        imported(path, *options, *of("userAcceleration.?"))
    with pytest.raises(InputError, match="it is gravity alone"):
        imported(path, *options, *of("gravity.?"))
    (rec,) = imported(path, *options, *of("gravity.?+userAcceleration.?"))
    assert rec.acc[2].mean() == pytest.approx(9.5, abs=0.4)


def test_no_header(tmp_path: Path) -> None:
    log = put(tmp_path / "log.txt", *rows(*MOVED, T, between=" "))
    numbers = ["--column", "acc_x=1", "--column", "acc_y=2", "--column", "acc_z=3"]
    with pytest.raises(InputError, match="--header none"):
        imported(log, *CSV, *numbers, *SI, "--rate", "100")
    (rec,) = imported(log, *CSV, "--header", "none", *numbers, *SI, "--rate", "100")
    assert rec.n_samples == 220
    raw = [
        f"7,Walking,{10**13 + int(1e9 * t)},{row};" for t, row in zip(T, rows(*MOVED), strict=True)
    ]
    (walk,) = imported(put(tmp_path / "raw.txt", *raw))
    assert (walk.subject, walk.label) == ("7", "walking")


def test_nul_subject(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "nul.parquet"
    save([Recording("r1", MOVED, ACC, T, subject="ann")], path)
    table = pq.read_table(path)
    place = table.column_names.index("subject")
    pq.write_table(table.set_column(place, "subject", [["a\0b"]]), path)
    with pytest.raises(InputError, match=r"subject .* holds a control character"):
        run("data", "info", path)


def test_opposite_sign(tmp_path: Path) -> None:
    up = put(tmp_path / "up.csv", "t,ax,ay,az", *rows(T, *MOVED))
    down = put(tmp_path / "down.csv", "t,ax,ay,az", *rows(T, *(-MOVED / STANDARD_GRAVITY)))
    (right,) = imported(up, *CSV, *AXES, *SI)
    (same,) = imported(down, *CSV, *AXES, "--acc-unit", "g", "--acc-sign", "down")
    np.testing.assert_allclose(same.acc, right.acc, atol=1e-2)
    said = run(
        "data", "import", down, *CSV, *AXES, "--acc-unit", "g", "--out", tmp_path / "o.parquet"
    )
    assert "--acc-sign down" in said


def test_preamble(tmp_path: Path) -> None:
    g = MOVED / STANDARD_GRAVITY
    hashed = put(
        tmp_path / "hash.csv", "# logger 1.2", "# rate 100 Hz", "count,ax,ay,az", *rows(T, *g)
    )
    (rec,) = imported(hashed, *CSV, *AXES, "--acc-unit", "g", "--rate", "100")
    assert rec.acc[2].mean() == pytest.approx(9.81, abs=0.3)
    micro = [f"{i},{33 * 10**8 + 16667 * i},{row}" for i, row in enumerate(rows(*MOVED))]
    head = ("sep=,", "DeviceTag:,left", "OutputRate:,60Hz", "")
    keys = put(
        tmp_path / "keys.csv", *head, "PacketCounter,SampleTimeFine,Acc_X,Acc_Y,Acc_Z", *micro
    )
    assert imported(keys)[0].rate == pytest.approx(60, abs=0.1)
    counts = rows(*np.round(64 * g), form="{:.0f}", between=", ")
    two = put(
        tmp_path / "two.csv",
        "1700000000.0, 1700000000.0, 1700000000.0",
        "32.0, 32.0, 32.0",
        *counts,
    )
    numbers = ["--column", "acc_x=1", "--column", "acc_y=2", "--column", "acc_z=3"]
    options = ("--header", "none", "--skip", "2", "--acc-unit", "1/64 g", "--rate", "32")
    assert imported(two, *CSV, *numbers, *options)[0].rate == pytest.approx(32)
    head = ("x,x,x,x", "Time,Accel X,Accel Y,Accel Z", "CAL,CAL,CAL,CAL")
    units = "mSecs,m/(sec^2),m/(sec^2),m/(sec^2)"
    said = put(tmp_path / "units.csv", *head, units, *rows(1000 * T / 0.512, *MOVED))
    named = [w for a in "XYZ" for w in ("--column", f"acc_{a.lower()}=Accel {a}")]
    options = ("--column", "t=Time", "--header", "2", "--units-row", "4")
    assert imported(said, *CSV, *named, *options)[0].rate == pytest.approx(51.2, abs=0.1)


def test_same_name_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(tmp_path / "spaces.csv", "t,X,Y,Z, X, Y, Z", *rows(T, *MOVED, *TURNED))
    named = [w for a in "xyz" for w in ("--column", f"acc_{a}={a.upper()}")]
    named += [w for a in "xyz" for w in ("--column", f"gyro_{a}={a.upper()}.1")]
    (rec,) = imported(path, *CSV, "--column", "t=t", *named, *SI, "--gyro-unit", "rad/s")
    assert rec.channels == (*ACC, *GYRO) and "X.1, Y.1, Z.1" in caplog.text


def test_split_sensors(tmp_path: Path) -> None:
    for label in "AB":
        folder = tmp_path / "takes" / f"{label}_2024-03-01"
        clock = T * 100 / 98 + 0.02
        for name, t, values in (
            ("TotalAcceleration", T, MOVED), ("Gyroscope", clock, TURNED),
            ("Gravity", T, 9.81 * MOVED / np.linalg.norm(MOVED, axis=0)),
        ):  # fmt: skip
            stamp = [f"{17 * 10**17 + int(1e9 * s)}" for s in t]
            lines = [f"{ns},{row}" for ns, row in zip(stamp, rows(t, *values[::-1]), strict=True)]
            put(folder / f"{name}.csv", "time,seconds_elapsed,z,y,x", *lines)
        put(folder / "Metadata.csv", "version,device name", "3,phone")
    found = imported(tmp_path / "takes")
    assert [rec.label for rec in found] == ["A", "B"]
    for rec in found:
        assert {*ACC, *GYRO} <= {*rec.channels} and rec.duration == pytest.approx(2.2, abs=0.1)
        assert rec.acc[2].mean() == pytest.approx(9.81, abs=0.3)


def test_text_forms(tmp_path: Path) -> None:
    comma = [row.replace(".", ",") for row in rows(T, *MOVED, between=";")]
    names = '"t (s)";"ax (m/s^2)";"ay (m/s^2)";"az (m/s^2)"'
    stamps = [f"2024-03-01T10:00:{s:06.3f},{row}" for s, row in zip(T, rows(*MOVED), strict=True)]
    for path, time in (
        (put(tmp_path / "comma.csv", names, *comma), "t"),
        (put(tmp_path / "iso.csv", "time,ax,ay,az", *stamps), "time"),
        (put(tmp_path / "wide.csv", "t,ax,ay,az", *rows(T, *MOVED), encoding="utf-16"), "t"),
    ):
        (rec,) = imported(path, *CSV, "--column", f"t={time}", *AXES, *SI)
        assert rec.rate == pytest.approx(100) and rec.n_samples == 220


def test_wrong_hints(tmp_path: Path) -> None:
    counts = rows(1000 * T, *(MOVED / STANDARD_GRAVITY * 16384))
    lsb = put(tmp_path / "lsb.csv", "ms,ax,ay,az", *counts)
    options = (*CSV, *AXES, "--column", "t=ms", "--time-unit", "ms")
    with pytest.raises(InputError, match=r"is the unit '16384 LSB/g', not mg\?"):
        imported(lsb, *options, "--acc-unit", "mg")
    slow = put(tmp_path / "two_hz.csv", "t (ms),ax,ay,az", *rows(50200 * T, *MOVED))
    with pytest.raises(InputError, match=r"1.99 Hz, slower than 2 Hz.*check the times") as caught:
        imported(slow, *CSV, *AXES, *SI)
    assert " us" not in str(caught.value)
