"""The sweep over texts: what its cells are, what they cost, and that nothing is done twice."""

import csv
import json

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.run import run
from imuscribe.eval.tasks.sweep import cells
from imuscribe.recipes.load import load_experiment
from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.variants import Grid, SweepRecipe
from imuscribe.signals.errors import InputError

GRID = Grid(rates=(10.0, 50.0), steps=(4, 8), levels=(1, 2), digits=(1,), decimals=(0, 2))
N_CELLS = 2 * 2 * 2 + 2 * 2 + 2 * 2


def sweep(settings, grid=GRID, command=""):
    values = settings | {"name": f"{settings['name']}-sweep", "grid": grid.model_dump()}
    return run(SweepRecipe.parse(values), command, progress=False)


@pytest.fixture(scope="module")
def settings(tiny_model_dir, tmp_path_factory):
    return {
        "name": "tiny",
        "labels": "A-C",
        "simulate": {"people": 2, "labels": "A-C", "repetitions": 2, "cases": ["3d"]},
        "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
        "split": {"protocol": "both-directions"},
        "evaluate": {"methods": ["text-ngram"]},
        "out": str(tmp_path_factory.mktemp("sweeps")),
    }


@pytest.fixture(scope="module")
def folder(settings):
    return sweep(settings, command="imuscribe sweep tiny")


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_every_cell_is_the_recipe_with_the_text_it_names(settings):
    planned = cells(SweepRecipe.parse(settings), GRID)
    assert len({cell.name for cell in planned}) == len(planned) == N_CELLS
    for cell in planned:
        text = cell.recipe.text
        assert (text.format, cell.recipe.clean.rate) == (cell.format, cell.rate)
        if cell.format == "strokes":
            assert {(v.steps, v.levels) for v in text.views} == {(cell.steps, cell.precision)}
            assert [v.signal for v in text.views] == ["velocity", "acceleration"]
        elif cell.format == "digits":
            assert (text.steps, text.digits) == (cell.steps, cell.precision)
        else:
            assert (text.rate, cell.steps, text.decimals) == (None, None, cell.precision)
        same = cell.recipe.model_copy(
            update={
                "text": Recipe.parse(settings).text,
                "clean": cell.recipe.clean.model_copy(update={"rate": 50.0}),
            }
        )
        assert same == Recipe.parse(settings)


def test_all_cells_answer_the_same_recordings(folder, found):
    assert len(found["cells"]) == N_CELLS
    assert all(cell["methods"]["text-ngram"]["n"] == 12 for cell in found["cells"])
    for fold in ("sim-001", "sim-002"):
        files = sorted(folder.glob(f"folds/*/folds/{fold}/text-ngram.parquet"))
        assert len(files) == N_CELLS
        assert len({tuple(pd.read_parquet(file)["id"]) for file in files}) == 1


def test_tokens_follow_rate_steps_and_decimals(found):
    (reader,) = found["tokenizers"]
    tokens = {cell["name"]: cell["tokens"][reader] for cell in found["cells"]}
    assert tokens["strokes-50hz-4steps-1levels"] < tokens["strokes-50hz-8steps-1levels"]
    assert tokens["digits-50hz-4steps-1digits"] < tokens["digits-50hz-8steps-1digits"]
    assert tokens["csv-10hz-2decimals"] < tokens["csv-50hz-2decimals"]
    assert tokens["csv-10hz-0decimals"] < tokens["csv-10hz-2decimals"]
    # Five times the rate is five times the rows, which is all that a csv is made of.
    assert 4 < tokens["csv-50hz-0decimals"] / tokens["csv-10hz-0decimals"] < 6


def test_the_folder_holds_table_plot_and_provenance(folder, found):
    rows = list(csv.DictReader((folder / "sweep.csv").open()))
    assert len(rows) == N_CELLS
    for row, cell in zip(rows, found["cells"], strict=True):
        assert (row["format"], float(row["rate"])) == (cell["format"], cell["rate"])
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])
        assert (row["n"], row["reason"]) == ("12", "")
    text = (folder / "report.md").read_text()
    assert text.count("| strokes |") == 8 and "12 test recordings by 2 people" in text
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "environment.json").read_text())["command"] == (
        "imuscribe sweep tiny"
    )
    assert load_experiment(str(folder / "recipe.yaml")).name == "tiny-sweep"


