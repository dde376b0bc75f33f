"""Adaptation without labels: words decoded with high confidence teach a person's own letters.

The air-writing study leaves open whether context can stand in for labels. Here a person writes
words; those that the decoder is sure of label their letters; and what is read next is also compared
with these recordings (a gallery of the person's own hand, by dynamic time warping). Letters are
judged on recordings that no word was spelt from.
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
from imuscribe.eval.tasks.letter_pool import Channel, Float, Int, LetterPool, load_pool
from imuscribe.recipes.words import AdaptRecipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording
from imuscribe.words.decode.confidence import Confidence
from imuscribe.words.decode.decoding import Candidate, ClosedDecoder
from imuscribe.words.decode.lexicon import Lexicon, load_lexicon
from imuscribe.words.letters import RepeatFusion
from imuscribe.words.personalise import Gallery, OwnHand

Values = dict[str, Any]


def adapt_people(
    recipe: AdaptRecipe, pool: LetterPool, distances: Mapping[str, Float], progress: bool = True
) -> Values:
    """Adapt to every person with what the others teach; return letters before and after.

    Parameters
    ----------
    recipe : AdaptRecipe
    pool : LetterPool
    distances : mapping of str to ndarray
        For every person, between all recordings in the order of the pool's rows.

    Returns
    -------
    dict
        ``people``: for each person the accuracy on held-out letters before and after every round,
        how many words were sure, how many letters were labelled and rightly, and how many rounds
        the guard has undone.
    """
    from tqdm.auto import tqdm

    lexicon = _lexicon(recipe, pool.labels)
    people = []
    for person in tqdm(pool.people, unit="person", disable=not progress):
        people.append(_adapt(recipe, pool, distances, lexicon, person))
    before = [p["rounds"][0]["correct"] / p["n"] for p in people]
    after = [p["rounds"][-1]["correct"] / p["n"] for p in people]
    names = [p["person"] for p in people]
    gain = bootstrap_people(np.array(after) - np.array(before), names, recipe.seed)
    return {
        "name": recipe.name,
        "letters": pool.source,
        "words_a_round": recipe.words,
        "people": people,
        "before": float(np.mean(before)),
        "after": float(np.mean(after)),
        "words_before": _mean_words(people, 0),
        "words_after": _mean_words(people, -1),
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high, "n": gain.n},
    }


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
    _lexicon(recipe, pool.labels)  # a wrong one is named before minutes of comparing
    distances = own_distances(pool, _recordings(recipe, pool))
    folder = Path(recipe.out) / recipe.name
    write_adaptation(folder, adapt_people(recipe, pool, distances, progress))
    facts = environment(recipe.data or ",".join(recipe.letters), "", command)
    write_text(folder / "environment.json", json.dumps(facts, indent=1))
    return folder


def _lexicon(recipe: AdaptRecipe, labels: Sequence[str]) -> Lexicon:
    lexicon = load_lexicon(recipe.lexicon, labels)
    lexicon = lexicon.most_common(recipe.size) if recipe.size else lexicon
    for length in recipe.lengths:
        lexicon.of_length(length)
    return lexicon


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


def own_distances(pool: LetterPool, recordings: Sequence[Recording]) -> dict[str, Float]:
    """Return the warping distances between all recordings of each person, infinite to itself.

    Parameters
    ----------
    pool : LetterPool
    recordings : sequence of Recording
        Cleaned, in the order of the pool's rows.
    """
    from imuscribe.eval.methods.baselines import Views
    from imuscribe.prompts.serialize import TextConfig, build_serializer
    from imuscribe.signals.motion.warping import warping_distances

    views = Views(build_serializer(TextConfig()), steps=32)
    found = {}
    for person in pool.people:
        rows = np.flatnonzero(pool.subjects == person)
        x = views.sequences([recordings[i] for i in rows])
        found[person] = warping_distances(x, x)
        np.fill_diagonal(found[person], np.inf)
    return found


@dataclass(frozen=True)
class _Taught:
    """What the other people teach before a person writes."""

    channel: Channel
    read: Float
    """Of all recordings, by the channel."""
    halves: Mapping[str, tuple[Int, Int]]
    hand: OwnHand
    decoder: ClosedDecoder
    sure: Confidence


def _learn(
    recipe: AdaptRecipe,
    pool: LetterPool,
    distances: Mapping[str, Float],
    lexicon: Lexicon,
    person: str,
    rng: np.random.Generator,
) -> _Taught:
    """Fit the channel, the worth of own recordings, and the confidence to everybody else."""
    others = [other for other in pool.people if other != person]
    channel = Channel.fit(pool, others, (1,), rng)
    read = channel.read(pool.readings)
    halves = {one: _halves(pool, one, rng) for one in pool.people}
    lessons = []
    for other in others:
        rows = np.flatnonzero(pool.subjects == other)
        writing, judged = (np.searchsorted(rows, half) for half in halves[other])
        # Some letters have no recording yet when a person begins: half of the gallery is left out.
        some = rng.permutation(writing)[: len(writing) // 2]
        truth = pool.truth[rows]
        shown = {int(i): int(truth[i]) for i in some}
        lessons.append((read[rows], distances[other], truth, shown, judged))
    hand = OwnHand.fit(lessons)
    decoder = ClosedDecoder(lexicon, recipe.prior_weight)
    sure = _confidence(recipe, pool, others, halves, lexicon, read, channel.fusion, decoder, rng)
    return _Taught(channel, read, halves, hand, decoder, sure)


class _Hand:
    """One person's recordings, and the letters that decoded words have given them so far."""

    def __init__(
        self, pool: LetterPool, distances: Mapping[str, Float], taught: _Taught, person: str
    ) -> None:
        self.rows = np.flatnonzero(pool.subjects == person)
        self.truth = pool.truth[self.rows]
        self.gallery: dict[int, int] = {}
        self._pool = pool
        self._taught = taught
        self._distances = distances[person]

    def look(self, known: Gallery) -> Float:
        """Return log-probabilities of the person's recordings, given some that are known."""
        read = self._taught.read[self.rows]
        return self._taught.hand.read(read, self._distances, known) if known else read

    def decoded(self, places: Int, log_probs: Float) -> Candidate:
        """Return the likeliest word of these recordings, one a letter."""
        fusion = self._taught.channel.fusion
        letters = fusion.letters(self._pool.labels, log_probs[places][:, None])
        return self._taught.decoder.decode(letters, 1)[0]

    def agreement(self, words: Sequence[Int], log_probs: Float) -> float:
        """Return how often the likeliest letter is that of the decoded word."""
        same = [
            log_probs[place].argmax() == self._pool.labels.index(letter)
            for places in words
            for place, letter in zip(places, self.decoded(places, log_probs).word, strict=True)
        ]
        return float(np.mean(same))

    def labelled(self, words: Sequence[Int], threshold: float) -> tuple[dict[int, int], int]:
        """Return the gallery with the letters of sure words added, and how many words were sure."""
        now, proposed, n = self.look(self.gallery), dict(self.gallery), 0
        for places in words:
            best = self.decoded(places, now)
            if self._taught.sure([best.log_prob])[0] >= threshold:
                n += 1
                letters = (self._pool.labels.index(c) for c in best.word)
                proposed |= dict(zip(map(int, places), letters, strict=True))
        return proposed, n

    def judged(self, held_out: Int, unseen: Sequence[Int]) -> Values:
        """Return how many held-out letters, labelled letters and unseen words are right now."""
        seen = self.look(self.gallery)
        answers = seen[held_out].argmax(axis=1)
        right = sum(self.truth[row] == letter for row, letter in self.gallery.items())
        spelt = ["".join(self._pool.labels[i] for i in self.truth[places]) for places in unseen]
        words = sum(
            self.decoded(places, seen).word == word
            for places, word in zip(unseen, spelt, strict=True)
        )
        return {
            "correct": int((answers == self.truth[held_out]).sum()),
            "labelled": len(self.gallery),
            "right": int(right),
            "words_right": words,
        }


