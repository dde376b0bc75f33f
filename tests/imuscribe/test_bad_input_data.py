"""Whatever is wrong with a file of recordings: one short line, from every command that reads it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO
from tests.imuscribe.mistakes import check, recording


def columns(n: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the columns of a sound file, some replaced; None leaves one out."""
    t = [i / 50 for i in range(100)]
    found: dict[str, Any] = {
        "id": [f"r{i}" for i in range(n)], "subject": ["ann"] * n, "label": ["A"] * n,
        "acc_unit": ["m/s^2"] * n, "gyro_unit": ["rad/s"] * n, "t": [t] * n,
        **{name: [[9.81 if name == "acc_z" else 0.0] * 100] * n for name in (*ACC, *GYRO)},
    } | changes  # fmt: skip
    return {name: column for name, column in found.items() if column is not None}


TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "no id": (columns(id=None), "no column id"),
    "no time": (columns(t=None), "no column t"),
    "no acceleration": (columns(acc_x=None), "no column acc_x"),
    "no unit": (columns(acc_unit=None), "no column acc_unit"),
    "half a gyroscope": (columns(gyro_x=None), "no column gyro_x"),
    "unknown column": (columns(acc=[1]), "unknown column 'acc'"),
    "unknown unit": (columns(acc_unit=["furlongs"]), "furlongs"),
    "empty unit": (columns(acc_unit=[""]), "acc_unit"),
    "text for numbers": (columns(acc_x=["1"]), "must hold a list of numbers"),
    "one number": (columns(acc_x=[1.0]), "must hold a list of numbers"),
    "unequal lists": (columns(acc_x=[[1.0, 2.0]]), "acc_x has 2 values but t has 100"),
    "no rows": (columns(0), "no recordings"),
    "empty lists": (
        columns(**{name: [[]] for name in ("t", *ACC, *GYRO)}),
        "no samples|must hold a list",
    ),
    "null times": (columns(t=[None]), "no times|must hold"),
    "id twice": (columns(2, id=["r", "r"]), "id 'r' occurs twice"),
    "empty id": (columns(id=[""]), "empty id"),
    "not a number": (columns(acc_x=[[float("nan")] * 100]), "acc_x is nan"),
    "infinite": (columns(acc_x=[[float("inf")] * 100]), "acc_x is inf"),
    "infinite time": (columns(t=[[float("inf")] * 100]), "t is inf"),
    "odd case": (columns(case=["4d"]), "case '4d'"),
    "a NUL subject": (columns(subject=["a\0b"]), "control character"),
    "a NUL label": (columns(label=["a\0b"]), "control character"),
    "a line break": (columns(label=["a\nb"]), "control character"),
    "far too large": (columns(acc_x=[[1e30] * 100]), "."),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """Files that are no recordings, with what is to be said of each."""
    folder = tmp_path_factory.mktemp("files")
    found = [(folder / "missing.parquet", "(?i)no such file")]
    found.append((folder, "(?i)is a folder|is a directory|no such file or packaged recipe"))
    for name, (table, said) in TABLES.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
        found.append((folder / f"{name}.parquet", said))
    save([recording()], folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    for name, content in (
        ("empty", b""), ("cut", whole[:-100]), ("head", whole[:4]), ("text", b"a,b\n1,2\n"),
        ("zeros", bytes(5000)), ("middle", whole[:300] + bytes(200) + whole[500:]),
    ):  # fmt: skip
        (folder / f"{name}.parquet").write_bytes(content)
        said = "." if name == "middle" else "not a readable Parquet file"
        found.append((folder / f"{name}.parquet", said))
    (folder / "link.parquet").symlink_to(folder / "moved.parquet")
    found.append((folder / "link.parquet", "a link to .*moved.parquet', which is not|No such file"))
    (folder / "good" / "set.parquet").mkdir(parents=True)
    (folder / "good" / "set.parquet" / "part.parquet").write_bytes(whole)
    found.append(
        (folder / "good" / "set.parquet", "(?i)is a folder|is a directory|no such file or")
    )
    name = os.fsdecode(b"\xe9.parquet")  # as a computer before UTF-8 wrote é
    (folder / name).write_bytes(whole)
    found.append((folder / name, "is not UTF-8: rename the file"))
    pq.write_table(
        pa.table({"x": [[1.0]], "y": [[1.0]], "pen_down": [[True]]}), folder / "pen.parquet"
    )
    found.append((folder / "pen.parquet", "pen trajectories"))
    return found


READ_RECORDINGS: dict[str, tuple[str, ...]] = {
    "data info": ("data", "info", "FILE"),
    "data plot": ("data", "plot", "FILE", "r1", "--out", "OUT.png"),
    "data audit": ("data", "audit", "FILE", "--out", "OUT"),
    "serialize": ("serialize", "FILE"),
    "budget": ("budget", "FILE", "--budget", "64"),
    "predict": ("predict", "FILE"),
    "pairs build": ("pairs", "build", "FILE", "--out", "OUT.jsonl"),
    "align qa": ("align", "qa", "FILE", "--out", "OUT.jsonl"),
    "words decode": ("words", "decode", "FILE"),
    "train": ("train", "demo", "data=FILE", "labels=A,B", "split.train=ann", "--dry-run"),
    "run": ("run", "demo", "data=FILE", "labels=A,B", "--dry-run"),
}


# Those after the first two load a tokenizer or more.
EACH = [
    pytest.param(command, marks=[pytest.mark.slow] if i > 1 else [])
    for i, command in enumerate(READ_RECORDINGS)
]


@pytest.mark.parametrize("command", EACH)
def test_files_that_hold_no_recordings(
    command: str, files: list[tuple[Path, str]], tmp_path: Path
) -> None:
    rows = []
    for path, said in files:
        if (command, path.stem) == ("data info", "far too large"):
            continue  # listing such problems is what it is for
        if (command, path.stem) == ("words decode", "set"):
            continue  # a folder of recordings is read
        out = str(tmp_path / "out")
        words = [w.replace("FILE", str(path)) for w in READ_RECORDINGS[command]]
        if path == files[1][0] and command == "words decode":
            said = "."  # it takes a folder of CSVs
        rows.append((tuple(w.replace("OUT", out) for w in words), said))
    check(rows, tmp_path)


# CSV files, and the options that describe them.

HEADER = "t,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n"
GOOD = HEADER + "".join(f"{i / 50},0,0,9.81,0,0,0\n" for i in range(100))
UNITS = ("--acc-unit", "m/s^2", "--gyro-unit", "rad/s")

CSVS: dict[str, tuple[str | bytes, tuple[str, ...], str]] = {
    "empty": ("", UNITS, "."),
    "header alone": (HEADER, UNITS, "."),
    "one row": (HEADER + "0,0,0,9.81,0,0,0\n", UNITS, "."),
    "no numbers": (HEADER + "a,b,c,d,e,f,g\n" * 9, UNITS, "."),
    "a cell of text": (GOOD + "2.0,x,0,9.81,0,0,0\n", UNITS, "."),
    "another header": ("a,b\n1,2\n3,4\n", UNITS, "acc_x|no column 't'"),
    "binary": (bytes(range(256)) * 4, UNITS, "."),
    "a Parquet file": (b"PAR1" + bytes(100), UNITS, "."),
    "no unit": (GOOD, (), "unit"),
    "unknown unit": (GOOD, ("--acc-unit", "stone", "--gyro-unit", "rad/s"), "stone"),
    "no gyroscope unit": (GOOD, ("--acc-unit", "g"), "unit"),
    "wrong unit": (GOOD, ("--acc-unit", "g", "--gyro-unit", "rad/s"), "m/s²|unit"),
    "unknown time unit": (GOOD, (*UNITS, "--time-unit", "days"), "days"),
    "wrong time unit": (GOOD, (*UNITS, "--time-unit", "ns"), "Hz|unit|time"),
    "no such column": (GOOD, (*UNITS, "--column", "acc_x=nowhere"), "nowhere"),
    "no such channel": (GOOD, (*UNITS, "--column", "speed=acc_x"), "speed"),
    "half a column": (GOOD, (*UNITS, "--column", "acc_x"), "has no two sides"),
    "column twice": (GOOD, (*UNITS, "--column", "t=t", "--column", "t=t"), "name it once"),
    "no rate": (GOOD, (*UNITS, "--rate", "0"), "."),
    "times beside a rate": (GOOD, (*UNITS, "--rate", "50"), "leave the rate out"),
    "text for a rate": (GOOD, (*UNITS, "--rate", "fast"), "rate"),
    "time goes back": (HEADER + "".join(f"{(100 - i) / 50},0,0,9.81,0,0,0\n" for i in range(100)),
                       UNITS, "."),
    "thousands of columns": (HEADER.strip() * 2000, UNITS, "."),
    "a line break between cells": (GOOD, (*UNITS, "--delimiter", "\n"), "delimiter|No such option"),
    "no such mark": (GOOD, (*UNITS, "--decimal", "x"), r"valid: \., ,|No such option"),
    "no such encoding": (GOOD, (*UNITS, "--encoding", "\0"), "is unknown|No such option"),
    "codec of bytes": (GOOD, (*UNITS, "--encoding", "base64"), "is unknown|No such option"),
    "a program's own": (b"PK\3\4" + bytes(range(1, 200)), UNITS, "."),
    "compressed": (gzip.compress(GOOD.encode()), UNITS, "is not text"),
    "formula": (GOOD + "=1+1,0,0,9.81,0,0,0\n", UNITS, "'=1\\+1' in data row 101: not a number"),
    "open quote": (GOOD.replace("0,0,0\n", '0,0,"0\n', 1), UNITS, "EOF inside string|not a table"),
    "infinite": (GOOD + "2.0,inf,0,9.81,0,0,0\n", UNITS, "."),
}  # fmt: skip


def test_csv_files_that_are_none(tmp_path: Path) -> None:
    rows = []
    for name, (content, options, said) in CSVS.items():
        path = tmp_path / f"{name}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        out = str(tmp_path / "out.parquet")
        said_of = {word.partition("=")[0] for word in options}
        named = [f"--column={ours}={ours}" for ours in ("t", *ACC, *GYRO) if ours not in said_of]
        command = ("data", "import", str(path), "--layout", "csv", "--out", out)
        if name != "one row":  # which is kept, and told to be too short
            rows.append(((*command, *named, *options), said))
        rows.append((("predict", str(path), *options), said))
    rows += [
        (("data", "import", "x.csv", "--layout", "cvs", "--out", "x.parquet"), "csv"),
        (
            ("data", "import", str(tmp_path / "no unit.csv"), "--layout", "csv", "--out", "x.csv"),
            r"\.parquet",
        ),
        (("predict", str(tmp_path / "none.csv"), *UNITS), "no such file"),
        (("predict", "x.parquet", "--acc-unit", "g"), "leave them out"),
        (("predict", str(tmp_path / "empty.csv"), "--top", "0", *UNITS), "top"),
    ]
    check(rows, tmp_path)


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / os.fsdecode(b"caf\xe9.csv")).write_text(GOOD)
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a\nb.csv").write_text(GOOD)
    named = [f"--column={ours}={ours}" for ours in ("t", *ACC, *GYRO)]
    to = ("--layout", "csv", *named, *UNITS, "--out", str(tmp_path / "out.parquet"))
    rows = [
        (("data", "import", str(tmp_path / "old"), *to), "no UTF-8: rename it"),
        (("data", "import", str(tmp_path / "old"), *to, "--label", "{file}"), "no UTF-8"),
        (("data", "import", str(tmp_path / "lines"), *to), "control character"),
        (("data", "import", str(tmp_path), *to, "--label", "\udcff"), "is not UTF-8"),
    ]
    check(rows, tmp_path)
