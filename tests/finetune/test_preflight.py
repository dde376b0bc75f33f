"""Rows and the pre-flight: everything counted, nothing dropped, nothing drawn twice the same."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imuscribe.finetune.preflight import preflight
from imuscribe.finetune.rows import (
    load_recordings,
    select,
    tokenised,
    training_people,
    training_rows,
)
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Letters = Callable[..., list[Recording]]


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture
def recipe(tiny_model_dir: Path) -> Callable[..., Recipe]:
    def make(**sections: Any) -> Recipe:
        values = {
            "name": "tiny",
            "labels": "A-D",
            "simulate": {"people": 2, "repetitions": 1, "labels": "A-D", "cases": ["3d"]},
            "text": {"views": [{"signal": "velocity", "steps": 8}]},
            "model": {"base": str(tiny_model_dir), "dtype": "bf16"},
            "train": {"epochs": 3, "batch_size": 4},
        }
        return Recipe.parse(values | sections)

    return make


def rows_of(recipe: Recipe, recordings: list[Recording], tokenizer: Any) -> list[dict[str, Any]]:
    builder = PromptBuilder(tokenizer, recipe.label_set, recipe.prompt)
    return training_rows(recordings, recipe, builder, build_serializer(recipe.text))


def test_every_epoch_has_every_recording_once_in_another_order(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    recordings = letters(2, 2, "A-D")
    rows = rows_of(recipe(), recordings, tokenizer)
    orders = [[row["id"] for row in rows if row["epoch"] == epoch] for epoch in range(3)]
    assert all(Counter(order) == Counter(rec.id for rec in recordings) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert all(row["completion"] == f" {row['label']}" for row in rows)
    prompts = {row["id"]: row["prompt"] for row in rows}
    assert all(prompts[row["id"]] == row["prompt"] for row in rows), "not varied without augment"
    assert rows == rows_of(recipe(), recordings, tokenizer), "the same seed, the same rows"
    assert rows != rows_of(recipe(seed=1), recordings, tokenizer)


def test_augmentation_varies_each_recording_on_its_own_in_each_epoch(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    recordings = letters(1, 2, "A-D")
    varied = recipe(train={"epochs": 3, "augment": {}})
    rows = rows_of(varied, recordings, tokenizer)
    per_id = {rec.id: {r["prompt"] for r in rows if r["id"] == rec.id} for rec in recordings}
    assert all(len(prompts) >= 2 for prompts in per_id.values())
    fewer = rows_of(varied, recordings[::2], tokenizer)
    for rec in recordings[::2]:
        assert {r["prompt"] for r in fewer if r["id"] == rec.id} == per_id[rec.id]


def test_shots_are_other_recordings_of_other_labels_first(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    recordings = letters(2, 2, "A-D")
    rows = rows_of(recipe(prompt={"shots": 4}), recordings, tokenizer)
    for row in rows:
        shown = [line.split()[-1] for line in row["prompt"].splitlines() if ": " in line]
        assert sorted(shown) == ["A", "B", "C", "D"]


def test_only_completion_and_end_token_are_learnt_by_position(tokenizer: Any) -> None:
    end = tokenizer.eos_token_id
    assert tokenizer.pad_token_id == end, "else this shows nothing"
    [row] = tokenised([{"prompt": "N E\nLetter:", "completion": " A"}], tokenizer)
    learnt = [label for label in row["labels"] if label != -100]
    assert learnt == [*tokenizer(" A", add_special_tokens=False)["input_ids"], end]
    assert row["input_ids"][-2:] == learnt
    assert len(row["input_ids"]) == len(row["labels"])


def test_select_takes_as_many_of_each_label_and_refuses_an_empty_one(
    recipe: Callable[..., Recipe], letters: Letters
) -> None:
    recordings = letters(2, 3, "A-D")
    chosen = select(recordings, recipe(train={"max_per_label": 2}))
    assert Counter(rec.label for rec in chosen) == dict.fromkeys("ABCD", 2)
    with pytest.raises(InputError, match="labels C: no training recording"):
        select([rec for rec in recordings if rec.label != "C"], recipe())
    with pytest.raises(InputError, match="label 'D' is not one of 'A-C'"):
        select(recordings, recipe(labels="A-C"))


def test_training_people_are_those_named_or_everybody(
    recipe: Callable[..., Recipe], letters: Letters
) -> None:
    recordings = letters(2, 1, "A-D")
    one, other = sorted({rec.subject for rec in recordings})
    assert training_people(recordings, recipe()) == recordings
    given = recipe(split={"protocol": "given", "train": [one], "test": [other]})
    assert {rec.subject for rec in training_people(recordings, given)} == {one}
    wrong = recipe(split={"protocol": "given", "train": [one + "x"], "test": [other]})
    with pytest.raises(InputError, match=f"did you mean '{one}'"):
        training_people(recordings, wrong)


def test_unusable_recordings_are_counted_by_reason(
    recipe: Callable[..., Recipe],
    letters: Letters,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from imuscribe.signals.readers.parquet import save

    good = letters(1, 2, "A-D")
    short = [rec.replace(id=f"{rec.id}s", data=rec.data[:, :5], t=rec.t[:5]) for rec in good[:3]]
    save([*good, *short], tmp_path / "some.parquet")
    with caplog.at_level(logging.WARNING):
        found = load_recordings(recipe(data=str(tmp_path / "some.parquet")))
    assert {rec.id for rec in found} == {rec.id for rec in good}
    assert "some.parquet: 3 of 11 recordings left out: too short (3)" in caplog.text
    save(short, tmp_path / "none.parquet")
    with pytest.raises(InputError, match="3 of 3 recordings cannot be used: too short"):
        load_recordings(recipe(data=str(tmp_path / "none.parquet")))


def test_labels_nobody_wrote_are_named(
    recipe: Callable[..., Recipe], letters: Letters, tmp_path: Path
) -> None:
    from imuscribe.signals.readers.parquet import save

    save(letters(1, 1, "A-B"), tmp_path / "some.parquet")
    with pytest.raises(InputError, match="labels 'x-z': none of the 2 recordings"):
        load_recordings(recipe(data=str(tmp_path / "some.parquet"), labels="x-z"))


def test_preflight_counts_what_training_will_do(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    from peft import LoraConfig, get_peft_model

    from imuscribe.finetune.base import load_base

    settings = recipe(lora={"r": 4})
    recordings = letters(2, 2, "A-D")
    figures = preflight(settings, recordings, tokenizer)
    assert (figures.rows, figures.steps) == (16, 12)
    assert {label: len(n) for label, n in figures.lengths.items()} == dict.fromkeys("ABCD", 4)
    rows = tokenised(rows_of(settings, recordings, tokenizer), tokenizer)
    lengths = [len(row["input_ids"]) for row in rows]
    assert figures.tokens == sum(lengths)
    assert min(map(min, figures.lengths.values())) == min(lengths)
    assert max(map(max, figures.lengths.values())) == max(lengths)

    network, _ = load_base(settings.model)
    assert figures.parameters == sum(p.numel() for p in network.parameters())
    tuned = get_peft_model(network, LoraConfig(r=4, target_modules="all-linear"))
    assert figures.trainable == tuned.get_nb_trainable_parameters()[0]
    assert preflight(settings, recordings, tokenizer, processes=2).steps == 6

    page = str(figures)
    assert "12 updates" in page and "no row is dropped" in page


def test_a_sensor_is_counted_without_its_weights(
    recipe: Callable[..., Recipe],
    letters: Letters,
    tokenizer: Any,
    tiny_chronos_dir: Path,
    tmp_path: Path,
) -> None:
    from shutil import copytree

    from imuscribe.finetune.base import load_base
    from imuscribe.models.sensor.files import fresh_tokens

    weightless = copytree(tiny_chronos_dir, tmp_path / "chronos")
    (weightless / "model.safetensors").unlink()
    sensor = {"encoder": "chronos", "groups": "signal", "steps": 16, "tokens": 17}

    def asking(base: Path) -> Recipe:
        return recipe(sensor=sensor | {"chronos": {"base": str(base)}}, lora={"frozen": True})

    figures = preflight(asking(weightless), letters(1, 1, "A-D"), tokenizer)
    network, _ = load_base(recipe().model)
    config = asking(tiny_chronos_dir).sensor
    assert config is not None
    tokens = fresh_tokens(config, "ABCD", network)
    sizes = [(w.numel(), w.requires_grad) for w in tokens.parameters()]
    assert figures.sensor[0] == sum(n for n, _ in sizes)
    assert figures.sensor[1] == sum(n for n, learns in sizes if learns) < figures.sensor[0]
    assert figures.trainable == 0 and figures.memory["adapter and optimiser"] == 0
    page = str(figures)
    assert "38 tokens a signal" in page and "frozen" in page
    assert min(map(min, figures.lengths.values())) > 38


def test_rows_that_are_too_long_are_refused_by_label(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    short = recipe(train={"max_length": 10}, prompt={"max_tokens": 10})
    with pytest.raises(InputError, match=r"prompt.max_tokens=10"):
        preflight(short, letters(1, 1, "A-D"), tokenizer)
    from imuscribe.finetune.preflight import check_lengths

    rows = rows_of(recipe(), letters(1, 1, "A-D"), tokenizer)
    with pytest.raises(
        InputError, match=r"12 of 12 rows are longer \(.*A 3.*set train.max_length=\d+"
    ):
        check_lengths(rows, short, tokenizer)


def test_unknown_adapter_targets_name_the_nearest_layer(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    wrong = recipe(lora={"targets": ["q_prj"]})
    with pytest.raises(InputError, match="did you mean 'q_proj'"):
        preflight(wrong, letters(1, 1, "A-D"), tokenizer)


def test_memory_follows_what_is_asked(
    recipe: Callable[..., Recipe], letters: Letters, tokenizer: Any
) -> None:
    recordings = letters(1, 1, "A-D")

    def memory(**sections: Any) -> Any:
        return preflight(recipe(**sections), recordings, tokenizer).memory

    plain = memory()
    base = plain["weights"] / 2
    assert base == memory(model={"base": recipe().model.base, "dtype": "fp32"})["weights"] / 4
    four_bit = {"base": recipe().model.base, "dtype": "bf16", "load_in_4bit": True}
    assert memory(model=four_bit)["weights"] < plain["weights"]
    assert memory(train={"batch_size": 32})["activations"] == 8 * plain["activations"]
    sparing = memory(train={"batch_size": 4, "gradient_checkpointing": True})
    assert sum(sparing.values()) < sum(plain.values())
    adapter = "adapter and optimiser"
    assert memory(lora={"r": 32})[adapter] == 2 * plain[adapter]
