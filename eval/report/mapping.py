"""A mapping's run folder as one HTML page, and its embedding in two dimensions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.report.figures import accuracy_by_person, embedding
from imuscribe.eval.report.html import (
    closing,
    comparisons,
    document,
    image,
    interval,
    methods_table,
    table,
)
from imuscribe.signals.files import atomic_path
from imuscribe.signals.recording import Array

Values = Mapping[str, Any]

_MOST = 1500
"""Points of an embedding plot: t-SNE takes seconds for so many, minutes for all."""


def page(metrics: Values, facts: Values, recipe: str, picture: bytes | None) -> str:
    """Return the whole page; every text from outside is escaped."""
    methods: dict[str, Values] = metrics["methods"]
    rivals = [name for name in methods if name in BASELINES]
    best = max(methods, key=lambda name: methods[name]["accuracy"]["value"])
    tested = sum(fold["n_test"] for fold in metrics["folds"])
    lead = (
        f"{len(metrics['labels'])} labels, {metrics['protocol']}, {tested:,} queries from "
        f"{metrics['data']}; gallery of {_gallery(metrics)}; "
        f"seed {metrics['seed']}, {facts['date']}. Nobody tested was trained on."
    )
    sections = [
        f"<h1>{escape(metrics['name'])}</h1>",
        f'<p class="lead">{escape(lead)}</p>',
        "<h2>Retrieval</h2>",
        retrieval_table(metrics["retrieval"]),
        "<p><small>@k: one of the k nearest items has the right label. Pooled: Wilson interval "
        "over recordings; over people: bootstrap over people. 95 %.</small></p>",
        "<h2>Methods</h2>",
        methods_table(methods, metrics["chance"]),
        comparisons(metrics["comparisons"]),
    ]
    if picture:
        sections += ["<h2>The space</h2>", image(picture, "Embedding of queries and gallery")]
    sections += [
        "<h2>People</h2>",
        image(accuracy_by_person(methods, rivals, metrics["chance"]), "Accuracy of every person"),
        *closing(metrics, facts, recipe, best),
    ]
    return document(metrics["name"], sections)


def retrieval_table(retrieval: Values) -> str:
    """Return @1, @5 and the mean reciprocal rank as an HTML table."""
    rows = [
        f"<tr><td>{escape(name)}</td><td>{interval(found['pooled'])}</td>"
        f"<td>{interval(found['people'])}</td><td>{found['pooled']['n']:,}</td></tr>"
        for name, found in retrieval.items()
    ]
    return table(("", "pooled", "over people", "n"), rows)


def write_embedding(
    path: Path,
    queries: Array,
    labels: NDArray[np.str_],
    items: Array,
    item_labels: NDArray[np.str_],
    seed: int = 0,
) -> None:
    """Draw queries and items of one space in two dimensions: t-SNE from a PCA start.

    Parameters
    ----------
    path : Path
        The PNG.
    queries, items : ndarray, shapes (n, size) and (m, size)
        Embeddings of the two conditions; thinned where they are many.
    labels, item_labels : ndarray of str
        What they show.
    seed : int
        Of the thinning and t-SNE.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.permutation(len(x))[: _MOST // 2]) for x in (queries, items)]
    x = np.concatenate([queries[chosen[0]], items[chosen[1]]])
    if len(x) > 10:
        perplexity = min(30.0, (len(x) - 1) / 3)
        flat = TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(x)
    else:
        flat = PCA(2).fit_transform(x)
    n = len(chosen[0])
    with atomic_path(path) as temporary:
        temporary.write_bytes(
            embedding(flat[:n], list(labels[chosen[0]]), flat[n:], list(item_labels[chosen[1]]))
        )


def summary(folder: Path) -> tuple[list[str], list[list[str]], list[str]]:
    """Return titles, rows and lines for the terminal from a finished run."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    rows = [
        [
            name,
            interval(method["accuracy"]),
            interval(method["people"]),
            f"{method['top5']['value']:.3f}",
            f"{method['macro_f1']:.3f}",
            str(method["n"]),
        ]
        for name, method in metrics["methods"].items()
    ]
    found = metrics["retrieval"]
    lines = [
        f"retrieval @1 {interval(found['@1']['pooled'])}, @5 {interval(found['@5']['pooled'])}, "
        f"mean reciprocal rank {interval(found['reciprocal rank']['people'])}",
        f"gallery: {metrics['folds'][0]['gallery']['provenance']}, {_gallery(metrics)}",
    ]
    return ["method", "accuracy", "over people", "top-5", "macro-F1", "n"], rows, lines


def _gallery(metrics: Values) -> str:
    """Say how much the galleries of all folds hold."""
    galleries = [fold["gallery"] for fold in metrics["folds"]]

    def spread(what: str) -> str:
        least, most = (choose(gallery[what] for gallery in galleries) for choose in (min, max))
        return f"{least:,}" if least == most else f"{least:,} to {most:,}"

    return f"{spread('items')} items by {spread('people')} people"
