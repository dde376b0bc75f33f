"""What each part is worth: variants of a recipe, shared trainings, paired differences."""

import json

import pandas as pd
import pytest
import yaml

from imuscribe.eval.ledger import add, read
from imuscribe.eval.run import report, run
from imuscribe.recipes.load import dump, load_as, load_experiment
from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.variants import AblationRecipe
from imuscribe.signals.errors import InputError

VARIANTS = {
    "tokens": {},
    "encoder": {"evaluate.methods": "encoder"},
    "with means": {"sensor.text": True, "text.format": "summary", "text.decimals": 1},
    "LLM frozen": {"lora.frozen": True},
    "LLM random": {"against": "LLM frozen", "model.random": True},
    "svm": {"evaluate.methods": "svm"},
}
SENSOR = {"width": 16, "steps": 32, "tokens": 2, "hidden": [16]}


@pytest.fixture(scope="module")
def settings(tiny_model_dir, tmp_path_factory):
    return {
        "kind": "ablation",
        "name": "parts",
        "labels": "A-C",
        "simulate": {"people": 4, "labels": "A-C", "repetitions": 2, "cases": ["3d"]},
        "sensor": SENSOR,
        "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
        "lora": {"r": 2},
        "train": {"epochs": 1, "batch_size": 6},
        "split": {"protocol": "groups", "groups": 2},
        "evaluate": {"methods": ["fine-tuned"]},
        "variants": VARIANTS,
        "out": str(tmp_path_factory.mktemp("ablations")),
    }


@pytest.fixture(scope="module")
def folder(settings):
    return run(AblationRecipe.parse(settings), "imuscribe run parts.yaml", progress=False)


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_every_variant_is_the_recipe_with_its_changes(settings):
    parts = AblationRecipe.parse(settings).parts()
    values = {key: settings[key] for key in settings.keys() - {"kind", "variants"}}
    base = Recipe.parse(values)
    assert list(parts) == list(VARIANTS) and parts["tokens"] == base
    frozen = base.lora.model_copy(update={"frozen": True})
    assert parts["LLM frozen"] == base.model_copy(update={"lora": frozen})
    assert parts["with means"].text.format == "summary"
    assert parts["encoder"].evaluate.methods == ("encoder",)


def test_all_variants_answer_the_same_recordings(folder, found):
    assert list(found["methods"]) == list(VARIANTS)
    assert {method["n"] for method in found["methods"].values()} == {24}
    answers = pd.read_parquet(folder / "predictions.parquet")
    asked = {tuple(rows["id"]) for _, rows in answers.groupby("method")}
    assert len(answers) == 24 * len(VARIANTS) and len(asked) == 1


def test_variants_are_compared_in_pairs_with_the_first_or_another(found):
    pairs = {one["a"]: one["b"] for one in found["comparisons"]}
    assert pairs == {name: "tokens" for name in VARIANTS if name != "tokens"} | {
        "LLM random": "LLM frozen"
    }
    person = {name: method["per_person"] for name, method in found["methods"].items()}
    for one in found["comparisons"]:
        gaps = [
            person[one["a"]][who]["value"] - person[one["b"]][who]["value"] for who in person["svm"]
        ]
        gap = one["difference"]
        assert gap["value"] == pytest.approx(sum(gaps) / len(gaps)) and gap["n"] == 4
        assert gap["low"] <= gap["value"] <= gap["high"]


def test_variants_that_train_alike_share_the_training(folder, found):
    trained = {path.parts[-4] for path in (folder / "folds").glob("*/*/adapter/recipe.yaml")}
    assert trained == set(VARIANTS) - {"encoder", "svm"}
    seconds = {name: method["fit_seconds"] for name, method in found["methods"].items()}
    assert seconds["encoder"] == seconds["tokens"] > 0


