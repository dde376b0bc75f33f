"""Activities learnt from some data sets and recognised in another, on windows alike in all.

The answers about a set are given before anybody asks for its labels (`ActivitySet.truth`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from imuscribe.align.activities import ActivitySet, common_classes, load_sets
from imuscribe.align.divergence import divergences
from imuscribe.eval.comparison import Answered, fold_facts, write_predictions
from imuscribe.eval.environment import data_facts
from imuscribe.eval.methods.transfer import Answerer, judge, transductive, transfer_page
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.page import Page
from imuscribe.eval.result import Result, origin
from imuscribe.eval.splits import Fold, check_disjoint
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.prompts.captions.interpret import wordings_hash
from imuscribe.recipes.methods import method_of
from imuscribe.recipes.transfer import TransferRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.labels import balanced
from imuscribe.signals.recording import Recording

MEMORISED = "memorised"


@dataclass(frozen=True)
class Direction:
    """From which sets to which, between which classes, in one fold or in two halves."""

    name: str
    sources: tuple[str, ...]
    target: ActivitySet
    classes: tuple[str, ...]
    folds: Sequence[Fold]
    taught: int = 0
    """How many of the classes, the first ones, are learnt from: all where nothing is unseen."""


class Transfer(Task[TransferRecipe]):
    """Every method answers every direction."""

    def __init__(self, recipe: TransferRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.facts = files_of(recipe)
        self.sets, self.said = load_sets(recipe, progress)
        self.directions = list(directions_of(self.sets, recipe))
        if not self.directions:
            raise InputError(
                f"'unseen' names {', '.join(recipe.unseen)}: none of the tested sets "
                f"({', '.join(recipe.tested)}) has it: name activities that one of them has"
            )
        self.answerer = Answerer(recipe, folder, progress)

    def source(self) -> dict[str, Values]:
        """Return the files of all sets as one, and each."""
        shas = "".join(one["sha256"] for one in self.facts.values())
        whole = {
            "path": " + ".join(Path(one["path"]).name for one in self.facts.values()),
            "sha256": hashlib.sha256(shas.encode()).hexdigest(),
        }
        return {"data": whole, "sets": dict(self.facts)}

    def units(self) -> Sequence[Unit]:
        """Return directions × halves × methods, and the rows that a language model completes."""
        recipe = self.recipe
        about = recipe.model_dump(
            mode="json",
            include={"seed", "sets", "clean", "frame", "windows", "max_per_label", "shared_people"},
        )
        about["files"] = {name: one["sha256"] for name, one in self.facts.items()}
        return [
            Unit(
                (fold.name, method),
                about | self._seen(method) | {"classes": one.classes, "fold": fold.name},
                partial(self.answerer.answer, method, fold, one.classes),
                fold.test,
            )
            for one in self.directions
            for fold in one.folds
            for method in recipe.evaluate.methods
        ] + self._memory()

    def _memory(self) -> list[Unit]:
        """Return the question whether the model knows each tested set by heart."""
        recipe = self.recipe
        if not recipe.hargpt.memorised or "hargpt" not in recipe.evaluate.methods:
            return []
        about: Values = {"seed": recipe.seed, "windows": recipe.windows.model_dump(mode="json")}
        about |= self._asked() | {"clean": recipe.clean.model_dump(mode="json")}
        return [
            Unit(
                (MEMORISED, name),
                about | {"file": self.facts[name]["sha256"], "set": name},
                partial(self.answerer.hargpt.memory, name, self.sets[name].windows),
            )
            for name in recipe.tested
        ]

    def _asked(self) -> dict[str, object]:
        """Return which language model is asked, and how."""
        teacher = self.recipe.teacher.model_dump(mode="json", include={"name", "model", "endpoint"})
        return {"teacher": teacher, "hargpt": self.recipe.hargpt.model_dump(mode="json")}

    def _seen(self, method: str) -> Values:
        """Return a method and the settings that are its own."""
        if method_of(method).asks_model:
            return {"method": method, **self._asked()}
        words = method_of(method).kind == "text"
        own = {"encoder", "figures", "whole", "site", "writer"} if words else {"signals", "steps"}
        if method_of(method).kind == "aligned":
            own = {"encoder", "steps", "lanhar", "texts"}
        model = words and self.recipe.evaluate.writer == "model"
        asked: Values = (
            {"interpret": self.recipe.interpret.model_dump(mode="json")} if model else {}
        )
        asked |= self._asked() if model else {}
        asked |= {"words": wordings_hash()} if words else {}
        return {"method": method, **asked} | self.recipe.evaluate.model_dump(
            mode="json", include=own
        )

    def judge(self, answers: Answers) -> Values:
        """Return what every method got right in every direction, and on average."""
        recipe = self.recipe
        found = {one.name: self._scored(one, answers) for one in self.directions}
        return {
            "protocol": recipe.protocol,
            "shared_people": recipe.shared_people,
            "classes": list(recipe.classes),
            "unseen": list(recipe.unseen),
            "pools": {name: list(members) for name, members in _pools(recipe).items()},
            "windows": f"{recipe.windows.seconds:g} s at {recipe.clean.rate:g} Hz",
            "sets": [one.facts() for one in self.sets.values()],
            "said": self.said,
            "directions": [
                {
                    "name": one.name,
                    "sources": list(one.sources),
                    "target": one.target.name,
                    "labels": list(one.classes),
                    "folds": [fold_facts(fold) for fold in one.folds],
                }
                for one in self.directions
            ],
            "memorised": {
                name: answers[MEMORISED, name]
                for name in recipe.tested
                if (MEMORISED, name) in answers
            },
            "divergences": self._apart(),
            **judge(
                {one.name: one.classes for one in self.directions},
                {one.name: one.taught for one in self.directions},
                found,
                _pools(recipe),
                recipe.seed,
                recipe.evaluate.bootstrap,
            ),
        }

    def write_tables(self, answers: Answers) -> None:
        """Write ``predictions.parquet``: one row a window, method and direction."""
        folds = [fold for one in self.directions for fold in one.folds]
        answered: Answered = {
            method: [
                predictions
                for one in self.directions
                for predictions in self._scored(one, answers)[method]
            ]
            for method in self.recipe.evaluate.methods
        }
        write_predictions(answered, folds, self.folder / "predictions.parquet")

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return accuracy and macro F1, the mean over directions and of every set left out."""
        classes, each = values["classes"], values["directions"]
        about = origin(values, facts) | {"train_data": _learnt(each)}
        tested = dict.fromkeys(one["target"] for one in each)
        about["protocol"] = (
            f"{values['protocol']}, tested: {', '.join(tested)}; windows of {values['windows']}; "
            f"people in source and target: {values['shared_people']}"
        )
        task = f"{len(classes)} classes across data sets, {classes[0]} to {classes[-1]}"
        if unseen := values.get("unseen"):
            task += f", and never taught: {', '.join(unseen)}"
        of = {f"mean over {len(each)} transfers": values["means"]}
        if values["protocol"] == "leave-one-set-out":
            of |= {one["name"]: values["methods"][one["name"]] for one in each}
        return [
            Result.quoted(
                figures[key],
                about,
                task=f"{task}; {name}",
                method=method,
                metric=metric,
                over="windows",
                chance=1 / len(classes) if metric == "accuracy" and not unseen else None,
                note="; ".join([*values["said"], *_seen_before(method, values)]),
            )
            for name, methods in of.items()
            for method, figures in methods.items()
            for metric, key in (("macro F1", "f1"), ("accuracy", "accuracy"))
        ]

    @staticmethod
    def page(values: Values, facts: Values, folder: Path) -> Page:
        """Return the table of directions, the means, and who is in the sets."""
        return transfer_page(values, facts)

    def _apart(self) -> Values:
        """Return how far sets are apart, from some windows of each class."""
        if not (most := self.recipe.evaluate.divergence):
            return {}
        few = [
            (name, rec)
            for name, one in self.sets.items()
            for rec in balanced(one.labelled, most, self.recipe.seed)
        ]
        windows = [rec for _, rec in few]
        of = np.array([name for name, _ in few]), np.array([rec.label for rec in windows])
        return divergences(self.answerer.represented(windows), *of)

    def _scored(self, one: Direction, answers: Answers) -> dict[str, list[Predictions]]:
        """Return what was answered about a target, beside what is true of it."""
        truth = one.target.truth()
        found: dict[str, list[Predictions]] = {
            method: [
                replace(said, truth=tuple(truth[name] for name in said.ids))
                for said in (answers[fold.name, method] for fold in one.folds)
            ]
            for method in self.recipe.evaluate.methods
        }
        for name, members in _pools(self.recipe).items():
            each = zip(*(found[member] for member in members), strict=True)
            found[name] = [Predictions.pooled(said) for said in each]
        return found


