"""Convolutional backbones.

`network` is that of the mapping's encoder, the cnn baseline and the segment reader;
`ResidualEncoder` that of the resnet baseline and of sensor tokens, deeper and stronger.
"""

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


class ResidualEncoder(nn.Module):
    """Residual convolutions (He et al. 2016, arXiv 1512.03385) over a sequence.

    Three stages of two blocks; the first convolution and every stage after the first halve the
    time, and the last stage is twice as wide. Group normalisation instead of batch normalisation:
    a recording's features do not depend on what else is in the batch, nor on how many processes
    share it.

    Parameters
    ----------
    channels : int
        Rows of a sequence.
    width : int
        Channels of the first stage; `features` is twice as much.
    dropout : float
        Share of whole feature rows zeroed while training.
    """

    def __init__(self, channels: int, width: int = 96, dropout: float = 0.1) -> None:
        super().__init__()
        self.features = 2 * width
        sizes = (width, width + width // 2, 2 * width)
        layers: list[nn.Module] = [nn.Conv1d(channels, width, 7, stride=2, padding=3)]
        before = width
        for size in sizes:
            stride = 1 if size == width else 2
            layers += [_Residual(before, size, stride, dropout), _Residual(size, size, 1, dropout)]
            before = size
        self.layers = nn.Sequential(*layers, _normal(before), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, features, n_steps / 8) of sequences (n, channels, n_steps)."""
        found: Tensor = self.layers(x)
        return found


class _Residual(nn.Module):
    """Normalise, ReLU, convolve, twice, added to what came in."""

    def __init__(self, before: int, size: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.change = nn.Sequential(
            _normal(before),
            nn.ReLU(),
            nn.Conv1d(before, size, 5, stride=stride, padding=2),
            _normal(size),
            nn.ReLU(),
            nn.Dropout1d(dropout),
            nn.Conv1d(size, size, 5, padding=2),
        )
        same = before == size and stride == 1
        self.keep: nn.Module = nn.Identity() if same else nn.Conv1d(before, size, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.keep(x) + self.change(x)
        return added


def _normal(size: int) -> nn.Module:
    return nn.GroupNorm(8, size)


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
