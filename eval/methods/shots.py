"""Which labelled recordings a method is shown: drawn from a fold, none of them tested on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from imuscribe.eval.splits import Fold
from imuscribe.prompts.ask.retrieval import draw_own
from imuscribe.prompts.teacher import pairs
from imuscribe.signals.recording import Recording


def draw_shots(fold: Fold, k: int, seed: int) -> list[Recording]:
    """Draw `k` examples from the training people, of as many labels as possible.

    All test recordings of a fold see the same examples; the draw depends on the seed and on the
    fold's name only.
    """
    rng = np.random.default_rng([seed, zlib.crc32(fold.name.encode())])
    return [fold.train[i] for i in pairs.draw_shots([rec.label for rec in fold.train], k, rng)]


def draw_own_shots(fold: Fold, seed: int) -> list[Recording]:
    """Draw one recording of each label from every test person, to be shown and not tested."""
    rng = np.random.default_rng([seed, zlib.crc32(fold.name.encode()), 1])
    drawn: set[str] = set()
    for person in sorted({rec.subject for rec in fold.test}):
        drawn |= set(draw_own([rec for rec in fold.test if rec.subject == person], rng))
    return [rec for rec in fold.test if rec.id in drawn]


def own_note(own: Sequence[Recording]) -> list[str]:
    """Say whose recordings a method was shown."""
    if not own:
        return []
    people = ", ".join(sorted({rec.subject for rec in own}))
    return [f"shown {len(own)} recordings of {people}, one a label, that are not tested"]


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return a generator of a fold's or a recording's own."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), 2])