def directions_of(sets: dict[str, ActivitySet], recipe: TransferRecipe) -> Iterator[Direction]:
    """Yield every direction of the protocol with its folds."""
    for target in recipe.tested:
        # A set that is there to be tested teaches only where every set does both.
        others = [name for name in sets if name != target and not _only_tested(name, recipe)]
        groups: dict[str, tuple[str, ...]]
        if recipe.protocol == "pairs":
            groups = {f"{name} to {target}": (name,) for name in others}
        else:
            groups = {f"others to {target}": tuple(others)}
        for title, names in groups.items():
            sources = [sets[name] for name in names]
            taught = common_classes(sources, sets[target], recipe.unseen)
            new = tuple(name for name in sets[target].classes if name in recipe.unseen)
            if recipe.unseen and not new:
                continue
            tested = sets[target].within(taught + new)
            few = balanced(list(tested.windows), recipe.max_tested, recipe.seed)
            tested = replace(tested, windows=few)
            learnt = [one.within(taught) for one in sources]
            folds = folds_of(title, learnt, tested, recipe)
            yield Direction(title, names, tested, taught + new, folds, len(taught))


def folds_of(
    name: str, sources: Sequence[ActivitySet], target: ActivitySet, recipe: TransferRecipe
) -> list[Fold]:
    """Return who learns and who is tested: two halves of the target where people are in both."""
    shared = target.people & {person for one in sources for person in one.people}
    train = [
        rec for one in sources for rec in balanced(one.labelled, recipe.max_per_label, recipe.seed)
    ]
    if not shared or recipe.shared_people == "keep":
        note = f"{len(shared)} people are in source and target" if shared else ""
        return [_fold(name, train, list(target.windows), note, bool(shared))]
    # Shared people are dealt evenly, so that each half leaves as many to learn from.
    rng = np.random.default_rng([recipe.seed, *name.encode()])
    order = [
        person
        for group in (shared, target.people - shared)
        for person in rng.permutation(sorted(group)).tolist()
    ]
    folds = []
    for i in range(2):
        tested = set(order[i::2])
        windows = [rec for rec in target.windows if rec.subject in tested]
        learnt = [rec for rec in train if rec.subject not in tested]
        note = f"nobody of this half is learnt from; {len(shared)} people are in source and target"
        if windows:
            folds.append(_fold(f"{name}, half {i + 1}", learnt, windows, note))
    return folds


