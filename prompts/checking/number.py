"""A stated number: how exact it is, and whether a value can be what it says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.checking.sentence import Sentence

if TYPE_CHECKING:
    from imuscribe.prompts.checking.claims import CheckConfig

Floats = NDArray[np.float64]


class Number:
    """Number `i` of a sentence, in its place.

    Parameters
    ----------
    sentence : Sentence
    i : int
        Which token.
    config : CheckConfig
    least : float
        Tolerance in the number's unit, beside its rounding and a share of it.

    Attributes
    ----------
    value, high : float
        As stated, with the sign that a word such as "negative" gives it; the upper end of a range.
    signed : bool
        Whether the sign counts.
    slack : float
        How far it may be off: rounding, a share of it, `least`; more if it is hedged.
    bound : str
        ``over``, ``floor``, ``under``, ``ceiling`` or nothing.
    stat : str
        The statistic it is of.
    """

    def __init__(self, sentence: Sentence, i: int, config: CheckConfig, least: float) -> None:
        token, sign = sentence.tokens[i], sentence.sign(i)
        self.sentence, self.i, self.token = sentence, i, token
        self.value = sign * abs(token.number) if sign else token.number
        self.high = token.high
        self.signed = token.signed or sign != 0
        hedged = sentence.hedged(i)
        share = config.hedged if hedged else config.relative
        largest = max(abs(self.value), abs(self.high or 0.0))
        self.slack = max(least * (2 if hedged else 1), share * largest, token.half) + 1e-9
        self.bound = sentence.compare(i)
        self.stat = sentence.stat(i)

    def is_one_of(self, values: Iterable[float]) -> bool:
        """Whether it is one of these values; without a sign, either sign will do."""
        low, high = self.value - self.slack, self.value + self.slack
        if self.signed:
            return any(low <= value <= high for value in values)
        return any(low <= abs(value) <= high for value in values)

    def is_within(self, signal: Floats) -> bool:
        """Whether a signal goes from below it to above it."""
        low, high = float(signal.min()) - self.slack, float(signal.max()) + self.slack
        return low <= self.value <= high or (not self.signed and low <= -self.value <= high)
