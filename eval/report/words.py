"""The figures of words decoded from letters, and the tables that show them beside the study's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.eval.metrics import bootstrap_people, calibration_error, wilson
from imuscribe.eval.report.page import Page, Table
from imuscribe.eval.result import Result, measured, origin
from imuscribe.recipes.words import WordsRecipe
from imuscribe.words.decode.lexicon import Lexicon

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, Any]

STUDY: dict[int, dict[int, float]] = {
    3: {2: 0.832, 3: 0.879, 4: 0.888, 5: 0.860},
    4: {2: 0.795, 3: 0.780, 4: 0.790, 5: 0.795},
    5: {2: 0.770, 3: 0.780, 4: 0.760, 5: 0.765},
    6: {2: 0.630, 3: 0.615, 4: 0.625, 5: 0.600},
}
"""Letters → recordings a letter → match accuracy (arXiv 2504.02878, table 3)."""

SURE = 0.9
"""Confidence from which a word is taken, where coverage is reported."""

_GROUPS = {"all": None, "known": False, "hidden": True}


def summarise(
    table: pd.DataFrame, recipe: WordsRecipe, source: str, lexica: Mapping[str, Lexicon]
) -> Values:
    """Return everything measured of a table with one row a word, k and decoder."""
    tasks = []
    for task in recipe.tasks:
        rows = table[table["task"] == task.name]
        if rows.empty:
            continue
        sizes = {n: len(lexica[task.name].of_length(n).words) for n in task.lengths}
        groups = _GROUPS if task.hidden else {"all": None}
        tasks.append(
            {
                "name": task.name,
                "lexicon": task.lexicon,
                "words": len(lexica[task.name]),
                "hidden": task.hidden,
                "sizes": sizes,
                "decoders": [
                    {
                        "decoder": decoder,
                        "group": group,
                        "cells": _cells(chosen, sizes),
                        "means": _means(chosen, task.lengths, recipe.seed),
                        "people": _people(chosen),
                        "confidence": None if decoder == "llm-aggregate" else _sure(chosen),
                    }
                    for group, hidden in groups.items()
                    for decoder in task.decoders
                    if len(chosen := _part(rows, decoder, hidden))
                ],
            }
        )
    return {"letters": source, "tasks": tasks}


CAPTION = (
    "Share of words decoded exactly [95 % Wilson interval over words] n; means over people and "
    "lengths have a bootstrap interval over people. k recordings a letter; everything fitted "
    "was fitted to the letters of the other people. Study: arXiv 2504.02878, table 3, "
    "LLaMA-3-8B on other recordings. Chance: one over the lexicon's words of that length."
)
"""What a reader of the tables must know."""

_QUOTED = (2, 3)
"""Recordings a letter whose figures a reader would quote; the run's report has all."""


