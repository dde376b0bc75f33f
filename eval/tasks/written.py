"""Words written without stopping: whose, with which bounds known, and who learns from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.cleaning import CleanConfig, clean, moving_span
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.motion.frames import FrameConfig, Motion, writing_motion
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate import Writer, write_letter, write_word
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.segment import Track
from imuscribe.words.segment_reader import Written
from imuscribe.words.splice import splice

_TEACH, _TUNE, _TEST = range(3)
SHORTEST, LONGEST = 3, 7
"""Letters of the random strings that teach the reader."""


@dataclass(frozen=True)
class Material:
    """What an experiment reads: people who teach, others for the weights, others who are tested.

    Parameters
    ----------
    teach, tune, test : tuple of Written
    source : str
        Where all are from, in words.
    """

    teach: tuple[Written, ...]
    tune: tuple[Written, ...]
    test: tuple[Written, ...]
    source: str


def simulated(
    recipe: SegmentRecipe, labels: Sequence[str], lexicon: Lexicon, progress: bool = True
) -> Material:
    """Let simulated people write: strings of random letters to teach, words of the lexicon else."""
    from tqdm.auto import tqdm

    groups = (recipe.train_people, recipe.tune_people, recipe.people)
    indices = count()
    made: list[list[Written]] = [[], [], []]
    with tqdm(total=sum(groups), unit="person", desc="writing", disable=not progress) as bar:
        for purpose, people in enumerate(groups):
            for _ in range(people):
                index = next(indices)
                writer = Writer.draw(index, recipe.seed)
                rng = np.random.default_rng([recipe.seed, 4, index])
                if purpose == _TEACH:
                    wanted = _strings(recipe.train_words, labels, rng)
                elif purpose == _TUNE:
                    wanted = _drawn(lexicon, recipe.lengths, recipe.tune_words, set(labels), rng)
                else:
                    wanted = [
                        word
                        for n in recipe.lengths
                        for word in _drawn(lexicon, (n,), recipe.test_words, set(labels), rng)
                    ]
                if purpose == _TEACH and recipe.teach == "letters":
                    made[purpose] += _from_letters(writer, wanted, recipe, rng)
                else:
                    made[purpose] += [_written(writer, w, recipe, rng) for w in wanted]
                bar.update()
    learnt = "whole words" if recipe.teach == "words" else "isolated letters"
    return Material(
        tuple(made[_TEACH]),
        tuple(made[_TUNE]),
        tuple(made[_TEST]),
        f"{recipe.people} simulated people, seed {recipe.seed}, {recipe.case}; the reader learnt "
        f"from {learnt} by {recipe.train_people} others",
    )


def recorded(recipe: SegmentRecipe, labels: Sequence[str], lexicon: Lexicon) -> Material:
    """Read real words, and spell others from the isolated letters of other recordings.

    Raises
    ------
    InputError
        If a file is missing, or a person who wrote letters is known to have written the words.
    """
    from imuscribe.signals.load import clean_all, read

    assert recipe.letters is not None
    letters, words = read(recipe.letters), read(recipe.words)
    if common := sorted({r.subject for r in letters} & {r.subject for r in words} - {""}):
        raise InputError(f"{common[0]} wrote letters and words: leave one of them out")
    known = [r for r in words if set(r.label) <= set(labels)]
    if not known:
        raise InputError(f"{recipe.words}: no word of the letters {''.join(labels)}")
    hands: dict[str, _Hand] = {}
    for r in letters:
        if r.label in labels:
            hands.setdefault(r.subject, _Hand(recipe.clean, recipe.frame)).add(r)
    people = sorted(hands)
    if unknown := [name for name in recipe.tune if name not in hands]:
        raise InputError(f"tune: {unknown[0]} wrote no letters: {nearest(unknown[0], people)}")
    if len(people) <= (len(recipe.tune) or recipe.tune_people):
        raise InputError(
            f"{recipe.letters}: letters of {len(people)} people: none is left to teach"
        )
    order = np.random.default_rng([recipe.seed, 5]).permutation(len(people))
    tuning = set(recipe.tune) or {people[i] for i in order[: recipe.tune_people]}
    teach: list[Written] = []
    tune: list[Written] = []
    for index, person in enumerate(people):
        rng = np.random.default_rng([recipe.seed, 6, index])
        can = sorted(hands[person].letters)
        if person in tuning:
            wanted = _drawn(lexicon, recipe.lengths, recipe.tune_words, set(can), rng)
            tune += hands[person].spell(person, wanted, rng)
        else:
            wanted = _strings(recipe.train_words, can, rng)
            teach += hands[person].spell(person, wanted, rng)
    test = []
    for rec in clean_all(known, recipe.clean, recipe.frame, recipe.words):
        track = Track.of_motion(writing_motion(rec, recipe.frame))
        test.append(Written(rec.id, rec.subject or rec.session, rec.label, track))
    return Material(
        tuple(teach),
        tuple(tune),
        tuple(test),
        f"{recipe.words}; the reader learnt from words spelt from the isolated letters of "
        f"{len(people) - len(tuning)} people in {recipe.letters}",
    )


@dataclass
class _Hand:
    """A person's isolated letters, prepared when they are first needed."""

    cleaning: CleanConfig
    frame: FrameConfig
    letters: dict[str, list[Recording]] = field(default_factory=dict)
    _motions: dict[str, Motion] = field(default_factory=dict)

    def add(self, rec: Recording) -> None:
        self.letters.setdefault(rec.label, []).append(rec)

    def spell(
        self, person: str, words: Sequence[str], rng: np.random.Generator
    ) -> Iterator[Written]:
        for nth, word in enumerate(words):
            chosen = [self.letters[c][rng.integers(len(self.letters[c]))] for c in word]
            track, spans = splice([self._motion(rec) for rec in chosen], word, rng)
            yield Written(f"{person}-{word}-{nth}", person, word, track, spans)

    def _motion(self, rec: Recording) -> Motion:
        if rec.id not in self._motions:
            self._motions[rec.id] = writing_motion(clean(rec, self.cleaning), self.frame)
        return self._motions[rec.id]


