"""One sentence about a recording: which words belong to which number, and to which moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imuscribe.prompts.captions.explain import Span
from imuscribe.prompts.captions.facts import Facts, Values
from imuscribe.prompts.checking.config import CheckConfig, CheckedClaim, Finding
from imuscribe.prompts.checking.lexicon import pattern
from imuscribe.prompts.checking.words import Token

_NAMED_LETTER, _WRITTEN, _DIRECT = map(pattern, ("named_letter", "written", "direct"))


@dataclass(frozen=True)
class Frame:
    """A moment or stretch of the recording that a sentence names, in seconds."""

    token: int
    start: float
    end: float
    slack: float
    point: bool
    given: bool = True
    """False for "at the start" and the like, where the borders are ours."""


class Sentence:
    """The tokens of a sentence with what surrounds them.

    `context` is the axis and the sensor of the sentence before, for sentences that name none.
    """

    def __init__(
        self,
        tokens: list[Token],
        text: str,
        facts: Facts,
        config: CheckConfig,
        context: tuple[str, str],
    ) -> None:
        self.tokens, self.text, self.facts = tokens, text, facts
        self.config, self.context = config, context
        self._places: dict[str, list[int]] = {}
        for i, token in enumerate(tokens):
            for role in token.roles:
                self._places.setdefault(role, []).append(i)
        words = text[tokens[0].start : tokens[-1].end]
        named = _NAMED_LETTER.search(_WRITTEN.sub("", words)) is not None
        self.guarded = self.has("maybe") or named
        self.used: set[int] = set()
        """Numbers that have been read as moments, counts or signs."""
        self.frames = self._frames()

    def has(self, role: str, *values: str) -> bool:
        """Whether some token plays a role, with one of the values if any are given."""
        places = self._places.get(role)
        if places is None or not values:
            return places is not None
        return any(self.tokens[i].roles[role] in values for i in places)

    def plays(self, i: int, role: str, *values: str) -> bool:
        """Whether token `i` plays a role, with one of the values if any are given."""
        places = self._places.get(role)
        if places is None or i not in places:
            return False
        return not values or self.tokens[i].roles[role] in values

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
        for j in self._around(i):
            if self.plays(j, "axis") and not self._is_upright(j):
                return self.group(j)
        return [self.context[0]] if self.context[0] else []

    def sensor(self, i: int) -> str:
        """Return the sensor a token is about, by the words around it; empty if none is named."""
        for j in self._around(i):
            if "sensor" in self.tokens[j].roles:
                return self.tokens[j].roles["sensor"]
        return self.context[1]

    def _around(self, i: int) -> list[int]:
        """Return the tokens before one, the nearest first, then those after it."""
        return [*range(i - 1, -1, -1), *range(i + 1, len(self.tokens))]

    def stat(self, i: int) -> str:
        """Return the statistic a number is of: the nearest before it, else close after it."""
        for j in range(i - 1, -1, -1):
            token = self.tokens[j]
            if token.number_like and token.unit not in ("time", "sample"):
                break
            if "stat" in token.roles:
                if token.roles["stat"] in ("reach", "stay", "trend", "range"):
                    return self._stat_before(j) or token.roles["stat"]
                return token.roles["stat"]
        for j in range(i + 1, min(i + 4, len(self.tokens))):
            token = self.tokens[j]
            if token.number_like or "comma" in token.roles or "then" in token.roles:
                break
            if "stat" in token.roles:
                return token.roles["stat"]
        return ""

    def _stat_before(self, i: int) -> str:
        """Return "maximum" of "reaches a maximum" and of "the maximum reaches"."""
        stats = (self.tokens[j].roles.get("stat", "") for j in self._back(i, 3))
        found = ("max", "min", "mean", "std", "peak", "median", "rms")
        return next((stat for stat in stats if stat in found), "")

    def sign(self, i: int) -> int:
        """Return the sign that a word such as "negative peak" gives a number; 0 if none."""
        for j in self._back(i, 3):
            if "sign" in self.tokens[j].roles:
                self.used.add(j)
                return 1 if self.tokens[j].roles["sign"] == "+" else -1
        return 0

    def topmost(self, i: int) -> bool:
        """Whether the highest of all is meant, as in "the strongest peak is 5"."""
        return any(self.plays(j, "most", "most") for j in self._back(i, 4))

    def _back(self, i: int, most: int) -> Iterator[int]:
        """Yield at most so many tokens before one, the nearest first, up to a number."""
        for j in range(i - 1, max(i - 1 - most, -1), -1):
            if self.tokens[j].number_like:
                return
            yield j

    def is_local(self) -> bool:
        """Whether it speaks of a part of the recording without saying from when to when."""
        parts = self.has("noun", "move", "phase", "rest")
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

    def window(self, frame: Frame) -> Span:
        """Return the samples of a frame, widened by its slack where it is a point."""
        return self.facts.window(frame.start, frame.end, frame.slack if frame.point else 0.0)

    def claim(self, kind: str, tokens: list[int], finding: Finding) -> CheckedClaim:
        """Return a claim that these tokens make."""
        start = min(self.tokens[k].start for k in tokens)
        return CheckedClaim(kind, start, max(self.tokens[k].end for k in tokens), *finding)

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
        slack = self.config.time * (2 if self.hedged(i) else 1) + half
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
        if self.plays(i - 1, "last"):
            return Frame(i, last - low, last, slack, False)
        if self.plays(i - 1, "first") or "until" in before:
            return Frame(i, 0, low, slack, False)
        if "since" in before and (
            "onwards" in self.text[token.end : token.end + 10]
            or self.text[token.end : token.end + 3] == " on"
            or "after" in self.word(i - 1)
            or "since" in self.word(i - 1)
        ):
            return Frame(i, low, last, slack, False)
        if token.unit == "time":
            if any(self.plays(k, "lasts") for k in (i - 1, i - 2, i - 3)):
                return None
            if not any(
                self.plays(k, "noun", "peak") or self.plays(k, "stat", "max", "min")
                for k in range(i)
            ):
                before = before - {"comma"}
        recent = self.tokens[max(0, i - 3) : i]
        again = "then" in before and any(t.number_like and t.unit == token.unit for t in recent)
        if again or {"at", "index", "to", "from", "comma"} & before:
            return Frame(i, low, low, slack, True)  # again: "at 0.5 s and 1.2 s"
        return None

    def word(self, i: int) -> str:
        """Return token `i` in lower case."""
        return self.text[self.tokens[i].start : self.tokens[i].end].lower() if i >= 0 else ""


class Number:
    """Number `i` of a sentence: how exact it is, and whether a value can be what it says.

    `value` has the sign that a word such as "negative" gives it, `high` is the upper end of a
    range, `bound` as `Sentence.compare` has it. It may be off by `slack`: its rounding, a share of
    it, or `least` in its unit, more if it is hedged.
    """

    def __init__(self, sentence: Sentence, i: int, least: float) -> None:
        token, sign = sentence.tokens[i], sentence.sign(i)
        config, hedged = sentence.config, sentence.hedged(i)
        self.sentence, self.i = sentence, i
        self.value = sign * abs(token.number) if sign else token.number
        self.high = token.high
        self.signed = token.signed or sign != 0
        share = config.hedged if hedged else config.relative
        largest = max(abs(self.value), abs(self.high or 0.0))
        self.slack = max(least * (2 if hedged else 1), share * largest, token.half) + 1e-9
        self.bound = sentence.compare(i)
        self.upper = self.bound in ("under", "ceiling")
        self.stat = sentence.stat(i)

    def is_one_of(self, values: Iterable[float]) -> bool:
        """Whether it is one of these values; without a sign, either sign will do."""
        low, high = self.value - self.slack, self.value + self.slack
        return any(low <= (value if self.signed else abs(value)) <= high for value in values)

    def is_within(self, signal: Values) -> bool:
        """Whether a signal goes from below it to above it."""
        low, high = float(signal.min()) - self.slack, float(signal.max()) + self.slack
        return low <= self.value <= high or (not self.signed and low <= -self.value <= high)
