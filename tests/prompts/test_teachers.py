"""A teacher's answer is used only if it can be learnt from; wrong ones go back, then away."""

import pytest

from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.prompts.teacher.chat import Reply, Unanswered
from imuscribe.prompts.teacher.roles import VALUES, RolePrompts
from imuscribe.prompts.teacher.teachers import (
    ComputedTeacher,
    LanguageTeacher,
    TeachConfig,
    Verdict,
    split_conclusion,
)
from imuscribe.signals.errors import InputError
from tests.chat_server import role_of


class Scripted:
    """A model that gives each role its answers in turn, the last one for ever."""

    name = identity = "scripted"

    def __init__(self, **answers):
        self.answers = {role: list(given) for role, given in answers.items()}
        self.asked = []

    def answer(self, request):
        role = role_of({"messages": request.messages})
        self.asked.append((role, request))
        left = self.answers[role]
        given = left.pop(0) if len(left) > 1 else left[0]
        return given if isinstance(given, Reply) else Reply(given)


@pytest.fixture(scope="module")
def builder(tiny_model_dir):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    config = PromptConfig(style="study", reasoning=True, max_tokens=8000, reasoning_tokens=400)
    return PromptBuilder(tokenizer, ("A", "B", "L"), config)


@pytest.fixture(scope="module")
def rec(letters):
    return letters(1, 1, "L")[0]


@pytest.fixture(scope="module")
def signal(rec):
    serializer = build_serializer(TextConfig())
    return serializer.encode([serializer.features(rec)])[0]


@pytest.fixture
def teach(builder, rec, signal):
    def run(check=None, config=None, **answers):
        model = Scripted(**{"explain": ["Because."], **answers})
        options = {} if check is None else {"check": check}
        teacher = LanguageTeacher(
            model, builder, RolePrompts(), TeachConfig(**(config or {})), **options
        )
        try:
            return teacher.explain(rec, signal), model
        except Unanswered as error:
            return error, model

    return run


GOOD = "It goes down, then right.\nLetter: L"


def test_the_roles_are_asked_in_turn_with_what_they_need(teach, rec, signal):
    explanation, model = teach(restructure=[GOOD])
    assert explanation.reasoning == "It goes down, then right."
    (first, explain), (second, restructure) = model.asked
    assert (first, second) == ("explain", "restructure")
    assert "The true letter is: L" in explain.user and signal in explain.user
    assert f"{rec.duration:.2f} s" in explain.user
    assert "Because." in restructure.user and restructure.user.endswith("\nLetter: L")


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ("", "empty answer"),
        (" \n", "empty answer"),
        ("<think>Let me see", "no conclusion"),
        ("<think>A long thought</think>", "empty answer"),
        ("It goes down.\nLetter: B", "wrong label"),
        ("I cannot help with that.", "no conclusion"),
        ("Letter: L", "no reasoning"),
        (Reply("It goes down.\nLetter: L", 5, 512, cut=True), "cut off"),
        ("down and right " * 300 + "\nLetter: L", "too long"),
    ],
)
def test_a_bad_answer_is_asked_again_with_another_draw_then_set_aside(teach, bad, kind):
    explanation, model = teach(restructure=[bad, bad, GOOD])
    assert explanation.reasoning == "It goes down, then right."
    draws = [request.seed for role, request in model.asked if role == "restructure"]
    assert len(set(draws)) == 3
    error, model = teach(restructure=[bad])
    assert (error.kind, "asked 3 times" in error.detail) == (kind, True)
    assert len(model.asked) == 1 + 3


@pytest.mark.parametrize(
    ("said", "reasoning"),
    [
        ("It goes down. Then it goes right.", "It goes down. Then it goes right."),
        (GOOD, "It goes down, then right."),
        ("It goes down.\nThen right.", "It goes down.\nThen right."),
    ],
)
def test_without_restructuring_what_is_said_is_the_reasoning(teach, said, reasoning):
    explanation, model = teach(config={"restructure": False}, explain=[said])
    assert explanation.reasoning == reasoning
    assert [role for role, _ in model.asked] == ["explain"]


def test_without_restructuring_a_wrong_conclusion_is_still_refused(teach):
    bad = "It goes down.\nLetter: B"
    error, _ = teach(config={"restructure": False}, explain=[bad])
    assert error.kind == "wrong label"


def test_role_texts_may_be_given_themselves():
    prompts = RolePrompts(texts={"explain": "[user]\nSay what $facts show."})
    assert prompts["explain"].fill({"facts": "these"}) == ("", "Say what these show.")
    assert prompts["critique"].names == RolePrompts()["critique"].names
    with pytest.raises(InputError, match=r"has no \[user\] part"):
        RolePrompts(texts={"explain": "Say what $facts show."})


def count_ups(text, facts):
    """Say how often a text claims something upward, which the letter L never does."""
    n = text.count("up")
    return Verdict(n + 1, 1, n, 0, tuple(f"it does not go up ({i})" for i in range(n)))


def test_errors_go_back_and_a_better_version_is_taken(teach):
    explanation, model = teach(
        count_ups, restructure=["It goes up and up.\nLetter: L"], critique=[GOOD]
    )
    assert (explanation.reasoning, explanation.round, explanation.history) == (
        "It goes down, then right.",
        1,
        (2, 0),
    )
    assert explanation.verdict.contradicted == 0
    sent = model.asked[-1][1].user
    assert "- it does not go up (0)\n- it does not go up (1)" in sent
    assert "It goes up and up." in sent


