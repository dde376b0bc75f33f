"""Words decoded from letters, and words without given boundaries: figures, tables, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.eval.metrics import Values, bootstrap_people, calibration_error, share
from imuscribe.eval.report.page import Page, Table, interval, optional
from imuscribe.eval.report.study import published
from imuscribe.eval.result import Result, dataset_name, origin
from imuscribe.recipes.words import SegmentRecipe, WordsRecipe
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.divided import NO_LEXICON

if TYPE_CHECKING:
    import pandas as pd

SURE = 0.9
"""Confidence from which a word is taken, where coverage is reported."""

CAPTION = (
    "Share of words decoded exactly [95 % Wilson interval over words] n; means over people and "
    "lengths have a bootstrap interval over people. k recordings a letter; everything fitted "
    "was fitted to the letters of the other people. Study: {source}, LLaMA-3-8B on other "
    "recordings. Chance: one over the lexicon's words of that length."
)
"""What a reader of the tables must know of words from letters."""

SEGMENTS_CAPTION = (
    "Words: share decoded exactly [95 % Wilson interval over words] n. Letters: one minus the "
    "edits that turn the answers into the words, per letter [bootstrap over people]. Bounds: "
    "precision, recall and F1 of the cuts between letters, within 0.15 s. All ways read with "
    "the same network and weights, fitted to other people; chance is one over the lexicon."
)
"""What a reader of the tables must know of words without given boundaries."""

METHODS = {
    f"{way}{more}": f"{title}{more}"
    for way, title in (
        ("oracle", "told the bounds"),
        ("joint", "joint"),
        ("joint, n-gram", "joint, character model"),
        ("pauses", "cut at pauses"),
    )
    for more in ("", ", fitted to other words", ", learnt from other words")
}
"""How a word without given boundaries was cut → what the tables call it, in their order."""

_GROUPS = {"all": None, "known": False, "hidden": True}
_QUOTED = (2, 3)
"""Recordings a letter whose figures a reader would quote; the run's report has all."""


def words_summary(
    table: pd.DataFrame, recipe: WordsRecipe, source: str, lexica: Mapping[str, Lexicon]
) -> Values:
    """Return everything measured of a table with one row a word, k and decoder."""
    tasks = []
    for task in recipe.tasks:
        rows = table[table["task"] == task.name]
        if rows.empty:
            continue
        sizes = {n: len(lexica[task.name].of_length(n).words) for n in task.lengths}
        decoders = []
        for group, hidden in (_GROUPS if task.hidden else {"all": None}).items():
            part = rows if hidden is None else rows[rows["hidden"] == hidden]
            for decoder in task.decoders:
                mine = part[part["decoder"] == decoder]
                if mine.empty:
                    continue
                decoders.append(
                    {
                        "decoder": decoder,
                        "group": group,
                        "cells": _cells(mine, sizes),
                        "means": _means(mine, task.lengths, recipe.seed),
                        "people": _people(mine),
                        "confidence": None if decoder == "llm-aggregate" else _sure(mine),
                    }
                )
        tasks.append(
            {
                "name": task.name,
                "lexicon": task.lexicon,
                "words": len(lexica[task.name]),
                "hidden": task.hidden,
                "sizes": sizes,
                "decoders": decoders,
            }
        )
    return {"letters": source, "tasks": tasks}


