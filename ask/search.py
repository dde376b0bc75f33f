"""Which queries answer a question as a person did: execution-guided search, and training rows of it.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from imuscribe.ask.execute import execute
from imuscribe.ask.grammar import Skeleton, filled, readings, rules, skeleton
from imuscribe.ask.mentions import Vocabulary, vocabulary
from imuscribe.ask.people import agrees
from imuscribe.ask.query import Query
from imuscribe.ask.result import CannotTell, Result
from imuscribe.ask.timeline import Timeline

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


def candidates(taken: Skeleton, known: Vocabulary) -> Iterator[Query]:
    """Yield every query that a template makes of what a question names."""
    slots, times = taken.slots, taken.times
    when = times.when.model_dump(exclude_defaults=True)
    labels = tuple(dict.fromkeys(label for slot in slots for label in slot))
    for template in _templates():
        if ("among" in template) != bool(times.among):
            continue
        if template.get("compare") and "amount" not in template and not times.amount:
            continue
        for one, two, rest in _divided(labels, template):
            for modifier in _modified(rest):
                query = _fill(template, one, two, modifier, taken, known, when)
                if query is not None:
                    yield query


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


Labels = tuple[str, ...]


def _divided(labels: Labels, template: dict[str, Any]) -> Iterator[tuple[Labels, Labels, Labels]]:
    """Yield the ways to give labels to the template's slots: first, second, what is left over."""
    text = json.dumps(template)
    wants_two = ("[1, 2]" in text or ": 2" in text) and len(labels) >= 2
    if "[1, 2]" in text or '": 2' in text:
        if not wants_two:
            return
        for one, two in itertools.permutations(labels, 2):
            yield (one,), (two,), tuple(x for x in labels if x not in (one, two))
    elif '": 1' in text.replace('"amount": 1', ""):
        if not labels:
            return
        yield labels, (), ()
        if len(labels) > 1:
            for one in labels:
                yield (one,), (), tuple(x for x in labels if x != one)
    else:
        yield (), (), labels


def _modified(rest: Labels) -> Iterator[dict[str, Labels]]:
    """Yield what left-over labels may narrow down."""
    if not rest:
        yield {}
    else:
        for name in ("during", "without", "before", "after"):
            yield {name: rest}


def _fill(
    template: dict[str, Any],
    one: Labels,
    two: Labels,
    modifier: dict[str, Labels],
    taken: Skeleton,
    known: Vocabulary,
    when: dict[str, Any],
) -> Query | None:
    fields, slot = dict(template), {1: one, 2: two}
    try:
        for name in ("labels", "during", "without"):
            value = fields.get(name)
            if isinstance(value, int):
                fields[name] = slot[value]
            elif isinstance(value, list):
                fields[name] = tuple(x for i in value for x in slot[i])
            elif isinstance(value, str):
                group = known.group(value)
                if not group:
                    return None
                fields[name] = group[:1] if value == "sleep" else group
        if "expect" in fields:
            fields["expect"] = slot[fields["expect"]][0]
        if "among" in fields:
            fields["among"] = taken.times.among
        if fields.get("compare") and "amount" not in fields:
            fields["amount"] = taken.times.amount
        limits = dict(when)
        for name, i in dict(fields.get("when", {})).items():
            limits[name] = slot[i][0]
        for name, labels in modifier.items():
            if name in ("before", "after"):
                limits[name] = labels[0]
            else:
                fields[name] = (*fields.get(name, ()), *labels)
        return Query.model_validate({**fields, "when": limits})
    except (ValidationError, IndexError):
        return None
