"""Questions for training, drawn from the table of wordings, each with its query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from imuscribe.ask.query import PARTS, WEEKDAYS, Query
from imuscribe.ask.result import CannotTell
from imuscribe.ask.timeline import Timeline
from imuscribe.ask.wording.grammar import Rule, expansions, filled, heads, readings, rules, skeleton
from imuscribe.ask.wording.mentions import Vocabulary, stem, vocabulary


def questions(timeline: Timeline, n: int, seed: int = 0) -> Iterator[tuple[str, Query]]:
    """Yield n questions about a timeline with their queries.

    Labels, days and wordings are drawn anew each time, all templates alike. A wording that would
    be understood in two ways, or not at all with these labels, is drawn again.

    Parameters
    ----------
    timeline : Timeline
        Its labels and days are asked about; nothing else of it is used.
    n : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    known = vocabulary(timeline.labels)
    wanted = "one" if len(timeline.days) == 1 else "several"
    usable = [rule for rule in rules() if rule.days in ("", wanted)]
    made = 0
    for _ in range(100 * n):
        if made == n:
            return
        text = written(usable[rng.integers(len(usable))], timeline, known, rng)
        query = _understood(text, timeline, known) if text else None
        if query is not None:
            made += 1
            yield text, query


def written(rule: Rule, timeline: Timeline, known: Vocabulary, rng: np.random.Generator) -> str:
    """Return a question of a rule, or nothing if the timeline has too few labels or days for it."""
    wording = str(_one(rng, rule.wordings))
    text = str(_one(rng, [*expansions(wording)]))
    labels = [str(x) for x in rng.permutation(list(timeline.labels))]
    if ("{2:" in text and len(labels) < 2) or (
        re.search(r"\{1:(or|and)\}", text) and len(labels) < 2
    ):
        return ""
    text = re.sub(r"<(\w+)>", lambda m: str(_one(rng, heads()[m[1]])), text)
    text = re.sub(r"\{1:(or|and)\}", lambda m: f"{_ing(labels[0])} {m[1]} {_ing(labels[-1])}", text)
    for slot, label in (("1", labels[0]), ("2", labels[-1])):
        text = text.replace(f"{{{slot}:ing}}", _ing(label)).replace(f"{{{slot}:do}}", _do(label))
    days = _days(timeline)
    if "{D}" in text:
        if len(days) < 2:
            return ""
        first, second = rng.choice(len(days), 2, replace=False)
        text = text.replace("{D}", f"on {days[first]} or {days[second]}")
    if "{P}" in text:
        first, second = rng.choice(len(PARTS), 2, replace=False)
        text = text.replace("{P}", f"in the {[*PARTS][first]} or {[*PARTS][second]}")
    minutes = int(rng.integers(1, 36)) * 5
    amount = f"{minutes} minutes" if minutes % 60 else f"{minutes // 60} hours"
    text = text.replace("{amount}", amount).replace("{count}", f"{rng.integers(2, 7)} times")
    text = _with_time(text, days, "{D}" in wording, timeline, rng)
    return text[0].upper() + text[1:] + "?"


def _with_time(
    text: str, days: Sequence[str], compared: bool, timeline: Timeline, rng: np.random.Generator
) -> str:
    """Add a day, a part of it or clock times, or nothing."""
    hour = int(rng.integers(6, 20))
    options = ["", "", "in the morning", "in the afternoon", "in the evening", "at night"]
    options += [f"before {hour % 12 or 12} {'AM' if hour < 12 else 'PM'}", f"after {hour}:30"]
    options += [f"between {hour}:00 and {hour + 3}:00"]
    if not timeline.dated:
        return text
    if days and not compared:
        day = str(_one(rng, days))
        options += [f"on {day}", f"on {day}", f"on {day} morning", f"on {day} after {hour}:15"]
    added = str(_one(rng, options))
    if added and rng.random() < 0.25:
        return f"{added}, {text}"
    return f"{text} {added}".strip()


def _understood(text: str, timeline: Timeline, known: Vocabulary) -> Query | None:
    try:
        found = [filled(r, known) for r in readings(skeleton(text, known), len(timeline.days))]
    except (CannotTell, ValidationError):
        return None
    return found[0] if found and all(query == found[0] for query in found) else None


def _days(timeline: Timeline) -> list[str]:
    """Return how days may be called so that it is clear which is meant."""
    if not timeline.dated or len(timeline.days) < 2:
        return []
    named = []
    for day in timeline.days:
        weekday = WEEKDAYS[day.weekday()]
        alone = sum(other.weekday() == day.weekday() for other in timeline.days) == 1
        named += [weekday] if alone else []
        named += [day.isoformat(), f"{day:%B} {day.day}"]
    return named


def _one(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def _ing(label: str) -> str:
    """Return a label as it stands after "was I" or "did I spend time"."""
    name = label if label.isupper() else label[:1].lower() + label[1:]
    first = name.split()[0] if name.split() else name
    if first.endswith("ing") or first in ("at", "in", "on", "with", "outside", "indoors"):
        return name
    return f"doing {name}"


def _do(label: str) -> str:
    """Return a label as it stands after "did I"."""
    name = _ing(label)
    first, _, rest = name.partition(" ")
    if not first.endswith("ing"):
        return f"spend time {name}"
    if first == "doing":
        return f"do {rest}"
    base = first.removesuffix("ing")
    endings = [base, f"{base}e", base[:-1], f"{base[:-1]}ie"]
    if re.search(r"([bdgmnprt])\1$", base):
        endings = [base[:-1], base]
    elif re.search(r"(cl|iz|is|iv|v|at|c|ok)$", base) and base not in ("cook", "eat", "look"):
        endings = [f"{base}e", base]
    verb = next((x for x in endings if len(x) > 1 and stem(x) == stem(first)), base)
    return f"{verb} {rest}".strip()
