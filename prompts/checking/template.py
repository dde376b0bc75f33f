"""The deterministic explainer's own sentences, read as they were written.

Models tuned on such explanations write nothing else, so here every number is held to its own
digits: moments must be those at which a rest or a movement of the recording ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import hypot

import numpy as np

from imuscribe.prompts.captions.explain import COMPASS, UP, Phase, Span, compass
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.config import CheckConfig, CheckedClaim, decide

_N = r"([-+−]?\d+(?:\.\d+)?)"
_WAY = "|".join((*sorted(COMPASS, key=len, reverse=True), "in place"))
_SENTENCE = re.compile(
    rf"(?P<overview>{_N} s, mean acceleration {_N} m/s², up is ([+-][xyz])\.)"
    rf"|(?P<rest>To {_N} s rest\.)"
    rf"|(?P<movement>To {_N} s ({_WAY}) {_N} m, peak {_N} m/s\.)"
    rf"|(?P<turns>Turning points: (\d+)\.)"
    rf"|(?P<still>{_N}-{_N} s rest\.)"
    rf"|(?P<pulse>{_N}-{_N} s ([xyz]) {_N} m/s²\.)"
)
_MARKS = (", up is ", " s rest.", ", peak ", "Turning points: ", " m/s².")
"""One of them is in every such sentence; looking for the sentences themselves takes longer."""
Part = tuple[str, int, bool | None, str]
"""Kind of claim, part of the sentence, whether it is true if that is known, what is shown."""
_ANGLE = np.cos(np.radians(22.5 + 12))
"""A compass word covers 22.5 degrees to either side; the rest is for rounding of its ends."""


def read_template(
    text: str, facts: Facts, config: CheckConfig, claims: list[CheckedClaim]
) -> Iterator[tuple[int, int]]:
    """Check the explainer's sentences; yield the stretches of text between them."""
    if not any(mark in text for mark in _MARKS):
        yield 0, len(text)
        return
    at, template = 0, _Template(facts, config)
    for match in _SENTENCE.finditer(text):
        if match.start() > at:
            yield at, match.start()
        at = match.end()
        claims += template.check(match)
    if at < len(text):
        yield at, len(text)


