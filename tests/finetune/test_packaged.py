"""Adapters by name: reading a letter at once, going on from one, and never testing who it knows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.methods.language import Predictors
from imuscribe.eval.run import run
from imuscribe.eval.splits import make_folds
from imuscribe.eval.tasks.letters import method_key
from imuscribe.finetune import adapters as packaged
from imuscribe.finetune.adapters import DEFAULT, adapter_path, check_start, names, pack
from imuscribe.finetune.lineage import check_held_out, read
from imuscribe.finetune.reading import most_likely
from imuscribe.finetune.rows import load_recordings
from imuscribe.finetune.sft import train
from imuscribe.recipes.load import dump
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, Recording

UNITS = {"acc": "m/s²", "gyr": "rad/s", "t": "s"}


def recipe(base: Path, **changes: Any) -> Recipe:
    """Return a recipe that learns from sim-001 and tests sim-002."""
    return Recipe.parse(
        {
            "name": "tiny",
            "labels": "A-C",
            "simulate": {"people": 2, "labels": "A-C", "repetitions": 1, "cases": ["3d"]},
            "text": {"views": [{"signal": "velocity", "steps": 8}]},
            "model": {"base": str(base), "dtype": "fp32"},
            "lora": {"r": 2, "alpha": 4},
            "train": {"epochs": 2, "batch_size": 2, "lr": 1e-2, "warmup": 0},
            "split": {"protocol": "given", "train": ["sim-001"], "test": ["sim-002"]},
            "evaluate": {"methods": ["fine-tuned"]},
        }
        | changes
    )


@pytest.fixture(scope="module")
def adapter(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has learnt from sim-001."""
    settings = recipe(tiny_model_dir)
    mine = [rec for rec in load_recordings(settings) if rec.subject == "sim-001"]
    return train(settings, mine, tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def shelf(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of packaged adapters, holding one."""
    folder = tmp_path / "adapters"
    shutil.copytree(adapter, folder / DEFAULT)
    monkeypatch.setattr(packaged, "FOLDER", folder)
    return folder


@pytest.fixture
def letter(letters: Any, tmp_path: Path) -> Path:
    """One letter as a CSV with units in its header."""
    return write(letters(1, 1, "B")[0], tmp_path / "letter.csv")


def write(rec: Recording, path: Path, units: bool = True) -> Path:
    columns = {"t": rec.t, **dict(zip(rec.channels, rec.data, strict=True))}
    table = pd.DataFrame(columns)
    if units:
        table.columns = pd.Index([f"{name} ({UNITS[name[:3]]})" for name in columns])
    table.to_csv(path, index=False)
    return path


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_adapter_goes_by_name_or_folder(shelf: Path, adapter: Path) -> None:
    assert names() == [DEFAULT]
    assert adapter_path(DEFAULT) == shelf / DEFAULT
    assert adapter_path(adapter) == adapter_path(str(adapter)) == adapter
    with pytest.raises(InputError, match="did you mean 'air-letters'"):
        adapter_path("air-leters")


def test_packing_halves_the_bytes_and_keeps_what_it_reads(
    adapter: Path, letter: Path, tmp_path: Path
) -> None:
    packed = pack(adapter, "small", tmp_path / "shelf")
    name = "adapter_model.safetensors"
    assert (packed / name).stat().st_size < 0.75 * (adapter / name).stat().st_size
    assert {p.name for p in packed.iterdir()} == {p.name for p in adapter.iterdir()}
    whole, small = (
        {
            answer["label"]: answer["probability"]
            for answer in json.loads(call("predict", letter, "--adapter", folder, "--json"))[
                "answers"
            ]
        }
        for folder in (adapter, packed)
    )
    assert whole == pytest.approx(small, abs=0.02)


def test_the_adapter_as_it_is_can_be_a_method(shelf: Path, tiny_model_dir: Path) -> None:
    settings = recipe(
        tiny_model_dir, train={"start_from": DEFAULT}, evaluate={"methods": ["adapter"]}
    )
    fold = make_folds(load_recordings(settings), settings.split, settings.label_set)[0]
    found = Predictors(settings, progress=False).predict("adapter", fold, shelf)
    expected = most_likely(fold.test[:1], shelf / DEFAULT, n=3)[0]
    for label, probability in expected:
        ours = found.log_probs[0][settings.label_set.index(label)]
        assert np.exp(ours) == pytest.approx(probability, abs=1e-4)
    with pytest.raises(InputError, match="start_from"):
        recipe(tiny_model_dir, evaluate={"methods": ["adapter"]})


def test_predict_reads_a_letter_without_being_told_more(shelf: Path, letter: Path) -> None:
    words = call("predict", letter, "--top", 2).split()
    assert words[0] == "letter" and len(words) == 1 + 2 * 2
    assert {words[1], words[3]} < {"A", "B", "C"}
    told = json.loads(call("predict", letter, "--json"))
    assert told["id"] == "letter"
    assert [answer["label"] for answer in told["answers"][:2]] == words[1::2]
    assert sum(answer["probability"] for answer in told["answers"]) == pytest.approx(1, abs=1e-4)


def test_parquet_and_csv_of_a_letter_are_read_alike(
    shelf: Path, letters: Any, letter: Path, tmp_path: Path
) -> None:
    save(letters(1, 1, "A-B"), tmp_path / "letters.parquet")
    page = call("predict", tmp_path / "letters.parquet", "--json")
    rows = [json.loads(line) for line in page.splitlines()]
    assert [row["id"] for row in rows] == [rec.id for rec in letters(1, 1, "A-B")]
    ours = json.loads(call("predict", letter, "--json"))["answers"]
    for one, other in zip(rows[1]["answers"], ours, strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)


def test_what_a_csv_lacks_is_named_with_the_option_that_gives_it(
    shelf: Path, letters: Any, tmp_path: Path
) -> None:
    bare = write(letters(1, 1, "B")[0], tmp_path / "bare.csv", units=False)
    assert "--acc-unit (m/s^2, g or mg)" in refused("predict", bare)
    assert "--gyro-unit" in refused("predict", bare, "--acc-unit", "m/s^2")
    units = ("--acc-unit", "m/s^2", "--gyro-unit", "rad/s")
    assert call("predict", bare, *units).startswith("bare  ")
    wrong = refused("predict", bare, "--acc-unit", "mg", "--gyro-unit", "rad/s")
    assert "a still device reads 9.81" in wrong
    other = tmp_path / "other.csv"
    other.write_text(bare.read_text().replace("t,", "seconds,", 1))
    assert "--column t=NAME" in refused("predict", other, *units)
    assert call("predict", other, *units, "--column", "t=seconds").startswith("other  ")


def test_a_letter_without_gyroscope_goes_from_a_csv_to_an_answer_and_is_doubted(
    shelf: Path, letters: Any, tmp_path: Path
) -> None:
    rec = letters(1, 1, "B")[0]
    bare = rec.replace(data=rec.acc, channels=ACC)
    path = write(bare, tmp_path / "bare.csv")
    answer = CliRunner().invoke(app, ["predict", str(path)])
    assert answer.exit_code == 0 and answer.stdout.startswith("bare  ")
    assert "bare.csv: no gyroscope: read by gravity alone" in answer.stderr
    assert "imuscribe train acc-letters" in answer.stderr
    out = tmp_path / "bare.parquet"
    named = [word for name in ("t", *ACC) for word in ("--column", f"{name}={name}")]
    call("data", "import", path, "--layout", "csv", "--out", out, *named)
    assert "not confirmed (no gyroscope)" in call("data", "info", out)
    assert call("predict", out).split()[1:] == answer.stdout.split()[1:]
    # An adapter that has learnt so is not doubted.
    settings = yaml.safe_load((shelf / DEFAULT / "recipe.yaml").read_text())
    settings["clean"]["gyroscope"] = False
    (shelf / DEFAULT / "recipe.yaml").write_text(yaml.safe_dump(settings))
    assert "gravity alone" not in CliRunner().invoke(app, ["predict", str(path)]).stderr


def test_axes_that_contradict_are_told_before_the_answer(
    shelf: Path, letters: Any, tmp_path: Path
) -> None:
    rec = letters(1, 1, "B")[0]
    data = rec.data.copy()
    data[0] *= -1
    path = write(rec.replace(data=data), tmp_path / "mirrored.csv")
    said = CliRunner().invoke(app, ["predict", str(path)]).stderr
    assert "mirrored.csv: gravity does not turn with the gyroscope" in said
    assert "acc_x=-acc_x" in said


def test_what_cannot_be_one_letter_is_answered_with_a_doubt(
    shelf: Path, letters: Any, tmp_path: Path
) -> None:
    rec = letters(1, 1, "B")[0]
    still = np.repeat(rec.data[:, :1], rec.n_samples, axis=1)
    still[:3] += 0.01 * np.random.default_rng(0).normal(size=(3, rec.n_samples))
    path = write(rec.replace(data=still), tmp_path / "still.csv")
    assert "hardly moves" in CliRunner().invoke(app, ["predict", str(path)]).stderr
    save([rec.replace(t=rec.t * 12 / rec.duration)], tmp_path / "long.parquet")
    asked = ["predict", str(tmp_path / "long.parquet")]
    assert "lasts 12 s" in CliRunner().invoke(app, asked).stderr
    assert "says its columns and units itself" in refused(
        "predict", tmp_path / "long.parquet", "--acc-unit", "g"
    )


def test_without_a_packaged_adapter_one_must_be_named(
    letter: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "FOLDER", tmp_path / "none")
    assert "no adapter comes with this installation" in refused("predict", tmp_path / "no.csv")
    assert "name one with --adapter" in refused("predict", letter)
    assert "no such folder" in refused("predict", letter, "--adapter", "nowhere")
    assert call("predict", letter, "--adapter", adapter)


def test_predict_says_nothing_on_the_side(letter: Path, adapter: Path) -> None:
    command = [sys.executable, "-m", "imuscribe", "predict", str(letter), "--adapter", str(adapter)]
    here = {"cwd": Path(__file__).parents[2], "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    done = subprocess.run(command, capture_output=True, text=True, **here)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert "arning" not in done.stderr
    assert done.stdout.count("\n") == 1


def test_training_goes_on_from_a_packaged_adapter(
    shelf: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(dump(recipe(tiny_model_dir)))
    options = (mine, "split.train=sim-002", "split.test=sim-001", f"out={tmp_path}", "name=mine")
    page = call("train", *options, "--from", DEFAULT, "--dry-run")
    assert "from air-letters: r 2, alpha 4" in page and f"start_from: {DEFAULT}" in page
    assert not (tmp_path / "mine").exists()
    made = Path(call("train", *options, "--from", DEFAULT).splitlines()[-1])
    # It knows whom its ancestor knew.
    assert [item["subjects"] for item in read(made) or []] == [["sim-002"], ["sim-001"]]
    assert "`air-letters`" in (made / "README.md").read_text()
    fresh = Path(call("train", *options, f"out={tmp_path / 'fresh'}").splitlines()[-1])
    assert [item["subjects"] for item in read(fresh) or []] == [["sim-002"]]
    logs = [(a.parent / "train-log.jsonl").read_text().splitlines()[0] for a in (made, fresh)]
    assert json.loads(logs[0])["loss"] != json.loads(logs[1])["loss"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["lora.r=16"], "lora.r=16, but adapter 'air-letters' has another shape: set lora.r=2"),
        (["lora.r=8", "lora.alpha=32"], "set lora.r=2 lora.alpha=4"),
        (["lora.targets=[q_proj,v_proj]"], "set lora.targets=all-linear"),
        (["lora.dora=true"], "set lora.dora=false"),
        (["train.start_from=air-leters"], "did you mean 'air-letters'"),
        (["model.base=smollm2"], "was trained on"),
    ],
)  # fmt: skip
def test_an_adapter_that_does_not_suit_stops_a_dry_run(
    shelf: Path, tiny_model_dir: Path, tmp_path: Path, changes: list[str], expected: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(dump(recipe(tiny_model_dir)))
    start = () if "start_from" in changes[0] else ("--from", DEFAULT)
    assert expected in refused("train", mine, *changes, *start, "--dry-run")


def test_an_adapter_without_weights_is_refused(shelf: Path, tiny_model_dir: Path) -> None:
    (shelf / DEFAULT / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no adapter_model\.safetensors"):
        check_start(recipe(tiny_model_dir, train={"start_from": DEFAULT}))


def test_another_adapter_in_its_place_makes_tuned_methods_answer_again(
    shelf: Path, tiny_model_dir: Path, adapter: Path
) -> None:
    settings = recipe(tiny_model_dir, train={"start_from": DEFAULT})
    methods = ("fine-tuned", "zero-shot", "svm")
    before = [method_key(settings, method) for method in methods]
    fresh = [method_key(recipe(tiny_model_dir, train={}), method) for method in methods]
    assert [a == b for a, b in zip(before, fresh, strict=True)] == [False, True, True]
    moved = recipe(tiny_model_dir, train={"start_from": str(adapter)})
    assert method_key(moved, "fine-tuned") == before[0]
    weights = shelf / DEFAULT / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    after = [method_key(settings, method) for method in methods]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True]


def test_who_is_tested_must_be_a_stranger_to_the_adapter(
    shelf: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    start = {"epochs": 1, "batch_size": 4, "start_from": DEFAULT}
    leaking = {"protocol": "given", "train": ["sim-002"], "test": ["sim-001"]}
    settings = recipe(tiny_model_dir, train=start, split=leaking, out=str(tmp_path / "runs"))
    with pytest.raises(InputError, match="has learnt from sim-001, tested here as a stranger"):
        run(settings, progress=False)
    assert not (tmp_path / "runs").exists()
    asked = settings.model_copy(
        update={"evaluate": settings.evaluate.model_copy(update={"methods": ("adapter",)})}
    )
    with pytest.raises(InputError, match="has learnt from sim-001, tested here as a stranger"):
        run(asked, progress=False)
    # The classical methods may test anybody; and who is a stranger to it may be tested.
    quick = {"methods": ["random-forest"]}
    only = recipe(tiny_model_dir, train=start, split=leaking, evaluate=quick)
    run(only.model_copy(update={"out": str(tmp_path / "untuned")}), progress=False)
    fair = recipe(tiny_model_dir, train=start, out=str(tmp_path / "runs"))
    folder = run(fair, progress=False)
    grown = read(folder / "folds" / "given" / "adapter") or []
    assert [item["subjects"] for item in grown] == [["sim-001"], ["sim-001"]]


def test_a_leak_is_seen_through_copies_but_not_in_equal_names(
    shelf: Path, tiny_model_dir: Path, letters: Any, tmp_path: Path
) -> None:
    def check(recordings: list[Recording], data: str = "simulated", seed: int = 0) -> None:
        simulated = recipe(tiny_model_dir).simulate.model_copy(update={"seed": seed})
        start = {"start_from": DEFAULT}
        settings = recipe(tiny_model_dir, data=data, simulate=simulated.model_dump(), train=start)
        check_held_out(settings, recordings, [r for r in recordings if r.subject != "sim-002"])

    mine = letters(2, 1, "A-C")
    with pytest.raises(InputError, match="has learnt from sim-001"):
        check(mine)
    check(mine, seed=1)  # another seed's sim-001 is another writer
    copy = tmp_path / "copy.parquet"
    save(mine, copy)
    with pytest.raises(InputError, match="has learnt from sim-001"):
        check(mine, data=str(copy))  # other data, the same recordings
    renamed = [rec.replace(subject=rec.subject.replace("sim-001", "x")) for rec in mine]
    with pytest.raises(InputError, match="has learnt from sim-001-3d-A-00"):
        check(renamed, data=str(copy))
    check([rec.replace(id=f"mine-{rec.id}") for rec in mine], data=str(copy))  # a namesake
    learnt = load_recordings(recipe(tiny_model_dir))
    disguised = [rec.replace(id=f"mine-{rec.id}", subject="x") for rec in learnt]
    with pytest.raises(InputError, match=r"mine-sim-001-3d-A-00.*whatever they were called"):
        check(disguised, data=str(copy))


def test_an_adapter_that_does_not_say_whom_it_knows_is_refused(
    shelf: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    path = shelf / DEFAULT / "training.json"
    values = json.loads(path.read_text())
    del values["learnt_from"]
    path.write_text(json.dumps(values))
    settings = recipe(tiny_model_dir, train={"start_from": DEFAULT}, out=str(tmp_path / "runs"))
    with pytest.raises(InputError, match="does not say whom it has learnt from"):
        run(settings, progress=False)
