"""How exact a claim must be, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.signals.config import Config

Verdict = Literal["supported", "contradicted", "unchecked"]
Finding = tuple[Verdict, str]
"""A verdict, and what the recording shows."""

UNSURE: Finding = ("unchecked", "")


class CheckConfig(Config):
    """How far a stated number may be off. The widest of these and of its rounding counts."""

    relative: float = Field(default=0.05, ge=0, lt=1)
    """Share of the number."""
    hedged: float = Field(default=0.15, ge=0, lt=1)
    """The same for "about", "roughly", "nearly"; the tolerances below double there."""
    acceleration: float = Field(default=0.15, ge=0)
    """m/s²."""
    rotation: float = Field(default=0.05, ge=0)
    """rad/s."""
    speed: float = Field(default=0.05, ge=0)
    """m/s."""
    length: float = Field(default=0.015, ge=0)
    """m."""
    time: float = Field(default=0.05, ge=0)
    """s; three samples where that is more."""
    exact: float = Field(default=0.02, ge=0)
    """In the explainer's own sentences: s for moments, and m/s², m/s and m beside `relative`."""
    explain: ExplainConfig = ExplainConfig()


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One claim of a text, which stands at ``text[start:end]``.

    Its kind is ``value``, ``speed``, ``length``, ``time``, ``duration``, ``samples``, ``rate``,
    ``frequency``, ``gravity``, ``sign``, ``direction``, ``order``, ``count``, ``rest`` or
    ``dominance``; `found` says what the recording shows.
    """

    kind: str
    start: int
    end: int
    verdict: Verdict
    found: str = ""


def decide(good: bool, bad: bool, found: str) -> Finding:
    """Return the verdict on a claim that is borne out, refuted, or neither."""
    return ("supported" if good else "contradicted" if bad else "unchecked"), found


def either(good: bool, found: str) -> Finding:
    """Return the verdict on a claim that is borne out or refuted."""
    return decide(good, not good, found)
