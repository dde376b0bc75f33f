"""From recordings to an encoder's training samples: conditions, views, varied copies."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imuscribe.mapping3d.encoder import SIDES, Encoder
from imuscribe.mapping3d.mapper import Mapper
from imuscribe.mapping3d.train import History, Samples, fit, split_held_out
from imuscribe.mapping3d.views import Side, ViewConfig, view
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.load import read
from imuscribe.signals.motion.augment import AugmentConfig, augment
from imuscribe.signals.recording import Array, Recording
from imuscribe.signals.simulate import simulate

SUPPORT = "support-"
"""Opens the names of supporters and of their recordings."""


@dataclass(frozen=True)
class Prepared:
    """Cleaned recordings of one side with their views, and varied copies of these.

    Parameters
    ----------
    recordings : list of Recording
    x : ndarray of float32, shape (n, n_channels, steps)
        The views of the recordings.
    copies : ndarray of float32, shape (n, n_copies, n_channels, steps)
        Views of varied copies of each.
    """

    recordings: list[Recording]
    x: Array
    copies: Array

    @property
    def people(self) -> list[str]:
        """The person of each recording."""
        return [rec.subject for rec in self.recordings]

    def of(self, people: Iterable[str]) -> Prepared:
        """Return what these people did."""
        chosen = np.isin(self.people, list(people))
        kept = [rec for rec, keep in zip(self.recordings, chosen, strict=True) if keep]
        return Prepared(kept, self.x[chosen], self.copies[chosen])

    def samples(self, varied: bool = True, weight: float = 1.0) -> Samples:
        """Return training samples of total `weight` a class: recordings, then their copies."""
        x, times = self.x, 1
        if varied:
            times += self.copies.shape[1]
            x = np.concatenate([x, *np.moveaxis(self.copies, 1, 0)])
        labels = np.array([rec.label for rec in self.recordings] * times)
        people = np.array(self.people * times)
        names, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
        shares = weight / counts[which] if len(names) else np.empty(0)
        return Samples(x, labels, people, shares)


@dataclass(frozen=True)
class Conditions:
    """Everything that a mapping is made from.

    Parameters
    ----------
    source, target : Prepared
        What the recipe's people did in each condition.
    support : tuple of two Prepared, or None
        The same of people who are never tested.
    """

    source: Prepared
    target: Prepared
    support: tuple[Prepared, Prepared] | None


def prepare(recipe: MapRecipe, progress: bool = True) -> Conditions:
    """Read or simulate the recordings of both conditions, clean them, make views and copies.

    Raises
    ------
    InputError
        If the data cannot be read, or holds nothing of a condition or too much that cannot be used.
    """
    everything = _read(recipe)
    copies = recipe.copies if recipe.augment else 0
    source = _prepared(everything, recipe, "source", recipe.augment, copies, progress)
    if recipe.support is None:
        target = _prepared(everything, recipe, "target", recipe.augment, copies, progress)
        return Conditions(source, target, None)
    chosen = [rec for rec in everything if is_of(rec, recipe.target)]
    target = (
        _prepared(chosen, recipe, "target", recipe.augment, copies, progress)
        if chosen
        else Prepared([], *_nothing(recipe.view, "target", copies))  # supporters have it
    )
    # Every simulation calls its people sim-001 …; supporters are nobody of the data.
    theirs = [
        rec.replace(id=f"{SUPPORT}{rec.id}", subject=f"{SUPPORT}{rec.subject}")
        for rec in simulate(recipe.support.simulate, progress)
    ]
    vary = recipe.support.augment
    copies = recipe.support.copies if vary else 0
    # Writing on a surface begins at rest: recordings of it are not late.
    whole = vary and vary.model_copy(update={"late": 0.0})
    anchors = recipe.support.share > 0
    support = (
        _prepared(theirs, recipe, "source", vary, copies, progress)
        if anchors
        else Prepared([], *_nothing(recipe.view, "source", copies)),
        _prepared(theirs, recipe, "target", whole, copies, progress),
    )
    return Conditions(source, target, support)


def is_of(rec: Recording, condition: Mapping[Any, str]) -> bool:
    """Tell whether a recording is of a condition, such as ``{"case": "3d"}``."""
    return all(getattr(rec, column) == value for column, value in condition.items())


def fit_mapper(
    recipe: MapRecipe, data: Conditions, people: Sequence[str], progress: bool = True
) -> tuple[Mapper, History]:
    """Train an encoder on what some people, and all supporters, did.

    Parameters
    ----------
    recipe : MapRecipe
    data : Conditions
    people : sequence of str
        The training people; who among them decides when to stop is `History.held_out`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        If a label has no training recording of a condition, or as `mapping3d.train.fit`.
    """
    stops = split_held_out(data.source.of(people).people, recipe.fit.hold_out)
    learners = [person for person in people if person not in stops]
    real = data.source.of(learners)
    share = recipe.support.share if recipe.support and data.support else 0.0
    source = real.samples(weight=1 - share if share else 1.0)
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
    encoder = build_encoder(recipe)
    encoder.standardise(source.x, target.x)
    held_out = data.source.of(stops).samples(varied=False) if stops else None
    history = fit(encoder, source, target, recipe.fit, held_out, recipe.seed, progress)
    supporters = {p for side in data.support or () for p in side.people}
    mapper = Mapper(
        encoder,
        recipe.clean,
        {str(k): v for k, v in recipe.source.items()},
        {str(k): v for k, v in recipe.target.items()},
        recipe.label_set,
        tuple(sorted({*people, *supporters})),
    )
    return mapper, history


def build_encoder(recipe: MapRecipe) -> Encoder:
    """Return a fresh encoder; the seed decides its weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return Encoder(recipe.encoder, recipe.view, recipe.clean.rate)


