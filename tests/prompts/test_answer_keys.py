"""Answers that were paid for are found again: their keys, and the file that holds them, stay."""

import sqlite3
import threading

import pytest

from imuscribe.finetune.local_teacher import LocalModel
from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.teacher.chat import Reply, Request
from imuscribe.prompts.teacher.endpoint import Endpoint, EndpointConfig
from imuscribe.prompts.teacher.roles import RolePrompts
from imuscribe.prompts.teacher.store import AnswerStore, CachedModel, TokenBudget
from imuscribe.prompts.teacher.teachers import LanguageTeacher, TeachConfig, Verdict
from imuscribe.recipes.schema import ModelConfig

TEXTS = {
    "explain": "[system]\nYou explain.\n\n[user]\nWhy the $noun $label of $labels? $signal",
    "restructure": "[user]\n$explanation\nEnd in: $conclusion",
    "critique": "[user]\n$explanation\n$errors",
    "paraphrase": "[user]\nReword: $noun, $labels.",
}
KEYS = [
    "81d46a34707a7a4f88c951ca7b6b530c1f91ee37cc9f2cdbf1cac64787a8ec2c",
    "f74e87c7a8225f2d0c79638da305b4181ad78dceccfabb7afea4e0ee39e4cd92",
    "dc7ca46d8e32bef99eac6d49ea6e70de278b913565732debc47321ac1d1219ec",
    "716038b48708cc5d260bc3067ce533452bf02a4e40e0e8ab4221a774b3698820",
    "43138d9973d969fac44ce3877bd1867557d58a2b892c433a43f97f8235f609b7",
    "8551ab6c675f4ef7c085b21098cefa749fe193714fe2f3043e04ef1c95be107c",
]
"""Of what a teacher with these texts asks: as earlier versions kept them."""


@pytest.fixture(scope="module")
def server():
    """A server that is never asked."""
    extra = {"seed": None, "reasoning_effort": "low"}
    config = EndpointConfig(base_url="http://localhost:8000/v1/", model="qwen3-8b", extra=extra)
    return Endpoint(config)


class Kept:
    """Answers everything, and keeps the keys under which a server's answers are kept."""

    name = "kept"

    def __init__(self, identity):
        self.identity = identity
        self.keys = []

    def answer(self, request):
        self.keys.append(request.key(self.identity).hex())
        reword = request.user.startswith("Reword")
        return Reply("Tell me which letter this is." if reword else "It goes down.\nLetter: L")


def test_a_teacher_asks_under_the_same_keys_as_ever(server, letters):
    prompt = PromptConfig(style="study", reasoning=True, max_tokens=8000, reasoning_tokens=400)
    builder = PromptBuilder(load_tokenizer("smollm2"), ("A", "B", "L"), prompt)
    verdicts = iter([Verdict(1, 0, 1, 0, ("wrong",))] * 2 + [Verdict(1, 1)])
    teacher = LanguageTeacher(
        Kept(server.identity),
        builder,
        RolePrompts(texts=TEXTS),
        TeachConfig(),
        seed=7,
        check=lambda reasoning, facts: next(verdicts),
    )
    (rec,) = letters(1, 1, "L")
    assert teacher.explain(rec, "0 1 2").round == 2
    teacher.instruction(rec, 3, 1)
    teacher.instruction(rec, 0, 0)
    assert teacher.model.keys == KEYS


def test_the_packaged_texts_are_those_whose_answers_are_kept():
    assert RolePrompts().hash == "506c7e8be439"


def test_a_local_model_is_named_by_what_is_loaded(tiny_model_dir):
    model = LocalModel(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    loaded = f'{{"base": "{tiny_model_dir}", "dtype": "fp32", "load_in_4bit": false}}'
    assert model.identity == f'["transformers", {loaded}]'


def test_a_file_of_an_earlier_version_is_read(server, tmp_path):
    request = Request("Be brief.", "Which letter?", 20, 0.5, 7)
    with sqlite3.connect(tmp_path / "answers.sqlite") as file:
        file.execute(
            "CREATE TABLE answers (key BLOB PRIMARY KEY, text TEXT, prompt_tokens INTEGER, "
            "answer_tokens INTEGER, cut INTEGER) WITHOUT ROWID"
        )
        row = (request.key(server.identity), "An L.", 12, 3, 0)
        file.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)
    file.close()
    budget = TokenBudget()
    store = AnswerStore(tmp_path / "answers.sqlite")
    cached = CachedModel(server, store, budget, threading.Event())
    assert cached.answer(request) == Reply("An L.", 12, 3)
    assert (budget.requests, budget.new_requests) == (1, 0)
