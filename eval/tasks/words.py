"""Judging word decoders: every person's words are decoded with what the other people teach.

Words are drawn from a lexicon, and the k recordings of each letter from one person's. Which words
and recordings does not depend on the decoder, and the recordings for k are among those for k + 1.
Everything that is fitted (calibration, fusion, confusions, weights, confidence) is fitted to the
letters of the other people, and to words spelt from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.tasks.letter_pool import Channel, LetterPool, load_pool
from imuscribe.recipes.words import DecoderName, WordsRecipe, WordTask
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, inside, write_text
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
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
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
_LLM: frozenset[DecoderName] = frozenset({"llm-aggregate", "llm-rescored"})


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


def evaluate_words(recipe: WordsRecipe, command: str = "", progress: bool = True) -> Path:
    """Decode every person's words with every decoder and write the folder of results.

    A person and task finished under the same settings is not decoded again.

    Returns
    -------
    Path
        `recipe.out` / `recipe.name`: ``words.parquet`` (one row a word, k and decoder),
        ``words.json``, ``words.md``, ``recipe.yaml``, ``environment.json``.

    Raises
    ------
    InputError
        For anything wrong with the letters, the lexica or the language model.
    """
    import pandas as pd
    import yaml
    from tqdm.auto import tqdm

    from imuscribe.eval.environment import environment
    from imuscribe.eval.report.words import summarise, write_report

    folder = Path(recipe.out) / recipe.name
    tasks = [task for task in recipe.tasks if not recipe.only or task.name in recipe.only]
    pool = _pool(recipe, folder, progress)
    lexica = {
        task.name: load_lexicon(task.lexicon, pool.labels, task.size, task.lengths)
        for task in tasks
    }
    key = json.dumps(recipe.model_dump(mode="json", exclude={"only", "out", "tasks", "letters"}))
    key += hashlib.sha256(pool.readings.tobytes()).hexdigest()
    llm: LanguageModelWords | None = None
    parts = []
    with tqdm(total=len(tasks) * len(pool.people), unit="person", disable=not progress) as bar:
        for task in tasks:
            vocabulary: Vocabulary | None = None
            tests: list[Spelt] = []
            trains: list[Spelt] = []
            for person in pool.people:
                bar.set_description(f"{task.name} {person}")
                path = inside(folder, "parts", task.name, f"{person}.json")
                mine = f"{key}{task.model_dump_json()}"
                rows = _finished(path, mine)
                if rows is None:
                    if vocabulary is None:
                        tests, trains = _spell(recipe, task, lexica[task.name], pool)
                        unknown = {s.word for s in (*tests, *trains) if s.hidden}
                        vocabulary = _vocabulary(recipe, task, lexica[task.name], unknown)
                    if llm is None and _LLM & set(task.decoders):
                        llm = LanguageModelWords(recipe.llm)
                    others = [other for other in pool.people if other != person]
                    rng = np.random.default_rng([recipe.seed, 3, pool.people.index(person)])
                    channel = Channel.fit(pool, others, recipe.k, rng)
                    judge = _Judge(recipe, task, vocabulary, pool, channel, llm)
                    judge.fit([spelt for spelt in trains if spelt.person != person])
                    rows = judge.rows([spelt for spelt in tests if spelt.person == person])
                    write_text(path, json.dumps({"key": mine, "rows": rows}))
                parts += rows
                bar.update()
    table = pd.DataFrame(parts)
    with atomic_path(folder / "words.parquet") as temporary:
        table.to_parquet(temporary)
    values = recipe.model_dump(mode="json")
    write_text(folder / "recipe.yaml", yaml.safe_dump(values, sort_keys=False))
    facts = environment(",".join(recipe.letters), "", command)
    write_text(folder / "environment.json", json.dumps(facts, indent=1))
    write_report(folder, summarise(table, recipe, pool.source, lexica))
    return folder


class _Judge:
    """The decoders of one person and task, fitted to the other people."""

    def __init__(
        self,
        recipe: WordsRecipe,
        task: WordTask,
        vocabulary: Vocabulary,
        pool: LetterPool,
        channel: Channel,
        llm: LanguageModelWords | None,
    ) -> None:
        self.recipe = recipe
        self.task = task
        self.vocabulary = vocabulary
        self.labels = pool.labels
        self.channel = channel
        self.llm = llm
        self.read = channel.read(pool.readings)
        self.decoders: dict[DecoderName, Decoder] = {}
        self.confidence: dict[DecoderName, Confidence] = {}
        self.weights: dict[str, float] = {}

    def letters(self, spelt: Spelt, k: int, hard: bool = False) -> Letters:
        """Return a word as a decoder sees it, k recordings a letter."""
        readings = self.read[spelt.rows[:, :k]]
        if hard:
            return self.channel.confusion.letters(self.labels, readings.argmax(axis=2))
        return self.channel.fusion.letters(self.labels, readings)

    def fit(self, words: Sequence[Spelt]) -> None:
        """Choose the weights and the confidence of every decoder on the training people's words."""
        ks = self.recipe.k
        soft = [(s, self.letters(s, ks[i % len(ks)])) for i, s in enumerate(words)]
        hard = [(s, self.letters(s, ks[i % len(ks)], True)) for i, s in enumerate(words)]
        lexicon, wanted = self.vocabulary.lexicon, set(self.task.decoders)
        known = [(s, letters) for s, letters in soft if not s.hidden]

        def closed(weight: float) -> Decoder:
            return ClosedDecoder(lexicon, weight)

        chosen: Decoder = closed(self._choose("prior", closed, PRIOR_WEIGHTS, known))
        best: dict[DecoderName, Decoder] = {
            "counting": CountingDecoder(lexicon),
            "confusion": closed(
                self._choose(
                    "prior, hard", closed, PRIOR_WEIGHTS, [(s, x) for s, x in hard if not s.hidden]
                )
            ),
            "closed": chosen,
        }
        if self.vocabulary.characters is not None:
            characters, width = self.vocabulary.characters, self.recipe.beam

            def beam(weight: float) -> BeamDecoder:
                return BeamDecoder(characters, weight, width)

            open_ = best["open"] = beam(self._choose("open", beam, OPEN_WEIGHTS, soft))

            def mixture(share: float) -> Decoder:
                assert isinstance(chosen, ClosedDecoder) and isinstance(open_, BeamDecoder)
                return MixtureDecoder(chosen, open_, share)

            if "mixture" in wanted:
                chosen = mixture(self._choose("open share", mixture, OPEN_SHARES, soft))
                best["mixture"] = chosen
        if "llm-rescored" in wanted and self.llm is not None:
            scores, n_best, inner = self.llm.scores, self.recipe.llm.n_best, chosen

            def rescored(weight: float) -> Decoder:
                return RescoringDecoder(inner, scores, weight, n_best)

            some = soft[:LLM_FIT]
            best["llm-rescored"] = rescored(self._choose("llm", rescored, LLM_WEIGHTS, some))
        self.decoders = {name: best[name] for name in self.task.decoders if name in best}
        for name, decoder in self.decoders.items():
            seen = hard if name == "confusion" else soft
            if name == "llm-rescored":
                seen = seen[:LLM_FIT]
            first = [(decoder.decode(letters, 1)[0], s.word) for s, letters in seen]
            self.confidence[name] = Confidence.fit(first)

    def _choose(
        self,
        what: str,
        make: Callable[[float], Decoder],
        values: Iterable[float],
        words: Sequence[tuple[Spelt, Letters]],
    ) -> float:
        """Return the value under which the right words are likeliest."""

        def decode(value: float, letters: Letters, n_best: int) -> list[Candidate]:
            return make(value).decode(letters, n_best)

        known = [(letters, spelt.word) for spelt, letters in words]
        self.weights[what] = likeliest_value(values, decode, known)
        return self.weights[what]

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
        return name not in _LLM or spelt.nth < self.recipe.llm.words

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


