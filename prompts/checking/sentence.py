"""One sentence about a recording: which words belong to which number, and to which moment."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from imuscribe.prompts.captions.facts import Facts, Window
from imuscribe.prompts.checking.results import CheckedClaim, Judged
from imuscribe.prompts.checking.words import Token

VALUES = ("acc", "gyro", "speed", "length", "rate", "")

_NAMED_LETTER = re.compile(
    r"\b(?:[Ll]etters?|[Cc]apital|[Uu]ppercase|an?|the)\s+['\"“‘*]*[A-Z]\b(?!-axis| axis|[\w-])"
    r"|['\"“‘][A-Z]['\"”’]"
)
_WRITTEN = re.compile(
    r"\b(?:wrote|writes?|writing|written)\s+(?:an?\s+|the\s+)?(?:letter\s+)?['\"“‘]?[A-Z]\b['\"”’]?"
)
"""What was written is told of the recording, and not of the letter in general."""
_DIRECT = re.compile(
    r"\s*\(?\s*(?:(?:is|are|was|were)\s+(?:seen|reached|found|observed|visible|recorded)\s+)?"
    r"(?:on|along|in|for|about|of|at|around)?\s*(?:the\s+)?(?:device'?s?\s+)?",
)


@dataclass(frozen=True)
class Frame:
    """A moment or stretch of the recording that a sentence names, in seconds."""

    token: int
    start: float
    end: float
    slack: float
    point: bool
    told: bool = True
    """False for "at the start" and the like, where the borders are ours."""


class Sentence:
    """The tokens of a sentence with what surrounds them.

    Parameters
    ----------
    tokens : list of Token
    text : str
        The whole text.
    facts : Facts
    axis, sensor : str
        What the sentence before spoke of, for sentences that name none.
    time : float
        How far a stated time may be off, s.
    """

    def __init__(
        self, tokens: list[Token], text: str, facts: Facts, axis: str, sensor: str, time: float
    ) -> None:
        self.text = text
        self.facts = facts
        self.context = axis, sensor
        self.tokens = _with_ranges(tokens, text)
        self._places: dict[str, list[int]] = {}
        for i, token in enumerate(self.tokens):
            for role in token.roles:
                self._places.setdefault(role, []).append(i)
        self.start, self.end = tokens[0].start, tokens[-1].end
        words = text[self.start : self.end]
        named = _NAMED_LETTER.search(_WRITTEN.sub("", words)) is not None
        self.guarded = self.has("maybe") or named
        self.used: set[int] = set()
        self._time = time
        self.frames = self._frames()

    def has(self, role: str, value: str | None = None) -> bool:
        """Whether some token plays a role."""
        places = self._places.get(role)
        if places is None or value is None:
            return places is not None
        return any(self.tokens[i].roles[role] == value for i in places)

    def plays(self, i: int, role: str, value: str | None = None) -> bool:
        """Whether token `i` plays a role."""
        places = self._places.get(role)
        if places is None or i not in places:
            return False
        return value is None or self.tokens[i].roles[role] == value

    def indices(self, role: str) -> list[int]:
        """Return the tokens that play a role."""
        return self._places.get(role, [])

    def gap(self, i: int, j: int) -> str:
        """Return the text between two tokens."""
        return self.text[self.tokens[i].end : self.tokens[j].start]

    def hedged(self, i: int) -> bool:
        """Whether a number is given as about right."""
        after = self.plays(i + 1, "hedge") and not self.is_number(i + 2)
        return after or self.plays(i - 1, "hedge")

    def compare(self, i: int) -> str:
        """Return how a number bounds: ``over``, ``floor``, ``under``, ``ceiling`` or nothing."""
        for j in (i - 1, i - 2):
            if j >= 0 and "compare" in self.tokens[j].roles:
                bound = self.tokens[j].roles["compare"]
                turned = {"over": "ceiling", "under": "floor"}
                return turned[bound] if bound in turned and self.negated(j) else bound
            if not self.plays(j, "hedge"):
                break
        return ""

    def unsure(self, i: int) -> bool:
        """Whether what is said of a number is hedged by "may" or denied in a way not understood."""
        return self.guarded or (self.negated(i) and not self.compare(i))

    def negated(self, i: int) -> bool:
        """Whether a negation stands before a token in the same part of the sentence."""
        for j in range(i - 1, -1, -1):
            roles = self.tokens[j].roles
            if "not" in roles or "floor" in roles.values() or "ceiling" in roles.values():
                return True
            if "comma" in roles and self.text[self.tokens[j].start] in ",:":
                return False
        return False

    def axes(self, i: int) -> list[str]:
        """Return the axes a token is about; empty if nothing names one.

        Those named right after it, else before it, else anywhere, else by the sentence before.
        """
        if i + 1 < len(self.tokens) and self.plays(i + 1, "axis"):
            if _DIRECT.fullmatch(self.gap(i, i + 1)):
                return self.group(i + 1)
        elif (
            self.plays(i + 2, "axis")
            and {"at", "comma", "gravity", "hedge", "sensor", "name"} & self._roles(i + 1)
            and len(self.gap(i, i + 2)) < 24
            and "," not in self.gap(i, i + 2)
        ):
            return self.group(i + 2)
        for j in range(i - 1, -1, -1):
            if self.plays(j, "axis") and not self._is_upright(j):
                return self.group(j)
        for j in range(i + 1, len(self.tokens)):
            if self.plays(j, "axis") and not self._is_upright(j):
                return self.group(j)
        return [self.context[0]] if self.context[0] else []

    def sensor(self, i: int) -> str:
        """Return the sensor a token is about, by the words around it; empty if none is named."""
        order = [*range(i - 1, -1, -1), *range(i + 1, len(self.tokens))]
        for j in order:
            if "sensor" in self.tokens[j].roles:
                return str(self.tokens[j].roles["sensor"])
        return self.context[1]

    def stat(self, i: int) -> str:
        """Return the statistic a number is of: the nearest before it, else close after it."""
        for j in range(i - 1, -1, -1):
            token = self.tokens[j]
            if token.number_like and token.unit not in ("time", "sample"):
                break
            if "stat" in token.roles:
                if token.roles["stat"] in ("reach", "stay", "trend", "range"):
                    stronger = self._stat_before(j)
                    return stronger or token.roles["stat"]
                return token.roles["stat"]
        for j in range(i + 1, min(i + 4, len(self.tokens))):
            token = self.tokens[j]
            if token.number_like or "comma" in token.roles or "then" in token.roles:
                break
            if "stat" in token.roles:
                return token.roles["stat"]
        return ""

    def _stat_before(self, j: int) -> str:
        """Return "maximum" of "reaches a maximum" and of "the maximum reaches"."""
        for k in range(j - 1, max(j - 4, -1), -1):
            token = self.tokens[k]
            if token.number_like:
                break
            if token.roles.get("stat") in ("max", "min", "mean", "std", "peak", "median", "rms"):
                return token.roles["stat"]
        return ""

    def sign(self, i: int) -> int:
        """Return the sign that a word such as "negative peak" gives a number; 0 if none."""
        for j in range(i - 1, max(i - 4, -1), -1):
            if self.tokens[j].number_like:
                return 0
            if "sign" in self.tokens[j].roles:
                self.used.add(j)
                return 1 if self.tokens[j].roles["sign"] == "+" else -1
        return 0

    def topmost(self, i: int) -> bool:
        """Whether the highest of all is meant, as in "the strongest peak is 5"."""
        for k in range(i - 1, max(i - 5, -1), -1):
            if self.tokens[k].number_like:
                return False
            if self.plays(k, "most", "most"):
                return True
        return False

    def is_local(self) -> bool:
        """Whether it speaks of a part of the recording without saying from when to when."""
        parts = any(self.has("noun", what) for what in ("move", "phase", "rest"))
        return parts or any(self.has(role) for role in ("half", "begin", "finish"))

    def frame(self, i: int) -> Frame | None:
        """Return the moment a token is about: named right after it, else before, else after."""
        after = [f for f in self.frames if f.token > i][:1]
        between = self.tokens[i + 1 : after[0].token] if after else []
        numbers = sum(t.number_like for t in between)
        apart = {"axis", "dir"} | ({"comma", "then"} if numbers else set())
        allowed = 0 if self.tokens[i].number_like else 1
        if after and numbers <= allowed and not any(apart & set(t.roles) for t in between):
            return after[0]
        before = [f for f in self.frames if f.token < i]
        if before:
            return before[-1]
        cut = any("comma" in t.roles for t in between)
        return after[0] if after and not numbers and not cut else None

    def window(self, frame: Frame) -> Window:
        """Return the samples of a frame, widened by its slack where it is a point."""
        return self.facts.window(frame.start, frame.end, frame.slack if frame.point else 0.0)

    def claim(self, kind: str, tokens: list[int], judged: Judged) -> CheckedClaim:
        """Return a claim that these tokens make."""
        start = min(self.tokens[k].start for k in tokens)
        return CheckedClaim(kind, start, max(self.tokens[k].end for k in tokens), *judged)

    # How it is read -----------------------------------------------------------------------------

    def _roles(self, i: int) -> set[str]:
        return set(self.tokens[i].roles) if 0 <= i < len(self.tokens) else set()

    def is_number(self, i: int) -> bool:
        """Whether token `i` is there and a number."""
        return 0 <= i < len(self.tokens) and self.tokens[i].number_like

    def group(self, i: int) -> list[str]:
        """Return the axes named together with the one at `i`: "the y and z axes"."""
        found = [self.tokens[i].roles["axis"]]
        for step in (-1, 1):
            j = i + step
            while 0 <= j < len(self.tokens):
                if "axis" in self.tokens[j].roles:
                    found.append(self.tokens[j].roles["axis"])
                elif not self._links(j, j - step):
                    break
                j += step
        return sorted(set("xyz" if "all" in found else found))

    def _is_upright(self, j: int) -> bool:
        """Whether an axis is only named as the one that points up."""
        return self.plays(j - 1, "upis") or self.plays(j - 2, "upis")

    def _links(self, i: int, j: int) -> bool:
        """Whether token `i` joins its neighbour `j` to another: "x, y and z"."""
        word = self.gap(min(i, j), max(i, j)).strip()
        return bool({"comma", "to", "then"} & self._roles(i)) and len(word) <= 4

    def _frames(self) -> list[Frame]:
        found = []
        for i, token in enumerate(self.tokens):
            if not token.number_like or token.unit not in ("time", "sample"):
                continue
            frame = self._frame_at(i)
            if frame is not None:
                found.append(frame)
                self.used.add(i)
        return found

    def _frame_at(self, i: int) -> Frame | None:
        """Read a time or sample number as a moment; None where it tells how long or how many."""
        token, facts = self.tokens[i], self.facts
        last = facts.rec.duration
        before = self._roles(i - 1) | (self._roles(i - 2) if self.plays(i - 1, "hedge") else set())
        step = 1 / facts.rec.rate if facts.rec.rate else 0.0
        half = token.half * (step if token.unit == "sample" else 1.0)
        slack = self._time * (2 if self.hedged(i) else 1) + half
        if token.unit == "sample":
            if "index" not in before and not (
                token.high is not None and {"from", "comma"} & before
            ):
                return None
            slack = max(slack, 3 * step)
            low, high = token.number * step, (token.high or token.number) * step
        else:
            low, high = token.number, token.number if token.high is None else token.high
        if token.high is not None:
            return Frame(i, low, high, slack, False)
        if self.plays(i - 1, "first") or self.plays(i - 1, "last"):
            at_start = self.plays(i - 1, "first")
            return Frame(i, 0 if at_start else last - low, low if at_start else last, slack, False)
        if "until" in before:
            return Frame(i, 0, low, slack, False)
        if "since" in before and (
            "onwards" in self.text[token.end : token.end + 10]
            or self.text[token.end : token.end + 3] == " on"
            or "after" in self.word(i - 1)
            or "since" in self.word(i - 1)
        ):
            return Frame(i, low, last, slack, False)
        if token.unit == "time":
            near = [k for k in (i - 1, i - 2, i - 3) if self.plays(k, "lasts")]
            if near:
                return None
            if "comma" in before and not any(
                self.plays(k, "noun", "peak")
                or self.plays(k, "stat", "max")
                or self.plays(k, "stat", "min")
                for k in range(i)
            ):
                before = before - {"comma"}
        if {"at", "index", "to", "from", "comma"} & before or (
            "then" in before and self.frames_before(i)
        ):
            return Frame(i, low, low, slack, True)
        return None

    def frames_before(self, i: int) -> bool:
        """Whether a moment was named earlier: "at 0.5 s and 1.2 s"."""
        return any(
            t.number_like and t.unit == self.tokens[i].unit for t in self.tokens[max(0, i - 3) : i]
        )

    def word(self, i: int) -> str:
        """Return token `i` in lower case."""
        return self.text[self.tokens[i].start : self.tokens[i].end].lower() if i >= 0 else ""


def _with_ranges(tokens: list[Token], text: str) -> list[Token]:
    """Join "between 0.3 and 0.5 s" into one number with two ends, and name "sample 41"'s unit."""
    found: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.number_like:
            if i + 2 < len(tokens) and _is_range(found, tokens, i, text):
                other = tokens[i + 2]
                factor = _factor(token, other, text)
                token = replace(
                    other,
                    start=token.start,
                    number=token.number * factor,
                    high=other.number,
                    signed=token.signed or other.signed,
                )
                i += 2
            if not token.unit and found:
                token = _named_unit(token, found, text)
        found.append(token)
        i += 1
    return found


