"""Figures and levels of many channels at once, over what is present of them.

A *level* is the mean of a channel over a bin of time. The signal between two samples is the line
between them, so that the same movement has the same levels at any sampling rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EXACT = 6
"""Digits of a level that count: float32 and another sampling rate change the rest."""


def present_of(rec: Recording, missing: Mask | None) -> Mask:
    """Return where values are present, shape (n_channels, n_samples)."""
    if missing is None:
        return np.ones(rec.data.shape, dtype=bool)
    given = np.asarray(missing)
    if given.dtype != bool or given.shape not in (rec.data.shape, rec.t.shape):
        raise InputError(
            f"recording '{rec.id}': a mask of {given.dtype} {given.shape}: need true and false in "
            f"{rec.data.shape} or {rec.t.shape}, true where a value is missing"
        )
    present = np.broadcast_to(~given, rec.data.shape)
    if not present.any():
        raise InputError(
            f"recording '{rec.id}': every value is missing: leave it out", "every value is missing"
        )
    return present


def figures_of(data: Values, present: Mask | None) -> tuple[Values, Values]:
    """Return mean, deviation, least and greatest, and which share is missing.

    Parameters
    ----------
    data : ndarray, shape (n, channels, samples)
        Zero where missing.
    present : ndarray of bool, same shape, or None
        None where nothing is missing.

    Returns
    -------
    figures : ndarray, shape (n, channels, 4)
    share : ndarray, shape (n, channels)
    """
    if present is None:
        parts = [data.mean(axis=2), data.std(axis=2), data.min(axis=2), data.max(axis=2)]
        return np.stack(parts, axis=2), np.zeros(data.shape[:2])
    count = present.sum(axis=2)
    mean = data.sum(axis=2) / np.maximum(count, 1)
    square = (np.where(present, data - mean[..., None], 0.0) ** 2).sum(axis=2)
    least = np.where(present, data, np.inf).min(axis=2)
    most = np.where(present, data, -np.inf).max(axis=2)
    parts = [mean, np.sqrt(square / np.maximum(count, 1)), least, most]
    return np.stack(parts, axis=2), 1 - count / data.shape[2]


def levels_of(
    t: Values,
    data: Values,
    present: Mask | None,
    edges: Values,
    share: float,
    lines: Mask | None = None,
) -> Values:
    """Return the mean over each bin of the line through the samples, shape (n, channels, bins).

    Only lines between two samples that are present count, and of `lines`, shape (samples - 1,),
    those that are true; a level is missing (nan) where they cover less than `share` of its bin.
    """
    if len(edges) < 2:
        return np.empty((*data.shape[:2], 0))
    dt = np.diff(t)
    area = 0.5 * (data[..., 1:] + data[..., :-1]) * dt
    place = np.clip(np.searchsorted(t, edges, "right") - 1, 0, len(dt) - 1)
    after = edges - t[place]
    slope = np.diff(data, axis=2)[..., place] / np.maximum(dt[place], 1e-12)
    part = after * (data[..., place] + 0.5 * slope * after)
    width = np.diff(edges)
    lines = np.ones(len(dt), dtype=bool) if lines is None else lines
    if present is None and lines.all():
        return np.asarray(np.diff(_summed(area)[..., place] + part, axis=2) / width)
    if present is None:
        present = np.ones(data.shape, dtype=bool)
    both = present[..., 1:] & present[..., :-1] & lines
    total = np.diff(_summed(area * both)[..., place] + part * both[..., place], axis=2)
    seen = np.diff(_summed(dt * both)[..., place] + after * both[..., place], axis=2)
    enough = (seen >= share * width - 1e-9) & (seen > 0)
    return np.where(enough, total / np.maximum(seen, 1e-12), np.nan)


def extremes(levels: Values) -> tuple[Values, Values]:
    """Return least and greatest along the last axis; inf and -inf where all is missing."""
    if np.isfinite(levels).all() and levels.shape[-1]:
        return levels.min(axis=-1), levels.max(axis=-1)
    known = np.isfinite(levels)
    low = np.where(known, levels, np.inf).min(axis=-1, initial=np.inf)
    return low, np.where(known, levels, -np.inf).max(axis=-1, initial=-np.inf)


def _summed(values: Values) -> Values:
    """Return the sum of all before each place along the last axis, beginning with 0."""
    total: Values = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=total[..., 1:])
    return total


def rounded(levels: Values) -> Values:
    """Round levels to `_EXACT` digits of their channel's largest one."""
    low, high = extremes(levels)
    most = np.maximum(np.abs(np.where(np.isfinite(low), low, 0)), np.abs(high))
    most = np.where(np.isfinite(most) & (most > 0), most, 1.0)
    unit = 10.0 ** (np.floor(np.log10(most)) - _EXACT + 1)
    rounded: Values = np.round(levels / unit[..., None]) * unit[..., None]
    return rounded
