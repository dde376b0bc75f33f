"""Adaptation without labels, measured: letters and words of each person before and after.

The air-writing study leaves open whether context can stand in for labels. Here a person writes
words, round after round, and `words.personalise` learns from those it is sure of. Letters are
tested on recordings that no word was spelt from; all that is fitted is fitted to the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from imuscribe.eval.environment import data_facts
from imuscribe.eval.methods.reader import letters_source, load_pool
from imuscribe.eval.report.adaptation import (
    TEST_WORDS,
    adaptation_page,
    adaptation_results,
    summarise,
)
from imuscribe.eval.store import Store
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.recipes.words import AdaptRecipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording
from imuscribe.words.channel import Channel, LetterPool
from imuscribe.words.decode.decoding import ClosedDecoder
from imuscribe.words.decode.fitting import Confidence
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
from imuscribe.words.letters import Float, Int
from imuscribe.words.personalise import Personalisation, PersonalLetters, own_distances, sequences


class Adaptation(Task[AdaptRecipe]):
    """Every person is adapted to with what the others teach."""

    def __init__(self, recipe: AdaptRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.pool = load_pool(recipe, Store(folder / "folds"), progress)
        # A length that the lexicon lacks is named before minutes of comparing.
        self.lexicon = load_lexicon(recipe.lexicon, self.pool.labels, recipe.size, recipe.lengths)

    def source(self) -> dict[str, Values]:
        """Return the recordings whose letters are read."""
        if self.recipe.data is not None:
            return {"data": dict(data_facts(self.recipe.data))}
        return letters_source(self.recipe)

    def units(self) -> Sequence[Unit]:
        """Return the people."""
        settings = self.recipe.model_dump(mode="json", exclude={"name", "out", "letters"})
        letters = hashlib.sha256(self.pool.readings.tobytes()).hexdigest()
        key = [settings, letters, self.source()]
        return [
            Unit(("people", person), key, partial(self._adapted, person))
            for person in self.pool.people
        ]

    def judge(self, answers: Answers) -> Values:
        """Return letters and words of everybody before and after."""
        return summarise(self.recipe, self.pool.source, list(answers.values()))

    results = staticmethod(adaptation_results)
    page = staticmethod(adaptation_page)

    def _adapted(self, person: str) -> Values:
        study = AdaptationStudy(self.recipe, self.pool, self._distances, self.lexicon)
        return study.adapt(person)

    @cached_property
    def _distances(self) -> dict[str, Float]:
        moved = sequences(_recordings(self.recipe, self.pool))
        people = self.pool.people
        return {person: own_distances(moved[self.pool.subjects == person]) for person in people}


@dataclass(frozen=True)
class _Halves:
    """One person's recordings: their rows in the pool, and places among these."""

    rows: Int
    truth: Int
    writing: Int
    """Words are spelt from these."""
    held_out: Int