def words_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the tables of every task: accuracies, then means."""
    tables = [table for task in values["tasks"] for table in _task_tables(task)]
    source = published()["words"]["source"]
    lines = [f"Letters: {values['letters']}.", CAPTION.format(source=source)]
    return Page(values["name"], " ".join(lines), tables, lines=lines)


def words_results(values: Values, facts: Values) -> list[Result]:
    """Return the means over people of every decoder, at as many recordings as are quoted."""
    about = origin(values, facts) | {"protocol": f"letters: {values['letters']}"}
    found = []
    for task in values["tasks"]:
        ks = {mean["k"] for one in task["decoders"] for mean in one["means"]}
        quoted = ks & set(_QUOTED) or {max(ks)}
        for one in task["decoders"]:
            means = [mean for mean in one["means"] if mean["k"] in quoted]
            if len({mean["lengths"] for mean in means}) > 1:  # the last span repeats the others
                means = [mean for mean in means if mean["lengths"] != means[-1]["lengths"]]
            found += [
                Result.quoted(
                    mean,
                    about,
                    task=f"{task['name']}, {task['words']:,} words, of {mean['lengths']} letters, "
                    f"k = {mean['k']}",
                    method=_title(one, " words"),
                    metric="words right",
                    over="people",
                    chance=_chance(one["cells"], mean["lengths"]),
                    train_data=f"letters and words of {mean['people'] - 1} other people",
                )
                for mean in means
            ]
    return found


def segments_summary(
    table: pd.DataFrame,
    recipe: SegmentRecipe,
    source: str,
    sizes: Mapping[str, int],
    weights: Sequence[Mapping[str, float]],
) -> Values:
    """Return everything measured of a table with one row a word, lexicon and method."""
    figures: list[Values] = []
    for lexicon in (*sizes, NO_LEXICON):
        size = sizes.get(lexicon)
        for method in METHODS:
            rows = table[(table["lexicon"] == lexicon) & (table["method"] == method)]
            if len(rows):
                about: Values = {"lexicon": lexicon, "words": size, "method": method}
                chance = 1 / size if size else None
                figures.append(about | _figures(rows, recipe.seed) | {"chance": chance})
    return {
        "words": source,
        "people": len(set(table["person"])),
        "weights": [dict(one) for one in weights],
        "figures": figures,
    }


def segments_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the tables: one of all figures, one by length of word."""
    lengths = sorted({n for one in values["figures"] for n in one["lengths"]}, key=int)
    rows, by_length = [], []
    for one in values["figures"]:
        known, bounds = one["words"] is not None, one["bounds"]
        likeliest = not known and "n-gram" not in one["method"]
        names = [
            f"{one['lexicon']}, {one['words']:,}" if known else "none",
            METHODS[one["method"]] + (", likeliest letters" if likeliest else ""),
        ]
        rows.append(
            [
                *names,
                interval(one["word"], bounds=".2f", n=True),
                interval(one["people"], bounds=".2f"),
                interval(one["letter"], bounds=".2f"),
                "{precision:.2f} {recall:.2f} {f1:.3f}".format(**bounds) if bounds else "–",
                optional(one["chance"], ".2g"),
            ]
        )
        each = (interval(one["lengths"].get(n), ".2f", n=True) for n in lengths)
        by_length.append([*names, *each])
    head = ["lexicon", "method", "words", "over people", "letters", "bounds P, R, F1", "chance"]
    tables = [
        Table(head, rows, "words without given boundaries"),
        Table([*head[:2], *lengths], by_length, "by letters of the word"),
    ]
    about = f"Words: {values['words']}."
    lines = [about, SEGMENTS_CAPTION]
    return Page(values["name"], " ".join(lines), tables, lines=lines)


def segments_results(values: Values, facts: Values) -> list[Result]:
    """Return words, letters and bounds that are right, for every lexicon and method."""
    about = origin(values, facts) | {"protocol": values["words"]}
    if letters := facts.get("letters"):
        about["dataset"] += f"; letters: {dataset_name(letters['path'], letters['sha256'])}"
    found = []
    for one in values["figures"]:
        lexicon = "no lexicon" if one["words"] is None else f"{one['words']:,} {one['lexicon']}"
        method, letter, bounds = METHODS[one["method"]], one["letter"], one["bounds"]
        again = ", words of other sessions" if "other words" in method else ""
        about |= {
            "task": f"words without given boundaries, {lexicon}",
            "method": method,
            "train_data": f"other people{again}",
        }
        words = {"metric": "words right", "over": "recordings", "chance": one["chance"]}
        found.append(Result.quoted(one["word"], about, **words))
        letter = {**letter, "n": letter["letters"]}
        found.append(Result.quoted(letter, about, metric="letters right", over="people"))
        if bounds is not None:
            f1 = {"value": bounds["f1"], "low": None, "high": None, "n": bounds["n"]}
            found.append(Result.quoted(f1, about, metric="boundary F1", over="recordings"))
    return found


def _task_tables(task: Values) -> list[Table]:
    """Return the table of words by length, and that of means over people."""
    ks = sorted({cell["k"] for one in task["decoders"] for cell in one["cells"]})
    head = ["letters", "decoder", *(f"k = {k}" for k in ks)]
    study = published()["words"]["accuracy"] if task["lexicon"] == "nouns" else {}
    cells, means = [], []
    for length, size in task["sizes"].items():
        for one in task["decoders"]:
            of = {cell["k"]: cell for cell in one["cells"] if cell["length"] == int(length)}
            if of:
                shown = [interval(of.get(k), bounds=".2f", n=True) for k in ks]
                cells.append([str(length), _title(one), *shown, f"{1 / size:.4f}"])
        if theirs := study.get(int(length)):
            shown = [optional(theirs.get(k)) for k in ks]
            cells.append([str(length), "the study's LLM", *shown, "–"])
    for one in task["decoders"]:
        sure = one["confidence"]
        taken = f"{sure['share']:.2f}, {optional(sure['right'], '.2f')}" if sure else "–"
        for span in dict.fromkeys(mean["lengths"] for mean in one["means"]):
            of = {mean["k"]: mean for mean in one["means"] if mean["lengths"] == span}
            shown = [interval(of.get(k), bounds=".2f") for k in ks]
            means.append([span, _title(one), *shown, taken])
    about = f"{task['name']}: {task['words']:,} words of {task['lexicon']}"
    if task["hidden"]:
        about += f", {task['hidden']:.0%} of the written ones hidden from every decoder"
    return [
        Table([*head, "chance"], cells, about),
        Table(
            [*head, f"sure ≥ {SURE:g}: share, right"], means, f"{task['name']}: means over people"
        ),
    ]


