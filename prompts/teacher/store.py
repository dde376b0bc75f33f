"""Answers are paid for once: a store on disk, and a budget that ends the run in time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imuscribe.prompts.teacher.chat import ChatModel, Reply, Request, Stopped
from imuscribe.signals.errors import InputError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, text TEXT, prompt_tokens INTEGER, answer_tokens INTEGER, cut INTEGER
) WITHOUT ROWID
"""


class AnswerStore:
    """Every answer by what was asked, in one SQLite file; several threads and processes may share.

    It holds answers and token counts only. What was asked is in the key, which is a hash.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with self._named():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
            # Written ahead: an answer survives a kill as soon as `put` returns, without a wait
            # for the disk.
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(_SCHEMA)

    def get(self, key: bytes) -> Reply | None:
        """Return the answer kept under a key, if there is one."""
        with self._lock, self._named():
            row = self._file.execute(
                "SELECT text, prompt_tokens, answer_tokens, cut FROM answers WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else Reply(row[0], row[1], row[2], bool(row[3]))

    def put(self, key: bytes, reply: Reply) -> None:
        """Keep an answer; it is on disk when this returns."""
        row = (key, reply.text, reply.prompt_tokens, reply.answer_tokens, reply.cut)
        with self._lock, self._named(), self._file:
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        with self._lock, self._named():
            return int(self._file.execute("SELECT COUNT(*) FROM answers").fetchone()[0])

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"cache {self.path.name}: {error}: give another --cache") from error


class TokenBudget:
    """Counts tokens, and refuses a request that might exceed the limit.

    The limit is the most that the answers used may have cost, those of earlier runs included.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.prompt_tokens = 0
        self.answer_tokens = 0
        self.requests = 0
        self.new_requests = 0
        """Answers that were not in the store."""
        self.new_tokens = 0
        self.spent = False
        """Whether a request was refused for want of tokens."""
        self._reserved = 0
        self._changed = threading.Condition()

    @property
    def tokens(self) -> int:
        """What the answers used so far have cost, whenever they were paid for."""
        return self.prompt_tokens + self.answer_tokens

    @contextmanager
    def reserve(self, tokens: int) -> Iterator[None]:
        """Hold tokens back while a request is on its way.

        Raises `Stopped` if they are not there even after all requests on their way have come back.
        """
        with self._changed:
            while self.limit is not None and self.tokens + self._reserved + tokens > self.limit:
                if self._reserved == 0 or self.spent:
                    self.spent = True
                    self._changed.notify_all()
                    raise Stopped
                self._changed.wait()
            self._reserved += tokens
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= tokens
                self._changed.notify_all()

    def pay(self, reply: Reply, new: bool) -> None:
        """Count an answer."""
        with self._changed:
            self.requests += 1
            self.prompt_tokens += reply.prompt_tokens
            self.answer_tokens += reply.answer_tokens
            if new:
                self.new_requests += 1
                self.new_tokens += reply.tokens


class CachedModel:
    """A chat model that asks nothing twice.

    Once `stop` is set, answers on their way are still kept and nothing more is asked.
    """

    def __init__(
        self, model: ChatModel, store: AnswerStore, budget: TokenBudget, stop: threading.Event
    ) -> None:
        self.model = model
        self.name, self.identity = model.name, model.identity
        self.store = store
        self.budget = budget
        self.stop = stop
        self._lock = threading.Lock()
        self._busy: dict[bytes, threading.Lock] = {}

    def answer(self, request: Request) -> Reply:
        """Answer from the store, or ask and keep the answer.

        Raises `Stopped` if the run was stopped or the tokens are spent, else what the model raises.
        """
        key = request.key(self.model.identity)
        with self._alone(key):
            if self.stop.is_set():
                raise Stopped
            reply = self.store.get(key)
            if reply is not None:
                self.budget.pay(reply, new=False)
                return reply
            with self.budget.reserve(request.most_tokens):
                reply = self.model.answer(request)
                self.store.put(key, reply)
                self.budget.pay(reply, new=True)
            return reply

    @contextmanager
    def _alone(self, key: bytes) -> Iterator[None]:
        """Let the second thread that asks the same wait for the first one's answer."""
        with self._lock:
            lock = self._busy.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._busy.pop(key, None)
