"""What a study of explanations found: figures, tables, results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.comparison import measure
from imuscribe.eval.faithfulness import Faithfulness, faithfulness
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.page import Page, Table, Text, interval
from imuscribe.eval.result import Result, measured, origin
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers
from imuscribe.prompts.checking.claims import CheckConfig
from imuscribe.recipes.methods import is_baseline
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.recipes.explanations import PairsRecipe

Values = dict[str, Any]

_TAUGHT = {
    "label": "the label alone",
    "computed": "computed explanations",
    "teacher": "the teacher's explanations",
    "teacher-checked": "the teacher's, checked",
}


def summarise(
    recipe: PairsRecipe, folds: Sequence[Fold], beside: Values, answers: Answers
) -> Values:
    """Return everything measured of students, and of the methods that stand beside them."""
    shared = ("labels", "chance", "protocol", "data", "folds")
    return {key: beside[key] for key in shared} | {
        "tokens": recipe.tokens,
        "teacher": recipe.teacher.model or Path(recipe.teacher.name).name,
        "others": beside["methods"],
        "arms": [_arm(recipe, folds, arm, answers) for arm in recipe.arms],
    }


def explanations_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return accuracy, truth and cost, one row a student; no table without a row."""
    arms = values["arms"]
    accuracy = [
        [
            _TAUGHT[arm["arm"]],
            str(arm["recordings"]),
            interval(arm["scored"]["accuracy"]),
            interval(arm["written"]["accuracy"]) if arm["written"] else "–",
        ]
        for arm in arms
    ]
    best = max(
        filter(is_baseline, values["others"]), key=lambda name: _top(values, name), default=""
    )
    n_train = sum(fold["n_train"] for fold in values["folds"])
    for name, method in values["others"].items():
        learnt = str(n_train) if is_baseline(name) else "0"
        named = "before training" if name == "adapter" else name
        named += " (best classical)" if name == best else ""
        accuracy.append([named, learnt, interval(method["accuracy"]), "–"])
    truth = [
        [
            _TAUGHT[arm["arm"]],
            _share(arm["taught"]),
            interval(arm["explains"]["share"]),
            interval(arm["by_chance"]["share"]),
            interval(arm["explains"]["true_texts"]),
            f"{_checked(arm['explains']) / arm['explains']['texts']:.1f}",
        ]
        for arm in arms
        if arm["explains"]
    ]
    cost = [
        [
            _TAUGHT[arm["arm"]],
            f"{arm['rows']:,}",
            f"{arm['passes']:.1f}",
            f"{arm['updates']:,}",
            f"{arm['tokens']:,}",
            f"{arm['answer_tokens']:,}",
            f"{arm['seconds'] / 60:.1f}",
            f"{arm['prompt']:.0f} + {arm['answer']:.0f}",
            f"{arm['asked']['requests']:,}",
            f"{arm['asked']['prompt_tokens'] + arm['asked']['answer_tokens']:,}",
        ]
        for arm in arms
    ]
    learnt = "student was taught"
    heads = (
        [learnt, "recordings", "label scored [95 %]", "own words [95 %]"],
        [learnt, "taught, supported", "own claims supported [95 %]", "of another recording [95 %]",
         "texts without a false claim [95 %]", "claims a text"],
        [learnt, "rows", "passes", "updates", "tokens", "of answers", "minutes",
         "tokens a prompt + answer", "teacher's answers", "their tokens"],
    )  # fmt: skip
    made = [
        Table(heads[0], accuracy, "Accuracy on people never trained on"),
        Table(heads[1], truth, "Are the student's own explanations of unseen recordings true?"),
        _by_kind([arm for arm in arms if arm["explains"]]),
        Table(heads[2], cost, "Budget and cost"),
    ]
    said = [
        Text(
            paragraphs=[f"{_TAUGHT[arm['arm']]}, {example['id']} ({example['label']}):"],
            verbatim=example["text"].strip(),
        )
        for arm in arms
        for example in arm["examples"]
    ]
    about = _caption(values)
    return Page(
        f"{values['name']}: does it help to learn explanations?",
        about,
        [*(table for table in made if table.rows), Text(heading="What students wrote"), *said],
        lines=[about],
    )


def _by_kind(arms: Sequence[Values]) -> Table:
    """Return the share of supported claims of each kind, and in brackets by luck."""
    kinds = list(dict.fromkeys(kind for arm in arms for kind in arm["explains"]["kinds"]))

    def cell(arm: Values, kind: str) -> str:
        own, luck = (arm[name]["kinds"].get(kind) for name in ("explains", "by_chance"))
        if own is None:
            return "–"
        return f"{own['value']:.2f} ({luck['value']:.2f}), {own['n']}" if luck else "–"

    rows = [[kind, *(cell(arm, kind) for arm in arms)] for kind in sorted(kinds)]
    heading = ["kind of claim", *(_TAUGHT[arm["arm"]] for arm in arms)]
    return Table(heading, rows, "Share supported by kind (of another recording), claims")


def _caption(found: Values) -> str:
    folds = found["folds"]
    n = sum(fold["n_test"] for fold in folds)
    people = len({person for fold in folds for person in fold["test_people"]})
    return (
        f"{n} test recordings by {people} people nobody was trained on; chance "
        f"{found['chance']:.3f}; each student read {found['tokens']:,} tokens at most; teacher: "
        f"{found['teacher']}. Supported: of the claims that could be decided. Of another "
        "recording: the same texts held against recordings of other labels, which is what luck is "
        "worth."
    )


