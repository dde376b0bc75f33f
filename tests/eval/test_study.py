"""The study's table: its printed figures come out of the counts, ours stand beside them."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.metrics import evaluate
from imuscribe.eval.report.study import published, study_page
from imuscribe.recipes.load import dump, load_recipe
from imuscribe.signals.errors import InputError
from tests.eval.test_report import FACTS, example

STUDY = published()["two-person"]
PRINTED = {
    ("zero-shot", "GPT-4o"): (4.23, 1.92),
    ("few-shot", "LLaMA-3-8B"): (0.38, 0.0),
    ("few-shot", "GPT-4o"): (26.54, 4.62),
    ("few-shot", "DeepSeek-R1"): (59.6, 5.4),
    ("fine-tuned", "LLaMA-3-8B"): (3.46, 2.69),
    ("fine-tuned", "GPT-4o"): (6.15, 3.08),
    ("fine-tuned-few-shot", "LLaMA-3-8B"): (49.23, 5.77),
    ("fine-tuned-few-shot", "GPT-4o"): (58.08, 6.54),
}


def answered(two_d, three_d):
    """Return a method that is right `two_d` times of ten in 2D and `three_d` of ten in 3D."""
    right = [i < two_d for i in range(10)] + [i < three_d for i in range(10)]
    scores = np.log([[0.9, 0.1] if hit else [0.1, 0.9] for hit in right])
    cases = ["2d"] * 10 + ["3d"] * 10
    cost = {"tokens": None, "seconds": 0.1, "fit_seconds": 0.0, "notes": []}
    return evaluate("AB", "A" * 20, scores, "q" * 20, cases) | cost


@pytest.fixture
def metrics():
    methods = {"zero-shot": answered(0, 1), "fine-tuned": answered(7, 2), "svm": answered(9, 8)}
    return example(methods=methods, comparisons=[])


def rows(text):
    return [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]


@pytest.mark.parametrize(("who", "percent"), PRINTED.items())
def test_the_studys_counts_give_its_percentages(who, percent):
    digits = 2 if who[1] != "DeepSeek-R1" else 1  # printed with fewer
    counts, n = STUDY["correct"][who[0]][who[1]], STUDY["recordings"]
    assert tuple(round(100 * k / n, digits) for k in counts) == percent


def test_every_published_figure_has_its_source():
    assert all("arXiv" in paper["source"] for paper in published().values())


def test_ours_stand_beside_the_study_with_counts_and_intervals(metrics):
    found = {(r[0], r[1]): r[2:] for r in rows(study_page(metrics, "smollm2"))}
    ours = found["fine-tuned", "smollm2 (**this run**)"]
    assert ours[0] == "7/10 0.700 [0.397, 0.892]"
    assert ours[1].startswith("2/10 0.200") and ours[2].startswith("9/20 0.450")
    theirs = found["fine-tuned-few-shot", "LLaMA-3-8B (study)"]
    assert theirs[0] == "128/260 0.492 [0.432, 0.553]" and theirs[2].startswith("143/520")
    assert found["few-shot", "smollm2 (**this run**)"] == ["not run"] * 3
    assert found["SVM, 52 recordings", "– (study)"] == ["–", "–", "0.304, mean of 5 runs"]
    assert found["svm", "– (**this run**)"][1].startswith("8/10")


def test_the_page_says_what_differs(metrics):
    text = study_page(metrics, "smollm2")
    assert "2504.02878" in text and "simulated people" in text
    assert "learnt from q (4), tested on p (4)" in text


def test_a_run_of_one_case_has_no_such_table():
    with pytest.raises(InputError, match="study-two-person"):
        study_page(example(), "smollm2")


def test_the_command_prints_it(metrics, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    (tmp_path / "recipe.yaml").write_text(dump(load_recipe("study-two-person")))
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--study"])
    assert result.exit_code == 0, result.output
    assert re.search(r"\| fine-tuned \| smollm2 \(\*\*this run\*\*\) \| 7/10", result.stdout)
    assert str(tmp_path / "report.html") in result.stdout.replace("\n", "")


def test_the_recipe_holds_what_the_table_compares():
    for preset in ([], ["preset=fast"]):
        recipe = load_recipe("study-two-person", preset)
        assert set(STUDY["correct"]) <= set(recipe.evaluate.methods)
        assert recipe.simulate.cases == ("2d", "3d") and recipe.prompt.style == "short"
