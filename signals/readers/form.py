"""How a text is a table: what stands between cells, which lines are names, units and rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.columns import FOREIGN
from imuscribe.signals.readers.layout import TableLayout

# The first wins where two fit alike: a tab is white space too.
_SEPARATORS = ("\t", ";", ",", "|", " ")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_POINT_NUMBER = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")
_LOOKED_AT = 300
_SAMPLE = 50


@dataclass(frozen=True)
class Form:
    """How one text is a table."""

    separator: str
    """One character; a space is any white space."""
    decimal: str
    names: tuple[str, ...]
    """As the header line has them, or the numbers of the columns."""
    units: tuple[str, ...]
    """As the row of units has them; none without one."""
    rows: tuple[str, ...]
    """Lines with cells, without what ends a line."""
    breaks: tuple[int, ...]
    """Rows that empty lines, or the names again, stand before."""
    left_out: str = ""
    """A last line that is cut off or no row at all."""


def form_of(
    text: str,
    layout: TableLayout,
    fits: Callable[[Sequence[str]], bool] | None,
    path: AnyPath,
) -> Form:
    """Find out what `layout` does not say; `fits` tells whether names may be the header's."""
    lines = text.split("\n")
    open_end = bool(lines[-1].strip())
    first = layout.skip
    separator = layout.separator
    if first < len(lines) and (said := re.match(r'"?sep=(.?)"?', lines[first], re.IGNORECASE)):
        separator, first = separator or said[1] or "\t", first + 1
    body = [i for i in range(first, len(lines)) if _holds(lines[i], layout.comment)]
    if not body:
        raise InputError(f"{path}: is empty: a header line and rows are needed", FOREIGN)
    sample = [lines[i] for i in body[:_LOOKED_AT]][-_SAMPLE:]
    separator = separator or _separator(sample)
    decimal = layout.decimal or _decimal(sample, separator)
    header = _header_line(lines, body, layout, separator, fits, sample, path)
    start = max(header + 1, layout.units_row or 0, first)
    units = _line(lines, layout.units_row, "units_row", path) if layout.units_row else ""
    again = lines[header] if header >= 0 else ""
    rows, breaks, last = _rows(lines[start:], separator, layout.comment, again)
    cut = len(rows) > 1 and _is_cut(last, rows[-_SAMPLE - 1 : -1], separator, open_end)
    left_out = rows.pop() if cut else ""
    if header >= 0:
        names = [name.strip() for name in cells(_bare(lines[header]), separator)]
    else:
        names = [str(i + 1) for i in range(max(len(cells(row, separator)) for row in rows[:1]))]
    return Form(
        separator=separator,
        decimal=decimal,
        names=tuple(names),
        units=tuple(cells(units, separator)) if units else (),
        rows=tuple(rows),
        breaks=breaks,
        left_out=left_out,
    )


