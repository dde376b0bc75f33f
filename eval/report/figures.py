"""The pictures of a report, as PNG bytes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.report.page import Values
from imuscribe.signals.files import atomic_path
from imuscribe.signals.plot import plain, save_png
from imuscribe.signals.recording import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL, BASELINE, FAINT = "#1f5f8b", "#b3661a", "#9aa0a6"

MARKERS = "os^DvPX*"
_LINES = (4.0, -11.0, 12.0)
"""Points above a dot at which its name may stand."""
_WIDE = 0.011
"""Width of a small character, as a share of the axis of accuracies."""
_MOST = 1500
"""Points of an embedding plot: t-SNE takes seconds for so many, minutes for all."""


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Draw counts, shaded by the share of each true label; rows are true, columns answers."""
    matrix = np.array(counts)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(3.2, 0.27 * len(labels) + 1.2)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    small = 8 if len(labels) <= 30 else 5
    for i, j in zip(*np.nonzero(matrix), strict=True):
        shade = "white" if share[i, j] > 0.6 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=small, color=shade)
    turn = 90 if max(map(len, labels)) > 2 else 0
    names = list(map(plain, labels))
    axes.set_xticks(range(len(labels)), names, rotation=turn, fontsize=small)
    axes.set_yticks(range(len(labels)), names, fontsize=small)
    axes.set(xlabel="answered", ylabel="true")
    return png(figure)


def tokens_against_accuracy(
    methods: Mapping[str, Values], baselines: Sequence[str], chance: float
) -> bytes:
    """Draw accuracy with its interval over the tokens of a prompt; the best baseline is a line."""
    figure = new_figure(7.2, 3.6)
    axes = figure.add_subplot()
    asked = [(name, method) for name, method in methods.items() if method["tokens"]]
    taken: Counter[tuple[float, float]] = Counter()
    for i, (name, method) in enumerate(asked):
        at = method["tokens"]["median"], method["accuracy"]["value"]
        # Points stand where they are: those in one place differ in form, the later the smaller.
        look = {"marker": MARKERS[i % len(MARKERS)], "ms": max(3.0, 8 - 2 * taken[at])}
        taken[at] += 1
        _with_bounds(axes, at[:1], [method["accuracy"]], color=f"C{i}", label=name, **look)
    if baselines:
        value = max(methods[name]["accuracy"]["value"] for name in baselines)
        best = [name for name in baselines if methods[name]["accuracy"]["value"] == value]
        axes.axhline(value, color=BASELINE, lw=1, label=f"{' = '.join(best)} (no prompt)")
    _over_tokens(axes, chance, "tokens of a prompt (median)")
    axes.margins(x=0.2)
    axes.set_ylabel("accuracy")
    _legend_beside(axes)
    return png(figure)


def tokens_against_accuracy_by_format(found: Values) -> bytes:
    """Draw every cell of a sweep, a panel a method, a colour a format.

    The line follows the cells that no other beats in accuracy at the same or a smaller price.
    """
    methods, reader = found["methods"], found["tokenizers"][0]
    formats = list(dict.fromkeys(cell["format"] for cell in found["cells"]))
    figure = new_figure(5.2 * len(methods) + 1.2, 3.8)
    panels = figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        points = [
            (cell["tokens"][reader], cell["methods"][method]["accuracy"], cell["format"])
            for cell in found["cells"]
            if "accuracy" in cell["methods"][method]
        ]
        for i, form in enumerate(formats):
            xs = [x for x, _, of in points if of == form]
            ys = [y for _, y, of in points if of == form]
            look = {"marker": MARKERS[i % len(MARKERS)], "ms": 4, "color": f"C{i}"}
            look |= {"ecolor": (f"C{i}", 0.4), "capsize": 2}
            _with_bounds(axes, xs, ys, label=form, **look)
        front = _front([(x, y["value"]) for x, y, _ in points])
        end = max((x for x, _, _ in points), default=1)
        price = [*(x for x, _ in front), end]
        best = [*(y for _, y in front), front[-1][1] if front else 0]
        axes.step(price, best, where="post", color="black", lw=0.8, label="best for the price")
        axes.set_title(method, fontsize=10)
        _over_tokens(axes, found["chance"], f"tokens of the signal (median, {reader})")
    panels[0].set_ylabel("accuracy")
    _legend_beside(panels[-1])
    return png(figure)


def accuracy_by_person(
    methods: Mapping[str, Values], baselines: Sequence[str], chance: float
) -> bytes:
    """Draw the accuracy of every person: one row a method, one dot a person."""
    names = list(methods)
    figure = new_figure(6.4, 0.43 * len(names) + 1.1)
    axes = figure.add_subplot()
    for row, (name, method) in enumerate(methods.items()):
        people = {person: one["value"] for person, one in method["per_person"].items()}
        colour = BASELINE if name in baselines else MODEL
        axes.plot([*people.values()], [row] * len(people), "o", color=colour, alpha=0.65, ms=6)
        axes.plot(method["people"]["value"], row, "|", color="black", ms=14, mew=2)
        if len(people) <= 6:
            for value, person, height in _apart(people):
                look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6}
                axes.annotate(person, (value, row), (0, height), ha="center", **look)
    axes.axvline(chance, color=FAINT, lw=1, ls="--")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.6))
    axes.set_xlabel("accuracy: a dot a person, the bar their mean, dashed chance")
    return png(figure)


