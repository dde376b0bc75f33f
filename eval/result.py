"""One measured figure, complete in itself: the row of a run, of a table and of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from imuscribe.signals.errors import InputError, nearest

Values = Mapping[str, Any]

Metric = Literal[
    "accuracy",
    "top-5 accuracy",
    "macro F1",
    "macro AUROC",
    "R@1",
    "R@5",
    "R@10",
    "median rank",
    "order told",
    "false numbers",
    "ROUGE-L",
    "words right",
    "letters right",
    "questions right",
    "boundary F1",
    "accuracy gain",
    "claims supported",
    "explanations without a false claim",
]
"""What is measured. How many people, which lengths and the like stand in the task."""

Over = Literal["recordings", "windows", "people", "pairs", "claims"]
"""What a figure is averaged over, and so what its interval and its n count; pairs are differences
between two methods on the same recordings, averaged over people. Windows are counted, but their
interval is over people: they are pieces of few recordings."""


@dataclass(frozen=True)
class Result:
    """A figure with everything a reader needs to trust and repeat it.

    Parameters
    ----------
    kind, task : str
        Kind of the experiment, and what was to be answered: ``26 labels, A to Z``.
    dataset : str
        The data file with the beginning of its SHA-256, or ``simulated``.
    protocol : str
        Who was tested, and how people were divided.
    method : str
    metric, over : str
    value, ci_low, ci_high : float
        With its 95 % interval; None where none exists.
    n : int
        What was averaged over, or the recordings behind it.
    chance : float or None
        Of this task and metric; None where none is known.
    tokens : float or None
        Median of a prompt; None where no language model reads.
    train_data : str
        What the method learnt from.
    recipe, command, commit, seed, date, machine : str, int
        Where the figure comes from.
    note : str
        What a reader must know.
    """

    kind: str
    task: str
    dataset: str
    protocol: str
    method: str
    metric: str
    over: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int
    chance: float | None
    tokens: float | None
    train_data: str
    recipe: str
    command: str
    commit: str
    seed: int
    date: str
    machine: str
    note: str

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise InputError(f"metric '{self.metric}': {nearest(self.metric, get_args(Metric))}")
        if self.over not in get_args(Over):
            raise InputError(f"over '{self.over}': {nearest(self.over, get_args(Over))}")

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the result that a row of a file holds, every key there and none besides."""
        known = [field.name for field in fields(cls)]
        if set(values) != set(known):
            odd = sorted(set(values) ^ set(known))
            raise InputError(f"has other keys than a result: see {', '.join(odd[:3])}")
        return cls(**values)

    @classmethod
    def quoted(cls, figure: Values, about: Values, **said: Any) -> Self:
        """Return an interval with what is said of all figures of a run, and of this one."""
        bounds = {"value": figure["value"], "ci_low": figure["low"], "ci_high": figure["high"]}
        unsaid = {"n": figure["n"], "chance": None, "tokens": None, "note": ""}
        return cls(**{**unsaid, **bounds, **about, **said})

    def row(self) -> dict[str, Any]:
        """Return plain values in their order, fractions to six places."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}


def dataset_name(path: str, sha256: str) -> str:
    """Name the data so that a reader can tell whether theirs is the same."""
    return path if not sha256 else f"{Path(path).name}, SHA-256 {sha256[:12]}"


def origin(values: Values, facts: Values) -> dict[str, Any]:
    """Return where results come from: a run's kind, recipe, seed, data and environment."""
    machine = facts["machine"]
    return {
        "kind": values.get("kind", "letters"),
        "dataset": dataset_name(facts["data"]["path"], facts["data"]["sha256"]),
        "recipe": values["name"],
        "command": facts["command"],
        "commit": facts["commit"],
        "seed": values.get("seed", 0),
        "date": facts["date"],
        "machine": machine["gpu"] or f"{machine['cpus']} × {machine['processor']}",
    }
