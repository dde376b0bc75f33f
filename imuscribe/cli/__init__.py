"""The command line: `imuscribe --help`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

# Busy-waiting threads starve each other on shared cores: generation ran ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import typer

from imuscribe.cli import align, check, data, experiments, pairs, run, search, text, words
from imuscribe.cli import map as mapping
from imuscribe.signals.errors import InputError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

app = typer.Typer(
    name="imuscribe",
    epilog="Start with:  imuscribe run demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for part in (
    *(data.app, text.app, pairs.app, align.app, experiments.app, run.app, search.app),
    *(mapping.app, words.app),
):
    app.registered_groups += part.registered_groups
    app.registered_commands += part.registered_commands
check.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"imuscribe {version('imuscribe')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Teach large language models to read raw motion-sensor (IMU) signals."""


def main() -> None:
    """Run the command line; a user's mistake prints one line and exits with status 2."""
    try:
        app()
    except InputError as error:
        typer.echo(f"imuscribe: {error}", err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has turned Ctrl-C into this
            typer.echo("imuscribe: stopped; finished parts are kept, run again to go on", err=True)
        raise
