"""Results of words and of adaptation as rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imuscribe.eval.environment import origin

Row = dict[str, Any]

_TOLD = (1, 2, 3, 5)
"""Recordings a letter whose figures go into the ledger; the run's report has all."""


def words_rows(found: Mapping[str, Any], facts: Mapping[str, Any], note: str) -> list[Row]:
    """Return the means over people of `imuscribe words eval`, a row each."""
    rows = []
    for task in found["tasks"]:
        for one in task["decoders"]:
            group = "" if one["group"] == "all" else f", {one['group']} words"
            for mean in one["means"]:
                if mean["k"] not in _TOLD:
                    continue
                plural = "s" if "–" in mean["lengths"] else ""
                what = f"length{plural} {mean['lengths']}"
                rows.append(
                    _row(found, facts, note)
                    | {
                        "task": f"words: {task['name']}, {task['words']:,} words",
                        "method": one["decoder"] + group,
                        "metric": f"{what}, k = {mean['k']}, mean over {mean['people']} people",
                        "value": mean["value"],
                        "ci_low": mean["low"],
                        "ci_high": mean["high"],
                        "n": mean["n"],
                        "chance": _chance(one["cells"], mean["lengths"]),
                        "train_data": f"letters and words of {mean['people'] - 1} other people",
                    }
                )
    return rows


def adapt_rows(found: Mapping[str, Any], facts: Mapping[str, Any], note: str) -> list[Row]:
    """Return the letters before and after `imuscribe adapt`, of every person and in the mean."""
    about = _row(found, facts, note) | {"task": "letters, before and after adaptation by words"}
    about["chance"] = 1 / 26
    about["train_data"] = "words of the person, without labels"
    rows = []
    for person in found["people"]:
        for method, k in (("before", 0), ("adapted", -1)):
            value = person["rounds"][k]["correct"] / person["n"]
            rows.append(
                about
                | {
                    "method": method,
                    "metric": f"accuracy, {person['person']}",
                    "value": value,
                    "n": person["n"],
                }
            )
    n = sum(person["n"] for person in found["people"])
    gain = found["gain"]
    for method, figure in (("before", found["before"]), ("adapted", found["after"])):
        rows.append(
            about | {"method": method, "metric": "mean over people", "value": figure, "n": n}
        )
    rows.append(
        about
        | {
            "method": "adapted",
            "metric": "gain, mean over people",
            "value": gain["value"],
            "ci_low": gain["low"],
            "ci_high": gain["high"],
            "n": n,
        }
    )
    return rows


def _row(found: Mapping[str, Any], facts: Mapping[str, Any], note: str) -> Row:
    return {
        "task": "",
        "dataset": "simulated" if found["letters"].startswith("simulated") else "run folders",
        "protocol": f"letters: {found['letters']}",
        "method": "",
        "metric": "",
        "value": 0.0,
        "ci_low": None,
        "ci_high": None,
        "n": 0,
        "chance": 0.0,
        "tokens": None,
        "train_data": "",
        **origin(found, facts),
        "note": note,
    }


def _chance(cells: Sequence[Mapping[str, Any]], lengths: str) -> float:
    low, _, high = lengths.partition("–")
    inside = [c["chance"] for c in cells if int(low) <= c["length"] <= int(high or low)]
    return float(sum(inside) / len(inside))
