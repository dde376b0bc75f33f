"""Methods on the same labelled recordings: what each got right, and how they compare, paired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from imuscribe.eval.environment import data_facts
from imuscribe.eval.metrics import (
    Floats,
    Interval,
    PersonTables,
    Values,
    bootstrap_people,
    evaluate,
    spread,
    weighed,
)
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.result import Result, origin
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers, Task
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.recipes.methods import is_baseline, method_of
from imuscribe.recipes.schema import Recipe, RecordingsExperiment
from imuscribe.signals.files import atomic_path

L = TypeVar("L", bound=Recipe | MapRecipe)

Answered = dict[str, list[Predictions]]
"""Method → its predictions, one a fold."""


class LabelTask(Task[L]):
    """Methods answer labels of the recordings of one data file, fold by fold."""

    folds: Sequence[Fold]

    def __init__(self, recipe: L, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.facts = data_facts(recipe.data)

    def source(self) -> dict[str, Values]:
        """Return the file of recordings."""
        return {"data": dict(self.facts)}

    def answered(self, answers: Answers) -> Answered:
        """Return answers by method, in the order of the folds."""
        methods = self.recipe.evaluate.methods
        return {method: [answers[fold.name, method] for fold in self.folds] for method in methods}

    def write_tables(self, answers: Answers) -> None:
        """Write ``predictions.parquet``: one row a recording and method."""
        path = self.folder / "predictions.parquet"
        write_predictions(self.answered(answers), self.folds, path)


def compared(
    recipe: RecordingsExperiment,
    folds: Sequence[Fold],
    answered: Answered,
    pairs: Callable[[Values], list[tuple[str, str]]],
    resamples: int,
) -> Values:
    """Return what ``metrics.json`` says of methods: each one's figures, and of pairs of them."""
    labels, seed = recipe.label_set, recipe.seed
    windows = isinstance(recipe, Recipe) and recipe.windows is not None
    over = "windows" if windows else "recordings"
    methods = {
        name: measure(found, labels, seed, resamples, windows) for name, found in answered.items()
    }
    return {
        "labels": list(labels),
        "over": over,
        "chance": 1 / len(labels),
        "folds": [fold_facts(fold) for fold in folds],
        "methods": methods,
        "comparisons": [
            _compare(a, b, answered, methods, seed, resamples) | {"over": over}
            for a, b in pairs(methods)
        ],
    }


def fold_facts(fold: Fold) -> Values:
    """Return who trained and who was tested."""
    return {
        "name": fold.name,
        "train_people": sorted({rec.subject for rec in fold.train}),
        "test_people": sorted({rec.subject for rec in fold.test}),
        "n_train": len(fold.train),
        "n_test": len(fold.test),
        "note": fold.note,
    }


def measure(
    found: Sequence[Predictions],
    labels: Sequence[str],
    seed: int,
    resamples: int,
    windows: bool = False,
) -> Values:
    """Return everything measured for one method over its folds."""
    tokens = np.concatenate([p.tokens for p in found])
    metrics = evaluate(
        labels,
        [label for p in found for label in p.truth],
        np.concatenate([p.log_probs for p in found]),
        [subject for p in found for subject in p.subjects],
        [case for p in found for case in p.cases],
        seed,
        resamples,
        windows,
    )
    low, median, high = int(tokens.min()), float(np.median(tokens)), int(tokens.max())
    seconds = np.average([p.seconds for p in found], weights=[len(p.ids) for p in found])
    return {
        **metrics,
        "tokens": {"min": low, "median": median, "max": high} if tokens.any() else None,
        "seconds": float(seconds),
        "fit_seconds": sum(p.fit_seconds for p in found),
        "notes": sorted({p.note for p in found if p.note}),
    }


