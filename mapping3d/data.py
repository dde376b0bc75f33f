"""From recordings to an encoder's training samples: conditions, views, varied copies."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imuscribe.mapping3d.train import Samples
from imuscribe.mapping3d.views import view
from imuscribe.recipes.mapping import MapRecipe, Side
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.load import read
from imuscribe.signals.motion.augment import AugmentConfig, augment
from imuscribe.signals.recording import Array, Recording
from imuscribe.signals.simulate import simulate

SUPPORT = "support-"
"""Opens the names of auxiliary subjects and of their recordings."""


@dataclass(frozen=True)
class Prepared:
    """Cleaned recordings of one side with their views, and those of varied copies."""

    recordings: list[Recording]
    x: Array
    """The views of the recordings, shape (n, n_channels, steps)."""
    copies: Array
    """Views of varied copies of each, shape (n, n_copies, n_channels, steps)."""

    @property
    def people(self) -> list[str]:
        """The person of each recording."""
        return [rec.subject for rec in self.recordings]

    def of(self, people: Iterable[str]) -> Prepared:
        """Return what these people did."""
        return self.take(np.flatnonzero(np.isin(self.people, list(people))))

    def take(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> Prepared:
        """Return chosen rows."""
        return Prepared([self.recordings[i] for i in rows], self.x[rows], self.copies[rows])

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
    """Everything that a mapping is made from."""

    source: Prepared
    target: Prepared
    """What the recipe's people did in each condition."""
    support: tuple[Prepared, Prepared] | None
    """The same of auxiliary subjects, who are never tested; None without such."""


def prepare(recipe: MapRecipe, progress: bool = True) -> Conditions:
    """Read or simulate the recordings of both conditions, clean them, make views and copies.

    Raises
    ------
    InputError
        If the data cannot be read, or holds nothing of a condition or too much that cannot be used.
    """
    everything = _read(recipe)
    vary, copies, support = recipe.augment, recipe.copies, recipe.support
    source = _prepared(everything, recipe, "source", vary, copies, progress)
    if support is None or any(is_of(rec, recipe.target) for rec in everything):
        target = _prepared(everything, recipe, "target", vary, copies, progress)
    else:
        target = _nothing(recipe, "target")  # auxiliary subjects have it
    if support is None:
        return Conditions(source, target, None)
    # Every simulation calls its people sim-001 …; auxiliary subjects are nobody of the data.
    theirs = [
        rec.replace(id=f"{SUPPORT}{rec.id}", subject=f"{SUPPORT}{rec.subject}")
        for rec in simulate(support.simulate, progress)
    ]
    vary, copies = support.augment, support.copies
    anchors = (
        _prepared(theirs, recipe, "source", vary, copies, progress)
        if support.share > 0
        else _nothing(recipe, "source")
    )
    # Writing on a surface begins at rest: recordings of it are not late.
    whole = vary and vary.model_copy(update={"late": 0.0})
    references = _prepared(theirs, recipe, "target", whole, copies, progress)
    return Conditions(source, target, (anchors, references))


def is_of(rec: Recording, condition: Mapping[Any, str]) -> bool:
    """Tell whether a recording is of a condition, such as ``{"case": "3d"}``."""
    return all(getattr(rec, column) == value for column, value in condition.items())


def described(condition: Mapping[Any, str]) -> str:
    """Say a condition in words."""
    return ", ".join(f"{column} {value}" for column, value in condition.items())


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
    said = described(condition)
    if not chosen:
        there = sorted({str(tuple(getattr(r, c) for c in condition)) for r in everything})
        raise InputError(
            f"{side} condition ({said}): no recording of labels "
            f"'{', '.join(recipe.label_set)}': the data has "
            f"{', '.join(there[:10])}"
        )

    def made(rec: Recording) -> tuple[Recording, Array, list[Array]]:
        cleaned = clean(rec, recipe.clean)
        row = view(cleaned, recipe.view, side)
        varied = [
            view(
                augment(cleaned, _stream(recipe.seed, rec.id, i), vary, cleaning=recipe.clean),
                recipe.view,
                side,
            )
            for i in range(copies)
            if vary is not None
        ]
        return cleaned, row, varied

    title = f"{side} ({said})" if progress else ""
    kept, rows, varied = zip(*usable(chosen, made, side, 0.05, title), strict=True)
    x = np.stack(rows)
    copied = np.array(varied, dtype=np.float32).reshape(len(x), -1, *x.shape[1:])
    return Prepared(list(kept), x, copied)


def _nothing(recipe: MapRecipe, side: Side) -> Prepared:
    """Return no recordings of a side."""
    shape = (len(recipe.view.channels(side)), recipe.view.steps)
    return Prepared([], np.empty((0, *shape), np.float32), np.empty((0, 0, *shape), np.float32))


def _stream(seed: int, recording: str, copy: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(recording.encode()), copy])
