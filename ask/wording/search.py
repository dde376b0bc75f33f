"""Which queries answer a question as a person did: a search guided by execution, for training.

People's questions come with answers but without queries. Every query template of the wordings is
filled with what the question names, executed, and compared with the person's answer; what agrees
can teach a parser (as is usual in semantic parsing), and the share of questions with any such query
bounds what a parser of this schema can reach. A wrong query may agree by luck, above all where the
answer is yes or no: `Found.rivals` counts how many different answers its rivals gave, and the same
search with somebody else's answer says how often luck suffices.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from pydantic import ValidationError

from imuscribe.ask.data.tables import chart
from imuscribe.ask.execute import execute
from imuscribe.ask.query import Query
from imuscribe.ask.result import CannotTell, Result
from imuscribe.ask.timeline import Timeline
from imuscribe.ask.wording.grammar import Skeleton, fill, filled, readings, rules, skeleton
from imuscribe.ask.wording.mentions import Vocabulary, vocabulary
from imuscribe.ask.wording.people import agrees

_CLOCKS = {"clock", "spans", "part", "hour", "day"}
_FITS = {
    "<howlong>": {"duration", "share", "each"},
    "<howmany>": {"count"},
    "<howoften>": {"count", "day"},
    "<howmanydays>": {"count"},
    "<howmanyactivities>": {"count"},
    "<whichday>": {"day"},
    "<whattime>": _CLOCKS,
    "<whatpart>": {"part", "spans", "clock"},
    "<whathour>": {"hour", "spans", "clock"},
    "<when>": _CLOCKS,
    "<who>": {"label"},
    "<where>": {"label"},
    "<what>": {"label", "duration", "clock", "count"},
    "<share>": {"share"},
}
"""What a head may be answered by: a kind of result, or what groups the names are of."""


_JOINTS = {"LorL", "or", "than", "<morethan>", "days", "<everytime>", "<everyday>"}
"""Words that let a question of the form of yes or no be answered by a name."""


_MODIFIERS = ("during", "without", "before", "after")
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the search found for one question."""

    queries: tuple[tuple[Query, str], ...]
    """Queries whose result agrees, and how: ``exact`` before ``near``, as worded ones first."""
    read: str
    """How the table of wordings fares alone: ``exact``, ``near``, ``wrong``, ``unread``."""
    tried: int
    """Queries that were executed."""
    rivals: int
    """Different answers among them."""

    @property
    def best(self) -> str:
        """``exact``, ``near`` or empty."""
        return self.queries[0][1] if self.queries else ""


@dataclass(frozen=True)
class Reached:
    """What the search found for a question of a data set."""

    user: str
    question: str
    found: Found
    luck: str
    """How the best query agrees with the answer to another question: what chance alone does."""


def search(question: str, short: Sequence[str], timeline: Timeline, guided: bool = True) -> Found:
    """Look for queries that answer a question as a person did.

    Parameters
    ----------
    question : str
    short : sequence of str
        The person's short answer.
    timeline : Timeline
    guided : bool
        Only queries whose result is of the kind that the question's first words ask for.
    """
    known = vocabulary(timeline.labels)
    taken = _apart(question, known)
    if taken is None:
        return Found((), "unread", 0, 0)
    read = _read(taken, known, timeline)
    matches: dict[str, tuple[Query, str]] = {}
    values = set()
    tried = 0
    for query in itertools.chain(read, candidates(taken, known)):
        key = json.dumps(query.told(), sort_keys=True)
        if key in matches:
            continue
        result = execute(query, timeline)
        if result.kind == "cannot" or (guided and not _fits(taken, query, result)):
            continue
        tried += 1
        values.add(str(result.value))
        judged = agrees(short, result, query, timeline)
        if judged:
            matches[key] = (query, judged)
    ranked = sorted(matches.values(), key=lambda match: match[1] != "exact")
    first = "unread"
    if read:
        result = execute(read[0], timeline)
        first = agrees(short, result, read[0], timeline) or "wrong"
    return Found(tuple(ranked), first, tried, len(values))


