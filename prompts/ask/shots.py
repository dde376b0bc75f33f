"""Which labelled recordings a prompt shows: drawn from a seed and a name, none is tested on."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


def draw_shots(train: Sequence[Recording], k: int, seed: int, fold: str) -> list[Recording]:
    """Draw `k` examples from the training people of a fold, of as many labels as possible.

    All test recordings of a fold see the same examples; the draw depends on the seed and on the
    fold's name only.
    """
    places = draw_places([rec.label for rec in train], k, _generator(seed, fold))
    return [train[i] for i in places]


def draw_own_shots(test: Sequence[Recording], seed: int, fold: str) -> list[Recording]:
    """Draw one recording of each label from every test person, to be shown and not tested."""
    rng = _generator(seed, fold, 1)
    drawn: set[str] = set()
    for person in sorted({rec.subject for rec in test}):
        drawn |= set(draw_own([rec for rec in test if rec.subject == person], rng))
    return [rec for rec in test if rec.id in drawn]


def own_note(own: Sequence[Recording]) -> list[str]:
    """Say whose recordings a method was shown."""
    if not own:
        return []
    people = ", ".join(sorted({rec.subject for rec in own}))
    return [f"shown {len(own)} recordings of {people}, one a label, that are not tested"]


def draw_own(
    recordings: Sequence[Recording], rng: np.random.Generator, without: str = ""
) -> list[str]:
    """Draw one of a person's recordings for each label; return the ids, never `without`."""
    drawn: dict[str, str] = {}
    for i in rng.permutation(len(recordings)):
        rec = recordings[i]
        if rec.id != without:
            drawn.setdefault(rec.label, rec.id)
    return sorted(drawn.values())


def draw_places(
    labels: Sequence[str], k: int, rng: np.random.Generator, skip: int | None = None
) -> list[int]:
    """Draw the places of `k` of these labels, of as many different ones as possible.

    `skip`, the place of the question itself, is not drawn.
    """
    if k == 0:
        return []
    seen: Counter[str] = Counter()
    ranked = []
    for order, i in enumerate(int(i) for i in rng.permutation(len(labels)) if i != skip):
        ranked.append((seen[labels[i]], order, i))
        seen[labels[i]] += 1
    if len(ranked) < k:
        raise InputError(f"{k} examples were asked for, only {len(ranked)} recordings are there")
    return [i for _, _, i in sorted(ranked)[:k]]


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return a generator of a fold's or a recording's own."""
    return _generator(seed, name, 2)


def _generator(seed: int, name: str, *stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *stream])
