"""A mapping judged by person: retrieval, its baselines, and what a language model adds.

The encoder has learnt from no test person. Who decided when training stops, a training person, also
gives the temperature of the gallery's vote and the weights of the fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.comparison import LabelTask, best, compared, label_results
from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.methods.mapping import MappingMethods
from imuscribe.eval.methods.reader import KeptReader
from imuscribe.eval.metrics import bootstrap_people, share
from imuscribe.eval.report.figures import write_embedding
from imuscribe.eval.report.methods import mapping_page
from imuscribe.eval.result import Result, origin
from imuscribe.eval.splits import Fold, check_disjoint, make_folds
from imuscribe.eval.store import Store
from imuscribe.eval.task import Answers, Unit, Values
from imuscribe.mapping3d.data import Conditions, prepare
from imuscribe.recipes.mapping import MapRecipe
from imuscribe.signals.files import inside


class Mapping(LabelTask[MapRecipe]):
    """Every method answers every fold from an encoder and gallery that are made once."""

    def __init__(self, recipe: MapRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.data = prepare(recipe, progress)
        self.folds = make_folds(
            self.data.source.recordings, recipe.split, recipe.label_set, recipe.seed
        )
        for fold in self.folds:
            _check_held_out(self.data, fold)
        self._asked: dict[str, MappingMethods] = {}

    def units(self) -> Sequence[Unit]:
        """Return folds × methods."""
        if self.recipe.evaluate.adapter is not None:
            _ = self.reader  # one that cannot be used is named before anything is trained
        return [
            Unit(
                (fold.name, method),
                self._methods(fold).key(method),
                partial(self._methods(fold).answer, method),
                fold.test,
            )
            for fold in self.folds
            for method in self.recipe.evaluate.methods
        ]

    def judge(self, answers: Answers) -> Values:
        """Return retrieval, every method's figures and how they compare."""
        recipe = self.recipe
        answered = self.answered(answers)
        facts = [self._methods(fold).facts() for fold in self.folds]
        found = compared(recipe, self.folds, answered, _pairs, recipe.evaluate.bootstrap)
        found["folds"] = [
            fold | {key: value for key, value in one.items() if key != "ranks"}
            for fold, one in zip(found["folds"], facts, strict=True)
        ]
        position = np.concatenate([np.array(one["ranks"]) for one in facts])
        provenance = facts[0]["gallery"]["provenance"]
        return {
            "protocol": f"{recipe.split.protocol}, {provenance} gallery",
            "data": recipe.data,
            "shots": 0,
            "retrieval": self._retrieval(position),
            **found,
        }

    def write_tables(self, answers: Answers) -> None:
        """Write ``predictions.parquet``, and draw the last fold's space."""
        super().write_tables(answers)
        space = self._methods(self.folds[-1]).space()
        write_embedding(self.folder / "embedding.png", *space, seed=self.recipe.seed)

    page = staticmethod(mapping_page)

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return accuracies of all methods, and whether the nearest items are right."""
        found = label_results(values, facts)
        about = origin(values, facts) | {
            "protocol": found[0].protocol,
            "task": found[0].task,
            "train_data": found[0].train_data,
            "method": "mapping",
            "over": "recordings",
        }
        for metric, key in (("R@1", "@1"), ("R@5", "@5")):
            pooled = values["retrieval"][key]["pooled"]
            chance = values["chance"] if metric == "R@1" else None
            found.append(Result.quoted(pooled, about, metric=metric, chance=chance))
        return found

    def _methods(self, fold: Fold) -> MappingMethods:
        if fold.name not in self._asked:
            place = inside(self.folder, "folds", fold.name)
            sha256 = self.facts["sha256"]
            reader = self.reader if self.recipe.evaluate.adapter is not None else None
            self._asked[fold.name] = MappingMethods(
                self.recipe, self.data, fold, place, sha256, reader, self.progress
            )
        return self._asked[fold.name]

    @cached_property
    def reader(self) -> KeptReader:
        """The language model, which must not have learnt from anybody tested."""
        from imuscribe.finetune.lineage import check_held_out
        from imuscribe.recipes.schema import TrainConfig

        recipe, adapter = self.recipe, self.recipe.evaluate.adapter
        assert adapter is not None
        store = Store(self.folder / "folds")
        reader = KeptReader(adapter, recipe.label_set, store, self.progress)
        asking = reader.recipe.model_copy(
            update={
                "data": recipe.data,
                "simulate": recipe.simulate,
                "train": TrainConfig(start_from=str(adapter)),
            }
        )
        test = [rec for fold in self.folds for rec in fold.test]
        check_held_out(asking, self.data.source.recordings, test)
        return reader

    def _retrieval(self, position: NDArray[np.int64]) -> Values:
        """Return how near to the front the first item of the right label is."""
        subjects = [rec.subject for fold in self.folds for rec in fold.test]
        seed, resamples = self.recipe.seed, self.recipe.evaluate.bootstrap
        ranks = 1 / position
        mean = {"value": float(ranks.mean()), "low": None, "high": None, "n": len(position)}
        return {
            "@1": _retrieved(position <= 1, subjects, seed, resamples),
            "@5": _retrieved(position <= 5, subjects, seed, resamples),
            "reciprocal rank": {
                "pooled": mean,
                "people": bootstrap_people(ranks, subjects, seed, resamples),
            },
        }


def _check_held_out(data: Conditions, fold: Fold) -> None:
    """Refuse a test person whose recordings, of either condition, are there under another name."""
    tested = {rec.subject for rec in fold.test}
    taught = {rec.subject for rec in fold.train}
    everything = [*data.source.recordings, *data.target.recordings]
    learnt = [rec for rec in everything if rec.subject in taught]
    for side in data.support or ():
        learnt += side.recordings
    check_disjoint(learnt, [rec for rec in everything if rec.subject in tested])


def _retrieved(
    hits: NDArray[np.bool_], subjects: Sequence[str], seed: int, resamples: int
) -> Values:
    people = bootstrap_people(hits, subjects, seed, resamples)
    return {"pooled": share(hits.sum(), len(hits)), "people": people}


def _pairs(methods: Values) -> list[tuple[str, str]]:
    """Return what is worth comparing: with the best classifier, and the fusion with its parts."""
    mapping = best(methods, ["mapping", "mapping-vote"])
    classical = best(methods, BASELINES)
    pairs = [(mapping, best(methods, ["analytic", "analytic-dtw"])), (mapping, classical)]
    if "fusion" in methods:
        pairs += [("fusion", name) for name in ("mapping-vote", "llm-3d", "llm-retrieved")]
        pairs += [("fusion", classical)]
    return [(a, b) for a, b in pairs if a and b and b in methods]
