"""Windows of activities along gravity and across it, and the figures that describe them.

Mean gravity is turned to +z by the shortest rotation. What then is horizontal has no heading: a
phone turned in the pocket moves the axes, not the person. So the figures tell the vertical part,
the size of the horizontal part and whole magnitudes, none of which changes when the device is
turned about gravity. How the device hangs tells standing from sitting, though: mean and deviation
of its own channels stand beside them.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Float = NDArray[np.float64]

_UP = np.array([0.0, 0.0, 1.0])
_WEAK = 1.0
"""m/s²: a mean acceleration below it has no direction to speak of."""
_OPPOSITE = 1e-9
"""One plus the cosine of an angle below which the axis of the shortest turn is lost to rounding."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BANDS = (0.3, 0.8, 1.3, 1.8, 2.3, 2.8, 3.5, 4.5, 6.0, 8.0, 12.0)
"""Edges in Hz. Steps come at 1.5 to 2.5 a second; at 25 Hz nothing above 12.5 is recorded."""
_SILENT = 1e-8
"""Power below which a band counts as empty, in squares of m/s² or rad/s."""


def gravity_rotation(rec: Recording) -> Float:
    """Return the shortest rotation that turns the mean acceleration to +z, shape (3, 3).

    Where gravity points to −z every half turn about a horizontal axis is equally short: the one
    about x is taken.

    Raises
    ------
    InputError
        If the mean acceleration is too weak to be gravity.
    """
    mean = rec.acc.mean(axis=1, dtype=np.float64)
    strength = float(np.linalg.norm(mean))
    if strength < _WEAK:
        raise InputError(
            f"recording '{rec.id}': mean acceleration is {strength:.2f} m/s²: gravity (about "
            "9.81 m/s²) is missing; give acceleration with gravity included",
            "no gravity",
        )
    up = mean / strength
    cosine = float(up @ _UP)
    if 1 + cosine < _OPPOSITE:
        return np.diag([1.0, -1.0, -1.0])
    x, y, z = np.cross(up, _UP)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def align(rec: Recording) -> tuple[Float, Float | None]:
    """Return acceleration and rotation rate with mean gravity along +z, each (3, n_samples).

    The rotation rate is None without a gyroscope. Turning the device changes at most the heading:
    the third row and the length of the other two stay.
    """
    turn = gravity_rotation(rec)
    gyro = rec.gyro
    return turn @ rec.acc, None if gyro is None else turn @ gyro


def turnless(rows: Float) -> tuple[Float, Float, Float]:
    """Return the vertical part, the horizontal size and the magnitude of aligned rows."""
    level = np.hypot(rows[0], rows[1])
    return rows[2], level, np.hypot(level, rows[2])


def feature_names(gyroscope: bool = True) -> tuple[str, ...]:
    """Return what the figures of `features` are called, in their order."""
    sensors = ("acc", "gyro") if gyroscope else ("acc",)
    signals = [f"{sensor} {part}" for sensor in sensors for part in ("up", "level", "size")]
    of_each = [
        *("mean", "deviation", "change", *(f"quantile {q:g}" for q in QUANTILES)),
        *(f"power from {low:g} Hz" for low in BANDS[:-1]),
        *("peak frequency", "peak share"),
    ]
    return (
        *(f"{signal}: {figure}" for signal in signals for figure in of_each),
        *(f"{a} with {b}" for a, b in combinations(signals, 2)),
        *(f"{sensor} along: {axis}" for sensor in sensors for axis in ("most", "least")),
        *(f"{sensor}_{axis}: mean" for sensor in sensors for axis in "xyz"),
        *(f"{sensor}_{axis}: deviation" for sensor in sensors for axis in "xyz"),
    )


def features(rec: Recording) -> NDArray[np.float32]:
    """Return figures of one window in m/s², rad/s and Hz, as `feature_names` calls them.

    Of the vertical part, the size of the horizontal part and the whole magnitude of each sensor:
    mean, deviation, mean change a second, quantiles, power in bands (its logarithm), the strongest
    frequency and its share of the power; correlations between them; how far the horizontal part
    spreads along its longest and shortest direction. Of the device's own channels: mean and
    deviation. All but the last are the same however the device is turned about gravity, and, but
    for gravity's own direction, however it is held.

    A window at 25 Hz and the same at 50 Hz agree as far as the slower one can tell.
    """
    aligned = [rows for rows in align(rec) if rows is not None]
    own = [rec.acc] if rec.gyro is None else [rec.acc, rec.gyro]
    signals = np.stack([row for rows in aligned for row in turnless(rows)])
    figures = [
        _figures(signals, rec.rate).ravel(),
        _correlations(signals),
        *(_spread(rows[:2]) for rows in aligned),
        *(rows.mean(axis=1) for rows in own),
        *(rows.std(axis=1) for rows in own),
    ]
    return np.concatenate(figures, dtype=np.float32, casting="same_kind")


def _figures(rows: Float, rate: float) -> Float:
    """Return what is told of each signal over time, shape (n_signals, n_figures)."""
    change = np.abs(np.diff(rows)).sum(axis=1) * rate / max(1, rows.shape[1] - 1)
    plain = [rows.mean(axis=1), rows.std(axis=1), change, *np.quantile(rows, QUANTILES, axis=1)]
    return np.hstack([np.stack(plain, axis=1), _spectrum(rows, rate)])


def _spectrum(rows: Float, rate: float) -> Float:
    """Return the logarithm of the power in every band, the strongest frequency and its share."""
    n = rows.shape[1]
    window = np.hanning(n + 2)[1:-1]
    centred = (rows - rows.mean(axis=1, keepdims=True)) * window
    power = np.abs(np.fft.rfft(centred)) ** 2 / (n * (window @ window))
    frequency = np.fft.rfftfreq(n) * rate
    band = np.searchsorted(BANDS, frequency, side="right") - 1
    inside = band[:, None] == np.arange(len(BANDS) - 1)
    bands = power @ inside
    heard = power * inside.any(axis=1)
    best, total = heard.argmax(axis=1), bands.sum(axis=1)
    loud = total > _SILENT
    peak = np.where(loud, frequency[best], 0.0)
    share = np.where(loud, heard.max(axis=1) / np.maximum(total, _SILENT), 0.0)
    return np.column_stack([np.log(bands + _SILENT), peak, share])


def _correlations(rows: Float) -> Float:
    """Return the correlation of every two rows; 0 where one is constant."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1))
    scale = np.outer(size, size)
    product = centred @ centred.T
    found = np.divide(product, scale, out=np.zeros_like(product), where=scale > _SILENT)
    return np.asarray(found[np.triu_indices(len(rows), 1)])


def _spread(level: Float) -> Float:
    """Return the deviation along the longest and the shortest horizontal direction."""
    centred = level - level.mean(axis=1, keepdims=True)
    values = np.linalg.eigvalsh(centred @ centred.T / level.shape[1])[::-1]
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))
