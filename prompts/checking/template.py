"""The deterministic explainer's own sentences, read as they were written.

Models tuned on such explanations write nothing else, so here every number is held to its own
digits: moments must be those at which a rest or a movement of the recording ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import hypot

import numpy as np

from imuscribe.prompts.captions.explain import COMPASS, UP, Phase, compass
from imuscribe.prompts.captions.facts import Facts, Window
from imuscribe.prompts.checking.config import CheckConfig, CheckedClaim

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
_ANGLE = np.cos(np.radians(22.5 + 12))
"""A compass word covers 22.5 degrees to either side; the rest is for rounding of its ends."""


def read_template(
    text: str, facts: Facts, config: CheckConfig, claims: list[CheckedClaim]
) -> Iterator[tuple[int, int]]:
    """Check the explainer's sentences; yield the stretches of text between them."""
    if not any(mark in text for mark in _MARKS):
        yield 0, len(text)
        return
    at = 0
    before = 0.0  # rests and movements follow each other: where one ends, the next starts
    named: set[Phase] = set()
    for match in _SENTENCE.finditer(text):
        if match.start() > at:
            yield at, match.start()
        at = match.end()
        sentence = _Template(match, facts, config, before, named)
        claims += sentence.check()
        before = sentence.until
    if at < len(text):
        yield at, len(text)


