"""Archives are unpacked within limits and nowhere else; other formats say what converts them."""

import shutil
import zipfile

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.dialects.packed import check_format, unpacked
from imuscribe.signals.readers.parquet import load
from tests.signals.dialect_samples import SAMPLES


def pack(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in ("data", "import", *words)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", ["sensor-logger", "phyphox"])
def test_a_loggers_zip_is_read_as_its_folder_is(name, tmp_path):
    folder = tmp_path / "whole"
    next(one for one in SAMPLES if one.name == name).write(folder)
    run(folder, "--layout", name, "--out", tmp_path / "a.parquet")
    takes = sorted(path for path in folder.iterdir() if path.is_dir())
    (tmp_path / "zips").mkdir()
    for take in takes:
        shutil.make_archive(str(tmp_path / "zips" / take.name), "zip", take)
    run(tmp_path / "zips", "--layout", name, "--out", tmp_path / "b.parquet")
    straight, zipped = load(tmp_path / "a.parquet"), load(tmp_path / "b.parquet")
    assert [(r.id, r.label, r.n_samples) for r in straight] == [
        (r.id, r.label, r.n_samples) for r in zipped
    ]
    assert all((a.data == b.data).all() for a, b in zip(straight, zipped, strict=True))


def test_one_zip_of_a_table_needs_no_unpacking(tmp_path):
    rows = "".join(f"{i / 100},0.1,{i % 7},9.81\n" for i in range(100))
    path = pack(tmp_path / "take.zip", **{"a/log.csv": "t,acc_x,acc_y,acc_z\n" + rows})
    run(path, "--acc-unit", "m/s^2", "--label", "{folder}", "--out", tmp_path / "o.parquet")
    (rec,) = load(tmp_path / "o.parquet")
    assert (rec.label, rec.n_samples) == ("a", 100)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"big.csv": "0" * 30_000_000}, "more than recordings do"),
        ({"../out.csv": "a"}, "leads out of its folder"),
        ({"/abs.csv": "a"}, "leads out of its folder"),
        ({"a\\..\\b.csv": "a"}, "leads out of its folder"),
        ({"photo.png": "a"}, "holds no .csv"),
    ],
)
def test_a_zip_that_is_no_log_is_refused_before_it_is_unpacked(files, message, tmp_path):
    (tmp_path / "in").mkdir()
    path = pack(tmp_path / "in" / "x.zip", **files)
    with pytest.raises(InputError, match=message), unpacked(path):
        pass
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "x.zip"]


def test_a_damaged_zip_and_one_that_lies_about_its_size_are_refused(tmp_path):
    path = pack(tmp_path / "x.zip", **{"a.csv": "t,acc_x\n" * 4000})
    whole = path.read_bytes()
    for bad in (b"", whole[:100], whole.replace(b"\x00\x7d\x00\x00", b"\x01\x00\x00\x00")):
        path.write_bytes(bad)
        error = pytest.raises(InputError, match=r"cannot be unpacked|larger than it says")
        with error, unpacked(path):
            pass


def test_what_is_not_read_beside_tables_is_named(tmp_path, caplog):
    rows = "".join(f"{i / 100},0.1,{i % 7},9.81\n" for i in range(100))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "log.csv").write_text("t,acc_x,acc_y,acc_z\n" + rows)
    (tmp_path / "in" / "x.gt3x").write_bytes(b"\0")
    inner = pack(tmp_path / "in" / "b.zip", **{"a.csv": "t\n1\n"})
    run(tmp_path / "in", "--acc-unit", "m/s^2", "--out", tmp_path / "o.parquet")
    assert "left out: b.zip, x.gt3x" in caplog.text
    outer = pack(tmp_path / "c.zip", **{"b.zip": inner.read_bytes()})
    with pytest.raises(InputError, match="it holds zips, unpack it first"):
        run(outer, "--out", tmp_path / "o.parquet")


def test_nothing_stays_behind(tmp_path):
    path = pack(tmp_path / "x.zip", **{"a.csv": "t\n1\n"})
    with unpacked(path) as folder:
        assert (folder / "a.csv").read_text() == "t\n1\n" and folder.name == "x"
    assert not folder.exists()
    with unpacked(tmp_path / "other.csv") as same:
        assert same == tmp_path / "other.csv"


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.cwa", "OmGui"), ("a.GT3X", "ActiLife"), ("a.cbor", "JSON"), ("a.xlsx", "as CSV")],
)
def test_a_format_that_is_not_read_says_what_converts_it(name, how, tmp_path):
    (tmp_path / name).write_bytes(b"\0\1\2")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(InputError, match=how):
            run(path, "--out", tmp_path / "o.parquet")
    with pytest.raises(InputError, match="is not read"):
        check_format(tmp_path / name)
