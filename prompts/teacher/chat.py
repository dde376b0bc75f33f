"""What a language model is asked and what it answers, whoever runs it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

Message = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One question to a chat model.

    Parameters
    ----------
    system, user : str
        The two messages.
    max_tokens : int
        Longest answer.
    temperature : float
        0 is greedy.
    seed : int
        The draw: the same request with another seed is another request.
    """

    system: str
    user: str
    max_tokens: int = 512
    temperature: float = 0.7
    seed: int = 0

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
    """What a model answered.

    Parameters
    ----------
    text : str
    prompt_tokens, answer_tokens : int
        As the model counted them.
    cut : bool
        Whether the answer ran into its longest length.
    """

    text: str
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cut: bool = False

    @property
    def tokens(self) -> int:
        """What is paid for."""
        return self.prompt_tokens + self.answer_tokens


class ChatModel(Protocol):
    """A language model behind a server or in this process; safe to ask from several threads."""

    @property
    def name(self) -> str:
        """How files name it: no path and no secret."""
        ...

    @property
    def identity(self) -> str:
        """Everything besides the request that decides the answer."""
        ...

    def answer(self, request: Request) -> Reply:
        """Answer one request.

        Raises
        ------
        Unanswered
            If this request gets no answer; others may.
        InputError
            If no request will get one.
        """
        ...


class Unanswered(Exception):
    """One request got no answer.

    Parameters
    ----------
    kind : str
        A few words that many such failures share, for counting.
    detail : str
        What happened to this one.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


class Stopped(Exception):
    """The run ends early: nothing more is asked."""
