"""Teachers explain labelled recordings and reword the question: a language model, or arithmetic.

A language model plays the air-writing study's three roles. The *explainer* sees the true label, the
*restructurer* puts the reasoning before the conclusion, the *paraphraser* rewords the instruction.
What comes out may be judged against the recording; an explanation with errors goes back with the
list of them (LanHAR's critique, arXiv 2410.00003), and a new version counts only if it is better.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field

from imuscribe.prompts.ask.answers import parse_answer
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.teacher.chat import ChatModel, Reply, Request, Unanswered
from imuscribe.prompts.teacher.roles import RolePrompts
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import GYRO, Recording

_SAMPLE_ROWS = 32
"""Samples shown to a teacher; more cost tokens and no one adds them up."""
_WORDS = (4, 100)
"""Fewest and most words of an instruction."""


@dataclass(frozen=True)
class Verdict:
    """What checking an explanation against its recording has found.

    Parameters
    ----------
    claims, supported, contradicted, unchecked : int
        Statements in all, and those that agree, disagree, or could not be tested.
    errors : tuple of str
        One sentence for each thing that is wrong, as the teacher shall read it.
    """

    claims: int = 0
    supported: int = 0
    contradicted: int = 0
    unchecked: int = 0
    errors: tuple[str, ...] = ()

    def better_than(self, other: Verdict) -> bool:
        """Whether there are fewer errors, or as many and more that is right."""
        return (len(self.errors), -self.supported) < (len(other.errors), -other.supported)


Judge = Callable[[str, Facts], Verdict]
"""Checks reasoning against what its recording shows; `Facts.rec` is the recording, labelled."""


def believe(reasoning: str, facts: Facts) -> Verdict:
    """Check nothing."""
    return Verdict()


@dataclass(frozen=True)
class Lesson:
    """An explanation that may be learnt from.

    Parameters
    ----------
    reasoning : str
        Without the conclusion.
    verdict : Verdict
        Of this reasoning.
    round : int
        0 for the first answer, n for the n-th correction.
    history : tuple of int
        Errors of each version, those that were not accepted included.
    """

    reasoning: str = ""
    verdict: Verdict = Verdict()
    round: int = 0
    history: tuple[int, ...] = ()


class Teacher(Protocol):
    """Whoever explains recordings and words questions."""

    @property
    def name(self) -> str:
        """For the provenance of pairs."""
        ...

    @property
    def prompts_hash(self) -> str:
        """Stands for the texts the teacher is asked with; empty where there are none."""
        ...

    def explain(self, rec: Recording, signal: str) -> Lesson:
        """Explain why a recording, whose `signal` text the student will see, has its label.

        Raises
        ------
        Unanswered
            With the reason why this recording gets no explanation.
        """
        ...

    def instruction(self, rec: Recording, place: int, number: int) -> int | str:
        """Word the question for the `number`-th pair of the recording at `place`.

        Returns
        -------
        int or str
            One of the prompt builder's own wordings, or a new one.
        """
        ...


class ComputedTeacher:
    """The explainer that needs no language model; every number is computed.

    Parameters
    ----------
    builder : PromptBuilder
    seed : int
        Draws the wordings.
    judge : callable
    config : ExplainConfig
        How much is told.
    """

    name = "computed"
    prompts_hash = ""

    def __init__(
        self,
        builder: PromptBuilder,
        seed: int = 0,
        judge: Judge = believe,
        config: ExplainConfig = ExplainConfig(),
    ) -> None:
        self.builder = builder
        self.seed = seed
        self.judge = judge
        self.config = config

    def explain(self, rec: Recording, signal: str) -> Lesson:
        """Describe the recording."""
        if not self.builder.config.reasoning:
            return Lesson()
        facts = Facts(rec, self.config)
        reasoning = _told(facts)
        verdict = self.judge(reasoning, facts)
        return Lesson(reasoning, verdict, history=(len(verdict.errors),))

    def instruction(self, rec: Recording, place: int, number: int) -> int:
        """Draw from the packaged wordings, without repetition for one recording."""
        rng = np.random.default_rng([self.seed, *rec.id.encode()])
        return int(rng.permutation(self.builder.n_paraphrases)[number])


class TeachConfig(Config):
    """How a language model teaches."""

    tries: int = Field(default=3, ge=1)
    """Times each role is asked before a bad answer sets the recording aside."""
    restructure: bool = True
    """Ask a second time, to have the reasoning put before the conclusion; without, what the
    explainer writes is taken as the reasoning, and a conclusion at its end is not asked for."""
    rounds: int = Field(default=2, ge=0)
    """Corrections asked for while the judge finds errors."""
    keep_wrong: bool = False
    """Keep explanations whatever the judge says, uncorrected; the scores stand beside them."""
    wordings: int | None = Field(default=None, ge=1)
    """Different instructions in all; None asks for one a pair."""
    max_tokens: int = Field(default=512, ge=8)
    """Longest answer."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 always takes the likeliest word; then asking again for a better answer is of little use."""


