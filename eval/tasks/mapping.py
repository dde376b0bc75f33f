"""A mapping judged by person: retrieval, its rivals, and what a language model adds.

Every test person is a stranger to the encoder. Who decided when training stops, a training person,
also gives the temperature of the gallery's vote and the weights of the fusion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.environment import as_json, environment
from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.methods.mapping import MappingMethods
from imuscribe.eval.metrics import bootstrap_people, wilson
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.run import compare, fold_facts, measure, write_predictions
from imuscribe.eval.splits import Fold, check_disjoint, make_folds
from imuscribe.mapping3d.data import Conditions, prepare
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.recipes.schema import dump
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import inside, sha256, write_text

if TYPE_CHECKING:
    from imuscribe.eval.methods.reader import KeptReader

log = logging.getLogger(__name__)

Float = NDArray[np.float64]
Values = dict[str, Any]

RESULTS = ("metrics.json", "predictions.parquet", "report.html", "embedding.png")


def run(recipe: MapRecipe, command: str = "", progress: bool = True) -> Path:
    """Judge a mapping by the recipe's split and write its run folder.

    A fold's encoder, once trained under the same settings and data, is not trained again, nor is a
    method asked again: an interrupted run goes on where it stopped.

    Parameters
    ----------
    recipe : MapRecipe
        The folder is `recipe.out` / `recipe.name`.
    command : str
        How the run was asked for.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        The folder: ``metrics.json``, ``predictions.parquet``, ``recipe.yaml``,
        ``environment.json``, ``embedding.png``, ``report.html`` and ``folds/``.

    Raises
    ------
    InputError
        For anything wrong with the recipe, the data, the split or the gallery.
    """
    from imuscribe.eval.report.html import write_report
    from imuscribe.eval.report.mapping import write_embedding

    folder = Path(recipe.out) / recipe.name
    data_hash = "" if recipe.data == "simulated" else _hash(recipe.data)
    data = prepare(recipe, progress)
    folds = make_folds(data.source.recordings, recipe.split, recipe.label_set, recipe.seed)
    for fold in folds:
        _check_strangers(data, fold)
    write_text(folder / "recipe.yaml", dump(recipe))
    write_text(folder / "environment.json", as_json(environment(recipe.data, data_hash, command)))
    for stale in RESULTS:
        (folder / stale).unlink(missing_ok=True)

    reader = _reader(recipe, data, folds, folder, progress)
    answers: dict[str, list[Predictions]] = {name: [] for name in recipe.evaluate.methods}
    found = []
    for fold in folds:
        place = inside(folder, "folds", fold.name)
        mapping = MappingMethods(recipe, data, fold, place, data_hash, reader, progress)
        for method in recipe.evaluate.methods:
            answers[method].append(mapping.answer(method))
        found.append(mapping.facts())

    write_predictions(answers, folds, folder / "predictions.parquet")
    write_text(folder / "metrics.json", as_json(_metrics(recipe, folds, answers, found)))
    write_embedding(folder / "embedding.png", *mapping.space(), seed=recipe.seed)
    write_report(folder)
    return folder


def _check_strangers(data: Conditions, fold: Fold) -> None:
    """Refuse a test person whose recordings, of either condition, are there under another name."""
    tested = {rec.subject for rec in fold.test}
    taught = {rec.subject for rec in fold.train}
    everything = [*data.source.recordings, *data.target.recordings]
    learnt = [rec for rec in everything if rec.subject in taught]
    for side in data.support or ():
        learnt += side.recordings
    check_disjoint(learnt, [rec for rec in everything if rec.subject in tested])


def _reader(
    recipe: MapRecipe, data: Conditions, folds: Sequence[Fold], folder: Path, progress: bool
) -> KeptReader | None:
    """Return the language model's reader, None where no method asks it."""
    if recipe.evaluate.adapter is None:
        return None
    from imuscribe.eval.methods.reader import KeptReader
    from imuscribe.finetune.lineage import check_strangers
    from imuscribe.recipes.schema import TrainConfig

    reader = KeptReader(
        recipe.evaluate.adapter, recipe.label_set, folder / "answers.json", progress
    )
    asking = reader.recipe.model_copy(
        update={
            "data": recipe.data,
            "simulate": recipe.simulate,
            "train": TrainConfig(start_from=str(recipe.evaluate.adapter)),
        }
    )
    test = [rec for fold in folds for rec in fold.test]
    check_strangers(asking, data.source.recordings, test)
    return reader


def _metrics(
    recipe: MapRecipe,
    folds: Sequence[Fold],
    answers: dict[str, list[Predictions]],
    found: Sequence[Values],
) -> Values:
    """Return the content of ``metrics.json``, laid out as `eval.run.judge` does."""
    seed, resamples = recipe.seed, recipe.evaluate.bootstrap
    labels = recipe.label_set
    methods = {name: measure(p, labels, seed, resamples) for name, p in answers.items()}
    subjects = [rec.subject for fold in folds for rec in fold.test]
    position = np.concatenate([np.array(one["ranks"]) for one in found])
    return {
        "name": recipe.name,
        "kind": "mapping",
        "labels": list(labels),
        "chance": 1 / len(labels),
        "protocol": f"{recipe.split.protocol}, {found[0]['gallery']['provenance']} gallery",
        "data": recipe.data,
        "seed": seed,
        "shots": 0,
        "folds": [
            {
                **fold_facts(fold),
                **{k: v for k, v in one.items() if k != "ranks"},
            }
            for fold, one in zip(folds, found, strict=True)
        ],
        "retrieval": {
            "@1": _share(position <= 1, subjects, seed, resamples),
            "@5": _share(position <= 5, subjects, seed, resamples),
            "reciprocal rank": {
                "pooled": {
                    "value": float((1 / position).mean()),
                    "low": None,
                    "high": None,
                    "n": len(position),
                },
                "people": asdict(bootstrap_people(1 / position, subjects, seed, resamples)),
            },
        },
        "methods": methods,
        "comparisons": [
            compare(a, b, answers, methods, seed, resamples) for a, b in _pairs(methods)
        ],
    }


def _share(hits: NDArray[np.bool_], subjects: Sequence[str], seed: int, resamples: int) -> Values:
    k, n = int(hits.sum()), len(hits)
    low, high = wilson(k, n)
    return {
        "pooled": {"value": k / n, "low": low, "high": high, "n": n},
        "people": asdict(bootstrap_people(hits, subjects, seed, resamples)),
    }


def _pairs(methods: Values) -> list[tuple[str, str]]:
    """Return what is worth comparing: with the best classifier, and the fusion with its parts."""

    def best(names: Iterable[str]) -> str | None:
        there = [name for name in names if name in methods]
        return max(there, key=lambda name: methods[name]["accuracy"]["value"], default=None)

    mapping = best(["mapping", "mapping-vote"])
    pairs = [(mapping, best(["analytic", "analytic-dtw"])), (mapping, best(BASELINES))]
    if "fusion" in methods:
        pairs += [("fusion", name) for name in ("mapping-vote", "llm-3d", "llm-retrieved")]
        pairs += [("fusion", best(BASELINES))]
    return [(a, b) for a, b in pairs if a and b and b in methods]


def _hash(data: str) -> str:
    try:
        return sha256(data)
    except OSError as error:
        raise InputError(
            f"data '{data}': {error.strerror}: set data= to a Parquet file of recordings"
        ) from None
