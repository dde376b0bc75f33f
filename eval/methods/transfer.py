"""What answers windows of a data set nobody has learnt from, how it is judged, and its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.align.interpretations import Writer
from imuscribe.align.interpreted import Interpreted
from imuscribe.eval.comparison import measure, new_classes
from imuscribe.eval.methods.baselines import Baseline, Views
from imuscribe.eval.methods.hargpt import Hargpt
from imuscribe.eval.methods.lanhar import Lanhar
from imuscribe.eval.metrics import means_over_groups, person_tables
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.report.page import Columns, Page, Table, Text, interval, only, optional
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Values
from imuscribe.prompts.captions.interpret import RuleInterpreter, label_texts
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.prompts.teacher.interpret import LanguageInterpreter
from imuscribe.recipes.methods import method_of
from imuscribe.recipes.transfer import TransferRecipe
from imuscribe.signals.recording import Recording

Scored = Mapping[str, Mapping[str, Sequence[Predictions]]]
"""Direction → method → its predictions with the truth, one a fold."""


class Answerer:
    """Answers windows by every method; what is made of a window is made once."""

    def __init__(self, recipe: TransferRecipe, folder: Path, progress: bool = True) -> None:
        evaluate = recipe.evaluate
        serializer = build_serializer(TextConfig())  # nobody reads text here
        self.views = Views(serializer, evaluate.signals, evaluate.steps, recipe.frame)
        self.writer = _writer(recipe, progress)
        self.interpreted = Interpreted(
            evaluate.encoder, self.writer, evaluate.figures, evaluate.whole
        )
        self.writer.embed = self.interpreted.read
        self.hargpt = Hargpt(recipe.teacher, recipe.hargpt, recipe.seed, progress)
        upright = self.views
        if evaluate.signals != "upright":
            upright = Views(serializer, "upright", evaluate.steps)
        self.lanhar = Lanhar(recipe, upright, folder, progress)
        if any(method_of(name).kind == "aligned" for name in evaluate.methods):
            label_texts(recipe.classes + recipe.unseen, evaluate.texts)  # told before any work
        self.seed = recipe.seed

    def answer(self, method: str, fold: Fold, classes: Sequence[str]) -> Predictions:
        """Learn from the source, answer the windows of the target, which have no labels yet."""
        test, words = fold.test, self.interpreted
        if method_of(method).asks_model:
            return self.hargpt.answer(method, test, classes)
        if method_of(method).kind == "aligned":
            return self.lanhar.answer(method, fold, classes)
        if method == "text-zero-shot":
            words.vectors(test)  # prepared before the clock starts
            found, seconds = timed(lambda: words.zero_shot(test, classes), len(test))
            note = self.writer.note()
            return Predictions.of(test, classes, found, seconds=seconds, note=note)
        if method == "text-linear":
            found, seconds = timed(lambda: words.linear(fold.train, test, classes), len(test))
            note = self.writer.note()
            return Predictions.of(test, classes, found, seconds=seconds, note=note)
        model = Baseline(method, self.views, classes, self.seed).fit(fold.train)
        model.represent(test)
        found, seconds = timed(lambda: model.log_proba(test), len(test))
        return Predictions.of(test, classes, found, seconds=seconds, fit_seconds=model.fit_seconds)

    def represented(self, windows: Sequence[Recording]) -> dict[str, NDArray[np.float64]]:
        """Return windows as raw samples, as figures and as words, one row a window each."""
        rows = {
            "raw samples": self.views.sequences(windows).reshape(len(windows), -1),
            "figures along gravity": self.views.gravity(windows),
            "relative figures": self.views.relative(windows),
            f"words by {self.writer.name}": self.interpreted.vectors(windows),
        }
        return {name: np.asarray(found, dtype=np.float64) for name, found in rows.items()}


def _writer(recipe: TransferRecipe, progress: bool) -> Writer:
    """Return who puts windows into words."""
    rules = RuleInterpreter(recipe.evaluate.site)
    if recipe.evaluate.writer == "rules":
        return Writer(rules)
    from imuscribe.finetune.local_teacher import asked_once

    model = asked_once(recipe.teacher, threading.Event())
    return Writer(rules, LanguageInterpreter(model, recipe.interpret, recipe.seed), None, progress)


def judge(
    classes: Mapping[str, Sequence[str]],
    taught: Mapping[str, int],
    scored: Scored,
    pools: Mapping[str, Sequence[str]],
    seed: int,
    resamples: int,
) -> Values:
    """Return every method's figures in each direction, their means, and how they compare.

    ``comparisons`` sets the best method that has not seen the target, by the mean of macro F1,
    against each of the others. Where classes were not `taught` (the first so many of each
    direction were), ``new`` says how those and the others are recognised.
    """
    methods = {
        name: {
            method: measure(found, classes[name], seed, resamples, windows=True)
            for method, found in answered.items()
        }
        for name, answered in scored.items()
    }
    names = list(next(iter(scored.values())))
    tables = {
        method: [
            person_tables(
                classes[name],
                [label for one in answered[method] for label in one.truth],
                [label for one in answered[method] for label in one.top1],
                [person for one in answered[method] for person in one.subjects],
            )
            for name, answered in scored.items()
        ]
        for method in names
    }
    means = {
        method: means_over_groups(found, seed=seed, resamples=resamples)
        for method, found in tables.items()
    }
    new: Values = {}
    if any(taught[name] < len(classes[name]) for name in scored):
        for method, found in tables.items():
            counts = [taught[name] for name in scored]
            new[method] = new_classes(list(zip(found, counts, strict=True)), seed, resamples)
    honest = [method for method in names if not transductive(method, pools)]
    first = max(honest or names, key=lambda method: means[method]["f1"]["value"])
    return {
        "methods": methods,
        "means": means,
        "new": new,
        "comparisons": [
            {
                "a": first,
                "b": other,
                **means_over_groups(tables[first], tables[other], seed, resamples),
                "above": sum(
                    found[first]["f1"]["value"] > found[other]["f1"]["value"]
                    for found in methods.values()
                ),
                "of": len(methods),
            }
            for other in names
            if other != first
        ],
    }


def transductive(method: str, pools: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a method, or a pool of methods, has seen the windows it is asked about."""
    return any(method_of(name).transductive for name in pools.get(method, [method]))