def best(methods: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> str:
    """Return the most accurate of some methods, nothing where none of them is there."""
    there = [name for name in names if name in methods]
    return max(there, key=lambda name: methods[name]["accuracy"]["value"], default="")


def write_predictions(answered: Answered, folds: Sequence[Fold], path: Path) -> None:
    """Write one row a recording and method."""
    import pandas as pd

    frames = [
        predictions.frame(fold.name, method)
        for method, found in answered.items()
        for fold, predictions in zip(folds, found, strict=True)
    ]
    with atomic_path(path) as temporary:
        pd.concat(frames, ignore_index=True).to_parquet(temporary, index=False)


def label_results(values: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Result]:
    """Return the headline results of methods that answer labels: every method's accuracies."""
    n_labels, about = len(values["labels"]), about_labels(values, facts)
    left_out = [f"{fold['name']}: {fold['note']}" for fold in values["folds"] if fold["note"]]
    over = values.get("over", "recordings")  # earlier runs knew no windows
    accuracy = {"metric": "accuracy", "over": over, "chance": 1 / n_labels}
    found = []
    for name, method in values["methods"].items():
        said = about | {
            "method": name,
            "train_data": _train_data(name, values),
            "tokens": method["tokens"]["median"] if method["tokens"] else None,
            "note": "; ".join((*left_out, *method["notes"])),
        }
        pooled = said | accuracy
        found.append(Result.quoted(method["accuracy"], pooled))
        for case, figure in method.get("by_case", {}).items():
            of_case = {"task": f"{about['task']}, {case_title(case)}"}
            found.append(Result.quoted(figure, pooled | of_case))
        if method["people"]["n"] > 1:  # one person's mean is the pooled accuracy
            found.append(Result.quoted(method["people"], pooled, over="people", n=method["n"]))
        if "f1" in method:
            found.append(Result.quoted(method["f1"], said, metric="macro F1", over=over))
        if n_labels > 5:  # with five it is always right
            top5 = {"metric": "top-5 accuracy", "chance": 5 / n_labels}
            found.append(Result.quoted(method["top5"], pooled | top5))
    return found


def about_labels(values: Mapping[str, Any], facts: Mapping[str, Any]) -> Values:
    """Return where results come from, what was to be answered (``26 labels, A to Z``), by whom."""
    labels, folds = values["labels"], values["folds"]
    tested = sorted({person for fold in folds for person in fold["test_people"]})
    return origin(values, facts) | {
        "task": f"{len(labels)} labels, {labels[0]} to {labels[-1]}",
        "protocol": f"{values['protocol']}, tested: {', '.join(tested)}",
    }


def _train_data(method: str, values: Mapping[str, Any]) -> str:
    """Say what a method learnt from."""
    folds = values["folds"]
    method = values["methods"][method].get("by", method)  # variants are answered by a method
    if method == "few-shot":
        return f"{values['shots']} examples in the prompt"
    members = values.get("pools", {}).get(method, [method])  # earlier runs knew no pools
    if not any(method_of(name).learns for name in members):
        return "none"
    # A mapping's baselines may learn from fewer recordings than its encoder does.
    size = "n_rivals" if is_baseline(method) and "n_rivals" in folds[0] else "n_train"
    people = [len(fold["train_people"]) for fold in folds]
    who = "person" if max(people) == 1 else "people"
    return f"{span([fold[size] for fold in folds])} recordings of {span(people)} other {who}"


def span(numbers: Sequence[int], between: str = "–") -> str:
    """Return the least and the most of some numbers, one where they are equal."""
    low, high = f"{min(numbers):,}", f"{max(numbers):,}"
    return low if low == high else f"{low}{between}{high}"


def case_title(case: str) -> str:
    """Return the heading of a case: ``2D`` for ``2d``."""
    return case.upper() if case in ("2d", "3d") else case


def _compare(
    a: str, b: str, answered: Answered, methods: Values, seed: int, resamples: int
) -> Values:
    """Compare two methods on the recordings both answered, paired over people."""
    difference, subjects = [], []
    for first, second in zip(answered[a], answered[b], strict=True):
        right = dict(zip(second.ids, second.correct, strict=True))
        for i, subject, hit in zip(first.ids, first.subjects, first.correct, strict=True):
            if i in right:
                difference.append(float(hit) - float(right[i]))
                subjects.append(subject)
    x, y = methods[a]["accuracy"], methods[b]["accuracy"]
    return {
        "a": a,
        "b": b,
        "n": len(difference),
        "difference": bootstrap_people(difference, subjects, seed, resamples),
        "disjoint": x["low"] > y["high"] or y["low"] > x["high"],
    }


def new_classes(
    groups: Sequence[tuple[PersonTables, int]], seed: int = 0, resamples: int = 1000
) -> dict[str, Interval]:
    """Tell how classes are recognised that were taught, and others that were not.

    Parameters
    ----------
    groups : sequence of (dict, int)
        As `person_tables` gives them, and how many labels, the first ones, were taught.
    seed, resamples : int
        Of the weights of people, as in `means_over_groups`.

    Returns
    -------
    dict
        ``seen`` and ``unseen``, the mean recall of those classes among all answers, and
        ``harmonic``, their harmonic mean in each group; averages over groups, `n` counts answers.
    """
    tables = weighed([group for group, _ in groups], seed, resamples)
    found: dict[str, list[Floats]] = {"seen": [], "unseen": [], "harmonic": []}
    for table, (_, taught) in zip(tables, groups, strict=True):
        actual = np.maximum(table.sum(axis=-1), 1e-12)
        recall = np.diagonal(table, axis1=-2, axis2=-1) / actual
        seen, unseen = recall[:, :taught].mean(axis=1), recall[:, taught:].mean(axis=1)
        found["seen"].append(seen)
        found["unseen"].append(unseen)
        found["harmonic"].append(2 * seen * unseen / np.maximum(seen + unseen, 1e-12))
    n = int(sum(table[0].sum() for table in tables))
    return {name: spread(np.mean(values, axis=0), n) for name, values in found.items()}
