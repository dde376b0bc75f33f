"""Reports of methods that answer labels: letters, activities, mappings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imuscribe.eval.comparison import case_title
from imuscribe.eval.report.figures import (
    accuracy_by_person,
    confusion_matrix,
    tokens_against_accuracy,
)
from imuscribe.eval.report.page import (
    Page,
    Picture,
    Section,
    Table,
    Text,
    counted,
    counts,
    interval,
    only,
    optional,
    points,
)
from imuscribe.recipes.methods import is_baseline

Values = Mapping[str, Any]


def letters_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the report of a run whose methods read labels."""
    methods, chance = values["methods"], values["chance"]
    baselines = [name for name in methods if is_baseline(name)]
    models = [name for name in methods if name not in baselines]
    people = {person for fold in values["folds"] for person in fold["test_people"]}
    sections = [
        methods_table(methods, chance),
        comparisons(values),
        _cases_table(methods),
        Picture(
            accuracy_by_person(methods, baselines, chance), "Accuracy of every person", "People"
        ),
    ]
    if models:
        drawn = tokens_against_accuracy(methods, baselines, chance)
        sections.append(Picture(drawn, "Tokens against accuracy", "Tokens against accuracy"))
    return Page(
        values["name"],
        f"{len(values['labels'])} labels, {values['protocol']}, "
        f"{counts(len(people), 'test person', 'test people')}, {tested(values):,} test recordings "
        f"from {values['data']}; seed {values['seed']}, {facts['date']}. Nobody tested was trained "
        "on.",
        [*only(sections), *closing(values, models or list(methods))],
        [_summary(values)],
        list(map(comparison_text, values["comparisons"])),
    )


def methods_table(methods: Mapping[str, Values], chance: float) -> Table:
    """Return every method's figures."""
    names = list(methods)
    rows = [
        [
            name,
            interval(method["accuracy"]),
            interval(method["people"]),
            f"{method['top5']['value']:.3f}",
            f"{method['macro_f1']:.3f}",
            f"{method['unparsable']:.1%}",
            optional(method["log_loss"]),
            optional(method["calibration_error"]),
            str(method["n"]),
            f"{method['tokens']['median']:.0f}" if method["tokens"] else "–",
            f"{method['seconds']:.2g}",
            f"{method['fit_seconds']:.0f}" if method["fit_seconds"] else "–",
        ]
        for name, method in methods.items()
    ]
    head = ("method", "accuracy", "over people", "top-5", "macro-F1", "unparsable", "log loss",
            "calibration error", "n", "tokens", "s/recording", "fit s")  # fmt: skip
    rows.append(["chance", f"{chance:.3f}", *[""] * (len(head) - 2)])
    first = max(names, key=lambda name: methods[name]["accuracy"]["value"])
    return Table(
        head,
        rows,
        "Methods",
        "Accuracy: all recordings pooled, 95 % Wilson interval. Over people: mean of each person's "
        "accuracy, 95 % bootstrap interval over people. Seconds: to answer one recording once its "
        "signals are prepared. Macro-F1 averages over the labels tested.",
        names.index(first),
    )


def comparisons(values: Values) -> Text | None:
    """Return the comparisons of pairs of methods as a list."""
    found = [comparison_text(one) for one in values["comparisons"]]
    return Text(points=found) if found else None


def comparison_text(found: Values) -> str:
    """Return a comparison of two methods as one sentence."""
    gap = found["difference"]
    apart = "do not overlap" if found["disjoint"] else "overlap"
    return (
        f"{found['a']} against {found['b']}: {points(gap).replace(' [', ' points [')}"
        f"{'' if gap['low'] is not None else ' points'}, paired over "
        f"{counts(gap['n'], 'person', 'people')} and {found['n']} recordings; the Wilson "
        f"intervals {apart}."
    )


def closing(values: Values, shown: Iterable[str]) -> list[Section]:
    """Return what such reports end with: the best one's confusions, the folds, the notes."""
    methods = values["methods"]
    best = max(shown, key=lambda name: methods[name]["accuracy"]["value"])
    picture = confusion_matrix(methods[best]["labels"], methods[best]["confusion"])
    folds = [
        [
            fold["name"],
            f"{fold['n_train']:,} by {', '.join(fold['train_people'])}",
            f"{fold['n_test']:,} by {', '.join(fold['test_people'])}",
            fold["note"],
        ]
        for fold in values["folds"]
    ]
    said = [f"{name}: {note}" for name, method in methods.items() for note in method["notes"]]
    head = ("fold", "training recordings", "test recordings", "left out")
    return only(
        [
            Picture(picture, f"Confusion matrix of {best}", f"What {best} answers"),
            Table(head, folds, "Folds", text=True),
            Text(heading="Notes", points=said) if said else None,
        ]
    )


def tested(values: Values) -> int:
    """Return the number of test recordings."""
    return sum(fold["n_test"] for fold in values["folds"])


def cases_of(methods: Mapping[str, Values]) -> list[str]:
    """Return the cases that accuracy is told apart by; none where all recordings are of one."""
    return sorted({case for method in methods.values() for case in method.get("by_case", {})})


def _cases_table(methods: Mapping[str, Values]) -> Table | None:
    cases = cases_of(methods)
    if not cases:
        return None
    rows = [
        [name, *(_case(method, case, counted) for case in cases)]
        for name, method in methods.items()
    ]
    titles = [case_title(case) for case in cases]
    about = "Accuracy by case: correct of all, with the 95 % Wilson interval."
    return Table(("method", *titles), rows, " | ".join(titles), about)


def _summary(values: Values) -> Table:
    """Return the columns that fit a terminal."""
    methods = values["methods"]
    cases = cases_of(methods)
    titles: Sequence[str] = ("method", "accuracy [95 %]", *map(case_title, cases))
    rows = [
        [
            name,
            interval(method["accuracy"]),
            *(_case(method, case, lambda figure: f"{figure['value']:.3f}") for case in cases),
            f"{method['n']:,}",
            f"{values['chance']:.3f}",
            f"{method['tokens']['median']:.0f}" if method["tokens"] else "–",
            f"{method['seconds']:.2g}",
        ]
        for name, method in methods.items()
    ]
    return Table((*titles, "n", "chance", "tokens", "s/recording"), rows)


def _case(method: Values, case: str, form: Any) -> str:
    figure = method.get("by_case", {}).get(case)
    return form(figure) if figure else "–"
