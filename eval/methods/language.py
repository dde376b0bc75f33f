"""Every method of a recipe behind one call: language models and classical baselines."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import Baseline, Views
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.splits import Fold, check_disjoint
from imuscribe.finetune.adapters import check_start
from imuscribe.finetune.reading import Reader
from imuscribe.finetune.rows import prompt_builder, tokenised, training_rows
from imuscribe.finetune.sft import train
from imuscribe.models.calibrate import Calibration
from imuscribe.prompts.ask.retrieval import Retriever
from imuscribe.prompts.ask.shots import (
    draw_own,
    draw_own_shots,
    draw_shots,
    generator_of,
    own_note,
)
from imuscribe.prompts.ask.templates import Shot
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.methods import METHODS, Method
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.augment import AugmentConfig, augment
from imuscribe.signals.recording import Array, Recording

Ask = Callable[[Sequence[Recording]], list[str]]
"""Turns recordings into prompts."""
Asked = tuple[list[str], Array | None]
"""Prompts, and what a sensor encoder sees of their recordings."""
_SHARPNESS = 0.02
"""Cosine that is worth a factor e between two recordings shown; chosen on simulated people."""


class Predictors:
    """All methods of a recipe; they share the language model and the prepared signals.

    `recipes.methods` says what each method is given. Those that are tuned read with an adapter
    trained on the fold's training people, ``adapter`` with the one that training starts from.
    """

    def __init__(self, recipe: Recipe, progress: bool = True) -> None:
        self.recipe = recipe
        self.progress = progress
        serializer, signals = build_serializer(recipe.text), recipe.evaluate.baseline_signals
        windows, rate = recipe.windows, recipe.clean.rate
        steps = Views.steps if windows is None else round(windows.seconds * rate)
        self.views = Views(serializer, signals, steps, recipe.text.frame)
        # One language model at a time: two would not fit where one just does.
        self._reader: Reader | None = None

    def predict(self, method: str, fold: Fold, folder: Path) -> Predictions:
        """Answer the test recordings of a fold, training first where the method needs it.

        An adapter trained for this fold is kept in `folder` and found again there. It is an
        InputError if a prompt does not fit its budget, or training refuses the data.
        """
        given = METHODS[method]
        own = draw_own_shots(fold.test, self.recipe.seed, fold.name) if given.own else []
        shown = {rec.id for rec in own}
        test = [rec for rec in fold.test if rec.id not in shown]
        if not test:
            raise InputError(
                f"fold '{fold.name}': {method} shows one recording a label of each test person, "
                "which leaves none to test: raise split.max_test_per_label, or leave it out"
            )
        if given.kind == "baseline":
            return self._baseline(given, fold, own, test)
        begin = time.perf_counter()
        adapter = check_start(self.recipe) if method == "adapter" else None
        if given.tuned:
            adapter = self._train(fold, folder)
        fit_seconds = time.perf_counter() - begin if given.tuned else 0.0
        reader = self._read_with(adapter)
        if given.generates:
            answers = self._generate(fold, reader)
        else:
            answers = self._score(given, fold, own, test, reader)
        return replace(answers, fit_seconds=fit_seconds)

    def typical_tokens(self, fold: Fold) -> int:
        """Return the tokens of a training row, the median of a few."""
        recipe = self.recipe.model_copy(
            update={"train": self.recipe.train.model_copy(update={"max_per_label": 4})}
        )
        tokenizer = load_tokenizer(recipe.model.base)
        builder = prompt_builder(recipe, tokenizer)
        rows = training_rows(fold.train, recipe, builder, build_serializer(recipe.text), 1, False)
        length = 0 if recipe.sensor is None else recipe.sensor.length
        return int(np.median([len(row["input_ids"]) for row in tokenised(rows, tokenizer, length)]))

    def _score(
        self,
        given: Method,
        fold: Fold,
        own: Sequence[Recording],
        test: Sequence[Recording],
        reader: Reader,
    ) -> Predictions:
        """Score every reading of the test recordings, average the probabilities, calibrate."""
        labels = self.recipe.label_set
        ask, notes = self._asker(given, fold, own, reader)

        def asked(recordings: Sequence[Recording]) -> Asked:
            return ask(recordings), reader.signals(recordings)

        def scores(about: Asked) -> NDArray[np.float64]:
            prompts, signals = about
            if given.kind == "encoder":
                assert signals is not None  # the recipe's own check
                return reader.said(signals).astype(np.float64)
            return reader.score(prompts, self.progress, signals).astype(np.float64)

        readings = [asked(read) for read in self._readings(given, test)]
        each, seconds = timed(lambda: [scores(about) for about in readings], len(test))
        log_probs = np.logaddexp.reduce(each) - np.log(len(each))
        if given.kind == "encoder" and own:
            log_probs = log_probs + self._nearest_own(test, own, fold.train, reader)
            log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
            notes += own_note(own)
        if len(each) > 1:
            notes.append(f"averaged over the recording and {len(each) - 1} varied copies")
        if known := self._calibrating(given, fold):
            truth = [labels.index(rec.label) for rec in known]
            log_probs = Calibration.fit(scores(asked(known)), truth)(log_probs)
            notes.append(f"calibrated on {len(known)} recordings of training people")
        tokens = np.sum([reader.tokens(prompts) for prompts, _ in readings], axis=0)
        if given.kind == "encoder":
            tokens[:] = 0
        return Predictions.of(test, labels, log_probs, tokens, seconds, note="; ".join(notes))

    def _nearest_own(
        self,
        test: Sequence[Recording],
        own: Sequence[Recording],
        train: Sequence[Recording],
        reader: Reader,
    ) -> NDArray[np.float64]:
        """Return what each person's own recordings say of theirs, by the encoder's features."""
        labels = self.recipe.label_set

        def embedded(recordings: Sequence[Recording]) -> Array:
            signals = reader.signals(recordings)
            assert signals is not None  # the recipe's own check
            return reader.embed(signals)

        middle = embedded(train).mean(axis=0)
        # A label that the person did not show is as likely as one among all.
        found = np.full((len(test), len(labels)), -np.log(len(labels)))
        for subject in {rec.subject for rec in own}:
            shown = [rec for rec in own if rec.subject == subject]
            rows = [i for i, rec in enumerate(test) if rec.subject == subject]
            columns = [labels.index(rec.label) for rec in shown]
            of, to = embedded([test[i] for i in rows]) - middle, embedded(shown) - middle
            found[np.ix_(rows, columns)] = _nearest(of, to)
        return found

    def _asker(
        self, given: Method, fold: Fold, own: Sequence[Recording], reader: Reader
    ) -> tuple[Ask, list[str]]:
        """Return what turns recordings into a method's prompts, and where its examples are from."""
        if given.neighbours:
            notes = [f"neighbours from {len(fold.train)} recordings of training people"]
            return self._with_neighbours(fold, own, reader), notes + own_note(own)
        k = self.recipe.evaluate.shots if given.shots else 0
        shown = draw_shots(fold.train, k, self.recipe.seed, fold.name)
        shots = [Shot(t, rec.label) for t, rec in zip(reader.texts(shown), shown, strict=True)]
        examples = ", ".join(f"{rec.id} ({rec.label}, {rec.subject})" for rec in shown)
        notes = [f"examples from training people: {examples}"] if shown else []
        return lambda recordings: reader.prompts(
            reader.texts(recordings, given.shows), shots
        ), notes

    def _with_neighbours(self, fold: Fold, own: Sequence[Recording], reader: Reader) -> Ask:
        """Name the nearest recordings of other training people, and of `own` where there are any.

        A training person who is asked about, for calibration, is given recordings of their own.
        """
        assert self.recipe.prompt.retrieve is not None  # the recipe's own check
        check_disjoint(fold.train, fold.test)
        pool = [*fold.train, *own]
        retriever = Retriever(pool, self.recipe.prompt.retrieve, self.recipe.text.frame)
        theirs = {rec.subject: [o.id for o in own if o.subject == rec.subject] for rec in own}

        def mine(rec: Recording) -> list[str]:
            if not own or rec.subject in theirs:
                return theirs.get(rec.subject, [])
            same = [other for other in fold.train if other.subject == rec.subject]
            return draw_own(same, generator_of(self.recipe.seed, rec.id), without=rec.id)

        def ask(recordings: Sequence[Recording]) -> list[str]:
            lines = retriever.lines(recordings, [mine(rec) for rec in recordings])
            texts = reader.texts(recordings)
            return reader.prompts(
                [f"{text}\n{line}" for text, line in zip(texts, lines, strict=True)]
            )

        return ask

    def _calibrating(self, given: Method, fold: Fold) -> list[Recording]:
        """Draw the training recordings that a tuned model is calibrated on."""
        # What a person's own recordings say of somebody else is nothing to calibrate on.
        shows_own = given.kind == "encoder" and given.own
        k = self.recipe.evaluate.calibrate if given.tuned and not shows_own else 0
        taken: Counter[str] = Counter()
        drawn = []
        for i in generator_of(self.recipe.seed, fold.name).permutation(len(fold.train)):
            rec = fold.train[i]
            if taken[rec.label] < k:
                taken[rec.label] += 1
                drawn.append(rec)
        return drawn

    def _readings(self, given: Method, test: Sequence[Recording]) -> list[Sequence[Recording]]:
        """Return the recordings, and varied copies of them for an adapter that learnt from such."""
        settings = self.recipe.train.augment or AugmentConfig()
        # Nothing may be left out of the one recording there is.
        settings = settings.model_copy(update={"late": 0.0, "habits": None})

        def varied(rec: Recording, i: int) -> Recording:
            rng = np.random.default_rng([self.recipe.seed, i, zlib.crc32(rec.id.encode())])
            return augment(rec, rng, settings, self.recipe.text.frame)

        copies = self.recipe.evaluate.test_copies if given.tuned else 0
        return [test, *([varied(rec, i) for rec in test] for i in range(copies))]

    def _generate(self, fold: Fold, reader: Reader) -> Predictions:
        """Let the model write, then parse; the order of the named labels is all there is."""
        labels, limit = self.recipe.label_set, self.recipe.evaluate.generate_limit
        test, note = fold.test, ""
        if limit is not None and limit < len(test):
            rng = np.random.default_rng([self.recipe.seed, zlib.crc32(fold.name.encode())])
            test = [test[i] for i in sorted(rng.permutation(len(test))[:limit])]
            note = f"{len(test)} recordings drawn for generation, seed {self.recipe.seed}"
        prompts = reader.prompts(reader.texts(test))
        signals = reader.signals(test)
        answers, seconds = timed(
            lambda: reader.write(prompts, self.progress, signals), len(prompts)
        )
        tokens = reader.tokens(prompts)
        return Predictions.parsed(test, labels, answers, tokens, seconds, note=note)

    def _baseline(
        self, given: Method, fold: Fold, own: Sequence[Recording], test: Sequence[Recording]
    ) -> Predictions:
        recipe, copies = self.recipe, self.recipe.evaluate.baseline_copies
        settings = recipe.train.augment or AugmentConfig()
        rng = np.random.default_rng(recipe.seed)
        varied = [
            augment(rec, rng, settings, recipe.text.frame, recipe.clean)
            for _ in range(copies)
            for rec in fold.train
        ]
        baseline = Baseline(given.classifier, self.views, recipe.label_set, recipe.seed)
        baseline.fit(fold.train, [*varied, *own])
        baseline.represent(test)  # prepared and remembered, so that answering alone is timed
        log_probs, seconds = timed(lambda: baseline.log_proba(test), len(test))
        notes = [f"{copies} varied copies of each recording"] if copies else []
        note = "; ".join(notes + own_note(own))
        return Predictions.of(
            test, recipe.label_set, log_probs, 0, seconds, baseline.fit_seconds, note
        )

    def _train(self, fold: Fold, folder: Path) -> Path:
        adapter = folder / "adapter"
        if self._reader is None or self._reader.adapter != adapter:
            self._reader = None
            train(self.recipe, fold.train, folder)
        return adapter

    def _read_with(self, adapter: Path | None) -> Reader:
        if self._reader is None or self._reader.adapter != adapter:
            self._reader = None
            self._reader = Reader(adapter, self.recipe)
        return self._reader


def _nearest(of: Array, to: Array) -> NDArray[np.float64]:
    """Return log-probabilities of what lies nearest by cosine, shape (n_of, n_to)."""
    lengths = np.linalg.norm(of, axis=1)[:, None] * np.linalg.norm(to, axis=1)
    scaled = (of @ to.T) / (lengths + 1e-9) / _SHARPNESS
    return np.asarray(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True), dtype=np.float64)
