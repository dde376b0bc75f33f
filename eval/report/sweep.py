"""What a sweep found, as a table, a CSV, Markdown and a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imuscribe.eval.report.figures import tokens_against_accuracy_by_format
from imuscribe.eval.report.page import Page, Table, Text, interval, only
from imuscribe.eval.report.render import as_markdown
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, write_text

Values = dict[str, Any]

RESULTS = ("sweep.json", "sweep.csv", "sweep.md", "sweep.png")
"""What a finished sweep leaves beside its recipe, its environment and its cells."""


def write_results(folder: Path, found: Values) -> None:
    """Write the four files of `RESULTS`, ``sweep.json`` last."""
    write_text(folder / "sweep.csv", as_csv(found))
    write_text(folder / "sweep.md", as_markdown(sweep_page(found)))
    with atomic_path(folder / "sweep.png") as temporary:
        temporary.write_bytes(tokens_against_accuracy_by_format(found))
    write_text(folder / "sweep.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def read_sweep(folder: Path) -> Values:
    """Return the content of ``sweep.json``."""
    path = folder / "sweep.json"
    if not path.is_file():
        raise InputError(f"{folder}: has no sweep.json: give the folder of a finished sweep")
    found: Values = json.loads(path.read_text(encoding="utf-8"))
    return found


def sweep_page(found: Values) -> Page:
    """Return one row a cell, one column of accuracy a method, and what could not be run."""
    titles = ["format", "Hz", "steps", "precision"]
    titles += [f"tokens\n{Path(name).name}" for name in found["tokenizers"]]
    titles += [f"{method}\n[95 %]" for method in found["methods"]]
    rows = []
    for cell in found["cells"]:
        unit = cell["unit"].removesuffix("s" if cell["precision"] == 1 else "")
        rows.append(
            [
                cell["format"],
                f"{cell['rate']:g}",
                "–" if cell["steps"] is None else str(cell["steps"]),
                f"{cell['precision']} {unit}",
                *_token_counts(cell, found["tokenizers"]),
                *(
                    # Without leading zeros two methods fit into a terminal of 80 columns.
                    "–" if "reason" in method else interval(method["accuracy"]).replace("0.", ".")
                    for method in cell["methods"].values()
                ),
            ]
        )
    about, missing = _caption(found), _not_run(found)
    return Page(
        f"{found['name']}: tokens against accuracy",
        f"{about}.",
        only([Table(titles, rows), Text(["Not run:"], missing) if missing else None]),
        lines=[about, *(f"not run: {reason}" for reason in missing)],
    )


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


def as_csv(found: Values) -> str:
    """Return one row a cell and method, its reason in the last column if it could not be run."""
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
    return buffer.getvalue()


def _token_counts(cell: Values, tokenizers: Sequence[str]) -> list[str]:
    return [f"{cell['tokens'][name]:,.0f}" if cell["tokens"] else "–" for name in tokenizers]
