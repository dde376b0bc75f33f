"""What a report says, whatever it is written as: sections of tables, pictures and text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column is read as names, the others as figures.

    Parameters
    ----------
    head : sequence of str
        Titles; none for a table of facts.
    rows : sequence of sequence of str
    heading, caption : str
        Above and below it.
    best : int or None
        The row to stand out.
    text : bool
        Whether cells are sentences rather than figures.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    heading: str = ""
    caption: str = ""
    best: int | None = None
    text: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows."""

    png: bytes
    shows: str
    heading: str = ""


@dataclass(frozen=True)
class Text:
    """Paragraphs, points of a list, or lines that stand as they are, perhaps folded away."""

    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    verbatim: str = ""
    heading: str = ""
    folded: str = ""
    """Title under which `verbatim` is folded away."""


Section = Table | Picture | Text


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title, lead : str
        What it is of, and on what it rests, in a sentence or two.
    sections : sequence of Section
    summary : sequence of Table
        What a terminal shows; none shows the tables of the page.
    lines : sequence of str
        What a terminal says below it.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    summary: Sequence[Table] = ()
    lines: Sequence[str] = field(default_factory=tuple)

    def closed(self, values: Values, facts: Values, recipe: str) -> Self:
        """Return the page with what every report ends with: how to repeat it, and with what."""
        machine = facts["machine"]
        rows = {
            "commit": facts["commit"] or "not from a repository",
            "machine": f"{machine['cpus']} × {machine['processor']}"
            + (f", {machine['gpu']}" if machine["gpu"] else ""),
            "data": " ".join(filter(None, (facts["data"]["path"], facts["data"]["sha256"]))),
            "software": f"Python {facts['python']}, "
            + ", ".join(f"{name} {version}" for name, version in facts["packages"].items()),
        }
        asked = facts["command"] or f"imuscribe run recipe.yaml  # {values['name']}"
        end: list[Section] = [
            Text(heading="Repeat it", verbatim=asked),
            Table((), list(rows.items()), text=True),
            Text(folded="The resolved recipe", verbatim=recipe),
        ]
        return replace(self, sections=[*self.sections, *end])


def only(sections: Iterable[Section | None]) -> list[Section]:
    """Return the sections that there are."""
    return [section for section in sections if section is not None]


def interval(figure: Values, digits: int = 3) -> str:
    """Return ``0.532 [0.471, 0.592]``; the value alone where there is no interval."""
    value = f"{figure['value']:.{digits}f}"
    if figure["low"] is None:
        return value
    return f"{value} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def counted(figure: Values, digits: int = 3) -> str:
    """Return ``128/260 0.492 [0.432, 0.553]``: a share with the counts behind it."""
    return f"{round(figure['value'] * figure['n'])}/{figure['n']} {interval(figure, digits)}"


def points(figure: Values) -> str:
    """Return a difference of shares in points: ``+12.7 [+7.3, +17.7]``."""
    low, high = figure["low"], figure["high"]
    bounds = "" if low is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * figure['value']:+.1f}{bounds}"


def optional(value: float | None, form: str = ".3f") -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def counts(n: int, one: str, many: str = "") -> str:
    """Return ``1 person`` or ``1,234 people``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
