"""Adaptation without labels, measured: letters and words of each person before and after.

The air-writing study leaves open whether context can stand in for labels. Here a person writes
words, round after round, and `words.personalise` learns from those it is sure of. Letters are
tested on recordings that no word was spelt from; all that is fitted is fitted to the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.environment import environment
from imuscribe.eval.metrics import bootstrap_people
from imuscribe.eval.report.adaptation import TEST_WORDS, write_adaptation
from imuscribe.eval.tasks.letter_pool import Channel, LetterPool, load_pool
from imuscribe.recipes.words import AdaptRecipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording
from imuscribe.words.decode.decoding import ClosedDecoder
from imuscribe.words.decode.fitting import Confidence
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
from imuscribe.words.letters import Float, Int
from imuscribe.words.personalise import Personalisation, PersonalLetters, own_distances, sequences

Values = dict[str, Any]


def adapt(recipe: AdaptRecipe, command: str = "", progress: bool = True) -> Path:
    """Adapt to every person of the recipe's letters and write the folder of results.

    Returns
    -------
    Path
        `recipe.out` / `recipe.name`: ``adapt.json``, ``adapt.md``, ``environment.json``.

    Raises
    ------
    InputError
        If the letters, or the recordings they were read from, cannot be found.
    """
    pool = load_pool(recipe, progress)
    _lexicon(recipe, pool)  # a wrong one is named before minutes of comparing
    moved = sequences(_recordings(recipe, pool))
    distances = {person: own_distances(moved[pool.subjects == person]) for person in pool.people}
    folder = Path(recipe.out) / recipe.name
    write_adaptation(folder, adapt_people(recipe, pool, distances, progress))
    facts = environment(recipe.data or ",".join(recipe.letters), "", command)
    write_text(folder / "environment.json", json.dumps(facts, indent=1))
    return folder


def adapt_people(
    recipe: AdaptRecipe, pool: LetterPool, distances: Mapping[str, Float], progress: bool = True
) -> Values:
    """Adapt to every person with what the others teach; return letters before and after.

    `distances` are between all recordings of a person, in the order of the pool's rows. The result
    has for each of ``people`` what was right on held-out letters and new words before and after
    every round, how many words were sure, how many letters were labelled and rightly, and how
    many rounds were undone.
    """
    from tqdm.auto import tqdm

    adaptation = _Adaptation(recipe, pool, distances, _lexicon(recipe, pool))
    people = [adaptation.adapt(p) for p in tqdm(pool.people, unit="person", disable=not progress)]
    before, after = (
        np.array([p["rounds"][at]["correct"] / p["n"] for p in people]) for at in (0, -1)
    )
    words_before, words_after = (
        float(np.mean([p["rounds"][at]["words_right"] for p in people])) / TEST_WORDS
        for at in (0, -1)
    )
    gain = bootstrap_people(after - before, pool.people, recipe.seed)
    return {
        "name": recipe.name,
        "letters": pool.source,
        "words_a_round": recipe.words,
        "people": people,
        "before": float(np.mean(before)),
        "after": float(np.mean(after)),
        "words_before": words_before,
        "words_after": words_after,
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high, "n": gain.n},
    }


@dataclass(frozen=True)
class _Halves:
    """One person's recordings: their rows in the pool, and places among these."""

    rows: Int
    truth: Int
    writing: Int
    """Words are spelt from these."""
    held_out: Int


@dataclass(frozen=True)
class _Adaptation:
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


def _lexicon(recipe: AdaptRecipe, pool: LetterPool) -> Lexicon:
    return load_lexicon(recipe.lexicon, pool.labels, recipe.size, recipe.lengths)


def _recordings(recipe: AdaptRecipe, pool: LetterPool) -> list[Recording]:
    """Return the pool's recordings, cleaned, in the order of its rows."""
    from imuscribe.finetune.rows import load_recordings
    from imuscribe.recipes.schema import Recipe, load_recipe
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
