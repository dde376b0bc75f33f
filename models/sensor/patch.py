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
        self.layers = transformer(width, _LAYERS, dropout)

    def forward(
        self, x: Tensor, hidden: Tensor | None = None, blank: Tensor | None = None
    ) -> Tensor:
        """Return features (n, features, n_steps / PATCH) of windows (n, n_channels, n_steps).

        Of patches that are `hidden` (n, n_steps / PATCH) nothing is seen, not in the figures of the
        whole window either: `blank` (features,) stands in their places.
        """
        patched, mean, share = self.centred(x, hidden)
        spectrum = torch.fft.rfft(patched, norm="forward").abs()[..., 1:] / share
        deviation = (patched.square().mean(dim=2, keepdim=True) / share).sqrt()
        loud = torch.cat([deviation, spectrum], dim=2)
        whole = self.whole(torch.cat([mean, torch.log(loud + _FAINT)], dim=2).flatten(1))[:, None]
        patches = self.patches(patched).transpose(1, 2)
        if hidden is not None and blank is not None:
            patches = torch.where(hidden[..., None], blank, patches)
        patches = patches + self.places + whole
        found: Tensor = self.layers(patches) + whole
        return found.transpose(1, 2)

    def centred(
        self, x: Tensor, hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | float]:
        """Return windows without their means, the means, and the share of samples that is seen.

        All in units of the channels; what is hidden is 0, and no part of the means.
        """
        x = x / self.units
        if hidden is None:
            mean = x.mean(dim=2, keepdim=True)
            return x - mean, mean, 1.0
        away = hidden.repeat_interleave(PATCH, dim=1)[:, None]
        share = 1 - away.to(x.dtype).mean(dim=2, keepdim=True)
        mean = x.masked_fill(away, 0.0).mean(dim=2, keepdim=True) / share
        return (x - mean).masked_fill(away, 0.0), mean, share


def transformer(width: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    """Return the layers that read patches of signals: (n, length, width) to the same."""
    layer = nn.TransformerEncoderLayer(
        width, _HEADS, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
