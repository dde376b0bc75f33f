"""Training: what is learnt, exact resume, honest refusals, many processes as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imuscribe.finetune.rows import load_recordings
from imuscribe.finetune.sft import train
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Letters = Callable[..., list[Recording]]


@pytest.fixture
def recipe(sharp_model_dir: Path) -> Callable[..., Recipe]:
    """Return a maker of small recipes, with overrides of the train section."""

    def make(dtype: str = "fp32", **train_options: Any) -> Recipe:
        options = {"batch_size": 4, "epochs": 4, "lr": 1e-2, "checkpoint_every": 3}
        return Recipe.parse(
            {
                "name": "tiny",
                "labels": "A-D",
                "text": {"views": [{"signal": "velocity", "steps": 8}]},
                "model": {"base": str(sharp_model_dir), "dtype": dtype},
                "lora": {"r": 4, "dtype": dtype},
                "train": options | train_options,
            }
        )

    return make


def losses(out: Path) -> list[float]:
    lines = (out / "train-log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def weights(adapter: Path) -> dict[str, np.ndarray]:
    from safetensors.torch import load_file

    loaded = load_file(adapter / "adapter_model.safetensors")
    return {name: tensor.float().numpy() for name, tensor in loaded.items()}


def test_train_learns_and_saves_a_whole_adapter(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    adapter = train(recipe(epochs=8), letters(2, 2, "A-D"), tmp_path)
    steps = losses(tmp_path)
    assert len(steps) == 8 * 16 // 4
    assert np.mean(steps[-4:]) < 0.6 * np.mean(steps[:4])
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])
    card = (adapter / "README.md").read_text()
    assert "16 recordings" in card and "TODO" not in card and "{" not in card.split("## Recipe")[0]
    (tmp_path / "checkpoints").mkdir(exist_ok=True)  # as one that is killed at last leaves it
    assert train(recipe(epochs=8), letters(2, 2, "A-D"), tmp_path) == adapter
    assert not (tmp_path / "checkpoints").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_killed_and_resumed_is_bit_identical_to_uninterrupted(
    recipe: Callable[..., Recipe],
    letters: Letters,
    tmp_path: Path,
    cut_training: Any,
    dtype: str,
) -> None:
    settings = recipe(dtype=dtype, augment={})
    recordings = letters(2, 2, "A-D")
    whole = train(settings, recordings, tmp_path / "whole")

    cut_training(8, lambda: train(settings, recordings, tmp_path / "cut"))
    assert len(losses(tmp_path / "cut")) == 8
    resumed = train(settings, recordings, tmp_path / "cut")

    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    a, b = weights(whole), weights(resumed)
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_checkpoint_of_another_recipe_is_refused(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path, cut_training: Any
) -> None:
    recordings = letters(2, 1, "A-D")
    cut_training(4, lambda: train(recipe(), recordings, tmp_path))
    with pytest.raises(InputError, match=r"another training \(different: train\)"):
        train(recipe(lr=2e-2), recordings, tmp_path)
    with pytest.raises(InputError, match=r"different: recordings"):
        train(recipe(), recordings[:-1] + letters(2, 2, "D")[-1:], tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to"):
        train(recipe(), letters(1, 1), tmp_path / "file" / "run")


def test_a_finished_training_is_not_repeated(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    recordings = letters(1, 1, "A-D")
    adapter = train(recipe(epochs=1), recordings, tmp_path)
    before = (adapter / "adapter_model.safetensors").stat().st_mtime_ns
    assert train(recipe(epochs=1), recordings, tmp_path) == adapter
    assert (adapter / "adapter_model.safetensors").stat().st_mtime_ns == before
    train(recipe(epochs=1), recordings, tmp_path, resume=False)
    assert (adapter / "adapter_model.safetensors").stat().st_mtime_ns != before


def test_a_loss_that_is_no_number_stops_with_advice(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    settings = recipe(lr=1e30, warmup=0.0, max_grad_norm=1e30)
    with pytest.raises(InputError, match=r"loss became (nan|inf).*train.lr=1e\+29"):
        train(settings, letters(1, 1, "A-D"), tmp_path)
    assert not (tmp_path / "adapter").exists()


def test_a_full_disk_is_one_line_and_leaves_no_adapter(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    import resource

    recordings = letters(1, 1, "A-D")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for checkpoint_every in (1, 100):  # full at a checkpoint, full at the end
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            with pytest.raises(InputError, match="cannot write") as caught:
                train(recipe(epochs=2, checkpoint_every=checkpoint_every), recordings, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "adapter").exists()
    train(recipe(epochs=2), recordings, tmp_path)


def test_start_from_goes_on_with_an_adapter(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    recordings = letters(2, 2, "A-D")
    first = train(recipe(epochs=8), recordings, tmp_path / "first")
    train(recipe(epochs=1, start_from=str(first)), recordings, tmp_path / "second")
    assert losses(tmp_path / "second")[0] < 0.8 * losses(tmp_path / "first")[0]


def test_loss_is_that_of_the_model_on_completion_tokens(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    """The shortened head computes what transformers does with all logits and masked labels."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from imuscribe.finetune.trainer import Trainer, collate, settings
    from imuscribe.recipes.schema import ModelConfig

    rows = [
        {"input_ids": [5, 9, 11, 30, 0], "labels": [-100, -100, -100, 30, 0]},
        {"input_ids": [7, 40, 41, 0], "labels": [-100, 40, 41, 0]},
    ]
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    recipe = Recipe(name="x", model=ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    trainer = Trainer(
        model=model,
        args=settings(recipe, tmp_path),
        train_dataset=Dataset.from_list(rows),
        data_collator=partial(collate, pad_id=0),
        processing_class=AutoTokenizer.from_pretrained(tiny_model_dir),
    )
    with torch.no_grad():
        ours = trainer.compute_loss(model, collate(rows, pad_id=0))
    total, count = 0.0, 0
    for row in rows:
        labels = torch.tensor([row["labels"]])
        n = int((labels != -100).sum())
        with torch.no_grad():
            total += n * float(model(torch.tensor([row["input_ids"]]), labels=labels).loss)
        count += n
    assert float(ours) == pytest.approx(total / count, abs=1e-6)


def test_two_processes_give_the_losses_of_one_that_accumulates(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    from imuscribe.recipes.load import dump
    from imuscribe.signals.readers.parquet import save

    save(letters(2, 2, "A-D"), tmp_path / "letters.parquet")
    changes = {"data": str(tmp_path / "letters.parquet"), "out": str(tmp_path / "two")}
    (tmp_path / "tiny.yaml").write_text(dump(recipe(epochs=2).model_copy(update=changes)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [
        "--nproc-per-node",
        "2",
        "-m",
        "imuscribe.finetune.sft",
        str(tmp_path / "tiny.yaml"),
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    single = recipe(epochs=2, accumulate=2).model_copy(update=changes)
    train(single, load_recordings(single), tmp_path / "one")
    two = losses(tmp_path / "two" / "tiny")
    assert len(two) == 4
    assert two == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
