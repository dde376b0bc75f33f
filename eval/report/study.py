"""What papers say, and the air-writing study's own table beside a run of ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.metrics import share
from imuscribe.eval.report.page import Values, counted
from imuscribe.eval.report.render import markdown_table
from imuscribe.recipes.strict_yaml import parse_mapping
from imuscribe.signals.errors import InputError

CASES = ("2d", "3d")
OURS = "**this run**"


@cache
def published() -> dict[str, Any]:
    """Return every figure that is quoted from a paper, with its source."""
    file = resources.files("imuscribe.recipes") / "data" / "published.yaml"
    return parse_mapping(file.read_text(encoding="utf-8"), "published.yaml")


def study_page(metrics: Values, model: str) -> str:
    """Return the study's figures and a run's as a Markdown table, with what differs below."""
    methods: Mapping[str, Values] = metrics["methods"]
    study = published()["two-person"]
    n, correct = study["recordings"], study["correct"]
    for name, method in methods.items():
        if set(method.get("by_case", {})) != set(CASES):
            raise InputError(
                f"run '{metrics['name']}': {name} has no accuracy for each of the cases 2d and 3d, "
                "which the study compares: run a recipe with both, such as study-two-person"
            )
    baselines = [name for name in methods if name in BASELINES]
    if not baselines and not set(correct) & set(methods):
        raise InputError(
            f"run '{metrics['name']}': has none of the study's methods: add one of "
            f"{', '.join(correct)} to evaluate.methods"
        )
    rows = []
    for name, found in correct.items():
        for who, (two_d, three_d) in found.items():
            figures = share(two_d, n), share(three_d, n), share(two_d + three_d, 2 * n)
            rows.append([name, f"{who} (study)", *map(counted, figures)])
        rows.append([name, f"{model} ({OURS})", *_ours(methods.get(name))])
    for name, value in study["baselines"].items():
        both = f"{value:.3f}, mean of 5 runs"
        rows.append([f"{name}, 52 recordings", "– (study)", "–", "–", both])
    rows += [[name, f"– ({OURS})", *_ours(methods[name])] for name in baselines]
    table = markdown_table(("method", "model", "2D", "3D", "both"), rows)
    return f"{table}\n\n{_differences(metrics, study)}\n"


def _ours(method: Values | None) -> list[str]:
    if method is None:
        return ["not run"] * 3
    return [counted(figure) for figure in (*map(method["by_case"].get, CASES), method["accuracy"])]


def _differences(metrics: Values, study: Values) -> str:
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
        f"Study: {study['source']}; person 1 trains (520 recordings), person 2 is tested "
        f"({study['recordings']} a case); raw acceleration as numbers, above 8,000 tokens a prompt "
        "with examples, whose number is not stated. Correct of all, 95 % Wilson intervals; the "
        "study's counts are computed from its percentages. This run: recordings "
        f"{people}; {folds}; {metrics['shots']} examples where examples are shown. Other "
        "recordings and another model: the two show whether the same pattern arises, not which is "
        "better."
    )