def drawings(rows: Sequence[Sequence[tuple[str, Array]]]) -> bytes:
    """Draw strokes side by side: rows of (title, position of shape (2, n)); colour is time."""
    across = max(map(len, rows))
    figure = new_figure(1.35 * across, 1.5 * len(rows))
    # Placing ticks takes most of the time, even unseen ones.
    bare: dict[str, Any] = {"xticks": [], "yticks": []}
    grid = figure.subplots(len(rows), across, squeeze=False, subplot_kw=bare)
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, row in enumerate(rows):
        for axes, (title, path) in zip(grid[i], row, strict=False):
            stroke(axes, path, dot=3)
            axes.set_title(plain(title), fontsize=7)
    return png(figure)


def stroke(axes: Axes, path: NDArray[np.floating[Any]], dot: float) -> None:
    """Draw a path of shape (2, n) from its dark start (a large dot) to its light end."""
    right, up = path
    axes.plot(right, up, color="0.8", linewidth=0.8)
    axes.scatter(right, up, c=np.arange(len(right)), s=dot, cmap="viridis")
    axes.plot(right[0], up[0], "o", color="black", ms=4)
    axes.set_aspect("equal", adjustable="datalim")


def embedding(
    queries: Array, labels: Sequence[str], items: Array, item_labels: Sequence[str]
) -> bytes:
    """Draw a space in two dimensions: queries as letters or dots, gallery items as pale dots."""
    from matplotlib import colormaps

    names = sorted(set(labels) | set(item_labels))
    shades = colormaps["gist_rainbow"](np.linspace(0, 1, len(names), endpoint=False))
    colour = dict(zip(names, shades, strict=True))
    figure = new_figure(7.6, 6.4)
    axes = figure.add_subplot()
    shade = [colour[name] for name in item_labels]
    axes.scatter(items[:, 0], items[:, 1], c=shade, s=14, alpha=0.35, lw=0)
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    right, up = queries.T
    if max(map(len, names)) == 1:
        axes.scatter(right, up, s=0)  # so that the axes reach as far as the letters
        for (x, y), name in zip(queries, labels, strict=True):
            axes.text(x, y, plain(name), color=colour[name], fontsize=6, **middle)
    else:
        shade = [colour[name] for name in labels]
        axes.scatter(right, up, c=shade, s=12, marker="x", lw=0.8)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.7}
    for name in names:
        mine = items[[label == name for label in item_labels]]
        if len(mine):
            x, y = np.median(mine, axis=0)
            axes.text(x, y, plain(name), fontsize=9, weight="bold", bbox=box, **middle)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(
        "queries: small letters or crosses; gallery items: pale dots, their middle bold"
    )
    return png(figure)


def write_embedding(
    path: Path,
    queries: Array,
    labels: NDArray[np.str_],
    items: Array,
    item_labels: NDArray[np.str_],
    seed: int = 0,
) -> None:
    """Draw queries and items of one space in two dimensions: t-SNE from a PCA start.

    Embeddings (n, size) and (m, size) are thinned where they are many.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rng = np.random.default_rng(seed)
    some, others = (np.sort(rng.permutation(len(x))[: _MOST // 2]) for x in (queries, items))
    x = np.concatenate([queries[some], items[others]])
    if len(x) > 10:
        perplexity = min(30.0, (len(x) - 1) / 3)
        flat = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(x)
    else:
        flat = PCA(2).fit_transform(x)
    left, right = flat[: len(some)], flat[len(some) :]
    with atomic_path(path) as temporary:
        temporary.write_bytes(embedding(left, list(labels[some]), right, list(item_labels[others])))


def new_figure(width: float, height: float, dpi: int = 130) -> Figure:
    """Return a figure of its own, without pyplot: no window system, no shared state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def png(figure: Figure) -> bytes:
    """Return a figure as PNG bytes, its axes without frames."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    save_png(figure, buffer)
    return buffer.getvalue()


def _with_bounds(axes: Axes, xs: Sequence[float], ys: Sequence[Values], **look: Any) -> None:
    """Draw figures as dots with their intervals."""
    value, low, high = (np.array([y[key] for y in ys]) for key in ("value", "low", "high"))
    look = {"ls": "", "capsize": 3, **look}
    axes.errorbar(xs, value, np.array([value - low, high - value]), **look)


def _apart(people: Mapping[str, float]) -> list[tuple[float, str, float]]:
    """Return where, what and how high (points) to write the names of a row, so that none overlap.

    People of one accuracy share a name; names that would touch stand on another line.
    """
    together: dict[float, list[str]] = {}
    for person, value in sorted(people.items(), key=lambda one: one[1]):
        together.setdefault(value, []).append(person)
    free = [-1.0] * len(_LINES)
    placed = []
    for value, names in together.items():
        name = plain(", ".join(names), 24)
        half = 0.5 * _WIDE * len(name)
        line = next((i for i, end in enumerate(free) if end < value - half), len(free) - 1)
        free[line] = value + half
        placed.append((value, name, _LINES[line]))
    return placed


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (price, value) that no other beats at the same or a smaller price."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front


def _over_tokens(axes: Axes, chance: float, title: str) -> None:
    """Make x a logarithmic axis of tokens with plain numbers, y one of shares with chance."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.axhline(chance, color=FAINT, lw=1, ls="--", label="chance")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1)
    axes.set_xlabel(title)


def _legend_beside(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
