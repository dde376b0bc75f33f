"""The audit: it finds what was planted, asks no model, and does not depend on the order."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.methods.baselines import Views
from imuscribe.eval.report.audit import audit_page, summary, without, write_audit
from imuscribe.eval.report.render import as_html
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import sha256
from imuscribe.signals.motion.audit import ODD_FORM, ODD_RECORDING, AuditConfig, audit
from imuscribe.signals.readers.parquet import save

LABELS = "CLMZ"
CONFIG = AuditConfig(neighbours=5)


OWN_WAYS = ("sim-001", "sim-005")
"""Simulated people who are drawn with a form of their own, of L and of Z."""


@pytest.fixture(scope="module")
def everybody(letters):
    return letters(6, 5, ",".join(LABELS))


@pytest.fixture(scope="module")
def raw(everybody):
    """Return the letters of the four people who write them the common way."""
    return [rec for rec in everybody if rec.subject not in OWN_WAYS]


def run(recordings, config=CONFIG):
    return audit(recordings, Views(build_serializer(TextConfig())).sequences(recordings), config)


@pytest.fixture(scope="module")
def recordings(raw):
    return [clean(rec) for rec in raw]


@pytest.fixture(scope="module")
def swapped(recordings):
    """Return recordings among which one C is labelled Z, with its id."""
    planted = next(rec for rec in recordings if rec.label == "C")
    return [r.replace(label="Z") if r is planted else r for r in recordings], planted.id


@pytest.fixture(scope="module")
def formed(recordings):
    """Return recordings in which one person's Ms are their Ls, with that person's name."""
    person = recordings[0].subject
    kept = [r for r in recordings if (r.subject, r.label) != (person, "M")]
    own = [
        r.replace(label="M", id=f"{r.id}-as-M")
        for r in recordings
        if (r.subject, r.label) == (person, "L")
    ]
    return [*kept, *own], person


def test_nothing_is_flagged_where_nothing_was_planted(recordings):
    found = run(recordings)
    assert not [form for form in found.forms if form.odd]
    assert len(found.flagged(ODD_RECORDING)) <= 1
    assert np.mean([one.agreement for one in found.recordings]) > 0.8


def test_a_swapped_label_is_found_with_the_label_it_should_bear(swapped):
    recordings, planted = swapped
    found = {one.id: one for one in run(recordings).flagged(ODD_RECORDING)}
    assert planted in found
    assert found[planted].instead == "C" and found[planted].agreement == 0
    assert found[planted].own < 0.5  # unlike the person's own letters Z: no habit


def test_one_persons_odd_form_is_found_and_nobody_elses(formed):
    recordings, person = formed
    found = run(recordings)
    assert [(form.subject, form.label) for form in found.forms if form.odd] == [(person, "M")]
    flagged = found.flagged(ODD_FORM)
    assert len(flagged) == 5 and all(one.id.endswith("-as-M") for one in flagged)
    (form,) = [form for form in found.forms if form.odd]
    assert form.agreement < 0.2 and form.others > 0.8 and form.instead == "L"
    # What the others agree on is judged without this person.
    other = next(f for f in found.forms if f.label == "M" and f.subject != person)
    assert not other.odd


def test_a_simulated_person_with_a_form_of_their_own_is_found(everybody):
    found = run([clean(rec) for rec in everybody])
    assert [(f.subject, f.label, f.instead) for f in found.forms if f.odd] == [
        ("sim-001", "L", "Z")
    ]


def test_the_order_of_the_recordings_changes_nothing(formed):
    recordings, _ = formed
    order = np.random.default_rng(0).permutation(len(recordings))
    assert run([recordings[i] for i in order]) == run(recordings)


def test_a_letter_nobody_else_writes_is_not_judged(recordings):
    person = recordings[0].subject
    alone = [
        r.replace(label="Q") if r.subject == person and r.label == "Z" else r for r in recordings
    ]
    found = run(alone)
    (form,) = [form for form in found.forms if form.label == "Q"]
    assert form.agreement is None and form.others is None and not form.odd
    assert not [one for one in found.recordings if one.label == "Q" and one.flag]
    assert "–" in summary(found, "x")


def test_agreement_counts_what_could_agree(recordings):
    """A label of which the others hold fewer recordings than neighbours can still reach 1."""
    person = recordings[0].subject
    other = next(r.id for r in recordings if r.subject != person and r.label == "Z")
    few = [r for r in recordings if r.label != "Z" or r.subject == person or r.id == other]
    judged = [one for one in run(few).recordings if one.label == "Z" and one.subject == person]
    assert max(one.agreement for one in judged) == 1


def test_mistakes_are_one_line(recordings):
    person = recordings[0].subject
    with pytest.raises(InputError, match="needs two"):
        run([rec for rec in recordings if rec.subject == person])
    with pytest.raises(InputError, match="has no subject"):
        run([recordings[0].replace(subject=""), *recordings[1:]])
    with pytest.raises(InputError, match="take at most"):
        run(recordings, AuditConfig(neighbours=len(recordings)))


def test_the_page_draws_every_odd_form_and_fetches_nothing(formed):
    recordings, person = formed
    html = as_html(audit_page(run(recordings), recordings, "a<b>.parquet"))
    assert f"<p>{person} M: 0." in html and "a&lt;b&gt;" in html
    assert html.count("data:image/png") >= 1 and not re.search(r"https?://|<script", html)


def test_accuracy_without_never_stands_alone():
    table = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"] * 2,
            "label": list("XXYY") * 2,
            "top1": list("XYYX") + list("YYYY"),
            "method": ["svm"] * 4 + ["cnn"] * 4,
        }
    )
    text = without(table, {ODD_FORM: {"b"}, ODD_RECORDING: {"d", "elsewhere"}})
    svm, cnn = (line for line in text.splitlines() if line.startswith(("| svm", "| cnn")))
    assert svm.startswith("| svm | 2/4 0.500 [") and "| 2/2 1.000 [" in svm
    assert cnn.startswith("| cnn | 2/4 0.500 [") and "| 1/2 0.500 [" in cnn
    assert "2 of 4 test recordings are flagged (1 odd form, 1 odd recording)" in text
    assert "none left" in without(table, {ODD_FORM: set("abcd")})


def test_from_a_file_to_a_runs_accuracy_without_the_flagged(raw, tmp_path):
    planted = next(rec for rec in raw if rec.label == "C")
    data = tmp_path / "letters.parquet"
    save([r.replace(label="Z") if r is planted else r for r in raw], data)
    options = ["--labels", ",".join(LABELS), "--out", str(tmp_path / "audit"), "--neighbours", "5"]
    result = CliRunner().invoke(app, ["data", "audit", str(data), *options])
    assert result.exit_code == 0, result.output
    assert "odd recordings:" in result.stdout and planted.subject in result.stdout
    written = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert planted.id in written["flagged"][ODD_RECORDING]
    assert written["rule"]["neighbours"] == 5 and written["sha256"] == sha256(data)
    flagged = pd.read_csv(tmp_path / "audit" / "flagged.csv")
    assert planted.id in set(flagged["id"])
    every = pd.read_parquet(tmp_path / "audit" / "recordings.parquet")
    assert sorted(every["id"]) == sorted(rec.id for rec in raw)

    changes = [
        f"data={data}", f"labels={','.join(LABELS)!r}", f"out={tmp_path}", "name=run",
        "evaluate.methods=[random-forest]", "split.protocol=leave-one-person-out",
        "split.train=[]", "split.test=[]",
    ]  # fmt: skip
    result = CliRunner().invoke(app, ["run", "demo", *changes])
    assert result.exit_code == 0, result.output
    report = ["report", str(tmp_path / "run"), "--audit"]
    result = CliRunner().invoke(app, [*report, str(tmp_path / "audit" / "audit.json")])
    assert result.exit_code == 0, result.output
    found = re.search(r"\| random-forest \| (\d+)/(\d+) .*? \| (\d+)/(\d+) ", result.stdout)
    correct, n, correct_kept, n_kept = map(int, found.groups())
    assert (n, n_kept) == (len(raw), len(raw) - len(flagged))
    assert correct_kept >= correct - len(flagged) and correct_kept <= correct

    other = json.loads((tmp_path / "audit" / "audit.json").read_text()) | {"sha256": "0" * 64}
    (tmp_path / "other.json").write_text(json.dumps(other))
    for path, message in (
        ("other.json", "audit the file the run read"),
        ("run/metrics.json", "is no audit"),
        ("absent.json", "imuscribe data audit"),
    ):
        result = CliRunner().invoke(app, [*report, str(tmp_path / path)])
        assert isinstance(result.exception, InputError)
        assert re.search(message, str(result.exception))


def test_writing_twice_gives_the_same_bytes(formed, tmp_path):
    recordings, _ = formed
    found = run(recordings)
    for name in ("one", "two"):
        write_audit(found, recordings, tmp_path / name, "x.parquet", "")
    for name in ("audit.json", "flagged.csv", "audit.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
