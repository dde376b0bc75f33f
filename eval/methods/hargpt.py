"""A language model that reads bare numbers, and whether it knows the data set by heart.

``hargpt`` answers in words, from any server or local model; ``hargpt-scored`` looks up how likely a
local model finds each activity. Nothing is learnt, no example is shown.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from imuscribe.eval.metrics import Values, share
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.prompts.ask.hargpt import activity_question, as_row, read_row, row_question
from imuscribe.prompts.teacher.chat import ChatModel, Reply, Request, Unanswered
from imuscribe.recipes.explanations import TeacherConfig
from imuscribe.recipes.transfer import HargptConfig
from imuscribe.signals.recording import Recording

_TAIL = "\nAnswer:"


class Hargpt:
    """Asks one model about windows, and about rows."""

    def __init__(
        self, teacher: TeacherConfig, config: HargptConfig, seed: int = 0, progress: bool = True
    ) -> None:
        self.teacher, self.config, self.seed, self.progress = teacher, config, seed, progress
        self._stop = threading.Event()
        self._chat: ChatModel | None = None
        self._base: Any = None

    def answer(
        self, method: str, windows: Sequence[Recording], labels: Sequence[str]
    ) -> Predictions:
        """Answer windows; a window that the model gives no answer to counts as wrong."""
        if method == "hargpt-scored":
            return self._scored(windows, labels)
        asked = [activity_question(rec, labels, self.config.rate) for rec in windows]
        (replies, lost), seconds = timed(lambda: self._asked(asked, "windows"), len(windows))
        texts = [reply.text for reply in replies]
        tokens = [reply.prompt_tokens for reply in replies]
        return Predictions.parsed(windows, labels, texts, tokens, seconds, note=lost)

    def memory(self, name: str, recordings: Sequence[Recording]) -> Values:
        """Return how well the model continues rows of a set, beside repeating the last row.

        Rows are taken where the signal moves, evenly over recordings; a row counts as known when
        all its numbers are right to the last digit.
        """
        given = self.config.rows
        places = moving_places(recordings, self.config.memorised, given, self.seed)
        tables = [np.concatenate([rec.data[:, k : k + given + 1]]).T for rec, k in places]
        tables = [table.astype(np.float64).round(3) for table in tables]
        replies, lost = self._asked([row_question(t[:-1], name) for t in tables], "rows")
        found = [read_row(r.text, t.shape[1]) for r, t in zip(replies, tables, strict=True)]
        read = [(row, t) for row, t in zip(found, tables, strict=True) if row is not None]
        errors = np.array([np.abs(row - t[-1]).mean() for row, t in read])
        repeated = np.array([np.abs(t[-2] - t[-1]).mean() for _, t in read])
        return {
            "n": len(tables),
            "rows given": given,
            "exact": share(sum(as_row(row) == as_row(t[-1]) for row, t in read), len(tables)),
            "repeated exact": share(
                sum(as_row(t[-2]) == as_row(t[-1]) for t in tables), len(tables)
            ),
            "copied": share(sum(as_row(row) == as_row(t[-2]) for row, t in read), len(tables)),
            "unread": share(len(tables) - len(read), len(tables)),
            "nearer": share(int((errors < repeated).sum()), max(1, len(read))),
            "error": float(np.median(errors)) if len(read) else None,
            "repeated error": float(np.median(repeated)) if len(read) else None,
            "note": lost,
        }

    def _asked(self, questions: Sequence[tuple[str, str]], what: str) -> tuple[list[Reply], str]:
        """Return a reply to each, an empty one where there is none, and how many there are not."""
        from tqdm.auto import tqdm

        from imuscribe.finetune.local_teacher import asked_once

        if self._chat is None:
            self._chat = asked_once(self.teacher, self._stop)
        model, config = self._chat, self.config
        lost: Counter[str] = Counter()

        def one(question: tuple[str, str]) -> Reply:
            try:
                limits = config.max_tokens, config.temperature
                return model.answer(Request(*question, *limits, self.seed))
            except Unanswered as error:
                lost[error.kind] += 1
                return Reply("")

        with ThreadPoolExecutor(self.teacher.workers) as pool:
            try:
                given = pool.map(one, questions)
                bar = tqdm(given, what, len(questions), leave=False, disable=not self.progress)
                replies = list(bar)
            except BaseException:
                self._stop.set()  # answers on their way are kept
                raise
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        return replies, ", ".join(f"{n} without an answer: {kind}" for kind, n in lost.items())

    def _scored(self, windows: Sequence[Recording], labels: Sequence[str]) -> Predictions:
        from imuscribe.finetune.base import load_base
        from imuscribe.finetune.scoring import LabelScorer
        from imuscribe.prompts.ask.tokens import count_tokens
        from imuscribe.recipes.schema import ModelConfig

        if self._base is None:
            self._base = load_base(ModelConfig(base=self.teacher.name))
        network, tokenizer = self._base
        scorer = LabelScorer(network, tokenizer, [f" {label}" for label in labels])
        prompts = []
        for rec in windows:
            system, user = activity_question(rec, labels, self.config.rate, stepwise=False)
            prompts.append(f"{system}\n\n{user}{_TAIL}")
        scores, seconds = timed(
            lambda: scorer.score(prompts, batch_size=4, progress=self.progress), len(windows)
        )
        tokens = count_tokens(tokenizer, prompts)
        found = scores.log_probs.astype(np.float64)
        return Predictions.of(windows, labels, found, tokens, seconds)


def moving_places(
    recordings: Sequence[Recording], most: int, given: int, seed: int
) -> list[tuple[Recording, int]]:
    """Return windows and samples from which rows are taken: where they move, one a window."""
    rng = np.random.default_rng(seed)
    found = []
    for i in rng.permutation(len(recordings)):
        rec = recordings[i]
        steps = np.abs(np.diff(rec.data, axis=1)).mean(axis=0)[given - 1 :]
        if len(steps) and steps.max() > 0:
            lively = np.flatnonzero(steps >= np.median(steps))
            found.append((rec, int(rng.choice(lively))))
        if len(found) == most:
            break
    return found