def _adapt(
    recipe: AdaptRecipe,
    pool: LetterPool,
    distances: Mapping[str, Float],
    lexicon: Lexicon,
    person: str,
) -> Values:
    """Let one person write round after round; return what each has changed."""
    index = pool.people.index(person)
    rng = np.random.default_rng([recipe.seed, index])
    taught = _learn(recipe, pool, distances, lexicon, person, rng)
    hand = _Hand(pool, distances, taught, person)
    writing, judged = taught.halves[person]
    held_out = np.searchsorted(hand.rows, judged)

    def spell(half: Int, rng: np.random.Generator) -> Int:
        return _spell(pool, hand.rows, half, lexicon, recipe.lengths, rng)

    fresh = np.random.default_rng([recipe.seed, index, 1])
    unseen = [spell(judged, fresh) for _ in range(TEST_WORDS)]
    kept_apart = recipe.words // 4
    guards: list[Int] = []
    words = sure = undone = 0
    rounds = [hand.judged(held_out, unseen) | {"words": 0, "sure": 0}]
    for _ in range(recipe.rounds):
        spelt = [spell(writing, rng) for _ in range(recipe.words)]
        guards += spelt[:kept_apart]
        proposed, n = hand.labelled(spelt[kept_apart:], recipe.threshold)
        words, sure = words + len(spelt) - kept_apart, sure + n
        before, after = (hand.agreement(guards, hand.look(g)) for g in (hand.gallery, proposed))
        if after < before - recipe.drift:
            undone += 1  # the words kept apart say that this round misleads
        else:
            hand.gallery = proposed
        rounds.append(hand.judged(held_out, unseen) | {"words": words, "sure": sure})
    own = taught.hand
    return {
        "person": person,
        "n": len(held_out),
        "rounds": rounds,
        "undone": undone,
        "hand": {"trust": own.trust, "slope": own.slope, "far": own.far},
    }


