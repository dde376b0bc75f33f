"""How true a model's own explanations are: the share of checkable claims that the signal bears out.

Claims of one explanation stand and fall together, so the interval over claims is narrower than the
truth; the share of explanations without a contradicted claim has one that can be trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imuscribe.eval.metrics import Interval, share
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import ClaimReport, check_claims
from imuscribe.prompts.checking.config import CheckConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


@dataclass(frozen=True)
class Faithfulness:
    """What checking some explanations came to: claims and their verdicts, and how many texts.

    `share` is supported of those supported or contradicted, `kinds` the same by kind of claim;
    `true_texts` are, of the explanations with a checkable claim, those without a contradicted one.
    """

    claims: int
    """Claims found; the next three are their verdicts."""
    supported: int
    contradicted: int
    unchecked: int
    share: Interval
    """Supported of those supported or contradicted."""
    true_texts: Interval
    """Of the explanations with a checkable claim, those without a contradicted one."""
    texts: int
    """Explanations in all."""
    kinds: dict[str, Interval]
    """`share` by kind of claim."""


def faithfulness(
    texts: Sequence[str], recordings: Sequence[Recording], config: CheckConfig = CheckConfig()
) -> Faithfulness:
    """Check explanations, each against its recording."""
    if len(texts) != len(recordings):
        raise InputError(
            f"{len(texts)} texts and {len(recordings)} recordings: give one recording a text"
        )
    facts: dict[int, Facts] = {}
    reports = []
    for text, rec in zip(texts, recordings, strict=True):
        known = facts.setdefault(id(rec), Facts(rec, config.explain))
        reports.append(check_claims(text, known, config))
    return summary(reports)


def summary(reports: Sequence[ClaimReport]) -> Faithfulness:
    """Sum reports up."""
    verdicts = Counter(claim.verdict for report in reports for claim in report.claims)
    by_kind = Counter((claim.kind, claim.verdict) for report in reports for claim in report.claims)
    checked = [report for report in reports if report.supported + report.contradicted]
    right, wrong = verdicts["supported"], verdicts["contradicted"]
    return Faithfulness(
        claims=verdicts.total(),
        supported=right,
        contradicted=wrong,
        unchecked=verdicts["unchecked"],
        share=share(right, right + wrong),
        true_texts=share(sum(not report.contradicted for report in checked), len(checked)),
        texts=len(reports),
        kinds={
            kind: share(by_kind[kind, "supported"], n)
            for kind in sorted({kind for kind, _ in by_kind})
            if (n := by_kind[kind, "supported"] + by_kind[kind, "contradicted"])
        },
    )
