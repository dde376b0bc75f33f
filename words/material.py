"""Words written without stopping: whose, with which bounds known, and who learns from whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.simulate import Writer, write_letter, write_word
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.segment_reader import Written
from imuscribe.words.splice import IsolatedLetters

SHORTEST, LONGEST = 3, 7
"""Letters of the random strings that teach the reader."""


@dataclass(frozen=True)
class Material:
    """People who teach, others whose words the weights are fitted on, others who are tested."""

    teach: list[Written]
    tune: list[Written]
    test: list[Written]
    source: str
    """Where all are from, in words."""


def simulated(
    recipe: SegmentRecipe, labels: Sequence[str], lexicon: Lexicon, progress: bool = True
) -> Material:
    """Let simulated people write: strings of random letters to teach, words of the lexicon else."""
    from tqdm.auto import tqdm

    groups = (recipe.train_people, recipe.tune_people, recipe.people)
    teach: list[Written] = []
    tune: list[Written] = []
    test: list[Written] = []
    for index in tqdm(range(sum(groups)), "writing", unit="person", disable=not progress):
        writer = Writer.draw(index, recipe.seed)
        rng = np.random.default_rng([recipe.seed, 4, index])
        if index < recipe.train_people:
            strings = _strings(recipe.train_words, labels, rng)
            taught = _whole if recipe.teach == "words" else _from_letters
            teach += taught(writer, strings, recipe, rng)
        elif index < recipe.train_people + recipe.tune_people:
            words = _drawn(lexicon, recipe.lengths, recipe.tune_words, labels, rng)
            tune += _whole(writer, words, recipe, rng)
        else:
            words = []
            for n in recipe.lengths:
                words += _drawn(lexicon, (n,), recipe.test_words, labels, rng)
            test += _whole(writer, words, recipe, rng)
    learnt = "whole words" if recipe.teach == "words" else "isolated letters"
    source = (
        f"{recipe.people} simulated people, seed {recipe.seed}, {recipe.case}; the reader learnt "
        f"from {learnt} by {recipe.train_people} others"
    )
    return Material(teach, tune, test, source)


def recorded(recipe: SegmentRecipe, labels: Sequence[str], lexicon: Lexicon) -> Material:
    """Read real words, and spell others from the isolated letters of people who wrote none."""
    from imuscribe.signals.load import read

    assert recipe.letters is not None
    letters, words = read(recipe.letters), read(recipe.words)
    if common := sorted({r.subject for r in letters} & {r.subject for r in words} - {""}):
        raise InputError(f"{common[0]} wrote letters and words: leave one of them out")
    known = [r for r in words if set(r.label) <= set(labels)]
    if not known:
        raise InputError(f"{recipe.words}: no word of the letters {''.join(labels)}")
    hands: dict[str, IsolatedLetters] = {}
    for r in letters:
        if r.label in labels:
            hand = IsolatedLetters(r.subject, recipe.clean, recipe.frame)
            hands.setdefault(r.subject, hand).add(r)
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
            wanted = _drawn(lexicon, recipe.lengths, recipe.tune_words, can, rng)
            tune += hands[person].spell(wanted, rng)
        else:
            teach += hands[person].spell(_strings(recipe.train_words, can, rng), rng)
    test = usable(known, lambda r: Written.of(r, recipe.clean, recipe.frame), recipe.words)
    source = (
        f"{recipe.words}; the reader learnt from words spelt from the isolated letters of "
        f"{len(people) - len(tuning)} people in {recipe.letters}"
    )
    return Material(teach, tune, test, source)


def sessions(written: Sequence[Written]) -> Mapping[str, list[Written]]:
    """Return the words of each person, or of each session where people are not known."""
    found: dict[str, list[Written]] = {}
    for one in written:
        found.setdefault(one.person, []).append(one)
    return found


def _whole(
    writer: Writer, words: Sequence[str], recipe: SegmentRecipe, rng: np.random.Generator
) -> Iterable[Written]:
    """Let a simulated person write words without stopping."""
    for word in words:
        rec, spans = write_word(writer, word, recipe.case, rng, rate=2 * recipe.clean.rate)
        yield Written.of(rec, recipe.clean, recipe.frame, spans)


def _from_letters(
    writer: Writer, words: Sequence[str], recipe: SegmentRecipe, rng: np.random.Generator
) -> Iterable[Written]:
    """Let a simulated person write isolated letters, six of each, and spell words from them."""
    hand = IsolatedLetters(writer.name, recipe.clean, recipe.frame)
    rate = 2 * recipe.clean.rate
    for char in sorted(set("".join(words))):
        for repetition in range(6):
            hand.add(write_letter(writer, char, recipe.case, rng, repetition, rate)[0])
    return hand.spell(words, rng)


def _strings(n: int, labels: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [
        "".join(rng.choice(list(labels), rng.integers(SHORTEST, LONGEST + 1))) for _ in range(n)
    ]


def _drawn(
    lexicon: Lexicon,
    lengths: Sequence[int],
    n: int,
    letters: Collection[str],
    rng: np.random.Generator,
) -> list[str]:
    """Draw n words of these lengths, all equally likely, that can be spelt."""
    can = set(letters)
    fitting = [w for k in lengths for w in lexicon.of_length(k).words if set(w) <= can]
    if not fitting:
        raise InputError(f"no word of {', '.join(map(str, lengths))} letters can be spelt")
    chosen = rng.choice(len(fitting), size=min(n, len(fitting)), replace=False)
    return [fitting[i] for i in chosen]
