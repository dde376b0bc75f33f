"""What a study of explanations found: figures, tables, rows of the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import dataset_name, origin
from imuscribe.eval.faithfulness import Faithfulness, faithfulness
from imuscribe.eval.methods.baselines import is_baseline
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.html import interval, read_run
from imuscribe.eval.run import judge, measure
from imuscribe.eval.splits import Fold
from imuscribe.prompts.checking.config import CheckConfig
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.eval.tasks.explanations import Student
    from imuscribe.recipes.explanations import PairsRecipe

Values = dict[str, Any]
Table = tuple[str, list[str], list[list[str]]]
"""Title, heading, rows."""

_TAUGHT = {
    "label": "the label alone",
    "computed": "computed explanations",
    "teacher": "the teacher's explanations",
    "teacher-checked": "the teacher's, checked",
}


def summarise(
    recipe: PairsRecipe,
    folds: Sequence[Fold],
    others: Mapping[str, list[Predictions]],
    students: Mapping[str, Sequence[Student]],
) -> Values:
    """Return everything measured, as plain values: the content of ``study.json``.

    Parameters
    ----------
    recipe : PairsRecipe
    folds : sequence of Fold
    others : mapping of str to list of Predictions
        What stands beside the students, one a fold.
    students : mapping of str to sequence of Student
        By arm, one a fold.
    """
    about = judge(recipe, folds, dict(others))
    shared = ("name", "labels", "chance", "protocol", "data", "seed", "folds")
    return {key: about[key] for key in shared} | {
        "tokens": recipe.tokens,
        "teacher": recipe.teacher.model or Path(recipe.teacher.name).name,
        "others": about["methods"],
        "arms": [_arm(recipe, folds, found) for found in students.values()],
    }


def write_study(folder: Path, found: Values) -> None:
    """Write ``study.md`` and ``study.json``."""
    write_text(folder / "study.md", as_markdown(found))
    write_text(folder / "study.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def read_study(folder: Path) -> Values:
    """Return the content of ``study.json``.

    Raises
    ------
    InputError
        If the folder holds no finished study.
    """
    return read_run(folder, "study.json")[0]


def tables(found: Values) -> list[Table]:
    """Return accuracy, truth and cost, one row a student; no table without a row."""
    arms = found["arms"]
    accuracy = [
        [
            _TAUGHT[arm["arm"]],
            str(arm["recordings"]),
            interval(arm["scored"]["accuracy"]),
            interval(arm["written"]["accuracy"]) if arm["written"] else "–",
        ]
        for arm in arms
    ]
    best = max(filter(is_baseline, found["others"]), key=lambda name: _top(found, name), default="")
    n_train = sum(fold["n_train"] for fold in found["folds"])
    for name, method in found["others"].items():
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
    made = [
        (
            "Accuracy on people never trained on",
            ["student was taught", "recordings", "label scored [95 %]", "own words [95 %]"],
            accuracy,
        ),
        (
            "Are the student's own explanations of unseen recordings true?",
            [
                "student was taught",
                "taught, supported",
                "own claims supported [95 %]",
                "of another recording [95 %]",
                "texts without a false claim [95 %]",
                "claims a text",
            ],
            truth,
        ),
        _by_kind([arm for arm in arms if arm["explains"]]),
        (
            "Budget and cost",
            [
                "student was taught",
                "rows",
                "passes",
                "updates",
                "tokens",
                "of answers",
                "minutes",
                "tokens a prompt + answer",
                "teacher's answers",
                "their tokens",
            ],
            cost,
        ),
    ]
    return [one for one in made if one[2]]


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
    return "Share supported by kind (of another recording), claims", heading, rows


def caption(found: Values) -> str:
    """Return what a reader of the tables must know."""
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


def as_markdown(found: Values) -> str:
    """Return the tables with their caption."""
    lines = [f"# {found['name']}: does it help to learn explanations?", "", caption(found)]
    for title, heading, rows in tables(found):
        lines += ["", f"## {title}", "", _line(heading), _line(["---"] * len(heading))]
        lines += map(_line, rows)
    lines += ["", "## What students wrote", ""]
    for arm in found["arms"]:
        for example in arm["examples"]:
            lines += [f"{_TAUGHT[arm['arm']]}, {example['id']} ({example['label']}):", ""]
            lines += [f"> {line}" for line in example["text"].strip().splitlines()] + [""]
    return "\n".join(lines).rstrip() + "\n"


def study_rows(found: Values, facts: Mapping[str, Any], note: str) -> list[Values]:
    """Return the rows of the ledger: accuracies, shares of true claims, and what stands beside."""
    folds = found["folds"]
    tested = sorted({person for fold in folds for person in fold["test_people"]})
    trained = len({person for fold in folds for person in fold["train_people"]})
    labels = found["labels"]
    about = {
        "task": f"what students learn from explanations, {len(labels)} labels, {labels[0]} to "
        f"{labels[-1]}",
        "dataset": dataset_name(found["data"], facts["data"]["sha256"]),
        "protocol": f"{found['protocol']}, tested: {', '.join(tested)}",
        **origin(found, facts),
    }
    rows = []
    for arm in found["arms"]:
        method = f"taught {_TAUGHT[arm['arm']]}"
        own = about | {
            "method": method,
            "tokens": arm["prompt"],
            "train_data": f"{arm['recordings']} recordings of {trained} other people, "
            f"{arm['tokens']:,} tokens, {arm['updates']} updates",
            "note": note,
        }
        figures = [("accuracy, label scored", arm["scored"]["accuracy"], found["chance"])]
        if arm["written"]:
            luck = arm["by_chance"]["share"]["value"]
            figures += [
                ("accuracy, own words", arm["written"]["accuracy"], found["chance"]),
                ("claims of own explanations supported", arm["explains"]["share"], luck),
                (
                    "own explanations without a false claim",
                    arm["explains"]["true_texts"],
                    arm["by_chance"]["true_texts"]["value"],
                ),
            ]
        rows += [own | _figure(metric, figure, chance) for metric, figure, chance in figures]
    for name, measured in found["others"].items():
        learnt = f"{folds[0]['n_train']} recordings of {trained} other people"
        own = about | {
            "method": "before training" if name == "adapter" else name,
            "tokens": measured["tokens"]["median"] if measured["tokens"] else None,
            "train_data": learnt if is_baseline(name) else "none of these",
            "note": note,
        }
        rows.append(own | _figure("accuracy", measured["accuracy"], found["chance"]))
    return rows


def _arm(recipe: PairsRecipe, folds: Sequence[Fold], students: Sequence[Student]) -> Values:
    labels, seed, resamples = recipe.label_set, recipe.seed, recipe.evaluate.bootstrap
    scored = measure([student.scored for student in students], labels, seed, resamples)
    taught = [row for student in students for row in student.taught]
    trained = {key: sum(s.trained[key] for s in students) for key in students[0].trained}
    written = [student.written for student in students if student.written is not None]
    texts = [text for student in students for text in student.texts]
    tested = [rec for fold in folds for rec in fold.test] if texts else []
    rows = trained["rows"]
    return {
        "arm": students[0].arm,
        "recordings": len(taught),
        "of": sum(len(fold.train) for fold in folds),
        "labels_left": len({row["label"] for row in taught}),
        "taught": {key: sum(row[key] for row in taught) for key in _COUNTS},
        "asked": {key: sum(s.asked[key] for s in students) for key in students[0].asked},
        **trained,
        "passes": rows / len(taught),
        "prompt": (trained["tokens"] - trained["answer_tokens"]) / rows,
        "answer": trained["answer_tokens"] / rows,
        "scored": scored,
        "written": measure(written, labels, seed, resamples) if written else None,
        "unparsed": sum(int(np.isneginf(p.log_probs).all(axis=1).sum()) for p in written),
        "explains": _plain(_truth(recipe, texts, tested)) if texts else None,
        "by_chance": _plain(_truth(recipe, texts, _others(tested, seed))) if texts else None,
        "examples": [
            {"id": rec.id, "label": rec.label, "text": text}
            for rec, text in list(zip(tested, texts, strict=True))[:2]
        ],
    }


_COUNTS = ("claims", "supported", "contradicted", "unchecked")


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


def _plain(found: Faithfulness) -> Values:
    return asdict(found)


def _figure(metric: str, figure: Mapping[str, Any], chance: float) -> Values:
    return {
        "metric": metric,
        "value": round(figure["value"], 4),
        "ci_low": None if figure["low"] is None else round(figure["low"], 4),
        "ci_high": None if figure["high"] is None else round(figure["high"], 4),
        "n": figure["n"],
        "chance": round(chance, 4),
    }


def _share(counts: Mapping[str, int]) -> str:
    decided = _checked(counts)
    return f"{counts['supported'] / decided:.3f} of {decided:,}" if decided else "–"


def _checked(counts: Mapping[str, int]) -> int:
    return int(counts["supported"] + counts["contradicted"])


def _top(found: Values, name: str) -> float:
    return float(found["others"][name]["accuracy"]["value"])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
