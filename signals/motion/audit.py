"""Recordings unlike their label, and letters one person forms as nobody else does.

No model is asked. A recording is compared, by dynamic time warping in the writing frame, with the
recordings of *other* people: its agreement is the share of its nearest neighbours that bear its
label. A person may be at odds with the others in two ways: in a single recording (a slip, a wrong
label), or in a whole letter (a form of their own).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

ODD_RECORDING, ODD_FORM = "odd recording", "odd form"

Share = Annotated[float, Field(ge=0, le=1)]


class AuditConfig(Config):
    """The rule, fixed before anybody looks at a model's answers."""

    neighbours: PositiveInt = 10
    """Nearest recordings of other people that are asked."""
    band: Share = 0.1
    """Half width of the warping band, as a share of the length."""
    against: Share = 0.6
    """An odd recording has agreement 0, and at least this share of its neighbours bear one other
    label."""
    form_below: Share = 0.2
    """An odd form has a mean agreement below this over the person's recordings of the label,"""
    others_from: Share = 0.5
    """while the others' mean agreement with one another, that person left out, is at least this."""


@dataclass(frozen=True)
class Judged:
    """One recording among those of other people.

    Parameters
    ----------
    id, subject, label : str
        Which recording.
    agreement : float or None
        Share of the nearest neighbours, other people's recordings, that bear its label; None where
        nobody else wrote the label.
    instead : str
        The label, other than its own, that most neighbours bear; empty where none does.
    instead_share : float
        Share of the neighbours that bear `instead`.
    own : float or None
        The same agreement with the person's own other recordings: low for a slip or a wrong label,
        high for a habit. None where the person wrote the label once.
    flag : str
        ``"odd recording"``, ``"odd form"`` or empty.
    """

    id: str
    subject: str
    label: str
    agreement: float | None
    instead: str
    instead_share: float
    own: float | None
    flag: str = ""

    @property
    def habit(self) -> bool:
        """Whether most of the person's own nearest recordings bear the label as well."""
        return self.own is not None and self.own >= 0.5


@dataclass(frozen=True)
class Form:
    """How one person writes one label, against the others.

    Parameters
    ----------
    subject, label : str
        Who and what.
    n : int
        Their recordings of it.
    agreement : float or None
        Mean over those recordings.
    others : float or None
        Mean agreement of the other people with one another: averaged within each, then over them.
        None with fewer than two others.
    instead : str
        The label most neighbours bear, other than this one.
    odd : bool
        By the rule of `AuditConfig`.
    """

    subject: str
    label: str
    n: int
    agreement: float | None
    others: float | None
    instead: str
    odd: bool

    def __str__(self) -> str:
        return (
            f"{self.subject} {self.label}: {self.agreement:.2f} over {self.n} recordings, the "
            f"others {self.others:.2f}; nearest to the others' {self.instead}"
        )


@dataclass(frozen=True)
class Audit:
    """What `audit` found: every recording, and every person's form of every label."""

    config: AuditConfig
    recordings: tuple[Judged, ...]
    forms: tuple[Form, ...]

    def flagged(self, flag: str) -> list[Judged]:
        """Return the recordings with this flag."""
        return [one for one in self.recordings if one.flag == flag]


def audit(
    recordings: Sequence[Recording],
    sequences: Array,
    config: AuditConfig = AuditConfig(),
    progress: bool = False,
) -> Audit:
    """Compare every recording with those of other people.

    Parameters
    ----------
    recordings : sequence of Recording
        Of at least two people, all with a subject and a label. Their order does not matter.
    sequences : ndarray, shape (n, n_channels, n_steps)
        Of the recordings, of equal length.
    config : AuditConfig
        Neighbours and thresholds.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        For fewer than two people, a recording without a subject or label, or more neighbours than
        there are recordings of others.
    """
    for rec in recordings:
        if not (rec.subject and rec.label):
            raise InputError(
                f"recording '{rec.id}' has no {'label' if rec.subject else 'subject'}: "
                "an audit compares what different people call the same"
            )
    order = sorted(range(len(recordings)), key=lambda i: recordings[i].id)
    ordered = [recordings[i] for i in order]
    near = _Neighbours(ordered, sequences[order], config, progress)
    judged = [near.judge(i) for i in range(len(ordered))]
    forms = tuple(near.form(subject, label, judged) for subject, label in sorted(near.groups))
    odd = {(form.subject, form.label) for form in forms if form.odd}
    return Audit(config, tuple(_flag(one, odd, config) for one in judged), forms)


