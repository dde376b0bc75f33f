"""One way to run an experiment; `imuscribe train`, `export`, `sweep` and `recipe …`."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer

from imuscribe.cli.options import Overrides, RecipeName, command
from imuscribe.signals.errors import InputError, nearest

if TYPE_CHECKING:
    from imuscribe.recipes.schema import Experiment

Name = Annotated[str, typer.Argument(help="A packaged recipe's name.")]
Item = TypeVar("Item", int, float, str)

_METHODS = "text-ngram,text-svm"
_USED_BY = {
    "steps": ("strokes", "digits"),
    "levels": ("strokes",),
    "digits": ("digits",),
    "decimals": ("csv", "summary"),
}
"""Which formats have a setting; all have a rate."""


app = typer.Typer()
recipe_app = typer.Typer(help="Look at recipes, copy them, check them.", no_args_is_help=True)
app.add_typer(recipe_app, name="recipe")


def run_experiment(
    typed: Sequence[str], recipe: str, overrides: Sequence[str], kind: str | None = None
) -> None:
    """Run a recipe, show what came of it, and say where the report is.

    A command named after a kind takes recipes of that kind alone.
    """
    from imuscribe.recipes.load import load_as, load_experiment, schema

    if kind is None:
        resolved = load_experiment(recipe, overrides)
    else:
        resolved = load_as(schema(kind), recipe, overrides)
    run_resolved(resolved, shlex.join(["imuscribe", *typed, recipe, *overrides]))


def run_resolved(recipe: Experiment, typed: str) -> None:
    """Run a recipe that is read already."""
    from imuscribe.eval.report.render import show
    from imuscribe.eval.run import report, run

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = run(recipe, typed)
    show(report(folder))
    typer.echo(f"report: {folder / 'report.html'}")


def check_experiment(recipe: str, overrides: Sequence[str]) -> None:
    """Load and check all that a recipe names, and print it as it would be run."""
    from imuscribe.eval.run import plan
    from imuscribe.recipes.load import load_experiment, name_labels, presets

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    resolved = name_labels(load_experiment(recipe, overrides))
    task, units, store = plan(resolved)
    pending = [unit.names for unit in units if not store.has(unit.names)]
    typer.echo(f"{recipe}: {len(pending)} of {len(units)} parts to do, into {resolved.folder}")
    said = task.announcement(pending)
    if pending and not said:
        said = "time: not estimated for this kind, whose parts differ; a stopped run goes on"
        if sets := presets(recipe):
            said += f"; smaller ones to try first: preset={', preset='.join(sets)}"
    if said:
        typer.echo(said)
    show_resolved(resolved)


def show_resolved(recipe: Experiment) -> None:
    """Print a recipe with every default spelt out."""
    from imuscribe.recipes.load import dump

    typer.echo(f"\nresolved recipe\n{textwrap.indent(dump(recipe), '    ')}", nl=False)


@command(
    app,
    "imuscribe train demo --dry-run",
    "imuscribe train recipes/demo.yaml train.lr=5e-4 train.epochs=4",
    "imuscribe train charsense-lopo data=charsense.parquet preset=fast out=adapters",
    "imuscribe train mine.yaml data=mine.parquet lora.r=8 --from air-letters",
    "torchrun --nproc-per-node 2 -m imuscribe.finetune.sft demo",
)
def train(
    recipe: RecipeName,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, and preset=NAME.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop before any weight is loaded.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of going on where it stopped.")
    ] = False,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ADAPTER",
            help="Go on training this adapter (a folder or packaged name): train.start_from.",
        ),
    ] = None,
) -> None:
    """Teach a language model with LoRA; a killed run goes on where it stopped.

    Learns from the people in split.train if the protocol is 'given', else from everybody: to judge
    what it learns on people it does not know, use `imuscribe run`.
    """
    from imuscribe.recipes.load import load_recipe, name_labels

    changes = [*(overrides or [])]
    if start_from is not None:
        changes.append(f"train.start_from={json.dumps(start_from, ensure_ascii=False)}")
    resolved = name_labels(load_recipe(recipe, changes))
    from imuscribe.finetune import sft  # heavy, so mistakes in a recipe are found first

    recordings, figures = sft.plan(resolved)
    typer.echo(str(figures))
    if dry_run:
        show_resolved(resolved)
        return
    out = Path(resolved.out) / resolved.name
    typer.echo(sft.train(resolved, recordings, out, resume=not restart))


@command(
    app,
    "imuscribe export runs/demo/folds/given/adapter merged",
    "imuscribe export air-letters merged --precision bf16",
)
def export(
    adapter: Annotated[str, typer.Argument(help="An adapter's folder or packaged name.")],
    out: Annotated[Path, typer.Argument(help="The merged model's folder.")],
    precision: Annotated[
        str, typer.Option(help="fp32 loses nothing, bf16 is half as large and rounds.")
    ] = "fp32",
) -> None:
    """Merge an adapter into its base model: one folder that any program can load.

    Sensor tokens stay beside it. Commands read the folder like an adapter; a recipe trains on from
    it as model.base. The merged model is read back and compared before the folder stands.
    """
    if precision not in ("fp32", "bf16"):
        raise InputError(f"--precision '{precision}': {nearest(precision, ('fp32', 'bf16'))}")
    from imuscribe.finetune.adapters import export as merge

    apart = merge(adapter, out, precision)
    typer.echo(f"{out}: merged in {precision}; log-probabilities differ by {apart:.1e} at most")
    typer.echo(f"next: imuscribe predict FILE --adapter {shlex.quote(str(out))}")


@command(recipe_app, "imuscribe recipe ls")
def ls() -> None:
    """List the packaged recipes with what each is for."""
    from imuscribe.recipes.load import packaged_names, presets, recipe_text

    for name in packaged_names():
        sets = "".join(f" [preset={preset}]" for preset in presets(name))
        typer.echo(name + sets)
        for line in takewhile(lambda line: line.startswith("# "), recipe_text(name).splitlines()):
            typer.echo(f"    {line.removeprefix('# ')}")


@command(recipe_app, "imuscribe recipe show demo")
def show(name: Name) -> None:
    """Print a packaged recipe, comments included."""
    from imuscribe.recipes.load import recipe_text

    typer.echo(recipe_text(name), nl=False)


@command(recipe_app, "imuscribe recipe cp demo mine.yaml")
def cp(
    name: Name,
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Copy a packaged recipe, to change it."""
    from imuscribe.recipes.load import recipe_text
    from imuscribe.signals.files import write_text

    text = recipe_text(name)
    path = path / f"{name}.yaml" if path.is_dir() else path
    if path.exists() and not force:
        raise InputError(f"'{path}' exists already: give another name, or --force to replace it")
    write_text(path, text)
    typer.echo(path)