def reach(rows: Sequence[Mapping[str, Any]], seed: int = 0, progress: str = "") -> list[Reached]:
    """Search for the queries of people's questions, and again with somebody else's answers.

    Parameters
    ----------
    rows : sequence of mapping
        Charts with `user`, `question`, `short` and what `ask.data.tables.chart` takes.
    seed : int
        Of the draw of other answers: of the same scope (a day, or several) and the same first word.
    """
    from tqdm import tqdm

    rng = np.random.default_rng(seed)
    alike: dict[Any, list[int]] = {}
    for i, row in enumerate(rows):
        first = str(row["question"]).lower().split()[:1]
        alike.setdefault((len(row["days"]) == 1, *first), []).append(i)
    other = {i: j for group in alike.values()
             for i, j in zip(group, rng.permutation(group).tolist(), strict=True)}  # fmt: skip
    found = []
    for i, row in enumerate(tqdm(rows, progress, unit="question", disable=not progress)):
        timeline, question = chart(row), str(row["question"])
        mine = search(question, [*row["short"]], timeline)
        luck = search(question, [*rows[other[i]]["short"]], timeline)
        found.append(Reached(str(row["user"]), question, mine, luck.best))
    return found


def candidates(taken: Skeleton, known: Vocabulary) -> Iterator[Query]:
    """Yield every query that a template makes of what a question names."""
    times = taken.times
    labels = tuple(dict.fromkeys(label for slot in taken.slots for label in slot))
    for template in _templates():
        if ("among" in template) != bool(times.among):
            continue
        if template.get("compare") and "amount" not in template and not times.amount:
            continue
        for slots, rest in _divided(labels, template):
            for name in _MODIFIERS if rest else ("",):
                with suppress(CannotTell, ValidationError):
                    modifiers = [(name, rest)] if rest else []
                    yield fill(template, slots, modifiers, times, known)


def training_row(question: str, query: Query, labels: Sequence[str], source: str) -> dict[str, Any]:
    """Return a row of training data: question, labels of the data, query as JSON, where from."""
    told = json.dumps(query.told(), ensure_ascii=False, separators=(",", ":"))
    return {"question": question, "labels": list(labels), "query": told, "source": source}


def _apart(question: str, known: Vocabulary) -> Skeleton | None:
    try:
        return skeleton(question, known)
    except CannotTell:
        return None


def _read(taken: Skeleton, known: Vocabulary, timeline: Timeline) -> list[Query]:
    found = []
    for reading in readings(taken, len(timeline.days)):
        try:
            found.append(filled(reading, known))
        except (CannotTell, ValidationError):
            continue
    return found


def _fits(taken: Skeleton, query: Query, result: Result) -> bool:
    kinds = {result.kind, query.by} if result.kind == "names" else {result.kind}
    allowed = [_FITS[token] for token in taken.tokens if token in _FITS]
    if allowed:
        return any(kinds & several for several in allowed)
    if result.kind == "yesno":
        return True
    # "Did I walk or sit more?" asks for one of them, "were there days" for days.
    compared = taken.times.among or _JOINTS & {*taken.tokens}
    return result.kind == "names" and bool(compared)


@cache
def _templates() -> tuple[dict[str, Any], ...]:
    seen = {json.dumps(rule.query, sort_keys=True): dict(rule.query) for rule in rules()}
    return tuple(seen.values())


def _divided(labels: Labels, template: dict[str, Any]) -> Iterator[tuple[list[Labels], Labels]]:
    """Yield the ways to give labels to a template's slots, and what is left over."""
    used = {number for value in _values(template) for number in value}
    if 2 in used:
        for one, two in itertools.permutations(labels, 2):
            yield [(one,), (two,)], tuple(x for x in labels if x not in (one, two))
    elif 1 not in used:
        yield [], labels
    elif labels:
        yield [labels], ()
        for one in labels if len(labels) > 1 else ():
            yield [(one,)], tuple(x for x in labels if x != one)


def _values(template: dict[str, Any]) -> Iterator[list[int]]:
    """Yield the slots that each field of a template takes its labels from."""
    for name in ("labels", "during", "without", "when"):
        value = template.get(name, [])
        several = [*value.values()] if isinstance(value, dict) else value
        yield [x for x in (several if isinstance(several, list) else [several]) if x in (1, 2)]