def _mean_words(people: Sequence[Values], at: int) -> float:
    return float(np.mean([p["rounds"][at]["words_right"] for p in people])) / TEST_WORDS


def _confidence(
    recipe: AdaptRecipe,
    pool: LetterPool,
    people: Sequence[str],
    halves: Mapping[str, tuple[Int, Int]],
    lexicon: Lexicon,
    read: Float,
    fusion: RepeatFusion,
    decoder: ClosedDecoder,
    rng: np.random.Generator,
) -> Confidence:
    """Return how far the decoder is to be believed, learnt from words of the other people."""
    found = []
    for person in people:
        rows = np.flatnonzero(pool.subjects == person)
        for _ in range(recipe.fit_words // len(people)):
            places = rows[_spell(pool, rows, halves[person][0], lexicon, recipe.lengths, rng)]
            word = "".join(pool.labels[i] for i in pool.truth[places])
            best = decoder.decode(fusion.letters(pool.labels, read[places][:, None]), 1)[0]
            found.append((best.log_prob, best.word == word))
    return Confidence.fit([p for p, _ in found], [right for _, right in found])


def _halves(pool: LetterPool, person: str, rng: np.random.Generator) -> tuple[Int, Int]:
    """Return the rows that words are spelt from, and those that letters are judged on."""
    writing, judged = [], []
    for letter in range(len(pool.labels)):
        rows = rng.permutation(pool.recordings(person, letter))
        writing += rows[: len(rows) // 2].tolist()
        judged += rows[len(rows) // 2 :].tolist()
    return np.array(sorted(writing)), np.array(sorted(judged))


def _spell(
    pool: LetterPool,
    rows: Int,
    writing: Int,
    lexicon: Lexicon,
    lengths: Sequence[int],
    rng: np.random.Generator,
) -> Int:
    """Draw a word and a recording of each of its letters; return their places among `rows`."""
    by_letter = {c: writing[pool.truth[writing] == i] for i, c in enumerate(pool.labels)}
    while True:
        words = lexicon.of_length(int(rng.choice(lengths))).words
        word = words[rng.integers(len(words))]
        if all(len(by_letter[c]) for c in word):
            return np.searchsorted(rows, [rng.choice(by_letter[c]) for c in word])
