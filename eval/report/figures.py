"""The pictures of a report, as PNG bytes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.signals.recording import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL, RIVAL, FAINT = "#1f5f8b", "#b3661a", "#9aa0a6"


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Draw counts, shaded by the share of each true label; rows are true, columns answers."""
    matrix = np.array(counts)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(3.2, 0.27 * len(labels) + 1.2)
    figure = _figure(side, side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    small = 8 if len(labels) <= 30 else 5
    for i, j in zip(*np.nonzero(matrix), strict=True):
        shade = "white" if share[i, j] > 0.6 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=small, color=shade)
    turn = 90 if max(map(len, labels)) > 2 else 0
    axes.set_xticks(range(len(labels)), labels, rotation=turn, fontsize=small)
    axes.set_yticks(range(len(labels)), labels, fontsize=small)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return _png(figure)


def tokens_against_accuracy(
    methods: Mapping[str, Mapping[str, Any]], rivals: Sequence[str], chance: float
) -> bytes:
    """Draw accuracy with its interval over the tokens of a prompt; the best rival is a line."""
    figure = _figure(7.2, 3.6)
    axes = figure.add_subplot()
    asked = [(name, method) for name, method in methods.items() if method["tokens"]]
    for i, (name, method) in enumerate(asked):
        # A few percent to the right each, so that equally long prompts do not hide one another.
        x, y = method["tokens"]["median"] * 1.04**i, method["accuracy"]
        bounds = [[y["value"] - y["low"]], [y["high"] - y["value"]]]
        axes.errorbar(x, y["value"], bounds, fmt="o", color=f"C{i}", capsize=3, label=name)
    if rivals:
        best = max(rivals, key=lambda name: methods[name]["accuracy"]["value"])
        axes.axhline(
            methods[best]["accuracy"]["value"], color=RIVAL, lw=1, label=f"{best} (no prompt)"
        )
    axes.axhline(chance, color=FAINT, lw=1, ls="--", label="chance")
    _log_tokens(axes)
    axes.margins(x=0.2)
    axes.set_ylim(0, 1)
    axes.set_xlabel("tokens of a prompt (median)")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(figure)


def tokens_against_accuracy_by_format(found: Mapping[str, Any]) -> bytes:
    """Draw every cell of a sweep, a panel a method, a colour a format.

    The line follows the cells that no other beats in accuracy at the same or a smaller price.
    """
    methods, reader = found["methods"], found["tokenizers"][0]
    formats = list(dict.fromkeys(cell["format"] for cell in found["cells"]))
    figure = _figure(5.2 * len(methods) + 1.2, 3.8)
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        points = [
            (cell["tokens"][reader], cell["methods"][method]["accuracy"], cell["format"])
            for cell in found["cells"]
            if "accuracy" in cell["methods"][method]
        ]
        seen: Counter[float] = Counter()
        for i, form in enumerate(formats):
            drawn = []
            for x, y, _ in (point for point in points if point[2] == form):
                # A few percent to the right each, so that equal prices do not hide one another.
                drawn.append((x * 1.02 ** seen[x], y))
                seen[x] += 1
            value = np.array([y["value"] for _, y in drawn])
            low, high = (np.array([y[bound] for _, y in drawn]) for bound in ("low", "high"))
            axes.errorbar(
                [x for x, _ in drawn],
                value,
                np.array([value - low, high - value]),
                fmt="o",
                ms=4,
                color=f"C{i}",
                ecolor=(f"C{i}", 0.4),
                capsize=2,
                label=form,
            )
        front: list[tuple[float, float]] = []
        for x, y, _ in sorted(points, key=lambda point: (point[0], -point[1]["value"])):
            if not front or y["value"] > front[-1][1]:
                front.append((x, y["value"]))
        end = max((x for x, _, _ in points), default=1)
        price = [*(x for x, _ in front), end]
        best = [*(y for _, y in front), front[-1][1] if front else 0]
        axes.step(price, best, where="post", color="black", lw=0.8, label="best for the price")
        axes.axhline(found["chance"], color=FAINT, lw=1, ls="--", label="chance")
        _log_tokens(axes)
        axes.set_ylim(0, 1)
        axes.set_title(method, fontsize=10)
        axes.set_xlabel(f"tokens of the signal (median, {reader})")
    panels[0].set_ylabel("accuracy")
    panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(figure)


