"""Whether the numbers of an interpretation are its window's, and whether it names an activity.

Every number with a unit must be one of the window's figures (`signals.motion.statistics`), or a
claim that `checking.claims` bears out, such as a length or a rate. A bare number may be a count, a
share or a ratio; one that is none of them is left unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imuscribe.prompts.captions.interpret import names_of_activities
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.prompts.checking.config import CheckConfig, CheckedClaim
from imuscribe.prompts.checking.leaks import leaks
from imuscribe.prompts.checking.words import Token, sentences
from imuscribe.signals.motion.statistics import Statistic, statistics
from imuscribe.signals.recording import Recording

_UNITS = {
    "acc": ("m/s²",),
    "jerk": ("m/s³",),
    "gyro": ("rad/s",),
    "time": ("s",),
    "rate": ("Hz",),
    "angle": ("°", "rad"),
    "share": ("",),
    "": ("", "steps/min"),
}
"""What a number with a unit may be."""


@dataclass(frozen=True)
class FigureReport:
    """What a check of numbers has found."""

    claims: int = 0
    supported: int = 0
    errors: tuple[str, ...] = ()


def check_figures(
    text: str,
    rec: Recording,
    figures: Mapping[str, Statistic] | None = None,
    config: CheckConfig = CheckConfig(),
) -> FigureReport:
    """Check every number of an interpretation, and that it names no activity.

    Parameters
    ----------
    text : str
    rec : Recording
        The window it is about.
    figures : mapping, optional
        Its figures, if they are there already.
    config : CheckConfig
        How far a number may be off, beside its own rounding.

    Returns
    -------
    FigureReport
        One error for each number that is none of the window's, and for each name.
    """
    figures = statistics(rec) if figures is None else figures
    tokens = [t for found in sentences(text, 0, len(text)) for t in found if t.number_like]
    numbers = [token for token in tokens if token.unit in _UNITS]
    wrong = [token for token in numbers if not _is_one(token, figures, config)]
    supported = len(numbers) - len(wrong)
    errors: list[str] = []
    # What is no figure may still be true: how long the window lasts, at which rate it was measured.
    claims = check_claims(text, rec, config).claims if any(t.unit for t in wrong) else ()
    for token in wrong:
        claim = _claim_at(token, claims)
        if claim is not None and claim.verdict == "supported":
            supported += 1
        elif token.unit:
            said = " ".join(text[max(0, token.start - 40) : token.end].split())
            errors.append(f'you wrote "{said}"; no figure of the window is that')
    for name in names_of_activities():
        for start, end in leaks(text, name)[:1]:
            errors.append(f'you wrote "{text[start:end]}", which names an activity')
    return FigureReport(len(numbers), supported, tuple(dict.fromkeys(errors)))


def _is_one(token: Token, figures: Mapping[str, Statistic], config: CheckConfig) -> bool:
    """Whether a number is one of the figures that have its unit; a sign counts if it is written."""
    value = token.number / 100 if token.unit == "share" else token.number
    half = token.half / 100 if token.unit == "share" else token.half
    slack = max(half, config.relative * abs(value)) + 1e-9
    return any(
        abs(value - (one.value if token.signed else abs(one.value))) <= slack
        for one in figures.values()
        if one.unit in _UNITS[token.unit]
    )


def _claim_at(token: Token, claims: tuple[CheckedClaim, ...]) -> CheckedClaim | None:
    return next((one for one in claims if one.start <= token.start < one.end), None)
