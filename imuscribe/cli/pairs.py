"""`imuscribe pairs build | export`."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imuscribe.cli.options import examples, refuse_overwriting
from imuscribe.signals.errors import InputError, nearest

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

_STUDY_PARAPHRASES = 3
"""The air-writing study made every pair three times."""


def _teacher_option(about: str, *names: str, min: int | None = None) -> Any:
    return typer.Option(*names, help=about, min=min, rich_help_panel="Teacher")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    pairs = typer.Typer(help="Make instruction–answer pairs to fine-tune on.", no_args_is_help=True)
    pairs.command(
        "build",
        epilog=examples(
            "imuscribe pairs build letters.parquet --out pairs.jsonl",
            "imuscribe pairs build letters.parquet --out pairs.jsonl --style short --label-only",
            "imuscribe pairs build letters.parquet --out pairs.jsonl --subject p001 --limit 100",
            "imuscribe pairs build letters.parquet --out pairs.jsonl --teacher smollm2",
            "imuscribe pairs build letters.parquet --out pairs.parquet "
            "--teacher http://localhost:8000/v1 --model qwen3-8b --max-tokens-total 5000000",
        ),
    )(build)
    pairs.command(
        "export",
        epilog=examples(
            "imuscribe pairs export pairs.jsonl --to trl --out train.jsonl",
            "imuscribe pairs export pairs.jsonl --to hosted --out upload.jsonl --without p003",
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
    teacher: Annotated[
        str | None,
        _teacher_option(
            "Who explains: computed, a local model (smollm2, a directory, a hub id), or the "
            "address of an OpenAI-compatible server, usually ending in /v1."
        ),
    ] = None,
    model: Annotated[str | None, _teacher_option("Model to ask at that server.")] = None,
    prompts: Annotated[
        Path | None,
        _teacher_option("Folder with explain.txt, restructure.txt, critique.txt, paraphrase.txt."),
    ] = None,
    concurrency: Annotated[int, _teacher_option("Requests at once.", min=1)] = 8,
    max_tokens_total: Annotated[
        int | None,
        _teacher_option(
            "Stop before all answers together, those of earlier runs included, cost more.", min=1
        ),
    ] = None,
    check: Annotated[
        bool, _teacher_option("Check explanations against the recording.", "--check/--no-check")
    ] = True,
    forbid_label: Annotated[
        bool,
        _teacher_option(
            "Whether reasoning that names the label counts as wrong.",
            "--forbid-label/--allow-label",
        ),
    ] = True,
    restructure: Annotated[
        bool,
        _teacher_option(
            "Ask a second time, to put the reasoning first; without, one request explains.",
            "--restructure/--no-restructure",
        ),
    ] = True,
    rounds: Annotated[
        int, _teacher_option("Corrections asked for before a wrong explanation is dropped.", min=0)
    ] = 2,
    keep_wrong: Annotated[
        bool, _teacher_option("Keep explanations whatever the check says.", "--keep-wrong")
    ] = False,
    tighten: Annotated[
        str | None,
        _teacher_option(
            "Also write explanations anew that are unlike others of their label: minilm or words "
            "(the encoder)."
        ),
    ] = None,
    tries: Annotated[int, _teacher_option("Times to ask for a usable answer.", min=1)] = 3,
    wordings: Annotated[
        int | None,
        _teacher_option("Different instructions in all; default one a pair.", min=1),
    ] = None,
    answer_tokens: Annotated[int, _teacher_option("Longest answer of the teacher.")] = 512,
    temperature: Annotated[float, _teacher_option("0 is greedy.")] = 0.7,
    timeout: Annotated[float, _teacher_option("Seconds to wait for a silent server.")] = 120.0,
    retries: Annotated[
        int, _teacher_option("Further attempts after a failure that passes: 429, 5xx, time-out.")
    ] = 6,
    key_env: Annotated[
        str, _teacher_option("Environment variable that holds the server's key, if it wants one.")
    ] = "OPENAI_API_KEY",
    extra: Annotated[
        str | None,
        _teacher_option("JSON fields added to every request; null drops one: '{\"seed\": null}'."),
    ] = None,
    cache: Annotated[
        Path | None, _teacher_option("File that keeps every answer; default in the user's cache.")
    ] = None,
) -> None:
    """Pair recordings with explained answers: prompt and completion, one JSON object a line.

    Without --teacher the explanations are computed. With one, a card and a list of what was set
    aside lie beside the pairs, and --out may end in .parquet. A run that is stopped goes on when
    started again: every answer is kept, none is paid for twice.
    """
    from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.serialize import TextConfig, build_serializer
    from imuscribe.prompts.teacher.pair_files import open_pairs
    from imuscribe.prompts.teacher.pairs import build_pairs

    logging.getLogger("transformers").setLevel(logging.ERROR)
    serializer = build_serializer(TextConfig.parse({"format": text_format}, "--format"))
    asked = {"style": style, "reasoning": reasoning, "chat": chat, "shots": shots}
    budget = {"max_tokens": max_tokens, "reasoning_tokens": reasoning_tokens}
    prompt = PromptConfig.parse(asked | budget, "options")
    if paraphrases is None:
        paraphrases = _STUDY_PARAPHRASES if style == "study" else 1
    only_taught = {
        "--model": model,
        "--prompts": prompts,
        "--max-tokens-total": max_tokens_total,
        "--tighten": tighten,
        "--wordings": wordings,
        "--extra": extra,
        "--cache": cache,
    }
    for option, given in only_taught.items():
        if teacher is None and given is not None:
            raise InputError(f"{option} is for a language model that explains: name --teacher too")
    refuse_overwriting(out, path)
    recordings, labels = _chosen(path, subject or [], limit, seed)
    builder = PromptBuilder(load_tokenizer(tokenizer), labels, prompt)
    if teacher is not None:
        from imuscribe.cli.teaching import TeacherOptions, build_taught

        asking: dict[str, Any] = {"tries": tries, "rounds": rounds, "keep_wrong": keep_wrong}
        asking |= {
            "restructure": restructure,
            "wordings": wordings,
            "max_tokens": answer_tokens,
            "temperature": temperature,
        }
        server: dict[str, Any] = {"timeout": timeout, "retries": retries, "key_env": key_env}
        server["extra"] = _json_object(extra)
        options = TeacherOptions(
            teacher=teacher,
            model=model,
            prompts=prompts,
            concurrency=concurrency,
            cache=cache,
            max_tokens_total=max_tokens_total,
            check=check,
            forbid_label=forbid_label,
            tighten=tighten,
            config=asking,
            endpoint=server,
        )
        told = build_taught(recordings, serializer, builder, paraphrases, seed, options, path, out)
        typer.echo(told)
        return
    rows = build_pairs(recordings, serializer, builder, paraphrases, seed, progress=True)
    with open_pairs(out) as file:
        for row in rows:
            file.write(row)
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
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this person's pairs; repeat for more.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="All pairs but this person's; repeat for more.")
    ] = None,
) -> None:
    """Write pairs in the form that TRL or a hosted fine-tuning service reads."""
    from imuscribe.prompts.teacher.pair_files import read_pairs
    from imuscribe.prompts.teacher.pairs import export as in_form
    from imuscribe.prompts.teacher.pairs import write_jsonl

    refuse_overwriting(out, path)
    if out.suffix == ".parquet":
        raise InputError(f"--out {out}: exports are JSONL: give a name that ends in .jsonl")
    found = read_pairs(path)
    if not found:
        raise InputError(f"{path}: has no pairs: give a file that 'imuscribe pairs build' wrote")
    rows = in_form(_of_people(found, subject or [], without or [], path), to)
    write_jsonl(rows, out)
    typer.echo(f"{out}: {len(rows)} rows for {to}")


def _chosen(
    path: Path, subjects: list[str], limit: int | None, seed: int
) -> tuple[list[Recording], tuple[str, ...]]:
    """Return cleaned recordings in the order of the file, and every label of the file."""
    import numpy as np

    from imuscribe.signals.load import clean_all, read
    from imuscribe.signals.readers.parquet import MAX_LEFT_OUT

    found = read(path)
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
    return clean_all(chosen, where=path.name, most=MAX_LEFT_OUT), labels


def _of_people(
    rows: list[dict[str, Any]], subjects: list[str], without: list[str], path: Path
) -> list[dict[str, Any]]:
    """Return the pairs of some people, or of all but some."""
    people = {str(row.get("subject", "")) for row in rows}
    for name in (*subjects, *without):
        if name not in people:
            raise InputError(f"subject '{name}' is not in {path}: {nearest(name, people)}")
    kept = (set(subjects) or people) - set(without)
    return [row for row in rows if str(row.get("subject", "")) in kept]


def _json_object(given: str | None) -> dict[str, Any]:
    try:
        fields = json.loads(given or "{}")
    except ValueError as error:
        raise InputError(f"--extra is {given!r}: no JSON ({error})") from None
    if not isinstance(fields, dict):
        raise InputError(f"--extra is {given!r}: give a JSON object such as '{{\"seed\": null}}'")
    return fields
