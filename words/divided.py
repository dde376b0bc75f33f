"""Words without given boundaries, read by one network in several ways that cut them.

A reader that has learnt letters and wrong cuts from some people weighs every segment of a word;
the decoder finds letters and bounds together. Its weights are fitted on words of further people.
Baselines read with the same reader and decode with the same lexicon and weights, but are given the
bounds (``oracle``), or cut at pauses first (``pauses``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.errors import InputError
from imuscribe.words.decode.decoding import Candidate
from imuscribe.words.decode.fitting import MISSED, Confidence, likeliest_value
from imuscribe.words.decode.lattice import Lattice, LatticeBeam, LatticeDecoder
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Float, Int
from imuscribe.words.segment_reader import SegmentReader, Written

NO_LEXICON = "none"
"""Stands where words are decoded without one."""

VALUES = {
    "scale": (0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8),
    "offset": tuple(range(-4, 10)),
    "prior": (0.0, 0.1, 0.2, 0.35, 0.5),
}
OPEN_WEIGHTS = (0.5, 0.75, 1.0, 1.25, 1.5)
DEPTHS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Values of the weights, and how deep a pause is; the best on words not tested is taken."""

SLACK = 0.15
"""Seconds by which a cut may miss the move between two letters and count as right: more than what
teaches the reader, so that baselines are not measured by its habits."""
OPEN_FIT = 16
"""Tuning words on which the open decoder's weight is fitted: it is slower."""
REPEATS = 3
"""Times that a word divided by the reader itself is shown to it, where there are few."""

Row = dict[str, Any]
Decode = Callable[[Lattice, int], list[Candidate]]


class FittedReader:
    """A reader that has learnt, decoders with fitted weights, and their baselines."""

    def __init__(
        self,
        recipe: SegmentRecipe,
        labels: Sequence[str],
        lexica: dict[str, Lexicon],
        teach: Sequence[Written],
        tune: Sequence[Written],
        progress: bool,
    ) -> None:
        self.recipe = recipe
        self.labels = labels
        self.progress = progress
        self.decoders = {name: LatticeDecoder(lexicon) for name, lexicon in lexica.items()}
        self.reader = self._taught(teach)
        self.weights: dict[str, float] = {"scale": 1.0, "offset": 0.0, "prior": 0.2}
        apart = self.reader.durations.shortest
        self.weights["depth"] = max(DEPTHS, key=lambda x: _cut_f1(tune, x, apart))
        self.fit(tune, ("offset", "scale", "offset", "prior"))
        if recipe.open_vocabulary:
            model = CharModel(max(lexica.values(), key=len), recipe.order)
            self._fit_open(model, tune)

    def fit(self, words: Sequence[Written], names: Sequence[str]) -> None:
        """Choose weights on words that are not tested, one after another."""
        raw = [(self.reader.lattice(one.track), one.word) for one in words]
        decoder = next(iter(self.decoders.values()))

        def decode(name: str, value: float, lattice: Lattice, n_best: int) -> list[Candidate]:
            tried = self.weights | {name: value}
            decoder.prior_weight = tried["prior"]
            return decoder.decode(lattice.weighed(tried["scale"], tried["offset"]), n_best)

        for name in names:
            self.weights[name] = likeliest_value(VALUES[name], partial(decode, name), raw)
        for each in self.decoders.values():
            each.prior_weight = self.weights["prior"]
        seen = ((x.weighed(self.weights["scale"], self.weights["offset"]), w) for x, w in raw)
        self.confidence = Confidence.fit(
            [(_first(decoder.decode, lattice), word) for lattice, word in seen]
        )

    def learn(self, words: Sequence[Written], teach: Sequence[Written]) -> None:
        """Let the reader divide words whose spelling is known, and learn from them too."""
        divided = [found for one in words if (found := self._divided(one)) is not None]
        self.reader = self._taught([*teach, *divided * REPEATS])

    def rows(self, words: Sequence[Written], suffix: str = "") -> list[Row]:
        """Decode words in every way; return a row each. With a suffix, jointly alone."""
        from tqdm.auto import tqdm

        found = []
        for written in tqdm(words, "decoding", unit="word", disable=not self.progress):
            for method, lattice in self._see(written, alone=bool(suffix)).items():
                named = method + suffix
                for name, decoder in self.decoders.items():
                    found.append(self._decoded(written, name, named, decoder.decode, lattice))
                word, way = lattice.likeliest()
                raw = Candidate(word, MISSED)
                found.append(self._row(written, NO_LEXICON, named, raw, lattice.times[way]))
                if method == "joint" and self.recipe.open_vocabulary:
                    named, decode = f"joint, n-gram{suffix}", self.open.decode
                    found.append(self._decoded(written, NO_LEXICON, named, decode, lattice))
        return found

    def _taught(self, words: Sequence[Written]) -> SegmentReader:
        recipe = self.recipe
        reader = SegmentReader(
            self.labels, recipe.step, recipe.epochs, seed=recipe.seed, progress=self.progress
        )
        return reader.fit(words)

    def _see(self, written: Written, alone: bool = False) -> dict[str, Lattice]:
        """Return a word's weighed lattices: all segments, those of pauses, those of its bounds."""
        reader, track = self.reader, written.track
        lattices = {"joint": reader.lattice(track)}
        if not alone:
            pauses = track.pauses(self.weights["depth"], reader.durations.shortest)
            lattices["pauses"] = reader.chain(track, pauses)
            if written.spans is not None:
                lattices["oracle"] = reader.chain(track, _middles(written))
        scale, offset = self.weights["scale"], self.weights["offset"]
        return {name: one.weighed(scale, offset) for name, one in lattices.items()}

    def _fit_open(self, model: CharModel, words: Sequence[Written]) -> None:
        longest = max(len(w) for d in self.decoders.values() for w in d.lexicon.counts)
        order = np.random.default_rng(self.recipe.seed).permutation(len(words))[:OPEN_FIT]
        seen = [(self._see(words[i], alone=True)["joint"], words[i].word) for i in order]

        def made(weight: float) -> LatticeBeam:
            return LatticeBeam(model, weight, self.recipe.beam, longest)

        def decode(weight: float, lattice: Lattice, n_best: int) -> list[Candidate]:
            return made(weight).decode(lattice, n_best)

        self.weights["open"] = likeliest_value(OPEN_WEIGHTS, decode, seen)
        self.open = made(self.weights["open"])

    def _divided(self, written: Written) -> Written | None:
        """Return a word whose spelling is known with the bounds the reader finds in it."""
        lattice = self._see(written, alone=True)["joint"]
        cuts = lattice.bounds(written.word)
        if not cuts:
            return None
        at = lattice.times[cuts]
        return replace(written, spans=np.stack([at[:-1], at[1:]], axis=1))

    def _decoded(
        self, written: Written, lexicon: str, method: str, decode: Decode, lattice: Lattice
    ) -> Row:
        best = _first(decode, lattice)
        cuts = lattice.times[lattice.bounds(best.word)] if best.word else np.empty(0)
        return self._row(written, lexicon, method, best, cuts)

    def _row(
        self, written: Written, lexicon: str, method: str, best: Candidate, cuts: Float
    ) -> Row:
        row: Row = {
            "person": written.person,
            "id": written.id,
            "word": written.word,
            "length": len(written.word),
            "lexicon": lexicon,
            "method": method,
            "answer": best.word,
            "correct": best.word == written.word,
            "edits": edit_distance(best.word, written.word),
            "confidence": self.confidence(best),
        }
        if written.spans is not None:
            row |= boundary_hits(written, cuts[1:-1])
        return row


