"""What a sweep found, as a table, a CSV, Markdown and a picture."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from imuscribe.eval.environment import as_json
from imuscribe.eval.metrics import Values
from imuscribe.eval.report.figures import tokens_against_accuracy_by_format
from imuscribe.eval.report.page import Page, Table, Text, counts, interval, only, optional
from imuscribe.eval.report.render import as_markdown
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, write_text

RESULTS = ("sweep.json", "sweep.csv", "sweep.md", "sweep.png")
"""What a finished sweep leaves beside its recipe, its environment and its cells."""


def write_results(folder: Path, found: Values) -> None:
    """Write the four files of `RESULTS`, ``sweep.json`` last."""
    write_text(folder / "sweep.csv", as_csv(found))
    write_text(folder / "sweep.md", as_markdown(sweep_page(found)))
    with atomic_path(folder / "sweep.png") as temporary:
        temporary.write_bytes(tokens_against_accuracy_by_format(found))
    write_text(folder / "sweep.json", as_json(found))


def read_sweep(folder: Path) -> Values:
    """Return the content of ``sweep.json``."""
    path = folder / "sweep.json"
    if not path.is_file():
        raise InputError(f"{folder}: has no sweep.json: give the folder of a finished sweep")
    found: Values = json.loads(path.read_text(encoding="utf-8"))
    return found


def sweep_page(found: Values) -> Page:
    """Return one row a cell, one column of accuracy a method, and what could not be run."""
    head = [
        *("format", "Hz", "steps", "precision"),
        *(f"tokens\n{Path(name).name}" for name in found["tokenizers"]),
        *(f"{method}\n[95 %]" for method in found["methods"]),
    ]
    rows = []
    for cell in found["cells"]:
        unit = cell["unit"].removesuffix("s" if cell["precision"] == 1 else "")
        tokens = (cell["tokens"].get(name) for name in found["tokenizers"])
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
    people = {person for fold in found["folds"] for person in fold["test_people"]}
    judged = {m["n"] for cell in found["cells"] for m in cell["methods"].values() if "n" in m}
    about = (
        f"{' or '.join(f'{n:,}' for n in sorted(judged))} test recordings by "
        f"{counts(len(people), 'person', 'people')}, the same in every cell; chance "
        f"{found['chance']:.3f}; tokens: median of the signal's text"
    )
    missing = [reason for cell in found["cells"] for reason in _not_run(cell)]
    return Page(
        f"{found['name']}: tokens against accuracy",
        f"{about}.",
        only(Table(head, rows), Text(["Not run:"], missing) if missing else None),
        lines=[about, *(f"not run: {reason}" for reason in missing)],
    )


def as_csv(found: Values) -> str:
    """Return one row a cell and method, its reason in the last column if it could not be run."""
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
    return buffer.getvalue()


def _not_run(cell: Values) -> list[str]:
    """Return a line for each reason why methods could not be run in a cell."""
    methods: dict[str, list[str]] = {}
    for name, method in cell["methods"].items():
        if "reason" in method:
            methods.setdefault(method["reason"], []).append(name)
    return [f"{cell['name']} ({', '.join(names)}): {why}" for why, names in methods.items()]
