"""Retrieval: what the labelled recordings nearest to a query show, named in one line of its prompt.

A shot shows a whole recording and costs its tokens; the label of a near recording costs one. The
line names the nearest recordings of *other* people, as at test time nobody else's are at hand, and,
where a person gave some labelled recordings, the nearest of those, each marked ``own``. All stand
in one order of nearness, which shows the model whom to believe.
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
    """Which neighbours a prompt names."""

    others: int = Field(default=5, ge=1)
    """Nearest recordings of other people to name."""
    own: int = Field(default=2, ge=1)
    """Nearest of the person's own labelled recordings to name, where there are any."""
    steps: int = Field(default=32, ge=4)
    """Samples a recording is compared at."""
    band: float = Field(default=0.1, ge=0, le=1)
    """Half width of the warping band, as a share of the recording."""
    plain_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the training rows without any line. So one adapter answers in all situations."""
    own_share: float = Field(default=0.3, ge=0, le=1)
    """Share with the person's own recordings in it; the rest name other people's only."""


class Retriever:
    """Finds labelled recordings that move like a query, by dynamic time warping.

    Nothing is fitted. Velocity, acceleration and rotation in the writing frame, each divided by its
    root mean square, are warped together within a Sakoe–Chiba band. The recordings of the pool, and
    all that are asked about, are cleaned; `frame` says how the writing frame is found.
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

        `own` holds, for each query, the ids of its person's recordings in the pool that may be
        named, each after the word ``own``; no others of that person are, and never the query.
        """
        distance = warping_distances(self._sequences(queries), self._pool, self.config.band)
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

    def _sequences(self, recordings: Sequence[Recording]) -> NDArray[np.float64]:
        """Return the compared signals, shape (n, n_channels, n_steps)."""
        found = []
        for rec in recordings:
            motion = writing_motion(rec, self._frame)
            at = np.linspace(motion.t[0], motion.t[-1], self.config.steps)
            planes = [motion.plane(s) for s in ("velocity", "acceleration", "rotation")]
            scaled = [row / (np.sqrt(np.mean(p**2)) + 1e-9) for p in planes for row in p]
            found.append(np.stack([np.interp(at, motion.t, row) for row in scaled]))
        return np.stack(found)
