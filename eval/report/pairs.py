"""Checked pairs as one HTML page: each recording drawn beside its explanation, claim by claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.eval.faithfulness import Faithfulness, summary
from imuscribe.eval.metrics import Interval
from imuscribe.eval.report.figures import new_figure, png, stroke
from imuscribe.eval.report.page import Page, interval
from imuscribe.eval.report.render import templates
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.captions.hierarchy import Caption, Event, hard_negative, recount
from imuscribe.prompts.checking.claims import ClaimReport
from imuscribe.signals.recording import ACC, GYRO, Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORSE = ("", "supported", "unchecked", "contradicted")
"""Verdicts on a place of a text: the later one shows."""


@dataclass(frozen=True)
class Shown:
    """One explanation on the page: of a cleaned recording, its reasoning checked.

    `conclusion` follows the reasoning; `leaks` are where that names the label, if it may not;
    `title` is such as the person, or the teacher.
    """

    rec: Recording
    report: ClaimReport
    conclusion: str = ""
    leaks: Sequence[tuple[int, int]] = ()
    title: str = ""


def pairs_page(
    shown: Sequence[Shown], name: str, left_out: int = 0, what: str = "explanations"
) -> str:
    """Return the page of a file's explanations, or captions, of which so many are left out."""
    found = summary([one.report for one in shown])
    page = Page(f"{what.capitalize()} in {name}", lead(found, what), ())
    template = templates().get_template("pairs.html")
    return template.render(
        page=page, shown=shown, left_out=left_out, drawing=drawing, marked=marked
    )


def captions_page(
    rows: Sequence[tuple[Caption, Recording, Sequence[Event]]],
    reports: Sequence[ClaimReport],
    name: str,
    examples: int,
    seed: int,
) -> str:
    """Return the page of captions drawn at random, each beside one that is false.

    A row is a caption, its recording and its events; the false caption has the same numbers, and
    its events in another order.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(rows), min(examples, len(rows)), replace=False).tolist()
    shown = []
    for k in drawn:
        caption, rec, events = rows[k]
        shown.append(Shown(rec, reports[k], title="as written"))
        if (wrong := hard_negative(caption, rng)) is not None:
            report = recount(wrong, rec, events=events)
            shown.append(Shown(rec, report, title="the same numbers in another order"))
    about = f"{name}: {len(drawn)} of {len(rows):,}, drawn with seed {seed}"
    return pairs_page(shown, about, what="captions")


def lead(found: Faithfulness, what: str = "explanations") -> str:
    """Return the summary of checked explanations as two sentences."""
    first = (
        f"{found.texts:,} {what}, {found.claims:,} claims: {found.supported:,} supported, "
        f"{found.contradicted:,} contradicted, {found.unchecked:,} not decided."
    )
    if not found.supported + found.contradicted:
        return first
    return (
        f"{first} Of the decided {percent(found.share)} are true; "
        f"{percent(found.true_texts)} of the {what} hold no false claim."
    )


def percent(figure: Interval) -> str:
    """Return ``97.2 % [95.0, 98.4]``."""
    return interval(figure, ".1f", scale=100, unit=" %")


def marked(
    report: ClaimReport, leaks: Sequence[tuple[int, int]] = ()
) -> list[tuple[str, str, str]]:
    """Return the text in pieces, each with its marks and what the recording shows of it.

    Where claims overlap, the worse verdict shows.
    """
    n = len(report.text)
    verdicts = [0] * n
    notes: list[list[str]] = [[] for _ in report.text]
    for claim in report.claims:
        note = f"{claim.kind}: {claim.verdict}" + (f", {claim.found}" if claim.found else "")
        for k in range(claim.start, min(claim.end, n)):
            verdicts[k] = max(verdicts[k], _WORSE.index(claim.verdict))
            notes[k].append(note)
    named = {k for start, end in leaks for k in range(start, end)}
    pieces = []
    for (verdict, said, leak), places in groupby(
        range(n), key=lambda k: (verdicts[k], notes[k], k in named)
    ):
        text = "".join(report.text[k] for k in places)
        marks = " ".join(filter(None, (_WORSE[verdict], "leak" if leak else "")))
        pieces.append((text, marks, "; ".join(said)))
    return pieces


def drawing(rec: Recording) -> bytes:
    """Draw a recording as a PNG: its channels, and the stroke where it has one."""
    path = Facts(rec, ExplainConfig()).path
    rows = 2 if path is None else 3
    figure = new_figure(4.6, 1.35 * rows + 0.5, dpi=80)
    grid = figure.subplots(rows, 1, squeeze=False)[:, 0]
    if set(ACC) <= set(rec.channels):
        _channels(grid[0], rec, ACC, "m/s²")
    else:
        _channels(grid[0], rec, rec.channels, "")
    if rec.gyro is not None:
        _channels(grid[1], rec, GYRO, "rad/s")
    else:
        grid[1].set_axis_off()
    if path is not None:
        stroke(grid[2], path * 100, dot=4)
        grid[2].set_xlabel("right (cm), from the dot", fontsize=7)
        grid[2].tick_params(labelsize=7)
    return png(figure)


def _channels(axes: Axes, rec: Recording, names: tuple[str, ...], unit: str) -> None:
    for name, row in zip(names, rec.select(names), strict=True):
        axes.plot(rec.t, row, linewidth=0.9, label=name[-1])
    axes.set_ylabel(unit, fontsize=7)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, frameon=False, ncols=3, loc="upper right")
