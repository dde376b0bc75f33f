"""The study of explanations, end to end, with a teacher that lies half the time."""

import itertools
import re
import threading

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.ledger import results_of
from imuscribe.eval.methods.students import schedule
from imuscribe.eval.report.page import Table
from imuscribe.eval.run import read_run, report
from imuscribe.eval.run import run as study
from imuscribe.finetune.local_teacher import LocalModel
from imuscribe.prompts.teacher.chat import Request
from imuscribe.prompts.teacher.pair_files import read_pairs
from imuscribe.recipes.explanations import PairsRecipe
from imuscribe.recipes.load import load_as, load_recipe
from imuscribe.recipes.schema import ModelConfig
from imuscribe.signals.errors import InputError
from tests.chat_server import Answer, ChatServer

EXPLAIN = "[user]\nRetell the movement.\n\nMeasured: $facts"


def half_a_liar():
    """Return a server's answers: what was measured, and for every other recording twice as fast."""
    turn, lock = itertools.count(), threading.Lock()

    def answer(fields, server):
        told = fields["messages"][-1]["content"].rpartition("Measured: ")[2]
        with lock:
            false = next(turn) % 2
        lies = re.sub(r"peak (\d+\.\d)", lambda m: f"peak {9 + float(m[1])}", told)
        return Answer(lies if false else told)

    return answer


def settings(base, out, url):
    return {
        "name": "tiny",
        "labels": "A-C",
        "simulate": {"people": 2, "labels": "A-C", "repetitions": 2, "cases": ["3d"]},
        "prompt": {"max_tokens": 900, "reasoning_tokens": 500},
        "model": {"base": str(base), "dtype": "fp32"},
        "lora": {"r": 2},
        "train": {"batch_size": 4, "max_length": 1024},
        "split": {"protocol": "given", "train": ["sim-001"], "test": ["sim-002"]},
        "evaluate": {"methods": ["zero-shot", "text-ngram"], "max_new_tokens": 8},
        "tokens": 4000,
        "facts": {"max_phases": 2},
        "teacher": {
            "name": url,
            "model": "m",
            "roles": {"explain": EXPLAIN},
            "teach": {"restructure": False, "rounds": 0},
            "workers": 2,
            "cache": str(out / "answers.sqlite"),
        },
        "out": str(out),
    }


@pytest.fixture(scope="module")
def made(tiny_model_dir, tmp_path_factory):
    """Run the study twice; return its folder, what it asked and what the second run changed."""
    out = tmp_path_factory.mktemp("studies")
    with ChatServer(half_a_liar()) as server:
        recipe = PairsRecipe.parse(settings(tiny_model_dir, out, server.url))
        folder = study(recipe, "imuscribe pairs study tiny.yaml", progress=False)
        asked, first = len(server.seen), (folder / "metrics.json").read_bytes()
        adapters = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
        study(recipe, "imuscribe pairs study tiny.yaml", progress=False)
        again = {
            "asked": len(server.seen) - asked,
            "same": (folder / "metrics.json").read_bytes() == first,
            "adapters": {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")}
            == adapters,
        }
    return folder, asked, again


def test_each_student_learns_what_its_arm_says(made):
    folder, asked, _ = made
    pairs = {p.parent.name: read_pairs(p) for p in (folder / "folds" / "given").rglob("*.jsonl")
             if p.name == "pairs.jsonl"}  # fmt: skip
    assert {arm: len(rows) for arm, rows in pairs.items()} == {
        "label": 6,
        "computed": 6,
        "teacher": 6,
        "teacher-checked": 3,
    }
    assert asked == 6  # the checked arm has the same answers
    assert all(row["completion"] == f" {row['label']}" for row in pairs["label"])
    wrong = {arm: sum(row["contradicted"] for row in rows) for arm, rows in pairs.items()}
    assert wrong["teacher"] > 0 == wrong["teacher-checked"] == wrong["computed"]


def test_the_budget_is_the_same_and_told(made):
    found = read_run(made[0])[0]
    for arm in found["arms"]:
        assert 3500 < arm["tokens"] <= 4000
        assert arm["rows"] == round(arm["passes"] * arm["recordings"])
        assert arm["updates"] == -(-arm["rows"] // 4)
        assert arm["seconds"] > 0
    bare, computed = found["arms"][:2]
    assert bare["answer"] == 2  # the letter and the end
    assert bare["rows"] > computed["rows"]


def test_everybody_is_judged_on_the_same_strangers(made):
    found = read_run(made[0])[0]
    assert found["folds"][0]["test_people"] == ["sim-002"]
    for arm in found["arms"]:
        assert arm["scored"]["n"] == 6
        assert (arm["written"] is None) == (arm["arm"] == "label")
        if arm["explains"]:
            assert arm["explains"]["texts"] == arm["written"]["n"] == 6
    assert found["others"]["text-ngram"]["n"] == found["others"]["zero-shot"]["n"] == 6


def test_a_second_run_pays_and_trains_nothing(made):
    assert made[2] == {"asked": 0, "same": True, "adapters": True}


def test_the_tables_and_the_ledger_name_every_arm(made):
    tables = [part for part in report(made[0]).sections if isinstance(part, Table)]
    for table in tables:
        assert all(len(row) == len(table.head) for row in table.rows)
    page = (made[0] / "report.md").read_text()
    for said in ("the label alone", "the teacher's, checked", "best classical", "chance 0.333"):
        assert said in page
    rows = results_of(made[0], "a note")
    methods = {row.method for row in rows}
    assert {
        "taught the label alone, label scored",
        "taught computed explanations",
        "text-ngram",
    } <= methods
    assert {row.n for row in rows if row.metric == "accuracy"} == {6}


def test_an_arm_that_is_left_with_nothing_says_so(tiny_model_dir, tmp_path):
    with ChatServer(lambda fields, server: Answer("The hand rests for 99 s.")) as server:
        values = settings(tiny_model_dir, tmp_path, server.url) | {"arms": ["teacher-checked"]}
        with pytest.raises(InputError, match="'teacher-checked': nothing is left to learn"):
            study(PairsRecipe.parse(values), progress=False)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 400), st.integers(0, 9))
