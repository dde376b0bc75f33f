"""What every method answers about the strangers of a fold: the mapping and its rivals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import BASELINES, Baseline, Views
from imuscribe.eval.methods.fusion import Fusion
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.tasks.mapping_fold import FoldMapping, gallery_rows, thinned
from imuscribe.mapping3d.vote import log_posterior, nearness
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.recipes.methods import METHODS
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from imuscribe.eval.methods.reader import KeptReader

Float = NDArray[np.float64]


class Judge:
    """Asks every method about the strangers of one fold.

    Parameters
    ----------
    mapping : FoldMapping
    reader : KeptReader or None
        The language model; None where no method asks it.
    """

    def __init__(self, mapping: FoldMapping, reader: KeptReader | None) -> None:
        self.mapping, self.reader = mapping, reader
        self.recipe, self.data, self.fold = mapping.recipe, mapping.data, mapping.fold
        self._views: Views | None = None
        self._answers: dict[str, Predictions] = {}

    def key(self, method: str) -> str:
        """Return a fingerprint of all that a method's answers depend on."""
        asks_model = METHODS[method].asks_model
        return self.mapping.key + (self.reader.identity if self.reader and asks_model else "")

    def answer(self, method: str) -> Predictions:
        """Return a method's answers; the fusion asks its parts again."""
        if method not in self._answers:
            self._answers[method] = self._methods()[method]()
        return self._answers[method]

    def _methods(self) -> dict[str, Callable[[], Predictions]]:
        return {
            "mapping": lambda: self._mapping(1),
            "mapping-vote": lambda: self._mapping(self.recipe.evaluate.neighbours),
            "analytic": lambda: self._analytic(warped=False),
            "analytic-dtw": lambda: self._analytic(warped=True),
            "llm-3d": lambda: self._read(self.fold.test, "3D text"),
            "llm-retrieved": lambda: self._read(self._retrieved(), "text of the nearest item"),
            "llm-synthesised": lambda: self._read(
                self._synthesised(), "text of the flat equivalent"
            ),
            "fusion": self._fusion,
            **{name: partial(self._baseline, name) for name in BASELINES},
        }

    def _mapping(self, k: int) -> Predictions:
        trained = self.mapping.trained
        begin = time.perf_counter()
        distances, asking = self.mapping.asked
        scores = nearness(distances, trained.gallery.labels, self.recipe.label_set, k)
        seconds = asking + (time.perf_counter() - begin) / len(scores)
        log_probs = log_posterior(scores, self.mapping.temperature(k))
        return self._predictions(log_probs, seconds, trained.fit_seconds, trained.note)

    def _analytic(self, warped: bool) -> Predictions:
        """Compare the rows that both conditions share, as they are."""
        view = self.recipe.view
        shared = [row for row in view.channels("source") if row in view.channels("target")]
        if not shared:
            raise InputError("method analytic: view.source and view.target share no signal")
        fold = self.mapping
        kept = gallery_rows(self.recipe, self.data, fold.train_people, fold.test_people)
        if warped:
            kept = thinned(kept, self.recipe.evaluate.dtw_per_label, self.recipe.seed)
        queries = self.mapping.test_x[:, [view.channels("source").index(row) for row in shared]]
        items = kept.x[:, [view.channels("target").index(row) for row in shared]]
        begin = time.perf_counter()
        if warped:
            from imuscribe.signals.motion.warping import warping_distances

            distances = warping_distances(queries, items).astype(np.float32)
        else:
            a, b = queries.reshape(len(queries), -1), items.reshape(len(items), -1)
            square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
            distances = np.sqrt(np.maximum(square, 0))
        seconds = (time.perf_counter() - begin) / len(queries)
        labels = np.array([rec.label for rec in kept.recordings])
        scores = nearness(distances, labels, self.recipe.label_set)
        note = f"{len(labels)} items, nothing trained; probabilities not calibrated"
        return self._predictions(
            log_posterior(scores, float(np.std(scores)) or 1.0), seconds, 0.0, note
        )

    def _baseline(self, name: str) -> Predictions:
        from imuscribe.prompts.serialize import TextConfig, build_serializer

        if self._views is None:
            self._views = EncoderViews(self.recipe, build_serializer(TextConfig()))
        learnt = self.mapping.rivals_learn()
        baseline = Baseline(name, self._views, self.recipe.label_set, self.recipe.seed).fit(learnt)
        begin = time.perf_counter()
        log_probs = baseline.log_proba(self.fold.test)
        seconds = (time.perf_counter() - begin) / len(self.fold.test)
        said = ", ".join(f"{column} {value}" for column, value in self.recipe.source.items())
        note = f"learnt from {len(learnt)} labelled recordings of {said}; no gallery"
        return self._predictions(log_probs, seconds, baseline.fit_seconds, note)

    def _retrieved(self) -> list[Recording]:
        """Return the item nearest to each query: what the study's language model is given."""
        gallery = self.mapping.trained.gallery
        nearest_item = self.mapping.asked[0].argmin(axis=1)
        return [gallery.recording(gallery.items[i].id) for i in nearest_item]

    def _synthesised(self) -> list[Recording]:
        from imuscribe.mapping3d.analytic import flat_equivalent

        return [flat_equivalent(rec, self.recipe.view.frame) for rec in self.fold.test]

    def _read(self, shown: Sequence[Recording], what: str) -> Predictions:
        assert self.reader is not None  # the recipe's own check
        begin = time.perf_counter()
        log_probs, tokens = self.reader.read(shown)
        seconds = (time.perf_counter() - begin) / len(shown)
        note = f"adapter {self.recipe.evaluate.adapter}, {what}"
        return replace(self._predictions(log_probs, seconds, 0.0, note), tokens=tokens)

    def _fusion(self) -> Predictions:
        """Pool the gallery's vote and the model's reading of the 3D text."""
        assert self.reader is not None
        k = self.recipe.evaluate.neighbours
        vote, text = self.answer("mapping-vote"), self.answer("llm-3d")
        if not self.mapping.trained.held_out:
            fusion, origin = Fusion((0.5, 0.5)), "equal weights, nobody held out"
        else:
            scores, recordings = self.mapping.held_out_scores(k)
            parts = [
                log_posterior(scores, self.mapping.temperature(k)),
                self.reader.read(recordings)[0],
            ]
            fusion = Fusion.fit(parts, self.mapping.truth(recordings))
            a, b = fusion.weights
            origin = (
                f"weights {a:.2f} and {b:.2f} from {len(recordings)} recordings of "
                f"{', '.join(self.mapping.trained.held_out)}"
            )
        pooled = fusion([vote.log_probs, text.log_probs])
        note = f"{self.fold.name}: vote and 3D text, {origin}"
        found = self._predictions(pooled, vote.seconds + text.seconds, vote.fit_seconds, note)
        return replace(found, tokens=text.tokens)

    def _predictions(
        self, log_probs: Float, seconds: float, fit_seconds: float, note: str
    ) -> Predictions:
        labels = self.recipe.label_set
        return Predictions.of(self.fold.test, labels, log_probs, 0, seconds, fit_seconds, note)


class EncoderViews(Views):
    """The very rows that the encoder sees of the source, for classifiers."""

    def __init__(self, recipe: MapRecipe, serializer: Any) -> None:
        super().__init__(serializer, frame=recipe.view.frame, steps=recipe.view.steps)
        self._config = recipe.view

    def _sequence(self, rec: Recording) -> Array:
        from imuscribe.mapping3d.views import view

        return view(rec, self._config, "source")
