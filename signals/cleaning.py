"""Cleaning as explicit steps: drop held values, resample to a fixed rate, trim idle ends.

Every step looks at whole sensors (three axes together) and at norms only, so it does the same to
a recording however the device was held.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import GYRO, SENSORS, Recording

Float = NDArray[np.float64]

MAX_HOLD = 0.1
"""Seconds: a value that stays longer is stillness or a stuck sensor, not sample-and-hold."""


class CleanConfig(Config):
    """How recordings are cleaned before anything else looks at them."""

    rate: float = Field(default=50.0, ge=2, le=20_000)
    """Hz after cleaning; handwriting has little above 10 Hz."""
    gyroscope: bool = True
    """Use the gyroscope where there is one; false reads everything by its accelerometer alone."""
    drop_repeats: bool = True
    """Undo sample-and-hold: rows written faster than the sensor delivers."""
    trim: bool = True
    """Cut the quiet head and tail."""
    trim_threshold: float = Field(default=0.3, ge=0, lt=1)
    """Movement, as a share of the recording's own peak, below which it counts as quiet. On
    CharSense, lower thresholds keep the reach towards the letter and cost accuracy."""
    trim_margin: float = Field(default=0.06, ge=0, allow_inf_nan=False)
    """Seconds of quiet kept on either side of the movement."""
    min_duration: float = Field(default=0.2, gt=0, allow_inf_nan=False)
    """Seconds: trimming keeps at least this much; a shorter recording is refused."""
    max_gap: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    """Seconds without a sample that interpolation may bridge; a longer gap is refused."""


def clean(rec: Recording, config: CleanConfig = CleanConfig()) -> Recording:
    """Bring a recording to a fixed rate, without held values and idle ends.

    Parameters
    ----------
    rec : Recording
        As read from a file.
    config : CleanConfig
        Which steps, and their thresholds.

    Returns
    -------
    Recording
        At ``config.rate``, starting at 0 s.

    Raises
    ------
    InputError
        If the recording is shorter than `min_duration` or has a gap longer than `max_gap`.
    """
    if rec.duration < config.min_duration:
        raise InputError(
            f"recording '{rec.id}': lasts {rec.duration:.3f} s: at least {config.min_duration:g} s "
            "are needed (clean.min_duration)",
            "too short",
        )
    if not config.gyroscope:
        rec = without_gyroscope(rec)
    if config.drop_repeats:
        rec = drop_repeats(rec)
    rec = resample(rec, config.rate, config.max_gap)
    if config.trim:
        rec = trim_idle(rec, config)
    return rec


def without_gyroscope(rec: Recording) -> Recording:
    """Return a recording with what its accelerometer alone tells."""
    kept = tuple(name for name in rec.channels if name not in GYRO)
    return rec if kept == rec.channels else rec.replace(data=rec.select(kept), channels=kept)


def drop_repeats(rec: Recording) -> Recording:
    """Drop the rows that a sample-and-hold writer repeated.

    Rows in which no sensor has a new value go; the first and the last row stay. Sensors that
    refresh at different times leave rows where only some are new: there, a held value is replaced
    by the line between that sensor's own new values, which takes the staircase out of it.

    Values held longer than `MAX_HOLD` are kept: that is a device at rest.
    """
    groups = [names for names in SENSORS.values() if set(names) <= set(rec.channels)]
    fresh = [fresh_samples(rec.select(names), rec.t) for names in groups]
    if all(new.all() for new in fresh):
        return rec
    data = rec.data.copy()
    for names, new in zip(groups, fresh, strict=True):
        for row in (rec.channels.index(name) for name in names):
            data[row, ~new] = np.interp(rec.t[~new], rec.t[new], rec.data[row, new])
    keep = np.logical_or.reduce(fresh)
    keep[-1] = True
    return rec.replace(data=data[:, keep], t=rec.t[keep])


def fresh_samples(values: NDArray[np.float32], t: Float) -> NDArray[np.bool_]:
    """Tell which samples of one sensor (n_axes, n_samples) are new, not held from the one before.

    In a run held longer than `MAX_HOLD` seconds every sample counts as new; the first always does.
    """
    # Rotating equal samples may round them differently in the last bits, hence a tolerance.
    same = np.abs(np.diff(values)) <= 1e-6 * np.abs(values).max()
    fresh = np.concatenate([[True], ~same.all(axis=0)])
    starts = np.flatnonzero(fresh)
    ends = np.append(t[starts[1:]], t[-1])
    long = ends - t[starts] > MAX_HOLD
    return np.asarray(fresh | long[np.cumsum(fresh) - 1])


def resample(rec: Recording, rate: float, max_gap: float = 0.5) -> Recording:
    """Bring a recording to `rate` Hz; the first sample becomes 0 s.

    Linear interpolation onto the new clock; samples at the same time are averaged. A recording
    faster than `rate` is first low-passed without delay, so that nothing above half the new rate
    folds back. Refuses a recording without extent in time, or with a gap above `max_gap` seconds.
    """
    if not rate > 0:
        raise InputError(f"resample: rate {rate:g} Hz is not positive: 50 is usual")
    t, data = _merge_same_time(rec.t - rec.t[0], rec.data.astype(np.float64))
    if t[-1] <= 0:
        raise InputError(
            f"recording '{rec.id}': has no extent in time: it cannot be resampled", "too short"
        )
    dt = np.diff(t)
    widest = int(dt.argmax())
    if dt[widest] > max_gap:
        raise InputError(
            f"recording '{rec.id}': a gap of {dt[widest]:.3f} s at {t[widest]:.3f} s exceeds "
            f"{max_gap:g} s: split the recording there or raise clean.max_gap",
            "a gap",
        )
    # A whole multiple of the new rate at least as fast as the old one; picking every k-th
    # sample then lands exactly on the new clock.
    k = max(1, int(np.ceil(1 / (np.median(dt) * rate) - 0.05)))
    # The allowance keeps the last sample when t[-1] is a whole number of steps up to rounding.
    n = int(t[-1] * rate * k + 1e-3) + 1
    fine = np.arange(n) / (rate * k)
    values = np.stack([np.interp(fine, t, row) for row in data])
    if k > 1:
        from scipy.ndimage import convolve1d

        # Symmetric, so without delay; passes up to 0.8 of what every k-th sample can carry.
        values = convolve1d(values, _kernel(k), axis=1, mode="nearest")[:, ::k]
    return rec.replace(data=values.astype(np.float32), t=np.arange(values.shape[1]) / rate)


def trim_idle(rec: Recording, config: CleanConfig = CleanConfig()) -> Recording:
    """Cut the quiet head and tail of a recording at a fixed rate; its first sample becomes 0 s.

    Movement is the larger of two norms, each relative to its own peak in this recording: the
    rotation rate, and the deviation of acceleration from its mean over about half a second.
    """
    first, last = moving_span(rec, config)
    return rec.part(first, last + 1)


def moving_span(rec: Recording, config: CleanConfig = CleanConfig()) -> tuple[int, int]:
    """Return the first and the last sample that `trim_idle` keeps."""
    rate = rec.rate
    moving = np.flatnonzero(_movement(rec, rate) > config.trim_threshold) if rate else np.empty(0)
    if not moving.size:
        return 0, rec.n_samples - 1
    pad = round(config.trim_margin * rate)
    first, last = max(0, moving[0] - pad), min(rec.n_samples - 1, moving[-1] + pad)
    least = int(np.ceil(config.min_duration * rate - 1e-6))
    if last - first < least:
        # Centred on the movement, but inside the recording.
        first = max(0, min((first + last - least) // 2, rec.n_samples - 1 - least))
        last = min(rec.n_samples - 1, first + least)
    return int(first), int(last)


def _movement(rec: Recording, rate: float) -> Float:
    """Movement at each sample relative to the recording's peak, shape (n_samples,)."""
    acc = rec.acc.astype(np.float64)
    norms = [np.linalg.norm(acc - _moving_mean(acc, round(0.5 * rate)), axis=0)]
    if rec.gyro is not None:
        norms.append(np.linalg.norm(rec.gyro.astype(np.float64), axis=0))
    # A tap on the record button is one spike: smooth, and measure the peak by a percentile.
    smooth = [_moving_mean(norm[None], round(0.1 * rate))[0] for norm in norms]
    peaks = [np.sort(norm)[int(0.95 * (len(norm) - 1))] for norm in smooth]
    shares = [norm / peak for norm, peak in zip(smooth, peaks, strict=True) if peak > 0]
    return np.max(shares, axis=0) if shares else np.zeros(rec.n_samples)


def _moving_mean(values: Float, width: int) -> Float:
    """Centred mean over up to `width` samples (fewer at the ends), shape as `values`."""
    n = values.shape[1]
    half = max(0, width // 2)
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    first = np.maximum(np.arange(n) - half, 0)
    last = np.minimum(np.arange(n) + half + 1, n)
    return np.asarray((total[:, last] - total[:, first]) / (last - first))


def _merge_same_time(t: Float, data: Float) -> tuple[Float, Float]:
    """Average the samples that carry the same time."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(t) > 0]))
    if len(starts) == len(t):
        return t, data
    counts = np.diff(np.append(starts, len(t)))
    return t[starts], np.asarray(np.add.reduceat(data, starts, axis=1) / counts)


@lru_cache(maxsize=64)
def _kernel(k: int) -> Float:
    """Hamming-windowed sinc of unit gain: scipy.signal.firwin, whose import takes half a second."""
    n = np.arange(-6 * k, 6 * k + 1)
    taps = np.sinc(0.8 / k * n) * np.hamming(12 * k + 1)
    return np.asarray(taps / taps.sum())
