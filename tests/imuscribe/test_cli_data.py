import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli.data import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load, save
from imuscribe.signals.recording import ACC, GYRO, Recording


def run(*arguments):
    """Run the command line; hand a user's mistake on as the exception it is."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "100"})
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def write_csv(path, scale=1.0, rows=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{10 * i},{0.01 * (i % 5)},0,{scale},{i % 7},0,0" for i in range(rows)]
    path.write_text("\n".join(["ms,ax,ay,az,gx,gy,gz", *lines]))
    return path


COLUMNS = [
    option
    for pair in ("t=ms", "acc_x=ax", "acc_y=ay", "acc_z=az", "gyro_x=gx", "gyro_y=gy", "gyro_z=gz")
    for option in ("--column", pair)
]
UNITS = ["--acc-unit", "g", "--gyro-unit", "deg/s", "--time-unit", "ms"]


@pytest.mark.parametrize(
    "command", [["data", "info"], ["data", "import"], ["data", "plot"], ["simulate"]]
)
def test_help_ends_with_examples(command):
    after = run(*command, "--help").split("Examples")[-1]
    assert f"imuscribe {' '.join(command)} " in after


def test_info_shows_what_is_in_a_data_set(tmp_path, letters):
    save(letters(2, 2, "A-C"), tmp_path / "a.parquet")
    text = run("data", "info", tmp_path / "a.parquet")
    assert "12 recordings" in text
    assert "people 2: sim-001 6" in text
    assert "labels 3: A 4, B 4, C 4" in text
    assert "rate 200 to 200 Hz" in text
    assert "no problems found" in text


def test_info_as_json(tmp_path, letters):
    save(letters(2, 1, "A-C"), tmp_path / "a.parquet")
    values = json.loads(run("data", "info", tmp_path / "a.parquet", "--json"))
    assert values["labels"] == {"A": 2, "B": 2, "C": 2}
    assert values["problems"] == {}


def test_info_reports_implausible_units(tmp_path):
    still = Recording("r", np.full((3, 50), 0.58), ACC, np.arange(50) / 50)
    save([still], tmp_path / "a.parquet")
    assert "is the unit g?" in run("data", "info", tmp_path / "a.parquet")


def test_info_reports_the_irregular_clock_and_the_clipping_of_the_pen(shared_data):
    text = run("data", "info", shared_data("motion_pen.parquet"))
    assert "irregular clock 10,401 of 10,401 recordings" in text
    clipping = text.split("clipping ")[1]
    assert "of 10,401 recordings" in clipping
    assert "250 deg/s (4," in clipping and "2 g (2" in clipping


def test_import_of_one_csv(tmp_path):
    out = tmp_path / "a.parquet"
    source = write_csv(tmp_path / "log.csv")
    text = run(
        *("data", "import", source, "--layout", "csv", "--out", out, *COLUMNS, *UNITS),
        *("--label", "A", "--subject", "ann", "--case", "3d"),
    )
    assert "a.parquet: 1 recordings" in text and "not read" not in text
    (rec,) = load(out)
    assert (rec.id, rec.label, rec.subject, rec.case) == ("log", "A", "ann", "3d")
    assert rec.rate == pytest.approx(100)
    assert rec.acc[2] == pytest.approx(np.full(60, 9.80665))


def test_import_of_a_folder_takes_names_from_the_path(tmp_path):
    for person in ("ann", "bob"):
        for label in "AB":
            write_csv(tmp_path / "raw" / person / label / "1.csv")
    out = tmp_path / "a.parquet"
    run(
        *("data", "import", tmp_path / "raw", "--layout", "csv", "--out", out, *COLUMNS, *UNITS),
        *("--label", "{folder}", "--subject", "{parent}"),
    )
    found = [(r.id, r.subject, r.label) for r in load(out)]
    assert found[0] == ("ann/A/1", "ann", "A") and found[3] == ("bob/B/1", "bob", "B")


def test_import_names_the_columns_it_does_not_read(tmp_path, caplog):
    source = write_csv(tmp_path / "log.csv")
    out = tmp_path / "a.parquet"
    options = ["--acc-unit", "g", "--time-unit", "ms"]
    run("data", "import", source, "--layout", "csv", "--out", out, *COLUMNS[:8], *options)
    assert "log.csv: columns not read: gx, gy, gz" in caplog.text


def test_import_of_takes_in_one_file_and_of_sensors_in_files_of_their_own(tmp_path):
    takes = [("0", "A", "007"), ("1", "B", "1e3")]
    rows = [
        f"{','.join(take)},{10 * i},{i % 5 / 100},0,1,{i % 7},0,0"
        for take in takes
        for i in range(60)
    ]
    source = tmp_path / "all.csv"
    source.write_text("\n".join(["take,letter,person,ms,ax,ay,az,gx,gy,gz", *rows, ""]))
    out = tmp_path / "a.parquet"
    run(
        *("data", "import", source, "--layout", "csv", "--out", out, *COLUMNS, *UNITS),
        *("--label", "{letter}", "--subject", "{person}", "--split", "column:take"),
    )
    assert [(r.id, r.label, r.subject) for r in load(out)] == [
        ("all-1", "A", "007"),
        ("all-2", "B", "1e3"),
    ]
    for name in ("acc", "gyro"):
        path = tmp_path / "apart" / "A_1" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{i / 100},0,0,{9.81 if name == 'acc' else 0}" for i in range(60)]
        path.write_text("\n".join(["t,x,y,z", *rows, ""]))
    options = [f"{s}_{a}={a}" for s in ("acc", "gyro") for a in "xyz"]
    run(
        *("data", "import", tmp_path / "apart", "--layout", "csv", "--out", out, "--column", "t=t"),
        *(word for option in options for word in ("--column", option)),
        *("--sensor-file", "acc=acc.csv", "--sensor-file", "gyro=gyro.csv", "--acc-unit", "m/s2"),
        *("--gyro-unit", "rad/s", "--offset", "gyro=0.1", "--name-pattern", "{label}_*/*"),
    )
    (rec,) = load(out)
    assert (rec.label, rec.n_samples, len(rec.channels)) == ("A", 50, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layout", "csv", *COLUMNS, *UNITS, "--split", "lines"], "did you mean 'blank-lines'"),
        (["--layout", "csv", *COLUMNS, *UNITS, "--offset", "gyro=x"], "--offset: 'x' is not a num"),
        (["--layout", "csv", *COLUMNS, *UNITS, "--header", "0"], "a line of the file, from 1"),
        (["--layout", "charsense", "--split", "none"], "--split: layout 'charsense' takes no such"),
        (["--layout", "cvs", *COLUMNS, *UNITS], "layout 'cvs' is unknown: did you mean 'csv'"),
        (["--layout", "csv", *COLUMNS], "the unit of acceleration is missing"),
        (["--layout", "csv", "--column", "t"], "'t' has no two sides"),
        (["--layout", "csv", *COLUMNS, "--column", "t=ax", *UNITS], "t was given as 'ms' before"),
        (["--layout", "csv", *COLUMNS, *UNITS, "--acc-unit", "m/s^2"], "is the unit g, not m/s^2?"),
        (["--layout", "charsense"], "no such folder"),
        (["--layout", "charsense", *UNITS], "--acc-unit: layout 'charsense' takes no such option"),
        (["--layout", "motion-pen", *COLUMNS], "--column: layout 'motion-pen' takes no such"),
        (
            ["--layout", "csv", *COLUMNS, *UNITS, "--person", "s=ann"],
            "--person: layout 'csv' takes",
        ),
        (["--layout", "csv", *COLUMNS, *UNITS, "--label", "{foler}"], "did you mean '{folder}'"),
    ],
)
def test_bad_imports_write_nothing(tmp_path, options, message):
    source, out = write_csv(tmp_path / "log.csv"), tmp_path / "a.parquet"
    with pytest.raises(InputError, match=re.escape(message)):
        run("data", "import", source, "--out", out, *options)
    assert not out.exists()


def test_an_import_never_replaces_what_it_reads(tmp_path):
    source = write_csv(tmp_path / "log.csv")
    before = source.read_text()
    with pytest.raises(InputError, match=r"what is written is \.parquet"):
        run("data", "import", source, "--out", source, "--layout", "csv", *COLUMNS, *UNITS)
    assert source.read_text() == before
    data = tmp_path / "a.parquet"
    run("data", "import", source, "--out", data, "--layout", "csv", *COLUMNS, *UNITS)
    with pytest.raises(InputError, match="is the file that is read"):
        run("data", "import", data, "--out", data, "--layout", "parquet")


def test_import_of_the_public_layouts(tmp_path):
    for session in ("s1", "s2"):
        rows = [f"0,15,0,0,0,{i % 5},0,1000,0,0,0,1,0,0,0" for i in range(30)]
        path = tmp_path / "pen" / "data" / session / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(rows))
    out = tmp_path / "pen.parquet"
    run(
        *("data", "import", tmp_path / "pen", "--layout", "motion-pen", "--out", out),
        *("--person", "s1=ann", "--person", "s2=ann"),
    )
    assert [(r.subject, r.session) for r in load(out)] == [("ann", "s1"), ("ann", "s2")]


def test_plot_draws_a_png(tmp_path, letters):
    recordings = letters(1, 1, "A-B")
    bare = recordings[0].replace(id="bare", data=recordings[0].acc, channels=ACC)
    save([*recordings, bare], tmp_path / "a.parquet")
    for name in (recordings[1].id, "bare"):
        run("data", "plot", tmp_path / "a.parquet", name, "--out", tmp_path / "b.png")
        assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_plot_suggests_the_nearest_id(tmp_path, letters):
    recordings = letters(1, 1, "A-B")
    save(recordings, tmp_path / "a.parquet")
    near = recordings[1].id + "x"
    with pytest.raises(InputError, match=f"did you mean '{recordings[1].id}'"):
        run("data", "plot", tmp_path / "a.parquet", near, "--out", tmp_path / "b.png")
    with pytest.raises(InputError, match="ids run from"):
        run("data", "plot", tmp_path / "a.parquet", "zzz", "--out", tmp_path / "b.png")
    with pytest.raises(InputError, match=r"pictures are PNG: did you mean 'b.png'"):
        run("data", "plot", tmp_path / "a.parquet", recordings[0].id, "--out", tmp_path / "b.jpg")


def test_simulate_writes_the_same_bytes_for_the_same_seed(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(
            *("simulate", tmp_path / f"{name}.parquet", "--people", 1, "--labels", "A-B"),
            *("--repetitions", 1, "--case", "3d", "--seed", seed),
        )
    first, second, third = (tmp_path / f"{n}.parquet" for n in "abc")
    assert first.read_bytes() == second.read_bytes() != third.read_bytes()
    recordings = load(first)
    assert [r.label for r in recordings] == ["A", "B"]
    assert set(recordings[0].channels) == {*ACC, *GYRO}
    with pytest.raises(InputError, match="case"):
        run("simulate", tmp_path / "d.parquet", "--case", "4d")
