"""Accuracy and tokens over the format, the sampling rate and the precision of the text.

Every cell of a grid is the given recipe with another text, judged on the same folds and the same
recordings: what differs between two cells is the text alone.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import as_json, environment
from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.report.sweep import RESULTS, write_results
from imuscribe.eval.run import judge, method_key, predict
from imuscribe.eval.splits import Fold, make_folds
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
from imuscribe.prompts.serialize import Format, TextConfig, View, build_serializer
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import sha256, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from imuscribe.recipes.schema import Recipe

Values = dict[str, Any]

PRECISION: dict[Format, str] = {"strokes": "levels", "digits": "digits", "csv": "decimals"}
"""What the precision of each format is called."""


@dataclass(frozen=True)
class Grid:
    """The settings that are combined; each format takes those it has.

    Parameters
    ----------
    formats : tuple of str
        Some of ``strokes``, ``digits``, ``csv``.
    rates : tuple of float
        Hz after cleaning (`clean.rate`); ``csv`` writes every sample.
    steps : tuple of int
        Time bins of ``digits``, and of every view of ``strokes``.
    levels, digits, decimals : tuple of int
        Speed levels of every view (``strokes``), digits a value (``digits``), digits after the
        point (``csv``).
    """

    formats: tuple[Format, ...] = ("strokes", "digits", "csv")
    rates: tuple[float, ...] = (12.5, 25.0, 50.0, 100.0)
    steps: tuple[int, ...] = (16, 32)
    levels: tuple[int, ...] = (1, 2)
    digits: tuple[int, ...] = (1, 2)
    decimals: tuple[int, ...] = (0, 1, 2)


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
    """Return every setting of a grid as a checked recipe, format by format.

    Raises
    ------
    InputError
        If a value of the grid is one that no recipe may have.
    """
    return [
        Cell(form, rate, steps, precision, _changed(recipe, form, rate, steps, precision))
        for form in grid.formats
        for rate, steps, precision in itertools.product(
            grid.rates, (None,) if form == "csv" else grid.steps, getattr(grid, PRECISION[form])
        )
    ]


def sweep(
    recipe: Recipe,
    grid: Grid = Grid(),
    tokenizers: Sequence[str] = (),
    command: str = "",
    progress: bool = True,
) -> Path:
    """Judge the methods of a recipe on every cell of a grid and write the sweep's folder.

    A cell finished under the same settings and data is not run again, so an interrupted sweep goes
    on where it stopped. What cannot be run (a prompt too long, a recording too short for the
    steps) is listed with its reason.

    Parameters
    ----------
    recipe : Recipe
        Says data, folds and methods; the folder is `recipe.out` / `recipe.name` and ``-sweep``.
    grid : Grid
        The texts to compare.
    tokenizers : sequence of str
        Whose tokens of the signal's text are counted; by default the recipe's model's.
    command : str
        How the sweep was asked for, written down for whoever repeats it.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        The folder: ``sweep.json``, ``sweep.csv``, ``sweep.md``, ``sweep.png``, ``recipe.yaml``,
        ``environment.json`` and ``cells/``.

    Raises
    ------
    InputError
        For anything wrong with the recipe, the grid, the data or the split, or if nothing at all
        can be run.
    """
    from tqdm.auto import tqdm

    from imuscribe.recipes.load import dump

    planned = cells(recipe, grid)
    readers = {name: load_tokenizer(name) for name in tokenizers or (recipe.model.base,)}
    data_hash = _data_hash(recipe.data)
    folder = Path(recipe.out) / f"{recipe.name}-sweep"
    write_text(folder / "recipe.yaml", dump(recipe))
    write_text(folder / "environment.json", as_json(environment(recipe.data, data_hash, command)))
    for stale in RESULTS:  # figures never stand beside settings they were not made with
        (folder / stale).unlink(missing_ok=True)

    rows: dict[str, Values] = {}
    with tqdm(total=len(planned), unit="cell", disable=not progress) as bar:
        for rate in grid.rates:
            folds: list[Fold] = []  # made only if a cell of this rate is not finished
            for cell in (cell for cell in planned if cell.rate == rate):
                bar.set_description(cell.name)
                place = folder / "cells" / cell.name
                key = _key(cell.recipe, data_hash, list(readers))
                row = _finished(place / "cell.json", key)
                if row is None:
                    folds = folds or _folds(cell.recipe)
                    row = _run(cell, folds, place, data_hash, readers, progress)
                    if not _reasons(row):  # what failed may be mended, so it is tried again
                        write_text(place / "cell.json", as_json({"key": key, "row": row}))
                rows[cell.name] = row
                bar.update()

    ordered = [rows[cell.name] for cell in planned]
    failed = [_reasons(row) for row in ordered]
    if all(len(failed_here) == len(recipe.evaluate.methods) for failed_here in failed):
        raise InputError(f"no cell of the sweep can be run: {ordered[0]['name']}: {failed[0][0]}")
    found = {
        "name": recipe.name,
        "data": recipe.data,
        "protocol": recipe.split.protocol,
        "seed": recipe.seed,
        "labels": list(recipe.label_set),
        "chance": 1 / len(recipe.label_set),
        "folds": ordered[0]["folds"],
        "methods": list(recipe.evaluate.methods),
        "tokenizers": list(readers),
        "cells": [{k: v for k, v in row.items() if k != "folds"} for row in ordered],
    }
    write_results(folder, found)
    return folder


def _data_hash(data: str) -> str:
    try:
        return "" if data == "simulated" else sha256(data)
    except OSError as error:
        raise InputError(
            f"data '{data}': {error.strerror}: set data= to a Parquet file of recordings"
        ) from None


def _changed(
    recipe: Recipe, form: Format, rate: float, steps: int | None, precision: int
) -> Recipe:
    """Return the recipe with one setting of the grid, checked."""
    text: Values = {"format": form}
    if form == "csv":
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
    return type(recipe).parse(values, "sweep")


def _folds(recipe: Recipe) -> list[Fold]:
    """Return the folds as `eval.run.run` makes them; the rate decides nothing about them."""
    from imuscribe.finetune.rows import load_recordings, select

    folds = make_folds(load_recordings(recipe), recipe.split, recipe.label_set, recipe.seed)
    return [replace(fold, train=select(fold.train, recipe)) for fold in folds]


def _run(
    cell: Cell,
    folds: Sequence[Fold],
    place: Path,
    data_hash: str,
    readers: Mapping[str, PreTrainedTokenizerBase],
    progress: bool,
) -> Values:
    """Return everything measured in a cell: tokens, and each method or why it cannot run."""
    tokens: dict[str, float] = {}
    methods: dict[str, Values] = {}
    for method in cell.recipe.evaluate.methods:
        try:
            tokens = tokens or _tokens(cell.recipe.text, folds, readers)
            methods[method] = _judged(cell.recipe, method, folds, place, data_hash, progress)
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
        "folds": judge(cell.recipe, folds, {})["folds"],
    }


def _tokens(
    text: TextConfig, folds: Sequence[Fold], readers: Mapping[str, PreTrainedTokenizerBase]
) -> dict[str, float]:
    """Return the median tokens of a test recording's text for each tokenizer."""
    serializer = build_serializer(text)
    texts = serializer.encode([serializer.features(rec) for fold in folds for rec in fold.test])
    return {name: float(np.median(count_tokens(reader, texts))) for name, reader in readers.items()}


