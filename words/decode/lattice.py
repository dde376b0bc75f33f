"""Joint decoding of a word's letters and of where they begin and end.

A lattice has cut points in time and, between pairs of them, segments that may be letters. A way
from the first cut to the last divides the recording into letters. Evidence must be of the same
recording for all ways, though they use other segments; so a segment that is used as letter c is
weighed against its being none, ``log p(c | s) − log p(none | s)``, as if every other segment were
none (the anti-phone model of Glass 2003, "A probabilistic framework for segment-based speech
recognition", Computer Speech and Language 17).

A word's score is the sum over *all* ways of its letters, not the best way alone; what words share
beginnings is computed once, all cuts at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.decoding import Candidate, best
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Float, Int

_NEVER = -1e30
_SPAN = 600.0
"""Log-scores further than this below the best of their row are as good as zero."""


@dataclass(frozen=True)
class Lattice:
    """Segments between cuts, and how much each speaks for every letter."""

    labels: tuple[str, ...]
    times: Float
    """Seconds of the cuts (n_cuts,), growing."""
    scores: Float
    """``[c, i, j]``: of letter c between cuts i and j > i; −inf where no letter can be."""

    def __post_init__(self) -> None:
        n = len(self.times)
        if self.scores.shape != (len(self.labels), n, n) or n < 2:
            raise InputError(
                f"lattice: scores {self.scores.shape} for {len(self.labels)} labels and {n} cuts: "
                "need (n_labels, n_cuts, n_cuts) and at least 2 cuts"
            )
        if np.isnan(self.scores).any() or (self.scores == np.inf).any():
            raise InputError("lattice: a score is NaN or infinite: give finite ones or −inf")
        i, j = np.tril_indices(n)
        if (self.scores[:, i, j] > -np.inf).any():
            raise InputError("lattice: a segment ends before it begins: give scores for j > i only")

    @classmethod
    def of_segments(
        cls, labels: Sequence[str], times: Float, segments: Int, scores: Float
    ) -> Lattice:
        """Build from segments (n, 2), pairs of cuts, with their scores (n, n_labels)."""
        table = np.full((len(labels), len(times), len(times)), -np.inf)
        table[:, segments[:, 0], segments[:, 1]] = scores.T
        return cls(tuple(labels), times, table)

    def weighed(self, scale: float, offset: float) -> Lattice:
        """Return the lattice with ``scale · score + offset`` for every letter."""
        return Lattice(self.labels, self.times, scale * self.scores + offset)

    def bounds(self, word: str) -> list[int]:
        """Return the cuts of the best way to divide the recording into this word; empty if none."""
        row = np.full(len(self.times), -np.inf)
        row[0] = 0.0
        back = []
        for char in word:
            if char not in self.labels:
                raise InputError(f"'{char}' is not in the alphabet {''.join(self.labels)}")
            steps = row[:, None] + self.scores[self.labels.index(char)]
            back.append(steps.argmax(axis=0))
            row = steps.max(axis=0)
        if row[-1] == -np.inf:
            return []
        cuts = [len(self.times) - 1]
        for before in reversed(back):
            cuts.append(int(before[cuts[-1]]))
        return cuts[::-1]

    def likeliest(self) -> tuple[str, list[int]]:
        """Return the letters and cuts of the best way, whatever word that makes."""
        n = len(self.times)
        best_letter = self.scores.argmax(axis=0)
        high = self.scores.max(axis=0)
        row, back = np.full(n, -np.inf), np.zeros(n, dtype=np.int64)
        row[0] = 0.0
        for j in range(1, n):
            into = row[:j] + high[:j, j]
            back[j] = into.argmax()
            row[j] = into[back[j]]
        if row[-1] == -np.inf:
            return "", []
        cuts = [n - 1]
        while cuts[0]:
            cuts.insert(0, int(back[cuts[0]]))
        return "".join(self.labels[best_letter[i, j]] for i, j in pairwise(cuts)), cuts


class _Trie:
    """The beginnings of a lexicon's words, by their number of letters."""

    def __init__(self, lexicon: Lexicon) -> None:
        column = {label: i for i, label in enumerate(lexicon.labels)}
        words = sorted(lexicon.counts)
        self.words = np.array(words, dtype=object)
        total = sum(lexicon.counts.values())
        self.log_prior = np.log([lexicon.counts[word] / total for word in words])
        self.levels: list[tuple[Int, Int, Int, Int]] = []
        # A level: parent and letter of every node; the nodes that end a word, and which word.
        shorter = {"": 0}
        rows = list(enumerate(words))
        while rows:
            depth = len(self.levels) + 1
            starts = dict.fromkeys(word[:depth] for _, word in rows)
            nodes = {start: node for node, start in enumerate(starts)}
            parents = [shorter[start[:-1]] for start in nodes]
            letters = [column[start[-1]] for start in nodes]
            ended = [number for number, word in rows if len(word) == depth]
            ends = [nodes[words[number]] for number in ended]
            self.levels.append(
                (np.array(parents), np.array(letters), np.array(ends, int), np.array(ended, int))
            )
            rows = [(number, word) for number, word in rows if len(word) > depth]
            shorter = nodes


