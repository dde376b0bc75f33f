"""A window put into words under seven categories, every number with its unit and sensor.

After LanHAR (arXiv 2410.00003), whose text encoder reads such interpretations. They name no
activity: what they say must follow from the signal. `RuleInterpreter` needs no language model;
`prompts.teacher.interpret` has one that asks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from imuscribe.prompts.tables import tables
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.statistics import Statistic, statistics
from imuscribe.signals.recording import STANDARD_GRAVITY, Recording

WORDINGS = "captions/interpret.yaml"
LABELS = "captions/activities.yaml"
CATEGORIES: tuple[str, ...] = tuple(tables(WORDINGS)["categories"].values())
"""What the seven parts of an interpretation begin with, in their order."""
_UPRIGHT = 0.8
"""Share of gravity on an axis from which the device hangs along it."""

_BRACKETS = re.compile(r"\s*\([^()]*\)|\s*\[(?:ACC|GYRO|SYNC)\]")
_FIGURES = re.compile(r"[-+−]?\b\d+(?:\.\d+)?(?:\s?(?:m/s[²³]|rad/s|steps/min|Hz|rad|s|°))?(?!\w)")


@dataclass(frozen=True)
class Interpretation:
    """The text of one window, and what became of its check."""

    text: str
    claims: int = 0
    """Numbers found in it."""
    supported: int = 0
    """Numbers that the window bears out."""
    errors: tuple[str, ...] = ()
    """What is wrong, one sentence each."""
    history: tuple[int, ...] = ()
    """Errors of each version, the ones that were not taken included."""

    @property
    def parts(self) -> dict[str, str]:
        """The text by category."""
        return parts_of(self.text)


class Interpreter(Protocol):
    """Whoever puts windows into words."""

    name: str

    def interpret(self, rec: Recording) -> Interpretation:
        """Put a window into words, or raise `prompts.teacher.chat.Unanswered`."""
        ...


@dataclass
class RuleInterpreter:
    """Words by fixed bounds; every number is computed.

    With `site` it says where the device is worn, and chooses words by what is usual there.
    """

    site: bool = False
    name: str = field(default="rules", init=False)

    def interpret(self, rec: Recording) -> Interpretation:
        """Put a window into words; InputError as `signals.motion.statistics.statistics`."""
        return Interpretation(described(statistics(rec), rec.placement if self.site else ""))


def described(found: Mapping[str, Statistic], site: str = "") -> str:
    """Return the seven parts of an interpretation, a line each.

    With `site`, a place of the body such as ``"pocket"``, it is named and counts.
    """
    said, words = tables(WORDINGS)["sentences"], _words(found, levels_at(site))
    figures = {name: written(name, one) for name, one in found.items()} | words
    if site:
        figures["site"] = site
    rhythmic = "pace" in words and "purity" in words
    lines: dict[str, list[str]] = {
        "strength": ["strength"],
        "direction": ["direction" if "direction" in words else "no direction", "rotation"],
        "rhythm": ["rhythm", "intervals"] if rhythmic else ["no rhythm"],
        "waveform": ["waveform"] if rhythmic else ["no waveform"],
        "posture": ["posture", "site"],
        "synchrony": [_synchrony(found, rhythmic and "timing" in words)],
        "impact": ["impact" if rhythmic and "impact" in words else "no impact"],
    }
    text = []
    for category, title in tables(WORDINGS)["categories"].items():
        filled = (_filled(said[name], figures) for name in lines[category])
        text.append(f"{title}: {' '.join(filter(None, filled))}")
    return "\n".join(text)


def parts_of(text: str) -> dict[str, str]:
    """Return an interpretation by category; those that are not there are left out."""
    names = "|".join(map(re.escape, CATEGORIES))
    mark = re.compile(rf"^[\s\d.*#-]*({names})\b[\s*]*[:–-][\s*]*", re.MULTILINE | re.IGNORECASE)
    places = [*mark.finditer(text)]
    ends = [*(place.start() for place in places[1:]), len(text)]
    found: dict[str, str] = {}
    for place, end in zip(places, ends, strict=False):
        title = next(c for c in CATEGORIES if c.lower() == place[1].lower())
        if body := " ".join(text[place.end() : end].split()):
            found.setdefault(title, body)
    return found


def without_figures(text: str) -> str:
    """Return an interpretation in words alone, line by line."""
    plain = (
        _BRACKETS.sub("", _FIGURES.sub("", _BRACKETS.sub("", line))) for line in text.split("\n")
    )
    return "\n".join(" ".join(line.split()).replace(" .", ".") for line in plain)


def written(name: str, one: Statistic) -> str:
    """Return a figure as it stands in a text: ``2.31 m/s²``, ``0.87``, ``114 steps/min``."""
    whole = one.unit == "steps/min" or name == "peaks"
    digits = 0 if whole else 1 if one.unit in ("m/s³", "°") else 2
    # A minus before what rounds to nothing would be a claim.
    value = round(one.value, digits) + 0.0
    return f"{value:.{digits}f} {one.unit}".strip()


def glossary(found: Mapping[str, Statistic]) -> str:
    """Return every figure with its sensor, a line each, to be told to a language model."""
    return "\n".join(f"[{one.origin}] {name}: {written(name, one)}" for name, one in found.items())


# Labels ------------------------------------------------------------------------------------------


def label_texts(
    labels: Iterable[str], own: Mapping[str, Iterable[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return what each label looks like to a sensor, in several wordings.

    Parameters
    ----------
    labels : iterable of str
        Activities of ``captions/activities.yaml``, or of `own`.
    own : mapping, optional
        Label → wordings, in place of the packaged ones.

    Raises
    ------
    InputError
        If a label has no wording, one is empty, or one names another of the labels.
    """
    from imuscribe.prompts.checking.leaks import leaks

    known: dict[str, Any] = {**tables(LABELS), **(own or {})}
    found = {}
    for label in (labels := list(labels)):
        texts = tuple(str(text).strip() for text in known.get(label, ()))
        if not texts or not all(texts):
            raise InputError(
                f"label '{label}': has {'an empty text' if texts else 'no text'}: say how a sensor "
                f"feels it, or take one of {', '.join(tables(LABELS))}"
            )
        for other in labels:
            if other != label and any(leaks(text, other) for text in texts):
                raise InputError(
                    f"label '{label}': its text names '{other}', another label: reword it"
                )
        found[label] = texts
    return found


