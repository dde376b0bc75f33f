"""Methods on the same labelled recordings: what each got right, and how they compare, paired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.metrics import bootstrap_people, evaluate
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.result import Result, measured, origin
from imuscribe.eval.splits import Fold
from imuscribe.recipes.methods import is_baseline, method_of
from imuscribe.recipes.schema import RecordingsExperiment
from imuscribe.signals.files import atomic_path

Values = dict[str, Any]

Answered = dict[str, list[Predictions]]
"""Method → its predictions, one a fold."""


def by_method(answers: Mapping[tuple[str, ...], Any], folds: Sequence[Fold],
              methods: Sequence[str]) -> Answered:  # fmt: skip
    """Return answers by method, in the order of the folds."""
    return {method: [answers[fold.name, method] for fold in folds] for method in methods}


def compared(
    recipe: RecordingsExperiment,
    folds: Sequence[Fold],
    answered: Answered,
    pairs: Callable[[Values], list[tuple[str, str]]],
    resamples: int,
) -> Values:
    """Return what ``metrics.json`` says of methods: each one's figures, and of pairs of them."""
    labels, seed = recipe.label_set, recipe.seed
    methods = {name: measure(found, labels, seed, resamples) for name, found in answered.items()}
    return {
        "labels": list(labels),
        "chance": 1 / len(labels),
        "folds": [fold_facts(fold) for fold in folds],
        "methods": methods,
        "comparisons": [
            compare(a, b, answered, methods, seed, resamples) for a, b in pairs(methods)
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
    found: Sequence[Predictions], labels: Sequence[str], seed: int, resamples: int
) -> Values:
    """Return everything measured for one method over its folds."""
    tokens = np.concatenate([p.tokens for p in found])
    metrics = evaluate(
        labels,
        _joined(p.truth for p in found),
        np.concatenate([p.log_probs for p in found]),
        _joined(p.subjects for p in found),
        _joined(p.cases for p in found),
        seed,
        resamples,
    )
    spread = {
        "min": int(tokens.min()),
        "median": float(np.median(tokens)),
        "max": int(tokens.max()),
    }
    return {
        **metrics.to_dict(),
        "tokens": spread if tokens.any() else None,
        "seconds": float(
            np.average([p.seconds for p in found], weights=[len(p.ids) for p in found])
        ),
        "fit_seconds": sum(p.fit_seconds for p in found),
        "notes": sorted({p.note for p in found if p.note}),
    }


def compare(
    a: str,
    b: str,
    answered: Answered,
    methods: Mapping[str, Values],
    seed: int,
    resamples: int,
) -> Values:
    """Compare two methods on the recordings both answered, paired over people."""
    difference = []
    subjects = []
    for first, second in zip(answered[a], answered[b], strict=True):
        right = dict(zip(second.ids, _correct(second), strict=True))
        for i, subject, correct in zip(first.ids, first.subjects, _correct(first), strict=True):
            if i in right:
                difference.append(float(correct) - float(right[i]))
                subjects.append(subject)
    x, y = methods[a]["accuracy"], methods[b]["accuracy"]
    return {
        "a": a,
        "b": b,
        "n": len(difference),
        "difference": asdict(bootstrap_people(difference, subjects, seed, resamples)),
        "disjoint": x["low"] > y["high"] or y["low"] > x["high"],
    }


def best(methods: Mapping[str, Values], names: Iterable[str]) -> str | None:
    """Return the most accurate of some methods, None where none of them is there."""
    there = [name for name in names if name in methods]
    return max(there, key=lambda name: methods[name]["accuracy"]["value"], default=None)


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
    folds, labels = values["folds"], values["labels"]
    tested = sorted({person for fold in folds for person in fold["test_people"]})
    left_out = [f"{fold['name']}: {fold['note']}" for fold in folds if fold["note"]]
    task = f"{len(labels)} labels, {labels[0]} to {labels[-1]}"
    about = origin(values, facts) | {
        "protocol": f"{values['protocol']}, tested: {', '.join(tested)}"
    }
    found = []
    for name, method in values["methods"].items():
        said = about | {
            "method": name,
            "train_data": train_data(name, values),
            "tokens": method["tokens"]["median"] if method["tokens"] else None,
            "note": "; ".join((*left_out, *method["notes"])),
        }
        chance, people = 1 / len(labels), method["people"]
        rows = [("accuracy", "recordings", task, method["accuracy"], chance)]
        for case, figure in method.get("by_case", {}).items():
            rows.append(("accuracy", "recordings", f"{task}, {case_title(case)}", figure, chance))
        if people["n"] > 1:  # one person's mean is the pooled accuracy
            over = people | {"n": method["n"]}
            rows.append(("accuracy", "people", task, over, chance))
        if len(labels) > 5:  # with five it is always right
            rows.append(("top-5 accuracy", "recordings", task, method["top5"], 5 / len(labels)))
        for metric, over_what, of_task, figure, by_chance in rows:
            row = measured(figure, chance=by_chance, metric=metric, over=over_what, task=of_task)
            found.append(Result(**{**row, **said}))
    return found


def train_data(method: str, values: Mapping[str, Any]) -> str:
    """Say what a method learnt from."""
    folds = values["folds"]
    if method == "few-shot":
        return f"{values['shots']} examples in the prompt"
    if not method_of(method).learns:
        return "none"
    # A mapping's baselines may learn from fewer recordings than its encoder does.
    size = "n_rivals" if is_baseline(method) and "n_rivals" in folds[0] else "n_train"
    people, sizes = [len(fold["train_people"]) for fold in folds], [fold[size] for fold in folds]

    def span(found: list[int]) -> str:
        low, high = f"{min(found):,}", f"{max(found):,}"
        return low if low == high else f"{low}–{high}"

    who = "person" if max(people) == 1 else "people"
    return f"{span(sizes)} recordings of {span(people)} other {who}"


def case_title(case: str) -> str:
    """Return the heading of a case: ``2D`` for ``2d``."""
    return case.upper() if case in ("2d", "3d") else case


def _correct(predictions: Predictions) -> list[bool]:
    frame = predictions.frame("", "")
    return [bool(hit) for hit in frame["top1"] == frame["label"]]


def _joined(parts: Iterable[tuple[str, ...]]) -> list[str]:
    return [item for part in parts for item in part]
