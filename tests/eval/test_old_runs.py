"""What an earlier version wrote is still read: no kind in metrics and recipe, no results kept."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.ledger import results_of
from imuscribe.recipes.load import load_experiment

OLD = Path(__file__).parents[1] / "data" / "old_runs"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [("old-letters", "letters", "2D | 3D"), ("old-mapping", "mapping", "Retrieval")],
)
def test_a_run_of_an_earlier_version_is_reported_and_quoted(name, kind, said, tmp_path):
    folder = tmp_path / name
    shutil.copytree(OLD / name, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert "results" not in metrics and load_experiment(str(folder / "recipe.yaml")).kind == kind
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_text()
    assert said in page and said in (folder / "report.md").read_text()
    results = results_of(folder)
    assert {result.kind for result in results} == {kind}
    told = {r.method: r.value for r in results if (r.metric, r.over) == ("accuracy", "recordings")
            and r.task == results[0].task}  # fmt: skip
    assert told == {n: m["accuracy"]["value"] for n, m in metrics["methods"].items()}
