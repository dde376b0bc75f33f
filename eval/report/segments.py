"""The figures of words without given boundaries, as tables and as rows of the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.eval.environment import dataset_name, origin
from imuscribe.eval.metrics import bootstrap_people, calibration_error, wilson
from imuscribe.eval.report.words import SURE, as_markdown
from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.files import write_text

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, Any]
Row = dict[str, Any]

FILE = "unsegmented.json"
NO_LEXICON = "none"

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
"""How a word was cut → what the tables call it, in their order."""


def summarise(
    table: pd.DataFrame,
    recipe: SegmentRecipe,
    source: str,
    sizes: Mapping[str, int],
    weights: Sequence[Mapping[str, float]],
) -> Values:
    """Return everything measured, as plain values.

    Parameters
    ----------
    table : DataFrame
        One row a word, lexicon and method, as `eval.tasks.segments` makes them.
    recipe : SegmentRecipe
    source : str
        Who wrote, and what taught the reader.
    sizes : mapping of str to int
        Words of every lexicon.
    weights : sequence of mapping
        What was fitted, for every reader.
    """
    results = []
    for lexicon in (*sizes, NO_LEXICON):
        for method in METHODS:
            rows = table[(table["lexicon"] == lexicon) & (table["method"] == method)]
            if len(rows):
                size = sizes.get(lexicon)
                results.append(
                    {"lexicon": lexicon, "words": size, "method": method}
                    | _figures(rows, recipe.seed)
                    | {"chance": 1 / size if size else 0.0}
                )
    return {
        "name": recipe.name,
        "seed": recipe.seed,
        "letters": source,
        "people": len(set(table["person"])),
        "weights": [dict(one) for one in weights],
        "results": results,
    }


def write_report(folder: Path, found: Values) -> None:
    """Write ``unsegmented.json`` and ``unsegmented.md``."""
    write_text(folder / FILE, json.dumps(found, indent=1))
    about = [f"# {found['name']}", f"Words: {found['letters']}.", caption()]
    write_text(folder / "unsegmented.md", as_markdown(about, pages(found)))


def caption() -> str:
    """Return what a reader of the tables must know."""
    return (
        "Words: share decoded exactly [95 % Wilson interval over words] n. Letters: one minus the "
        "edits that turn the answers into the words, per letter [bootstrap over people]. Bounds: "
        "precision, recall and F1 of the cuts between letters, within 0.15 s. All ways read with "
        "the same network and weights, fitted to other people; chance is one over the lexicon."
    )


def pages(found: Values) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the tables: one of all results, one by length of word."""
    heading = ["lexicon", "method", "words", "over people", "letters", "bounds P, R, F1", "chance"]
    rows, by_length = [], []
    lengths = sorted({int(n) for one in found["results"] for n in one["lengths"]})
    for one in found["results"]:
        size = "none" if one["words"] is None else f"{one['lexicon']}, {one['words']:,}"
        title = METHODS[one["method"]]
        if one["words"] is None and "n-gram" not in one["method"]:
            title += ", likeliest letters"
        bounds = one["bounds"]
        rows.append(
            [
                size,
                title,
                f"{_bounded(one['word'])} {one['word']['n']}",
                _bounded(one["people"]),
                _bounded(one["letter"]),
                "–"
                if bounds is None
                else f"{bounds['precision']:.2f} {bounds['recall']:.2f} {bounds['f1']:.3f}",
                f"{one['chance']:.4f}",
            ]
        )
        cells = (one["lengths"].get(str(n)) for n in lengths)
        shown = ["–" if c is None else f"{c['value']:.2f} {c['n']}" for c in cells]
        by_length.append([size, title, *shown])
    return [
        ("words without given boundaries", heading, rows),
        ("by letters of the word", ["lexicon", "method", *map(str, lengths)], by_length),
    ]


def unsegmented_rows(found: Values, facts: Mapping[str, Any], note: str) -> list[Row]:
    """Return the ledger rows of `imuscribe words segment`: words, letters and bounds."""
    data = dataset_name(**facts["data"])
    if facts["letters"]["path"]:
        data += f"; letters: {dataset_name(**facts['letters'])}"
    rows = []
    for one in found["results"]:
        n = one["word"]["n"]
        lexicon = "no lexicon" if one["words"] is None else f"{one['words']:,} {one['lexicon']}"
        figures = [("words", one["word"], n), ("letters", one["letter"], one["letter"]["letters"])]
        if one["bounds"] is not None:
            f1 = {"value": one["bounds"]["f1"], "low": None, "high": None}
            figures.append(("bounds, F1", f1, one["bounds"]["n"]))
        method = METHODS[one["method"]]
        taught = "other people"
        if "other words" in method:
            taught += ", words of other sessions"
        for metric, figure, counted in figures:
            rows.append(
                {
                    "task": f"words without given boundaries, {lexicon}",
                    "dataset": data,
                    "protocol": found["letters"],
                    "method": method,
                    "metric": metric,
                    "value": figure["value"],
                    "ci_low": figure["low"],
                    "ci_high": figure["high"],
                    "n": counted,
                    "chance": one["chance"] if metric == "words" else None,
                    "tokens": None,
                    "train_data": taught,
                    **origin(found, facts),
                    "note": note,
                }
            )
    return rows


def _figures(rows: pd.DataFrame, seed: int) -> Values:
    right, n = int(rows["correct"].sum()), len(rows)
    low, high = wilson(right, n)
    each = rows.groupby("person")["correct"].mean()
    over_people = bootstrap_people(each.to_numpy(), list(map(str, each.index)), seed)
    letters = _letters(rows, seed)
    bounds = None
    if "bounds" in rows and rows["bounds"].notna().all():
        there, found, hit = (
            int(rows[key].sum()) for key in ("bounds", "bounds_found", "bounds_right")
        )
        bounds = {
            "precision": hit / max(found, 1),
            "recall": hit / max(there, 1),
            "f1": 2 * hit / max(there + found, 1),
            "n": there,
        }
    taken = rows["confidence"] >= SURE
    return {
        "word": {"value": right / n, "low": low, "high": high, "n": n, "correct": right},
        "people": {"value": over_people.value, "low": over_people.low, "high": over_people.high},
        "letter": letters,
        "bounds": bounds,
        "lengths": {
            str(length): {"value": float(part["correct"].mean()), "n": len(part)}
            for length, part in rows.groupby("length")
        },
        "sure": {
            "threshold": SURE,
            "share": float(taken.mean()),
            "right": float(rows["correct"][taken].mean()) if taken.any() else None,
            "calibration_error": calibration_error(
                rows["confidence"].to_numpy(dtype=float), rows["correct"].to_numpy(dtype=bool)
            ),
        },
    }


def _letters(rows: pd.DataFrame, seed: int) -> Values:
    sums = rows.groupby("person")[["edits", "length"]].sum()
    each = 1 - sums["edits"] / sums["length"]
    found = bootstrap_people(each.to_numpy(), list(map(str, each.index)), seed)
    total = int(sums["length"].sum())
    value = 1 - float(sums["edits"].sum()) / total
    return {"value": value, "low": found.low, "high": found.high, "letters": total}


def _bounded(figure: Mapping[str, Any]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} [{figure['low']:.2f}, {figure['high']:.2f}]"
