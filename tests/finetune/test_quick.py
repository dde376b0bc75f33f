"""The quick way to read a letter gives what transformers and peft give."""

import json
from pathlib import Path

import numpy as np
import pytest

from imuscribe.finetune import base, quick
from imuscribe.finetune.adapters import FOLDER
from imuscribe.finetune.base import load_base
from imuscribe.finetune.quick import load_quick
from imuscribe.finetune.scoring import LabelScorer
from imuscribe.recipes.schema import ModelConfig

PROMPTS = ["velocity rest E E south\nLetter:", "N N\nown R alike R B\nLetter:", "x\nLetter:"]
LABELS = [f" {letter}" for letter in "ABCXYZ"]


@pytest.fixture
def adapter() -> Path:
    return FOLDER / "air-letters"


def test_scores_are_those_of_the_real_libraries(adapter: Path) -> None:
    config = ModelConfig(dtype="fp32")
    real = load_base(config, adapter)  # converts the base if this is the first time
    loaded = load_quick(config, adapter, LABELS)
    assert loaded is not None
    slow = LabelScorer(*real, LABELS).score(PROMPTS)
    fast = LabelScorer(*loaded, LABELS).score(PROMPTS)
    np.testing.assert_allclose(fast.log_probs, slow.log_probs, atol=1e-3)
    np.testing.assert_allclose(fast.off_label_mass, slow.off_label_mass, atol=1e-4)
    alone = LabelScorer(*loaded, LABELS).score(PROMPTS[:1])
    np.testing.assert_allclose(fast.log_probs[:1], alone.log_probs, atol=1e-4)


def test_tokens_are_those_of_the_real_tokenizer(adapter: Path) -> None:
    _, real = load_base(ModelConfig())
    loaded = load_quick(ModelConfig(), adapter, LABELS)
    assert loaded is not None
    ours = loaded[1](PROMPTS)["input_ids"]
    assert ours == [loaded[1](prompt)["input_ids"] for prompt in PROMPTS]
    assert ours == real(PROMPTS)["input_ids"]


def test_what_it_cannot_do_is_left_to_the_real_libraries(
    adapter: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_quick(ModelConfig(base=str(tiny_model_dir)), adapter, LABELS) is None
    assert load_quick(ModelConfig(), adapter, [" walking upstairs", " A"]) is None
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    assert load_quick(ModelConfig(), tmp_path, LABELS) is None
    monkeypatch.setattr(quick, "converted", lambda: tmp_path / "nothing")
    assert load_quick(ModelConfig(), adapter, LABELS) is None
    assert base.converted().name.startswith("smollm2")
