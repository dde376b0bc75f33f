"""Configuration and interface shared by all ways to write a recording as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.recording import ACC, Array, Recording

Format = Literal["csv", "digits", "strokes", "summary"]
Features = tuple[Array, ...]

STEPS_PER_SAMPLE = 4
"""Finer than this, steps would be made up rather than read off the line between two samples."""

_BLOCK = 512
"""Recordings encoded at once: their arrays stay in the processor's cache."""


class View(Config):
    """One signal of the writing frame, written in compass words (`strokes`)."""

    signal: Literal["velocity", "acceleration", "rotation"] = "velocity"
    steps: int = Field(default=16, ge=1, le=10_000)
    """Equal time bins, one word each."""
    directions: Literal[8, 16] = 8
    levels: int = Field(default=2, ge=1, le=3)
    """Speed levels besides rest, relative to the recording's own root mean square."""


class TextConfig(Config):
    """How a recording becomes text."""

    format: Format = "strokes"
    views: tuple[View, ...] = (
        View(signal="velocity", steps=16, directions=8, levels=2),
        View(signal="acceleration", steps=32, directions=8, levels=1),
    )
    """What `strokes` writes, in this order."""
    channels: tuple[str, ...] = ACC
    """Channels that `csv` and `digits` write and `summary` and `stats` summarise."""
    rate: float | None = Field(default=None, gt=0, le=20_000)
    """Rows a second (`csv`); None keeps the recording's own."""
    decimals: int = Field(default=3, ge=0, le=6)
    """Digits after the point (`csv`, `summary`)."""
    steps: int = Field(default=32, ge=1, le=10_000)
    """Equal time bins (`digits`)."""
    digits: int = Field(default=2, ge=1, le=3)
    """Digits a value (`digits`)."""
    stats: bool = False
    """Append mean and standard deviation of the raw channels, so that gravity is not lost."""
    frame: FrameConfig = FrameConfig()

    @model_validator(mode="after")
    def _nothing_is_empty(self) -> Self:
        if self.format == "strokes" and not self.views:
            raise ValueError("views is empty: strokes needs at least one view")
        if (self.format != "strokes" or self.stats) and not self.channels:
            raise ValueError("channels is empty: name at least one, such as acc_x")
        if self.format == "summary" and self.stats:
            raise ValueError("stats is true but summary is these figures already: set stats=false")
        return self


class Serializer(ABC):
    """Turn cleaned recordings into short text and back.

    `features` does the signal processing of one recording: a tuple of float32 arrays, one a view,
    of shape (n_channels, n_steps), in m/s² and rad/s or as the format has them; with ``stats`` a
    last one of shape (n_channels, 2), the mean and the standard deviation of each raw channel.
    `encode` writes the features of a whole batch at once. `decode` reads a text back to arrays
    that differ from the features by at most the error the subclass states.

    All raise `InputError`: `features` if a channel is missing or the recording is too short for
    the steps asked for, `encode` if a value is not finite or an array has another shape than
    `features` gives, `decode` if the text is not of this format and configuration.
    """

    n_signals = 1

    def __init__(self, config: TextConfig) -> None:
        self.config = config

    def features(self, rec: Recording) -> Features:
        """Return what is written of a cleaned recording."""
        written = tuple(
            signal if steps is None else time_means(rec, signal, steps)
            for signal, steps in zip(self.signals(rec), self.steps(rec), strict=True)
        )
        if not self.config.stats:
            return written
        return (*written, statistics(rec, self.config.channels))

    def encode(self, batch: Sequence[Features]) -> list[str]:
        """Write the features of many recordings, one text each."""
        n_parts = self.n_signals + self.config.stats
        if set(map(len, batch)) - {n_parts}:
            raise InputError(f"features: {n_parts} arrays a recording are expected")
        texts: list[str] = []
        for start in range(0, len(batch), _BLOCK):
            columns = list(zip(*batch[start : start + _BLOCK], strict=True))
            block = self._write(columns[: self.n_signals])
            if self.config.stats:
                lines = map(stats_line, columns[-1])
                block = [f"{text}\n{line}" for text, line in zip(block, lines, strict=True)]
            texts += block
        return texts

    def decode(self, text: str) -> Features:
        """Read a text that `encode` wrote back to arrays shaped like the features."""
        if not self.config.stats:
            return self._read(text)
        body, _, line = text.rpartition("\n")
        return (*self._read(body), read_stats(line, len(self.config.channels)))

    def text(self, rec: Recording) -> str:
        """Return the text of one cleaned recording."""
        return self.encode([self.features(rec)])[0]

    def signals(self, rec: Recording) -> Features:
        """Return what is written at full resolution, one (n_channels, n_samples) array a view."""
        return (rec.select(self.config.channels),)

    @abstractmethod
    def steps(self, rec: Recording) -> tuple[int | None, ...]:
        """Return in how many equal time bins each signal is written; None writes every sample."""

    @abstractmethod
    def _write(self, columns: Sequence[Sequence[Array]]) -> list[str]:
        """Write a batch given as one sequence of arrays a view."""

    @abstractmethod
    def _read(self, text: str) -> Features:
        """Invert `_write` for one text."""


