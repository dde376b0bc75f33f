"""What a sweep found, as a page, a CSV and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imuscribe.eval.report.figures import tokens_against_accuracy_by_format
from imuscribe.eval.report.page import Page, Picture, Table, Text, interval, only
from imuscribe.signals.files import atomic_path, write_text

Values = dict[str, Any]


def sweep_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return one row a cell, one column of accuracy a method, and what could not be run."""
    titles = ["format", "Hz", "steps", "precision"]
    titles += [f"tokens\n{Path(name).name}" for name in values["tokenizers"]]
    titles += [f"{method}\n[95 %]" for method in values["methods"]]
    rows = []
    for cell in values["cells"]:
        unit = cell["unit"].removesuffix("s" if cell["precision"] == 1 else "")
        rows.append(
            [
                cell["format"],
                f"{cell['rate']:g}",
                "–" if cell["steps"] is None else str(cell["steps"]),
                f"{cell['precision']} {unit}",
                *_token_counts(cell, values["tokenizers"]),
                *(
                    # Without leading zeros two methods fit into a terminal of 80 columns.
                    "–" if "reason" in method else interval(method["accuracy"]).replace("0.", ".")
                    for method in cell["methods"].values()
                ),
            ]
        )
    about, missing = _caption(values), _not_run(values)
    drawn = Picture(tokens_against_accuracy_by_format(values), "Tokens against accuracy")
    return Page(
        f"{values['name']}: tokens against accuracy",
        f"{about}.",
        only([Table(titles, rows), Text(["Not run:"], missing) if missing else None, drawn]),
        lines=[
            about,
            *(f"not run: {reason}" for reason in missing),
            f"plot: {folder / 'sweep.png'}",
        ],
    )


def reasons(row: Values) -> list[str]:
    """Return why methods of a cell could not be run."""
    return [method["reason"] for method in row["methods"].values() if "reason" in method]


def draw(found: Values, path: Path) -> None:
    """Draw accuracy against tokens as a PNG."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(tokens_against_accuracy_by_format(found))


def _caption(found: Values) -> str:
    people = len({person for fold in found["folds"] for person in fold["test_people"]})
    judged = [m["n"] for cell in found["cells"] for m in cell["methods"].values() if "n" in m]
    counts = " or ".join(f"{n:,}" for n in sorted(set(judged)))
    return (
        f"{counts} test recordings by {people} {'person' if people == 1 else 'people'}, the same "
        f"in every cell; chance {found['chance']:.3f}; tokens: median of the signal's text"
    )


def _not_run(found: Values) -> list[str]:
    """Return a line for every cell that could not be run and for each reason it had."""
    lines = []
    for cell in found["cells"]:
        methods: dict[str, list[str]] = {}
        for name, method in cell["methods"].items():
            if "reason" in method:
                methods.setdefault(method["reason"], []).append(name)
        for reason, names in methods.items():
            lines.append(f"{cell['name']} ({', '.join(names)}): {reason}")
    return lines


def write_csv(found: Values, path: Path) -> None:
    """Write one row a cell and method, its reason in the last column if it could not be run."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    settings = ("format", "rate", "steps", "precision")
    counted = [f"tokens:{name}" for name in found["tokenizers"]]
    writer.writerow(
        [*settings, *counted, "method", "accuracy", "low", "high", "n", "chance", "reason"]
    )
    for cell in found["cells"]:
        counts = [cell["tokens"].get(name) for name in found["tokenizers"]]
        for name, method in cell["methods"].items():
            figure = method.get("accuracy", {})
            writer.writerow(
                [
                    *(cell[setting] for setting in settings),
                    *counts,
                    name,
                    *(figure.get(bound) for bound in ("value", "low", "high")),
                    method.get("n"),
                    found["chance"],
                    method.get("reason"),
                ]
            )
    write_text(path, buffer.getvalue())


def _token_counts(cell: Values, tokenizers: Sequence[str]) -> list[str]:
    return [f"{cell['tokens'][name]:,.0f}" if cell["tokens"] else "–" for name in tokenizers]
