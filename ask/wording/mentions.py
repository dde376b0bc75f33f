"""Which labels a question names, by what people call them.

Names are compared by stems, articles and prepositions aside: "walked" is the label Walking, "my
phone" the label Phone in hand. A data set's own names always win over familiar ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from imuscribe.ask.result import CannotTell

Stems = tuple[str, ...]
_WORD = re.compile(r"<\w+>|\w+(?:['’-]\w+)*|,")
_LONGEST = 6
"""Stems that a label may be called by."""


@cache
def table(name: str) -> dict[str, Any]:
    """Return the words of a YAML file beside this one."""
    text = resources.files("imuscribe.ask.wording").joinpath(name).read_text("utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return what a verb's or noun's forms share: "walks", "walked" and "walking" are ``walk``."""
    if word in ("times", "days"):  # most times is often, most time is long
        return word
    word = word.removesuffix("'s").removesuffix("'")
    word = table("lexicon.yaml")["irregular"].get(word, word)
    if re.search(r"(s|x|z|ch|sh)es$", word) and len(word) > 4:
        word = word[:-2]
    elif re.search(r"[^siu]s$", word) and len(word) > 3:
        word = word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    found = re.fullmatch(r"(.*[aeiouy].*?)ing|(..+[^e])ed", word)
    if found and len(base := found[1] or found[2]) > 1:
        word = base[:-1] if re.search(r"([^aeiouylsz])\1$", base) else base
    return word[:-1] if word.endswith("e") and len(word) > 2 else word


def plain(text: str) -> str:
    """Return a text in lower case, contractions written out."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"\bcan't\b", "can not", text)
    text = re.sub(r"\bat (least|most)\b(?= \w+ (hour|hr|min|sec|time|day|half))", r"at\1", text)
    text = re.sub(r"n't\b", " not", text)
    return re.sub(r"\b(\w+)'(m|re|ve|d|ll)\b", r"\1", text)


def words_of(text: str) -> list[str]:
    """Return the words of a text as `plain` returns it, commas and tokens included."""
    return _WORD.findall(plain(text))


def stems_of(text: str) -> Stems:
    """Return the stems of a text; articles and prepositions only if there is nothing else."""
    words = words_of(text)
    joints = {*table("lexicon.yaml")["joints"]}
    return tuple(stem(word) for word in words if word not in joints) or tuple(map(stem, words))


@dataclass(frozen=True)
class Vocabulary:
    """What labels may be called: stems → labels, several if it isn't clear.

    Familiar labels that a data set lacks are known too, so that a question about one says so.
    """

    labels: tuple[str, ...]
    names: Mapping[Stems, tuple[str, ...]]

    def find(self, stems: Sequence[str], at: int) -> tuple[int, tuple[str, ...]] | None:
        """Return the longest name that begins at a stem: where it ends, and whose it is."""
        for end in range(min(len(stems), at + _LONGEST), at, -1):
            if (labels := self.names.get(tuple(stems[at:end]))) is not None:
                return end, labels
        return None

    def group(self, name: str) -> tuple[str, ...]:
        """Return the labels of a group: ``place``, ``company``, ``sleep`` or ``activity``."""
        groups = table("lexicon.yaml")["groups"]
        if name == "activity":  # what is neither a place nor company, where there is any
            aside = {*self.group("place"), *self.group("company")}
            return tuple(x for x in self.labels if x not in aside) or self.labels
        members = [stems_of(member) for member in groups[name]]
        found = (label for label in self.labels if stems_of(label) in members)
        return tuple(sorted(found, key=lambda label: members.index(stems_of(label))))


@lru_cache(maxsize=500)
def vocabulary(labels: tuple[str, ...]) -> Vocabulary:
    """Return what labels may be called: their own names, parts of these, and familiar names."""
    own: dict[Stems, dict[str, None]] = {}
    other: dict[Stems, dict[str, None]] = {}
    families = [[stems_of(name) for name in names] for names in table("lexicon.yaml")["same"]]
    for label in labels:
        mine = [stems_of(label), *(stems_of(p) for p in re.split(r"\s[-–]\s|[/,;]", label) if p)]
        own.setdefault(mine[0], {})[label] = None
        for name in mine[1:]:
            other.setdefault(name, {})[label] = None
        for family in families:
            if mine[0] in family:
                for name in family:
                    other.setdefault(name, {})[label] = None
    lacking: dict[Stems, dict[str, None]] = {}
    for kind, family in zip(table("lexicon.yaml")["same"], families, strict=True):
        for name in family:
            lacking.setdefault(name, {})[kind[0].capitalize()] = None
    names = lacking | other | own  # a label's whole name is never another one's
    return Vocabulary(labels, {name: tuple(found) for name, found in names.items() if name})


Token = str | tuple[str, ...]
"""A stem, or the labels that a name stands for."""


def named(stems: Sequence[str], known: Vocabulary) -> list[Token]:
    """Put labels where stems name them; `CannotTell` if a name may be one of several."""
    found: list[Token] = []
    at = 0
    while at < len(stems):
        name = known.find(stems, at)
        if name is None:
            found.append(stems[at])
            at += 1
            continue
        end, labels = name
        if len(labels) > 1:
            called = " ".join(stems[at:end])
            raise CannotTell(f"'{called}' may be {' or '.join(map(repr, labels))}: which one?")
        found.append(labels)
        at = end
    return found


def slotted(found: Sequence[Token]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Put slots in place of labels.

    Returns
    -------
    tokens : list of str
        ``L`` for a label, ``LorL`` and ``LandL`` for lists of them; every other stem as it is.
    slots : list of tuple of str
        The labels of each slot, in order.
    """
    tokens: list[str] = []
    slots: list[tuple[str, ...]] = []
    at = 0
    while at < len(found):
        token = found[at]
        at += 1
        if isinstance(token, str):
            tokens.append(token)
            continue
        names, joint = [*token], ""
        while (more := _listed(found, at)) is not None:
            joint = joint if more[0] == "," else more[0]
            names += more[1]
            at = more[2]
        slots.append(tuple(dict.fromkeys(names)))
        tokens.append("L" if len(slots[-1]) == 1 else f"L{joint or 'and'}L")
    return tokens, slots


def _listed(found: Sequence[Token], at: int) -> tuple[str, tuple[str, ...], int] | None:
    """Return how a list goes on: its joint, the next labels, and where they end."""
    joint, i = "", at
    while i < len(found) and found[i] in (",", "or", "and"):
        joint = str(found[i]) if found[i] != "," or not joint else joint
        i += 1
    if not joint or i == len(found):
        return None
    after = found[i]
    return (joint, after, i + 1) if isinstance(after, tuple) else None
