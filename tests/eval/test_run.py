"""From a recipe to a run folder, end to end with a tiny random model."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.run import run
from imuscribe.eval.tasks.letters import method_key
from imuscribe.recipes.load import load_recipe
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError

METHODS = ["zero-shot", "few-shot", "fine-tuned", "random-forest", "text-ngram"]


@pytest.fixture(scope="module")
def settings(tiny_model_dir, tmp_path_factory):
    return {
        "name": "tiny",
        "labels": "A-C",
        "simulate": {"people": 2, "labels": "A-C", "repetitions": 2, "cases": ["3d"]},
        "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
        "lora": {"r": 2},
        "train": {"epochs": 1, "batch_size": 4},
        "split": {"protocol": "both-directions"},
        "evaluate": {"methods": METHODS, "shots": 2},
        "out": str(tmp_path_factory.mktemp("runs")),
    }


@pytest.fixture(scope="module")
def folder(settings):
    return run(Recipe.parse(settings), command="imuscribe run tiny.yaml", progress=False)


def test_the_folder_holds_everything(folder, settings):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["methods"]) == METHODS
    for method in metrics["methods"].values():
        assert method["n"] == 12
        assert 0 <= method["accuracy"]["low"] <= method["accuracy"]["high"] <= 1
        assert set(method["per_person"]) == {"sim-001", "sim-002"}
    assert metrics["methods"]["zero-shot"]["tokens"]["median"] > 0
    assert metrics["methods"]["random-forest"]["tokens"] is None
    against = [found["b"] for found in metrics["comparisons"]]
    assert against[0] == "zero-shot" and against[1] in ("random-forest", "text-ngram")
    assert load_recipe(str(folder / "recipe.yaml")) == Recipe.parse(settings)
    facts = json.loads((folder / "environment.json").read_text())
    assert facts["command"] == "imuscribe run tiny.yaml"
    assert facts["packages"]["torch"] and facts["machine"]["cpus"] >= 1


def test_predictions_agree_with_the_metrics(folder):
    table = pd.read_parquet(folder / "predictions.parquet")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len(table) == 12 * len(METHODS)
    assert {"id", "subject", "label", "fold", "method", "top1", "tokens", "seconds"} <= set(table)
    for name, rows in table.groupby("method"):
        right = (rows["top1"] == rows["label"]).mean()
        assert right == pytest.approx(metrics["methods"][name]["accuracy"]["value"])
        scores = rows[["log_prob:A", "log_prob:B", "log_prob:C"]]
        assert (scores.idxmax(axis=1).str[-1] == rows["top1"]).all()
    assert (table["fold"] == table["subject"]).all()  # who is tested names the fold


def test_accuracy_is_told_by_case_where_there_are_two(folder, settings, tmp_path):
    assert json.loads((folder / "metrics.json").read_text())["methods"]["few-shot"]["by_case"] == {}
    assert "<h2>2D" not in (folder / "report.html").read_text()
    both = settings | {
        "simulate": settings["simulate"] | {"cases": ["2d", "3d"]},
        "evaluate": {"methods": ["random-forest"]},
        "out": str(tmp_path),
    }
    folder = run(Recipe.parse(both), progress=False)
    table = pd.read_parquet(folder / "predictions.parquet")
    found = json.loads((folder / "metrics.json").read_text())["methods"]["random-forest"]["by_case"]
    assert list(found) == ["2d", "3d"]
    for case, rows in table.groupby("case"):
        assert rows["id"].str.contains(case).all()
        right = (rows["top1"] == rows["label"]).mean()
        assert found[case]["value"] == pytest.approx(right) and found[case]["n"] == 12
        assert found[case]["low"] <= right <= found[case]["high"]
    assert "<h2>2D | 3D</h2>" in (folder / "report.html").read_text()


def test_a_second_run_asks_nothing_again(folder, settings):
    kept = sorted((folder / "folds").rglob("*.parquet"))
    assert len(kept) == 2 * len(METHODS)
    before = [path.stat().st_mtime_ns for path in kept]
    metrics = (folder / "metrics.json").read_bytes()
    assert run(Recipe.parse(settings), command="imuscribe run tiny.yaml", progress=False) == folder
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert (folder / "metrics.json").read_bytes() == metrics


def test_a_pool_averages_what_is_there_and_asks_nothing_again(folder, settings):
    before = {path: path.stat().st_mtime_ns for path in (folder / "folds").rglob("*.parquet")}
    members = ["random-forest", "text-ngram"]
    pools = {"both": members, "left out": ["svm", "random-forest"]}
    pooled = settings | {"evaluate": {**settings["evaluate"], "pools": pools}}
    run(Recipe.parse(pooled), progress=False)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    table = pd.read_parquet(folder / "predictions.parquet").set_index(["method", "id"])
    columns = [f"log_prob:{label}" for label in "ABC"]
    of = {name: table.loc[name][columns].sort_index() for name in [*members, "both"]}
    product = np.exp(of["random-forest"] + of["text-ngram"]) ** 0.5
    np.testing.assert_allclose(
        np.exp(of["both"]), product.div(product.sum(axis=1), axis=0), atol=1e-9
    )
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["methods"]) == [*METHODS, "both"]
    last = metrics["comparisons"][-1]
    assert last["a"] == "both" and last["b"] in members
    run(Recipe.parse(settings), progress=False)


def test_a_pool_is_named_after_no_method_and_has_two_members(settings):
    for pools, said in (
        ({"both": ["svn", "fine-tuned"]}, "names svn: did you mean 'svm'"),
        ({"svm": ["random-forest", "fine-tuned"]}, "which is a method: rename it"),
        ({"one": ["fine-tuned"]}, "pools"),
    ):
        with pytest.raises(InputError, match=said):
            Recipe.parse(settings | {"evaluate": {**settings["evaluate"], "pools": pools}})


def test_a_run_that_fails_leaves_no_old_figures(settings, tmp_path):
    quick = settings | {"evaluate": {"methods": ["random-forest"]}, "out": str(tmp_path)}
    folder = run(Recipe.parse(quick), progress=False)
    assert (folder / "metrics.json").exists()
    broken = quick | {"evaluate": {"methods": ["few-shot"]}, "prompt": {"max_tokens": 20}}
    with pytest.raises(InputError):
        run(Recipe.parse(broken), progress=False)
    assert not (folder / "metrics.json").exists()
    assert not (folder / "report.html").exists()


def test_what_changes_a_methods_answers_changes_its_key(settings):
    base = Recipe.parse(settings)

    def changed(method, **sections):
        return method_key(Recipe.parse(settings | sections), method) != method_key(base, method)

    assert changed("fine-tuned", train={"epochs": 2, "batch_size": 4})
    assert not changed("zero-shot", train={"epochs": 2, "batch_size": 4})
    assert changed("zero-shot", text={"format": "digits"})
    assert changed("random-forest", seed=1)
    assert not changed("random-forest", lora={"r": 3})
    fewer = {"epochs": 1, "batch_size": 4, "max_per_label": 1}
    assert changed("random-forest", train=fewer) and changed("few-shot", train=fewer)
    # What runs beside a method, and where, is not its business.
    assert not changed("svm", evaluate={"methods": ["svm"], "shots": 2}, out="elsewhere")
    alone = {"protocol": "both-directions", "folds": ["sim-001"]}
    assert not changed("svm", split=alone)


def test_every_method_learns_from_the_same_recordings(settings, tmp_path):
    changes = {
        "train": {"max_per_label": 1},
        "split": {"protocol": "both-directions", "folds": ["sim-001"]},
        "evaluate": {"methods": ["random-forest"]},
        "out": str(tmp_path),
    }
    metrics = json.loads((run(Recipe.parse(settings | changes)) / "metrics.json").read_text())
    assert metrics["folds"][0]["n_train"] == 3  # one of each label, for the rivals as well


def test_the_command_prints_a_table_and_the_reports_path(settings, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(settings | {"out": str(tmp_path / "runs")}))
    changes = ["evaluate.methods=[random-forest]", "split.folds=sim-002"]
    result = CliRunner().invoke(app, ["run", str(recipe), *changes])
    assert result.exit_code == 0, result.output
    row = next(line for line in result.stdout.splitlines() if "random-forest" in line)
    assert "[" in row and " 6 " in row and "0.333" in row
    folder = tmp_path / "runs" / "tiny"
    assert str(folder / "report.html") in result.stdout.replace("\n", "")

    ledger = tmp_path / "results.json"
    result = CliRunner().invoke(app, ["results", "add", str(folder), "--ledger", str(ledger)])
    assert result.exit_code == 0, result.output
    command = json.loads(ledger.read_text())[0]["command"]
    assert command == f"imuscribe run {recipe} '{changes[0]}' {changes[1]}"
    (tmp_path / "results.md").unlink()
    result = CliRunner().invoke(app, ["results", "render", "--ledger", str(ledger)])
    assert result.exit_code == 0 and "random-forest" in (tmp_path / "results.md").read_text()
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 0 and (folder / "report.html").is_file()


def test_predict_reads_a_csv_with_the_trained_adapter(folder, letters, tmp_path):
    rec = letters(2, 2, "A-C")[0]
    file = tmp_path / "letter.csv"
    pd.DataFrame({"t": rec.t, **dict(zip(rec.channels, rec.data, strict=True))}).to_csv(file)
    adapter = folder / "folds" / "sim-001" / "adapter"
    arguments = ["predict", str(file), "--adapter", str(adapter)]
    result = CliRunner().invoke(app, [*arguments, "--acc-unit", "m/s^2", "--gyro-unit", "rad/s"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("letter  ") and result.stdout.count("%") == 3
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)  # units are never guessed


def test_an_unknown_test_person_stops_before_any_work(settings, tmp_path):
    split = {"protocol": "both-directions", "folds": ["sim-003"]}
    recipe = Recipe.parse(settings | {"split": split, "out": str(tmp_path)})
    with pytest.raises(InputError, match="did you mean 'sim-00"):
        run(recipe, progress=False)
    assert not any(tmp_path.iterdir())
