"""What a user may get wrong around runs is one line, and told before work begins."""

import json
from dataclasses import replace

import pytest

from imuscribe.eval.ledger import add, read
from imuscribe.eval.run import plan, report, write_report
from imuscribe.recipes.load import load_as, load_experiment
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from tests.eval.test_report import FACTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: [letters]\n", "did you mean 'letters'"),
        ("kind: words\nname: x\n", "'tasks' is missing"),
        ("fti: {epochs: 1}\nview: {steps: 8}\nsupport: null\n", "did you mean 'fit'"),
        ("evaluate: {methods: [svn]}\n", "did you mean 'svm'"),
        ("kind: sweep\ngrid: {rates: a}\n", "grid.rates"),
    ],
)
def test_a_recipe_names_what_is_nearest(tmp_path, text, expected):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=expected):
        load_experiment(str(tmp_path / "mine.yaml"))


def test_an_empty_kind_is_found_out_and_one_number_is_a_list(tmp_path):
    (tmp_path / "mine.yaml").write_text("kind:\ngrid: {rates: 50}\n")
    found = load_experiment(str(tmp_path / "mine.yaml"))
    assert found.kind == "sweep" and found.grid.rates == (50.0,)
    (tmp_path / "mine.yaml").write_text("kind:\nlora: {r: 4}\n")
    assert load_as(Recipe, str(tmp_path / "mine.yaml")).lora.r == 4


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [("[1]", "is no mapping"), ("{}", "has no 'methods'"), ('{"kind": "nope"}', "valid: letters")],
)
def test_a_folder_that_is_no_run_is_one_line(tmp_path, metrics, expected):
    (tmp_path / "metrics.json").write_text(metrics)
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    with pytest.raises(InputError, match=expected):
        report(tmp_path)


def test_a_run_without_its_recipe_is_one_line(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    with pytest.raises(InputError, match=r"has no recipe\.yaml"):
        write_report(tmp_path)


def test_a_sweep_has_nothing_to_quote(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"kind": "sweep", "name": "x"}))
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    with pytest.raises(InputError, match="nothing to quote"):
        add(tmp_path, tmp_path / "mine.json")
    (tmp_path / "mine.json").write_text("5")
    with pytest.raises(InputError, match="is no list of results"):
        read(tmp_path / "mine.json")


def test_a_name_that_makes_no_file_is_told_before_any_work(letters, tmp_path):
    long = {"sim-001": "x" * 300, "sim-002": "b"}
    found = [replace(rec, subject=long[rec.subject]) for rec in letters(2, 2, "A-C")]
    save(found, tmp_path / "long.parquet")
    recipe = Recipe.parse(
        {
            "name": "long",
            "data": str(tmp_path / "long.parquet"),
            "labels": "A-C",
            "evaluate": {"methods": ["svm"]},
            "out": str(tmp_path / "runs"),
        }
    )
    with pytest.raises(InputError, match="too long for a file name"):
        plan(recipe, progress=False)
    assert not (tmp_path / "runs").exists()
