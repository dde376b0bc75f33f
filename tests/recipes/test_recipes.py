"""Recipes: the packaged ones are sound, mistakes are named with the fix, nothing gets lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.recipes import mapping
from imuscribe.recipes import schema as recipe_schema
from imuscribe.recipes.load import (
    KINDS,
    dump,
    load_as,
    load_experiment,
    load_recipe,
    packaged_names,
    presets,
    recipe_text,
    schema,
)
from imuscribe.recipes.methods import METHODS, is_baseline, is_tuned, method_of
from imuscribe.recipes.schema import Experiment, Recipe, fingerprint
from imuscribe.recipes.words import AdaptRecipe, WordsRecipe
from imuscribe.signals.errors import InputError


def test_every_method_that_a_recipe_may_name_is_in_the_one_registry() -> None:
    written = {*get_args(recipe_schema.Method), *get_args(mapping.Method)}
    assert written == set(METHODS)
    assert {m.classifier for m in METHODS.values() if m.kind == "baseline"} == set(BASELINES)
    assert METHODS["dtw-1nn-own"].own and is_baseline("dtw-1nn-own") and is_tuned("fine-tuned-own")
    assert not is_baseline("of an older version") and not method_of("of an older version").learns


@pytest.mark.parametrize("name", packaged_names())
def test_packaged_recipe_is_valid_with_every_preset_and_says_how_to_run_it(name: str) -> None:
    text = recipe_text(name)
    assert load_experiment(name).name == name
    for preset in presets(name):
        assert load_experiment(name, [f"preset={preset}"]) != load_experiment(name)
    assert re.search(rf"^kind: ({'|'.join(KINDS)})$", text, re.M)
    head = text.split("\nkind:")[0]
    assert re.search(rf"^#   .*{name}", head, re.M), "opens with its command"
    assert re.search(rf"^#   .*{name} .*\w+(\.\w+)?=", head, re.M), "and one override"


def test_every_kind_has_a_packaged_recipe_of_its_own_class() -> None:
    assert {load_experiment(name).kind for name in packaged_names()} == set(KINDS)
    for kind in KINDS:
        assert schema(kind).model_fields["kind"].default == kind


@pytest.mark.parametrize("name", packaged_names())
def test_a_recipe_without_a_kind_loads_as_earlier_versions_wrote_it(
    tmp_path: Path, name: str
) -> None:
    recipe = load_experiment(name)
    (tmp_path / "old.yaml").write_text(recipe_text(name).replace(f"\nkind: {recipe.kind}\n", "\n"))
    assert load_experiment(str(tmp_path / "old.yaml")) == recipe
    assert load_as(type(recipe), str(tmp_path / "old.yaml")) == recipe


def test_the_production_recipe_trains_as_the_study_did() -> None:
    recipe = load_recipe("llama3-8b-qlora")
    assert (recipe.train.epochs, recipe.train.lr) == (5, 1e-5)
    assert recipe.model.load_in_4bit


def test_overrides_are_typed_nested_and_read_as_meant() -> None:
    recipe = load_recipe(
        "demo",
        [
            "train.lr=1e-4", "seed=7", "split.test=sim-005", "evaluate.methods=[svm]",
            "train.augment.noise=0.2", "labels=A-C", "text.views=[{signal: rotation, steps: 8}]",
        ],
    )  # fmt: skip
    assert recipe.train.lr == 1e-4 and recipe.seed == 7
    assert recipe.split.test == ("sim-005",)
    assert recipe.evaluate.methods == ("svm",)
    assert recipe.train.augment is not None and recipe.train.augment.noise == 0.2
    assert recipe.label_set == ("A", "B", "C")
    assert recipe.text.views[0].signal == "rotation"
    assert load_recipe("demo", ["train.augment=null"]).train.augment is None


def test_an_override_beats_a_preset_wherever_it_stands() -> None:
    for order in (["preset=fast", "train.epochs=9"], ["train.epochs=9", "preset=fast"]):
        recipe = load_recipe("charsense-lopo", order)
        assert recipe.train.epochs == 9
        assert recipe.split.folds == ("p003",)


def test_all_mistakes_are_reported_at_once_with_the_nearest_key() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("demo", ["train.epocs=2", "lorra.r=4", "train.lr=-1", "model.dtype=fp16"])
    message = str(caught.value)
    assert "unknown key 'train.epocs': did you mean 'epochs'?" in message
    assert "unknown key 'lorra': did you mean 'lora'?" in message
    assert "'train.lr' is -1" in message
    assert "'model.dtype' is 'fp16'" in message and "'bf16'" in message


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["train.lr"], r"'train.lr': not of the form key=value"),
        (["=3"], "not of the form key=value"),
        (["seed.x=1"], "'seed' is 0, not a section"),
        (["preset=fats"], "this recipe has no presets"),
        (["labels=A"], "at least two classes"),
        (["labels=A-Z0-9"], "set simulate.labels=A-Z0-9"),
        (["labels=Z-A"], "runs backwards"),
        (["train.lr=1e-5", "lora.dtype=bf16"], "set lora.dtype=fp32"),
        (["prompt.max_tokens=4096"], "raise train.max_length to 4096"),
        (["prompt.reasoning=true"], "explanations need prompt.reasoning=true"),
        (["split.test=sim-001"], "sim-001 are in both"),
        (["split.protocol=leave-one-person-out"], "finds its own people"),
        (["evaluate.methods=[zero-shots]"], "'zero-shot'"),
        (["train.batch_size=0"], "greater than 0"),
        (["labels=[unclosed"], "override 'labels=.unclosed' line 1"),
    ],
)
def test_bad_override_is_one_clear_error(overrides: list[str], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        load_recipe("demo", overrides)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\nseed: 1\nseed: 2\n", "'seed' is written twice"),
        ("name: x\n  seed: 1\n", "line 2"),
        ("- a\n- b\n", "need keys and values"),
        ("# nothing yet\n", "holds no settings"),
        ("name: x\npresets: fast\n", "presets: is 'fast'"),
        ("name: x\ntrain: 3\n", "'train' is 3"),
    ],
)
def test_bad_file_is_one_clear_error(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=expected):
        load_recipe(str(path))


@pytest.mark.parametrize("given", ["dmo", "recipes/dmo.yaml", "elsewhere/demo.yaml"])
def test_missing_recipe_names_the_nearest(given: str) -> None:
    with pytest.raises(InputError, match="did you mean 'demo'"):
        load_recipe(given)


@pytest.mark.parametrize("name", packaged_names())
def test_dump_reads_back_as_the_same_recipe(tmp_path: Path, name: str) -> None:
    recipe = load_experiment(name)
    (tmp_path / "copy.yaml").write_text(dump(recipe))
    assert load_experiment(str(tmp_path / "copy.yaml")) == recipe


def test_an_exponent_without_a_dot_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("train: {lr: 2e-4, weight_decay: 1E-2}\n")
    recipe = load_recipe(str(tmp_path / "mine.yaml"))
    assert (recipe.name, recipe.train.lr, recipe.train.weight_decay) == ("mine", 2e-4, 1e-2)


def test_fingerprint_tells_only_the_named_sections_apart() -> None:
    one, two = Recipe(name="one"), Recipe(name="two", seed=1)
    assert fingerprint(one, ["train", "lora"]) == fingerprint(two, ["lora", "train"])
    assert fingerprint(one, ["seed"]) != fingerprint(two, ["seed"])
    # Where an adapter lies is not what it is.
    start = load_recipe("demo", ["train.start_from=elsewhere"])
    assert fingerprint(start, ["train"]) == fingerprint(load_recipe("demo"), ["train"])


def test_methods_are_named_as_people_are() -> None:
    recipe = load_recipe("demo", ["evaluate.methods=fine-tuned,svm"])
    assert recipe.evaluate.methods == ("fine-tuned", "svm")


@pytest.mark.parametrize(
    ("cls", "name", "command"),
    [
        (Recipe, "words-study", "imuscribe words eval"),
        (WordsRecipe, "words-adapt", "imuscribe adapt"),
        (AdaptRecipe, "words-unsegmented", "imuscribe words segment"),
        (WordsRecipe, "demo", "imuscribe train"),
    ],
)
def test_a_recipe_of_another_kind_names_its_command(
    cls: type[Experiment], name: str, command: str
) -> None:
    with pytest.raises(InputError, match=f"'{name}'.*'{command}'"):
        load_as(cls, name)


def test_an_unknown_kind_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: leters\n")
    with pytest.raises(InputError, match="did you mean 'letters'"):
        load_experiment(str(tmp_path / "mine.yaml"))
