"""A class of recordings, taught by several threads, in the order of the recordings.

Whatever happens to a recording is accounted for: it has all its pairs, or it is set aside with the
reason, or some of its pairs are there and the reason is given for the others.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import TypeVar

import numpy as np

from imuscribe.prompts.ask.shots import draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.chat import Stopped, Unanswered
from imuscribe.prompts.teacher.pairs import Question, Row, pair
from imuscribe.prompts.teacher.teachers import Lesson, Teacher
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

OUT_OF_TOKENS = "not asked"
"""Why a recording is set aside when the tokens are spent."""
_AHEAD = 4
"""Recordings a thread may be ahead of the oldest unfinished one."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class SetAside:
    """A recording, or one of its pairs, that nothing can be learnt from, and why.

    Parameters
    ----------
    id, label, subject : str
        Those of the recording.
    number : int
        Which of its pairs; -1 for all.
    reason : str
        A few words, the same for all such cases.
    detail : str
        What happened here.
    """

    id: str
    label: str
    subject: str
    number: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Taught:
    """What came of one recording.

    Parameters
    ----------
    rows : list of dict
        Its pairs: what `build_pairs` gives, and ``teacher``, ``prompts`` (hash of the texts the
        teacher was asked with), ``round`` (corrections accepted), ``history`` (errors of each
        version), ``claims``, ``supported``, ``contradicted`` and ``unchecked``.
    set_aside : list of SetAside
    """

    rows: list[Row]
    set_aside: list[SetAside]


def teach(
    recordings: Sequence[Recording],
    serializer: Serializer,
    builder: PromptBuilder,
    teacher: Teacher,
    paraphrases: int = 1,
    seed: int = 0,
    workers: int = 8,
    stop: threading.Event | None = None,
) -> Generator[Taught, None, None]:
    """Have every recording explained and its question worded.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned, each with a label the builder knows.
    serializer, builder
        As for `prompts.teacher.pairs.build_pairs`.
    teacher : Teacher
    paraphrases : int
        Pairs a recording.
    seed : int
        Draws the examples before a question.
    workers : int
        Recordings in the teacher's hands at once.
    stop : threading.Event, optional
        Set when the iteration ends early, for teachers that watch it.

    Yields
    ------
    Taught
        In the order of the recordings, whoever is finished first.

    Raises
    ------
    InputError
        If the teacher cannot go on at all.
    """
    labels = [rec.label for rec in recordings]

    @cache
    def text(place: int) -> str:
        return serializer.text(recordings[place])

    longest = _Longest(builder)

    def one(place: int) -> Taught:
        rec = recordings[place]
        rng = np.random.default_rng([seed, *rec.id.encode()])
        chosen = draw_places(labels, builder.config.shots, rng, skip=place)
        try:
            shots = [Shot(text(i), labels[i]) for i in chosen]
            question = Question(text(place), shots)
            # Before anything is paid for: what is too long for the student is no use to it.
            longest.check(question)
            builder.completion(rec.label)
        except InputError as error:
            return Taught([], [_aside(rec, -1, error)])
        return _one(rec, place, question, builder, teacher, paraphrases)

    yield from in_order(one, range(len(recordings)), workers, stop)


def in_order(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    stop: threading.Event | None = None,
) -> Iterator[_Result]:
    """Do work in threads and yield the results in the order of the items.

    Only a few items a thread are begun ahead of the oldest unfinished one, so that memory stays
    flat. When the iteration ends early no further item is begun; those in hand are waited for.
    """
    tasks: SimpleQueue[tuple[Future[_Result], _Item] | None] = SimpleQueue()

    def serve() -> None:
        while (task := tasks.get()) is not None:
            future, item = task
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    # Daemons: a second Ctrl-C ends the process, whatever a server still keeps us waiting for.
    threads = [threading.Thread(target=serve, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            future: Future[_Result] = Future()
            tasks.put((future, item))
            waiting.append(future)
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting and stop is not None:
            stop.set()
        try:
            while True:
                tasks.get_nowait()
        except Empty:
            pass
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join()


def _one(
    rec: Recording,
    place: int,
    question: Question,
    builder: PromptBuilder,
    teacher: Teacher,
    paraphrases: int,
) -> Taught:
    rows: list[Row] = []
    aside: list[SetAside] = []
    try:
        lesson = teacher.explain(rec, question.text)
    except (Unanswered, Stopped) as error:
        return Taught(rows, [_aside(rec, -1, error)])
    try:
        completion = builder.completion(rec.label, lesson.reasoning)
    except InputError as error:
        return Taught(rows, [_aside(rec, -1, error)])
    for number in range(paraphrases):
        try:
            wording = teacher.instruction(rec, place, number)
            worded = Question(question.text, question.shots, wording)
            row = _row(rec, worded, number, completion, lesson, builder, teacher)
        except (Unanswered, Stopped) as error:
            aside.append(_aside(rec, number, error))
        else:
            rows.append(row)
    return Taught(rows, aside)


class _Longest:
    """Checks that questions fit; one with a shorter signal than another that fits is let pass."""

    def __init__(self, builder: PromptBuilder) -> None:
        self._builder = builder
        self._fits = -1

    def check(self, question: Question) -> None:
        n = len(question.text) + sum(len(shot.text) for shot in question.shots)
        if n > self._fits:
            self._builder.prompt(question.text, question.shots)
            self._fits = max(n, self._fits)


def _aside(rec: Recording, number: int, error: Exception) -> SetAside:
    if isinstance(error, Unanswered):
        reason, detail = error.kind, error.detail
    elif isinstance(error, Stopped):
        reason, detail = OUT_OF_TOKENS, "the tokens of --max-tokens-total are spent"
    else:
        reason, detail = "does not fit", str(error)
    return SetAside(rec.id, rec.label, rec.subject, number, reason, detail)


def _row(
    rec: Recording,
    question: Question,
    number: int,
    completion: str,
    lesson: Lesson,
    builder: PromptBuilder,
    teacher: Teacher,
) -> Row:
    try:
        row = pair(rec, question, completion, builder)
    except InputError as error:
        raise Unanswered("does not fit", str(error)) from None
    return row | {
        "paraphrase": number,
        "teacher": teacher.name,
        "prompts": teacher.prompts_hash,
        "round": lesson.round,
        "history": list(lesson.history),
        "claims": lesson.verdict.claims,
        "supported": lesson.verdict.supported,
        "contradicted": lesson.verdict.contradicted,
        "unchecked": lesson.verdict.unchecked,
    }
