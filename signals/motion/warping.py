"""How far apart two movements are, whatever their pace: dynamic time warping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.recording import Array

Float = NDArray[np.float64]


def warping_distances(x: Array | Float, y: Array | Float, band: float = 0.1) -> Float:
    """Return the dependent DTW distance of every sequence of `x` to every one of `y`.

    All channels are warped together (Shokoohi-Yekta et al., DMKD 2017). `x` (n, n_channels,
    n_steps) and `y` (m, n_channels, n_steps) are of one length; `band` is the half width of the
    Sakoe–Chiba band as a share of it. Returns shape (n, m).
    """
    from dtaidistance import dtw_ndim

    series = np.concatenate([x, y]).transpose(0, 2, 1).astype(np.float64, order="C")
    block = ((0, len(x)), (len(x), len(series)))
    window = round(band * x.shape[2]) + 1  # shifts smaller than this; 1 is the diagonal
    flat = dtw_ndim.distance_matrix_fast(
        series, window=window, block=block, compact=True, parallel=False
    )
    return np.asarray(flat, dtype=np.float64).reshape(len(x), len(y))


def equally_long(
    quantities: Sequence[Array],
    t: Float,
    steps: int,
    relative: bool = True,
    seconds: float | None = None,
) -> Array:
    """Return all rows of some quantities at `steps` equal times, shape (n_rows, steps).

    Every physical quantity (n_axes, n_samples) is divided by its root mean square over the
    recording: size and speed of writing are personal, direction is not. Where strength says what
    was done, `relative` is false and the units stay. The times are those of the whole recording, or
    the middles of steps of `seconds`, with zeros where it has ended.
    """
    where = np.linspace(t[0], t[-1], steps)
    if seconds is not None:
        where = t[0] + (np.arange(steps) + 0.5) * (seconds / steps)
    rows = [
        np.interp(where, t, row / (np.sqrt(np.mean(quantity**2)) + 1e-9 if relative else 1.0))
        for quantity in quantities
        for row in quantity
    ]
    over = where > t[-1] + (t[-1] - t[0]) / (len(t) - 1)  # a sample lasts until the next
    return np.where(over, 0.0, np.stack(rows)).astype(np.float32)