class _Neighbours:
    """The nearest recordings of every person to every recording, found once.

    Which people are asked can then be chosen freely: the nearest of several people are among the
    nearest of each.
    """

    def __init__(
        self, recordings: Sequence[Recording], x: Array, config: AuditConfig, progress: bool
    ) -> None:
        self.config = config
        self.recordings = recordings
        self.labels = np.array([rec.label for rec in recordings], dtype=object)
        self.subjects = np.array([rec.subject for rec in recordings], dtype=object)
        self.people = sorted(set(self.subjects))
        if len(self.people) < 2:
            raise InputError(
                f"all recordings are by {', '.join(self.people) or 'nobody'}: "
                "an audit compares people and needs two"
            )
        fewest = len(recordings) - max(Counter(self.subjects).values())
        if config.neighbours > fewest:
            raise InputError(
                f"neighbours is {config.neighbours} but somebody has only {fewest} recordings of "
                f"others to be compared with: take at most {fewest}"
            )
        self.groups = Counter(zip(self.subjects, self.labels, strict=True))
        shape = (len(recordings), len(self.people), config.neighbours)
        self._distance = np.full(shape, np.inf)
        self._label = np.full(shape, "", dtype=object)
        self._find(x, progress)

    def judge(self, i: int) -> Judged:
        """Judge one recording; flags come later."""
        me, label = self.subjects[i], self.labels[i]
        others = [person for person in self.people if person != me]
        borne = Counter(self._nearest(i, others))
        agreement, total = self._agreement(i, others), sum(borne.values())
        instead, hits = _most(borne, label)
        rec = self.recordings[i]
        own = self._agreement(i, [me])
        return Judged(rec.id, rec.subject, label, agreement, instead, hits / total, own)

    def form(self, subject: str, label: str, judged: Sequence[Judged]) -> Form:
        """Compare how one person writes a label with how the others do."""
        mine = [one for one in judged if (one.subject, one.label) == (subject, label)]
        agreement = _mean(one.agreement for one in mine)
        means = []
        for person in self.people:
            if person != subject and self.groups[person, label]:
                asked = [other for other in self.people if other not in (person, subject)]
                rows = np.flatnonzero((self.subjects == person) & (self.labels == label))
                means.append(_mean(self._agreement(int(i), asked) for i in rows))
        others = _mean(means)
        borne = Counter(one.instead for one in mine if one.instead)
        odd = (
            agreement is not None
            and others is not None
            and agreement < self.config.form_below
            and others >= self.config.others_from
        )
        return Form(subject, label, len(mine), agreement, others, _most(borne, label)[0], odd)

    def _find(self, x: Array, progress: bool) -> None:
        from tqdm.auto import tqdm

        from imuscribe.signals.motion.warping import warping_distances

        rows = [np.flatnonzero(self.subjects == person) for person in self.people]
        pairs = list(combinations_with_replacement(range(len(self.people)), 2))
        total = sum(len(rows[a]) * len(rows[b]) for a, b in pairs)
        with tqdm(total=total, desc="comparing", unit="pair", disable=not progress) as bar:
            for a, b in pairs:
                distance = warping_distances(x[rows[a]], x[rows[b]], self.config.band)
                if a == b:
                    np.fill_diagonal(distance, np.inf)
                self._keep(rows[a], b, rows[b], distance)
                if a != b:
                    self._keep(rows[b], a, rows[a], distance.T)
                bar.update(distance.size)

    def _keep(
        self, rows: NDArray[Any], person: int, of: NDArray[Any], distance: NDArray[np.float64]
    ) -> None:
        # Recordings come in the order of their ids, so a stable sort breaks ties by id.
        order = np.argsort(distance, axis=1, kind="stable")[:, : self.config.neighbours]
        n = order.shape[1]
        self._distance[rows, person, :n] = np.take_along_axis(distance, order, axis=1)
        self._label[rows, person, :n] = self.labels[of][order]

    def _nearest(self, i: int, people: Iterable[str]) -> list[str]:
        """Return the labels of the nearest recordings by these people, nearest first."""
        asked = [self.people.index(person) for person in people]
        distance = self._distance[i, asked].ravel()
        order = np.argsort(distance, kind="stable")[: self.config.neighbours]
        return list(self._label[i, asked].ravel()[order[np.isfinite(distance[order])]])

    def _agreement(self, i: int, people: Sequence[str]) -> float | None:
        """Return the share that agree, of as many as could; None where none could."""
        label = self.labels[i]
        there = sum(self.groups[person, label] - (person == self.subjects[i]) for person in people)
        if not there:
            return None
        hits = sum(found == label for found in self._nearest(i, people))
        return float(hits / min(there, self.config.neighbours))


def _flag(one: Judged, odd_forms: set[tuple[str, str]], config: AuditConfig) -> Judged:
    if (one.subject, one.label) in odd_forms:
        return replace(one, flag=ODD_FORM)
    if one.agreement == 0 and one.instead_share >= config.against:
        return replace(one, flag=ODD_RECORDING)
    return one


def _most(borne: Mapping[str, int], but: str) -> tuple[str, int]:
    """Return the most frequent label but one; of equals the first in the alphabet."""
    found = sorted((-n, label) for label, n in borne.items() if label != but)
    return (found[0][1], -found[0][0]) if found else ("", 0)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