def test_the_report_says_what_changes_what_it_costs_and_what_it_is_worth(folder, found):
    text = (folder / "report.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| LLM random | 0")]
    assert " points [" in row and "| LLM frozen | 24 |" in row
    assert "| LLM random | model.random: True |" in text
    tokens = {name: method["tokens"] for name, method in found["methods"].items()}
    assert tokens["encoder"] is None and tokens["svm"] is None
    assert tokens["tokens"]["median"] < tokens["with means"]["median"]
    assert [row[0] for row in report(folder).summary[0].rows] == list(VARIANTS)


def test_the_ledger_keeps_every_variant_with_its_difference(folder, tmp_path):
    added = add(folder, tmp_path / "results.json")
    assert [r.method for r in added] == [r.method for r in read(tmp_path / "results.json")]
    assert {result.method for result in added} == set(VARIANTS)
    gains = {r.method: r for r in added if r.metric == "accuracy gain"}
    assert set(gains) == set(VARIANTS) - {"tokens"}
    assert gains["LLM random"].note == "against LLM frozen" and gains["svm"].n == 24
    accuracy = {r.method: r for r in added if r.metric == "accuracy" and r.over == "recordings"}
    assert accuracy["tokens"].train_data == "12 recordings of 2 other people"
    assert accuracy["tokens"].note.startswith("trained in ")
    assert (
        "| LLM random | accuracy gain | pairs |" in (tmp_path / "results/ablation.md").read_text()
    )


def test_a_second_run_trains_and_answers_nothing(folder, found, settings, monkeypatch):
    def refuse(*_):
        raise AssertionError("answered again")

    monkeypatch.setattr("imuscribe.eval.methods.language.Predictors.predict", refuse)
    run(AblationRecipe.parse(settings), "imuscribe run parts.yaml", progress=False)
    again = json.loads((folder / "metrics.json").read_text())
    assert [again[key] for key in ("methods", "comparisons")] == [
        found[key] for key in ("methods", "comparisons")
    ]


def test_its_recipe_is_read_back_and_null_leaves_a_variant_out(settings, tmp_path):
    path, recipe = tmp_path / "parts.yaml", AblationRecipe.parse(settings)
    path.write_text(dump(recipe))
    assert load_experiment(str(path)) == recipe
    fewer = load_experiment(str(path), ["variants.with means=null"])
    assert list(fewer.variants) == [name for name in VARIANTS if name != "with means"]


MISTAKES = [
    ({"b": {"lora.rank": 4}}, "variants.b: unknown key 'lora.rank': valid: r, alpha"),
    ({"b": {"split.groups": 3}}, "variants.b: changes 'split.groups': all variants have"),
    ({"b": {"evaluate.methods": "svm,encoder"}}, "names svm, encoder: a variant is answered by"),
    ({"b": {"model.random": True, "model.load_in_4bit": True}}, "are both true: keep one"),
    ({"b": {"lora.frozen": True, "sensor": None}}, "nothing would learn"),
    ({"b": {"sensor": None, "evaluate.methods": "encoder"}}, "names encoder but 'sensor' is"),
    ({"b": {"text.format": "summry"}}, "did you mean 'summary'"),
    ({"b": {"text.format": "summary", "text.stats": True}}, "stats is true but summary is"),
    ({"a/b": {}}, "variants.a/b"),
    ({"b": None}, "'variants' has fewer than two"),
    ({"b": {"against": "c"}}, "variants.b: 'against' is 'c': valid: a, b"),
]


@pytest.mark.parametrize(("variants", "reason"), MISTAKES)
def test_a_mistake_in_a_variant_is_one_line(settings, variants, reason):
    with pytest.raises(InputError) as caught:
        AblationRecipe.parse(settings | {"variants": {"a": {}} | variants})
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_command_of_another_kind_says_what_it_is_for(settings, tmp_path):
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(InputError, match=r"it is for 'imuscribe run'$"):
        load_as(Recipe, str(tmp_path / "parts.yaml"))
