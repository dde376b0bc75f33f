"""The encoder that a ``sensor`` section names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imuscribe.models.cnn import ResidualEncoder
from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.chronos import ChronosEncoder
from imuscribe.models.sensor.patch import PatchEncoder
from imuscribe.signals.motion.views import PHYSICAL, device_rows, groups

_STRENGTHS = (5.0, 1.5)
"""How strong accelerations (m/s²) and rotation rates (rad/s) usually are."""


def make_encoder(config: SensorConfig, channels: int) -> Encoder:
    """Return an untrained encoder, or a pretrained Chronos, of sequences of so many channels.

    It makes features (n, features, positions) of sequences (n, channels, steps); `features` says
    how many. With several groups of channels, each has an equal share of them, one after the other.
    """
    units = [1.0] * channels
    if config.view in PHYSICAL:
        rows = device_rows(config.view, channels) or channels
        own = [strength for strength in _STRENGTHS[: rows // 3] for _ in range(3)]
        units = own * (channels // len(own))
    parts = groups(config.view, config.groups, channels)
    if len(parts) == 1:
        return _encoder(config, units)
    return GroupedEncoder(_encoder(config, [1.0] * len(parts[0])), parts, units)


class GroupedEncoder(nn.Module):
    """One encoder that reads each group of channels by itself.

    Parameters
    ----------
    each : Module
        An encoder of one group.
    parts : sequence of sequence of int
        Rows of each group, all equally many.
    units : sequence of float
        How strong each channel usually is; values are divided by it.
    """

    units: Tensor
    rows: Tensor

    def __init__(
        self,
        each: ResidualEncoder | PatchEncoder | ChronosEncoder,
        parts: Sequence[Sequence[int]],
        units: Sequence[float],
    ) -> None:
        super().__init__()
        self.each = each
        self.features: int = len(parts) * each.features
        self.register_buffer("units", torch.tensor(units)[:, None], persistent=False)
        self.register_buffer("rows", torch.tensor(parts), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, features, positions) of sequences (n, n_channels, n_steps)."""
        grouped = (x / self.units)[:, self.rows]  # (n, groups, rows of each, n_steps)
        found: Tensor = self.each(grouped.flatten(0, 1))
        return found.reshape(len(x), self.features, -1)


Encoder = ResidualEncoder | PatchEncoder | ChronosEncoder | GroupedEncoder


def _encoder(
    config: SensorConfig, units: Sequence[float]
) -> ResidualEncoder | PatchEncoder | ChronosEncoder:
    if config.encoder == "residual":
        return ResidualEncoder(len(units), config.width, config.dropout)
    if config.encoder == "chronos":
        return ChronosEncoder(config.chronos, units, config.steps)
    return PatchEncoder(units, config.steps, config.width, config.dropout)
