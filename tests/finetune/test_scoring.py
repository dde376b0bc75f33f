"""Scores of labels and continuations: equal to the plain definition, however they are batched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imuscribe.finetune.scoring import ContinuationScorer, LabelScorer, generate
from imuscribe.signals.errors import InputError

PROMPTS = ["N N E rest\nLetter:", "S", "N2 NE SW W W W rest\nLetter:", "E E\nLetter:"]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    model.model.norm.weight.data *= 5  # so that labels differ in likelihood
    return model, AutoTokenizer.from_pretrained(tiny_model_dir)


def plain(loaded: tuple[Any, Any], prompt: str, label: str, end: bool = False) -> float:
    """Return log p(label | prompt) from one whole sequence, token by token."""
    import torch

    model, tokenizer = loaded
    start = tokenizer(prompt)["input_ids"]
    answer = tokenizer(label, add_special_tokens=False)["input_ids"]
    answer += [tokenizer.eos_token_id] if end else []
    with torch.no_grad():
        log_probs = model(torch.tensor([start + answer])).logits[0].log_softmax(-1)
    return float(sum(log_probs[len(start) - 1 + i, token] for i, token in enumerate(answer)))


@pytest.mark.parametrize(
    ("labels", "end"),
    [
        ([" A", " B", " C"], False),
        ([" walk", " sit", " stand"], False),  # several tokens, a shared first one
        ([" A", " walk", " b"], False),  # of different lengths
        ([" walk", " walking"], True),  # one begins the other
    ],
)
def test_scores_are_those_of_whole_sequences(
    loaded: tuple[Any, Any], labels: Sequence[str], end: bool
) -> None:
    scores = LabelScorer(*loaded, labels).score(PROMPTS)
    expected = np.array([[plain(loaded, p, label, end) for label in labels] for p in PROMPTS])
    mass = np.exp(expected).sum(1)
    np.testing.assert_allclose(scores.log_probs, expected - np.log(mass)[:, None], atol=1e-5)
    np.testing.assert_allclose(scores.off_label_mass, 1 - mass, atol=1e-5)


@pytest.mark.parametrize("labels", [[" A", " B", " C"], [" walk", " sit", " stand"]])
def test_a_batch_gives_what_single_prompts_give(
    loaded: tuple[Any, Any], labels: Sequence[str]
) -> None:
    scorer = LabelScorer(*loaded, labels)
    together = scorer.score(PROMPTS, batch_size=64)
    for i, prompt in enumerate(PROMPTS):
        alone = scorer.score([prompt], batch_size=1)
        np.testing.assert_allclose(together.log_probs[i], alone.log_probs[0], atol=1e-5)
        np.testing.assert_allclose(together.off_label_mass[i], alone.off_label_mass[0], atol=1e-5)
    np.testing.assert_allclose(np.exp(together.log_probs).sum(1), 1, atol=1e-5)


def test_one_token_labels_take_one_forward_pass_for_all(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = loaded
    shapes = []
    original = type(model).forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = original(self, *args, **kwargs)
        shapes.append(tuple(output.logits.shape))
        return output

    monkeypatch.setattr(type(model), "forward", counted)
    labels = [f" {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    LabelScorer(model, tokenizer, labels).score(PROMPTS)
    assert [shape[:2] for shape in shapes] == [(len(PROMPTS), 1)]


def test_labels_that_no_model_could_tell_apart_are_refused(loaded: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="' A' and ' A' are the same tokens"):
        LabelScorer(*loaded, [" A", " B", " A"])
    with pytest.raises(InputError, match="has no token"):
        LabelScorer(*loaded, [" A", ""])


def test_no_prompts_give_empty_scores(loaded: tuple[Any, Any]) -> None:
    scores = LabelScorer(*loaded, [" A", " B"]).score([])
    assert scores.log_probs.shape == (0, 2) and scores.off_label_mass.shape == (0,)
    assert generate(*loaded, [], max_new_tokens=3) == []


def test_generated_answers_keep_the_order_and_follow_the_likeliest_token(
    loaded: tuple[Any, Any],
) -> None:
    import torch

    model, tokenizer = loaded
    answers = generate(model, tokenizer, PROMPTS, max_new_tokens=1, batch_size=2)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        with torch.no_grad():
            best = model(torch.tensor([tokenizer(prompt)["input_ids"]])).logits[0, -1].argmax()
        assert answer == tokenizer.decode([best], skip_special_tokens=True)


@pytest.mark.parametrize("prompt", ["x", "the word is"])
def test_one_pass_over_the_tree_equals_one_pass_each(loaded: tuple[Any, Any], prompt: str) -> None:
    # Shared beginnings, one that is another's beginning, one of a single token, one twice.
    words = [" cat", " car", " carts", " c", " dog", " cat"]
    scorer = ContinuationScorer(*loaded)
    found = scorer.log_probs(prompt, words)
    assert found == pytest.approx([plain(loaded, prompt, word) for word in words], abs=1e-4)
    # Again from the cache, and after another prompt has been read.
    assert scorer.log_probs(prompt, words[::-1]) == pytest.approx(found[::-1], abs=1e-5)
    scorer.log_probs("something else", words)
    assert scorer.log_probs(prompt, words) == pytest.approx(found, abs=1e-5)


def test_no_continuation_or_prompt_is_refused(loaded: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="at least one token"):
        ContinuationScorer(*loaded).log_probs("x", [" cat", ""])
    with pytest.raises(InputError, match="at least one token"):
        ContinuationScorer(*loaded).log_probs("", [" cat"])
