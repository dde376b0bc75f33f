"""Trends of a sensor's channels, over levels that no noise reaches.

A channel is seen through its *levels*, means over `TrendConfig.step` seconds, and rises or falls
from one level to another only by more than a stated tolerance: sample by sample, and with strict
equality as in SensorLLM (arXiv 2410.10624), no real sensor is ever steady.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from imuscribe.prompts.tables import tables
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Values = NDArray[np.float64]
TRENDS = ("rises", "falls", "steady")
WORDINGS = "captions/trends.yaml"


class TrendConfig(Config):
    """What counts as a trend, how exact an answer must be, how long a segment is."""

    step: float = Field(default=0.2, gt=0)
    """Seconds over which a signal is averaged before trends are looked for."""
    acceleration: float = Field(default=0.3, gt=0)
    """m/s² by which two levels may differ and still be steady; a stated value may be as far off."""
    rotation: float = Field(default=0.1, gt=0)
    """The same in rad/s."""
    relative: float = Field(default=0.05, ge=0, lt=1)
    """Share of itself by which a stated value may be off, where that is more."""
    tilt: float = Field(default=5.0, gt=0)
    """Degrees by which a stated tilt may be off."""
    margin: float = Field(default=0.1, ge=0, lt=1)
    """A question answered in a word is asked only if it is clear by this share."""
    rhythm: float = Field(default=0.5, gt=0, lt=1)
    """Share of the power at one frequency from which a signal has a rhythm."""
    least: float = Field(default=1.0, gt=0)
    """Seconds: the shortest segment."""
    most: float = Field(default=4.0, gt=0)
    """Seconds: the longest segment."""
    most_runs: int = Field(default=8, ge=1)
    """Most runs that are listed; a question about them ends with the last of these."""

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.least < 3 * self.step - 1e-9:
            raise ValueError(f"least={self.least:g} s: need three steps, {3 * self.step:g} s")
        if self.most < self.least:
            raise ValueError(f"most={self.most:g} s is below least={self.least:g} s: set it higher")
        return self

    def tolerance(self, channel: str) -> float:
        """Return how far two levels of a channel may be apart and still be steady."""
        return self.rotation if channel.startswith("gyro") else self.acceleration


def cut(
    rec: Recording, rng: np.random.Generator, config: TrendConfig = TrendConfig()
) -> tuple[Recording, float]:
    """Cut a segment of random length and place out of a recording.

    Its length is a whole number of steps, its own time starts at 0; returned beside it is when it
    starts in the recording, seconds. InputError if the recording is shorter than
    `TrendConfig.least`.
    """
    whole = rec.duration + _period(rec)
    if whole < config.least - 1e-6:
        raise InputError(
            f"recording '{rec.id}': lasts {whole:.2f} s, less than the shortest segment of "
            f"{config.least:g} s: set a shorter one, down to three steps of {config.step:g} s",
            "too short",
        )
    fewest = int(np.ceil(config.least / config.step - 1e-6))
    most = int(min(whole, config.most) / config.step + 1e-6)
    length = config.step * int(rng.integers(min(fewest, most), most + 1))
    may_begin = np.searchsorted(rec.t, rec.t[0] + whole - length + 1e-9, "right")
    first = int(rng.integers(max(1, may_begin)))
    last = int(np.searchsorted(rec.t, rec.t[first] + length - 1e-9))
    start = float(rec.t[first])
    return rec.replace(data=rec.data[:, first:last], t=rec.t[first:last] - start), start


def preamble(rec: Recording, config: TrendConfig = TrendConfig(), which: str = "full") -> str:
    """Say what a segment is and what the words of a question mean: the same for every question."""
    return str(tables(WORDINGS)["preambles"][which]).format(
        count=len(rec.channels),
        channels=", ".join(rec.channels),
        length=seconds(rec.duration + _period(rec)),
        rate=f"{rec.rate:.4g}",
        step=f"{config.step:g}",
        acceleration=f"{config.acceleration:g}",
        rotation=f"{config.rotation:g}",
    )


# The signal --------------------------------------------------------------------------------------


class Levels:
    """A segment, and the mean of every channel over each step of it.

    The level *at* a time is that of the step around it: 0.1, 0.3, … for steps of 0.2 s.
    """

    def __init__(self, rec: Recording, config: TrendConfig) -> None:
        self.rec = rec
        self.config = config
        self.n = int((rec.duration + _period(rec)) / config.step + 1e-6)
        if self.n < 3:
            raise InputError(
                f"recording '{rec.id}': {rec.duration:.2f} s hold {self.n} steps of "
                f"{config.step:g} s: need three, set step={rec.duration / 3:.2g}",
                "too short",
            )
        place = ((rec.t - rec.t[0]) / config.step + 1e-6).astype(int)
        inside = place < self.n
        count = np.bincount(place[inside], minlength=self.n)
        if not count.all():
            raise InputError(
                f"recording '{rec.id}': no sample within {config.step:g} s after "
                f"{count.argmin() * config.step:.2f} s: resample it or set a longer step",
                "a gap",
            )
        self.data: Values = rec.data[:, inside].astype(np.float64)
        """What was measured during the steps, shape (n_channels, n_samples)."""
        sums = [np.bincount(place[inside], weights=row, minlength=self.n) for row in self.data]
        self._levels = dict(zip(rec.channels, np.array(sums) / count, strict=True))

    def of(self, channel: str) -> Values:
        """Return the levels of a channel, shape (n,)."""
        found: Values = self._levels[channel]
        return found

    def raw(self, channel: str) -> Values:
        """Return what a channel measured, shape (n_samples,)."""
        found: Values = self.data[self.rec.channels.index(channel)]
        return found

    def time(self, level: int) -> float:
        """Return when a level is, seconds."""
        return round((level + 0.5) * self.config.step, 6)

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a channel."""
        return str(rng.choice(self.rec.channels))

    def word(self, change: float, channel: str) -> str:
        """Name a change."""
        return trend(change, self.config.tolerance(channel))