def _fold(
    name: str,
    train: list[Recording],
    test: list[Recording],
    note: str = "",
    people_shared: bool = False,
) -> Fold:
    """Return a fold whose training holds no copy of a tested window, and nobody tested."""
    tested = {rec.content for rec in test}
    kept = [rec for rec in train if rec.content not in tested]
    if dropped := len(train) - len(kept):
        note = "; ".join(filter(None, (note, f"training without {dropped} copies of test windows")))
    if not kept:
        raise InputError(
            f"{name}: nobody is left to learn from who is not tested: add a set of other people, "
            "or set shared_people=keep"
        )
    if not people_shared:
        check_disjoint(kept, test)
    return Fold(name, kept, test, note)


def _pools(recipe: TransferRecipe) -> dict[str, tuple[str, ...]]:
    """Return the pools whose members are all run."""
    run, pools = set(recipe.evaluate.methods), recipe.evaluate.pools
    return {name: members for name, members in pools.items() if run.issuperset(members)}


def _only_tested(name: str, recipe: TransferRecipe) -> bool:
    return name not in recipe.sets


def files_of(recipe: TransferRecipe) -> dict[str, dict[str, str]]:
    """Return the file of every set; one file under two names is refused."""
    found: dict[str, dict[str, str]] = {}
    for name, one in recipe.all_sets().items():
        try:
            found[name] = data_facts(one.data)
        except InputError:
            raise InputError(
                f"set '{name}': no file '{one.data}': set data_folder= to the folder of the sets, "
                f"sets.{name}= to its file, or sets.{name}=null to go without"
            ) from None
        twin = next(
            (k for k, v in found.items() if v["sha256"] == found[name]["sha256"] and k != name), ""
        )
        if twin:
            raise InputError(
                f"sets '{twin}' and '{name}': are the same file: a set cannot be on both sides; "
                f"set sets.{name}=null"
            )
    return found


def _seen_before(method: str, values: Values) -> list[str]:
    """Say of a method that it has seen the windows it is asked about."""
    if not transductive(method, values.get("pools", {})):
        return []
    return ["transductive: the target's windows were seen before, without labels"]


def _learnt(directions: Sequence[Values]) -> str:
    sizes = [fold["n_train"] for one in directions for fold in one["folds"]]
    return f"{min(sizes):,}–{max(sizes):,} windows of other data sets"
