"""`imuscribe pairs build --teacher`: the run that survives."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imuscribe.prompts.ask.templates import PromptBuilder
    from imuscribe.prompts.serialize.text import Serializer
    from imuscribe.prompts.teacher.teachers import Teacher
    from imuscribe.signals.recording import Recording

COMPUTED = "computed"
"""The teacher that needs no language model."""


@dataclass(frozen=True)
class TeacherOptions:
    """What the command line says about the teacher, unchecked."""

    teacher: str
    model: str | None
    prompts: Path | None
    concurrency: int
    cache: Path | None
    max_tokens_total: int | None
    check: bool
    forbid_label: bool
    tighten: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)


def build_taught(
    recordings: Sequence[Recording],
    serializer: Serializer,
    builder: PromptBuilder,
    paraphrases: int,
    seed: int,
    options: TeacherOptions,
    data: Path,
    out: Path,
) -> str:
    """Teach all recordings and write pairs, card and what was set aside; return a summary.

    Raises
    ------
    InputError
        If an option is wrong, the teacher cannot go on, or no pair came of it.
    """
    from tqdm.auto import tqdm

    from imuscribe.prompts.teacher.pair_files import Account, companion, open_pairs
    from imuscribe.prompts.teacher.pairs import check_paraphrases
    from imuscribe.prompts.teacher.store import Purse
    from imuscribe.prompts.teacher.teach import teach

    if options.teacher == COMPUTED or builder.config.style != "study":
        check_paraphrases(paraphrases, builder)
    stop, purse = threading.Event(), Purse(options.max_tokens_total)
    teacher = _teacher(options, builder, seed, purse, stop)
    if options.tighten is not None:
        teacher = _tightened(options, teacher, recordings, serializer, stop)
    account = Account(len(recordings))
    lessons = teach(
        recordings, serializer, builder, teacher, paraphrases, seed, options.concurrency, stop
    )
    with (
        open_pairs(out) as file,
        closing(lessons),
        tqdm(lessons, desc="taught", unit="rec", total=len(recordings)) as bar,
    ):
        for taught in bar:
            for row in taught.rows:
                file.write(row)
            account.add(taught)
            bar.set_postfix_str(_progress(purse, account), refresh=False)
    account.write(out, _about(options, teacher, paraphrases, seed, data, purse))
    listed = companion(out, ".set-aside.jsonl").name
    if not account.n_pairs:
        out.unlink()
        reason, n = account.reasons().most_common(1)[0]
        detail = next(lost.detail for lost in account.set_aside if lost.reason == reason)
        raise InputError(
            f"no pairs: {len(recordings)} recordings set aside, {n} for '{reason}' "
            f"({detail}): see {listed}"
        )
    told = (
        f"{out}: {account.n_pairs} pairs of {account.n_taught} recordings by {teacher.name}; "
        f"{len(account.set_aside)} set aside"
    )
    if account.set_aside:
        reasons = ", ".join(f"{reason} {n}" for reason, n in account.reasons().most_common())
        told += f" ({reasons}), listed in {listed}"
    if purse.requests:
        told += (
            f"\n{purse.new_requests:,} of {purse.requests:,} answers were new: "
            f"{purse.new_tokens:,} tokens paid"
        )
    if purse.empty:
        told += "\nstopped by --max-tokens-total: run again with a higher one to go on"
    return told


def _teacher(
    options: TeacherOptions,
    builder: PromptBuilder,
    seed: int,
    purse: Any,
    stop: threading.Event,
) -> Teacher:
    from imuscribe.finetune.local_teacher import chat_model
    from imuscribe.prompts.teacher.judging import claims_judge
    from imuscribe.prompts.teacher.roles import RolePrompts
    from imuscribe.prompts.teacher.store import AnswerStore, Remembering
    from imuscribe.prompts.teacher.teachers import (
        ComputedTeacher,
        LanguageTeacher,
        TeachConfig,
        believe,
    )
    from imuscribe.signals.files import cache_dir

    checked = options.check and builder.config.reasoning
    judge = claims_judge(builder.noun, options.forbid_label) if checked else believe
    if options.teacher == COMPUTED:
        return ComputedTeacher(builder, seed, judge)
    config = TeachConfig.parse(options.config, "options")
    prompts = RolePrompts(options.prompts)
    model = chat_model(options.teacher, options.model, options.endpoint, stop)
    store = AnswerStore(options.cache or cache_dir() / "answers.sqlite")
    remembering = Remembering(model, store, purse, stop)
    return LanguageTeacher(remembering, builder, prompts, config, seed, judge)


def _tightened(
    options: TeacherOptions,
    teacher: Teacher,
    recordings: Sequence[Recording],
    serializer: Serializer,
    stop: threading.Event,
) -> Teacher:
    from imuscribe.prompts.teacher.clusters import load_encoder
    from imuscribe.prompts.teacher.refine import TightenedTeacher
    from imuscribe.prompts.teacher.teachers import LanguageTeacher

    if not isinstance(teacher, LanguageTeacher) or not teacher.builder.config.reasoning:
        raise InputError("--tighten: only a language model's reasoning can be written anew")
    encoder = load_encoder(options.tighten or "")
    return TightenedTeacher(teacher, recordings, serializer, encoder, options.concurrency, stop)


def _progress(purse: Any, account: Any) -> str:
    """Return what the bar says besides the number of recordings."""
    told = f"{account.n_pairs} pairs, {len(account.set_aside)} set aside"
    if not purse.requests:
        return told
    limit = "" if purse.limit is None else f" of {purse.limit:,}"
    return (
        f"{told}, {purse.prompt_tokens:,} + {purse.answer_tokens:,} tokens{limit}, "
        f"{purse.new_requests:,} answers paid"
    )


def _about(
    options: TeacherOptions, teacher: Teacher, paraphrases: int, seed: int, data: Path, purse: Any
) -> dict[str, object]:
    """Return what the data card says first."""
    from imuscribe.prompts.teacher.refine import TightenedTeacher

    about: dict[str, object] = {"recordings from": data.name, "teacher": teacher.name}
    about |= {"paraphrases": paraphrases, "seed": seed}
    if options.teacher != COMPUTED:
        about["hash of the teacher's prompts"] = teacher.prompts_hash
        about |= {key.replace("_", " "): value for key, value in options.config.items()}
        about["tokens of all answers"] = f"{purse.prompt_tokens:,} + {purse.answer_tokens:,}"
        about["answers"] = purse.requests
    if isinstance(teacher, TightenedTeacher) and teacher.tightened.spread:
        done = teacher.tightened
        taken = sum(attempt.accepted for attempt in done.attempts)
        about["written anew as unlike others"] = f"{len(done.attempts)}, of which {taken} taken"
        about["mean distance to the label's centre"] = " → ".join(f"{x:.4f}" for x in done.spread)
    about["explanations checked"] = options.check
    if options.check:
        about["label may be named in the reasoning"] = not options.forbid_label
    return about
