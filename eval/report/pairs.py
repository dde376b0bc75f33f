"""Checked pairs as one HTML page: each recording drawn beside its explanation, claim by claim."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.eval.faithfulness import Faithfulness, summary
from imuscribe.eval.metrics import Interval
from imuscribe.eval.report.figures import FAINT
from imuscribe.eval.report.html import CSS, image
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import ClaimReport
from imuscribe.signals.recording import ACC, GYRO, Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE = """
mark { background: none; border-radius: 3px; padding: 0 .15em; }
mark.supported { background: #d6efd8; } mark.contradicted { background: #f8d0cc; }
mark.unchecked { background: #e6e7e9; } mark.leak { outline: 2px solid #b3661a; }
.pair { display: grid; grid-template-columns: 24rem 1fr; gap: 0 1.4rem; padding: 1rem 0;
        border-top: 1px solid #e3e5e8; }
.pair h3 { grid-column: 1 / 3; font-size: 1rem; margin: 0 0 .3rem; }
.pair p { margin: .2rem 0 .6rem; white-space: pre-wrap; }
.pair ul { color: #8c2f26; margin: .3rem 0; padding-left: 1.2rem; font-size: .9em; }
@media (max-width: 50rem) { .pair { display: block; } }
"""


@dataclass(frozen=True)
class Shown:
    """One explanation on the page.

    Parameters
    ----------
    rec : Recording
        As the explanation is about it: cleaned.
    report : ClaimReport
        Of its reasoning.
    conclusion : str
        What follows the reasoning.
    leaks : sequence of (int, int)
        Where the reasoning names the label, if it may not.
    title : str
        Such as the person, or the teacher.
    """

    rec: Recording
    report: ClaimReport
    conclusion: str = ""
    leaks: Sequence[tuple[int, int]] = ()
    title: str = ""


def pairs_page(shown: Sequence[Shown], name: str, left_out: int = 0) -> str:
    """Return the page; every text from outside is escaped.

    Parameters
    ----------
    shown : sequence of Shown
    name : str
        Of the file of pairs.
    left_out : int
        Explanations of the file that are not on the page.
    """
    found = summary([one.report for one in shown])
    sections = [
        f"<h1>Explanations in {escape(name)}</h1>",
        f'<p class="lead">{escape(lead(found))}</p>',
        '<p><mark class="supported">the recording bears it out</mark> '
        '<mark class="contradicted">the recording refutes it</mark> '
        '<mark class="unchecked">not decided</mark> <mark class="leak">names the label</mark>. '
        "Point at a claim to read what the recording shows.</p>",
    ]
    if left_out:
        sections.append(f"<p>{left_out:,} more are not shown.</p>")
    sections += [_pair(one) for one in shown]
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Explanations in {escape(name)}</title>"
        f"<style>{CSS}{_STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
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


def _pair(one: Shown) -> str:
    rec, report = one.rec, one.report
    about = ", ".join(filter(None, (f"label {rec.label}" if rec.label else "", one.title)))
    errors = "".join(f"<li>{escape(error)}</li>" for error in report.errors)
    counts = ", ".join(f"{n} {what}" for what, n in report.counts.items())
    return (
        f'<section class="pair"><h3>{escape(rec.id)} <small>{escape(about)}</small></h3>'
        f"<div>{image(drawing(rec), f'Recording {rec.id}')}</div><div>"
        f"<p>{marked(report, one.leaks)}</p><p><b>{escape(one.conclusion)}</b></p>"
        f"<small>{counts}</small>{f'<ul>{errors}</ul>' if errors else ''}</div></section>"
    )


def marked(report: ClaimReport, leaks: Sequence[tuple[int, int]] = ()) -> str:
    """Return the text as HTML with every claim marked by its verdict.

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
        piece = escape(text[start:k])
        if classes:
            title = escape("; ".join(here[1]), quote=True)
            piece = f'<mark class="{classes}" title="{title}">{piece}</mark>'
        pieces.append(piece)
        start = k
    return "".join(pieces)


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
