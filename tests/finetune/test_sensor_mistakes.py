"""What can be wrong around sensor tokens: one line each, what was given, why, what would do."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from imuscribe.align.pretrain import pretrain
from imuscribe.cli import main
from imuscribe.finetune.adapters import export
from imuscribe.finetune.rows import load_recordings
from imuscribe.finetune.sft import train
from imuscribe.recipes.load import dump
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording

SENSOR = {"width": 16, "steps": 32, "tokens": 2, "hidden": [16]}
PATCH = SENSOR | {"encoder": "patch", "view": "physical"}
SPLIT = {"protocol": "given", "train": ["sim-001"], "test": ["sim-002"]}


def motion(name: str, seconds: float, channels: tuple[str, ...] = (*ACC, *GYRO)) -> Recording:
    """Somebody nods at a rate of 50 Hz."""
    t = np.arange(round(seconds * 50)) / 50
    rows = np.sin(2 * np.pi * 2 * t + np.arange(len(channels))[:, None])
    rows[2] += 9.81
    return Recording(name, rows.astype("f4"), channels, t, label="A", subject="sim-001")


@pytest.fixture(scope="module")
def room(sharp_model_dir: Path, letters: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recipes, recordings, adapters and encoders, some of them broken."""
    folder = tmp_path_factory.mktemp("room")
    save(letters(2, 1, "A-B"), folder / "letters.parquet")
    save([motion("tick", 0.3)], folder / "short.parquet")
    save([motion("nod", 2.0, ACC)], folder / "acc.parquet")

    def recipe(name: str, sensor: dict[str, Any]) -> Recipe:
        found = Recipe.parse(
            {
                "name": name,
                "labels": "A-B",
                "data": str(folder / "letters.parquet"),
                "out": str(folder / "runs"),
                "text": {"views": [{"signal": "velocity", "steps": 8}]},
                "clean": {"trim": False},
                "sensor": sensor,
                "split": SPLIT,
                "model": {"base": str(sharp_model_dir), "dtype": "fp32"},
                "lora": {"r": 4, "dtype": "fp32"},
                "train": {"batch_size": 4, "epochs": 1},
                "evaluate": {"methods": ["fine-tuned"], "bootstrap": 0},
            }
        )
        (folder / f"{name}.yaml").write_text(dump(found))
        return found

    plain = recipe("plain", SENSOR)
    everybody = load_recordings(plain)
    shutil.move(train(plain, everybody, folder / "made"), folder / "adapter")
    one = [rec for rec in everybody if rec.subject == "sim-001"]
    shutil.move(train(recipe("patch", PATCH), one, folder / "made-patch"), folder / "patches")
    pretrain(plain, everybody, folder / "encoder", epochs=1, progress=False)
    export(folder / "adapter", folder / "merged")
    broken = shutil.copytree(folder / "adapter", folder / "no-edges") / "sensor.safetensors"
    weights = load_file(broken)
    del weights["edges"]
    save_file(weights, broken)
    cut = shutil.copytree(folder / "adapter", folder / "cut") / "sensor.safetensors"
    cut.write_bytes(cut.read_bytes()[:100])
    (shutil.copytree(folder / "adapter", folder / "gone") / "sensor.safetensors").unlink()
    untold = shutil.copytree(folder / "adapter", folder / "untold") / "training.json"
    untold.write_text("{}")
    little = shutil.copytree(sharp_model_dir, folder / "little") / "config.json"
    settings = json.loads(little.read_text())
    little.write_text(json.dumps(settings | {"max_position_embeddings": 16}))
    return folder


