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
    asked = shlex.join(["imuscribe", *command, recipe, *overrides])
    run_resolved(_resolved(recipe, overrides, kind), asked)


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
    from imuscribe.eval.run import task_of
    from imuscribe.recipes.load import dump

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    resolved = _resolved(recipe, overrides, None)
    units = task_of(resolved.kind)(resolved, resolved.folder, True).units()
    typer.echo(f"{recipe}: {len(units)} parts to do, into {resolved.folder}")
    typer.echo(f"\nresolved recipe\n{textwrap.indent(dump(resolved), '    ')}", nl=False)


def _resolved(recipe: str, overrides: Sequence[str], kind: str | None) -> Experiment:
    from imuscribe.recipes.load import load_as, load_experiment, schema

    if kind is None:
        return load_experiment(recipe, overrides)
    return load_as(schema(kind), recipe, overrides)
