"""Checked pairs as one HTML page: each recording drawn beside its explanation, claim by claim."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.eval.faithfulness import Faithfulness, summary
from imuscribe.eval.metrics import Interval
from imuscribe.eval.report.figures import FAINT
from imuscribe.eval.report.page import Page
from imuscribe.eval.report.render import templates
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import ClaimReport
from imuscribe.signals.recording import ACC, GYRO, Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


def pairs_page(shown: Sequence[Shown], name: str, left_out: int = 0) -> str:
    """Return the page of a file's explanations, of which so many are left out."""
    found = summary([one.report for one in shown])
    page = Page(f"Explanations in {name}", lead(found), ())
    return (
        templates()
        .get_template("pairs.html")
        .render(page=page, shown=shown, left_out=left_out, drawing=drawing, marked=marked)
    )


def lead(found: Faithfulness) -> str:
    """Return the summary of checked explanations as two sentences."""
    sure = found.supported + found.contradicted
    first = (
        f"{found.texts:,} explanations, {found.claims:,} claims: {found.supported:,} supported, "
        f"{found.contradicted:,} contradicted, {found.unchecked:,} not decided."
    )
    if not sure:
        return first
    return (
        f"{first} Of the decided {percent(found.share)} are true; "
        f"{percent(found.true_texts)} of the explanations hold no false claim."
    )


def percent(figure: Interval) -> str:
    """Return ``97.2 % [95.0, 98.4]``."""
    value = f"{100 * figure.value:.1f} %"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def marked(
    report: ClaimReport, leaks: Sequence[tuple[int, int]] = ()
) -> list[tuple[str, str, str]]:
    """Return the text in pieces, each with its marks and what the recording shows of it.

    Where claims overlap, the worse verdict shows.
    """
    text = report.text
    order = {"supported": 1, "unchecked": 2, "contradicted": 3}
    verdicts = [""] * len(text)
    notes: list[list[str]] = [[] for _ in text]
    for claim in report.claims:
        note = f"{claim.kind}: {claim.verdict}" + (f", {claim.found}" if claim.found else "")
        for k in range(claim.start, min(claim.end, len(text))):
            if order[claim.verdict] > order.get(verdicts[k], 0):
                verdicts[k] = claim.verdict
            notes[k].append(note)
    named = {k for start, end in leaks for k in range(start, end)}
    pieces = []
    start = 0
    for k in range(1, len(text) + 1):
        here = (verdicts[start], notes[start], start in named)
        if k < len(text) and here == (verdicts[k], notes[k], k in named):
            continue
        classes = " ".join(filter(None, (here[0], "leak" if here[2] else "")))
        pieces.append((text[start:k], classes, "; ".join(here[1])))
        start = k
    return pieces


def drawing(rec: Recording) -> bytes:
    """Draw a recording as a PNG: its channels, and the stroke where it has one."""
    from matplotlib.figure import Figure

    facts = Facts(rec, ExplainConfig())
    rows = 2 + (facts.path is not None)
    figure = Figure(figsize=(4.6, 1.35 * rows + 0.5), dpi=80, layout="constrained")
    grid = figure.subplots(rows, 1, squeeze=False)[:, 0]
    _channels(grid[0], rec, ACC, "m/s²")
    if rec.gyro is not None:
        _channels(grid[1], rec, GYRO, "rad/s")
    else:
        grid[1].set_axis_off()
    if facts.path is not None:
        right, up = facts.path * 100
        axes = grid[2]
        axes.plot(right, up, color=FAINT, linewidth=0.8)
        axes.scatter(right, up, c=np.arange(len(right)), s=4, cmap="viridis")
        axes.plot(right[0], up[0], "o", color="black", ms=4)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("right (cm), from the dot", fontsize=7)
        axes.tick_params(labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _channels(axes: Axes, rec: Recording, names: tuple[str, ...], unit: str) -> None:
    for name, row in zip(names, rec.select(names), strict=True):
        axes.plot(rec.t, row, linewidth=0.9, label=name[-1])
    axes.set_ylabel(unit, fontsize=7)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, frameon=False, ncols=3, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
