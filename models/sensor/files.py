"""Sensor encoders and tokens on disk: pretrained ones, and those beside an adapter.

Importing this loads no torch; what reads weights does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.models.config import BORROWED, MARK, SensorConfig
from imuscribe.models.weights import read_weights
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, parsed_json, sha256, write_text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from imuscribe.models.sensor.projector import SensorTokens

WEIGHTS, SETTINGS = "encoder.safetensors", "encoder.json"
TOKENS, ABOUT_TOKENS = "sensor.safetensors", "sensor.json"

SHAPE = ("encoder", "view", "steps", "seconds", "width", "groups")
"""What an encoder has to have in common with the recipe that goes on from it."""
TOKENS_SHAPE = (*SHAPE, "tokens", "hidden", "levels")
"""And sensor tokens."""
LATER = {"groups": "one", "seconds": None}
"""What an encoder of before says, when there was no choice."""


def save_encoder(encoder: nn.Module, config: SensorConfig, folder: Path, about: Any) -> None:
    """Write an encoder, what it sees and `about`, what else there is to say of it."""
    _write(encoder, folder / WEIGHTS)
    values = {"sensor": config.model_dump(mode="json", include=set(SHAPE)), **about}
    write_text(folder / SETTINGS, json.dumps(values, indent=2))


def load_encoder(folder: Path, config: SensorConfig) -> dict[str, Tensor]:
    """Return the weights of an encoder that was pretrained for such a ``sensor`` section.

    Raises
    ------
    InputError
        If there is none, or it is of another width or sees other channels.
    """
    theirs = LATER | about_encoder(folder)["sensor"]
    ours = config.model_dump(mode="json")
    if differ := [key for key in SHAPE if theirs.get(key) != ours[key]]:
        here = ", ".join(f"sensor.{key}={ours[key]}" for key in differ)
        there = " ".join(f"sensor.{key}={theirs.get(key)}" for key in differ)
        raise InputError(f"{here}, but encoder '{folder}' is another: set {there}")
    return read_weights(folder / WEIGHTS, f"encoder '{folder}'")


def encoder_hash(folder: Path) -> str:
    """Return the SHA-256 of an encoder's weights; InputError where the folder holds none."""
    about_encoder(folder)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"sensor.pretrained '{folder}': has no {WEIGHTS}: copy it again")
    return sha256(folder / WEIGHTS)


def about_encoder(folder: Path) -> dict[str, Any]:
    """Return what an encoder's folder says of it; InputError where it holds none."""
    try:
        values: dict[str, Any] = parsed_json((folder / SETTINGS).read_text(encoding="utf-8"))
        values["sensor"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"sensor.pretrained '{folder}': holds no pretrained encoder: make one with "
            "'imuscribe align pretrain'"
        ) from None
    return values


def fresh_tokens(config: SensorConfig, labels: Sequence[str], network: Any) -> SensorTokens:
    """Return sensor tokens for a language model, from a pretrained encoder where one is named."""
    from imuscribe.models.sensor.projector import SensorTokens

    tokens = SensorTokens(config, len(labels), network.get_input_embeddings().weight)
    if config.pretrained is not None:
        tokens.encoder.load_state_dict(load_encoder(Path(config.pretrained), config))
    return tokens


def save_tokens(tokens: SensorTokens, labels: Sequence[str], folder: Path) -> None:
    """Write weights and settings into an adapter's folder."""
    _write(tokens, folder / TOKENS)
    values = {"sensor": tokens.config.model_dump(mode="json"), "labels": list(labels)}
    write_text(folder / ABOUT_TOKENS, json.dumps(values, indent=2))


def restore_tokens(tokens: SensorTokens, folder: Path) -> None:
    """Read the weights that `save_tokens` wrote into sensor tokens of the same shape."""
    stored = read_weights(folder / TOKENS, f"adapter '{folder}'")
    weights = {name: value.float() for name, value in stored.items()}
    here = {name: tuple(value.shape) for name, value in _weights(tokens).items()}
    there = {name: tuple(value.shape) for name, value in weights.items()}
    if here != there:
        name = next(iter(sorted(set(here.items()) ^ set(there.items()))))[0]
        raise InputError(
            f"{folder / TOKENS}: '{name}' is {there.get(name, 'missing')}, the recipe's 'sensor' "
            f"section needs {here.get(name, 'none')}: give the recipe that it was trained with"
        )
    for name, value in _weights(tokens).items():
        # Names the very weights that were borrowed (`models.sensor.chronos`).
        if name.endswith(MARK) and not value.cpu().equal(weights[name].to(value.dtype)):
            raise InputError(
                f"{folder / TOKENS}: was trained with another Chronos than "
                f"'{tokens.config.chronos.base}': set sensor.chronos.base to that one"
            )
    tokens.load_state_dict(weights, strict=False)  # all but what is borrowed, as compared above


def has_tokens(folder: Path) -> bool:
    """Whether an adapter's folder holds sensor tokens, or a part of them."""
    return (folder / TOKENS).is_file() or (folder / ABOUT_TOKENS).is_file()


def find_tokens(folder: Path, network: Any) -> SensorTokens:
    """Return the sensor tokens saved in an adapter's folder, for its language model."""
    config, labels = about_tokens(folder)
    # The encoder's weights are here; where they once began does not matter.
    config = config.model_copy(update={"pretrained": None})
    tokens = fresh_tokens(config, labels, network)
    restore_tokens(tokens, folder)
    return tokens.eval()


def about_tokens(folder: Path) -> tuple[SensorConfig, list[str]]:
    """Return the configuration and the labels of the head that an adapter's folder states."""
    try:
        values = parsed_json((folder / ABOUT_TOKENS).read_text(encoding="utf-8"))
        return SensorConfig.parse(values["sensor"], str(folder / ABOUT_TOKENS)), values["labels"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder / ABOUT_TOKENS}: cannot be read ({error}): train again"
        ) from None


def _write(network: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    weights = {name: value.detach().cpu().contiguous() for name, value in _weights(network).items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})


def _weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights that a network owns."""
    found: dict[str, Tensor] = network.state_dict()
    return {name: value for name, value in found.items() if BORROWED not in name.split(".")}
