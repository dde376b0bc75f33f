"""`imuscribe run`, `report`, `results add | render` and `predict`."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imuscribe.cli.experiments import check_experiment, run_experiment
from imuscribe.cli.options import (
    ALONE,
    AccSign,
    AccUnit,
    Adapter,
    Columns,
    GyroUnit,
    Overrides,
    Rate,
    RecipeName,
    TimeUnit,
    command,
    disagreements,
    is_csv,
    recordings_of,
)
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

RunFolder = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
LEDGER = Path("docs/results.json")
_LONGEST = 10.0
"""Seconds. Letters take one to three; activities are read by adapters of their own."""
_NAMED = 40
"""Labels that are named."""
_STILL = 0.2
"""m/s²: what a sensor lying on a table stays below."""


app = typer.Typer()
results_app = typer.Typer(help="Keep results worth keeping.", no_args_is_help=True)
app.add_typer(results_app, name="results")


@command(
    app,
    "imuscribe run demo",
    "imuscribe run charsense-lopo data=charsense.parquet split.folds=p003",
)
def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check recipe and data, print them, and stop.")
    ] = False,
) -> None:
    """Run an experiment of any kind: split by person, answer, compare, write a report.

    Run it again after an interruption: what is finished is kept.
    """
    if dry_run:
        check_experiment(recipe, overrides or [])
    else:
        run_experiment(["run"], recipe, overrides or [])


@command(
    app,
    "imuscribe report runs/demo",
    "imuscribe report runs/study-two-person --study",
    "imuscribe report runs/charsense-lopo --audit audit/audit.json",
)
def report(
    run_dir: RunFolder,
    study: Annotated[
        bool, typer.Option("--study", help="Print the air-writing study's table beside the run's.")
    ] = False,
    audit: Annotated[
        Path | None,
        typer.Option(help="Print accuracies with all and without the recordings it flags."),
    ] = None,
) -> None:
    """Write the report of a finished run again."""
    from imuscribe.eval.run import read_run, write_report

    path = write_report(run_dir)
    if study:
        from imuscribe.eval.report.study import study_page
        from imuscribe.recipes.load import load_recipe

        base = load_recipe(str(run_dir / "recipe.yaml")).model.base
        typer.echo(study_page(read_run(run_dir)[0], Path(base).name))
    if audit:
        import pandas as pd

        from imuscribe.eval.report.audit import read_audit, without

        metrics, facts = read_run(run_dir)
        if "labels" not in metrics:
            raise InputError(f"{run_dir}: --audit is for a run of letters: it tests no labels")
        flagged = read_audit(audit, facts, metrics["labels"])
        predictions = run_dir / "predictions.parquet"
        if not predictions.is_file():
            raise InputError(f"{run_dir}: has no predictions.parquet: run the recipe again")
        typer.echo(without(pd.read_parquet(predictions), flagged))
    typer.echo(f"report: {path}")


@command(results_app, "imuscribe results add runs/charsense-lopo")
def add(
    run_dir: RunFolder,
    ledger: Annotated[Path, typer.Option(help="The ledger to add to.")] = LEDGER,
    note: Annotated[str, typer.Option(help="What a reader must know.")] = "",
) -> None:
    """Add the results of a run to the ledger and render the page beside it."""
    from imuscribe.eval.ledger import add as add_rows

    rows = add_rows(run_dir, ledger, note)
    typer.echo(f"{len(rows)} rows added to {ledger}")


@command(results_app, "imuscribe results render")
def render(ledger: Annotated[Path, typer.Option(help="The ledger.")] = LEDGER) -> None:
    """Render the page from the ledger."""
    from imuscribe.eval.ledger import read, write

    write(ledger, read(ledger))
    typer.echo(f"wrote {ledger.with_suffix('.md')} and {ledger.with_suffix('')}")


@command(
    app,
    "imuscribe predict letter.csv --acc-unit g --gyro-unit deg/s",
    "imuscribe predict letters.parquet --adapter runs/demo/folds/given/adapter --json",
    "imuscribe predict log.csv --acc-unit g --gyro-unit deg/s --time-unit ms "
    "--column t=time --column acc_x=ax --column acc_y=ay --column acc_z=az "
    "--column gyro_x=gx --column gyro_y=gy --column gyro_z=gz",
    "imuscribe predict days.parquet --adapter runs/lanhar-transfer/lanhar/SETS.safetensors "
    '--labels "walking,climbing stairs,lying"',
)
def predict(
    file: Annotated[Path, typer.Argument(help="Recordings: canonical Parquet, or one in a CSV.")],
    adapter: Adapter = None,
    top: Annotated[int, typer.Option(min=1, help="Labels to name.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a recording.")] = False,
    column: Columns = None,
    acc_unit: AccUnit = "",
    gyro_unit: GyroUnit = "",
    time_unit: TimeUnit = "",
    rate: Rate = None,
    acc_sign: AccSign = "",
    base: Annotated[
        str | None, typer.Option(help="Folder of the adapter's base model, if it has moved.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Labels in your own words, for an aligned encoder.")
    ] = None,
) -> None:
    """Show the most likely labels of a recording with their probabilities.

    A CSV says its units in options or in its header, such as "acc_x (m/s²)". What the adapter
    knows, what is unlike everything it has learnt from, and how often it is right where labels are
    known goes to standard error.
    """
    from imuscribe.finetune.adapters import adapter_path
    from imuscribe.finetune.reading import Reader, most_likely
    from imuscribe.signals.errors import usable

    folder = Path() if labels else adapter_path(adapter)
    said = column or acc_unit or gyro_unit or time_unit or acc_sign or rate is not None
    if said and not is_csv(file):
        raise InputError(f"{file}: Parquet says its columns and units itself: leave them out")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if labels is not None:
        found = recordings_of(file, column, acc_unit, gyro_unit, time_unit, rate, acc_sign)
        _in_words(found, adapter, labels, top, as_json)
        return
    reader = Reader(folder, base=base)
    found = recordings_of(file, column, acc_unit, gyro_unit, time_unit, rate, acc_sign)
    pairs = usable(found, lambda rec: (rec, reader.parts(rec)), file.name)
    recordings = [rec for rec, _ in pairs]
    for line in _about(folder, file, recordings, reader.labels):
        typer.echo(line, err=True)
    for doubt in disagreements(recordings):
        typer.echo(f"{file.name}: {doubt}", err=True)
    expects = reader.recipe.clean.gyroscope and reader.recipe.windows is None
    if expects and any(rec.gyro is None for rec in recordings):
        typer.echo(f"{file.name}: {ALONE}", err=True)
    for rec in recordings:
        if doubt := (adapter is None and _doubt(rec)) or reader.doubt(rec):
            typer.echo(f"{rec.id}: {doubt}", err=True)
    answers = most_likely(recordings, reader, top)
    _show(recordings, answers, as_json)
    if right := _right(recordings, [ranked[0][0] for ranked in answers], reader.labels):
        typer.echo(right, err=True)


def _in_words(
    recordings: Sequence[Recording], model: str | None, labels: str, top: int, as_json: bool
) -> None:
    """Show which labels, in anybody's words, the windows of recordings are likeliest to be."""
    from imuscribe.align.lanhar.deploy import LanharReader
    from imuscribe.recipes.schema import as_names

    if model is None:
        raise InputError(
            "--labels: needs an aligned encoder: --adapter RUN/lanhar/SETS.safetensors of a "
            "run of lanhar-transfer"
        )
    reader, names = LanharReader.from_file(Path(model)), as_names(labels)
    windows = reader.cut(recordings)
    found = reader.log_proba(windows, names)
    best = (-found).argsort(axis=1, kind="stable")[:, :top]
    answers = [
        [(names[i], math.exp(row[i])) for i in order]
        for row, order in zip(found, best, strict=True)
    ]
    _show(windows, answers, as_json)


