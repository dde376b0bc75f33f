"""Accuracy and tokens over the format, the sampling rate and the precision of the text.

Every cell of a grid is the given recipe with another text, judged on the same folds and the same
recordings: what differs between two cells is the text alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.eval.comparison import fold_facts
from imuscribe.eval.environment import data_facts
from imuscribe.eval.report.sweep import draw, reasons, sweep_page, write_csv
from imuscribe.eval.result import Result
from imuscribe.eval.run import work
from imuscribe.eval.splits import Fold
from imuscribe.eval.store import Store
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.eval.tasks.letters import Letters, folds_of, method_key
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
from imuscribe.prompts.serialize import Format, TextConfig, View, build_serializer
from imuscribe.recipes.methods import is_baseline
from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.variants import Grid, SweepRecipe
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PRECISION: dict[Format, str] = {
    "strokes": "levels",
    "digits": "digits",
    "csv": "decimals",
    "summary": "decimals",
}
"""What the precision of each format is called."""


class Sweep(Task[SweepRecipe]):
    """A cell of the grid is one piece of work; recordings are loaded once a rate, when needed."""

    def __init__(self, recipe: SweepRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.cells = cells(recipe, recipe.grid)
        names = recipe.tokenizers or (recipe.model.base,)
        self.readers = {name: load_tokenizer(name) for name in names}
        self.facts = data_facts(recipe.data)
        self._folds = cache(partial(_folds, recipe))

    def source(self) -> dict[str, Values]:
        """Return the file of recordings."""
        return {"data": dict(self.facts)}

    def units(self) -> Sequence[Unit]:
        """Return the cells, rate by rate; one that could not be run is tried again."""
        ordered = sorted(self.cells, key=lambda cell: self.recipe.grid.rates.index(cell.rate))
        return [
            Unit(
                (cell.name, "cell"),
                self._key(cell.recipe),
                partial(self._run, cell),
                keep=lambda row: not reasons(row),
            )
            for cell in ordered
        ]

    def judge(self, answers: Answers) -> Values:
        """Return tokens and accuracies of every cell, in the order of the grid."""
        recipe = self.recipe
        ordered = [answers[cell.name, "cell"] for cell in self.cells]
        failed = [reasons(row) for row in ordered]
        if all(len(here) == len(recipe.evaluate.methods) for here in failed):
            raise InputError(
                f"no cell of the sweep can be run: {ordered[0]['name']}: {failed[0][0]}"
            )
        return {
            "data": recipe.data,
            "protocol": recipe.split.protocol,
            "labels": list(recipe.label_set),
            "chance": 1 / len(recipe.label_set),
            "folds": ordered[0]["folds"],
            "methods": list(recipe.evaluate.methods),
            "tokenizers": list(self.readers),
            "cells": [{k: v for k, v in row.items() if k != "folds"} for row in ordered],
        }

    def write_tables(self, answers: Answers) -> None:
        """Write ``sweep.csv``, a row a cell and method, and ``sweep.png``."""
        found = self.judge(answers)
        write_csv(found, self.folder / "sweep.csv")
        draw(found, self.folder / "sweep.png")

    page = staticmethod(sweep_page)

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return nothing: a sweep compares texts, and what it finds is quoted from a run."""
        return []

    def _key(self, recipe: Recipe) -> list[object]:
        """Return all that the content of a cell depends on."""
        evaluate = recipe.evaluate
        methods = [[method, method_key(recipe, method)] for method in evaluate.methods]
        return [methods, recipe.split.folds, evaluate.bootstrap, self.facts, list(self.readers)]

    def _run(self, cell: Cell) -> Values:
        """Return everything measured in a cell: tokens, and each method or why it cannot run."""
        tokens: dict[str, float] = {}
        methods: dict[str, Values] = {}
        folds = self._folds(cell.rate)
        for method in cell.recipe.evaluate.methods:
            try:
                tokens = tokens or _tokens(cell.recipe.text, folds, self.readers)
                methods[method] = self._judged(cell, method, folds)
            except InputError as error:
                methods[method] = {"reason": " ".join(str(error).split())}
        return {
            "name": cell.name,
            "format": cell.format,
            "rate": cell.rate,
            "steps": cell.steps,
            "precision": cell.precision,
            "unit": PRECISION[cell.format],
            "tokens": tokens,
            "methods": methods,
            "folds": list(map(fold_facts, folds)),
        }

    def _judged(self, cell: Cell, method: str, folds: Sequence[Fold]) -> Values:
        """Ask one method, or find what it answered before, and keep what a sweep shows."""
        place = self.folder / "folds" / cell.name
        evaluate = cell.recipe.evaluate.model_copy(update={"methods": (method,)})
        alone = cell.recipe.model_copy(update={"evaluate": evaluate})
        # The classical methods take seconds: the bar over cells is enough for them.
        task = Letters(alone, place, self.progress and not is_baseline(method), folds)
        answers = work(task.units(), Store(place / "folds"), task.progress)
        found = task.judge(answers)["methods"][method]
        kept = ("n", "accuracy", "people", "tokens", "seconds", "fit_seconds", "notes")
        return {name: found[name] for name in kept}


@dataclass(frozen=True)
class Cell:
    """One setting and its recipe; `steps` is None where duration and rate give the rows."""

    format: Format
    rate: float
    steps: int | None
    precision: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """Name of its folder, such as ``strokes-50hz-16steps-2levels``."""
        steps = "" if self.steps is None else f"-{self.steps}steps"
        return f"{self.format}-{self.rate:g}hz{steps}-{self.precision}{PRECISION[self.format]}"


def cells(recipe: Recipe, grid: Grid) -> list[Cell]:
    """Return every setting of a grid as a checked recipe, format by format."""
    return [
        Cell(form, rate, steps, precision, _changed(recipe, form, rate, steps, precision))
        for form in grid.formats
        for rate, steps, precision in itertools.product(
            grid.rates,
            (None,) if PRECISION[form] == "decimals" else grid.steps,
            getattr(grid, PRECISION[form]),
        )
    ]


def _changed(
    recipe: Recipe, form: Format, rate: float, steps: int | None, precision: int
) -> Recipe:
    """Return the recipe with one setting of the grid, checked."""
    text: Values = {"format": form}
    if PRECISION[form] == "decimals":
        text |= {"rate": None, "decimals": precision}
    elif form == "digits":
        text |= {"steps": steps, "digits": precision}
    else:
        change = {"steps": steps, "levels": precision}
        views = [View.parse(view.model_dump() | change, "sweep") for view in recipe.text.views]
        text["views"] = [view.model_dump() for view in views]
    values = recipe.model_dump(mode="json")
    values["text"] |= text
    values["clean"]["rate"] = rate
    letters = {key: values[key] for key in Recipe.model_fields if key != "kind"}
    return Recipe.parse(letters, "sweep")


def _folds(recipe: SweepRecipe, rate: float) -> Sequence[Fold]:
    clean = recipe.clean.model_copy(update={"rate": rate})
    return folds_of(recipe.model_copy(update={"clean": clean, "kind": "letters"}))


def _tokens(
    text: TextConfig, folds: Sequence[Fold], readers: Mapping[str, PreTrainedTokenizerBase]
) -> dict[str, float]:
    """Return the median tokens of a test recording's text for each tokenizer."""
    serializer = build_serializer(text)
    texts = serializer.encode([serializer.features(rec) for fold in folds for rec in fold.test])
    return {name: float(np.median(count_tokens(reader, texts))) for name, reader in readers.items()}
