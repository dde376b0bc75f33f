"""Who puts windows into words for a comparison, and how texts that stand apart are written anew.

LanHAR's iterative re-generation: texts of one kind of window are clustered; those farthest from the
centre of their cluster are asked for again; a new text counts only if it is nearer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.captions.interpret import RuleInterpreter, without_figures
from imuscribe.prompts.teacher.chat import Unanswered
from imuscribe.prompts.teacher.interpret import LanguageInterpreter, interpret_all
from imuscribe.signals.recording import Recording

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Floats]

MOST = 8
"""Texts of a kind that are asked for again in a round."""
_CLUSTERS = 2
_SIZE = 4
"""Texts of a kind behind each cluster at least."""
_STILL = 5e-4
"""A change of the mean distance below which nothing has changed."""
_PATIENCE = 2
"""Rounds without change after which it ends."""


@dataclass(frozen=True)
class Attempt:
    """One text that was asked for again."""

    round: int
    id: str
    kind: str
    before: float
    """Distance of the old text from the centre of its cluster."""
    after: float | None
    """Of the new one; none where there is none."""
    taken: bool
    why: str = ""


def regenerate(
    windows: Sequence[Recording],
    texts: Sequence[str],
    embed: Embed,
    again: Callable[[Recording, str, int], str],
    rounds: int,
    seed: int = 0,
) -> tuple[list[str], list[Attempt]]:
    """Write texts anew that stand apart from their cluster, where that brings them nearer.

    Parameters
    ----------
    windows, texts : sequences
        What is a kind is the label of a window; windows without one are one kind.
    embed : callable
        Texts to vectors of length one.
    again : callable
        A window, its text and the round to another text; it raises `Unanswered` for none.
    rounds : int
        At most; it ends before when the mean distance stays.
    seed : int
        Of the clusters.

    Returns
    -------
    list of str
        One text a window, in order.
    list of Attempt
        The log.
    """
    texts, log = list(texts), list[Attempt]()
    kinds = sorted({rec.label for rec in windows})
    for kind in kinds:
        mine = [i for i, rec in enumerate(windows) if rec.label == kind]
        if len(mine) < 2:
            continue
        before, unchanged = np.inf, 0
        for number in range(rounds):
            vectors = embed([without_figures(texts[i]) for i in mine])
            centres = _centres(vectors, seed)
            distance = _distance(vectors, centres)
            unchanged = unchanged + 1 if abs(before - distance.mean()) < _STILL else 0
            if unchanged >= _PATIENCE:
                break
            before = float(distance.mean())
            far = [int(k) for k in (-distance).argsort()[:MOST] if distance[k] > before + 1e-9]
            for k in far:
                rec, old = windows[mine[k]], float(distance[k])
                made, tried = _attempt(rec, texts[mine[k]], old, number, again, embed, centres)
                log.append(tried)
                texts[mine[k]] = made
            if not far:
                break
    return texts, log


def _attempt(
    rec: Recording,
    text: str,
    old: float,
    number: int,
    again: Callable[[Recording, str, int], str],
    embed: Embed,
    centres: Floats,
) -> tuple[str, Attempt]:
    """Return the nearer of the text and a new one, and what became of it."""
    try:
        new = again(rec, text, number)
    except Unanswered as error:
        return text, Attempt(number, rec.id, rec.label, old, None, False, str(error))
    after = float(_distance(embed([without_figures(new)]), centres)[0])
    taken = after < old
    why = "" if taken else "no nearer"
    return new if taken else text, Attempt(number, rec.id, rec.label, old, after, taken, why)


def _centres(vectors: Floats, seed: int) -> Floats:
    from sklearn.cluster import KMeans

    n = max(1, min(_CLUSTERS, len(np.unique(vectors, axis=0)), len(vectors) // _SIZE))
    return np.asarray(KMeans(n, n_init=3, random_state=seed).fit(vectors).cluster_centers_)


def _distance(vectors: Floats, centres: Floats) -> Floats:
    """Return how far each row is from the nearest centre."""
    apart = np.linalg.norm(vectors[:, None] - centres[None], axis=2)
    return np.asarray(apart.min(axis=1))


class Writer:
    """Texts of windows by fixed rules, or by a language model where it is not wrong.

    A window that the model cannot describe truly is described by the rules, and counted.
    """

    def __init__(
        self,
        rules: RuleInterpreter,
        model: LanguageInterpreter | None = None,
        embed: Embed | None = None,
        progress: bool = False,
    ) -> None:
        self.rules, self.model, self.embed, self.progress = rules, model, embed, progress
        self.name = rules.name if model is None else model.name
        self.log: list[Attempt] = []
        self.counts: Counter[str] = Counter()

    def __call__(self, windows: Sequence[Recording]) -> list[str]:
        """Return one text a window."""
        if self.model is None:
            return [self.rules.interpret(rec).text for rec in windows]
        from tqdm.auto import tqdm

        told = interpret_all(windows, self.model)
        bar = tqdm(told, "interpreting", len(windows), leave=False, disable=not self.progress)
        said = [one for _, one in bar]
        for one in said:
            self.counts[one.kind if isinstance(one, Unanswered) else "written"] += 1
        good = [i for i, one in enumerate(said) if not isinstance(one, Unanswered)]
        mine: dict[int, str] = {i: said[i].text for i in good}  # type: ignore[union-attr]
        rounds = self.model.config.regenerate
        if rounds and self.embed is not None and good:
            kept, log = regenerate(
                [windows[i] for i in good], [*mine.values()], self.embed, self._again, rounds
            )
            mine = dict(zip(good, kept, strict=True))
            self.log += log
        return [
            mine[i] if i in mine else self.rules.interpret(rec).text
            for i, rec in enumerate(windows)
        ]

    def note(self) -> str:
        """Return that in a sentence; nothing where rules wrote."""
        if self.model is None:
            return ""
        n, written = self.counts.total(), self.counts["written"]
        text = f"texts by {self.name}: {written:,} of {n:,} true, the others by rules"
        lost = [f"{kind} ({k:,})" for kind, k in self.counts.most_common() if kind != "written"]
        text += f" ({', '.join(lost)})" if lost else ""
        if self.log:
            text += f"; {sum(a.taken for a in self.log):,} of {len(self.log):,} written anew taken"
        return text

    def _again(self, rec: Recording, text: str, number: int) -> str:
        assert self.model is not None
        return self.model.again(rec, text, number).text
