"""What a report says, whatever it is written as: sections of tables, pictures and text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

Values = Mapping[str, Any]

Columns = dict[str, Callable[[Any], str]]
"""Title of a column → what it says of an item."""


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column is read as names, the others as figures.

    A table of facts has no `head`. `heading` stands above it, `caption` below; `best` are the rows
    to stand out; with `text`, cells are sentences rather than figures.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    heading: str = ""
    caption: str = ""
    best: Sequence[int] = ()
    text: bool = False

    @classmethod
    def of(
        cls, items: Iterable[Any], columns: Columns, heading: str = "", caption: str = ""
    ) -> Self:
        """Return a table with a row for each item."""
        rows = [[says(item) for says in columns.values()] for item in items]
        return cls(list(columns), rows, heading, caption)


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows; with `folded`, the title under which it is folded away."""

    png: bytes
    shows: str
    heading: str = ""
    caption: str = ""
    folded: str = ""


@dataclass(frozen=True)
class Text:
    """Paragraphs, points of a list, or lines that stand as they are.

    `folded` is the title under which `verbatim` is folded away.
    """

    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    verbatim: str = ""
    heading: str = ""
    folded: str = ""


Section = Table | Picture | Text


@dataclass(frozen=True)
class Page:
    """A report: what it is of, on what it rests (a sentence or two), and its sections.

    A terminal shows the tables of `summary`, or where there are none all tables, and `lines` below.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    summary: Sequence[Table] = ()
    lines: Sequence[str] = ()

    def closed(self, values: Values, facts: Values, recipe: str) -> Self:
        """Return the page with what every report ends with: how to repeat it, and with what."""
        machine, data = facts["machine"], facts["data"]
        packages = [f"{name} {version}" for name, version in facts["packages"].items()]
        gpu = f", {machine['gpu']}" if machine["gpu"] else ""
        rows = [
            ("commit", facts["commit"] or "not from a repository"),
            ("machine", f"{machine['cpus']} × {machine['processor']}{gpu}"),
            ("data", " ".join(filter(None, (data["path"], data["sha256"])))),
            ("software", f"Python {facts['python']}, {', '.join(packages)}"),
        ]
        asked = facts["command"] or f"imuscribe run recipe.yaml  # {values['name']}"
        end = (
            Text(heading="Repeat it", verbatim=asked),
            Table((), rows, text=True),
            Text(folded="The resolved recipe", verbatim=recipe),
        )
        return replace(self, sections=[*self.sections, *end])


def only(*sections: Section | None) -> list[Section]:
    """Return the sections that there are."""
    return [section for section in sections if section is not None]


def interval(
    figure: Values | None,
    form: str = ".3f",
    bounds: str = "",
    *,
    scale: float = 1,
    unit: str = "",
    n: bool = False,
) -> str:
    """Return ``0.532 [0.471, 0.592]``, with `n` what was averaged over behind it.

    The value alone where there is no interval, a dash where there is no figure.
    """
    if figure is None:
        return "–"
    parts = [format(scale * figure["value"], form) + unit]
    if figure.get("low") is not None:
        low, high = (format(scale * figure[end], bounds or form) for end in ("low", "high"))
        parts.append(f"[{low}, {high}]")
    if n:
        parts.append(str(figure["n"]))
    return " ".join(parts)


def counted(figure: Values) -> str:
    """Return ``128/260 0.492 [0.432, 0.553]``: a share with the counts behind it."""
    return f"{round(figure['value'] * figure['n'])}/{figure['n']} {interval(figure)}"


def points(figure: Values) -> str:
    """Return a difference of shares: ``+12.7 points [+7.3, +17.7]``."""
    return interval(figure, "+.1f", scale=100, unit=" points")


def optional(value: float | None, form: str = ".3f") -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def counts(n: int, one: str, many: str = "") -> str:
    """Return ``1 person`` or ``1,234 people``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
