"""Teachers explain labelled recordings and reword the question: a language model, or arithmetic.

A language model plays the air-writing study's three roles. The *explainer* sees the true label, the
*restructurer* puts the reasoning before the conclusion, the *paraphraser* rewords the instruction.
What comes out may be checked against the recording; an explanation with errors goes back with the
list of them (LanHAR's critique, arXiv 2410.00003), and a new version counts only if it is better.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from pydantic import Field

from imuscribe.prompts.ask.answers import parse_answer
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.prompts.checking.leaks import leaks
from imuscribe.prompts.teacher.chat import ChatModel, Reply, Request, Unanswered, unanswered
from imuscribe.prompts.teacher.roles import RolePrompts
from imuscribe.signals.config import Config
from imuscribe.signals.recording import GYRO, Recording

COMPUTED = "computed"
"""The teacher that needs no language model."""
_SAMPLE_ROWS = 32
"""Samples shown to a teacher; more cost tokens and no one adds them up."""
_WORDS = (4, 100)
"""Fewest and most words of an instruction."""


@dataclass(frozen=True)
class Verdict:
    """What checking an explanation against its recording has found: claims in all and by kind."""

    claims: int = 0
    supported: int = 0
    contradicted: int = 0
    unchecked: int = 0
    errors: tuple[str, ...] = ()
    """One sentence for each thing that is wrong, as the teacher shall read it."""

    def better_than(self, other: Verdict) -> bool:
        """Whether there are fewer errors, or as many and more that is right."""
        return (len(self.errors), -self.supported) < (len(other.errors), -other.supported)


Check = Callable[[str, Facts], Verdict]
"""Tests reasoning against what its recording shows; `Facts.rec` is the recording, labelled."""


def no_check(reasoning: str, facts: Facts) -> Verdict:
    """Find nothing wrong, without a look."""
    return Verdict()


def claims_check(noun: str, forbid_label: bool = True) -> Check:
    """Return a check of every claim, and of whether the label, a `noun`, is named too early."""

    def check(reasoning: str, facts: Facts) -> Verdict:
        report = check_claims(reasoning, facts)
        errors = list(report.errors)
        for start, end in leaks(reasoning, facts.rec.label)[:1] if forbid_label else ():
            around = reasoning[max(0, start - 30) : end + 10].strip()
            errors.append(f'you wrote "{around}"; the {noun} may be named at the end only')
        return Verdict(**report.counts, errors=tuple(errors))

    return check


@dataclass(frozen=True)
class CheckedExplanation:
    """An explanation that may be learnt from, and how it came about."""

    reasoning: str = ""
    """Without the conclusion."""
    verdict: Verdict = Verdict()
    round: int = 0
    """0 for the first answer, n for the n-th correction."""
    history: tuple[int, ...] = ()
    """Errors of each version, those that were not accepted included."""


class Teacher(Protocol):
    """Whoever explains recordings and words questions, or raises `Unanswered`."""

    name: str
    """For the provenance of pairs."""
    prompts_hash: str
    """Stands for the texts the teacher is asked with; empty where there are none."""

    def explain(self, rec: Recording, signal: str) -> CheckedExplanation:
        """Explain why a recording, whose `signal` text the student will see, has its label."""
        ...

    def instruction(self, rec: Recording, place: int, number: int) -> int | str:
        """Word the question for a pair of the recording at `place`, or say which wording it is."""
        ...


@dataclass
class ComputedTeacher:
    """The explainer that needs no language model; every number is computed."""

    builder: PromptBuilder
    seed: int = 0
    """Draws the wordings."""
    check: Check = no_check
    config: ExplainConfig = field(default_factory=ExplainConfig)
    """How much it says."""
    name: str = field(default=COMPUTED, init=False)
    prompts_hash: str = field(default="", init=False)

    def explain(self, rec: Recording, signal: str) -> CheckedExplanation:
        """Describe the recording."""
        if not self.builder.config.reasoning:
            return CheckedExplanation()
        facts = Facts(rec, self.config)
        reasoning = _measured(facts)
        verdict = self.check(reasoning, facts)
        return CheckedExplanation(reasoning, verdict, history=(len(verdict.errors),))

    def instruction(self, rec: Recording, place: int, number: int) -> int:
        """Draw from the packaged wordings, without repetition for one recording."""
        rng = np.random.default_rng([self.seed, *rec.id.encode()])
        return int(rng.permutation(self.builder.n_paraphrases)[number])


class TeachConfig(Config):
    """How a language model teaches."""

    tries: int = Field(default=3, ge=1)
    """Times each role is asked before a bad answer sets the recording aside."""
    rounds: int = Field(default=2, ge=0)
    """Corrections asked for while the check finds errors."""
    keep_wrong: bool = False
    """Keep explanations whatever the check says, uncorrected; the scores stand beside them."""
    restructure: bool = True
    """Ask a second time, to have the reasoning put before the conclusion; without, what the
    explainer writes is taken as the reasoning, and a conclusion at its end is not asked for."""
    wordings: int | None = Field(default=None, ge=1)
    """Different instructions in all; None asks for one a pair."""
    max_tokens: int = Field(default=512, ge=8)
    """Longest answer."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 always takes the likeliest word; then asking again for a better answer is of little use."""


