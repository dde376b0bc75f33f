"""Reads stretches of continuous writing: as one of the letters, or as none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.estimators import SmallCNN
from imuscribe.signals.cleaning import CleanConfig, clean, moving_span, trim_idle
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import Array, Recording
from imuscribe.words.decode.lattice import Lattice
from imuscribe.words.letters import Float, Int
from imuscribe.words.track import Durations, Track

TOLERANCE = 0.06
"""Seconds by which a cut may miss the move between two letters and still teach to part them."""

_SHARE = 1e-3
"""Shared by all answers, so that every logarithm exists."""


@dataclass(frozen=True, eq=False)
class Written:
    """A word somebody wrote without stopping."""

    id: str
    person: str
    word: str
    track: Track
    spans: Float | None = None
    """Seconds when each letter begins and ends, (n_letters, 2), where that is known."""

    @classmethod
    def of(
        cls, rec: Recording, cleaning: CleanConfig, frame: FrameConfig, spans: Float | None = None
    ) -> Written:
        """Return the word of a recording; where it is trimmed, its letters' spans move along."""
        cleaned = clean(rec, cleaning.model_copy(update={"trim": False}))
        if cleaning.trim:
            if spans is not None:
                spans = spans - moving_span(cleaned, cleaning)[0] / cleaning.rate
            cleaned = trim_idle(cleaned, cleaning)
        track = Track.of_motion(writing_motion(cleaned, frame))
        return cls(rec.id, rec.subject or rec.session, rec.label, track, spans)

    def between(self, tolerance: float = TOLERANCE) -> tuple[Float, Float]:
        """Return where the word may be cut before and after each letter: earliest and latest.

        Both of shape (n_letters + 1,), in seconds; the first and the last are the recording's
        ends. A cut may miss the move between two letters by `tolerance`.
        """
        if self.spans is None:
            raise InputError(f"word '{self.id}': its letters' bounds are not known")
        end = (self.track.n - 1) / self.track.rate
        earliest = np.concatenate([[0.0], self.spans[:-1, 1] - tolerance, [end]])
        latest = np.concatenate([[0.0], self.spans[1:, 0] + tolerance, [end]])
        return earliest, latest

    def middles(self) -> Float:
        """Return the middle of the moves between letters, and the ends, in seconds."""
        earliest, latest = self.between()
        return (earliest + latest) / 2


class SegmentReader:
    """A small convolutional network over segments, letters against wrongly cut stretches.

    Neighbouring cuts are `step` seconds apart at most. `per_letter` segments of every written
    letter are learnt from, and as many wrong ones.
    """

    def __init__(
        self,
        labels: Sequence[str],
        step: float = 0.1,
        epochs: int = 12,
        per_letter: int = 3,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.labels, self.step, self.per_letter, self.seed = tuple(labels), step, per_letter, seed
        self._net = SmallCNN(epochs, batch_size=128, seed=seed, progress=progress)

    def fit(self, words: Sequence[Written]) -> Self:
        """Learn from training people's words whose letters' bounds are known."""
        lengths = [np.diff(written.middles()) for written in words]
        self.durations = Durations.fit(np.concatenate(lengths))
        rng = np.random.default_rng(self.seed)
        views, answers = zip(*(self._examples(written, rng) for written in words), strict=True)
        self._net.fit(np.concatenate(views), np.concatenate(answers))
        return self

    def lattice(self, track: Track) -> Lattice:
        """Return all segments of a recording, each letter weighed against none."""
        cuts = track.cuts(self.step)
        return self._lattice(track, cuts, self.durations.segments(cuts, track.rate))

    def chain(self, track: Track, samples: Int) -> Lattice:
        """Return the lattice whose only way leads through these samples."""
        places = np.arange(len(samples))
        return self._lattice(track, samples, np.stack([places[:-1], places[1:]], axis=1))

    def _lattice(self, track: Track, cuts: Int, segments: Int) -> Lattice:
        """Score segments, pairs of cuts (n, 2), by ``log p(letter) − log p(none)``."""
        bounds = cuts[segments]
        answers = np.zeros((len(bounds), len(self.labels) + 1))
        answers[:, self._net.classes_] = self._net.predict_proba(
            track.views(bounds[:, 0], bounds[:, 1])
        )
        logs = np.log((1 - _SHARE) * answers + _SHARE / answers.shape[1])
        scores = np.asarray(logs[:, :-1] - logs[:, -1:])
        return Lattice.of_segments(self.labels, cuts / track.rate, segments, scores)

    def _examples(self, written: Written, rng: np.random.Generator) -> tuple[Array, Int]:
        """Return views of some segments of a word and what they are."""
        track = written.track
        cuts = track.cuts(self.step)
        segments = self.durations.segments(cuts, track.rate)
        letter, near = whose(written, cuts / track.rate, segments)
        chosen: list[int] = []
        for i in range(len(written.word)):
            mine = rng.permutation(np.flatnonzero(letter == i))
            chosen += mine[: self.per_letter].tolist()
        wrong = np.flatnonzero(letter < 0)
        n = self.per_letter * len(written.word)
        # Half of the wrong ones have one end right: these are what the right ways compete with.
        hard = rng.permutation(wrong[near[wrong]])[: n // 2]
        chosen += hard.tolist()
        chosen += rng.permutation(np.setdiff1d(wrong, hard))[: n - len(hard)].tolist()
        none = len(self.labels)
        column = [self.labels.index(char) for char in written.word] + [none]
        bounds = cuts[segments[chosen]]
        return track.views(bounds[:, 0], bounds[:, 1]), np.array(column)[letter[chosen]]


def whose(written: Written, times: Float, segments: Int) -> tuple[Int, NDArray[np.bool_]]:
    """Return which letter each segment is (−1: none), and whether one of its ends is right."""
    earliest, latest = written.between()
    at = times[:, None]
    parts = (at >= earliest - 1e-9) & (at <= latest + 1e-9)
    begins, ends = parts[segments[:, 0], :-1], parts[segments[:, 1], 1:]
    both = begins & ends
    near = np.asarray(parts[segments[:, 0]].any(axis=1) | parts[segments[:, 1]].any(axis=1))
    return np.asarray(np.where(both.any(axis=1), both.argmax(axis=1), -1)), near
