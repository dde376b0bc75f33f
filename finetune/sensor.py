"""Sensor tokens in a language model: put in place, saved and found again beside its adapter.

The model is called as ever, with `SENSOR_ID` where the tokens of a signal stand and the signals as
``signals=``: scoring, generation and training need not know more.

Imports torch: import this module only when a model is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from imuscribe.models.config import SensorConfig
from imuscribe.models.projector import SensorTokens
from imuscribe.prompts.ask.sensor import SENSOR_ID
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS, SETTINGS = "sensor.safetensors", "sensor.json"


def fresh(config: SensorConfig, labels: Sequence[str], network: Any) -> SensorTokens:
    """Return sensor tokens for a language model, from a pretrained encoder where one is named."""
    tokens = SensorTokens(config, len(labels), network.get_input_embeddings().weight)
    if config.pretrained is not None:
        from imuscribe.models.encoders import load_encoder

        tokens.encoder.load_state_dict(load_encoder(Path(config.pretrained), config))
    return tokens


def attach(network: PreTrainedModel, tokens: SensorTokens) -> None:
    """Let a language model take ``signals=``: `network.sensor` makes what stands in the prompt."""
    network.sensor = tokens.to(network.device)
    network.register_forward_pre_hook(_splice, with_kwargs=True)


def sensor_of(network: Any) -> SensorTokens | None:
    """Return the sensor tokens of a model, None of one that reads text alone."""
    return getattr(network, "sensor", None)


def embedded(network: Any, input_ids: Tensor, signals: Tensor) -> Tensor:
    """Return the embeddings of rows of ids, those of the sensor in their places.

    `signals` (n, n_channels, n_steps), one a row of ids. What the head says of them is left in
    `network.sensor.said`.
    """
    sensor: SensorTokens = network.sensor
    tokens = sensor(signals)
    places = input_ids == SENSOR_ID
    count = places.sum(dim=1)
    if bool(((count != 0) & (count != sensor.length)).any()):
        raise ValueError(f"a row has {int(count.max())} places for {sensor.length} sensor tokens")
    embeddings: Tensor = network.get_input_embeddings()(input_ids.clamp(min=0))
    # Zero times a sum keeps every weight in the graph where no row of a batch has a place.
    embeddings = embeddings + 0 * tokens.sum().to(embeddings.dtype)
    embeddings[places] = tokens[count > 0].flatten(0, 1).to(embeddings.dtype)
    return embeddings


def save(tokens: SensorTokens, labels: Sequence[str], folder: Path) -> None:
    """Write weights and settings into an adapter's folder."""
    weights = {name: value.detach().cpu().contiguous() for name, value in _weights(tokens).items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    values = {"sensor": tokens.config.model_dump(mode="json"), "labels": list(labels)}
    write_text(folder / SETTINGS, json.dumps(values, indent=2))


def restore(tokens: SensorTokens, folder: Path) -> None:
    """Read the weights that `save` wrote into sensor tokens of the same shape."""
    weights = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
    here = {name: tuple(value.shape) for name, value in _weights(tokens).items()}
    there = {name: tuple(value.shape) for name, value in weights.items()}
    if here != there:
        name = next(iter(sorted(set(here.items()) ^ set(there.items()))))[0]
        raise InputError(
            f"{folder / WEIGHTS}: '{name}' is {there.get(name, 'missing')}, the recipe's 'sensor' "
            f"section needs {here.get(name, 'none')}: give the recipe that it was trained with"
        )
    tokens.load_state_dict(weights)


def found(folder: Path, network: Any) -> SensorTokens | None:
    """Return the sensor tokens saved in an adapter's folder, None where it has none."""
    if not (folder / WEIGHTS).is_file():
        return None
    config, labels = settings(folder)
    # The encoder's weights are here; where they once began does not matter.
    config = config.model_copy(update={"pretrained": None})
    tokens = fresh(config, labels, network)
    restore(tokens, folder)
    return tokens.eval()


def settings(folder: Path) -> tuple[SensorConfig, list[str]]:
    """Return the configuration and the labels of the head that an adapter's folder states."""
    try:
        values = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return SensorConfig.parse(values["sensor"], str(folder / SETTINGS)), values["labels"]
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / SETTINGS}: cannot be read ({error}): train again") from None


def _weights(tokens: SensorTokens) -> dict[str, Tensor]:
    found: dict[str, Tensor] = tokens.state_dict()
    return found


def _splice(network: Any, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    signals = given.pop("signals", None)
    if signals is None:
        return args, given
    ids = given.pop("input_ids")
    return args, given | {"inputs_embeds": embedded(network, ids, signals)}
