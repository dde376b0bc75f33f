"""One experiment from recordings to report: load, split, predict, judge, write down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import as_json, environment
from imuscribe.eval.methods.baselines import OWN, is_baseline
from imuscribe.eval.methods.language import Predictors, is_tuned
from imuscribe.eval.metrics import bootstrap_people, evaluate
from imuscribe.eval.predictions import Predictions, load, save
from imuscribe.eval.splits import Fold, make_folds
from imuscribe.signals.files import atomic_path, inside, sha256, write_text

if TYPE_CHECKING:
    from imuscribe.recipes.schema import Recipe

log = logging.getLogger(__name__)

Answers = dict[str, list[Predictions]]
"""Method → its predictions, one a fold."""


RESULTS = ("metrics.json", "predictions.parquet", "report.html")
"""What a finished run leaves beside its recipe and environment."""


def run(recipe: Recipe, command: str = "", progress: bool = True) -> Path:
    """Run a recipe and write its run folder.

    A method that already answered a fold under the same settings and data is not asked again, so
    an interrupted run goes on where it stopped.

    Parameters
    ----------
    recipe : Recipe
        The experiment; the folder is `recipe.out` / `recipe.name`.
    command : str
        How the run was asked for, written down for whoever repeats it.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        The folder: ``metrics.json``, ``predictions.parquet``, ``recipe.yaml``,
        ``environment.json``, ``report.html`` and ``folds/``.

    Raises
    ------
    InputError
        For anything wrong with the recipe, the data or the split, and for an adapter to start
        from that has learnt from somebody who is tested.
    """
    from imuscribe.eval.report.html import write_report
    from imuscribe.finetune.adapters import check_start
    from imuscribe.finetune.lineage import check_strangers
    from imuscribe.finetune.rows import load_recordings, select
    from imuscribe.recipes.load import dump

    recordings = load_recordings(recipe)
    folds = [
        # Every method learns from, or shows, the very same recordings.
        replace(fold, train=select(fold.train, recipe))
        for fold in make_folds(recordings, recipe.split, recipe.label_set, recipe.seed)
    ]
    if any(is_tuned(method) or method == "adapter" for method in recipe.evaluate.methods):
        check_start(recipe)
        check_strangers(recipe, recordings, [rec for fold in folds for rec in fold.test])
    folder = Path(recipe.out) / recipe.name
    data_hash = "" if recipe.data == "simulated" else sha256(recipe.data)
    _warn_of_other_settings(folder / "recipe.yaml", dump(recipe))
    write_text(folder / "recipe.yaml", dump(recipe))
    write_text(folder / "environment.json", as_json(environment(recipe.data, data_hash, command)))

    for stale in RESULTS:  # figures never stand beside settings they were not made with
        (folder / stale).unlink(missing_ok=True)

    answers = predict(recipe, folds, folder, data_hash, progress)

    write_predictions(answers, folds, folder / "predictions.parquet")
    write_text(folder / "metrics.json", as_json(judge(recipe, folds, answers)))
    write_report(folder)
    return folder


def _warn_of_other_settings(path: Path, settings: str) -> None:
    before = path.read_text(encoding="utf-8") if path.is_file() else settings
    if before != settings and (path.parent / "metrics.json").is_file():
        log.warning(
            "%s holds a run with other settings: its figures are replaced; name=NAME keeps both",
            path.parent,
        )


def predict(
    recipe: Recipe, folds: Sequence[Fold], folder: Path, data_hash: str, progress: bool = True
) -> Answers:
    """Ask every method of the recipe about every fold, or find what it answered before."""
    from tqdm.auto import tqdm

    predictors = Predictors(recipe, progress)
    found: dict[tuple[str, str], Predictions] = {}
    with tqdm(total=len(folds) * len(recipe.evaluate.methods), disable=not progress) as bar:
        for fold, method in _order(folds, recipe.evaluate.methods):
            bar.set_description(f"{fold.name}: {method}")
            place = inside(folder, "folds", fold.name)
            key = f"{method_key(recipe, method)}:{data_hash}"
            predictions = load(place / f"{method}.parquet", key, fold.test)
            if predictions is None:
                predictions = predictors.predict(method, fold, place)
                save(predictions, place / f"{method}.parquet", fold.name, method, key)
            found[fold.name, method] = predictions
            bar.update()
    return {m: [found[fold.name, m] for fold in folds] for m in recipe.evaluate.methods}


def method_key(recipe: Recipe, method: str) -> str:
    """Return a fingerprint of all settings that the answers of a method depend on.

    Which folds and methods are run beside it is not among them.

    Raises
    ------
    InputError
        If the adapter that a tuned method starts from is not there.
    """
    from imuscribe.finetune.adapters import weights_hash
    from imuscribe.recipes.schema import EvalConfig, TrainConfig, fingerprint

    sections = ["seed", "data", "labels", "simulate", "clean", "split", "text", "evaluate", "train"]
    if not is_baseline(method):
        sections += ["prompt", "model"]
    train = recipe.train
    if is_tuned(method):
        sections += ["lora"]
    else:  # what trains the language model is nothing to the others, which recordings are
        varied = is_baseline(method) and recipe.evaluate.baseline_copies
        train = TrainConfig(
            max_per_label=train.max_per_label,
            augment=train.augment if varied else None,
            start_from=train.start_from if method == "adapter" else None,
        )
    # What decides how much is run or how it is summarised is set to one value.
    aside = EvalConfig()
    alike = recipe.evaluate.model_copy(
        update={
            "methods": aside.methods,
            "bootstrap": aside.bootstrap,
            "test_copies": recipe.evaluate.test_copies if is_tuned(method) else 0,
            "calibrate": recipe.evaluate.calibrate if is_tuned(method) else 0,
        }
    )
    split = recipe.split.model_copy(update={"folds": ()})
    key = fingerprint(
        recipe.model_copy(update={"evaluate": alike, "split": split, "train": train}), sections
    )
    # Another adapter in the same place gives other answers.
    return key if train.start_from is None else f"{key}:{weights_hash(train.start_from)}"


def judge(recipe: Recipe, folds: Sequence[Fold], answers: Answers) -> dict[str, Any]:
    """Return everything measured, as plain values: the content of ``metrics.json``."""
    labels = recipe.label_set
    seed, resamples = recipe.seed, recipe.evaluate.bootstrap
    methods = {name: measure(found, labels, seed, resamples) for name, found in answers.items()}
    return {
        "name": recipe.name,
        "labels": list(labels),
        "chance": 1 / len(labels),
        "protocol": recipe.split.protocol,
        "data": recipe.data,
        "seed": recipe.seed,
        "shots": recipe.evaluate.shots,
        "folds": [fold_facts(fold) for fold in folds],
        "methods": methods,
        "comparisons": [
            compare(a, b, answers, methods, seed, resamples) for a, b in _pairs(methods)
        ],
    }


def fold_facts(fold: Fold) -> dict[str, Any]:
    """Return who trained and who was tested, as plain values."""
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
) -> dict[str, Any]:
    """Return everything measured for one method over its folds, as plain values."""
    truth, subjects = _joined(p.truth for p in found), _joined(p.subjects for p in found)
    cases = _joined(p.cases for p in found)
    scores = np.concatenate([p.log_probs for p in found])
    tokens = np.concatenate([p.tokens for p in found])
    metrics = evaluate(labels, truth, scores, subjects, cases, seed, resamples)
    return {
        **metrics.to_dict(),
        "tokens": {
            "min": int(tokens.min()),
            "median": float(np.median(tokens)),
            "max": int(tokens.max()),
        }
        if tokens.any()
        else None,
        "seconds": float(
            np.average([p.seconds for p in found], weights=[len(p.ids) for p in found])
        ),
        "fit_seconds": sum(p.fit_seconds for p in found),
        "notes": sorted({p.note for p in found if p.note}),
    }


def compare(
    a: str,
    b: str,
    answers: Answers,
    methods: Mapping[str, dict[str, Any]],
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Compare two methods on the recordings both answered, paired over people."""
    difference = []
    subjects = []
    for first, second in zip(answers[a], answers[b], strict=True):
        right = dict(zip(second.ids, _correct(second), strict=True))
        for i, subject, correct in zip(first.ids, first.subjects, _correct(first), strict=True):
            if i in right:
                difference.append(float(correct) - float(right[i]))
                subjects.append(subject)
    paired = bootstrap_people(difference, subjects, seed, resamples)
    x, y = methods[a]["accuracy"], methods[b]["accuracy"]
    return {
        "a": a,
        "b": b,
        "n": len(difference),
        "difference": asdict(paired),
        "disjoint": x["low"] > y["high"] or y["low"] > x["high"],
    }