def explanations_results(values: Values, facts: Values) -> list[Result]:
    """Return accuracies, shares of true claims, and the accuracies of what stands beside."""
    folds, labels, chance = values["folds"], values["labels"], values["chance"]
    tested = sorted({person for fold in folds for person in fold["test_people"]})
    trained = len({person for fold in folds for person in fold["train_people"]})
    about = origin(values, facts) | {
        "task": f"what students learn from explanations, {len(labels)} labels, {labels[0]} to "
        f"{labels[-1]}",
        "protocol": f"{values['protocol']}, tested: {', '.join(tested)}",
    }
    found = []

    def add(method: str, metric: str, figure: Values, by_chance: float, **said: Any) -> None:
        over = "claims" if metric == "claims supported" else "recordings"
        row = measured(figure, chance=by_chance, method=method, metric=metric, over=over)
        found.append(Result(**(about | row | said)))

    for arm in values["arms"]:
        method = f"taught {_TAUGHT[arm['arm']]}"
        said = {
            "tokens": arm["prompt"],
            "train_data": f"{arm['recordings']} recordings of {trained} other people, "
            f"{arm['tokens']:,} tokens, {arm['updates']} updates",
        }
        add(f"{method}, label scored", "accuracy", arm["scored"]["accuracy"], chance, **said)
        if arm["written"]:
            luck = arm["by_chance"]
            own = f"{method}, in its own words"
            add(own, "accuracy", arm["written"]["accuracy"], chance, **said)
            for metric, key in (
                ("claims supported", "share"),
                ("explanations without a false claim", "true_texts"),
            ):
                add(method, metric, arm["explains"][key], luck[key]["value"], **said)
    for name, method in values["others"].items():
        learnt = f"{folds[0]['n_train']} recordings of {trained} other people"
        add(
            "before training" if name == "adapter" else name,
            "accuracy",
            method["accuracy"],
            chance,
            tokens=method["tokens"]["median"] if method["tokens"] else None,
            train_data=learnt if is_baseline(name) else "none of these",
        )
    return found


def _arm(recipe: PairsRecipe, folds: Sequence[Fold], arm: str, answers: Answers) -> Values:
    labels, seed, resamples = recipe.label_set, recipe.seed, recipe.evaluate.bootstrap
    scored = [answers[fold.name, arm, "scored"] for fold in folds]
    students = [answers[fold.name, arm, "training"] for fold in folds]
    wrote = [answers.get((fold.name, arm, "written")) for fold in folds]
    parsed = [
        Predictions.parsed(fold.test, labels, w["texts"], w["tokens"], w["seconds"])
        for fold, w in zip(folds, wrote, strict=True)
        if w
    ]
    texts = [text for w in wrote if w for text in w["texts"]]
    tested = [rec for fold in folds for rec in fold.test] if texts else []
    trained = _summed(student["trained"] for student in students)
    taught, rows = sum(student["recordings"] for student in students), trained["rows"]
    return {
        "arm": arm,
        "recordings": taught,
        "of": sum(len(fold.train) for fold in folds),
        "labels_left": len({label for student in students for label in student["labels"]}),
        "taught": _summed(student["taught"] for student in students),
        "asked": _summed(student["asked"] for student in students),
        **trained,
        "passes": rows / taught,
        "prompt": (trained["tokens"] - trained["answer_tokens"]) / rows,
        "answer": trained["answer_tokens"] / rows,
        "scored": measure(scored, labels, seed, resamples),
        "written": measure(parsed, labels, seed, resamples) if parsed else None,
        "unparsed": sum(int(np.isneginf(p.log_probs).all(axis=1).sum()) for p in parsed),
        "explains": asdict(_truth(recipe, texts, tested)) if texts else None,
        "by_chance": asdict(_truth(recipe, texts, _others(tested, seed))) if texts else None,
        "examples": [
            {"id": rec.id, "label": rec.label, "text": text}
            for rec, text in list(zip(tested, texts, strict=True))[:2]
        ],
    }


def _summed(parts: Iterable[Mapping[str, Any]]) -> Values:
    """Return the sums of what all parts count."""
    found = list(parts)
    return {key: sum(part[key] for part in found) for key in found[0]}


def _truth(
    recipe: PairsRecipe, texts: Sequence[str], recordings: Sequence[Recording]
) -> Faithfulness:
    """Check what stands before the answer."""
    cue = "\n"
    reasoning = [text.strip().rpartition(cue)[0] or text for text in texts]
    return faithfulness(reasoning, recordings, CheckConfig(explain=recipe.facts))


def _others(recordings: Sequence[Recording], seed: int) -> list[Recording]:
    """Return for each recording another one, of another label where there is one."""
    rng = np.random.default_rng(seed)
    chosen = []
    for rec in recordings:
        order = [recordings[i] for i in rng.permutation(len(recordings))]
        chosen.append(next((other for other in order if other.label != rec.label), order[0]))
    return chosen


def _share(counts: Mapping[str, int]) -> str:
    decided = _checked(counts)
    return f"{counts['supported'] / decided:.3f} of {decided:,}" if decided else "–"


def _checked(counts: Mapping[str, int]) -> int:
    return int(counts["supported"] + counts["contradicted"])


def _top(found: Values, name: str) -> float:
    return float(found["others"][name]["accuracy"]["value"])
