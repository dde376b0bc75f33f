"""`imuscribe pairs build | export`."""

from __future__ import annotations

import inspect
import json
import logging
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imuscribe.cli.options import Overrides, command, refuse_overwriting
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import parsed_json

if TYPE_CHECKING:
    from imuscribe.prompts.ask.templates import PromptBuilder
    from imuscribe.prompts.serialize import Serializer
    from imuscribe.recipes.explanations import BuildRecipe
    from imuscribe.signals.recording import Recording

    Student = tuple[list[Recording], Serializer, PromptBuilder]


_SETTINGS: tuple[tuple[str, Any, str, str], ...] = (
    ("--format", str, "text.format", "csv, digits or strokes (default)."),
    ("--style", str, "prompt.style", "study: five parts (default). short: few tokens."),
    ("--reasoning/--label-only", bool, "prompt.reasoning", "Explain before the answer."),
    ("--chat/--plain", bool, "prompt.chat", ""),
    ("--shots", int, "prompt.shots", ""),
    ("--max-tokens", int, "prompt.max_tokens", "Most tokens of prompt and answer."),
    ("--reasoning-tokens", int, "prompt.reasoning_tokens", ""),
    ("--tokenizer", str, "model.base", "smollm2 (default), llama3, a folder or a hub id."),
    ("--seed", int, "seed", "Draws recordings, wordings and examples."),
    ("--paraphrases", int, "pairs.paraphrases", "Wordings per recording: 3, short: 1."),
    ("--subject", list[str], "pairs.subjects", "Only this person; repeat for more."),
    ("--limit", int, "pairs.limit", "Only so many recordings."),
    ("--teacher", str, "teacher.name", "Who explains: computed, a model (smollm2, …), a server."),
    ("--model", str, "teacher.model", "Model to ask at that server."),
    ("--max-tokens-total", int, "pairs.max_tokens_total", "Stop before all answers cost more."),
    ("--prompts", str, "teacher.prompts", ""),
    ("--check/--no-check", bool, "pairs.check", ""),
    ("--forbid-label/--allow-label", bool, "teacher.forbid_label", ""),
    ("--restructure/--no-restructure", bool, "teacher.teach.restructure", ""),
    ("--rounds", int, "teacher.teach.rounds", ""),
    ("--keep-wrong", bool, "teacher.teach.keep_wrong", ""),
    ("--tighten", str, "pairs.refine", ""),
    ("--tries", int, "teacher.teach.tries", ""),
    ("--wordings", int, "teacher.teach.wordings", ""),
    ("--answer-tokens", int, "teacher.teach.max_tokens", ""),
    ("--temperature", float, "teacher.teach.temperature", ""),
    ("--concurrency", int, "teacher.workers", ""),
    ("--timeout", float, "teacher.endpoint.timeout", ""),
    ("--retries", int, "teacher.endpoint.retries", ""),
    ("--key-env", str, "teacher.endpoint.key_env", ""),
    ("--extra", str, "teacher.endpoint.extra", ""),
    ("--cache", str, "teacher.cache", ""),
)
"""Short ways to write keys of a recipe: option, type, key, help; without one it is not listed."""


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting, in place of its ``**options``."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    options = [
        inspect.Parameter(
            key.replace(".", "_"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, typer.Option(option, help=text, hidden=not text)],
        )
        for option, kind, key, text in _SETTINGS
    ]
    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return command


app = typer.Typer()
pairs_app = typer.Typer(help="Make instruction–answer pairs to fine-tune on.", no_args_is_help=True)
app.add_typer(pairs_app, name="pairs")


@command(
    pairs_app,
    "imuscribe pairs build letters.parquet --out pairs.jsonl",
    "imuscribe pairs build letters.parquet --out pairs.jsonl --style short --label-only",
    "imuscribe pairs build letters.parquet --out pairs.jsonl --subject p001 --limit 100",
    "imuscribe pairs build letters.parquet --out pairs.jsonl --teacher smollm2",
    "imuscribe pairs build letters.parquet --out pairs.parquet "
    "--teacher http://localhost:8000/v1 --model qwen3-8b --max-tokens-total 5000000",
    "imuscribe pairs build charsense-lopo --out pairs.jsonl prompt.retrieve=null",
)
@_with_settings
def build(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="Recordings as Parquet, or a recipe.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write: JSONL, or .parquet.")],
    overrides: Overrides = None,
    **options: Any,
) -> None:
    """Pair recordings with explained answers: prompt and completion, one JSON object a line.

    Without --teacher the explanations are computed. With one (computed; a local model: smollm2, a
    directory, a hub id; or the address of an OpenAI-compatible server, usually ending in /v1), a
    card and a list of what was set aside lie beside the pairs. A run that is stopped goes on when
    started again: every answer is kept, none is paid for twice. Further settings are keys, such as
    teacher.teach.rounds=1 or pairs.check=false: docs/pairs.md lists them.
    """
    from imuscribe.recipes.explanations import load_build_recipe

    logging.getLogger("transformers").setLevel(logging.ERROR)
    typed = []
    for option, _, key, _ in _SETTINGS:
        value = options[key.replace(".", "_")]
        if value not in (None, []):
            value = _json_object(value) if option == "--extra" else value
            typed.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    recipe = load_build_recipe(source, [*typed, *(overrides or [])])
    refuse_overwriting(out, Path(source), Path(recipe.data))
    typer.echo(_write(recipe, out))


