"""A run folder as one HTML page that opens offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from imuscribe.eval.report.figures import (
    accuracy_by_person,
    confusion_matrix,
    tokens_against_accuracy,
)
from imuscribe.recipes.methods import is_baseline
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text

Values = Mapping[str, Any]

CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 Georgia, 'Times New Roman', serif; color: #1d1f21; background: #fff;
       max-width: 60rem; margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; }
p, li { max-width: 44rem; }
.lead { color: #55595e; margin-top: 0; }
table { border-collapse: collapse; font: 14px/1.4 system-ui, sans-serif; width: 100%;
        font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid #e3e5e8;
         vertical-align: top; }
th { font-weight: 600; border-bottom: 2px solid #1d1f21; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; overflow-wrap: anywhere; }
tr.best td { background: #eef5fa; }
small, .interval { color: #6b7075; font-size: .88em; white-space: nowrap; }
img { max-width: 100%; height: auto; display: block; margin: .5rem 0; }
pre { font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; background: #f6f7f8;
      padding: .8rem 1rem; overflow-x: auto; }
"""


def write_report(run_dir: Path) -> Path:
    """Write ``report.html`` from the ``metrics.json`` and ``environment.json`` of a run folder.

    Raises
    ------
    InputError
        If the folder holds no finished run.
    """
    metrics, facts = read_run(run_dir)
    recipe = (run_dir / "recipe.yaml").read_text(encoding="utf-8")
    if metrics.get("kind") == "mapping":
        from imuscribe.eval.report import mapping as mapping_report

        drawn = run_dir / "embedding.png"
        picture = drawn.read_bytes() if drawn.is_file() else None
        written = mapping_report.page(metrics, facts, recipe, picture)
    else:
        written = page(metrics, facts, recipe)
    path = run_dir / "report.html"
    write_text(path, written)
    return path


def read_run(run_dir: Path, metrics: str = "metrics.json") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics and the environment of a finished run.

    Parameters
    ----------
    run_dir : Path
    metrics : str
        The file that holds what was measured; experiments with words have others.

    Raises
    ------
    InputError
        If either is missing or damaged.
    """
    found = []
    for name in (metrics, "environment.json"):
        path = run_dir / name
        if not path.is_file():
            raise InputError(f"{run_dir}: has no {name}: give the folder of a finished run")
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"{path}: is no JSON ({error}): run the recipe again") from None
    return found[0], found[1]


def page(metrics: Values, facts: Values, recipe: str) -> str:
    """Return the whole page; every text from outside is escaped."""
    methods: dict[str, Values] = metrics["methods"]
    rivals = [name for name in methods if is_baseline(name)]
    models = [name for name in methods if not is_baseline(name)]
    chance = metrics["chance"]
    sections = [
        f"<h1>{escape(metrics['name'])}</h1>",
        f'<p class="lead">{escape(_summary(metrics, facts))}</p>',
        "<h2>Methods</h2>",
        methods_table(methods, chance),
        "<p><small>Accuracy: all recordings pooled, 95 % Wilson interval. Over people: mean of "
        "each person's accuracy, 95 % bootstrap interval over people. Seconds: to answer one "
        "recording once its signals are prepared. Macro-F1 averages over the labels tested."
        "</small></p>",
        comparisons(metrics["comparisons"]),
        _cases_table(methods),
        "<h2>People</h2>",
        image(accuracy_by_person(methods, rivals, chance), "Accuracy of every person"),
    ]
    if models:
        best = max(models, key=lambda name: methods[name]["accuracy"]["value"])
        sections += [
            "<h2>Tokens against accuracy</h2>",
            image(tokens_against_accuracy(methods, rivals, chance), "Tokens against accuracy"),
        ]
    else:
        best = max(methods, key=lambda name: methods[name]["accuracy"]["value"])
    sections += [
        *closing(metrics, facts, recipe, best),
    ]
    return document(metrics["name"], sections)


def closing(metrics: Values, facts: Values, recipe: str, best: str) -> list[str]:
    """Return what a report ends with: the confusions of a method, the folds, how to repeat it."""
    method = metrics["methods"][best]
    picture = confusion_matrix(method["labels"], method["confusion"])
    command = "map eval" if metrics.get("kind") == "mapping" else "run"
    return [
        f"<h2>What {escape(best)} answers</h2>",
        image(picture, f"Confusion matrix of {best}"),
        "<h2>Folds</h2>",
        folds_table(metrics["folds"]),
        notes(metrics["methods"]),
        "<h2>Repeat it</h2>",
        f"<pre>{escape(facts['command'] or f'imuscribe {command} recipe.yaml')}</pre>",
        facts_table(facts),
        f"<details><summary>The resolved recipe</summary><pre>{escape(recipe)}</pre></details>",
    ]


def document(title: str, sections: Iterable[str]) -> str:
    """Return sections that are HTML already as a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def interval(figure: Values, digits: int = 3) -> str:
    """Return ``.532 [.471, .592]``; the value alone where there is no interval."""
    value = f"{figure['value']:.{digits}f}"
    if figure["low"] is None:
        return value
    return f"{value} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def cases_of(methods: Mapping[str, Values]) -> list[str]:
    """Return the cases that accuracy is told apart by; none where all recordings are of one."""
    return sorted({case for method in methods.values() for case in method.get("by_case", {})})


def case_title(case: str) -> str:
    """Return the heading of a case: ``2D`` for ``2d``."""
    return case.upper() if case in ("2d", "3d") else case


def share(figure: Values) -> str:
    """Return ``128/260 .492 [.432, .553]``: an accuracy with the counts behind it."""
    return f"{round(figure['value'] * figure['n'])}/{figure['n']} {interval(figure)}"


