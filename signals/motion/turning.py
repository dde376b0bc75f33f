"""Whether gravity turns with the gyroscope: mirrored or swapped axes and wrong units show in data.

When a device turns, gravity turns the other way in its axes: dg/dt = −ω × g. A hand accelerates as
well, but mostly as the end of something that turns, an arm, a wrist, a pen: a = α × ρ + ω × (ω × ρ)
with a lever ρ that hardly changes in a few seconds. So over a short window the accelerometer reads

    f(t) = R(t)ᵀ g₀ + (α× + ω× ω×) ρ,        Ṙ = R ω×,

linear in the two unknown vectors g₀ and ρ, and what is left over says how well a gyroscope fits.
That is asked for the gyroscope as recorded, for the 47 others that have axes swapped or signs
turned over, and for each of these in deg/s read as rad/s or the reverse. Where another one fits
clearly better, acceleration and rotation rate contradict each other.

Two things can't be told so: the sign of all of acceleration (R and ω stay as they are), and axes
that the device never turned gravity about.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.cleaning import drop_repeats, resample
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Recording

Float = NDArray[np.float64]

_RATE = 50.0
_WINDOW = 3.0
"""Seconds: long enough to turn, short enough for the gyroscope's drift and for one lever."""
_LEAST = 0.5
_PER_RECORDING = 3
_SMOOTH = 7
"""Samples of the window that both sides are smoothed with; α is a derivative."""
_LEVER = 0.1
"""Squares of (m/s²)/m: a lever of metres costs, or a tiny rotation on a huge one fits anything."""
_FLOOR = 0.02
"""Squares of m/s²: sensor noise, below which a better fit says nothing."""
_DEGREES = 180 / math.pi
_SCALES = (1.0, _DEGREES, 1 / _DEGREES)
_FEW = 8
"""Windows from which on their agreement is judged by its standard error."""
_GAIN, _SURE = 0.25, 5.0
"""Many windows: what is left over falls by a fifth on average, by five standard errors."""
_GAIN_ALONE = 2.0
"""Few windows: what is left over falls to a seventh."""
_MORE = 0.02
"""A gyroscope in deg/s is one that turns a little: it fits better than one that does not turn."""
_STILL = (
    "gravity stays where it is though the gyroscope turns: is its unit right, and are both of one "
    "device?"
)


