"""`imuscribe train`, `imuscribe export` and `imuscribe recipe ls | show | cp | validate`."""

from __future__ import annotations

import json
import shlex
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from imuscribe.cli.experiments import show_resolved
from imuscribe.cli.options import command
from imuscribe.signals.errors import InputError, nearest

RecipeName = Annotated[str, typer.Argument(help="A recipe's file or packaged name.")]
Name = Annotated[str, typer.Argument(help="A packaged recipe's name.")]


app = typer.Typer()
recipe_app = typer.Typer(help="Look at recipes, copy them, check them.", no_args_is_help=True)
app.add_typer(recipe_app, name="recipe")


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
