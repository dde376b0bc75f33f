"""A movement of a sensor on an even clock, and what can be done to it without breaking physics.

Every change is made to path and orientation together: accelerations are the second derivatives of
the path, rotation rates those of the orientation, whatever was slowed down, turned or added. So
an accelerometer and a gyroscope on the changed movement agree as on a real one.

World rows are right, up, forward, a left-handed triple: `orientation` has determinant −1. Rotation
in the world is told by its right-handed rate about each of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.motion.frames import orientations

Float = NDArray[np.float64]

_RIGHT_FORWARD_UP = [0, 2, 1]


@dataclass(frozen=True)
class Movement:
    """Path and orientation at even times from 0 s.

    Attributes
    ----------
    dt : float
        Seconds between samples.
    position, velocity, acceleration : ndarray, shape (3, n)
        In the world, without gravity: m, m/s, m/s².
    orientation : ndarray, shape (n, 3, 3)
        Device axes to world.
    spin : ndarray, shape (3, n)
        Rotation rate about the world's right, up, forward, rad/s.
    """

    dt: float
    position: Float
    velocity: Float
    acceleration: Float
    orientation: Float
    spin: Float

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.spin.shape[1])

    @property
    def t(self) -> Float:
        """Seconds from the start, shape (n,)."""
        return np.asarray(np.arange(self.n) * self.dt)

    @property
    def rotation_rate(self) -> Float:
        """Rotation rate in device axes, rad/s, shape (3, n): what a perfect gyroscope reads."""
        return np.asarray(np.einsum("nij,in->jn", self.orientation, self.spin))

    def scaled(self, size: float, tempo: float) -> Movement:
        """Return it `size` times as large and `tempo` times as long."""
        return replace(
            self,
            dt=self.dt * tempo,
            position=size * self.position,
            velocity=size / tempo * self.velocity,
            acceleration=size / tempo**2 * self.acceleration,
            spin=self.spin / tempo,
        )

    def slowed(self, at: float, seconds: float, width: float = 0.03) -> Movement:
        """Return it with a pause of so many seconds about the time `at`, entered smoothly.

        The same path at another pace s: v' = s·v, hence a' = s²·a + s·(ds/dt)·v.
        """
        from scipy.special import ndtr

        later = self.t + seconds * ndtr((self.t - at) / width)
        pace = self.dt / np.gradient(later)
        slope = np.gradient(pace, self.dt)
        slow = [
            self.position,
            pace * self.velocity,
            pace**2 * self.acceleration + pace * slope * self.velocity,
            pace * self.spin,
        ]
        t = np.arange(int((later[-1] - later[0]) / self.dt) + 1) * self.dt + later[0]
        position, velocity, acceleration, spin = (_at(t, later, rows) for rows in slow)
        first = self.orientation[0]
        return Movement(
            self.dt, position, velocity, acceleration, _turned(first, spin, self.dt), spin
        )

    def swung(self, times: float, rolled: float) -> Movement:
        """Return the same path with a device that turns `times` as far as it did.

        About the forward axis it turns `rolled` as far. The orientation in the middle stays.
        """
        spin = np.array([[times], [times], [rolled]]) * self.spin
        middle = self.n // 2
        turned = _turned(self.orientation[middle], spin, self.dt, middle)
        return replace(self, spin=spin, orientation=turned)

    def leaning(self, slope: float, device: float) -> Movement:
        """Return it with its plane leaning forward by `slope` radians, the device by `device`.

        Up in the letter is the world's up at 0 and forward, away from the writer, at π/2.
        """
        path, held = _lean(slope), _lean(device)
        return replace(
            self,
            position=path @ self.position,
            velocity=path @ self.velocity,
            acceleration=path @ self.acceleration,
            orientation=held @ self.orientation,
            spin=held @ self.spin,
        )

    def extended(self, start: Reach | None, end: Reach | None) -> Movement:
        """Return it after a move from rest and before one to rest.

        A move's path is of the fifth degree, the one of least jerk that begins at rest and goes
        over into the movement with its velocity and acceleration (Flash & Hogan 1985, as in
        `simulate.hand`).
        """
        before = _moves(self, start, 0)
        after = [
            rows[:, ::-1] * sign for rows, sign in zip(_moves(self, end, -1), _BACK, strict=True)
        ]
        own = (self.position, self.velocity, self.acceleration, self.spin)
        rows = [np.concatenate(parts, axis=1) for parts in zip(before, own, after, strict=True)]
        place = before[0].shape[1]
        turned = _turned(self.orientation[0], rows[3], self.dt, place)
        position, velocity, acceleration, spin = rows
        position = position - position[:, :1]
        return Movement(self.dt, position, velocity, acceleration, turned, spin)

    def shifted(self, offset: Float) -> Movement:
        """Return how a point moves that is held `offset` metres (3,) away in device axes."""
        rate = self.rotation_rate
        turning = np.gradient(rate, self.dt, axis=1)
        # The device's own axes are a right-handed triple, so cross products are taken there.
        swing = np.cross(rate, offset, axis=0)
        pull = np.cross(turning, offset, axis=0) + np.cross(rate, swing, axis=0)
        world = self.orientation @ offset
        return replace(
            self,
            position=self.position + (world - world[0]).T,
            velocity=self.velocity + np.einsum("nij,jn->in", self.orientation, swing),
            acceleration=self.acceleration + np.einsum("nij,jn->in", self.orientation, pull),
        )

    def mounted(self, mount: Float) -> Movement:
        """Return it for a device whose axes `mount` (3, 3) turns into those of this one."""
        return replace(self, orientation=self.orientation @ mount)

    def cut(self, first: int, stop: int) -> Movement:
        """Return the samples from `first` to before `stop`, which may lie beyond the end: rest."""
        rows = [self.position, self.velocity, self.acceleration, self.spin]
        more = max(0, stop - self.n)
        still = [
            np.pad(row, ((0, 0), (0, more)), mode="edge" if i == 0 else "constant")
            for i, row in enumerate(rows)
        ]
        turned = np.concatenate([self.orientation, np.repeat(self.orientation[-1:], more, axis=0)])
        position, velocity, acceleration, spin = (row[:, first:stop] for row in still)
        position = position - position[:, :1]
        return Movement(self.dt, position, velocity, acceleration, turned[first:stop], spin)

    def at(self, t: Float) -> Movement:
        """Return it at any times within; `dt` and `t` lose their meaning."""
        own = self.t
        flat = _at(t, own, self.orientation.reshape(self.n, 9).T).T.reshape(-1, 3, 3)
        u, _, v = np.linalg.svd(flat)
        return Movement(
            dt=self.dt,
            position=_at(t, own, self.position),
            velocity=_at(t, own, self.velocity),
            acceleration=_at(t, own, self.acceleration),
            orientation=u @ v,
            spin=_at(t, own, self.spin),
        )


@dataclass(frozen=True)
class Reach:
    """A move between a resting place and a movement.

    Attributes
    ----------
    place : ndarray, shape (3,)
        The resting place, from the end of the movement that it belongs to, m.
    turn : ndarray, shape (3,)
        How far the device turns from resting to moving about right, up, forward, rad.
    seconds, idle : float
        How long the move takes, and the rest on its far side.
    tremble : callable
        Draws oscillations of unit power in a frequency band, shape (3, n).
    """

    place: Float
    turn: Float
    seconds: float
    idle: float
    tremble: Callable[[int, float], Float]


_BACK = (1.0, -1.0, 1.0, 1.0)
"""What running a move backwards does to position, velocity, acceleration, and spin as drawn."""
_WOBBLE = 0.02  # rad/s, root mean square, of a hand that waits


def _moves(movement: Movement, reach: Reach | None, end: int) -> list[Float]:
    """Return position, velocity, acceleration and spin from rest to one end of a movement."""
    if reach is None:
        return [np.zeros((3, 0))] * 4
    n = max(2, round(reach.seconds / movement.dt))
    wait = round(reach.idle / movement.dt)
    total = n * movement.dt
    tau = np.arange(n) / n
    # Seen from the movement's end, a move to rest is one from rest with time turned round.
    speed = movement.velocity[:, end] * (1.0 if end == 0 else -1.0)
    h, v, a = -reach.place, speed * total, movement.acceleration[:, end] * total**2
    c = np.stack([10 * h - 4 * v + a / 2, -15 * h + 7 * v - a, 6 * h - 3 * v + a / 2], axis=1)
    path = c @ np.stack([tau**3, tau**4, tau**5])
    pace = c @ np.stack([3 * tau**2, 4 * tau**3, 5 * tau**4]) / total
    push = c @ np.stack([6 * tau, 12 * tau**2, 20 * tau**3]) / total**2
    bell = 30 * tau**2 * (1 - tau) ** 2 / total
    ramp = tau**3 * (10 - 15 * tau + 6 * tau**2)
    turn = reach.turn * (1.0 if end == 0 else -1.0)
    spin = np.outer(turn, bell) + np.outer(movement.spin[:, end], ramp)
    place = movement.position[:, end] + reach.place
    rows: list[Float] = [path + place[:, None], pace, push, spin]
    rows = [
        np.pad(row, ((0, 0), (wait, 0)), mode="edge" if i == 0 else "constant")
        for i, row in enumerate(rows)
    ]
    rows[3] += _WOBBLE * reach.tremble(n + wait, movement.dt)
    return rows


def _turned(anchor: Float, spin: Float, dt: float, place: int = 0) -> Float:
    """Integrate a spin in the world to orientations; at sample `place` it is `anchor`."""
    # Rᵀ turns in its own axes by −spin: d(Rᵀ)/dt = Rᵀ (−spin)×, in right-handed world axes.
    inverse = orientations(-spin[_RIGHT_FORWARD_UP], np.full(spin.shape[1] - 1, dt))
    turned = np.transpose(inverse, (0, 2, 1)) @ (inverse[place] @ anchor[_RIGHT_FORWARD_UP])
    return np.asarray(turned[:, _RIGHT_FORWARD_UP])


def _lean(angle: float) -> Float:
    """Turn the world's up towards its forward."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])


def _at(t: Float, grid: Float, rows: Float) -> Float:
    return np.stack([np.interp(t, grid, row) for row in rows])