def test_a_schedule_meets_its_budget_in_whole_passes(lengths, tokens, seed):
    rows = [{} for _ in lengths]
    order = schedule(rows, lengths, tokens, seed)
    spent = sum(lengths[i] for i in order)
    assert spent <= tokens or len(order) == 1
    assert spent + max(lengths) > tokens
    for start in range(0, len(order), len(rows)):
        one = order[start : start + len(rows)]
        assert len(set(one)) == len(one)
    assert order == schedule(rows, lengths, tokens, seed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("arms=[label,label]", "twice"),
        ("arms=[guess]", "guess"),
        ("prompt.reasoning=true train.loss=explanation", "set by each arm"),
        ("train.augment={}", "would no longer be true"),
        ("teacher.teach.keep_wrong=true", "set by each arm"),
        ("evaluate.methods=[fine-tuned]", "the students are the 'arms'"),
        ("tokens=0", "greater than 0"),
        ("teacher.nme=x", "name"),
    ],
)
def test_mistakes_in_the_recipe_are_named(change, reason):
    with pytest.raises(InputError, match=reason):
        load_as(PairsRecipe, "pairs-study", change.split())


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [("http://localhost:9/v1", "name the model"), ("no-such-model-here", "no-such-model-here")],
)
def test_a_teacher_that_cannot_be_had_is_told_before_anything_runs(tmp_path, teacher, reason):
    settings = f"preset=simulated teacher.name={teacher} out={tmp_path}/runs"
    with pytest.raises(InputError, match=reason):
        study(load_as(PairsRecipe, "pairs-study", settings.split()))
    assert not (tmp_path / "runs").exists()


def test_the_packaged_recipe_goes_with_its_command_only():
    assert load_as(PairsRecipe, "pairs-study").student(explains=True).prompt.reasoning
    assert load_as(PairsRecipe, "pairs-study", ["preset=simulated"]).data == "simulated"
    with pytest.raises(InputError, match=r"'pairs-study'.* 'imuscribe pairs study'"):
        load_recipe("pairs-study")
    result = CliRunner().invoke(app, ["pairs", "study", "--help"])
    assert result.exit_code == 0 and "pairs-study" in result.output


def test_a_local_teacher_answers_alike_alone_and_beside_others(tiny_model_dir):
    model = LocalModel(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    asked = [Request("", "letter " * n, 6 + n, t, n) for n, t in enumerate((0.0, 1.0, 0.7), 1)]
    alone = [model.answer(request) for request in asked]
    together = [None] * len(asked)

    def ask(i):
        together[i] = model.answer(asked[i])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(asked))]
    with model._writing:  # nobody is answered before all have asked
        for thread in threads:
            thread.start()
        while len(model._waiting) < len(asked):
            pass
    for thread in threads:
        thread.join()
    assert together == alone