def _title(one: Values, more: str = "") -> str:
    group = "" if one["group"] == "all" else f", {one['group']}{more}"
    return f"{one['decoder']}{group}"


def _chance(cells: Sequence[Values], lengths: str) -> float:
    low, _, high = lengths.partition("–")
    inside = [c["chance"] for c in cells if int(low) <= c["length"] <= int(high or low)]
    return float(sum(inside) / len(inside))


def _cells(rows: pd.DataFrame, sizes: Mapping[int, int]) -> list[Values]:
    cells = []
    for (length, k), part in _alike(rows, "length", "k"):
        right, n = int(part["correct"].sum()), len(part)
        about: Values = {"length": int(length), "k": int(k), "n": n, "correct": right}
        cells.append({**about, **share(right, n), "chance": 1 / sizes[length]})
    return cells


def _means(rows: pd.DataFrame, lengths: tuple[int, ...], seed: int) -> list[Values]:
    """Return the mean over lengths of every person's accuracy, averaged over people."""
    spans = [(min(lengths), max(lengths))]
    if set(lengths) == set(published()["words"]["accuracy"]):
        spans = [(3, 5), (6, 6), *spans]
    means = []
    for first, last in spans:
        span = str(first) if first == last else f"{first}–{last}"
        for (k,), part in _alike(rows[rows["length"].between(first, last)], "k"):
            each = part.groupby(["person", "length"])["correct"].mean().groupby("person").mean()
            found = bootstrap_people(each.to_numpy(), list(map(str, each.index)), seed)
            about: Values = {"lengths": span, "k": int(k), "n": 0, "people": found["n"]}
            means.append({**about, **found, "n": len(part)})
    return means


def _people(rows: pd.DataFrame) -> Values:
    """Return every person's accuracy over all lengths, for every k."""
    found: Values = {}
    for (person, k), part in _alike(rows, "person", "k"):
        found.setdefault(person, {})[str(k)] = [float(part["correct"].mean()), len(part)]
    return found


def _alike(rows: pd.DataFrame, *columns: str) -> Any:
    """Return the parts of a table that are alike in some columns, with what those hold."""
    return rows.groupby(list(columns))


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


def _figures(rows: pd.DataFrame, seed: int) -> Values:
    """Return what is measured of words cut in one way: words, letters, bounds, confidence."""
    right = int(rows["correct"].sum())
    people = bootstrap_people(rows["correct"].to_numpy(), rows["person"].tolist(), seed)
    sums = rows.groupby("person")[["edits", "length"]].sum()
    each = 1 - sums["edits"] / sums["length"]
    letter = bootstrap_people(each.to_numpy(), list(map(str, each.index)), seed)
    letters, sure = int(sums["length"].sum()), _sure(rows)
    bounds = None
    if "bounds" in rows and rows["bounds"].notna().all():
        keys = ("bounds", "bounds_found", "bounds_right")
        there, found, hit = (int(rows[key].sum()) for key in keys)
        bounds = {
            "precision": hit / max(found, 1),
            "recall": hit / max(there, 1),
            "f1": 2 * hit / max(there + found, 1),
            "n": there,
        }
    return {
        "word": {**share(right, len(rows)), "correct": right},
        "people": {key: people[key] for key in ("value", "low", "high")},
        "letter": {
            "value": 1 - float(sums["edits"].sum()) / letters,
            "low": letter["low"],
            "high": letter["high"],
            "letters": letters,
        },
        "bounds": bounds,
        "lengths": {
            str(length): {"value": float(part["correct"].mean()), "n": len(part)}
            for (length,), part in _alike(rows, "length")
        },
        "sure": {key: sure[key] for key in ("threshold", "share", "right", "calibration_error")},
    }
