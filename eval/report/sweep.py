"""What a sweep found, as a page, a CSV and a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from imuscribe.eval.metrics import Values
from imuscribe.eval.report.figures import tokens_against_accuracy_by_format
from imuscribe.eval.report.page import Page, Picture, Table, Text, counts, interval, only, optional
from imuscribe.signals.files import atomic_path, write_text


def sweep_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return one row a cell, one column of accuracy a method, and what could not be run."""
    head = [
        *("format", "Hz", "steps", "precision"),
        *(f"tokens\n{Path(name).name}" for name in values["tokenizers"]),
        *(f"{method}\n[95 %]" for method in values["methods"]),
    ]
    rows = []
    for cell in values["cells"]:
        unit = cell["unit"].removesuffix("s" if cell["precision"] == 1 else "")
        tokens = (cell["tokens"].get(name) for name in values["tokenizers"])
        figures = (method.get("accuracy") for method in cell["methods"].values())
        rows.append(
            [
                *(cell["format"], f"{cell['rate']:g}", optional(cell["steps"], "d")),
                f"{cell['precision']} {unit}",
                *(optional(n, ",.0f") for n in tokens),
                # Without leading zeros two methods fit into a terminal of 80 columns.
                *(interval(figure).replace("0.", ".") for figure in figures),
            ]
        )
    people = {person for fold in values["folds"] for person in fold["test_people"]}
    judged = {m["n"] for cell in values["cells"] for m in cell["methods"].values() if "n" in m}
    about = (
        f"{' or '.join(f'{n:,}' for n in sorted(judged))} test recordings by "
        f"{counts(len(people), 'person', 'people')}, the same in every cell; chance "
        f"{values['chance']:.3f}; tokens: median of the signal's text"
    )
    missing = [reason for cell in values["cells"] for reason in _not_run(cell)]
    return Page(
        f"{values['name']}: tokens against accuracy",
        f"{about}. Accuracy with its 95 % Wilson interval; seed {values['seed']}, {facts['date']}. "
        "Nobody tested was trained on.",
        only(
            Table(head, rows, "Cells"),
            Text(["Not run:"], missing) if missing else None,
            Picture(tokens_against_accuracy_by_format(values), "Tokens against accuracy"),
        ),
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


def write_csv(found: Values, path: Path) -> None:
    """Write one row a cell and method, its reason in the last column if it could not be run."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    settings, bounds = ("format", "rate", "steps", "precision"), ("value", "low", "high")
    counted = [f"tokens:{name}" for name in found["tokenizers"]]
    named = ("method", "accuracy", "low", "high", "n", "chance", "reason")
    writer.writerow([*settings, *counted, *named])
    for cell in found["cells"]:
        about = [cell[setting] for setting in settings]
        about += [cell["tokens"].get(name) for name in found["tokenizers"]]
        for name, method in cell["methods"].items():
            figure = [method.get("accuracy", {}).get(bound) for bound in bounds]
            rest = [method.get("n"), found["chance"], method.get("reason")]
            writer.writerow([*about, name, *figure, *rest])
    write_text(path, buffer.getvalue())


def _not_run(cell: Values) -> list[str]:
    """Return a line for each reason why methods could not be run in a cell."""
    methods: dict[str, list[str]] = {}
    for name, method in cell["methods"].items():
        if "reason" in method:
            methods.setdefault(method["reason"], []).append(name)
    return [f"{cell['name']} ({', '.join(names)}): {why}" for why, names in methods.items()]
