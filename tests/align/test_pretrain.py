"""Encoders taught alone: by labels or by hidden patches, cut off or not, and whom they know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import imuscribe.models.fit
from imuscribe.align.pretrain import pretrain, worn_at_once
from imuscribe.cli import app
from imuscribe.finetune.rows import load_recordings
from imuscribe.models.config import SensorConfig
from imuscribe.models.fit import seeded
from imuscribe.models.sensor.files import about_encoder, fresh_tokens
from imuscribe.models.sensor.masked import MaskedPatches
from imuscribe.recipes.load import dump
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording

SENSOR = {"encoder": "patch", "view": "physical", "width": 16, "steps": 64, "tokens": 2}


def walk(name: str, subject: str, placement: str, label: str = "walk", seed: int = 0) -> Recording:
    """Six seconds at 25 Hz: a person's own pace, seen from one place of the body."""
    pace = 1.5 + 0.2 * int(subject[1:])
    t = np.arange(150) / 25
    rows = np.sin(2 * np.pi * pace * t + np.arange(6)[:, None] + len(placement))
    rows[1] += 9.81
    rows += np.random.default_rng(seed).normal(0, 0.1, rows.shape)
    about = {"label": label, "subject": subject, "session": "s", "placement": placement}
    return Recording(name, rows.astype("f4"), (*ACC, *GYRO), t, **about)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Three people with a sensor on the chest, and the same with one in the pocket."""
    paths = tmp_path / "chest.parquet", tmp_path / "pocket.parquet"
    for path in paths:
        place = path.stem
        found = [
            walk(f"{place}-{i}-{label}", f"p{i}", place, label, seed=i)
            for i in range(3)
            for label in ("walk", "run")
        ]
        save(found, path)
    return paths


@pytest.fixture
def make(files: tuple[Path, Path]) -> Callable[..., Recipe]:
    def recipe(**changes: Any) -> Recipe:
        values = {
            "name": "tiny",
            "data": str(files[0]),
            "labels": "walk,run",
            "clean": {"rate": 25, "trim": False, "drop_repeats": False},
            "windows": {"seconds": 2, "stride": 1},
            "sensor": SENSOR,
            "split": {"protocol": "given", "train": ["p0", "p1"], "test": ["p2"]},
            "evaluate": {"methods": ["encoder"]},
        }
        return Recipe.parse(values | changes)

    return recipe


def test_windows_worn_at_once_are_of_one_person_time_and_label() -> None:
    recordings = [
        walk("c0@0.00", "p0", "chest"),
        walk("c0@1.00", "p0", "chest"),
        walk("k0@1.00", "p0", "pocket"),
        walk("k1@0.00", "p1", "pocket"),
        walk("k0r@0.00", "p0", "pocket", label="run"),
        walk("nowhere@0.00", "p0", ""),
    ]
    assert worn_at_once(recordings) == [(1, 2)]


def test_of_two_recordings_of_one_place_nobody_knows_which_was_meant() -> None:
    recordings = [walk("c", "p0", "chest"), walk("k1", "p0", "pocket"), walk("k2", "p0", "pocket")]
    assert worn_at_once(recordings) == []
    assert worn_at_once(recordings[:2]) == [(0, 1)]


def network() -> MaskedPatches:
    with seeded(0):
        return MaskedPatches(SensorConfig.parse(SENSOR | {"dropout": 0.0}), 6).eval()


def test_what_is_hidden_cannot_be_seen() -> None:
    masked = network()
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(3, 6, 64, generator=rng)
    hidden = torch.tensor([[True, False, True, False]] * 3)
    other = x.clone()
    other[:, :, :16] = 1e6
    other[:, :, 32:48] = -torch.rand(3, 6, 16, generator=rng)
    with torch.inference_mode():
        before = masked.encoder(x, hidden, masked.blank)
        after = masked.encoder(other, hidden, masked.blank)
        assert torch.equal(before, after)
        other[:, :, 20] += 1
        assert not torch.allclose(before, masked.encoder(other, hidden, masked.blank), atol=1e-4)
        # And with nothing hidden it is the encoder that a language model reads.
        none = torch.zeros(3, 4, dtype=torch.bool)
        plain = masked.encoder(x)
        assert torch.allclose(masked.encoder(x, none, masked.blank), plain, atol=1e-5)


def test_half_of_the_patches_of_every_window_are_hidden() -> None:
    hidden = network().hide(200, 8, torch.device("cpu"))
    assert (hidden.sum(dim=1) == 4).all()
    assert hidden.float().mean(dim=0).sub(0.5).abs().max() < 0.15


def test_it_learns_what_hidden_patches_hold_and_who_was_worn_with_whom() -> None:
    people = [
        walk(f"{i}{place}", f"p{i}", place, seed=i) for i in range(8) for place in ("a", "bb")
    ]
    x = np.stack([rec.data[:, 20:84] for rec in people])
    one, other = x[::2], x[1::2]
    masked = network()
    hidden = masked.hide(16, 4, torch.device("cpu"))

    def losses() -> tuple[float, float]:
        masked.eval()
        with torch.inference_mode():
            rebuilt = masked.rebuilding(torch.from_numpy(x), hidden)
            met = masked.meeting(torch.from_numpy(one), torch.from_numpy(other))
        return float(rebuilt), float(met)

    before = losses()
    masked.learn(x, (one, other), epochs=60, seed=0)
    after = losses()
    assert after[0] < 0.8 * before[0]
    assert after[1] < 0.8 * before[1]


@pytest.mark.parametrize("objective", ["labels", "masked"])
def test_cut_off_and_gone_on_with_is_as_if_it_had_not_been(
    objective: Any,
    make: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = make()
    found = load_recordings(recipe)

    def run(out: Path, epochs: int = 4, resume: bool = True) -> bytes:
        pretrain(*(recipe, found, out, epochs), progress=False, objective=objective, resume=resume)
        return (out / "encoder.safetensors").read_bytes()

    whole, out = run(tmp_path / "whole"), tmp_path / "cut"
    saved, calls = imuscribe.models.fit._save, []

    def killed(*given: Any) -> None:
        saved(*given)
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(imuscribe.models.fit, "_save", killed)
        with pytest.raises(KeyboardInterrupt):
            run(out)
    assert not out.exists() and (tmp_path / "cut.checkpoint").is_file()
    with pytest.raises(InputError, match=r"cut.checkpoint: is of another training.*--restart"):
        run(out, epochs=5)
    assert run(out) == whole
    assert not (tmp_path / "cut.checkpoint").exists()
    (tmp_path / "cut.checkpoint").write_bytes(b"half")
    with pytest.raises(InputError, match=r"cut.checkpoint: cannot be read .*--restart"):
        run(out)
    assert run(out, resume=False) == whole


def test_two_places_are_learnt_from_training_people_and_a_recipe_goes_on_from_it(
    make: Callable[..., Recipe], files: tuple[Path, Path], tmp_path: Path
) -> None:
    _, pocket = files
    (tmp_path / "tiny.yaml").write_text(dump(make()))
    out = tmp_path / "encoder"
    command = ["align", "pretrain", str(tmp_path / "tiny.yaml"), "--beside", str(pocket)]
    command += ["--objective", "masked", "--epochs", "1", "--out", str(out)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and f"sensor.pretrained={out}" in done.output
    about = about_encoder(out)
    # Two training people, two labels, five windows of two seconds each.
    assert about["pairs"] == 20 and about["objective"] == "masked"
    assert [item["subjects"] for item in about["learnt_from"]] == [["p0", "p1"]] * 2
    assert about["learnt_from"][0]["data"] != about["learnt_from"][1]["data"]
    config = SensorConfig.parse(SENSOR | {"pretrained": str(out)})

    class Model:
        def get_input_embeddings(self) -> torch.nn.Embedding:
            return torch.nn.Embedding(20, 8)

    tokens = fresh_tokens(config, ["walk", "run"], Model())
    from safetensors.torch import load_file

    theirs = load_file(out / "encoder.safetensors")
    ours = tokens.encoder.state_dict()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"encoder": "residual", "view": "movement"}, ["masked"], "set sensor.encoder=patch"),
        ({"steps": 32}, ["masked"], "sensor.steps=48"),
        ({"groups": "signal"}, ["masked"], "set .* sensor.groups=one"),
        ({"encoder": "chronos"}, ["labels"], "is frozen, there is nothing to train"),
        ({}, ["mask"], "did you mean 'masked'"),
    ],
)
def test_what_cannot_be_hidden_is_one_line(
    make: Callable[..., Recipe],
    tmp_path: Path,
    changes: dict[str, Any],
    options: list[str],
    message: str,
) -> None:
    recipe = make(sensor=SENSOR | changes, **({"windows": None} if changes else {}))
    (tmp_path / "tiny.yaml").write_text(dump(recipe))
    command = ["align", "pretrain", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "e")]
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, [*command, "--objective", *options], catch_exceptions=False)
    assert not (tmp_path / "e").exists()


def test_a_planted_person_is_found_in_an_encoder_of_two_files(
    make: Callable[..., Recipe], files: tuple[Path, Path], tmp_path: Path
) -> None:
    from imuscribe.finetune.lineage import check_held_out

    recipe = make()
    everybody = load_recordings(recipe)
    others = {str(files[1]): load_recordings(recipe.model_copy(update={"data": str(files[1])}))}
    honest = [rec for rec in everybody if rec.subject != "p2"]
    planted = pretrain(
        *(recipe, honest, tmp_path / "planted", 1),
        progress=False,
        objective="masked",
        beside=others,
    )
    # In the pocket alone p2 was learnt from: it is the same person on the chest.
    for data, recordings in ({str(files[0]): everybody} | others).items():
        asked = make(data=data, sensor=SENSOR | {"pretrained": str(planted)})
        test = [rec for rec in recordings if rec.subject == "p2"]
        with pytest.raises(InputError, match=r"sensor.pretrained .*has learnt from p2, tested"):
            check_held_out(asked, recordings, test)