@dataclass
class LanguageTeacher:
    """A language model in three roles."""

    model: ChatModel
    builder: PromptBuilder
    """Knows the labels and the form of the student's answer."""
    prompts: RolePrompts
    config: TeachConfig = field(default_factory=TeachConfig)
    seed: int = 0
    check: Check = no_check
    """Tests the reasoning in the form in which it will be learnt."""
    facts: ExplainConfig = field(default_factory=ExplainConfig)
    """How much of what was measured is given."""

    def __post_init__(self) -> None:
        self.name = self.model.name
        self.prompts_hash = self.prompts.hash
        self._tokenizer = threading.Lock()

    def explain(self, rec: Recording, signal: str) -> CheckedExplanation:
        """Have the recording explained, the explanation put in order, checked and corrected."""
        if not self.builder.config.reasoning:
            return CheckedExplanation()
        facts = Facts(rec, self.facts)
        values = self._about(facts, signal)
        finished = partial(self._reasoning, rec.label)
        if self.config.restructure:
            explanation = self._ask("explain", values, _whole)
            reasoning = self._ask("restructure", values | {"explanation": explanation}, finished)
        else:
            reasoning = self._ask("explain", values, finished)
        verdict = self.check(reasoning, facts)
        best, history = CheckedExplanation(reasoning, verdict), [len(verdict.errors)]
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
            verdict = self.check(reasoning, facts)
            history.append(len(verdict.errors))
            if verdict.better_than(best.verdict):
                best = CheckedExplanation(reasoning, verdict, number)
        if best.verdict.errors and not self.config.keep_wrong:
            counts = " → ".join(map(str, history))
            said = "; ".join(best.verdict.errors)
            raise Unanswered("wrong about the recording", f"errors {counts}: {said}")
        return CheckedExplanation(best.reasoning, best.verdict, best.round, tuple(history))

    def revise(
        self, rec: Recording, signal: str, old: CheckedExplanation, number: int
    ) -> CheckedExplanation:
        """Have an explanation unlike others of its label written anew, for the `number`-th time."""
        facts = Facts(rec, self.facts)
        unlike = f"- it is unlike the explanations of other recordings of this {self.builder.noun}"
        values = self._about(facts, signal) | {"explanation": old.reasoning, "errors": unlike}
        draw = self.config.rounds + number
        reasoning = self._ask("critique", values, partial(self._reasoning, rec.label), draw)
        verdict = self.check(reasoning, facts)
        history = (*old.history, len(verdict.errors))
        return CheckedExplanation(reasoning, verdict, old.round + 1, history)

    def instruction(self, rec: Recording, place: int, number: int) -> int | str:
        """Have one of the packaged instructions reworded; the short style has none to reword."""
        if self.builder.config.style != "study":
            return 0
        # Far apart for the pairs of one recording, and the same again for the same pair.
        variant = place + 1_000_003 * number
        if self.config.wordings is not None:
            variant = (place + number) % self.config.wordings
        packaged = self.builder.instruction(variant % self.builder.n_paraphrases)
        values = {"noun": self.builder.noun, "labels": ", ".join(self.builder.labels)}
        values |= {"instruction": packaged}
        return self._ask("paraphrase", values, partial(_reworded, packaged), variant)

    def _about(self, facts: Facts, signal: str) -> dict[str, str]:
        rec = facts.rec
        return {
            "noun": self.builder.noun,
            "label": rec.label,
            "labels": ", ".join(self.builder.labels),
            "facts": _measured(facts),
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

    def _reasoning(self, label: str, reply: Reply) -> str:
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
        with self._tokenizer, unanswered("too long", _Bad):
            self.builder.completion(label, reasoning)
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


def _measured(facts: Facts) -> str:
    with unanswered("cannot be described"):
        return facts.explanation.reasoning


def _whole(reply: Reply) -> str:
    """Return an answer without hidden thoughts, if it is there and reached its end."""
    text = reply.text.rpartition("</think>")[2].strip()
    if reply.cut:
        raise _Bad("cut off", f"at {reply.answer_tokens} tokens")
    if not text:
        raise _Bad("empty answer")
    return text


def _reworded(packaged: str, reply: Reply) -> str:
    """Return an instruction on one line, if it can be one."""
    text = " ".join(_whole(reply).strip("\"'“”`").split())
    n_words = len(text.split())
    if not _WORDS[0] <= n_words <= _WORDS[1]:
        raise _Bad("no instruction", f"{n_words} words instead of {_WORDS[0]} to {_WORDS[1]}")
    if text == packaged:
        raise _Bad("no instruction", "it repeats what it was given")
    return text
