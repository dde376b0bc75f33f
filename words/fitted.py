"""Word decoders fitted to all people but one, and what they make of that one's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from imuscribe.recipes.words import DecoderName, WordsRecipe, WordTask
from imuscribe.words.channel import Channel, LetterPool
from imuscribe.words.decode.decoding import (
    BeamDecoder,
    Candidate,
    ClosedDecoder,
    CountingDecoder,
    Decoder,
    MixtureDecoder,
    RescoringDecoder,
)
from imuscribe.words.decode.fitting import Confidence, likeliest_value
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Int, Letters
from imuscribe.words.llm import LanguageModelWords

PRIOR_WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
OPEN_WEIGHTS = (0.5, 0.75, 1.0, 1.25)
OPEN_SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
LLM_WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Values of the weights; the likeliest on the training people's words is taken."""

LLM_FIT = 40
"""Training words that the language model is asked about, when its weight is fitted."""
Made = TypeVar("Made", bound=Decoder)
LLM_DECODERS: frozenset[DecoderName] = frozenset({"llm-aggregate", "llm-rescored"})


@dataclass(frozen=True)
class Spelt:
    """One word as one person wrote it."""

    person: str
    word: str
    hidden: bool
    rows: Int
    """Recordings in the pool, shape (n_letters, most k)."""
    nth: int = 0
    """Which of the person's words of that length it is."""


@dataclass(frozen=True)
class Vocabulary:
    """What a task's decoders know."""

    lexicon: Lexicon
    characters: CharModel | None


@dataclass
class FittedDecoders:
    """The decoders of one person and task, fitted to the other people."""

    recipe: WordsRecipe
    task: WordTask
    vocabulary: Vocabulary
    pool: LetterPool
    channel: Channel
    llm: LanguageModelWords | None
    decoders: dict[DecoderName, Decoder] = field(default_factory=dict)
    confidence: dict[DecoderName, Confidence] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read = self.channel.read(self.pool.readings)

    def letters(self, spelt: Spelt, k: int, hard: bool = False) -> Letters:
        """Return a word as a decoder sees it, k recordings a letter."""
        readings = self.read[spelt.rows[:, :k]]
        if hard:
            return self.channel.confusion.letters(self.pool.labels, readings.argmax(axis=2))
        return self.channel.fusion.letters(self.pool.labels, readings)

    def fit(self, words: Sequence[Spelt]) -> None:
        """Choose the weights and the confidence of every decoder on the training people's words."""
        ks = self.recipe.k
        soft = [(s, self.letters(s, ks[i % len(ks)])) for i, s in enumerate(words)]
        hard = [(s, self.letters(s, ks[i % len(ks)], True)) for i, s in enumerate(words)]
        wanted, lexicon = set(self.task.decoders), self.vocabulary.lexicon
        known, known_hard = ([(s, x) for s, x in seen if not s.hidden] for seen in (soft, hard))
        over_lexicon = partial(ClosedDecoder, lexicon)
        closed = self._chosen("prior", over_lexicon, PRIOR_WEIGHTS, known)
        best: dict[DecoderName, Decoder] = {
            "counting": CountingDecoder(lexicon),
            "confusion": self._chosen("prior, hard", over_lexicon, PRIOR_WEIGHTS, known_hard),
            "closed": closed,
        }
        rescored: Decoder = closed
        if self.vocabulary.characters is not None:
            beam = partial(BeamDecoder, self.vocabulary.characters, width=self.recipe.beam)
            open_ = best["open"] = self._chosen("open", beam, OPEN_WEIGHTS, soft)
            if "mixture" in wanted:
                mixture = partial(MixtureDecoder, closed, open_)
                rescored = self._chosen("open share", mixture, OPEN_SHARES, soft)
                best["mixture"] = rescored
        if "llm-rescored" in wanted and self.llm is not None:
            n_best = self.recipe.llm.n_best
            llm = partial(RescoringDecoder, rescored, self.llm.scores, n_best=n_best)
            best["llm-rescored"] = self._chosen("llm", llm, LLM_WEIGHTS, soft[:LLM_FIT])
        self.decoders = {name: best[name] for name in self.task.decoders if name in best}
        for name, decoder in self.decoders.items():
            seen = hard if name == "confusion" else soft
            if name == "llm-rescored":
                seen = seen[:LLM_FIT]
            first = [(decoder.decode(letters, 1)[0], s.word) for s, letters in seen]
            self.confidence[name] = Confidence.fit(first)

    def _chosen(
        self,
        what: str,
        make: Callable[[float], Made],
        values: Iterable[float],
        words: Sequence[tuple[Spelt, Letters]],
    ) -> Made:
        """Return the decoder with the weight under which the right words are likeliest."""

        def decode(value: float, letters: Letters, n_best: int) -> list[Candidate]:
            return make(value).decode(letters, n_best)

        known = [(letters, spelt.word) for spelt, letters in words]
        self.weights[what] = likeliest_value(values, decode, known)
        return make(self.weights[what])

    def rows(self, words: Sequence[Spelt]) -> list[dict[str, Any]]:
        """Decode words with every decoder and number of recordings; return a row each."""
        rows = []
        for k in self.recipe.k:
            soft = [self.letters(s, k) for s in words]
            for name in self.task.decoders:
                asked = [i for i, s in enumerate(words) if self._asks(name, s)]
                if name == "llm-aggregate" and self.llm is not None:
                    answers = self.llm.aggregate([soft[i] for i in asked])
                    found = [(answer, 1.0) for answer in answers]
                else:
                    found = [self._answer(name, words[i], soft[i], k) for i in asked]
                for i, (answer, confidence) in zip(asked, found, strict=True):
                    rows.append(self._row(words[i], k, name, answer, confidence))
        return rows

    def _asks(self, name: DecoderName, spelt: Spelt) -> bool:
        return name not in LLM_DECODERS or spelt.nth < self.recipe.llm.words

    def _answer(self, name: DecoderName, spelt: Spelt, soft: Letters, k: int) -> tuple[str, float]:
        letters = self.letters(spelt, k, True) if name == "confusion" else soft
        first = self.decoders[name].decode(letters, 1)[0]
        return first.word, self.confidence[name](first)

    def _row(
        self, spelt: Spelt, k: int, name: DecoderName, answer: str, confidence: float
    ) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "person": spelt.person,
            "word": spelt.word,
            "length": len(spelt.word),
            "hidden": spelt.hidden,
            "nth": spelt.nth,
            "k": k,
            "decoder": name,
            "answer": answer,
            "correct": answer == spelt.word,
            "confidence": confidence,
            "weights": json.dumps(self.weights),
        }
