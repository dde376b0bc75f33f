"""`imuscribe train` and `imuscribe recipe` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.recipes.load import load_recipe, packaged_names, recipe_text
from imuscribe.signals.errors import InputError


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def small(tiny_model_dir: Path, tmp_path: Path) -> list[str]:
    return [
        "demo", "labels=A-C", "simulate.people=2", "simulate.repetitions=1",
        "split.train=sim-001", "split.test=sim-002", "train.epochs=1",
        f"model.base={tiny_model_dir}", "train.start_from=null",
        "evaluate.methods=[fine-tuned]", f"out={tmp_path}",
    ]  # fmt: skip


def test_dry_run_tells_everything_and_loads_no_weight(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", refuse)
    page = call("train", *small(tiny_model_dir, tmp_path), "--dry-run")
    assert "3 recordings of 1 people (sim-001)" in page
    assert "1 updates" in page
    assert "memory      about" in page
    assert "labels: A-C" in page, "the resolved recipe"
    assert not list(tmp_path.iterdir())


def test_a_dry_run_of_an_experiment_says_how_long_it_takes(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    page = call("run", *small(tiny_model_dir, tmp_path), "--dry-run")
    assert "1 of 1 parts to do" in page and "of training here" in page
    page = call("run", "map-demo", "simulate.repetitions=2", f"out={tmp_path}", "--dry-run")
    assert "time: not estimated for this kind" in page
    assert not list(tmp_path.iterdir())


def test_train_writes_an_adapter_and_says_where(tiny_model_dir: Path, tmp_path: Path) -> None:
    page = call("train", *small(tiny_model_dir, tmp_path))
    assert "labels: A-C" not in page, "the recipe is written beside the adapter"
    adapter = Path(page.strip().splitlines()[-1])
    assert adapter == tmp_path / "demo" / "adapter"
    assert json.loads((adapter / "adapter_config.json").read_text())["r"] == 8
    assert load_recipe(str(adapter / "recipe.yaml")).label_set == ("A", "B", "C")


def test_a_misspelt_key_stops_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown key 'train.epocs': did you mean 'epochs'"):
        call("train", "demo", "train.epocs=1", f"out={tmp_path}", "--dry-run")
    assert not list(tmp_path.iterdir())


def test_ls_names_every_recipe() -> None:
    page = call("recipe", "ls")
    listed = [line.split()[0] for line in page.splitlines() if not line.startswith(" ")]
    assert listed == packaged_names()
    assert {"demo", "map-sim", "words-study", "pairs-study"} <= set(listed)
    assert len(set(listed)) == len(listed)
    assert "charsense-lopo [preset=fast]" in page


def test_show_and_cp_give_the_recipe_with_its_comments(tmp_path: Path) -> None:
    assert call("recipe", "show", "demo") == recipe_text("demo")
    call("recipe", "cp", "demo", str(tmp_path / "mine.yaml"))
    assert (tmp_path / "mine.yaml").read_text() == recipe_text("demo")
    with pytest.raises(InputError, match="exists already"):
        call("recipe", "cp", "demo", str(tmp_path / "mine.yaml"))
    call("recipe", "cp", "charsense-lopo", str(tmp_path / "mine.yaml"), "--force")
    assert (tmp_path / "mine.yaml").read_text() == recipe_text("charsense-lopo")
    with pytest.raises(InputError, match="did you mean 'demo'"):
        call("recipe", "show", "demos")


def test_validate_lists_all_mistakes_also_those_in_presets(tmp_path: Path) -> None:
    for name in packaged_names():
        assert call("recipe", "validate", name).strip() == f"{name}: valid"
    path = tmp_path / "mine.yaml"
    path.write_text("tain: {lr: 1}\nlora: {r: 0}\npresets: {quick: {train.epocs: 1}}\n")
    with pytest.raises(InputError) as caught:
        call("recipe", "validate", str(path))
    message = str(caught.value)
    assert "did you mean 'train'" in message
    assert "'lora.r' is 0" in message
    assert "did you mean 'epochs'" in message
    assert message.count("'lora.r'") == 1
