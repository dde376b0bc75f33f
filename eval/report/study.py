"""The air-writing study's own table beside a run of ours: exact counts, and what differs.

The study (arXiv 2504.02878, tables 1 and 2): one person trains, the other is tested, 260 recordings
a case. It prints accuracies; the counts here are the only ones that round to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.metrics import wilson
from imuscribe.signals.errors import InputError

Values = Mapping[str, Any]

SOURCE = "arXiv 2504.02878, tables 1 and 2"
N = 260
"""Test recordings a case: 26 letters × 10 repetitions by one person."""

STUDY: dict[str, dict[str, tuple[int, int]]] = {
    "zero-shot": {"LLaMA-3-8B": (0, 0), "GPT-4o": (11, 5), "DeepSeek-R1": (8, 8)},
    "few-shot": {"LLaMA-3-8B": (1, 0), "GPT-4o": (69, 12), "DeepSeek-R1": (155, 14)},
    "fine-tuned": {"LLaMA-3-8B": (9, 7), "GPT-4o": (16, 8)},
    "fine-tuned-few-shot": {"LLaMA-3-8B": (128, 15), "GPT-4o": (151, 17)},
}
"""Method → model → correct of `N` in 2D and in 3D."""

STUDY_BASELINES = {"random forest": 0.259, "SVM": 0.304, "DCNN": 0.254, "LIMU-LSTM": 0.281}
"""Accuracy over both cases together, mean of five runs that each learnt from 52 recordings."""

CASES = ("2d", "3d")
OURS = "**this run**"


def study_page(metrics: Values, model: str) -> str:
    """Return the study's figures and a run's as a Markdown table, with what differs below."""
    methods: Mapping[str, Values] = metrics["methods"]
    for name, method in methods.items():
        if set(method.get("by_case", {})) != set(CASES):
            raise InputError(
                f"run '{metrics['name']}': {name} has no accuracy for each of the cases 2d and 3d, "
                "which the study compares: run a recipe with both, such as study-two-person"
            )
    rivals = [name for name in methods if name in BASELINES]
    if not rivals and not set(STUDY) & set(methods):
        raise InputError(
            f"run '{metrics['name']}': has none of the study's methods: add one of "
            f"{', '.join(STUDY)} to evaluate.methods"
        )
    rows: list[tuple[str, ...]] = [("method", "model", "2D", "3D", "both"), ("---",) * 5]
    for name, found in STUDY.items():
        rows += [
            (name, f"{who} (study)", *map(_counted, counts, (N, N)), _counted(sum(counts), 2 * N))
            for who, counts in found.items()
        ]
        rows.append((name, f"{model} ({OURS})", *_ours(methods.get(name))))
    rows += [
        (f"{name}, 52 recordings", "– (study)", "–", "–", f"{value:.3f}, mean of 5 runs")
        for name, value in STUDY_BASELINES.items()
    ]
    rows += [(name, f"– ({OURS})", *_ours(methods[name])) for name in rivals]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n{_differences(metrics)}\n"


def _counted(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{k}/{n} {k / n:.3f} [{low:.3f}, {high:.3f}]"


def _ours(method: Values | None) -> tuple[str, str, str]:
    if method is None:
        return ("not run",) * 3
    figures = (*(method["by_case"][case] for case in CASES), method["accuracy"])
    two_d, three_d, both = (_counted(round(f["value"] * f["n"]), f["n"]) for f in figures)
    return two_d, three_d, both


def _differences(metrics: Values) -> str:
    """Say what stands between the two columns of figures: they are no race."""
    folds = "; ".join(
        f"learnt from {', '.join(fold['train_people'])} ({fold['n_train']}), "
        f"tested on {', '.join(fold['test_people'])} ({fold['n_test']})"
        for fold in metrics["folds"]
    )
    if metrics["data"] == "simulated":
        people = "of simulated people, as the study's were never released"
    else:
        people = f"of {Path(metrics['data']).name}"
    return (
        f"Study: {SOURCE}; person 1 trains (520 recordings), person 2 is tested ({N} a case); raw "
        "acceleration as numbers, above 8,000 tokens a prompt with examples, whose number is not "
        "stated. Correct of all, 95 % Wilson intervals; the study's counts are computed from its "
        f"percentages. This run: recordings {people}; {folds}; {metrics['shots']} examples where "
        "examples are shown. Other recordings and another model: the two show whether the same "
        "pattern arises, not which is better."
    )
