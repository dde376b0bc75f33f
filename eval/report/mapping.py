"""The report of a mapping, and its embedding in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.eval.methods.baselines import BASELINES
from imuscribe.eval.report.figures import accuracy_by_person, embedding
from imuscribe.eval.report.methods import (
    closing,
    comparison_text,
    comparisons,
    methods_table,
    tested,
)
from imuscribe.eval.report.page import Page, Picture, Table, interval, only
from imuscribe.signals.files import atomic_path
from imuscribe.signals.recording import Array

Values = Mapping[str, Any]

_MOST = 1500
"""Points of an embedding plot: t-SNE takes seconds for so many, minutes for all."""


def mapping_page(values: Values, facts: Values, folder: Path) -> Page:
    """Return the report of a mapping."""
    methods: dict[str, Values] = values["methods"]
    baselines = [name for name in methods if name in BASELINES]
    people = accuracy_by_person(methods, baselines, values["chance"])
    drawn = folder / "embedding.png"
    retrieval = values["retrieval"]
    found = Table(
        ("", "pooled", "over people", "n"),
        [
            [name, interval(one["pooled"]), interval(one["people"]), f"{one['pooled']['n']:,}"]
            for name, one in retrieval.items()
        ],
        "Retrieval",
        "@k: one of the k nearest items has the right label. Pooled: Wilson interval over "
        "recordings; over people: bootstrap over people. 95 %.",
    )
    sections = [
        found,
        methods_table(methods, values["chance"]),
        comparisons(values),
        Picture(drawn.read_bytes(), "Embedding of queries and gallery", "The space")
        if drawn.is_file()
        else None,
        Picture(people, "Accuracy of every person", "People"),
        *closing(values, methods),
    ]
    return Page(
        values["name"],
        f"{len(values['labels'])} labels, {values['protocol']}, {tested(values):,} queries from "
        f"{values['data']}; gallery of {_gallery(values)}; seed {values['seed']}, "
        f"{facts['date']}. Nobody tested was trained on.",
        only(sections),
        [_summary(methods)],
        [
            f"retrieval @1 {interval(retrieval['@1']['pooled'])}, "
            f"@5 {interval(retrieval['@5']['pooled'])}, mean reciprocal rank "
            f"{interval(retrieval['reciprocal rank']['people'])}",
            f"gallery: {values['folds'][0]['gallery']['provenance']}, {_gallery(values)}",
            *map(comparison_text, values["comparisons"]),
        ],
    )


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


def _summary(methods: Values) -> Table:
    rows = [
        [
            name,
            interval(method["accuracy"]),
            interval(method["people"]),
            f"{method['top5']['value']:.3f}",
            f"{method['macro_f1']:.3f}",
            str(method["n"]),
        ]
        for name, method in methods.items()
    ]
    return Table(["method", "accuracy", "over people", "top-5", "macro-F1", "n"], rows)


def _gallery(metrics: Values) -> str:
    """Say how much the galleries of all folds hold."""
    galleries = [fold["gallery"] for fold in metrics["folds"]]

    def spread(what: str) -> str:
        least, most = (choose(gallery[what] for gallery in galleries) for choose in (min, max))
        return f"{least:,}" if least == most else f"{least:,} to {most:,}"

    return f"{spread('items')} items by {spread('people')} people"
