"""What a language model is asked and what it answers, whoever runs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from imuscribe.signals.errors import InputError

Message = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One question to a chat model: a system and a user message, and how to answer."""

    system: str
    user: str
    max_tokens: int = 512
    """Longest answer."""
    temperature: float = 0.7
    """0 is greedy."""
    seed: int = 0
    """The draw: the same request with another seed is another request."""

    @property
    def messages(self) -> list[Message]:
        """The question as chat models take it; an empty system message is left out."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]

    @property
    def most_tokens(self) -> int:
        """A cautious guess of what question and answer may cost: two characters a token."""
        return (len(self.system) + len(self.user)) // 2 + self.max_tokens

    def key(self, identity: str) -> bytes:
        """Return 32 bytes that stand for this request to one model."""
        content = [
            identity, self.system, self.user, self.max_tokens, self.temperature, self.seed
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(content).encode()).digest()


@dataclass(frozen=True)
class Reply:
    """What a model answered, and how many tokens it counted."""

    text: str
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cut: bool = False
    """Whether the answer ran into its longest length."""

    @property
    def tokens(self) -> int:
        """What is paid for."""
        return self.prompt_tokens + self.answer_tokens


class ChatModel(Protocol):
    """A language model behind a server or in this process; safe to ask from several threads."""

    name: str
    """How files name it: no path and no secret."""
    identity: str
    """Everything besides the request that decides the answer."""

    def answer(self, request: Request) -> Reply:
        """Answer a request, or raise `Unanswered`; `InputError` if no request will be answered."""
        ...


class Unanswered(Exception):
    """One request got no answer: a few words that many such failures share, and what happened."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


@contextmanager
def unanswered(kind: str, error: type[Unanswered] = Unanswered) -> Iterator[None]:
    """Take a mistake in what one request is made of as that request's failure."""
    try:
        yield
    except InputError as mistake:
        raise error(kind, str(mistake)) from None


class Stopped(Unanswered):
    """The run ends early: nothing more is asked."""

    def __init__(self) -> None:
        super().__init__("not asked", "the tokens of --max-tokens-total are spent")
