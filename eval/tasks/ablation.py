"""What each part is worth: variants of one recipe, asked about the same people and recordings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from imuscribe.eval.comparison import Answered, LabelTask, about_labels, compared, label_results
from imuscribe.eval.methods.language import Predictors
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.methods import ablation_page
from imuscribe.eval.result import Result
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers, Unit, Values
from imuscribe.eval.tasks.letters import folds_of, method_key
from imuscribe.finetune.rows import frame_of, load_recordings
from imuscribe.finetune.sft import SECTIONS
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.methods import is_tuned
from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.variants import AblationRecipe
from imuscribe.signals.files import inside
from imuscribe.signals.recording import Recording


class Ablation(LabelTask[AblationRecipe]):
    """Every variant answers every fold by its one method.

    Variants that train alike, and differ in what answers, share the training.
    """

    def __init__(self, recipe: AblationRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.parts = recipe.parts()
        self.shared = _trained_alike(self.parts)
        loaded: dict[Any, list[Recording]] = {}
        self.by_variant = {name: _divided(part, loaded) for name, part in self.parts.items()}
        self.folds = next(iter(self.by_variant.values()))

    def units(self) -> Sequence[Unit]:
        """Return folds × variants, fold by fold."""
        return [
            self._unit(name, self.by_variant[name][i])
            for i in range(len(self.folds))
            for name in self.parts
        ]

    def answered(self, answers: Answers) -> Answered:
        """Return answers by variant, in the order of the folds."""
        return {
            name: [answers[name, fold.name, _method(part)] for fold in self.folds]
            for name, part in self.parts.items()
        }

    def judge(self, answers: Answers) -> Values:
        """Return the figures of every variant, and how it compares with the one it is held to."""
        recipe = self.recipe
        pairs = [(name, recipe.other(name)) for name in self.parts if recipe.other(name) != name]
        found = compared(
            recipe, self.folds, self.answered(answers), lambda _: pairs, recipe.evaluate.bootstrap
        )
        seconds = {name: method["fit_seconds"] for name, method in found["methods"].items()}
        for name, part in self.parts.items():
            # Who comes first trains for all that train alike.
            alike = [one for one, first in self.shared.items() if first == self.shared[name]]
            found["methods"][name] |= {
                "by": _method(part),
                "changes": recipe.changes(name),
                "fit_seconds": max(seconds[one] for one in alike),
            }
        about = {"protocol": recipe.split.protocol, "data": recipe.data}
        return about | {"shots": recipe.evaluate.shots, **found}

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return the accuracies of every variant, and the paired difference to another."""
        found = []
        for result in label_results(values, facts):
            if result.metric != "top-5 accuracy":
                seconds = values["methods"][result.method]["fit_seconds"]
                notes = f"trained in {seconds:.0f} s" if seconds else "", result.note
                found.append(replace(result, note="; ".join(filter(None, notes))))
        about = about_labels(values, facts) | {"train_data": "as both"}
        for one in values["comparisons"]:
            said = {"method": one["a"], "note": f"against {one['b']}", "n": one["n"]}
            said |= {"metric": "accuracy gain", "over": "pairs"}
            found.append(Result.quoted(one["difference"], about, **said))
        return found

    page = staticmethod(ablation_page)

    def _unit(self, name: str, fold: Fold) -> Unit:
        """Return what a variant answers about one fold."""
        part = self.parts[name]
        key = f"{method_key(part, _method(part))}:{self.facts['sha256']}"
        names = (name, fold.name, _method(part))
        return Unit(names, key, partial(self._answer, name, fold), fold.test)

    def _answer(self, name: str, fold: Fold) -> Predictions:
        """Answer with a language model of its own: all of them at once would not fit."""
        part, place = self.parts[name], inside(self.folder, "folds", self.shared[name], fold.name)
        return Predictors(part, self.progress).predict(_method(part), fold, place)


def _method(part: Recipe) -> str:
    return part.evaluate.methods[0]


def _trained_alike(parts: dict[str, Recipe]) -> dict[str, str]:
    """Return the first variant that trains as each does: its folder has the adapter of both."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for name, part in parts.items():
        trained = fingerprint(part, (*SECTIONS, "clean")), part.train.start_from
        groups[trained if is_tuned(_method(part)) else name].append(name)
    return {name: names[0] for names in groups.values() for name in names}


def _divided(part: Recipe, loaded: dict[Any, list[Recording]]) -> Sequence[Fold]:
    """Return a variant's folds; recordings are loaded once for all that can share them."""
    key = fingerprint(part, ["clean"]), frame_of(part)
    if key not in loaded:
        loaded[key] = load_recordings(part)
    return folds_of(part, loaded[key])
