"""A run that survives: pairs and their card written whole, every recording accounted for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.pair_files import DataCard, Row, companion, write_pairs
from imuscribe.prompts.teacher.refine import RefinedTeacher
from imuscribe.prompts.teacher.store import TokenBudget
from imuscribe.prompts.teacher.teach import teach
from imuscribe.prompts.teacher.teachers import LanguageTeacher, Teacher
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


def teach_to_file(
    recordings: Sequence[Recording],
    serializer: Serializer,
    builder: PromptBuilder,
    teacher: Teacher,
    out: Path,
    about: Mapping[str, object],
    budget: TokenBudget,
    paraphrases: int = 1,
    seed: int = 0,
    workers: int = 8,
    stop: threading.Event | None = None,
) -> str:
    """Teach all recordings and write pairs, card and what was set aside; return a summary.

    Parameters
    ----------
    recordings, serializer, builder, teacher, paraphrases, seed, workers, stop
        As for `prompts.teacher.teach.teach`.
    out : Path
        The file of pairs: Parquet where it ends so, else JSONL.
    about : mapping
        What the card says first.
    budget : TokenBudget
        Which counts what the teacher costs.

    Raises
    ------
    InputError
        If the teacher cannot go on, or no pair came of it.
    """
    from tqdm.auto import tqdm

    card = DataCard(len(recordings))
    every = teach(recordings, serializer, builder, teacher, paraphrases, seed, workers, stop)
    with closing(every), tqdm(every, desc="taught", unit="rec", total=len(recordings)) as bar:

        def rows() -> Iterator[Row]:
            for taught in bar:
                card.add(taught.rows, taught.set_aside)
                bar.set_postfix_str(_progress(card, budget), refresh=False)
                yield from taught.rows

        write_pairs(rows(), out)
    card.write(out, {**about, **_cost(teacher, budget)})
    listed = companion(out, ".set-aside.jsonl").name
    if not card.n_pairs:
        out.unlink()
        reason, n = card.reasons()[0]
        detail = next(lost.detail for lost in card.set_aside if lost.reason == reason)
        raise InputError(
            f"no pairs: {len(recordings)} recordings set aside, {n} for '{reason}' "
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
        summary += (
            f"\n{budget.new_requests:,} of {budget.requests:,} answers were new: "
            f"{budget.new_tokens:,} tokens paid"
        )
    if budget.spent:
        summary += "\nstopped by --max-tokens-total: run again with a higher one to go on"
    return summary


def _progress(card: DataCard, budget: TokenBudget) -> str:
    """Return what the bar says besides the number of recordings."""
    text = f"{card.n_pairs} pairs, {len(card.set_aside)} set aside"
    if not budget.requests:
        return text
    limit = "" if budget.limit is None else f" of {budget.limit:,}"
    return (
        f"{text}, {budget.prompt_tokens:,} + {budget.answer_tokens:,} tokens{limit}, "
        f"{budget.new_requests:,} answers paid"
    )


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
