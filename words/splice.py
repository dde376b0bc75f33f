"""Words spelt from isolated letters: training material where nobody marked bounds in words.

A person's recordings of single letters are set one behind another. Between two of them the hand
makes the move that writing asks for, from where a letter ends to where the next begins: minimum
jerk (Flash & Hogan 1985), turning as this hand turns when it moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, Motion, writing_motion
from imuscribe.signals.recording import Recording
from imuscribe.words.letters import Float
from imuscribe.words.segment_reader import Written
from imuscribe.words.track import Track, plane_first

MOVES = (0.12, 0.4)
"""Seconds that a move between letters takes."""
SPACES = (0.1, 0.4)
"""Widths of the space between letters that stand side by side, in heights of the letter before."""

_DESCENDERS = frozenset("gjpqy")
_BELOW = 0.4
"""Share of such a letter that is below the line."""


@dataclass
class IsolatedLetters:
    """One person's recordings of letters, prepared when they are first needed."""

    person: str
    cleaning: CleanConfig
    frame: FrameConfig
    letters: dict[str, list[Recording]] = field(default_factory=dict)
    _motions: dict[str, Motion] = field(default_factory=dict)

    def add(self, rec: Recording) -> None:
        """Add a recording, to be used for its label."""
        self.letters.setdefault(rec.label, []).append(rec)

    def spell(self, words: Sequence[str], rng: np.random.Generator) -> Iterator[Written]:
        """Spell words, each letter by any of its recordings."""
        for nth, word in enumerate(words):
            chosen = [self.letters[c][rng.integers(len(self.letters[c]))] for c in word]
            track, spans = splice([self._motion(rec) for rec in chosen], word, rng)
            yield Written(f"{self.person}-{word}-{nth}", self.person, word, track, spans)

    def _motion(self, rec: Recording) -> Motion:
        if rec.id not in self._motions:
            self._motions[rec.id] = writing_motion(clean(rec, self.cleaning), self.frame)
        return self._motions[rec.id]


def splice(motions: Sequence[Motion], word: str, rng: np.random.Generator) -> tuple[Track, Float]:
    """Set isolated letters one behind another as if a word had been written.

    A motion for each letter of the word, at one rate, without idle ends. On a surface they are put
    side by side, in mid-air one on top of the other; `rng` draws durations of moves and spaces.
    Returned are the track and the seconds when each letter begins and ends, (n_letters, 2).
    """
    if not motions or len(motions) != len(word):
        raise InputError(f"{len(motions)} letters for the word '{word}': need one for each letter")
    rate, case = motions[0].rate, motions[0].case
    order = plane_first(case)
    acceleration: list[Float] = []
    rotation: list[Float] = []
    spans = []
    now = 0
    for i, motion in enumerate(motions):
        acceleration.append(motion.acceleration[order].astype(np.float64))
        rotation.append(motion.rotation[order].astype(np.float64))
        spans.append((now, now + len(motion.t) - 1))
        now += len(motion.t)
        if i + 1 == len(motions):
            break
        space = rng.uniform(*SPACES) if case == "2d" else None
        way = _way(motion, word[i], motions[i + 1], word[i + 1], space)
        n = max(2, round(rng.uniform(*MOVES) * rate))
        moved, pushed = _minimum_jerk(n, rate)
        acceleration.append(np.asarray(np.outer(way, pushed), dtype=np.float64))
        rotation.append(_turning(motion, order) @ np.outer(way, moved))
        now += n
    track = Track.of(np.hstack(acceleration), np.hstack(rotation), rate)
    return track, np.array(spans) / rate


def _way(before: Motion, first: str, after: Motion, second: str, space: float | None) -> Float:
    """Return from where one letter ends to where the next begins, metres (right, up, out)."""
    here, there = (m.plane("position").astype(np.float64) for m in (before, after))
    if space is None:  # the next begins where this one began
        return np.array([*(-here[:, -1]), 0.0])
    height = np.ptp(here[1])
    right = here[0].max() - here[0, -1] + space * height - there[0].min()
    up = _line(here[1], first) - here[1, -1] - _line(there[1], second)
    return np.array([right, up, 0.0])


def _line(heights: Float, char: str) -> float:
    """Return where the line is that a letter stands on."""
    low = float(heights.min())
    return low + _BELOW * float(np.ptp(heights)) if char in _DESCENDERS else low


def _minimum_jerk(n: int, rate: float) -> tuple[Float, Float]:
    """Return velocity and acceleration of a move over one metre in n samples."""
    tau, seconds = (np.arange(n) + 0.5) / n, n / rate
    velocity = 30 * tau**2 * (1 - tau) ** 2 / seconds
    return velocity, (60 * tau - 180 * tau**2 + 120 * tau**3) / seconds**2


def _turning(motion: Motion, order: Sequence[int]) -> Float:
    """Return the matrix that says how this hand turns when it moves: rotation ≈ B velocity."""
    v = motion.velocity[list(order)].astype(np.float64)
    w = motion.rotation[list(order)].astype(np.float64)
    ridge = 0.05 * np.trace(v @ v.T) / 3 * np.eye(3)
    return np.asarray(w @ v.T @ np.linalg.inv(v @ v.T + ridge + 1e-12 * np.eye(3)))