def words_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the tables of every task: accuracies, then means."""
    tables = []
    for task in values["tasks"]:
        ks = sorted({cell["k"] for one in task["decoders"] for cell in one["cells"]})
        head = ["letters", "decoder", *(f"k = {k}" for k in ks), "chance"]
        rows = []
        for length, size in task["sizes"].items():
            for one in task["decoders"]:
                cells = {c["k"]: c for c in one["cells"] if c["length"] == int(length)}
                if cells:
                    shown = [_cell(cells.get(k)) for k in ks]
                    rows.append([str(length), _title(one), *shown, f"{1 / size:.4f}"])
            if task["lexicon"] == "nouns" and int(length) in STUDY:
                theirs = STUDY[int(length)]
                shown = [f"{theirs[k]:.3f}" if k in theirs else "–" for k in ks]
                rows.append([str(length), "the study's LLM", *shown, "–"])
        about = f"{task['name']}: {task['words']:,} words of {task['lexicon']}"
        if task["hidden"]:
            about += f", {task['hidden']:.0%} of the written ones hidden from every decoder"
        tables.append(Table(head, rows, about))
        tables.append(Table(*_mean_table(task, ks), f"{task['name']}: means over people"))
    letters = f"Letters: {values['letters']}."
    return Page(values["name"], f"{letters} {CAPTION}", tables, lines=[letters, CAPTION])


def words_results(values: Values, facts: Values) -> list[Result]:
    """Return the means over people of every decoder, at as many recordings as are quoted."""
    about = origin(values, facts) | {"protocol": f"letters: {values['letters']}"}
    found = []
    for task in values["tasks"]:
        ks = {mean["k"] for one in task["decoders"] for mean in one["means"]}
        quoted = ks & set(_QUOTED) or {max(ks)}
        for one in task["decoders"]:
            group = "" if one["group"] == "all" else f", {one['group']} words"
            means = [mean for mean in one["means"] if mean["k"] in quoted]
            if len({mean["lengths"] for mean in means}) > 1:  # the last span repeats the others
                means = [mean for mean in means if mean["lengths"] != means[-1]["lengths"]]
            for mean in means:
                what = f"{task['name']}, {task['words']:,} words, of {mean['lengths']} letters"
                row = measured(
                    mean,
                    chance=_chance(one["cells"], mean["lengths"]),
                    task=f"{what}, k = {mean['k']}",
                    method=one["decoder"] + group,
                    metric="words right",
                    over="people",
                    train_data=f"letters and words of {mean['people'] - 1} other people",
                )
                found.append(Result(**about, **row))
    return found


def _chance(cells: Sequence[Values], lengths: str) -> float:
    low, _, high = lengths.partition("–")
    inside = [c["chance"] for c in cells if int(low) <= c["length"] <= int(high or low)]
    return float(sum(inside) / len(inside))


def _mean_table(task: Values, ks: list[int]) -> tuple[list[str], list[list[str]]]:
    heading = ["letters", "decoder", *(f"k = {k}" for k in ks), f"sure ≥ {SURE:g}: share, right"]
    rows = []
    for one in task["decoders"]:
        for span in dict.fromkeys(mean["lengths"] for mean in one["means"]):
            means = {m["k"]: m for m in one["means"] if m["lengths"] == span}
            sure = one["confidence"]
            told = "–" if sure is None else f"{sure['share']:.2f}, {_two(sure['right'])}"
            rows.append([span, _title(one), *(_mean(means.get(k)) for k in ks), told])
    return heading, rows


def _title(one: Values) -> str:
    return str(one["decoder"]) if one["group"] == "all" else f"{one['decoder']}, {one['group']}"


def _cell(cell: Values | None) -> str:
    if cell is None:
        return "–"
    return f"{cell['value']:.3f} [{_two(cell['low'])}, {_two(cell['high'])}] {cell['n']}"


def _mean(mean: Values | None) -> str:
    if mean is None:
        return "–"
    if mean["low"] is None:
        return f"{mean['value']:.3f}"
    return f"{mean['value']:.3f} [{_two(mean['low'])}, {_two(mean['high'])}]"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _part(rows: pd.DataFrame, decoder: str, hidden: bool | None) -> pd.DataFrame:
    chosen = rows[rows["decoder"] == decoder]
    return chosen if hidden is None else chosen[chosen["hidden"] == hidden]


def _cells(rows: pd.DataFrame, sizes: Mapping[int, int]) -> list[Values]:
    cells = []
    for length in sorted(set(rows["length"].tolist())):
        for k in sorted(set(rows["k"].tolist())):
            correct = rows[(rows["length"] == length) & (rows["k"] == k)]["correct"]
            right, n = int(correct.sum()), len(correct)
            low, high = wilson(right, n)
            cells.append(
                {"length": length, "k": k, "n": n, "correct": right, "value": right / n}
                | {"low": low, "high": high, "chance": 1 / sizes[length]}
            )
    return cells


def _means(rows: pd.DataFrame, lengths: tuple[int, ...], seed: int) -> list[Values]:
    """Return the mean over lengths of every person's accuracy, averaged over people."""
    spans = [(min(lengths), max(lengths))]
    if set(lengths) == set(STUDY):
        spans = [(3, 5), (6, 6), *spans]
    means = []
    for first, last in spans:
        chosen = rows[rows["length"].between(first, last)]
        for k in sorted(set(chosen["k"].tolist())):
            part = chosen[chosen["k"] == k]
            each = part.groupby(["person", "length"])["correct"].mean().groupby("person").mean()
            found = bootstrap_people(each.to_numpy(), list(map(str, each.index)), seed)
            span = str(first) if first == last else f"{first}–{last}"
            means.append(
                {"lengths": span, "k": k, "n": len(part), "people": found.n}
                | {"value": found.value, "low": found.low, "high": found.high}
            )
    return means


def _people(rows: pd.DataFrame) -> Values:
    """Return every person's accuracy over all lengths, for every k."""
    found: Values = {}
    for person in sorted(set(rows["person"].tolist())):
        own = rows[rows["person"] == person]
        for k in sorted(set(own["k"].tolist())):
            correct = own[own["k"] == k]["correct"]
            found.setdefault(person, {})[str(k)] = [float(correct.mean()), len(correct)]
    return found


def _sure(rows: pd.DataFrame) -> Values:
    """Return how well confidence is calibrated, and what is left when unsure words are rejected."""
    confidence = rows["confidence"].to_numpy(dtype=float)
    correct = rows["correct"].to_numpy(dtype=bool)
    taken = confidence >= SURE
    return {
        "calibration_error": calibration_error(confidence, correct),
        "threshold": SURE,
        "share": float(taken.mean()),
        "right": float(correct[taken].mean()) if taken.any() else None,
        "n": len(rows),
    }
