"""`imuscribe search`, `zero-shot`, `embed`: windows and words in one space; and `caption`."""

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


@command(
    app,
    "imuscribe caption letters.parquet --limit 5",
    "imuscribe caption hapt.parquet --seconds 2.56 --levels structural,semantic --no-numbers",
    "imuscribe caption days.parquet --events diary.csv --max-tokens 512 --out captions.jsonl",
)
def caption(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    levels: Annotated[
        str, typer.Option(help="Some of semantic,structural,statistical.")
    ] = "semantic,structural,statistical",
    max_tokens: Annotated[
        int | None, typer.Option(help="Most tokens a caption; by default those of its levels.")
    ] = None,
    tokenizer: Annotated[
        str, typer.Option(help="smollm2, llama3, a directory or a hub id owner/name.")
    ] = "smollm2",
    numbers: Annotated[bool, typer.Option(help="Write numbers, or words alone.")] = True,
    say_rate: Annotated[bool, typer.Option("--say-rate", help="Say the sampling rate.")] = False,
    say_absent: Annotated[
        bool, typer.Option("--say-absent", help="Say what is not there: a gyroscope, peaks.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(help="Cut into windows of this length; whole when not given.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="CSV with the columns id, start, end, name, kind.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    seed: Annotated[int, typer.Option(help="Of the wordings, and of what --html draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write here, not on the screen.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="A page of captions drawn at random, claims marked.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="--html: how many of them.")] = 20,
) -> None:
    """Write captions at three levels, each number worked out again from the signal.

    One JSON object a line: id, label, text, tokens, claims, how many of them are numbers and how
    many are false, and sentences left out for the budget.
    """
    from tqdm import tqdm

    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.captions.hierarchy import CaptionConfig, captions, read_events, recount
    from imuscribe.signals.files import write_text
    from imuscribe.signals.load import read
    from imuscribe.signals.windows import WindowConfig, cut

    for file in filter(None, (out, html)):
        refuse_overwriting(file, path)
    values = {"levels": [level.strip() for level in levels.split(",") if level.strip()]}
    told = {"numbers": numbers, "rate": say_rate, "absent": say_absent, "max_tokens": max_tokens}
    config = CaptionConfig.parse({**values, **told, "seed": seed}, "options")
    noted = {} if events is None else read_events(events)
    if noted and seconds is not None:
        raise InputError("--events with --seconds: their times are those of whole recordings")
    recordings = read(path)
    if seconds is not None:
        recordings = cut(recordings, WindowConfig.parse({"seconds": seconds, "stride": seconds}))
    recordings = recordings[:limit]
    if lost := noted.keys() - {rec.id for rec in recordings}:
        raise InputError(f"{events}: no recording '{min(lost)}' in {path.name}")
    mine = [noted.get(rec.id, []) for rec in recordings]
    written = captions(recordings, config, events=mine, tokenizer=load_tokenizer(tokenizer))
    lines, reports = [], []
    rows = list(zip(written, recordings, mine, strict=True))
    for one, rec, noticed in tqdm(rows, "checking", unit="rec"):
        report = recount(one, rec, events=noticed)
        figures = sum(claim.value is not None for claim in one.claims)
        row = {"id": rec.id, "label": rec.label, "text": one.text, "tokens": one.tokens}
        row |= {"claims": len(report.claims), "numbers": figures, "false": report.contradicted}
        lines.append(json.dumps(row | {"left_out": one.left_out}, ensure_ascii=False))
        reports.append(report)
    if out is None:
        typer.echo("\n".join(lines))
    else:
        write_text(out, "\n".join(lines) + "\n")
    claims, wrong = sum(len(r.claims) for r in reports), sum(r.contradicted for r in reports)
    typer.echo(f"{len(lines):,} captions, {claims:,} claims checked, {wrong:,} false", err=True)
    if html is not None:
        from imuscribe.eval.report.pairs import captions_page

        write_text(html, captions_page(rows, reports, path.name, examples, seed))
