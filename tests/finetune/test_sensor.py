"""Sensor tokens: where they stand, that they change nothing else, and that training keeps them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imuscribe.align.pretrain import pretrain
from imuscribe.eval.tasks.letters import folds_of
from imuscribe.finetune.base import load_base
from imuscribe.finetune.reading import Reader
from imuscribe.finetune.rows import load_recordings, prompt_builder, signals_of, training_rows
from imuscribe.finetune.scoring import LabelScorer, generate
from imuscribe.finetune.sft import train
from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.files import about_tokens, find_tokens, fresh_tokens, save_tokens
from imuscribe.models.sensor.projector import attach, embedded
from imuscribe.prompts.ask.sensor import PLACE, SENSOR_ID, prompt_ids
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.load import dump
from imuscribe.recipes.schema import ModelConfig, Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.views import groups as groups_of
from imuscribe.signals.motion.views import n_channels
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import Recording

SMALL = {"width": 16, "steps": 32, "tokens": 2, "hidden": [16], "lr": 1e-2}


@pytest.fixture
def recipe(sharp_model_dir: Path) -> Callable[..., Recipe]:
    """Return a maker of small recipes with sensor tokens."""

    def make(shape: dict[str, Any] | None = None, **changes: Any) -> Recipe:
        train = {"batch_size": 4, "epochs": 4, "lr": 1e-2, "checkpoint_every": 3}
        values = {
            "name": "tiny",
            "labels": "A-D",
            "text": {"views": [{"signal": "velocity", "steps": 8}]},
            "sensor": SMALL | (shape or {}),
            "model": {"base": str(sharp_model_dir), "dtype": "fp32"},
            "lora": {"r": 4, "dtype": "fp32"},
        }
        return Recipe.parse(values | changes | {"train": train | changes.get("train", {})})

    return make


@pytest.fixture
def reading(tiny_model_dir: Path) -> tuple[Any, Any]:
    """The tiny model with fresh sensor tokens, and its tokenizer."""
    network, tokenizer = load_base(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = SensorConfig.parse(SMALL)
        attach(network, fresh_tokens(config, "ABCD", network).eval())
    return network, tokenizer


def signals(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 4, 32)).astype(np.float32)


def test_the_place_of_a_signal_is_so_many_positions_and_no_token(tiny_model_dir: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_model_dir))
    before, after = (tokenizer(x, add_special_tokens=False)["input_ids"] for x in "AB")
    start = tokenizer("")["input_ids"]
    found = prompt_ids(tokenizer, f"A{PLACE}B", 3)
    assert found == [*start, *before, SENSOR_ID, SENSOR_ID, SENSOR_ID, *after]
    assert prompt_ids(tokenizer, "AB", 3) == tokenizer("AB")["input_ids"]


def test_tokens_stand_in_their_places_and_everything_else_is_the_models_own(
    reading: tuple[Any, Any],
) -> None:
    network, _ = reading
    ids = torch.tensor([[5, SENSOR_ID, SENSOR_ID, SENSOR_ID, SENSOR_ID, 7], [5, 6, 7, 8, 9, 10]])
    x = torch.from_numpy(signals(2))
    with torch.inference_mode():
        found = embedded(network, ids, x)
        tokens = network.sensor(x)
    table = network.get_input_embeddings().weight
    assert torch.equal(found[0, 1:5], tokens[0])
    assert torch.equal(found[0, 0], table[5]) and torch.equal(found[1], table[ids[1]])


def test_a_prompt_without_a_signal_is_read_as_if_there_were_no_sensor(
    reading: tuple[Any, Any],
) -> None:
    network, _ = reading
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        plain = network(input_ids=ids).logits
        beside = network(input_ids=ids, signals=torch.from_numpy(signals(1))).logits
    assert torch.allclose(plain, beside, atol=1e-6)


def test_a_wrong_number_of_places_is_an_error(reading: tuple[Any, Any]) -> None:
    network, _ = reading
    with pytest.raises(ValueError, match="3 places for 4 sensor tokens"):
        network(input_ids=torch.tensor([[5, -1, -1, -1]]), signals=torch.from_numpy(signals(1)))


@pytest.mark.parametrize(
    ("view", "groups", "blocks"),
    [
        ("movement", "one", 1),
        ("movement", "signal", 2),
        ("physical", "signal", 2),
        ("upright", "signal", 2),
        ("writing", "channel", 6),
        ("upright", "channel", 12),
    ],
)
def test_every_group_of_channels_has_its_own_start_end_and_block(
    tiny_model_dir: Path, view: str, groups: str, blocks: int
) -> None:
    network, tokenizer = load_base(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    config = SensorConfig.parse(SMALL | {"view": view, "groups": groups})
    sensor = fresh_tokens(config, "ABCD", network).eval()
    attach(network, sensor)
    with torch.no_grad():
        sensor.edges.copy_(torch.arange(len(sensor.edges))[:, None].expand_as(sensor.edges))
    assert config.length == blocks * 4
    assert prompt_ids(tokenizer, PLACE, config.length).count(SENSOR_ID) == blocks * 4
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, n_channels(view), 32)))
    with torch.inference_mode():
        found = sensor(x.float()).view(2, blocks, 4, -1)
    for block in range(blocks):
        assert torch.all(found[:, block, 0] == 2 * block)
        assert torch.all(found[:, block, 3] == 2 * block + 1)
    # What one group shows stands in its own block alone.
    own = n_channels(view) // blocks
    changed = x.clone()
    rows = list(sensor.groups[-1])
    assert len(rows) == own
    changed[:, rows] += torch.randn(own, 32)
    with torch.inference_mode():
        other = sensor(changed.float()).view(2, blocks, 4, -1)
    assert torch.equal(other[:, :-1], found[:, :-1])
    assert not torch.allclose(other[:, -1, 1:3], found[:, -1, 1:3], atol=1e-3)


def test_the_groups_of_a_view_are_its_sensors_and_divide_it() -> None:
    assert groups_of("upright", "signal", 12) == ((0, 1, 2, 6, 7, 8), (3, 4, 5, 9, 10, 11))
    assert groups_of("upright", "signal", 6) == (tuple(range(6)),)  # no gyroscope
    assert groups_of("raw", "signal", 6) == ((0, 1, 2), (3, 4, 5))
    assert groups_of("writing", "signal", 6) == ((0, 1), (2, 3), (4, 5))
    assert groups_of("movement", "channel", 4) == ((0,), (1,), (2,), (3,))


def test_tokens_have_the_spread_of_the_models_embeddings(reading: tuple[Any, Any]) -> None:
    network, _ = reading
    table = network.get_input_embeddings().weight
    with torch.inference_mode():
        tokens = network.sensor(torch.from_numpy(signals(16)))
    spread = float(table.detach().std())
    assert float(tokens[:, 1:-1].std()) == pytest.approx(spread, rel=0.05)
    assert torch.allclose(tokens[:, 0], table.mean(dim=0).expand(16, -1), atol=1e-6)


def test_scores_of_a_batch_are_those_of_each_alone(reading: tuple[Any, Any]) -> None:
    scorer = LabelScorer(*reading, [" A", " B", " CD"])
    prompts = [f"{PLACE}\nLetter:", f"N E {PLACE}\nLetter:", "N E\nLetter:"]
    x = signals(3)
    together = scorer.score(prompts, batch_size=9, signals=x).log_probs
    alone = [scorer.score([p], signals=x[i : i + 1]).log_probs[0] for i, p in enumerate(prompts)]
    assert np.allclose(together, alone, atol=1e-5)
    other = scorer.score(prompts, signals=signals(3, seed=1)).log_probs
    assert not np.allclose(together[:2], other[:2], atol=1e-4)  # the signal is read
    assert np.allclose(together[2], other[2], atol=1e-5)  # only where it stands


def test_what_is_saved_and_loaded_reads_to_the_last_bit_the_same(
    reading: tuple[Any, Any], tiny_model_dir: Path, tmp_path: Path
) -> None:
    network, _ = reading
    ids, x = torch.tensor([[5, *[SENSOR_ID] * 4, 7]]), torch.from_numpy(signals(1))
    save_tokens(network.sensor, "ABCD", tmp_path)
    again, _ = load_base(ModelConfig(base=str(tiny_model_dir), dtype="fp32"))
    attach(again, find_tokens(tmp_path, again))
    with torch.inference_mode():
        before, after = (net(input_ids=ids, signals=x).logits for net in (network, again))
    assert torch.equal(before, after)
    assert torch.equal(network.sensor.said, again.sensor.said)


def test_generation_reads_the_signal_and_answers_with_new_text_only(
    reading: tuple[Any, Any],
) -> None:
    network, tokenizer = reading
    prompts = [f"{PLACE}\nLetter:", "Letter:"]
    answers = generate(network, tokenizer, prompts, 5, batch_size=2, signals=signals(2))
    assert answers[1] == generate(network, tokenizer, prompts[1:], 5)[0]
    assert answers[0] == generate(network, tokenizer, prompts[:1], 5, signals=signals(2)[:1])[0]
    assert all("Letter" not in answer for answer in answers)


def test_rows_hold_text_tokens_or_both(
    recipe: Callable[..., Recipe], letters: Any, tiny_model_dir: Path
) -> None:
    settings = recipe({"text": True, "drop": 0.3}, train={"epochs": 40})
    recordings = letters(1, 1, "A-D")
    builder = prompt_builder(settings, load_tokenizer(str(tiny_model_dir)))
    rows = training_rows(recordings, settings, builder, build_serializer(settings.text))
    shown = [(PLACE in row["prompt"], "velocity" in row["prompt"]) for row in rows]
    shares = {kind: shown.count(kind) / len(rows) for kind in set(shown)}
    assert set(shares) == {(True, True), (True, False), (False, True)}
    assert shares[True, False] == pytest.approx(0.3, abs=0.12)
    assert shares[False, True] == pytest.approx(0.3, abs=0.12)
    assert all(row["signal"].shape == (4, 32) for row in rows)


@pytest.mark.parametrize("groups", ["one", "channel"])
def test_training_learns_and_what_is_saved_reads_the_same(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path, groups: str
) -> None:
    settings = recipe({"warm_up": 8, "groups": groups}, train={"epochs": 8})
    recordings = letters(2, 2, "A-D")
    adapter = train(settings, recordings, tmp_path)
    kept, labels = about_tokens(adapter)
    assert kept == settings.sensor and labels == list("ABCD")
    steps = [json.loads(line)["loss"] for line in (tmp_path / "train-log.jsonl").open()]
    assert np.mean(steps[-4:]) < 0.8 * np.mean(steps[:4])
    reader = Reader(adapter, settings)
    prompts, x = reader.prompts(reader.texts(recordings)), reader.signals(recordings)
    assert prompts == [f"{PLACE}\nLetter:"] * len(recordings)
    again = Reader(adapter, settings)
    assert np.array_equal(reader.score(prompts, signals=x), again.score(prompts, signals=x))
    length = {"one": 4, "channel": 16}[groups]
    assert set(reader.tokens(prompts)) == {len(prompt_ids(reader._loaded[1], prompts[0], length))}
    right = [rec.label for rec in recordings]
    said = [labels[i] for i in reader.said(x).argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(said, right, strict=True)]) > 0.5
    untouched, _ = load_base(settings.model)
    table = reader._loaded[0].get_input_embeddings().weight
    assert torch.equal(untouched.get_input_embeddings().weight, table)


def test_beside_a_frozen_model_and_chronos_only_projector_edges_and_head_learn(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path, tiny_chronos_dir: Path
) -> None:
    from safetensors.torch import load_file

    chronos = {"encoder": "chronos", "chronos": {"base": str(tiny_chronos_dir)}}
    shape = chronos | {"groups": "channel", "tokens": 3, "vary": None}
    frozen = {"lora": {"r": 4, "dtype": "fp32", "frozen": True}, "train": {"epochs": 6}}
    settings = recipe(shape, **frozen)
    recordings = letters(2, 2, "A-D")
    adapter = train(settings, recordings, tmp_path)
    steps = [json.loads(line)["loss"] for line in (tmp_path / "train-log.jsonl").open()]
    assert np.mean(steps[-4:]) < np.mean(steps[:4])
    changed = load_file(adapter / "adapter_model.safetensors")
    assert all(not w.any() for name, w in changed.items() if "lora_B" in name)
    reader, again = Reader(adapter, settings), Reader(adapter, settings)
    prompts, x = reader.prompts(reader.texts(recordings)), reader.signals(recordings)
    found = reader.score(prompts, signals=x)
    assert np.array_equal(found, again.score(prompts, signals=x))
    edges = reader._loaded[0].sensor.edges
    assert edges.shape[0] == 8 and len(torch.unique(edges, dim=0)) == 8, "each learnt its own"
    plain, _ = load_base(settings.model)
    table = plain.get_input_embeddings().weight
    assert torch.equal(table, reader._loaded[0].get_input_embeddings().weight)
    other = recipe(
        shape | {"chronos": {"base": str(tiny_chronos_dir), "scale": "mean"}},
        lora=frozen["lora"],
        train={"start_from": str(adapter)},
    )
    with pytest.raises(InputError, match=r"sensor.chronos=.*'mean'.* another shape"):
        train(other, recordings, tmp_path / "other")


def test_killed_and_resumed_is_bit_identical_to_uninterrupted(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path, cut_training: Any
) -> None:
    from safetensors.torch import load_file

    settings = recipe({"text": True, "warm_up": 2, "groups": "signal"}, train={"augment": {}})
    recordings = letters(2, 2, "A-D")
    whole = train(settings, recordings, tmp_path / "whole")
    cut_training(8, lambda: train(settings, recordings, tmp_path / "cut"))
    resumed = train(settings, recordings, tmp_path / "cut")
    for name in ("adapter_model.safetensors", "sensor.safetensors"):
        a, b = load_file(whole / name), load_file(resumed / name)
        assert all(torch.equal(a[key], b[key]) for key in a), name


def test_two_processes_give_the_losses_of_one_that_accumulates(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path
) -> None:
    save(letters(2, 2, "A-D"), tmp_path / "letters.parquet")
    still = {"vary": None, "dropout": 0.0}  # each process draws its own
    changes = {"data": str(tmp_path / "letters.parquet"), "out": str(tmp_path / "two")}
    settings = recipe(still, train={"epochs": 2})
    (tmp_path / "tiny.yaml").write_text(dump(settings.model_copy(update=changes)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "imuscribe.finetune.sft"]
    done = subprocess.run(
        [*command, str(tmp_path / "tiny.yaml")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    single = recipe(still, train={"epochs": 2, "accumulate": 2}).model_copy(update=changes)
    train(single, load_recordings(single), tmp_path / "one")

    def losses(out: Path) -> list[float]:
        return [json.loads(line)["loss"] for line in (out / "train-log.jsonl").open()]

    assert losses(tmp_path / "two" / "tiny") == pytest.approx(losses(tmp_path / "one"), abs=1e-4)


def test_an_adapter_goes_on_with_its_sensor_and_another_shape_is_refused(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path
) -> None:
    recordings = letters(2, 2, "A-D")
    first = train(recipe(train={"epochs": 8}), recordings, tmp_path / "first")
    going_on = recipe(train={"epochs": 1, "start_from": str(first)})
    train(going_on, recordings, tmp_path / "second")
    steps = [json.loads(line)["loss"] for line in (tmp_path / "second/train-log.jsonl").open()]
    begin = [json.loads(line)["loss"] for line in (tmp_path / "first/train-log.jsonl").open()]
    assert steps[0] < 0.8 * begin[0]
    wider = recipe({"width": 32}, train={"start_from": str(first)})
    with pytest.raises(InputError, match=r"sensor.width=32 but adapter .* set sensor.width=16"):
        train(wider, recordings, tmp_path / "third")
    plain = recipe(train={"start_from": str(first)}).model_copy(update={"sensor": None})
    with pytest.raises(InputError, match=r"'sensor' is null but adapter"):
        train(plain, recordings, tmp_path / "fourth")


def test_a_pretrained_encoder_is_gone_on_from_and_says_whom_it_knows(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path
) -> None:
    recordings: list[Recording] = letters(3, 2, "A-D")
    save(recordings, tmp_path / "letters.parquet")
    split = {"protocol": "given", "train": ["sim-001", "sim-002"], "test": ["sim-003"]}
    given = {
        "data": str(tmp_path / "letters.parquet"),
        "split": split,
        "evaluate": {"methods": ["fine-tuned"]},
    }
    settings = recipe(**given)
    cleaned = load_recordings(settings)
    knows = pretrain(settings, cleaned, tmp_path / "all", epochs=1, progress=False)
    others = [rec for rec in cleaned if rec.subject != "sim-003"]
    honest = pretrain(settings, others, tmp_path / "others", epochs=1, progress=False)
    folds_of(recipe({"pretrained": str(honest)}, **given))
    with pytest.raises(InputError, match=r"sensor.pretrained .*has learnt from sim-003, tested"):
        folds_of(recipe({"pretrained": str(knows)}, **given))
    # An adapter on top of that encoder knows them as well.
    inherited = recipe({"pretrained": str(knows)}, **given)
    adapter = train(inherited, others, tmp_path / "adapter")
    with pytest.raises(InputError, match=r"train.start_from .*has learnt from sim-003"):
        folds_of(recipe(**given, train={"start_from": str(adapter)}))
    with pytest.raises(InputError, match=r"sensor.width=32, but encoder .* set sensor.width=16"):
        train(recipe({"pretrained": str(honest), "width": 32}, **given), others, tmp_path / "x")
    with pytest.raises(InputError, match="holds no pretrained encoder"):
        train(recipe({"pretrained": str(tmp_path)}, **given), others, tmp_path / "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensor": None, "evaluate": {"methods": ["encoder"]}}, "encoder but 'sensor' is null"),
        ({"evaluate": {"methods": ["fine-tuned-text"]}}, "set sensor.text=true"),
        ({"prompt": {"shots": 2}}, "set prompt.shots=0"),
        ({"sensor": None, "lora": {"frozen": True}}, "nothing would learn"),
        ({"prompt": {"max_tokens": 8}}, "exceed prompt.max_tokens=8"),
    ],
)
def test_what_cannot_work_is_one_line(
    recipe: Callable[..., Recipe], letters: Any, tmp_path: Path, changes: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        settings = recipe(**changes)
        train(settings, letters(1, 1, "A-D"), tmp_path)


def test_what_an_encoder_sees_does_not_depend_on_the_size_of_the_writing(letters: Any) -> None:
    [rec] = letters(1, 1, "A")
    settings = Recipe.parse({"name": "x", "sensor": {"steps": 32}})
    cleaned = load_clean(rec, settings)
    x = signals_of([cleaned], settings)
    assert x.shape == (1, 4, 32) and x.dtype == np.float32
    rms = np.sqrt((x[0].reshape(2, -1) ** 2).mean(axis=1) * 2)
    assert np.allclose(rms, np.sqrt(2), atol=0.35)  # of right and up together, over the letter


def load_clean(rec: Recording, settings: Recipe) -> Recording:
    from imuscribe.signals.cleaning import clean

    return clean(rec, settings.clean)
