"""Adaptation without labels: a hand unlike all others is learnt from its words, noise is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imuscribe.eval.report.adaptation import adaptation_page, adaptation_results, summarise
from imuscribe.eval.report.page import Table
from imuscribe.eval.tasks.adaptation import AdaptationStudy
from imuscribe.recipes.load import load_as
from imuscribe.recipes.words import AdaptRecipe
from imuscribe.signals.errors import InputError
from imuscribe.words.channel import LetterPool
from imuscribe.words.decode.lexicon import LETTERS, load_lexicon
from imuscribe.words.personalise import Personalisation
from tests.eval.test_report import FACTS

PEOPLE, PER_LETTER = 4, 8


def made_up(odd: tuple[str, ...] = (), apart: float = 1.0) -> tuple[LetterPool, dict]:
    """Return made-up letters: readings with errors, and distances that tell letters apart.

    For p0 the reader takes every letter of `odd` for its neighbour in the alphabet.
    """
    rng = np.random.default_rng(0)
    n = PEOPLE * 26 * PER_LETTER
    truth = np.tile(np.repeat(np.arange(26), PER_LETTER), PEOPLE)
    subjects = np.repeat([f"p{i}" for i in range(PEOPLE)], 26 * PER_LETTER)
    scores = rng.normal(size=(n, 26))
    for row, letter in enumerate(truth):
        swapped = subjects[row] == "p0" and LETTERS[letter] in odd
        scores[row, (letter + swapped) % 26] += 3.5
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    pool = LetterPool(
        LETTERS, np.arange(n).astype(str), subjects, truth, scores[:, None], "made up"
    )
    distances = {}
    for person in pool.people:
        mine = truth[subjects == person]
        far = rng.gamma(4.0, 0.25, size=(len(mine), len(mine)))
        far = far + apart * (mine[:, None] != mine)
        distances[person] = (far + far.T) / 2
        np.fill_diagonal(distances[person], np.inf)
    return pool, distances


def adapt_people(asked: AdaptRecipe, pool: LetterPool, distances: dict) -> dict:
    """Return what the experiment tells of everybody."""
    lexicon = load_lexicon(asked.lexicon, pool.labels, asked.size, asked.lengths)
    study = AdaptationStudy(asked, pool, distances, lexicon)
    about = {"kind": "adaptation", "name": asked.name, "seed": asked.seed}
    return about | summarise(asked, pool.source, [study.adapt(person) for person in pool.people])


def recipe(**changes) -> AdaptRecipe:
    values = {"rounds": 3, "fit_words": 60, "size": 5000, "lengths": [5, 6, 7]} | changes
    return AdaptRecipe.parse(values)


def change(found: dict, person: str) -> float:
    (p,) = (p for p in found["people"] if p["person"] == person)
    return (p["rounds"][-1]["correct"] - p["rounds"][0]["correct"]) / p["n"]


def test_letters_that_are_read_wrongly_are_learnt_from_the_words_they_stand_in():
    pool, distances = made_up(odd=("E", "S"))
    found = adapt_people(recipe(), pool, distances)
    assert change(found, "p0") > 0.03
    assert all(change(found, person) > -0.02 for person in pool.people)
    p0 = found["people"][0]
    assert p0["n"] == 26 * PER_LETTER // 2
    assert p0["rounds"][0]["labelled"] == 0
    last = p0["rounds"][-1]
    assert last["right"] >= 0.9 * last["labelled"] > 0
    assert last["labelled"] <= 26 * PER_LETTER // 2  # held-out recordings are never labelled


def test_distances_that_say_nothing_change_nothing():
    pool, distances = made_up(apart=0.0)
    found = adapt_people(recipe(), pool, distances)
    assert all(abs(change(found, person)) < 0.06 for person in pool.people)


def test_a_persons_own_labels_are_not_used():
    pool, distances = made_up(odd=("E",))
    mine = pool.subjects == "p0"
    lied = pool.truth.copy()
    found = adapt_people(recipe(rounds=1), pool, distances)
    # Scoring with other truths changes the figures of p0, but not what anybody's letters teach.
    lied[mine] = np.roll(lied[mine], 1)
    other = adapt_people(recipe(rounds=1), replace(pool, truth=lied), distances)
    assert found["people"][0]["hand"] == pytest.approx(other["people"][0]["hand"], rel=1e-3)


def test_without_a_gallery_for_a_letter_the_predictor_decides():
    own = Personalisation(trust=1.0, slope=2.0, far=1.0)
    log_probs = np.log(np.array([[0.6, 0.4], [0.5, 0.5]]))
    distances = np.array([[np.inf, 3.0], [3.0, np.inf]])
    assert own.read(log_probs, distances, {}) == pytest.approx(log_probs)
    near = np.array([[np.inf, 0.2], [0.2, np.inf]])
    read = np.exp(own.read(log_probs, near, {1: 1}))
    assert read[0, 1] > 0.7  # 0.4 : 0.6 times exp(2 (1 − 0.2))
    assert read[0, 1] / read[0, 0] == pytest.approx(0.4 / 0.6 * np.exp(1.6))


def test_the_page_and_the_results_hold_what_was_gained():
    pool, distances = made_up()
    found = adapt_people(recipe(rounds=1, words=4), pool, distances)
    page = adaptation_page(found, FACTS, Path())
    (table,) = page.sections
    assert isinstance(table, Table) and [row[0] for row in table.rows] == pool.people
    assert all(len(row) == len(table.head) for row in table.rows)
    before, after, gain = adaptation_results(found, FACTS)
    assert gain.over == "pairs" and gain.value == pytest.approx(after.value - before.value)
    assert f"{before.value:.3f} before, {after.value:.3f} after" in page.lead
    assert before.n == sum(person["n"] for person in found["people"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["words=3"], "greater than or equal to 4"),
        (["letters=runs/x"], "'method' is empty"),
        (["treshold=0.9"], "did you mean 'threshold'"),
    ],
)
def test_mistakes_in_the_recipe_are_named(changes, message):
    assert load_as(AdaptRecipe, "words-adapt").rounds == 5
    with pytest.raises(InputError, match=message):
        load_as(AdaptRecipe, "words-adapt", changes)
    with pytest.raises(InputError, match="did you mean 'words-adapt'"):
        load_as(AdaptRecipe, "words-adept")


def test_a_length_that_the_lexicon_lacks_is_named_before_anything_is_compared():
    pool, _ = made_up()
    with pytest.raises(InputError, match="25 letters: no word of the lexicon is that long"):
        adapt_people(recipe(lengths=[5, 25]), pool, {})
