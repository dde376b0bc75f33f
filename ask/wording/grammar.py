"""The table of wordings, in both directions: questions are drawn from it, and understood by it.

A question becomes a skeleton: heads such as ``<howlong>``, slots for labels, days and amounts, and
the stems that are left when words that change nothing are dropped. It is understood if a wording
has the same skeleton; a word that is neither known nor a filler stays in it, so nothing is ever
silently ignored.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from imuscribe.ask.query import Query
from imuscribe.ask.result import CannotTell
from imuscribe.ask.wording.mentions import (
    Vocabulary,
    named,
    plain,
    slotted,
    stem,
    table,
    vocabulary,
    words_of,
)
from imuscribe.ask.wording.times import AMOUNT, COUNT, DAYS, OTHER_PARTS, Times, find_times, spelt

_ASKING = frozenset(
    f"<{head}>"
    for head in (
        *(
            "howlong",
            "howmany",
            "howoften",
            "howmanydays",
            "howmanyactivities",
            "whichday",
            "share",
        ),
        *("whattime", "whatpart", "whathour", "when", "who", "where", "what"),
    )
)
"""Heads of questions that are not answered by yes or no."""
_AUXILIARIES = frozenset(map(stem, ("did", "was", "have", "can", "could")))
_MODIFIERS = {"<while>": "during", "<without>": "without", "before": "before", "after": "after"}


@dataclass(frozen=True)
class Rule:
    """What some wordings ask."""

    query: Mapping[str, Any]
    """Fields of the query; numbers are slots, groups of labels go by name."""
    wordings: tuple[str, ...]
    days: str = ""
    """``one`` or ``several``: only of data that covers so many days."""


@dataclass(frozen=True)
class Skeleton:
    """A question without what fills its slots."""

    tokens: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]
    """Labels, in the order of the slots."""
    times: Times


@dataclass(frozen=True)
class Reading:
    """One way to understand a question."""

    rule: Rule
    skeleton: Skeleton
    order: tuple[int, ...]
    """Slot of the question for each slot of the rule."""
    modifiers: tuple[tuple[str, int], ...] = ()
    """Field and slot."""


@cache
def rules() -> tuple[Rule, ...]:
    """Return the table of wordings."""
    return tuple(
        Rule(row["query"], tuple(row["say"]), row.get("days", ""))
        for row in table("wordings.yaml")["rules"]
    )


def heads() -> Mapping[str, Sequence[str]]:
    """Return the phrases of each head."""
    found: Mapping[str, Sequence[str]] = table("wordings.yaml")["heads"]
    return found


def skeleton(question: str, known: Vocabulary) -> Skeleton:
    """Take a question apart; `CannotTell` where a name or a time in it isn't clear."""
    text = " ".join(plain(question).split())
    aside = {i: label for i, label in enumerate(known.labels) if _like_time(label)}
    for i, label in sorted(aside.items(), key=lambda item: -len(item[1])):
        text = re.sub(rf"(?<!\w){re.escape(plain(label))}(?!\w)", f"<label{i}>", text)
    times = find_times(spelt(text))
    words = words_of(times.text)
    fillers, joints = _fillers()
    stems = [x if x[0] == "<" else stem(x) for x in words if x not in joints]
    heard = _headed(stems, known)
    names = {f"<label{i}>": (label,) for i, label in aside.items()}
    found = [names.get(x, x) if isinstance(x, str) else x for x in named(heard, known)]
    kept = [x for x in found if x == "," or x not in fillers]
    left, slots = slotted(kept)
    left = [x for x in left if x != ","]
    if not _ASKING & {*left} and _AUXILIARIES & {*stems}:
        left.insert(0, "yn")
    return Skeleton(tuple(left), tuple(slots), times)


def readings(found: Skeleton, days: int) -> list[Reading]:
    """Return every way to understand a skeleton, about data of so many days.

    "while", "without", "before" and "after" a label are part of the wording where the table has
    it so; otherwise they narrow down the time. A label right after another one narrows it too.
    """
    direct = _look_up(found, found.tokens, range(len(found.slots)), (), days)
    if direct:
        return direct
    for tokens, slots, modifiers in _without_modifiers(found.tokens):
        narrowed = _look_up(found, tokens, slots, modifiers, days)
        if narrowed:
            return narrowed
    return []


def filled(reading: Reading, known: Vocabulary) -> Query:
    """Return the query of a reading; `CannotTell` where the data has no label of a group."""
    taken = reading.skeleton
    modifiers = [(name, taken.slots[i]) for name, i in reading.modifiers]
    slots = [taken.slots[i] for i in reading.order]
    return fill(reading.rule.query, slots, modifiers, taken.times, known)


