"""Whole words without given boundaries: lattices decoded, beside rivals that cut first.

A reader that has learnt letters and wrong cuts from some people weighs every segment of a word;
the decoder finds letters and bounds together. Its weights are fitted on words of further people.
Rivals read with the same reader and decode with the same lexicon and weights, but are told the
bounds (``oracle``), or cut at pauses first (``pauses``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.segment_reader import SegmentReader, Written
from eval.unsegmented_report import NO_LEXICON, summarise, write_report
from eval.written import Material, recorded, sessions, simulated
from recipes.words import SegmentRecipe
from signals.errors import InputError
from signals.files import atomic_path, write_text
from signals.labels import parse_labels
from words.confidence import Confidence
from words.decoding import Candidate
from words.lattice import Lattice, LatticeBeam, LatticeDecoder
from words.lexicon import Lexicon, load_lexicon
from words.ngram import CharModel

SCALES = (0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
OFFSETS = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0)
PRIOR_WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5)
OPEN_WEIGHTS = (0.5, 0.75, 1.0, 1.25)
DEPTHS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Values of the weights, and how deep a pause is; the best on the tuning people is taken."""

OPEN_FIT = 16
"""Tuning words on which the open decoder's weight is fitted: it is slower."""
REPEATS = 3
"""Times that a word divided by the reader itself is shown to it, where there are few."""
_MISSED = -12.0
_WEIGHED = 50

Row = dict[str, Any]


@dataclass(frozen=True)
class _Seen:
    """A word as each way to cut it sees it."""

    written: Written
    lattices: dict[str, Lattice]
    """``joint``, ``pauses``, and ``oracle`` where the bounds are known."""


def evaluate_unsegmented(recipe: SegmentRecipe, command: str = "", progress: bool = True) -> Path:
    """Decode words without given boundaries and write the folder of results.

    Returns
    -------
    Path
        `recipe.out` / `recipe.name`: ``words.parquet`` (one row a word, lexicon and method),
        ``unsegmented.json``, ``unsegmented.md``, ``recipe.yaml``, ``environment.json``.

    Raises
    ------
    InputError
        For anything wrong with the recordings or the lexica.
    """
    import pandas as pd
    import yaml

    from eval.environment import environment

    labels = parse_labels(recipe.labels)
    written: list[str] = []
    if recipe.words != "simulated":
        written = _labels_of(recipe.words)
    lexica = {one.name: _lexicon(one.lexicon, one.size, labels, written) for one in recipe.lexica}
    first = next(iter(lexica.values()))
    if recipe.words == "simulated":
        material = simulated(recipe, labels, first, progress)
    else:
        material = recorded(recipe, labels, first)
    rows: list[Row] = []
    about: list[dict[str, Any]] = []
    for part in _folds(recipe, material):
        judge = _Judge(recipe, labels, lexica, part, progress)
        rows += judge.rows(part.test)
        about.append(judge.weights)
    folder = Path(recipe.out) / recipe.name
    table = pd.DataFrame(rows)
    with atomic_path(folder / "words.parquet") as temporary:
        table.to_parquet(temporary)
    values = recipe.model_dump(mode="json")
    write_text(folder / "recipe.yaml", yaml.safe_dump(values, sort_keys=False))
    facts = environment(recipe.words, "", command)
    write_text(folder / "environment.json", json.dumps(facts, indent=1))
    sizes = {name: len(lexicon) for name, lexicon in lexica.items()}
    write_report(folder, summarise(table, recipe, material.source, sizes, about))
    return folder


