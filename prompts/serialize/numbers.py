"""`csv`, `digits` and `summary`: raw channels as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from imuscribe.prompts.serialize.text import (
    Features,
    Serializer,
    TextConfig,
    read_stats,
    stack_finite,
    statistics,
    stats_line,
)
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

_LINE = re.compile(r"([+-]\d+)([+-]\d+):(\d+)")

MOST_NUMBERS = 250_000
"""Numbers of one csv text: with four tokens or more a number, a million tokens."""
TOO_LONG = "too long for a text"
"""Reason of the error of a recording with more numbers."""


class Csv(Serializer):
    """One row a sample, values with a fixed number of decimals, as in the two-person letter study.

    ``rate=None`` writes every sample; else the rows are means over equal times, `rate` a second.
    Error: at most half of ``10**-decimals``.
    """

    def steps(self, rec: Recording) -> tuple[int | None, ...]:
        """Return how many rows are written."""
        if self.config.rate is None:
            return (None,)
        return (max(1, round(rec.duration * self.config.rate)),)

    def features(self, rec: Recording) -> Features:
        """Return what is written; of hours at a high rate nothing is, no model reads so much."""
        rows, channels = self.steps(rec)[0] or rec.n_samples, len(self.config.channels)
        if rows * channels > MOST_NUMBERS:
            raise InputError(
                f"recording '{rec.id}': {rec.duration:,.0f} s are {rows * channels:,} numbers as "
                f"csv, more than a model reads ({MOST_NUMBERS:,}): cut windows of it, or set rate "
                f"to {MOST_NUMBERS / channels / rec.duration:.2g} rows a second or less",
                TOO_LONG,
            )
        return super().features(rec)

    def _write(self, columns: Sequence[Sequence[Array]]) -> list[str]:
        row = ",".join([f"%.{self.config.decimals}f"] * len(self.config.channels)) + "\n"
        texts = []
        for array in columns[0]:
            (values,) = stack_finite([array], len(self.config.channels))
            # Adding zero turns the "-0" that rounding leaves into "0".
            rounded = np.round(values.T, self.config.decimals) + 0.0
            texts.append(((row * len(rounded)) % tuple(rounded.ravel().tolist()))[:-1])
        return texts

    def _read(self, text: str) -> Features:
        try:
            rows = np.array([line.split(",") for line in text.split("\n")], dtype=np.float32)
        except ValueError:
            rows = np.empty((0, 0), dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.config.channels):
            raise InputError(f"text: not rows of {len(self.config.channels)} numbers")
        return (rows.T,)


class Digits(Serializer):
    """Fixed-width unsigned integers, one line a channel: ``-13+98:00371299…``.

    The two signed numbers are the channel's bounds in tenths of its unit, rounded outwards, so
    nothing is clipped; then follow the values, `digits` digits each, 0 at the lower bound and all
    nines at the upper. No separators: LLaMA-3 makes one token of three digits in a row, SmolLM2
    one of each digit. Error: at most half a step, (upper - lower) / (10**digits - 1) / 2.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        self._top = 10**config.digits - 1
        self._written = np.array(
            [f"{i:0{config.digits}d}" for i in range(self._top + 1)], dtype=f"S{config.digits}"
        )

    def steps(self, rec: Recording) -> tuple[int | None, ...]:
        """Return how many values a line has."""
        return (self.config.steps,)

    def _write(self, columns: Sequence[Sequence[Array]]) -> list[str]:
        values = stack_finite(columns[0], len(self.config.channels))
        low = np.floor(values.min(axis=2, keepdims=True) * 10)
        high = np.maximum(np.ceil(values.max(axis=2, keepdims=True) * 10), low + 1)
        whole = np.rint((values * 10 - low) * (self._top / (high - low))).astype(np.intp)
        lines = self._written[whole].tobytes().decode("ascii")
        width = values.shape[2] * self.config.digits
        starts = range(0, len(lines), width)
        bounds = (edge.astype(int).ravel().tolist() for edge in (low, high))
        channels = [
            f"{a:+d}{b:+d}:{lines[i : i + width]}" for i, a, b in zip(starts, *bounds, strict=True)
        ]
        n = values.shape[1]
        return ["\n".join(channels[i : i + n]) for i in range(0, len(channels), n)]

    def _read(self, text: str) -> Features:
        lines = [_LINE.fullmatch(line) for line in text.split("\n")]
        width = self.config.digits
        if len(lines) != len(self.config.channels):
            raise InputError(f"text: {len(lines)} lines for {len(self.config.channels)} channels")
        channels = []
        for number, line in enumerate(lines, 1):
            if line is None or len(line[3]) != self.config.steps * width:
                raise InputError(
                    f"text: line {number} is not 'low high:' and {self.config.steps} values of "
                    f"{width} digits"
                )
            low, high = int(line[1]) / 10, int(line[2]) / 10
            whole = [int(line[3][i : i + width]) for i in range(0, len(line[3]), width)]
            channels.append(low + np.array(whole) * ((high - low) / self._top))
        return (np.array(channels, dtype=np.float32),)


class Summary(Serializer):
    """Mean and standard deviation of every raw channel: ``mean 0.1 -0.2 9.8 std 0.4 0.3 0.1``.

    In m/s² with gravity and rad/s, so that how a device is held and how strongly it moves can be
    read; the course of the signal cannot. Features are of shape (n_channels, 2). Error: at most
    half of ``10**-decimals``.
    """

    def steps(self, rec: Recording) -> tuple[int | None, ...]:
        """Return None: the figures are written as they are."""
        return (None,)

    def signals(self, rec: Recording) -> Features:
        """Return the figures."""
        return (statistics(rec, self.config.channels),)

    def _write(self, columns: Sequence[Sequence[Array]]) -> list[str]:
        figures = stack_finite(columns[0], len(self.config.channels)).astype(np.float32)
        return [stats_line(one, self.config.decimals) for one in figures]

    def _read(self, text: str) -> Features:
        return (read_stats(text, len(self.config.channels)),)
