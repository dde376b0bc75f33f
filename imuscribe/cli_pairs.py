"""`imuscribe pairs build | export`."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signals.errors import InputError, nearest

if TYPE_CHECKING:
    from signals.recording import Recording

_STUDY_PARAPHRASES = 3
"""The air-writing study made every pair three times."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    pairs = typer.Typer(help="Make instruction–answer pairs to fine-tune on.", no_args_is_help=True)
    pairs.command(
        "build",
        epilog=_examples(
            "imuscribe pairs build letters.parquet --out pairs.jsonl",
            "imuscribe pairs build letters.parquet --out pairs.jsonl --style short --label-only",
            "imuscribe pairs build letters.parquet --out pairs.jsonl --subject p001 --limit 100",
        ),
    )(build)
    pairs.command(
        "export",
        epilog=_examples(
            "imuscribe pairs export pairs.jsonl --to trl --out train.jsonl",
            "imuscribe pairs export pairs.jsonl --to hosted --out upload.jsonl",
        ),
    )(export)
    app.add_typer(pairs, name="pairs")


def build(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    text_format: Annotated[
        str, typer.Option("--format", help="csv, digits or strokes.")
    ] = "strokes",
    style: Annotated[
        str, typer.Option(help="study: five parts. short: a frame of a few tokens.")
    ] = "study",
    paraphrases: Annotated[
        int | None, typer.Option(help="Wordings per recording; default 3, 1 with --style short.")
    ] = None,
    reasoning: Annotated[
        bool, typer.Option("--reasoning/--label-only", help="Explain before the answer.")
    ] = True,
    chat: Annotated[
        bool, typer.Option("--chat/--plain", help="Render 'prompt' with the chat template.")
    ] = False,
    shots: Annotated[int, typer.Option(help="Labelled examples before each question.")] = 0,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this person; repeat for more.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many recordings.")] = None,
    tokenizer: Annotated[
        str, typer.Option(help="smollm2, llama3, a directory or a hub id.")
    ] = "smollm2",
    max_tokens: Annotated[int, typer.Option(help="Most tokens of prompt and answer.")] = 1024,
    reasoning_tokens: Annotated[
        int, typer.Option(help="Room for the explanation within --max-tokens.")
    ] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Draws recordings, wordings and examples.")] = 0,
) -> None:
    """Pair recordings with grounded answers: prompt and completion, one JSON object a line."""
    from prompts.pairs import build_pairs, write_jsonl
    from prompts.serialize import TextConfig, build_serializer
    from prompts.templates import PromptBuilder, PromptConfig
    from prompts.tokens import load_tokenizer

    logging.getLogger("transformers").setLevel(logging.ERROR)
    serializer = build_serializer(TextConfig.parse({"format": text_format}, "--format"))
    asked = {"style": style, "reasoning": reasoning, "chat": chat, "shots": shots}
    budget = {"max_tokens": max_tokens, "reasoning_tokens": reasoning_tokens}
    prompt = PromptConfig.parse(asked | budget, "options")
    if paraphrases is None:
        paraphrases = _STUDY_PARAPHRASES if style == "study" else 1
    recordings, labels = _chosen(path, subject or [], limit, seed)
    builder = PromptBuilder(load_tokenizer(tokenizer), labels, prompt)
    rows = build_pairs(recordings, serializer, builder, paraphrases, seed, progress=True)
    write_jsonl(rows, out)
    people = len({rec.subject for rec in recordings})
    typer.echo(
        f"{out}: {len(rows)} pairs of {len(recordings)} recordings, {len(labels)} labels, "
        f"{people} people"
    )


def export(
    path: Annotated[Path, typer.Argument(help="Pairs made by 'imuscribe pairs build'.")],
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    to: Annotated[
        str,
        typer.Option(help="trl: prompt and completion. chat: the same as messages. hosted: chats."),
    ] = "trl",
) -> None:
    """Write pairs in the form that TRL or a hosted fine-tuning service reads."""
    from prompts.pairs import export as in_form
    from prompts.pairs import read_jsonl, write_jsonl

    rows = in_form(read_jsonl(path), to)
    write_jsonl(rows, out)
    typer.echo(f"{out}: {len(rows)} rows for {to}")


def _chosen(
    path: Path, subjects: list[str], limit: int | None, seed: int
) -> tuple[list[Recording], tuple[str, ...]]:
    """Return cleaned recordings in the order of the file, and every label of the file."""
    import numpy as np

    from signals.cleaning import clean
    from signals.parquet import leave_out, load

    found = load(path)
    labels = tuple(sorted({rec.label for rec in found} - {""}))
    people = Counter(rec.subject for rec in found)
    for subject in subjects:
        if subject not in people:
            raise InputError(f"subject '{subject}' is not in {path}: {nearest(subject, people)}")
    chosen = [rec for rec in found if not subjects or rec.subject in subjects]
    if limit is not None:
        # Drawn over the whole file: its first rows are often one person's or one letter's.
        drawn = np.random.default_rng(seed).permutation(len(chosen))[:limit]
        chosen = [chosen[i] for i in sorted(drawn)]
    cleaned: list[Recording] = []
    refused: list[InputError] = []
    for rec in chosen:
        try:
            cleaned.append(clean(rec))
        except InputError as error:
            refused.append(error)
    leave_out(refused, len(chosen), path.name)
    return cleaned, labels


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)
