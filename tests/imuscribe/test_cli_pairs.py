"""`imuscribe pairs` from recordings on disk to files a trainer or a service takes."""

import json

import pytest
import typer
from typer.testing import CliRunner

from imuscribe.cli import pairs as cli_pairs
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save


@pytest.fixture(scope="module")
def app():
    app = typer.Typer(rich_markup_mode="rich")
    cli_pairs.register(app)
    return app


@pytest.fixture(scope="module")
def data(letters, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(2, 2, "A-C"), path)
    return path


@pytest.fixture
def run(app, tiny_model_dir):
    def invoke(*arguments, ok=True):
        words = ["pairs", *map(str, arguments)]
        if words[1] == "build":
            words += ["--tokenizer", str(tiny_model_dir), "--max-tokens", "8000"]
            words += ["--reasoning-tokens", "999"]
        result = CliRunner().invoke(app, words)
        assert (result.exit_code == 0) is ok, result.output
        return result

    return invoke


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_build_follows_the_study_by_default(run, data, tmp_path):
    out = tmp_path / "pairs.jsonl"
    told = run("build", data, "--out", out).output
    rows = rows_of(out)
    assert len(rows) == 12 * 3
    assert "36 pairs of 12 recordings, 3 labels, 2 people" in told
    assert all("Key points" in row["prompt"] for row in rows)
    assert all(row["completion"].endswith(f"\nLetter: {row['label']}") for row in rows)


def test_build_short_label_only_of_one_person(run, data, tmp_path):
    person = sorted({row["subject"] for row in _every(run, data, tmp_path)})[0]
    out = tmp_path / "short.jsonl"
    options = ("--style", "short", "--label-only", "--subject", person, "--limit", 4)
    run("build", data, "--out", out, *options, "--format", "digits")
    rows = rows_of(out)
    assert len(rows) == 4
    assert {row["subject"] for row in rows} == {person}
    assert all(row["completion"] == f" {row['label']}" for row in rows)


def _every(run, data, tmp_path):
    out = tmp_path / "all.jsonl"
    run("build", data, "--out", out, "--label-only", "--paraphrases", 1)
    return rows_of(out)


def test_same_seed_same_bytes(run, data, tmp_path):
    first, second, other = (tmp_path / name for name in "abc")
    for out, seed in ((first, 1), (second, 1), (other, 2)):
        run("build", data, "--out", out, "--limit", 6, "--seed", seed)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("form", ["trl", "chat", "hosted"])
def test_export_loads_as_a_dataset(run, data, tmp_path, form):
    from datasets import load_dataset

    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "out.jsonl"
    run("build", data, "--out", pairs, "--limit", 5)
    assert "15 rows" in run("export", pairs, "--to", form, "--out", out).output
    loaded = load_dataset("json", data_files=str(out), split="train", cache_dir=tmp_path / "c")
    columns = {"messages"} if form == "hosted" else {"prompt", "completion"}
    assert columns <= set(loaded.column_names)
    assert len(loaded) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--style", "studdy"), "'prompt.style' is 'studdy'"),
        (("--format", "stroke"), "'text.format' is 'stroke'"),
        (("--subject", "nobody"), "subject 'nobody' is not in"),
        (("--paraphrases", "99"), "choose 1 to"),
        (("--shots", "-1"), "'prompt.shots' is -1"),
        (("--model", "qwen3-8b"), "--model is for a language model that explains"),
        (("--max-tokens-total", 100), "name --teacher too"),
        (("--teacher", "localhost:8000/v1", "--model", "m"), "begins with http://"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(run, data, tmp_path, options, message):
    out = tmp_path / "pairs.jsonl"
    error = run("build", data, "--out", out, *options, ok=False).exception
    assert isinstance(error, InputError)
    assert message in str(error)
    assert not out.exists()


def test_export_of_something_else_is_refused(run, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"text": "hello"}\n')
    error = run("export", path, "--out", tmp_path / "out.jsonl", ok=False).exception
    assert "line 1: has no prompt" in str(error)
    path.write_text("")
    error = run("export", path, "--out", tmp_path / "out.jsonl", ok=False).exception
    assert "has no pairs" in str(error)


def test_what_is_read_is_never_written_over(run, data, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    run("build", data, "--out", pairs, "--limit", 1)
    before = pairs.read_bytes(), data.read_bytes()
    for words in (("export", pairs, "--out", pairs), ("build", data, "--out", data)):
        assert "give another name" in str(run(*words, ok=False).exception)
    assert (pairs.read_bytes(), data.read_bytes()) == before


def test_an_export_is_jsonl_and_says_so(run, data, tmp_path):
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "train.parquet"
    run("build", data, "--out", pairs, "--limit", 1)
    assert "ends in .jsonl" in str(run("export", pairs, "--out", out, ok=False).exception)
    assert not out.exists()


@pytest.mark.parametrize("command", ["build", "export"])
def test_help_ends_with_examples(app, command):
    told = CliRunner().invoke(app, ["pairs", command, "--help"]).output
    assert "Examples" in told.rpartition("--out")[0]
    assert f"imuscribe pairs {command}" in told.partition("Examples")[2]


def test_real_recordings_make_pairs(run, shared_data, tmp_path):
    out = tmp_path / "pairs.jsonl"
    run("build", shared_data("charsense.parquet"), "--out", out, "--limit", 30)
    rows = rows_of(out)
    assert len(rows) == 90
    assert all("Turning points" in row["completion"] for row in rows)
