"""Five fixed recordings whose every property is known from how they are made.

The tables of hand-written claims (`tests/data/claims_*.tsv`) speak about them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

Values = NDArray[np.float64]


def reach(distance: float, n: int, rate: float) -> Values:
    """Return the acceleration of a minimum-jerk reach over `distance` metres in `n` samples."""
    s, seconds = np.linspace(0, 1, n, endpoint=False), n / rate
    return np.asarray(distance / seconds**2 * (60 * s - 180 * s**2 + 120 * s**3))


def corner() -> Recording:
    """An L in mid-air, y up: rest .3 s, down .3 m in .5 s, right .2 m in .5 s, rest .3 s; 100 Hz.

    x is right. acc_y falls to 2.88 at 0.41 s and rises to 16.73 at 0.69 s; acc_x rises to 4.62 at
    0.91 s and falls to -4.62 at 1.19 s. Speed peaks at 1.125 m/s (0.55 s) and .75 m/s (1.05 s).
    """
    rest, none = np.zeros(30), np.zeros(50)
    x = np.concatenate([rest, none, reach(0.2, 50, 100), rest])
    y = np.concatenate([rest, -reach(0.3, 50, 100), none, rest])
    return _recording("corner", 100, [x, y + STANDARD_GRAVITY, 0 * x], turning=True, case="3d")


def table() -> Recording:
    """A mark on a table, z up: left .1 m, pause .4 s, away .2 m, right .3 m; 100 Hz, 2.39 s.

    x is right, y away from the writer. Rest .2 s, .4 s left (acc_x from -3.61 at 0.28 s to 3.61 at
    0.52 s), pause 0.6-1.0 s, .5 s away (acc_y 4.62 at 1.11 s, -4.62 at 1.39 s), .6 s right
    (acc_x 4.81 at 1.63 s, -4.81 at 1.97 s), rest from 2.1 s. acc_z stays at 9.81.
    """
    z = np.zeros
    x = np.concatenate([z(20), -reach(0.1, 40, 100), z(90), reach(0.3, 60, 100), z(30)])
    y = np.concatenate([z(100), reach(0.2, 50, 100), z(90)])
    return _recording("table", 100, [x, y, 0 * x + STANDARD_GRAVITY], turning=True, case="2d")


def still() -> Recording:
    """A watch lying on its side for 2 s at 50 Hz: gravity on -x, noise of .02 m/s²."""
    rng = np.random.default_rng(0)
    acc = rng.normal(scale=0.02, size=(3, 101))
    acc[0] -= STANDARD_GRAVITY
    return _recording("still", 50, list(acc), turning=True)


def shake() -> Recording:
    """Four shakes without gyroscope, 4 s at 50 Hz: acc_x = 6 sin(2π 2 t) from 1 to 3 s; z up.

    acc_x has four maxima of 6 m/s² (1.12 s … 2.62 s) and four minima of -6 m/s²; acc_y swings
    with 1.5 m/s² at the same 2 Hz; acc_z stays at 9.81.
    """
    t = np.arange(201) / 50
    swing = np.where((t >= 1) & (t <= 3), np.sin(2 * np.pi * 2 * t), 0)
    return _recording("shake", 50, [6 * swing, 1.5 * swing, 0 * t + STANDARD_GRAVITY])


def twist() -> Recording:
    """A phone lying flat, turned there and back, 3 s at 50 Hz; gravity on z, no other force.

    gyro_z is half a sine of +2 rad/s (115 deg/s) from 0.5 to 1.0 s and of -1 rad/s from 1.5 to
    2.5 s: 0.637 rad one way and the same back.
    """
    t = np.arange(151) / 50
    turn = np.where((t >= 0.5) & (t <= 1.0), 2 * np.sin(np.pi * (t - 0.5) / 0.5), 0)
    turn -= np.where((t >= 1.5) & (t <= 2.5), np.sin(np.pi * (t - 1.5)), 0)
    acc = [0 * t, 0 * t, 0 * t + STANDARD_GRAVITY]
    return _recording("twist", 50, acc, gyro=[0 * t, 0 * t, turn])


@cache
def fixed_recordings() -> dict[str, Recording]:
    """Return the five by name."""
    return {rec.id: rec for rec in (corner(), table(), still(), shake(), twist())}


def _recording(
    name: str,
    rate: float,
    acc: list[Values],
    gyro: list[Values] | None = None,
    turning: bool = False,
    case: str = "",
) -> Recording:
    if turning:
        gyro = [0 * acc[0]] * 3
    rows = np.stack([*acc, *(gyro or [])])
    channels = ACC + GYRO if gyro else ACC
    return Recording(name, rows, channels, np.arange(rows.shape[1]) / rate, case=case)
