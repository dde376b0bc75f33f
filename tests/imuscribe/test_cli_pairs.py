"""`imuscribe pairs` from recordings on disk to files a trainer or a service takes."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(letters, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(2, 2, "A-C"), path)
    return path


@pytest.fixture
def run(tiny_model_dir):
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


def test_options_are_short_ways_to_write_keys(run, data, tmp_path):
    first, second = tmp_path / "options", tmp_path / "keys"
    options = ("--style", "short", "--label-only", "--shots", 2, "--format", "digits", "--seed", 3)
    run("build", data, "--out", first, *options, "--limit", 4)
    keys = "prompt.style=short prompt.reasoning=false prompt.shots=2 text.format=digits seed=3"
    run("build", data, "--out", second, "pairs.limit=4", *keys.split())
    assert first.read_bytes() == second.read_bytes()
    run("build", data, "--out", second, *options, "--limit", 9, "pairs.limit=4")
    assert first.read_bytes() == second.read_bytes()  # what is written out wins


def test_a_recipe_says_what_options_do(run, data, tmp_path):
    first, second = tmp_path / "options", tmp_path / "recipe"
    run("build", data, "--out", first, "--paraphrases", 2, "--limit", 5)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"data: {data}\nprompt: {{style: study, reasoning: true}}\n"
        "pairs: {paraphrases: 9, limit: 5}\ntrain: {epochs: 3}\n"
        "presets: {two: {pairs.paraphrases: 2}}"
    )
    run("build", recipe, "--out", second, "preset=two")
    assert first.read_bytes() == second.read_bytes()
    before = recipe.read_bytes()
    error = run("build", recipe, "--out", recipe, "preset=two", ok=False).exception
    assert "give another name" in str(error) and recipe.read_bytes() == before


def test_a_packaged_recipe_simulates_its_labels(run, tmp_path):
    out = tmp_path / "pairs.jsonl"
    run("build", "demo", "--out", out, "labels=A,C", "simulate.people=1", "simulate.repetitions=1")
    rows = rows_of(out)
    assert {row["label"] for row in rows} == {"A", "C"}
    assert all(row["completion"] == f" {row['label']}" for row in rows)


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
        (("pairs.limt=3",), "unknown key 'pairs.limt': did you mean 'limit'?"),
        (("--limit", "0", "seed=-1"), "'pairs.limit' is 0: "),
        (("teacher=smollm2",), "need keys and values"),
        (("prompt.retrieve={}",), "pairs name no neighbours"),
        (("train.lr=1",), "unknown key 'train'"),
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


def documented():
    """Return what the pages and the help show of `pairs build`, each as it is typed."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = [re.sub(r"\\\n\s*", " ", page.read_text("utf-8")) for page in pages]
    shown = re.findall(r"^ *(imuscribe pairs build .*)$", "\n".join(texts), re.M)
    group = typer.main.get_command(app).commands["pairs"]
    shown += re.findall(r"^(imuscribe pairs build .*)$", group.commands["build"].epilog, re.M)
    return sorted({re.split(r"\s{2,}#", line)[0] for line in shown})


@pytest.mark.parametrize("line", documented())
def test_documented_builds_only_lack_the_data(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, shlex.split(line)[1:]).exception
    assert isinstance(error, InputError) and "no such file" in str(error), (line, error)


def test_pages_show_how_to_build():
    assert len(documented()) >= 8


@pytest.mark.parametrize("command", ["build", "export"])
def test_help_ends_with_examples(command):
    told = CliRunner().invoke(app, ["pairs", command, "--help"]).output
    assert "Examples" in told.rpartition("--out")[0]
    assert f"imuscribe pairs {command}" in told.partition("Examples")[2]


def test_real_recordings_make_pairs(run, shared_data, tmp_path):
    out = tmp_path / "pairs.jsonl"
    run("build", shared_data("charsense.parquet"), "--out", out, "--limit", 30)
    rows = rows_of(out)
    assert len(rows) == 90
    assert all("Turning points" in row["completion"] for row in rows)
