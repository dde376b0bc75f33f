"""A teacher in this process, and the store that keeps what any teacher said."""

import threading

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.finetune.local_teacher import LocalModel
from imuscribe.prompts.teacher.chat import Reply, Request, Stopped, Unanswered
from imuscribe.prompts.teacher.store import AnswerStore, CachedModel, TokenBudget
from imuscribe.recipes.schema import ModelConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    return LocalModel(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))


def test_the_same_request_gives_the_same_answer_and_another_seed_another(model):
    asked = Request("Be brief.", "Which letter?", 12, 1.0, 5)
    reply = model.answer(asked)
    assert model.answer(asked) == reply
    assert model.answer(Request("Be brief.", "Which letter?", 12, 1.0, 6)).text != reply.text
    assert reply.cut is (reply.answer_tokens == 12)
    assert reply.prompt_tokens > len("Which letter")


def test_greedy_answers_do_not_hang_on_the_seed(model):
    texts = {model.answer(Request("", "Which letter?", 8, 0.0, seed)).text for seed in range(3)}
    assert len(texts) == 1


def test_its_name_holds_no_folder(model, tiny_model_dir):
    assert model.name == f"{tiny_model_dir.name} in transformers"
    assert "/" not in model.name


def test_what_is_too_long_for_it_is_unanswered(model):
    with pytest.raises(Unanswered, match=r"too long for the teacher: .* exceed 4096"):
        model.answer(Request("", "long " * 2000, 8))


def test_a_build_with_a_local_teacher_lists_what_a_babbler_says(letters, tiny_model_dir, tmp_path):
    data, out = tmp_path / "letters.parquet", tmp_path / "pairs.jsonl"
    save(letters(1, 1, "A-B"), data)
    words = ["pairs", "build", data, "--out", out, "--teacher", tiny_model_dir]
    words += ["--tokenizer", tiny_model_dir, "--max-tokens", 8000, "--reasoning-tokens", 999]
    words += ["--cache", tmp_path / "answers.sqlite", "--answer-tokens", 8, "--tries", 2]
    error = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(error, InputError) and "2 recordings set aside" in str(error)
    aside = (tmp_path / "pairs.set-aside.jsonl").read_text("utf-8")
    assert aside.count("asked 2 times") == 2
    store = AnswerStore(tmp_path / "answers.sqlite")
    assert len(store) == 4


class Counting:
    name = identity = "counting"

    def __init__(self, gate=None):
        self.asked = 0
        self.gate = gate

    def answer(self, request):
        self.asked += 1
        if self.gate is not None:
            self.gate.wait()
        return Reply(f"answer {self.asked}", 10, 5, cut=True)


ASK = Request("", "x" * 20, 10)


def remembering(tmp_path, model, limit=None, stop=None):
    store = AnswerStore(tmp_path / "a.sqlite")
    return CachedModel(model, store, TokenBudget(limit), stop or threading.Event())


def test_an_answer_outlives_the_process_that_asked(tmp_path):
    model = Counting()
    first = remembering(tmp_path, model).answer(ASK)
    again = remembering(tmp_path, model)
    assert again.answer(ASK) == first == Reply("answer 1", 10, 5, cut=True)
    assert (model.asked, again.budget.tokens, again.budget.new_tokens) == (1, 15, 0)


@pytest.mark.parametrize(
    "other",
    [
        Request("s", "x" * 20, 10),
        Request("", "x" * 21, 10),
        Request("", "x" * 20, 11),
        Request("", "x" * 20, 10, 0.1),
        Request("", "x" * 20, 10, seed=1),
    ],
)
def test_whatever_differs_is_another_request(tmp_path, other):
    model = Counting()
    both = remembering(tmp_path, model)
    assert both.answer(ASK) != both.answer(other)
    model.identity = "another model"
    both.answer(ASK)
    assert model.asked == 3


def test_two_threads_that_ask_the_same_pay_once(tmp_path):
    gate = threading.Event()
    model = Counting(gate)
    shared = remembering(tmp_path, model)
    threads = [threading.Thread(target=shared.answer, args=(ASK,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (model.asked, shared.budget.requests, shared.budget.new_requests) == (1, 5, 1)


def test_a_spent_budget_refuses_what_is_new_and_gives_what_is_known(tmp_path):
    model = Counting()
    shared = remembering(tmp_path, model, limit=40)
    shared.answer(ASK)
    shared.answer(Request("", "y" * 20, 10))
    with pytest.raises(Stopped):
        shared.answer(Request("", "z" * 20, 10))
    assert shared.budget.spent and shared.budget.tokens == 30
    assert shared.answer(ASK).text == "answer 1"


def test_nothing_is_asked_after_the_stop(tmp_path):
    stop = threading.Event()
    model = Counting()
    shared = remembering(tmp_path, model, stop=stop)
    stop.set()
    with pytest.raises(Stopped):
        shared.answer(ASK)
    assert model.asked == 0


def test_something_else_is_no_store(tmp_path):
    (tmp_path / "a.sqlite").write_text("not a database, and long enough to look at" * 50)
    with pytest.raises(InputError, match=r"cache a.sqlite: file is not a database"):
        AnswerStore(tmp_path / "a.sqlite")
