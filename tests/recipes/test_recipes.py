"""Recipes: the packaged ones are sound, mistakes are named with the fix, nothing gets lost."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import get_args

import pytest

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.recipes import mapping
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.load import (
    KINDS,
    dump,
    load_as,
    load_experiment,
    load_recipe,
    name_labels,
    packaged_names,
    presets,
    recipe_text,
    schema,
)
from imuscribe.recipes.methods import METHODS, MethodName, is_baseline, is_tuned, method_of
from imuscribe.recipes.schema import Experiment, Recipe
from imuscribe.recipes.transfer import TransferMethod
from imuscribe.recipes.words import AdaptRecipe, WordsRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import Recording


def test_every_method_that_a_recipe_may_name_is_in_the_one_registry() -> None:
    written = {*get_args(MethodName), *get_args(mapping.Method), *get_args(TransferMethod)}
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


# The kind of questions came after kinds were written, with no section of its own.
@pytest.mark.parametrize("name", [name for name in packaged_names() if name != "align-hapt"])
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


def test_the_paper_recipe_is_sensorllm_and_its_run_can_be_planned(
    tiny_model_dir: Path, tiny_chronos_dir: Path
) -> None:
    from imuscribe.finetune.sft import plan

    recipe = load_recipe("sensorllm-paper")
    assert recipe.sensor is not None and recipe.sensor.length == 6 * (129 + 2)
    assert recipe.lora.frozen and not recipe.sensor.learns
    small = [
        f"model.base={tiny_model_dir}",
        f"sensor.chronos.base={tiny_chronos_dir}",
        "data=simulated",
        "labels=A-B",
        "simulate.people=1",
        "simulate.repetitions=1",
        "windows=null",
        "split.protocol=leave-one-person-out",
        "split.train=[]",
        "split.test=[]",
    ]
    _, figures = plan(load_recipe("sensorllm-paper", small))
    # Projector 16 -> 2048 -> 32 with a norm before it, starts and ends, a scale, a head of two.
    projector = 2 * 16 + 17 * 2048 + 2049 * 32
    assert figures.sensor[1] == projector + 12 * 32 + 1 + (2 * 6 * 16 + 1) * 2
    assert figures.trainable == 0
    assert max(map(max, figures.lengths.values())) < recipe.prompt.max_tokens


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: " + "[" * 3000, "nested"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("{a: " * 1000, "nested"),
        ("{a: " * 60 + "1" + "}" * 60, "nested more than 50 deep"),
        ("a: &a [*a]", "nested|unhashable|found"),
        ("name: x\nseed: !!int x\n", "line 2: 'x' is no int"),
        ("name: x\nseed: !!float x\n", "line 2: 'x' is no float"),
        ("name: !!binary x\n", "line 1"),
        ("name: !!timestamp x\n", "line 1: 'x' is no timestamp"),
        ("name: !!bool x\n", "line 1: 'x' is no bool"),
        ("name: !!python/object:os.system x\n", "line 1: could not determine"),
        ("? [a]\n: b\n", "line 1"),
        ('data: "a\\0b"\n', "line 1: holds a NUL byte"),
        ("name: a\x07b\n", "line 1: holds the control character"),
        (
            "a: &a [x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join(['*' + a] * 8)}]\n"
                for a, b in itertools.pairwise("abcdefgh")
            ),
            "more than 50,000 values",
        ),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=expected) as caught:
        load_experiment(str(path))
    assert "\n" not in str(caught.value)


def test_people_names_and_labels_are_texts_however_they_look(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: 007\nlabels: [1, no, 1e3]\n"
        "split:\n  protocol: given\n  train: [001, 1e3, 2024-01-01]\n  test: [no]\n"
        "data: mine.parquet\nprompt: {chat: off}\n"
    )
    recipe = load_recipe(
        str(path), ["split.folds=[0x1f]", "train.start_from=12", "labels=[1, off]"]
    )
    assert recipe.name == "007" and recipe.folder == Path("runs/007")
    assert recipe.split.train == ("001", "1e3", "2024-01-01")
    assert (recipe.split.test, recipe.split.folds) == (("no",), ("0x1f",))
    assert recipe.label_set == ("1", "off") and recipe.train.start_from == "12"
    assert not recipe.prompt.chat
    path.write_text(dump(recipe))
    assert load_recipe(str(path)) == recipe
    with pytest.raises(InputError, match='put it in quotes: "true"'):
        load_recipe("demo", ["split.train=[true]"])


def test_labels_may_be_a_list_with_commas_inside(tmp_path: Path) -> None:
    recipe = load_recipe(
        "demo", ['labels=["walking, fast", sitting, A-C]', "data=mine.parquet", "split.test=ann"]
    )
    assert recipe.label_set == ("walking, fast", "sitting", "A-C")
    (tmp_path / "copy.yaml").write_text(dump(recipe))
    assert load_recipe(str(tmp_path / "copy.yaml")) == recipe
    with pytest.raises(InputError, match="'sitting' occurs twice"):
        load_recipe("demo", ["labels=[sitting, sitting]"])


def test_every_mistake_is_told_with_its_file() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("demo", ["train.lr=-1", "train.epochs=0"])
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["demo", "demo"]


def test_labels_from_data_may_hold_commas_and_look_like_ranges(tmp_path: Path) -> None:
    import numpy as np

    names = ("walking, fast", "A-C", "[x]", "sitting")
    t = np.arange(100) / 50
    acc = np.tile(np.float32([[0], [0], [9.81]]), (1, 100))
    recordings = [
        Recording(f"{i}", acc, ("acc_x", "acc_y", "acc_z"), t, label=name, subject="ann")
        for i, name in enumerate(names)
    ]
    save(recordings, tmp_path / "mine.parquet")
    recipe = load_recipe(
        "demo",
        [f"data={tmp_path / 'mine.parquet'}", "labels=from-data", "split.test=bo"],
    )
    assert name_labels(recipe).label_set == tuple(sorted(names))
