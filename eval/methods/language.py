"""Every method of a comparison behind one call: language models and their classical rivals."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import OWN, Baseline, Views, is_baseline
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.splits import Fold, check_disjoint
from imuscribe.models.calibrate import Calibration
from imuscribe.prompts.ask.retrieval import Retriever
from imuscribe.prompts.ask.shots import (
    draw_own,
    draw_own_shots,
    draw_shots,
    generator_of,
    own_note,
)
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.serialize import build_serializer
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from imuscribe.recipes.schema import Recipe


Ask = Callable[[Sequence[Recording]], list[str]]
"""Turns recordings into prompts."""


class Predictors:
    """All methods of a recipe; they share the language model and the prepared signals.

    Language model methods are named by their parts: ``zero-shot``, ``few-shot`` and ``generate``
    ask the model as it is, ``adapter`` with the adapter that training starts from, and those that
    begin with ``fine-tuned`` the one trained on the fold's training people. ``retrieval`` is told
    what the nearest recordings of training people show, ``own`` also what the nearest of one
    labelled recording a label of the test person shows. ``generate`` lets it write and parses the
    answer; the others score every label.

    Parameters
    ----------
    recipe : Recipe
        Says how signals are written, prompted, trained and scored.
    progress : bool
        Show progress bars.
    """

    def __init__(self, recipe: Recipe, progress: bool = True) -> None:
        self.recipe = recipe
        self.progress = progress
        self.serializer = build_serializer(recipe.text)
        self.views = Views(
            self.serializer, recipe.evaluate.baseline_signals, frame=recipe.text.frame
        )
        # One language model at a time: two would not fit where one just does.
        self._held: tuple[Path | None, PreTrainedModel, PreTrainedTokenizerBase] | None = None

    def predict(self, method: str, fold: Fold, folder: Path) -> Predictions:
        """Answer the test recordings of a fold, training first where the method needs it.

        Parameters
        ----------
        method : str
            A method of the recipe.
        fold : Fold
            Training and test people.
        folder : Path
            Where an adapter trained for this fold is kept and found again.

        Raises
        ------
        InputError
            If a prompt does not fit its budget, or training refuses the data.
        """
        if is_baseline(method):
            return self._baseline(method, fold)
        fit_seconds = 0.0
        adapter = None
        if is_tuned(method):
            begin = time.perf_counter()
            adapter = self._train(fold, folder)
            fit_seconds = time.perf_counter() - begin
        elif method == "adapter":
            from imuscribe.finetune.adapters import check_start

            adapter = check_start(self.recipe)
        model, tokenizer = self._load(adapter)
        if method.endswith("generate"):
            return self._generate(fold, model, tokenizer, fit_seconds)
        own, test = self._own(fold, method)
        builder = self._builder(tokenizer)
        ask, notes = self._asker(method, fold, own, builder)
        return self._score(method, fold, test, ask, builder, model, fit_seconds, notes)

    def _asker(
        self, method: str, fold: Fold, own: Sequence[Recording], builder: PromptBuilder
    ) -> tuple[Ask, list[str]]:
        """Return what turns recordings into a method's prompts, and where its examples are from."""
        if method in ("fine-tuned-retrieval", "fine-tuned-own"):
            notes = [f"neighbours from {len(fold.train)} recordings of training people"]
            return self._with_neighbours(fold, own, builder), notes + own_note(own)
        k = self.recipe.evaluate.shots if method.endswith("few-shot") else 0
        shown = draw_shots(fold.train, k, self.recipe.seed, fold.name)
        examples = ", ".join(f"{rec.id} ({rec.label}, {rec.subject})" for rec in shown)
        notes = [f"examples from training people: {examples}"] if shown else []
        return lambda recordings: self._prompts(builder, recordings, shown), notes

    def _with_neighbours(self, fold: Fold, own: Sequence[Recording], builder: PromptBuilder) -> Ask:
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
            texts = self.serializer.encode([self.serializer.features(rec) for rec in recordings])
            lines = retriever.lines(recordings, [mine(rec) for rec in recordings])
            return [
                builder.prompt(f"{text}\n{line}") for text, line in zip(texts, lines, strict=True)
            ]

        return ask

    def _score(
        self,
        method: str,
        fold: Fold,
        test: Sequence[Recording],
        ask: Ask,
        builder: PromptBuilder,
        model: PreTrainedModel,
        fit_seconds: float,
        notes: list[str],
    ) -> Predictions:
        """Score every reading of the test recordings, average the probabilities, calibrate."""
        from imuscribe.finetune.scoring import LabelScorer

        labels, size = self.recipe.label_set, self.recipe.evaluate.batch_size
        scorer = LabelScorer(model, builder.tokenizer, [builder.completion(x) for x in labels])

        def scores(prompts: Sequence[str]) -> NDArray[np.float64]:
            return scorer.score(prompts, size, progress=self.progress).log_probs.astype(np.float64)

        readings = [ask(read) for read in self._readings(test, method)]
        begin = time.perf_counter()
        each = [scores(prompts) for prompts in readings]
        seconds = (time.perf_counter() - begin) / len(test)
        log_probs = np.logaddexp.reduce(each) - np.log(len(each))
        if len(each) > 1:
            notes.append(f"averaged over the recording and {len(each) - 1} varied copies")
        if known := self._calibrating(method, fold):
            truth = [labels.index(rec.label) for rec in known]
            log_probs = Calibration.fit(scores(ask(known)), truth)(log_probs)
            notes.append(f"calibrated on {len(known)} recordings of training people")
        tokens = [sum(map(builder.n_tokens, prompts)) for prompts in zip(*readings, strict=True)]
        return self._predictions(test, log_probs, tokens, seconds, fit_seconds, notes)

    def _calibrating(self, method: str, fold: Fold) -> list[Recording]:
        """Draw the training recordings that a tuned model is calibrated on."""
        k = self.recipe.evaluate.calibrate if is_tuned(method) else 0
        taken: Counter[str] = Counter()
        drawn = []
        for i in generator_of(self.recipe.seed, fold.name).permutation(len(fold.train)):
            rec = fold.train[i]
            if taken[rec.label] < k:
                taken[rec.label] += 1
                drawn.append(rec)
        return drawn

    def _readings(self, test: Sequence[Recording], method: str) -> list[Sequence[Recording]]:
        """Return the recordings, and varied copies of them for an adapter that learnt from such."""
        from imuscribe.signals.motion.augment import AugmentConfig, augment

        copies = self.recipe.evaluate.test_copies if is_tuned(method) else 0
        settings = self.recipe.train.augment or AugmentConfig()
        # Nothing may be left out of the one recording there is.
        settings = settings.model_copy(update={"late": 0.0})
        varied = [
            [
                augment(
                    rec,
                    np.random.default_rng([self.recipe.seed, i, zlib.crc32(rec.id.encode())]),
                    settings,
                    self.recipe.text.frame,
                )
                for rec in test
            ]
            for i in range(copies)
        ]
        return [test, *varied]

    def _generate(
        self,
        fold: Fold,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        fit_seconds: float,
    ) -> Predictions:
        """Let the model write, then parse; the order of the named labels is all there is."""
        from imuscribe.finetune.scoring import generate
        from imuscribe.prompts.ask.answers import parse_answer

        labels, settings = self.recipe.label_set, self.recipe.evaluate
        test, notes = fold.test, []
        if settings.generate_limit is not None and settings.generate_limit < len(test):
            rng = np.random.default_rng([self.recipe.seed, zlib.crc32(fold.name.encode())])
            drawn = rng.permutation(len(test))[: settings.generate_limit]
            test = [test[i] for i in sorted(drawn)]
            notes.append(f"{len(test)} recordings drawn for generation, seed {self.recipe.seed}")
        builder = self._builder(tokenizer)
        prompts = self._prompts(builder, test, ())
        begin = time.perf_counter()
        answers = generate(
            model,
            tokenizer,
            prompts,
            settings.max_new_tokens,
            batch_size=settings.batch_size,
            progress=self.progress,
        )
        seconds = (time.perf_counter() - begin) / len(prompts)
        scores = np.full((len(test), len(labels)), -np.inf)
        for row, answer in zip(scores, answers, strict=True):
            for rank, label in enumerate(parse_answer(answer, labels).ranked):
                row[labels.index(label)] = -rank
        tokens = [builder.n_tokens(prompt) for prompt in prompts]
        return self._predictions(test, scores, tokens, seconds, fit_seconds, notes)

    def _baseline(self, method: str, fold: Fold) -> Predictions:
        name = method.removesuffix(OWN)
        own, test = self._own(fold, method)
        baseline = Baseline(name, self.views, self.recipe.label_set, self.recipe.seed)
        baseline.fit(fold.train, [*self._copies(fold.train), *own])
        baseline.represent(test)  # prepared and remembered, so that answering alone is timed
        begin = time.perf_counter()
        log_probs = baseline.log_proba(test)
        seconds = (time.perf_counter() - begin) / len(test)
        copies = self.recipe.evaluate.baseline_copies
        notes = [f"{copies} varied copies of each recording"] if copies else []
        notes += own_note(own)
        tokens = [0] * len(test)
        return self._predictions(test, log_probs, tokens, seconds, baseline.fit_seconds, notes)

    def _own(self, fold: Fold, method: str) -> tuple[list[Recording], list[Recording]]:
        """Return what a method is shown of the test people, and what is left to test it on."""
        given = method.endswith(OWN)
        own = draw_own_shots(fold.test, self.recipe.seed, fold.name) if given else []
        shown = {rec.id for rec in own}
        return own, [rec for rec in fold.test if rec.id not in shown]

    def _predictions(
        self,
        test: Sequence[Recording],
        log_probs: NDArray[np.float64],
        tokens: Sequence[int],
        seconds: float,
        fit_seconds: float,
        notes: Sequence[str] = (),
    ) -> Predictions:
        labels, note = self.recipe.label_set, "; ".join(notes)
        return Predictions.of(test, labels, log_probs, tokens, seconds, fit_seconds, note)

    def _prompts(
        self, builder: PromptBuilder, test: Sequence[Recording], shown: Sequence[Recording]
    ) -> list[str]:
        texts = self.serializer.encode([self.serializer.features(rec) for rec in [*shown, *test]])
        shots = [Shot(text, rec.label) for text, rec in zip(texts, shown, strict=False)]
        return [builder.prompt(text, shots) for text in texts[len(shown) :]]

    def _builder(self, tokenizer: PreTrainedTokenizerBase) -> PromptBuilder:
        return PromptBuilder(tokenizer, self.recipe.label_set, self.recipe.prompt)

    def _copies(self, train: Sequence[Recording]) -> list[Recording]:
        from imuscribe.signals.motion.augment import AugmentConfig, augment

        rng = np.random.default_rng(self.recipe.seed)
        settings = self.recipe.train.augment or AugmentConfig()
        return [
            augment(rec, rng, settings, self.recipe.text.frame)
            for _ in range(self.recipe.evaluate.baseline_copies)
            for rec in train
        ]

    def _train(self, fold: Fold, folder: Path) -> Path:
        from imuscribe.finetune.sft import train

        adapter = folder / "adapter"
        if self._held and self._held[0] == adapter:
            return adapter
        self._held = None
        return train(self.recipe, fold.train, folder)

    def _load(self, adapter: Path | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from imuscribe.finetune.base import load_base

        if self._held is None or self._held[0] != adapter:
            self._held = None
            self._held = (adapter, *load_base(self.recipe.model, adapter))
        return self._held[1:]


def is_tuned(method: str) -> bool:
    """Tell whether a method trains the language model first."""
    return method.startswith("fine-tuned")
