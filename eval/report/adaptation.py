"""What adaptation without labels came to, person by person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imuscribe.eval.metrics import wilson
from imuscribe.eval.report.words import as_markdown
from imuscribe.signals.files import write_text

Values = dict[str, Any]

TEST_WORDS = 40
"""Words spelt from the recordings that letters are judged on, decoded before and after."""


def adapt_table(found: Values) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of the table per person."""
    most = max(len(p["rounds"]) for p in found["people"])
    heading = ["person", "n", "before", *(f"round {r}" for r in range(1, most)), "change"]
    rows = []
    for p in found["people"]:
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
    return [
        *heading,
        "sure words",
        "letters labelled rightly",
        "rounds undone",
        "new words right",
    ], rows


def adapt_caption(found: Values) -> str:
    """Return the mean change in a sentence."""
    gain = found["gain"]
    bounds = (
        "" if gain["low"] is None else f" [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"
    )
    return (
        f"Letters on recordings that no word was spelt from: {found['before']:.3f} before, "
        f"{found['after']:.3f} after, {100 * gain['value']:+.1f} points{bounds} (mean over "
        f"{gain['n']} people, bootstrap over people). No label was used of the person adapted to; "
        f"{found['words_a_round']} words a round. New words, of held-out recordings, one a letter: "
        f"{found['words_before']:.3f} → {found['words_after']:.3f}. Letters: {found['letters']}."
    )


def write_adaptation(folder: Path, found: Values) -> None:
    """Write ``adapt.json`` and ``adapt.md``."""
    heading, rows = adapt_table(found)
    about = [f"# {found['name']}", adapt_caption(found)]
    write_text(folder / "adapt.json", json.dumps(found, indent=1))
    write_text(folder / "adapt.md", as_markdown(about, [("Letters of each person", heading, rows)]))
