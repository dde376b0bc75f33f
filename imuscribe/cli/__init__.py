"""The command line: `imuscribe --help`."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

# Busy-waiting threads starve each other on shared cores: generation ran ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import typer
from typer.core import TyperGroup

from imuscribe.cli import align, check, data, experiments, pairs, run, search, text, words
from imuscribe.cli import map as mapping
from imuscribe.signals.errors import InputError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Words(TyperGroup):
    """Refuses arguments that are no text, such as a file's name in an encoding of old."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check what was typed before any command sees it."""
        for word in args:
            if not word.isascii() and word.encode(errors="replace").decode() != word:
                raise InputError(f"'{word}': is not UTF-8: rename the file, or write it again")
        found: list[str] = super().parse_args(ctx, args)
        return found


app = typer.Typer(
    name="imuscribe",
    cls=Words,
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack our ² and ×
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except InputError as error:
        typer.echo(f"imuscribe: {error}", err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has turned Ctrl-C into this
            typer.echo("imuscribe: stopped; finished parts are kept, run again to go on", err=True)
        raise