@dataclass(frozen=True)
class AdaptationStudy:
    """Letters of some people, and the distances between all recordings of each of them."""

    recipe: AdaptRecipe
    pool: LetterPool
    distances: Mapping[str, Float]
    lexicon: Lexicon

    def adapt(self, person: str) -> Values:
        """Let one person write round after round; return what each has changed."""
        recipe, index = self.recipe, self.pool.people.index(person)
        rng = np.random.default_rng([recipe.seed, index])
        mine, letters = self._taught(person, rng)
        fresh = np.random.default_rng([recipe.seed, index, 1])
        unseen = [self._spell(mine, mine.held_out, fresh) for _ in range(TEST_WORDS)]
        rounds = [self._measured(mine, letters, unseen) | {"words": 0, "sure": 0}]
        for _ in range(recipe.rounds):
            words = [self._spell(mine, mine.writing, rng) for _ in range(recipe.words)]
            sure = rounds[-1]["sure"] + letters.learn(words)
            seen = rounds[-1]["words"] + recipe.words - recipe.words // 4
            now = self._measured(mine, letters, unseen)
            rounds.append(now | {"words": seen, "sure": sure})
        model = letters.personalisation
        return {
            "person": person,
            "n": len(mine.held_out),
            "rounds": rounds,
            "undone": letters.undone,
            "hand": {"trust": model.trust, "slope": model.slope, "far": model.far},
        }

    def _taught(self, person: str, rng: np.random.Generator) -> tuple[_Halves, PersonalLetters]:
        """Fit to everybody else what is known before a person writes."""
        recipe, pool = self.recipe, self.pool
        others = [other for other in pool.people if other != person]
        channel = Channel.fit(pool, others, (1,), rng)
        read = channel.read(pool.readings)
        halves = {one: self._halves(one, rng) for one in pool.people}
        examples = []
        for other in others:
            theirs = halves[other]
            # Some letters have no recording yet when a person begins: half of them is left out.
            some = rng.permutation(theirs.writing)[: len(theirs.writing) // 2]
            shown = dict(zip(some.tolist(), theirs.truth[some].tolist(), strict=True))
            known = (read[theirs.rows], self.distances[other], theirs.truth)
            examples.append((*known, shown, theirs.held_out))
        letters = PersonalLetters(
            pool.labels,
            read[halves[person].rows],
            self.distances[person],
            Personalisation.fit(examples),
            ClosedDecoder(self.lexicon, recipe.prior_weight),
            Confidence(),
            channel.fusion,
            recipe.threshold,
            recipe.drift,
        )
        decoded = []
        for theirs in (halves[other] for other in others):
            for _ in range(recipe.fit_words // len(others)):
                places = self._spell(theirs, theirs.writing, rng)
                best = letters.decode(theirs.rows[places], read)
                decoded.append((best, self._word(theirs, places)))
        return halves[person], replace(letters, confidence=Confidence.fit(decoded))

    def _halves(self, person: str, rng: np.random.Generator) -> _Halves:
        """Divide a person's recordings of every letter by chance."""
        rows = np.flatnonzero(self.pool.subjects == person)
        truth = self.pool.truth[rows]
        writing, held_out = [], []
        for letter in range(len(self.pool.labels)):
            places = rng.permutation(np.flatnonzero(truth == letter))
            writing += places[: len(places) // 2].tolist()
            held_out += places[len(places) // 2 :].tolist()
        return _Halves(rows, truth, np.array(sorted(writing)), np.array(sorted(held_out)))

    def _spell(self, mine: _Halves, half: Int, rng: np.random.Generator) -> Int:
        """Draw a word and a recording of each of its letters; return their places."""
        by_letter = {c: half[mine.truth[half] == i] for i, c in enumerate(self.pool.labels)}
        while True:
            words = self.lexicon.of_length(int(rng.choice(self.recipe.lengths))).words
            word = words[rng.integers(len(words))]
            if all(len(by_letter[c]) for c in word):
                return np.array([rng.choice(by_letter[c]) for c in word])

    def _word(self, mine: _Halves, places: Int) -> str:
        return "".join(self.pool.labels[i] for i in mine.truth[places])

    def _measured(self, mine: _Halves, letters: PersonalLetters, unseen: Sequence[Int]) -> Values:
        """Return how many held-out letters, labelled letters and unseen words are right now."""
        read = letters.read(letters.gallery)
        answers = read[mine.held_out].argmax(axis=1)
        right = [mine.truth[place] == letter for place, letter in letters.gallery.items()]
        words = [letters.decode(x, read).word == self._word(mine, x) for x in unseen]
        return {
            "correct": int((answers == mine.truth[mine.held_out]).sum()),
            "labelled": len(letters.gallery),
            "right": int(sum(right)),
            "words_right": sum(words),
        }


def _recordings(recipe: AdaptRecipe, pool: LetterPool) -> list[Recording]:
    """Return the pool's recordings, cleaned, in the order of its rows."""
    from imuscribe.finetune.rows import load_recordings
    from imuscribe.recipes.load import load_recipe
    from imuscribe.recipes.schema import Recipe
    from imuscribe.signals.simulate import simulate

    if recipe.letters == ("simulated",):
        return [clean(rec, Recipe(name="adapt").clean) for rec in simulate(recipe.simulate)]
    path = Path(recipe.letters[0]) / "recipe.yaml"
    if not path.is_file():
        raise InputError(f"{path}: not there: give the folder of a finished run")
    change = [] if recipe.data is None else [f"data={recipe.data}"]
    known = {rec.id: rec for rec in load_recordings(load_recipe(str(path), change))}
    if missing := [i for i in pool.ids.tolist() if i not in known]:
        raise InputError(
            f"recording '{missing[0]}' and {len(missing) - 1} more were predicted but are not in "
            "the data: set data= to the file the run was made of"
        )
    return [known[i] for i in pool.ids.tolist()]
