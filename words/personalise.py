"""A reader that learns one person's letters from the words the person writes, without labels.

Words that the decoder is sure of label their letters, and what is read next is also compared with
these recordings, by dynamic time warping. Some words are kept apart: where their letters agree less
with the words they make than before, what the others have just taught is undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.motion.warping import equally_long, warping_distances
from imuscribe.signals.recording import Array, Recording
from imuscribe.words.decode.decoding import Candidate, Decoder
from imuscribe.words.decode.fitting import Confidence
from imuscribe.words.letters import Float, Int, RepeatFusion, log_softmax

if TYPE_CHECKING:
    from imuscribe.finetune.reading import Reader

Gallery = Mapping[int, int]
"""Number of a recording → the letter it is taken for."""

ROUND = 20
"""Words that are learnt from at a time."""
_APART = 4
"""One word of so many is kept apart."""
_STEPS = 32
"""Samples of a recording that is compared with others."""


@dataclass(frozen=True)
class Personalisation:
    """How much a person's own recordings say beside a reader.

    ``trust · log p − slope · min(d_c, far)``: d_c is the distance to the nearest recording taken
    for letter c; `far` stands for letters without any.
    """

    trust: float
    slope: float
    far: float

    def read(self, log_probs: Float, distances: Float, gallery: Gallery) -> Float:
        """Return log-probabilities (n, n_labels) of a person's recordings, given a reader's.

        `distances` (n, n_known) are to recordings of the person, infinite to itself; the gallery
        says which columns are taken for which letters.
        """
        near = _nearest(distances, gallery, log_probs.shape[1])
        return log_softmax(self.trust * log_probs - self.slope * np.minimum(near, self.far))

    @classmethod
    def fit(cls, people: Sequence[tuple[Float, Float, Int, Gallery, Int]]) -> Personalisation:
        """Fit to people who are not adapted to, by maximum likelihood.

        Of each: log-probabilities, distances, true letters, a gallery, and the rows to read.
        """
        from scipy.optimize import minimize

        parts = []
        for log_probs, distances, truth, gallery, rows in people:
            near = _nearest(distances, gallery, log_probs.shape[1])[rows]
            parts.append((log_probs[rows], near, truth[rows]))
        log_probs, near, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
        usual = float(np.median(near[np.isfinite(near)]))

        def loss(x: Float) -> float:
            a, s, far = np.exp(x)
            scores = log_softmax(a * log_probs - s / usual * np.minimum(near, far * usual))
            return -float(scores[np.arange(len(truth)), truth].mean())

        a, s, far = np.exp(minimize(loss, [0.0, 1.0, 0.0], method="Nelder-Mead").x)
        return cls(float(a), float(s / usual), float(far * usual))


FITTED = Personalisation(trust=0.75, slope=0.95, far=11.5)
FITTED_CONFIDENCE = Confidence(slope=1.1, offset=-0.25)
"""As fitted to the six people of CharSense, read by the packaged adapter, which knows none."""


class PersonalReader:
    """Reads one person's letters with the help of words that the person has written, unlabelled.

    It takes the place of the reader that it was made of, as in a `Speller`. `words` have one
    recording of each letter, in the order of writing, as recorded; the decoder says which they are,
    `confidence` how far it is to be believed, and `personalisation` is what other people teach
    about a person's own recordings. `known` names the letters that were learnt, one a recording.
    InputError if there are fewer than four words, or a recording cannot be used.
    """

    def __init__(
        self,
        reader: Reader,
        decoder: Decoder,
        words: Sequence[Sequence[Recording]],
        personalisation: Personalisation = FITTED,
        confidence: Confidence = FITTED_CONFIDENCE,
    ) -> None:
        if len(words) < _APART:
            raise InputError(f"{len(words)} words: give at least {_APART}: one is kept as a check")
        self.labels = reader.labels
        self.reader = reader
        self.words = words
        self._personalisation = personalisation
        recordings = [rec for word in words for rec in word]
        moved = sequences([clean(rec) for rec in recordings])
        read = np.asarray(reader.log_probs(recordings), dtype=np.float64)
        letters = PersonalLetters(
            self.labels, read, own_distances(moved), personalisation, decoder, confidence
        )
        rows = np.split(np.arange(len(recordings)), np.cumsum([len(word) for word in words])[:-1])
        for first in range(0, len(rows), ROUND):
            letters.learn(rows[first : first + ROUND])
        self._own = moved[list(letters.gallery)]
        self._gallery = dict(enumerate(letters.gallery.values()))
        self.known = [self.labels[letter] for letter in letters.gallery.values()]

    def log_probs(self, recordings: Sequence[Recording], progress: bool = False) -> Float:
        """Return the natural-log probability of every label, shape (n_recordings, n_labels)."""
        read = np.asarray(self.reader.log_probs(recordings, progress), dtype=np.float64)
        if not self.known:
            return read
        distances = warping_distances(sequences([clean(rec) for rec in recordings]), self._own)
        return self._personalisation.read(read, distances, self._gallery)


@dataclass
class PersonalLetters:
    """One person's recordings, and the letters that decoded words have given them so far.

    `log_probs` (n, n_labels) are a reader's, `distances` (n, n) of `own_distances`. A decoded word
    labels its letters from a confidence of `threshold` on. What a round of words teaches is undone
    where letters then agree with the words kept apart less often by more than `drift`.
    """

    labels: tuple[str, ...]
    log_probs: Float
    distances: Float
    personalisation: Personalisation
    decoder: Decoder
    confidence: Confidence
    fusion: RepeatFusion = field(default_factory=RepeatFusion)
    threshold: float = 0.95
    drift: float = 0.03
    gallery: Gallery = field(default_factory=dict)
    undone: int = 0
    """Rounds of words that were."""
    _apart: list[Int] = field(default_factory=list)

    def read(self, gallery: Gallery) -> Float:
        """Return log-probabilities of all recordings, where those of a gallery are known."""
        if not gallery:
            return self.log_probs
        return self.personalisation.read(self.log_probs, self.distances, gallery)

    def decode(self, rows: Int, log_probs: Float) -> Candidate:
        """Return the likeliest word of these recordings, one a letter."""
        return self.decoder.decode(self.fusion.letters(self.labels, log_probs[rows]), 1)[0]

    def learn(self, words: Sequence[Int]) -> int:
        """Learn from words, each the rows of its letters; return how many were sure."""
        apart = len(words) // _APART
        self._apart += words[:apart]
        log_probs, proposed, sure = self.read(self.gallery), dict(self.gallery), 0
        for rows in words[apart:]:
            best = self.decode(rows, log_probs)
            if self.confidence(best) >= self.threshold:
                sure += 1
                letters = map(self.labels.index, best.word)
                proposed |= dict(zip(rows.tolist(), letters, strict=True))
        if self._agreement(proposed) < self._agreement(self.gallery) - self.drift:
            self.undone += 1
        else:
            self.gallery = proposed
        return sure

    def _agreement(self, gallery: Gallery) -> float:
        """Return how often letters of the words kept apart are likeliest that of the word."""
        log_probs = self.read(gallery)
        same = [
            log_probs[row].argmax() == self.labels.index(letter)
            for rows in self._apart
            for row, letter in zip(rows, self.decode(rows, log_probs).word, strict=True)
        ]
        return float(np.mean(same))


def sequences(recordings: Sequence[Recording]) -> Array:
    """Return cleaned recordings' movements, equally long, (n_recordings, n_channels, n_steps)."""
    found = []
    for rec in recordings:
        motion = writing_motion(rec)
        planes = [motion.plane("velocity"), motion.plane("acceleration"), motion.plane("rotation")]
        found.append(equally_long(planes, rec.t, _STEPS))
    return np.stack(found)


def own_distances(moved: Array) -> Float:
    """Return the warping distances between a person's `sequences`; infinite to itself."""
    distances = warping_distances(moved, moved)
    np.fill_diagonal(distances, np.inf)
    return distances


def _nearest(distances: Float, gallery: Gallery, n_labels: int) -> Float:
    """Return the distance of every recording to the nearest of each letter; infinite for none."""
    near = np.full((len(distances), n_labels), np.inf)
    for column, letter in gallery.items():
        near[:, letter] = np.minimum(near[:, letter], distances[:, column])
    return near
