"""Chronos: values to bins and back, channels read by themselves, and what is not a Chronos."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file, save_file

from imuscribe.models.config import ChronosConfig, SensorConfig
from imuscribe.models.sensor import chronos
from imuscribe.models.sensor.chronos import ChronosEncoder, Quantiser
from imuscribe.models.sensor.encoders import make_encoder
from imuscribe.models.sensor.files import restore_tokens, save_tokens
from imuscribe.models.sensor.projector import SensorTokens
from imuscribe.signals.errors import InputError

Scale = Literal["mean", "standard"]
SCALES: tuple[Scale, ...] = ("mean", "standard")
SERIES = arrays(
    np.float32,
    st.integers(2, 64),
    elements=st.floats(-1000, 1000, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3),
)


@pytest.mark.parametrize("scale", SCALES)
@given(values=SERIES)
def test_what_went_into_a_bin_comes_back_within_half_a_bin(
    scale: Scale, values: np.ndarray
) -> None:
    quantiser, x = Quantiser(scale), torch.from_numpy(values)[None]
    ids, shift, size = quantiser.encode(x)
    assert int(ids.min()) >= 3 and int(ids.max()) <= 4095
    apart = (quantiser.decode(ids, shift, size) - x).abs()
    within = ((x - shift) / size).abs() <= 15
    rounding = 1e-6 * (x.abs() + shift.abs() + 15 * size)
    assert bool((apart <= quantiser.half_bin * size + rounding)[within].all())
    # Beyond the last bin there is only its centre.
    assert bool(((quantiser.decode(ids, shift, size) - shift).abs() <= 15 * size + rounding).all())


def test_bins_are_those_of_the_originals() -> None:
    x = torch.tensor([[-4.0, 0.0, 4.0]])
    ids, shift, scale = Quantiser("mean").encode(x)
    assert (float(shift), float(scale)) == (0.0, pytest.approx(8 / 3))
    # Two special ids and one that is never used, then 4093 centres from -15 to 15: 0 is the middle.
    assert ids.tolist() == [[2049 - 205, 2049, 2049 + 205]]
    gravity = x + 9.81
    ids, shift, scale = Quantiser("standard").encode(gravity)
    assert float(shift) == pytest.approx(9.81)
    assert float(scale) == pytest.approx(np.sqrt(32 / 3), rel=1e-5)
    assert ids.tolist() == [[2049 - 167, 2049, 2049 + 167]]
    assert torch.equal(Quantiser("standard").encode(x)[0], ids), "gravity takes no bins"


def test_a_missing_value_is_no_bin_and_shifts_nothing() -> None:
    x = torch.tensor([[1.0, torch.nan, 3.0]])
    for scale in SCALES:
        quantiser = Quantiser(scale)
        ids, shift, size = quantiser.encode(x)
        whole = quantiser.encode(torch.tensor([[1.0, 3.0]]))
        assert ids[0, 1] == 0 and torch.equal(ids[:, ::2], whole[0])
        assert torch.equal(size, whole[2])
        assert quantiser.decode(ids, shift, size).isnan().tolist() == [[False, True, False]]


def test_a_channel_that_stands_still_is_in_the_middle() -> None:
    still = torch.full((1, 32), 9.81)
    ids, shift, scale = Quantiser("standard").encode(still)
    assert int((ids - 2049).abs().max()) <= 1
    assert torch.allclose(Quantiser("standard").decode(ids, shift, scale), still, atol=1e-5)
    assert Quantiser("mean").encode(torch.zeros(1, 4))[0].tolist() == [[2049] * 4]


def sensor(base: Path | str, **changes: Any) -> SensorConfig:
    shape = {"encoder": "chronos", "view": "physical", "steps": 32, "tokens": 33, "hidden": [8]}
    return SensorConfig.parse(shape | {"chronos": {"base": str(base)}} | changes)


def test_every_channel_is_read_by_itself_and_a_batch_as_each_alone(tiny_chronos_dir: Path) -> None:
    encoder = make_encoder(sensor(tiny_chronos_dir), 6)
    x = torch.randn(3, 6, 32)
    found = encoder(x)
    assert found.shape == (3, 6 * 16, 33) and encoder.features == 6 * 16
    alone = torch.cat([encoder(one[None]) for one in x])
    assert torch.allclose(found, alone, atol=1e-5)
    other = x.clone()
    other[:, 2] = torch.randn(3, 32)
    apart = (encoder(other) - found).abs().view(3, 6, 16, 33).amax(dim=(0, 2, 3))
    assert apart[2] > 1e-3 and apart[[0, 1, 3, 4, 5]].max() < 1e-6


@pytest.mark.parametrize("groups", ["one", "signal", "channel"])
def test_it_is_frozen_and_not_saved_but_known(
    tiny_chronos_dir: Path, tmp_path: Path, groups: str
) -> None:
    config = sensor(tiny_chronos_dir, groups=groups, levels=True)
    table = torch.randn(50, 24)
    tokens = SensorTokens(config, 2, table).train()
    x = torch.randn(2, 6, 32)
    assert torch.equal(tokens.encoder(x), tokens.encoder(x)), "no dropout while others train"
    tokens(x).sum().backward()
    learns = {name for name, weight in tokens.named_parameters() if weight.grad is not None}
    assert learns and not any(name.startswith("encoder") for name in learns)
    save_tokens(tokens, "AB", tmp_path)
    kept = load_file(tmp_path / "sensor.safetensors")
    assert sum(w.numel() for n, w in kept.items() if n.startswith("encoder")) == 32
    again = SensorTokens(config, 2, torch.randn(50, 24))
    restore_tokens(again, tmp_path)
    assert torch.equal(again.eval()(x), tokens.eval()(x))


def test_another_chronos_of_the_same_shape_is_refused(
    tiny_chronos_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_chronos_dir, other)
    weights = load_file(other / "model.safetensors")
    weights["encoder.final_layer_norm.weight"] += 0.01
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    table = torch.randn(50, 24)
    save_tokens(SensorTokens(sensor(tiny_chronos_dir), 2, table), "AB", tmp_path)
    with pytest.raises(InputError, match=r"another Chronos than .*other': set sensor.chronos.base"):
        restore_tokens(SensorTokens(sensor(other), 2, table), tmp_path)


def test_more_samples_than_it_reads_are_refused(tiny_chronos_dir: Path) -> None:
    with pytest.raises(InputError, match=r"sensor.steps is 600 .* set sensor.steps=512"):
        make_encoder(sensor(tiny_chronos_dir, steps=600), 6)


def test_what_is_no_chronos_is_one_line(
    tiny_chronos_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    def folder(name: str, **changes: Any) -> Path:
        shutil.copytree(tiny_chronos_dir, tmp_path / name)
        path = tmp_path / name / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return tmp_path / name

    (tmp_path / "empty").mkdir()
    weightless = folder("weightless")
    (weightless / "model.safetensors").unlink()
    for where, why in (
        (tmp_path / "empty", "the folder holds no Chronos"),
        (tiny_model_dir, "is a llama, no Chronos-T5"),
        (folder("plain-t5", chronos_config=None), "is a t5, no Chronos-T5"),
        (folder("bolt", chronos_config={"input_patch_size": 16}), "is a t5, no Chronos-T5"),
        (weightless, "the folder holds no Chronos"),
        (tmp_path / "nowhere", "no such folder"),
        ("no name/of a repository", "no such folder"),
    ):
        with pytest.raises(InputError, match=why) as caught:
            ChronosEncoder(ChronosConfig(base=str(where)), [1.0], 32)
        said = str(caught.value).replace(str(where), "")
        assert "\n" not in said and len(said) < 300 and "folder" in said


def test_a_hub_that_does_not_answer_is_asked_once_and_a_folder_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes calls, says nothing
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            f"{constants.ENDPOINT}/{{repo_id}}/{{filename}}",
        )
        monkeypatch.setattr(chronos, "PATIENCE", 0.2)
        with pytest.raises(InputError, match=r"or cannot be reached.*give the folder"):
            ChronosEncoder(ChronosConfig(base="amazon/no-such"), [1.0], 32)
        deaf.settimeout(0.1)
        asked = []
        with pytest.raises(TimeoutError):
            while True:
                asked.append(deaf.accept()[0].recv(4))
        assert asked.count(b"HEAD") == 1
