"""One way to run an experiment from the command line, whatever the command is called."""

from __future__ import annotations

import logging
import shlex
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from imuscribe.recipes.schema import Experiment


def run_experiment(
    command: Sequence[str], recipe: str, overrides: Sequence[str], kind: str | None = None
) -> None:
    """Run a recipe, show what came of it, and say where the report is.

    A command named after a kind takes recipes of that kind alone.
    """
    from imuscribe.recipes.load import load_as, load_experiment, schema

    if kind is None:
        resolved = load_experiment(recipe, overrides)
    else:
        resolved = load_as(schema(kind), recipe, overrides)
    run_resolved(resolved, shlex.join(["imuscribe", *command, recipe, *overrides]))


def run_resolved(recipe: Experiment, command: str) -> None:
    """Run a recipe that is read already."""
    from imuscribe.eval.report.render import show
    from imuscribe.eval.run import report, run

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = run(recipe, command)
    show(report(folder))
    typer.echo(f"report: {folder / 'report.html'}")


def check_experiment(recipe: str, overrides: Sequence[str]) -> None:
    """Load and check all that a recipe names, and print it as it would be run."""
    from imuscribe.eval.run import plan
    from imuscribe.recipes.load import load_experiment, name_labels

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    resolved = name_labels(load_experiment(recipe, overrides))
    _, units, _ = plan(resolved)
    typer.echo(f"{recipe}: {len(units)} parts to do, into {resolved.folder}")
    show_resolved(resolved)


def show_resolved(recipe: Experiment) -> None:
    """Print a recipe with every default spelt out."""
    from imuscribe.recipes.load import dump

    typer.echo(f"\nresolved recipe\n{textwrap.indent(dump(recipe), '    ')}", nl=False)