class LanguageTeacher:
    """A language model in three roles.

    Parameters
    ----------
    model : ChatModel
    builder : PromptBuilder
        Knows the labels and the form of the student's answer.
    prompts : RolePrompts
    config : TeachConfig
    seed : int
    judge : callable
        Checks the reasoning in the form in which it will be learnt.
    facts : ExplainConfig
        How much of what was measured is told.
    """

    def __init__(
        self,
        model: ChatModel,
        builder: PromptBuilder,
        prompts: RolePrompts,
        config: TeachConfig = TeachConfig(),
        seed: int = 0,
        judge: Judge = believe,
        facts: ExplainConfig = ExplainConfig(),
    ) -> None:
        self.model = model
        self.builder = builder
        self.prompts = prompts
        self.config = config
        self.seed = seed
        self.judge = judge
        self.facts = facts
        self._tokenizer = threading.Lock()

    @property
    def name(self) -> str:
        """That of the model."""
        return self.model.name

    @property
    def prompts_hash(self) -> str:
        """That of the role texts."""
        return self.prompts.hash

    def explain(self, rec: Recording, signal: str) -> Lesson:
        """Have the recording explained, the explanation put in order, judged and corrected."""
        if not self.builder.config.reasoning:
            return Lesson()
        facts = Facts(rec, self.facts)
        values = self._about(facts, signal)

        def finished(reply: Reply) -> str:
            return self._reasoning(reply, rec.label)

        if self.config.restructure:
            explanation = self._ask("explain", values, _whole)
            reasoning = self._ask("restructure", values | {"explanation": explanation}, finished)
        else:
            reasoning = self._ask("explain", values, finished)
        verdict = self.judge(reasoning, facts)
        best, history = Lesson(reasoning, verdict), [len(verdict.errors)]
        rounds = 0 if self.config.keep_wrong else self.config.rounds
        for number in range(1, rounds + 1):
            if not best.verdict.errors:
                break
            listed = "\n".join(f"- {error}" for error in best.verdict.errors)
            wrong = {"explanation": best.reasoning, "errors": listed}
            try:
                reasoning = self._ask("critique", values | wrong, finished, draw=number)
            except _Bad:
                continue
            verdict = self.judge(reasoning, facts)
            history.append(len(verdict.errors))
            if verdict.better_than(best.verdict):
                best = Lesson(reasoning, verdict, number)
        if best.verdict.errors and not self.config.keep_wrong:
            counts = " → ".join(map(str, history))
            said = "; ".join(best.verdict.errors)
            raise Unanswered("wrong about the recording", f"errors {counts}: {said}")
        return Lesson(best.reasoning, best.verdict, best.round, tuple(history))

    def revise(self, rec: Recording, signal: str, lesson: Lesson, number: int) -> Lesson:
        """Have an explanation that is unlike others of its label written anew, once.

        Parameters
        ----------
        rec, signal
            As for `explain`.
        lesson : Lesson
            The explanation as it is.
        number : int
            How often this has been asked for.

        Raises
        ------
        Unanswered
            If no usable explanation comes.
        """
        facts = Facts(rec, self.facts)
        unlike = f"- it is unlike the explanations of other recordings of this {self.builder.noun}"
        wrong = {"explanation": lesson.reasoning, "errors": unlike}
        reasoning = self._ask(
            "critique",
            self._about(facts, signal) | wrong,
            lambda reply: self._reasoning(reply, rec.label),
            draw=self.config.rounds + number,
        )
        verdict = self.judge(reasoning, facts)
        history = (*lesson.history, len(verdict.errors))
        return Lesson(reasoning, verdict, lesson.round + 1, history)

    def instruction(self, rec: Recording, place: int, number: int) -> int | str:
        """Have one of the packaged instructions reworded; the short style has none to reword."""
        if self.builder.config.style != "study":
            return 0
        # Far apart for the pairs of one recording, and the same again for the same pair.
        variant = place + 1_000_003 * number
        if self.config.wordings is not None:
            variant = (place + number) % self.config.wordings
        packaged = self.builder.instruction(variant % self.builder.n_paraphrases)
        values = {
            "noun": self.builder.noun,
            "labels": ", ".join(self.builder.labels),
            "instruction": packaged,
        }
        return self._ask("paraphrase", values, lambda reply: _reworded(reply, packaged), variant)

    def _about(self, facts: Facts, signal: str) -> dict[str, str]:
        rec = facts.rec
        return {
            "noun": self.builder.noun,
            "label": rec.label,
            "labels": ", ".join(self.builder.labels),
            "facts": _told(facts),
            "signal": signal,
            "samples": samples(rec),
            "conclusion": self.builder.completion(rec.label).strip(),
        }

    def _ask(
        self, role: str, values: Mapping[str, str], read: Callable[[Reply], str], draw: int = 0
    ) -> str:
        """Ask until an answer can be used; each further try is another draw."""
        system, user = self.prompts[role].fill(values)
        bad = _Bad("empty answer")
        for attempt in range(self.config.tries):
            drawn = f"{self.seed}/{role}/{draw}/{attempt}".encode()
            seed = int.from_bytes(hashlib.sha256(drawn).digest()[:4]) >> 1
            limits = self.config.max_tokens, self.config.temperature
            try:
                return read(self.model.answer(Request(system, user, *limits, seed)))
            except _Bad as error:
                bad = error
        raise _Bad(bad.kind, f"the {role} prompt, asked {self.config.tries} times: {bad.detail}")

    def _reasoning(self, reply: Reply, label: str) -> str:
        """Return what stands before the conclusion, if that names the right label."""
        text = _whole(reply)
        if not self.config.restructure:
            conclusion = self.builder.completion(label).strip()
            if conclusion.removesuffix(label) not in text:
                text = f"{text}\n{conclusion}"
        reasoning, conclusion = split_conclusion(text)
        ranked = parse_answer(conclusion, self.builder.labels).ranked
        if not ranked:
            raise _Bad("no conclusion", f"it ends in '{conclusion[-80:]}'")
        if ranked[0] != label:
            raise _Bad("wrong label", f"it concludes '{ranked[0]}' for '{label}'")
        if not reasoning:
            raise _Bad("no reasoning", "nothing stands before the conclusion")
        try:
            with self._tokenizer:
                self.builder.completion(label, reasoning)
        except InputError as error:
            raise _Bad("too long", str(error)) from None
        return reasoning


