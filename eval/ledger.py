"""The ledger of results worth keeping, and the page rendered from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imuscribe.eval.environment import dataset_name, origin
from imuscribe.eval.report.explanations import study_rows
from imuscribe.eval.report.html import case_title, read_run
from imuscribe.eval.report.segments import FILE as UNSEGMENTED
from imuscribe.eval.report.segments import unsegmented_rows
from imuscribe.eval.report.words_ledger import adapt_rows, words_rows
from imuscribe.recipes.methods import is_baseline, method_of
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text

Row = dict[str, Any]

KEYS = (
    "task",
    "dataset",
    "protocol",
    "method",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "chance",
    "tokens",
    "train_data",
    "recipe",
    "command",
    "commit",
    "seed",
    "date",
    "machine",
    "note",
)
_SAME = ("recipe", "protocol", "method", "commit", "seed")

LEDGER = Path("docs") / "results.json"


def add(run_dir: Path, ledger: Path = LEDGER, note: str = "") -> list[Row]:
    """Append the results of a run to the ledger and render the page beside it.

    Rows of the same recipe, protocol, people tested, method, commit and seed are replaced.

    Parameters
    ----------
    run_dir : Path
        Folder of a finished run.
    ledger : Path
        JSON file with one object a row; created when missing.
    note : str
        Put before the run's own notes.

    Returns
    -------
    list of dict
        The rows added.

    Raises
    ------
    InputError
        If the folder holds no finished run, or the ledger is damaged.
    """
    added = rows_of(run_dir, note)
    replaced = {tuple(row[key] for key in _SAME) for row in added}
    kept = [
        row
        for row in (read(ledger) if ledger.exists() else [])
        if tuple(row[key] for key in _SAME) not in replaced
    ]
    write(ledger, kept + added)
    return added


def write(ledger: Path, rows: Sequence[Row]) -> None:
    """Write the ledger and the page rendered from it, so that the two are always equal."""
    write_text(ledger, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    write_text(ledger.with_suffix(".md"), render(rows))


def read(ledger: Path) -> list[Row]:
    """Return the rows of a ledger.

    Raises
    ------
    InputError
        If it is missing, no JSON, or a row has other keys than `KEYS`.
    """
    try:
        rows = json.loads(ledger.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{ledger}: there is no such ledger: add a run first") from None
    except ValueError as error:
        raise InputError(f"{ledger}: is no JSON ({error}): restore it") from None
    for i, row in enumerate(rows):
        if tuple(row) != KEYS:
            raise InputError(f"{ledger}: row {i} has other keys than {', '.join(KEYS)}")
    return list(rows)


def rows_of(run_dir: Path, note: str = "") -> list[Row]:
    """Return the ledger rows of a finished run, whatever its kind."""
    others = {
        "words.json": words_rows,
        "adapt.json": adapt_rows,
        UNSEGMENTED: unsegmented_rows,
        "study.json": study_rows,
    }
    for name, rows_in in others.items():
        if (run_dir / name).is_file():
            return [_row(row) for row in rows_in(*read_run(run_dir, name), note)]
    metrics, facts = read_run(run_dir)
    folds = metrics["folds"]
    n_labels = len(metrics["labels"])
    tested = sorted({person for fold in folds for person in fold["test_people"]})
    left_out = [f"{fold['name']}: {fold['note']}" for fold in folds if fold["note"]]
    about = {
        "task": f"{n_labels} labels, {metrics['labels'][0]} to {metrics['labels'][-1]}",
        "dataset": dataset_name(metrics["data"], facts["data"]["sha256"]),
        "protocol": f"{metrics['protocol']}, tested: {', '.join(tested)}",
    }
    rows = []
    for name, method in metrics["methods"].items():
        train_data = "none"
        if method_of(name).learns:
            # A mapping's rivals may learn from fewer recordings than its encoder does.
            size = "n_rivals" if is_baseline(name) and "n_rivals" in folds[0] else "n_train"
            train_data = _train_data(folds, size)
        elif name == "few-shot":
            train_data = f"{metrics['shots']} examples in the prompt"
        people = method["people"]
        by_case = method.get("by_case", {})
        for metric, figure in (
            ("accuracy", method["accuracy"]),
            *((f"accuracy, {case_title(case)}", found) for case, found in by_case.items()),
            (f"accuracy, mean over {people['n']} people", people),
            ("top-5 accuracy", method["top5"]),
        ):
            if people["n"] == 1 and figure is people:
                continue  # one person's mean is the pooled accuracy
            if n_labels <= 5 and metric.startswith("top-5"):
                continue  # always right
            values = about | {
                "method": name,
                "metric": metric,
                "value": figure["value"],
                "ci_low": figure["low"],
                "ci_high": figure["high"],
                "n": method["n"] if figure is people else figure["n"],
                "chance": min(1.0, 5 / n_labels if "top-5" in metric else 1 / n_labels),
                "tokens": method["tokens"]["median"] if method["tokens"] else None,
                "train_data": train_data,
                **origin(metrics, facts),
                "note": "; ".join(filter(None, (note, *left_out, *method["notes"]))),
            }
            rows.append(_row(values))
    return rows


def render(rows: Sequence[Row]) -> str:
    """Return the page: one table for each task, data set, protocol, recipe and commit."""
    parts = [
        "# Results",
        "Rendered from [results.json](results.json) by `imuscribe results render`; do not edit. "
        "Intervals are 95 %: Wilson for accuracies over recordings, bootstrap over people for "
        "means over people. Nobody tested was trained on.",
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        keys = ("dataset", "task", "protocol", "recipe", "seed", "date", "commit", "command")
        key = tuple(str(row[name]) for name in (*keys, "machine"))
        groups.setdefault(key, []).append(row)
    for group in groups.values():
        parts += _section(group)
    if not rows:
        parts.append("No results yet.")
    return "\n\n".join(parts) + "\n"


def _section(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    table = [
        "| method | metric | value | 95 % interval | n | chance | tokens | trained on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        bounds = "–"
        if row["ci_low"] is not None:
            bounds = f"{row['ci_low']:.3f} – {row['ci_high']:.3f}"
        cells = (
            row["method"],
            row["metric"],
            f"{row['value']:.3f}",
            bounds,
            f"{row['n']:,}",
            "–" if row["chance"] is None else f"{row['chance']:.3f}",
            "–" if row["tokens"] is None else f"{row['tokens']:g}",
            row["train_data"],
        )
        table.append("| " + " | ".join(map(_cell, cells)) + " |")
    found = _remarks(rows)
    return [
        f"## {first['dataset']}: {first['task']}",
        f"{first['protocol']}. Recipe `{first['recipe']}`, seed {first['seed']}, "
        f"{first['date']}, commit {first['commit'] or 'unknown'}, {first['machine']}.",
        f"`{first['command']}`",
        "\n".join(table),
        *(["\n".join(found)] if found else []),
    ]


def _remarks(rows: Sequence[Row]) -> list[str]:
    """List what the notes say, each remark once: those of every method first."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    said: dict[str, list[str]] = {}
    for row in rows:
        for remark in filter(None, row["note"].split("; ")):
            if row["method"] not in said.setdefault(remark, []):
                said[remark].append(row["method"])
    of_all = [remark for remark, who in said.items() if len(who) == len(methods)]
    of_some: dict[tuple[str, ...], list[str]] = {}
    for remark, who in said.items():
        if remark not in of_all:
            of_some.setdefault(tuple(who), []).append(remark)
    found = [f"- {remark}" for remark in of_all]
    return found + [f"- {', '.join(who)}: {'; '.join(r)}" for who, r in of_some.items()]


def _train_data(folds: Sequence[Mapping[str, Any]], size: str) -> str:
    people, sizes = [len(f["train_people"]) for f in folds], [f[size] for f in folds]

    def span(values: list[int]) -> str:
        low, high = f"{min(values):,}", f"{max(values):,}"
        return low if low == high else f"{low}–{high}"

    who = "person" if max(people) == 1 else "people"
    return f"{span(sizes)} recordings of {span(people)} other {who}"


def _row(values: Mapping[str, Any]) -> Row:
    """Return the keys of a row in their order, fractions to six places."""
    return {
        key: round(value, 6) if isinstance(value := values[key], float) else value for key in KEYS
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