def cells(line: str, separator: str) -> list[str]:
    """Split a line into its cells."""
    if separator == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def distinct(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names of which none occurs twice, and what is to be told of it."""
    made: dict[str, None] = {}
    again: dict[str, str] = {}
    given, tried = set(names), Counter[str]()
    for i, name in enumerate(names):
        stem = new = name or str(i + 1)
        while new in made or (tried[stem] and new in given):
            tried[stem] += 1
            new = f"{stem}.{tried[stem]}"
        if new != stem:
            again[new] = stem
        made[new] = None
    if not again:
        return list(made), []
    twice = ", ".join(dict.fromkeys(again.values()))
    return list(made), [f"column names occur again ({twice}): those are {', '.join(again)}"]


def _holds(line: str, comment: str) -> bool:
    return bool(line.strip()) and not (comment and line.lstrip().startswith(comment))


def _bare(line: str) -> str:
    """Return a header line without the comment sign and separators around it."""
    return re.sub(r"^\s*(#|%|//)+\s*", "", line).rstrip()


def _separator(sample: Sequence[str]) -> str:
    """Choose what makes the most cells numbers and the fewest anything else."""

    def score(separator: str) -> int:
        found = 0
        for line in sample:
            for cell in cells(line.rstrip().rstrip(separator + ";"), separator):
                number = _NUMBER.fullmatch(cell) or (
                    separator != "," and _COMMA_NUMBER.fullmatch(cell)
                )
                found += 1 if number else -bool(cell)
        return found

    if any(char.isdigit() for line in sample for char in line):
        best = max(_SEPARATORS, key=score)
        if any(best in line for line in sample):
            return best
    return max(",;\t", key=sample[0].count)


def _decimal(sample: Sequence[str], separator: str) -> str:
    """Tell decimal commas, where commas do not stand between cells."""
    if separator == ",":
        return "."
    found = [cell for line in sample for cell in cells(line, separator)]
    commas = any(_COMMA_NUMBER.fullmatch(cell) for cell in found)
    return "," if commas and not any(_POINT_NUMBER.fullmatch(cell) for cell in found) else "."


def _header_line(
    lines: Sequence[str],
    body: Sequence[int],
    layout: TableLayout,
    separator: str,
    fits: Callable[[Sequence[str]], bool] | None,
    sample: Sequence[str],
    path: AnyPath,
) -> int:
    """Return the index of the header line, -1 where there is none."""
    if layout.header == "none":
        return -1
    if isinstance(layout.header, int):
        _line(lines, layout.header, "header", path)
        return layout.header - 1
    # A header may stand behind the sign of a comment.
    for i in [i for i in range(body[0], min(len(lines), body[0] + _LOOKED_AT)) if lines[i].strip()]:
        if fits and fits(distinct(cells(_bare(lines[i]), separator))[0]):
            return i
    width = len(cells(sample[-1].rstrip().rstrip(separator + ";"), separator))
    return next((i for i in body if len(cells(_bare(lines[i]), separator)) >= width), body[0])


def _line(lines: Sequence[str], number: int, option: str, path: AnyPath) -> str:
    if number > len(lines) or not lines[number - 1].strip():
        why = "is empty" if number <= len(lines) else f"is beyond the {len(lines):,} there are"
        raise InputError(f"{path}: {option} is line {number}, which {why}")
    return lines[number - 1]


def _rows(
    lines: Sequence[str], separator: str, comment: str, header: str
) -> tuple[list[str], tuple[int, ...], str]:
    """Return rows, which of them empty lines or the header stand before, and the last as it is."""
    rows: list[str] = []
    breaks: list[int] = []
    empty, last = False, ""
    for line in lines:
        # A separator that ends a line opens no column; a cell left out there is missing anyway.
        row = line.rstrip().rstrip(separator + ";") if line != header else ""
        if comment and row.lstrip().startswith(comment):
            continue
        if row and empty and rows:
            breaks.append(len(rows))
        if row:
            rows.append(row)
            last = line.rstrip() if separator == ";" else line.rstrip().rstrip(";")
        empty = not row
    # Line ends written twice are no ends of recordings.
    twice = len(rows) > 2 and len(breaks) == len(rows) - 1
    return rows, () if twice else tuple(breaks), last


def _is_cut(last: str, before: Sequence[str], separator: str, open_end: bool) -> bool:
    """Tell whether the last row ends before its time, as where a logger was switched off."""
    found, others = cells(last, separator), [cells(row, separator) for row in before]
    width = min(map(len, others))
    if len(found) < width:
        return True
    cell, ends = found[width - 1], [row[width - 1] for row in others]
    if all(map(_is_number, ends)) and not _is_number(cell):
        return True
    decimals = {len(re.split("[.,]", end)[-1]) if re.search("[.,]", end) else 0 for end in ends}
    here = re.split("[.,]", cell)
    # Fewer decimals than all others have, where no line end was written.
    return open_end and len(decimals) == 1 and len(here[-1]) * (len(here) > 1) < min(decimals)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _COMMA_NUMBER.fullmatch(cell))
