"""What every method answers about the strangers of a fold: the mapping and its rivals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import BASELINES, Baseline, Views
from eval.fusion import Fusion
from eval.predictions import Predictions, load, save
from eval.splits import Fold, balanced
from mapping3d.data import Conditions, Prepared, fit_mapper
from mapping3d.gallery import Gallery
from mapping3d.mapper import Mapper
from mapping3d.recipe import MapRecipe
from mapping3d.vote import fit_temperature, log_posterior, nearness, ranks
from signals.errors import InputError
from signals.files import write_text
from signals.recording import Array, Recording

if TYPE_CHECKING:
    from eval.reader import Reader

Float = NDArray[np.float64]
Values = dict[str, Any]

ENCODER, GALLERY = "encoder.safetensors", "gallery.imu"
_NO_COPIES: Array = np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class Trained:
    """A fold's mapping with its gallery, and how sure the gallery's vote is."""

    mapper: Mapper
    gallery: Gallery
    held_out: tuple[str, ...]
    note: str
    fit_seconds: float


class Judge:
    """Answers of every method about one fold; what is expensive is made once, when needed."""

    def __init__(
        self,
        recipe: MapRecipe,
        data: Conditions,
        fold: Fold,
        folder: Path,
        reader: Reader | None,
        data_hash: str,
        progress: bool,
    ) -> None:
        self.recipe, self.data, self.fold, self.folder = recipe, data, fold, folder
        self.reader, self.progress = reader, progress
        self.train_people = sorted({rec.subject for rec in fold.train})
        self.test_people = sorted({rec.subject for rec in fold.test})
        ids = [rec.id for rec in fold.test]
        place = {rec.id: i for i, rec in enumerate(data.source.recordings)}
        self._test_x = data.source.x[[place[i] for i in ids]]
        # How many are tested, or how the gallery is made, changes no encoder.
        aside = {"evaluate", "out", "name", "gallery"}
        parts = recipe.model_dump(mode="json", exclude=aside)
        asked = [parts["split"].pop("folds"), parts["split"].pop("max_test_per_label")]
        self._fit_key = json.dumps([parts, fold.name, data_hash], sort_keys=True)
        settings = recipe.evaluate.model_dump(
            mode="json", exclude={"methods", "bootstrap", "adapter"}
        )
        gallery = recipe.gallery.model_dump(mode="json")
        self._key = _digest(json.dumps([self._fit_key, settings, gallery, asked[1]]))
        self._trained: Trained | None = None
        self._asked: tuple[Array, float] | None = None
        self._views: Views | None = None

    def answer(self, method: str) -> Predictions:
        """Return a method's answers, from an earlier run where there are any."""
        path = self.folder / f"{method}.parquet"
        asks_model = method.startswith("llm-") or method == "fusion"
        key = self._key + (self.reader.identity if self.reader and asks_model else "")
        known = load(path, key, self.fold.test)
        if known is None:
            known = self._methods()[method]()
            save(known, path, self.fold.name, method, key)
        return known

    def facts(self) -> Values:
        """Return what is told of a fold beside its answers: retrieval, gallery, training."""
        trained = self.trained
        distances, _ = self.asked
        found = ranks(distances, trained.gallery.labels, [rec.label for rec in self.fold.test])
        return {
            "ranks": [int(rank) for rank in found],
            "gallery": {
                "provenance": trained.gallery.provenance,
                "items": len(trained.gallery),
                "people": len(trained.gallery.people),
                "encoder": trained.mapper.version,
            },
            "held_out": list(trained.held_out),
            "note": trained.note,
            "fit_seconds": trained.fit_seconds,
        }

    def space(self) -> tuple[Array, NDArray[np.str_], Array, NDArray[np.str_]]:
        """Return embeddings and labels of the fold's queries and of its gallery."""
        queries = self.trained.mapper.encoder.embed(self._test_x, "source")
        labels = np.array([rec.label for rec in self.fold.test])
        return queries, labels, self.trained.gallery.embeddings, self.trained.gallery.labels

    @property
    def trained(self) -> Trained:
        """The fold's encoder and gallery, trained or read."""
        if self._trained is None:
            self._trained = self._train()
        return self._trained

    @property
    def asked(self) -> tuple[Array, float]:
        """Distances of the test recordings to every item, and the seconds one query took."""
        if self._asked is None:
            begin = time.perf_counter()
            queries = self.trained.mapper.encoder.embed(self._test_x, "source")
            people = [rec.subject for rec in self.fold.test]
            distances = self.trained.gallery.distances(queries, people)
            took = (time.perf_counter() - begin) / len(self._test_x)
            self._asked = distances, took
        return self._asked

    def _train(self) -> Trained:
        path, noted = self.folder / ENCODER, self.folder / "encoder.json"
        key = _digest(self._fit_key)
        stored = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else {}
        if stored.get("key") == key and path.is_file():
            mapper = Mapper.load(path)
        else:
            begin = time.perf_counter()
            mapper, history = fit_mapper(self.recipe, self.data, self.train_people, self.progress)
            stored = {
                "key": key,
                "held_out": list(history.held_out),
                "loss": history.loss,
                "retrieval": history.retrieval,
                "epochs": history.best + 1,
                "seconds": time.perf_counter() - begin,
            }
            mapper.save(path)
            write_text(noted, _json(stored))
        gallery = build_gallery(self.recipe, self.data, mapper, self.train_people, self.test_people)
        gallery.save(self.folder / GALLERY)
        stops = ", ".join(stored["held_out"])
        note = f"{self.fold.name}: stopped after epoch {stored['epochs']}" + (
            f", by {stops}" if stops else ", nobody held out"
        )
        return Trained(mapper, gallery, tuple(stored["held_out"]), note, stored["seconds"])

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
        trained = self.trained
        begin = time.perf_counter()
        distances, asking = self.asked
        scores = nearness(distances, trained.gallery.labels, self.recipe.label_set, k)
        seconds = asking + (time.perf_counter() - begin) / len(scores)
        return self._predictions(
            log_posterior(scores, self._temperature(k)), seconds, trained.fit_seconds, trained.note
        )

    def _held_out(self) -> tuple[list[Recording], Array]:
        """Return recordings of the people held out, as many as are tested of anybody."""
        data = self.data.source.of(self.trained.held_out)
        kept = [
            rec
            for person in self.trained.held_out
            for rec in balanced(
                [r for r in data.recordings if r.subject == person],
                self.recipe.split.max_test_per_label,
                self.recipe.seed,
            )
        ]
        place = {rec.id: i for i, rec in enumerate(data.recordings)}
        return kept, data.x[[place[rec.id] for rec in kept]]

    def _held_out_scores(self, k: int) -> tuple[Float, list[Recording]]:
        recordings, x = self._held_out()
        queries = self.trained.mapper.encoder.embed(x, "source")
        # Held-out people train nothing, but their recordings may be in the gallery: not for them.
        gallery = self.trained.gallery
        others = ~np.isin([item.subject for item in gallery.items], self.trained.held_out)
        distances = _distances(gallery, queries)[:, others]
        return nearness(distances, gallery.labels[others], self.recipe.label_set, k), recordings

    def _temperature(self, k: int) -> float:
        if not self.trained.held_out:
            return self.trained.mapper.temperature
        scores, recordings = self._held_out_scores(k)
        return fit_temperature(scores, self._truth(recordings))

    def _analytic(self, warped: bool) -> Predictions:
        """Compare the rows that both conditions share, as they are."""
        view = self.recipe.view
        shared = [row for row in view.channels("source") if row in view.channels("target")]
        if not shared:
            raise InputError("method analytic: view.source and view.target share no signal")
        kept = _gallery_rows(self.recipe, self.data, self.train_people, self.test_people)
        if warped:
            kept = _thinned(kept, self.recipe.evaluate.dtw_per_label, self.recipe.seed)
        queries = self._test_x[:, [view.channels("source").index(row) for row in shared]]
        items = kept.x[:, [view.channels("target").index(row) for row in shared]]
        begin = time.perf_counter()
        if warped:
            from signals.warping import warping_distances

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
        from prompts.serialize import TextConfig, build_serializer

        if self._views is None:
            self._views = EncoderViews(self.recipe, build_serializer(TextConfig()))
        most = self.recipe.evaluate.baseline_per_label
        learnt = balanced(self.fold.train, most, self.recipe.seed)
        if self.data.support is not None:  # whoever taught the encoder teaches its rivals
            learnt = [*learnt, *self.data.support[0].recordings]
        baseline = Baseline(name, self._views, self.recipe.label_set, self.recipe.seed).fit(learnt)
        begin = time.perf_counter()
        log_probs = baseline.log_proba(self.fold.test)
        seconds = (time.perf_counter() - begin) / len(self.fold.test)
        said = ", ".join(f"{column} {value}" for column, value in self.recipe.source.items())
        note = f"learnt from {len(learnt)} labelled recordings of {said}; no gallery"
        return self._predictions(log_probs, seconds, baseline.fit_seconds, note)

    def _retrieved(self) -> list[Recording]:
        """Return the item nearest to each query: what the study's language model is given."""
        gallery = self.trained.gallery
        nearest_item = self.asked[0].argmin(axis=1)
        return [gallery.recording(gallery.items[i].id) for i in nearest_item]

    def _synthesised(self) -> list[Recording]:
        from mapping3d.analytic import flat_equivalent

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
        if not self.trained.held_out:
            fusion, origin = Fusion((0.5, 0.5)), "equal weights, nobody held out"
        else:
            scores, recordings = self._held_out_scores(k)
            parts = [log_posterior(scores, self._temperature(k)), self.reader.read(recordings)[0]]
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

    def _truth(self, recordings: Sequence[Recording]) -> list[int]:
        return [self.recipe.label_set.index(rec.label) for rec in recordings]

    def _predictions(
        self, log_probs: Float, seconds: float, fit_seconds: float, note: str
    ) -> Predictions:
        test = self.fold.test
        return Predictions(
            self.recipe.label_set,
            tuple(rec.id for rec in test),
            tuple(rec.subject for rec in test),
            tuple(rec.case for rec in test),
            tuple(rec.label for rec in test),
            np.asarray(log_probs, dtype=np.float64),
            np.zeros(len(test), dtype=np.int64),
            seconds,
            fit_seconds,
            note,
        )


