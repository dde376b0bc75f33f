"""Encoders of windows that see nothing of how the device is turned about gravity.

They read, of each sensor, the part along gravity, the size of the part across it and the whole
magnitude (`signals.motion.gravity.turnless`), and give one vector a window.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from imuscribe.signals.recording import STANDARD_GRAVITY

_STRENGTHS = (3.0, 1.0)
"""How strong movement (m/s²) and rotation rate (rad/s) usually are."""
_FAINT = 0.01
"""What is added to spectra and deviations before their logarithm, in these units."""


class TurnlessEncoder(nn.Module):
    """Four convolutions and the spectrum of a window side by side: small, for a phone.

    Parameters
    ----------
    rows : int
        Three a sensor.
    steps : int
        Samples of a window.
    size : int
        Numbers that describe a window.
    width : int
        Channels of the first convolution, half as many as of the others.
    """

    gravity: Tensor
    units: Tensor
    waves: Tensor

    def __init__(self, rows: int, steps: int, size: int, width: int = 32) -> None:
        super().__init__()
        _scaled(self, rows)
        # A spectrum by multiplication: devices have no Fourier transform.
        angle = 2 * math.pi / steps * torch.arange(steps)[:, None] * torch.arange(steps // 2 + 1)
        taper = torch.hann_window(steps, periodic=False)[:, None] / steps
        waves = torch.cat([taper * angle.cos(), taper * angle.sin()], dim=1)
        self.register_buffer("waves", waves, persistent=False)
        wide = 2 * width
        self.layers = nn.Sequential(
            *_convolution(rows, width, 7),
            *_convolution(width, wide, 5, 2),
            *_convolution(wide, wide, 5, 2),
            *_convolution(wide, wide, 3),
        )
        figures = rows * (steps // 2 + 2)
        self.spectrum = nn.Sequential(
            nn.LayerNorm(figures), nn.Dropout(0.2), nn.Linear(figures, wide), nn.GELU()
        )
        self.whole = nn.Sequential(nn.Dropout(0.3), nn.Linear(3 * wide, size))

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (n, size) of windows (n, rows, steps) in m/s² and rad/s."""
        x = (x - self.gravity) / self.units
        moved = x - x.mean(dim=2, keepdim=True)
        real, imaginary = (moved @ self.waves).chunk(2, dim=2)
        spectrum = (real.square() + imaginary.square() + 1e-12).sqrt()
        deviation = moved.square().mean(dim=2, keepdim=True).sqrt()
        heard = self.spectrum(torch.log(torch.cat([spectrum, deviation], 2) + _FAINT).flatten(1))
        shapes = self.layers(x)
        found: Tensor = self.whole(torch.cat([shapes.mean(2), shapes.amax(2), heard], dim=1))
        return found


class PaperEncoder(nn.Module):
    """The sensor encoder of LanHAR (arXiv 2410.00003): three Transformer layers over all samples.

    Width 768, two heads, 1,024 hidden values, sinusoidal places, the mean over time: 12M
    parameters, which on one core take a hundred times as long as a `TurnlessEncoder`.
    """

    gravity: Tensor
    units: Tensor
    places: Tensor

    def __init__(self, rows: int, steps: int, size: int, width: int = 768) -> None:
        super().__init__()
        _scaled(self, rows)
        self.into = nn.Sequential(nn.Linear(rows, width), nn.LayerNorm(width))
        self.register_buffer("places", _sinusoids(steps, width), persistent=False)
        layer = nn.TransformerEncoderLayer(width, 2, 1024, 0.1, gelu, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.whole = nn.Linear(width, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (n, size) of windows (n, rows, steps) in m/s² and rad/s."""
        x = ((x - self.gravity) / self.units).transpose(1, 2)
        found: Tensor = self.whole(self.layers(self.into(x) + self.places).mean(dim=1))
        return found


def otherwise(
    x: Tensor, gain: float, pace: float, noise: float = 0.1, share: float = 1.0
) -> Tensor:
    """Return windows as if worn elsewhere, by somebody quicker or slower.

    Movement of each sensor is multiplied by one factor, up to ``exp(gain)`` either way, and played
    at another pace, up to ``exp(pace)`` either way; where the signal ends it runs backwards. Drawn
    by torch's generator; a `share` of the windows is varied, the others stay as they are.

    Parameters
    ----------
    x : Tensor
        (n, rows, steps) in m/s² and rad/s, three rows a sensor.
    """
    n, rows, steps = x.shape
    sensors = rows // 3
    factor = torch.exp((2 * torch.rand(n, sensors) - 1) * gain).repeat_interleave(3, dim=1)
    mean = x.mean(dim=2, keepdim=True)
    # Gravity, in the first and third row of acceleration, stays what it is.
    kept = torch.tensor([True, False, True, *[False] * (rows - 3)])[:, None]
    varied = (x - mean) * factor[..., None] + mean * torch.where(kept, 1.0, factor[..., None])
    speed = torch.exp((2 * torch.rand(n, 1) - 1) * pace)
    at = (torch.arange(steps) * speed + torch.rand(n, 1) * steps / 8) % (2 * steps - 2)
    at = torch.minimum(at, 2 * steps - 2 - at)
    low = at.floor().clamp(max=steps - 2).long()
    weight, index = (at - low)[:, None], low[:, None].expand(-1, rows, -1)
    varied = varied.gather(2, index) * (1 - weight) + varied.gather(2, index + 1) * weight
    varied = varied + noise * torch.randn_like(varied) * varied.std(dim=2, keepdim=True)
    return torch.where(torch.rand(n, 1, 1) < share, varied, x)


def _scaled(module: nn.Module, rows: int) -> None:
    """Let a module know what lies still in each row, and how strong it usually is."""
    gravity, units = torch.zeros(rows, 1), torch.ones(rows, 1)
    gravity[[0, 2]] = STANDARD_GRAVITY
    for sensor, strength in enumerate(_STRENGTHS[: rows // 3]):
        units[3 * sensor : 3 * sensor + 3] = strength
    module.register_buffer("gravity", gravity, persistent=False)
    module.register_buffer("units", units, persistent=False)


def _convolution(before: int, after: int, span: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv1d(before, after, span, stride=stride, padding=span // 2)
    return [convolution, nn.BatchNorm1d(after), nn.GELU()]


def _sinusoids(steps: int, width: int) -> Tensor:
    """Return the sines and cosines that tell places apart (Vaswani et al. 2017), (steps, width)."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(steps)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
