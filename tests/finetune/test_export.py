"""A merged model is the trained one: same answers, same logits, same people known to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.run import run
from imuscribe.eval.tasks.letters import folds_of, method_key
from imuscribe.finetune.adapters import adapter_path, check_start, export, weights_hash
from imuscribe.finetune.lineage import read
from imuscribe.finetune.reading import Reader, most_likely
from imuscribe.finetune.rows import load_recordings, prompt_ids
from imuscribe.finetune.sft import train
from imuscribe.models.sensor.files import about_tokens
from imuscribe.prompts.ask.sensor import PLACE
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import Recording

SENSOR = {"width": 16, "steps": 32, "tokens": 2, "hidden": [16], "lr": 1e-2, "warm_up": 2}


@pytest.fixture(scope="module")
def make(
    sharp_model_dir: Path, letters: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Recipe]:
    """Return a maker of small recipes: three simulated people, the last one tested."""
    data = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(3, 2, "A-D"), data)

    def recipe(**changes: Any) -> Recipe:
        values = {
            "name": "tiny",
            "labels": "A-D",
            "data": str(data),
            "text": {"views": [{"signal": "velocity", "steps": 8}]},
            "model": {"base": str(sharp_model_dir), "dtype": "fp32"},
            "lora": {"r": 4, "dtype": "fp32"},
            "train": {"batch_size": 4, "epochs": 4, "lr": 1e-2},
            "split": {"protocol": "given", "train": ["sim-001", "sim-002"], "test": ["sim-003"]},
            "evaluate": {"methods": ["zero-shot"], "bootstrap": 0},
        }
        return Recipe.parse(values | changes)

    return recipe


@pytest.fixture(scope="module")
def people(make: Callable[..., Recipe]) -> list[Recording]:
    return [rec for rec in load_recordings(make()) if rec.subject != "sim-003"]


@pytest.fixture(scope="module", params=[None, SENSOR], ids=["text", "sensor"])
def both(
    request: pytest.FixtureRequest,
    make: Callable[..., Recipe],
    people: list[Recording],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, Recipe]:
    """An adapter, the same merged, and its recipe."""
    folder, recipe = tmp_path_factory.mktemp("export"), make(sensor=request.param)
    adapter = train(recipe, people, folder)
    assert export(adapter, folder / "merged") < 1e-4
    return adapter, folder / "merged", recipe


def test_merged_and_unmerged_say_the_same(
    both: tuple[Path, Path, Recipe], people: list[Recording]
) -> None:
    adapter, merged, _ = both
    live, whole = Reader(adapter), Reader(merged)
    prompts, signals = live.prompts(live.texts(people)), live.signals(people)
    assert whole.prompts(whole.texts(people)) == prompts
    untrained = Reader(recipe=live.recipe)
    before, after = live.score(prompts, signals=signals), whole.score(prompts, signals=signals)
    assert np.allclose(before, after, atol=1e-4)
    if signals is None:  # what is merged has been learnt
        assert not np.allclose(untrained.score(prompts), after, atol=1e-2)
    assert live.write(prompts[:2], signals=few(signals)) == whole.write(
        prompts[:2], signals=few(signals)
    )
    assert [[label for label, _ in one] for one in most_likely(people, adapter)] == [
        [label for label, _ in one] for one in most_likely(people, merged)
    ]


def few(signals: Any) -> Any:
    return None if signals is None else signals[:2]


def test_any_program_that_reads_models_reads_a_merged_one(
    both: tuple[Path, Path, Recipe], people: list[Recording]
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapter, merged, _ = both
    network = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(merged)
    live, ours = Reader(adapter)._loaded
    prompt = Reader(adapter).prompts(["velocity N N E"])[0]
    assert tokenizer(prompt)["input_ids"] == prompt_ids(ours, [prompt])[0]
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    with torch.inference_mode():
        assert torch.allclose(network(ids).logits, live(input_ids=ids).logits, atol=1e-3)


def test_a_merged_model_tells_whom_it_knows_and_what_it_is_made_of(
    both: tuple[Path, Path, Recipe],
) -> None:
    adapter, merged, recipe = both
    assert read(merged) == read(adapter) is not None
    made_of = json.loads((merged / "merged.json").read_text())
    assert made_of["adapter"] == weights_hash(adapter) != weights_hash(merged)
    assert (merged / "sensor.json").is_file() == (recipe.sensor is not None)


def test_training_goes_on_from_a_merged_base_with_its_tokens(
    both: tuple[Path, Path, Recipe],
    make: Callable[..., Recipe],
    people: list[Recording],
    tmp_path: Path,
) -> None:
    adapter, merged, recipe = both
    sensor = None if recipe.sensor is None else SENSOR | {"warm_up": 0}
    model = {"base": str(merged), "dtype": "fp32"}
    short = {"batch_size": 4, "epochs": 1, "lr": 1e-3}
    on = train(make(model=model, sensor=sensor, train=short), people, tmp_path)

    def losses(folder: Path) -> list[float]:
        lines = (folder / "train-log.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    assert losses(tmp_path)[0] < 0.8 * losses(adapter.parent)[0]
    assert [item["subjects"] for item in read(on) or ()] == [["sim-001", "sim-002"]] * 2
    if sensor is not None:
        assert about_tokens(on)[1] == list("ABCD")
        reader = Reader(on)
        prompts, signals = reader.prompts(reader.texts(people)), reader.signals(people)
        assert prompts[0].startswith(PLACE)
        assert reader.score(prompts, signals=signals).shape == (len(people), 4)


def test_an_experiment_reads_a_merged_base_and_nobody_it_knows(
    both: tuple[Path, Path, Recipe], make: Callable[..., Recipe], tmp_path: Path
) -> None:
    adapter, merged, recipe = both
    sensor = None if recipe.sensor is None else SENSOR
    model = {"base": str(merged), "dtype": "fp32"}
    asked = make(model=model, sensor=sensor, out=str(tmp_path))
    values = json.loads((run(asked, progress=False) / "metrics.json").read_text())
    started = make(
        sensor=sensor,
        evaluate={"methods": ["adapter"], "bootstrap": 0},
        train={"start_from": str(adapter)},
        out=str(tmp_path / "other"),
    )
    same = json.loads((run(started, progress=False) / "metrics.json").read_text())
    merged_figures, live = values["methods"]["zero-shot"], same["methods"]["adapter"]
    assert merged_figures["accuracy"]["value"] == live["accuracy"]["value"]
    assert method_key(asked, "zero-shot") != method_key(make(sensor=sensor), "zero-shot")
    known = {"protocol": "given", "train": ["sim-003"], "test": ["sim-001"]}
    with pytest.raises(InputError, match=r"model.base .*has learnt from sim-001.*base=smollm2"):
        folds_of(asked.model_copy(update={"split": recipe.split.parse(known)}))


def test_an_adapter_on_random_weights_is_merged_with_those(
    make: Callable[..., Recipe], people: list[Recording], tmp_path: Path
) -> None:
    # The weights are drawn in fp32 and held in bf16: those that it was trained on are the rounded.
    model = make().model.model_dump() | {"random": True, "dtype": "bf16"}
    adapter = train(make(model=model), people, tmp_path)
    merged = tmp_path / "merged"
    assert export(adapter, merged) < 1e-4
    live, whole = Reader(adapter), Reader(merged)
    texts = live.prompts(live.texts(people[:4]))
    np.testing.assert_allclose(live.score(texts), whole.score(texts), atol=0.05)
    with pytest.raises(InputError, match=r"merged with an adapter.*set model.random=false"):
        check_start(make(model=model | {"base": str(merged)}))
    with pytest.raises(InputError, match=r"set model.random=true"):
        check_start(make(train={"start_from": str(adapter)}))


def test_an_adapter_merged_twice_or_started_from_is_told(
    both: tuple[Path, Path, Recipe], make: Callable[..., Recipe], tmp_path: Path
) -> None:
    _, merged, _ = both
    with pytest.raises(InputError, match="is merged already"):
        export(merged, tmp_path / "again")
    start = make(train={"start_from": str(merged)})
    with pytest.raises(InputError, match=r"merged with its base.*set .*model.base="):
        check_start(start)


def test_the_packaged_reader_is_exported_and_predicts(
    letters: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(letters(1, 1, "A-D"), tmp_path / "letters.parquet")
    out = tmp_path / "merged"

    def said(*words: object) -> str:
        done = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
        assert done.exit_code == 0, done.stdout
        return done.stdout

    assert f"predict FILE --adapter {out}" in said("export", "air-letters", out)
    ours = said("predict", tmp_path / "letters.parquet", "--json", "--adapter", out)
    theirs = said("predict", tmp_path / "letters.parquet", "--json")
    for one, other in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        a, b = json.loads(one)["answers"], json.loads(other)["answers"]
        assert [x["label"] for x in a] == [x["label"] for x in b]
        assert [x["probability"] for x in a] == pytest.approx(
            [x["probability"] for x in b], abs=1e-4
        )
    assert adapter_path(out) == out