def _write(recipe: BuildRecipe, out: Path) -> str:
    """Write the pairs of a recipe; return a summary."""
    from imuscribe.prompts.ask.templates import PromptBuilder
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.serialize import build_serializer
    from imuscribe.prompts.teacher.pair_files import write_pairs
    from imuscribe.prompts.teacher.pairs import build_pairs
    from imuscribe.signals.files import held_file

    recordings, labels = _chosen(recipe)
    builder = PromptBuilder(load_tokenizer(recipe.model.base), labels, recipe.prompt)
    student = recordings, build_serializer(recipe.text), builder
    with held_file(out):
        if recipe.teacher.name:
            return _write_taught(recipe, student, out)
        rows = build_pairs(*student, recipe.paraphrases, recipe.seed, progress=True)
        write_pairs(rows, out)
    people = len({rec.subject for rec in recordings})
    return (
        f"{out}: {len(rows)} pairs of {len(recordings)} recordings, {len(labels)} labels, "
        f"{people} people"
    )


def _write_taught(recipe: BuildRecipe, student: Student, out: Path) -> str:
    """Write the pairs that a teacher explains, with a card; return a summary."""
    from imuscribe.finetune.local_teacher import load_teacher
    from imuscribe.models.text import load_encoder
    from imuscribe.prompts.teacher import pairs, refine, run, store, teach, teachers

    config, (recordings, serializer, builder) = recipe.teacher, student
    stop, budget = threading.Event(), store.TokenBudget(recipe.pairs.max_tokens_total)
    if config.name == teachers.COMPUTED or builder.config.style != "study":
        pairs.check_paraphrases(recipe.paraphrases, builder)
    checked = recipe.pairs.check and builder.config.reasoning
    teacher: teachers.Teacher = load_teacher(config, builder, recipe.seed, budget, stop, checked)
    if recipe.pairs.refine is not None:
        if not isinstance(teacher, teachers.LanguageTeacher) or not builder.config.reasoning:
            raise InputError("--tighten: only a language model's reasoning can be written anew")
        encoder = load_encoder(recipe.pairs.refine)
        teacher = refine.RefinedTeacher(
            teacher, recordings, serializer, encoder, config.workers, stop
        )
    about: dict[str, object] = {
        "recordings from": Path(recipe.data).name,
        "teacher": teacher.name,
        "paraphrases": recipe.paraphrases,
        "seed": recipe.seed,
        "explanations checked": recipe.pairs.check,
    }
    if recipe.pairs.check:
        about["label may be named in the reasoning"] = not config.forbid_label
    taught = teach.teach(*student, teacher, recipe.paraphrases, recipe.seed, config.workers, stop)
    return run.write_taught(taught, len(recordings), teacher, budget, about, out)


@command(
    pairs_app,
    "imuscribe pairs export pairs.jsonl --to trl --out train.jsonl",
    "imuscribe pairs export pairs.jsonl --to hosted --out upload.jsonl --without p003",
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
    from imuscribe.prompts.teacher import pair_files

    refuse_overwriting(out, path)
    if out.suffix == ".parquet":
        raise InputError(f"--out {out}: exports are JSONL: give a name that ends in .jsonl")
    found = pair_files.read_pairs(path)
    if not found:
        raise InputError(f"{path}: has no pairs: give a file that 'imuscribe pairs build' wrote")
    rows = pair_files.export(_of_people(found, subject or [], without or [], path), to)
    pair_files.write_jsonl(rows, out)
    typer.echo(f"{out}: {len(rows)} rows for {to}")


def _chosen(recipe: BuildRecipe) -> tuple[list[Recording], tuple[str, ...]]:
    """Return the cleaned recordings of a recipe in the order of the data, and every label."""
    import numpy as np

    from imuscribe.signals.load import clean_all, read
    from imuscribe.signals.readers.parquet import MAX_LEFT_OUT

    found = read(recipe.data, recipe.simulate)
    labels = recipe.label_set if recipe.labels else tuple(sorted({r.label for r in found} - {""}))
    if recipe.labels:
        found = [rec for rec in found if rec.label in labels]
    people = dict.fromkeys(rec.subject for rec in found)
    _check_people(recipe.pairs.subjects, people, recipe.data)
    chosen = [rec for rec in found if rec.subject in (recipe.pairs.subjects or people)]
    if recipe.pairs.limit is not None:
        # Drawn over the whole file: its first rows are often one person's or one letter's.
        drawn = np.random.default_rng(recipe.seed).permutation(len(chosen))[: recipe.pairs.limit]
        chosen = [chosen[i] for i in sorted(drawn)]
    where = Path(recipe.data).name
    return clean_all(chosen, recipe.clean, where=where, most=MAX_LEFT_OUT), labels


def _of_people(
    rows: list[dict[str, Any]], subjects: list[str], without: list[str], path: Path
) -> list[dict[str, Any]]:
    """Return the pairs of some people, or of all but some."""
    people = {str(row.get("subject", "")) for row in rows}
    _check_people((*subjects, *without), people, path)
    kept = (set(subjects) or people) - set(without)
    return [row for row in rows if str(row.get("subject", "")) in kept]


def _check_people(names: Iterable[str], people: Collection[str], where: object) -> None:
    for name in names:
        if name not in people:
            raise InputError(f"subject '{name}' is not in {where}: {nearest(name, people)}")


def _json_object(given: str) -> Any:
    with suppress(ValueError):
        if isinstance(fields := parsed_json(given), dict):
            return fields
    hint = "give a JSON object such as '{\"seed\": null}'"
    raise InputError(f"--extra is {given!r}: no JSON object: {hint}")