def _judged(
    recipe: Recipe, method: str, folds: Sequence[Fold], place: Path, data_hash: str, progress: bool
) -> Values:
    """Ask one method, or find what it answered before, and keep what a sweep shows."""
    alone = recipe.model_copy(
        update={"evaluate": recipe.evaluate.model_copy(update={"methods": (method,)})}
    )
    # The classical methods take seconds: the bar over cells is enough for them.
    answers = predict(alone, folds, place, data_hash, progress and method not in BASELINES)
    measured = judge(alone, folds, answers)["methods"][method]
    kept = ("n", "accuracy", "people", "tokens", "seconds", "fit_seconds", "notes")
    return {name: measured[name] for name in kept}


def _key(recipe: Recipe, data_hash: str, tokenizers: Sequence[str]) -> list[Any]:
    """Return all that the content of a cell depends on."""
    evaluate = recipe.evaluate
    methods = [[method, method_key(recipe, method)] for method in evaluate.methods]
    return [methods, list(recipe.split.folds), evaluate.bootstrap, data_hash, list(tokenizers)]


def _finished(path: Path, key: list[Any]) -> Values | None:
    """Return the row of a finished cell, None if there is none or something else made it."""
    if not path.is_file():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    row: Values = stored["row"]
    return row if stored["key"] == key else None


def _reasons(row: Values) -> list[str]:
    return [method["reason"] for method in row["methods"].values() if "reason" in method]
