"""The report: complete, escaped, and readable without a network."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from imuscribe.eval.metrics import evaluate
from imuscribe.eval.report.methods import comparison_text, letters_page
from imuscribe.eval.report.page import interval
from imuscribe.eval.report.render import as_html, as_markdown
from imuscribe.eval.run import write_report
from imuscribe.signals.errors import InputError


def method(hits, tokens=None, **changes):
    """Return the measured values of a made-up method: `hits` of eight right."""
    truth, subjects = "ABABABAB", "ppppqqqq"
    answers = [c if i < hits else "BA"["AB".index(c)] for i, c in enumerate(truth)]
    scores = np.log([[0.9, 0.1] if c == "A" else [0.1, 0.9] for c in answers])
    cost = {"tokens": tokens, "seconds": 0.01, "fit_seconds": 3.0, "notes": []}
    return evaluate("AB", truth, scores, subjects) | cost | changes


def example(**changes):
    tokens = {"min": 40, "median": 45.0, "max": 51}
    metrics = {
        "name": "demo <1>",
        "labels": ["A", "B"],
        "chance": 0.5,
        "protocol": "both-directions",
        "data": "simulated",
        "seed": 0,
        "shots": 4,
        "folds": [
            {
                "name": name,
                "train_people": [other],
                "test_people": [name],
                "n_train": 4,
                "n_test": 4,
                "note": "",
            }
            for name, other in ("pq", "qp")
        ],
        "methods": {
            "zero-shot": method(4, tokens, notes=["a & b <script>alert(1)</script>"]),
            "fine-tuned": method(8, tokens),
            "svm": method(6),
        },
        "comparisons": [
            {
                "a": "fine-tuned",
                "b": "zero-shot",
                "n": 8,
                "difference": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 2},
                "disjoint": True,
            }
        ],
    }
    return metrics | changes


FACTS = {
    "date": "2026-01-02",
    "command": "imuscribe run demo 'split.folds=<p>'",
    "commit": "abc",
    "python": "3.11.0",
    "packages": {"torch": "2.0"},
    "machine": {"processor": "Some CPU", "cpus": 2, "gpu": "", "system": "Linux"},
    "data": {"path": "simulated", "sha256": ""},
}


def page(values, facts, recipe):
    return as_html(letters_page(values, facts, Path()).closed(values, facts, recipe))


@pytest.fixture(scope="module")
def html():
    return page(example(), FACTS, "name: demo\nseed: 0\n")


def test_every_method_has_its_row_with_interval_and_cost(html):
    rows = {re.sub("<.*?>", "", row) for row in re.findall("<tr.*?</tr>", html)}
    assert any(row.startswith("fine-tuned1.000 [0.676, 1.000]") for row in rows)
    assert any(row.startswith("zero-shot0.500 [0.215, 0.785]") and "45" in row for row in rows)
    assert any(row.startswith("chance0.500") for row in rows)
    assert html.count('<tr class="best">') == 1


def test_nothing_is_fetched_and_every_picture_is_inside(html):
    assert not re.search(r"https?://|<link|<script", html)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == html.count("<img") == 5
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)


def test_cases_stand_side_by_side_with_their_counts():
    cases = {
        "2d": {"value": 0.75, "low": 0.3, "high": 0.95, "n": 4},
        "3d": {"value": 0.25, "low": 0.05, "high": 0.7, "n": 4},
    }
    methods = {"svm": method(4, by_case=cases), "generate": method(4, by_case={})}
    html = re.sub("<.*?>", " ", page(example(methods=methods, comparisons=[]), FACTS, ""))
    assert "2D | 3D" in html
    assert re.search(r"svm\s+3/4 0\.750\s+\[0\.300, 0\.950\]\s+1/4 0\.250 ", html)
    assert re.search(r"generate\s+–\s+–", html)


def test_an_old_runs_metrics_without_cases_still_make_a_page():
    old = example()
    for one in old["methods"].values():
        del one["by_case"]
    assert "<h2>2D" not in page(old, FACTS, "")


def test_foreign_text_is_escaped(html):
    assert "demo &lt;1&gt;" in html and "<script>" not in html
    assert "a &amp; b &lt;script&gt;" in html
    assert "split.folds=&lt;p&gt;" in html


def test_tags_are_balanced(html):
    from html.parser import HTMLParser

    class Balance(HTMLParser):
        void = frozenset({"meta", "img", "br"})

        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(html)
    assert parser.open == []


def test_a_run_of_baselines_alone_has_no_token_picture():
    only = page(example(methods={"svm": method(6)}, comparisons=[]), FACTS, "")
    assert only.count("<img") == 2 and "Tokens against accuracy" not in only


def test_an_interval_that_does_not_exist_is_not_invented():
    assert interval({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert interval({"value": 0.5, "low": 0.4, "high": 0.6}, ".2f") == "0.50 [0.40, 0.60]"


def test_a_comparison_is_one_sentence():
    found = example()["comparisons"][0]
    assert comparison_text(found) == (
        "fine-tuned against zero-shot: +50.0 points [+25.0, +75.0], paired over 2 people and "
        "8 recordings; the Wilson intervals do not overlap."
    )
    alone = found | {
        "disjoint": False,
        "difference": {"value": -0.1, "low": None, "high": None, "n": 1},
    }
    assert comparison_text(alone).startswith("fine-tuned against zero-shot: -10.0 points, paired")
    assert "intervals overlap" in comparison_text(alone)


def test_a_folder_without_a_finished_run_is_named(tmp_path):
    with pytest.raises(InputError, match=r"has no metrics\.json"):
        write_report(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        write_report(tmp_path)


def test_the_page_is_written_beside_the_metrics(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(example()))
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    (tmp_path / "recipe.yaml").write_text("name: demo\n")
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html" and "name: demo" in path.read_text()
    assert "| fine-tuned | 1.000 [0.676, 1.000] |" in (tmp_path / "report.md").read_text()


def test_the_markdown_says_what_the_page_says():
    text = as_markdown(letters_page(example(), FACTS, Path()))
    assert text.startswith("# demo <1>") and "## Methods" in text
    assert "- fine-tuned against zero-shot: +50.0 points [+25.0, +75.0]" in text


def test_ties_stand_out_together_and_a_note_is_said_once():
    values = example()
    for one in values["methods"].values():
        one["accuracy"] = values["methods"]["svm"]["accuracy"]
        one["notes"] = ["drawn with seed 0"]
    html = page(values, FACTS, "")
    assert html.count('<tr class="best">') == 3
    assert html.count("drawn with seed 0") == 1 and "all methods: drawn" in html
    assert html.count("Confusion matrix of") == 3
