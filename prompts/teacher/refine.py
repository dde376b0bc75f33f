"""LanHAR's criterion for explanations: those of one label should lie close together.

Explanations of recordings of one label are embedded; the ones farther from their centre than the
mean distance are outliers. An outlier is written anew, and the new text is accepted only if the
cluster tightens; it ends when a round gains less than 0.0005 (arXiv 2410.00003, iterative
re-generation). It says how alike explanations are, not how true they are.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.chat import Unanswered
from imuscribe.prompts.teacher.teach import in_order
from imuscribe.prompts.teacher.teachers import CheckedExplanation, LanguageTeacher
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Encoder = Callable[[Sequence[str]], Floats]
"""Turns sentences into vectors of length one, one row each, such as those of `models.text`."""


class RefineConfig(Config):
    """When to write an explanation anew, and when to stop."""

    share: float = Field(default=0.2, gt=0, le=1)
    """Most explanations of a label written anew in one round, as a share of them."""
    improvement: float = Field(default=0.0005, ge=0)
    """Smallest gain of a round in mean distance that is worth another round."""
    rounds: int = Field(default=5, ge=1)
    """Most rounds."""


@dataclass(frozen=True)
class Attempt:
    """One explanation written anew: in which round, of which label, its place among the texts."""

    round: int
    label: str
    item: int
    accepted: bool


@dataclass(frozen=True)
class Refined:
    """Texts after re-generation, in the order they were given, and what was done."""

    texts: list[str]
    spread: list[float]
    """Mean distance to the label's centre, over all texts: before, and after each round."""
    attempts: list[Attempt]


def spread(rows: Floats) -> float:
    """Return the mean Euclidean distance of embeddings (n, d) to their centre."""
    return float(distances(rows).mean())


def distances(rows: Floats) -> Floats:
    """Return the Euclidean distance of each embedding (n, d) to the centre of all, shape (n,)."""
    return np.asarray(np.linalg.norm(rows - rows.mean(axis=0), axis=1))


def outliers(rows: Floats, most: int) -> list[int]:
    """Return up to `most` rows farther from the centre than the mean distance, farthest first."""
    far = distances(rows)
    order = np.argsort(-far, kind="stable")[:most]
    return [int(i) for i in order if far[i] > far.mean() + 1e-12]


class Clusters:
    """Explanations, grouped by label, and how close together each group lies."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str], encoder: Encoder) -> None:
        if len(texts) != len(labels) or not texts:
            raise InputError(f"{len(texts)} texts and {len(labels)} labels: give one label a text")
        self.texts = list(texts)
        self.labels = list(labels)
        self._encoder = encoder
        self._rows = np.asarray(encoder(self.texts), dtype=np.float64)
        names = np.array(self.labels)
        self._members = {name: np.flatnonzero(names == name) for name in dict.fromkeys(labels)}

    @property
    def spread(self) -> float:
        """Mean distance to the centre of the own label, over all texts."""
        every = [distances(self._rows[members]) for members in self._members.values()]
        return float(np.concatenate(every).mean())

    def outliers(self, share: float) -> list[int]:
        """Return the places of the outliers, at most a share of each label's texts."""
        found = []
        for members in self._members.values():
            most = max(1, int(share * len(members)))
            found += [int(members[k]) for k in outliers(self._rows[members], most)]
        return found

    def offer(self, item: int, text: str | None) -> bool:
        """Take a new text if there is one and its cluster tightens; say whether it was taken."""
        if text is None or text == self.texts[item]:
            return False
        members = self._members[self.labels[item]]
        changed = self._rows[members].copy()
        changed[np.flatnonzero(members == item)] = self._encoder([text])
        if spread(changed) >= spread(self._rows[members]):
            return False
        self.texts[item] = text
        self._rows[members] = changed
        return True


def refine(
    clusters: Clusters,
    regenerate: Callable[[int, str], str | None],
    config: RefineConfig = RefineConfig(),
) -> Refined:
    """Have outliers written anew, in place, as long as the clusters tighten.

    `regenerate` takes the place of an outlier and its present text and returns a new one; None if
    there is none, or none that is as true.
    """
    history = [clusters.spread]
    attempts: list[Attempt] = []
    for number in range(1, config.rounds + 1):
        chosen = clusters.outliers(config.share)
        for item in chosen:
            accepted = clusters.offer(item, regenerate(item, clusters.texts[item]))
            attempts.append(Attempt(number, clusters.labels[item], item, accepted))
        history.append(clusters.spread)
        won = sum(attempt.accepted for attempt in attempts if attempt.round == number)
        log.info(
            "round %d: %d outliers, %d new texts accepted, mean distance %.4f to %.4f",
            *(number, len(chosen), won, history[-2], history[-1]),
        )
        if history[-2] - history[-1] < config.improvement:
            break
    return Refined(clusters.texts, history, attempts)


class RefinedTeacher:
    """A teacher that has explained all recordings, and then the outliers anew, one by one.

    A new explanation has to be as free of errors as the old one.
    """

    def __init__(
        self,
        teacher: LanguageTeacher,
        recordings: Sequence[Recording],
        serializer: Serializer,
        encoder: Encoder,
        workers: int = 8,
        stop: threading.Event | None = None,
    ) -> None:
        self.teacher = teacher
        self.name, self.prompts_hash = teacher.name, teacher.prompts_hash
        self.instruction = teacher.instruction
        signals = serializer.encode([serializer.features(rec) for rec in recordings])

        def explained(place: int) -> CheckedExplanation | Unanswered:
            try:
                return teacher.explain(recordings[place], signals[place])
            except Unanswered as missing:
                return missing

        found = list(in_order(explained, range(len(recordings)), workers, stop))
        self._found = {rec.id: one for rec, one in zip(recordings, found, strict=True)}
        self.refined = Refined([], [], [])
        """What was done; empty where nothing was explained."""
        there = [(i, one) for i, one in enumerate(found) if isinstance(one, CheckedExplanation)]
        if not there:
            return
        asked: Counter[int] = Counter()
        offered: dict[tuple[int, str], CheckedExplanation] = {}

        def regenerate(item: int, text: str) -> str | None:
            place, first = there[item]
            present = offered.get((item, text), first)
            asked[item] += 1
            try:
                new = teacher.revise(recordings[place], signals[place], present, asked[item])
            except Unanswered:
                return None
            if len(new.verdict.errors) > len(present.verdict.errors):
                return None
            offered[item, new.reasoning] = new
            return new.reasoning

        texts = [one.reasoning for _, one in there]
        clusters = Clusters(texts, [recordings[i].label for i, _ in there], encoder)
        self.refined = refine(clusters, regenerate)
        for item, (place, one) in enumerate(there):
            kept = offered.get((item, self.refined.texts[item]), one)
            self._found[recordings[place].id] = kept

    def explain(self, rec: Recording, signal: str) -> CheckedExplanation:
        """Return the explanation as it was left; raise what stood in its way."""
        found = self._found[rec.id]
        if isinstance(found, Exception):
            raise found
        return found