def _turns() -> Float:
    """Return the 24 rotations that swap and turn over axes, the identity first."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))
            turn[np.arange(3), order] = signs
            if np.linalg.det(turn) > 0:
                found.append(turn)
    return np.stack(found)


_TURNS = _turns()
# True rotation rate = scale × sign × turn × the recorded one; as recorded comes first.
_CANDIDATES = [(scale, sign * turn) for scale in _SCALES for sign in (1.0, -1.0) for turn in _TURNS]


@dataclass(frozen=True)
class Verdict:
    """What windows say about acceleration and rotation rate together.

    Attributes
    ----------
    windows : int
        How many were compared.
    agrees : bool
        The gyroscope fits as recorded, clearly better than one that does not turn at all.
    contradiction : str
        What fits clearly better than the gyroscope as recorded; empty if nothing does.
    """

    windows: int
    agrees: bool
    contradiction: str


def misfits(rec: Recording, most: int = _PER_RECORDING) -> Float:
    """Return how badly each gyroscope fits, for at most so many windows of a recording.

    Natural logarithms of the mean square left over, shape (n_windows, 1 + n_candidates): first a
    device that does not turn, then the candidates, as recorded the first. None without a
    gyroscope, or where the recording is too short or has gaps.
    """
    none = np.empty((0, 1 + len(_CANDIDATES)))
    if rec.gyro is None or rec.duration < _LEAST:
        return none
    try:
        rec = resample(drop_repeats(rec), _RATE)
    except InputError:
        return none
    n = rec.n_samples
    parts = np.array_split(np.arange(n), max(1, round(n / (_WINDOW * _RATE))))
    if len(parts) > most:
        parts = [parts[round(i)] for i in np.linspace(0, len(parts) - 1, most + 2)[1:-1]]
    acc, gyro = rec.select(ACC).astype(np.float64), rec.select(GYRO).astype(np.float64)
    # A phone that tells acceleration without gravity tells gravity, and no hand shakes it.
    free = set(LIN_ACC) <= set(rec.channels)
    force = acc - rec.select(LIN_ACC) if free else acc
    return np.stack([_left_over(force[:, i], gyro[:, i], lever=not free) for i in parts])


def judge(costs: Float) -> Verdict:
    """Judge windows of one device together, `costs` as `misfits` returns them, stacked."""
    n = len(costs)
    if not n:
        return Verdict(0, False, "")
    gains = costs[:, [1]] - costs
    mean = gains.mean(axis=0)
    error = gains.std(axis=0) / math.sqrt(n) + 1e-9
    clear = (mean > _GAIN) & (mean > _SURE * error) if n >= _FEW else mean > _GAIN_ALONE
    clear[0] = False
    agrees = bool(-mean[0] > _GAIN and (n < _FEW or -mean[0] > _SURE * error[0]))
    if not clear.any():
        return Verdict(n, agrees, "")
    best = int(np.where(clear, mean, -np.inf).argmax()) - 1
    scale, turn = _CANDIDATES[best]
    if scale < 1 and mean[best + 1] - mean[0] < _MORE:
        return Verdict(n, False, _STILL)
    return Verdict(n, False, _told(scale, turn))


def _left_over(force: Float, gyro: Float, lever: bool) -> Float:
    """Return the logarithm of what each candidate leaves over in one window.

    Turning a rotation rate by a rotation P turns R and the lever's matrix by P as well, so it
    leaves over what the unturned one does of Pᵀ f: six integrations serve all candidates.
    """
    read = _smooth(force)
    n = read.shape[1]
    ridge = np.diag([1e-9] * 3 + [_LEVER * n] * (3 if lever else 0))
    power = float((read**2).sum())
    left = [power - float((read.sum(axis=1) ** 2).sum()) / n]
    for scale in _SCALES:
        for sign in (1.0, -1.0):
            design = _design(sign * scale * gyro, lever)
            normal = np.einsum("nip,niq->pq", design, design) + ridge
            seen = np.einsum("nip,jn->pij", design, read)
            pull = np.einsum("pij,tji->tp", seen, _TURNS)
            found = np.linalg.solve(normal, pull.T).T
            left += list(power - (found * pull).sum(axis=1))
    return np.asarray(np.log(np.maximum(np.array(left) / n, 0) + _FLOOR))


def _design(gyro: Float, lever: bool) -> Float:
    """Return what multiplies g₀, and the lever after it: shape (n_samples, 3, 3 or 6)."""
    middle = (gyro[:, 1:] + gyro[:, :-1]) / (2 * _RATE)
    turned = np.concatenate([np.eye(3)[None], _rotations(middle)])
    shift = 1
    while shift < len(turned):
        turned[shift:] = turned[:-shift] @ turned[shift:]
        shift *= 2
    gravity = turned.transpose(0, 2, 1)
    if not lever:
        return gravity
    rate = _smooth(gyro)
    across = _cross(rate)
    return np.concatenate(
        [gravity, _cross(np.gradient(rate, 1 / _RATE, axis=1)) + across @ across], axis=2
    )


def _rotations(turn: Float) -> Float:
    """Return the rotations by vectors of shape (3, n) after Rodrigues, shape (n, 3, 3)."""
    angle = np.linalg.norm(turn, axis=0)[:, None, None]
    across = _cross(turn)
    first, second = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + first * across + second * (across @ across))


def _cross(rows: Float) -> Float:
    """Return the matrices of v × for rows of shape (3, n), shape (n, 3, 3)."""
    x, y, z = rows
    zero = np.zeros_like(x)
    return np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)


def _smooth(rows: Float) -> Float:
    """Return rows of shape (3, n) smoothed over `_SMOOTH` samples, edges held."""
    window = np.hanning(_SMOOTH + 2)[1:-1]
    padded = np.pad(rows, ((0, 0), (_SMOOTH // 2, _SMOOTH // 2)), mode="edge")
    return np.stack([np.convolve(row, window / window.sum(), "valid") for row in padded])


def _told(scale: float, turn: Float) -> str:
    """Say what would fit, in the words of ``--column``.

    With f = A f₀ and dg₀/dt = −ω × g₀ the recorded gravity turns with det(A) A ω, so a turn is
    also an A = ± turn of acceleration, which is made good by its transpose.
    """
    said: list[str] = []
    if scale != 1:
        many = "too little: is its unit rad/s" if scale > 1 else "too much: is its unit deg/s"
        said.append(f"gravity turns otherwise than the gyroscope, which reads 57 times {many}?")
    ways = [_changes("gyro", turn)]
    if np.linalg.det(turn) > 0:
        ways += [_changes("acc", -turn.T), _changes("acc", turn.T)]
    if ways[0]:
        ways.sort(key=len)
        fits = " or ".join(", ".join(way) for way in ways)
        said.append(f"gravity does not turn with the gyroscope: mirrored or swapped? {fits} fits")
    return "; ".join(said)


def _changes(sensor: str, turn: Float) -> list[str]:
    """Return what of a sensor changes, such as ``gyro_x=-gyro_y``."""
    found = []
    for axis, row in zip("xyz", turn, strict=True):
        other = int(np.abs(row).argmax())
        sign = "-" if row[other] < 0 else ""
        if sign or "xyz"[other] != axis:
            found.append(f"{sensor}_{axis}={sign}{sensor}_{'xyz'[other]}")
    return found