def comparison_text(found: Values) -> str:
    """Return a comparison of two methods as one sentence."""
    gap = found["difference"]
    people = "1 person" if gap["n"] == 1 else f"{gap['n']} people"
    bounds = "" if gap["low"] is None else f" [{100 * gap['low']:+.1f}, {100 * gap['high']:+.1f}]"
    apart = "do not overlap" if found["disjoint"] else "overlap"
    return (
        f"{found['a']} against {found['b']}: {100 * gap['value']:+.1f} points{bounds}, paired over "
        f"{people} and {found['n']} recordings; the Wilson intervals {apart}."
    )


def _summary(metrics: Values, facts: Values) -> str:
    folds = metrics["folds"]
    people = {person for fold in folds for person in fold["test_people"]}
    tested = sum(fold["n_test"] for fold in folds)
    return (
        f"{len(metrics['labels'])} labels, {metrics['protocol']}, {len(people)} test "
        f"{'person' if len(people) == 1 else 'people'}, {tested:,} test recordings from "
        f"{metrics['data']}; seed {metrics['seed']}, {facts['date']}. Nobody tested was trained on."
    )


def methods_table(methods: Mapping[str, Values], chance: float) -> str:
    """Return every method's figures as an HTML table."""
    best = max(methods, key=lambda name: methods[name]["accuracy"]["value"])
    head = (
        "method",
        "accuracy",
        "over people",
        "top-5",
        "macro-F1",
        "unparsable",
        "log loss",
        "calibration error",
        "n",
        "tokens",
        "s/recording",
        "fit s",
    )
    rows = []
    for name, method in methods.items():
        cells = [
            escape(name),
            _interval_cell(method["accuracy"]),
            _interval_cell(method["people"]),
            f"{method['top5']['value']:.3f}",
            f"{method['macro_f1']:.3f}",
            f"{method['unparsable']:.1%}",
            _optional(method["log_loss"]),
            _optional(method["calibration_error"]),
            str(method["n"]),
            f"{method['tokens']['median']:.0f}" if method["tokens"] else "–",
            f"{method['seconds']:.2g}",
            f"{method['fit_seconds']:.0f}" if method["fit_seconds"] else "–",
        ]
        rows.append(_row(cells, "best" if name == best else ""))
    rows.append(_row(["chance", f"{chance:.3f}", *[""] * (len(head) - 2)]))
    return table(head, rows)


def _cases_table(methods: Mapping[str, Values]) -> str:
    cases = cases_of(methods)
    if not cases:
        return ""
    rows = [
        _row([escape(name), *(_share_cell(method.get("by_case", {}).get(c)) for c in cases)])
        for name, method in methods.items()
    ]
    titles = [case_title(case) for case in cases]
    about = "Accuracy by case: correct of all, with the 95 % Wilson interval."
    return (
        f"<h2>{escape(' | '.join(titles))}</h2>{table(('method', *titles), rows)}"
        f"<p><small>{about}</small></p>"
    )


def comparisons(found: Iterable[Values]) -> str:
    """Return comparisons as an HTML list."""
    items = "".join(f"<li>{escape(comparison_text(one))}</li>" for one in found)
    return f"<ul>{items}</ul>" if items else ""


def folds_table(folds: Iterable[Values]) -> str:
    """Return who trained and who was tested as an HTML table."""
    rows = [
        _row(
            [
                escape(fold["name"]),
                f"{fold['n_train']:,} by {escape(', '.join(fold['train_people']))}",
                f"{fold['n_test']:,} by {escape(', '.join(fold['test_people']))}",
                escape(fold["note"]),
            ],
            text=True,
        )
        for fold in folds
    ]
    return table(("fold", "training recordings", "test recordings", "left out"), rows)


def notes(methods: Mapping[str, Values]) -> str:
    """Return the notes of all methods with their heading."""
    items = [
        f"<li><b>{escape(name)}</b>: {escape(note)}</li>"
        for name, method in methods.items()
        for note in method["notes"]
    ]
    return f"<h2>Notes</h2><ul>{''.join(items)}</ul>" if items else ""


def facts_table(facts: Values) -> str:
    """Return where and with what a run was made as an HTML table."""
    machine = facts["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    rows = {
        "commit": facts["commit"] or "not from a repository",
        "machine": f"{machine['cpus']} × {machine['processor']}"
        + (f", {machine['gpu']}" if machine["gpu"] else ""),
        "data": " ".join(filter(None, (facts["data"]["path"], facts["data"]["sha256"]))),
        "software": f"Python {facts['python']}, {packages}",
    }
    cells = [_row([escape(key), escape(value)], text=True) for key, value in rows.items()]
    return table((), cells)


def table(head: Iterable[str], rows: Iterable[str]) -> str:
    """Return an HTML table of rows that are HTML already; titles are escaped."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f"<table>{f'<tr>{titles}</tr>' if titles else ''}{''.join(rows)}</table>"


def _row(cells: Iterable[str], kind: str = "", text: bool = False) -> str:
    """Join cells that are already HTML."""
    opening = '<td class="text">' if text else "<td>"
    inner = "".join(f"{opening}{cell}</td>" for cell in cells)
    return f'<tr class="{kind}">{inner}</tr>' if kind else f"<tr>{inner}</tr>"


def _interval_cell(figure: Values) -> str:
    value, _, bounds = interval(figure).partition(" ")
    return f'{value} <span class="interval">{bounds}</span>' if bounds else value


def _share_cell(figure: Values | None) -> str:
    if figure is None:
        return "–"
    counts, _, rest = share(figure).partition(" ")
    value, _, bounds = rest.partition(" ")
    return f'{value} <span class="interval">{bounds}</span> <small>{counts}</small>'


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def image(png: bytes, what: str) -> str:
    """Return a PNG as an HTML image inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(what)}" src="data:image/png;base64,{data}">'