def test_a_version_that_is_no_better_is_not_taken(teach):
    explanation, model = teach(
        count_ups,
        restructure=["It goes up.\nLetter: L"],
        critique=["It goes up and up.\nLetter: L", GOOD],
    )
    assert (explanation.round, explanation.history) == (2, (1, 2, 0))
    second = model.asked[-1][1].user
    assert "It goes up.\n" in second and "up and up" not in second


def test_what_stays_wrong_is_dropped_after_so_many_rounds(teach):
    wrong = "It goes up.\nLetter: L"
    error, model = teach(count_ups, restructure=[wrong], critique=[wrong])
    assert error.kind == "wrong about the recording"
    assert error.detail == "errors 1 → 1 → 1: it does not go up (0)"
    assert [role for role, _ in model.asked].count("critique") == 2
    assert len({request.seed for _, request in model.asked}) == 4


def test_unfiltered_keeps_it_with_its_scores(teach):
    wrong = "It goes up.\nLetter: L"
    explanation, model = teach(count_ups, {"keep_wrong": True}, restructure=[wrong])
    assert (explanation.verdict.contradicted, explanation.reasoning) == (1, "It goes up.")
    assert [role for role, _ in model.asked] == ["explain", "restructure"]


def test_a_useless_correction_leaves_the_version_before_it(teach):
    error, _ = teach(count_ups, restructure=["It goes up.\nLetter: L"], critique=[""])
    assert error.detail.startswith("errors 1: ")


def test_an_instruction_is_reworded_and_the_same_one_for_the_same_pair(builder, rec):
    model = Scripted(paraphrase=["“Tell me which\nsingle letter this is.”"])
    teacher = LanguageTeacher(model, builder, RolePrompts())
    assert teacher.instruction(rec, 0, 0) == "Tell me which single letter this is."
    for place, number in ((0, 1), (1, 0), (0, 0)):
        teacher.instruction(rec, place, number)
    one, two, three, again = (request for _, request in model.asked)
    assert one == again
    assert len({one, two, three}) == 3
    assert rec.label not in one.user.split()


def test_fewer_wordings_are_shared(builder, rec):
    model = Scripted(paraphrase=["Tell me which single letter this is."])
    teacher = LanguageTeacher(model, builder, RolePrompts(), TeachConfig(wordings=4))
    for place in range(10):
        of_one = [teacher.instruction(rec, place, number) for number in range(3)]
        assert len(of_one) == 3
        assert len({request for _, request in model.asked[-3:]}) == 3
    assert len({request for _, request in model.asked}) == 4


@pytest.mark.parametrize("bad", ["", "No.", "word " * 101])
def test_what_is_no_instruction_is_set_aside(builder, rec, bad):
    teacher = LanguageTeacher(Scripted(paraphrase=[bad]), builder, RolePrompts())
    with pytest.raises(Unanswered, match=r"empty answer|no instruction"):
        teacher.instruction(rec, 0, 0)


def test_the_computed_teacher_is_the_explainer(builder, rec, signal):
    from imuscribe.prompts.captions.explain import explain

    teacher = ComputedTeacher(builder, check=count_ups)
    explanation = teacher.explain(rec, signal)
    assert explanation.reasoning == explain(rec).reasoning
    assert explanation.verdict == count_ups(explanation.reasoning, None)
    wordings = [teacher.instruction(rec, 0, number) for number in range(3)]
    assert len(set(wordings)) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Down, then right.\nLetter: L", ("Down, then right.", "Letter: L")),
        ("Down.\n\nRight.\n\nLetter: L\n", ("Down.\nRight.", "Letter: L")),
        ("Down, then right. The letter is L.", ("Down, then right.", "The letter is L.")),
        ("**Reasoning:** Down.\n\n**Conclusion:**\nLetter: L", ("Down.", "Letter: L")),
        ("## Analysis: Down.\nConclusion\n`L`", ("Down.", "L")),
        ("Letter: L", ("", "Letter: L")),
    ],
)
def test_reasoning_and_conclusion_are_told_apart(text, expected):
    assert split_conclusion(text) == expected


def test_prompts_can_be_replaced_one_by_one(tmp_path):
    (tmp_path / "explain.txt").write_text("[user]\nWhy $label? It costs $$5.\n")
    prompts = RolePrompts(tmp_path)
    assert prompts["explain"].fill({"label": "L"}) == ("", "Why L? It costs $5.")
    assert prompts["critique"] is not None
    assert prompts.hash != RolePrompts().hash
    assert RolePrompts().hash == RolePrompts().hash


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("explain.txt", "Why $label?", r"no \[user\] part"),
        ("explain.txt", "[user]\nWhy $lable?", r"uses \$lable.*did you mean '\$label'"),
        ("paraphrase.txt", "[user]\nSay $label", r"uses \$label"),
        ("explain.txt", "[user]\nIt costs $5", "lone '\\$'"),
        ("explainer.txt", "[user]\nWhy?", "did you mean 'explain'"),
        ("notes.md", "", "holds none of explain.txt"),
    ],
)
def test_a_mistake_in_a_prompt_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        RolePrompts(tmp_path)


def test_every_packaged_prompt_uses_known_values_only():
    prompts = RolePrompts()
    assert set(prompts) == set(VALUES)
    for role, prompt in prompts.items():
        assert prompt.names <= set(VALUES[role])
        assert "$" not in "".join(prompt.fill(dict.fromkeys(VALUES[role], "x")))