def _is_range(before: list[Token], tokens: list[Token], i: int, text: str) -> bool:
    first, link, second = tokens[i : i + 3]
    if "to" not in link.roles or not second.number_like or first.unit not in ("", second.unit):
        return False
    if text[first.end : link.start].strip() or text[link.end : second.start].strip():
        return False
    if "dash" in link.roles:
        return True
    opened = [t for t in before[-3:] if "from" in t.roles]
    return bool(opened)


def _factor(first: Token, second: Token, text: str) -> float:
    """Return what a bare number must be multiplied with to share the unit of the next."""
    if first.unit or not second.unit:
        return 1.0
    digits = re.match(r"[-+−–]?[\d.]+", text[second.start : second.end])
    bare = float(digits.group().replace("−", "-").replace("–", "-")) if digits else second.number
    return second.number / bare if bare else 1.0


def _named_unit(token: Token, before: list[Token], text: str) -> Token:
    """Give a bare number the unit of the word before it: "sample 41", "t = 0.42"."""
    for back in before[-1:-4:-1]:
        word = text[back.start : back.end].lower()
        if "index" in back.roles:
            return replace(token, unit="sample")
        if word in ("t", "time", "at time"):
            return replace(token, unit="time")
        if not {"at", "from", "hedge"} & set(back.roles) and word not in ("=", "(", ":"):
            break
        if back.number_like:
            break
    return token
