"""Is an explanation true of the signal? Every claim in it, tested against the recording.

A text is read sentence by sentence. The deterministic explainer's own sentences are read as a
whole; in free prose, numbers with units, moments, signs, directions and their order, counts, rest
and gravity are looked for (`prompts.checking.lexicon` has the words). A claim is *contradicted*
only if nothing the words may mean fits the recording; what is hedged by "may", denied in a way
not understood, or said of a letter in general is *unchecked*.

The air-writing study and LanHAR both name hallucination as a limit of such explanations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.axes import read_axes
from imuscribe.prompts.checking.moves import read_moves
from imuscribe.prompts.checking.results import CheckedClaim
from imuscribe.prompts.checking.sentence import Sentence
from imuscribe.prompts.checking.template import read_template
from imuscribe.prompts.checking.values import read_values
from imuscribe.prompts.checking.words import sentences
from imuscribe.signals.config import Config
from imuscribe.signals.recording import Recording


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


@dataclass(frozen=True)
class ClaimReport:
    """All claims of one text, in order of their place."""

    text: str
    claims: tuple[CheckedClaim, ...]

    @property
    def supported(self) -> int:
        """Number of claims that the recording bears out."""
        return self._count("supported")

    @property
    def contradicted(self) -> int:
        """Number of claims that the recording refutes."""
        return self._count("contradicted")

    @property
    def unchecked(self) -> int:
        """Number of claims that were seen but could not be decided."""
        return self._count("unchecked")

    @property
    def counts(self) -> dict[str, int]:
        """What a pair carries: ``claims``, ``supported``, ``contradicted``, ``unchecked``."""
        names = ("supported", "contradicted", "unchecked")
        return {"claims": len(self.claims)} | {name: self._count(name) for name in names}

    @cached_property
    def errors(self) -> tuple[str, ...]:
        """One line for each contradicted claim, to hand to whoever wrote the text."""
        return tuple(
            f'you wrote "{_around(self.text, c)}"; the recording shows {c.found or "otherwise"}'
            for c in self.claims
            if c.verdict == "contradicted"
        )

    def _count(self, verdict: str) -> int:
        return sum(claim.verdict == verdict for claim in self.claims)


def check_claims(
    text: str, recording: Recording | Facts, config: CheckConfig = CheckConfig()
) -> ClaimReport:
    """Test every checkable claim of a text against a recording.

    Parameters
    ----------
    text : str
        An explanation, a caption, or whatever a model wrote.
    recording : Recording or Facts
        The recording it is about, cleaned as it was when the text was written. Give `Facts` to
        check several texts about one recording: what is computed from it is kept there.
    config : CheckConfig
        Tolerances.

    Examples
    --------
    >>> report = check_claims("z stays at 9.8 m/s². The hand moves left, then down.", rec)
    >>> report.contradicted, report.errors
    """
    facts = recording if isinstance(recording, Facts) else Facts(recording, config.explain)
    claims: list[CheckedClaim] = []
    axis = sensor = ""
    for start, end in read_template(text, facts, config, claims):
        for tokens in sentences(text, start, end):
            sentence = Sentence(tokens, text, facts, axis, sensor, config.time)
            claims += read_moves(sentence)
            claims += read_axes(sentence)
            claims += read_values(sentence, config)
            axis, sensor = _context(sentence)
    claims.sort(key=lambda claim: (claim.start, claim.end))
    return ClaimReport(text, tuple(claims))


def _context(sentence: Sentence) -> tuple[str, str]:
    """Return the axis and sensor the next sentence is about if it names none."""
    axes = [t.roles["axis"] for t in sentence.tokens if "axis" in t.roles]
    sensors = [t.roles["sensor"] for t in sentence.tokens if "sensor" in t.roles]
    if len(set(axes)) > 1:
        return "", sensors[-1] if sensors else ""
    if axes:
        return axes[0], sensors[-1] if sensors else ""
    return sentence.context[0], sensors[-1] if sensors else sentence.context[1]


def _around(text: str, claim: CheckedClaim) -> str:
    """Return the claim with the words of its sentence around it, at most some 100 characters."""
    first = max(text.rfind(mark, 0, claim.start) for mark in (". ", "\n", "; ")) + 1
    ends = [text.find(mark, claim.end) for mark in (". ", ".\n", "\n", "; ")]
    last = min([end for end in ends if end >= 0], default=len(text))
    first, last = max(first, claim.start - 70), min(last, claim.end + 40)
    return " ".join(text[first:last].split()).rstrip(".")
