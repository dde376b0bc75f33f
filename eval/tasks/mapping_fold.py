"""A fold's encoder and gallery: trained or read, and asked once about the fold's strangers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.environment import as_json
from imuscribe.eval.splits import Fold, balanced
from imuscribe.mapping3d.data import Conditions, Prepared, fit_mapper
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.mapper import Mapper
from imuscribe.mapping3d.vote import fit_temperature, nearness, ranks
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Array, Recording

log = logging.getLogger(__name__)

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


class FoldMapping:
    """What a fold's training people taught; what is expensive is made once, when needed.

    Parameters
    ----------
    recipe : MapRecipe
    data : Conditions
    fold : Fold
        Of the recordings in `data.source`.
    folder : Path
        Keeps encoder and gallery from one run to the next.
    data_hash : str
        Of the data file: other data, another encoder.
    progress : bool
        Show a progress bar.
    """

    def __init__(
        self,
        recipe: MapRecipe,
        data: Conditions,
        fold: Fold,
        folder: Path,
        data_hash: str,
        progress: bool,
    ) -> None:
        self.recipe, self.data, self.fold, self.folder = recipe, data, fold, folder
        self.progress = progress
        self.train_people = sorted({rec.subject for rec in fold.train})
        self.test_people = sorted({rec.subject for rec in fold.test})
        ids = [rec.id for rec in fold.test]
        place = {rec.id: i for i, rec in enumerate(data.source.recordings)}
        self.test_x = data.source.x[[place[i] for i in ids]]
        # How many are tested, or how the gallery is made, changes no encoder.
        aside = {"evaluate", "out", "name", "gallery"}
        parts = recipe.model_dump(mode="json", exclude=aside)
        asked = [parts["split"].pop("folds"), parts["split"].pop("max_test_per_label")]
        self._fit_key = json.dumps([parts, fold.name, data_hash], sort_keys=True)
        settings = recipe.evaluate.model_dump(
            mode="json", exclude={"methods", "bootstrap", "adapter"}
        )
        gallery = recipe.gallery.model_dump(mode="json")
        self.key = _digest(json.dumps([self._fit_key, settings, gallery, asked[1]]))
        self._trained: Trained | None = None
        self._asked: tuple[Array, float] | None = None

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
            "n_rivals": len(self.rivals_learn()),
            "fit_seconds": trained.fit_seconds,
        }

    def rivals_learn(self) -> list[Recording]:
        """Return the labelled recordings that classifiers of the source condition learn from."""
        most = self.recipe.evaluate.baseline_per_label
        learnt = balanced(self.fold.train, most, self.recipe.seed)
        # Whoever taught the encoder teaches its rivals.
        return learnt + list(self.data.support[0].recordings if self.data.support else ())

    def space(self) -> tuple[Array, NDArray[np.str_], Array, NDArray[np.str_]]:
        """Return embeddings and labels of the fold's queries and of its gallery."""
        queries = self.trained.mapper.encoder.embed(self.test_x, "source")
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
            queries = self.trained.mapper.encoder.embed(self.test_x, "source")
            people = [rec.subject for rec in self.fold.test]
            distances = self.trained.gallery.distances(queries, people)
            took = (time.perf_counter() - begin) / len(self.test_x)
            self._asked = distances, took
        return self._asked

    def _train(self) -> Trained:
        path, noted = self.folder / ENCODER, self.folder / "encoder.json"
        key = _digest(self._fit_key)
        stored = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else {}
        mapper = _known(path) if stored.get("key") == key else None
        if mapper is None:
            noted.unlink(missing_ok=True)  # it speaks of the encoder that is about to be replaced
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
            write_text(noted, as_json(stored))
        gallery = build_gallery(self.recipe, self.data, mapper, self.train_people, self.test_people)
        gallery.save(self.folder / GALLERY)
        stops = ", ".join(stored["held_out"])
        note = f"{self.fold.name}: stopped after epoch {stored['epochs']}" + (
            f", by {stops}" if stops else ", nobody held out"
        )
        return Trained(mapper, gallery, tuple(stored["held_out"]), note, stored["seconds"])

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

    def held_out_scores(self, k: int) -> tuple[Float, list[Recording]]:
        """Return the nearness of every label (n, n_labels) to recordings of the people held out."""
        recordings, x = self._held_out()
        queries = self.trained.mapper.encoder.embed(x, "source")
        # Held-out people train nothing, but their recordings may be in the gallery: not for them.
        gallery = self.trained.gallery
        others = ~np.isin([item.subject for item in gallery.items], self.trained.held_out)
        distances = _distances(gallery, queries)[:, others]
        return nearness(distances, gallery.labels[others], self.recipe.label_set, k), recordings

    def temperature(self, k: int) -> float:
        """Return how sure a vote of `k` neighbours is, from the people held out."""
        if not self.trained.held_out:
            return self.trained.mapper.temperature
        scores, recordings = self.held_out_scores(k)
        return fit_temperature(scores, self.truth(recordings))

    def truth(self, recordings: Sequence[Recording]) -> list[int]:
        """Return the columns of the recordings' labels."""
        return [self.recipe.label_set.index(rec.label) for rec in recordings]


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
    kept = gallery_rows(recipe, data, train_people, test_people)
    strangers = test_people if recipe.gallery.provenance == "cross-user" else ()
    gallery = Gallery(mapper.space, recipe.gallery.provenance, recipe.gallery.metric, strangers)
    gallery.add(kept.recordings, mapper.encoder.embed(kept.x, "target"), mapper.space)
    return gallery


def gallery_rows(
    recipe: MapRecipe, data: Conditions, train_people: Sequence[str], test_people: Sequence[str]
) -> Prepared:
    """Return what the gallery holds, with its views.

    Raises
    ------
    InputError
        If that is nothing.
    """
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
    return thinned(mine, recipe.gallery.most_per_label, recipe.seed)


def thinned(kept: Prepared, most: int | None, seed: int) -> Prepared:
    """Return at most `most` recordings of each label, drawn evenly over people."""
    if most is None:
        return kept
    chosen = {rec.id for rec in balanced(kept.recordings, most, seed)}
    rows = [i for i, rec in enumerate(kept.recordings) if rec.id in chosen]
    return Prepared([kept.recordings[i] for i in rows], kept.x[rows], _NO_COPIES)


def _known(path: Path) -> Mapper | None:
    """Return an encoder trained before, None where it is lost or damaged."""
    try:
        return Mapper.load(path)
    except InputError as error:
        log.warning("%s; training again", str(error).partition(": make")[0])
        return None


def _distances(gallery: Gallery, queries: Array) -> Array:
    """Return distances to every item, asked by nobody in particular."""
    return gallery.distances(queries, [""] * len(queries))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
