"""Prompts around a signal: the air-writing study's five parts, or a frame of a few tokens.

Two rules hold for every prompt made here:

- It never ends in a space. The tokenizer joins a space to the word after it, so the space before
  the answer belongs to the completion; else training and scoring see different tokens.
- It is plain text for the tokenizer's default call. Where that call adds a start token, the chat
  template's own start token is removed, so that the model sees exactly one.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from imuscribe.prompts.ask.retrieval import RetrieveConfig
from imuscribe.prompts.ask.sensor import PLACE, prompt_ids
from imuscribe.prompts.ask.tokens import count_tokens
from imuscribe.prompts.ask.wording import wording_for
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]


class PromptConfig(Config):
    """How a question about a signal is put."""

    style: Literal["short", "study"] = "short"
    """``study``: role, task, key points, query, answer form. ``short``: two or three tokens."""
    reasoning: bool = False
    """Ask for an explanation before the answer, or for the label only."""
    chat: bool = False
    """Render through the tokenizer's chat template."""
    shots: int = Field(default=0, ge=0)
    """Labelled examples before the question."""
    retrieve: RetrieveConfig | None = None
    """Name what the nearest labelled recordings show, in one line after the signal."""
    max_tokens: int = Field(default=1024, ge=8)
    """Most tokens of prompt and answer together; more is an error, never a truncation."""
    reasoning_tokens: int = Field(default=256, ge=1)
    """Tokens kept free for the explanation when `reasoning` is on."""


@dataclass(frozen=True)
class Shot:
    """One labelled example: the text of a signal and what it shows."""

    text: str
    label: str


