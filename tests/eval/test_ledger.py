"""The ledger: one object a row, replaced when repeated, and rendered as it is."""

import json
from pathlib import Path

import pytest

from imuscribe.eval.ledger import add, read, render, results_of, write
from imuscribe.eval.result import Result
from imuscribe.signals.errors import InputError
from tests.eval.test_report import FACTS, example

LEDGER = Path(__file__).resolve().parents[2] / "docs" / "results.json"


@pytest.fixture
def run_dir(tmp_path):
    return folder(tmp_path / "run")


def folder(path, facts=FACTS, **changes):
    path.mkdir()
    (path / "metrics.json").write_text(json.dumps(example(**changes)))
    (path / "environment.json").write_text(json.dumps(facts))
    return path


def test_the_page_in_the_repository_is_rendered_from_its_ledger():
    for name, text in render(read(LEDGER)).items():
        assert (LEDGER.parent / name).read_text(encoding="utf-8") == text


def test_rows_say_where_a_figure_comes_from(run_dir):
    rows = results_of(run_dir, note="a note")
    assert all(Result.of(row.row()) for row in rows)
    found = {(row.method, row.metric, row.over): row for row in rows}
    tuned = found["fine-tuned", "accuracy", "recordings"]
    assert (tuned.value, round(tuned.ci_low, 6), tuned.ci_high, tuned.n) == (
        1.0,
        0.675592,
        1.0,
        8,
    )
    assert tuned.chance == 0.5 and tuned.tokens == 45.0
    assert tuned.train_data == "4 recordings of 1 other person"
    assert tuned.protocol == "both-directions, tested: p, q"
    assert tuned.command == FACTS["command"] and tuned.commit == "abc"
    assert tuned.machine == "2 × Some CPU" and tuned.note == "a note"
    assert found["zero-shot", "accuracy", "recordings"].train_data == "none"
    assert found["svm", "accuracy", "recordings"].tokens is None
    people = found["svm", "accuracy", "people"]
    assert people.value == 0.75 and people.ci_low is not None


def test_each_case_has_its_row_with_its_own_n(tmp_path):
    cases = {"2d": {"value": 0.75, "low": 0.3, "high": 0.95, "n": 4}}
    methods = {"svm": example()["methods"]["svm"] | {"by_case": cases}}
    found = results_of(folder(tmp_path / "run", methods=methods))
    rows = {(row.task.partition("B")[2], row.over): row for row in found}
    assert (rows[", 2D", "recordings"].value, rows[", 2D", "recordings"].n) == (0.75, 4)
    assert rows["", "people"].n == rows["", "recordings"].n == 8


def test_the_shown_examples_are_the_training_data_of_few_shot(tmp_path):
    methods = {"few-shot": example()["methods"]["zero-shot"]}
    path = folder(tmp_path / "run", methods=methods)
    assert results_of(path)[0].train_data == "4 examples in the prompt"


def test_a_row_says_what_was_not_tested(tmp_path):
    folds = [example()["folds"][0] | {"note": "4 of 90 test recordings"}]
    rows = results_of(folder(tmp_path / "run", folds=folds))
    assert all("p: 4 of 90 test recordings" in row.note for row in rows)


def test_adding_a_run_twice_replaces_its_rows_and_leaves_others(run_dir, tmp_path):
    ledger = tmp_path / "docs" / "results.json"
    first = add(run_dir, ledger, note="first")
    other = folder(tmp_path / "other", seed=1)
    add(other, ledger)
    add(run_dir, ledger, note="second")
    rows = read(ledger)
    assert len(rows) == 2 * len(first)
    assert {row.note.split(";")[0] for row in rows if row.seed == 0} == {"second"}
    for name, text in render(rows).items():
        assert (ledger.parent / name).read_text() == text


def test_another_commit_is_another_result(run_dir, tmp_path):
    ledger = tmp_path / "results.json"
    add(run_dir, ledger)
    later = folder(tmp_path / "later", facts=FACTS | {"commit": "def"})
    add(later, ledger)
    assert {row.commit for row in read(ledger)} == {"abc", "def"}


def test_the_page_shows_the_figures_and_groups_notes(run_dir):
    text = render(results_of(run_dir, note="one | two"))["results/letters.md"]
    expected = "| fine-tuned | accuracy | recordings | 1.000 | 0.676 – 1.000 | 8 | 0.500 | 45 |"
    assert expected in text
    assert "`imuscribe run demo 'split.folds=<p>'`" in text
    assert text.count("one | two") == 1  # a remark on every method is made once
    assert text.count("## ") == 1


def test_an_empty_ledger_says_so():
    assert "No results yet." in render([])["results.md"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such ledger"), ("[", "is no JSON"), ('[{"task": 1}]', "row 0 has other keys")],
)
def test_a_damaged_ledger_is_refused(content, message, tmp_path):
    ledger = tmp_path / "results.json"
    if content is not None:
        ledger.write_text(content)
    with pytest.raises(InputError, match=message):
        read(ledger)


def test_a_failed_addition_loses_nothing(tmp_path):
    ledger = tmp_path / "results.json"
    write(ledger, [])
    before = ledger.read_bytes()
    with pytest.raises(InputError, match="finished run"):
        add(tmp_path, ledger)
    assert ledger.read_bytes() == before


def test_a_mappings_rivals_say_how_few_recordings_they_learnt_from(tmp_path):
    folds = [fold | {"n_rivals": 2} for fold in example()["folds"]]
    rows = results_of(folder(tmp_path / "run", folds=folds))
    learnt = {row.method: row.train_data for row in rows}
    assert learnt["svm"] == "2 recordings of 1 other person"
    assert learnt["fine-tuned"] == "4 recordings of 1 other person"


def test_the_index_tells_the_best_method_and_what_it_must_beat(run_dir):
    index = render(results_of(run_dir))["results.md"]
    (row,) = [line for line in index.splitlines() if "2 labels, A to B" in line]
    assert "fine-tuned **1.000**" in row and "svm 0.750" in row and "| 0.500 |" in row


@pytest.mark.parametrize(("key", "given"), [("metric", "acuracy"), ("over", "peple")])
def test_what_is_measured_is_one_of_a_closed_list(run_dir, key, given):
    row = results_of(run_dir)[0].row() | {key: given}
    with pytest.raises(InputError, match="did you mean"):
        Result.of(row)


def test_the_ledger_names_files_and_no_metric_holds_a_number_of_people():
    for row in read(LEDGER):
        assert row.dataset == "simulated" or ".parquet, SHA-256 " in row.dataset
        assert "people" not in row.metric and "length" not in row.metric