class _Bad(Unanswered):
    """An answer came and is of no use."""


def split_conclusion(text: str) -> tuple[str, str]:
    """Split an answer into its reasoning and its last line, or last sentence if it has one line."""
    text = re.sub(r"[*`]+|^#+ *", "", text, flags=re.MULTILINE).strip()
    reasoning, _, conclusion = text.rpartition("\n")
    if not reasoning:
        parts = re.split(r"(?<=[.!?])\s+", text)
        reasoning, conclusion = " ".join(parts[:-1]), parts[-1]
    reasoning = re.sub(r"\s*\n(final )?(conclusion|answer):?\s*$", "", reasoning, flags=re.I)
    reasoning = re.sub(r"^(reasoning|explanation|analysis):\s*", "", reasoning.strip(), flags=re.I)
    return re.sub(r"\n{2,}", "\n", reasoning), conclusion.strip()


def samples(rec: Recording) -> str:
    """Write some samples at equal distances: seconds, m/s² and, with a gyroscope, rad/s."""
    chosen = np.linspace(0, rec.n_samples - 1, min(_SAMPLE_ROWS, rec.n_samples)).round().astype(int)
    rows = rec.acc if rec.gyro is None else np.concatenate([rec.acc, rec.select(GYRO)])
    form = "%.2f" + " %.1f" * len(rows)
    return "\n".join(form % (t, *row) for t, row in zip(rec.t[chosen], rows.T[chosen], strict=True))


def _told(facts: Facts) -> str:
    try:
        return facts.explanation.reasoning
    except InputError as error:
        raise Unanswered("cannot be described", str(error)) from None


def _whole(reply: Reply) -> str:
    """Return an answer without hidden thoughts, if it is there and reached its end."""
    text = reply.text.rpartition("</think>")[2].strip()
    if reply.cut:
        raise _Bad("cut off", f"at {reply.answer_tokens} tokens")
    if not text:
        raise _Bad("empty answer")
    return text


def _reworded(reply: Reply, packaged: str) -> str:
    """Return an instruction on one line, if it can be one."""
    text = " ".join(_whole(reply).strip("\"'“”`").split())
    n_words = len(text.split())
    if not _WORDS[0] <= n_words <= _WORDS[1]:
        raise _Bad("no instruction", f"{n_words} words instead of {_WORDS[0]} to {_WORDS[1]}")
    if text == packaged:
        raise _Bad("no instruction", "it repeats what it was given")
    return text
