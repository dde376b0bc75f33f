"""Timelines from files: a table of spans, or charts with their spans in lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.ask.pieces import union
from imuscribe.ask.timeline import Timeline, timeline_of
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import AnyPath

if TYPE_CHECKING:
    import pandas as pd

SPANS = ("start", "end", "label")
CAPS = (80.0, 105.0)
"""Seconds by which lines in charts reach beyond what they stand for, at their start and their end:
what durations, starts and ends in the answers of 45 of SensorQA's people come to."""
GAP = 360.0
"""Seconds between lines of a chart that the same people still count as one session."""
CHARTS = ("days", "labels", "day", "label", "start", "end")


def is_spans(path: AnyPath) -> bool:
    """Whether a file holds spans rather than recordings, by the names of its columns."""
    return set(SPANS) <= set(_read(Path(path), head=True).columns)


def read_timelines(path: AnyPath, gap: float = 0.0) -> dict[str, Timeline]:
    """Read each person's timeline.

    Parameters
    ----------
    path : path-like
        CSV or Parquet with a row a span: ``start``, ``end`` (dates with times, or seconds),
        ``label``, and ``user`` and ``confidence`` where there are any; or Parquet with a row a
        chart: ``user``, ``days``, ``labels``, and lists ``day``, ``label``, ``start``, ``end``.
    gap : float
        Seconds between pieces that are still one session.

    Raises
    ------
    InputError
        If the file or a column is missing, or a row is no span.
    """
    table = _read(Path(path))
    where = Path(path).name
    missing = [name for name in SPANS if name not in table.columns]
    if missing:
        raise InputError(f"{where}: has no column {missing[0]}: a table of spans has start, end, "
                         "label, and user where it is of several people")  # fmt: skip
    users = table["user"].astype(str) if "user" in table else ["" for _ in range(len(table))]
    table = table.assign(user=users)
    if set(CHARTS) <= set(table.columns):
        return {str(user): _of_charts(rows, gap) for user, rows in table.groupby("user")}
    found = {}
    for user, rows in table.groupby("user", sort=False):
        spans = [
            _span(row, f"{where}, row {int(i) + 1}")
            for i, row in zip(rows.index, rows.to_dict("records"), strict=True)
        ]
        try:
            found[str(user)] = timeline_of(spans, gap=gap)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    if not found:
        raise InputError(f"{where}: holds no span: give rows with start, end and label")
    return found


def chosen(timelines: dict[str, Timeline], user: str | None) -> Timeline:
    """Return the timeline of one person, who must be named where there are several."""
    if user is None and len(timelines) == 1:
        return next(iter(timelines.values()))
    if user in timelines:
        return timelines[user]
    if user is None:
        some = ", ".join([*timelines][:3])
        raise InputError(f"the data is of {len(timelines)} people: name one, such as --user {some}")
    raise InputError(f"--user '{user}': {nearest(user, timelines)}")


def chart(row: Any, gap: float = GAP, caps: tuple[float, float] = CAPS) -> Timeline:
    """Return the timeline of one chart: a row with days, labels and lists of spans.

    `caps` are the seconds taken off the start and the end of each span.
    """
    return timeline_of(
        _chart_spans(row, caps),
        list(row["labels"]),
        [date.fromisoformat(d) for d in row["days"]],
        gap,
    )


def _of_charts(rows: pd.DataFrame, gap: float) -> Timeline:
    """Put together what several charts show of one person; the same time may be shown twice."""
    spans: list[tuple[datetime, datetime, str, float]] = []
    labels: dict[str, None] = {}
    days: set[date] = set()
    for _, row in rows.iterrows():
        spans += [*_chart_spans(row)]
        labels |= dict.fromkeys(row["labels"])
        days |= {date.fromisoformat(day) for day in row["days"]}
    whole = timeline_of(set(spans), [*labels], sorted(days), gap)
    merged = [
        (whole.moment(start), whole.moment(end), label, 1.0)
        for label, pieces in whole.by_label.items()
        for start, end in union(pieces, 60.0)  # charts are read to the minute
    ]
    return timeline_of(merged, [*labels], sorted(days), gap)


def _chart_spans(
    row: Any, caps: tuple[float, float] = CAPS
) -> Iterator[tuple[datetime, datetime, str, float]]:
    for day, label, start, end in zip(*(row[x] for x in CHARTS[2:]), strict=True):
        midnight = datetime.fromisoformat(day)
        share = min(1.0, max(0.0, float(end - start) - 1) / max(1.0, sum(caps)))
        start, end = float(start) + caps[0] * share, float(end) - caps[1] * share
        yield (
            midnight + timedelta(seconds=float(start)),
            midnight + timedelta(seconds=float(end)),
            str(label),
            1.0,
        )


def _span(row: Any, where: str) -> tuple[Any, Any, str, float]:
    ends = []
    for name in ("start", "end"):
        value = row[name]
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                try:
                    value = float(value)
                except ValueError:
                    raise InputError(
                        f"{where}: {name} '{value}' is no time: write 2015-11-05 07:30:00, or "
                        "seconds"
                    ) from None
        if value != value or value is None:
            raise InputError(f"{where}: {name} is empty: give a time")
        ends.append(value.to_pydatetime() if hasattr(value, "to_pydatetime") else value)
    confidence = float(row.get("confidence", 1.0))
    if not 0 <= confidence <= 1:
        raise InputError(f"{where}: confidence {confidence:g} is no probability: give 0 to 1")
    label = row["label"]
    if not isinstance(label, str) or not label.strip():
        raise InputError(f"{where}: label is empty: name what was done")
    first, last = (at if isinstance(at, datetime) else float(at) for at in ends)
    if type(first) is type(last) and last < first:  # type: ignore[operator]
        raise InputError(f"{where}: ends before it begins: give start and end in order")
    return first, last, label.strip(), confidence


def _read(path: Path, head: bool = False) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such file: give a table of spans or a recording")
    try:
        if path.suffix.lower() == ".parquet":
            if head:
                import pyarrow.parquet as pq

                return pd.DataFrame(columns=pq.read_schema(path).names)
            return pd.read_parquet(path)
        rows = pd.read_csv(path, nrows=0 if head else None, sep=None, engine="python")
        return rows.rename(columns=lambda name: str(name).strip())
    except (ValueError, OSError, UnicodeError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: is no table that can be read ({reason}): give CSV or Parquet"
        ) from None
