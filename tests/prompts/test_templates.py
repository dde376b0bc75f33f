"""Prompts stay inside their budget, meet their completions at a clean token, and say what to do."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig, Shot
from imuscribe.signals.errors import InputError

CAPITALS = tuple(string.ascii_uppercase)
ACTIVITIES = ("walking", "sitting_down", "standing_up")
SIGNAL = "S S SE E NE N"
SHOTS = [Shot("N N N", "A"), Shot("E E", "B"), Shot("W W W W", "C")]
CONFIGS = [
    PromptConfig(style=style, reasoning=reasoning, chat=chat, max_tokens=6000)
    for style in ("short", "study")
    for reasoning in (False, True)
    for chat in (False, True)
]


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture(scope="module")
def starting_tokenizer(tiny_model_dir):
    """Return a tokenizer that adds a start token, with a template that writes it as well."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_special_tokens({"bos_token": "<start>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<start> $A", special_tokens=[("<start>", tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    return tokenizer


def ids(tokenizer, text, special=False):
    return tokenizer(text, add_special_tokens=special)["input_ids"]


def test_short_style_is_the_signal_and_one_cue(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS)
    assert builder.prompt(SIGNAL) == f"{SIGNAL}\nLetter:"
    assert builder.completion("A") == " A"


def test_short_examples_look_like_the_question_and_its_answer(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS)
    answered = [builder.prompt(s.text) + builder.completion(s.label) + "\n\n" for s in SHOTS]
    assert builder.prompt(SIGNAL, SHOTS) == "".join(answered) + builder.prompt(SIGNAL)


def test_study_style_has_the_five_parts_in_order(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(style="study", max_tokens=6000))
    prompt = builder.prompt(SIGNAL, SHOTS)
    parts = ["You are an expert", "Task", "Key points", "Examples", "Query", "Answer form"]
    places = [prompt.index(part) for part in parts]
    assert places == sorted(places)
    assert places[4] < prompt.index(SIGNAL) < places[5]
    assert "A, B, C" in prompt
    for shot in SHOTS:
        assert places[3] < prompt.index(f"{shot.label}:\n{shot.text}") < places[4]
    assert "Examples" not in builder.prompt(SIGNAL)


def test_reasoning_asks_for_every_candidate_and_five_ranks(tokenizer):
    config = PromptConfig(style="study", reasoning=True, max_tokens=6000)
    asked = PromptBuilder(tokenizer, CAPITALS, config).prompt(SIGNAL)
    assert "all 26 candidates" in asked
    assert "5. <letter>" in asked
    three = PromptBuilder(tokenizer, ACTIVITIES, config).prompt(SIGNAL)
    assert "3. <activity>" in three
    assert "4. <activity>" not in three
    off = config.model_copy(update={"reasoning": False})
    assert "confident" not in PromptBuilder(tokenizer, CAPITALS, off).prompt(SIGNAL)


def test_reasoning_comes_before_the_conclusion(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(reasoning=True))
    assert builder.completion("A", "Down, then right.") == " Down, then right.\nLetter: A"
    assert builder.completion("A") == " Letter: A"


@pytest.mark.parametrize(
    ("labels", "cue"),
    [(CAPITALS, "Letter:"), (tuple("AB01"), "Character:"), (ACTIVITIES, "Activity:")],
)
def test_the_cue_names_what_the_labels_are(tokenizer, labels, cue):
    assert PromptBuilder(tokenizer, labels).prompt(SIGNAL).endswith(cue)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("labels", [CAPITALS, ACTIVITIES])
def test_prompt_and_completion_meet_at_a_token_border(tokenizer, config, labels):
    builder = PromptBuilder(tokenizer, labels, config)
    prompt = builder.prompt(SIGNAL)
    assert not prompt.endswith(" ")
    for label in labels:
        completion = builder.completion(label, "Down." if config.reasoning else "")
        assert completion.endswith(label)
        joined = ids(tokenizer, prompt + completion)
        assert joined == ids(tokenizer, prompt) + ids(tokenizer, completion)


def test_a_template_that_ends_in_a_space_hands_it_to_the_completion(starting_tokenizer):
    plain = starting_tokenizer.chat_template
    starting_tokenizer.chat_template = plain.replace("<|assistant|>", "<|assistant|> ")
    builder = PromptBuilder(starting_tokenizer, CAPITALS, PromptConfig(chat=True))
    starting_tokenizer.chat_template = plain
    assert builder.completion("A") == " A"


def test_chat_is_what_the_template_makes_of_the_messages(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(chat=True))
    rendered = tokenizer.apply_chat_template(
        builder.messages(SIGNAL), add_generation_prompt=True, tokenize=False
    )
    assert builder.prompt(SIGNAL) == rendered
    assert builder.completion("A") == "A"
    assert [m["role"] for m in builder.messages(SIGNAL, SHOTS)] == ["system", "user"]


