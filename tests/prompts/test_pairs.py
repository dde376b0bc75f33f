"""Pairs teach what they show: the right answer, the asked wordings, in files trainers load."""

import json
import string
from dataclasses import replace

import numpy as np
import pytest

from imuscribe.prompts.ask.shots import draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
from imuscribe.prompts.captions.explain import Explanation, explain
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.prompts.teacher.pair_files import (
    EXPORTS,
    export,
    read_pairs,
    to_hosted_chat,
    write_jsonl,
)
from imuscribe.prompts.teacher.pairs import build_pairs
from imuscribe.signals.errors import InputError

CAPITALS = tuple(string.ascii_uppercase)


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture(scope="module")
def recordings(letters):
    return letters(2, 2, "A-C")


@pytest.fixture
def make(tokenizer, recordings):
    def pairs(paraphrases=1, recordings=recordings, explainer=explain, seed=0, **config):
        prompt = PromptConfig(**{"max_tokens": 8000, "reasoning_tokens": 999, **config})
        builder = PromptBuilder(tokenizer, CAPITALS, prompt)
        serializer = build_serializer(TextConfig())
        return build_pairs(recordings, serializer, builder, paraphrases, seed, explainer)

    return pairs


def test_every_recording_gets_its_answer_in_so_many_wordings(make, recordings):
    rows = make(3, style="study")
    assert [row["id"] for row in rows] == [rec.id for rec in recordings for _ in range(3)]
    for rec, start in zip(recordings, range(0, len(rows), 3), strict=True):
        three = rows[start : start + 3]
        assert {row["label"] for row in three} == {rec.label}
        assert {row["subject"] for row in three} == {rec.subject}
        assert {row["completion"] for row in three} == {f" {rec.label}"}
        assert len({row["prompt"] for row in three}) == 3
        assert len({row["paraphrase"] for row in three}) == 3


def test_reasoning_is_about_the_recording_itself(make, recordings):
    for row, rec in zip(make(reasoning=True), recordings, strict=True):
        assert row["completion"] == f" {explain(rec).reasoning}\nLetter: {rec.label}"


def test_another_explainer_may_reason(make, recordings):
    asked = []

    def teacher(rec, label):
        asked.append((rec.id, label))
        return Explanation(f"Seen {rec.id}.", label)

    rows = make(style="study", paraphrases=2, reasoning=True, explainer=teacher)
    assert asked == [(rec.id, rec.label) for rec in recordings]
    assert rows[0]["completion"] == f" Seen {recordings[0].id}.\nLetter: {recordings[0].label}"


def test_same_seed_same_pairs_whatever_the_order(make, recordings):
    rows = make(2, style="study")
    assert make(2, style="study") == rows
    assert make(2, style="study", seed=1) != rows
    turned = make(2, style="study", recordings=recordings[::-1])
    assert sorted(turned, key=str) == sorted(rows, key=str)


def test_examples_are_others_of_different_labels(make, recordings):
    texts = [row["user"].partition("\n")[0] for row in make()]
    label = {rec.id: rec.label for rec in recordings}
    for row, own in zip(make(shots=3), texts, strict=True):
        blocks = row["prompt"].split("\n\n")
        assert len(blocks) == 4
        assert sorted(block[-1] for block in blocks[:3]) == ["A", "B", "C"]
        assert blocks[3] == f"{own}\nLetter:"
        shown = {block.partition("\n")[0] for block in blocks[:3]}
        others = {t for t, r in zip(texts, recordings, strict=True) if r.id != row["id"]}
        assert shown <= others
        assert label[row["id"]] == row["label"]


def test_drawn_places_spread_over_labels_and_leaves_the_question_out():
    labels = list("AAAAABBC")
    for seed in range(50):
        drawn = draw_places(labels, 5, np.random.default_rng(seed), skip=7)
        assert 7 not in drawn
        assert len(set(drawn)) == 5
        assert sorted(labels[i] for i in drawn[:2]) == ["A", "B"]
        assert [labels[i] for i in drawn].count("B") == 2
    with pytest.raises(InputError, match="only 7"):
        draw_places(labels, 8, np.random.default_rng(0), skip=0)


def test_the_file_loads_as_a_dataset_and_tokenises_as_trl_does(make, tmp_path, tokenizer):
    from datasets import load_dataset

    rows = make(style="study", reasoning=True, paraphrases=2)
    path = tmp_path / "pairs.jsonl"
    write_jsonl(rows, path)
    loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=tmp_path / "c")
    assert loaded.to_list() == rows
    for row in loaded:
        prompt = tokenizer(row["prompt"])["input_ids"]
        assert tokenizer(row["prompt"] + row["completion"])["input_ids"][: len(prompt)] == prompt
    assert read_pairs(path) == rows


def test_exports_say_the_same_in_other_forms(make):
    rows = make(style="study", reasoning=True)
    trl, chat, hosted = (export(rows, form) for form in EXPORTS)
    for row, plain, talk, upload in zip(rows, trl, chat, hosted, strict=True):
        assert (plain["prompt"], plain["completion"]) == (row["prompt"], row["completion"])
        messages = upload["messages"]
        assert list(upload) == ["messages"]
        assert [m["role"] for m in messages] == ["system", "user", "assistant"]
        assert talk["prompt"] + talk["completion"] == messages
        assert row["prompt"] == f"{row['system']}\n\n{row['user']}\n\nAnswer:"
        assert messages[2]["content"] == row["completion"].strip()


def test_hosted_chat_holds_messages_even_where_the_prompt_was_rendered(make):
    plain, rendered = make(style="study"), make(style="study", chat=True)
    assert plain[0]["prompt"] != rendered[0]["prompt"]
    assert to_hosted_chat(plain) == to_hosted_chat(rendered)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_jsonl([{"a": "é"}], path)
    with pytest.raises(TypeError):
        write_jsonl([{"a": 1}, {"a": object()}], path)
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [{"a": "é"}]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paraphrases": 2}, "style 'short' has 1 .*prompt.style=study"),
        ({"paraphrases": 99, "style": "study"}, "paraphrases is 99.*choose 1 to"),
        ({"paraphrases": 0, "style": "study"}, "paraphrases is 0"),
        ({"shots": 12}, "12 examples were asked for, only 11"),
        ({"max_tokens": 12}, "^recording '.*': prompt of .* exceed"),
        ({"reasoning": True, "reasoning_tokens": 9}, "^recording '.*': reasoning for 'A'"),
    ],
)
def test_mistakes_name_the_recording_and_what_is_valid(make, options, message):
    with pytest.raises(InputError, match=message) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


def test_a_recording_without_a_label_is_named(make, recordings):
    with pytest.raises(InputError, match=f"recording '{recordings[0].id}': label '' is not"):
        make(recordings=[replace(recordings[0], label=""), *recordings[1:]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json\n", "line 1: is not JSON"),
        (b'{"prompt": "a"}\n', "line 1: has no completion, system, user"),
        (b"\n[1]\n", "line 2: has no prompt"),
        (b'{"prompt": 1, "completion": "a", "system": "", "user": ""}', "line 1: has no prompt"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "No such file"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path, content, message):
    path = tmp_path / "broken.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_pairs(path)


def test_an_unknown_form_gets_a_suggestion():
    with pytest.raises(InputError, match="did you mean 'hosted'"):
        export([], "hostd")
