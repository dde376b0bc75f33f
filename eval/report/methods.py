"""Reports of methods that answer labels: letters, activities, mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from imuscribe.eval.comparison import best, case_title, span
from imuscribe.eval.report import figures
from imuscribe.eval.report.page import (
    Columns,
    Page,
    Picture,
    Section,
    Table,
    Text,
    Values,
    counted,
    counts,
    interval,
    only,
    optional,
    points,
)
from imuscribe.recipes.methods import is_baseline

COLUMNS: Columns = {
    "method": lambda m: m["name"],
    "accuracy": lambda m: interval(m["accuracy"]),
    "over people": lambda m: interval(m["people"]),
    "top-5": lambda m: optional(m["top5"]["value"]),
    "macro-F1": lambda m: interval(m["f1"]) if "f1" in m else optional(m["macro_f1"]),
    "unparsable": lambda m: f"{m['unparsable']:.1%}",
    "log loss": lambda m: optional(m["log_loss"]),
    "calibration error": lambda m: optional(m["calibration_error"]),
    "n": lambda m: str(m["n"]),
    "tokens": lambda m: f"{m['tokens']['median']:.0f}" if m["tokens"] else "–",
    "s/recording": lambda m: f"{m['seconds']:.2g}",
    "fit s": lambda m: f"{m['fit_seconds']:.0f}" if m["fit_seconds"] else "–",
}
"""What tables say of a method."""


def letters_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the report of a run whose methods read labels."""
    methods, chance = values["methods"], values["chance"]
    baselines = list(filter(is_baseline, methods))
    models = [name for name in methods if name not in baselines]
    people = {person for fold in values["folds"] for person in fold["test_people"]}
    sections = [
        _methods_table(methods, chance, _over(values)),
        _comparisons(values),
        _cases_table(methods),
        _people(methods, chance),
    ]
    if models:
        drawn = figures.tokens_against_accuracy(methods, baselines, chance)
        caption = (
            f"Accuracy over all {_over(values)}, 95 % interval; where points coincide, the smaller "
            "lies on the larger. Logarithmic axis."
        )
        title = "Tokens against accuracy"
        sections.append(Picture(drawn, title, title, caption))
    summary: Columns = {
        "method": COLUMNS["method"],
        "accuracy [95 %]": COLUMNS["accuracy"],
        **({"macro-F1 [95 %]": COLUMNS["macro-F1"]} if _over(values) == "windows" else {}),
        **_cases(methods, lambda figure: optional(figure["value"])),
        "n": lambda m: f"{m['n']:,}",
        "chance": lambda m: optional(chance),
        "tokens": COLUMNS["tokens"],
        "s/recording": COLUMNS["s/recording"],
    }
    return Page(
        values["name"],
        f"{len(values['labels'])} labels, {values['protocol']}, "
        f"{counts(len(people), 'test person', 'test people')}, {_tested(values):,} test "
        f"{_over(values)} from {values['data']}; {_ending(values, facts)}",
        only(*sections, *_closing(values, models or methods)),
        [Table.of(_named(methods), summary)],
        list(map(comparison_text, values["comparisons"])),
    )


