"""What adaptation without labels came to, person by person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.metrics import Interval, Values, bootstrap_people, wilson
from imuscribe.eval.report.page import Page, Table, optional, points
from imuscribe.eval.result import Result, origin
from imuscribe.recipes.words import AdaptRecipe

TEST_WORDS = 40
"""Words spelt from the recordings that letters are judged on, decoded before and after."""


def summarise(recipe: AdaptRecipe, source: str, people: Sequence[Values]) -> Values:
    """Return the means over people before and after, and how much that is gained."""
    ends = [(p["rounds"][0], p["rounds"][-1]) for p in people]
    letters = np.array([[one["correct"] for one in pair] for pair in ends])
    before, after = (letters / np.array([[p["n"]] for p in people])).T
    words = np.array([[one["words_right"] for one in pair] for pair in ends]) / TEST_WORDS

    def over_people(values: Any) -> Interval:
        return bootstrap_people(values, [p["person"] for p in people], recipe.seed)

    return {
        "letters": source,
        "words_a_round": recipe.words,
        "people": list(people),
        "before": over_people(before),
        "after": over_people(after),
        "words_before": float(words[:, 0].mean()),
        "words_after": float(words[:, 1].mean()),
        "gain": over_people(after - before),
    }


def adaptation_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the letters of each person before and after every round."""
    about = (
        f"Letters on recordings that no word was spelt from: {values['before']['value']:.3f} "
        f"before, {values['after']['value']:.3f} after, {points(values['gain'])} (mean over "
        f"{values['gain']['n']} people, bootstrap over people). No label was used of the person "
        f"adapted to; {values['words_a_round']} words a round. New words, of held-out recordings, "
        f"one a letter: {values['words_before']:.3f} → {values['words_after']:.3f}. Letters: "
        f"{values['letters']}."
    )
    return Page(values["name"], about, [_table(values["people"])], lines=[about])


def adaptation_results(values: Values, facts: Values) -> list[Result]:
    """Return the accuracy of letters before and after, and what is gained."""
    about = origin(values, facts) | {
        "task": "letters, before and after adaptation by words",
        "protocol": f"letters: {values['letters']}",
        "train_data": "words of the person, without labels",
        "n": sum(person["n"] for person in values["people"]),
    }
    letters = {"metric": "accuracy", "over": "people", "chance": 1 / 26}
    gain = {"metric": "accuracy gain", "over": "pairs"}
    return [
        Result.quoted(values["before"], about, method="before", **letters),
        Result.quoted(values["after"], about, method="adapted", **letters),
        Result.quoted(values["gain"], about, method="adapted", **gain),
    ]


def _table(people: Sequence[Values]) -> Table:
    most = max(len(p["rounds"]) for p in people)
    head = [
        *("person", "n", "before", *(f"round {r}" for r in range(1, most))),
        *("change", "sure words", "letters labelled rightly", "rounds undone", "new words right"),
    ]
    rows = []
    for p in people:
        first, last = p["rounds"][0], p["rounds"][-1]
        shares = [one["correct"] / p["n"] for one in p["rounds"]]
        low, high = wilson(last["correct"], p["n"])
        rows.append(
            [
                *(p["person"], str(p["n"]), *map(optional, shares)),
                f"{100 * (shares[-1] - shares[0]):+.1f}, now [{low:.2f}, {high:.2f}]",
                f"{last['sure']} of {last['words']}",
                f"{last['right']} of {last['labelled']}",
                str(p["undone"]),
                f"{first['words_right']} → {last['words_right']} of {TEST_WORDS}",
            ]
        )
    return Table(head, rows, "letters before and after")