def _read(recipe: MapRecipe) -> list[Recording]:
    found = read(recipe.data, recipe.simulate)
    if nobody := next((rec for rec in found if not rec.subject), None):
        raise InputError(
            f"recording '{nobody.id}' has no subject: a mapping needs to know who did what"
        )
    return found


def _prepared(
    everything: Sequence[Recording],
    recipe: MapRecipe,
    side: Side,
    vary: AugmentConfig | None,
    copies: int,
    progress: bool,
) -> Prepared:
    """Clean what is of a side and has a label of the recipe; what cannot be used is counted."""
    condition = recipe.source if side == "source" else recipe.target
    labels = set(recipe.label_set)
    chosen = [rec for rec in everything if rec.label in labels and is_of(rec, condition)]
    said = ", ".join(f"{column} {value}" for column, value in condition.items())
    if not chosen:
        there = sorted({str(tuple(getattr(r, c) for c in condition)) for r in everything})
        raise InputError(
            f"{side} condition ({said}): no recording of labels '{recipe.labels}': the data has "
            f"{', '.join(there[:10])}"
        )

    def made(rec: Recording) -> tuple[Recording, Array, list[Array]]:
        cleaned = clean(rec, recipe.clean)
        row = view(cleaned, recipe.view, side)
        varied = [
            view(augment(cleaned, _stream(recipe.seed, rec.id, i), vary), recipe.view, side)
            for i in range(copies)
            if vary is not None
        ]
        return cleaned, row, varied

    title = f"{side} ({said})" if progress else ""
    kept, rows, varied = zip(*usable(chosen, made, side, 0.05, title), strict=True)
    x = np.stack(rows)
    copied = np.array(varied, dtype=np.float32).reshape(len(x), -1, *x.shape[1:])
    return Prepared(list(kept), x, copied)


def _nothing(config: ViewConfig, side: Side, copies: int) -> tuple[Array, Array]:
    """Return the views, and copies, of no recordings of a side."""
    shape = (len(config.channels(side)), config.steps)
    return np.empty((0, *shape), np.float32), np.empty((0, copies, *shape), np.float32)


def _joined(a: Samples, b: Samples) -> Samples:
    return Samples(
        np.concatenate([a.x, b.x]),
        np.concatenate([a.labels, b.labels]),
        np.concatenate([a.people, b.people]),
        np.concatenate([a.weight, b.weight]),
    )


def _stream(seed: int, recording: str, copy: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(recording.encode()), copy])