def transfer_page(values: Values, facts: Values) -> Page:
    """Return the means, the directions by method, the sets, and who is in two of them.

    Methods that have seen the target's windows, if not its labels, stand in tables of their own.
    """
    pools = values.get("pools", {})  # earlier runs knew none, and no class that nobody teaches
    seen = [method for method in values["means"] if transductive(method, pools)]
    honest = [method for method in values["means"] if method not in seen]
    unseen = values.get("unseen", [])
    lines = [
        f"{one['a']} against {one['b']}{' (transductive)' if one['b'] in seen else ''}: macro F1 "
        f"{interval(one['f1'], '+.3f')}, accuracy {interval(one['accuracy'], '+.3f')}, paired over "
        f"people; above it in {one['above']} of {one['of']} transfers by macro F1"
        for one in values["comparisons"]
    ]
    tables = [
        table
        for methods, note in ((honest, ""), (seen, _SEEN))
        if methods
        for table in (
            _means(values, methods, note),
            *([_new(values, methods, note)] if values.get("new") else []),
            *(_directions(values, methods, key, title + note) for key, title in _FIGURES),
        )
    ]
    return Page(
        values["name"],
        f"{len(values['classes'])} activities ({', '.join(values['classes'])}) in windows of "
        f"{values['windows']}, {values['protocol']}, {len(values['sets'])} data sets. "
        + (f"Asked for as well, and never taught: {', '.join(unseen)}. " if unseen else "")
        + "No label of a target was read before its answers were given; no window of it was learnt "
        + ("from, but for the methods said to be transductive. " if seen else "from. ")
        + f"People in source and target: {values['shared_people']}. Seed {values['seed']}, "
        f"{facts['date']}.",
        only(
            tables[0],
            Text(points=lines) if lines else None,
            *tables[1:],
            _apart(values),
            _memorised(values),
            _sets(values),
            Text(heading="People in two sets", points=values["said"]) if values["said"] else None,
            _folds(values),
            _notes(values),
        ),
        [tables[0], tables[1]],
        lines,
    )


_FIGURES = (("f1", "Macro F1"), ("accuracy", "Accuracy"))
_SEEN = ": transductive, the target's windows seen before without labels"


def _means(values: Values, methods: Sequence[str], note: str) -> Table:
    return Table.of(
        ((name, values["means"][name]) for name in methods),
        {
            "method": lambda one: one[0],
            "macro F1 [95 %]": lambda one: interval(one[1]["f1"]),
            "accuracy [95 %]": lambda one: interval(one[1]["accuracy"]),
            "balanced accuracy [95 %]": lambda one: interval(one[1].get("balanced")),
            "n": lambda one: f"{one[1]['f1']['n']:,}",
            "fitted in s": lambda one: f"{_cost(values, one[0], 'fit_seconds'):.1f}",
            "ms a window": lambda one: f"{1000 * _cost(values, one[0], 'seconds'):.2f}",
        },
        f"Mean over {len(values['directions'])} transfers{note}",
        "Each transfer counts alike; intervals by a bootstrap that weighs people, the same in all. "
        f"Chance is a balanced accuracy of {1 / _asked(values):.3f}. Fitting is the mean "
        "of a transfer; a window is answered once its signals, figures or words are prepared.",
    )


