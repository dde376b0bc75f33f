"""The alignment stage: from questions to an adapter that goes on with labels, judged on others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imuscribe.align import stage
from imuscribe.cli.align import eval as align_eval
from imuscribe.eval.methods.aligned import evaluate
from imuscribe.eval.run import read_run, run
from imuscribe.finetune import sft
from imuscribe.finetune.lineage import read
from imuscribe.finetune.reading import Reader
from imuscribe.finetune.rows import load_recordings, training_people
from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.files import about_tokens
from imuscribe.models.sensor.projector import SensorTokens
from imuscribe.recipes.load import load_experiment
from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.variants import QuestionsRecipe
from imuscribe.signals.errors import InputError

SENSOR = {
    "encoder": "patch",
    "view": "physical",
    "width": 16,
    "steps": 32,
    "tokens": 4,
    "hidden": [16],
    "levels": True,
    "warm_up": 2,
}


@pytest.fixture(scope="module")
def make(sharp_model_dir: Path) -> Callable[..., Recipe]:
    """Return a maker of small recipes: three simulated people, the last one tested."""

    def recipe(**changes: Any) -> Recipe:
        values = {
            "name": "tiny",
            "labels": "A-D",
            "simulate": {"people": 3, "repetitions": 1, "labels": "A-D", "cases": ["3d"]},
            "sensor": SENSOR,
            "questions": {
                "per_recording": 2,
                "kinds": ["trend"],
                "trends": {"least": 0.6, "most": 1.0},
            },
            "model": {"base": str(sharp_model_dir), "dtype": "fp32"},
            "lora": {"r": 4, "dtype": "fp32"},
            "train": {"batch_size": 4, "epochs": 2, "lr": 1e-2, "checkpoint_every": 2},
            "split": {
                "protocol": "given",
                "train": ["sim-001", "sim-002"],
                "test": ["sim-003"],
            },
            "evaluate": {"max_new_tokens": 4, "bootstrap": 0},
        }
        return Recipe.parse(values | changes)

    return recipe


@pytest.fixture(scope="module")
def aligned(make: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has been through the stage."""
    recipe = make()
    people = training_people(load_recordings(recipe), recipe)
    return stage.train(recipe, people, tmp_path_factory.mktemp("aligned"))


def weights(adapter: Path) -> dict[str, bytes]:
    names = ("adapter_model.safetensors", "sensor.safetensors")
    return {name: (adapter / name).read_bytes() for name in names}


def test_it_learns_about_training_people_alone(aligned: Path) -> None:
    learnt = read(aligned)
    assert learnt is not None
    assert learnt[0]["subjects"] == ["sim-001", "sim-002"]


