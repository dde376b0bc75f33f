"""What the prompts say, by what a label is; the sentences are in `wordings.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from imuscribe.prompts.tables import tables


@dataclass(frozen=True)
class Wording:
    """The sentences of one kind of task; `noun` is what a label is."""

    noun: str
    role: str
    tasks: tuple[str, ...]
    key_points: str
    learn: str
    query: str
    brief: str


def wording_for(labels: Sequence[str]) -> Wording:
    """Choose letter, character or activity by what the labels look like."""
    if all(len(label) == 1 and label.isalpha() for label in labels):
        return _wording("letter")
    return _wording("character" if all(len(label) == 1 for label in labels) else "activity")


@cache
def _wording(noun: str) -> Wording:
    said = tables("ask/wordings.yaml")["activity" if noun == "activity" else "writing"]
    role, learn, query, brief = (
        said[part].format(noun=noun) for part in ("role", "learn", "query", "brief")
    )
    tasks = tuple(task.format(noun=noun) for task in said["tasks"])
    points = "".join(f"\n- {point.format(noun=noun)}" for point in said["key_points"])
    return Wording(noun, role, tasks, f"Key points{points}", learn, query, brief)
