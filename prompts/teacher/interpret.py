"""A language model puts windows into words, from their figures; every number is checked.

What it writes counts only if it has all seven categories, names no activity and holds no number
that the window refutes; it is told what was wrong and asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pydantic import Field

from imuscribe.prompts.captions.figures import check_figures
from imuscribe.prompts.captions.interpret import (
    CATEGORIES,
    Interpretation,
    Interpreter,
    glossary,
    parts_of,
)
from imuscribe.prompts.teacher.chat import ChatModel, Request, Unanswered, unanswered
from imuscribe.prompts.teacher.roles import packaged
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.statistics import Statistic, statistics
from imuscribe.signals.recording import Recording

_UNLIKE = (
    "It reads unlike what is written of other windows of this kind. Go through it step by step: "
    "does each sentence follow from the figures, do the sentences agree with each other, and with "
    "what is known of moving bodies? Keep what holds, mend what does not."
)
_AGAIN = 1000
"""What new versions are drawn with begins here, so that none repeats a correction."""


class InterpretConfig(Config):
    """How a language model is asked for interpretations."""

    rounds: int = Field(default=2, ge=0)
    """Corrections asked for while there are errors."""
    max_tokens: int = Field(default=512, ge=8)
    """Longest answer."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 always takes the likeliest word."""
    regenerate: int = Field(default=0, ge=0)
    """Rounds in which texts that are unlike the others of their kind are written anew."""


@dataclass
class LanguageInterpreter:
    """A language model that sees figures and must not name what is done."""

    model: ChatModel
    config: InterpretConfig = field(default_factory=InterpretConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        self.name = self.model.name
        self._prompt = packaged("interpret", ("about", "figures", "wrong", "categories"))

    def interpret(self, rec: Recording) -> Interpretation:
        """Return the version with the fewest errors, if it has none; else raise `Unanswered`."""
        figures, values = self._told(rec)
        best, history = Interpretation(""), list[int]()
        for attempt in range(self.config.rounds + 1):
            if best.errors:
                listed = "\n".join(f"- {error}" for error in best.errors)
                values["wrong"] = f"\nYou wrote before:\n{best.text}\n\nWrong in it:\n{listed}\n"
            text = self._asked(values, attempt)
            found = check_figures(text, rec, figures)
            errors = (*_form(text), *found.errors)
            history.append(len(errors))
            if not best.text or len(errors) < len(best.errors):
                best = Interpretation(text, found.claims, found.supported, errors)
            if not best.errors:
                break
        if best.errors:
            counts = " → ".join(map(str, history))
            raise Unanswered("wrong about the window", f"errors {counts}: {best.errors[0]}")
        return Interpretation(best.text, best.claims, best.supported, history=tuple(history))

    def again(self, rec: Recording, text: str, attempt: int) -> Interpretation:
        """Return another version of a text that is unlike others; `Unanswered` if it is wrong."""
        figures, values = self._told(rec)
        values["wrong"] = f"\nYou wrote before:\n{text}\n\n{_UNLIKE}\n"
        new = self._asked(values, _AGAIN + attempt)
        found = check_figures(new, rec, figures)
        if errors := (*_form(new), *found.errors):
            raise Unanswered("wrong about the window", errors[0])
        return Interpretation(new, found.claims, found.supported, history=(0,))

    def _told(self, rec: Recording) -> tuple[dict[str, Statistic], dict[str, str]]:
        """Return the figures of a window and what stands in the question."""
        with unanswered("cannot be described"):
            figures = statistics(rec)
        return figures, {
            "about": about(rec),
            "figures": glossary(figures),
            "categories": "\n".join(f"{name}:" for name in CATEGORIES),
            "wrong": "",
        }

    def _asked(self, values: dict[str, str], attempt: int) -> str:
        system, user = self._prompt.fill(values)
        drawn = hashlib.sha256(f"{self.seed}/interpret/{attempt}".encode()).digest()
        seed = int.from_bytes(drawn[:4]) >> 1
        limits = self.config.max_tokens, self.config.temperature
        reply = self.model.answer(Request(system, user, *limits, seed))
        return reply.text.rpartition("</think>")[2].strip()


def interpret_all(
    windows: Sequence[Recording], interpreter: Interpreter, workers: int = 8
) -> Iterator[tuple[Recording, Interpretation | Unanswered]]:
    """Yield every window with its text, or with why it has none, in order.

    Each text is checked, whoever wrote it. A language model is asked about several at once.
    """

    def one(rec: Recording) -> Interpretation | Unanswered:
        try:
            said = interpreter.interpret(rec)
        except Unanswered as error:
            return error
        except InputError as error:
            return Unanswered(error.reason, str(error))
        if said.history:
            return said
        found = check_figures(said.text, rec)
        return replace(said, claims=found.claims, supported=found.supported, errors=found.errors)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from zip(windows, pool.map(one, windows), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def about(rec: Recording) -> str:
    """Say what a window is of: how long, how fast, where it was worn."""
    where = f", worn at the {rec.placement}" if rec.placement else ""
    gyro = "" if rec.gyro is None else " and a gyroscope in rad/s"
    length = rec.n_samples / rec.rate
    return (
        f"{length:.1f} s of an accelerometer in m/s²{gyro} at {rec.rate:.4g} Hz{where}, turned so "
        "that gravity is vertical."
    )


def _form(text: str) -> list[str]:
    """Return which categories are missing."""
    there = parts_of(text)
    missing = [name for name in CATEGORIES if name not in there]
    return [f"there is no line that begins with '{name}:'" for name in missing]