class _Template:
    """The explainer's sentences about a recording, one after the other; parts count from 0."""

    def __init__(self, facts: Facts, config: CheckConfig) -> None:
        self._facts, self._config = facts, config
        # Rests and movements follow each other: where one ends, the next starts.
        self._before = 0.0
        self._named: set[Phase] = set()

    def check(self, match: re.Match[str]) -> list[CheckedClaim]:
        """Check each part of the next sentence."""
        kind = self._kind = str(match.lastgroup)
        first = match.re.groupindex[kind] + 1
        self._parts = match.groups()[first - 1 :]
        checks = {
            "overview": self._overview,
            "rest": self._rest,
            "movement": self._movement,
            "turns": self._turns,
            "still": self._still,
            "pulse": self._pulse,
        }
        found = checks[kind]()
        if kind in ("rest", "movement"):
            self._before = self._number(0)
        return [
            CheckedClaim(claim, *match.span(first + k), *decide(good is True, good is False, shown))
            for claim, k, good, shown in found
        ]

    def _overview(self) -> list[Part]:
        rec, strength, mean = self._facts.rec, self._facts.strength, self._facts.mean
        top = int(np.abs(mean).argmax())
        sign, axis = self._parts[2][0], self._parts[2][1]
        value = float(mean["xyz".index(axis)])
        # Two axes may carry gravity alike.
        same = abs(value) >= 0.98 * abs(mean[top]) and (value >= 0) == (sign == "+")
        near = self._near(1, strength, 0.02, 0.01)
        return [
            ("duration", 0, self._moment(0, rec.duration), f"{rec.duration:.2f} s"),
            ("value", 1, near, f"a mean of {strength:.2f} m/s²"),
            ("gravity", 2, bool(same), f"up is {'+' if mean[top] >= 0 else '-'}{'xyz'[top]}"),
        ]

    def _rest(self) -> list[Part]:
        facts, limits = self._facts, self._config.explain
        if facts.speed is None:
            return [("rest", 0, None, "")]
        slow = max(limits.rest * float(facts.speed.max()), limits.min_speed)
        first, last = self._window()
        inside = facts.speed[first : last + 1]
        good = float((inside < 1.05 * slow).mean()) >= 0.9
        return [self._border(), ("rest", 0, good, f"a speed of up to {inside.max():.2f} m/s there")]

    def _movement(self) -> list[Part]:
        facts, share = self._facts, self._config.relative
        if facts.speed is None:
            kinds = ("time", "direction", "length", "speed")
            return [(kind, k, None, "") for k, kind in enumerate(kinds)]
        first, last = self._window()
        step = facts.step((first, last))
        length = hypot(*step)
        word = self._parts[1]
        if word == "in place":
            good = length < 0.01
        else:
            along = UP[word][0] * step[0] + UP[word][1] * step[1]
            good = length >= 0.003 and float(along) >= _ANGLE * length
        peak = float(facts.speed[first : last + 1].max())
        return [
            self._border(),
            ("direction", 1, bool(good), compass(step.astype(np.float32))),
            ("length", 2, self._near(2, length, 0.006, share), f"{length:.2f} m"),
            ("speed", 3, self._near(3, peak, 0.05, share), f"a peak of {peak:.2f} m/s"),
        ]

    def _turns(self) -> list[Part]:
        turns = self._facts.explanation.turns
        if turns is None:
            return [("count", 0, None, "")]
        return [("count", 0, self._number(0) == turns, f"{turns} turning points")]

    def _still(self) -> list[Part]:
        rests = [p for p in self._facts.explanation.phases if p.kind in ("still", "rest")]
        return self._span("rest", [(p.start, p.end) for p in rests])

    def _pulse(self) -> list[Part]:
        facts = self._facts
        axis, peak = self._parts[2], self._number(3)
        sign = 1 if peak >= 0 else -1
        first, last = facts.window(self._number(0), self._number(1))
        extreme = sign * float((sign * facts.signal("change", axis))[first : last + 1].max())
        good = self._near(3, extreme, 0.05, self._config.relative)
        span = self._span("time", facts.pulses(axis, sign))
        return [*span, ("value", 3, good, f"{axis} {extreme:+.1f} m/s²")]

    def _window(self) -> Span:
        """Return the samples of a rest or movement; its ends were rounded in the text."""
        ends = {0.0, *(phase.end for phase in self._facts.explanation.phases)}
        exact = []
        for stated in (self._before, self._number(0)):
            near = min(ends, key=lambda end: abs(end - stated))
            exact.append(near if abs(near - stated) <= self._half(0) + 1e-6 else stated)
        return self._facts.window(exact[0], exact[1])

    def _border(self) -> Part:
        """Check that such a phase, not named yet, ends at the first number."""
        phases = self._facts.explanation.phases
        left = [p for p in phases if p.kind == self._kind and p not in self._named]
        if not left:
            return "time", 0, False, f"no other {self._kind}"
        near = min(left, key=lambda phase: abs(phase.end - self._number(0)))
        good = self._number(0) > self._before and self._moment(0, near.end)
        if good:
            self._named.add(near)
        return "time", 0, good, f"the nearest {self._kind} ending at {near.end:.2f} s"

    def _span(self, kind: str, spans: list[tuple[float, float]]) -> list[Part]:
        """Check that the first two numbers are the start and the end of one of these."""
        if not spans:
            return [(kind, k, False, "none") for k in (0, 1)]
        near = min(spans, key=lambda s: abs(s[0] - self._number(0)) + abs(s[1] - self._number(1)))
        shown = f"the nearest from {near[0]:.2f} to {near[1]:.2f} s"
        return [(kind, k, self._moment(k, near[k]), shown) for k in (0, 1)]

    def _near(self, k: int, actual: float, least: float, share: float) -> bool:
        slack = max(self._half(k), least, share * abs(actual))
        return abs(self._number(k) - actual) <= slack + 1e-6

    def _moment(self, k: int, actual: float) -> bool:
        return abs(self._number(k) - actual) <= self._half(k) + self._config.exact + 1e-6

    def _half(self, k: int) -> float:
        """Return half a step of the last digit of a number."""
        return 0.5 * 10.0 ** -len(self._parts[k].partition(".")[2])

    def _number(self, k: int) -> float:
        return float(self._parts[k].replace("−", "-"))