def time_means(rec: Recording, values: Array, steps: int) -> Array:
    """Average (n_channels, n_samples) values of a recording over equal time bins.

    The signal is taken as linear between its samples and integrated exactly, so the bins' areas
    add up to the signal's: nothing between two points is skipped, and clocks may be irregular.
    """
    n = rec.n_samples
    if n < 2 or rec.duration <= 0:
        raise InputError(f"recording '{rec.id}': a single instant cannot be cut into {steps} steps")
    if steps > STEPS_PER_SAMPLE * n:
        raise InputError(
            f"recording '{rec.id}': {n} samples are too few for {steps} steps: "
            f"ask for at most {STEPS_PER_SAMPLE * n}"
        )
    x = values.astype(np.float64)
    dt = np.diff(rec.t)
    rise = np.diff(x, axis=1)
    area = np.zeros_like(x)
    np.cumsum((x[:, :-1] + rise / 2) * dt, axis=1, out=area[:, 1:])
    edges = np.linspace(rec.t[0], rec.t[-1], steps + 1)
    at = np.clip(np.searchsorted(rec.t, edges, side="right") - 1, 0, n - 2)
    since = edges - rec.t[at]
    slope = np.divide(rise, dt, out=np.zeros_like(rise), where=dt > 0)[:, at]
    until = area[:, at] + since * (x[:, at] + slope * since / 2)
    return (np.diff(until, axis=1) / np.diff(edges)).astype(np.float32)


def stack_finite(arrays: Sequence[Array], n_rows: int) -> NDArray[np.float64]:
    """Stack equally shaped feature arrays to (n, n_rows, n_steps) after checking them."""
    try:
        stacked = np.array(arrays, dtype=np.float64)
    except ValueError:
        stacked = np.empty(0)
    if stacked.ndim != 3 or stacked.shape[1] != n_rows or not stacked.shape[2]:
        shapes = sorted({np.shape(a) for a in arrays})
        raise InputError(f"features: shapes {shapes} where ({n_rows}, n_steps) is expected")
    if not np.isfinite(stacked).all():
        raise InputError("features: a value is NaN or infinite: clean the recording first")
    return stacked


def statistics(rec: Recording, channels: tuple[str, ...]) -> Array:
    """Return mean and standard deviation of raw channels in their units, (n_channels, 2)."""
    raw = rec.select(channels)
    return np.stack([raw.mean(axis=1), raw.std(axis=1)], axis=1)


def stats_line(stats: Array, decimals: int = 2) -> str:
    """Write statistics (n_channels, 2) as ``mean 0.12 … std 0.34 …``."""
    if stats.ndim != 2 or stats.shape[1] != 2 or not np.isfinite(stats).all():
        raise InputError(f"features: statistics of shape {stats.shape}, finite (n, 2) expected")
    mean, std = (
        " ".join(f"{v:.{decimals}f}" for v in (np.round(row, decimals) + 0.0).tolist())
        for row in stats.T
    )
    return f"mean {mean} std {std}"


def read_stats(line: str, n: int) -> Array:
    """Read what `stats_line` wrote of so many channels."""
    words = line.split()
    if len(words) != 2 * n + 2 or words[0] != "mean" or words[n + 1] != "std":
        raise InputError(f"text: its last line is not 'mean … std …' of {n} channels")
    try:
        values = [[float(w) for w in words[1 : n + 1]], [float(w) for w in words[n + 2 :]]]
    except ValueError as error:
        raise InputError(f"text: {error}") from None
    return np.array(values, dtype=np.float32).T
