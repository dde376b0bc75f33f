"""`imuscribe words eval | decode | demo`."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    words = typer.Typer(help="From letters to words.", no_args_is_help=True)
    words.command(
        "eval",
        epilog=_examples(
            "imuscribe words eval words-study",
            "imuscribe words eval words-study letters=runs/charsense-lopo "
            "method=fine-tuned-retrieval name=words-charsense",
            "imuscribe words eval words-study only=nouns k=2,3 words=20",
        ),
    )(evaluate)
    app.add_typer(words, name="words")


def evaluate(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or words-study.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change.")
    ] = None,
) -> None:
    """Decode words of people whose letters taught nothing; print the length × k tables.

    Run it again after an interruption: finished people are kept.
    """
    from eval.words import evaluate_words
    from eval.words_report import caption, pages, read_words
    from recipes.words import load_words_recipe

    changes = overrides or []
    resolved = load_words_recipe(recipe, changes)
    command = shlex.join(["imuscribe", "words", "eval", recipe, *changes])
    folder = evaluate_words(resolved, command)

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found = read_words(folder)
    # Only a terminal has a width: elsewhere no row is broken.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for title, heading, rows in pages(found):
        table = Table(title=escape(title), box=None, title_justify="left", pad_edge=False)
        for name in heading:
            table.add_column(escape(name), justify="left" if name == "decoder" else "right")
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
    typer.echo(f"letters: {found['letters']}")
    typer.echo(caption())
    typer.echo(f"report: {folder / 'words.md'}")


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)
