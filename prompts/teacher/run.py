"""A run that survives: pairs and their card written whole, every recording accounted for."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from imuscribe.prompts.teacher.pair_files import DataCard, Row, write_pairs
from imuscribe.prompts.teacher.refine import RefinedTeacher
from imuscribe.prompts.teacher.store import TokenBudget
from imuscribe.prompts.teacher.teach import Taught
from imuscribe.prompts.teacher.teachers import LanguageTeacher, Teacher
from imuscribe.signals.errors import InputError


def write_taught(
    taught: Generator[Taught, None, None],
    n_recordings: int,
    teacher: Teacher,
    budget: TokenBudget,
    about: Mapping[str, object],
    out: Path,
) -> str:
    """Write pairs as `prompts.teacher.teach.teach` yields them, the card, what was set aside.

    `budget` counts what the teacher costs, `about` is what the card says first. Returns a summary;
    InputError if the teacher cannot go on, or no pair came of it.
    """
    from tqdm.auto import tqdm

    card = DataCard(n_recordings)
    with closing(taught), tqdm(taught, desc="taught", unit="rec", total=n_recordings) as bar:

        def rows() -> Iterator[Row]:
            for one in bar:
                card.add(one.rows, one.set_aside)
                bar.set_postfix_str(_progress(card, budget), refresh=False)
                yield from one.rows

        write_pairs(rows(), out)
    card.write(out, {**about, **_cost(teacher, budget)})
    listed = out.with_suffix(".set-aside.jsonl").name
    if not card.n_pairs:
        out.unlink()
        reason, n = card.reasons()[0]
        detail = next(lost.detail for lost in card.set_aside if lost.reason == reason)
        raise InputError(
            f"no pairs: {n_recordings} recordings set aside, {n} for '{reason}' "
            f"({detail}): see {listed}"
        )
    summary = (
        f"{out}: {card.n_pairs} pairs of {card.n_taught} recordings by {teacher.name}; "
        f"{len(card.set_aside)} set aside"
    )
    if card.set_aside:
        reasons = ", ".join(f"{reason} {n}" for reason, n in card.reasons())
        summary += f" ({reasons}), listed in {listed}"
    if budget.requests:
        summary += f"\n{budget.new_requests:,} of {budget.requests:,} answers were new: "
        summary += f"{budget.new_tokens:,} tokens paid"
    if budget.spent:
        summary += "\nstopped by --max-tokens-total: run again with a higher one to go on"
    return summary


def _progress(card: DataCard, budget: TokenBudget) -> str:
    """Return what the bar says besides the number of recordings."""
    text = f"{card.n_pairs} pairs, {len(card.set_aside)} set aside"
    if budget.requests:
        limit = "" if budget.limit is None else f" of {budget.limit:,}"
        text += f", {budget.prompt_tokens:,} + {budget.answer_tokens:,} tokens{limit}"
        text += f", {budget.new_requests:,} answers paid"
    return text


def _cost(teacher: Teacher, budget: TokenBudget) -> dict[str, object]:
    """Return what the card says of a language model's work."""
    cost: dict[str, object] = {}
    plain = teacher.teacher if isinstance(teacher, RefinedTeacher) else teacher
    if isinstance(plain, LanguageTeacher):
        settings = plain.config.model_dump().items()
        cost["hash of the teacher's prompts"] = teacher.prompts_hash
        cost |= {key.replace("_", " "): value for key, value in settings}
        cost["tokens of all answers"] = f"{budget.prompt_tokens:,} + {budget.answer_tokens:,}"
        cost["answers"] = budget.requests
    if isinstance(teacher, RefinedTeacher) and teacher.refined.spread:
        done = teacher.refined
        taken = sum(attempt.accepted for attempt in done.attempts)
        cost["written anew as unlike others"] = f"{len(done.attempts)}, of which {taken} taken"
        cost["mean distance to the label's centre"] = " → ".join(f"{x:.4f}" for x in done.spread)
    return cost
