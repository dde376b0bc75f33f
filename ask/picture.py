"""A timeline drawn with what an answer rests on."""

from __future__ import annotations

from imuscribe.ask.answer import Answer
from imuscribe.ask.days import day_name
from imuscribe.ask.pieces import Piece, intersect
from imuscribe.ask.timeline import DAY, Timeline
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath, atomic_path
from imuscribe.signals.plot import plain, save_png

_DAYS = 14
"""Days that are drawn; those with evidence first."""


def plot_answer(timeline: Timeline, answer: Answer, path: AnyPath) -> None:
    """Draw each day's labels to a PNG, the evidence dark, and the answer above."""
    from matplotlib.figure import Figure

    if not str(path).lower().endswith(".png"):
        raise InputError(f"{path}: pictures are PNG: give a name that ends in .png")
    evidence = [*answer.result.evidence]
    if timeline.dated:
        days = [
            (day_name(day), timeline.begin(day), timeline.begin(day) + DAY) for day in timeline.days
        ]
        days.sort(key=lambda day: not intersect(evidence, [(day[1], day[2])]))
        days = sorted(days[:_DAYS], key=lambda day: day[1])
        unit, name = 3600.0, "hour of the day"
    else:
        end = max((span.end for span in timeline.spans), default=1.0)
        days, unit, name = [("", 0.0, end)], 1.0, "seconds after the start"
    rows = len(timeline.labels)
    size = (10, 1.2 + len(days) * (0.4 + 0.22 * rows))
    figure = Figure(figsize=size, layout="constrained")
    for i, (title, start, end) in enumerate(days):
        axes = figure.add_subplot(len(days), 1, i + 1)
        for row, label in enumerate(timeline.labels):
            pieces = intersect(timeline.by_label[label], [(start, end)])
            axes.broken_barh(_bars(pieces, start, unit), (row - 0.4, 0.8), color="0.8")
            dark = intersect(pieces, evidence)
            axes.broken_barh(_bars(dark, start, unit), (row - 0.4, 0.8), color="tab:blue")
        axes.set_yticks(range(rows), [plain(label, 30) for label in timeline.labels], fontsize=7)
        axes.set_xlim(0, (end - start) / unit)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_title(title, fontsize=8, loc="left")
        if i == len(days) - 1:
            axes.set_xlabel(name)
    figure.suptitle(plain(answer.short, 100))
    with atomic_path(path) as temporary:
        save_png(figure, temporary, dpi=110)


def _bars(pieces: list[Piece], start: float, unit: float) -> list[tuple[float, float]]:
    return [((a - start) / unit, (b - a) / unit) for a, b in pieces]
