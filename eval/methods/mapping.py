"""What every method answers about the held-out people of a fold: the mapping and its baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import BASELINES, Baseline, Views
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.splits import Fold
from imuscribe.mapping3d.analytic import flat_equivalent
from imuscribe.mapping3d.data import Conditions, described
from imuscribe.mapping3d.fit import Trained, gallery_rows, thinned, train_or_read
from imuscribe.mapping3d.space import Index, nearness, ranks
from imuscribe.mapping3d.views import view
from imuscribe.models.calibrate import Fusion, fit_temperature, log_posterior
from imuscribe.recipes.mapping import SIDES, MapRecipe
from imuscribe.recipes.methods import METHODS
from imuscribe.signals.errors import InputError
from imuscribe.signals.labels import balanced
from imuscribe.signals.motion.warping import warping_distances
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from imuscribe.eval.methods.reader import KeptReader

Float = NDArray[np.float64]
Values = dict[str, Any]


@dataclass(eq=False)
class MappingMethods:
    """Asks every method about the held-out people of one fold.

    What is expensive, such as the fold's encoder, is made once, when needed, and kept in `folder`
    from one run to the next. `data_hash` is of the data file: other data, another encoder. `reader`
    is the language model, None where no method asks it.
    """

    recipe: MapRecipe
    data: Conditions
    fold: Fold
    folder: Path
    data_hash: str
    reader: KeptReader | None
    progress: bool

    def __post_init__(self) -> None:
        self._answers: dict[str, Predictions] = {}
        self.train_people = sorted({rec.subject for rec in self.fold.train})
        self.test_people = sorted({rec.subject for rec in self.fold.test})
        self.test_x = self._views(self.fold.test)
        # How many are tested, or how the gallery is made, changes no encoder.
        aside = {"evaluate", "out", "name", "gallery"}
        parts = self.recipe.model_dump(mode="json", exclude=aside)
        asked = [parts["split"].pop("folds"), parts["split"].pop("max_test_per_label")]
        self._fit_key = json.dumps([parts, self.fold.name, self.data_hash], sort_keys=True)
        aside = {"methods", "bootstrap", "adapter"}
        settings = self.recipe.evaluate.model_dump(mode="json", exclude=aside)
        gallery = self.recipe.gallery.model_dump(mode="json")
        said = json.dumps([self._fit_key, settings, gallery, asked[1]])
        self._key = sha256(said.encode()).hexdigest()

    def key(self, method: str) -> str:
        """Return a fingerprint of all that a method's answers depend on."""
        asks_model = METHODS[method].asks_model
        return self._key + (self.reader.identity if self.reader and asks_model else "")

    def answer(self, method: str) -> Predictions:
        """Return a method's answers; the fusion asks its parts again."""
        if method not in self._answers:
            self._answers[method] = self._methods()[method]()
        return self._answers[method]

    @cached_property
    def trained(self) -> Trained:
        """The fold's encoder and gallery, trained or read."""
        return train_or_read(
            self.recipe, self.data, self.train_people, self.test_people, self.folder,
            self._fit_key, self.progress,
        )  # fmt: skip

    @cached_property
    def asked(self) -> tuple[Array, float]:
        """Distances of the test recordings to every item, and the seconds one query took."""
        trained = self.trained
        encoder, people = trained.mapper.encoder, [rec.subject for rec in self.fold.test]

        def ask() -> Array:
            return trained.gallery.distances(encoder.embed(self.test_x, "source"), people)

        return timed(ask, len(self.test_x))

    def facts(self) -> Values:
        """Return what is told of a fold beside its answers: retrieval, gallery, training."""
        gallery = self.trained.gallery
        found = ranks(self.asked[0], gallery.labels, [rec.label for rec in self.fold.test])
        return {
            "ranks": [int(rank) for rank in found],
            "gallery": {
                "provenance": gallery.provenance,
                "items": len(gallery),
                "people": len(gallery.people),
                "encoder": self.trained.mapper.version,
            },
            "held_out": list(self.trained.held_out),
            "n_rivals": len(self._baselines_learn()),
            "fit_seconds": self.trained.seconds,
        }

    def space(self) -> tuple[Array, NDArray[np.str_], Array, NDArray[np.str_]]:
        """Return embeddings and labels of the fold's queries and of its gallery."""
        queries = self.trained.mapper.encoder.embed(self.test_x, "source")
        labels = np.array([rec.label for rec in self.fold.test])
        return queries, labels, self.trained.gallery.embeddings, self.trained.gallery.labels

    def _baselines_learn(self) -> list[Recording]:
        """Return the labelled recordings that classifiers of the source condition learn from."""
        most = self.recipe.evaluate.baseline_per_label
        learnt = balanced(self.fold.train, most, self.recipe.seed)
        # Whoever taught the encoder teaches its baselines.
        return learnt + list(self.data.support[0].recordings if self.data.support else ())

    def _held_out_scores(self, k: int) -> tuple[Float, list[Recording]]:
        """Return the nearness of every label (n, n_labels) to recordings of the people held out.

        Of each there are as many as are tested of anybody.
        """
        people, split = self.trained.held_out, self.recipe.split
        everything = self.data.source.recordings
        recordings = []
        for person in people:
            theirs = [rec for rec in everything if rec.subject == person]
            recordings += balanced(theirs, split.max_test_per_label, self.recipe.seed)
        queries = self.trained.mapper.encoder.embed(self._views(recordings), "source")
        # Held-out people train nothing, but their recordings may be in the gallery: not for them.
        gallery = self.trained.gallery
        others = ~np.isin([item.subject for item in gallery.items], people)
        # Asked by nobody in particular.
        distances = gallery.distances(queries, [""] * len(queries))[:, others]
        return nearness(distances, gallery.labels[others], self.recipe.label_set, k), recordings

    def _temperature(self, k: int) -> float:
        """Return how sure a vote of `k` neighbours is, from the people held out."""
        if not self.trained.held_out:
            return self.trained.mapper.temperature
        scores, recordings = self._held_out_scores(k)
        return fit_temperature(scores, self._truth(recordings))

    def _truth(self, recordings: Sequence[Recording]) -> list[int]:
        return [self.recipe.label_set.index(rec.label) for rec in recordings]

    def _methods(self) -> dict[str, Callable[[], Predictions]]:
        return {
            "mapping": lambda: self._mapping(1),
            "mapping-vote": lambda: self._mapping(self.recipe.evaluate.neighbours),
            "analytic": lambda: self._analytic(warped=False),
            "analytic-dtw": lambda: self._analytic(warped=True),
            "llm-3d": lambda: self._read(self.fold.test, "3D text"),
            "llm-retrieved": lambda: self._read(self._retrieved(), "text of the nearest item"),
            "llm-synthesised": self._synthesised,
            "fusion": self._fusion,
            **{name: partial(self._baseline, name) for name in BASELINES},
        }

    def _mapping(self, k: int) -> Predictions:
        trained = self.trained
        begin = time.perf_counter()
        distances, asking = self.asked
        scores = nearness(distances, trained.gallery.labels, self.recipe.label_set, k)
        seconds = asking + (time.perf_counter() - begin) / len(scores)
        log_probs = log_posterior(scores, self._temperature(k))
        stops = ", ".join(trained.held_out)
        note = f"{self.fold.name}: stopped after epoch {trained.epochs}, " + (
            f"by {stops}" if stops else "nobody held out"
        )
        return self._predictions(log_probs, seconds, trained.seconds, note)

    def _analytic(self, warped: bool) -> Predictions:
        """Compare the rows that both conditions share, as they are."""
        source, target = (self.recipe.view.channels(side) for side in SIDES)
        shared = [row for row in source if row in target]
        if not shared:
            raise InputError("method analytic: view.source and view.target share no signal")
        kept = gallery_rows(self.recipe, self.data, self.train_people, self.test_people)
        if warped:
            kept = thinned(kept, self.recipe.evaluate.dtw_per_label, self.recipe.seed)
        queries = self.test_x[:, [source.index(row) for row in shared]]
        items = kept.x[:, [target.index(row) for row in shared]]

        def compare() -> Array:
            if warped:
                return warping_distances(queries, items).astype(np.float32)
            index = Index(items.reshape(len(items), -1), (), "euclidean")
            return index.distances(queries.reshape(len(queries), -1))

        distances, seconds = timed(compare, len(queries))
        labels = np.array([rec.label for rec in kept.recordings])
        scores = nearness(distances, labels, self.recipe.label_set)
        note = f"{len(labels)} items, nothing trained; probabilities not calibrated"
        return self._predictions(
            log_posterior(scores, float(np.std(scores)) or 1.0), seconds, 0.0, note
        )

    def _baseline(self, name: str) -> Predictions:
        learnt = self._baselines_learn()
        baseline = Baseline(name, self._baseline_views, self.recipe.label_set, self.recipe.seed)
        baseline.fit(learnt)
        log_probs, seconds = timed(lambda: baseline.log_proba(self.fold.test), len(self.fold.test))
        said = described(self.recipe.source)
        note = f"learnt from {len(learnt)} labelled recordings of {said}; no gallery"
        return self._predictions(log_probs, seconds, baseline.fit_seconds, note)

    @cached_property
    def _baseline_views(self) -> Views:
        """The rows that classifiers see of the source: the encoder's, unless the recipe says."""
        from imuscribe.prompts.serialize import TextConfig, build_serializer

        config = self.recipe.view
        if signals := self.recipe.evaluate.baseline_signals:
            config = config.model_copy(update={"source": signals})
        rows = partial(view, config=config, side="source")
        return Views(build_serializer(TextConfig()), rows, config.steps)

    def _retrieved(self) -> list[Recording]:
        """Return the item nearest to each query: what the study's language model is given."""
        gallery = self.trained.gallery
        nearest_item = self.asked[0].argmin(axis=1)
        return [gallery.recording(gallery.items[i].id) for i in nearest_item]

    def _synthesised(self) -> Predictions:
        shown = [flat_equivalent(rec, self.recipe.view.frame) for rec in self.fold.test]
        return self._read(shown, "text of the flat equivalent")

    def _read(self, shown: Sequence[Recording], what: str) -> Predictions:
        assert self.reader is not None  # the recipe's own check
        found = self.reader.read((self.fold.name, what), self.fold.test, shown)
        return replace(found, note=f"adapter {self.recipe.evaluate.adapter}, {what}")

    def _fusion(self) -> Predictions:
        """Pool the gallery's vote and the model's reading of the 3D text."""
        assert self.reader is not None
        k = self.recipe.evaluate.neighbours
        vote, text = self.answer("mapping-vote"), self.answer("llm-3d")
        if not self.trained.held_out:
            fusion, origin = Fusion((0.5, 0.5)), "equal weights, nobody held out"
        else:
            scores, recordings = self._held_out_scores(k)
            names = self.fold.name, "3D text of people held out"
            read = self.reader.read(names, recordings, recordings).log_probs
            parts = [log_posterior(scores, self._temperature(k)), read]
            fusion = Fusion.fit(parts, self._truth(recordings))
            a, b = fusion.weights
            origin = (
                f"weights {a:.2f} and {b:.2f} from {len(recordings)} recordings of "
                f"{', '.join(self.trained.held_out)}"
            )
        pooled = fusion([vote.log_probs, text.log_probs])
        note = f"{self.fold.name}: vote and 3D text, {origin}"
        found = self._predictions(pooled, vote.seconds + text.seconds, vote.fit_seconds, note)
        return replace(found, tokens=text.tokens)

    def _views(self, recordings: Sequence[Recording]) -> Array:
        place = {rec.id: i for i, rec in enumerate(self.data.source.recordings)}
        return self.data.source.x[[place[rec.id] for rec in recordings]]

    def _predictions(
        self, log_probs: Float, seconds: float, fit_seconds: float, note: str
    ) -> Predictions:
        labels = self.recipe.label_set
        return Predictions.of(self.fold.test, labels, log_probs, 0, seconds, fit_seconds, note)