class _Judge:
    """A reader that has learnt, decoders with fitted weights, and their rivals."""

    def __init__(
        self,
        recipe: SegmentRecipe,
        labels: Sequence[str],
        lexica: dict[str, Lexicon],
        material: Material,
        progress: bool,
    ) -> None:
        self.recipe = recipe
        self.progress = progress
        self.decoders = {name: LatticeDecoder(lexicon) for name, lexicon in lexica.items()}
        self.reader = self._taught(labels, material.teach)
        self._fit(material.tune)
        if material.other:
            for _ in range(recipe.rounds):
                known = [self._divided(one) for one in material.other]
                own = [one for one in known if one is not None]
                self.reader = self._taught(labels, [*material.teach, *own * REPEATS])
                self._fit(material.tune)
        if recipe.open_vocabulary:
            widest = max(lexica.values(), key=len)
            self._fit_open(CharModel(widest, recipe.order), material.tune)

    def rows(self, words: Sequence[Written]) -> list[Row]:
        """Decode words in every way; return a row each."""
        from tqdm.auto import tqdm

        found = []
        for written in tqdm(words, "decoding", unit="word", disable=not self.progress):
            seen = self._see(written)
            for method, lattice in seen.lattices.items():
                for name, decoder in self.decoders.items():
                    best = _first(decoder.decode, lattice)
                    cuts = lattice.times[lattice.bounds(best.word)] if best.word else np.empty(0)
                    found.append(self._row(written, name, method, best, cuts))
                word, way = lattice.likeliest()
                raw = Candidate(word, 0.0)
                found.append(self._row(written, NO_LEXICON, method, raw, lattice.times[way]))
            if self.recipe.open_vocabulary:
                lattice = seen.lattices["joint"]
                best = _first(self.open.decode, lattice)
                cuts = lattice.times[lattice.bounds(best.word)] if best.word else np.empty(0)
                found.append(self._row(written, NO_LEXICON, "joint, n-gram", best, cuts))
        return found

    def _taught(self, labels: Sequence[str], words: Sequence[Written]) -> SegmentReader:
        reader = SegmentReader(labels, self.recipe.step, self.recipe.epochs, seed=self.recipe.seed)
        return reader.fit(words)

    def _see(self, written: Written) -> _Seen:
        """Return a word's lattices, weighed."""
        reader, track = self.reader, written.track
        apart = reader.durations.shortest
        lattices = {
            "joint": reader.lattice(track),
            "pauses": reader.chain(track, track.pauses(self.weights["depth"], apart)),
        }
        if written.spans is not None:
            lattices["oracle"] = reader.chain(track, _middles(written))
        scale, offset = self.weights["scale"], self.weights["offset"]
        weighed = {name: one.weighed(scale, offset) for name, one in lattices.items()}
        return _Seen(written, weighed)

    def _fit(self, words: Sequence[Written]) -> None:
        """Choose all weights on the tuning people's words, one after another."""
        apart = self.reader.durations.shortest
        found: dict[str, float] = {"scale": 1.0, "offset": 0.0, "prior": 0.2}
        found["depth"] = max(DEPTHS, key=lambda depth: _cut_f1(words, depth, apart))
        raw = [(one.word, self.reader.lattice(one.track)) for one in words]
        decoder = next(iter(self.decoders.values()))

        def likelihood(**changed: float) -> float:
            tried = found | changed
            decoder.prior_weight = tried["prior"]
            logs = []
            for word, lattice in raw:
                weighed = lattice.weighed(tried["scale"], tried["offset"])
                logs.append(_log_prob(decoder, weighed, word))
            return float(np.mean(logs))

        for name, values in (
            ("offset", OFFSETS),
            ("scale", SCALES),
            ("offset", OFFSETS),
            ("prior", PRIOR_WEIGHTS),
        ):
            found[name] = max(values, key=lambda value, name=name: likelihood(**{name: value}))  # type: ignore[misc]
        for each in self.decoders.values():
            each.prior_weight = found["prior"]
        self.weights = found
        seen = [(w, x.weighed(found["scale"], found["offset"])) for w, x in raw]
        firsts = [(_first(decoder.decode, lattice), word) for word, lattice in seen]
        self.confidence = Confidence.fit(
            [c.log_prob for c, _ in firsts], [c.word == word for c, word in firsts]
        )

    def _fit_open(self, model: CharModel, words: Sequence[Written]) -> None:
        longest = max(len(w) for d in self.decoders.values() for w in d.lexicon.counts)
        order = np.random.default_rng(self.recipe.seed).permutation(len(words))[:OPEN_FIT]
        seen = [(words[i].word, self._see(words[i]).lattices["joint"]) for i in order]

        def made(weight: float) -> LatticeBeam:
            return LatticeBeam(model, weight, self.recipe.beam, longest)

        def likelihood(weight: float) -> float:
            beam = made(weight)
            return float(np.mean([_log_prob(beam, lattice, word) for word, lattice in seen]))

        self.weights["open"] = max(OPEN_WEIGHTS, key=likelihood)
        self.open = made(self.weights["open"])

    def _divided(self, written: Written) -> Written | None:
        """Return a word whose spelling is known with the bounds the reader finds in it."""
        lattice = self._see(written).lattices["joint"]
        cuts = lattice.bounds(written.word)
        if not cuts:
            return None
        at = lattice.times[cuts]
        return replace(written, spans=np.stack([at[:-1], at[1:]], axis=1))

    def _row(
        self,
        written: Written,
        lexicon: str,
        method: str,
        best: Candidate,
        cuts: np.ndarray[Any, Any],
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
            "confidence": float(self.confidence([best.log_prob])[0]),
        }
        if written.spans is not None:
            row |= boundary_hits(written, cuts[1:-1])
        return row


