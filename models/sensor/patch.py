"""A transformer over patches of a window, beside what is told of the window as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imuscribe.models.config import PATCH

_LAYERS, _HEADS = 4, 4
_FAINT = 0.02
"""Below this share of its unit a deviation counts as none."""


class PatchEncoder(nn.Module):
    """Patches of a window in physical units, each of which attends to all others.

    A window loses its means before it is cut into patches, so that movement is not drowned by
    gravity; means, deviations and spectra of all channels, which tell postures and paces, are
    added to every position before and after.

    Parameters
    ----------
    units : sequence of float
        How strong each channel usually is; values are divided by it.
    steps : int
        Samples of a window, a multiple of `PATCH`.
    width : int
        Numbers that describe a position: `features`.
    dropout : float
        Share of hidden values zeroed while training.
    """

    units: Tensor

    def __init__(
        self, units: Sequence[float], steps: int, width: int = 128, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.features = width
        channels, patches = len(units), steps // PATCH
        self.register_buffer("units", torch.tensor(units)[:, None], persistent=False)
        self.patches = nn.Conv1d(channels, width, PATCH, stride=PATCH)
        self.places = nn.Parameter(torch.randn(patches, width) * 0.02)
        figures = channels * (2 + steps // 2)
        self.whole = nn.Sequential(
            nn.LayerNorm(figures),
            nn.Linear(figures, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        layer = nn.TransformerEncoderLayer(
            width, _HEADS, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, _LAYERS, nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, features, n_steps / PATCH) of windows (n, n_channels, n_steps)."""
        x = x / self.units
        mean = x.mean(dim=2, keepdim=True)
        x = x - mean
        spectrum = torch.fft.rfft(x, norm="forward").abs()[..., 1:]
        deviation = x.square().mean(dim=2, keepdim=True).sqrt()
        loud = torch.cat([deviation, spectrum], dim=2)
        whole = self.whole(torch.cat([mean, torch.log(loud + _FAINT)], dim=2).flatten(1))[:, None]
        patches = self.patches(x).transpose(1, 2) + self.places + whole
        found: Tensor = self.layers(patches) + whole
        return found.transpose(1, 2)
