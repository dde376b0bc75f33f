"""Train and test sets by person: what is tested was written by somebody never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.labels import balanced
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.recipes.schema import SplitConfig

Division = dict[str, tuple[set[str], set[str]]]
"""Name of a fold → training people and test people."""


@dataclass(frozen=True)
class Fold:
    """One division into training and test people; nobody and no recording is on both sides.

    `name`, also of the fold's folder, is the test person, ``"group-1"``…, or ``"given"``; `note`
    says what was left out of them.
    """

    name: str
    train: list[Recording]
    test: list[Recording]
    note: str = ""


def make_folds(
    recordings: Sequence[Recording], split: SplitConfig, labels: Sequence[str], seed: int = 0
) -> list[Fold]:
    """Divide recordings by person; there is no random split, on purpose.

    ``leave-one-person-out`` tests each person once (or only those in `split.folds`), ``groups``
    does so with `split.groups` groups of people, ``given``
    takes the people named in `split.train` and `split.test`, ``both-directions`` trains on one
    of two people and tests on the other, then the other way round, ``pairs`` trains on the first of
    every two people and tests on the second.

    Parameters
    ----------
    recordings : sequence of Recording
        All with a subject and a label out of `labels`.
    split : SplitConfig
        Protocol, people, and how many test recordings a label are kept.
    labels : sequence of str
        Every label needs at least one training recording in every fold.
    seed : int
        Decides who is in which group, and which test recordings `split.max_test_per_label` keeps.

    Raises
    ------
    InputError
        For recordings without a subject, an unknown label or person, two spellings of a person, a
        person on both sides, a label nobody in the training set wrote, or an empty side.
    """
    if not recordings:
        raise InputError("there are no recordings to split: check the data and the labels")
    for rec in recordings:
        if not rec.subject:
            raise InputError(
                f"recording '{rec.id}' has no subject: a split by person needs one for each"
            )
        if rec.label not in labels:
            raise InputError(
                f"recording '{rec.id}' has label '{rec.label}', which is not among the "
                f"{len(labels)} labels of the recipe: {nearest(rec.label, labels)}"
            )
    people = sorted({rec.subject for rec in recordings})
    _check_spelling(people)
    folds = []
    for name, (train_people, test_people) in _divide(people, split, seed).items():
        train = [rec for rec in recordings if rec.subject in train_people]
        test = [rec for rec in recordings if rec.subject in test_people]
        said = []
        if split.copies == "drop":
            tested = {rec.content for rec in test}
            whole, train = train, [rec for rec in train if rec.content not in tested]
            if dropped := len(whole) - len(train):
                said.append(f"training without {dropped} copied from test people")
        check_disjoint(train, test)
        _check_classes(name, train, test, labels)
        most = split.max_test_per_label
        kept = balanced(test, most, seed)
        if len(kept) < len(test):
            said.append(
                f"{len(kept)} of {len(test)} test recordings, at most {most} a label, drawn with "
                f"seed {seed}"
            )
        folds.append(Fold(name, train, kept, "; ".join(said)))
    return folds


def check_disjoint(train: Sequence[Recording], test: Sequence[Recording]) -> None:
    """Refuse a person (and so every session of theirs) or a recording that is on both sides.

    A copy of a recording under another name and another person is the same recording.
    """
    for what, a, b in (
        ("person", {r.subject for r in train}, {r.subject for r in test}),
        ("recording", {r.id for r in train}, {r.id for r in test}),
    ):
        if shared := sorted(a & b):
            names = ", ".join(shared[:5])
            raise InputError(
                f"{what} {names} is in both the training and the test set: "
                "what is tested must not be trained on; keep each on one side"
            )
    learnt = {rec.content: rec for rec in train}
    for rec in test:
        if (copy := learnt.get(rec.content)) is not None:
            raise InputError(
                f"test recording '{rec.id}' of {rec.subject} is a copy of the training recording "
                f"'{copy.id}' of {copy.subject}: drop one of them, or set split.copies=drop"
            )


def _check_spelling(people: Sequence[str]) -> None:
    """Refuse names that differ only in case or outer blanks: one person would be on both sides."""
    known: dict[str, str] = {}
    for name in people:
        other = known.setdefault(name.strip().casefold(), name)
        if other != name:
            raise InputError(
                f"subjects '{other}' and '{name}' differ only in how they are written: give one "
                "person one name, so that no split has them on both sides"
            )


def _divide(people: list[str], split: SplitConfig, seed: int) -> Division:
    """Return training and test people of every fold of the protocol."""
    everybody = set(people)
    if split.protocol == "groups":
        return _groups(people, split, seed)
    for person in (*split.train, *split.test, *split.folds):
        if person not in everybody:
            raise InputError(f"person '{person}' is not in the data: {nearest(person, people)}")
    if split.protocol == "given":
        if split.folds:
            raise InputError("split.folds means nothing for protocol 'given': leave it empty")
        return {"given": (set(split.train), set(split.test))}
    if len(people) < 2:
        raise InputError(f"{split.protocol} needs two people: all recordings are by {people[0]}")
    if split.protocol == "both-directions" and len(people) > 2:
        raise InputError(
            f"both-directions needs exactly two people, the data has {len(people)}: "
            "use leave-one-person-out"
        )
    if split.protocol == "pairs":
        if len(people) % 2:
            raise InputError(f"pairs needs an even number of people, the data has {len(people)}")
        both = zip(people[::2], people[1::2], strict=True)
        return {b: ({a}, {b}) for a, b in both if not split.folds or b in split.folds}
    # With two people, both directions are each person tested by the other.
    return {person: (everybody - {person}, {person}) for person in split.folds or people}


def _groups(people: list[str], split: SplitConfig, seed: int) -> Division:
    """Deal people into groups of equal size, or one more; each group is tested once."""
    if len(people) < split.groups:
        raise InputError(
            f"split.groups is {split.groups} but the data has {len(people)} people: "
            f"set split.groups={max(2, len(people))}, or use leave-one-person-out"
        )
    order = np.random.default_rng(seed).permutation(people).tolist()
    dealt = {f"group-{i + 1}": set(order[i :: split.groups]) for i in range(split.groups)}
    for name in split.folds:
        if name not in dealt:
            raise InputError(f"split.folds: no group '{name}': {nearest(name, dealt)}")
    return {name: (set(people) - dealt[name], dealt[name]) for name in split.folds or dealt}


def _check_classes(
    name: str, train: Sequence[Recording], test: Sequence[Recording], labels: Sequence[str]
) -> None:
    for side, recordings in (("training", train), ("test", test)):
        if not recordings:
            raise InputError(f"fold '{name}': the {side} set is empty: name people who have data")
    written = {rec.label for rec in train}
    if missing := [label for label in labels if label not in written]:
        raise InputError(
            f"fold '{name}': no training recording of {', '.join(missing)}: take them out of the "
            "labels, such as labels=from-data, or add people who have them"
        )