def accuracy_by_person(
    methods: Mapping[str, Mapping[str, Any]], rivals: Sequence[str], chance: float
) -> bytes:
    """Draw the accuracy of every person: one row a method, one dot a person."""
    names = list(methods)
    figure = _figure(6.4, 0.34 * len(names) + 1.1)
    axes = figure.add_subplot()
    for row, name in enumerate(names):
        found = methods[name]["per_person"]
        colour = RIVAL if name in rivals else MODEL
        values = [person["value"] for person in found.values()]
        axes.plot(values, [row] * len(values), "o", color=colour, alpha=0.65, ms=6)
        axes.plot(methods[name]["people"]["value"], row, "|", color="black", ms=14, mew=2)
        if len(found) <= 6:
            for person, value in zip(found, values, strict=True):
                where = (value, row)
                axes.annotate(
                    person, where, (0, 6), textcoords="offset points", fontsize=6, ha="center"
                )
    axes.axvline(chance, color=FAINT, lw=1, ls="--")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy: a dot a person, the bar their mean, dashed chance")
    return _png(figure)


def drawings(rows: Sequence[Sequence[tuple[str, Array]]]) -> bytes:
    """Draw strokes side by side: rows of (title, position of shape (2, n)); colour is time."""
    across = max(map(len, rows))
    figure = _figure(1.35 * across, 1.5 * len(rows))
    # Placing ticks takes most of the time, even unseen ones.
    bare: dict[str, Any] = {"xticks": [], "yticks": []}
    grid = figure.subplots(len(rows), across, squeeze=False, subplot_kw=bare)
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, row in enumerate(rows):
        for axes, (title, (right, up)) in zip(grid[i], row, strict=False):
            axes.plot(right, up, color="0.8", linewidth=0.8)
            axes.scatter(right, up, c=np.arange(len(right)), s=3, cmap="viridis")
            axes.plot(right[0], up[0], "o", color="black", ms=4)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set_title(title, fontsize=7)
    return _png(figure)


def embedding(
    queries: Array, labels: Sequence[str], items: Array, item_labels: Sequence[str]
) -> bytes:
    """Draw a space in two dimensions: queries as letters or dots, gallery items as pale dots."""
    from matplotlib import colormaps

    names = sorted(set(labels) | set(item_labels))
    shades = colormaps["gist_rainbow"](np.linspace(0, 1, len(names), endpoint=False))
    colour = dict(zip(names, shades, strict=True))
    figure = _figure(7.6, 6.4)
    axes = figure.add_subplot()
    axes.scatter(
        items[:, 0], items[:, 1], c=[colour[name] for name in item_labels], s=14, alpha=0.35, lw=0
    )
    if max(map(len, names)) == 1:
        axes.scatter(
            queries[:, 0], queries[:, 1], s=0
        )  # so that the axes reach as far as the letters
        for (x, y), name in zip(queries, labels, strict=True):
            axes.text(x, y, name, color=colour[name], fontsize=6, ha="center", va="center")
    else:
        axes.scatter(
            queries[:, 0],
            queries[:, 1],
            c=[colour[name] for name in labels],
            s=12,
            marker="x",
            lw=0.8,
        )
    for name in names:
        middle = items[[label == name for label in item_labels]]
        if len(middle):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.7}
            x, y = np.median(middle, axis=0)
            axes.text(x, y, name, fontsize=9, weight="bold", ha="center", va="center", bbox=box)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(
        "queries: small letters or crosses; gallery items: pale dots, their middle bold"
    )
    return _png(figure)


def _log_tokens(axes: Axes) -> None:
    """Make the x axis logarithmic with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _figure(width: float, height: float) -> Figure:
    # A Figure of its own, without pyplot: no window system, no state shared with the caller.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=130, layout="constrained")


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
