"""Adapters, checkpoints and caches that are not what they should be: one line, or nothing lost."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from imuscribe.finetune import base
from imuscribe.finetune.base import has_converted, load_base
from imuscribe.finetune.reading import Reader, most_likely
from imuscribe.finetune.rows import load_recordings
from imuscribe.finetune.sft import train
from imuscribe.finetune.trainer import COMPLETE
from imuscribe.models.weights import base_print, is_whole
from imuscribe.recipes.load import load_recipe
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import held
from imuscribe.signals.recording import Recording

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
Cut = Callable[[int, Callable[[], object]], None]


def recipe(model: Path, **train_settings: Any) -> Recipe:
    """Two epochs on three letters of one simulated person, in seconds."""
    values = {
        "name": "tiny",
        "labels": "A-C",
        "simulate": {"people": 1, "labels": "A-C", "repetitions": 1, "cases": ["3d"]},
        "text": {"views": [{"signal": "velocity", "steps": 8}]},
        "model": {"base": str(model), "dtype": "fp32"},
        "lora": {"r": 2, "alpha": 4},
        "train": {"epochs": 2, "batch_size": 2, "lr": 1e-2, "warmup": 0} | train_settings,
    }
    return Recipe.parse(values)


@pytest.fixture(scope="module")
def recordings(tiny_model_dir: Path) -> list[Recording]:
    return load_recordings(recipe(tiny_model_dir))


@pytest.fixture(scope="module")
def trained(
    tiny_model_dir: Path, recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return train(recipe(tiny_model_dir), recordings, tmp_path_factory.mktemp("trained"))


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "mine"))


def every_other(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for i, (name, value) in enumerate(sorted(weights.items())) if i % 2}


def another(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    more = {name.replace("layers.1", "layers.7"): v.clone() for name, v in weights.items()}
    return more | weights


def wider(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([value, value], dim=0) for name, value in weights.items()}


def not_numbers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value * float("nan") for name, value in weights.items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (every_other, "tensors are missing"),
        (another, "belong to no layer"),
        (wider, "does not suit this base|this model needs"),
        (not_numbers, "no numbers"),
        (lambda weights: {}, "tensors are missing"),
    ],
)
def test_weights_that_are_not_the_adapters_are_one_line(
    adapter: Path, recordings: list[Recording], change: Any, expected: str
) -> None:
    save_file(change(load_file(adapter / WEIGHTS)), adapter / WEIGHTS)
    with pytest.raises(InputError, match=expected) as caught:
        most_likely(recordings, adapter)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (WEIGHTS, None, "has no adapter_model.safetensors"),
        (WEIGHTS, b"", "it is empty"),
        (WEIGHTS, b"\x10\0\0\0\0\0\0\0{}", "is damaged"),
        (WEIGHTS, b"<html>not found</html>", "is damaged"),
        (CONFIG, None, "no adapter_config.json"),
        (CONFIG, b"", "adapter_config.json is damaged"),
        (CONFIG, b"[]", "adapter_config.json is damaged"),
        (CONFIG, b"\xff\xfe", "adapter_config.json is damaged"),
        (CONFIG, b"{}", "no LoRA adapter"),
        (CONFIG, b'{"r": 2, "target_modules": ["nowhere"]}', "does not suit|missing"),
        ("recipe.yaml", None, "holds no recipe.yaml"),
        ("recipe.yaml", b"a: [", "line 1"),
        ("base.json", b"{", "base.json is damaged"),
        ("base.json", b"[" * 9000, "base.json is damaged"),
        (CONFIG, b'{"r": ' + b"[" * 9000, "adapter_config.json is damaged"),
    ],
)
def test_a_damaged_file_is_one_line(
    adapter: Path, recordings: list[Recording], name: str, content: bytes | None, expected: str
) -> None:
    if content is None:
        (adapter / name).unlink()
    else:
        (adapter / name).write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        most_likely(recordings, adapter)
    assert "\n" not in str(caught.value)


def test_weights_cut_short_are_one_line(adapter: Path, recordings: list[Recording]) -> None:
    whole = (adapter / WEIGHTS).read_bytes()
    assert is_whole(adapter / WEIGHTS)
    (adapter / WEIGHTS).write_bytes(whole[:-500])
    assert not is_whole(adapter / WEIGHTS)
    with pytest.raises(InputError, match="is damaged"):
        most_likely(recordings, adapter)


def test_a_base_of_the_same_name_with_other_weights_is_refused(
    adapter: Path, tiny_model_dir: Path, recordings: list[Recording], tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(tiny_model_dir, tmp_path / "elsewhere" / tiny_model_dir.name))
    moved = Path(shutil.copytree(tiny_model_dir, tmp_path / "renamed"))
    same = most_likely(recordings, adapter)
    assert most_likely(recordings, Reader(adapter, base=str(elsewhere))) == same
    assert most_likely(recordings, Reader(adapter, base=str(moved))) == same
    stored = load_file(elsewhere / "model.safetensors")
    save_file(
        {k: v + 0.01 for k, v in stored.items()}, elsewhere / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match="with other weights"):
        most_likely(recordings, Reader(adapter, base=str(elsewhere)))


def test_a_base_that_is_gone_names_the_option(adapter: Path, recordings: list[Recording]) -> None:
    text = (adapter / "recipe.yaml").read_text()
    here = str(load_recipe(str(adapter / "recipe.yaml")).model.base)
    (adapter / "recipe.yaml").write_text(text.replace(here, "/nowhere/" + Path(here).name))
    with pytest.raises(InputError, match="--base"):
        most_likely(recordings, adapter)


def test_the_print_of_a_base_does_not_depend_on_precision(tiny_model_dir: Path) -> None:
    settings = recipe(tiny_model_dir).model
    prints = [
        base_print(load_base(settings.model_copy(update={"dtype": dtype}))[0].named_parameters())
        for dtype in ("fp32", "bf16")
    ]
    assert prints[0] == prints[1]
    assert set(prints[0]) == {"layers", "rest"}


@pytest.mark.parametrize("damage", ["cut", "gone", "html", "no config"])
def test_a_damaged_base_is_one_line(tiny_model_dir: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    weights = folder / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif damage == "gone":
        weights.unlink()
    elif damage == "html":
        weights.write_bytes(b"<html>")
    else:
        (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"model.base") as caught:
        load_base(recipe(folder).model)
    assert "\n" not in str(caught.value)


def test_a_base_that_lacks_weights_is_not_filled_with_noise(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    stored = load_file(folder / "model.safetensors")
    left = {name: value for name, value in stored.items() if "layers.1.mlp" not in name}
    save_file(left, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="3 of its weights are missing"):
        load_base(recipe(folder).model)


def test_a_damaged_checkpoint_goes_on_from_the_one_before(
    tiny_model_dir: Path,
    recordings: list[Recording],
    tmp_path: Path,
    cut_training: Cut,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = recipe(tiny_model_dir, epochs=4, checkpoint_every=2)
    whole = train(settings, recordings, tmp_path / "whole")
    cut_training(5, lambda: train(settings, recordings, tmp_path / "cut"))
    damages = [
        ("optimizer.pt", False), ("optimizer.pt", True), ("trainer_state.json", False),
        ("rng_state.pth", True), (WEIGHTS, True), (COMPLETE, True), (COMPLETE, False),
    ]  # fmt: skip
    for i, (name, cut) in enumerate(damages):
        out = Path(shutil.copytree(tmp_path / "cut", tmp_path / str(i)))
        damaged = out / "checkpoints" / "checkpoint-4" / name
        if cut:
            damaged.write_bytes(damaged.read_bytes()[:100])
        else:
            damaged.unlink()
        caplog.clear()
        resumed = train(settings, recordings, out)
        if (name, cut) != (COMPLETE, False):  # without its marker it never was a checkpoint
            assert "damaged: going on from checkpoint-2" in caplog.text, name
        assert (resumed / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes(), name


def test_with_no_whole_checkpoint_training_starts_over(
    tiny_model_dir: Path,
    recordings: list[Recording],
    trained: Path,
    tmp_path: Path,
    cut_training: Cut,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = recipe(tiny_model_dir, checkpoint_every=1)
    cut_training(2, lambda: train(settings, recordings, tmp_path))
    for path in (tmp_path / "checkpoints").glob("*/optimizer.pt"):
        path.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        resumed = train(settings, recordings, tmp_path)
    assert "starting over" in caplog.text
    assert (resumed / WEIGHTS).read_bytes() == (trained / WEIGHTS).read_bytes()


def test_a_second_command_in_the_same_folder_is_refused(
    tiny_model_dir: Path, recordings: list[Recording], tmp_path: Path
) -> None:
    code = (
        "import sys, time\nfrom imuscribe.signals.files import held\n"
        "with held(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdin is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="being written by another imuscribe command"):
        train(recipe(tiny_model_dir), recordings, tmp_path)
    other.kill()  # nothing is left that would keep it closed
    other.wait()
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_packaged_models_cache_is_made_again_where_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "converted", lambda: tmp_path)
    weights = {"x": torch.zeros(100)}
    save_file(weights, tmp_path / "model.safetensors")
    assert not has_converted(), "no configuration"
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert has_converted()
    whole = (tmp_path / "model.safetensors").read_bytes()
    for bad in (b"", whole[:-1], whole + b"x", b"<html>"):
        (tmp_path / "model.safetensors").write_bytes(bad)
        assert not has_converted()
