"""A sensor encoder's features as embeddings of a language model (SensorLLM, arXiv 2410.10624).

Start and end are rows of the projector, not of the vocabulary: the base model's embeddings stay as
they came, bit for bit, and an adapter trained beside them can be merged and served without them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from imuscribe.models.classifier import Classifier
from imuscribe.models.config import SensorConfig
from imuscribe.signals.motion.views import n_channels


class SensorTokens(Classifier):
    """Encoder, head, and the projector that makes tokens of the encoder's features.

    Parameters
    ----------
    config : SensorConfig
    n_labels : int
        Outputs of the head.
    embeddings : Tensor, shape (vocabulary, size)
        Of the language model: the tokens get their spread, start and end begin as their mean.
    """

    said: Tensor
    """What the head said of the signals of the last forward pass, (n, n_labels)."""

    def __init__(self, config: SensorConfig, n_labels: int, embeddings: Tensor) -> None:
        super().__init__(config, n_channels(config.view), n_labels)
        rows = embeddings.detach().float()
        size = rows.shape[1]
        self.means = nn.AdaptiveAvgPool1d(config.tokens)
        self.peaks = nn.AdaptiveMaxPool1d(config.tokens)
        sizes = (2 * self.encoder.features, *config.hidden, size)
        layers: list[nn.Module] = [nn.LayerNorm(sizes[0])]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.GELU()]
        self.projector = nn.Sequential(*layers[:-1], nn.LayerNorm(size, elementwise_affine=False))
        self.scale = nn.Parameter(rows.std().clone())
        self.edges = nn.Parameter(rows.mean(dim=0).repeat(2, 1))
        self.encoder.requires_grad_(not config.freeze)

    @property
    def length(self) -> int:
        """Positions of the prompt that a recording takes, start and end included."""
        return self.config.tokens + 2

    def forward(self, x: Tensor) -> Tensor:
        """Return embeddings (n, length, size) of sequences (n, n_channels, n_steps)."""
        features = self.features(x)
        self.said = self.logits(features)
        parts = torch.cat([self.means(features), self.peaks(features)], dim=1).transpose(1, 2)
        tokens = self.projector(parts) * self.scale
        edges = self.edges.expand(len(x), -1, -1)
        return torch.cat([edges[:, :1], tokens, edges[:, 1:]], dim=1)