def fill(
    template: Mapping[str, Any],
    slots: Sequence[tuple[str, ...]],
    modifiers: Sequence[tuple[str, tuple[str, ...]]],
    times: Times,
    known: Vocabulary,
) -> Query:
    """Return a rule's query with its slots filled.

    Parameters
    ----------
    template : mapping
        As `Rule.query`.
    slots : sequence of tuple of str
        Labels of slot 1, 2, …
    modifiers : sequence of (str, tuple of str)
        ``during``, ``without``, ``before`` or ``after``, and its labels.
    times, known : Times, Vocabulary

    Raises
    ------
    CannotTell
        If the data has no label of a group.
    """

    def labels(value: Any) -> tuple[str, ...]:
        if isinstance(value, int):
            return slots[value - 1]
        if isinstance(value, str):
            group = known.group(value)
            if not group:
                raise CannotTell(f"no label of this data is a {value}: {', '.join(known.labels)}")
            return group[:1] if value == "sleep" else group
        return tuple(name for item in value for name in labels(item))

    fields = dict(template)
    for name in ("labels", "during", "without"):
        if name in fields:
            fields[name] = labels(fields[name])
    if "expect" in fields:
        fields["expect"] = labels(fields["expect"])[0]
    if "among" in fields:
        fields["among"] = times.among
    if fields.get("compare") and "amount" not in fields:
        fields["amount"] = times.amount
    when = times.when.model_dump(exclude_defaults=True)
    when |= {name: labels(value)[0] for name, value in dict(fields.get("when", {})).items()}
    for name, narrowing in modifiers:
        if name in ("before", "after"):
            when[name] = narrowing[0]
        else:
            fields[name] = (*fields.get(name, ()), *narrowing)
    return Query.model_validate({**fields, "when": when})


def expansions(wording: str) -> Iterator[str]:
    """Yield every form of a wording with ``(a|b)`` in it."""
    parts = re.split(r"(\([^()]*\))", wording)
    options = [part[1:-1].split("|") if part[:1] == "(" else [part] for part in parts]
    for choice in itertools.product(*options):
        yield " ".join("".join(choice).split())


@cache
def _index() -> dict[tuple[str, ...], list[tuple[Rule, tuple[int, ...]]]]:
    """Return the rules of each skeleton, with the slot of the wording for each of the rule's."""
    known = vocabulary(("qqa", "qqb", "qqc"))
    found: dict[tuple[str, ...], list[tuple[Rule, tuple[int, ...]]]] = {}
    for rule in rules():
        for wording in rule.wordings:
            for form in expansions(wording):
                text = re.sub(r"\{1:(or|and)\}", r"qqa \1 qqc", form)
                text = re.sub(r"\{1:\w+\}", "qqa", text)
                text = re.sub(r"\{2:\w+\}", "qqb", text)
                for slot, token in (
                    ("D", DAYS), ("P", OTHER_PARTS), ("amount", AMOUNT), ("count", COUNT)
                ):  # fmt: skip
                    text = text.replace(f"{{{slot}}}", token)
                made = skeleton(text, known)
                firsts = [names[0] for names in made.slots]
                order = tuple(firsts.index(name) for name in ("qqa", "qqb") if name in firsts)
                rows = found.setdefault(made.tokens, [])
                if (rule, order) not in rows:
                    rows.append((rule, order))
    return found


def _look_up(
    found: Skeleton,
    tokens: Sequence[str],
    slots: Sequence[int],
    modifiers: tuple[tuple[str, int], ...],
    days: int,
) -> list[Reading]:
    wanted = "one" if days == 1 else "several"
    return [
        Reading(rule, found, tuple(slots[i] for i in order), modifiers)
        for rule, order in _index().get(tuple(tokens), ())
        if rule.days in ("", wanted)
    ]


def _without_modifiers(
    tokens: Sequence[str],
) -> Iterator[tuple[tuple[str, ...], list[int], tuple[tuple[str, int], ...]]]:
    """Yield the skeleton with modifiers taken out: tokens, slots that stay, fields and slots."""
    left: list[str] = []
    slots: list[int] = []
    modifiers: list[tuple[str, int]] = []
    slot = 0
    for token in tokens:
        if token not in ("L", "LorL", "LandL"):
            left.append(token)
            continue
        before = left[-1] if left else ""
        if before in _MODIFIERS:
            left.pop()
            modifiers.append((_MODIFIERS[before], slot))
        elif before == "L" and token == "L":
            modifiers.append(("during", slot))
        else:
            left.append(token)
            slots.append(slot)
        slot += 1
    if modifiers:
        yield tuple(left), slots, tuple(modifiers)


@cache
def _like_time(label: str) -> bool:
    """Whether a label, such as "Night shift", would be taken for a time."""
    text = " ".join(plain(label).split())
    try:
        return find_times(spelt(text)).text != text
    except CannotTell:
        return True


@cache
def _fillers() -> tuple[frozenset[str], frozenset[str]]:
    words = table("lexicon.yaml")
    fillers = {stem(word) for word in words["drop"]} | {",", "<week>", "<day>"}
    return frozenset(fillers), frozenset(words["joints"])


@cache
def _head_phrases() -> dict[tuple[str, ...], str]:
    _, joints = _fillers()
    found: dict[tuple[str, ...], str] = {}
    for head, phrases in heads().items():
        for phrase in phrases:
            stems = tuple(stem(word) for word in words_of(phrase) if word not in joints)
            found.setdefault(stems, f"<{head}>")
    return found


def _headed(stems: Sequence[str], known: Vocabulary) -> list[str]:
    """Put heads where their phrases stand, the longest first; names of labels stay."""
    phrases = _head_phrases()
    found: list[str] = []
    at = 0
    while at < len(stems):
        named = known.find(stems, at)
        ends = range(min(len(stems), at + 8), at, -1)
        end = next((e for e in ends if tuple(stems[at:e]) in phrases), None)
        if named is not None and (end is None or named[0] >= end):
            found += stems[at : named[0]]
            at = named[0]
        elif end is not None:
            found.append(phrases[tuple(stems[at:end])])
            at = end
        else:
            found.append(stems[at])
            at += 1
    return found


@cache
def known_stems() -> frozenset[str]:
    """Return every token that a skeleton of the table may hold, and those that narrow one down."""
    tokens = {token for skeleton in _index() for token in skeleton}
    return frozenset(tokens | {*_MODIFIERS})
