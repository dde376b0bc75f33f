"""`strokes`: a movement in the writing plane as compass words, one token a time step.

Every word, written with the space before it, is exactly one token for SmolLM2 and for LLaMA-3
(searched in both vocabularies; a test counts them). North is the letter's up, east its right, and
a word tells how fast as well: ``N`` is faster than ``North``, which is faster than ``north``.
The eight directions between two points of the compass have no one-token names, so they go by the
hour a clock shows there: one o'clock is north-north-east, eleven is north-north-west. Fast is the
Roman numeral of that hour, middle the month of that number, slow the number as a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.serialize.text import Features, Serializer, TextConfig, View, stack_finite
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Array, Recording

REST = "rest"
NAMES = {"velocity": "velocity", "acceleration": "force", "rotation": "rotation"}
"""The word that opens each view; "acceleration" is two tokens at the start of a LLaMA-3 text."""

_EIGHT = ("north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest")
_COMPASS = {
    "slow": _EIGHT,
    "middle": tuple(word.title() for word in _EIGHT),
    "fast": ("N", "NE", "E", "SE", "S", "SW", "W", "NW"),
}
_CLOCK = {
    "slow": ("one", "two", "four", "five", "seven", "eight", "ten", "eleven"),
    "middle": ("January", "February", "April", "May", "July", "August", "October", "November"),
    "fast": ("I", "II", "IV", "V", "VII", "VIII", "X", "XI"),
}
_SPEEDS = {1: ("fast",), 2: ("slow", "fast"), 3: ("slow", "middle", "fast")}
"""Speeds named with one, two or three levels; one level takes the shortest words."""

THRESHOLDS = {1: (0.6,), 2: (0.4, 1.0), 3: (0.35, 0.75, 1.2)}
"""Where each level begins, as a multiple of the recording's root-mean-square speed; below the first
is rest. Steps of CharSense letters fall into rest and the levels in roughly equal shares, and
n-gram classifiers read letters better so than with rest kept for real stillness (0.25 and less)."""

STILL = {"velocity": 0.02, "acceleration": 0.1, "rotation": 0.05}
"""Root mean square (m/s, m/s², rad/s) of a device at rest: sensor noise is no movement."""

_TYPICAL = {1: (1.2,), 2: (0.7, 1.4), 3: (0.55, 0.95, 1.55)}
"""The speed `decode` gives for each level: about the mean of the CharSense steps in it."""


class Strokes(Serializer):
    """Compass words of the planar writing-frame signals.

    Decoding gives, for each view, vectors in multiples of the view's root mean square: the centre
    of the direction at the typical speed of the level. Error: a moving step's direction is off by
    at most π / directions; its level is exact (`THRESHOLDS`), so the speed lies between the
    boundaries of the level. The absolute scale is not written.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        self.n_signals = len(config.views)
        self._words = [np.array(codebook(v), dtype=object) for v in config.views]

    def signals(self, rec: Recording) -> Features:
        """Return each view's signal along the letter's right and up; zero for a still device."""
        if rec.gyro is None and any(view.signal == "rotation" for view in self.config.views):
            raise InputError(
                f"recording '{rec.id}': has no gyroscope, which the view of rotation needs: leave "
                "that view out (text.views)",
                "no gyroscope",
            )
        motion = writing_motion(rec, self.config.frame)
        planes = [(view.signal, motion.plane(view.signal)) for view in self.config.views]
        return tuple(
            plane if np.sqrt((plane**2).sum(axis=0).mean()) > STILL[signal] else 0 * plane
            for signal, plane in planes
        )

    def steps(self, rec: Recording) -> tuple[int | None, ...]:
        """Return the number of words of each view."""
        return tuple(view.steps for view in self.config.views)

    def _write(self, columns: Sequence[Sequence[Array]]) -> list[str]:
        views = []
        for view, words, arrays in zip(self.config.views, self._words, columns, strict=True):
            codes = _codes(view, stack_finite(arrays, 2))
            name = NAMES[view.signal] + " "
            views.append([name + " ".join(row) for row in words[codes].tolist()])
        return [" ".join(parts) for parts in zip(*views, strict=True)]

    def _read(self, text: str) -> Features:
        words = text.split()
        expected = sum(view.steps + 1 for view in self.config.views)
        if len(words) != expected:
            raise InputError(f"text: {len(words)} words where the views write {expected}")
        views = []
        for view in self.config.views:
            name, steps, words = words[0], words[1 : view.steps + 1], words[view.steps + 1 :]
            if name != NAMES[view.signal]:
                raise InputError(f"text: '{name}' where '{NAMES[view.signal]}' opens the view")
            vectors = dict(zip(codebook(view), _vectors(view), strict=True))
            unknown = [word for word in steps if word not in vectors]
            if unknown:
                raise InputError(f"text: '{unknown[0]}' is no word of this view's codebook")
            views.append(np.array([vectors[word] for word in steps], dtype=np.float32).T)
        return tuple(views)


def codebook(view: View) -> list[str]:
    """Return the words of a view: rest, then level by level clockwise from north."""
    words = [REST]
    for speed in _SPEEDS[view.levels]:
        if view.directions == 8:
            words += _COMPASS[speed]
        else:
            pairs = zip(_COMPASS[speed], _CLOCK[speed], strict=True)
            words += [word for pair in pairs for word in pair]
    return words


def _codes(view: View, vectors: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return the word index of each step of (n, 2, steps) right/up vectors, shape (n, steps)."""
    right, up = vectors[:, 0], vectors[:, 1]
    power = right * right + up * up
    mean = power.mean(axis=1, keepdims=True)
    level = np.zeros(power.shape, dtype=np.int8)
    for threshold in THRESHOLDS[view.levels]:
        # Multiplied, not divided, so that a recording at rest needs no special case.
        level += power > threshold**2 * mean
    direction = _directions(right, up, view.directions)
    moving: NDArray[np.int8] = 1 + (level - 1) * np.int8(view.directions) + direction
    return moving * (level > 0)


def _directions(right: NDArray[np.float64], up: NDArray[np.float64], n: int) -> NDArray[np.int8]:
    """Return the nearest of `n` compass points, 0 for north, clockwise.

    Counts the sector boundaries passed within the quadrant, then unfolds it: twice as fast as the
    arctangent.
    """
    aside, along = np.abs(right), np.abs(up)
    turn = np.zeros(right.shape, dtype=np.int8)
    for k in range(n // 4):
        turn += aside > math.tan((2 * k + 1) * math.pi / n) * along
    turn = np.where(up < 0, np.int8(n // 2) - turn, turn)
    return np.where(right < 0, -turn, turn) % np.int8(n)


def _vectors(view: View) -> Array:
    """Return the right/up vector that each word of the codebook stands for, shape (n_words, 2)."""
    angle = np.arange(view.directions) * (2 * np.pi / view.directions)
    compass = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    moving = [speed * compass for speed in _TYPICAL[view.levels]]
    vectors: Array = np.concatenate([np.zeros((1, 2)), *moving]).astype(np.float32)
    return vectors
