"""Words from letters: every person's words are decoded with what the other people teach.

Words are drawn from a lexicon, and the k recordings of each letter from one person's. Which words
and recordings does not depend on the decoder, and the recordings for k are among those for k + 1.
Everything that is fitted (calibration, fusion, confusions, weights, confidence) is fitted to the
letters of the other people, and to words spelt from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.methods.reader import letters_source, load_pool
from imuscribe.eval.report.words import words_page, words_results, words_summary
from imuscribe.eval.store import Store
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.recipes.words import WordsRecipe, WordTask
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path
from imuscribe.words.channel import Channel, LetterPool
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.fitted import LLM_DECODERS, FittedDecoders, Spelt, Vocabulary
from imuscribe.words.llm import LanguageModelWords


class Words(Task[WordsRecipe]):
    """Every decoder reads every person's words; a person and task is one piece of work."""

    def __init__(self, recipe: WordsRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.tasks = [t for t in recipe.tasks if not recipe.only or t.name in recipe.only]
        self.pool = load_pool(recipe, Store(folder / "folds"), progress)
        self.lexica = {
            task.name: load_lexicon(task.lexicon, self.pool.labels, task.size, task.lengths)
            for task in self.tasks
        }
        self._written: dict[str, tuple[list[Spelt], list[Spelt], Vocabulary]] = {}

    def source(self) -> dict[str, Values]:
        """Return the recordings whose letters are read."""
        return letters_source(self.recipe)

    def units(self) -> Sequence[Unit]:
        """Return tasks × people."""
        settings = self.recipe.model_dump(mode="json", exclude={"only", "out", "tasks", "letters"})
        letters = hashlib.sha256(self.pool.readings.tobytes()).hexdigest()
        return [
            Unit(
                (task.name, person),
                [settings, letters, task.model_dump(mode="json")],
                partial(self._decoded, task, person),
            )
            for task in self.tasks
            for person in self.pool.people
        ]

    def judge(self, answers: Answers) -> Values:
        """Return the shares of words decoded exactly."""
        return words_summary(_table(answers), self.recipe, self.pool.source, self.lexica)

    def write_tables(self, answers: Answers) -> None:
        """Write ``words.parquet``: one row a word, k and decoder."""
        with atomic_path(self.folder / "words.parquet") as temporary:
            _table(answers).to_parquet(temporary)

    results = staticmethod(words_results)
    page = staticmethod(words_page)

    @cached_property
    def _llm(self) -> LanguageModelWords:
        return LanguageModelWords(self.recipe.llm)

    def _decoded(self, task: WordTask, person: str) -> list[Values]:
        """Fit the decoders to the other people and let them read one person's words."""
        recipe, pool = self.recipe, self.pool
        if task.name not in self._written:
            tests, trains = _spell(recipe, task, self.lexica[task.name], pool)
            unknown = {s.word for s in (*tests, *trains) if s.hidden}
            vocabulary = _vocabulary(recipe, task, self.lexica[task.name], unknown)
            self._written[task.name] = tests, trains, vocabulary
        tests, trains, vocabulary = self._written[task.name]
        others = [other for other in pool.people if other != person]
        rng = np.random.default_rng([recipe.seed, 3, pool.people.index(person)])
        channel = Channel.fit(pool, others, recipe.k, rng)
        llm = self._llm if LLM_DECODERS & set(task.decoders) else None
        decoders = FittedDecoders(recipe, task, vocabulary, pool, channel, llm)
        decoders.fit([spelt for spelt in trains if spelt.person != person])
        return decoders.rows([spelt for spelt in tests if spelt.person == person])


def _table(answers: Answers) -> Any:
    import pandas as pd

    return pd.DataFrame([row for rows in answers.values() for row in rows])


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
            n_hidden = int(len(chosen) * task.hidden + rng.random())  # rounded by chance
            hidden = rng.permutation(len(chosen))[:n_hidden].tolist()
            for nth, at in enumerate(chosen):
                rows = pool.draw(person, words[at], max(recipe.k), rng)
                spelt.append(Spelt(person, words[at], nth in hidden, rows, nth))
    return spelt
