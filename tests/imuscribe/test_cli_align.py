"""`imuscribe align`: files that are whole, counts that are true, mistakes in one line."""

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save


def run(*args):
    done = CliRunner().invoke(app, ["align", *map(str, args)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def data(letters, tmp_path_factory):
    path = tmp_path_factory.mktemp("align") / "letters.parquet"
    save(letters(), path)
    return path


def test_qa_writes_questions_with_their_facts(data, tmp_path):
    out = tmp_path / "questions.jsonl"
    said = run("qa", data, "--out", out, "--per-recording", 6, "--least", 0.6)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert f"{len(rows)} questions" in said
    counts = Counter(row["kind"] for row in rows)
    for line in said.splitlines():
        name, *number = line.split() or [""]
        if name in counts:
            assert int(number[0]) == counts[name]
    assert rows[0]["question"] in said and rows[0]["answer"] in said
    for row in rows:
        assert {"id", "subject", "label", "at", "length", "kind", "channel"} <= set(row)
        assert row["start"] <= row["end"] <= row["length"]
        for fact in row["facts"]:
            assert all({"value", "unit", "tolerance"} == set(n) for n in fact["numbers"])
    again = tmp_path / "again.jsonl"
    run("qa", data, "--out", again, "--per-recording", 6, "--least", 0.6)
    assert again.read_bytes() == out.read_bytes()


def test_qa_asks_what_is_wanted(data, tmp_path):
    out = tmp_path / "questions.jsonl"
    run("qa", data, "--out", out, "--kind", "runs", "--channel", "acc_z", "--least", 0.6)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {(row["kind"], row["channel"]) for row in rows} == {("runs", "acc_z")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "trends"], "did you mean 'trend'"),
        (["--channel", "acc_w"], "--channel 'acc_w' is unknown"),
        (["--least", "5"], "is below least=5 s"),
        (["--least", "50", "--most", "60"], "too short"),
        (["--subject", "nobody"], "--subject 'nobody' is not in"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(data, tmp_path, options, message):
    out = tmp_path / "questions.jsonl"
    with pytest.raises(InputError, match=message):
        run("qa", data, "--out", out, *options)
    assert list(tmp_path.iterdir()) == []
