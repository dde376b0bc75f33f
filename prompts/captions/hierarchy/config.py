"""What a caption tells, how long it may be, and what was noted of a recording."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from imuscribe.prompts.captions.hierarchy.strokes import StrokeConfig
from imuscribe.prompts.captions.hierarchy.structure import StructureConfig
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest

Level = Literal["semantic", "structural", "statistical"]
LEVELS: tuple[Level, ...] = ("semantic", "structural", "statistical")
"""The levels, in the order of a caption."""
BUDGETS: dict[frozenset[str], int] = {
    frozenset(["statistical"]): 512,
    frozenset(["structural"]): 512,
    frozenset(["semantic"]): 256,
    frozenset(["structural", "statistical"]): 1024,
    frozenset(["semantic", "statistical"]): 1024,
    frozenset(["semantic", "structural"]): 512,
    frozenset(LEVELS): 1024,
}
"""Tokens of each combination of levels, those of SensorLM's captions."""


class CaptionConfig(Config):
    """What a caption tells, and how long it may be."""

    levels: tuple[Level, ...] = LEVELS
    """Some of semantic, structural and statistical."""
    numbers: bool = True
    """False: words alone, such as "from the start to the middle"."""
    rate: bool = False
    """Say the sampling rate."""
    absent: bool = False
    """Say what is not there: a gyroscope, peaks."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens. None: `BUDGETS` where a tokenizer is given, any number where none is."""
    most_events: int = Field(default=8, ge=0)
    """Most events and moods: the longest."""
    seed: int = 0
    """With the recording's id it decides which wordings are taken."""
    structure: StructureConfig = StructureConfig()
    strokes: StrokeConfig | None = StrokeConfig()
    """How strokes are found in recordings with a case (2d or 3d); None: trends there too."""

    @field_validator("levels")
    @classmethod
    def _once(cls, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        if not levels:
            raise ValueError(f"no level: name one or more of {', '.join(LEVELS)}")
        return tuple(level for level in LEVELS if level in levels)


@dataclass(frozen=True)
class Event:
    """What somebody noted of a recording: an activity, or with ``kind="mood"`` how they felt.

    `start` and `end` are seconds from the recording's first sample; `end` may be left out.
    """

    name: str
    start: float
    end: float | None = None
    kind: Literal["activity", "mood"] = "activity"


_COLUMNS = ("id", "start", "end", "name", "kind")


def read_events(path: Path) -> dict[str, list[Event]]:
    """Return the events of each recording, by its id.

    Parameters
    ----------
    path : Path
        A CSV with the columns id, start, name and perhaps end and kind (activity or mood); times in
        seconds from the recording's first sample.

    Raises
    ------
    InputError
        If a column is missing or unknown, or a row cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}): give a CSV") from None
    rows = csv.DictReader(text.splitlines())
    names = [name.strip() for name in rows.fieldnames or ()]
    for name in names:
        if name not in _COLUMNS:
            raise InputError(f"{path}: unknown column '{name}': {nearest(name, _COLUMNS)}")
    if lost := [name for name in ("id", "start", "name") if name not in names]:
        raise InputError(f"{path}: has no column {', '.join(lost)}: need id, start and name")
    found: dict[str, list[Event]] = defaultdict(list)
    for row in rows:
        told = {key.strip(): (value or "").strip() for key, value in row.items() if key}
        kind = told.get("kind") or "activity"
        if kind not in ("activity", "mood"):
            raise InputError(f"{path}, line {rows.line_num}: kind '{kind}': valid: activity, mood")
        try:
            end = float(told["end"]) if told.get("end") else None
            event = Event(
                told["name"], float(told["start"]), end, "mood" if kind == "mood" else "activity"
            )
        except ValueError:
            given = f"start '{told['start']}', end '{told.get('end', '')}'"
            raise InputError(f"{path}, line {rows.line_num}: {given}: need seconds") from None
        found[told["id"]].append(event)
    return dict(found)
