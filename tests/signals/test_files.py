"""Nothing outside the folder that was named is ever written or removed, whatever the data says."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.eval.run import run
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import (
    held_file,
    inside,
    safe_name,
    text_of_name,
    whole_folder,
    write_text,
)
from imuscribe.signals.readers.parquet import save

HOSTILE = ["..", ".", "../x", "a/b", "/etc/x", "~", "", " ", "x.", "con", "AUX.txt", "a\0b", "a\\b"]
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(HOSTILE), st.text("./\\%~ \0", max_size=8))


@given(TEXTS)
def test_any_text_is_one_file_name_and_comes_back(text):
    name = safe_name(text)
    assert text_of_name(name) == text
    assert name not in ("", ".", "..") and not name.startswith((".", " "))
    assert Path(name).name == name and name.isascii() and name.isprintable()


@given(TEXTS, TEXTS)
def test_two_texts_never_share_a_name(a, b):
    assert (safe_name(a) == safe_name(b)) == (a == b)


def test_plain_names_stay_and_long_ones_are_refused():
    for plain in ("p001", "group-1", "Anna B.", "sim-001", "cnn_2"):
        assert safe_name(plain) == plain or plain.endswith(".")
    assert safe_name("con") == "%63on"
    assert safe_name("Jürgen") == "J%C3%BCrgen"
    with pytest.raises(InputError, match="too long for a file name"):
        safe_name("x" * 201)


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_a_path_stays_inside(texts):
    folder = Path("runs/one")
    assert inside(folder, *texts).resolve().is_relative_to(folder.resolve())


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "folds").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        inside(tmp_path / "run", "folds", "p001")
    (tmp_path / "linked").symlink_to(tmp_path / "run")  # the run folder itself may be a link
    assert inside(tmp_path / "linked", "other") == tmp_path / "linked" / "other"


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "mine.parquet").write_text("days of work")
    with pytest.raises(InputError, match="is a file"), whole_folder(tmp_path / "mine.parquet"):
        pass
    assert (tmp_path / "mine.parquet").read_text() == "days of work"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path):
    final = tmp_path / "adapter"
    final.mkdir()
    (final / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not ours to replace"), whole_folder(final, "ours.json"):
        pass
    assert (final / "thesis.txt").read_text() == "mine"


def test_a_link_is_replaced_not_followed(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "ours.json").write_text("theirs")
    final = tmp_path / "adapter"
    for target in (theirs, tmp_path / "nowhere"):
        final.symlink_to(target)
        with whole_folder(final, "ours.json") as folder:
            (folder / "ours.json").write_text("new")
        assert not final.is_symlink() and (final / "ours.json").read_text() == "new"
        (final / "ours.json").unlink()
        final.rmdir()
    assert (theirs / "ours.json").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_the_old_folder_stays_until_the_new_one_stands(tmp_path, monkeypatch):
    final = tmp_path / "adapter"
    with whole_folder(final) as folder:
        (folder / "a").write_text("first")
    rename = Path.rename

    def full(self, target):
        if self.name.endswith(".tmp"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match="No space left"), whole_folder(final) as folder:
        (folder / "a").write_text("second")
    assert (final / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_subjects_named_like_paths_touch_nothing_outside_the_run(letters, tiny_model_dir, tmp_path):
    names = {"sim-001": "../x", "sim-002": str(tmp_path / "victim"), "sim-003": "..",
             "sim-004": "a/b"}  # fmt: skip
    found = [replace(rec, subject=names[rec.subject]) for rec in letters(4, 2, "A-C")]
    save(found, tmp_path / "hostile.parquet")
    out = tmp_path / "runs"
    for place in (out / "tiny" / "x", out / "tiny", out / "x", tmp_path / "victim"):
        (place / "adapter").mkdir(parents=True)
        (place / "adapter" / "thesis.txt").write_text("mine")

    def around():
        return {
            str(path): path.read_bytes() if path.is_file() else b""
            for path in tmp_path.rglob("*")
            if not path.is_relative_to(out / "tiny" / "folds") and path.parent != out / "tiny"
        }

    before = around()
    run(
        Recipe.parse(
            {
                "name": "tiny",
                "data": str(tmp_path / "hostile.parquet"),
                "labels": "A-C",
                "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
                "lora": {"r": 2},
                "train": {"epochs": 1, "batch_size": 8},
                "evaluate": {"methods": ["fine-tuned", "random-forest"]},
                "out": str(out),
            }
        ),
        progress=False,
    )
    assert around() == before
    folds = {text_of_name(path.name) for path in (out / "tiny" / "folds").iterdir()}
    assert folds == set(names.values())


def test_what_a_killed_process_left_is_swept_and_what_it_replaced_comes_back(tmp_path):
    script = """
import os, signal, sys
from pathlib import Path
from imuscribe.signals.files import atomic_path, whole_folder
place = Path(sys.argv[1])
with atomic_path(place / "a.txt") as temporary, whole_folder(place / "b") as folder:
    temporary.write_text("half")
    (folder / "x").write_text("half")
    Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("whole")
    # killed before `b` is moved away; afterwards as if it had been moved, but not replaced
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "b")
    assert len(left) == 2
    (tmp_path / "b").rename(tmp_path / left[1].replace(".tmp", ".old"))
    ours = tmp_path / left[0].replace(left[0].split(".")[-2].split("-")[0], str(os.getppid()))
    ours.write_text("of a process that runs")
    write_text(tmp_path / "c.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ours.name, "b", "c.txt"])
    assert (tmp_path / "b" / "x").read_text() == "whole"


def test_a_file_that_takes_long_is_kept_to_one_process(tmp_path):
    path = tmp_path / "deep" / "pairs.jsonl"
    code = (
        "import sys\nfrom imuscribe.signals.files import held_file\n"
        "with held_file(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=r"pairs.jsonl' is being written by another"):  # noqa: SIM117
        with held_file(path):
            pass
    with held_file(path.with_name("others.jsonl")):
        pass
    other.kill()  # its lock stays behind and holds nobody up
    other.wait()
    with held_file(path):
        pass
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("name", "near"),
    [("../../x", "x"), ("a/b", "a-b"), (".hidden", "hidden"), ("-x", "x"), ("été: 1", "été-1")],
)
def test_what_a_name_may_hold_is_said_in_words(name, near):
    with pytest.raises(InputError) as caught:
        Recipe.parse({"name": name, "labels": "A-C", "data": "x"}, "r.yaml")
    said = str(caught.value)
    assert "letters, digits, _, dots, spaces and dashes" in said
    assert f"did you mean '{near}'?" in said
    assert "pattern" not in said and "\\" not in said
    assert Recipe.parse({"name": near, "labels": "A-C", "data": "x"}).name == near
