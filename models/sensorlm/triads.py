"""A transformer over patches of each sensor's axes, which sees nothing of values that are missing.

After SensorLM (arXiv 2506.09108), whose patches are ten minutes of two features: here they are a
stretch of time of one triad, the three axes of an accelerometer or gyroscope.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imuscribe.models.config import PATCH
from imuscribe.models.sensor.patch import transformer
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.views import groups, n_channels, sequence
from imuscribe.signals.motion.warping import equally_long
from imuscribe.signals.recording import ACC, GYRO, Array, Recording

SENSORS = ("accelerometer", "gyroscope")
ROWS = 6
"""Of each sensor: its axes, and the parts along gravity and across it, and the magnitude."""
UNITS = (5.0, 2.0)
"""How strong each sensor's readings usually are, m/s² and rad/s."""
_HEADS = 4
_FAINT = 0.02
_FINEST, _PERIODS = 0.2, 12
MAGNITUDES = 1 + 2 * _PERIODS

Bools = NDArray[np.bool_]


def triads(
    rec: Recording, steps: int, seconds: float | None = None, missing: Bools | None = None
) -> tuple[Array, Bools]:
    """Return what the encoder sees of a recording, and where there is anything to see.

    Parameters
    ----------
    rec : Recording
        Acceleration with gravity; the gyroscope may be missing.
    steps : int
        Samples that the recording, or its first `seconds`, is brought to.
    missing : ndarray of bool, shape (n_channels, n_samples), optional
        Values not to be seen, in the recording's own channels: they change nothing.

    Returns
    -------
    ndarray of float32, shape (2, 6, steps); ndarray of bool, shape (2, steps)
        Sensors × rows × steps in m/s² and rad/s, and which of the steps were measured.

    Raises
    ------
    InputError
        If no value is left, the shapes disagree, or there is no gravity.
    """
    gone: NDArray[np.bool_] = np.zeros(rec.data.shape, dtype=np.bool_)
    if missing is not None:
        gone = np.array(missing, dtype=np.bool_)
    if gone.shape != rec.data.shape:
        raise InputError(
            f"recording '{rec.id}': the mask is {gone.shape}, the recording {rec.data.shape}: give "
            "one value a channel and sample"
        )
    lost = [_lost(rec, gone, names) for names in (ACC, GYRO)]
    if all(lost[0]):
        raise InputError(
            f"recording '{rec.id}': no acceleration is left: all values are missing", "all missing"
        )
    if gone.any():
        # What stands there must not show through: means of what is seen are put in its place.
        seen = np.where(gone, np.nan, rec.data)
        kept = np.logical_not(gone.all(axis=1))
        means = np.zeros(len(gone))
        means[kept] = np.nanmean(seen[kept], axis=1)
        rec = rec.replace(data=np.where(gone, means[:, None], rec.data))
    rows = sequence(rec, "upright", steps, seconds=seconds)
    x = np.zeros((len(SENSORS), ROWS, steps), dtype=np.float32)
    for sensor, part in enumerate(groups("upright", "signal", len(rows))):
        x[sensor] = rows[list(part)]
    doubt = equally_long([np.stack(lost).astype(np.float32)], rec.t, steps, False, seconds)
    ended: NDArray[np.bool_] = np.zeros(steps, dtype=np.bool_)
    if seconds is not None:
        ones = np.ones((1, rec.n_samples), dtype=np.float32)
        ended = equally_long([ones], rec.t, steps, False, seconds)[0] == 0
    there: NDArray[np.bool_] = np.logical_not(ended | (doubt != 0))
    if rec.gyro is None:
        there[1] = False
    return np.where(there[:, None], x, 0.0).astype(np.float32), there


def _lost(rec: Recording, gone: Bools, names: Sequence[str]) -> Bools:
    """Return at which samples a sensor's triad is not whole."""
    if not set(names) <= set(rec.channels):
        return np.ones(rec.n_samples, dtype=bool)
    mine = gone[[rec.channels.index(name) for name in names]]
    return np.asarray(mine.any(axis=0), dtype=np.bool_)


