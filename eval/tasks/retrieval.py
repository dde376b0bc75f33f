"""Signals and captions in one space: recognised, found and described, for people never seen.

A model of a fold learns from the windows and labels of training people alone; no choice is made by
anybody who is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from imuscribe.align.activities import ActivitySet, common_classes, load_sets
from imuscribe.eval.comparison import fold_facts, measure, write_predictions
from imuscribe.eval.methods.retrieval import WITHIN, Answerer, retrieval_page
from imuscribe.eval.metrics import bootstrap_people, macro_auroc
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.page import Page, counts
from imuscribe.eval.result import Result, origin
from imuscribe.eval.splits import Fold, check_disjoint
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.eval.tasks.transfer import files_of
from imuscribe.recipes.retrieval import RetrievalRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import inside
from imuscribe.signals.labels import balanced
from imuscribe.signals.recording import Recording

_FLOOR = "extra-trees"


@dataclass(frozen=True)
class Tested:
    """The windows of a set in a fold, without labels, and between which classes they are told."""

    set: ActivitySet
    fold: Fold
    windows: list[Recording]
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the folder of its answers."""
        return f"{self.fold.name} {self.set.name}"


class Retrieval(Task[RetrievalRecipe]):
    """Every variant is trained in every fold, and asked about each set's test people."""

    def __init__(self, recipe: RetrievalRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.facts = files_of(recipe)
        self.sets, self.said = load_sets(recipe, progress)
        self.folds = list(folds_of(self.sets, recipe))
        self.tested = [one for fold in self.folds for one in self._tested(fold)]
        self.answerer = Answerer(recipe, self._place, progress)

    def source(self) -> dict[str, Values]:
        """Return the files of all sets as one, and each."""
        shas = "".join(one["sha256"] for one in self.facts.values())
        path = " + ".join(Path(one["path"]).name for one in self.facts.values())
        whole = {"path": path, "sha256": hashlib.sha256(shas.encode()).hexdigest()}
        return {"data": whole, "sets": dict(self.facts)}

    def units(self) -> Sequence[Unit]:
        """Return folds × (variants × what is asked of each, and the floor)."""
        return list(self._units())

    def _units(self) -> Iterator[Unit]:
        recipe, answerer = self.recipe, self.answerer
        evaluate = recipe.evaluate
        for fold in self.folds:
            mine = [one for one in self.tested if one.fold is fold]
            for variant, (loss, _) in recipe.variants.items():
                key = self._key(fold, variant)
                make = partial(answerer.train, fold, variant, _hash(key))
                yield Unit((fold.name, f"{variant} trained"), key, make)
                if loss != "cap":
                    asked = key | {"gallery": evaluate.gallery}
                    find = partial(answerer.find, fold, variant)
                    yield Unit((fold.name, f"{variant} found"), asked, find)
                if loss in ("cap", "coca") and evaluate.written:
                    asked = key | {"written": evaluate.written}
                    describe = partial(answerer.describe, fold, variant)
                    yield Unit((fold.name, f"{variant} written"), asked, describe)
                for one in mine:
                    about = key | {"classes": one.classes}
                    task = (fold, variant, one.windows, one.classes)
                    make_zero = partial(answerer.zero_shot, *task)
                    yield Unit((one.name, f"{variant} zero-shot"), about, make_zero, one.windows)
                    for shots in evaluate.shots:
                        probe = partial(answerer.probe, *task, shots)
                        name = f"{variant} probe {shots}"
                        yield Unit((one.name, name), about | {"shots": shots}, probe, one.windows)
            for one in mine:
                about = self._key(fold) | {"classes": one.classes}
                for shots in (*evaluate.shots, *((None,) if evaluate.floor else ())):
                    trees = partial(answerer.trees, fold, one.windows, one.classes, shots)
                    name = " ".join([_FLOOR, str(shots or "all")])
                    yield Unit((one.name, name), about | {"shots": shots}, trees, one.windows)

    def judge(self, answers: Answers) -> Values:
        """Return what every variant recognised, found and wrote, over all folds."""
        recipe = self.recipe
        return {
            "protocol": recipe.protocol,
            "windows": f"{recipe.windows.seconds:g} s at {recipe.clean.rate:g} Hz",
            "sets": [one.facts() for one in self.sets.values()],
            "said": self.said,
            "folds": [fold_facts(fold) for fold in self.folds],
            "labels": {name: self._labels(found) for name, found in self._by_set(answers).items()},
            "classes": {one.set.name: list(one.classes) for one in self.tested},
            "found": self._found(answers),
            "written": self._written(answers),
            "trained": {
                variant: [answers[fold.name, f"{variant} trained"] for fold in self.folds]
                for variant in recipe.variants
            },
        }

    def write_tables(self, answers: Answers) -> None:
        """Write ``predictions.parquet``: one row a window and method."""
        rows: dict[str, list[Predictions]] = {}
        folds = []
        for one in self.tested:
            folds.append(one.fold)
            for method, found in self._answered(one, answers).items():
                rows.setdefault(method, []).append(found)
        whole = {name: found for name, found in rows.items() if len(found) == len(folds)}
        write_predictions(whole, folds, self.folder / "predictions.parquet")

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return zero-shot and probe figures of every set, and how often captions find windows."""
        people = {name for fold in values["folds"] for name in fold["test_people"]}
        about = origin(values, facts) | {
            "protocol": f"{values['protocol']}, {len(people)} people tested; windows of "
            f"{values['windows']}",
            "train_data": _learnt(values["folds"]),
            "note": "; ".join(values["said"]),
        }
        rows = []
        for name, methods in values["labels"].items():
            n = len(values["classes"][name])
            task = {"task": f"{n} activities of {name}, in words", "over": "windows"}
            for method, one in methods.items():
                rows.append(
                    Result.quoted(one["auroc"], about, **task, method=method, metric="macro AUROC")
                )
                rows.append(
                    Result.quoted(one["f1"], about, **task, method=method, metric="macro F1")
                )
        for variant, found in values["found"].items():
            for what, one in found["ranks"].items():
                task = {"task": f"one window of {found['gallery']}: {what}", "method": variant}
                chance = {k: k / found["gallery"] for k in WITHIN}
                rows += [
                    Result.quoted(
                        one[f"R@{k}"],
                        about,
                        **task,
                        metric=f"R@{k}",
                        over="people",
                        chance=chance[k],
                    )
                    for k in WITHIN
                ]
                middle = {"value": one["median"], "low": None, "high": None, "n": one["n"]}
                chance_rank = (found["gallery"] + 1) / 2
                more = {"metric": "median rank", "over": "windows", "chance": chance_rank}
                rows.append(Result.quoted(middle, about, **task, **more))
            if found["order"] is not None:
                task = {"task": "caption or one whose events changed places", "method": variant}
                told = {"metric": "order told", "over": "people", "chance": 0.5}
                rows.append(Result.quoted(found["order"], about, **task, **told))
        for variant, one in values["written"].items():
            task = {"task": "captions written", "method": variant, "over": "people"}
            rows.append(Result.quoted(one["rouge"], about, **task, metric="ROUGE-L"))
            if one["false"] is not None:
                rows.append(Result.quoted(one["false"], about, **task, metric="false numbers"))
        return rows

    @staticmethod
    def page(values: Values, facts: Values, folder: Path) -> Page:
        """Return what was recognised, found and written."""
        return retrieval_page(values, facts)

    # ----------------------------------------------------------------------------------------------

    def _place(self, fold: str, variant: str) -> Path:
        return inside(self.folder, "folds", fold, f"{variant} model")

    def _tested(self, fold: Fold) -> Iterator[Tested]:
        """Yield every set whose people a fold tests, its windows without their labels."""
        names = {rec.id for rec in fold.test}
        for one in self.sets.values():
            windows = [rec for rec in one.windows if rec.id in names]
            classes = one.classes
            if self.recipe.protocol != "people" and windows:
                others = [other for other in self.sets.values() if other is not one]
                classes = common_classes(others, one)
                kept = {rec.id for rec in one.within(classes).windows}
                windows = [rec for rec in windows if rec.id in kept]
            if windows and len(classes) > 1:
                yield Tested(one, fold, windows, classes)

    def _key(self, fold: Fold, variant: str = "") -> Values:
        """Return all that a fold's model, or without one its floor, depends on."""
        keys = {"seed", "sets", "clean", "windows", "max_per_label", "classes", "protocol"}
        keys |= {"shared_people"} | ({"align", "captions"} if variant else set())
        about = self.recipe.model_dump(mode="json", include=keys)
        about["files"] = {name: one["sha256"] for name, one in self.facts.items()}
        about["test"] = sorted({rec.subject for rec in fold.test})
        if variant:
            about["variant"] = list(self.recipe.variants[variant])
            del about["align"]["loss"]
        return about | {"fold": fold.name}

    def _answered(self, one: Tested, answers: Answers) -> dict[str, Predictions]:
        """Return what was answered about a set, beside what is true of it."""
        truth = one.set.truth()
        found = {names[1]: answer for names, answer in answers.items() if names[0] == one.name}
        return {
            name: replace(answer, truth=tuple(truth[i] for i in answer.ids))
            for name, answer in found.items()
        }

    def _by_set(self, answers: Answers) -> dict[str, dict[str, list[Predictions]]]:
        found: dict[str, dict[str, list[Predictions]]] = {}
        for one in self.tested:
            methods = found.setdefault(one.set.name, {})
            for method, answer in self._answered(one, answers).items():
                methods.setdefault(method, []).append(answer)
        return found

    def _labels(self, methods: Mapping[str, Sequence[Predictions]]) -> Values:
        seed, resamples = self.recipe.seed, self.recipe.evaluate.bootstrap
        values = {}
        for method, found in methods.items():
            labels = found[0].labels
            figures = measure(found, labels, seed, resamples, windows=True)
            auroc = macro_auroc(
                labels,
                [label for one in found for label in one.truth],
                np.concatenate([one.log_probs for one in found]),
                [person for one in found for person in one.subjects],
                seed,
                resamples,
            )
            kept = ("accuracy", "f1", "chance", "n", "seconds", "per_class")
            values[method] = {key: figures[key] for key in kept} | {"auroc": auroc}
        return values

    def _found(self, answers: Answers) -> Values:
        seed, resamples = self.recipe.seed, self.recipe.evaluate.bootstrap
        values = {}
        for variant, (loss, _) in self.recipe.variants.items():
            if loss == "cap":
                continue
            found = [answers[fold.name, f"{variant} found"] for fold in self.folds]
            people = [person for one in found for person in one["people"]]
            ranks = {
                what: np.array([rank for one in found for rank in one["ranks"][what]])
                for what in found[0]["ranks"]
            }
            order = [
                (told, person)
                for one in found
                for told, person in zip(one["order"], one["people"], strict=True)
                if told is not None
            ]
            values[variant] = {
                "gallery": max(len(one["people"]) for one in found),
                "ranks": {
                    what: {
                        f"R@{k}": bootstrap_people(each <= k, people, seed, resamples)
                        for k in WITHIN
                    }
                    | {"median": float(np.median(each)), "n": len(each)}
                    for what, each in ranks.items()
                },
                "order": bootstrap_people(
                    [told for told, _ in order], [person for _, person in order], seed, resamples
                )
                if order
                else None,
            }
        return values

    def _written(self, answers: Answers) -> Values:
        values, resamples = {}, self.recipe.evaluate.bootstrap
        for variant, (loss, _) in self.recipe.variants.items():
            if loss not in ("cap", "coca") or not self.recipe.evaluate.written:
                continue
            found = [answers[fold.name, f"{variant} written"] for fold in self.folds]
            people = [person for one in found for person in one["people"]]
            rouge = [value for one in found for value in one["rouge"]]
            figures = np.array([row for one in found for row in one["figures"]]).reshape(-1, 3)
            some = figures[:, 0] > 0
            told = [person for person, any_ in zip(people, some, strict=True) if any_]
            shares = figures[some, 1:] / figures[some, :1]
            values[variant] = {
                "rouge": bootstrap_people(rouge, people, self.recipe.seed, resamples),
                **{
                    name: bootstrap_people(shares[:, i], told, self.recipe.seed, resamples)
                    if told
                    else None
                    for i, name in enumerate(("false", "far"))
                },
                "figures": int(figures[:, 0].sum()),
                "n": len(rouge),
                "examples": [text for one in found for text in one["written"][:3]],
            }
        return values


def folds_of(sets: Mapping[str, ActivitySet], recipe: RetrievalRecipe) -> Iterator[Fold]:
    """Yield who learns and who is tested: groups of people, or one set after the other."""
    if recipe.protocol == "people":
        people = sorted({person for one in sets.values() for person in one.people})
        if len(people) < recipe.groups:
            there = counts(len(people), "person", "people")
            raise InputError(
                f"'groups' is {recipe.groups} but there are {there}: set groups="
                f"{max(2, len(people))}"
            )
        order = np.random.default_rng(recipe.seed).permutation(people).tolist()
        for i in range(recipe.groups):
            name = f"group-{i + 1}"
            if not recipe.folds or name in recipe.folds:
                yield _fold(name, sets, [*sets.values()], set(order[i :: recipe.groups]), recipe)
        return
    for name in recipe.tested:
        teaching = [one for other, one in sets.items() if other != name and other in recipe.sets]
        yield _fold(f"{name} unseen", {name: sets[name]}, teaching, set(sets[name].people), recipe)


def _fold(
    name: str,
    tested: Mapping[str, ActivitySet],
    teaching: Sequence[ActivitySet],
    people: set[str],
    recipe: RetrievalRecipe,
) -> Fold:
    """Return a fold: nobody tested, and no copy of a tested window, is learnt from."""
    test = [rec for one in tested.values() for rec in one.windows if rec.subject in people]
    copies = {rec.content for rec in test}
    train = [
        rec
        for one in teaching
        for rec in balanced(
            [rec for rec in one.labelled if rec.subject not in people],
            recipe.max_per_label,
            recipe.seed,
        )
    ]
    kept = [rec for rec in train if rec.content not in copies]
    dropped = len(train) - len(kept)
    if len({rec.subject for rec in kept}) < 2:
        raise InputError(f"{name}: fewer than two people are left to learn from: add a set")
    check_disjoint(kept, test)
    note = f"training without {dropped} copies of test windows" if dropped else ""
    return Fold(name, kept, test, note)


def _learnt(folds: Sequence[Values]) -> str:
    sizes = [fold["n_train"] for fold in folds]
    span = f"{min(sizes):,}–{max(sizes):,}" if min(sizes) < max(sizes) else f"{sizes[0]:,}"
    return f"{span} windows of other people, with their labels in captions"


def _hash(key: Values) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