MISTAKES = {
    "prompt over its budget": (
        "train {room}/plain.yaml sensor.text=true sensor.drop=0 prompt.max_tokens=20",
        r"prompt of \d+ tokens and \d+ for the answer exceed prompt.max_tokens=20: .*"
        r"at most \d+ fit .*max_tokens=\d+",
    ),
    "prompt over the model's context": (
        "train {room}/plain.yaml sensor.text=true sensor.drop=0 model.base={room}/little",
        r"'little' reads 16 tokens at once but 2 of 2 rows are longer, the longest \d+: set "
        "train.max_length=16",
    ),
    "prompt over the context when it is read": (
        "run {room}/plain.yaml evaluate.methods=[zero-shot] model.base={room}/little",
        r"prompt of \d+ tokens and 1 for labels: the model reads 16 at once: at most 15 fit",
    ),
    "encoder of another width": (
        "train {room}/plain.yaml sensor.pretrained={room}/encoder sensor.width=32",
        r"sensor.width=32, but encoder .* is another: set sensor.width=16",
    ),
    "encoder of other channels": (
        "train {room}/plain.yaml sensor.pretrained={room}/encoder sensor.view=writing",
        r"sensor.view=writing, but encoder .* is another: set sensor.view=movement",
    ),
    "no encoder": (
        "train {room}/plain.yaml sensor.pretrained={room}/adapter",
        r"holds no pretrained encoder: make one with 'imuscribe align pretrain'",
    ),
    "adapter of another width": (
        "train {room}/plain.yaml --from {room}/adapter sensor.width=32",
        r"'sensor' is sensor.width=32 but adapter .* set sensor.width=16",
    ),
    "merged base of another width": (
        "train {room}/plain.yaml model.base={room}/merged sensor.width=32",
        r"'sensor' is sensor.width=32 but model.base .* set sensor.width=16",
    ),
    "asked with more tokens than the adapter has": (
        "align eval {room}/patches sensor.tokens=4",
        r"'sensor' is sensor.tokens=4 but adapter .* set sensor.tokens=2",
    ),
    "asked about channels the adapter never saw": (
        "align eval {room}/patches sensor.view=upright",
        r"'sensor' is sensor.view=upright but adapter .* set sensor.view=physical",
    ),
    "start and end missing": (
        "predict {room}/letters.parquet --adapter {room}/no-edges",
        r"'edges' is missing.*give the recipe",
    ),
    "tokens cut off": (
        "predict {room}/letters.parquet --adapter {room}/cut",
        r"sensor.safetensors is damaged .*: copy it again",
    ),
    "tokens gone": (
        "predict {room}/letters.parquet --adapter {room}/gone",
        r"has no sensor.safetensors: copy it again",
    ),
    "recording shorter than a patch": (
        "predict {room}/short.parquet --adapter {room}/patches",
        r"'tick': lasts 0.\d\d s, less than a patch of 0.5 s: give one of 0.5 s or more",
    ),
    "recording without a channel": (
        "predict {room}/acc.parquet --adapter {room}/patches",
        r"'nod': has acc_x, acc_y, acc_z, .*sensor.view=physical needs .*gyro_z: give",
    ),
    "patches that are not whole": (
        "train {room}/patch.yaml sensor.steps=40",
        r"'sensor.steps' is 40, no whole number of patches of 16: set sensor.steps=32",
    ),
    "unknown view": (
        "train {room}/plain.yaml sensor.view=phisical",
        r"did you mean 'physical'",
    ),
    "unknown encoder": ("train {room}/plain.yaml sensor.encoder=patches", r"did you mean 'patch'"),
    "encoder that knows who is tested": (
        "run {room}/plain.yaml sensor.pretrained={room}/encoder",
        r"sensor.pretrained .*has learnt from sim-002, tested here .*sensor.pretrained=null",
    ),
    "adapter that knows who is tested": (
        "run {room}/plain.yaml train.start_from={room}/adapter",
        r"train.start_from .*has learnt from sim-002, tested here .*train.start_from=null",
    ),
    "merged base that knows who is tested": (
        "run {room}/plain.yaml model.base={room}/merged",
        r"model.base .*has learnt from sim-002, tested here .*model.base=smollm2",
    ),
    "adapter that does not say whom it knows": (
        "run {room}/plain.yaml train.start_from={room}/untold",
        r"does not say whom it has learnt from.*train it again",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(
    name: str,
    room: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    command, expected = MISTAKES[name]
    words = [word.format(room=room) for word in command.split()]
    if words[0] in ("train", "run"):
        words += [f"out={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["imuscribe", *words])
    with pytest.raises(SystemExit) as end:
        main()
    lines = capfd.readouterr().err.splitlines()
    [said] = [line for line in lines if line.startswith("imuscribe: ")]
    assert end.value.code == 2 and lines[-1] == said
    assert not any("Traceback" in line for line in lines)
    short = said.replace(str(room), "room").replace(str(tmp_path), "out")
    assert len(short) < 300
    assert re.search(expected, said), said
