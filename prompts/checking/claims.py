"""Is an explanation true of the signal? Every claim in it, tested against the recording.

A text is read sentence by sentence. The deterministic explainer's own sentences are read as a
whole; in free prose, numbers with units, moments, signs, directions and their order, counts, rest
and gravity are looked for (`phrases.yaml` has the words). A claim is *contradicted* only if nothing
the words may mean fits the recording; what is hedged by "may", denied in a way not understood, or
said of a letter in general is *unchecked*.

The air-writing study and LanHAR both name hallucination as a limit of such explanations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.axes import read_axes
from imuscribe.prompts.checking.config import CheckConfig, CheckedClaim
from imuscribe.prompts.checking.moves import read_moves
from imuscribe.prompts.checking.sentence import Sentence
from imuscribe.prompts.checking.template import read_template
from imuscribe.prompts.checking.values import read_values
from imuscribe.prompts.checking.words import sentences
from imuscribe.signals.recording import Recording


@dataclass(frozen=True)
class ClaimReport:
    """All claims of one text, in order of their place."""

    text: str
    claims: tuple[CheckedClaim, ...]

    @property
    def supported(self) -> int:
        """Number of claims that the recording bears out."""
        return self.counts["supported"]

    @property
    def contradicted(self) -> int:
        """Number of claims that the recording refutes."""
        return self.counts["contradicted"]

    @property
    def unchecked(self) -> int:
        """Number of claims that were seen but could not be decided."""
        return self.counts["unchecked"]

    @property
    def counts(self) -> dict[str, int]:
        """What a pair carries: ``claims``, ``supported``, ``contradicted``, ``unchecked``."""
        verdicts: list[str] = [claim.verdict for claim in self.claims]
        names = ("supported", "contradicted", "unchecked")
        return {"claims": len(verdicts)} | {name: verdicts.count(name) for name in names}

    @cached_property
    def errors(self) -> tuple[str, ...]:
        """One line for each contradicted claim, to hand to whoever wrote the text."""
        return tuple(
            f'you wrote "{_around(self.text, c)}"; the recording shows {c.found or "otherwise"}'
            for c in self.claims
            if c.verdict == "contradicted"
        )


def check_claims(
    text: str, recording: Recording | Facts, config: CheckConfig = CheckConfig()
) -> ClaimReport:
    """Test every checkable claim of a text against a recording.

    Parameters
    ----------
    text : str
        An explanation, a caption, or whatever a model wrote. Numbers may be in s, m/s² or g,
        rad/s or °/s, m/s, m, cm or mm, Hz, or samples.
    recording : Recording or Facts
        The recording it is about, cleaned as it was when the text was written. Give `Facts` to
        check several texts about one recording: what is computed from it is kept there.
    config : CheckConfig
        Tolerances.

    Returns
    -------
    ClaimReport
        The claims with their place in the text, verdict and what the recording shows; a text
        without a claim has none.

    Examples
    --------
    >>> report = check_claims("z stays at 9.8 m/s². The hand moves left, then down.", rec)
    >>> report.contradicted, report.errors
    """
    facts = recording if isinstance(recording, Facts) else Facts(recording, config.explain)
    claims: list[CheckedClaim] = []
    context = "", ""
    for start, end in read_template(text, facts, config, claims):
        for tokens in sentences(text, start, end):
            sentence = Sentence(tokens, text, facts, config, context)
            claims += read_moves(sentence)
            claims += read_axes(sentence)
            claims += read_values(sentence)
            context = _context(sentence)
    claims.sort(key=lambda claim: (claim.start, claim.end))
    return ClaimReport(text, tuple(claims))


def _context(sentence: Sentence) -> tuple[str, str]:
    """Return the axis and sensor the next sentence is about if it names none."""
    axes = {t.roles["axis"] for t in sentence.tokens if "axis" in t.roles}
    sensors = [t.roles["sensor"] for t in sentence.tokens if "sensor" in t.roles]
    axis, sensor = sentence.context
    if axes:  # several name none in particular
        axis, sensor = "" if len(axes) > 1 or "all" in axes else axes.pop(), ""
    return axis, sensors[-1] if sensors else sensor


def _around(text: str, claim: CheckedClaim) -> str:
    """Return the claim with the words of its sentence around it, at most some 100 characters."""
    first = max(text.rfind(mark, 0, claim.start) for mark in (". ", "\n", "; ")) + 1
    ends = [text.find(mark, claim.end) for mark in (". ", ".\n", "\n", "; ")]
    last = min([end for end in ends if end >= 0], default=len(text))
    first, last = max(first, claim.start - 70), min(last, claim.end + 40)
    return " ".join(text[first:last].split()).rstrip(".")
