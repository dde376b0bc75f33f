"""Shared fixtures: a tiny real language model, quick simulated letters, the real recordings."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from imuscribe.signals.recording import Recording

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two busy-waiting suites starve each other
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches for the network

# How long an example takes says how busy the machine is, and nothing about us.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return the path of a real data set, or skip the test where it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"real recordings {name} are not on this machine")
        return path

    return find


@pytest.fixture(scope="session")
def letters() -> Callable[..., list[Recording]]:
    """Return a maker of simulated mid-air letters: `letters(people, per_label, labels)`."""
    from imuscribe.signals.simulate import SimulateConfig, simulate

    def make(n_people: int = 2, per_label: int = 2, labels: str = "A-D") -> list[Recording]:
        return simulate(
            SimulateConfig(people=n_people, repetitions=per_label, labels=labels, cases=("3d",))
        )

    return make


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny language model."""
    folder = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(folder)
    return folder


def save_tiny_model(folder: Path) -> None:
    """Save a random two-layer Llama and its tokenizer; every letter and digit is one token."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    # Byte-level pieces as real tokenizers have them: Ġ is a space, Ċ a line break.
    pieces = ["<eos>", "<|system|>", "<|user|>", "<|assistant|>", "Ġ", "Ċ"]
    alphabet = string.ascii_letters + string.digits
    pieces += list(string.printable[:95].replace(" ", ""))
    pieces += [f"Ġ{c}" for c in alphabet]
    pieces += sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(pieces))
    merges = [("Ġ", c) for c in alphabet]
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[A-Za-z]|\d| ?[^\sA-Za-z\d]|\s"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        pad_token="<eos>",
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
    )
    wrapped.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            eos_token_id=0,
            pad_token_id=0,
            bos_token_id=None,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)


@pytest.fixture(scope="session")
def sharp_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a louder last norm, so that an adapter can make it sure of an answer."""
    import shutil

    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("sharp") / "model"
    shutil.copytree(tiny_model_dir, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    model.model.norm.weight.data *= 20
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_chronos_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a random two-layer T5 that says of itself what every Chronos-T5 does."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=4096,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    config.chronos_config = {
        "tokenizer_class": "MeanScaleUniformBins",
        "tokenizer_kwargs": {"low_limit": -15.0, "high_limit": 15.0},
        "n_tokens": 4096,
        "n_special_tokens": 2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "use_eos_token": True,
        "model_type": "seq2seq",
        "context_length": 512,
        "prediction_length": 64,
    }
    folder = tmp_path_factory.mktemp("tiny-chronos")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


class Killed(BaseException):
    """Stands for a power cut: nothing may catch it."""


@pytest.fixture
def cut_training(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Return what starts a training and cuts it after so many updates."""
    import imuscribe.finetune.trainer

    original = imuscribe.finetune.trainer.Monitor.on_log

    def cut_after(step: int, start: Callable[[], object]) -> None:
        def cut(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
            original(self, args, state, control, **more)
            if state.global_step == step:
                raise Killed

        monkeypatch.setattr(imuscribe.finetune.trainer.Monitor, "on_log", cut)
        with pytest.raises(Killed):
            start()
        monkeypatch.undo()

    return cut_after
