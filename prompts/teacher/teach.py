"""A class of recordings, taught by several threads, in the order of the recordings.

Whatever happens to a recording is accounted for: it has all its pairs, or it is set aside with the
reason, or some of its pairs are there and the reason is given for the others.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from imuscribe.prompts.ask.shots import draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.chat import Unanswered, unanswered
from imuscribe.prompts.teacher.pair_files import SCORES, Row, SetAside
from imuscribe.prompts.teacher.pairs import Question, pair
from imuscribe.prompts.teacher.teachers import Teacher
from imuscribe.signals.recording import Recording

_AHEAD = 4
"""Recordings a thread may be ahead of the oldest unfinished one."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Taught:
    """What came of one recording."""

    rows: list[Row]
    """Its pairs: what `build_pairs` gives, and ``teacher``, ``prompts`` (hash of the texts the
    teacher was asked with), ``round`` (corrections accepted), ``history`` (errors of each version),
    ``claims``, ``supported``, ``contradicted`` and ``unchecked``."""
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
    recordings, serializer, builder, paraphrases, seed
        As for `prompts.teacher.pairs.build_pairs`; the seed draws examples only.
    teacher : Teacher
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
    fits = -1

    @cache
    def text(place: int) -> str:
        return serializer.text(recordings[place])

    def question(place: int, rng: np.random.Generator) -> Question:
        """Return a question that fits; what is shorter than one that does is let pass."""
        nonlocal fits
        chosen = draw_places(labels, builder.config.shots, rng, skip=place)
        with unanswered("does not fit"):
            shots = [Shot(text(i), labels[i]) for i in chosen]
            n = len(text(place)) + sum(len(shot.text) for shot in shots)
            if n > fits:
                builder.prompt(text(place), shots)
                fits = max(n, fits)
        return Question(text(place), shots)

    def one(place: int) -> Taught:
        # What the student cannot read is set aside; an InputError of the teacher ends the run.
        rec, taught = recordings[place], Taught([], [])
        try:
            # Before anything is paid for: what is too long for the student is no use to it.
            asked = question(place, np.random.default_rng([seed, *rec.id.encode()]))
            with unanswered("does not fit"):
                builder.completion(rec.label)
            explained = teacher.explain(rec, asked.text)
            with unanswered("does not fit"):
                completion = builder.completion(rec.label, explained.reasoning)
        except Unanswered as missing:
            taught.set_aside.append(_aside(rec, -1, missing))
            return taught
        about: Row = {"teacher": teacher.name, "prompts": teacher.prompts_hash}
        about |= {"round": explained.round, "history": list(explained.history)}
        about |= {key: getattr(explained.verdict, key) for key in SCORES}
        for number in range(paraphrases):
            try:
                wording = teacher.instruction(rec, place, number)
                with unanswered("does not fit"):
                    row = pair(rec, replace(asked, wording=wording), completion, builder)
                taught.rows.append(row | {"paraphrase": number} | about)
            except Unanswered as missing:
                taught.set_aside.append(_aside(rec, number, missing))
        return taught

    yield from in_order(one, range(len(recordings)), workers, stop)


def _aside(rec: Recording, number: int, missing: Unanswered) -> SetAside:
    return SetAside(rec.id, rec.label, rec.subject, number, missing.kind, missing.detail)


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
            if future.set_running_or_notify_cancel():
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
        for future in waiting:
            future.cancel()
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join()