def mapping_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the report of a mapping."""
    methods, chance, retrieval = values["methods"], values["chance"], values["retrieval"]
    galleries = [fold["gallery"] for fold in values["folds"]]
    size, people = (span([one[of] for one in galleries], " to ") for of in ("items", "people"))
    gallery = f"{size} items by {people} people"
    found: Columns = {
        "": lambda one: one[0],
        "pooled": lambda one: interval(one[1]["pooled"]),
        "over people": lambda one: interval(one[1]["people"]),
        "n": lambda one: f"{one[1]['pooled']['n']:,}",
    }
    about = (
        "@k: one of the k nearest items has the right label. Pooled: Wilson interval over "
        "recordings; over people: bootstrap over people. 95 %."
    )
    sections = [
        Table.of(retrieval.items(), found, "Retrieval", about),
        _methods_table(methods, chance, _over(values)),
        _comparisons(values),
    ]
    if (drawn := folder / "embedding.png").is_file():
        shows = "Embedding of queries and gallery"
        sections.append(Picture(drawn.read_bytes(), shows, "The space"))
    short = ("method", "accuracy", "over people", "top-5", "macro-F1", "n")
    return Page(
        values["name"],
        f"{len(values['labels'])} labels, {values['protocol']}, {_tested(values):,} queries from "
        f"{values['data']}; gallery of {gallery}; {_ending(values, facts)}",
        only(*sections, _people(methods, chance), *_closing(values, methods)),
        [Table.of(_named(methods), {title: COLUMNS[title] for title in short})],
        [
            f"retrieval @1 {interval(retrieval['@1']['pooled'])}, "
            f"@5 {interval(retrieval['@5']['pooled'])}, mean reciprocal rank "
            f"{interval(retrieval['reciprocal rank']['people'])}",
            f"gallery: {galleries[0]['provenance']}, {gallery}",
            *map(comparison_text, values["comparisons"]),
        ],
    )


def ablation_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the report of variants of a recipe, each beside the one that it is compared with."""
    methods, chance = values["methods"], values["chance"]
    gaps = {one["a"]: one for one in values["comparisons"]}
    people = {person for fold in values["folds"] for person in fold["test_people"]}
    columns: Columns = {
        "variant": lambda m: m["name"],
        "accuracy [95 %]": COLUMNS["accuracy"],
        **({"macro-F1 [95 %]": COLUMNS["macro-F1"]} if _over(values) == "windows" else {}),
        "over people": COLUMNS["over people"],
        "difference": lambda m: points(gaps[m["name"]]["difference"]) if m["name"] in gaps else "–",
        "to": lambda m: gaps[m["name"]]["b"] if m["name"] in gaps else "–",
        "n": COLUMNS["n"],
        "tokens": COLUMNS["tokens"],
        "trained s": COLUMNS["fit s"],
    }
    about = (
        "Difference: paired on the same recordings, averaged over people, with a 95 % bootstrap "
        "interval over people. Tokens: median of a prompt. Variants that train alike share it."
    )
    changes = [
        [name, "; ".join(f"{key}: {value}" for key, value in method["changes"].items()) or "–"]
        for name, method in methods.items()
    ]
    return Page(
        f"{values['name']}: what each part is worth",
        f"{len(values['labels'])} labels, {values['protocol']}, "
        f"{counts(len(people), 'test person', 'test people')}, {_tested(values):,} test "
        f"{_over(values)} from {values['data']}, the same for every variant; chance {chance:.3f}; "
        f"{_ending(values, facts)}",
        only(
            Table.of(_named(methods), columns, "Variants", about),
            Table(("variant", "changes"), changes, "What each variant changes", text=True),
            _people(methods, chance),
            *_closing(values, methods),
        ),
        [Table.of(_named(methods), columns)],
    )


def comparison_text(found: Values) -> str:
    """Return a comparison of two methods as one sentence."""
    gap = found["difference"]
    apart = "do not overlap" if found["disjoint"] else "overlap"
    return (
        f"{found['a']} against {found['b']}: {points(gap)}, paired over "
        f"{counts(gap['n'], 'person', 'people')} and {found['n']} {_over(found)}; the "
        f"{'Wilson ' if _over(found) == 'recordings' else ''}intervals {apart}."
    )


def _over(values: Values) -> str:
    """Return what was answered: whole recordings, as in all earlier runs, or windows of them."""
    return str(values.get("over", "recordings"))


def _named(methods: Mapping[str, Values]) -> list[Values]:
    return [{"name": name, **method} for name, method in methods.items()]


