"""The convolutional backbone: of the mapping's encoder, the cnn baseline and the segment reader."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imuscribe.models.config import EncoderConfig


def network(channels: int, config: EncoderConfig) -> nn.Sequential:
    """Return a network from (n, channels, steps) to (n, config.size)."""
    return nn.Sequential(block(channels, config), rest(config))


def block(channels: int, config: EncoderConfig, halve: bool = True) -> nn.Sequential:
    """Return convolution, batch normalisation, ReLU, dropout, and half the time if wanted."""
    layers: list[nn.Module] = [
        nn.Conv1d(channels, config.width, config.kernel, padding=config.kernel // 2),
        nn.BatchNorm1d(config.width),
        nn.ReLU(),
        nn.Dropout(config.dropout),
    ]
    return nn.Sequential(*layers, nn.MaxPool1d(2)) if halve else nn.Sequential(*layers)


def rest(config: EncoderConfig) -> nn.Sequential:
    """Return what comes after the first block: the others, pooling and one linear layer."""
    last = config.blocks - 1
    kind = block if config.layers == "plain" else _added
    blocks = [kind(config.width, config, halve=i < last) for i in range(1, config.blocks)]
    pooled = config.width * (config.parts + 1)
    return nn.Sequential(*blocks, _Pool(config.parts), nn.Linear(pooled, config.size))


def _added(channels: int, config: EncoderConfig, halve: bool) -> nn.Sequential:
    """Return a block whose two convolutions are added to what came in."""
    layers: list[nn.Module] = [_Added(channels, config), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool1d(2)) if halve else nn.Sequential(*layers)


class _Added(nn.Module):
    """Two convolutions with batch normalisation, added to what came in."""

    def __init__(self, width: int, config: EncoderConfig) -> None:
        super().__init__()
        # As long a reach as one convolution of the plain block, at less cost.
        kernel = min(config.kernel, 5)
        self.change = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.change(x)
        return added


class _Pool(nn.Module):
    """Means over equal times and the maximum over all, side by side."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.means = nn.AdaptiveAvgPool1d(parts)

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([self.means(h).flatten(1), h.amax(dim=2)], dim=1)