def _vocabulary(
    recipe: WordsRecipe, task: WordTask, lexicon: Lexicon, unknown: set[str]
) -> Vocabulary:
    lexicon = lexicon.without(unknown) if unknown else lexicon
    searched = {"open", "mixture"} & set(task.decoders)
    return Vocabulary(lexicon, CharModel(lexicon, recipe.order) if searched else None)


def _spell(
    recipe: WordsRecipe, task: WordTask, lexicon: Lexicon, pool: LetterPool
) -> tuple[list[Spelt], list[Spelt]]:
    """Draw what everybody writes, and from which recordings: words to test, others to fit."""
    per_length = recipe.fit_words // (len(task.lengths) * (len(pool.people) - 1))
    tests = _drawn(recipe, task, lexicon, pool, recipe.words, 1)
    trains = _drawn(recipe, task, lexicon, pool, max(1, per_length), 2)
    # A word that is hidden for one person is hidden for all.
    gone = {spelt.word for spelt in (*tests, *trains) if spelt.hidden}
    tests = [replace(spelt, hidden=spelt.word in gone) for spelt in tests]
    order = np.random.default_rng(recipe.seed).permutation(len(trains))
    return tests, [replace(trains[i], hidden=trains[i].word in gone) for i in order]


def _drawn(
    recipe: WordsRecipe, task: WordTask, lexicon: Lexicon, pool: LetterPool, n: int, stream: int
) -> list[Spelt]:
    """Draw `n` words of each length for everybody, some of them hidden."""
    spelt = []
    for i, person in enumerate(pool.people):
        rng = np.random.default_rng([recipe.seed, stream, i, *task.name.encode()])
        can = pool.writes(person)
        for length in task.lengths:
            words = [word for word in lexicon.of_length(length).words if set(word) <= can]
            if not words:
                raise InputError(f"{person} wrote no letters that spell a word of {length} letters")
            chosen = rng.choice(len(words), size=min(n, len(words)), replace=False)
            hidden = _some(len(chosen), task.hidden, rng)
            for nth, at in enumerate(chosen):
                rows = pool.draw(person, words[at], max(recipe.k), rng)
                spelt.append(Spelt(person, words[at], nth in hidden, rows, nth))
    return spelt


def _some(n: int, share: float, rng: np.random.Generator) -> set[int]:
    """Return `share` of n numbers, rounded by chance."""
    size = int(n * share + rng.random())
    return set(rng.permutation(n)[:size].tolist())


def _pool(recipe: WordsRecipe, folder: Path, progress: bool) -> LetterPool:
    """Return the letters; simulated ones are read once and kept."""
    path = folder / "letters.npz"
    key = json.dumps([recipe.simulate.model_dump(mode="json"), recipe.adapter])
    if recipe.letters == ("simulated",) and path.is_file():
        kept = np.load(path)
        if str(kept["key"]) == key and "ids" in kept:
            return LetterPool(
                tuple(kept["labels"].tolist()),
                kept["ids"],
                kept["subjects"],
                kept["truth"],
                kept["readings"],
                str(kept["source"]),
            )
    pool = load_pool(recipe, progress)
    if recipe.letters == ("simulated",):
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                key=key,
                labels=np.array(pool.labels),
                ids=pool.ids,
                subjects=pool.subjects,
                truth=pool.truth,
                readings=pool.readings,
                source=pool.source,
            )
    return pool


def _finished(path: Path, key: str) -> list[dict[str, Any]] | None:
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = found["rows"]
    return rows if found["key"] == key else None