def _methods_table(methods: Mapping[str, Values], chance: float, over: str) -> Table:
    pooled = (
        "all recordings pooled, 95 % Wilson interval"
        if over == "recordings"
        else f"all {over} pooled, like macro-F1 with a 95 % bootstrap interval over people"
    )
    rows = [[says(method) for says in COLUMNS.values()] for method in _named(methods)]
    rows.append(["chance", f"{chance:.3f}", *[""] * (len(COLUMNS) - 2)])
    return Table(
        list(COLUMNS),
        rows,
        "Methods",
        f"Accuracy: {pooled}. Over people: mean of each person's "
        "accuracy, 95 % bootstrap interval over people. Seconds: to answer one recording once its "
        "signals are prepared. Macro-F1 averages over the labels tested.",
        best=[i for i, name in enumerate(methods) if name in _leading(methods)],
    )


def _comparisons(values: Values) -> Section | None:
    found = [comparison_text(one) for one in values["comparisons"]]
    return Text(points=found) if found else None


def _cases(methods: Mapping[str, Values], form: Callable[[Values], str]) -> Columns:
    """Return a column a case, such as 2D; none where all recordings are of one."""

    def column(case: str) -> Callable[[Values], str]:
        found = {name: method.get("by_case", {}).get(case) for name, method in methods.items()}
        return lambda m: form(found[m["name"]]) if found[m["name"]] else "–"

    cases = {case for method in methods.values() for case in method.get("by_case", {})}
    return {case_title(case): column(case) for case in sorted(cases)}


def _cases_table(methods: Mapping[str, Values]) -> Table | None:
    cases = _cases(methods, counted)
    if not cases:
        return None
    about = "Accuracy by case: correct of all, with the 95 % Wilson interval."
    columns = {"method": COLUMNS["method"], **cases}
    return Table.of(_named(methods), columns, " | ".join(cases), about)


def _people(methods: Mapping[str, Values], chance: float) -> Picture:
    drawn = figures.accuracy_by_person(methods, list(filter(is_baseline, methods)), chance)
    caption = (
        "A dot a test person; people of equal accuracy share a dot and are named together. "
        "Classical methods are brown."
    )
    return Picture(drawn, "Accuracy of every person", "People", caption)


def _closing(values: Values, shown: Iterable[str]) -> list[Section]:
    """Return what such reports end with: every method's confusions, the folds, the notes."""
    methods = values["methods"]
    first = best(methods, shown)
    folds = [
        [
            fold["name"],
            f"{fold['n_train']:,} by {', '.join(fold['train_people'])}",
            f"{fold['n_test']:,} by {', '.join(fold['test_people'])}",
            fold["note"],
        ]
        for fold in values["folds"]
    ]
    head = ("fold", "training recordings", "test recordings", "left out")
    said = _notes(methods)
    return only(
        _confusions(first, methods[first], f"What {first} answers"),
        *(_confusions(name, methods[name]) for name in methods if name != first),
        Table(head, folds, "Folds", text=True),
        Text(heading="Notes", points=said) if said else None,
    )


def _confusions(name: str, method: Values, heading: str = "") -> Picture:
    """Return a method's confusion matrix; folded away where it has no heading."""
    picture = figures.confusion_matrix(method["labels"], method["confusion"])
    about = "Rows are true, columns answers; shaded by the share of the row." if heading else ""
    folded = "" if heading else f"What {name} answers"
    return Picture(picture, f"Confusion matrix of {name}", heading, about, folded)


def _notes(methods: Mapping[str, Values]) -> list[str]:
    """Return what is noted, each remark once, before it the methods that it is about."""
    about: dict[str, list[str]] = {}
    for name, method in methods.items():
        for note in method["notes"]:
            about.setdefault(note, []).append(name)
    return [
        f"{'all methods' if len(names) == len(methods) > 1 else ', '.join(names)}: {note}"
        for note, names in about.items()
    ]


def _leading(methods: Mapping[str, Values]) -> list[str]:
    """Return the most accurate methods: several where they tie."""
    most = methods[best(methods, methods)]["accuracy"]["value"]
    return [name for name, method in methods.items() if method["accuracy"]["value"] == most]


def _tested(values: Values) -> int:
    return sum(fold["n_test"] for fold in values["folds"])


def _ending(values: Values, facts: Values) -> str:
    return f"seed {values['seed']}, {facts['date']}. Nobody tested was trained on."
