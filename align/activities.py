"""Data sets of activities on one footing: one rate, one length of window, one name for a class.

Windows come without their labels; those are behind `ActivitySet.truth`, so that whoever answers for
a set cannot have seen them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations

from imuscribe.recipes.transfer import SetConfig, TransferRecipe
from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.load import clean_all, same_sensors
from imuscribe.signals.motion.gravity import gravity_rotation
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import Recording
from imuscribe.signals.windows import cut

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivitySet:
    """The windows of one data set.

    Parameters
    ----------
    name : str
    windows : sequence of Recording
        All at one rate and of one length, without labels; one name is one person in all sets.
    classes : tuple of str
        The shared classes that the set has.
    truth : callable
        Returns the class of every window by its id.
    """

    name: str
    windows: Sequence[Recording]
    classes: tuple[str, ...]
    truth: Callable[[], Mapping[str, str]]

    @cached_property
    def people(self) -> frozenset[str]:
        """Everybody who wears a sensor in it."""
        return frozenset(rec.subject for rec in self.windows)

    @cached_property
    def labelled(self) -> list[Recording]:
        """The windows with their labels, to learn from."""
        truth = self.truth()
        return [rec.replace(label=truth[rec.id]) for rec in self.windows]

    def within(self, classes: Sequence[str]) -> ActivitySet:
        """Return the windows of some classes alone; the same set where it has no others."""
        if set(self.classes) <= set(classes):
            return self
        kept = {i: label for i, label in self.truth().items() if label in classes}
        return replace(
            self,
            windows=[rec for rec in self.windows if rec.id in kept],
            classes=tuple(name for name in self.classes if name in classes),
            truth=lambda: kept,
        )

    def facts(self) -> dict[str, object]:
        """Return who and what is in it, as plain values."""
        counts = Counter(self.truth().values())
        return {
            "name": self.name,
            "people": len(self.people),
            "windows": len(self.windows),
            "classes": {name: counts[name] for name in self.classes},
            "placements": sorted({rec.placement or "not said" for rec in self.windows}),
        }


def load_sets(
    recipe: TransferRecipe, progress: bool = True
) -> tuple[dict[str, ActivitySet], list[str]]:
    """Read every set of a recipe; return them by name, and what is to be said of shared people.

    A sensor that one of the sets lacks is left out of all.

    Raises
    ------
    InputError
        If a file cannot be read, has none of the classes, or nothing usable is left of a set.
    """
    named, classes = recipe.all_sets(), recipe.classes + recipe.unseen
    raw = {name: _chosen(name, one, classes) for name, one in named.items()}
    raw, said = one_name_a_person(raw)
    frame = recipe.frame if recipe.frame.heading == "session" else None
    cleaned = {
        name: clean_all(found, recipe.clean, frame, where=name) for name, found in raw.items()
    }
    together = same_sensors([rec for found in cleaned.values() for rec in found], "sets")
    names = [name for name, found in cleaned.items() for _ in found]
    sets = {}
    for name in named:
        mine = [rec for rec, of in zip(together, names, strict=True) if of == name]
        windows = usable(cut(mine, recipe.windows), _upright, name)
        truth = {rec.id: rec.label for rec in windows}
        held = set(truth.values())
        sets[name] = ActivitySet(
            name,
            [rec.replace(label="") for rec in windows],
            tuple(label for label in classes or sorted(held) if label in held),
            partial(dict, truth),
        )
    return sets, said


def common_classes(
    sources: Sequence[ActivitySet], target: ActivitySet, unseen: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the classes that can be learnt from some sets and tested in another, two or more.

    Those that are to stay `unseen` are not among them.
    """
    there = {name for one in sources for name in one.classes} - set(unseen)
    common = tuple(name for name in target.classes if name in there)
    if len(common) < 2:
        learnt = ", ".join(one.name for one in sources)
        raise InputError(
            f"sets {learnt} and {target.name}: have {', '.join(common) or 'no class'} in common: "
            f"two are needed; {target.name} has {', '.join(target.classes)}: name others in "
            "'classes', or say in sets.NAME.labels what its labels are"
        )
    return common


def one_name_a_person(
    sets: Mapping[str, Sequence[Recording]],
) -> tuple[dict[str, list[Recording]], list[str]]:
    """Give people who are in two sets one name, and say who they are.

    Recordings that measure the same are by the same person, whatever name a set gives; people of
    one name are taken for one person too, so that nobody tested is learnt from.
    """
    found = {name: list(recordings) for name, recordings in sets.items()}
    said = []
    for first, second in combinations(found, 2):
        known = {rec.content: rec.subject for rec in found[first]}
        same = {rec.subject: known[rec.content] for rec in found[second] if rec.content in known}
        other = {theirs: ours for theirs, ours in same.items() if theirs != ours}
        if other:
            found[second] = [
                rec.replace(subject=other.get(rec.subject, rec.subject)) for rec in found[second]
            ]
        people = {name: {rec.subject for rec in found[name]} for name in (first, second)}
        shared = people[first] & people[second]
        if not shared:
            continue
        text = f"{first} and {second} share {_counted(len(shared))}"
        text += f", {len(same)} of them by equal recordings" if same else " by name"
        text += f"; {first} has {len(people[first])}, {second} {len(people[second])}"
        said.append(text)
        _log.warning("%s", text)
    return found, said


def _counted(n: int) -> str:
    return f"{n} {'person' if n == 1 else 'people'}"


def _chosen(name: str, one: SetConfig, classes: tuple[str, ...]) -> list[Recording]:
    """Return the recordings of a set that have one of the classes, called so."""
    found = load(one.data)
    for what, wanted in (("session", one.sessions), ("placement", one.placements)):
        if wanted:
            there = sorted({getattr(rec, what) for rec in found})
            if missing := [item for item in wanted if item not in there]:
                raise InputError(
                    f"set '{name}': no recording has the {what} '{missing[0]}': "
                    f"{nearest(missing[0], there[:50])}"
                )
            found = [rec for rec in found if getattr(rec, what) in wanted]
    called = [(rec, one.class_of(rec.label, classes)) for rec in found]
    if not any(label for _, label in called):
        labels = ", ".join(sorted({rec.label or "(none)" for rec in found})[:12])
        raise InputError(
            f"set '{name}': none of its labels is one of {', '.join(classes)}: it has {labels}: "
            f"say which is what, such as sets.{name}.labels={{{classes[0]}: [...]}}"
        )
    if unnamed := sum(bool(label) and not rec.subject for rec, label in called):
        _log.warning("%s: %d recordings do not say whose they are: taken as one", name, unnamed)
    return [
        rec.replace(
            id=f"{name}:{rec.id}", label=label, subject=rec.subject or f"somebody of {name}"
        )
        for rec, label in called
        if label
    ]


def _upright(rec: Recording) -> Recording:
    """Refuse a window without gravity: nothing would say which way is up."""
    gravity_rotation(rec)
    return rec
