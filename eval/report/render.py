"""A page as HTML that opens offline, as Markdown, or in a terminal."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from imuscribe.eval.report.page import Page, Picture, Table, Text

if TYPE_CHECKING:
    from jinja2 import Environment


def as_html(page: Page) -> str:
    """Return the page; every text is escaped, pictures are inside it."""
    return templates().get_template("page.html").render(page=page)


def as_markdown(page: Page) -> str:
    """Return the page without its pictures."""
    parts = [f"# {page.title}", page.lead]
    for section in page.sections:
        if section.heading and not isinstance(section, Picture):
            parts.append(f"## {section.heading}")
        if isinstance(section, Table):
            parts += [markdown_table(section.head, section.rows), section.caption]
        elif isinstance(section, Text) and not section.folded:
            parts += section.paragraphs
            parts.append("\n".join(f"- {point}" for point in section.points))
            if section.verbatim:
                parts.append(f"```\n{section.verbatim}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a table without titles gets empty ones, as Markdown needs some."""
    rows = list(rows)
    if not rows:
        return ""
    titles = [title.replace("\n", " ") for title in head] or [""] * len(rows[0])
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def show(page: Page) -> None:
    """Print what a terminal shows of a page: its summary, or all its tables."""
    for table in page.summary or [x for x in page.sections if isinstance(x, Table)]:
        print_table(table)
    for line in page.lines:
        sys.stdout.write(f"{line}\n")


def print_table(table: Table) -> None:
    """Print a table; only a terminal has a width, elsewhere no row is broken."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(
        title=escape(table.heading) or None,
        box=None,
        title_justify="left",
        header_style="bold",
        pad_edge=False,
    )
    for place, title in enumerate(table.head):
        shown.add_column(escape(title), justify="left" if table.text or not place else "right")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else 200).print(shown)


@cache
def templates() -> Environment:
    """Return the templates of pages; they escape every text."""
    from jinja2 import Environment, PackageLoader

    found = Environment(
        loader=PackageLoader("imuscribe.eval.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["base64"] = lambda png: base64.b64encode(png).decode("ascii")
    found.tests["picture"] = lambda section: isinstance(section, Picture)
    found.tests["table"] = lambda section: isinstance(section, Table)
    return found
