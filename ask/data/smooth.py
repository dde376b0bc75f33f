"""Timelines from windows that a model has read: smoothed, sampled, and compared with the truth.

Windows in a row rarely change their label, so their probabilities are the emissions of a hidden
Markov chain that stays where it is with a fixed probability a second. The likeliest path is the
timeline; paths drawn from the posterior say what else may have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.ask.pieces import intersect, length
from imuscribe.ask.timeline import Span, Timeline
from imuscribe.signals.errors import InputError

Float = NDArray[np.float64]


def from_windows(
    starts: Sequence[float] | Float,
    log_probs: NDArray[np.floating[Any]],
    labels: Sequence[str],
    stride: float,
    stay: float = 30.0,
    samples: int = 50,
    seed: int = 0,
    like: Timeline | None = None,
) -> Timeline:
    """Turn the label probabilities of windows into a timeline.

    Parameters
    ----------
    starts : array of float, (n,)
        When each window begins, seconds, in order; a window stands for `stride` seconds. Where the
        next one begins later than that, nothing is recorded between.
    log_probs : array, (n, n_labels)
        Natural logarithms of the probabilities of `labels`.
    stride : float
        Seconds from one window to the next.
    stay : float
        Seconds that an activity lasts on average before another begins.
    samples : int
        Timelines drawn from the posterior; 0 for none.
    like : Timeline, optional
        Where dates and days come from; a recording without them is undated.

    Raises
    ------
    InputError
        If shapes disagree or there is no window.
    """
    logs: Float = np.asarray(log_probs, dtype=np.float64)
    at: Float = np.asarray(starts, dtype=np.float64)
    if logs.shape != (len(at), len(labels)) or not len(at):
        raise InputError(
            f"windows: {len(at)} starts, {len(labels)} labels and probabilities of shape "
            f"{logs.shape} disagree: need (n_windows, n_labels), and at least one window"
        )
    change = 1 - np.exp(-stride / stay) if len(labels) > 1 else 0.0
    moves = np.full((len(labels), len(labels)), change / max(1, len(labels) - 1))
    np.fill_diagonal(moves, 1 - change)
    runs = np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > 1.5 * stride) + 1)
    rng = np.random.default_rng(seed)
    paths = np.empty((samples + 1, len(at)), dtype=np.int64)
    sureness = np.empty((len(at), len(labels)))
    with np.errstate(divide="ignore"):
        log_moves = np.log(moves)
    for run in runs:
        paths[0, run] = _likeliest(logs[run], log_moves)
        forward, sureness[run] = _posterior(np.exp(logs[run]), moves)
        paths[1:, run] = _drawn(forward, moves, samples, rng)
    made = [_timeline(path, at, runs, labels, stride, sureness, like) for path in paths]
    return Timeline(
        made[0].spans, made[0].labels, made[0].days, made[0].dated, stride, tuple(made[1:])
    )


@dataclass(frozen=True)
class Agreement:
    """How a predicted timeline compares with the true one."""

    segment_f1: float
    """Of segments that overlap a true one of their label by half of their union."""
    duration_error: float
    """Absolute errors of the labels' total times, summed, over all true time."""
    n_segments: int
    """True ones."""


def compare(predicted: Timeline, truth: Timeline, overlap: float = 0.5) -> Agreement:
    """Compare a predicted timeline with the true one."""
    right = n_predicted = n_true = 0
    off = 0.0
    for label in dict.fromkeys([*truth.labels, *predicted.labels]):
        ours = predicted.by_label.get(label, [])
        theirs = truth.by_label.get(label, [])
        n_predicted, n_true = n_predicted + len(ours), n_true + len(theirs)
        off += abs(length(ours) - length(theirs))
        free = list(theirs)
        for piece in ours:
            for other in free:
                both = length(intersect([piece], [other]))
                either = piece[1] - piece[0] + other[1] - other[0] - both
                if both >= overlap * either:
                    free.remove(other)
                    right += 1
                    break
    time = sum(length(pieces) for pieces in truth.by_label.values())
    f1 = 2 * right / (n_predicted + n_true) if n_predicted + n_true else 1.0
    return Agreement(f1, off / time if time else 0.0, n_true)


def _likeliest(log_probs: Float, log_moves: Float) -> NDArray[np.int64]:
    """Return the likeliest path (Viterbi)."""
    best, back = log_probs[0], np.zeros(log_probs.shape, dtype=np.int64)
    for i in range(1, len(log_probs)):
        scores = best[:, None] + log_moves
        back[i] = scores.argmax(axis=0)
        best = scores.max(axis=0) + log_probs[i]
    path = np.empty(len(log_probs), dtype=np.int64)
    path[-1] = best.argmax()
    for i in range(len(log_probs) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def _posterior(probs: Float, moves: Float) -> tuple[Float, Float]:
    """Return what is known of each window from those before, and from all, (n, n_labels)."""
    forward = np.empty_like(probs)
    at = np.full(probs.shape[1], 1 / probs.shape[1])
    for i, row in enumerate(probs):
        at = (at @ moves if i else at) * (row + 1e-12)
        forward[i] = at = at / at.sum()
    after, whole = np.ones(probs.shape[1]), forward.copy()
    for i in range(len(probs) - 2, -1, -1):
        after = moves @ ((probs[i + 1] + 1e-12) * after)
        after /= after.sum()
        whole[i] *= after
    return forward, whole / whole.sum(axis=1, keepdims=True)


def _drawn(forward: Float, moves: Float, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw paths from the posterior, backwards, shape (n, n_windows)."""
    paths = np.empty((n, len(forward)), dtype=np.int64)
    weights = np.repeat(forward[-1:], n, axis=0)
    for i in range(len(forward) - 1, -1, -1):
        sums = weights.cumsum(axis=1)
        paths[:, i] = (rng.random(n)[:, None] * sums[:, -1:] > sums).sum(axis=1)
        if i:
            weights = forward[i - 1] * moves[:, paths[:, i]].T
    return paths


def _timeline(
    path: NDArray[np.int64],
    at: Float,
    runs: Sequence[NDArray[np.int64]],
    labels: Sequence[str],
    stride: float,
    sureness: Float,
    like: Timeline | None,
) -> Timeline:
    spans = []
    for run in runs:
        for piece in np.split(run, np.flatnonzero(np.diff(path[run])) + 1):
            label, end = int(path[piece[0]]), float(at[piece[-1]] + stride)
            sure = float(sureness[piece, label].mean())
            spans.append(Span(float(at[piece[0]]), end, labels[label], round(sure, 4)))
    template = like or Timeline((), tuple(labels), (_NO_DAY,), dated=False)
    return Timeline(tuple(spans), tuple(labels), template.days, template.dated, stride)


_NO_DAY = date(1970, 1, 1)
