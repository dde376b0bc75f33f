"""`imuscribe search`, `zero-shot` and `embed`: windows and words in one space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imuscribe.cli.options import command, refuse_overwriting
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.align.search import Model

Data = Annotated[
    Path, typer.Argument(help="Recordings in the canonical Parquet layout, or what embed wrote.")
]
ModelFolder = Annotated[Path, typer.Option("--model", help="The folder that align sensorlm wrote.")]
Stride = Annotated[
    float | None,
    typer.Option(min=0.05, help="Seconds from window to window; their length when not given."),
]
Top = Annotated[int, typer.Option(min=1, help="How many to show.")]

app = typer.Typer()


@command(
    app,
    'imuscribe search "fast circling, then still" mine.parquet --model models/activities',
    'imuscribe search "walking upstairs" mine.parquet --model models/activities --top 20',
    "imuscribe search --like r17@8.00 mine.parquet --model models/activities",
)
def search(
    words: Annotated[
        list[str], typer.Argument(metavar="[TEXT] DATA", help="What to look for, and where.")
    ],
    model: ModelFolder,
    like: Annotated[
        str, typer.Option(help="Find captions near this window or recording instead of a text.")
    ] = "",
    texts: Annotated[
        Path | None, typer.Option(help="With --like: a file of texts to choose among, one a line.")
    ] = None,
    top: Top = 10,
    stride: Stride = None,
) -> None:
    """Find the windows that a text describes best, or with --like what describes a window best.

    Prints one window of a recording a line: cosine, recording, when, label. A file is embedded the
    first time it is searched, which is kept. With --like the candidates are the captions of all
    other recordings in the file.
    """
    from imuscribe.align.search import Model, index

    *asked, name = words
    path = Path(name)
    if len(asked) != (0 if like else 1):
        given = f"{len(asked)} texts" if asked else "no text"
        hint = "leave it out" if like else 'write: imuscribe search "walking slowly" FILE'
        raise InputError(f"search: {given} before '{name}': {hint}")
    if texts is not None and not like:
        raise InputError("--texts: is what --like chooses among: add --like RECORDING")
    opened = Model(model)
    if asked:
        (query,) = opened.texts(asked)
        _doubt(opened, asked)
        for row, score in index(path, opened, stride).nearest(query, top):
            until = row["start"] + row["seconds"]
            when = f"{row['start']:g} to {until:g} s"
            typer.echo(f"{score:.3f}\t{row['recording']}\t{when}\t{row['label']}".rstrip())
        return
    for text, score in _described(opened, path, like, texts, stride)[:top]:
        typer.echo(f"{score:.3f}\t{text}")


@command(
    app,
    'imuscribe zero-shot mine.parquet walking "lying on the back" --model models/activities',
    "imuscribe zero-shot mine.parquet walking running --model models/activities --out out.jsonl",
    name="zero-shot",
)
def zero_shot(
    data: Data,
    labels: Annotated[list[str], typer.Argument(help="Two or more labels, in your own words.")],
    model: ModelFolder,
    out: Annotated[Path | None, typer.Option(help="Write a JSON line a window here.")] = None,
    stride: Stride = None,
) -> None:
    """Say which of your own words each window is, without a single labelled example."""
    from collections import Counter

    import numpy as np

    from imuscribe.align.search import Model, index, zero_shot

    opened = Model(model)
    made = index(data, opened, stride)
    found = np.exp(zero_shot(made, opened, labels))
    _doubt(opened, labels)
    best = [labels[i] for i in found.argmax(axis=1)]
    if out is not None:
        from imuscribe.signals.files import write_text

        refuse_overwriting(out, data)
        lines = [
            json.dumps(
                {"id": row["id"], "answer": label}
                | {
                    "probabilities": {
                        k: round(float(p), 4) for k, p in zip(labels, each, strict=True)
                    }
                },
                ensure_ascii=False,
            )
            for row, label, each in zip(made.rows, best, found, strict=True)
        ]
        write_text(out, "\n".join(lines) + "\n")
    counts = Counter(best)
    for label in labels:
        typer.echo(f"{label:<32}{counts[label]:>8,} windows")
    own = [row["label"] for row in made.rows]
    if set(own) <= set(labels):
        right = sum(a == b for a, b in zip(best, own, strict=True))
        typer.echo(f"as the file has it: {right:,} of {len(own):,}, {right / len(own):.1%}")


@command(
    app,
    "imuscribe embed mine.parquet --model models/activities --out embeddings.parquet",
    "imuscribe embed mine.parquet --model models/activities --out dense.parquet --stride 0.5",
)
def embed(
    data: Data,
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    stride: Stride = None,
) -> None:
    """Write the embedding of every window as Parquet, for a model of your own.

    Columns: id, recording, start and seconds, subject, label, placement, and embedding, a list of
    numbers of length one. The file can be searched in place of the recordings.
    """
    from imuscribe.align.search import Model, index, write

    refuse_overwriting(out, data)
    opened = Model(model)
    made = index(data, opened, stride)
    write(made, out, opened.key)
    typer.echo(f"{out}: {len(made.rows):,} windows × {made.vectors.shape[1]} numbers")


def _doubt(model: Model, texts: list[str]) -> None:
    """Say which texts are in words that the model hardly knows."""
    for text in model.strange(texts):
        typer.echo(
            f"'{text}': most of its words are none the model knows: it has learnt English, so what "
            "is found may mean nothing",
            err=True,
        )


def _described(
    model: Model, path: Path, like: str, texts: Path | None, stride: float | None
) -> list[tuple[str, float]]:
    """Return texts by how well they describe a window, or the middle of a recording's windows."""
    import numpy as np

    from imuscribe.align.search import captions_of, index

    made = index(path, model, stride)
    query = made.vectors[made.of(like)].mean(axis=0)
    query /= np.linalg.norm(query)
    if texts is None:
        told = captions_of(path, model, like, stride)
    else:
        from imuscribe.signals.readers.tables import read_text

        told = [line.strip() for line in read_text(texts).splitlines() if line.strip()]
        if not told:
            raise InputError(f"--texts {texts}: holds no text: write one a line")
        _doubt(model, told)
    scores = model.texts(told) @ query
    order = np.argsort(-scores, kind="stable")
    return [(told[i], float(scores[i])) for i in order]
