"""How true a model's own explanations are: the share of checkable claims that the signal bears out.

Claims of one explanation stand and fall together, so the interval over claims is narrower than the
truth; the share of explanations without a contradicted claim has one that can be trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from imuscribe.eval.metrics import Interval, wilson
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import ClaimReport, check_claims
from imuscribe.prompts.checking.config import CheckConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


@dataclass(frozen=True)
class Faithfulness:
    """What checking some explanations came to; shares have their 95 % Wilson interval."""

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
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    checked = true = 0
    for report in reports:
        checked += report.supported + report.contradicted > 0
        true += report.supported > 0 and report.contradicted == 0
        for claim in report.claims:
            if claim.verdict != "unchecked":
                kinds[claim.kind][claim.verdict == "supported"] += 1
    supported, contradicted, unchecked = (
        sum(getattr(report, verdict) for report in reports)
        for verdict in ("supported", "contradicted", "unchecked")
    )
    return Faithfulness(
        supported + contradicted + unchecked,
        supported,
        contradicted,
        unchecked,
        share=_share(supported, supported + contradicted),
        true_texts=_share(true, checked),
        texts=len(reports),
        kinds={kind: _share(good, good + bad) for kind, (bad, good) in sorted(kinds.items())},
    )


def _share(k: int, n: int) -> Interval:
    """Return k of n with its interval; 0 of 0 has none."""
    return Interval(k / n, *wilson(k, n), n) if n else Interval(0.0, None, None, 0)
