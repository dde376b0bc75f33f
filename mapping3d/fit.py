"""A mapping from a recipe: an encoder trained on some people, and a gallery to answer others."""

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

from imuscribe.mapping3d.data import Conditions, Prepared, prepare
from imuscribe.mapping3d.encoder import Encoder
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.mapper import Mapper
from imuscribe.mapping3d.space import agreeing
from imuscribe.mapping3d.train import Samples, fit_encoder, split_held_out
from imuscribe.models.fit import History, seeded
from imuscribe.recipes.load import dump
from imuscribe.recipes.mapping import SIDES, MapRecipe
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import held, parsed_json, write_text
from imuscribe.signals.labels import balanced

log = logging.getLogger(__name__)

ENCODER, GALLERY = "encoder.safetensors", "gallery.parquet"
"""Files of a folder that holds a mapping."""
_FIRST_GALLERY = "gallery.imu"


def fit_and_save(recipe: MapRecipe, progress: bool = True) -> tuple[Path, Mapper, Gallery, str]:
    """Train on the recipe's training people and save encoder and gallery in the run's folder.

    Returns the folder, what lies in it, and how training went.

    Raises
    ------
    InputError
        For anything wrong with the data, the training people or the gallery, or where another
        command writes there.
    """
    data = prepare(recipe, progress)
    people = sorted(set(data.source.people))
    if recipe.split.protocol == "given":
        for person in recipe.split.train:
            if person not in people:
                hint = nearest(person, people)
                raise InputError(f"split.train: '{person}' is not in the data: {hint}")
        people = list(recipe.split.train)
    folder = recipe.folder
    with held(folder):
        mapper, history = fit_mapper(recipe, data, people, progress)
        gallery = build_gallery(recipe, data, mapper, people, ())
        write_text(folder / "recipe.yaml", dump(recipe))
        mapper.save(folder / ENCODER)
        gallery.save(folder / GALLERY)
    note = f"loss {history.loss[history.best]:.3f} after epoch {history.best + 1}"
    if history.scores:
        note += (
            f", finds {history.scores[history.best]:.3f} of {', '.join(history.held_out)}'s, "
            "who did not train"
        )
    return folder, mapper, gallery, note


def gallery_in(folder: Path) -> Path:
    """Return the path of a folder's gallery, which may be of the first format."""
    first = folder / _FIRST_GALLERY
    return first if first.is_file() and not (folder / GALLERY).is_file() else folder / GALLERY


@dataclass(frozen=True)
class Trained:
    """An encoder with its gallery, who decided when to stop, and the epochs and seconds it took."""

    mapper: Mapper
    gallery: Gallery
    held_out: tuple[str, ...]
    epochs: int
    seconds: float