class EncoderViews(Views):
    """The very rows that the encoder sees of the source, for classifiers."""

    def __init__(self, recipe: MapRecipe, serializer: Any) -> None:
        super().__init__(serializer, frame=recipe.view.frame, steps=recipe.view.steps)
        self._config = recipe.view

    def _sequence(self, rec: Recording) -> Array:
        from mapping3d.views import view

        return view(rec, self._config, "source")


def build_gallery(
    recipe: MapRecipe,
    data: Conditions,
    mapper: Mapper,
    train_people: Sequence[str],
    test_people: Sequence[str],
) -> Gallery:
    """Return the gallery that test people ask: of training people and supporters, or their own too.

    Raises
    ------
    InputError
        If it would hold a test person without being same-user, or nothing.
    """
    kept = _gallery_rows(recipe, data, train_people, test_people)
    strangers = test_people if recipe.gallery.provenance == "cross-user" else ()
    gallery = Gallery(mapper.space, recipe.gallery.provenance, recipe.gallery.metric, strangers)
    gallery.add(kept.recordings, mapper.encoder.embed(kept.x, "target"), mapper.space)
    return gallery


def _gallery_rows(
    recipe: MapRecipe, data: Conditions, train_people: Sequence[str], test_people: Sequence[str]
) -> Prepared:
    people = {*train_people, *(test_people if recipe.gallery.provenance == "same-user" else ())}
    mine = data.target.of(people)
    if data.support is not None and recipe.gallery.supporters:
        theirs = data.support[1]
        mine = Prepared(
            [*mine.recordings, *theirs.recordings],
            np.concatenate([mine.x, theirs.x]),
            _NO_COPIES,
        )
    if not mine.recordings:
        raise InputError(
            f"gallery: {', '.join(train_people)} have no recording of the target condition "
            f"({recipe.target}): give supporters, or gallery.provenance=same-user"
        )
    return _thinned(mine, recipe.gallery.most_per_label, recipe.seed)


def _thinned(kept: Prepared, most: int | None, seed: int) -> Prepared:
    if most is None:
        return kept
    chosen = {rec.id for rec in balanced(kept.recordings, most, seed)}
    rows = [i for i, rec in enumerate(kept.recordings) if rec.id in chosen]
    return Prepared([kept.recordings[i] for i in rows], kept.x[rows], _NO_COPIES)


def _distances(gallery: Gallery, queries: Array) -> Array:
    """Return distances to every item, asked by nobody in particular."""
    return gallery.distances(queries, [""] * len(queries))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
