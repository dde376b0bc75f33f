"""Reads the answer out of whatever a language model wrote.

Models rank, quote, bold, hedge, count or ramble. An answer is taken only where the text commits
itself: a JSON field, a ranked list, a bare label, a sentence such as "the letter is B", a single
quoted label, or confidences. Everything else is unparsable and counted as such; above all the
failure the air-writing study reports, an average of the samples taken for an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from imuscribe.prompts.tables import any_of, tables

TOP = 5
_NEAR = 80
"""Characters beside a label that may change what it means."""


@dataclass(frozen=True)
class Answer:
    """What a text answered."""

    ranked: tuple[str, ...] = ()
    """Up to five labels, best first; empty when the text commits itself to none."""
    confidences: dict[str, float] = field(default_factory=dict)
    """Confidence of each label the text gives one for, 0 to 1."""

    @property
    def unparsable(self) -> bool:
        """Whether no answer could be read."""
        return not self.ranked


def parse_answer(text: str, labels: Sequence[str]) -> Answer:
    """Read the ranked answer from free text; never raises.

    Case matters only where two labels differ in nothing else (``a`` and ``A``); underscores in
    labels also match spaces and hyphens.

    Parameters
    ----------
    text : str
        What the model wrote, without the prompt.
    labels : sequence of str
        Every possible answer.

    Returns
    -------
    Answer
        The labels the text commits itself to, best first, and their confidences, 0 to 1.
    """
    return _parser(tuple(labels)).parse(text)


_SAID = tables("ask/answers.yaml")
_NOUN = any_of(_SAID["nouns"])
_OPEN, _CLOSE = r"[\"'“‘«(\[<]", r"[\"'”’»)\]>]"
_SUBJECT = rf"\b{any_of([*_SAID['subjects'], _NOUN])}{any_of(_SAID['links'])}"
_VERB = rf"\b{any_of(_SAID['verbs'])}(?:\s+{any_of(_SAID['objects'])})*"
_FILL = any_of([*_SAID["fillers"], _NOUN])
_DECISION = rf"(?:{_SUBJECT}|{_VERB}|\b{any_of(_SAID['likely'])})(?:\s*{_FILL}(?![\w]))*\s*"
_HEADER = re.compile(
    r"(?:top[\s-]*(?:\d|three|four|five)|ranked|ranking|guesses|candidates)[^\n:]{0,60}?"
    r"(?::|\b(?:is|are)\b|\n|$)",
    re.IGNORECASE,
)
_OPENED = re.compile(r"[{\[]")
_FINAL = re.compile(r"final(?:ly)?\b", re.IGNORECASE)
_NEGATED = re.compile(
    rf"{any_of(_SAID['negations'])}\s*(?:(?:an?|the)\s+)?(?:letter\s+)?$", re.IGNORECASE
)
_ANSWER_KEYS, _LIST_KEYS, _SCORE_KEYS = (
    _SAID[f"{kind}_keys"] for kind in ("answer", "list", "score")
)
_NUMBER = r"(\d+(?:\.\d+)?)\s*(%|percent\b)|(?<![\d.])(0?\.\d+|[01]\.\d+)(?![\d.%])"


class _Parser:
    """The patterns of one label set, compiled once."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.exact = {label: label for label in labels}
        self.loose: dict[str, str | None] = {}
        for label in labels:
            key = _loosen(label)
            self.loose[key] = None if key in self.loose else label
        longest_first = sorted((label for label in labels if label), key=len, reverse=True)
        body = "|".join(re.sub(r"_|\\-|\\ ", "[_ -]", re.escape(label)) for label in longest_first)
        # Not inside a word or a number, no possessive, no "A-shaped".
        name = rf"(?<![\w.%-])(?<!\w['’])(?P<name>{body or '(?!)'})(?!\w|['’]\w|-\w|[.,:/]\d)"
        self.name = re.compile(name, re.IGNORECASE)
        quoted = rf"(?P<open>{_OPEN})?{name}(?P<close>{_CLOSE})?"
        self.item = re.compile(rf"\s*(?:(?:the|{_NOUN})\s+)*{quoted}(?P<rest>.*)", re.I | re.S)
        self.decision = re.compile(_DECISION + quoted, re.IGNORECASE)
        self.quoted = re.compile(rf"{_OPEN}{name}{_CLOSE}", re.IGNORECASE)
        self.scored = re.compile(
            rf"{quoted}\s*(?:[:=(\[|–—-]|\b(?:has|with|at)\b)(?P<filler>[^\d\n%;]{{0,40}}?)"
            rf"(?:{_NUMBER})",
            re.IGNORECASE,
        )

    def parse(self, text: str) -> Answer:
        answer = self._json(text)
        if answer is not None:
            return answer
        text = self._plain(text)
        confidences = self._confidences(text)
        ranked = (
            self._ranking(text)
            or self._bare(text)
            or self._numbered(text, at_least=2)
            or self._decided(text, confidences)
            or self._only(text, self.quoted.finditer(text))
            # Labels that are words are mentioned by no accident.
            or self._only(text, (m for m in self.name.finditer(text) if len(m["name"]) > 2))
        )
        if ranked or len(confidences) > 1:
            ranked = [*ranked, *sorted(confidences, key=lambda label: -confidences[label])]
        best = tuple(dict.fromkeys(ranked))[:TOP]
        return Answer(best, confidences)

    def label(self, name: str) -> str | None:
        """Return the label that a piece of text spells, if exactly one does."""
        return self.exact.get(name) or self.loose.get(_loosen(name))

    def _plain(self, text: str) -> str:
        """Drop hidden thoughts and markup; turn bold or boxed labels into plain statements."""
        text = text.rpartition("</think>")[2]
        text = re.sub(r"\\boxed\{(?:\\text\{)?([^{}]*)\}*", r"\nAnswer: \1\n", text)
        text = re.sub(r"<answer>(.*?)</answer>", r"\nAnswer: \1\n", text, flags=re.I | re.S)
        text = re.sub(r"^(\s*)\*\s+", r"\1- ", text, flags=re.M)
        text = re.sub(r"(\*\*|__|`)([^*`\n]+?)\1", self._unmark, text)
        return re.sub(r"\*+|`+|^\s*#+\s*|\$", "", text, flags=re.M)

    def _unmark(self, match: re.Match[str]) -> str:
        inside = match.group(2)
        return f"'{inside}'" if self.label(inside.strip()) else inside

    def _json(self, text: str) -> Answer | None:
        """Read the last JSON object or list that holds an answer."""
        found = None
        position = 0
        while opened := _OPENED.search(text, position):
            try:
                value, position = json.JSONDecoder().raw_decode(text, opened.start())
            except (ValueError, RecursionError):
                position = opened.end()
                continue
            found = self._from_value(value) or found
        return found

    def _from_value(self, value: Any) -> Answer | None:
        ranked: list[str] = []
        confidences: dict[str, float] = {}
        if isinstance(value, dict):
            fields = {str(key).strip().casefold().replace(" ", "_"): v for key, v in value.items()}
            for key in _ANSWER_KEYS:
                ranked += self._names([fields[key]], confidences, fields) if key in fields else []
            for key in _LIST_KEYS:
                listed = fields.get(key)
                ranked += self._names(listed, confidences) if isinstance(listed, list) else []
            scores = {self.label(str(key)): _fraction(v) for key, v in value.items()}
            given = {k: v for k, v in scores.items() if k is not None and v is not None}
            confidences |= given
            ranked += sorted(given, key=lambda label: -given[label])
        elif isinstance(value, list) and not all(isinstance(v, int | float) for v in value):
            ranked = self._names(value, confidences)
        best = tuple(dict.fromkeys(ranked))[:TOP]
        return Answer(best, confidences) if best else None

    def _names(
        self,
        values: Sequence[Any],
        confidences: dict[str, float],
        beside: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Return the labels in a JSON list, noting the confidences written beside them."""
        names = []
        for value in values:
            fields = value if isinstance(value, dict) else {**(beside or {}), "answer": value}
            name = next((fields[key] for key in _ANSWER_KEYS if key in fields), None)
            if name is not None and (label := self.label(str(name).strip())):
                names.append(label)
                score = next((_fraction(fields[k]) for k in _SCORE_KEYS if k in fields), None)
                if score is not None:
                    confidences[label] = score
        return names

    def _confidences(self, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for match in self.scored.finditer(text):
            percent, _, decimal = match.groups()[-3:]
            value = float(percent) / 100 if percent else float(decimal)
            other = any(m["name"] in self.exact for m in self.name.finditer(match["filler"]))
            if value <= 1 and not other:
                label = self.exact.get(match["name"]) or self.label(match["name"])
                if label is not None:
                    found[label] = value
        return found

    def _ranking(self, text: str) -> list[str]:
        """Read the list after the last heading that has one; a later final word goes first."""
        for header in reversed(list(_HEADER.finditer(text))):
            tail = text[header.end() :]
            ranked = self._numbered(tail, at_least=1) or self._listed(tail)
            if ranked:
                final = _FINAL.search(tail)
                last = self._decided(tail[final.start() :], {}) if final else []
                return [*last, *ranked]
        return []

    def _numbered(self, text: str, at_least: int) -> list[str]:
        """Read the last run of items numbered from 1."""
        run: list[str] = []
        best: list[str] = []
        for match in re.finditer(r"(?:^|(?<=\s))#?(\d{1,2})[.):](?=\s)", text):
            label = self._item(text[match.end() : match.end() + _NEAR].partition("\n")[0])
            if label is None:
                continue
            number = int(match.group(1))
            run = [label] if number == 1 else [*run, label] if number == len(run) + 1 else run
            if len(run) >= at_least:
                best = run
        return best

    def _listed(self, text: str) -> list[str]:
        """Read bullets, or the items of the first line, up to the first that is no label."""
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            return []
        bullet = re.compile(r"\s*[-•–]\s+")
        if bullet.match(lines[0]):
            items = [bullet.sub("", line, count=1) for line in lines if bullet.match(line)]
        else:
            items = re.split(r"\s*[,;>|→]\s*(?:and\b|then\b)?|\s+(?:and|then)\s+", lines[0])
        ranked: list[str] = []
        for item in items:
            label = self._item(item)
            if label is None:
                break
            ranked.append(label)
        return ranked

    def _item(self, item: str) -> str | None:
        """Return the label an item opens with, unless prose follows it (the article "A")."""
        match = self.item.match(item)
        if match is None or re.match(r"\s+[^\W\d]|\s*/", match["rest"]):
            return None
        return self.label(match["name"])

    def _bare(self, text: str) -> list[str]:
        """Read a first line that is a label and nothing else."""
        line = text.strip().partition("\n")[0].strip()
        match = re.fullmatch(rf"{_OPEN}*(.*?){_CLOSE}*\s*[.!,;]*{_CLOSE}*", line)
        label = self.label(match[1].strip()) if match else None
        return [label] if label is not None else []

    def _decided(self, text: str, confidences: Mapping[str, float]) -> list[str]:
        """Read the last sentence that commits itself to a label."""
        found = (self._committed(text, match) for match in self.decision.finditer(text))
        decisions = [label for label in found if label is not None]
        if len(set(decisions)) > 1 and all(label in confidences for label in decisions):
            # A field for every candidate, each with its confidence, is a table and no decision.
            return sorted(set(decisions), key=lambda label: -confidences[label])[:1]
        return decisions[-1:]

    def _committed(self, text: str, match: re.Match[str]) -> str | None:
        rest = text[match.end() : match.end() + _NEAR]
        if re.match(r"\s*(?:or\b|/|%|to\b|\?)", rest) or _is_negated(text, match):
            return None
        marked = match["open"] or match["close"]
        article = match["name"].casefold() in ("a", "i") and not marked
        if article and not re.match(
            r"\s*(?:$|[.,;:!)\]\n–—(]|-\s|(?:because|since|with|as|based|due|given|and)\b)", rest
        ):
            return None
        return self.label(match["name"])

    def _only(self, text: str, matches: Iterator[re.Match[str]]) -> list[str]:
        """Read the only label there is, unless the text speaks against it."""
        found = {self.label(match["name"]): _is_negated(text, match) for match in matches}
        if len(found) != 1:
            return []
        label, negated = next(iter(found.items()))
        return [] if label is None or negated else [label]


_parser = lru_cache(maxsize=64)(_Parser)


def _is_negated(text: str, match: re.Match[str]) -> bool:
    """Whether the words before a label deny it or offer it as one of several."""
    start = match.start("name")
    before = text[max(0, start - _NEAR) : start].rstrip("\"'“‘«([< ")
    return _NEGATED.search(before) is not None


def _loosen(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name).casefold()


def _fraction(value: Any) -> float | None:
    """Read 0.4, 40 or "40 %" as 0.4; None for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", str(value))
    if match is None or isinstance(value, bool):
        return None
    number = float(match.group(1))
    number = number / 100 if match.group(2) or number > 1 else number
    return number if number <= 1 else None
