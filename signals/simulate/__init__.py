"""Simulated writers with a motion sensor in the hand: default data, and ground truth for tests."""

from __future__ import annotations

import sys

from pydantic import Field
from tqdm import tqdm

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.labels import parse_labels
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate.glyphs import characters
from imuscribe.signals.simulate.habits import EVERY, HabitConfig
from imuscribe.signals.simulate.pen import read_pen
from imuscribe.signals.simulate.writer import Case, Writer, write_letter, write_word

__all__ = [
    "EVERY",
    "HabitConfig",
    "SimulateConfig",
    "Writer",
    "simulate",
    "study_protocol",
    "write_letter",
    "write_word",
]


_MOST = 1_000_000


class SimulateConfig(Config):
    """Who writes what, where and how often.

    A recording depends on the seed, the person, the case, the label and the repetition alone, so
    a smaller configuration gives a subset of a larger one's recordings.
    """

    people: int = Field(default=2, ge=1)
    labels: str = "A-Z"
    """Characters, as `signals.labels.parse_labels` reads them."""
    cases: tuple[Case, ...] = Field(default=("2d", "3d"), min_length=1)
    repetitions: int = Field(default=10, ge=1)
    rate: float = Field(default=200.0, ge=10, le=2000)
    """Mean sampling rate in Hz."""
    seed: int = Field(default=0, ge=0)
    strokes: str | None = None
    """Parquet file of pen trajectories in the UNIPEN layout; they replace the templates, and the
    people and repetitions are at most those of the file."""
    habits: HabitConfig | None = Field(default=None, exclude_if=lambda given: given is None)
    """How people record; null is the study's way, and left out of what names a result."""


def study_protocol(seed: int = 0) -> SimulateConfig:
    """Return the air-writing study's protocol (arXiv 2504.02878, section 3.1).

    Two people write 26 capitals ten times on a flat surface and ten times in mid-air: 1,040
    recordings.
    """
    return SimulateConfig(people=2, labels="A-Z", cases=("2d", "3d"), repetitions=10, seed=seed)


def simulate(config: SimulateConfig, progress: bool = False) -> list[Recording]:
    """Let simulated people write.

    Parameters
    ----------
    config : SimulateConfig
        Who writes what; with the seed it determines every byte.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    list of Recording
        Ordered by person, case, label and repetition.

    Raises
    ------
    InputError
        If a label has no template, or the file of strokes cannot be used.
    """
    labels = parse_labels(config.labels)
    asked = config.people * len(config.cases) * len(labels) * config.repetitions
    if asked > _MOST and config.strokes is None:
        raise InputError(
            f"simulate: {config.people:,} people × {len(labels)} labels × {len(config.cases)} "
            f"cases × {config.repetitions:,} repetitions are {asked:,} recordings: at most "
            f"{_MOST:,} fit in memory"
        )
    tasks = [
        (writer, case, label, repetition)
        for writer in _writers(config, labels)
        for case in config.cases
        for label in filter(writer.writes, labels)
        for repetition in range(config.repetitions)
        if not writer.strokes or repetition < len(writer.strokes[label])  # each is used once
    ]
    bar = tqdm(tasks, "simulating", unit=" letters", file=sys.stderr, disable=not progress)
    recordings = []
    for writer, case, label, repetition in bar:
        rng = writer.stream(label, case, repetition)
        recordings.append(write_letter(writer, label, case, rng, repetition, config.rate)[0])
    return recordings


def _writers(config: SimulateConfig, labels: tuple[str, ...]) -> list[Writer]:
    if config.strokes is not None:
        people = read_pen(config.strokes, labels, config.people, config.repetitions)
        return [
            Writer.draw(index, config.seed, name, own, config.habits) for index, name, own in people
        ]
    for label in labels:
        if label not in characters():
            raise InputError(f"no stroke template for '{label}': {nearest(label, characters())}")
    return [Writer.draw(index, config.seed, habits=config.habits) for index in range(config.people)]
