"""Pretrained sensor encoders: their folders, what they are, and whom they have learnt from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.models.config import SensorConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, sha256, write_text

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, SETTINGS = "encoder.safetensors", "encoder.json"

SHAPE = ("encoder", "view", "steps", "width")
"""What an encoder has to have in common with the recipe that goes on from it."""


def save_encoder(encoder: nn.Module, config: SensorConfig, folder: Path, about: Any) -> None:
    """Write an encoder, what it sees and `about`, what else there is to say of it."""
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in _weights(encoder).items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    values = {"sensor": config.model_dump(mode="json", include=set(SHAPE)), **about}
    write_text(folder / SETTINGS, json.dumps(values, indent=2))


def load_encoder(folder: Path, config: SensorConfig) -> dict[str, Tensor]:
    """Return the weights of an encoder that was pretrained for such a ``sensor`` section.

    Raises
    ------
    InputError
        If there is none, or it is of another width or sees other channels.
    """
    from safetensors.torch import load_file

    theirs = about_encoder(folder)["sensor"]
    ours = config.model_dump(mode="json")
    if differ := [key for key in SHAPE if theirs.get(key) != ours[key]]:
        here = ", ".join(f"sensor.{key}={ours[key]}" for key in differ)
        there = " ".join(f"sensor.{key}={theirs.get(key)}" for key in differ)
        raise InputError(f"{here}, but encoder '{folder}' is another: set {there}")
    return load_file(folder / WEIGHTS)


def encoder_hash(folder: Path) -> str:
    """Return the SHA-256 of an encoder's weights; InputError where the folder holds none."""
    about_encoder(folder)
    return sha256(folder / WEIGHTS)


def about_encoder(folder: Path) -> dict[str, Any]:
    """Return what an encoder's folder says of it; InputError where it holds none."""
    try:
        values: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        values["sensor"].items()
    except (OSError, ValueError, KeyError, AttributeError):
        raise InputError(
            f"sensor.pretrained '{folder}': holds no pretrained encoder: make one with "
            "'imuscribe align pretrain'"
        ) from None
    return values


def _weights(encoder: nn.Module) -> dict[str, Tensor]:
    found: dict[str, Tensor] = encoder.state_dict()
    return found