def test_a_stage_that_was_cut_off_ends_as_if_it_had_not_been(
    make: Callable[..., Recipe],
    aligned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from imuscribe.finetune import trainer

    recipe = make()
    people = training_people(load_recordings(recipe), recipe)
    log = trainer.Monitor.on_log

    def killed(self: Any, args: Any, state: Any, *given: Any, **more: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt
        log(self, args, state, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Monitor, "on_log", killed)
        with pytest.raises(KeyboardInterrupt):
            stage.train(recipe, people, tmp_path)
    assert weights(stage.train(recipe, people, tmp_path)) == weights(aligned)


@pytest.mark.parametrize("labels", ["A-D", "A-B", "B,C,A,D"])
def test_training_on_labels_goes_on_from_it_whatever_they_are(
    make: Callable[..., Recipe], aligned: Path, tmp_path: Path, labels: str
) -> None:
    small = {"batch_size": 4, "epochs": 1, "start_from": str(aligned)}
    recipe = make(labels=labels, train=small, sensor=SENSOR | {"warm_up": 0})
    people = training_people(load_recordings(recipe), recipe)
    adapter = sft.train(recipe, people, tmp_path)
    assert about_tokens(adapter)[1] == list(recipe.label_set)
    found = Reader(adapter, recipe).said(np.zeros((1, 6, 32), dtype=np.float32))
    assert found.shape == (1, len(recipe.label_set))


def test_an_aligned_model_is_judged_beside_a_blind_one_and_asked_once(
    make: Callable[..., Recipe], aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(aligned, adapter)
    recipe = make()
    found = evaluate(recipe, load_recordings(recipe), adapter, progress=False)
    assert found["people"] == ["sim-003"] and found["reader"]["n"] == found["blind"]["n"] > 0
    gained = found["reader"]["people"]["value"] - found["blind"]["people"]["value"]
    assert found["gain"]["value"] == pytest.approx(gained)

    def asked_again(*_: Any) -> None:
        raise AssertionError("answers of before were not found")

    monkeypatch.setattr(Reader, "write", asked_again)
    assert evaluate(recipe, load_recordings(recipe), adapter, progress=False) == found


def test_a_run_teaches_asks_and_reports(
    make: Callable[..., Recipe], aligned: Path, tmp_path: Path
) -> None:
    values = make().model_dump() | {"kind": "questions", "out": str(tmp_path)}
    folder = run(QuestionsRecipe.parse(values), "imuscribe run tiny", progress=False)
    # What `align train` makes of the same recipe, asked the same.
    assert weights(folder / "folds/given/adapter") == weights(aligned)
    alone = evaluate(make(), load_recordings(make()), aligned, progress=False)
    measured = read_run(folder)[0]
    assert measured["reader"] == alone["reader"] and measured["blind"] == alone["blind"]
    right, blind, gained = measured["results"]
    assert right["tokens"] == alone["tokens"] > 4 and right["n"] == alone["reader"]["n"]
    assert gained["value"] == pytest.approx(right["value"] - blind["value"], abs=1e-5)
    assert "right, averaged over people" in (folder / "report.md").read_text()


def test_levels_tell_apart_what_is_alike_but_for_its_values() -> None:
    config = SensorConfig.parse(SENSOR)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = SensorTokens(config, 2, torch.randn(50, 8)).eval()
    seen: list[torch.Tensor] = []
    tokens.projector.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    signal = torch.zeros(1, 6, 32)
    signal[:, 2] = torch.repeat_interleave(torch.tensor([0.0, 5.0, 10.0, -5.0]), 8)
    tokens(signal)
    # m/s² over the usual 5: one value a token, of its own quarter of the time.
    assert seen[0][0, :, -4].tolist() == [0.0, 1.0, 2.0, -1.0]


def test_what_is_alike_at_two_times_is_told_apart_where_tokens_have_times() -> None:
    def rows(**changes: Any) -> torch.Tensor:
        config = SensorConfig.parse(SENSOR | {"encoder": "residual", "vary": None} | changes)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tokens = SensorTokens(config, 2, torch.randn(50, 8)).eval()
            found: torch.Tensor = tokens(torch.zeros(1, 6, 32))[0, 1:-1]
        return found

    assert not torch.allclose(rows(seconds=2.0)[1], rows(seconds=2.0)[2], atol=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensor": None}, "'sensor' is null"),
        ({"questions": {"channels": ["acc_x"]}}, "questions.channels"),
        ({"questions": {"trends": {"least": 60, "most": 90}}}, "60"),
    ],
)
def test_what_cannot_be_taught_is_told(
    make: Callable[..., Recipe], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    recipe = make(**changes)
    with pytest.raises(InputError, match=message):
        stage.train(recipe, load_recordings(recipe), tmp_path)


def test_a_recipe_of_questions_needs_tokens_to_ask_about(make: Callable[..., Recipe]) -> None:
    values = make().model_dump() | {"kind": "questions"}
    with pytest.raises(InputError, match="'sensor' is null"):
        QuestionsRecipe.parse(values | {"sensor": None})


def test_an_unknown_kind_of_question_is_told() -> None:
    with pytest.raises(InputError, match=r"questions\.kinds"):
        load_experiment("align-hapt", ["questions.kinds=[trends]"])


def test_a_person_it_has_learnt_from_is_not_tested(
    make: Callable[..., Recipe], aligned: Path
) -> None:
    recipe = make(split={"protocol": "given", "train": ["sim-003"], "test": ["sim-001"]})
    with pytest.raises(InputError, match="sim-001"):
        evaluate(recipe, load_recordings(recipe), aligned, progress=False)


def test_a_folder_without_an_adapter_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no recipe"):
        align_eval(tmp_path)
