"""The figures of words without given boundaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.eval.metrics import bootstrap_people, calibration_error, wilson
from imuscribe.eval.report.page import Page, Table, optional
from imuscribe.eval.report.words import SURE
from imuscribe.eval.result import Result, dataset_name, measured, origin
from imuscribe.recipes.words import SegmentRecipe
from imuscribe.words.divided import NO_LEXICON

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, Any]

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
    """Return everything measured of a table with one row a word, lexicon and method."""
    figures: list[Values] = []
    for lexicon in (*sizes, NO_LEXICON):
        for method in METHODS:
            rows = table[(table["lexicon"] == lexicon) & (table["method"] == method)]
            if len(rows):
                size = sizes.get(lexicon)
                about: Values = {"lexicon": lexicon, "words": size, "method": method}
                chance = 1 / size if size else None
                figures.append(about | _figures(rows, recipe.seed) | {"chance": chance})
    return {
        "words": source,
        "people": len(set(table["person"])),
        "weights": [dict(one) for one in weights],
        "figures": figures,
    }


CAPTION = (
    "Words: share decoded exactly [95 % Wilson interval over words] n. Letters: one minus the "
    "edits that turn the answers into the words, per letter [bootstrap over people]. Bounds: "
    "precision, recall and F1 of the cuts between letters, within 0.15 s. All ways read with "
    "the same network and weights, fitted to other people; chance is one over the lexicon."
)
"""What a reader of the tables must know."""


def segments_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the tables: one of all figures, one by length of word."""
    heading = ["lexicon", "method", "words", "over people", "letters", "bounds P, R, F1", "chance"]
    rows, by_length = [], []
    lengths = sorted({int(n) for one in values["figures"] for n in one["lengths"]})
    for one in values["figures"]:
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
                optional(one["chance"], ".4f"),
            ]
        )
        cells = (one["lengths"].get(str(n)) for n in lengths)
        shown = ["–" if c is None else f"{c['value']:.2f} {c['n']}" for c in cells]
        by_length.append([size, title, *shown])
    tables = [
        Table(heading, rows, "words without given boundaries"),
        Table(["lexicon", "method", *map(str, lengths)], by_length, "by letters of the word"),
    ]
    about = f"Words: {values['words']}."
    return Page(values["name"], f"{about} {CAPTION}", tables, lines=[about, CAPTION])


def segments_results(values: Values, facts: Values) -> list[Result]:
    """Return words, letters and bounds that are right, for every lexicon and method."""
    about = origin(values, facts) | {"protocol": values["words"]}
    if letters := facts.get("letters"):
        about["dataset"] += f"; letters: {dataset_name(letters['path'], letters['sha256'])}"
    found = []
    for one in values["figures"]:
        lexicon = "no lexicon" if one["words"] is None else f"{one['words']:,} {one['lexicon']}"
        method, letter, bounds = METHODS[one["method"]], one["letter"], one["bounds"]
        about |= {
            "task": f"words without given boundaries, {lexicon}",
            "method": method,
            "train_data": "other people"
            + (", words of other sessions" if "other words" in method else ""),
        }
        rows = [
            measured(one["word"], chance=one["chance"], metric="words right", over="recordings"),
            measured(letter | {"n": letter["letters"]}, metric="letters right", over="people"),
        ]
        if bounds is not None:
            f1 = {"value": bounds["f1"], "low": None, "high": None, "n": bounds["n"]}
            rows.append(measured(f1, metric="boundary F1", over="recordings"))
        found += [Result(**about, **row) for row in rows]
    return found


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
