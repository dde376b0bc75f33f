"""Scoring a tree of continuations gives what scoring each alone gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.continuations import continuation_log_probs
from signals.errors import InputError


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path):
    from finetune.base import load_base
    from recipes.schema import ModelConfig

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
    found = continuation_log_probs(*model, prompt, words)
    assert found == pytest.approx([alone(*model, prompt, w) for w in words], abs=1e-4)
    assert continuation_log_probs(*model, prompt, words[::-1]) == pytest.approx(found[::-1])


def test_nothing_to_score_is_refused(model):
    with pytest.raises(InputError, match="at least one token"):
        continuation_log_probs(*model, "x", [" cat", ""])
    with pytest.raises(InputError, match="at least one token"):
        continuation_log_probs(*model, "", [" cat"])