def wordings_hash() -> str:
    """Return what stands for all words of interpretations and labels together."""
    both = json.dumps([tables(WORDINGS), tables(LABELS)], sort_keys=True)
    return hashlib.sha256(both.encode()).hexdigest()[:12]


def written_labels() -> tuple[str, ...]:
    """Return the labels that have wordings of their own in ``captions/activities.yaml``."""
    return tuple(tables(LABELS))


def names_of_activities() -> tuple[str, ...]:
    """Return every word that names an activity: none may stand in an interpretation."""
    return tuple(dict.fromkeys([*tables(LABELS), *tables(WORDINGS)["names"]]))


def kind_of(label: str) -> str:
    """Return the kind of activity that a label is, such as ``stairs``; its own name if of none."""
    kinds = tables(WORDINGS)["kinds"]
    return next((kind for kind, labels in kinds.items() if label in labels), label)


def sentences_of(text: str) -> tuple[str, ...]:
    """Return the sentences of a text without its figures, which a sentence encoder hardly reads."""
    found = re.split(r"(?<=[.!?;])\s+|\n", without_figures(text))
    return tuple(filter(None, (part.strip() for part in found)))


# Words -------------------------------------------------------------------------------------------


def _synchrony(found: Mapping[str, Statistic], together: bool) -> str:
    if together:
        return "synchrony"
    return "no synchrony" if "gyro rms" in found else "no gyroscope"


def levels_at(site: str) -> dict[str, Mapping[str, str]]:
    """Return the bounds of every figure, those of a place of the body where they are others."""
    found: dict[str, Mapping[str, str]] = dict(tables(WORDINGS)["levels"])
    for region in tables(WORDINGS)["sites"].values():
        if " ".join(re.split(r"[\s_-]+", site.casefold())) in region["worn at"]:
            found |= {name: steps for name, steps in region.items() if name != "worn at"}
    return found


def _words(
    found: Mapping[str, Statistic], levels: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the words that hold of a window's figures."""
    of = {
        "strength": "body rms",
        "direction": "up to level",
        "purity": "rhythm to rest",
        "evenness": "unevenness",
        "pace": "step rate",
        "waves": "body frequency",
        "drift words": "drift",
        "timing": "lag mean",
        "impact": "impact to strength",
    }
    quiet = found["body rms"].value < float(tables(WORDINGS)["quiet"])
    loud = ("strength", "drift words")
    words = {
        what: _level(levels[what.removesuffix(" words")], found[name].value)
        for what, name in of.items()
        if name in found and (what in loud or not quiet)
    }
    shares = {name: found[f"gyro {name} share"] for name in _AXES if f"gyro {name} share" in found}
    if shares:
        most = max(shares, key=lambda name: shares[name].value)
        words["turning"] = str(tables(WORDINGS)["turning"][most])
        words["most"] = written("share", shares[most])
    return words | _hanging(found)


_AXES = ("along", "across", "up")


def _hanging(found: Mapping[str, Statistic]) -> dict[str, str]:
    """Say along which axis of the device gravity lies, and how much of it."""
    mean = {axis: found[f"posture {axis}"].value for axis in "xyz"}
    axis = max(mean, key=lambda name: abs(mean[name]))
    slanted = abs(mean[axis]) < _UPRIGHT * STANDARD_GRAVITY
    sign = "-" if mean[axis] < 0 else "+"
    value = written("posture", found[f"posture {axis}"])
    return {"axis": f"slanted {sign}{axis}" if slanted else sign + axis, "gravity": value}


def _level(steps: Mapping[str, str], value: float) -> str:
    reached = [words for bound, words in steps.items() if value >= float(bound) - 1e-12]
    return reached[-1] if reached else next(iter(steps.values()))


def _filled(sentence: str, figures: Mapping[str, str]) -> str:
    """Return a sentence with its figures; nothing where one is missing."""
    names = re.findall(r"\{([^}]*)\}", sentence)
    if any(name not in figures for name in names):
        return ""
    for name in names:
        sentence = sentence.replace(f"{{{name}}}", figures[name])
    return sentence