def boundary_hits(written: Written, cuts: np.ndarray[Any, Any]) -> Row:
    """Count the inner bounds there are, those that were found, and those of them that are right.

    A cut is right where it falls into the move between two letters, give or take
    `eval.segment_reader.TOLERANCE`; each bound is found by one cut at most.
    """
    earliest, latest = written.between()
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


def _folds(recipe: SegmentRecipe, material: Material) -> list[Material]:
    """Return one experiment, or two where each half of the sessions learns from the other."""
    if not recipe.rounds:
        return [material]
    groups = sessions(material.test)
    names = sorted(groups)
    if len(names) < 2:
        raise InputError(f"rounds={recipe.rounds}: words of one session: there is no other")
    folds = []
    for half in (names[: len(names) // 2], names[len(names) // 2 :]):
        test = tuple(one for name in half for one in groups[name])
        spelt = {one.word for one in test}
        # A word that is tested teaches nothing, whoever wrote it.
        rest = (one for name in names if name not in half for one in groups[name])
        other = tuple(one for one in rest if one.word not in spelt)
        folds.append(replace(material, test=test, other=other))
    return folds


def _lexicon(names: str, size: int | None, labels: Sequence[str], written: list[str]) -> Lexicon:
    parts = [name.strip() for name in names.split("+")]
    if "written" in parts and not written:
        raise InputError("lexicon 'written': simulated words are drawn from a lexicon: name one")
    known = [name for name in parts if name != "written"]
    counts: dict[str, float] = {}
    if known:
        lexicon = load_lexicon("+".join(known), labels)
        counts = (lexicon if size is None else lexicon.most_common(size)).counts
    if "written" in parts:
        usual = float(np.median(list(counts.values()))) if counts else 1.0
        counts = {word: usual for word in written} | counts
    return Lexicon(counts, labels)


def _labels_of(path: str) -> list[str]:
    import pyarrow.parquet as pq

    try:
        return sorted(set(pq.read_table(path, columns=["label"])["label"].to_pylist()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: give a Parquet file of words") from None


def _first(decode: Callable[[Lattice, int], list[Candidate]], lattice: Lattice) -> Candidate:
    """Return the best candidate; an empty word where none fits the recording."""
    try:
        return decode(lattice, 1)[0]
    except InputError:
        return Candidate("", _MISSED)


def _log_prob(decoder: LatticeDecoder | LatticeBeam, lattice: Lattice, word: str) -> float:
    try:
        found = [c.log_prob for c in decoder.decode(lattice, _WEIGHED) if c.word == word]
    except InputError:
        return _MISSED
    return max(found[0], _MISSED) if found else _MISSED


def _middles(written: Written) -> np.ndarray[Any, Any]:
    """Return the samples in the middle of the moves between letters, and the ends."""
    earliest, latest = written.between()
    at = np.round((earliest + latest) / 2 * written.track.rate).astype(np.int64)
    return np.clip(at, 0, written.track.n - 1)


def _cut_f1(words: Sequence[Written], depth: float, apart: float) -> float:
    hits = [
        boundary_hits(one, one.track.pauses(depth, apart)[1:-1] / one.track.rate) for one in words
    ]
    right, all_, found = (
        sum(h[key] for h in hits) for key in ("bounds_right", "bounds", "bounds_found")
    )
    return 2 * right / max(all_ + found, 1)