def train_or_read(
    recipe: MapRecipe,
    data: Conditions,
    train_people: Sequence[str],
    test_people: Sequence[str],
    folder: Path,
    key: str,
    progress: bool = True,
) -> Trained:
    """Return what some people teach for others, and keep it in a folder.

    An encoder that was trained there under the same `key` is not trained again; the gallery is
    always made anew.
    """
    path, noted = folder / ENCODER, folder / "encoder.json"
    key = sha256(key.encode()).hexdigest()
    known = _noted(noted)
    mapper = _known(path) if known.get("key") == key else None
    if mapper is None:
        noted.unlink(missing_ok=True)  # it speaks of the encoder that is about to be replaced
        begin = time.perf_counter()
        mapper, history = fit_mapper(recipe, data, train_people, progress)
        known = {
            "key": key,
            "held_out": list(history.held_out),
            "loss": history.loss,
            "retrieval": history.scores,
            "epochs": history.best + 1,
            "seconds": time.perf_counter() - begin,
        }
        mapper.save(path)
        write_text(noted, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    gallery = build_gallery(recipe, data, mapper, train_people, test_people)
    gallery.save(folder / GALLERY)
    return Trained(mapper, gallery, tuple(known["held_out"]), known["epochs"], known["seconds"])


def fit_mapper(
    recipe: MapRecipe, data: Conditions, people: Sequence[str], progress: bool = True
) -> tuple[Mapper, History]:
    """Train an encoder on what some people, and all auxiliary subjects, did."""
    stops = split_held_out(data.source.of(people).people, recipe.fit.hold_out)
    learners = [person for person in people if person not in stops]
    share = recipe.support.share if recipe.support and data.support else 0.0
    source = data.source.of(learners).samples(weight=1 - share if share else 1.0)
    # Who stops training gives references no more than anchors.
    target = data.target.of(learners).samples()
    if data.support:
        if share:
            source = _joined(source, data.support[0].samples(weight=share))
        target = _joined(target, data.support[1].samples())
    for side, samples in zip(SIDES, (source, target), strict=True):
        there = set(samples.labels)
        if missing := [label for label in recipe.label_set if label not in there]:
            raise InputError(
                f"{side} condition: no training recording of {', '.join(missing[:10])}: take them "
                "out of 'labels' or add people who have them"
            )
    with seeded(recipe.seed):
        encoder = Encoder(recipe.encoder, recipe.view, recipe.clean.rate)
    encoder.standardise(source.x, target.x)
    held_out = data.source.of(stops).samples(varied=False) if stops else None
    history = fit_encoder(encoder, source, target, recipe.fit, held_out, recipe.seed, progress)
    auxiliary = {person for side in data.support or () for person in side.people}
    mapper = Mapper(
        encoder,
        recipe.clean,
        {str(k): v for k, v in recipe.source.items()},
        {str(k): v for k, v in recipe.target.items()},
        recipe.label_set,
        tuple(sorted({*people, *auxiliary})),
    )
    return mapper, history


def build_gallery(
    recipe: MapRecipe,
    data: Conditions,
    mapper: Mapper,
    train_people: Sequence[str],
    test_people: Sequence[str],
) -> Gallery:
    """Return the gallery that test people ask, made as the recipe says."""
    kept = gallery_rows(recipe, data, train_people, test_people)
    excluded = test_people if recipe.gallery.provenance == "cross-user" else ()
    gallery = Gallery(mapper.space, recipe.gallery.provenance, recipe.gallery.metric, excluded)
    embeddings = mapper.encoder.embed(kept.x, "target")
    if recipe.gallery.agreement is not None:
        labels = np.array([rec.label for rec in kept.recordings])
        rows = agreeing(embeddings, labels, recipe.gallery.agreement, recipe.gallery.metric)
        kept, embeddings = kept.take(rows), embeddings[rows]
    gallery.add(kept.recordings, embeddings, mapper.space)
    return gallery


def gallery_rows(
    recipe: MapRecipe, data: Conditions, train_people: Sequence[str], test_people: Sequence[str]
) -> Prepared:
    """Return what the gallery holds, with its views."""
    people = {*train_people, *(test_people if recipe.gallery.provenance == "same-user" else ())}
    mine = data.target.of(people)
    recordings, x = mine.recordings, mine.x
    if data.support is not None and recipe.gallery.supporters:
        theirs = data.support[1]
        recordings, x = [*recordings, *theirs.recordings], np.concatenate([x, theirs.x])
    if not recordings:
        raise InputError(
            f"gallery: {', '.join(train_people)} have no recording of the target condition "
            f"({recipe.target}): give auxiliary subjects (support:), or "
            "gallery.provenance=same-user"
        )
    bare = Prepared(recordings, x, np.empty((len(x), 0), np.float32))
    return thinned(bare, recipe.gallery.most_per_label, recipe.seed)


def thinned(kept: Prepared, most: int | None, seed: int) -> Prepared:
    """Return at most `most` recordings of each label, drawn evenly over people."""
    if most is None:
        return kept
    chosen = {rec.id for rec in balanced(kept.recordings, most, seed)}
    return kept.take([i for i, rec in enumerate(kept.recordings) if rec.id in chosen])


def _joined(a: Samples, b: Samples) -> Samples:
    fields = ("x", "labels", "people", "weight")
    return Samples(*(np.concatenate([getattr(a, name), getattr(b, name)]) for name in fields))


def _noted(path: Path) -> dict[str, Any]:
    """Return what was written down of an encoder; nothing where it is missing or damaged."""
    try:
        known = parsed_json(path.read_text(encoding="utf-8"))
        return known if {"key", "held_out", "epochs", "seconds"} <= known.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _known(path: Path) -> Mapper | None:
    """Return an encoder trained before, None where it is lost or damaged."""
    try:
        return Mapper.load(path)
    except InputError as error:
        log.warning("%s; training again", str(error).partition(": make")[0])
        return None