@dataclass(frozen=True)
class Run:
    """Levels `first` to `last`, each followed by one that goes the same way."""

    first: int
    last: int
    trend: str


def trend(change: float, tolerance: float) -> str:
    """Name a change: ``rises``, ``falls``, or ``steady`` within the tolerance."""
    return "steady" if abs(change) <= tolerance else "rises" if change > 0 else "falls"


def runs(levels: Values, tolerance: float) -> list[Run]:
    """Divide levels into runs of equal trend; each run begins where the last one ends."""
    found: list[Run] = []
    for i, change in enumerate(np.diff(levels)):
        word = trend(float(change), tolerance)
        if found and found[-1].trend == word:
            found[-1] = Run(found[-1].first, i + 1, word)
        else:
            found.append(Run(i, i + 1, word))
    return found


def dominant_frequency(values: Values, rate: float) -> tuple[float, float]:
    """Return the strongest frequency of a signal (Hz), and its share of the power.

    Straight drift is taken out first; the share is that within one step of the spectrum,
    1 / length, on either side. It is 0 where the strongest does not come twice: a rhythm repeats.
    """
    n = len(values)
    drift = np.polyval(np.polyfit(np.arange(n), values, 1), np.arange(n))
    power = np.abs(np.fft.rfft((values - drift) * np.hanning(n), 8 * n)) ** 2
    frequencies = np.fft.rfftfreq(8 * n, 1 / rate)
    strongest = float(frequencies[power.argmax()])
    if strongest < 2 * rate / n or power.sum() <= 0:
        return strongest, 0.0
    near = np.abs(frequencies - strongest) <= rate / n
    return strongest, float(power[near].sum() / power.sum())


def unit_of(channel: str) -> str:
    """Return what a channel is measured in."""
    return "rad/s" if channel.startswith("gyro") else "m/s²"


def seconds(time: float) -> str:
    """Write a time with as many digits as it needs, one at least."""
    text = f"{time:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _period(rec: Recording) -> float:
    return 1 / rec.rate if rec.rate else 0.0
