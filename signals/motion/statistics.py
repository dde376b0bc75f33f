"""Figures of a window with their units, at any rate: how strong, how rhythmic, how turned.

What LanHAR (arXiv 2410.00003) tells a language model of a window, worked out anew: acceleration and
rotation rate with gravity along +z, the part along gravity ("up") beside the longest and the
shortest direction across it ("along", "across"). None of it but `posture` changes when the device
is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.gravity import align
from imuscribe.signals.recording import ACC, Recording

Float = NDArray[np.float64]
Unit = Literal["m/s²", "m/s³", "rad/s", "rad", "Hz", "s", "°", "steps/min", ""]
Origin = Literal["ACC", "GYRO", "SYNC"]

STEPS = (0.7, 3.0)
"""Hz between which people step."""
TURNS = (0.5, 6.0)
"""Hz between which rotation swings; two swings a stride."""
QUICK = (0.3, 8.0)
"""Hz over which movement is called smooth or quick: what a sensor of 20 Hz still sees."""
_GRAVITY = 0.3
"""Hz below which acceleration is gravity."""
_APART = 0.25
"""Seconds between two steps at least."""
_TOGETHER = 0.2
"""Seconds that a swing of the rotation may be off a step and still be its."""
_SILENT = 0.05
"""m/s²: what moves less is taken to move so much where something is told against its strength."""
_SHORTEST = 8
"""Samples below which a window says nothing."""


_STRIKES = {"impact to strength": "impact median", "high impact to strength": "impact high"}
RELATIVE = (
    *("body rms", "acc up most", "acc up least", "body frequency", "jerk to strength"),
    *("impact to strength", "high impact to strength", "up to level", "step rate"),
    *("rhythm to rest", "second harmonic", "unevenness", "drift", "gyro along share"),
    *("gyro up share", "rate difference", "steps with a swing", "lag mean", "lag consistency"),
)
"""Figures that say how a body moves rather than how hard and where a sensor is shaken."""


@dataclass(frozen=True)
class Statistic:
    """A figure, its unit (empty for counts, shares and ratios) and the sensor it comes from."""

    value: float
    unit: Unit
    origin: Origin


def statistics(rec: Recording) -> dict[str, Statistic]:
    """Return every figure of a window by name, such as ``"body up rms"``.

    What cannot be told is left out: rotation without a gyroscope, a step rate of a window that is
    shorter than one and a half of its slowest steps.

    Parameters
    ----------
    rec : Recording
        At a fixed rate, with gravity.

    Raises
    ------
    InputError
        If it has fewer than eight samples, no rate, or no gravity.
    """
    if rec.n_samples < _SHORTEST or not rec.rate:
        raise InputError(
            f"recording '{rec.id}': {rec.n_samples} samples say nothing of a movement: "
            f"{_SHORTEST} are needed",
            "too short",
        )
    acc, gyro = align(rec)
    heading = _heading(acc)
    acc = _along(acc, heading)
    found = _Found()
    _acceleration(found, acc, rec)
    if gyro is not None:
        _rotation(found, _along(gyro, heading), rec.rate)
        _together(found, acc, gyro, rec.rate)
    return found.by_name


def relative(rec: Recording) -> NDArray[np.float32]:
    """Return the figures of `RELATIVE`, 0 for one that cannot be told; errors as `statistics`."""
    found = statistics(rec)
    told = [found[name].value if name in found else 0.0 for name in RELATIVE]
    return np.array(told, dtype=np.float32)


class _Found:
    """The figures so far; one that is not finite is none."""

    def __init__(self) -> None:
        self.by_name: dict[str, Statistic] = {}
        self.origin: Origin = "ACC"

    def add(self, name: str, value: float | np.floating[Any], unit: Unit = "") -> None:
        if np.isfinite(value):
            self.by_name[name] = Statistic(float(value), unit, self.origin)

    def spread(self, name: str, row: Float, unit: Unit) -> None:
        """Add mean, deviation, least, most and range of a row."""
        self.add(f"{name} mean", row.mean(), unit)
        self.add(f"{name} deviation", row.std(), unit)
        self.add(f"{name} least", row.min(), unit)
        self.add(f"{name} most", row.max(), unit)
        self.add(f"{name} range", np.ptp(row), unit)


# Acceleration ------------------------------------------------------------------------------------


def _acceleration(found: _Found, acc: Float, rec: Recording) -> None:
    rate = rec.rate
    for name, row in zip(("along", "across", "up"), acc, strict=True):
        found.spread(f"acc {name}", row, "m/s²")
    found.spread("acc size", _size(acc), "m/s²")
    body = acc - band(acc, rate, 0.0, _GRAVITY)
    up, level = body[2], _size(body[:2])
    found.add("body up rms", _rms(up), "m/s²")
    found.add("body level rms", _rms(level), "m/s²")
    found.add("body up range", np.ptp(up), "m/s²")
    found.add("body level range", np.ptp(level), "m/s²")
    found.add("body rms", _rms(_size(body)), "m/s²")
    if _rms(level) > 1e-6:
        found.add("up to level", _rms(up) / _rms(level))
    _rhythm(found, up, rate)
    found.add("body frequency", frequency_of(body, rate, *QUICK), "Hz")
    jerk = np.diff(body, axis=1) * rate
    found.add("jerk rms", _rms(_size(jerk)), "m/s³")
    strength = max(_rms(_size(body)), _SILENT)
    found.add("jerk to strength", _rms(_size(jerk)) / strength / (2 * np.pi), "Hz")
    for name, of in _STRIKES.items():
        if of in found.by_name:
            found.add(name, found.by_name[of].value / strength)
    found.add("jerk high", np.quantile(_size(jerk), 0.95), "m/s³")
    found.add("jerk up rms", _rms(jerk[2]), "m/s³")
    found.add("jerk up high", np.quantile(np.abs(jerk[2]), 0.95), "m/s³")
    mean = rec.select(ACC).mean(axis=1, dtype=np.float64)
    for axis, value in zip("xyz", mean, strict=True):
        found.add(f"posture {axis}", value, "m/s²")
    quarter = max(2, rec.n_samples // 4)
    first, last = acc[:, :quarter].mean(axis=1), acc[:, -quarter:].mean(axis=1)
    cosine = first @ last / max(float(np.linalg.norm(first) * np.linalg.norm(last)), 1e-9)
    found.add("drift", np.degrees(np.arccos(np.clip(cosine, -1, 1))), "°")


def _rhythm(found: _Found, up: Float, rate: float) -> None:
    """Add the step rate along gravity, how pure it is, its steps and what they strike with."""
    stepping = band(up, rate, *STEPS)
    rhythm = strongest(stepping, rate, *STEPS)
    if rhythm is None:
        return
    found.add("step rate", rhythm, "Hz")
    found.add("steps a minute", 60 * rhythm, "steps/min")
    low = power(up, rate, max(0.2, rhythm - 0.25), rhythm + 0.25)
    high = power(up, rate, rhythm + 0.4, 5.0)
    found.add("rhythm to rest", low / high if high > 1e-9 else np.nan)
    twice = power(up, rate, 2 * rhythm - 0.2, 2 * rhythm + 0.2)
    once = power(up, rate, rhythm - 0.2, rhythm + 0.2)
    found.add("second harmonic", twice / once if once > 1e-9 else np.nan)
    steps = peaks(stepping, rate)
    found.add("peaks", len(steps))
    between = np.diff(steps) / rate
    if len(between):
        found.add("between peaks", between.mean(), "s")
    if len(between) > 1:
        found.add("between peaks deviation", between.std(), "s")
        found.add("unevenness", between.std() / between.mean())
    quick, reach = band(up, rate, 0.5, rate), max(1, round(_TOGETHER * rate))
    struck = [np.ptp(quick[max(0, k - reach) : k + reach + 1]) for k in steps]
    if struck:
        found.add("impact median", np.median(struck), "m/s²")
        found.add("impact high", np.quantile(struck, 0.95), "m/s²")


# Rotation ----------------------------------------------------------------------------------------


def _rotation(found: _Found, gyro: Float, rate: float) -> None:
    found.origin = "GYRO"
    size = _size(gyro)
    energy = (gyro**2).sum(axis=1)
    for i, name in enumerate(("along", "across", "up")):
        row = gyro[i]
        found.add(f"gyro {name} mean", row.mean(), "rad/s")
        found.add(f"gyro {name} rms", _rms(row), "rad/s")
        found.add(f"gyro {name} range", np.ptp(row), "rad/s")
        crossings = np.count_nonzero(np.diff(np.signbit(row - row.mean())))
        found.add(f"gyro {name} crossings", crossings * rate / len(row) / 2, "Hz")
        found.add(f"gyro {name} net", row.sum() / rate, "rad")
        found.add(f"gyro {name} turned", np.abs(row).sum() / rate, "rad")
        if energy.sum() > 1e-9:
            found.add(f"gyro {name} share", energy[i] / energy.sum())
    found.add("gyro mean", size.mean(), "rad/s")
    found.add("gyro rms", _rms(size), "rad/s")
    found.add("gyro range", np.ptp(size), "rad/s")
    most = gyro[int(energy.argmax())]
    for name, row in (("gyro size", size - size.mean()), ("gyro main", most - most.mean())):
        rhythm = strongest(row, rate, *TURNS)
        if rhythm is not None:
            found.add(f"{name} rhythm", rhythm, "Hz")


def _together(found: _Found, acc: Float, gyro: Float, rate: float) -> None:
    """Add how steps, as acceleration shows them, and swings of the rotation go together."""
    found.origin = "SYNC"
    up = band(acc[2], rate, *STEPS)
    swing = band(_size(gyro) - _size(gyro).mean(), rate, *STEPS)
    stepped, swung = strongest(up, rate, *STEPS), strongest(swing, rate, *STEPS)
    if stepped is None or swung is None:
        return
    found.add("swing rate", swung, "Hz")
    found.add("rate difference", abs(stepped - swung), "Hz")
    steps, swings = peaks(up, rate) / rate, peaks(swing, rate) / rate
    if not len(steps) or not len(swings):
        return
    nearest = swings[np.abs(swings[None] - steps[:, None]).argmin(axis=1)] - steps
    lags = nearest[np.abs(nearest) <= _TOGETHER]
    found.add("steps with a swing", len(lags) / len(steps))
    if len(lags):
        found.add("lag mean", lags.mean(), "s")
        found.add("lag size", np.median(np.abs(lags)), "s")
        found.add("lag consistency", np.abs(np.exp(2j * np.pi * stepped * lags).mean()))


# Signals -----------------------------------------------------------------------------------------


def band(rows: Float, rate: float, low: float, high: float) -> Float:
    """Return what lies between two frequencies, without delay, whatever the length and the rate.

    The rows are continued by their mirror images, so that their ends are not joined by a jump; the
    edges of the band fall off over a tenth of an octave or so.
    """
    n = rows.shape[-1]
    mirrored = np.concatenate([rows, rows[..., ::-1]], axis=-1)
    frequency = np.fft.rfftfreq(2 * n, 1 / rate)
    gain = np.ones_like(frequency)
    if low > 0:
        gain *= 1 / (1 + (low / np.maximum(frequency, 1e-9)) ** 8)
    if high < rate / 2:
        gain *= 1 / (1 + (frequency / high) ** 8)
    spectrum = np.fft.rfft(mirrored, axis=-1) * gain
    return np.asarray(np.fft.irfft(spectrum, 2 * n, axis=-1)[..., :n])


def power(row: Float, rate: float, low: float, high: float) -> float:
    """Return the power of a row between two frequencies, in squares of its unit."""
    window = np.hanning(len(row) + 2)[1:-1]
    padded = 4 * len(row)
    spectrum = np.abs(np.fft.rfft((row - row.mean()) * window, padded)) ** 2
    frequency = np.fft.rfftfreq(padded, 1 / rate)
    inside = (frequency >= low) & (frequency <= high)
    return float(2 * spectrum[inside].sum() / (padded * (window @ window)))


def frequency_of(rows: Float, rate: float, low: float, high: float) -> float:
    """Return the root mean square frequency of some rows together, between two frequencies.

    The rms of the derivative over that of the signal and 2π: how quick a movement is, however
    strong. NaN where there is none.
    """
    window = np.hanning(rows.shape[-1] + 2)[1:-1]
    centred = rows - rows.mean(axis=-1, keepdims=True)
    spectrum = (np.abs(np.fft.rfft(centred * window, axis=-1)) ** 2).sum(axis=0)
    frequency = np.fft.rfftfreq(rows.shape[-1], 1 / rate)
    spectrum = spectrum * ((frequency >= low) & (frequency <= high))
    total = spectrum.sum()
    return float(np.sqrt(frequency**2 @ spectrum / total)) if total > 1e-6 else float("nan")


def strongest(row: Float, rate: float, low: float, high: float) -> float | None:
    """Return the strongest frequency between two; None if the row is too short or is silent."""
    if len(row) / rate * low < 1.5 and len(row) / rate * high < 3:
        return None
    window = np.hanning(len(row) + 2)[1:-1]
    padded = 8 * len(row)
    spectrum = np.abs(np.fft.rfft((row - row.mean()) * window, padded))
    frequency = np.fft.rfftfreq(padded, 1 / rate)
    inside = (frequency >= low) & (frequency <= min(high, rate / 2))
    if not inside.any() or spectrum[inside].max() < 1e-6:
        return None
    return float(frequency[inside][spectrum[inside].argmax()])


def peaks(row: Float, rate: float) -> NDArray[np.int64]:
    """Return the samples of clear maxima at least a quarter of a second apart."""
    from scipy.signal import find_peaks

    spread = float(np.median(np.abs(row - np.median(row))))
    least = max(0.6 * spread, 0.4 * _rms(row), 1e-6)
    found, _ = find_peaks(row, distance=max(1, round(_APART * rate)), prominence=least)
    return np.asarray(found, dtype=np.int64)


def _heading(acc: Float) -> Float:
    """Return the rotation about up that puts the longest horizontal direction first, (2, 2)."""
    level = acc[:2] - acc[:2].mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(level @ level.T)
    along = axes[:, 1]
    strides = along @ level
    # The longer swing counts as forward: otherwise either end would do.
    if abs(strides.min()) > strides.max():
        along = -along
    return np.stack([along, [-along[1], along[0]]])


def _along(rows: Float, heading: Float) -> Float:
    return np.concatenate([heading @ rows[:2], rows[2:]])


def _size(rows: Float) -> Float:
    return np.asarray(np.linalg.norm(rows, axis=0))


def _rms(row: Float) -> float:
    return float(np.sqrt(np.mean(row**2)))