class _Template:
    """One such sentence; its parts are counted from 0. `named` are the phases said so far."""

    def __init__(
        self,
        match: re.Match[str],
        facts: Facts,
        config: CheckConfig,
        before: float,
        named: set[Phase],
    ) -> None:
        self._match, self._facts, self._config = match, facts, config
        self._before, self._named = before, named
        self._kind = str(match.lastgroup)
        self._first = match.re.groupindex[self._kind] + 1
        self.until = self._number(0) if self._kind in ("rest", "movement") else before

    def check(self) -> list[CheckedClaim]:
        """Check each part of the sentence."""
        checks = {
            "overview": self._overview,
            "rest": self._rest,
            "movement": self._movement,
            "turns": self._turns,
            "still": self._still,
            "pulse": self._pulse,
        }
        return checks[self._kind]()

    def _overview(self) -> list[CheckedClaim]:
        rec = self._facts.rec
        strength, mean = self._facts.strength, self._facts.mean
        top = int(np.abs(mean).argmax())
        sign, axis = self._part(2)[0], self._part(2)[1]
        value = float(mean["xyz".index(axis)])
        # Two axes may carry gravity alike.
        same = abs(value) >= 0.98 * abs(mean[top]) and (value >= 0) == (sign == "+")
        return [
            self._found("duration", 0, self._moment(0, rec.duration), f"{rec.duration:.2f} s"),
            self._found(
                "value", 1, self._near(1, strength, 0.02, 0.01), f"a mean of {strength:.2f} m/s²"
            ),
            self._found("gravity", 2, same, f"up is {'+' if mean[top] >= 0 else '-'}{'xyz'[top]}"),
        ]

    def _rest(self) -> list[CheckedClaim]:
        facts, limits = self._facts, self._config.explain
        if facts.speed is None:
            return [self._unsure("rest", 0)]
        slow = max(limits.rest * float(facts.speed.max()), limits.min_speed)
        first, last = self._window()
        inside = facts.speed[first : last + 1]
        good = float((inside < 1.05 * slow).mean()) >= 0.9
        return [
            self._border(),
            self._found("rest", 0, good, f"a speed of up to {inside.max():.2f} m/s there"),
        ]

    def _movement(self) -> list[CheckedClaim]:
        facts, share = self._facts, self._config.relative
        if facts.speed is None:
            kinds = ("time", "direction", "length", "speed")
            return [self._unsure(kind, k) for k, kind in enumerate(kinds)]
        window = self._window()
        step = facts.step(window)
        length = hypot(*step)
        word = self._part(1)
        if word == "in place":
            good = length < 0.01
        else:
            along = UP[word][0] * step[0] + UP[word][1] * step[1]
            good = length >= 0.003 and float(along) >= _ANGLE * length
        peak = float(facts.speed[window[0] : window[1] + 1].max())
        return [
            self._border(),
            self._found("direction", 1, good, compass(step.astype(np.float32))),
            self._found("length", 2, self._near(2, length, 0.006, share), f"{length:.2f} m"),
            self._found("speed", 3, self._near(3, peak, 0.05, share), f"a peak of {peak:.2f} m/s"),
        ]

    def _turns(self) -> list[CheckedClaim]:
        turns = self._facts.explanation.turns
        if turns is None:
            return [self._unsure("count", 0)]
        return [self._found("count", 0, self._number(0) == turns, f"{turns} turning points")]

    def _still(self) -> list[CheckedClaim]:
        rests = [p for p in self._facts.explanation.phases if p.kind in ("still", "rest")]
        return self._span("rest", [(p.start, p.end) for p in rests])

    def _pulse(self) -> list[CheckedClaim]:
        facts = self._facts
        axis, peak = self._part(2), self._number(3)
        sign = 1 if peak >= 0 else -1
        first, last = facts.window(self._number(0), self._number(1))
        extreme = float((sign * facts.signal("change", axis))[first : last + 1].max())
        good = self._near(3, sign * extreme, 0.05, self._config.relative)
        return [
            *self._span("time", facts.pulses(axis, sign)),
            self._found("value", 3, good, f"{axis} {sign * extreme:+.1f} m/s²"),
        ]

    def _window(self) -> Window:
        """Return the samples of a rest or movement; its ends were rounded in the text."""
        ends = {0.0, *(phase.end for phase in self._facts.explanation.phases)}
        exact = []
        for stated in (self._before, self._number(0)):
            near = min(ends, key=lambda end: abs(end - stated))
            exact.append(near if abs(near - stated) <= self._half(0) + 1e-6 else stated)
        return self._facts.window(exact[0], exact[1])

    def _border(self) -> CheckedClaim:
        """Check that such a phase, not named yet, ends at the first number."""
        phases = self._facts.explanation.phases
        left = [p for p in phases if p.kind == self._kind and p not in self._named]
        if not left:
            return self._found("time", 0, False, f"no other {self._kind}")
        near = min(left, key=lambda phase: abs(phase.end - self._number(0)))
        good = self._number(0) > self._before and self._moment(0, near.end)
        if good:
            self._named.add(near)
        return self._found("time", 0, good, f"the nearest {self._kind} ending at {near.end:.2f} s")

    def _span(self, kind: str, spans: list[tuple[float, float]]) -> list[CheckedClaim]:
        """Check that the first two numbers are the start and the end of one of these."""
        if not spans:
            return [self._found(kind, k, False, "none") for k in (0, 1)]
        near = min(spans, key=lambda s: abs(s[0] - self._number(0)) + abs(s[1] - self._number(1)))
        found = f"the nearest from {near[0]:.2f} to {near[1]:.2f} s"
        return [self._found(kind, k, self._moment(k, near[k]), found) for k in (0, 1)]

    def _found(self, kind: str, k: int, good: bool, found: str) -> CheckedClaim:
        start, end = self._match.span(self._first + k)
        return CheckedClaim(kind, start, end, "supported" if good else "contradicted", found)

    def _unsure(self, kind: str, k: int) -> CheckedClaim:
        return CheckedClaim(kind, *self._match.span(self._first + k), "unchecked", "")

    def _near(self, k: int, actual: float, least: float, share: float) -> bool:
        slack = max(self._half(k), least, share * abs(actual))
        return abs(self._number(k) - actual) <= slack + 1e-6

    def _moment(self, k: int, actual: float) -> bool:
        return abs(self._number(k) - actual) <= self._half(k) + self._config.exact + 1e-6

    def _half(self, k: int) -> float:
        """Return half a step of the last digit of a number."""
        return 0.5 * 10.0 ** -len(self._part(k).partition(".")[2])

    def _number(self, k: int) -> float:
        return float(self._part(k).replace("−", "-"))

    def _part(self, k: int) -> str:
        return self._match[self._first + k]
