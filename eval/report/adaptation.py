"""What adaptation without labels came to, person by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.eval.metrics import bootstrap_people, wilson
from imuscribe.eval.report.page import Page, Table, points
from imuscribe.eval.result import Result, measured, origin
from imuscribe.recipes.words import AdaptRecipe

Values = dict[str, Any]

TEST_WORDS = 40
"""Words spelt from the recordings that letters are judged on, decoded before and after."""


def summarise(recipe: AdaptRecipe, source: str, people: Sequence[Values]) -> Values:
    """Return the means over people before and after, and how much that is gained."""
    names = [p["person"] for p in people]
    letters, words = (
        [np.array([p["rounds"][at][key] / of(p) for p in people]) for at in (0, -1)]
        for key, of in (("correct", lambda p: p["n"]), ("words_right", lambda p: TEST_WORDS))
    )

    def over_people(values: Any) -> Values:
        return asdict(bootstrap_people(values, names, recipe.seed))

    return {
        "letters": source,
        "words_a_round": recipe.words,
        "people": list(people),
        "before": over_people(letters[0]),
        "after": over_people(letters[1]),
        "words_before": float(words[0].mean()),
        "words_after": float(words[1].mean()),
        "gain": over_people(letters[1] - letters[0]),
    }


def adaptation_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the letters of each person before and after every round."""
    about = (
        f"Letters on recordings that no word was spelt from: {values['before']['value']:.3f} "
        f"before, {values['after']['value']:.3f} after, "
        f"{points(values['gain']).replace(' [', ' points [')} (mean over {values['gain']['n']} "
        "people, bootstrap over people). No label was used of the person adapted to; "
        f"{values['words_a_round']} words a round. New words, of held-out recordings, one a "
        f"letter: {values['words_before']:.3f} → {values['words_after']:.3f}. Letters: "
        f"{values['letters']}."
    )
    return Page(values["name"], about, [_table(values)], lines=[about])


def adaptation_results(values: Values, facts: Values) -> list[Result]:
    """Return the accuracy of letters before and after, and what is gained."""
    n = sum(person["n"] for person in values["people"])
    about = origin(values, facts) | {
        "task": "letters, before and after adaptation by words",
        "protocol": f"letters: {values['letters']}",
        "train_data": "words of the person, without labels",
    }
    rows = (
        ("before", "accuracy", "people", values["before"], 1 / 26),
        ("adapted", "accuracy", "people", values["after"], 1 / 26),
        ("adapted", "accuracy gain", "pairs", values["gain"], None),
    )
    return [
        Result(
            **about,
            **measured(figure | {"n": n}, method=who, metric=metric, over=over, chance=chance),
        )
        for who, metric, over, figure, chance in rows
    ]


def _table(values: Values) -> Table:
    most = max(len(p["rounds"]) for p in values["people"])
    heading = ["person", "n", "before", *(f"round {r}" for r in range(1, most)), "change"]
    rows = []
    for p in values["people"]:
        shares = [r["correct"] / p["n"] for r in p["rounds"]]
        low, high = wilson(p["rounds"][-1]["correct"], p["n"])
        shown = [f"{s:.3f}" for s in shares[1:]]
        change = f"{100 * (shares[-1] - shares[0]):+.1f}, now [{low:.2f}, {high:.2f}]"
        last = p["rounds"][-1]
        rows.append(
            [
                *(p["person"], str(p["n"]), f"{shares[0]:.3f}", *shown, change),
                *(f"{last['sure']} of {last['words']}", f"{last['right']} of {last['labelled']}"),
                str(p["undone"]),
                f"{p['rounds'][0]['words_right']} → {last['words_right']} of {TEST_WORDS}",
            ]
        )
    heading += ["sure words", "letters labelled rightly", "rounds undone", "new words right"]
    return Table(heading, rows, "letters before and after")
