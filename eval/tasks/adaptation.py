"""Adaptation without labels, judged: letters and words of each person before and after.

The air-writing study leaves open whether context can stand in for labels. Here a person writes
words, round after round, and `words.personalise` learns from those it is sure of. Letters are
judged on recordings that no word was spelt from; all that is fitted is fitted to the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from imuscribe.words.personalise import Personalisation, PersonalLetters, own_distances

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
    recordings = _recordings(recipe, pool)
    distances = {
        person: own_distances([recordings[row] for row in np.flatnonzero(pool.subjects == person)])
        for person in pool.people
    }
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

    lexicon = _lexicon(recipe, pool)
    people = [
        _adapted(recipe, pool, distances, lexicon, person)
        for person in tqdm(pool.people, unit="person", disable=not progress)
    ]
    before, after = (
        np.array([p["rounds"][at]["correct"] / p["n"] for p in people]) for at in (0, -1)
    )
    words_before, words_after = (
        float(np.mean([p["rounds"][at]["words_right"] for p in people])) / TEST_WORDS
        for at in (0, -1)
    )
    gain = bootstrap_people(after - before, [p["person"] for p in people], recipe.seed)
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


def _adapted(
    recipe: AdaptRecipe,
    pool: LetterPool,
    distances: Mapping[str, Float],
    lexicon: Lexicon,
    person: str,
) -> Values:
    """Let one person write round after round; return what each has changed."""
    index = pool.people.index(person)
    rng, fresh = (np.random.default_rng([recipe.seed, index, *more]) for more in ((), (1,)))
    hands, letters = _taught(recipe, pool, distances, lexicon, person, rng)
    hand = hands[person]
    unseen = [hand.spell(hand.judged, lexicon, recipe, fresh) for _ in range(TEST_WORDS)]
    rounds = [_judged(hand, letters, unseen) | {"words": 0, "sure": 0}]
    for _ in range(recipe.rounds):
        words = [hand.spell(hand.writing, lexicon, recipe, rng) for _ in range(recipe.words)]
        sure = rounds[-1]["sure"] + letters.learn(words)
        seen = rounds[-1]["words"] + recipe.words - recipe.words // 4
        rounds.append(_judged(hand, letters, unseen) | {"words": seen, "sure": sure})
    own = letters.personalisation
    return {
        "person": person,
        "n": len(hand.judged),
        "rounds": rounds,
        "undone": letters.undone,
        "hand": {"trust": own.trust, "slope": own.slope, "far": own.far},
    }


@dataclass(frozen=True)
class _Hand:
    """One person's recordings: their rows in the pool, and places among these."""

    labels: Sequence[str]
    rows: Int
    truth: Int
    writing: Int
    """Words are spelt from these."""
    judged: Int

    @classmethod
    def drawn(cls, pool: LetterPool, person: str, rng: np.random.Generator) -> _Hand:
        """Divide a person's recordings of every letter by chance."""
        rows = np.flatnonzero(pool.subjects == person)
        truth = pool.truth[rows]
        writing, judged = [], []
        for letter in range(len(pool.labels)):
            places = rng.permutation(np.flatnonzero(truth == letter))
            writing += places[: len(places) // 2].tolist()
            judged += places[len(places) // 2 :].tolist()
        return cls(pool.labels, rows, truth, np.array(sorted(writing)), np.array(sorted(judged)))

    def spell(
        self, half: Int, lexicon: Lexicon, recipe: AdaptRecipe, rng: np.random.Generator
    ) -> Int:
        """Draw a word and a recording of each of its letters."""
        by_letter = {c: half[self.truth[half] == i] for i, c in enumerate(self.labels)}
        while True:
            words = lexicon.of_length(int(rng.choice(recipe.lengths))).words
            word = words[rng.integers(len(words))]
            if all(len(by_letter[c]) for c in word):
                return np.array([rng.choice(by_letter[c]) for c in word])

    def word(self, places: Int) -> str:
        """Return what is written in these recordings."""
        return "".join(self.labels[i] for i in self.truth[places])


def _taught(
    recipe: AdaptRecipe,
    pool: LetterPool,
    distances: Mapping[str, Float],
    lexicon: Lexicon,
    person: str,
    rng: np.random.Generator,
) -> tuple[dict[str, _Hand], PersonalLetters]:
    """Fit what is known before a person writes to everybody else; return everybody's halves too."""
    others = [other for other in pool.people if other != person]
    channel = Channel.fit(pool, others, (1,), rng)
    read = channel.read(pool.readings)
    hands = {one: _Hand.drawn(pool, one, rng) for one in pool.people}
    examples = []
    for other in others:
        hand = hands[other]
        # Some letters have no recording yet when a person begins: half of the gallery is left out.
        some = rng.permutation(hand.writing)[: len(hand.writing) // 2]
        shown = dict(zip(some.tolist(), hand.truth[some].tolist(), strict=True))
        examples.append((read[hand.rows], distances[other], hand.truth, shown, hand.judged))
    personalisation = Personalisation.fit(examples)

    def before(one: str, confidence: Confidence) -> PersonalLetters:
        return PersonalLetters(
            pool.labels,
            read[hands[one].rows],
            distances[one],
            personalisation,
            ClosedDecoder(lexicon, recipe.prior_weight),
            confidence,
            channel.fusion,
            recipe.threshold,
            recipe.drift,
        )

    decoded = []
    for other in others:
        letters = before(other, Confidence())
        for _ in range(recipe.fit_words // len(others)):
            places = hands[other].spell(hands[other].writing, lexicon, recipe, rng)
            best = letters.decode(places, letters.log_probs)
            decoded.append((best, hands[other].word(places)))
    return hands, before(person, Confidence.fit(decoded))


def _judged(hand: _Hand, letters: PersonalLetters, unseen: Sequence[Int]) -> Values:
    """Return how many held-out letters, labelled letters and unseen words are right now."""
    read = letters.read(letters.gallery)
    answers = read[hand.judged].argmax(axis=1)
    right = sum(hand.truth[place] == letter for place, letter in letters.gallery.items())
    words = sum(letters.decode(places, read).word == hand.word(places) for places in unseen)
    return {
        "correct": int((answers == hand.truth[hand.judged]).sum()),
        "labelled": len(letters.gallery),
        "right": int(right),
        "words_right": words,
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