@pytest.mark.parametrize("chat", [False, True])
def test_exactly_one_start_token(starting_tokenizer, chat):
    builder = PromptBuilder(starting_tokenizer, CAPITALS, PromptConfig(chat=chat))
    prompt = builder.prompt(SIGNAL)
    tokens = ids(starting_tokenizer, prompt, special=True)
    assert tokens.count(starting_tokenizer.bos_token_id) == 1
    assert tokens[0] == starting_tokenizer.bos_token_id
    assert builder.n_tokens(prompt) == len(tokens)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_budget_is_exact(tokenizer, config):
    """The smallest budget that works is what prompt, answer and end token cost together."""
    loose = PromptBuilder(tokenizer, CAPITALS, config)
    need = loose.n_tokens(loose.prompt(SIGNAL, SHOTS)) + loose.answer_tokens
    exact = config.model_copy(update={"max_tokens": need})
    tight = config.model_copy(update={"max_tokens": need - 1})
    assert PromptBuilder(tokenizer, CAPITALS, exact).prompt(SIGNAL, SHOTS) == loose.prompt(
        SIGNAL, SHOTS
    )
    with pytest.raises(InputError, match=rf"max_tokens={need - 1}: 2 of 3 .*max_tokens={need}$"):
        PromptBuilder(tokenizer, CAPITALS, tight).prompt(SIGNAL, SHOTS)


def test_label_answers_keep_room_for_the_longest_label_and_the_end(tokenizer):
    builder = PromptBuilder(tokenizer, ACTIVITIES)
    assert builder.answer_tokens == len(ids(tokenizer, " sitting_down")) + 1


def test_a_signal_too_long_is_told_how_much_fits(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(max_tokens=40))
    with pytest.raises(InputError, match="the signal has 60 tokens and at most") as caught:
        builder.prompt("N" * 60)
    fits = int(str(caught.value).split("at most ")[1].split()[0])
    assert builder.prompt("N" * fits)
    with pytest.raises(InputError):
        builder.prompt("N" * (fits + 1))
    need = int(str(caught.value).rpartition("=")[2])
    assert PromptBuilder(tokenizer, CAPITALS, PromptConfig(max_tokens=need)).prompt("N" * 60)


@settings(max_examples=30)
@given(budget=st.integers(30, 200), n=st.integers(0, 12))
def test_largest_k_is_the_largest(tokenizer, budget, n):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(max_tokens=budget))
    shots = [Shot("N" * (3 + i), CAPITALS[i]) for i in range(n)]
    k = builder.largest_k(SIGNAL, shots)
    assert builder.prompt(SIGNAL, shots[:k])
    if k < n:
        with pytest.raises(InputError):
            builder.prompt(SIGNAL, shots[: k + 1])


def test_paraphrases_differ_in_the_task_only(tokenizer):
    builder = PromptBuilder(tokenizer, CAPITALS, PromptConfig(style="study", max_tokens=6000))
    prompts = [builder.prompt(SIGNAL, paraphrase=i) for i in range(builder.n_paraphrases)]
    assert len(set(prompts)) == len(prompts) >= 6
    assert len({p.partition("Candidates:")[2] for p in prompts}) == 1
    assert prompts[0] == builder.prompt(SIGNAL)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda t: PromptBuilder(t, []), "no labels"),
        (lambda t: PromptBuilder(t, ["A", "A"]), "'A' is given twice"),
        (lambda t: PromptBuilder(t, ["A", " "]), "is blank"),
        (lambda t: PromptBuilder(t, ["A", "B "]), "use 'B'"),
        (lambda t: PromptBuilder(t, ACTIVITIES).completion("walkin"), "did you mean 'walking'"),
        (lambda t: PromptBuilder(t, "AB").prompt("N", [Shot("S", "C")]), "'C' is not a candidate"),
        (lambda t: PromptBuilder(t, "AB").completion("A", "Why."), "prompt.reasoning=true"),
        (
            lambda t: PromptBuilder(
                t, "AB", PromptConfig(reasoning=True, reasoning_tokens=5)
            ).completion("A", "NNNNNNNNN"),
            "has 9 tokens.*reasoning_tokens=9",
        ),
        (
            lambda t: PromptBuilder(t, "AB", PromptConfig(style="study", max_tokens=9999)).prompt(
                "N", paraphrase=99
            ),
            "paraphrase 99 does not exist: valid 0 to",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(tokenizer, act, message):
    with pytest.raises(InputError, match=message) as caught:
        act(tokenizer)
    assert "\n" not in str(caught.value)


def test_chat_needs_a_template(starting_tokenizer):
    template = starting_tokenizer.chat_template
    starting_tokenizer.chat_template = None
    with pytest.raises(InputError, match="has no chat template"):
        PromptBuilder(starting_tokenizer, CAPITALS, PromptConfig(chat=True))
    starting_tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(InputError, match=r"refuses.*no system role"):
        PromptBuilder(starting_tokenizer, CAPITALS, PromptConfig(chat=True))
    starting_tokenizer.chat_template = template
