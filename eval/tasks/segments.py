"""Whole words without given boundaries: letters and bounds are found together.

What weighs segments has learnt from some people; its decoder's weights are fitted on words of
further people; the words tested are by others again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.environment import data_facts
from imuscribe.eval.report.words import segments_page, segments_results, segments_summary
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path
from imuscribe.signals.labels import parse_labels
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
from imuscribe.words.divided import FittedReader
from imuscribe.words.material import recorded, sessions, simulated
from imuscribe.words.segment_reader import Written

FITTED = ", fitted to other words"
LEARNT = ", learnt from other words"
"""Real words: what the other sessions' words, spelling known, were used for."""


class Segments(Task[SegmentRecipe]):
    """A reader taught once, and for real words fitted again to each half of the sessions."""

    def __init__(self, recipe: SegmentRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.labels = parse_labels(recipe.labels)
        self.is_real = recipe.words != "simulated"
        written = _labels_of(recipe.words) if self.is_real else []
        self.lexica = {
            one.name: _lexicon(one.lexicon, one.size, self.labels, written) for one in recipe.lexica
        }
        first = next(iter(self.lexica.values()))
        if self.is_real:
            self.material = recorded(recipe, self.labels, first)
            self.halves = halves(self.material.test)
        else:
            self.material = simulated(recipe, self.labels, first, progress)
            self.halves = []

    def source(self) -> dict[str, Values]:
        """Return the file of words and that of isolated letters."""
        recipe = self.recipe
        found = {"data": dict(data_facts(recipe.words))}
        if recipe.letters:
            found["letters"] = dict(data_facts(recipe.letters))
        return found

    def units(self) -> Sequence[Unit]:
        """Return the words read as taught, then each half as fitted to the other."""
        key = [self.recipe.model_dump(mode="json", exclude={"out", "name"}), self.source()]
        again = [
            Unit(("words", f"half {i + 1}"), key, partial(self._fitted_again, *half))
            for i, half in enumerate(self.halves)
        ]
        return [Unit(("words", "taught"), key, self._as_taught), *again]

    def judge(self, answers: Answers) -> Values:
        """Return the shares of words, letters and bounds that are right."""
        sizes = {name: len(lexicon) for name, lexicon in self.lexica.items()}
        weights = [stage["weights"] for stage in answers.values()]
        table, source = _table(answers), self.material.source
        return segments_summary(table, self.recipe, source, sizes, weights)

    def write_tables(self, answers: Answers) -> None:
        """Write ``words.parquet``: one row a word, lexicon and method."""
        with atomic_path(self.folder / "words.parquet") as temporary:
            _table(answers).to_parquet(temporary)

    results = staticmethod(segments_results)
    page = staticmethod(segments_page)

    @cached_property
    def _reader(self) -> FittedReader:
        teach, tune = self.material.teach, self.material.tune
        return FittedReader(self.recipe, self.labels, self.lexica, teach, tune, self.progress)

    def _as_taught(self) -> Values:
        reader = self._reader
        return {"rows": reader.rows(self.material.test), "weights": dict(reader.weights)}

    def _fitted_again(self, test: list[Written], other: list[Written]) -> Values:
        """Fit weights to the other sessions, and let the reader learn from them where asked."""
        reader = self._reader
        network, weights, sure = reader.reader, dict(reader.weights), reader.confidence
        reader.fit(other, ("offset", "scale", "offset"))
        found: Values = {"rows": reader.rows(test, FITTED), "weights": dict(reader.weights)}
        if self.recipe.learn:
            reader.learn(other, self.material.teach)
            found["rows"] += reader.rows(test, LEARNT)
        reader.reader, reader.weights, reader.confidence = network, weights, sure
        return found


def _table(answers: Answers) -> Any:
    import pandas as pd

    return pd.DataFrame([row for stage in answers.values() for row in stage["rows"]])


def halves(words: Sequence[Written]) -> list[tuple[list[Written], list[Written]]]:
    """Return each half of the sessions with the words of the other half.

    Every other session goes together. A word that is tested teaches nothing, whoever wrote it.
    """
    groups = sessions(words)
    names = sorted(groups)
    if len(names) < 2:
        raise InputError(f"words of one session, {names[0]}: there is no other to fit weights on")
    parts = []
    for half in (names[::2], names[1::2]):
        test = [one for name in half for one in groups[name]]
        spelt = {one.word for one in test}
        rest = (one for name in names if name not in half for one in groups[name])
        parts.append((test, [one for one in rest if one.word not in spelt]))
    return parts


def _lexicon(names: str, size: int | None, labels: Sequence[str], written: list[str]) -> Lexicon:
    parts = [name.strip() for name in names.split("+")]
    if "written" in parts and not written:
        raise InputError("lexicon 'written': simulated words are drawn from a lexicon: name one")
    known = [name for name in parts if name != "written"]
    counts: dict[str, float] = {}
    if known:
        counts = load_lexicon("+".join(known), labels, size).counts
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
