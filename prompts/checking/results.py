"""What becomes of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["supported", "contradicted", "unchecked"]
Judged = tuple[Verdict, str]
"""A verdict, and what the recording says."""

UNSURE: Judged = ("unchecked", "")
UNITS = {"acc": "m/s²", "gyro": "rad/s", "speed": "m/s", "length": "m", "time": "s", "rate": "Hz"}


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One claim of a text.

    Parameters
    ----------
    kind : str
        ``value``, ``speed``, ``length``, ``time``, ``duration``, ``samples``, ``rate``,
        ``frequency``, ``gravity``, ``sign``, ``direction``, ``order``, ``count``, ``rest``,
        ``dominance``.
    start, end : int
        Where it stands: ``text[start:end]``.
    verdict : str
        ``supported``, ``contradicted`` or ``unchecked``.
    found : str
        What the recording says.
    """

    kind: str
    start: int
    end: int
    verdict: Verdict
    found: str = ""


def sure(good: bool, bad: bool, told: str) -> Judged:
    """Return the verdict on a claim that is borne out, refuted, or neither."""
    return ("supported" if good else "contradicted" if bad else "unchecked"), told
