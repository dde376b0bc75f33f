"""An aligned encoder in use: labels in anybody's words, and as a file for a phone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.align.lanhar.deploy import LanharReader, export
from imuscribe.align.lanhar.model import align, save
from imuscribe.align.lanhar.words import SentenceReader, Windows
from imuscribe.cli import app
from imuscribe.models.config import LanharConfig
from imuscribe.models.text import WordEncoder
from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.views import sequence
from imuscribe.signals.readers.parquet import save as save_recordings
from imuscribe.signals.windows import WindowConfig, cut
from tests.eval.test_transfer import worn
from tests.imuscribe.mistakes import refusal

SPELT = {"walking": "walking", "upstairs": "upstairs", "still": "still"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    clean = CleanConfig(rate=20, trim=False, drop_repeats=False)
    windows = WindowConfig(seconds=4, stride=2)
    found = cut(worn("a", ["p1", "p2", "p3"], 20.0, None, SPELT, True, 8.0), windows)
    reader = SentenceReader(WordEncoder())
    seen = Windows.of(found, np.stack([sequence(rec, "upright", 80) for rec in found]), reader)
    path = tmp_path_factory.mktemp("fold") / "lanhar.safetensors"
    about = {"clean": clean.model_dump_json(), "windows": windows.model_dump_json()}
    save(
        align(seen, LanharConfig(epochs=4, text_epochs=1), 0),
        path,
        "k",
        about | {"encoder": "words"},
    )
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "days.parquet"
    save_recordings(worn("b", ["q1"], 50.0, None, SPELT, True, 8.0, seed=3), path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_windows_are_answered_in_anybodys_words(model, file):
    asked = "strolling slowly,climbing stairs,Sitting, walk"
    found = run("predict", file, "--adapter", model, "--labels", asked, "--json")
    assert found.exit_code == 0, found.output
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(rows) == 9
    first = {row["id"]: row["answers"][0]["label"] for row in rows}
    walked = [label for name, label in first.items() if "walking" in name]
    rested = [label for name, label in first.items() if "still" in name]
    assert "walk" in walked and set(rested) == {"Sitting"}
    for row in rows:
        assert {one["label"] for one in row["answers"]} <= set(map(str.strip, asked.split(",")))
        assert sum(one["probability"] for one in row["answers"]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("walking,walking", "named twice"),
        ("walking,walk", "both are walking"),
        ("walking,", "has an empty text"),
        ("juggling,rowing", "none of them was learnt from"),
    ],
)
def test_a_mistake_in_the_words_is_one_line(model, file, labels, says):
    said = refusal(["predict", file, "--adapter", model, "--labels", labels])
    assert says in said and "\n" not in said


def test_what_is_no_aligned_encoder_is_one_line(model, file, tmp_path):
    wrong = tmp_path / "lanhar.safetensors"
    wrong.write_bytes(b"nothing")
    said = refusal(["predict", file, "--adapter", wrong, "--labels", "walking,still"])
    assert "is no aligned encoder" in said
    assert "needs an aligned encoder" in refusal(["predict", file, "--labels", "walking,still"])


def test_a_recording_without_the_gyroscope_it_was_learnt_with_is_refused(model):
    bare = worn("b", ["q1"], 20.0, None, SPELT, False, 8.0)
    with pytest.raises(InputError, match="has no gyroscope"):
        LanharReader.from_file(model).cut(bare)


def test_a_device_gets_the_same_answers_from_a_small_file(model, tmp_path):
    out = tmp_path / "phone"
    found = export(LanharReader.from_file(model), ["walking", "climbing stairs"], out)
    assert found["parity"] is None or found["parity"] < 1e-4
    assert 0 < found["megabytes"] < 5 and 0 < found["min"] <= found["mean"] <= found["max"]
    vectors = json.loads((out / "labels.json").read_text())
    assert list(vectors) == ["walking", "climbing stairs"]
    assert np.linalg.norm(vectors["walking"]) == pytest.approx(1, abs=1e-5)
    said = run("align", "export", model, tmp_path / "again", "--labels", "walking,still")
    assert said.exit_code == 0 and "ms a window on one core" in said.output