class PromptBuilder:
    """Turns the text of a signal into a prompt within a token budget.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer of the model that will read the prompt; all lengths are in its tokens.
    labels : sequence of str
        Every possible answer, each once, as the model shall write it.
    config : PromptConfig
    sensor_tokens : int
        Positions that `prompts.ask.sensor.PLACE` takes in a prompt.

    Raises
    ------
    InputError
        If labels repeat or are blank, or chat is asked of a tokenizer without a template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        config: PromptConfig = PromptConfig(),
        sensor_tokens: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.sensor_tokens = sensor_tokens
        self.labels = tuple(labels)
        self.config = config
        self._check_labels()
        self._wording = wording_for(self.labels)
        if config.chat and not tokenizer.chat_template:
            raise InputError(
                f"tokenizer '{tokenizer.name_or_path}' has no chat template: set prompt.chat=false"
            )
        # The spaces that open a completion, because no prompt may end in them.
        empty = self._chat(self.messages("")) if config.chat else " "
        self._lead = empty[len(empty.rstrip(" ")) :]
        longest = max(self._count(self._ending(label)) for label in self.labels)
        self.answer_tokens = longest + 1 + config.reasoning * config.reasoning_tokens
        """Tokens kept free for the answer and its end token."""

    def prompt(self, text: str, shots: Sequence[Shot] = (), paraphrase: int | str = 0) -> str:
        """Return the whole prompt, ready for the tokenizer's default call.

        Parameters
        ----------
        text : str
            The signal.
        shots : sequence of Shot
            Labelled examples, in the order shown.
        paraphrase : int or str
            Which wording of the instruction, 0 being the one models are evaluated with; or the
            instruction itself.

        Raises
        ------
        InputError
            If prompt and answer exceed `max_tokens`; names what would fit.
        """
        prompt = self._render(text, shots, paraphrase)
        # No token is shorter than a byte.
        if len(prompt.encode()) + self.sensor_tokens * prompt.count(PLACE) < self._room:
            return prompt
        given = self.n_tokens(prompt)
        if given > self._room:
            raise InputError(self._overflow(given, text, shots, paraphrase))
        return prompt

    def completion(self, label: str, reasoning: str = "") -> str:
        """Return the exact text that follows the prompt, without an end token.

        InputError if the label is unknown, or reasoning is given but switched off, or too long.
        """
        self._check_label(label)
        if not reasoning:
            return self._ending(label)
        if not self.config.reasoning:
            raise InputError(
                f"reasoning for '{label}' was given but the prompt asks for the label only: "
                "set prompt.reasoning=true"
            )
        given = self._count(reasoning)
        if given > self.config.reasoning_tokens:
            raise InputError(
                f"reasoning for '{label}' has {given} tokens, more than prompt.reasoning_tokens="
                f"{self.config.reasoning_tokens}: shorten it or set "
                f"prompt.reasoning_tokens={given}"
            )
        return f"{self._lead}{reasoning.strip()}\n{self._cue} {label}"

    def messages(
        self, text: str, shots: Sequence[Shot] = (), paraphrase: int | str = 0
    ) -> list[Message]:
        """Return the same question as one system and one user message."""
        for shot in shots:
            self._check_label(shot.label)
        if self.config.style == "short":
            blocks = "".join(f"{shot.text}\n{self._cue} {shot.label}\n\n" for shot in shots)
            question = "Movement:" if self.config.reasoning else self._cue
            system, user = self._wording.brief, f"{blocks}{text}\n{question}"
        else:
            task = paraphrase if isinstance(paraphrase, str) else self.instruction(paraphrase)
            named = ", ".join(self.labels)
            parts = [f"Task\n{task}\nCandidates: {named}.", self._wording.key_points]
            if shots:
                parts.append(self._examples(shots))
            parts += [f"Query\n{self._wording.query}\n{text}", self._answer_form()]
            system, user = self._wording.role, "\n\n".join(parts)
        return [{"role": "system", "content": system}, {"role": "user", "content": user}]

    def n_tokens(self, prompt: str) -> int:
        """Return the tokens of a prompt, start token included."""
        return len(prompt_ids(self.tokenizer, prompt, self.sensor_tokens))

    def largest_k(self, text: str, shots: Sequence[Shot]) -> int:
        """Return how many of `shots`, taken from the front, fit; InputError if none may."""
        self.prompt(text)
        return self._largest_k(text, shots, 0)

    @property
    def n_paraphrases(self) -> int:
        """How many wordings of the instruction there are; the short style has only its frame."""
        return len(self._wording.tasks) if self.config.style == "study" else 1

    @property
    def noun(self) -> str:
        """What a label is: letter, character or activity."""
        return self._wording.noun

    def instruction(self, paraphrase: int) -> str:
        """Return one wording of the instruction; InputError if there are not so many."""
        tasks = self._wording.tasks
        if not 0 <= paraphrase < len(tasks):
            raise InputError(f"paraphrase {paraphrase} does not exist: valid 0 to {len(tasks) - 1}")
        return tasks[paraphrase]

    @property
    def _room(self) -> int:
        return self.config.max_tokens - self.answer_tokens

    @property
    def _cue(self) -> str:
        return f"{self._wording.noun.capitalize()}:"

    def _render(self, text: str, shots: Sequence[Shot], paraphrase: int | str) -> str:
        messages = self.messages(text, shots, paraphrase)
        if self.config.chat:
            return self._chat(messages).rstrip(" ")
        system, user = (message["content"] for message in messages)
        asked = user if self.config.style == "short" else f"{system}\n\n{user}\n\nAnswer:"
        return asked.rstrip(" ")

    def _chat(self, messages: list[Message]) -> str:
        from jinja2.exceptions import TemplateError

        try:
            text = str(
                self.tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, tokenize=False
                )
            )
        except TemplateError as error:
            raise InputError(
                f"the chat template of '{self.tokenizer.name_or_path}' refuses a system and a "
                f"user message ({error}): set prompt.chat=false"
            ) from None
        start = self.tokenizer.bos_token
        adds_start = self.tokenizer("")["input_ids"][:1] == [self.tokenizer.bos_token_id]
        return text.removeprefix(start) if start and adds_start else text

    def _ending(self, label: str) -> str:
        return f"{self._lead}{self._cue} {label}" if self.config.reasoning else self._lead + label

    def _examples(self, shots: Sequence[Shot]) -> str:
        blocks = [f"Example of {self.noun} {shot.label}:\n{shot.text}" for shot in shots]
        return "\n".join([f"Examples\n{self._wording.learn}", "------", *blocks, "------"])

    def _answer_form(self) -> str:
        noun = self._wording.noun
        if not self.config.reasoning:
            return f"Answer form\nWrite the {noun} and nothing else."
        count = min(5, len(self.labels))
        ranks = "\n".join(f"{rank}. <{noun}> (<percent>%)" for rank in range(1, count + 1))
        return (
            f"Answer form\nFirst go through all {len(self.labels)} candidates: say what in the "
            "signal speaks for or against each, and how confident you are in percent. Then rank "
            f"the {count} most likely, best first:\nTop {count}:\n{ranks}"
        )

    def _largest_k(self, text: str, shots: Sequence[Shot], paraphrase: int | str) -> int:
        """Return the largest fitting number of shots, or -1 if not even none fits."""

        def too_long(k: int) -> bool:
            return self.n_tokens(self._render(text, shots[:k], paraphrase)) > self._room

        return bisect.bisect_left(range(len(shots) + 1), True, key=too_long) - 1

    def _overflow(self, given: int, text: str, shots: Sequence[Shot], paraphrase: int | str) -> str:
        total = given + self.answer_tokens
        problem = (
            f"prompt of {given} tokens and {self.answer_tokens} for the answer exceed "
            f"prompt.max_tokens={self.config.max_tokens}: "
        )
        fitting = self._largest_k(text, shots, paraphrase)
        if fitting >= 0:
            return f"{problem}{fitting} of {len(shots)} examples fit, or set max_tokens={total}"
        alone = self.n_tokens(self._render(text, (), paraphrase))
        signal = self._count(text.replace(PLACE, "")) + self.sensor_tokens * text.count(PLACE)
        return (
            f"{problem}the signal has {signal} tokens and at most "
            f"{max(0, self._room - alone + signal)} fit beside the instructions, or set "
            f"max_tokens={alone + self.answer_tokens}"
        )

    def _count(self, text: str) -> int:
        return count_tokens(self.tokenizer, [text])[0]

    def _check_label(self, label: str) -> None:
        if label not in self.labels:
            raise InputError(f"label '{label}' is not a candidate: {nearest(label, self.labels)}")

    def _check_labels(self) -> None:
        for i, label in enumerate(self.labels):
            if not label.strip():
                raise InputError(f"label {label!r} is blank: give every label a name")
            if label != label.strip():
                raise InputError(f"label {label!r} has blank ends: use {label.strip()!r}")
            if label in self.labels[:i]:
                raise InputError(f"label '{label}' is given twice: give each label once")
        if not self.labels:
            raise InputError("no labels were given: at least one is needed")