def _written(writer: Writer, word: str, recipe: SegmentRecipe, rng: np.random.Generator) -> Written:
    """Let a simulated person write a word, and clean it so that its spans stay right."""
    raw, spans = write_word(writer, word, recipe.case, rng, rate=2 * recipe.clean.rate)
    rec = clean(raw, recipe.clean.model_copy(update={"trim": False}))
    if recipe.clean.trim:
        first, last = moving_span(rec, recipe.clean)
        rec = rec.replace(
            data=rec.data[:, first : last + 1], t=rec.t[first : last + 1] - rec.t[first]
        )
        spans = spans - first / recipe.clean.rate
    track = Track.of_motion(writing_motion(rec, recipe.frame))
    return Written(rec.id, rec.subject, word, track, spans)


def _from_letters(
    writer: Writer, words: Sequence[str], recipe: SegmentRecipe, rng: np.random.Generator
) -> Iterator[Written]:
    """Let a simulated person write isolated letters, six of each, and spell words from them."""
    hand = _Hand(recipe.clean, recipe.frame)
    for char in sorted(set("".join(words))):
        for repetition in range(6):
            rate = 2 * recipe.clean.rate
            hand.add(write_letter(writer, char, recipe.case, rng, repetition, rate)[0])
    return hand.spell(writer.name, words, rng)


def _strings(n: int, labels: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [
        "".join(rng.choice(list(labels), rng.integers(SHORTEST, LONGEST + 1))) for _ in range(n)
    ]


def _drawn(
    lexicon: Lexicon,
    lengths: Sequence[int],
    n: int,
    can: set[str],
    rng: np.random.Generator,
) -> list[str]:
    """Draw n words of these lengths, all equally likely, that can be spelt."""
    fitting = [w for k in lengths for w in lexicon.of_length(k).words if set(w) <= can]
    if not fitting:
        raise InputError(f"no word of {', '.join(map(str, lengths))} letters can be spelt")
    chosen = rng.choice(len(fitting), size=min(n, len(fitting)), replace=False)
    return [fitting[i] for i in chosen]


def sessions(written: Sequence[Written]) -> Mapping[str, list[Written]]:
    """Return the words of each person, or of each session where people are not known."""
    found: dict[str, list[Written]] = {}
    for one in written:
        found.setdefault(one.person, []).append(one)
    return found
