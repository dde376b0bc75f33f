"""Retrieval: what the labelled recordings nearest to a query show, told in one line of its prompt.

A shot shows a whole recording and costs its tokens; the label of a near recording costs one. The
line names the nearest recordings of *other* people, as at test time nobody else's are at hand, and,
where a person gave some labelled recordings, the nearest of those, each marked ``own``. All stand
in one order of nearness, which tells the model whom to believe.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imuscribe.signals.config import Config
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.warping import warping_distances
from imuscribe.signals.recording import Recording


class RetrieveConfig(Config):
    """Which neighbours a prompt names.

    Attributes
    ----------
    others : int
        Nearest recordings of other people to name.
    own : int
        Nearest of the person's own labelled recordings to name, where there are any.
    steps : int
        Samples a recording is compared at.
    band : float
        Half width of the warping band, as a share of the recording.
    plain_share, own_share : float
        Shares of the training rows without any line, and with the person's own recordings in it;
        the rest name other people's only. So one adapter answers in all three situations.
    """

    others: int = Field(default=5, ge=1)
    own: int = Field(default=2, ge=1)
    steps: int = Field(default=32, ge=4)
    band: float = Field(default=0.1, ge=0, le=1)
    plain_share: float = Field(default=0.3, ge=0, le=1)
    own_share: float = Field(default=0.3, ge=0, le=1)


class Retriever:
    """Finds labelled recordings that move like a query, by dynamic time warping.

    Nothing is fitted. Velocity, acceleration and rotation in the writing frame, each divided by its
    root mean square, are warped together within a Sakoe–Chiba band.

    Parameters
    ----------
    pool : sequence of Recording
        Cleaned and labelled.
    config : RetrieveConfig
    frame : FrameConfig
        How the writing frame is found.
    """

    def __init__(
        self,
        pool: Sequence[Recording],
        config: RetrieveConfig = RetrieveConfig(),
        frame: FrameConfig = FrameConfig(),
    ) -> None:
        self.config = config
        self._frame = frame
        self._labels = np.array([rec.label for rec in pool])
        self._subjects = np.array([rec.subject for rec in pool])
        self._ids = np.array([rec.id for rec in pool])
        self._pool = self._sequences(pool)

    def lines(
        self, queries: Sequence[Recording], own: Sequence[Sequence[str]] | None = None
    ) -> list[str]:
        """Return the line about each query, nearest first: ``"alike own R R B own B P R D"``.

        Parameters
        ----------
        queries : sequence of Recording
            Cleaned. Of a query's own person only recordings listed in `own` are named.
        own : sequence of sequence of str, optional
            For each query the ids of its person's recordings in the pool that may be named, each
            after the word ``own``. The query itself never is.
        """
        distance = self._distance(queries)
        lines = []
        for i, rec in enumerate(queries):
            others = self._subjects != rec.subject
            named = self._nearest(distance[i], others, self.config.others)
            if own is not None and len(own[i]):
                mine = np.isin(self._ids, list(own[i])) & ~others & (self._ids != rec.id)
                named = [*named, *self._nearest(distance[i], mine, self.config.own)]
            in_order = sorted(named, key=lambda j: distance[i, j])
            words = [self._labels[j] if others[j] else f"own {self._labels[j]}" for j in in_order]
            lines.append(" ".join(["alike", *words]))
        return lines

    def _nearest(
        self, distance: NDArray[np.float64], allowed: NDArray[np.bool_], k: int
    ) -> list[int]:
        """Return where in the pool the `k` nearest allowed recordings are, nearest first."""
        candidates = np.flatnonzero(allowed)
        order = np.argsort(distance[candidates], kind="stable")[:k]
        return [int(j) for j in candidates[order]]

    def _distance(self, queries: Sequence[Recording]) -> NDArray[np.float64]:
        return warping_distances(self._sequences(queries), self._pool, self.config.band)

    def _sequences(self, recordings: Sequence[Recording]) -> NDArray[np.float64]:
        """Return the compared signals, shape (n, n_channels, n_steps)."""
        return np.stack([self._sequence(rec) for rec in recordings])

    def _sequence(self, rec: Recording) -> NDArray[np.float64]:
        motion = writing_motion(rec, self._frame)
        at = np.linspace(motion.t[0], motion.t[-1], self.config.steps)
        planes = [motion.plane(s) for s in ("velocity", "acceleration", "rotation")]
        scaled = [row / (np.sqrt(np.mean(p**2)) + 1e-9) for p in planes for row in p]
        return np.stack([np.interp(at, motion.t, row) for row in scaled])


def draw_own(
    recordings: Sequence[Recording], rng: np.random.Generator, without: str = ""
) -> list[str]:
    """Draw one recording of each label of one person; return their ids.

    Parameters
    ----------
    recordings : sequence of Recording
        All of the same person.
    rng : numpy.random.Generator
        Decides which.
    without : str
        Id of a recording to leave out: the query.
    """
    drawn: dict[str, str] = {}
    for i in rng.permutation(len(recordings)):
        rec = recordings[i]
        if rec.id != without:
            drawn.setdefault(rec.label, rec.id)
    return sorted(drawn.values())