def _show(
    recordings: Sequence[Recording],
    answers: Sequence[Sequence[tuple[str, float]]],
    as_json: bool,
) -> None:
    """Print a line a recording, the likeliest labels with their probabilities."""
    for rec, ranked in zip(recordings, answers, strict=True):
        if as_json:
            named = [{"label": label, "probability": p} for label, p in ranked]
            typer.echo(json.dumps({"id": rec.id, "answers": named}, ensure_ascii=False))
        else:
            typer.echo("  ".join([rec.id, *(f"{label} {p:.1%}" for label, p in ranked)]))


def _about(
    folder: Path, file: Path, recordings: Sequence[Recording], labels: Sequence[str]
) -> list[str]:
    """Say what an adapter knows: its labels, and whom of these people."""
    from imuscribe.finetune.lineage import known_people

    lines = [f"{folder.name} knows {len(labels)} labels: {_first(labels, _NAMED)}"]
    if known := known_people(folder, file, recordings):
        people = {rec.subject for rec in recordings}
        lines.append(
            f"it has learnt from {len(known)} of the {len(people)} people here ({_first(known)}): "
            "how well it reads others is for 'imuscribe run' to say"
        )
    return lines


def _right(recordings: Sequence[Recording], answers: Sequence[str], labels: Sequence[str]) -> str:
    """Say how often the first answer is the label there; empty where no recording has one."""
    named = [
        (rec.label, answer) for rec, answer in zip(recordings, answers, strict=True) if rec.label
    ]
    if not named:
        return ""
    known = [truth == answer for truth, answer in named if truth in labels]
    text = f"right: {sum(known):,} of {len(known):,} whose label it knows"
    if known:
        text += f" ({sum(known) / len(known):.1%})"
    if others := sorted({truth for truth, _ in named} - set(labels)):
        text += f"; {len(named) - len(known):,} have others: {_first(others)}"
    return text


def _first(names: Sequence[str], most: int = 5) -> str:
    more = f" … and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _doubt(rec: Recording) -> str:
    """Say what speaks against a recording being one gesture; empty when nothing does."""
    import numpy as np

    if rec.duration > _LONGEST:
        return f"lasts {rec.duration:.0f} s: one gesture is read, the first of many or none"
    if float(np.linalg.norm(rec.acc.std(axis=1))) < _STILL:
        return "hardly moves: the answer means nothing"
    return ""
