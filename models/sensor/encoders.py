"""The encoder that a ``sensor`` section names."""

from __future__ import annotations

from imuscribe.models.cnn import ResidualEncoder
from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.patch import PatchEncoder
from imuscribe.signals.motion.views import PHYSICAL, device_rows

_STRENGTHS = (5.0, 1.5)
"""How strong accelerations (m/s²) and rotation rates (rad/s) usually are."""


def make_encoder(config: SensorConfig, channels: int) -> ResidualEncoder | PatchEncoder:
    """Return an untrained encoder of sequences of so many channels.

    It makes features (n, features, positions) of sequences (n, channels, steps); `features` says
    how many.
    """
    if config.encoder == "residual":
        return ResidualEncoder(channels, config.width, config.dropout)
    units = [1.0] * channels
    if config.view in PHYSICAL:
        rows = device_rows(config.view, channels) or channels
        own = [strength for strength in _STRENGTHS[: rows // 3] for _ in range(3)]
        units = own * (channels // len(own))
    return PatchEncoder(units, config.steps, config.width, config.dropout)
