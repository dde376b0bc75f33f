"""Judges for teachers: whether every claim is true, and the label is kept for the end."""

from __future__ import annotations

from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.prompts.checking.leaks import leaks
from imuscribe.prompts.teacher.teachers import Judge, Verdict


def claims_judge(noun: str, forbid_label: bool = True) -> Judge:
    """Return a judge that tests every claim, and whether the label is named too early.

    Parameters
    ----------
    noun : str
        What a label is: letter, character or activity.
    forbid_label : bool
        Whether reasoning that names its label counts as wrong.
    """

    def judge(reasoning: str, facts: Facts) -> Verdict:
        report = check_claims(reasoning, facts)
        errors = list(report.errors)
        for start, end in leaks(reasoning, facts.rec.label)[:1] if forbid_label else ():
            around = reasoning[max(0, start - 30) : end + 10].strip()
            errors.append(f'you wrote "{around}"; the {noun} may be named at the end only')
        return Verdict(**report.counts, errors=tuple(errors))

    return judge
