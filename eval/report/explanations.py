"""What a study of explanations found: figures, tables, results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.comparison import about_labels, best, measure
from imuscribe.eval.faithfulness import faithfulness
from imuscribe.eval.metrics import share
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.page import Columns, Page, Table, Text, interval
from imuscribe.eval.result import Result
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers, Values
from imuscribe.prompts.checking.config import CheckConfig
from imuscribe.recipes.methods import is_baseline
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.recipes.explanations import PairsRecipe

_TAUGHT = {
    "label": "the label alone",
    "computed": "computed explanations",
    "teacher": "the teacher's explanations",
    "teacher-checked": "the teacher's, checked",
}

_STUDENT: Columns = {"student was taught": lambda arm: _TAUGHT[arm["arm"]]}

_TRUTH: Columns = _STUDENT | {
    "taught, supported": lambda arm: _supported(arm["taught"]),
    "own claims supported [95 %]": lambda arm: interval(arm["explains"]["share"]),
    "of another recording [95 %]": lambda arm: interval(arm["by_chance"]["share"]),
    "texts without a false claim [95 %]": lambda arm: interval(arm["explains"]["true_texts"]),
    "claims a text": lambda arm: f"{arm['explains']['share']['n'] / arm['explains']['texts']:.1f}",
}

_COST: Columns = _STUDENT | {
    "rows": lambda arm: f"{arm['rows']:,}",
    "passes": lambda arm: f"{arm['passes']:.1f}",
    "updates": lambda arm: f"{arm['updates']:,}",
    "tokens": lambda arm: f"{arm['tokens']:,}",
    "of answers": lambda arm: f"{arm['answer_tokens']:,}",
    "minutes": lambda arm: f"{arm['seconds'] / 60:.1f}",
    "tokens a prompt + answer": lambda arm: f"{arm['prompt']:.0f} + {arm['answer']:.0f}",
    "teacher's answers": lambda arm: f"{arm['asked']['requests']:,}",
    "their tokens": lambda arm: (
        f"{arm['asked']['prompt_tokens'] + arm['asked']['answer_tokens']:,}"
    ),
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
    arms, folds, others = values["arms"], values["folds"], values["others"]
    accuracy = [
        [
            _TAUGHT[arm["arm"]],
            str(arm["recordings"]),
            interval(arm["scored"]["accuracy"]),
            interval(arm["written"] and arm["written"]["accuracy"]),
        ]
        for arm in arms
    ]
    first = best(others, filter(is_baseline, others))
    n_train = sum(fold["n_train"] for fold in folds)
    for name, method in others.items():
        title = _beside(name) + (" (best classical)" if name == first else "")
        learnt = str(n_train) if is_baseline(name) else "0"
        accuracy.append([title, learnt, interval(method["accuracy"]), "–"])
    head = [*_STUDENT, "recordings", "label scored [95 %]", "own words [95 %]"]
    explaining = [arm for arm in arms if arm["explains"]]
    true = "Are the student's own explanations of unseen recordings true?"
    tables = [
        Table(head, accuracy, "Accuracy on people never trained on"),
        Table.of(explaining, _TRUTH, true),
        _by_kind(explaining),
        Table.of(arms, _COST, "Budget and cost"),
    ]
    said = [
        Text([f"{_TAUGHT[arm['arm']]}, {x['id']} ({x['label']}):"], verbatim=x["text"].strip())
        for arm in arms
        for x in arm["examples"]
    ]
    people = {person for fold in folds for person in fold["test_people"]}
    about = (
        f"{sum(fold['n_test'] for fold in folds)} test recordings by {len(people)} people nobody "
        f"was trained on; chance {values['chance']:.3f}; each student read {values['tokens']:,} "
        f"tokens at most; teacher: {values['teacher']}. Supported: of the claims that could be "
        "decided. Of another recording: the same texts held against recordings of other labels, "
        "which is what luck is worth."
    )
    return Page(
        f"{values['name']}: does it help to learn explanations?",
        about,
        [*(table for table in tables if table.rows), Text(heading="What students wrote"), *said],
        lines=[about],
    )


def explanations_results(values: Values, facts: Values) -> list[Result]:
    """Return accuracies, shares of true claims, and the accuracies of what stands beside."""
    folds, chance = values["folds"], values["chance"]
    trained = len({person for fold in folds for person in fold["train_people"]})
    about = about_labels(values, facts)
    about["task"] = f"what students learn from explanations, {about['task']}"
    accuracy = about | {"metric": "accuracy", "over": "recordings", "chance": chance}
    found = []
    for arm in values["arms"]:
        method = f"taught {_TAUGHT[arm['arm']]}"
        said = {
            "tokens": arm["prompt"],
            "train_data": f"{arm['recordings']} recordings of {trained} other people, "
            f"{arm['tokens']:,} tokens, {arm['updates']} updates",
        }
        scored, written = arm["scored"]["accuracy"], arm["written"]
        found.append(Result.quoted(scored, accuracy, method=f"{method}, label scored", **said))
        if not written:
            continue
        own = f"{method}, in its own words"
        found.append(Result.quoted(written["accuracy"], accuracy, method=own, **said))
        for key, metric, over in (
            ("share", "claims supported", "claims"),
            ("true_texts", "explanations without a false claim", "recordings"),
        ):
            more = said | {"metric": metric, "over": over, "chance": arm["by_chance"][key]["value"]}
            found.append(Result.quoted(arm["explains"][key], about, method=method, **more))
    for name, method in values["others"].items():
        learnt = f"{folds[0]['n_train']} recordings of {trained} other people"
        found.append(
            Result.quoted(
                method["accuracy"],
                accuracy,
                method=_beside(name),
                tokens=method["tokens"]["median"] if method["tokens"] else None,
                train_data=learnt if is_baseline(name) else "none of these",
            )
        )
    return found


def _beside(method: str) -> str:
    return "before training" if method == "adapter" else method


def _by_kind(arms: Sequence[Values]) -> Table:
    """Return the share of supported claims of each kind, and in brackets by luck."""

    def cell(arm: Values, kind: str) -> str:
        own, luck = (arm[name]["kinds"].get(kind) for name in ("explains", "by_chance"))
        if own is None or not luck:
            return "–"
        return f"{own['value']:.2f} ({luck['value']:.2f}), {own['n']}"

    kinds = sorted({kind for arm in arms for kind in arm["explains"]["kinds"]})
    rows = [[kind, *(cell(arm, kind) for arm in arms)] for kind in kinds]
    head = ["kind of claim", *(_TAUGHT[arm["arm"]] for arm in arms)]
    return Table(head, rows, "Share supported by kind (of another recording), claims")


def _supported(taught: Mapping[str, int]) -> str:
    figure = share(taught["supported"], taught["supported"] + taught["contradicted"])
    return f"{figure['value']:.3f} of {figure['n']:,}" if figure["n"] else "–"


def _arm(recipe: PairsRecipe, folds: Sequence[Fold], arm: str, answers: Answers) -> Values:
    """Return everything measured of the students that learnt what an arm says."""
    labels, seed, resamples = recipe.label_set, recipe.seed, recipe.evaluate.bootstrap
    scored = [answers[fold.name, arm, "scored"] for fold in folds]
    students = [answers[fold.name, arm, "training"] for fold in folds]
    wrote = [(fold, w) for fold in folds if (w := answers.get((fold.name, arm, "written")))]
    parsed = [
        Predictions.parsed(fold.test, labels, w["texts"], w["tokens"], w["seconds"])
        for fold, w in wrote
    ]
    texts = [text for _, w in wrote for text in w["texts"]]
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
        "explains": _truth(recipe, texts, tested) if texts else None,
        "by_chance": _truth(recipe, texts, _others(tested, seed)) if texts else None,
        "examples": [
            {"id": rec.id, "label": rec.label, "text": text}
            for rec, text in list(zip(tested, texts, strict=True))[:2]
        ],
    }


def _summed(parts: Iterable[Mapping[str, Any]]) -> Values:
    """Return the sums of what all parts count."""
    found = list(parts)
    return {key: sum(part[key] for part in found) for key in found[0]}


def _truth(recipe: PairsRecipe, texts: Sequence[str], recordings: Sequence[Recording]) -> Values:
    """Check what stands before the answer, which is a text's last line."""
    reasoning = [text.strip().rpartition("\n")[0] or text for text in texts]
    return asdict(faithfulness(reasoning, recordings, CheckConfig(explain=recipe.facts)))


def _others(recordings: Sequence[Recording], seed: int) -> list[Recording]:
    """Return for each recording another one, of another label where there is one."""
    rng = np.random.default_rng(seed)
    chosen = []
    for rec in recordings:
        order = [recordings[i] for i in rng.permutation(len(recordings))]
        chosen.append(next((other for other in order if other.label != rec.label), order[0]))
    return chosen
