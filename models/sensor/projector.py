"""A sensor encoder's features as embeddings of a language model (SensorLLM, arXiv 2410.10624).

Start and end are rows of the projector, not of the vocabulary: the base model's embeddings stay as
they came, bit for bit, and an adapter trained beside them can be merged and served without them.

The model is called as ever, with `SENSOR_ID` where the tokens of a signal stand and the signals as
``signals=``: scoring, generation and training need not know more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.classifier import Classifier
from imuscribe.prompts.ask.sensor import SENSOR_ID
from imuscribe.signals.motion.views import groups

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class SensorTokens(Classifier):
    """Encoder, head, and the projector that makes tokens of the encoder's features.

    Parameters
    ----------
    config : SensorConfig
    n_labels : int
        Outputs of the head.
    embeddings : Tensor, shape (vocabulary, size)
        Of the language model: the tokens get their spread, starts and ends begin as their mean.
    """

    said: Tensor
    """What the head said of the signals of the last forward pass, (n, n_labels)."""

    def __init__(self, config: SensorConfig, n_labels: int, embeddings: Tensor) -> None:
        channels = config.channels
        super().__init__(config, channels, n_labels)
        rows = embeddings.detach().float()
        size = rows.shape[1]
        self.groups = groups(config.view, config.groups, channels)
        self.means = nn.AdaptiveAvgPool1d(config.tokens)
        self.peaks = nn.AdaptiveMaxPool1d(config.tokens)
        # A token of Chronos is one state of its encoder, as it comes, or a mean of some.
        self.peaked = config.encoder != "chronos"
        told = len(self.groups[0]) if config.levels else 0
        seen = (1 + self.peaked) * self.encoder.features // len(self.groups)
        sizes = (seen + told, *config.hidden, size)
        layers: list[nn.Module] = [nn.LayerNorm(sizes[0])]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.GELU()]
        self.projector = nn.Sequential(*layers[:-1], nn.LayerNorm(size, elementwise_affine=False))
        self.scale = nn.Parameter(rows.std().clone())
        self.edges = nn.Parameter(rows.mean(dim=0).repeat(2 * len(self.groups), 1))
        if config.seconds is not None:
            # A token that has a time of its own can say it.
            self.times = nn.Parameter(rows.std() * torch.randn(config.tokens, size))
        self.encoder.requires_grad_(config.learns)

    def forward(self, x: Tensor) -> Tensor:
        """Return embeddings (n, length, size) of sequences (n, n_channels, n_steps).

        The tokens of one group of channels after the other, each between its start and its end.
        """
        features = self.features(x)
        self.said = self.logits(features)
        n, parts = len(x), len(self.groups)
        each = features.reshape(n * parts, -1, features.shape[2])
        seen = [self.means(each), self.peaks(each)] if self.peaked else [self.means(each)]
        if self.config.levels:
            values = (x / getattr(self.encoder, "units", 1.0))[:, self.groups]
            seen.append(self.means(values.flatten(0, 1)))
        tokens = self.projector(torch.cat(seen, dim=1).transpose(1, 2)) * self.scale
        if self.config.seconds is not None:
            tokens = tokens + self.times
        blocks = tokens.view(n, parts, *tokens.shape[1:])
        edges = self.edges.view(parts, 2, -1).expand(n, -1, -1, -1)
        return torch.cat([edges[:, :, :1], blocks, edges[:, :, 1:]], dim=2).flatten(1, 2)


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
    if bool(((count != 0) & (count != sensor.config.length)).any()):
        raise ValueError(
            f"a row has {int(count.max())} places for {sensor.config.length} sensor tokens"
        )
    embeddings: Tensor = network.get_input_embeddings()(input_ids.clamp(min=0))
    # Zero times a sum keeps every weight in the graph where no row of a batch has a place.
    embeddings = embeddings + 0 * tokens.sum().to(embeddings.dtype)
    embeddings[places] = tokens[count > 0].flatten(0, 1).to(embeddings.dtype)
    return embeddings


def _splice(network: Any, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    signals = given.pop("signals", None)
    if signals is None:
        return args, given
    ids = given.pop("input_ids")
    return args, given | {"inputs_embeds": embedded(network, ids, signals)}