def magnitudes(values: Tensor) -> Tensor:
    """Return numbers (…) as features (…, `MAGNITUDES`): roughly how large, and exactly how large.

    Sensor and text describe a number alike, so that "3.1" can be found where 3.1 was measured.
    """
    periods = _FINEST * 2.0 ** torch.arange(_PERIODS, device=values.device)
    angle = 2 * math.pi * values[..., None] / periods
    rough = (values.sign() * values.abs().log1p())[..., None]
    return torch.cat([rough, angle.sin(), angle.cos()], dim=-1)


class AttentionPool(nn.Module):
    """One learned query reads all positions (set transformer, arXiv 1810.00825)."""

    def __init__(self, width: int, size: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.reads = nn.MultiheadAttention(width, _HEADS, dropout, batch_first=True)
        self.more = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.out = nn.Linear(width, size)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return (n, size) of positions (n, length, width); nothing is read of `hidden` ones."""
        found, _ = self.reads(
            self.query.expand(len(x), -1, -1), x, x, key_padding_mask=hidden, need_weights=False
        )
        pooled: Tensor = found[:, 0]
        out: Tensor = self.out(pooled + self.more(pooled))
        return out


class TriadEncoder(nn.Module):
    """Positions of a window: patches of each sensor, and of each one for its figures as a whole.

    Patches have lost the sensor's mean, so that movement is not drowned by gravity; mean,
    deviation, least, most and spectrum of every row stand in the position of the whole, and are
    added to all patches of the sensor.

    Parameters
    ----------
    steps : int
        Samples of a window, a multiple of `PATCH`.
    width, layers : int
        Of the transformer.
    dropout : float
        Share of hidden values zeroed while training.
    """

    units: Tensor

    def __init__(self, steps: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        assert n_channels("upright") == len(SENSORS) * ROWS
        count = steps // PATCH
        self.register_buffer("units", torch.tensor(UNITS)[:, None, None], persistent=False)
        self.patches = nn.Linear((ROWS + 1) * PATCH, width)
        self.places = nn.Parameter(torch.randn(count, width) * 0.02)
        self.kinds = nn.Parameter(torch.randn(len(SENSORS), 1, width) * 0.02)
        figures = ROWS * (4 * MAGNITUDES + steps // 2) + 1
        self.whole = nn.Sequential(
            nn.Linear(figures, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.layers = transformer(width, layers, dropout)

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return positions (n, length, width), and which of them are hidden (n, length).

        `x` (n, 2, 6, steps) in physical units, `seen` (n, 2, steps): what is not seen may hold
        anything.
        """
        there = seen[:, :, None]
        x = torch.where(there, x, 0.0)
        counts = there.sum(dim=3, keepdim=True)
        share = counts / there.shape[3]
        mean = x.sum(dim=3, keepdim=True) / counts.clamp(min=1)
        moved = torch.where(there, x - mean, 0.0)
        whole = self.whole(self._figures(x, there, mean, moved / self.units, share))[:, :, None]
        parts = torch.cat([moved / self.units, there.to(x.dtype)], dim=2)
        cut = parts.unfold(3, PATCH, PATCH).transpose(2, 3).flatten(3)
        found = self.patches(cut) + self.places + self.kinds + whole
        hidden = ~seen.unfold(2, PATCH, PATCH).any(dim=3)
        none = ~seen.any(dim=2, keepdim=True)
        tokens = torch.cat([whole + self.kinds, found], dim=2).flatten(1, 2)
        away = torch.cat([none, hidden], dim=2).flatten(1, 2)
        return self.layers(tokens, src_key_padding_mask=away), away

    def _figures(
        self, x: Tensor, there: Tensor, mean: Tensor, moved: Tensor, share: Tensor
    ) -> Tensor:
        """Return what is told of each sensor as a whole, (n, 2, figures)."""
        some = share > 0
        low = torch.where(some, x.masked_fill(~there, torch.inf).amin(dim=3, keepdim=True), 0.0)
        high = torch.where(some, x.masked_fill(~there, -torch.inf).amax(dim=3, keepdim=True), 0.0)
        spread = (
            moved.square().sum(dim=3, keepdim=True) / x.shape[3] / share.clamp(min=1e-6)
        ).sqrt()
        told = magnitudes(torch.cat([mean, spread * self.units, low, high], dim=3)).flatten(2)
        heard = torch.fft.rfft(moved, norm="forward").abs()[..., 1:] / share.clamp(min=1e-6)
        return torch.cat([told, torch.log(heard + _FAINT).flatten(2), share.flatten(2)], dim=2)