def _asked(values: Values) -> int:
    """Return how many classes are asked for at most."""
    return len(values["classes"]) + len(values.get("unseen", ()))


def _cost(values: Values, method: str, key: str) -> float:
    """Return what a transfer costs on average, in seconds."""
    return float(np.mean([one[method][key] for one in values["methods"].values()]))


def _new(values: Values, methods: Sequence[str], note: str) -> Table:
    """Return how classes are recognised that were taught, and those that never were."""
    return Table.of(
        ((name, values["new"][name]) for name in methods),
        {
            "method": lambda one: one[0],
            "taught [95 %]": lambda one: interval(one[1]["seen"]),
            "never taught [95 %]": lambda one: interval(one[1]["unseen"]),
            "harmonic mean [95 %]": lambda one: interval(one[1]["harmonic"]),
        },
        f"Classes that were taught and others{note}",
        "Mean recall of the classes, every answer out of all of them; mean over transfers.",
    )


def _directions(values: Values, methods: Sequence[str], key: str, title: str) -> Table:
    columns: Columns = {"transfer": lambda one: one["name"]}

    def column(method: str) -> Callable[[Values], str]:
        return lambda one: interval(values["methods"][one["name"]][method][key])

    columns |= {method: column(method) for method in methods}
    columns["n"] = lambda one: f"{values['methods'][one['name']][methods[0]]['n']:,}"
    return Table.of(
        values["directions"],
        columns,
        f"{title}, of every transfer" if ":" in title else f"{title} of every transfer",
        "All windows of the target; 95 % bootstrap interval over its people.",
    )


def _apart(values: Values) -> Table | None:
    """Return how far sets are apart in every representation; earlier runs did not tell."""
    columns: Columns = {
        "windows as": lambda one: one[0],
        "between sets, nats": lambda one: f"{one[1]['sets']:.2f}",
        "between classes": lambda one: f"{one[1]['classes']:.2f}",
        "relative": lambda one: f"{one[1]['relative']:.3f}",
    }
    if not (found := values.get("divergences")):
        return None
    return Table.of(
        found.items(),
        columns,
        "How far the sets are apart",
        "Symmetric KL divergence of Gaussians in eight principal directions: of a class between "
        "two sets, of two classes within a set, and the first relative to the second; below one, "
        "sets differ less than activities. Labels were read after all answers.",
    )


def _memorised(values: Values) -> Table | None:
    """Return how well a language model completes rows of the sets; earlier runs asked for none."""
    columns: Columns = {
        "set": lambda one: one[0],
        "right to the last digit": lambda one: interval(one[1]["exact"]),
        "repeating the last row is": lambda one: interval(one[1]["repeated exact"]),
        "copies the last row": lambda one: interval(one[1]["copied"]),
        "nearer than repeating": lambda one: interval(one[1]["nearer"]),
        "median error": lambda one: optional(one[1]["error"]),
        "of repeating": lambda one: optional(one[1]["repeated error"]),
        "no row": lambda one: interval(one[1]["unread"]),
        "n": lambda one: f"{one[1]['n']:,}",
    }
    if not (found := values.get("memorised")):
        return None
    rows = next(iter(found.values()))["rows given"]
    return Table.of(
        found.items(),
        columns,
        "Does the language model know the sets by heart?",
        f"It is given {rows} consecutive rows of a moving stretch and asked for the next. Rows "
        "that it gets right where repeating the last one is wrong would be known, not read off. "
        "95 % Wilson intervals.",
    )


def _sets(values: Values) -> Table:
    columns: Columns = {
        "set": lambda one: one["name"],
        "worn at": lambda one: ", ".join(one["placements"]),
        "people": lambda one: f"{one['people']:,}",
        "windows": lambda one: f"{one['windows']:,}",
    }

    def column(name: str) -> Callable[[Values], str]:
        return lambda one: f"{one['classes'].get(name, 0):,}"

    columns |= {name: column(name) for name in (*values["classes"], *values.get("unseen", ()))}
    return Table.of(values["sets"], columns, "Data sets")


def _notes(values: Values) -> Text | None:
    """Return what methods say of their answers, such as who wrote the texts."""
    said = [
        f"{name}, {method}: {note}"
        for name, methods in values["methods"].items()
        for method, one in methods.items()
        for note in one["notes"]
    ]
    return Text(heading="Notes", points=said) if said else None


def _folds(values: Values) -> Table:
    rows = [
        [
            fold["name"],
            f"{fold['n_train']:,} by {len(fold['train_people'])} people",
            f"{fold['n_test']:,} by {len(fold['test_people'])} people",
            fold["note"],
        ]
        for one in values["directions"]
        for fold in one["folds"]
    ]
    return Table(("fold", "learnt from", "tested", "note"), rows, "Folds", text=True)
