"""Subjects, labels and sessions named like paths, through every command that makes files of them.

A snapshot of the tree around the folders that commands were given stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.readers.parquet import load, save
from imuscribe.signals.simulate import SimulateConfig, simulate

SUBJECTS = ["../x", "/VICTIM", "..", "a/b"]
LABELS = ["../../y", "..", "con"]
SESSIONS = ["../s", "~/s", "$HOME", "a\\b"]
OURS = ("runs", "audit", "pairs", "mapped", "in")
"""What lies in the working folder and may change: the rest may not."""


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def around(place: Path) -> dict[str, bytes]:
    """Return everything outside the folders that commands were given."""
    ours = [place / "work" / name for name in OURS]
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in place.rglob("*")
        if not any(path.is_relative_to(one) for one in ours)
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder inside one with victims at all that the names lead to."""
    work = tmp_path / "work"
    for name in OURS:
        (work / name).mkdir(parents=True)
    for victim in ("x", "y", "s", "VICTIM", "work/x", "work/y", "work/s", "work/adapter"):
        (tmp_path / victim / "adapter").mkdir(parents=True)
        (tmp_path / victim / "adapter" / "thesis.txt").write_text("mine")
        (tmp_path / victim / "predictions.parquet").write_text("mine")
    monkeypatch.chdir(work)
    before = around(tmp_path)
    yield tmp_path
    assert around(tmp_path) == before


@pytest.fixture
def data(place: Path) -> Path:
    """Letters by such people, with such labels, in such sessions: mid-air and flat."""
    config = SimulateConfig(people=4, labels="A-C", repetitions=2)
    subjects = [name.replace("/VICTIM", str(place / "VICTIM")) for name in SUBJECTS]
    found = []
    for rec in simulate(config):
        i = int(rec.subject[-1]) - 1
        label = LABELS["ABC".index(rec.label)]
        about = {"subject": subjects[i], "session": SESSIONS[i], "label": label}
        found.append(rec.replace(id=f"{subjects[i]}/{rec.id}", **about))
    path = place / "work" / "in" / "hostile.parquet"
    save(found, path)
    return path


def recipe(path: Path, tiny: Path, data: Path) -> Path:
    path.write_text(
        f"name: tiny\ndata: {data}\nlabels: from-data\nmodel: {{base: {tiny}, dtype: fp32}}\n"
        "lora: {r: 2}\ntrain: {epochs: 1, batch_size: 8, max_per_label: 2}\n"
        "evaluate: {methods: [fine-tuned, random-forest], bootstrap: 20}\n"
        "split: {max_test_per_label: 1, folds: ['..', '../x']}\n"
    )
    return path


def test_an_import_keeps_such_names_as_text(place: Path) -> None:
    rows = [
        f"{i / 50:.2f};{i % 7};0.{i % 5};9.81;{who};{label};{session}"
        for who, label, session in zip(SUBJECTS, [*LABELS, "../z"], SESSIONS, strict=True)
        for i in range(60)
    ]
    table = place / "work" / "in" / "t.csv"
    table.write_text("t;acc_x;acc_y;acc_z;who;what;when\n" + "\n".join(rows))
    names = ("--subject", "{who}", "--label", "{what}", "--session", "{when}")
    call("data", "import", table, *names, "--acc-unit", "m/s^2", "--out", "in/out.parquet")
    found = load(place / "work" / "in" / "out.parquet")
    assert [rec.subject for rec in found] == SUBJECTS
    assert [rec.session for rec in found] == SESSIONS
    assert [rec.label for rec in found][:3] == LABELS


def test_run_report_and_audit_stay_in_their_folders(
    place: Path, data: Path, tiny_model_dir: Path
) -> None:
    call("run", recipe(place / "work" / "in" / "r.yaml", tiny_model_dir, data))
    assert "report:" in call("report", "runs/tiny")
    folds = [path.name for path in (place / "work" / "runs" / "tiny" / "folds").iterdir()]
    assert len(folds) == 2 and all("/" not in name and name != ".." for name in folds)
    call("data", "audit", data, "--labels", ",".join(LABELS), "--out", "audit")
    assert (place / "work" / "audit" / "audit.html").is_file()


def test_map_fit_and_pairs_build_stay_in_their_folders(
    place: Path, data: Path, tiny_model_dir: Path
) -> None:
    small = ["labels=from-data", "encoder.width=8", "encoder.size=8", "fit.epochs=1"]
    small += ["fit.triplets=60", "copies=0", "view.steps=16", f"data={data}", "out=mapped"]
    small += ["split.protocol=leave-one-person-out", "split.train=[]", "split.test=[]"]
    call("map", "fit", "map-demo", *small)
    assert (place / "work" / "mapped" / "map-demo" / "gallery.parquet").is_file()
    words = ("--tokenizer", tiny_model_dir, "--max-tokens", 8000, "--reasoning-tokens", 999)
    call("pairs", "build", data, "--out", "pairs/p.jsonl", "--limit", 4, *words)
    call("pairs", "check", "pairs/p.jsonl", "--data", data)
    call("pairs", "show", "pairs/p.jsonl", "--data", data, "--out", "pairs/p.html")
    names = {path.name for path in (place / "work" / "pairs").iterdir()}
    assert names == {"p.jsonl", "p.checked.jsonl", "p.html"}
