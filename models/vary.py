"""Batches of sequences as if every hand had moved slightly differently, varied while training.

Cheaper than `signals.motion.augment`, which makes whole recordings: a network that sees every
recording dozens of times needs each time another one, and no text of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from imuscribe.models.config import VaryConfig


def vary(x: Tensor, config: VaryConfig, device: int | None = None) -> Tensor:
    """Return a varied copy of sequences (n, n_channels, n_steps), drawn by torch's generator.

    Without `device` channels are pairs, right and up of one quantity each, which are turned and
    stretched together and keep their root mean square. With it they keep their strength, are only
    warped in time and given noise, but the first `device` rows, three axes of the device a sensor,
    are turned as if it sat a little differently.
    """
    n, channels, steps = x.shape
    if device is not None:
        x = _turned(x, device, config.turn)
        x = _sample(x, _times(n, steps, config, x.device))
        deviation = x.std(dim=2, keepdim=True)
        return x + _smooth(torch.randn_like(x)) * (config.noise * deviation)
    before = _power(x)
    pairs = x.view(n, channels // 2, 2, steps)
    angle = torch.randn(n, device=x.device) * math.radians(config.turn)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    stretch = torch.exp(torch.randn(n, 2, device=x.device) * config.stretch)
    x = torch.einsum("nij,npjt->npit", turn * stretch[:, None], pairs).reshape(x.shape)
    x = _sample(x, _times(n, steps, config, x.device))
    x = x + _smooth(torch.randn_like(x)) * (config.noise * _power(x))
    return x * (before / _power(x).clamp(min=1e-6))


def anyhow(x: Tensor, device: int) -> Tensor:
    """Return sequences as if the device sat in any way: its rows turned, all turns as likely."""
    n = len(x)
    w, i, j, k = torch.nn.functional.normalize(torch.randn(n, 4, device=x.device)).unbind(1)
    turn = torch.stack(
        [
            *(1 - 2 * (j * j + k * k), 2 * (i * j - k * w), 2 * (i * k + j * w)),
            *(2 * (i * j + k * w), 1 - 2 * (i * i + k * k), 2 * (j * k - i * w)),
            *(2 * (i * k - j * w), 2 * (j * k + i * w), 1 - 2 * (i * i + j * j)),
        ],
        dim=1,
    ).view(n, 3, 3)
    return _by(turn, x, device)


def _turned(x: Tensor, rows: int, spread: float) -> Tensor:
    """Turn the first rows, three axes a sensor, about a random axis (degrees of spread)."""
    if not rows:
        return x
    by = torch.randn(len(x), 3, device=x.device) * math.radians(spread)
    zero = torch.zeros_like(by[:, 0])
    cross = torch.stack(
        [zero, -by[:, 2], by[:, 1], by[:, 2], zero, -by[:, 0], -by[:, 1], by[:, 0], zero], dim=1
    ).view(-1, 3, 3)
    return _by(torch.linalg.matrix_exp(cross), x, rows)


def _by(turn: Tensor, x: Tensor, rows: int) -> Tensor:
    """Turn the first rows of every sequence by its own matrix (n, 3, 3)."""
    n, _, steps = x.shape
    axes = torch.einsum("nij,nsjt->nsit", turn, x[:, :rows].reshape(n, rows // 3, 3, steps))
    return torch.cat([axes.reshape(n, rows, steps), x[:, rows:]], dim=1)


def _power(x: Tensor) -> Tensor:
    """Return the root mean square of every pair of channels, (n, n_channels, 1)."""
    n, channels, steps = x.shape
    power = x.view(n, channels // 2, 2 * steps).square().mean(2).sqrt()
    return power.repeat_interleave(2, dim=1)[..., None]


def _times(n: int, steps: int, config: VaryConfig, device: torch.device) -> Tensor:
    """Draw where each new sample was taken, (n, steps), in samples of the old sequence."""
    begin = torch.rand(n, 1, device=device) * config.late
    end = 1 - torch.rand(n, 1, device=device) * config.early
    pace = torch.exp(_smooth(torch.randn(n, 1, steps, device=device), 8)[:, 0] * config.warp)
    along = pace.cumsum(1) - pace[:, :1]
    along = along / along[:, -1:]
    return (begin + (end - begin) * along) * (steps - 1)


def _sample(x: Tensor, at: Tensor) -> Tensor:
    """Interpolate sequences linearly at times (n, steps) given in samples."""
    low = at.floor().clamp(max=x.shape[2] - 2).long()
    share = (at - low)[:, None]
    index = low[:, None].expand(-1, x.shape[1], -1)
    return x.gather(2, index) * (1 - share) + x.gather(2, index + 1) * share


def _smooth(x: Tensor, width: int = 4) -> Tensor:
    """Average noise (n, n_channels, n_steps) over `2 · width + 1` samples, back to unit power."""
    span = 2 * width + 1
    kernel = torch.hann_window(span + 2, periodic=False, device=x.device)[1:-1]
    kernel = (kernel / kernel.square().sum().sqrt()).view(1, 1, -1)
    n, channels, steps = x.shape
    padded = torch.nn.functional.pad(x, (width, width), mode="reflect")
    flat = padded.reshape(n * channels, 1, steps + 2 * width)
    return torch.nn.functional.conv1d(flat, kernel).view(n, channels, steps)