def test_a_second_sweep_runs_no_cell_again(folder, settings, monkeypatch):
    kept = sorted(path for path in (folder / "folds").rglob("*") if path.is_file())
    assert len(kept) == 3 * N_CELLS  # a result and two folds each
    before = [path.stat().st_mtime_ns for path in kept]
    result = (folder / "metrics.json").read_bytes()

    def refuse(recipe):
        raise AssertionError("recordings were loaded again")

    monkeypatch.setattr("imuscribe.finetune.rows.load_recordings", refuse)
    assert sweep(settings, command="imuscribe sweep tiny") == folder
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert (folder / "metrics.json").read_bytes() == result


def test_another_recipe_does_not_get_the_old_cells(settings, tmp_path):
    one = Grid(formats=("digits",), rates=(50.0,), steps=(4,), digits=(1,))
    settings = settings | {"out": str(tmp_path)}

    def measured(**changes):
        path = sweep(settings | changes, one) / "metrics.json"
        return json.loads(path.read_text())["cells"][0]["methods"]["text-ngram"]["n"]

    assert measured() == 12
    fewer = {"protocol": "both-directions", "folds": ["sim-001"]}
    assert measured(split=fewer) == 6


def test_what_cannot_be_run_is_listed_with_its_reason(settings, tmp_path):
    changes = {
        "evaluate": {"methods": ["text-ngram", "zero-shot"]},
        "prompt": {"max_tokens": 40},
        "split": {"protocol": "both-directions", "folds": ["sim-001"]},
        "out": str(tmp_path),
    }
    grid = Grid(formats=("digits",), rates=(5.0, 50.0), steps=(4, 64), digits=(1,))
    folder = sweep(settings | changes, grid)
    results = {
        cell["name"]: cell for cell in json.loads((folder / "metrics.json").read_text())["cells"]
    }
    assert len(results) == 4
    short = results["digits-5hz-64steps-1digits"]["methods"]["text-ngram"]
    assert "too few for 64 steps" in short["reason"]
    long = results["digits-50hz-64steps-1digits"]
    assert long["methods"]["text-ngram"]["n"] == 6  # the classifier has no limit
    assert "exceed prompt.max_tokens=40" in long["methods"]["zero-shot"]["reason"]
    assert long["tokens"]
    lines = (folder / "report.md").read_text().splitlines()
    assert any(
        line.startswith("- digits-5hz-64steps-1digits (text-ngram, zero-shot): recording")
        for line in lines
    )
    assert any(line.startswith("- digits-50hz-64steps-1digits (zero-shot)") for line in lines)


def test_a_sweep_of_which_nothing_can_be_run_is_an_error(settings, tmp_path):
    grid = Grid(formats=("digits",), rates=(5.0,), steps=(200,))
    with pytest.raises(InputError, match="no cell of the sweep can be run: digits-5hz-200steps"):
        sweep(settings | {"out": str(tmp_path)}, grid)


@pytest.fixture
def call(settings, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(settings | {"out": str(tmp_path / "sweeps")}))
    return lambda *words: CliRunner().invoke(app, ["sweep", str(recipe), *map(str, words)])


def test_the_command_prints_a_row_a_cell(call, tmp_path):
    result = call(
        "split.folds=sim-002", "--format", "csv", "--rate", "10,20", "--decimals", 0,
        "--method", "text-ngram",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = [line for line in result.stdout.splitlines() if line.startswith("csv")]
    assert [row.split()[1] for row in rows] == ["10", "20"]
    assert "6 test recordings by 1 person" in result.stdout
    assert "sweep.png" in result.stdout.replace("\n", "")
    assert (tmp_path / "sweeps" / "tiny-sweep" / "sweep.csv").is_file()


MISTAKES = [
    (["--format", "stroks"], "did you mean 'strokes'"),
    (["--rate", "10,fast"], "--rate '10,fast': is no comma list of numbers"),
    (["--rate", "1"], "'clean.rate' is 1.0"),
    (["--steps", "0"], "'steps' is 0"),
    (["--levels", "4"], "'levels' is 4"),
    (["--digits", ""], "--digits '': is no comma list of whole numbers"),
    (["--format", "csv", "--levels", "2"], "--levels: not a setting of csv"),
    (["--method", "text-ngrm"], "did you mean 'text-ngram'"),
    (["data=nowhere.parquet"], "data 'nowhere.parquet': No such file"),
    (["--tokenizer", "smolm"], "did you mean 'smollm2'"),
]


@pytest.mark.parametrize(("options", "reason"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(call, tmp_path, options, reason):
    result = call(*options)
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "sweeps").exists()


def test_help_ends_with_examples(call):
    text = call("--help").stdout
    assert "imuscribe sweep demo" in text[text.index("Examples") :]