@command(
    recipe_app,
    "imuscribe recipe validate mine.yaml",
    "imuscribe recipe validate demo train.lr=1e-4",
)
def validate(
    recipe: RecipeName,
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value …")] = None,
) -> None:
    """Check a recipe and each of its presets, and list every mistake at once."""
    from imuscribe.recipes.load import load_experiment, presets

    changes = overrides or []
    mistakes: list[str] = []
    for preset in [None, *presets(recipe)]:
        chosen = changes if preset is None else [f"preset={preset}", *changes]
        try:
            load_experiment(recipe, chosen)
        except InputError as error:
            mistakes += [line for line in str(error).splitlines() if line not in mistakes]
    if mistakes:
        raise InputError("\n".join(mistakes))
    typer.echo(f"{recipe}: valid")


@command(
    app,
    "imuscribe sweep demo",
    "imuscribe sweep charsense-lopo data=charsense.parquet split.max_test_per_label=15 "
    "train.max_per_label=40",
    "imuscribe sweep charsense-lopo data=charsense.parquet --format csv --rate 5,10,20 "
    "--decimals 0,1,2,3 --tokenizer smollm2,llama3",
    "imuscribe sweep demo --format strokes --rate 50 --steps 8,16,32 --method fine-tuned",
)
def sweep(
    recipe: RecipeName,
    overrides: Overrides = None,
    format: Annotated[
        str | None, typer.Option(help="Of strokes,digits,csv,summary; the first three.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Hz after cleaning; 12.5,25,50,100. csv writes every sample.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="digits, each view of strokes: time bins; 16,32.")
    ] = None,
    levels: Annotated[str | None, typer.Option(help="strokes: speed levels; 1,2.")] = None,
    digits: Annotated[str | None, typer.Option(help="digits: digits a value; 1,2.")] = None,
    decimals: Annotated[
        str | None, typer.Option(help="csv, summary: digits after the point; 0,1,2.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help=f"As in evaluate.methods; {_METHODS}, which read the text in seconds."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Count the tokens of these: smollm2,llama3; the recipe's model."),
    ] = None,
) -> None:
    """Compare texts: accuracy and tokens over format, sampling rate and precision.

    Every cell of the grid is the recipe with another text, on the same folds and recordings.
    Run it again after an interruption: finished cells are kept.
    """
    from imuscribe.recipes.load import load_as, resolve
    from imuscribe.recipes.methods import MethodName
    from imuscribe.recipes.variants import SweepRecipe

    whole = {"steps": steps, "levels": levels, "digits": digits, "decimals": decimals}
    axes: dict[str, Any] = {
        name: _items(f"--{name}", text, int, "whole numbers")
        for name, text in whole.items()
        if text is not None
    }
    if rate is not None:
        axes["rates"] = _items("--rate", rate, float, "numbers")
    if format is not None:
        axes["formats"] = _formats(format, axes)
    values = resolve(recipe, overrides or [])
    kind = values.pop("kind", None) or "letters"
    if kind not in ("letters", "sweep"):
        load_as(SweepRecipe, recipe, overrides or [])  # says which commands it is for
    if kind != "sweep":
        name = getattr(values["name"], "written", values["name"])
        if isinstance(name, str) and name:  # what is no name is refused as it was given
            values["name"] = f"{name}-sweep"
        method = method or _METHODS
    if method is not None:
        methods = _known("--method", method, get_args(MethodName))
        values["evaluate"] = (values.get("evaluate") or {}) | {"methods": methods}
    values["grid"] = (values.get("grid") or {}) | axes
    if tokenizer is not None:
        values["tokenizers"] = _items("--tokenizer", tokenizer, str, "names")
    run_resolved(SweepRecipe.parse(values, recipe), shlex.join(["imuscribe", *sys.argv[1:]]))


def _formats(text: str, axes: dict[str, Any]) -> tuple[str, ...]:
    """Return the formats, each known, and refuse a setting that none of them has."""
    from imuscribe.prompts.serialize.text import Format

    formats = _known("--format", text, get_args(Format))
    for axis in axes.keys() & _USED_BY.keys():
        if not set(_USED_BY[axis]) & set(formats):
            raise InputError(
                f"--{axis}: not a setting of {', '.join(formats)}: add --format "
                f"{','.join((*formats, _USED_BY[axis][0]))}, or leave --{axis} out"
            )
    return formats


def _known(option: str, text: str, valid: Sequence[str]) -> tuple[str, ...]:
    names = _items(option, text, str, "names")
    if unknown := [name for name in names if name not in valid]:
        raise InputError(f"{option} '{unknown[0]}': {nearest(unknown[0], valid)}")
    return names


def _items(option: str, text: str, kind: Callable[[str], Item], what: str) -> tuple[Item, ...]:
    """Return the parts of a comma list, each once."""
    items = []
    for part in map(str.strip, text.split(",")):
        try:
            items.append(kind(part))
        except ValueError:
            part = ""
        if not part:
            raise InputError(f"{option} '{text}': is no comma list of {what}")
    return tuple(dict.fromkeys(items))