class LatticeDecoder:
    """The exact posterior over a lexicon: all words, all ways to divide the recording.

    ``log p(word | lattice) ∝ log Σ_ways exp(Σ scores) + w log prior``, w being `prior_weight`.
    """

    def __init__(self, lexicon: Lexicon, prior_weight: float = 1.0) -> None:
        self.lexicon = lexicon
        self.prior_weight = prior_weight
        self._trie = _Trie(lexicon)

    def decode(self, lattice: Lattice, n_best: int = 10) -> list[Candidate]:
        """Return the most likely words, best first.

        InputError if no word of the lexicon fits: all are too short or too long for the recording.
        """
        scores = self.scores(lattice) + self.prior_weight * self._trie.log_prior
        possible = np.flatnonzero(scores > _NEVER / 2)
        if not possible.size:
            raise InputError(
                f"no word of the lexicon divides {lattice.times[-1] - lattice.times[0]:.2f} s into "
                "letters: it is too short or too long; use an open vocabulary"
            )
        return best(self._trie.words[possible].tolist(), scores[possible], n_best)

    def scores(self, lattice: Lattice) -> Float:
        """Return every word's log-score without the prior, in alphabetical order; −1e30 if none."""
        if lattice.labels != self.lexicon.labels:
            raise InputError("the lattice and the lexicon have other alphabets")
        steps = _Steps(lattice)
        found = np.full(len(self._trie.words), _NEVER)
        rows, scales = steps.start()
        for parents, letters, ends, ended in self._trie.levels:
            rows, scales = steps.extend(rows[parents], scales[parents], letters)
            with np.errstate(divide="ignore"):
                found[ended] = np.maximum(np.log(rows[ends, -1]) + scales[ends], _NEVER)
        return found


class LatticeBeam:
    """Open vocabulary over a lattice: any string of letters, weighed by a character model.

    A hypothesis is a string with its score at every cut. Those of one length compete by what they
    are worth together with the best that any letters could make of the rest. `width` are kept of
    every length, up to `longest` letters; as wide as the number of all strings it is the exact
    search. `prior_weight` is the exponent of the character model.
    """

    def __init__(
        self, model: CharModel, prior_weight: float = 1.0, width: int = 200, longest: int = 16
    ) -> None:
        if width < 1:
            raise InputError(f"beam width {width}: keep at least 1 hypothesis")
        self.model = model
        self.prior_weight = prior_weight
        self.width = width
        self.longest = longest

    def decode(self, lattice: Lattice, n_best: int = 10) -> list[Candidate]:
        """Return the most likely strings, best first; shares are of all that the search held."""
        if lattice.labels != self.model.labels:
            raise InputError("the lattice and the character model have other alphabets")
        model, weight, n_labels = self.model, self.prior_weight, len(lattice.labels)
        steps, rest = _Steps(lattice), _to_the_end(lattice)
        rows, scales = steps.start()
        states, spelt, priors = np.array([model.start]), [""], np.zeros(1)
        words: list[str] = []
        scores: list[float] = []
        for _ in range(self.longest):
            letters = np.tile(np.arange(n_labels), len(rows))
            parents = np.repeat(np.arange(len(rows)), n_labels)
            longer = priors[parents] + weight * model.log_probs[states[parents], letters]
            rows, scales = steps.extend(rows[parents], scales[parents], letters)
            with np.errstate(divide="ignore"):
                hoped = np.logaddexp.reduce(np.log(rows) + rest, axis=1) + scales + longer
            alive = np.flatnonzero(hoped > -np.inf)
            if not alive.size:
                break
            kept = alive[np.argsort(-hoped[alive], kind="stable")[: self.width]]
            rows, scales, priors = rows[kept], scales[kept], longer[kept]
            states = model.following[states[parents[kept]], letters[kept]]
            spelt = [spelt[parents[i]] + lattice.labels[letters[i]] for i in kept]
            with np.errstate(divide="ignore"):
                ended = np.log(rows[:, -1]) + scales + priors + weight * model.log_probs[states, -1]
            complete = np.flatnonzero(ended > -np.inf)
            words += [spelt[i] for i in complete]
            scores += ended[complete].tolist()
        if not words:
            raise InputError(
                f"no string of up to {self.longest} letters divides the recording: it is too short "
                "or too long"
            )
        return best(words, np.array(scores), n_best)


class _Steps:
    """Scores at every cut, for many strings at a time, grown letter by letter.

    They are kept as ``row · e^scale`` with the greatest of a row one, so that a step is a product
    of matrices. A string is lost at cuts where it is e^−600 less likely than at its best cut: the
    log-scores of its letters would have to differ by 600 in sum, and a reader's are within ±30.
    """

    def __init__(self, lattice: Lattice) -> None:
        self._n = len(lattice.times)
        high = np.where(np.isfinite(lattice.scores), lattice.scores, -np.inf).max(axis=(1, 2))
        self._high = np.where(np.isfinite(high), high, 0.0)
        shifted = lattice.scores - self._high[:, None, None]
        self._tables = np.exp(np.maximum(shifted, -_SPAN)) * (shifted > -np.inf)

    def start(self) -> tuple[Float, Float]:
        """Return the row and scale of the empty string: all of it at the first cut."""
        row = np.zeros((1, self._n))
        row[0, 0] = 1.0
        return row, np.zeros(1)

    def extend(self, rows: Float, scales: Float, letters: Int) -> tuple[Float, Float]:
        """Return rows and scales after each string's next letter."""
        longer = np.empty_like(rows)
        order = np.argsort(letters, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(letters[order])) + 1):
            longer[part] = rows[part] @ self._tables[letters[part[0]]]
        high = longer.max(axis=1)
        safe = np.where(high > 0, high, 1.0)
        return longer / safe[:, None], scales + self._high[letters] + np.log(safe)


def _to_the_end(lattice: Lattice) -> Float:
    """Return for every cut the log of the sum over all letters and ways from there to the end."""
    n = len(lattice.times)
    any_letter = np.logaddexp.reduce(lattice.scores, axis=0)
    found = np.full(n, -np.inf)
    found[-1] = 0.0
    for i in range(n - 2, -1, -1):
        found[i] = np.logaddexp.reduce(any_letter[i, i + 1 :] + found[i + 1 :])
    return found
