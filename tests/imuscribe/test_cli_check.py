"""`imuscribe pairs check` and `show`: counts beside each pair, and a page to look through."""

import html
import json
import re

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.faithfulness import faithfulness
from imuscribe.eval.report.pairs import marked
from imuscribe.prompts.captions.explain import explain
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save


@pytest.fixture(scope="module")
def recordings(letters):
    return letters(2, 2, "A-C")


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(recordings, path)
    return path


@pytest.fixture(scope="module")
def run():
    def invoke(*arguments, ok=True):
        result = CliRunner().invoke(app, ["pairs", *map(str, arguments)])
        assert (result.exit_code == 0) is ok, result.output
        return result

    return invoke


@pytest.fixture
def pairs(recordings, tmp_path):
    """Two pairs a recording; the first recording's explanation is wrong and names its letter."""
    rows = []
    for i, rec in enumerate(recordings):
        reasoning = explain(clean(rec)).reasoning
        if i == 0:
            reasoning = reasoning.replace("Turning points: ", "Turning points: 9")
            reasoning += f" So it must be <b>{rec.label}</b>."
        row = {"id": rec.id, "label": rec.label, "subject": rec.subject, "system": "s", "user": "u"}
        row |= {"prompt": "p", "completion": f"{reasoning}\nLetter: {rec.label}"}
        rows += [row | {"paraphrase": k} for k in range(2)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_check_adds_the_counts_to_every_pair(run, pairs, data):
    told = run("check", pairs, "--data", data).output
    rows = rows_of(pairs.with_name("pairs.checked.jsonl"))
    assert len(rows) == 24
    for i, row in enumerate(rows):
        assert row["claims"] == row["supported"] + row["contradicted"] + row["unchecked"]
        assert (row["contradicted"] > 0) == (i < 2) == bool(row["errors"])
    assert "12 explanations" in told
    assert re.search(r"count +12 +91\.7 %", told)


def test_only_true_pairs_are_kept_when_asked(run, pairs, data, tmp_path):
    out = tmp_path / "true.jsonl"
    told = run("check", pairs, "--data", data, "--only-true", "--forbid-label", "--out", out).output
    assert "22 of 24 pairs" in told
    assert "1 of 12 explanations name the label" in told
    assert all(row["contradicted"] == 0 and not row["names_label"] for row in rows_of(out))


def test_show_marks_every_claim(run, pairs, data, tmp_path, recordings):
    out = tmp_path / "page.html"
    run("show", pairs, "--data", data, "--out", out, "--limit", 3, "--forbid-label")
    page = out.read_text("utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert all(f'<mark class="{kind}"' in page for kind in ("supported", "contradicted"))
    assert "9 more are not shown" in page
    assert 'you wrote "Turning points: 9' in html.unescape(page)
    assert "be <b>" not in page
    assert 'class="leak"' in page
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", page)


def test_show_only_what_is_wrong(run, pairs, data, tmp_path):
    out = tmp_path / "wrong.html"
    assert "1 of 1" in run("show", pairs, "--data", data, "--out", out, "--wrong").output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row | {"id": "elsewhere"}, "has no recording 'elsewhere'"),
        (lambda row: {k: v for k, v in row.items() if k != "id"}, "a pair has no id"),
        (lambda row: row | {"completion": " A"}, "no pair has an explanation"),
    ],
)
@pytest.mark.parametrize("command", ["check", "show"])
def test_mistakes_are_named(run, pairs, data, tmp_path, change, message, command):
    rows = [change(row) for row in rows_of(pairs)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "out"
    error = run(command, pairs, "--data", data, "--out", out, ok=False).exception
    assert isinstance(error, InputError)
    assert message in str(error)
    assert not out.exists()


@pytest.mark.parametrize("command", ["check", "show"])
def test_the_pairs_are_not_overwritten(run, pairs, data, command):
    error = run(command, pairs, "--data", data, "--out", pairs, ok=False).exception
    assert "give another name" in str(error)


@pytest.mark.parametrize("command", ["check", "show"])
def test_help_ends_with_examples(run, command):
    assert f"imuscribe pairs {command}" in run(command, "--help").output.partition("Examples")[2]


def test_marks_keep_the_text(recordings):
    rec = clean(recordings[0])
    text = explain(rec).text + " It lasts 99 s & <more>."
    pieces = marked(check_claims(text, rec), [(0, 4)])
    assert "".join(piece for piece, _, _ in pieces) == text
    assert any("leak" in marks for _, marks, _ in pieces)
    assert any("contradicted" in marks and "99" in piece for piece, marks, _ in pieces)


def test_faithfulness_of_a_model_by_hand(recordings):
    cleaned = [clean(rec) for rec in recordings[:4]]
    good = [explain(rec).text for rec in cleaned]
    texts = [good[0], good[1], "It lasts 99 s. Nothing else is sure.", "No idea."]
    found = faithfulness(texts, cleaned)
    n = sum(check_claims(text, rec).supported for text, rec in zip(texts, cleaned, strict=True))
    assert (found.supported, found.contradicted, found.texts) == (n, 1, 4)
    assert found.share["value"] == pytest.approx(n / (n + 1))
    assert found.share["low"] < found.share["value"] < found.share["high"]
    assert (found.true_texts["n"], found.true_texts["value"]) == (3, pytest.approx(2 / 3))
    assert found.kinds["duration"]["n"] == 3
    with pytest.raises(InputError, match="3 texts and 4 recordings"):
        faithfulness(texts[:3], cleaned)


def test_faithfulness_of_nothing_has_no_interval():
    found = faithfulness([], [])
    assert (found.claims, found.share["n"], found.share["low"]) == (0, 0, None)