def boundary_hits(written: Written, cuts: Float) -> Row:
    """Count the inner bounds there are, those that were found, and those of them that are right.

    A cut is right where it falls into the move between two letters, give or take `SLACK`; each
    bound is found by one cut at most.
    """
    earliest, latest = written.between(SLACK)
    left = sorted(cuts.tolist())
    right = 0
    for low, high in zip(earliest[1:-1], latest[1:-1], strict=True):
        hit = next((cut for cut in left if low - 1e-9 <= cut <= high + 1e-9), None)
        if hit is not None:
            left.remove(hit)
            right += 1
    return {"bounds": len(earliest) - 2, "bounds_found": len(cuts), "bounds_right": right}


def edit_distance(a: str, b: str) -> int:
    """Return how many letters change, come or go to turn one word into the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def _first(decode: Decode, lattice: Lattice) -> Candidate:
    """Return the best candidate; an empty word where none fits the recording."""
    try:
        return decode(lattice, 1)[0]
    except InputError:
        return Candidate("", MISSED)


def _middles(written: Written) -> Int:
    """Return the samples in the middle of the moves between letters, and the ends."""
    at = np.round(written.middles() * written.track.rate).astype(np.int64)
    return np.clip(at, 0, written.track.n - 1)


def _cut_f1(words: Sequence[Written], depth: float, apart: float) -> float:
    hits = [
        boundary_hits(one, one.track.pauses(depth, apart)[1:-1] / one.track.rate) for one in words
    ]
    right, there, found = (
        sum(hit[key] for hit in hits) for key in ("bounds_right", "bounds", "bounds_found")
    )
    return float(2 * right / max(there + found, 1))
