"""Scoring a tree of continuations gives what scoring each alone gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from imuscribe.finetune.scoring import ContinuationScorer
from imuscribe.signals.errors import InputError


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path):
    from imuscribe.finetune.base import load_base
    from imuscribe.recipes.schema import ModelConfig

    return load_base(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))


def alone(network, tokenizer, prompt: str, continuation: str) -> float:
    import torch

    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(continuation, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([before + after])).logits[0].float()
    log_probs = logits.log_softmax(-1)
    return sum(float(log_probs[len(before) - 1 + i, t]) for i, t in enumerate(after))


@pytest.mark.parametrize("prompt", ["x", "the word is"])
def test_one_pass_over_the_tree_equals_one_pass_each(model, prompt):
    # Shared beginnings, one that is another's beginning, one of a single token, one twice.
    words = [" cat", " car", " carts", " c", " dog", " cat"]
    scorer = ContinuationScorer(*model)
    found = scorer.log_probs(prompt, words)
    assert found == pytest.approx([alone(*model, prompt, w) for w in words], abs=1e-4)
    # Again from the cache, and after another prompt has been read.
    assert scorer.log_probs(prompt, words[::-1]) == pytest.approx(found[::-1], abs=1e-5)
    scorer.log_probs("something else", words)
    assert scorer.log_probs(prompt, words) == pytest.approx(found, abs=1e-5)


def test_nothing_to_score_is_refused(model):
    with pytest.raises(InputError, match="at least one token"):
        ContinuationScorer(*model).log_probs("x", [" cat", ""])
    with pytest.raises(InputError, match="at least one token"):
        ContinuationScorer(*model).log_probs("", [" cat"])