def write_predictions(answers: Answers, folds: Sequence[Fold], path: Path) -> None:
    """Write one row a recording and method."""
    import pandas as pd

    frames = [
        predictions.frame(fold.name, method)
        for method, found in answers.items()
        for fold, predictions in zip(folds, found, strict=True)
    ]
    with atomic_path(path) as temporary:
        pd.concat(frames, ignore_index=True).to_parquet(temporary, index=False)


def _order(folds: Sequence[Fold], methods: Sequence[str]) -> list[tuple[Fold, str]]:
    """Put what the untrained model answers first, so that it is loaded once for all folds."""
    pairs = [(fold, method) for fold in folds for method in methods]
    return sorted(pairs, key=lambda pair: is_tuned(pair[1]) or is_baseline(pair[1]))


def _pairs(methods: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Return what is worth comparing.

    The best tuned model with zero-shot and with the best rival; among those that are shown the test
    person's own recordings the same, and with the best that is not.
    """

    def best(own: bool, fits: Callable[[str], bool]) -> str | None:
        names = [name for name in methods if fits(name) and name.endswith(OWN) == own]
        return max(names, key=lambda name: methods[name]["accuracy"]["value"], default=None)

    tuned, told = best(False, is_tuned), best(True, is_tuned)
    pairs = [
        (tuned, "zero-shot" if "zero-shot" in methods else None),
        (tuned, best(False, is_baseline)),
        (told, best(True, is_baseline)),
        (told, tuned),
    ]
    return [(a, b) for a, b in pairs if a and b]


def _correct(predictions: Predictions) -> list[bool]:
    frame = predictions.frame("", "")
    return [bool(hit) for hit in frame["top1"] == frame["label"]]


def _joined(parts: Iterable[tuple[str, ...]]) -> list[str]:
    return [item for part in parts for item in part]
